"""Unit vectors that minimise a loss of their cosines: Newton's method on the spheres, and what certifies it."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

GRADIENT = 1e-9  # a smaller gradient, and a gap below GAP, count as converged
GAP = 1e-8
ROUNDING = 1e-15  # of a loss, relative: a smaller rise is none
RANK = 1e-6  # eigenvalues of the Gram matrix above this share of its trace count


class Problem(Protocol):
    """A flat batch of losses L(G), convex in the cosines G (n, K, K)."""

    def loss(self, g: Tensor) -> Tensor:
        """The losses (n,)."""

    def slope(self, g: Tensor) -> Tensor:
        """∂L/∂G + its transpose (n, K, K); the diagonal is free, as G_kk = 1."""

    def change(self, g: Tensor, dg: Tensor) -> Tensor:
        """The derivative of ``slope`` in the directions dg (..., n, K, K)."""

    def of(self, rows: Tensor) -> "Problem":
        """The problems of the batch that are marked or listed."""


@dataclass(frozen=True)
class Certificate:
    """What shows that vectors are optimal; tensors over the batch.

    gradient: norm of the Riemannian gradient; curvature: smallest eigenvalue of the Riemannian Hessian (NaN: not
    computed); gap: the loss is at most so far above that of any unit vectors of any dimension (NaN: not computed);
    rank: of the Gram matrix; converged: the gradient is below 1e-9 and, where the dimension is at least the number of
    vectors, the gap below 1e-8.
    """

    gradient: Tensor
    curvature: Tensor
    gap: Tensor
    rank: Tensor
    converged: Tensor


@dataclass(frozen=True)
class Optimum:
    """Unit vectors (..., n, d) that minimise a loss, its value (...), and what certifies them."""

    vectors: Tensor
    loss: Tensor
    certificate: Certificate

    @property
    def cosines(self) -> Tensor:
        """The Gram matrix (..., n, n)."""
        return self.vectors @ self.vectors.mT


def minimise(problem: Problem, shape: tuple[int, int, int], starts: int = 5) -> Optimum:
    """Unit vectors of shape (n, K, d) that minimise each loss, from random starts.

    A problem that is certified needs no further start; below dimension K, where none can be, the best of all is kept.
    """
    count, k, dim = shape
    generator = torch.Generator().manual_seed(0)
    best = torch.zeros(shape, dtype=torch.float64)
    lowest = torch.full((count,), torch.inf, dtype=torch.float64)
    todo = torch.ones(count, dtype=torch.bool)
    for _ in range(starts):
        part = problem.of(todo)
        start = torch.randn(int(todo.sum()), k, dim, dtype=torch.float64, generator=generator)
        v = newton(part, F.normalize(start, dim=-1))
        loss = part.loss(v @ v.mT)
        better = loss < lowest[todo]
        rows = todo.nonzero()[:, 0][better]
        best[rows], lowest[rows] = v[better], loss[better]
        todo = ~certify(problem, best).converged if dim >= k else todo
        if not todo.any():
            break
    return Optimum(best, lowest, certify(problem, best))


def _tangent(v: Tensor, x: Tensor) -> Tensor:
    return x - v * (v * x).sum(-1, keepdim=True)


def _derivatives(problem: Problem, v: Tensor) -> tuple[Tensor, Tensor]:
    """Riemannian gradient (n, K d) and Hessian (n, K d, K d) at unit vectors (n, K, d), zero off the tangent space."""
    _, k, d = v.shape
    g = v @ v.mT
    slope = problem.slope(g)
    pull = slope @ v
    radial = (v * pull).sum(-1, keepdim=True)
    basis = torch.eye(k * d, dtype=v.dtype).reshape(k * d, 1, k, d)
    x = _tangent(v, basis)  # (K d, n, K, d)
    turn = x @ v.mT
    image = slope @ x + problem.change(g, turn + turn.mT) @ v - radial * x
    return _tangent(v, pull).flatten(1), _tangent(v, image).flatten(2).transpose(0, 1)


def newton(problem: Problem, v: Tensor, steps: int = 200) -> Tensor:
    """Minimise from unit vectors (n, K, d): Newton's steps with absolute eigenvalues, halved until the loss falls."""
    open_, v = torch.arange(len(v)), v.clone()
    for _ in range(steps):
        part, now = problem.of(open_), v[open_]
        gradient, hessian = _derivatives(part, now)
        value, axes = torch.linalg.eigh((hessian + hessian.mT) / 2)
        along = (axes.mT @ gradient[..., None])[..., 0] / value.abs().clamp(min=1e-7)
        step = -(axes @ along[..., None])[..., 0].reshape(now.shape)
        step = step / step.norm(dim=-1).amax(-1).clamp(min=1)[:, None, None]
        slope, loss = (gradient * step.flatten(1)).sum(-1), part.loss(now @ now.mT)
        length, moved = torch.ones_like(loss), torch.zeros(len(now), dtype=torch.bool)
        for _ in range(40):
            trial = F.normalize(now + length[:, None, None] * step, dim=-1)
            moved = part.loss(trial @ trial.mT) <= loss + 1e-4 * length * slope + ROUNDING * loss.abs()
            if moved.all():
                break
            length = torch.where(moved, length, length / 2)
        v[open_[moved]] = trial[moved]
        open_ = open_[moved & (gradient.norm(dim=-1) > GRADIENT / 100)]
        if len(open_) == 0:
            break
    return v


def certify(problem: Problem, v: Tensor) -> Certificate:
    """By convexity L(G') ≥ L(G) + ½⟨slope − diag λ, G'⟩ for every correlation matrix G', λ_k = h_k · (slope h)_k."""
    k, d = v.shape[-2:]
    gradient, hessian = _derivatives(problem, v)
    slope = problem.slope(v @ v.mT)
    dual = slope - torch.diag_embed((v * (slope @ v)).sum(-1))
    gap = -0.5 * k * torch.linalg.eigvalsh(dual)[..., 0].clamp(max=0)
    curvature = torch.linalg.eigvalsh((hessian + hessian.mT) / 2)[..., 0]
    rank = (torch.linalg.eigvalsh(v @ v.mT) > RANK * k).sum(-1)
    norm = gradient.norm(dim=-1)
    return Certificate(norm, curvature, gap, rank, (norm < GRADIENT) & ((gap < GAP) | (d < k)))
