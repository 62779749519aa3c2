"""Robust training on recovered and on true groups: what is trained, stored and refused."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from lib.book import jobs
from lib.encoders import coarse, robust
from lib.encoders import store as stored
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit
from lib.encoders.training import Conditions
from lib.encoders.units import read_unit
from lib.images import coarse_labels
from lib.strata import recovery

TINY = {"data": "spurious_digits", "net": "mlp", "epochs": 1, "validation": 0.0, "augment": "digits"}
BASE = CoarseUnit(CoarseSettings(**TINY, loss="sup_con", learning_rate=0.003), 3)
UNIT = RobustUnit(RobustSettings(**TINY, reduce="pca", k_max=3, step=0.1, adjustment=1.0), 3, BASE)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    return tmp_path


@pytest.mark.parametrize("unit", [UNIT, replace(UNIT, base=None)], ids=["recovered", "true"])
def test_a_unit_is_read_back_as_it_was(unit):
    assert read_unit(unit.to_json()) == unit and type(read_unit(unit.to_json())) is RobustUnit
    assert unit.name.startswith("spurious_digits-group_dro-s3-")
    assert json.loads(unit.to_json())["trainer"] == "lib.encoders.robust"


def test_names_tell_groups_apart_and_bases_train_in_another_job():
    others = [replace(UNIT, base=None), replace(UNIT, seed=4), replace(UNIT, base=replace(BASE, seed=4))]
    others += [replace(UNIT, settings=replace(UNIT.settings, k_max=4))]
    assert len({u.name for u in [UNIT, *others]}) == 5
    assert [len(job) for job in jobs.together([BASE, UNIT, *others])] == [1, 5]


def test_training_stores_groups_weights_and_logits(store):
    coarse.run(BASE)
    robust.run(UNIT)
    groups, weights = UNIT.groups(), UNIT.weights()
    z, y = BASE.embeddings("train")
    loss = F.cross_entropy(BASE.logits("train"), y, reduction="none")
    expected = recovery.recover(z[0], y, loss, reduce="pca", k_max=3, seed=3)
    assert torch.equal(groups, expected) and len(weights) == int(groups.max()) + 1
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5) and len(set(weights.tolist())) > 1
    assert UNIT.logits("test").shape == (1180, 2) and UNIT.record["unit"]["base"]["seed"] == 3
    assert torch.equal(
        robust.groups_of(replace(UNIT, base=None), coarse_labels.load(BASE.settings, "train")), UNIT.strata("train")
    )


def test_an_encoder_without_a_head_is_given_a_linear_probe(store):
    bare = replace(BASE, settings=replace(BASE.settings, joint=False))
    coarse.run(bare)
    loss = robust.point_losses(bare)
    assert loss.shape == (1197,) and 0 < float(loss.mean()) < 0.7


def test_one_group_is_plain_training():
    s = CoarseSettings(**TINY, loss="cross_entropy")
    data = coarse_labels.load(s, "train").take(torch.arange(256))
    one = torch.zeros(256, dtype=torch.int64)
    runs = []
    for options in ({}, {"groups": one, "robust": robust.GroupDRO(torch.tensor([256]), 0.1, 2.0)}):
        runs.append(coarse.train(s, data, Conditions(0, s.epochs), coarse.Changes(**options)))
    (plain, first), (weighted, second) = runs
    assert first == pytest.approx(second, abs=1e-5)
    for a, b in zip(plain.parameters(), weighted.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_even_batches_draw_from_the_pool_alone(store):
    s = replace(UNIT.settings, even=True, validation=0.5)
    unit = RobustUnit(s, 0)
    robust.run(unit)
    assert unit.settings.method == "group_dro_even" and unit.record["samples"] == [599]  # of 1,197
    assert torch.equal(unit.groups(), unit.strata("train"))


def test_sgd_has_the_momentum_of_the_published_settings():
    s = replace(UNIT.settings, optimiser="sgd", learning_rate=1e-5, weight_decay=1.0)
    (group,) = coarse._optimiser(s, torch.nn.Linear(2, 2)).param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (1e-5, 0.9, 1.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"loss": "sup_con"}, "GroupDRO weights the cross-entropy alone"),
        ({"step": 0.0}, "step=0.0 is out of range"),
        ({"adjustment": -1.0}, "adjustment=-1.0"),
        ({"k_max": 1}, "k_max=1"),
        ({"optimiser": "adam"}, "optimiser='adam' is unknown"),
    ],
)
def test_settings_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        RobustSettings(**TINY | given)
