"""The study of disentanglement: what it measures, that all of its claims are judged, that broken encoders count."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from lib import claims, study
from lib import disentangle as di
from lib.disentangle import Process, Recipe
from lib.figures import disentanglement as figures
from lib.studies import disentanglement as measure
from lib.studies.plans.disentanglement import plan
from lib.studies.shared import exact, longer
from lib.studies.shared.lab import Lab, Scores, measured


def lab(**other) -> Lab:
    p = {"seed": 0, "seeds": 3, "steps": 8, "batch": 16, "width": 8, "learning_rate": 0.01, "mixing": "orthogonal"}
    return Lab(SimpleNamespace(**p | other))


def test_every_claim_is_judged_on_the_page_or_by_the_longer_experiments():
    text = study.source("disentanglement").read_text()
    judged = set(re.findall(r'"disentangle-([\w-]+)"', text))
    judged |= {f"2{x}" for x in "abcd"} | set(re.findall(r'"(\d+[a-z])": ', text))
    judged |= {f"4{x}-{loss}" for x in "ef" for loss in ("nce", "scl", "nwj")}
    judged |= set(measure.forgiven(measure.wrong_offsets(lab())))
    judged |= set(measure.harms(measure.corner(lab(), (1.0, 0.05), measure.lattice(3)), 1))
    long, images = longer.longer(lab(), 3)
    assert set(images) == {"9a", "9b"}
    assert all(np.shape(values) == (3,) for values in long.values())
    assert judged | set(long) == {c.id.removeprefix("disentangle-") for c in claims.of("disentanglement")}
    assert not judged & set(long)


def test_the_angle_of_the_axes_is_that_of_the_rotation():
    s = np.random.default_rng(0).random((500, 2))
    for degrees in (0, 12, 45, 80):
        t = np.radians(degrees)
        z = 1.7 * s @ np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
        expected = min(degrees, 90 - degrees)
        assert measure.angle(s, z) == pytest.approx(expected, abs=0.5)
        assert measure.angle(s, z[:, ::-1] * [1, -1]) == pytest.approx(expected, abs=0.5)


def test_of_perfect_codes_dci_is_1_and_sap_prefers_turned_ones_where_factors_depend_on_each_other():
    found = exact.other_measures(3)
    assert len(found) == 6 and all(
        v[:2] == pytest.approx((1, 1)) for (_, codes), v in found.items() if codes == "the factors"
    )
    _, turned, straight, across, _, swapped = found.values()
    assert turned[0] == pytest.approx(0.5**0.5, abs=0.01) and turned[1] == pytest.approx(0.5, abs=0.01)
    assert across[2] > 0.7 > 0.4 > straight[2]
    assert swapped[0] > 0.97 and swapped[1] < 0.65


def test_rooms_that_share_no_height_exchange_freely_and_others_do_not():
    found = dict(zip((0.0, 0.25, 0.3, 0.7), exact.meeting_rooms(np.array([0.0, 0.25, 0.3, 0.7])), strict=True))
    assert found[0.0][0] == pytest.approx(0.6) and found[0.25][0] > 0.05
    assert found[0.3][0] < 1e-12 and found[0.7][0] < 1e-12
    assert all(squared > 0.1 for _, squared in found.values())


def test_a_broken_encoder_counts_as_one_that_maps_all_points_to_one():
    process, one = Process(di.box(2), 1, 0.2), lab()
    found = one.train(process, [Recipe("nce"), Recipe("scl")])
    found.net.weights[0][4, 0, 0] = float("inf")
    scores = measured(found, process, one.start(process))
    assert scores.broken.tolist() == [[False] * 3, [False, True, False]]
    assert (scores.mcc[1, 1], scores.gap[1, 1], scores.scale[1, 1]) == (0, 1, 0) and scores.mcc[1, 0] > 0
    assert scores.r2[1, 1] == pytest.approx(0, abs=0.01) and measure.angle(*np.ones((2, 9, 2))) == 45


def broken_when(monkeypatch, broken) -> None:
    """Trainings end with infinite weights in the encoders that ``broken`` says, given its number and the shape."""
    real, count = di.train, iter(range(100))

    def train(process, mixing, recipes, seeds, training, **kind):
        found = real(process, mixing, recipes, seeds, training, **kind)
        if training.steps:
            for i in broken(next(count), (len(recipes), len(seeds))):
                found.net.weights[0][i, 0, 0] = float("inf")
        return found

    monkeypatch.setattr(di, "train", train)


def test_broken_encoders_of_every_experiment_are_counted_and_stop_none(monkeypatch):
    broken_when(monkeypatch, lambda number, shape: [0])
    one, at = lab(), measure.lattice(4)
    measure.moving(one, at, 2)
    measure.plane(one)
    measure.corner(one, (1.0, 0.05), at)
    longer.longer(one, 3)
    assert all(x.ravel()[0] and x.sum() == 1 for x in one.broken)
    trained = len(one.broken)
    one.start(Process(di.box(2)))
    assert trained == len(one.broken) > 15, "encoders at their start are not counted"


def test_a_broken_encoder_in_the_corner_is_a_harm_of_0_and_at_even_density_too(monkeypatch):
    broken_when(monkeypatch, lambda number, shape: [number])
    found = measure.corner(lab(), (1.0, 0.05, 0.01), measure.lattice(4))
    rh = measure.ratios(found.inside)[:, 0]
    assert ((rh > 0) == [[False, True, True], [False, False, True], [False, True, False]]).all()


def test_the_harm_of_a_rare_corner_is_a_ratio_to_the_even_density():
    at = measure.lattice(8)
    found = measure.corner(lab(), (1.0, 0.05), at)
    assert found.inside.shape == found.mirror.shape == found.mcc.shape == (2, 3, 3)
    frame = figures.learned_corner(at, found.codes, (found.inside / found.inside[0]).mean(2), [1.0, 0.05])
    assert (frame[frame.step == 0].rh == 1).all() and len(frame) == 2 * 3 * 64
    assert set(frame[frame.rare == 1].i) == {5, 6, 7}, "5/7 is above 0.6"


def test_the_map_of_losses_and_scales_has_a_cell_for_each_and_the_end_of_each_range():
    mcc, ends = measure.by_scale(lab(), 2)
    assert mcc.shape == (5, 6, 2) and np.isnan(ends).tolist() == [False, True, False, False, False]
    assert ends[2:] == pytest.approx([di.smallest_scale(a, 4, 16) for a in (0.75, 1, 2)])
    frame = figures.ranges(mcc, ends, ["a", "b", "c", "d", "e"])
    one = frame[frame.loss == "e"].sort_values("b")
    assert (one.low[1:].to_numpy() == one.high[:-1].to_numpy()).all() and ((one.low < one.b) & (one.b < one.high)).all()
    assert one.mcc.to_numpy() == pytest.approx(mcc[4, ::-1].mean(1), abs=1e-4)
    assert figures.range_map(frame).to_dict()


def test_what_a_wrong_offset_costs_is_read_off_its_recipe():
    """MCC and scale of nine recipes, one seed: δ-NCE, δ-NWJ, δ-SCL at 2 below, at and 2 above the optimum."""
    mcc, scale = (
        np.array([[0.9, 0.95, 0.8, 0.7, 0.9, 0.9, 0.99, 0.9, 0.5]]).T,
        np.exp([[1, 0, -2, -3, 0, 1, 0, 0, 0]]).T,
    )
    found = measure.forgiven(Scores(mcc, mcc, mcc, scale, mcc, mcc[0]))
    assert {name: float(x[0]) for name, x in found.items()} == pytest.approx(
        {"8a": 0.15, "8b-nce": 1, "8b-nwj": 1, "8c": 0.49}
    )


def test_the_moving_lattice_ends_where_its_encoders_do():
    at = measure.lattice(5)
    frames = figures.frames(at, measure.moving(lab(), at, 3))
    assert frames.recipe.nunique() == len(measure.MOVING) and sorted(frames.step.unique()) == [0, 4, 8]
    ends = frames[frames.frame == 2]
    for name, part in ends.groupby("recipe"):
        assert np.corrcoef(part.x, part.i)[0, 1] > 0 and part.x.mean() == pytest.approx(0.5, abs=1e-3), name


@pytest.mark.parametrize("shares", ["0.05,1", "1", "1,0", "1,2", "nope"])
def test_densities_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match=f"shares='{shares}'"):
        plan(SimpleNamespace(shares=shares))
