"""The thought experiment of Details Matter (2022), section 4.2: encoders trained on a share t of the data.

Two classes of four Gaussian strata, two common and two rare, all of a class equally far apart.  Small networks are
trained side by side, each on a subset of its own, and read on fresh points.
"""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib import losses
from lib.geometry.perceptrons import Perceptrons, Training, seeded
from lib.strata.divergence import gaussian_variation

SIZES = (120, 120, 6, 6)  # points of the strata of a class: common, common, rare, rare
CLASSES, DIM = 2, 16
APART, BETWEEN, NOISE = 6.0, 2.5, 0.5  # distance of class means, of strata of a class, scale of an augmentation
SHARES = (0.05, 0.1, 0.2, 0.4, 1.0)  # of the points that a network sees
TRAINING = Training(features=16, batch=32, steps=200, learning_rate=0.003)
TEMPERATURE, ALPHA = 0.5, 0.25  # of both losses, of L_spread
LOSSES = ("SupCon", "L_spread")
FRESH = 200  # points of each stratum on which a network is read
VARIATION = gaussian_variation(BETWEEN)  # total variation of two strata of a class
OTHERS = 2**40  # added to a seed: the draws of batches and views are not those of points and starts
PAIRS = [(a, b) for k in range(CLASSES) for a, b in combinations(range(4 * k, 4 * k + 4), 2)]


class Who(NamedTuple):
    """One network: its loss, the seed of its data and start, the share of the data and the number of the subset."""

    loss: str
    seed: int
    share: float
    subset: int


@dataclass(frozen=True)
class Trained:
    """Networks with what they saw: held (E, strata) points of each stratum; z (E, strata, FRESH, d) of fresh ones."""

    who: list[Who]
    held: np.ndarray
    z: np.ndarray


def means(seed: int) -> Tensor:
    """Means (strata, DIM): of a class the corners of a regular simplex with edges BETWEEN, in directions of its own."""
    axes, _ = torch.linalg.qr(torch.randn(DIM, DIM, generator=seeded(seed)))
    corners = torch.eye(4) - 0.25  # distance sqrt(2) between corners, in three dimensions
    flat = torch.linalg.svd(corners)[2][:3]  # (3, 4)
    own = [BETWEEN / math.sqrt(2) * corners @ flat.T @ axes[3 * k : 3 * k + 3] for k in range(CLASSES)]
    return torch.cat([APART / math.sqrt(2) * axes[-1 - k] + shift for k, shift in enumerate(own)])


def points(seed: int, stratum: Tensor, fresh: bool = False) -> Tensor:
    """Points (n, DIM) of the strata (n,): unit Gaussians around ``means``; fresh: other ones."""
    generator = seeded(OTHERS + 2 * seed + fresh)
    return means(seed)[stratum] + torch.randn(len(stratum), DIM, generator=generator)


def planned(seeds: list[int], subsets: int) -> list[Who]:
    """So many subsets of each share below 1, and all points once; the same for both losses."""
    return [
        Who(loss, seed, share, i)
        for loss in LOSSES
        for seed in seeds
        for share in SHARES
        for i in range(subsets if share < 1 else 1)
    ]


def rows_of(who: Who, total: int) -> Tensor:
    """Sorted positions that a network sees, a share of ``total`` drawn without replacement by seed and subset."""
    order = np.random.default_rng([who.seed, who.subset, round(1000 * who.share)]).permutation(total)
    return torch.from_numpy(order[: round(who.share * total)]).sort().values


def trained(seeds: list[int], subsets: int, settings: Training = TRAINING) -> Trained:
    """Train the networks of ``planned`` side by side and read them on fresh points.

    Networks of one seed have one start, and batches and views that differ in the points alone.
    """
    stratum = torch.arange(CLASSES * len(SIZES)).repeat_interleave(torch.tensor(SIZES * CLASSES))
    again = torch.arange(CLASSES * len(SIZES)).repeat_interleave(FRESH)
    who, total = planned(seeds, subsets), len(stratum)
    rows = [rows_of(w, total) for w in who]
    size = torch.tensor([len(r) for r in rows])
    padded = torch.stack([F.pad(r, (0, total - len(r))) for r in rows])  # (E, total)
    place = torch.tensor([seeds.index(w.seed) for w in who])
    x, generators = torch.stack([points(s, stratum) for s in seeds]), [seeded(OTHERS + s) for s in seeds]
    layers, half = Perceptrons.drawn([w.seed for w in who], DIM, settings), len(who) // len(LOSSES)

    def each() -> Tensor:
        u = torch.stack([torch.rand(settings.batch, generator=g) for g in generators])[place]
        noise = torch.stack([NOISE * torch.randn(2, settings.batch, DIM, generator=g) for g in generators])[place]
        taken = padded.gather(1, (u * size[:, None]).long())  # (E, batch)
        seen, y = x[place[:, None], taken], stratum[taken] // len(SIZES)
        one, two = (F.normalize(layers(seen + noise[:, view]), dim=2) for view in (0, 1))
        block = {"block": 2 * settings.batch}
        plain = losses.sup_con(one[:half], two[:half], y[:half], TEMPERATURE, **block)
        return torch.cat([plain, losses.spread(one[half:], two[half:], y[half:], TEMPERATURE, ALPHA, **block)])

    layers.train(each, settings)
    fresh = torch.stack([points(s, again, fresh=True) for s in seeds])
    z = F.normalize(layers(fresh[place]).double(), dim=2).unflatten(1, (-1, FRESH))
    held = torch.stack([torch.bincount(stratum[r], minlength=CLASSES * len(SIZES)) for r in rows])
    return Trained(who, held.numpy(), z.numpy())
