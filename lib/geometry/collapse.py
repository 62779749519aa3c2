"""Two levels of class share: the whole optimum from one or two numbers, and what several majority classes change.

A majority classes, each R times as frequent as each of B minority classes.  By symmetry an optimum has three cosines:
a between majorities, b between minorities, c across.  It is a Gram matrix where a, b ≤ 1 and
(1 + (A − 1)a)(1 + (B − 1)b) ≥ AB c², and c sits at the negative root: no loss of the family falls with a cosine.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import elementwise
from torch import Tensor

from lib.geometry import imbalance


@dataclass(frozen=True)
class Levels:
    """The three cosines of two-level optima, tensors over the batch; a is NaN with one majority class."""

    a: Tensor
    b: Tensor
    c: Tensor


def shares(majorities: int, minorities: int, ratio) -> Tensor:
    """Class shares (..., A + B) at ratios R (...), the majorities first.

    ValueError: fewer than one class of either kind, R that is not positive and finite.
    """
    ratio = torch.as_tensor(ratio, dtype=torch.float64)
    if majorities < 1 or minorities < 1:
        raise ValueError(f"majorities={majorities}, minorities={minorities}: both must be at least 1")
    if not (ratio > 0).all() or not torch.isfinite(ratio).all():
        raise ValueError(f"ratio={str(ratio.tolist())[:80]} must be positive and finite")
    parts = torch.cat([ratio[..., None].expand(*ratio.shape, majorities), torch.ones(*ratio.shape, minorities)], -1)
    return parts.double() / (majorities * ratio + minorities)[..., None]


def gram(majorities: int, minorities: int, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The matrices (..., K, K) of three cosines (...)."""
    kind = torch.tensor([0] * majorities + [1] * minorities)
    a, b, c = torch.broadcast_tensors(a, b, c)
    found = torch.stack([a, c, c, b], -1)[..., (2 * kind[:, None] + kind)]
    eye = torch.eye(len(kind), dtype=torch.float64)
    return found * (1 - eye) + eye


def two_level(
    majorities: int,
    minorities: int,
    ratio,
    tau=1.0,
    negatives: float = math.inf,
    law: str = "label_aware",
    loss: str = "infonce",
) -> Levels:
    """The optimal cosines as roots of derivatives, batched over ratio and τ; good at any R: nothing cancels.

    One majority: b is the root of dL(b, c(b))/db, or 1 where that is still falling.  Several: the same with a at its
    own optimum for each b.  Both are convex problems in one number.  ValueError: fewer than two minorities (one alone
    has no b; take ``geometry``), and see ``geometry.programme``.  RuntimeError: a root that was not found.
    """
    if minorities < 2:
        raise ValueError(f"minorities={minorities}: at least 2 are needed for a cosine between minorities")
    ratio, tau = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float64) for v in (ratio, tau)))
    problem = imbalance.programme(shares(majorities, minorities, ratio), tau, negatives, law, loss)
    flat = problem.flat()
    b = torch.ones(ratio.numel(), dtype=torch.float64)
    apart = _slope_of_b(flat, majorities, minorities, b)[0] > 0
    if apart.any():
        part = flat.of(apart)

        def slope(x: Tensor, rows: Tensor) -> Tensor:
            return _slope_of_b(part.of(rows), majorities, minorities, x)[0]

        b[apart] = _root(slope, -(1 - 1e-12) / (minorities - 1), 1.0, int(apart.sum()))
    _, a, c = _slope_of_b(flat, majorities, minorities, b)
    return Levels(*(x.reshape(ratio.shape) for x in (a, b, c)))


def threshold(majorities: int, minorities: int, tau: float, negatives: float, law: str, loss: str = "infonce") -> float:
    """R*, from which on b = 1, as the root of the derivative of the programme's own loss; ``math.inf`` above R = e³².

    It shares no formula with ``geometry.collapse_threshold``, and does any number of majority classes.
    """

    def slope(log_r: float) -> float:
        problem = imbalance.programme(shares(majorities, minorities, [math.exp(log_r)]), tau, negatives, law, loss)
        found = _slope_of_b(problem, majorities, minorities, torch.ones(1, dtype=torch.float64))[0]
        return float(found) * math.exp(2 * log_r)  # minorities weigh 1/R² as R grows

    return imbalance.ratio_at(slope, 40)


