"""lib.studies.shared.null against plain loops over encoders."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from lib import harms
from lib.studies import cifar10_undersampling, mediation, methods_and_mitigations
from lib.studies.shared import evidence, null
from lib.studies.shared.evidence import Evidence
from lib.studies.shared.measured import Measured

PAIRS = [(0, 1), (1, 0)]


def seen(balanced: int, other: int = 0) -> Evidence:
    """Encoders drawn at random, of 20 images of each of three classes, of which the first two were undersampled."""
    g = torch.Generator().manual_seed(0)

    def drawn(*lead: int) -> torch.Tensor:
        centre = 3 * torch.eye(3, 5, dtype=torch.float64).repeat_interleave(20, 0)
        return centre + torch.randn(*lead, 60, 5, generator=g, dtype=torch.float64)

    y = torch.arange(3).repeat_interleave(20)
    one, under = drawn(balanced), drawn(balanced, 2)
    null = drawn(other) if other else []
    one, *under, null = ([evidence.embedded(z, y) for z in part] for part in (one, *under, null))
    return Evidence(("a", "b", "c"), (0, 1), y, one, under, null=null)


def values(rh: torch.Tensor) -> tuple[float, ...]:
    return tuple(rh.flatten().round(decimals=12).tolist())


def features(row: list[evidence.Embedded]) -> torch.Tensor:
    return torch.stack([encoder.load("test")[0] for encoder in row])


@pytest.mark.parametrize("balanced, other, count", [(3, 0, 6), (4, 0, 24), (2, 3, 12), (2, 0, 0), (1, 0, 0), (3, 1, 0)])
def test_every_trio_is_of_three_encoders_and_stands_once(balanced, other, count):
    s, i, j = null.trios(balanced, other)
    found = set(zip(s, i, j, strict=True))
    assert len(found) == len(s) == count
    assert all(b != c and (other or a not in (b, c)) for a, b, c in found)


@pytest.mark.parametrize("other", [0, 3])
def test_the_null_of_a_harm_is_the_harm_of_encoders_that_nobody_undersampled(other):
    one = seen(3, other)
    rest, balanced = features(one.null if other else one.balanced), features(one.balanced)
    cosines, base = (harms.class_cosines(z, one.y, 3) for z in (rest, balanced))
    wanted = {values(((1 - cosines[i]) / (1 - base[s]))[:2]) for s, i in product(range(3), range(3)) if other or s != i}
    first, second = null.harm(one)
    assert first.shape == second.shape == (len(null.trios(3, other)[0]), 2, 3)
    assert {values(rh) for rh in first} == wanted == {values(rh) for rh in second}
    moved, _ = null.change(one)
    s, i, _ = null.trios(3, other)
    confusion = [evidence.confusion(z, one.y, 3) for z in rest]
    before = [evidence.confusion(z, one.y, 3) for z in balanced]
    assert torch.allclose(moved, torch.stack([confusion[b] - before[a] for a, b in zip(s, i, strict=True)])[:, :2])


def test_the_null_has_every_claim_of_the_effects_and_none_where_there_are_too_few_encoders():
    one = seen(3)
    full = evidence.square(evidence.harm_matrix(one)[1], one.treated)
    assert set(cifar10_undersampling.untreated(one, PAIRS)) == set(cifar10_undersampling.effects(full, full, PAIRS))
    te = one.allocation_harm() - 0.5
    mild = te, te
    judged = mediation.judged(evidence.harm_matrix(one)[1], te, te, one.treated, PAIRS, mild)
    assert set(mediation.untreated(one, te, PAIRS)) == set(judged)
    few = seen(2)
    assert cifar10_undersampling.untreated(few, PAIRS) == {} == mediation.untreated(few, te, PAIRS)


def test_a_difference_of_two_arms_stands_against_that_of_two_other_encoders():
    """Two methods, of the same encoders: every claim of one against the other has a null around 0 that is not 0."""
    one = seen(3)
    drawn = zip(null.harm(one), null.change(one), strict=True)
    both = [Measured(*each, one.treated) for each in drawn]
    plain = Measured(*evidence.harm_matrix(one)[1:], one.allocation_harm(), one.treated)
    label = {"simclr": plain, "bcl": plain, "simclr_groups": plain}
    measured = {name: replace(m, untreated=tuple(both)) for name, m in label.items()}
    found = methods_and_mitigations.untreated(measured, PAIRS)
    assert set(found) == set(methods_and_mitigations.effects(measured, PAIRS))
    for claim in ("harms-9c", "harms-14a"):
        gap = both[0].paired_rh(PAIRS) - both[1].paired_rh(PAIRS)
        assert torch.equal(found[claim], gap) and float(gap.abs().max()) > 0
        assert float(gap.sum()) == pytest.approx(0, abs=1e-9), "each pair stands in both orders"
