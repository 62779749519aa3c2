"""lib.harms.gender and its probe against loops over pairs, fairlearn, scikit-learn and genders dealt by chance."""

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import binom
from sklearn.metrics import recall_score
from sklearn.metrics.pairwise import cosine_similarity

from lib import harms
from lib.harms import gender as module
from lib.harms.gender import (
    gender_representation_harm,
    mean_gap,
    permutation_null,
    tpr_gap,
    within_between,
)
from lib.harms.predictability import gender_predictability

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fairlearn.metrics import MetricFrame, true_positive_rate


def people(seed: int = 0, n: int = 90, d: int = 6, k: int = 3, leading: tuple[int, ...] = (2,)):
    """Features (*leading, n, d), occupations and genders, every group with members."""
    g = torch.Generator().manual_seed(seed)
    occupation, gender = torch.randint(k, (n,), generator=g), torch.randint(2, (n,), generator=g)
    occupation[: 4 * k], gender[: 4 * k] = torch.arange(4 * k) % k, torch.arange(4 * k) // k % 2
    z = torch.randn(*leading, n, d, generator=g, dtype=torch.float64) + occupation[:, None] + 0.3 * gender[:, None]
    return z, occupation, gender


def loop(z: torch.Tensor, a: torch.Tensor, b: torch.Tensor, unbiased: bool) -> float:
    """Mean of 1 - cos over pairs, one by one."""
    cos = cosine_similarity(z.numpy())
    pairs = [(i, j) for i in a.nonzero() for j in b.nonzero() if not (unbiased and i == j)]
    return float(np.mean([1 - cos[i, j] for i, j in pairs]))