def limit_cosine(majorities: int, tau: float, law: str = "label_aware") -> float:
    """b as R → ∞ for A ≥ 2 majority classes, InfoNCE with M = 1: 1 where the minorities collapse.

    ψ'(b − 1) = F ψ'(−1)² / ψ'(−A/(A − 1)), F = (2A − 1)² / (4A(A − 1)) for label-aware negatives, 1 for iid.
    ValueError: A < 2, and see ``geometry.check``.
    """
    imbalance.check(law, "infonce", 1, tau)
    k = majorities
    if k < 2:
        raise ValueError(f"majorities={k}: one majority class has a threshold and no limit; at least 2 are expected")
    e_a = math.exp(-k / ((k - 1) * tau))
    near, far = 1 / (1 + math.exp(1 / tau)), e_a / (1 + e_a)
    factor = (2 * k - 1) ** 2 / (4 * k * (k - 1)) if law == "label_aware" else 1.0
    goal = factor * near**2 / far
    return 1.0 if goal >= 0.5 else 1 + tau * math.log(goal / (1 - goal))


def _slope_of_b(problem: imbalance.Programme, k: int, n: int, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dL/db along the boundary with a at its optimum, and that a and c; k majorities, n minorities."""
    v = 1 + (n - 1) * b
    if k == 1:
        c = -(v / n).sqrt()
        _, d_b, d_c = _partials(problem, k, n, torch.full_like(b, torch.nan), b, c)
        return d_b + d_c * (n - 1) / (2 * n * c), torch.full_like(b, torch.nan), c

    def uneven(log_u: Tensor, rows: Tensor) -> Tensor:  # u = 1 + (A − 1)a; nearly a line in log u
        u = log_u.exp()
        d_a, _, d_c = _partials(problem.of(rows), k, n, (u - 1) / (k - 1), b[rows], -(u * v[rows] / (k * n)).sqrt())
        return (d_a / d_c * 2 / (k - 1)).log() + 0.5 * (k * n * u / v[rows]).log()

    u = _root(uneven, -100.0, math.log(k), len(b)).exp()
    a, c = (u - 1) / (k - 1), -(u * v / (k * n)).sqrt()
    _, d_b, d_c = _partials(problem, k, n, a, b, c)
    return d_b - d_c * (n - 1) / 2 * (u / (k * n * v)).sqrt(), a, c


def _root(f, low: float, high: float, count: int) -> Tensor:
    """Roots (count,) of f(x, rows), one in each bracket, by Chandrupatla's method."""
    ends = np.full(count, low), np.full(count, high)

    def of_arrays(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return f(torch.from_numpy(np.array(x)), torch.from_numpy(np.array(rows))).numpy()

    tolerances = {"xatol": 1e-15, "xrtol": 1e-15, "fatol": 0, "frtol": 0}
    found = elementwise.find_root(of_arrays, ends, args=(np.arange(count),), tolerances=tolerances, maxiter=200)
    if not found.success.all():
        raise RuntimeError(f"{int((~found.success).sum())} of {count} roots were not found in [{low}, {high}]")
    return torch.from_numpy(found.x)


def _partials(problem, k: int, n: int, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """∂L/∂a, ∂L/∂b, ∂L/∂c: sums of the programme's derivatives over the cells that share a cosine."""
    d = problem.partial(gram(k, n, a.nan_to_num(0.0), b, c))
    d = d * (1 - torch.eye(k + n, dtype=torch.float64))
    return (
        d[..., :k, :k].sum((-2, -1)),
        d[..., k:, k:].sum((-2, -1)),
        (d[..., :k, k:] + d[..., k:, :k].mT).sum((-2, -1)),
    )
