"""Augmentation as an instrument, on encoders whose distances and recalls are set; scipy beside F and interval."""

import math
from types import SimpleNamespace

import pytest
import torch
from scipy import stats

from lib import study
from lib.studies.plans import mediation as plans
from lib.studies.shared import augmented, evidence
from lib.studies.shared.augmented import Moved

PAIRS = [(0, 1), (1, 0), (2, 1)]


def encoder(distance, recall):
    """Three classes, the first two at this distance and the third at 1 from both, all of this recall."""
    c = 1 - distance
    means = torch.tensor([[1, 0, 0], [c, (1 - c**2) ** 0.5, 0], [0, 0, 1]], dtype=torch.float64)
    rest = (1 - recall) / 2
    confusion = torch.full((3, 3), rest, dtype=torch.float64) + (recall - rest) * torch.eye(3, dtype=torch.float64)
    return evidence.Embedded(lambda split: None, {"means": means, "confusion": confusion})


def test_the_slope_is_what_recall_was_made_to_follow():
    """Recall falls by 2 for each unit of distance, whatever the seed's own level of both."""
    first = [encoder(d, r) for d, r in ((0.5, 0.8), (0.6, 0.7))]
    gain = 2 * 0.1 * 2 / 3  # two of three distances fall by 0.1
    second = [encoder(d - 0.1, r + gain) for d, r in ((0.5, 0.8), (0.6, 0.7))]
    y, none = torch.arange(3), [[encoder(0.3, 0.5)] * 3] * 2
    seen = evidence.Evidence(("a", "b", "c"), (0, 1, 2), y, first, none, second=second)
    found = augmented.by_policy(seen, PAIRS)
    assert found.distance.tolist() == pytest.approx([-0.1 * 2 / 3] * 2)
    assert found.recall.tolist() == pytest.approx([gain] * 2) and found.slope.tolist() == pytest.approx([-2.0] * 2)


def test_what_a_cut_moves_is_its_nie_and_the_distance_of_its_own_encoder():
    y, nie = torch.arange(3), torch.tensor([[-0.3, -0.1, -0.2]], dtype=torch.float64)
    cut = [[encoder(0.2, 0.1), encoder(0.4, 0.1), encoder(0.3, 0.1)]]
    seen = evidence.Evidence(("a", "b", "c"), (0, 1, 2), y, [encoder(0.5, 0.9)], cut)
    found = augmented.by_cut(seen, nie, [(0, 1), (1, 0)])
    assert found.distance.tolist() == pytest.approx([(-0.3 - 0.1) / 2])
    assert found.recall.tolist() == pytest.approx([-0.2]) and found.slope.tolist() == pytest.approx([1.0])


def test_strength_is_a_squared_t_and_the_interval_inverts_a_t_test():
    distance = torch.tensor([0.1, 0.13, 0.08, 0.11], dtype=torch.float64)
    recall = torch.tensor([0.2, 0.31, 0.1, 0.26], dtype=torch.float64)
    moved = Moved(distance, recall, recall / distance)
    assert moved.strength == pytest.approx(stats.ttest_1samp(distance.numpy(), 0).statistic ** 2)
    for end in moved.interval()[1:]:
        assert stats.ttest_1samp((recall - end * distance).numpy(), 0).pvalue == pytest.approx(0.05)
    assert all(math.isnan(end) for end in Moved(distance - 0.1, recall, recall).interval()[1:])


def test_the_second_policy_is_all_that_differs():
    values = study.complete("mediation", study.preset("mediation", "quick"))
    plan = plans.plan(SimpleNamespace(**values))
    before, after = (arm[0][0].settings for arm in (plan.balanced, plan.second))
    assert {k for k, v in vars(before).items() if v != getattr(after, k)} == {"augment"}
    assert [u.seed for seed in plan.second for u in seed] == [u.seed for seed in plan.balanced for u in seed]
    assert {u for seed in plan.second for u in seed} <= set(plan.units) & set(plan.asks)
    assert plans.plan(SimpleNamespace(**values | {"second_augment": values["augment"]})).second == []
