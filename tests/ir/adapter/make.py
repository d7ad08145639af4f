"""Writes the files of `tests/data/ir`: three small networks with their losses, exported, and
what PyTorch itself computes: loss and gradient of every parameter in f64 and in f32.

    python tests/ir/adapter/make.py tests/data/ir

Needs torch and safetensors. Parameters are random f32 numbers, so that both precisions
start from the same.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn

from adapter import export


class Loss(nn.Module):
    """Mean squared error of a network against a fixed target."""

    def __init__(self, net, target):
        super().__init__()
        self.net = net
        self.register_buffer("target", target)

    def forward(self, x):
        return nn.functional.mse_loss(self.net(x), self.target)


class Attention(nn.Module):
    """A transformer's encoder block with one head."""

    def __init__(self, d, hidden):
        super().__init__()
        self.attention = nn.MultiheadAttention(d, 1, batch_first=True)
        self.first, self.second = nn.LayerNorm(d), nn.LayerNorm(d)
        self.wide, self.back = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x):
        x = self.first(x + self.attention(x, x, x)[0])
        return self.second(x + self.back(torch.tanh(self.wide(x))))


def mlp():
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3), nn.Sigmoid())
    return net, (5, 4), (5, 3)


def cnn():
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 3, (3, 2), stride=2, padding=1), nn.BatchNorm2d(3), nn.Tanh(),
        nn.MaxPool2d(2, stride=1, padding=1), nn.AvgPool2d(2, stride=1), nn.Flatten(), nn.Linear(18, 3),
    )
    return net, (2, 2, 8, 8), (2, 3)


def attention():
    return Attention(6, 10), (2, 5, 6), (2, 5, 6)


def randomise(module):
    """f32 numbers in everything, positive ones where they are variances."""
    for name, t in list(module.named_parameters()) + list(module.named_buffers()):
        if t.dtype.is_floating_point and not name.endswith("target"):
            random = torch.randn_like(t, dtype=torch.float32) * 0.4
            if name.endswith("running_var"):
                random = random.abs() + 0.5
            elif t.dim() == 1 and name.endswith("weight"):
                random = random + 1.0
            t.data = random.double()


def eager(module, x, origin, dtype):
    """Loss and gradients by the names of the file."""
    module = module.to(dtype)
    module.zero_grad()
    loss = module(x.to(dtype))
    loss.backward()
    parameters = dict(module.named_parameters())
    gradients = {k: parameters[name].grad[rows].flatten().tolist() for k, (name, rows) in origin.items()}
    module.double()
    return {"loss": loss.item(), "gradients": gradients}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("mlp", mlp), ("cnn", cnn), ("attention", attention)):
        torch.manual_seed(17)
        net, shape, target = make()
        module = Loss(net, torch.randn(target, dtype=torch.float32).double()).double()
        randomise(module)
        module.eval()
        for part in module.modules():
            # Outside training PyTorch would take another, fused way through an attention.
            if isinstance(part, nn.MultiheadAttention):
                part.train()
        x = torch.randn(shape, dtype=torch.float32).double()
        out, output = export(module, x)
        (folder / f"{name}.json").write_text(out.text(output))
        save_file({k: v.float().contiguous() if not k.endswith((".eps", ".values")) else v.double().contiguous()
                   for k, v in out.payload.items()}, folder / f"{name}.safetensors")
        expected = {"torch": torch.__version__, "input": x.flatten().tolist()}
        for dtype, label in ((torch.float64, "f64"), (torch.float32, "f32")):
            expected[label] = eager(module, x, out.origin, dtype)
        lines = json.dumps(expected, indent=None).replace('"gradients"', '\n"gradients"').replace("], ", "],\n")
        (folder / f"{name}.expected.json").write_text(lines + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
