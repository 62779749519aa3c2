"""How well one batch tells the offset β of a loss of order a: closed forms far from the boundary, and a simulation.

And what limits InfoNCE, which has no offset: the information that two views share, against log B.
"""

import math

import numpy as np
from scipy.optimize import brentq

from lib import checks


def _ratio_moment(k: float, b: float, n: int) -> float:
    """E_neg r^k = ((2b)^{1-k} / k)^n of Laplace pairs in the unit box, far from its boundary."""
    return ((2 * b) ** (1 - k) / k) ** n


def error_of_step(a: float, b: float, n: int, batch: int) -> float:
    """Standard deviation of one Newton step in β from a batch at the optimum, the loss of order a (1: NWJ, 2: SCL).

    Its square is (E_neg r^{2a} / (E_neg r^a)² - 1) / (B(B-1)) + (E_neg r^{2a-1} / (E_neg r^a)² - 1) / B
    = ((a/4b)^n - 1) / (B(B-1)) + ((a²/(2a-1))^n - 1) / B, for a > 1/2.
    """
    checks.number("a", a, 0.5, inside=True)
    checks.number("b", b, 0, inside=True)
    checks.number("n", n, 1, whole=True)
    checks.number("batch", batch, 2, whole=True)
    square = _ratio_moment(a, b, n) ** 2
    negative, positive = (_ratio_moment(k, b, n) / square - 1 for k in (2 * a, 2 * a - 1))
    return float(np.sqrt(negative / (batch * (batch - 1)) + positive / batch))


def smallest_scale(a: float, n: int, batch: int) -> float:
    """b_c = (a/4) (B(B-1))^{-1/n}: the scale at which the first term of that square is about 1."""
    checks.number("a", a, 0, inside=True)
    checks.number("n", n, 1, whole=True)
    checks.number("batch", batch, 2, whole=True)
    return a / 4 * (batch * (batch - 1)) ** (-1 / n)


def information(b: float, n: int, points: int = 800) -> float:
    """I = E log r of Laplace pairs in the unit box, s uniform and Q constant, in nats; n times that of one factor.

    On a lattice of so many points a factor, by the midpoint rule; n (log 1/2b - 1) where b is far below 1 and above
    1 / points.
    """
    checks.number("b", b, 0, inside=True)
    checks.number("n", n, 1, whole=True)
    checks.number("points", points, 2, whole=True)
    at = (np.arange(points) + 0.5) / points
    near = np.exp(-np.abs(at[:, None] - at) / b)
    near /= near.mean(1, keepdims=True)  # density of the second view given the first
    return float(n * (near * np.log(near / near.mean(0))).mean())


def scale_of_batch(n: int, batch: int) -> float:
    """The b at which ``information`` is log B: below it InfoNCE's value cannot fall to its optimum."""
    checks.number("n", n, 1, whole=True)
    checks.number("batch", batch, 2, whole=True)
    return math.exp(
        brentq(lambda x: information(np.exp(x), n) - np.log(batch), np.log(0.003), np.log(10), xtol=1e-3, disp=False)
    )


def simulated_error(a: float, b: float, n: int, batch: int, draws: int, rng: np.random.Generator) -> float:
    """The deviation of ``error_of_step`` over so many batches on the torus, where there is no boundary.

    The step is (mean over positives of r^{a-1} - mean over negatives of r^a) / E_neg r^a.
    """
    checks.number("a", a, 0, inside=True)
    checks.number("b", b, 0, inside=True)
    for name, value, least in (("n", n, 1), ("batch", batch, 2), ("draws", draws, 1)):
        checks.number(name, value, least, whole=True)
    whole = 2 * b * -np.expm1(-1 / (2 * b))  # mass of e^{-|t|/b} on [-1/2, 1/2]
    steps = np.empty(draws)
    for i in range(draws):
        s, u = rng.random((batch, n)), rng.random((batch, n))
        t = -b * np.log1p(u * np.expm1(-1 / (2 * b))) * rng.choice([-1, 1], (batch, n))
        apart = s[:, None] - (s + t)[None]
        log_r = -np.abs(apart - np.round(apart)).sum(2) / b - n * np.log(whole)
        positive = np.exp((a - 1) * np.diag(log_r)).mean()
        off = ~np.eye(batch, dtype=bool)
        steps[i] = positive - np.exp(a * log_r[off]).mean()
    return float(steps.std() / (whole**-a * 2 * b / a * -np.expm1(-a / (2 * b))) ** n)
