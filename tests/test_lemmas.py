"""lib.strata.label_noise and lib.strata.subsampling: against enumeration,
simulation, scipy's hypergeometric law and exact fractions.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from lib import strata
from lib.strata import subsampling
from lib.strata.label_noise import (
    anchor_right,
    correction_system,
    debias_weights,
    lemma7_eigenvalues,
    lemma7_matrix,
    lemma7_weights,
    noisy_triplets,
)

CORRECT = (0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def worlds(p, labels):
    """Every way in which the labels of an anchor (labelled 1) and of points with these labels are right or wrong.

    Yields the chance and, for each point, whether its true class is the anchor's.
    """
    for right in itertools.product((True, False), repeat=1 + len(labels)):
        chance = np.prod([p if r else 1 - p for r in right])
        true = [label if r else 1 - label for r, label in zip(right, (1, *labels), strict=True)]
        yield chance, [t == true[0] for t in true[1:]]


def brute(m, p):
    found = np.zeros((m + 1, m + 1))
    for j in range(m + 1):
        for chance, same in worlds(p, [1] * j + [0] * (m - j)):
            found[sum(same), j] += chance
    return found


@pytest.mark.parametrize("p", CORRECT)
def test_lemma_5_is_what_enumeration_finds(p):
    found = dict.fromkeys(noisy_triplets(p), 0.0)
    for chance, same in worlds(p, (1, 0)):
        found[tuple(int(s) for s in same)] += chance
    assert noisy_triplets(p) == pytest.approx(found, abs=1e-15)


@pytest.mark.parametrize("p", CORRECT)
def test_the_weights_of_lemma_6_solve_the_linear_system(p):
    """Unknowns: of a positive and a negative in the numerator, of the pairs (+,-), (+,+), (-,-) in the logarithm."""
    a = np.zeros((5, 5))  # rows: true positive, true negative, pairs with one, two, no true positives
    for column, label in enumerate((1, 0)):
        for chance, (same,) in worlds(p, (label,)):
            a[0 if same else 1, column] += chance
    for column, labels in enumerate(((1, 0), (1, 1), (0, 0)), 2):
        for chance, same in worlds(p, labels):
            a[{1: 2, 2: 3, 0: 4}[sum(same)], column] += chance
    solved = np.linalg.solve(a, [1, 0, 1, 0, 0])
    assert np.linalg.solve(*correction_system(p)) == pytest.approx(solved, abs=1e-12)
    w = debias_weights(p)
    assert [w.w_plus, -w.w_minus, w.w1, -w.w2, -w.w2] == pytest.approx(solved, abs=1e-10)


@pytest.mark.parametrize("m", (1, 2, 3, 4))
@pytest.mark.parametrize("p", (0.6, 0.9, 1.0))
def test_the_matrix_of_lemma_7_is_brute_force(m, p):
    assert lemma7_matrix(m, p) == pytest.approx(brute(m, p), abs=1e-14)


def test_the_matrix_of_lemma_7_is_the_papers_sum():
    """Q[i, j] = sum_k C(j, k) C(m-j, k+i-j) (1-p)^(i-j+2k) p^(m+j-i-2k) over the k for which both binomials exist."""
    from math import comb

    m, p = 6, 0.8
    for i, j in itertools.product(range(m + 1), repeat=2):
        ks = [k for k in range(j + 1) if 0 <= k + i - j <= m - j]
        total = sum(comb(j, k) * comb(m - j, k + i - j) * 0.2 ** (i - j + 2 * k) * p ** (m + j - i - 2 * k) for k in ks)
        assert anchor_right(m, p)[i, j] == pytest.approx(total, abs=1e-14)


def test_two_points_give_the_weights_of_lemma_6():
    for p in CORRECT:
        w = debias_weights(p)
        assert lemma7_weights(2, p) == pytest.approx([-w.w2, w.w1, -w.w2], abs=1e-12)


@pytest.mark.parametrize("m", range(1, 9))
def test_eigenvalues_and_length_of_the_weights(m):
    for p in (0.6, 0.75, 0.9):
        matrix, w, s = lemma7_matrix(m, p), lemma7_weights(m, p), 2 * p - 1
        found = np.sort(np.linalg.eigvals(matrix).real)[::-1]
        assert found == pytest.approx(lemma7_eigenvalues(m, p), abs=1e-10)
        length, least = np.abs(w).sum(), s ** -(2 * ((m + 1) // 2))
        assert least * (1 - 1e-12) <= length <= s ** -(m + 1) * (1 + 1e-12)
        assert m % 2 == 0 or length == pytest.approx(least, rel=1e-12)


def test_the_weights_of_lemma_7_in_exact_fractions():
    """Gauss's elimination in fractions, m = 5 and p = 3/5, where floating point already loses digits."""
    m, p = 5, Fraction(3, 5)
    size = m + 1
    a = [[Fraction(0)] * size + [Fraction(int(i == 1))] for i in range(size)]
    for j in range(size):
        for right in itertools.product((1, 0), repeat=size):
            chance = Fraction(1)
            for r in right:
                chance *= p if r else 1 - p
            true = [lab if r else 1 - lab for r, lab in zip(right, [1] + [1] * j + [0] * (m - j), strict=True)]
            a[sum(t == true[0] for t in true[1:])][j] += chance
    for i in range(size):
        pivot = next(r for r in range(i, size) if a[r][i])
        a[i], a[pivot] = a[pivot], a[i]
        a[i] = [v / a[i][i] for v in a[i]]
        for r in range(size):
            if r != i:
                a[r] = [v - a[r][i] * u for v, u in zip(a[r], a[i], strict=True)]
    assert lemma7_weights(m, 0.6) == pytest.approx([float(row[-1]) for row in a], rel=1e-11)


