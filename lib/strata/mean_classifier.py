"""Bounds on the loss of a mean classifier over hidden strata: lemmas 1 to 3 of Details Matter (2022).  No torch.

f(x) is a unit vector; x belongs to a stratum h(x), a stratum z to a class S(z); mu_z is the mean of f over stratum z.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special, stats

from lib.strata.spread_limit import simplex

HIGHEST = 1e6  # beyond this a multiplier counts as not to be had


@dataclass(frozen=True)
class FeatureStrata:
    """Features with their strata: all statements are about this finite set as the whole distribution.

    z: (n, d) unit vectors; stratum: (n,) codes 0 ... C - 1, each with a point; parent: (C,) class codes 0 ... K - 1.
    ValueError: shapes that differ, a code without a point or out of range, a vector that has not length 1.
    """

    z: np.ndarray
    stratum: np.ndarray
    parent: np.ndarray

    def __post_init__(self) -> None:
        if self.z.ndim != 2 or self.stratum.shape != self.z.shape[:1]:
            raise ValueError(f"z (n, d) and stratum (n,) are expected, got {self.z.shape} and {self.stratum.shape}")
        if set(np.unique(self.stratum)) != set(range(len(self.parent))):
            raise ValueError(f"every stratum 0 ... {len(self.parent) - 1} needs a point, and no other code may occur")
        if set(np.unique(self.parent)) != set(range(int(self.parent.max()) + 1)):
            raise ValueError(f"classes of strata {self.parent.tolist()} are expected without gaps from 0")
        if np.abs(np.linalg.norm(self.z, axis=1) - 1).max() > 1e-6:
            raise ValueError("vectors of length 1 are expected; divide each by its length")

    @cached_property
    def shares(self) -> np.ndarray:
        """p(z), (C,)."""
        return np.bincount(self.stratum) / len(self.stratum)

    @cached_property
    def means(self) -> np.ndarray:
        """mu_z, (C, d)."""
        member = np.eye(len(self.parent))[self.stratum]  # (n, C)
        return (member.T @ self.z) / member.sum(0)[:, None]

    @cached_property
    def within(self) -> np.ndarray:
        """p(z | S = i), (K, C)."""
        joint = (self.parent == np.arange(self.parent.max() + 1)[:, None]) * self.shares
        return joint / joint.sum(1, keepdims=True)

    @cached_property
    def half_squares(self) -> np.ndarray:
        """||mu_z - mu_z'||^2 / 2 - 1, (C, C): minus the cosine, were the means of length 1."""
        return ((self.means[:, None] - self.means) ** 2).sum(-1) / 2 - 1

    def fine_loss(self) -> float:
        """L(x, h): cross-entropy of the strata with the classifier W_z = mu_z."""
        return _cross_entropy(self.z @ self.means.T, self.stratum)

    def coarse_loss(self) -> float:
        """L(x, y): cross-entropy of the classes with the classifier of class means, sum of p(z | S = i) mu_z."""
        return _cross_entropy(self.z @ (self.within @ self.means).T, self.parent[self.stratum])

    def fine_bound(self, multiplier: float = 1.0) -> float:
        """Lemma 1: E_z log sum_i exp(-lambda (||mu_z - mu_i||^2 / 2 - 1)) - 1."""
        return float(self.shares @ np.logaddexp.reduce(-multiplier * self.half_squares, axis=1) - 1)

    def coarse_bound(self, multiplier: float = 1.0) -> float:
        """Lemma 2: E_z[log(exp(-d_intra(z)) + sum over other classes i of exp(-d_inter(z, i))) + d_intra(z) / eta].

        d_intra, d_inter: eta times the mean of ||mu_z - mu_z'||^2 / 2 - 1 over the strata z' of the class, of class i.
        """
        apart = self.half_squares @ self.within.T  # (C, K)
        own = apart[np.arange(len(apart)), self.parent]
        return float(self.shares @ (np.logaddexp.reduce(-multiplier * apart, axis=1) + own))

    def smallest_multiplier(self, lemma: int) -> float:
        """The smallest lambda of lemma 1, eta of lemma 2, above 0 at which the bound holds; inf where none is found.

        The bounds are convex in the multiplier, so that past the last crossing they hold for good.
        """
        of, bound = LEMMAS[lemma]
        loss, high = of(self), 1.0
        while bound(self, high) < loss:
            high *= 2
            if high > HIGHEST:
                return math.inf
        if bound(self, 1e-9) >= loss:
            return 0.0
        return optimize.brentq(lambda k: bound(self, k) - loss, 1e-9, high, xtol=1e-12)


