"""PyTorch modules as `torchlean.ir.v1` files with their parameters.

`torch.fx` traces the module, `ShapeProp` finds the shapes, and every traced node becomes
one or more nodes of the file. What has no kind there is an error that names it.
"""

import json
import operator

import torch
from torch import nn
from torch.fx import symbolic_trace
from torch.fx.passes.shape_prop import ShapeProp

# Nodes that an attention becomes when its tuple is lowered, and where the parameters
# stand among them: q, k, v, transpose, product, scale, scaled, softmax, product, out.
ATTENTION, Q, K, V, SCALE, OUT = 10, 0, 1, 2, 5, 9


class Export:
    """Nodes of a file, its parameters, and how they hang together with the module's."""

    def __init__(self):
        self.nodes = []
        # Id after lowering, of each node that is a tensor then.
        self.lowered = []
        self.count = 0
        # "<node id>.<name>" -> tensor; -> (parameter of the module, slice of its rows).
        self.payload = {}
        self.origin = {}

    def add(self, kind, parents, shape, lowers_to=1, **attributes):
        node = {"id": len(self.nodes), "kind": kind, "parents": parents, "shape": list(shape), **attributes}
        self.nodes.append(node)
        self.count += lowers_to
        self.lowered.append(self.count - 1)
        return node["id"]

    def add_tuple(self, kind, parents, shapes, **attributes):
        shapes = [list(s) for s in shapes]
        tuple_kind = {"value_kind": "tuple", "tuple_shapes": shapes}
        self.nodes.append({"id": len(self.nodes), "kind": kind, "parents": parents, **tuple_kind, **attributes})
        self.lowered.append(None)
        return len(self.nodes) - 1

    def parameter(self, lowered, name, value, origin=None, rows=slice(None)):
        key = f"{lowered}.{name}"
        self.payload[key] = value.detach()
        if origin is not None:
            self.origin[key] = (origin, rows)

    def constant(self, value, origin=None):
        node = self.add("const", [], value.shape)
        self.parameter(self.lowered[node], "values", value, origin)
        return node

    def text(self, output):
        """One node per line, so that the files can be read and compared."""
        nodes = ",\n    ".join(json.dumps(n) for n in self.nodes)
        head = f'"format": "torchlean.ir.v1",\n  "input_id": 0,\n  "output_id": {output}'
        return f'{{\n  {head},\n  "nodes": [\n    {nodes}\n  ]\n}}\n'


def shape_of(node):
    meta = node.meta["tensor_meta"]
    return list(meta.shape) if hasattr(meta, "shape") else [list(m.shape) for m in meta if m is not None]


def square(value):
    """The one number that both axes have."""
    pair = value if isinstance(value, tuple) else (value, value)
    if pair[0] != pair[1]:
        raise NotImplementedError(f"{value}: both axes must have one number")
    return pair[0]


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def export(module, example):
    """The file of a module at the shape of an example input, and its output id."""
    traced = symbolic_trace(module)
    ShapeProp(traced).propagate(example)
    out, ids = Export(), {}
    output = None
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            ids[node] = out.add("input", [], shape_of(node))
        elif node.op == "get_attr":
            ids[node] = out.constant(operator.attrgetter(node.target)(module))
        elif node.op == "call_module":
            ids[node] = call_module(out, node, module.get_submodule(node.target), ids)
        elif node.op == "call_function":
            ids[node] = call_function(out, node, ids)
        elif node.op == "output":
            output = ids[node.args[0]]
        else:
            raise NotImplementedError(f"{node.op} {node.target}")
    return out, output


