"""The limit of L_spread where one class is more frequent: how far do classes spread, and where do their vectors point?

One majority class, R times as frequent as each of two minority classes; shares π.  Class k lies on a small circle
around its vector c_k, f = sqrt(1 − b_k) c_k + sqrt(b_k) u, with c_k in a plane and u uniform on the unit circle of the
plane orthogonal to it: ``spread_limit.Classes`` with d = 2, a spread for each class and any angle between the c_k.
With many samples the loss of theorem 1, each anchor meeting negatives of class j with q_kj = π_j / (1 − π_k), is

    L = Σ_k π_k [−α (1 − b_k)/τ − (1 − α)/τ + (1 − α) ((1 − b_k)/τ + m(b_k/τ))
                 + α log Σ_{j≠k} q_kj exp(sqrt((1 − b_k)(1 − b_j)) cos(c_k, c_j)/τ + m(sqrt(b_k b_j)/τ))],

m(κ) = log I_0(κ).  At R = 1 the best b is that of ``spread_limit.best_spread``; at b = 0 the loss is α times the
programme of ``lib.geometry`` with label-aware negatives and M = ∞, up to what does not depend on the vectors.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lib import checks

FIRST, POINTS = 13, 5  # of the search: points along each axis of the whole box, and of those inside it
SHRINK, STEPS = 0.6, 16  # by how much a box is smaller than the one before, and how many there are


@dataclass(frozen=True)
class Arrangement:
    """Optima, tensors over a batch: b of the majority and of the minorities, and the angle, in radians, from the vector
    of the majority to that of either minority."""

    majority: Tensor
    minority: Tensor
    angle: Tensor


def loss(a: Arrangement, ratio: Tensor, tau: Tensor, alpha: Tensor) -> Tensor:
    """L of arrangements, broadcast with R, τ and α."""
    share, big, small = 1 / (ratio + 2), 1 - a.majority, 1 - a.minority  # of a minority; squared lengths of class means
    across = (big * small).sqrt() * a.angle.cos() / tau + _log_i0((a.majority * a.minority).sqrt() / tau)
    apart = small * (2 * a.angle).cos() / tau + _log_i0(a.minority / tau)
    far = torch.logaddexp(ratio.log() + across, apart) - (1 + ratio).log()

    def of(own: Tensor, spread: Tensor, negative: Tensor) -> Tensor:
        return ((1 - 2 * alpha) * own - (1 - alpha)) / tau + (1 - alpha) * _log_i0(spread / tau) + alpha * negative

    return (1 - 2 * share) * of(big, a.majority, across) + 2 * share * of(small, a.minority, far)


def best(ratio, tau, alpha) -> Arrangement:
    """The arrangement of least loss, by a search in boxes that shrink around the best of their points.

    ratio: R ≥ 1; tau: τ > 0; alpha: α in [0, 1]; all are broadcast.  Where the classes share one circle, b = 1, the
    loss does not depend on the angle.  Accurate to 1e-4.  ValueError: a number outside its range.
    """
    given = {"ratio": ratio, "tau": tau, "alpha": alpha}
    r, t, a = torch.broadcast_tensors(*(torch.as_tensor(checks.numbers(name, v)) for name, v in given.items()))
    if not (r >= 1).all() or not (t > 0).all() or not ((a >= 0) & (a <= 1)).all():
        raise ValueError(f"ratio={ratio!r}, tau={tau!r}, alpha={alpha!r}: expected R >= 1, τ > 0 and α from 0 to 1")
    low = torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64)
    high = torch.tensor([1.0, 1.0, math.pi], dtype=torch.float64)
    centre = ((low + high) / 2).expand(*r.shape, 3)
    for step in range(STEPS + 1):
        line = torch.linspace(-0.5, 0.5, POINTS if step else FIRST, dtype=torch.float64)
        size = 2 / (FIRST - 1) * SHRINK ** (step - 1) if step else 1.0  # two of the first steps, and smaller
        box = torch.cartesian_prod(line, line, line) * (high - low) * size
        places = (centre[..., None, :] + box).clamp(low, high)  # (..., points, 3)
        found = loss(Arrangement(*places.unbind(-1)), r[..., None], t[..., None], a[..., None]).argmin(-1)
        centre = places.gather(-2, found[..., None, None].expand(*found.shape, 1, 3)).squeeze(-2)
    return Arrangement(*centre.unbind(-1))


def _log_i0(kappa: Tensor) -> Tensor:
    return torch.special.i0e(kappa).log() + kappa
