"""What the studies of geometry measure: a phase diagram by its cells, choices without the own seed, drawn recipes."""

import math

import numpy as np
import pytest
from scipy import stats

from lib import geometry
from lib.studies import alignment_uniformity as au
from lib.studies import minority_collapse as mc


def test_a_phase_diagram_is_its_cells():
    found = mc.phases(np.array([0.5, 1.0]))
    assert len(found) == 2 * len(mc.SIZES) * len(mc.COUNTS) * 2
    cell = found[
        (found.law == "iid negatives") & (found.minorities == "4") & (found.negatives == "∞") & (found.tau == 1)
    ]
    assert cell.threshold.item() == pytest.approx(geometry.collapse_threshold(4, 1.0, math.inf, "iid"), rel=1e-4)


def test_numbers_in_words():
    assert [mc.number(m) for m in (1, 16, math.inf)] == ["1", "16", "∞"]
    assert [mc.ratio_of(r) for r in (4.4841, 22026.9, math.inf)] == ["4.484", "22,027", "never"]


def test_a_seed_does_not_choose_its_own_column():
    values = np.array([[0.9, 0.1, 0.2], [0.1, 0.5, 0.3], [0.2, 0.4, 0.4]])  # the first seed alone is best in column 0
    assert au.chosen(values).tolist() == [0.1, 0.1, 0.2]
    assert au.chosen(values[:1]).tolist() == [0.9]


def test_recipes_are_drawn_once_and_for_all():
    (mixed, cooled), again = au.drawn(4, 0.01), au.drawn(4, 0.01)
    assert (mixed, cooled) == again and len(mixed) == len(cooled) == 4
    assert all(r.align + r.uniform == pytest.approx(1) and not r.contrastive for r in mixed)
    assert all(r.contrastive == 1 and 0.05 <= r.tau <= 2 for r in cooled)


def test_a_plane_is_recovered_by_the_regression():
    rng = np.random.default_rng(0)
    align, uniform = rng.normal(size=(2, 3, 20))
    found = au.Measures(align, uniform, 0.3 - 0.5 * align - 0.2 * uniform, np.exp(-align - uniform), align)
    fit = au.regress(found)
    assert fit.params == pytest.approx([0.3, -0.5, -0.2]) and fit.rsquared == pytest.approx(1)
    assert (au.ranked(found, "neighbours") > 0.95).all() and len(au.ranked(found, "depth")) == 3
    assert au.agreement(found) == pytest.approx([stats.spearmanr(*m)[0] for m in zip(*found[2:4], strict=True)])


def test_an_inverted_u_is_the_inner_column_above_both_ends():
    values = np.array([[0.1, 0.9, 0.5, 0.3], [0.4, 0.7, 0.8, 0.2], [0.1, 0.7, 0.8, 0.6]])
    assert au.inverted(values) == pytest.approx([0.2, 0.3, 0.1])  # columns 2, 1 and 1, by the other seeds
