"""Small networks on classes of unequal share: does training reach the geometry that the programme predicts?

Many networks train side by side, stacked: one for each ratio R and seed.  The class proportions enter the loss as exact
weights, π_k of the anchors and q_kj of the negatives; every batch holds equally many points of every class.  So a rare
class is rare in the loss without being noisy, and R can be anything.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.geometry import imbalance
from lib.geometry.perceptrons import Perceptrons, Training, seeded


@dataclass(frozen=True)
class Pool:
    """Points to draw from, (E, K, P, D): for each network, P points of each class; drawn with replacement."""

    x: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """(E, K, count, D), the same places of the pool for every network."""
        pick = torch.randint(self.x.shape[2], (self.x.shape[1], count), generator=generator)
        return torch.stack([self.x[:, k, pick[k]] for k in range(len(pick))], 1)


def gaussians(classes: int, seeds: list[int], points: int, apart: float = 8.0, dim: int = 16) -> Tensor:
    """Points (seeds, K, points, dim) of unit Gaussians whose means are ``apart`` from one another, turned at random."""
    if classes > dim:
        raise ValueError(f"classes={classes} must not exceed dim={dim}, the number of directions for their means")
    found = []
    for seed in seeds:
        generator = seeded(seed)
        axes, _ = torch.linalg.qr(torch.randn(dim, dim, generator=generator))
        noise = torch.randn(classes, points, dim, generator=generator)
        found.append(noise + apart / math.sqrt(2) * axes[:classes, None])
    return torch.stack(found)


def by_class(x: Tensor, y: Tensor, classes: list[int]) -> Tensor:
    """Images (n, c, h, w) uint8 of the given classes as points (K, P, c·h·w), mean 0; P of the smallest."""
    flat = x.flatten(1).float() / 255
    parts = [flat[y == k] - flat.mean(0) for k in classes]
    least = min(len(part) for part in parts)
    if least == 0:
        raise ValueError(f"classes={classes}: one of them has no image")
    return torch.stack([part[:least] for part in parts])


def loss(f: Tensor, p: Tensor, q: Tensor, tau: float, negatives: float) -> Tensor:
    """Supervised InfoNCE of unit features f (E, K, n, d), one value a network (E,); M = 1 or ∞.

    Not a loss of ``lib.losses``: those count every point of a batch alike, and this one weighs anchors and negatives by
    the shares of their classes, so that it estimates the programme of ``lib.geometry.imbalance`` itself.
    Anchor i of class k, its positive i + 1 of the same class, every other point m as a negative; means over points,
    weights p (E, K) over classes and q (E, K, K) over the classes of negatives.  The anchor is no negative of itself.
    """
    _, k, n, _ = f.shape
    flat = f.flatten(1, 2)
    t = (flat @ flat.mT).unflatten(2, (k, n)).unflatten(1, (k, n))  # (E, K, n, K, n)
    t = (t - (f * f.roll(1, 2)).sum(-1)[..., None, None]) / tau
    same = torch.eye(k, dtype=f.dtype)[:, None, :, None] * torch.eye(n, dtype=f.dtype)[None, :, None, :]
    share = (1 - same) / (1 - same).sum(-1, keepdim=True)  # of the negatives of a class, over its points
    if negatives == 1:
        return (p * ((F.softplus(t) * share).sum(-1) * q[:, :, None]).sum(-1).mean(-1)).sum(-1)
    if not math.isinf(negatives):
        raise ValueError(f"negatives={negatives!r}: the networks have 1 or math.inf")
    inside = ((t.exp() * share).sum(-1) * q[:, :, None]).sum(-1)
    return (p * inside.log().mean(-1)).sum(-1)


@dataclass(frozen=True)
class Networks:
    """Trained networks and their settings."""

    layers: Perceptrons
    settings: Training

    def __call__(self, x: Tensor) -> Tensor:
        """Unit features (E, K, n, d) of points (E, K, n, D)."""
        h = self.layers(x.flatten(1, 2))
        return F.normalize(F.softplus(h) if self.settings.nonnegative else h, dim=-1).unflatten(1, x.shape[1:3])

    @torch.no_grad()
    def cosines(self, x: Tensor) -> Tensor:
        """Mean cosines between and within classes, (E, K, K), over all pairs of different points."""
        f = self(x)
        mean, n = f.mean(2), f.shape[2]
        within = (mean.square().sum(-1) * n - 1) / (n - 1)
        eye = torch.eye(f.shape[1], dtype=f.dtype)
        return mean @ mean.mT * (1 - eye) + torch.diag_embed(within)


def train(
    pool: Pool, seeds: list[int], p: Tensor, q: Tensor, tau: float, negatives: float, settings: Training
) -> tuple[Networks, Tensor]:
    """Train E networks at once; the loss of every tenth step, (E, steps / 10).

    pool: (E, K, P, D); seeds: E, of the random start of each network, so that one of a stack is what it would be alone.
    """
    kind, generator = pool.x.dtype, seeded(0)
    net, p, q = Networks(Perceptrons.drawn(seeds, pool.x.shape[-1], settings, kind), settings), p.to(kind), q.to(kind)
    seen = net.layers.train(lambda: loss(net(pool.draw(settings.batch, generator)), p, q, tau, negatives), settings)
    return net, seen[::10].T


@torch.no_grad()
def excess(net: Networks, x: Tensor, problem: imbalance.Programme, least: Tensor) -> Tensor:
    """Loss on points (E, K, n, D) above the least of the programme, (E,): what the training has left to gain."""
    p, q = problem.p.to(x.dtype), problem.q.to(x.dtype)
    return loss(net(x), p, q, float(problem.tau.flatten()[0]), problem.negatives).double() - least
