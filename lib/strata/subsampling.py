"""Which of two strata a subsample holds: the thought experiment on sampling of Details Matter (2022), appendix C.2.

No torch: everything here is a closed form.
"""

import math
from typing import NamedTuple

import numpy as np

from lib import checks


class Held(NamedTuple):
    """Probabilities of what a subsample holds: both strata, only the first, only the second, neither."""

    both: np.ndarray
    only_p: np.ndarray
    only_q: np.ndarray
    neither: np.ndarray


def subsample_probabilities(p, q, n) -> Held:
    """What n independent draws hold of two strata that have the probabilities p and q.

    neither (1 - p - q)^n; only the first (1 - q)^n - (1 - p - q)^n, and likewise the second; both what is left.
    p, q, n: numbers or arrays that broadcast.  Returns (both, only_p, only_q, neither), which sum to 1.
    ValueError: p or q outside [0, 1], p + q above 1, n below 0 or not whole.
    """
    p, q, n = np.broadcast_arrays(*(checks.numbers(name, v) for name, v in (("p", p), ("q", q), ("n", n))))
    _check(p, q)
    if not np.all((n >= 0) & (n == np.floor(n))):
        raise ValueError(f"n={_worst(n, (n >= 0) & (n == np.floor(n)))} is expected whole and at least 0; give a count")
    neither = np.clip(1 - p - q, 0, 1) ** n
    only_p, only_q = _only(p, q, n), _only(q, p, n)
    return Held(np.clip(1 - neither - only_p - only_q, 0, 1)[()], only_p[()], only_q[()], neither[()])


def peak(p: float, q: float) -> float:
    """The n, as a real number, at which the chance of holding only the first stratum is largest.

    n* = ln[ln(1 - p - q) / ln(1 - q)] / ln[(1 - q) / (1 - p - q)], the root of the derivative of
    (1 - q)^n - (1 - p - q)^n.  It is inf for q = 0 (more draws never find a second stratum) and 0 for p + q = 1.
    ValueError: as ``subsample_probabilities``, and p = 0, where the chance is 0 at every n.
    """
    _check(np.asarray(p, float), np.asarray(q, float))
    if p == 0:
        raise ValueError("p=0 is a stratum that no draw finds: there is no peak; give p above 0")
    if q == 0:
        return np.inf
    if p + q >= 1:
        return 0.0
    one, two = np.log1p(-q), np.log1p(-(p + q))
    return float(np.log(two / one) / (one - two))


def fixed_probabilities(first: int, second: int, total: int, n: int) -> Held:
    """As ``subsample_probabilities`` for n draws without replacement from a given set: hypergeometric.

    first, second: points of the two strata among ``total``.  neither C(N - a - b, n) / C(N, n), a ratio of binomials.
    ValueError: a count below 0, strata larger than the set, n above the set.
    """
    for name, value in (("first", first), ("second", second), ("total", total), ("n", n)):
        if value != int(value) or value < 0:
            raise ValueError(f"{name}={value} is expected whole and at least 0; give a count")
    if first + second > total or n > total:
        raise ValueError(f"first={first}, second={second}, n={n} do not fit in total={total}; give smaller counts")
    missed = {points: math.comb(total - points, n) / math.comb(total, n) for points in (first, second, first + second)}
    neither = missed[first + second]
    return Held(
        1 - missed[first] - missed[second] + neither, missed[second] - neither, missed[first] - neither, neither
    )


def counted(p: float, q: float, n: int, trials: int, seed: int = 0) -> np.ndarray:
    """How many of so many simulated samples of n draws hold both strata, only the first, only the second, neither.

    The counts of a sample are multinomial; nothing of ``subsample_probabilities`` is used.  Returns (4,) counts.
    """
    _check(np.asarray(p, float), np.asarray(q, float))
    drawn = np.random.default_rng(seed).multinomial(n, [p, q, max(1 - p - q, 0)], size=trials) > 0  # (trials, 3)
    one, two = drawn[:, 0], drawn[:, 1]
    return np.array([(one & two).sum(), (one & ~two).sum(), (~one & two).sum(), (~one & ~two).sum()])


def _only(p: np.ndarray, q: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(1 - q)^n [1 - (1 - p / (1 - q))^n]: the difference of two near powers loses digits, this product does not."""
    left = 1 - q
    share = np.where(left > 0, np.minimum(p / np.where(left > 0, left, 1), 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 0 - np.expm1(np.where(n == 0, 0, n * np.log1p(-share)))
    return left**n * found


def _check(p: np.ndarray, q: np.ndarray) -> None:
    for name, value in (("p", p), ("q", q)):
        if not np.all((value >= 0) & (value <= 1)):
            raise ValueError(f"{name}={_worst(value, (value >= 0) & (value <= 1))} is expected in [0, 1]; give a share")
    if np.any(p + q > 1 + 1e-12):
        raise ValueError(f"p + q = {np.max(p + q)} is above 1; the two strata exclude each other: give smaller shares")


def _worst(values: np.ndarray, good: np.ndarray) -> float:
    return float(values[~good].flat[0]) if np.ndim(values) and (~good).any() else float(np.ravel(values)[0])
