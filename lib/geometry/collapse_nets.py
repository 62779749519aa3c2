"""Small networks on classes of unequal share: does training reach the geometry that the programme predicts?

Many networks train side by side, stacked: one for each ratio R and seed.  The class proportions enter the loss as exact
weights, π_k of the anchors and q_kj of the negatives; every batch holds equally many points of every class.  So a rare
class is rare in the loss without being noisy, and R can be anything.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.geometry import imbalance


@dataclass(frozen=True)
class Training:
    """Settings of the networks: a perceptron with two hidden layers, Adam with a cosine schedule."""

    width: int = 64  # of both hidden layers
    features: int = 8  # of the unit vector that comes out
    per_class: int = 16  # points of a class in a batch
    steps: int = 1000
    learning_rate: float = 0.01
    nonnegative: bool = False  # features through a softplus, as after a last rectifier


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
        generator = torch.Generator().manual_seed(seed)
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
class Stack:
    """Trained networks: weights and biases (E, in, out) and (E, 1, out), and the settings."""

    weights: list[Tensor]
    biases: list[Tensor]
    settings: Training

    def __call__(self, x: Tensor) -> Tensor:
        """Unit features (E, K, n, d) of points (E, K, n, D)."""
        h = x.flatten(1, 2)
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(b, h if i == 0 else h.relu(), w)
        h = F.softplus(h) if self.settings.nonnegative else h
        return F.normalize(h, dim=-1).unflatten(1, x.shape[1:3])

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
) -> tuple[Stack, Tensor]:
    """Train E networks at once; the loss of every tenth step, (E, steps / 10).

    pool: (E, K, P, D); seeds: E, of the random start of each network, so that one of a stack is what it would be alone.
    """
    widths = [pool.x.shape[-1], settings.width, settings.width, settings.features]
    kind = pool.x.dtype
    starts = [torch.Generator().manual_seed(seed) for seed in seeds]
    weights = [
        torch.stack([torch.randn(a, b, generator=g) * math.sqrt(2 / a) for g in starts]).to(kind).requires_grad_()
        for a, b in pairwise(widths)
    ]
    biases = [torch.zeros(len(seeds), 1, b, dtype=kind).requires_grad_() for b in widths[1:]]
    net, p, q = Stack(weights, biases, settings), p.to(kind), q.to(kind)
    adam = torch.optim.Adam([*weights, *biases], lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
    generator, seen = torch.Generator().manual_seed(0), []
    for step in range(settings.steps):
        each = loss(net(pool.draw(settings.per_class, generator)), p, q, tau, negatives)
        adam.zero_grad()
        each.sum().backward()
        adam.step()
        schedule.step()
        if step % 10 == 0:
            seen.append(each.detach())
    done = [[w.detach() for w in part] for part in (weights, biases)]
    return Stack(*done, settings), torch.stack(seen, 1)


@torch.no_grad()
def excess(net: Stack, x: Tensor, problem: imbalance.Programme, least: Tensor) -> Tensor:
    """Loss on points (E, K, n, D) above the least of the programme, (E,): what the training has left to gain."""
    p, q = problem.p.to(x.dtype), problem.q.to(x.dtype)
    return loss(net(x), p, q, float(problem.tau.flatten()[0]), problem.negatives).double() - least
