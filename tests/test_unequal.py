"""lib.strata.unequal against the limits that it joins and scipy, and the figure that is made of it."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import optimize, special

from lib.book import picture
from lib.figures import one_picture
from lib.geometry import collapse, collapse_threshold
from lib.strata import spread_limit, unequal


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_equal_classes_spread_as_the_limit_says_and_stand_as_a_triangle(tau):
    alphas = np.linspace(0, 1, 21)
    found = unequal.best(1, tau, alphas)
    wanted = torch.tensor([spread_limit.best_spread(3, 2, tau, a) for a in alphas.tolist()]).double()
    assert torch.allclose(found.majority, wanted, atol=1e-4) and torch.allclose(found.minority, wanted, atol=1e-4)
    apart = found.angle[wanted < 0.99]
    assert torch.allclose(apart, torch.full_like(apart, 2 * math.pi / 3), atol=1e-3)
    c = spread_limit.Classes(3, 2, 0.3)
    at = unequal.Arrangement(*(torch.tensor(v, dtype=torch.float64) for v in (0.3, 0.3, 2 * math.pi / 3)))
    given = (torch.tensor(v, dtype=torch.float64) for v in (1, tau, 0.2))
    assert float(unequal.loss(at, *given)) == pytest.approx(sum(spread_limit.terms(c, tau, 0.2)), abs=1e-9)


@pytest.mark.parametrize("tau", [0.2, 0.9])
def test_collapsed_classes_stand_as_the_programme_of_infinitely_many_negatives_says(tau):
    star = collapse_threshold(2, tau, math.inf, "label_aware")
    ratios = torch.tensor([1.5, 0.9 * star, 1.1 * star, 60], dtype=torch.float64)
    found = unequal.best(ratios, tau, 1.0)
    assert float(torch.stack([found.majority, found.minority]).max()) < 1e-4
    assert torch.allclose(found.angle.cos(), collapse.two_level(1, 2, ratios, tau).c, atol=1e-4)
    assert (found.angle > math.pi - 1e-3).tolist() == [False, False, True, True]


def test_no_other_search_finds_a_lower_loss():
    rng = np.random.default_rng(0)

    def loss(x, r, tau, a):
        (big, small, t), share = x, 1 / (r + 2)
        mean = lambda k: np.log(special.ive(0, k)) + k  # noqa: E731
        across = math.sqrt((1 - big) * (1 - small)) * math.cos(t) / tau + mean(math.sqrt(big * small) / tau)
        apart = (1 - small) * math.cos(2 * t) / tau + mean(small / tau)
        far = np.log((r * np.exp(across) + np.exp(apart)) / (1 + r))
        parts = ((1 - 2 * share, big, across), (2 * share, small, far))
        return sum(
            w * (-a * (1 - b) / tau - (1 - a) / tau + (1 - a) * ((1 - b) / tau + mean(b / tau)) + a * f)
            for w, b, f in parts
        )

    for r, tau, a in [(1, 0.5, 0.3), (3, 0.5, 0.25), (4, 0.9, 0.3), (20, 0.2, 0.1)]:
        best = unequal.best(r, tau, a)
        ours = loss([float(v) for v in (best.majority, best.minority, best.angle)], r, tau, a)
        bounds = [(0, 1), (0, 1), (math.pi / 2, math.pi)]
        starts = rng.uniform(*zip(*bounds, strict=True), (6, 3))
        theirs = min(optimize.minimize(loss, x, (r, tau, a), bounds=bounds, method="Nelder-Mead").fun for x in starts)
        assert ours <= theirs + 1e-6


@pytest.mark.parametrize("given", [(0.5, 0.5, 0.5), (2, 0, 0.5), (2, 0.5, 1.5), (math.nan, 0.5, 0.5)])
def test_numbers_outside_their_range_are_refused(given):
    with pytest.raises(ValueError, match=r"expected|ratio"):
        unequal.best(*given)


def test_the_table_of_the_figure_is_what_the_library_computes():
    kept = pd.read_csv(picture.FILE)
    some = kept[(kept.majority < 0.999) & (kept.minority < 0.999)].sample(40, random_state=0)
    found = unequal.best(2 ** some.log2_ratio.to_numpy(), some.tau.to_numpy(), some.alpha.to_numpy())
    for name in one_picture.LISTS:
        assert np.allclose(getattr(found, name), some[name], atol=2e-3)
    places = {(t, r, a) for t in one_picture.TAUS for r in one_picture.LOG2_RATIOS for a in one_picture.ALPHAS}
    assert places <= set(kept[list(one_picture.KEYS)].itertuples(index=False, name=None))
    assert (kept[kept.alpha == one_picture.ALPHAS[-1]][["majority", "minority"]] == 0).all(axis=None)


def test_published_settings_stand_in_the_figure_with_their_own_thresholds():
    figure, files = picture.parts()
    assert "Of the 11 published weights 4 lie above" in figure
    assert {"1 %", "5 %"} == set(picture.published().label) and picture.published().ratio.tolist() == [20, 100]
    assert figure.count("collapses at its own") >= 4 and list(files) == [picture.STILL]
