"""Classes made of Gaussian strata of unequal size, and small networks trained on them side by side.

The set stands for what the L_spread paper shows on images (Details Matter 2022, figure 2): do rare strata end farther
from the centre of their class?
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor

from lib import losses
from lib.geometry.perceptrons import Perceptrons, Training, seeded

SIZES = (500, 250, 100, 50, 50)  # points of the strata of a class, as in CIFAR100-Coarse-U
DIM = 16  # of a point
APART, WITHIN, NOISE = 6.0, 3.0, 0.5  # distance of class means, of strata from them, scale of an augmentation
CLASSES = 2
TRAINING = Training(features=16, batch=64, steps=300, learning_rate=0.003)
TEMPERATURE = 0.5
VIEWS = 2**40  # added to a seed: the draws of its views are not those of its points and its start


@dataclass(frozen=True)
class Gaussians:
    """E sets of the same make: points x (E, n, DIM); labels y and strata (n,); those of class k are 5k … 5k + 4."""

    x: Tensor
    y: Tensor
    stratum: Tensor


def draw(seeds: list[int], fresh: bool = False) -> Gaussians:
    """A set a seed: strata are unit Gaussians around means about WITHIN from that of their class.

    fresh: other points of the same strata, for judging.
    """
    size = torch.tensor(SIZES * CLASSES)
    stratum = torch.arange(len(size)).repeat_interleave(size)
    found = []
    for seed in seeds:
        generator = seeded(seed)
        axes, _ = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator))
        shift = torch.randn(len(size), DIM, generator=generator) * WITHIN / math.sqrt(DIM)
        centre = APART / math.sqrt(2) * axes[:CLASSES].repeat_interleave(len(SIZES), 0) + shift  # (strata, DIM)
        points = torch.randn(2, len(stratum), DIM, generator=generator)
        found.append(centre[stratum] + points[int(fresh)])
    return Gaussians(torch.stack(found), stratum // len(SIZES), stratum)


def loss(z1: Tensor, z2: Tensor, y: Tensor, temperature: float, alpha: Tensor, sup_con: Tensor) -> Tensor:
    """L_spread with weights α (E,), or SupCon where ``sup_con`` (E,), of E networks at once, (E,).

    z1, z2: (E, N, d) features of two views of the same N points; y: (N,).
    """
    found = losses.spread(z1, z2, y, temperature, alpha, block=2 * len(y))
    return torch.where(sup_con, losses.sup_con(z1, z2, y, temperature, block=2 * len(y)), found)


def train(data: Gaussians, seeds: list[int], alpha: Tensor, sup_con: Tensor, settings: Training = TRAINING):
    """Train E networks at once, network i on the set i from a start of seeds[i]; returns x (E, n, DIM) -> (E, n, d).

    Batches are drawn with replacement, the same positions for all; a view is the point plus NOISE times a Gaussian,
    drawn by the network's seed.  So a network is what it would be in any other stack, but for rounding,
    which training enlarges: points that are 2^-23 of their size off move a cosine to the centre by up to 0.0014.
    """
    layers, batches = Perceptrons.drawn(seeds, DIM, settings), seeded(0)
    views = {seed: seeded(VIEWS + seed) for seed in seeds}

    def net(x: Tensor) -> Tensor:
        return F.normalize(layers(x), dim=2)

    def each() -> Tensor:
        rows = torch.randint(len(data.y), (settings.batch,), generator=batches)
        drawn = {seed: NOISE * torch.randn(2, settings.batch, DIM, generator=g) for seed, g in views.items()}
        noise = torch.stack([drawn[seed] for seed in seeds], 1)
        return loss(*(net(data.x[:, rows] + part) for part in noise), data.y[rows], TEMPERATURE, alpha, sup_con)

    layers.train(each, settings)
    return net


def rank_correlation(cosine: Tensor, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Spearman's correlation (...) of the size of a stratum and its cosine (..., strata), mean over the classes."""
    per_class = cosine.unflatten(-1, (-1, len(sizes)))
    flat = [float(spearmanr(sizes, row)[0]) for row in per_class.reshape(-1, len(sizes)).tolist()]
    return torch.tensor(flat, dtype=torch.float64).view(per_class.shape[:-1]).mean(-1)


def lag(cosine: Tensor, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """How much farther from the centre of their class the rarest strata are than the commonest, (...), over classes.

    cosine: (..., strata) to the centre; the distance is 1 - cosine.
    """
    size, per_class = torch.tensor(sizes), cosine.unflatten(-1, (-1, len(sizes))).mean(-2)
    return per_class[..., size == max(sizes)].mean(-1) - per_class[..., size == min(sizes)].mean(-1)


def accuracy(net: Callable[[Tensor], Tensor], seen: Gaussians, fresh: Gaussians) -> Tensor:
    """Share of fresh points that are nearest to the centre of their class, (E,); centres are of the points ``seen``."""
    z = net(seen.x)
    centres = torch.stack([z[:, seen.y == k].mean(1) for k in range(CLASSES)], 1)
    return ((net(fresh.x) @ centres.mT).argmax(-1) == fresh.y).double().mean(-1)
