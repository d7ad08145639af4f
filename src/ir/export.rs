//! From our graph to the file's, where its ops have a kind.

use crate::graph::{Graph, Node, Shape, ValueId};
use crate::ir::error::IrError;
use crate::ir::graph::{IrGraph, IrNode};
use crate::ir::kind::{Conv, Kind, Window};
use crate::ir::payload::Payload;
use crate::ops::{Elements, Literal};

type R = Result<usize, IrError>;

/// Our graph as an IR graph, and its constants as parameters.
///
/// Input 0 becomes the one input; further inputs become `const` nodes, in order, whose
/// values the caller adds to the payload. Broadcasts are written out. An op without a kind of its
/// own is written with others only where the arithmetic is the same.
///
/// # Errors
/// An op, an element type or a number of inputs and outputs that the form has no
/// room for; the error names it.
pub fn export(graph: &Graph) -> Result<(IrGraph, Payload), IrError> {
    let mut exporter =
        Exporter { graph, nodes: Vec::new(), payload: Payload::new(), ids: vec![None; graph.len()] };
    let [output] = graph.outputs() else {
        let what = format!("{} outputs", graph.outputs().len());
        return Err(none(what, "a file has one"));
    };
    for v in graph.input_values() {
        exporter.float("an input", v)?;
        let shape = graph.shape(v).clone();
        let kind = if v.index() == 0 { Kind::Input } else { Kind::Const { value_shape: shape.clone() } };
        let id = exporter.push(kind, &[], shape);
        exporter.ids[v.index()] = Some(id);
    }
    if graph.inputs().is_empty() {
        return Err(none("a graph without inputs", "a file has one input"));
    }
    for node in graph.nodes() {
        // Constants are written where they are used.
        if graph.literal(node.result()).is_none() {
            let id = exporter.node(node)?;
            exporter.ids[node.result().index()] = Some(id);
        }
    }
    let output = exporter.operand("the output", *output)?;
    Ok((IrGraph::new(exporter.nodes, 0, output)?, exporter.payload))
}

fn none(what: impl Into<String>, why: impl Into<String>) -> IrError {
    IrError::Export { what: what.into(), why: why.into() }
}

fn elements(literal: &Literal) -> Option<Vec<f64>> {
    let n = literal.ty().numel();
    let spread = |v: Vec<f64>| if v.len() == 1 { vec![v[0]; n] } else { v };
    match literal.elements() {
        Elements::F64(v) => Some(spread(v.clone())),
        Elements::F32(v) => Some(spread(v.iter().map(|&x| f64::from(x)).collect())),
        _ => None,
    }
}

struct Exporter<'g> {
    graph: &'g Graph,
    nodes: Vec<IrNode>,
    payload: Payload,
    /// The node of each value that has one so far.
    ids: Vec<Option<usize>>,
}

