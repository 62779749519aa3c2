"""Losses under label noise, corrected in expectation: lemmas 5 to 7 of Details Matter (2022).  No torch.

Two balanced classes; every label is right with probability p, and wrong labels are symmetric.  Points are called
positive or negative with respect to the anchor's class, true or as labelled.
"""

import itertools
from functools import reduce
from typing import NamedTuple

import numpy as np
from scipy import special

from lib import checks


class Weights(NamedTuple):
    """The weights of lemma 6: of a noisy positive and a noisy negative in the numerator, and of pairs in the log.

    w_plus, w_minus: of sigma(x, positive) and sigma(x, negative); w1: of a pair of one positive and one negative;
    w2: of a pair of two positives or of two negatives.  w_minus and w2 are subtracted.
    """

    w_plus: float
    w_minus: float
    w1: float
    w2: float


def debias_weights(p_correct: float) -> Weights:
    """The weights (w_plus, w_minus, w1, w2) that make the noisy loss of one positive and one negative right on average.

    With s = 2p - 1: w_plus = w1 = (p^2 + (1-p)^2) / s^2, w_minus = 2 p (1-p) / s^2, w2 = p (1-p) / s^2 (lemma 6).
    The corrected loss of an anchor x with noisy positives a, a' and noisy negatives b, b', sigma = cos / tau, is
    -w_plus sigma(x, a) + w_minus sigma(x, b) + w1 G(a, b) - w2 [G(a, a') + G(b, b')], with
    G(a, b) = log(exp sigma(x, a) + exp sigma(x, b)).
    p_correct: probability that a label is right.  ValueError: outside (1/2, 1].
    """
    p = _above_half(p_correct)
    q, square = 1 - p, (2 * p - 1) ** 2
    even = (p * p + q * q) / square
    return Weights(even, 2 * p * q / square, even, p * q / square)


def noisy_triplets(p_correct: float) -> dict[tuple[int, int], float]:
    """Chances of the true classes of a noisy positive and a noisy negative (lemma 5): p^3 + (1-p)^3 and p (1-p).

    Keys (a, b): whether the noisy positive and the noisy negative are of the anchor's true class, 1 or 0.
    """
    p = _above_half(p_correct)
    q = 1 - p
    return {(1, 0): p**3 + q**3, (1, 1): p * q, (0, 0): p * q, (0, 1): p * q}


def correction_system(p_correct: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear system a w = b that unbiased weights solve, by enumerating which labels are right: (5, 5), (5,).

    Unknowns: of sigma(x, positive), of sigma(x, negative), of G on a noisy pair (+, -), (+, +), (-, -).  Rows: what is
    then left, on average, of sigma at a true positive (1 is wanted) and at a true negative (0), and of G on true pairs
    (+, -) (1), (+, +) (0), (-, -) (0).
    """
    p = _above_half(p_correct)
    a = np.zeros((5, 5))
    for column, labels in enumerate(((1,), (0,), (1, 0), (1, 1), (0, 0))):
        for right in itertools.product((1, 0), repeat=1 + len(labels)):  # the anchor's label is 1
            anchor, *true = (label if r else 1 - label for label, r in zip((1, *labels), right, strict=True))
            same = sum(t == anchor for t in true)
            row = (1, 0)[same] if len(labels) == 1 else (4, 2, 3)[same]
            a[row, column] += p ** sum(right) * (1 - p) ** (len(right) - sum(right))
    return a, np.array([1.0, 0.0, 1.0, 0.0, 0.0])


def lemma7_matrix(m: int, p_correct: float) -> np.ndarray:
    """P[i, j] = Pr(i of m points are true positives | j of them are noisy positives), (m + 1, m + 1); columns sum to 1.

    P = p Q + (1 - p) J Q (lemma 7): Q is the same with the anchor's label right, the law of a sum of two binomials,
    and J reverses the rows.  m >= 1 whole; ValueError otherwise, and for p_correct outside (1/2, 1].
    """
    p = _above_half(p_correct)
    given = anchor_right(m, p)
    return p * given + (1 - p) * given[::-1]


def anchor_right(m: int, p_correct: float) -> np.ndarray:
    """Q[i, j]: ``lemma7_matrix`` where the anchor's own label is right, (m + 1, m + 1).

    i = (true among the j noisy positives) + (true among the m - j noisy negatives), two independent binomials with
    chances p and 1 - p; their sum is a convolution.
    """
    p, m = _above_half(p_correct), _count(m)
    columns = [np.convolve(_binomial(j, p), _binomial(m - j, 1 - p)) for j in range(m + 1)]
    return np.stack(columns, 1)


def lemma7_weights(m: int, p_correct: float) -> np.ndarray:
    """The w (m + 1,) with P w = e, e the indicator of one true positive: weights of the m + 1 noisy averages.

    The coefficients of x^j in [p (p x - q)(p - q x)^(m-1) - q (p x - q)^(m-1) (p - q x)] / (2p - 1)^(m+1), q = 1 - p:
    the inverse of p I + (1-p) J, then of the bit flips, one factor a point.  Exact where solving P w = e loses digits.
    """
    p, m = _above_half(p_correct), _count(m)
    q = 1 - p
    up, down = np.array([-q, p]), np.array([p, -q])  # p x - q and p - q x, lowest power first
    rest = ([factor] * (m - 1) for factor in (down, up))
    one, other = (np.convolve(a, reduce(np.convolve, b, np.ones(1))) for a, b in zip((up, down), rest, strict=True))
    return (p * one - q * other) / (2 * p - 1) ** (m + 1)


def lemma7_eigenvalues(m: int, p_correct: float) -> np.ndarray:
    """The eigenvalues of ``lemma7_matrix``, falling: (2p-1)^r for even r and (2p-1)^(r+1) for odd r, r = 0 ... m."""
    s, r = 2 * _above_half(p_correct) - 1, np.arange(_count(m) + 1)
    return s ** (r + r % 2)


def _binomial(n: int, p: float) -> np.ndarray:
    """Chances of 0 ... n successes, (n + 1,)."""
    k = np.arange(n + 1)
    return special.comb(n, k) * p**k * (1 - p) ** (n - k)


def _above_half(p_correct: float) -> float:
    checks.number("p_correct", p_correct)
    if not 0.5 < p_correct <= 1:
        raise ValueError(
            f"p_correct={p_correct} is expected above 1/2 and at most 1: at 1/2 labels say nothing, below it swap them"
        )
    return float(p_correct)


def _count(m: int) -> int:
    checks.number("m", m, 1, whole=True)
    return int(m)
