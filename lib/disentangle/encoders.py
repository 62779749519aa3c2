"""Small encoders of pairs of observations, trained side by side: recipes x seeds in one program of batched products."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks
from lib.disentangle.latents import Process
from lib.disentangle.masks import Masks, Walk
from lib.disentangle.mixings import Mixing
from lib.disentangle.offset import smallest_scale
from lib.losses import delta
from lib.losses.descent import optimise

LOSSES = {
    "nce": delta.nce,
    "info_nce": delta.info_nce,
    "info_nce_reversed": lambda t: delta.info_nce(t, "reversed"),
    "info_nce_both": lambda t: delta.info_nce(t, "both"),
    "decoupled": delta.decoupled,
    "scl": delta.scl,
    "nwj": delta.nwj,
    "dv": delta.dv,
    "log_scl": delta.log_scl,
    "order_0.5": lambda t: delta.order(t, 0.5),
    "order_0.75": lambda t: delta.order(t, 0.75),
}
ORDERS = {"scl": 2, "nwj": 1, "order_0.75": 0.75, "order_0.5": 0.5}  # of the losses whose range ``smallest_scale`` has
FREE = {  # what the optimum of a loss leaves free: it does not take it
    "info_nce": {"alpha", "beta"},
    "info_nce_reversed": {"alpha_tilde", "beta"},
    "info_nce_both": {"beta"},
    "decoupled": {"alpha", "beta"},
    "dv": {"beta"},
    "log_scl": {"beta"},
}
OFFSETS = ("learned", "start", "ramp", "fixed")
RAMP = 0.6  # share of the steps over which a ramp rises
SLOPE = 0.1  # of the encoder's leaky rectifiers
BLOCK = 100  # steps whose pairs are drawn at once


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    loss: a key of LOSSES; alpha, alpha_tilde: learned functions, else the constant 0.
    offset: how β moves: "learned" from 0; "start", learned from β*; "ramp", from 0 to β* over 60 % of the steps, then
    fixed; "fixed" at β* + shift.  β*, see ``log_offset``, needs the scale of the process.  rate: of β, over the rate of
    the encoder.  box: κ, the codes pass through κ times a logistic function; 0: they are free.
    ValueError: an unknown loss or offset, a function that the loss does not take, a number that is not finite.
    """

    loss: str
    alpha: bool = False
    alpha_tilde: bool = False
    offset: str = "learned"
    shift: float = 0.0
    rate: float = 1.0
    box: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (("loss", self.loss, LOSSES), ("offset", self.offset, OFFSETS)):
            if value not in known:
                raise ValueError(f"{name}={value!r}: one of {', '.join(known)} is expected")
        for name in ("alpha", "alpha_tilde"):
            if getattr(self, name) and name in FREE.get(self.loss, ()):
                raise ValueError(f"{name}=True: the loss {self.loss} does not depend on it; leave it out")
        checks.number("shift", self.shift)
        checks.number("rate", self.rate, 0, inside=True)
        checks.number("box", self.box, 0)


@dataclass(frozen=True)
class Training:
    """Size and schedule: two hidden layers of one width, Adam, 50 steps of warm-up, then a cosine to 0.

    Every step has fresh pairs.
    """

    steps: int = 600
    batch: int = 128
    width: int = 64
    learning_rate: float = 0.01
    warm_up: int = 50

    def __post_init__(self) -> None:
        checks.number("steps", self.steps, 0, whole=True)
        checks.number("batch", self.batch, 2, whole=True)
        checks.number("width", self.width, 1, whole=True)
        checks.number("learning_rate", self.learning_rate, 0, inside=True)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


def log_offset(process: Process | Walk, loss: str = "nce") -> float:
    """β* = -log Z far from the boundary: -Σ_i log 2 c^{1/p} Γ(1 + 1/p), plus 1 for NWJ.

    That is n log(1/2b) of a Laplace and n log(1/(σ√2π)) of a normal density.
    """
    c, p = np.broadcast_to(process.scale, process.n), process.order
    return float(-np.log(2 * c ** (1 / p) * math.gamma(1 + 1 / p)).sum()) + (loss == "nwj")


