"""Losses of the density ratio of positive pairs, on scores that are an offset less a distance: the δ-losses.

A score matrix t (..., B, B) has the first views in its rows and the second views in its columns; the positive pairs lie
on the diagonal, every other cell is a negative pair.  With J the density of positive pairs and N the product of their
marginals, log r = log J/N.  Where ``joint`` (B, B) gives the probability of every cell as a positive pair, a loss takes
the exact expectations in place of a batch's means.
"""

import math
from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import checks

DIRECTIONS = ("forward", "reversed", "both")
_Pairs = namedtuple("_Pairs", "positive p negative q")  # scores (..., P), (..., N) and the probabilities of each


def distance(z1: Tensor, z2: Tensor, order: float, scale: float) -> Tensor:
    """d(z, z') = Σ_i |z_i - z'_i|^p / c of all pairs: (..., m, n) and (..., k, n) to (..., m, k).

    order: p, from 1.  scale: c, above 0: b of a Laplace density e^{-|t|/b}; 2σ² of a normal one, p = 2.
    The gradient at distance 0 is 0.  ValueError: p or c out of range.
    """
    checks.number("order", order, 1)
    checks.number("scale", scale, 0, inside=True)
    checks.tensors(z1=(z1, "... m n", checks.GAPPY), z2=(z2, "... k n", checks.GAPPY))
    if order == 1:
        return torch.cdist(z1, z2, p=1) / scale
    if order == 2:  # no root, whose gradient at 0 would be NaN
        squares = z1.square().sum(-1)[..., :, None] + z2.square().sum(-1)[..., None, :]
        return (squares - 2 * z1 @ z2.mT).clamp(min=0) / scale
    return (z1[..., :, None, :] - z2[..., None, :, :]).abs().pow(order).sum(-1) / scale


def score(d: Tensor, beta: Tensor, alpha: Tensor | None = None, alpha_tilde: Tensor | None = None) -> Tensor:
    """T(x, x̃) = β - d(z, z̃) - α(x) - α̃(x̃), (..., B, B); β (...), α and α̃ (..., B); None: 0."""
    t = beta[..., None, None] - d
    t = t if alpha is None else t - alpha[..., :, None]
    return t if alpha_tilde is None else t - alpha_tilde[..., None, :]


def _pairs(t: Tensor, joint: Tensor | None) -> _Pairs:
    size = checks.tensors(t=(t, "... b>=2 b", checks.GAPPY))["b"]
    if joint is None:
        off = 1 - torch.eye(size, dtype=t.dtype, device=t.device)
        p = torch.full((size,), 1 / size, dtype=t.dtype, device=t.device)
        return _Pairs(t.diagonal(dim1=-2, dim2=-1), p, t.flatten(-2), off.flatten() / (size * (size - 1)))
    checks.tensors(t=(t, "... b b", checks.GAPPY), joint=(joint, "b b", checks.SHARES))
    product = joint.sum(1)[:, None] * joint.sum(0)[None]
    return _Pairs(t.flatten(-2), joint.flatten(), t.flatten(-2), product.flatten())


def nce(t: Tensor, joint: Tensor | None = None) -> Tensor:
    """δ-NCE: E_pos log(1 + e^{-T}) + E_neg log(1 + e^{T}), (...).  Optimum: T = log r; 2 log 2 - 2 JS there.

    >>> nce(torch.zeros(2, 2)).item() == 2 * math.log(2)
    True
    """
    s = _pairs(t, joint)
    return (s.p * F.softplus(-s.positive)).sum(-1) + (s.q * F.softplus(s.negative)).sum(-1)


