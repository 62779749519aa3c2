"""lib.encoders.labels: small nets on labels are units of the graph; what is kept is what their stacks find."""

import json
from dataclasses import replace

import pytest
import torch

from lib import study
from lib.book import cost, jobs
from lib.encoders import label_stacks, labels, store
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.label_settings import ARMS, KEPT, LabelSettings, LabelUnit
from lib.encoders.units import read_unit
from lib.strata import coresets, noisy_labels
from lib.study import Run

NAME = "label_noise_and_coresets"
TINY = LabelSettings("noise", images_per_class=20, steps=20, batch_size=8)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)


@pytest.mark.parametrize("preset", ["quick", "laptop", "paper"])
def test_presets_plan_a_unit_an_experiment(preset):
    run = Run(NAME, study.complete(NAME, study.preset(NAME, preset)))
    units = [u for u in run.units if isinstance(u, LabelUnit)]  # the others are of residual networks
    small, few = [] if preset == "paper" else ["coresets"] * 2, run.p.few_labels
    first = ["noise", "two_classes", "few_labels", "two_classes", *small]
    assert [u.settings.experiment for u in units[: len(first)]] == first
    assert [u.settings.head for u in units[: len(first)]] == [0.2, 0.2, few, 0.2, *[few] * len(small)]
    more = [(u.settings.experiment, u.settings.head) for u in units[len(first) :]]
    assert more[-1] == ("few_labels", few) and (preset == "quick") == (len(more) == 1)
    assert all(list(u.seeds) == list(range(run.p.seed, run.p.seed + run.p.seeds)) for u in units)


def test_the_quick_preset_is_the_notebooks_defaults():
    assert study.complete(NAME, study.preset(NAME, "quick")) == study.complete(NAME, {})


def test_a_unit_survives_json_and_its_name_changes_with_what_it_is_made_of():
    unit = LabelUnit(TINY, 1, 2)
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.labels"
    others = [replace(unit, settings=replace(TINY, alpha=0.4)), replace(unit, seed=2), replace(unit, count=3)]
    assert len({u.name for u in [unit, *others]}) == 4


def test_units_of_the_kind_share_a_job_and_cost_what_their_steps_do():
    units = [LabelUnit(replace(TINY, experiment=e), 0, 3) for e in ARMS]
    other = CoarseUnit(CoarseSettings(data="digits", net="mlp", epochs=1, validation=0.0), 0)
    assert jobs.together([*units[:2], other, *units[2:]]) == [units, [other]]
    short, long = (cost.estimate([[LabelUnit(replace(TINY, steps=n), 0, 3)]], 1, False)[0] for n in (20, 40))
    assert long - cost.START_SECONDS == pytest.approx(2 * (short - cost.START_SECONDS))
    assert len(units[2].members) == 3 * (12 + 9 + 3), "the nets that choose are trained too"


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="experiment='noises' is unknown; known are noise, two_classes"):
        replace(TINY, experiment="noises")
    for change in ({"alpha": 2}, {"head": 0}, {"steps": 3}, {"temperature": 0}, {"batch_size": 2}):
        with pytest.raises(ValueError, match="is out of range"):
            replace(TINY, **change)


def test_a_unit_keeps_the_accuracy_and_features_of_its_stack():
    unit = LabelUnit(TINY, 3, 2)
    labels.run(unit)
    train, held = label_stacks.small_images("digits", 20)
    assert unit.done and unit.record["samples"] == [200] and set(unit.record["data_sha256"]) == {"train", "test"}
    y = {s: noisy_labels.symmetric_noise(train.y, 0.5, 10, s) for s in unit.seeds}
    task = labels.task_of(TINY)
    nets = [task.net("spread", s, y[s], corrected=0.5, average="points") for s in unit.seeds]
    found, _ = label_stacks.train(train, nets, task.course)
    arm = "spread", 0.5, "points"
    assert unit.accuracy()[arm] == pytest.approx(found.accuracy(held.x, held.y).numpy(), abs=1e-12)
    assert torch.allclose(unit.features()[arm], found.outputs(train.x)[0], atol=1e-4)
    before = (unit.folder / "record.json").stat().st_mtime_ns
    labels.run(unit)
    assert (unit.folder / "record.json").stat().st_mtime_ns == before, "a finished unit is not trained again"


def test_the_two_classes_are_halves_and_corrected_as_said():
    task = labels.task_of(replace(TINY, experiment="two_classes"))
    assert task.train.classes == ("low", "high") and task.train.y.float().mean() == 0.5
    plain, weighted, geometric = (labels.triplet_net(task, arm, 0) for arm in ARMS["two_classes"][2:5])
    assert (plain.labels == weighted.labels).all() and (plain.labels == geometric.labels).all()
    assert plain.weights == (1.0, 0.0, 1.0, 0.0) != weighted.weights and plain.corrected == weighted.corrected == 0
    assert geometric.corrected == pytest.approx(0.2)


def test_pupils_see_what_their_method_keeps():
    unit = LabelUnit(replace(TINY, experiment="coresets", head=0.1), 5, 2)
    labels.run(unit)
    kept, y = unit.tensors(), label_stacks.small_images("digits", 20)[0].y
    assert kept["kept"].sum(-1).tolist() == [[round(share * 200)] * 2 for arm, share, _ in ARMS["coresets"]]
    counts = kept["right_often"]
    assert counts.shape == (2, 200) and int(counts.min()) >= 0 and int(counts.max()) <= 9
    for i, seed in enumerate(unit.seeds):
        for a, share in enumerate(KEPT):
            mine = kept["kept"][a, i].nonzero()[:, 0]
            assert mine.tolist() == coresets.coreset(counts[i], y, round(share * 200), seed).tolist()


def test_few_labels_hold_those_of_the_head():
    task = labels.task_of(replace(TINY, experiment="few_labels", head=0.05))
    net = labels.partly_net(task, ARMS["few_labels"][2], 7)
    assert int((net.labels != label_stacks.ALONE).sum()) == 20 and int(net.headed.sum()) == 10
    assert (net.labels[net.headed] == task.train.y[net.headed]).all()