@pytest.mark.parametrize("unbiased", [False, True])
def test_within_between_equal_the_loop_over_pairs(unbiased):
    z, occupation, gender = people()
    a, b = ((occupation == 1) & (gender == g) for g in (0, 1))
    found = within_between(z, a, b, unbiased)
    assert all(part.shape == (2,) for part in found)
    for seed in range(2):
        for part, (x, y) in zip(found, [(a, a), (a, b), (b, b)], strict=True):
            assert float(part[seed]) == pytest.approx(loop(z[seed], x, y, unbiased), abs=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_ratios_and_gap_equal_the_loop_over_pairs(unbiased):
    z, occupation, gender = people(1)
    ratios, gap = (f(z, occupation, gender, unbiased) for f in (gender_representation_harm, mean_gap))
    assert ratios.shape == (2, 3, 2) and gap.shape == (2, 3)
    for seed in range(2):
        for o in range(3):
            f, m = ((occupation == o) & (gender == g) for g in (0, 1))
            ff, fm, mm = (loop(z[seed], x, y, unbiased) for x, y in ((f, f), (f, m), (m, m)))
            assert ratios[seed, o].tolist() == pytest.approx([fm / ff, fm / mm], abs=1e-11)
            square = float(gap[seed, o]) * abs(float(gap[seed, o]))
            assert square == pytest.approx(2 * fm - ff - mm, abs=1e-11)
            if not unbiased:
                unit = (z[seed] / z[seed].norm(dim=1, keepdim=True)).numpy()
                distance = np.linalg.norm(unit[f].mean(0) - unit[m].mean(0))
                assert float(gap[seed, o]) == pytest.approx(distance, abs=1e-12)


def test_the_identity_holds_to_rounding():
    worst = 0.0
    for seed in range(50):
        n, d = 4 + 7 * seed, 1 + seed % 20
        z, _, gender = people(seed, n=max(n, 12), d=d, leading=())
        (aa, ab), (_, bb) = module.group_distances(z, gender, 2)
        unit = z / z.norm(dim=1, keepdim=True)
        gap = (unit[gender == 0].mean(0) - unit[gender == 1].mean(0)).square().sum()
        worst = max(worst, abs(float(ab - (aa + bb + gap) / 2)))
    assert worst < 1e-12


def test_plug_in_ratios_are_never_both_below_one_and_unbiased_ones_can_be():
    both = {False: 0, True: 0}
    for seed in range(300):
        generator = torch.Generator().manual_seed(seed)
        n, d = int(torch.randint(4, 40, (), generator=generator)), int(torch.randint(2, 9, (), generator=generator))
        z = torch.randn(20, n, d, generator=generator, dtype=torch.float64)
        gender = (torch.arange(n) < int(torch.randint(2, n - 1, (), generator=generator))).long()
        for unbiased in both:
            ratios = gender_representation_harm(z, torch.zeros(n).long(), gender, unbiased)
            both[unbiased] += int((ratios < 1 - 1e-12).all(-1).sum())
    assert both[False] == 0 and both[True] > 100
    # one by hand: four unit vectors on the axes, F = {x, -x}, M = {y, -y}: all pairs across at distance 1, within at 2
    square = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    who = torch.tensor([0, 0, 1, 1])
    assert gender_representation_harm(square, who * 0, who, unbiased=True).tolist() == [[0.5, 0.5]]
    assert gender_representation_harm(square, who * 0, who).tolist() == [[1.0, 1.0]]
    assert float(mean_gap(square, who * 0, who)) == 0
    assert float(mean_gap(square, who * 0, who, True)) == pytest.approx(-(2**0.5), rel=1e-12)


def test_the_plug_in_is_biased_for_small_groups_and_the_unbiased_is_not():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(400, 220, 30, generator=generator, dtype=torch.float64) + 0.5
    gender = (torch.arange(220) >= 20).long()
    plug, fair = (gender_representation_harm(z, gender * 0, gender, u)[:, 0] for u in (False, True))
    assert plug[:, 0].mean() > 1.03 and abs(plug[:, 1].mean() - 1) < 0.01, "the small group alone"
    assert (abs(fair.mean(0) - 1) < 4 * fair.std(0) / 20).all()
    squares = mean_gap(z, gender * 0, gender, unbiased=True)[:, 0]
    squares = squares * squares.abs()
    assert abs(squares.mean()) < 4 * squares.std() / 20 and mean_gap(z, gender * 0, gender).mean() > 0.15


def test_small_and_absent_groups_are_undecided_not_dropped():
    z, occupation, gender = people(2, k=4)
    gone = ~((occupation == 1) & (gender == 0))
    one = (occupation == 2) & (gender == 1)
    keep = gone & ~(one & (one.cumsum(0) > 1))
    for unbiased in (False, True):
        for measure in (gender_representation_harm, mean_gap):
            found = measure(z[:, keep], occupation[keep], gender[keep], unbiased)
            assert torch.isnan(found[:, 1:3]).all() and torch.isfinite(found[:, [0, 3]]).all()
            full = measure(z, occupation, gender, unbiased)
            assert torch.allclose(found[:, [0, 3]], full[:, [0, 3]], atol=1e-12)
    assert gender_representation_harm(z, occupation, gender, num_occupations=6).shape == (2, 6, 2)
    same = torch.ones(4, 3)
    who = torch.tensor([0, 0, 1, 1])
    assert (
        torch.isnan(gender_representation_harm(same, who * 0, who)).all() and float(mean_gap(same, who * 0, who)) < 1e-6
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"z": torch.zeros(4, 2)}, "zero or not finite"),
        ({"z": torch.full((4, 2), torch.nan)}, "zero or not finite"),
        ({"occupation": torch.tensor([0, 0, 0, -1])}, "codes from 0"),
        ({"occupation": torch.tensor([0, 0, 0, 3]), "num_occupations": 2}, r"codes 0\.\.1"),
        ({"gender": torch.tensor([0, 0, 1, 2])}, r"is int64 of shape .* codes 0\.\.1"),
    ],
)
def test_ratios_refuse(change, message):
    good = {"z": torch.eye(4), "occupation": torch.zeros(4).long(), "gender": torch.tensor([0, 0, 1, 1])}
    for measure in (gender_representation_harm, mean_gap):
        with pytest.raises(ValueError, match=message):
            measure(**good | change)