impl Exporter<'_> {
    fn push(&mut self, kind: Kind, parents: &[usize], shape: Shape) -> usize {
        let id = self.nodes.len();
        self.nodes.push(IrNode { id, kind, parents: parents.to_vec(), shape });
        id
    }

    fn float(&self, what: &str, v: ValueId) -> Result<(), IrError> {
        match self.graph.ty(v) {
            ty if ty.dtype.is_float() => Ok(()),
            ty => Err(none(format!("{what} of type {ty}"), "every value of a file is a float tensor")),
        }
    }

    /// The node of a value; a constant is written when it is first used.
    fn operand(&mut self, op: &str, v: ValueId) -> R {
        if let Some(id) = self.ids[v.index()] {
            return Ok(id);
        }
        self.float(&format!("an operand of {op}"), v)?;
        let Some(values) = self.graph.literal(v).and_then(|l| elements(l)) else {
            return Err(none(op, format!("its operand {v} has no node")));
        };
        let id = self.constant(self.graph.shape(v).clone(), values);
        self.ids[v.index()] = Some(id);
        Ok(id)
    }

    fn constant(&mut self, shape: Shape, values: Vec<f64>) -> usize {
        let id = self.push(Kind::Const { value_shape: shape.clone() }, &[], shape);
        self.payload.insert(id, "values", values);
        id
    }

    fn reshape(&mut self, x: usize, to: Shape) -> usize {
        let from = self.nodes[x].shape.clone();
        if from == to {
            return x;
        }
        self.push(Kind::Reshape { from, to: to.clone() }, &[x], to)
    }

    /// NumPy's rule written for the file's: leading axes of extent 1 first, so that
    /// both rules mean the same.
    fn broadcast(&mut self, x: usize, to: &Shape) -> usize {
        let own = &self.nodes[x].shape;
        if own == to {
            return x;
        }
        let lead = to.rank().saturating_sub(own.rank());
        let from: Shape = std::iter::repeat_n(1, lead).chain(own.dims().iter().copied()).collect();
        let x = self.reshape(x, from.clone());
        if from == *to {
            return x;
        }
        self.push(Kind::BroadcastTo { from, to: to.clone() }, &[x], to.clone())
    }

    fn node(&mut self, node: &Node) -> R {
        let (name, attrs, out) = (node.op.name(), &node.op.attrs, node.result());
        let exact = node.results().len() == 1;
        // An op of integers or masks fails at the float op that uses it; keys of
        // random numbers are read where they are used.
        if !exact || !self.graph.ty(out).dtype.is_float() {
            return Err(none(name, format!("its result is {}", self.graph.ty(out))));
        }
        let shape = self.graph.shape(out).clone();
        let literal = |this: &Self, i: usize| {
            node.operands().get(i).and_then(|&v| this.graph.literal(v)).and_then(|l| elements(l))
        };
        let same: Option<Kind> = match name {
            "abs" => Some(Kind::Abs),
            "sqrt_nonneg" => Some(Kind::Sqrt),
            "reciprocal" => Some(Kind::Inv),
            "relu" => Some(Kind::Relu),
            "tanh" => Some(Kind::Tanh),
            "sigmoid" => Some(Kind::Sigmoid),
            "exp" => Some(Kind::Exp),
            "log" => Some(Kind::Log),
            "sin" => Some(Kind::Sin),
            "cos" => Some(Kind::Cos),
            "detach" => Some(Kind::Detach),
            "add" => Some(Kind::Add),
            "sub" => Some(Kind::Sub),
            "mul" => Some(Kind::MulElem),
            "maximum" => Some(Kind::MaxElem),
            "minimum" => Some(Kind::MinElem),
            "softmax" => Some(Kind::Softmax { axis: size(attrs.int(0)) }),
            "permute" => Some(Kind::Permute { perm: attrs.sizes(0).to_vec() }),
            _ => None,
        };
        if let Some(kind) = same {
            let pointwise = kind.arity().0 == 2;
            let mut parents = Vec::new();
            for &v in node.operands() {
                let id = self.operand(name, v)?;
                parents.push(if pointwise { self.broadcast(id, &shape) } else { id });
            }
            return Ok(self.push(kind, &parents, shape));
        }
        match name {
            "rand_uniform" => {
                let seed = self.seed(name, node.operands()[0])?;
                Ok(self.push(Kind::RandUniform { seed }, &[], shape))
            }
            "bernoulli_mask" => {
                let keep = self.operand(name, node.operands()[0])?;
                let seed = self.seed(name, node.operands()[1])?;
                Ok(self.push(Kind::BernoulliMask { seed }, &[keep], shape))
            }
            "linear"
                if literal(self, 1).is_some()
                    && (node.operands().len() < 3 || literal(self, 2).is_some()) =>
            {
                let (w, b) = (literal(self, 1), literal(self, 2));
                let x = self.operand(name, node.operands()[0])?;
                let zeros = vec![0.0; shape.dims().last().copied().unwrap_or(0)];
                let id = self.push(Kind::Linear, &[x], shape);
                self.payload.insert(id, "W", w.unwrap_or_default());
                self.payload.insert(id, "b", b.unwrap_or(zeros));
                Ok(id)
            }
            "conv" => self.conv(node, shape, [literal(self, 1), literal(self, 2)]),
            "batch_norm_eval" => {
                let given = [1, 2, 3, 4].map(|i| literal(self, i));
                let [Some(mean), Some(var), Some(gamma), Some(beta)] = given else {
                    return Err(none(name, "statistics and weights must be constants"));
                };
                let [_, channels, _, _] = *shape.dims() else {
                    return Err(none(name, format!("the operand must be (N, C, H, W), it is {shape}")));
                };
                if var.iter().any(|v| *v < 0.0) {
                    return Err(none(name, "a variance is negative"));
                }
                let x = self.operand(name, node.operands()[0])?;
                let kind = Kind::BatchNorm2dNchwEval { channels, eps: Some(attrs.float(0)) };
                let id = self.push(kind, &[x], shape);
                for (name, values) in [("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)] {
                    self.payload.insert(id, name, values);
                }
                Ok(id)
            }
            _ => {
                let operands: Vec<usize> =
                    node.operands().iter().map(|&v| self.operand(name, v)).collect::<Result<_, _>>()?;
                self.composed(node, &operands, shape)
            }
        }
    }

    /// Ops of which the file has a special case, or that it writes in several nodes.
    fn composed(&mut self, node: &Node, operands: &[usize], shape: Shape) -> R {
        let (name, attrs) = (node.op.name(), &node.op.attrs);
        let x = operands.first().copied().ok_or_else(|| none(name, "it has no operand"))?;
        let own = self.nodes[x].shape.clone();
        match name {
            "square" => Ok(self.push(Kind::MulElem, &[x, x], shape)),
            "neg" | "scale" => {
                let factor = if name == "neg" { -1.0 } else { attrs.float(0) };
                let factor = self.constant(shape.clone(), vec![factor; shape.numel()]);
                Ok(self.push(Kind::MulElem, &[x, factor], shape))
            }
            "reshape" => Ok(self.push(Kind::Reshape { from: own, to: shape.clone() }, &[x], shape)),
            "broadcast_to" => Ok(self.broadcast(x, &shape)),
            "concat" if operands.len() > 1 => {
                Ok(self.push(Kind::Concat { axis: size(attrs.int(0)) }, operands, shape))
            }
            "sum" | "mean" => self.reduce(name, x, &attrs.sizes(0), shape),
            "mse" if attrs.int(0) == 2 => Ok(self.push(Kind::MseLoss, operands, shape)),
            "matmul" => {
                let other = self.nodes[operands[1]].shape.rank();
                let lead =
                    |i: usize| self.nodes[operands[i]].shape.dims().split_last_chunk::<2>().map(|s| s.0);
                if own.rank() != other || own.rank() > 3 || lead(0) != lead(1) {
                    return Err(none(
                        name,
                        "only two matrices or two stacks of as many matrices are multiplied",
                    ));
                }
                Ok(self.push(Kind::Matmul, operands, shape))
            }
            "layer_norm" => {
                let axis = own.rank() - self.nodes[operands[1]].shape.rank();
                let kind = Kind::Layernorm { axis, eps: Some(attrs.float(0)) };
                let normal = self.push(kind, &[x], shape.clone());
                let [w, b] = [1, 2].map(|i| self.broadcast(operands[i], &shape));
                let scaled = self.push(Kind::MulElem, &[normal, w], shape.clone());
                Ok(self.push(Kind::Add, &[scaled, b], shape))
            }
            "max_pool" | "avg_pool" => {
                let window = self.window(name, &attrs.sizes(0), &attrs.sizes(1))?;
                let padding = both(name, "padding", &attrs.sizes(2))?;
                let kind = match (name, padding) {
                    ("max_pool", 0) => Kind::MaxPool2d { window },
                    ("max_pool", _) => Kind::MaxPool2dPad { window, padding },
                    (_, 0) => Kind::AvgPool2d { window },
                    _ if !attrs.flag(3) => return Err(none(name, "padding is always counted")),
                    _ => Kind::AvgPool2dPad { window, padding },
                };
                Ok(self.push(kind, &[x], shape))
            }
            "linear" => Err(none(name, "its weights must be constants")),
            _ => Err(none(name, "the form has no kind for it")),
        }
    }

    fn reduce(&mut self, name: &str, mut x: usize, axes: &[usize], shape: Shape) -> R {
        let rank = self.nodes[x].shape.rank();
        x = match (name, axes) {
            (_, []) => return Err(none(name, "no axis is reduced")),
            ("sum", _) if axes.len() == rank => self.push(Kind::Sum, &[x], Shape::scalar()),
            (_, &[axis]) => {
                let mut dims = self.nodes[x].shape.dims().to_vec();
                dims.remove(axis);
                let kind = if name == "sum" { Kind::ReduceSum { axis } } else { Kind::ReduceMean { axis } };
                self.push(kind, &[x], Shape::from(dims))
            }
            _ if axes.len() == rank => {
                let from = self.nodes[x].shape.clone();
                let all = Shape::from([from.numel()]);
                let flat = self.push(Kind::Flatten { from }, &[x], all);
                self.push(Kind::ReduceMean { axis: 0 }, &[flat], Shape::scalar())
            }
            _ => return Err(none(name, format!("only one axis or all are reduced, not {axes:?}"))),
        };
        Ok(self.reshape(x, shape))
    }

    /// The seed that gives node `id` the key of a constant (seed, counter).
    fn seed(&self, op: &str, key: ValueId) -> Result<u64, IrError> {
        match self.graph.literal(key).map(|l| l.elements()) {
            Some(Elements::I64(key)) if key.len() == 2 => {
                let sum = (key[0] as u64).wrapping_add(key[1] as u64);
                Ok(sum.wrapping_sub(self.nodes.len() as u64))
            }
            _ => Err(none(op, "the key must be a constant pair")),
        }
    }

    fn window(&self, op: &str, kernel: &[usize], stride: &[usize]) -> Result<Window, IrError> {
        match *kernel {
            [kh, kw] => Ok(Window { kh, kw, stride: both(op, "stride", stride)? }),
            _ => Err(none(op, "only two spatial axes have a kind")),
        }
    }

    fn conv(&mut self, node: &Node, shape: Shape, [w, b]: [Option<Vec<f64>>; 2]) -> R {
        let (name, attrs) = (node.op.name(), &node.op.attrs);
        let kernel = self.graph.shape(node.operands()[1]).clone();
        let (Some(w), &[out_channels, in_channels, kh, kw]) = (w, kernel.dims()) else {
            return Err(none(name, "the kernel must be constant and have two spatial axes"));
        };
        if node.operands().len() > 2 && b.is_none() {
            return Err(none(name, "the bias must be constant"));
        }
        if attrs.ints(2) != [1, 1] || attrs.int(3) != 1 {
            return Err(none(name, "dilation and groups have no place in the form"));
        }
        let window = self.window(name, &[kh, kw], &attrs.sizes(0))?;
        let padding = both(name, "padding", &attrs.sizes(1))?;
        let x = self.operand(name, node.operands()[0])?;
        let conv = Conv { in_channels, out_channels, window, padding };
        let id = self.push(Kind::Conv2d { conv }, &[x], shape);
        self.payload.insert(id, "W", w);
        self.payload.insert(id, "b", b.unwrap_or(vec![0.0; out_channels]));
        Ok(id)
    }
}

fn size(v: i64) -> usize {
    usize::try_from(v).unwrap_or(usize::MAX)
}

/// The number that both axes have.
fn both(op: &str, attr: &str, per_axis: &[usize]) -> R {
    match *per_axis {
        [a, b] if a == b => Ok(a),
        _ => Err(none(op, format!("{attr} {per_axis:?} is not one number for two axes"))),
    }
}