class Perceptrons:
    """Perceptrons with leaky rectifiers, one of a stack: weights (E, in, out) and biases (E, 1, out)."""

    def __init__(self, widths: list[int], seeds: list[int], part: int, last: float = 1.0) -> None:
        rngs = [np.random.default_rng([seed, part]) for seed in seeds]
        gains = [math.sqrt(2 / a) for a in widths[:-2]] + [last * math.sqrt(1 / widths[-2])]
        self.weights = [
            torch.tensor(np.stack([rng.standard_normal((a, b)) * gain for rng in rngs]), dtype=torch.float32)
            for (a, b), gain in zip(pairwise(widths), gains, strict=True)
        ]
        self.biases = [torch.zeros(len(seeds), 1, b) for b in widths[1:]]

    def __call__(self, x: Tensor) -> Tensor:
        """(E, m, in) to (E, m, out)."""
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(b, x if i == 0 else F.leaky_relu(x, SLOPE), w)
        return x

    def layers(self) -> list[Tensor]:
        """All weights and biases."""
        return [*self.weights, *self.biases]


@dataclass
class Encoders:
    """Trained encoders, R recipes x S seeds.

    beta: their offsets (R, S); losses: of every step (steps, R, S); frames: codes of the watched points at some steps,
    [(step, (R, S, m, n))].
    """

    net: Perceptrons
    mixing: Mixing | Masks
    recipes: list[Recipe]
    seeds: list[int]
    beta: Tensor
    losses: Tensor
    frames: list[tuple[int, np.ndarray]] = field(default_factory=list)

    @torch.no_grad()
    def codes(self, s) -> np.ndarray:
        """z = f(g(s)) of latents (m, n), for every recipe and seed: (R, S, m, n) float64; 0 of a broken encoder."""
        x = self.mixing(torch.as_tensor(np.asarray(s), dtype=torch.float32).expand(len(self.seeds), -1, -1))
        z = _encode(self.net, x, self.recipes).double().numpy()
        z[self.broken] = 0
        return z

    @property
    def broken(self) -> np.ndarray:
        """Encoders whose weights have NaN or infinity, (R, S) bool."""
        good = torch.stack([layer.flatten(1).isfinite().all(1) for layer in self.net.layers()]).all(0)
        return ~good.view(len(self.recipes), len(self.seeds)).numpy()


def _encode(net: Perceptrons, x: Tensor, recipes: list[Recipe]) -> Tensor:
    """Codes (R, S, m, n) of observations (S, m, n)."""
    z = net(x.repeat(len(recipes), 1, 1)).unflatten(0, (len(recipes), len(x)))
    sizes = [r.box for r in recipes]
    if not any(sizes):
        return z
    kappa = torch.tensor(sizes)[:, None, None, None]
    return torch.where(kappa > 0, kappa * z.sigmoid(), z)


def _batches(process: Process | Walk, mixing: Mixing | Masks, seeds: list[int], training: Training) -> Iterator[Tensor]:
    """Observations of both views, (S, 2 B, n), a step an entry; those of a seed depend on it alone."""
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    for start in range(0, training.steps, BLOCK):
        steps = min(BLOCK, training.steps - start)
        drawn = np.stack([np.stack(process.draw(steps * training.batch, rng)) for rng in rngs])  # (S, 2, steps B, n)
        x = mixing(torch.tensor(drawn, dtype=torch.float32).flatten(1, 2)).unflatten(1, (2, steps, training.batch))
        yield from x.movedim(2, 0).flatten(2, 3)


