"""From which α on does L_spread collapse classes?  Closed forms of the second variation at the collapsed simplex.

All images of a class share one unit vector, the K class vectors form a regular simplex, both views of an image are
equal.  Moving the images of a class apart, their mean kept, changes L_spread by

    (t² V / τ) [ α (1 − w) (r + 1/(K − 1)) − (1 − α) r ] + O(t³),

V the mean squared length of the moves; the derivation stands on the page of the study ``lspread_strata``.
"""

import math

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor

from lib import checks


def collapse_alpha(
    classes: int,
    negatives,
    temperature,
    per_class: float | None = None,
    dimension: int | None = None,
) -> Tensor:
    """α*: the collapsed simplex is locally stable under exact L_spread where α > α*, and not where α < α*.

    α* = r / (r + (1 − w)(r + 1/(K − 1))),  w = e^{1/τ} / (e^{1/τ} + N⁻ e^{−1/((K − 1)τ)}).

    classes: K, equally large; negatives: N⁻ views of other classes for each anchor; temperature: τ.
    per_class: n images of a class, all in the batch with two views each, r = 2n/(2n − 1); None: the large-sample form,
    r = 1, which is also exact for the one-view form of the released code at any n.
    dimension: of the vectors; None stands for K or more.  At K − 1 the simplex fills the space, moves must turn towards
    other classes, and r + 1/(K − 1) grows by K / (τ (K − 1)²).

    negatives and temperature may be tensors, broadcast.  Returns a tensor, float64, from 0 to 1.
    ValueError: fewer than two classes, negatives < 1, τ ≤ 0, per_class < 2 (one image has nothing to collapse with), a
    dimension that holds no simplex, or K = 2 in one dimension (a point cannot move).
    """
    pull, push = _sides(classes, negatives, temperature, per_class, dimension)
    return push / (push + pull)


def clamped_alpha(
    classes: int, negatives, temperature, per_class: float | None = None, dimension: int | None = None
) -> Tensor:
    """The same with the released code's clamp at work: α*/(1 − α*), and ``inf`` where no α ≤ 1 is above it.

    The numerator's logit min(σ, 1) has no slope at the collapse, σ = 1/τ > 1: the bracket loses α r.  With α = 1
    (L_attract) a collapse is therefore still stable where (1 − w)/(K − 1) > w r.
    Arguments and errors as ``collapse_alpha``; ValueError also for τ ≥ 1, where the clamp of 1 does nothing.
    """
    tau = torch.as_tensor(temperature, dtype=torch.float64)
    if not (tau < 1).all():
        raise ValueError(f"temperature={temperature} must be below 1: at 1 and above no logit exceeds the clamp of 1")
    pull, push = _sides(classes, negatives, temperature, per_class, dimension)
    found = push / pull
    return torch.where(found <= 1, found, math.inf)


def collapse_alpha_of_batches(classes: int, batch: int, temperature: float) -> float:
    """α* of the loss averaged over batches of ``batch`` images drawn at random from many, K equally frequent classes.

    An anchor meets m others of its class, binomial (batch − 1, 1/K), and N⁻ = 2 (batch − 1 − m) negatives.  Two
    images of a class differ by 2V on average, so that with ρ = E[2m/(2m + 1)]

        α* = ρ / (ρ + E[(1 − w_m)(2m/(2m + 1) + 1/(K − 1))]),

    an anchor without negatives counting w = 1.  d ≥ K.  ValueError: as ``collapse_alpha``; batch < 2.
    """
    if batch < 2 or batch != int(batch):
        raise ValueError(f"batch={batch!r} must be a whole number of at least 2 images")
    _check(classes, 1, temperature)
    m = np.arange(batch)
    chance, share = binom.pmf(m, batch - 1, 1 / classes), 2 * m / (2 * m + 1)
    with np.errstate(divide="ignore"):
        weight = np.log(2.0 * (batch - 1 - m)) - (1 + 1 / (classes - 1)) / temperature
    away = 1 / (1 + np.exp(-weight))  # 1 − w
    rho = float(chance @ share)
    return rho / (rho + float(chance @ (away * (share + 1 / (classes - 1)))))


def positive_share(classes: int, negatives, temperature) -> Tensor:
    """w: how much of the denominator of L_attract one positive is at the collapsed simplex."""
    n, tau = _check(classes, negatives, temperature)
    return torch.sigmoid((1 + 1 / (classes - 1)) / tau - n.log())


def _sides(classes, negatives, temperature, per_class, dimension) -> tuple[Tensor, Tensor]:
    """What α and 1 − α multiply in the bracket: (1 − w)(r + 1/(K − 1) [+ …]) and r."""
    n, tau = _check(classes, negatives, temperature)
    if per_class is not None:
        checks.number("per_class", per_class, 2)
    if dimension is not None:
        checks.number("dimension", dimension, whole=True)
    room = classes if dimension is None else dimension
    if room < max(classes - 1, 2):
        least = max(classes - 1, 2)
        raise ValueError(f"dimension={dimension!r} must be at least {least}, for {classes} classes that can collapse")
    r = 1.0 if per_class is None else 2 * per_class / (2 * per_class - 1)
    stiff = r + 1 / (classes - 1) + (classes / (tau * (classes - 1) ** 2) if room < classes else 0.0)
    w = positive_share(classes, n, tau)
    return (1 - w) * stiff, torch.full_like(w, r)


def _check(classes, negatives, temperature) -> tuple[Tensor, Tensor]:
    given = {"negatives": negatives, "temperature": temperature}
    n, tau = (torch.as_tensor(checks.numbers(name, v)) for name, v in given.items())
    checks.number("classes", classes, 2, whole=True)
    if not (n >= 1).all():
        raise ValueError(f"negatives={negatives!r} must be finite and at least 1: without negatives nothing collapses")
    if not (tau > 0).all():
        raise ValueError(f"temperature={temperature!r} must be positive and finite")
    np.broadcast_shapes(n.shape, tau.shape)  # ValueError where they do not fit
    return n, tau
