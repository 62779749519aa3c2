"""lib.encoders.majority: networks with one majority class, their loss against its formula, and what a study reads."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lib import geometry, images, study
from lib.book import cost, jobs
from lib.encoders import majority, store
from lib.encoders.majority_settings import MajoritySettings, MajorityUnit
from lib.encoders.units import read_unit
from lib.geometry import collapse
from lib.studies.plans.minority_collapse import plan
from lib.studies.shared import majorities
from lib.study import Run

NAME = "minority_collapse"
TINY = MajoritySettings("digits", 2, 40, 4.0, 3, net="convnet", out=8, epochs=2, batch_size=16, augment="digits")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)


def test_the_first_images_of_the_majority_and_a_share_of_the_minorities_are_kept():
    unit, data = MajorityUnit(TINY, 8), images.load("digits", "train")
    found = majority.cut(data, unit)
    assert found.classes == unit.classes == ("8", "9", "0")
    assert found.y.bincount().tolist() == [40, 10, 10] and len(found) == TINY.samples
    assert torch.equal(found.x[found.y == 1], data.x[data.y == 9][:10])
    with pytest.raises(images.DataError, match="majority=900: class '8' has"):
        majority.cut(data, replace(unit, settings=replace(TINY, majority=900)))


def drawn(count, seed=0):
    return F.normalize(torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_the_loss_with_drawn_negatives_is_the_mean_over_draws_of_its_formula():
    z1, z2, y, tau = drawn(4), drawn(4, 1), torch.tensor([0, 0, 1, 1]), 0.7
    z, label = torch.cat([z1, z2]), torch.cat([y, y]).tolist()
    s = (z @ z.T / tau).tolist()
    exact = np.mean(
        [
            np.mean(
                [
                    np.log1p(np.exp(s[i][a] - s[i][p]) + np.exp(s[i][b] - s[i][p]))
                    for p in range(8)
                    if p != i and label[p] == label[i]
                    for a in range(8)
                    for b in range(8)
                    if i not in (a, b)
                ]
            )
            for i in range(8)
        ]
    )
    g = torch.Generator().manual_seed(0)
    found = [float(majority.loss(z1, z2, y, tau, 2, g)) for _ in range(3000)]
    assert np.mean(found) == pytest.approx(exact, abs=4 * np.std(found) / 3000**0.5)


def test_with_all_negatives_it_is_sup_con():
    z1, z2, y = drawn(5), drawn(5, 1), torch.tensor([0, 0, 1, 1, 2])
    z, label = torch.cat([z1, z2]), torch.cat([y, y])
    logits = (z @ z.T / 0.5).fill_diagonal_(-math.inf)
    terms = [-(logits[i].log_softmax(0)[(label == label[i]) & (torch.arange(10) != i)]).mean() for i in range(10)]
    assert float(majority.loss(z1, z2, y, 0.5, math.inf, None)) == pytest.approx(float(torch.stack(terms).mean()))


def test_a_unit_is_trained_once_and_survives_json():
    unit = MajorityUnit(TINY, 1)
    assert read_unit(unit.to_json()) == unit
    assert read_unit(MajorityUnit(replace(TINY, negatives=math.inf), 1).to_json()).settings.negatives == math.inf
    majority.run(unit)
    (z, y), (_, truth) = unit.embeddings("train"), unit.embeddings("test")
    assert z.shape == (1, 60, 8) and y.bincount().tolist() == [40, 10, 10] and len(truth.unique()) == 3
    assert torch.allclose(z.norm(dim=-1), torch.ones(1, 60), atol=1e-5)
    written = (unit.folder / "record.json").stat().st_mtime_ns
    majority.run(unit)
    assert (unit.folder / "record.json").stat().st_mtime_ns == written
    again = MajorityUnit(TINY, 1)
    assert torch.equal(again.embeddings("train")[0], z)


def test_the_presets_train_at_half_and_twice_the_threshold_of_every_number_of_negatives():
    runs = {name: Run(NAME, study.complete(NAME, study.preset(NAME, name))) for name in ("quick", "laptop", "paper")}
    assert runs["quick"].units == []
    for name, count, seeds in (("laptop", 3, 5), ("paper", 9, 3)):
        units = runs[name].units
        assert len(units) == 3 * 3 * seeds
        for s in (u.settings for u in units):
            r = geometry.collapse_threshold(count, 1.0, s.negatives, "iid")
            assert s.minorities == count and min(abs(s.ratio / r - place) for place in (0.5, 2)) < 1e-9
            assert s.minority >= 10 and s.data == "cifar10"
        assert {u.settings.negatives for u in units} == {1, 16, math.inf}
    assert cost.estimate(jobs.together(runs["paper"].units), 1, gpu=True)[0] > 0


def test_what_is_measured_of_features_is_their_cosine_and_beside_it_the_prediction():
    z = F.normalize(torch.tensor([[-1.0, 0.0], [1, 0], [1, 1], [0, 1], [1, 0]]), dim=1)
    y = torch.tensor([0, 1, 1, 2, 2])
    exact = np.mean([float(z[i] @ z[j]) for i in (1, 2) for j in (3, 4)])
    assert majorities.between(z, y) == pytest.approx(exact)
    assert majorities.nearest((z, y), (z, y)) == pytest.approx(
        (1 + 0.5 + 0.5) / 3
    )  # the point between two classes is nearer to the other
    units = [MajorityUnit(replace(TINY, negatives=1, majority=60, ratio=6.0, epochs=n), 0) for n in (0, 1)]
    for unit in units:
        majority.run(unit)
    found = majorities.measured(units)
    b = collapse.two_level(1, 2, 6.0, 1.0, 1, "iid").b
    assert found.predicted.tolist() == pytest.approx([float(b)] * 2) and found.part.tolist() == [
        *majorities.PARTS.values()
    ]
    assert found.place.tolist() == [0.5, 0.5] and found.ratio[0] == pytest.approx(
        6 / geometry.collapse_threshold(2, 1, 1, "iid")
    )
    assert majorities.claimed(majorities.measured([])) == {}
    values, (accuracy, untrained) = majorities.claimed(found)["collapse-13c"]
    assert values == pytest.approx(abs(found.cosine[:1] - float(b))) and len(accuracy) == len(untrained) == 1


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: replace(TINY, minorities=1), "minorities=1"),
        (lambda: replace(TINY, ratio=0.5), "ratio=0.5"),
        (lambda: replace(TINY, ratio=40.0), "leaves 1 of 40 images"),
        (lambda: replace(TINY, negatives=2.5), "negatives=2.5"),
        (lambda: replace(TINY, temperature=0.0), "temperature=0.0"),
        (lambda: replace(TINY, out=2), "out=2"),
        (lambda: plan(SimpleNamespace(negatives="1,many", image_net="none")), "negatives='1,many'"),
        (lambda: plan(SimpleNamespace(negatives="0", image_net="none")), "negatives='0'"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
