"""lib.intervals against scipy, and by simulation: how often the interval holds the true mean."""

import numpy as np
import pytest
from scipy import stats

from lib.intervals import over_seeds


@pytest.mark.parametrize("n", [2, 3, 5, 9])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_few_seeds_give_students_t(n, level):
    values = np.random.default_rng(n).normal(3, 2, (n, 4, 2))
    mean, low, high = over_seeds(values, level)
    theirs = stats.t.interval(level, n - 1, loc=values.mean(0), scale=stats.sem(values))
    assert np.allclose(mean, values.mean(0)) and np.allclose((low, high), theirs, rtol=1e-12)


@pytest.mark.parametrize("n", [10, 12, 40])
def test_many_seeds_give_the_percentile_bootstrap(n):
    values = np.random.default_rng(n).exponential(1, n)
    _, low, high = over_seeds(values)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    scale = values.std() / np.sqrt(n)
    assert abs(low - theirs.low) < 0.06 * scale and abs(high - theirs.high) < 0.06 * scale


@pytest.mark.parametrize("n, least, most", [(3, 0.94, 0.96), (9, 0.94, 0.96), (12, 0.88, 0.95)])
def test_coverage_of_the_true_mean(n, least, most):
    """Student's t covers what it says; a percentile bootstrap over 12 seeds a little less than 95 %."""
    cells = 6000 if n < 10 else 600
    _, low, high = over_seeds(np.random.default_rng(5).normal(0, 1, (n, cells)))
    assert least < np.mean((low < 0) & (high > 0)) < most


def test_cells_are_resampled_together():
    values = np.random.default_rng(0).normal(0, 1, 15)
    _, low, high = over_seeds(np.stack([values, 2 * values + 1, -values], 1))
    assert np.allclose(low[1], 2 * low[0] + 1) and np.allclose(high[1], 2 * high[0] + 1)
    assert np.allclose((low[2], high[2]), (-high[0], -low[0]), atol=1e-12)


def test_the_same_call_gives_the_same_interval():
    values = np.random.default_rng(0).normal(0, 1, 20)
    assert over_seeds(values) == over_seeds(values)
    assert over_seeds(values) != over_seeds(values, rng=1)


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
        (list(range(12)), 0.0, "level=0.0"),
        ([1.0, 2.0, 3.0], float("nan"), "level=nan"),
    ],
)
def test_what_has_no_interval_is_refused(values, level, words):
    with pytest.raises(ValueError, match=words):
        over_seeds(values, level)