@pytest.mark.parametrize("p", (0.5, 0.3, 0.0, 1.1, float("nan")))
def test_labels_that_say_nothing_are_refused(p):
    for function in (debias_weights, noisy_triplets, lambda p: lemma7_matrix(2, p), lambda p: lemma7_weights(2, p)):
        with pytest.raises(ValueError, match=r"p_correct="):
            function(p)


@pytest.mark.parametrize("m", (0, -1, 1.5))
def test_no_points_are_refused(m):
    with pytest.raises(ValueError, match=r"m=.*: a whole number from 1"):
        lemma7_matrix(m, 0.9)


def test_probabilities_agree_with_simulation():
    """Every cell of a 5 x 5 grid within 4 standard errors; they sum to 1."""
    trials, n = 20_000, 60
    for i, j in itertools.product(range(5), repeat=2):
        p, q = (0.002, 0.01, 0.03, 0.1, 0.3)[i], (0.002, 0.01, 0.03, 0.1, 0.3)[j]
        found = np.array(subsampling.subsample_probabilities(p, q, n))
        assert found.sum() == pytest.approx(1, abs=1e-12)
        se = np.sqrt(np.maximum(found * (1 - found), 1 / trials) / trials)
        assert (np.abs(subsampling.counted(p, q, n, trials, 5 * i + j) / trials - found) <= 4 * se).all()


def test_probabilities_keep_their_digits():
    p, q, n = 1e-9, 0.3, 4
    exact = (1 - Fraction(q)) ** n - (1 - Fraction(p) - Fraction(q)) ** n
    assert subsampling.subsample_probabilities(p, q, n).only_p == pytest.approx(float(exact), rel=1e-12)


def test_a_fixed_set_is_scipys_hypergeometric():
    for a, b, total, n in ((4, 4, 200, 100), (3, 7, 20, 5), (1, 1, 2, 1), (0, 3, 9, 4), (2, 2, 10, 10), (5, 5, 10, 0)):
        cells = dict.fromkeys(("both", "only_p", "only_q", "neither"), 0.0)
        for i, j in itertools.product(range(min(a, n) + 1), range(min(b, n) + 1)):
            if i + j <= n and n - i - j <= total - a - b:
                chance = stats.multivariate_hypergeom.pmf([i, j, n - i - j], [a, b, total - a - b], n)
                cells["both" if i and j else "only_p" if i else "only_q" if j else "neither"] += chance
        assert subsampling.fixed_probabilities(a, b, total, n) == pytest.approx(tuple(cells.values()), abs=1e-12)


@pytest.mark.parametrize("p, q", [(0.02, 0.02), (0.001, 0.2), (0.3, 0.3), (0.05, 0.001)])
def test_the_peak_is_where_a_search_finds_it(p, q):
    n = np.arange(1, 20_000)
    best = n[np.argmax(subsampling.subsample_probabilities(p, q, n).only_p)]
    assert abs(best - max(subsampling.peak(p, q), 1)) <= 1


def test_edges_and_refusals():
    probabilities = strata.subsample_probabilities
    assert probabilities(0.2, 0.3, 0) == (0, 0, 0, 1)
    assert probabilities(0.5, 0.5, 1) == (0, 0.5, 0.5, 0)
    assert probabilities(0, 1, 3) == (0, 0, 1, 0) and probabilities(0, 0, 9) == (0, 0, 0, 1)
    assert probabilities([0.1, 0.2], 0.3, [[1], [2], [3]]).both.shape == (3, 2)
    assert subsampling.peak(0.1, 0) == np.inf and subsampling.peak(0.4, 0.6) == 0
    for bad, message in (
        ((-0.1, 0.2, 3), r"p=-0.1 is expected in \[0, 1\]"),
        (([0.1, 1.2], 0, 3), r"p=1.2 is expected"),
        ((0.1, float("nan"), 3), "q=nan"),
        ((0.7, 0.4, 3), "above 1"),
        ((0.1, 0.1, -1), "n=-1.0 is expected whole"),
        ((0.1, 0.1, 2.5), "n=2.5 is expected whole"),
    ):
        with pytest.raises(ValueError, match=message):
            probabilities(*bad)
    with pytest.raises(ValueError, match="p=0"):
        subsampling.peak(0, 0.1)
    for bad in ((-1, 1, 5, 2), (3, 3, 5, 2), (1, 1, 5, 6), (1, 1.5, 5, 2)):
        with pytest.raises(ValueError):
            subsampling.fixed_probabilities(*bad)
