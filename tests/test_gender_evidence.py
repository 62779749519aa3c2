"""Gender evidence against plain loops, other libraries and effects that were planted."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score

from lib import harms
from lib.encoders.text_settings import TextSettings, TextUnit
from lib.harms import gender
from lib.studies import bios_gender_harm as study
from lib.studies.shared import gender as ge
from lib.studies.shared import outcomes

K, D = 3, 8


def people(n=240, seed=0):
    """Features (n, D) that know the occupation a little, with codes of K occupations and two genders."""
    g = torch.Generator().manual_seed(seed)
    occupation, sex = torch.randint(K, (n,), generator=g), torch.randint(2, (n,), generator=g)
    z = torch.randn(n, D, generator=g, dtype=torch.float64)
    z[torch.arange(n), occupation] += 1.5
    return z, occupation, sex


@dataclass(frozen=True)
class Fake:
    """Stands for a unit of encoders."""

    train: torch.Tensor
    test: torch.Tensor
    fold: int = -1

    def embeddings(self, split="test"):
        z = self.train if split == "train" else self.test
        return z.float(), torch.zeros(z.shape[1])


def labelled(train, test, treated=(4,), ratio=0.1):
    rows = ge.even(test[1], test[2])
    kept = torch.ones(1 + len(treated), len(train[1]), dtype=torch.bool)
    for mask, g in zip(kept[1:], treated, strict=True):
        mine = (2 * train[1] + train[2] == g).nonzero()[:, 0]
        mask[mine[round(ratio * len(mine)) :]] = False
    return ge.Labels(test[1][rows], test[2][rows], rows, train[1], kept)


@pytest.mark.parametrize("unbiased", [False, True])
def test_distances_equal_the_loop_over_pairs(unbiased):
    z, o, g = people()
    group = 2 * o + g
    found = gender.group_distances(torch.stack([z, z.roll(1, 0)]), group, 2 * K, unbiased)
    for x, one in zip((z, z.roll(1, 0)), found, strict=True):
        pairs = cdist(x, x, "cosine")
        for a in range(2 * K):
            for b in range(2 * K):
                block = pairs[np.ix_(group == a, group == b)]
                n = len(block)
                wanted = block.sum() / (n * (n - 1)) if a == b and unbiased else block.mean()
                assert float(one[a, b]) == pytest.approx(wanted, abs=1e-12)


def test_a_group_without_members_is_undecided():
    z, o, g = people()
    keep = ~((o == 1) & (g == 0))
    found = gender.group_distances(z[keep], (2 * o + g)[keep], 2 * K)
    assert torch.isnan(found[2]).all() and torch.isnan(found[:, 2]).all()
    assert not torch.isnan(found[[0, 1, 3]][:, [0, 1, 3]]).any()
    alone = keep.clone()
    alone[((o == 1) & (g == 0)).nonzero()[0]] = True
    found = gender.group_distances(z[alone], (2 * o + g)[alone], 2 * K, unbiased=True)
    assert torch.isnan(found[2, 2])


def test_dispersion_knows_the_wider_gender():
    z, o, g = people(2000)
    z = z.clone()
    centre = torch.eye(K, D, dtype=torch.float64)[o]
    z = centre + 0.2 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wide = (o == 1) & (g == 0)
    z[wide] = centre[wide] + 2 * (z[wide] - centre[wide])
    found = gender.dispersion(gender.group_distances(z, 2 * o + g, 2 * K, True))
    assert found[2] > 0.8 and found[3] == pytest.approx(-float(found[2])) and found[[0, 1, 4, 5]].abs().max() < 0.2
    assert gender.ratios(gender.group_distances(z, 2 * o + g, 2 * K))[2] < 1


def test_both_genders_of_an_occupation_are_judged_equally_often():
    _, o, g = people(301)
    rows = ge.even(o, g, 3)
    table = pd.crosstab(o[rows].numpy(), g[rows].numpy())
    before = pd.crosstab(o.numpy(), g.numpy())
    assert (table[0] == table[1]).all() and (table[0] == before.min(axis=1)).all()
    assert len(rows.unique()) == len(rows) and (rows.diff() > 0).all()
    assert not torch.equal(rows, ge.even(o, g, 4))


def test_a_reading_equals_its_parts_and_its_summaries_other_libraries():
    train, test = people(600, 1), people(400, 2)
    seen = labelled(train, test)
    balanced = ge.read([[Fake(train[0][None], test[0][None])]], [seen])
    assert balanced.distances.shape == (1, 1, 6, 6) and balanced.cut.shape == (1, 1, 6, 3)
    assert torch.allclose(balanced.calls.sum(-1), torch.ones(1, 1, 6, dtype=torch.float64))
    from lib import probe

    z = test[0][seen.rows]
    called = probe.predict(train[0].float().double(), train[1], seen.kept[:1], z.float().double()).codes[0]
    wanted = balanced_accuracy_score(seen.group.numpy(), (2 * called + seen.gender).numpy())
    assert float(balanced.accuracy()) == pytest.approx(wanted)
    assert torch.allclose(balanced.tpr_gap()[0, 0], gender.tpr_gap(seen.occupation, called, seen.gender, K))
    assert not torch.allclose(balanced.tpr_gap(cut=True), balanced.tpr_gap())
    with pytest.raises(ValueError, match="1 repeats of encoders and 2 of labels"):
        ge.read([[Fake(train[0][None], test[0][None])]], [seen, seen])


def test_a_planted_move_is_found_where_it_was_planted():
    """Group 4 (occupation 2, F) is set among occupation 1 by one encoder of two: its distances and recall fall."""
    train, test = people(900, 3), people(600, 4)
    moved = []
    for z, o, g in (train, test):
        there = z.clone()
        mine = (2 * o + g) == 4
        there[mine, 2] -= 1.5
        there[mine, 1] += 1.5
        moved.append(there)
    seen = labelled(train, test, treated=(4, 1))
    balanced = ge.read([[Fake(train[0][None], test[0][None])]] * 3, [seen] * 3)
    under = [Fake(torch.stack([moved[0], train[0]]), torch.stack([moved[1], test[0]]))]
    under = ge.read([under] * 3, [seen] * 3)
    rh = ge.moved(under, balanced, (4, 1))
    assert rh.shape == (3, 2, 6) and (rh[:, 0, [2, 3]] < 0.85).all() and (rh[:, 0, 5] > 1.15).all()
    assert torch.allclose(rh[:, 1], torch.ones(3, 6, dtype=torch.float64))
    effects = ge.effects(under, balanced, (4, 1))
    assert effects.residual() < 1e-12
    assert (effects.NIE[:, 0, 2] < -0.2).all() and (effects.NIE[:, 0, 1] > 0.2).all()
    assert (effects.NIE[:, 1] == 0).all() and (effects.TE[:, 1] == effects.NDE[:, 1]).all()
    nie, other, both = ge.recall_changes(under, balanced, (4, 1)).values()
    assert torch.equal(nie, effects.NIE[:, [0, 1], [2, 0]])
    gap = under.tpr_gap(cut=True) - balanced.tpr_gap()
    assert torch.allclose(both[:, 0], gap[:, 0, 2]) and torch.allclose(both[:, 1], -gap[:, 1, 0])
    assert torch.allclose((nie - other)[:, 0], (under.tpr_gap() - balanced.tpr_gap())[:, 0, 2])
    gap = under.tpr_gap()[:, 0] - balanced.tpr_gap()[:, 0]
    assert (gap[:, 2] < -0.2).all() and (gap[:, :2].abs() < 0.1).all()


def test_the_own_group_is_taken_under_its_own_encoder():
    values = torch.arange(2 * 2 * 6, dtype=torch.float64).view(2, 2, 6)
    assert ge.own(values, (5, 0)).tolist() == [[5.0, 6.0], [17.0, 18.0]]
    assert ge.own(values[:, :1], (5, 0)).tolist() == [[5.0, 0.0], [17.0, 12.0]]


def test_shares_in_training_are_those_of_the_texts_that_stay():
    unit = TextUnit(TextSettings(per_group=40, max_length=16), ("surgeon:F", "nurse:M"), 0.1, 2)
    seen = ge.labels(unit, ("surgeon:F", "nurse:M"), 0.1)
    assert seen.kept.sum(1).tolist() == [480, 444, 444] and len(seen.rows) == 480
    assert torch.bincount(seen.train[seen.kept[1]]).tolist() == [80, 80, 80, 80, 80, 44]
    assert torch.bincount(seen.train[seen.kept[2]]).tolist() == [80, 80, 44, 80, 80, 80]
    share = ge.training_share((10, 5), 12, 0.1)
    assert share[0, 10] == pytest.approx(4 / 44) and share[1, 5] == pytest.approx(4 / 44)
    assert torch.allclose(share.view(2, 6, 2).sum(-1), torch.ones(2, 6, dtype=torch.float64))


def test_the_gender_is_read_where_it_was_planted():
    train, test = people(60, 5), people(900, 6)
    z = test[0].clone()
    z[:, 7] += 6 * (test[2] * (test[1] == 0)).double()
    found = ge.predictability([[Fake(train[0][None], z[None])]], [labelled(train, (z, *test[1:]))])
    assert found.shape == (1, 3) and found[0, 0] > 0.95 and (found[0, 1:] < 0.65).all()


def test_rank_correlation_of_ratio_and_share_finds_the_cut_group():
    share = ge.training_share((4,), 6, 0.1)
    low = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.9, 1.1]], dtype=torch.float64)
    assert float(harms.rank_correlation(low, share)) == pytest.approx(1)


def test_the_correlation_of_the_gap_with_the_share_of_women_by_hand():
    """Cut are the women of the third occupation, recalled at .2 of .8, and the men of the first, at .5."""

    def reading(*recalls: dict[int, float]) -> torch.Tensor:
        calls = torch.zeros(2, len(recalls), 6, 3, dtype=torch.float64)
        for m, changed in enumerate(recalls):
            for group in range(6):
                calls[:, m, group, group // 2] = changed.get(group, 0.8)
        return calls

    balanced = ge.Reading(torch.rand(2, 1, 6, 6), reading({}), reading({}, {}))
    under = ge.Reading(torch.rand(2, 2, 6, 6), reading({}, {}), reading({4: 0.2}, {1: 0.5}))
    share = ge.training_share((4, 1), 6, 0.25)
    gap, women = study.recognised(under, balanced, share, torch.ones(6).bool())
    wanted = [[0, 0, 0, 0, 0, -0.6, 0.3, 0, 0], [0.5, 0.5, 0.5, 0.5, 0.5, 0.2, 0.8, 0.5, 0.5]]
    assert torch.allclose(gap.flatten(1), torch.tensor([wanted[0]] * 2, dtype=torch.float64))
    assert torch.allclose(women.flatten(1), torch.tensor([wanted[1]] * 2, dtype=torch.float64))
    assert outcomes.correlation(gap.flatten(1), women.flatten(1)).tolist() == pytest.approx(
        [np.corrcoef(*wanted)[0, 1]] * 2
    )
    few = torch.tensor([True, True, True, True, False, False])
    assert study.recognised(under, balanced, share, few)[0].shape == (2, 3, 2)
    nothing = study.untreated(balanced, balanced, (4, 1), share, torch.ones(6).bool())
    assert nothing["bios-tpr-share"].tolist() == [0, 0], "no gap, no correlation"
