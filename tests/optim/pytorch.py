"""Prints parameters and learning rates of PyTorch's optimisers and schedulers, in f64.

    python tests/optim/pytorch.py > tests/data/optim_pytorch.txt

The function is sum(a (p - b)^2 / 2) + p0 p1 sin(p2), so that gradients are neither sparse nor symmetric.
"""
import torch

a = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
b = torch.tensor([0.3, -0.2, 1.1], dtype=torch.float64)
START = [1.5, -2.0, 0.25]


def loss(p):
    return (a * (p - b) ** 2 / 2).sum() + p[0] * p[1] * torch.sin(p[2])


def run(name, make, steps=12):
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = make([p])
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss(p).backward()
        optimizer.step()
        if step in (1, 3, steps):
            print(name, step, *(repr(float(x)) for x in p.detach()))


def rates(name, make, steps, lr):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)
    schedule = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    print(name, *map(repr, out))


o, s = torch.optim, torch.optim.lr_scheduler
print(f"# PyTorch {torch.__version__}")
for decay, tag in ((0.0, ""), (0.1, "_decay")):
    run("sgd" + tag, lambda p: o.SGD(p, lr=0.05, weight_decay=decay))
    run("momentum" + tag, lambda p: o.SGD(p, lr=0.05, momentum=0.9, weight_decay=decay))
    run("nesterov" + tag, lambda p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=decay))
    run("adagrad" + tag, lambda p: o.Adagrad(p, lr=0.3, eps=1e-6, weight_decay=decay))
    run("rmsprop" + tag, lambda p: o.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-6, weight_decay=decay))
    run("adam" + tag, lambda p: o.Adam(p, lr=0.1, betas=(0.9, 0.999), eps=1e-6, weight_decay=decay))
    run("adamw" + tag, lambda p: o.AdamW(p, lr=0.1, betas=(0.9, 0.999), eps=1e-6, weight_decay=decay))
    run("adadelta" + tag, lambda p: o.Adadelta(p, lr=1.0, rho=0.9, eps=1e-6, weight_decay=decay))
rates("exponential", lambda x: s.ExponentialLR(x, 0.9), 12, 0.5)
rates("step", lambda x: s.StepLR(x, 4, 0.3), 12, 0.5)
rates("cosine_annealing", lambda x: s.CosineAnnealingLR(x, 5, 0.01), 6, 0.5)
rates("cosine_wave", lambda x: s.CosineAnnealingLR(x, 5, 0.01), 18, 0.5)
rates("linear_warmup", lambda x: s.LinearLR(x, 0.25, 1.0, 4), 8, 0.2)
rates("triangular", lambda x: s.CyclicLR(x, 0.1, 0.9, 3, 5, "triangular"), 26, 0.1)
rates("triangular2", lambda x: s.CyclicLR(x, 0.1, 0.9, 3, 5, "triangular2"), 26, 0.1)
rates("exp_range", lambda x: s.CyclicLR(x, 0.1, 0.9, 3, 5, "exp_range", 0.97), 26, 0.1)
rates("one_cycle", lambda x: s.OneCycleLR(x, 0.4, total_steps=20), 20, 0.1)
rates("one_cycle_linear",
      lambda x: s.OneCycleLR(x, 0.4, total_steps=20, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=50), 20, 0.1)