def info_nce(t: Tensor, direction: str = "forward") -> Tensor:
    """δ-INCE, B-way: -mean_i log e^{T_ii} / Σ_j e^{T_ij}, the positive among the candidates, (...).

    direction: "forward", first views are anchors: optimum log r + any function of the first view; "reversed", second
    views are anchors: log r + any function of the second; "both", half the sum: log r + a constant.
    These are optima for every number of candidates.  The value is log B - I or more, I the mutual information.

    >>> round(info_nce(torch.zeros(3, 3)).item(), 6) == round(math.log(3), 6)
    True
    """
    checks.tensors(t=(t, "... b>=2 b", checks.GAPPY))
    if direction not in DIRECTIONS:
        raise ValueError(f"direction={direction!r}: one of {', '.join(DIRECTIONS)} is expected")
    dims = {"forward": (-1,), "reversed": (-2,), "both": (-1, -2)}[direction]
    positive = t.diagonal(dim1=-2, dim2=-1).mean(-1)
    return sum(t.logsumexp(dim).mean(-1) for dim in dims) / len(dims) - positive


def decoupled(t: Tensor) -> Tensor:
    """InfoNCE without the positive in its denominator: mean_i [-T_ii + log mean_{j ≠ i} e^{T_ij}], (...).

    It has no optimum where the mean distance of a positive pair is below that to the nearest of the negatives: a larger
    scale of the distances then always lowers it.
    """
    size = checks.tensors(t=(t, "... b>=2 b", checks.GAPPY))["b"]
    own = torch.eye(size, dtype=torch.bool, device=t.device)
    others = t.masked_fill(own, -math.inf).logsumexp(-1) - math.log(size - 1)
    return (others - t.diagonal(dim1=-2, dim2=-1)).mean(-1)


def scl(t: Tensor, joint: Tensor | None = None) -> Tensor:
    """δ-SCL, the spectral loss: -2 E_pos e^{T} + E_neg e^{2T}, (...).  Optimum: T = log r; -(1 + χ²) there."""
    s = _pairs(t, joint)
    return (s.q * (2 * s.negative).exp()).sum(-1) - 2 * (s.p * s.positive.exp()).sum(-1)


def nwj(t: Tensor, joint: Tensor | None = None) -> Tensor:
    """δ-NWJ: -E_pos T + E_neg e^{T-1}, (...).  Optimum: T = 1 + log r; -I there, I the mutual information."""
    s = _pairs(t, joint)
    return (s.q * (s.negative - 1).exp()).sum(-1) - (s.p * s.positive).sum(-1)


def order(t: Tensor, a: float, joint: Tensor | None = None) -> Tensor:
    """(1/a) E_neg e^{aT} - (1/(a-1)) E_pos e^{(a-1)T}, (...).  Optimum: T = log r; -E_neg r^a / (a(a-1)) there.

    The α-divergence of density-ratio estimation (Kitazawa 2024, arXiv 2402.02041).  a = 2 is half of ``scl``; a → 1 is
    ``nwj`` but for its shift and a constant.  ValueError: a is 0 or 1.
    """
    checks.number("a", a)
    if a in (0, 1):
        raise ValueError(f"a={a}: the loss has no value at 0 and 1; take nwj for the limit at 1")
    s = _pairs(t, joint)
    return (s.q * (a * s.negative).exp()).sum(-1) / a - (s.p * ((a - 1) * s.positive).exp()).sum(-1) / (a - 1)


def dv(t: Tensor, joint: Tensor | None = None) -> Tensor:
    """Donsker and Varadhan's: -E_pos T + log E_neg e^{T}, (...).  Optimum: T = log r + a constant; -I there."""
    s = _pairs(t, joint)
    return (s.negative + s.q.log()).logsumexp(-1) - (s.p * s.positive).sum(-1)


def log_scl(t: Tensor, joint: Tensor | None = None) -> Tensor:
    """-2 log E_pos e^{T} + log E_neg e^{2T}, (...).  Optimum: T = log r + a constant; -log(1 + χ²) there.

    With ``dv`` the orders 2 and 1 of the variational Rényi formula (Birrell et al. 2021, arXiv 2007.03814).
    """
    s = _pairs(t, joint)
    return (2 * s.negative + s.q.log()).logsumexp(-1) - 2 * (s.positive + s.p.log()).logsumexp(-1)
