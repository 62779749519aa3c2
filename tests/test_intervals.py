"""lib.intervals against scipy, and by simulation: how often the interval holds the true mean."""

import numpy as np
import pytest
from scipy import stats

from lib.intervals import estimate, of_share, over_seeds


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_seeds_give_students_t(n, level):
    values = np.random.default_rng(n).normal(3, 2, (n, 4, 2))
    mean, low, high = over_seeds(values, level)
    theirs = stats.t.interval(level, n - 1, loc=values.mean(0), scale=stats.sem(values))
    assert np.allclose(mean, values.mean(0)) and np.allclose((low, high), theirs, rtol=1e-12)


def test_equal_seeds_have_no_width():
    for n in (3, 12):
        assert over_seeds([2.0] * n) == pytest.approx((2.0, 2.0, 2.0), abs=1e-12)


def test_one_seed_has_a_mean_and_no_interval():
    mean, low, high = over_seeds([[0.5, 2.0]])
    assert mean.tolist() == [0.5, 2.0] and np.isnan(low).all() and np.isnan(high).all()


@pytest.mark.parametrize("values", [[], 3.0, np.zeros((0, 4))])
def test_no_seed_is_refused(values):
    with pytest.raises(ValueError, match=r"at least one seed|is empty"):
        over_seeds(values)


def test_a_missing_run_is_refused():
    with pytest.raises(ValueError, match="a run is missing or failed"):
        over_seeds([[1.0, 2.0], [1.0, float("nan")]])


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ([1.0, 2.0, float("inf")], 0.95, "a run is missing or failed"),
        (["1", "2", "3"], 0.95, "no array of numbers"),
        ([1.0, 2.0, 3.0], 95, "level=95: a number strictly between 0 and 1"),
        ([1.0, 2.0, 3.0], 0.0, "level=0.0"),
        ([1.0, 2.0, 3.0], float("nan"), "level=nan"),
    ],
)
def test_what_has_no_interval_is_refused(values, level, words):
    with pytest.raises(ValueError, match=words):
        over_seeds(values, level)
    with pytest.raises(ValueError, match=words):
        of_share(values, level)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 40])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_one_trial_a_seed_has_the_exact_binomial_interval(n, level):
    for k in range(n + 1):
        exact = stats.binomtest(k, n).proportion_ci(level, "exact")
        assert of_share([1] * k + [0] * (n - k), level) == pytest.approx((k / n, exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(
    "values", [[0.3, 0.3, 0.9], [0.5, 0, 0, 0, 0], [1, 1, 0.5], [0.83, 0.85, 0.84], list(np.linspace(0, 1, 12))]
)
def test_the_interval_of_a_share_is_a_quantile_of_random_weights(values):
    """Gaffke's definition, by simulation: weights uniform on the simplex over the values and one more at an end."""
    weights = np.random.default_rng(0).dirichlet(np.ones(len(values) + 1), 200_000)
    ends = np.quantile(weights @ [0, *values], 0.025), np.quantile(weights @ [1, *values], 0.975)
    assert of_share(values)[1:] == pytest.approx(ends, abs=0.005)


def test_the_interval_of_a_share_mirrors_and_stays_inside():
    values = np.random.default_rng(1).beta(3, 0.4, 7)
    mean, low, high = of_share(values)
    assert 0 <= low < mean < high <= 1
    assert of_share(1 - values) == pytest.approx((1 - mean, 1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize("values", [[0.5, 1.2, 0.1], [0.5, -0.1, 0.1], [[0.5, 0.5]] * 3])
def test_what_is_no_share_a_seed_is_refused(values):
    with pytest.raises(ValueError, match="shares are expected"):
        of_share(values)


def test_an_interval_over_seeds_is_cut_where_the_quantity_ends():
    values = [0.2, 0.6, 1.0]
    mean, low, high = over_seeds(values)
    found = estimate(values, -1, 1)
    assert (found.value, found.low, found.high) == (mean, max(low, -1), 1) and high > 1
    alone = estimate([0.5], -1, 1)
    assert np.isnan([alone.low, alone.high]).all(), "one seed has no interval to cut"