LEMMAS = {
    1: (FeatureStrata.fine_loss, FeatureStrata.fine_bound),
    2: (FeatureStrata.coarse_loss, FeatureStrata.coarse_bound),
}  # loss, its bound


def rotated_strata(concentrations, classes: int, dim: int, points: int, seed: int = 0) -> FeatureStrata:
    """Strata that are randomly turned copies of von Mises-Fisher clouds on the unit vectors of R^dim.

    concentrations: one a stratum; strata of one concentration are copies of one cloud, so that their means have exactly
    one length.  Strata are dealt to the classes in turn: stratum z belongs to class z mod ``classes``.
    """
    rng = np.random.default_rng(seed)
    pole = np.eye(dim)[0]
    clouds = {k: stats.vonmises_fisher(pole, k).rvs(points, random_state=rng) for k in dict.fromkeys(concentrations)}
    turns = np.linalg.qr(rng.normal(size=(len(concentrations), dim, dim)))[0]  # (C, d, d) orthogonal
    z = np.concatenate([clouds[k] @ turn for k, turn in zip(concentrations, turns, strict=True)])
    codes = np.arange(len(concentrations))
    return FeatureStrata(z / np.linalg.norm(z, axis=1, keepdims=True), codes.repeat(points), codes % classes)


def collapsed_bounds(classes: int, per_class: int = 1) -> tuple[float, float]:
    """Lemma 3, classes collapsed to a simplex: (lower, upper) bound on the loss over per_class strata of each class.

    log(m e + (C - m) e^c) - 1 and log(m e + (C - m) e^c) - c, c = -1 / (K - 1), m = per_class, C = m K; m = 1 gives the
    bounds on the loss of the classes themselves.
    """
    c, total = _log_total(classes, per_class)
    return total - 1, total - c


def collapsed_loss(classes: int, per_class: int, agreement: float) -> float:
    """The loss between the bounds of lemma 3, exactly: log(.) - c - (1 - c) E p(y = S(z) | x).

    agreement: E p(y = S(z) | x), how often the label on which x has collapsed is its stratum's class, in [0, 1].
    """
    if not 0 <= agreement <= 1:
        raise ValueError(f"agreement={agreement} is expected in [0, 1]; give a share")
    c, total = _log_total(classes, per_class)
    return total - c - (1 - c) * agreement


def best_on_collapsed(classes: int, per_class: int, steps: int = 2000, seed: int = 0) -> tuple[float, np.ndarray]:
    """The lowest coarse-to-fine loss over classifiers in the unit ball, by projected gradient from a random start.

    Features are the collapsed ones, labels without noise.  Returns the loss and W (C, K).
    """
    corners = simplex(classes).repeat(per_class, 0)  # (C, K): the feature of each stratum
    w = np.random.default_rng(seed).normal(size=corners.shape)
    for _ in range(steps):
        w = w - (special.softmax(corners @ w.T, axis=1) - np.eye(len(w))).T @ corners  # C times the gradient
        w /= np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1)
    return _cross_entropy(corners @ w.T, np.arange(len(w))), w


def _cross_entropy(logits: np.ndarray, own: np.ndarray) -> float:
    """Mean over rows of the log-sum-exp of logits (n, K) less the logit of the own code (n,)."""
    return float((np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(logits)), own]).mean())


def _log_total(classes: int, per_class: int) -> tuple[float, float]:
    if classes < 2 or per_class < 1:
        raise ValueError(f"classes={classes}, per_class={per_class} are expected at least 2 and 1; give more")
    c = -1 / (classes - 1)
    return c, math.log(per_class * (math.e + (classes - 1) * math.exp(c)))
