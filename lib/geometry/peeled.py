"""Where minorities share one vector in the layer-peeled model, in closed form: cross-entropy, logit-adjusted or not."""

import math

from scipy.optimize import brentq

from lib import checks


def budget(minorities: int, ratio: float, adjusted: bool = False) -> float:
    """The budget E* of ``convex.layer_peeled``: the B minorities share one vector exactly where √(E_H E_W) ≤ E*.

    One class has R times the share of each of B ≥ 2 others.  With c = √(1 + 1/B), u the probability that an image of
    the majority gives to the minorities and v that an image of a minority gives to the majority, E* is the point where
    u = cos θ / (R c) and v = sin θ / (c √B); their margins d₁ and d₂ have d₂ √B / d₁ = tan θ and fix the budget,
    (B + 1) E* = d₁ / (c cos θ).  adjusted: the loss of Menon et al. (2021), which adds log π_j to the logit of class j.
    ValueError: fewer than two minorities, a ratio of 1 or less.
    """
    checks.number("minorities", minorities, 2, whole=True)
    checks.number("ratio", ratio, 1, math.inf, inside=True)
    b, c, offset = minorities, math.sqrt(1 + 1 / minorities), math.log(ratio) if adjusted else 0.0

    def margins(theta: float) -> tuple[float, float]:
        u, v = math.cos(theta) / (ratio * c), math.sin(theta) / (c * math.sqrt(b))
        return math.log(b * (1 - u) / u) - offset, math.log((1 - v) / (b * v)) + offset

    def off(theta: float) -> float:
        first, second = margins(theta)
        return first * math.sin(theta) - math.sqrt(b) * second * math.cos(theta)

    theta = brentq(off, 1e-12, math.pi / 2 - 1e-12, xtol=1e-15, rtol=1e-14)
    return math.hypot(margins(theta)[0], math.sqrt(b) * margins(theta)[1]) / (c * (b + 1))
