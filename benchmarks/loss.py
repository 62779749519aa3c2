"""NT-Xent, value and gradient: time and peak memory against the number of images."""

import importlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from lib import losses
from lib.encoders import methods

from .measure import Line, alone, in_turn, lines, timed

LIMIT = 6 * 1024  # MiB; a contestant that would need more is not run
GROWTH = {"ours": 1, "lightly": 2, "pytorch-metric-learning": 3}  # memory grows with this power of N
WIDTH, TEMPERATURE = 128, 0.5
ACCOUNT = 0.25  # MiB, the precision of Linux's account of a process's memory
SIZES, QUICK = (256, 512, 2048, 8192, 32768), (32,)
AIMED, AIMS = 8192, {"ms": 1.0, "MiB": 10.0}  # the images at which an aim was set, and the aims


def run(rounds: int, quick: bool) -> list[Line]:
    """Ours against lightly and pytorch-metric-learning, each as far as it fits."""
    found, last = [], {}
    for n in QUICK if quick else SIZES:
        needed = {name: peak * (n / at) ** GROWTH[name] for name, (at, peak) in last.items()}
        fits = [name for name in GROWTH if needed.get(name, 0) <= LIMIT]
        last |= {name: (n, memory(name, n)) for name in fits}
        measures = {name: timed(partial(gradients, contestant(name, n), *views(n))) for name in fits}
        taken = in_turn(measures, rounds if len(fits) > 1 else 1)
        figures = {
            "ms": {name: [1000 * s for s in seconds] for name, seconds in taken.items()},
            "MiB": {name: [last[name][1]] for name in fits},
        }
        gaps = {name: difference(name, n) for name in fits if name != "ours"}
        for unit, measured in figures.items():
            aim = {"lightly": AIMS[unit]} if n == AIMED else {}
            found += lines("NT-Xent", f"N = {n:,}", unit, measured, aim=aim, difference=gaps)
            ours = median(measured["ours"])
            left = [name for name in GROWTH if name not in fits]
            found += [Line("NT-Xent", f"N = {n:,}", name, unit, ours, note=too_large(needed[name])) for name in left]
    return found


def too_large(needed: float) -> str:
    return f"not run: about {needed / 1024:,.0f} GiB by its growth, more than the {LIMIT // 1024} GiB allowed here"


def contestant(name: str, n: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of two views (n, d); ours in blocks where the book's training computes it in blocks."""
    if name == "lightly":
        return importlib.import_module("lightly.loss").NTXentLoss(TEMPERATURE)
    if name == "pytorch-metric-learning":
        metric = importlib.import_module("pytorch_metric_learning.losses")
        return metric.SelfSupervisedLoss(metric.NTXentLoss(TEMPERATURE))
    block = methods.BLOCK if 2 * n > methods.DENSE_VIEWS else None
    return partial(losses.nt_xent, temperature=TEMPERATURE, block=block)


def views(n: int) -> tuple[Tensor, Tensor]:
    """Two views of n images as a net in training gives them: alike, but not the same."""
    z = torch.randn(2, n, WIDTH, generator=torch.Generator().manual_seed(0))
    return z[0].clone().requires_grad_(), (z[0] + z[1]).requires_grad_()


def gradients(loss: Callable, z1: Tensor, z2: Tensor) -> tuple[Tensor, ...]:
    """The loss and its gradient to both views."""
    value = loss(z1, z2)
    return value.detach(), *torch.autograd.grad(value, (z1, z2))


def difference(name: str, n: int) -> float:
    """The largest difference of loss and gradient to ours, relative to the largest of each."""
    ours, theirs = (gradients(contestant(who, n), *views(n)) for who in ("ours", name))
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True))


def memory(name: str, n: int) -> float:
    """Peak memory of one loss and gradient above what imports and inputs hold, in MiB, in a process of its own."""
    return alone(own_memory, name, n)


def own_memory(name: str, n: int) -> float:
    """As ``memory``, in this process; torch's threads and libraries are set up first, on few images."""
    loss = contestant(name, n)
    gradients(loss, *views(8))
    inputs = views(n)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far, of the imports, is forgotten
    gradients(loss, *inputs)
    return max(resident("VmHWM") - before, ACCOUNT)


def resident(field: str) -> float:
    """Resident memory of this process from Linux's account, VmRSS now or VmHWM at its peak, in MiB."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 1024