def test_within_between_refuses():
    mask = torch.tensor([True, True, False, False])
    with pytest.raises(ValueError, match="share 2 members"):
        within_between(torch.eye(4), mask, mask)
    with pytest.raises(ValueError, match=r"groups of \[2, 0\]; each needs 1"):
        within_between(torch.eye(4), mask, torch.zeros(4).bool())
    with pytest.raises(ValueError, match="each needs 2"):
        within_between(torch.eye(4), mask, torch.tensor([False, False, True, False]), unbiased=True)
    with pytest.raises(ValueError, match="zero or not finite"):
        within_between(torch.zeros(4, 2), mask, ~mask)


def test_the_permutation_null_is_calibrated():
    generator, sets, draws = torch.Generator().manual_seed(1), 400, 199
    z = torch.randn(sets, 90, 8, generator=generator, dtype=torch.float64) + 0.7
    gender = (torch.arange(90) >= 15).long()
    p = torch.stack([permutation_null(one, gender, draws, seed).p for seed, one in enumerate(z)])  # (sets, 3)
    low, high = binom.ppf([1e-4, 1 - 1e-4], sets, 0.05)
    for rejected in (p <= 0.05).sum(0).tolist():
        assert low <= rejected <= high, f"{rejected} of {sets} rejected at 5 %"
    assert abs(p.mean(0) - 0.5).max() < 4 * np.sqrt(1 / 12 / sets)


def test_the_permutation_null_finds_what_is_there():
    generator = torch.Generator().manual_seed(2)
    gender = (torch.arange(200) >= 50).long()
    z = torch.randn(200, 8, generator=generator, dtype=torch.float64) + 0.7
    apart = z + 0.8 * gender[:, None] * torch.tensor([1.0, -1] * 4)
    found = permutation_null(apart, gender, 199, 0)
    assert found.size == 50 and found.p[2] == 1 / 200, "the smallest p of 199 draws"
    spread = torch.where(gender[:, None] == 0, z * 2 - 0.7, z)  # the women more spread out about the same mean
    found = permutation_null(spread, gender, 199, 0)
    assert found.p[0] < 0.01 and found.p[1] > 0.5 and found.observed[0] < 1


def test_the_permutation_null_equals_a_loop_over_its_draws():
    z, _, gender = people(3, n=40, leading=(2,))
    found = permutation_null(z, gender, 5, 7)
    assert found.observed.shape == (2, 3) and found.drawn.shape == (5, 2, 3)
    # redone with one matrix of genders a draw, through the other functions
    generator, members = np.random.default_rng(7), [(gender == g).nonzero()[:, 0] for g in (0, 1)]
    m = min(map(len, members))
    kept = torch.cat([x[torch.from_numpy(generator.permutation(len(x))[:m])] for x in members])
    order = generator.permuted(np.tile(np.arange(2 * m), (5, 1)), axis=1)
    dealt = [(torch.arange(2 * m) >= m).long()]
    for row in order:
        one = torch.ones(2 * m).long()
        one[row[:m]] = 0
        dealt.append(one)
    for values, who in zip((found.observed, *found.drawn), dealt, strict=True):
        ratios = gender_representation_harm(z[:, kept], who * 0, who)[:, 0]
        gap = mean_gap(z[:, kept], who * 0, who)
        assert torch.allclose(values, torch.cat([ratios, gap], -1), atol=1e-12)
    assert torch.allclose(found.p[0], permutation_null(z[0], gender, 5, 7).p)
    for bad in (gender * 0, (torch.arange(40) == 3).long()):
        with pytest.raises(ValueError, match="at least two of each gender"):
            permutation_null(z, bad, 5, 0)