def train(
    process: Process | Walk,
    mixing: Mixing | Masks,
    recipes: list[Recipe],
    seeds: list[int],
    training: Training,
    order: float | None = None,
    watched=None,
    frames: int = 0,
) -> Encoders:
    """Encoders of all recipes and seeds on pairs of one process; those of a seed start alike and see the same pairs.

    order: p of the score's distance (default: of the process).  watched: latents (m, n) whose codes are kept at so many
    ``frames``, the start and the end among them.  A warning: a scale below what the batch can decide for a loss.
    """
    for name in dict.fromkeys(r.loss for r in recipes):
        warn_of_range(name, process, training.batch)
    every = len(recipes) * list(seeds)
    n, shape = process.n, (len(recipes), len(seeds))
    pixels = mixing(torch.zeros(len(seeds), 1, n)).shape[2]
    net = Perceptrons([pixels, training.width, training.width, n], every, 2)
    heads = [Perceptrons([pixels, 32, 1], every, 3 + i, last=0) for i in range(2)]
    takes = [torch.tensor([getattr(r, name) for r in recipes]) for name in ("alpha", "alpha_tilde")]
    heads = [head if take.any() else None for head, take in zip(heads, takes, strict=True)]
    offset = _Offset(process, recipes, len(seeds), training)
    found = Encoders(net, mixing, recipes, list(seeds), offset.at(0).detach(), torch.empty(0, *shape))
    layers = [*net.layers(), offset.learned, *(layer for head in heads if head for layer in head.layers())]
    adam = torch.optim.Adam([layer.requires_grad_() for layer in layers], lr=training.learning_rate)
    p = process.order if order is None else order
    c = float(np.min(process.scale))
    kept = {round(f * training.steps / max(1, frames - 1)) for f in range(frames)}

    def each() -> Iterator[Tensor]:
        for step, x in enumerate(_batches(process, mixing, seeds, training)):
            if step in kept:
                found.frames.append((step, found.codes(watched)))
            adam.param_groups[0]["lr"] = training.rate(step)
            z1, z2 = _encode(net, x, recipes).chunk(2, 2)
            d = delta.distance(z1, z2, p, c)
            alphas = [
                head and head(half.repeat(len(recipes), 1, 1)).view(*shape, -1) * take[:, None, None]
                for head, take, half in zip(heads, takes, x.chunk(2, 1), strict=True)
            ]
            t = delta.score(d, offset.at(step), *alphas)
            yield torch.stack([LOSSES[r.loss](one) for r, one in zip(recipes, t, strict=True)])

    losses = list(optimise(adam, each()))
    for layer in layers:
        layer.requires_grad_(False)
    if training.steps in kept:
        found.frames.append((training.steps, found.codes(watched)))
    found.beta = offset.at(training.steps)
    found.losses = torch.stack(losses) if losses else found.losses
    return found


class _Offset:
    """β (R, S) at each step: a learned part and a scheduled one."""

    def __init__(self, process: Process | Walk, recipes: list[Recipe], seeds: int, training: Training) -> None:
        star = torch.tensor([log_offset(process, r.loss) + r.shift for r in recipes])
        kinds = [r.offset for r in recipes]
        self.rate = torch.tensor([r.rate * (r.offset in ("learned", "start")) for r in recipes])[:, None]
        self.star, self.steps = star[:, None], RAMP * max(1, training.steps)
        self.whole = torch.tensor([k in ("start", "fixed") for k in kinds])[:, None]
        self.ramp = torch.tensor([k == "ramp" for k in kinds])[:, None]
        self.learned = torch.zeros(len(recipes), seeds)

    def at(self, step: int) -> Tensor:
        share = min(1.0, step / self.steps)
        return self.rate * self.learned + self.star * (self.whole + self.ramp * share)


def warn_of_range(loss: str, process: Process | Walk, batch: int) -> None:
    """A warning where the scale of a Laplace process is below ``smallest_scale`` of the loss at this batch."""
    if loss not in ORDERS or process.order != 1:
        return
    least, b = smallest_scale(ORDERS[loss], process.n, batch), float(np.min(process.scale))
    if b < least:
        warnings.warn(
            f"{loss}: b = {b:g} is below b_c = {least:.3g} of n = {process.n} and batches of {batch}, so that a batch "
            "does not decide β; take larger batches, fewer factors or another loss",
            stacklevel=3,
        )