def call_module(out, node, module, ids):
    name, shape = node.target, shape_of(node)
    parents = [ids[a] for a in node.args]
    plain = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    if type(module) in plain:
        return out.add(plain[type(module)], parents, shape)
    if isinstance(module, nn.Linear):
        new = out.add("linear", parents, shape)
        out.parameter(out.lowered[new], "W", module.weight, f"{name}.weight")
        out.parameter(out.lowered[new], "b", module.bias, f"{name}.bias")
        return new
    if isinstance(module, nn.Conv2d):
        if module.groups != 1 or pair(module.dilation) != (1, 1):
            raise NotImplementedError(f"{name}: groups and dilation")
        kh, kw = pair(module.kernel_size)
        new = out.add(
            "conv2d", parents, shape, inC=module.in_channels, outC=module.out_channels, kH=kh, kW=kw,
            stride=square(module.stride), padding=square(module.padding),
        )
        out.parameter(out.lowered[new], "W", module.weight, f"{name}.weight")
        out.parameter(out.lowered[new], "b", module.bias, f"{name}.bias")
        return new
    if isinstance(module, nn.BatchNorm2d):
        new = out.add("batch_norm2d_nchw_eval", parents, shape, channels=module.num_features)
        at = out.lowered[new]
        out.parameter(at, "gamma", module.weight, f"{name}.weight")
        out.parameter(at, "beta", module.bias, f"{name}.bias")
        out.parameter(at, "mean", module.running_mean)
        out.parameter(at, "var", module.running_var)
        out.parameter(at, "eps", torch.tensor([module.eps], dtype=torch.float64))
        return new
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        kind = "max_pool2d" if isinstance(module, nn.MaxPool2d) else "avg_pool2d"
        kh, kw = pair(module.kernel_size)
        window = {"kH": kh, "kW": kw, "stride": square(module.stride)}
        padding = square(module.padding)
        if padding:
            return out.add(f"{kind}_pad", parents, shape, **window, padding=padding)
        return out.add(kind, parents, shape, **window)
    if isinstance(module, nn.Flatten):
        source = shape_of(node.args[0])
        return out.add("reshape", parents, shape, in_shape=source, out_shape=shape)
    if isinstance(module, nn.LayerNorm):
        rank = len(shape) - len(module.normalized_shape)
        normal = out.add("layernorm", parents, shape, axis=rank, eps=module.eps)

        # The file's rule aligns shapes from the left, so that leading axes are written out.
        def spread(value, origin):
            lead = [1] * rank + list(module.normalized_shape)
            own = out.constant(value.reshape(lead), origin)
            return out.add("broadcast_to", [own], shape, from_shape=lead, to_shape=shape)

        scaled = out.add("mul_elem", [normal, spread(module.weight, f"{name}.weight")], shape)
        return out.add("add", [scaled, spread(module.bias, f"{name}.bias")], shape)
    if isinstance(module, nn.MultiheadAttention):
        return out.add_tuple(
            "multihead_attention", parents, shape, num_heads=module.num_heads, embed_dim=module.embed_dim,
            batch_first=module.batch_first, dropout_zero=module.dropout == 0.0,
        )
    raise NotImplementedError(f"{name}: {type(module).__name__}")


def call_function(out, node, ids):
    if node.target is operator.getitem:
        return attention_item(out, node, ids)
    parents, shape = [ids[a] for a in node.args], shape_of(node)
    kinds = {
        operator.add: "add", operator.sub: "sub", operator.mul: "mul_elem", torch.tanh: "tanh", torch.relu: "relu",
        torch.sigmoid: "sigmoid", torch.exp: "exp", torch.sin: "sin", torch.cos: "cos", torch.sum: "sum",
        nn.functional.mse_loss: "mse_loss", nn.functional.relu: "relu",
    }
    if node.target not in kinds or (node.target is torch.sum and len(node.args) > 1):
        raise NotImplementedError(f"{node.target}")
    return out.add(kinds[node.target], parents, shape)


def attention_item(out, node, ids):
    """Element 0 of an attention, with the parameters of the nodes that it becomes."""
    source, index = node.args
    shape = source.meta["tensor_meta"][0].shape
    new = out.add("tuple_getitem", [ids[source]], shape, lowers_to=ATTENTION, index=index)
    first = out.lowered[new] - ATTENTION + 1
    module = node.graph.owning_module.get_submodule(source.target)
    name, d = source.target, module.embed_dim
    for at, i in ((Q, 0), (K, 1), (V, 2)):
        rows = slice(i * d, (i + 1) * d)
        out.parameter(first + at, "W", module.in_proj_weight[rows], f"{name}.in_proj_weight", rows)
        out.parameter(first + at, "b", module.in_proj_bias[rows], f"{name}.in_proj_bias", rows)
    batch, n, _ = shape
    out.parameter(first + SCALE, "values", torch.full((batch, n, n), d**-0.5, dtype=torch.float64))
    out.parameter(first + OUT, "W", module.out_proj.weight, f"{name}.out_proj.weight")
    out.parameter(first + OUT, "b", module.out_proj.bias, f"{name}.out_proj.bias")
    return new