def test_tpr_gap_equals_fairlearn():
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 4, 300), rng.integers(0, 2, 300)
    called = np.where(rng.random((3, 300)) < 0.6, y, rng.integers(0, 4, (3, 300)))
    ours = tpr_gap(torch.from_numpy(y), torch.from_numpy(called), torch.from_numpy(group))
    assert ours.shape == (3, 4)
    for seed in range(3):
        for k in range(4):
            frame = MetricFrame(
                metrics=true_positive_rate, y_true=y == k, y_pred=called[seed] == k, sensitive_features=group
            )
            assert float(ours[seed, k]) == pytest.approx(frame.by_group[0] - frame.by_group[1], abs=1e-12)
            assert abs(float(ours[seed, k])) == pytest.approx(frame.difference(), abs=1e-12)


def test_tpr_gap_by_hand_and_where_a_group_is_absent():
    y, called = torch.tensor([0, 0, 0, 0, 1, 1, 2]), torch.tensor([0, 1, 0, 0, 1, 1, 2])
    group = torch.tensor([0, 0, 1, 1, 0, 1, 1])
    found = tpr_gap(y, called, group, num_classes=4)
    assert found[:2].tolist() == [-0.5, 0.0] and torch.isnan(found[2:]).all()
    with pytest.raises(ValueError, match=r"is int64 of shape .* codes 0\.\.1"):
        tpr_gap(y, called, group + 1)


def test_gender_predictability_sees_what_is_there_and_no_more():
    generator = torch.Generator().manual_seed(0)
    n = 720
    occupation, gender = torch.arange(n) % 3, (torch.rand(n, generator=generator) < 0.3).long()
    z = torch.randn(2, n, 5, generator=generator, dtype=torch.float64)
    z[..., 0] += torch.where(occupation == 1, 4.0 * (2 * gender - 1), 0.0)  # told in one occupation alone
    z[..., 1] += 3.0 * occupation
    found = gender_predictability(z, gender, occupation)
    assert found.shape == (2, 3) and (found[:, 1] > 0.95).all() and (abs(found[:, [0, 2]] - 0.5) < 0.13).all()
    assert torch.equal(found, gender_predictability(z, gender, occupation)), "seeded"
    few = torch.where(occupation == 2, torch.zeros(n).long(), gender)
    found = gender_predictability(z[0], few, occupation, num_occupations=5)
    assert torch.isnan(found[2:]).all() and found[1] > 0.95
    with pytest.raises(ValueError, match="folds=1"):
        gender_predictability(z, gender, occupation, folds=1)


def test_gender_predictability_is_the_balanced_recall_on_folds_left_out(monkeypatch):
    """A probe that only remembers what it was shown must score by chance or worse, and the recalls are averaged."""
    from lib import probe
    from lib.probe import logistic

    z, occupation, gender = people(5, n=150, leading=())
    shown = []

    def remembers(z, y, kept, scored, class_weight):
        shown.append(kept)
        return probe.Predictions(torch.where(kept, y, 1 - y), torch.ones(len(kept)), 0, 0)

    monkeypatch.setattr(logistic, "predict", remembers)
    assert gender_predictability(z, gender, occupation).tolist() == [0.0] * 3
    (kept,) = shown
    kept = kept.view(3, 5, 150)
    for o in range(3):
        assert (kept[o].sum(0) == torch.where(occupation == o, 4, 0)).all(), "each left out once, others never shown"

    def all_men(z, y, kept, scored, class_weight):
        return probe.Predictions(torch.ones_like(kept).long(), torch.ones(len(kept)), 0, 0)

    monkeypatch.setattr(logistic, "predict", all_men)
    ours = gender_predictability(z, gender, occupation)
    wanted = recall_score(gender, torch.ones(150), average="macro", zero_division=0)
    assert ours.tolist() == [pytest.approx(wanted)] * 3


def test_the_names_others_build_on_are_in_lib_harms():
    for name in ("within_between", "gender_representation_harm", "tpr_gap", "mean_gap", "permutation_null"):
        assert getattr(harms, name) is getattr(module, name)
