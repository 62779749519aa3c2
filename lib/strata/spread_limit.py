"""L_spread with finitely and with infinitely many samples (Details Matter 2022, definition 2 and theorem 1), exactly.

The distribution: K balanced classes, class k on a small sphere around the corner c_k of a regular simplex,
f = sqrt(1 - b) c_k + sqrt(b) u, with u uniform on the unit vectors of R^d orthogonal to all corners.  b = 0 is class
collapse, b = 1 one sphere that all classes share.  All expectations are then sums over one cosine.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from lib.geometry.uniformity import log_mgf, mean_log_sum

NODES = 80  # of the cosine's quadrature: exact to rounding for temperatures from 0.05 on


class Terms(NamedTuple):
    """The three limits of theorem 1."""

    align: float
    uniform: float
    neg: float


@dataclass(frozen=True)
class Classes:
    """The distribution above.

    number: K >= 2; dim: d >= 2, of the small spheres; spread: b in [0, 1]; view: cosine, in [-1, 1], of the vectors u
    of a sample and its augmentation.  ValueError: anything else.
    """

    number: int
    dim: int
    spread: float
    view: float = 1.0

    def __post_init__(self) -> None:
        _within("number of classes", self.number, 2, math.inf)
        _within("dim", self.dim, 2, math.inf)
        _within("spread", self.spread, 0, 1)
        _within("view", self.view, -1, 1)

    @property
    def cosines(self) -> tuple[float, float]:
        """The part of a cosine that is the corners', within a class and across: 1 - b and -(1 - b) / (K - 1)."""
        return 1 - self.spread, (self.spread - 1) / (self.number - 1)

    def logits(self, tau: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """sigma of a positive and of a negative (nodes,), of the augmentation, and the probabilities of the nodes."""
        if self.spread == 0:
            turn, weights = np.zeros(1), np.ones(1)
        else:  # Gauss-Gegenbauer: the cosine of two uniform unit vectors
            turn, weights = special.roots_jacobi(NODES, *[(self.dim - 3) / 2] * 2)
        same, other = self.cosines
        own = (same + self.spread * self.view) / tau
        return (same + self.spread * turn) / tau, (other + self.spread * turn) / tau, own, weights / weights.sum()


def terms(c: Classes, tau: float, alpha: float) -> Terms:
    """L_align, L_uniform and L_neg of theorem 1.

    L_align = -(alpha E sigma(x, x+) + (1 - alpha) E sigma(x, x_aug)), L_uniform = (1 - alpha) E log E exp sigma(x, x+),
    L_neg = alpha E log E exp sigma(x, x-).  tau > 0, alpha in [0, 1].
    """
    _check(tau, alpha)
    same, other = c.cosines
    mgf = log_mgf(c.dim, c.spread / tau)
    align = -(alpha * same + (1 - alpha) * (same + c.spread * c.view)) / tau
    return Terms(align, (1 - alpha) * (same / tau + mgf), alpha * (other / tau + mgf))


def loss(c: Classes, tau: float, alpha: float, positives: int, negatives: int) -> float:
    """L_spread(n+, n-) - alpha log n- - (1 - alpha) log n+ of definition 2, exactly.

    L_attract = E[-sigma(x, x+) + log(exp sigma(x, x+) + sum over n- negatives)], one positive;
    L_repel = E[-sigma(x, x_aug) + log(exp sigma(x, x_aug) + sum over n+ positives)].
    """
    _check(tau, alpha)
    positive, negative, own, weights = c.logits(tau)
    attract = mean_log_sum(np.exp(negative), weights, np.exp(positive), negatives, weights) - float(weights @ positive)
    repel = mean_log_sum(np.exp(positive), weights, math.exp(own), positives) - own
    return alpha * attract + (1 - alpha) * repel


def first_order(c: Classes, tau: float, alpha: float) -> tuple[float, float]:
    """The constants (r, a) of: loss - sum of the terms = r / n+ + a / n- + higher orders.

    The first part of each is the extra term of the sum, the second the bias of the logarithm of a mean:
    a = alpha [E exp sigma(x, x+) / mu - v / 2], mu and v mean and relative variance of exp sigma(x, x-); r likewise.
    """
    _check(tau, alpha)
    same, other = c.cosines
    mgf, square = log_mgf(c.dim, c.spread / tau), log_mgf(c.dim, 2 * c.spread / tau)
    bias = math.expm1(square - 2 * mgf) / 2
    repel = math.exp(c.spread * c.view / tau - mgf) - bias
    return (1 - alpha) * repel, alpha * (math.exp((same - other) / tau) - bias)


def drawn(c: Classes, tau: float, alpha: float, number: int, draws: int, seed: int = 0) -> np.ndarray:
    """``loss`` of single draws (draws,) with n+ = n- = number: vectors are drawn and the definition is applied."""
    _check(tau, alpha)
    rng = np.random.default_rng(seed)
    corners = simplex(c.number)
    mine = rng.integers(c.number, size=draws)
    away = (mine[:, None] + rng.integers(1, c.number, size=(draws, number))) % c.number
    same = np.broadcast_to(mine[:, None], (draws, number))
    u = _sphere(rng, (draws, 1), c.dim)
    across = _sphere(rng, (draws, 1), c.dim)
    across -= (across * u).sum(-1, keepdims=True) * u
    across /= np.linalg.norm(across, axis=-1, keepdims=True)

    def place(k: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.concatenate([math.sqrt(1 - c.spread) * corners[k], math.sqrt(c.spread) * v], -1)

    x = place(mine[:, None], u)
    x_aug = place(mine[:, None], c.view * u + math.sqrt(1 - c.view**2) * across)
    own, one, others, negatives = (
        (x * y).sum(-1) / tau
        for y in (
            x_aug,
            place(mine[:, None], _sphere(rng, (draws, 1), c.dim)),
            place(same, _sphere(rng, (draws, number), c.dim)),
            place(away, _sphere(rng, (draws, number), c.dim)),
        )
    )
    attract = special.logsumexp(np.concatenate([one, negatives], 1), axis=1) - one[:, 0]
    repel = special.logsumexp(np.concatenate([own, others], 1), axis=1) - own[:, 0]
    return alpha * attract + (1 - alpha) * repel - math.log(number)


def best_spread(number: int, dim: int, tau: float, alpha: float, view: float = 1.0) -> float:
    """The b that minimises the sum of the three limits among these distributions (derived here).

    The sum is convex in b; with A(k) = d/dk log E exp(k u.v), its derivative is 0 where
    A(b / tau) = (1 - alpha) view - alpha K / (K - 1).
    """
    Classes(number, dim, 0.5, view)
    _check(tau, alpha)
    wanted = (1 - alpha) * view - alpha * number / (number - 1)
    if wanted <= 0:
        return 0.0
    if wanted >= _resultant(dim, 1 / tau):
        return 1.0
    return optimize.brentq(lambda b: _resultant(dim, b / tau) - wanted, 0, 1, xtol=1e-14)


def limit_alpha(number: int, view: float = 1.0) -> float:
    """The alpha from which ``best_spread`` is 0, class collapse: view / (view + K / (K - 1)), at any temperature."""
    Classes(number, 2, 0.5, view)
    return max(view, 0.0) / (max(view, 0.0) + number / (number - 1))


def lowest_neg(number: int, per_class: int, dim: int, tau: float, alpha: float, seed: int = 0) -> float:
    """The lowest L_neg that L-BFGS finds over unit vectors (K * per_class, dim), from a random start."""
    _check(tau, alpha)
    y = np.arange(number).repeat(per_class)
    hidden = np.where(y[:, None] != y, 0.0, -np.inf)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        free = flat.reshape(len(y), dim)
        length = np.linalg.norm(free, axis=1, keepdims=True)
        z = free / length
        logits = z @ z.T / tau + hidden
        sums = special.logsumexp(logits, axis=1)
        chances = np.exp(logits - sums[:, None])
        slope = alpha / (len(y) * tau) * (chances + chances.T) @ z
        slope = (slope - (slope * z).sum(1, keepdims=True) * z) / length  # of the unit vector, then of the free one
        return alpha * (sums.mean() - math.log(per_class * (number - 1))), slope.ravel()

    start = np.random.default_rng(seed).normal(size=len(y) * dim)
    options = {"maxiter": 2000, "ftol": 0, "gtol": 1e-10}
    return float(optimize.minimize(value, start, jac=True, method="L-BFGS-B", options=options).fun)


def simplex(number: int) -> np.ndarray:
    """The corners (K, K) of a regular simplex: unit rows, cosine -1 / (K - 1) between any two."""
    return (np.eye(number) - 1 / number) * math.sqrt(number / (number - 1))


def _resultant(dim: int, kappa: float) -> float:
    """A(kappa) = I_{d/2}(kappa) / I_{d/2 - 1}(kappa), the mean of u.v under weights exp(kappa u.v)."""
    return float(special.ive(dim / 2, kappa) / special.ive(dim / 2 - 1, kappa)) if kappa else 0.0


def _sphere(rng: np.random.Generator, shape: tuple[int, ...], dim: int) -> np.ndarray:
    v = rng.normal(size=(*shape, dim))
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _check(tau: float, alpha: float) -> None:
    if not (tau > 0 and math.isfinite(tau)):
        raise ValueError(f"tau={tau} is expected above 0 and finite; give a temperature such as 0.5")
    _within("alpha", alpha, 0, 1)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}={value} is expected from {low} to {high}; give a value in that range")
