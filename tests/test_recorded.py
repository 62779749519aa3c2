"""lib.encoders.recorded: what a file of measures stands for, and what it does not."""

import importlib
from dataclasses import replace

import pytest
import torch
from test_damage import flip

from lib import images, study
from lib.encoders import pretrain, recorded
from lib.encoders import store as stored
from lib.encoders.settings import Settings, Unit
from lib.records import Damaged
from lib.sbm import estimate
from lib.studies import methods_and_mitigations as comparison
from lib.studies.plans.methods_and_mitigations import LABEL
from lib.studies.plans.sbm_theory import joined
from lib.studies.shared import chosen, evidence, measured, outcomes
from lib.study import Run

SMALL = Settings(data="digits", classes=("0", "1", "2"), net="convnet", pretrained=False, epochs=1)
UNIT = Unit(SMALL, ("0", "1"), 0.1, 1000)
MEASURES = [{"means": torch.rand(3, 4), "loss": torch.rand(1)}, {"means": torch.rand(3, 4), "other": torch.rand(2)}]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of one unit of two members, of the images that are here."""
    monkeypatch.setattr(stored, "STORE", tmp_path / "encoders")
    monkeypatch.setattr(recorded, "RECORDED", tmp_path / "recorded")
    digests = {split: images.digest(pretrain.images_of(SMALL, split)) for split in ("train", "test")}
    path = tmp_path / "recorded/study/run/encoders.safetensors"
    about = {"device": "a card", "seconds": 9.0, "data_sha256": digests, "files": {"z": "of the folder"}}
    recorded.write(path, {UNIT: (about, MEASURES)})
    return path


def test_measures_and_record_come_back_as_they_were(file):
    found = recorded.of(UNIT, {"means"})
    for member, wanted in enumerate(MEASURES):
        read = found.measures(member)
        assert read.keys() == wanted.keys() and all(torch.equal(read[name], wanted[name]) for name in wanted)
    assert found.names == {"means"}, "what every member has"
    assert recorded.record(UNIT) == found.record and found.record["device"] == "a card" and "files" not in found.record


@pytest.mark.parametrize(
    "other",
    [
        replace(UNIT, seed=1001),
        replace(UNIT, ratio=0.2),
        replace(UNIT, members=("0",)),
        replace(UNIT, settings=replace(SMALL, epochs=2)),
    ],
)
def test_another_seed_ratio_member_or_setting_is_another_encoder(file, other):
    assert recorded.of(other) is None
    with pytest.raises(FileNotFoundError):
        recorded.record(other)


def test_a_measure_that_is_not_there_and_other_data_are_refused(file, monkeypatch):
    assert recorded.of(UNIT, {"means", "loss"}) is None
    monkeypatch.setattr(recorded, "_digests", lambda unit: {"train": "other", "test": "other"})
    assert recorded.of(UNIT, {"means"}) is None


def test_a_file_with_a_flipped_bit_is_named(file):
    flip(file, -3)
    with pytest.raises(Damaged, match=r"encoders\.safetensors is damaged .* take it from git again"):
        recorded.of(UNIT).measures(0)


@pytest.mark.parametrize("left", [0, 10, 200])
def test_a_file_that_is_empty_or_cut_off_is_named(file, left):
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(Damaged, match=r"^[^\n]*encoders\.safetensors is damaged [^\n]* take it from git again"):
        recorded.of(UNIT)


def test_settings_that_there_are_no_more_are_passed_over(file, monkeypatch):
    text = UNIT.to_json().replace('"momentum"', '"inertia"')
    monkeypatch.setattr(Unit, "to_json", lambda unit: text)
    recorded.write(file.with_name("b") / recorded.FILE, {UNIT: ({"data_sha256": {}}, MEASURES)})
    file.unlink()
    monkeypatch.undo()
    assert recorded._entries(file.with_name("b") / recorded.FILE) == {}


def test_a_run_trains_what_no_record_has_in_full(file):
    values = study.complete("mediation", {"classes": "0,1,2", "seeds": 1})
    run = Run("mediation", values)
    assert run.own == run.units
    first = run.units[0]
    names = run.plan.asks[first]
    whole = {name: torch.zeros(1) for name in names}
    digests = {split: images.digest(pretrain.images_of(first.settings, split)) for split in ("train", "test")}
    recorded.write(file, {first: ({"data_sha256": digests}, [whole])})
    assert run.own == run.units[1:]
    recorded.write(file, {first: ({"data_sha256": digests}, [{n: t for n, t in whole.items() if n != "means"}])})
    assert run.own == run.units


def test_every_study_that_undersamples_says_what_it_measures():
    for name in ("cifar10_undersampling", "mediation", "methods_and_mitigations", "sbm_theory"):
        plan = Run(name, study.complete(name, {})).plan
        assert set(plan.asks) == set(plan.units) and all(plan.asks.values())


def tiny(name: str, **changes):
    """The plan of a study on three classes, its encoders trained for an epoch."""
    given = {"classes": "0,1,2", "undersampled": "all", "seeds": 1, "reference_seeds": 1, "head_width": 16, "epochs": 1}
    given["batch_size"] = 50
    plan = Run(name, study.complete(name, given | changes)).plan
    for unit in plan.units:
        importlib.import_module(unit.trainer).run(unit)
    return plan


def taken(plan, seen: list[evidence.Evidence]) -> bool:
    """Whether exactly the measures that the plan asks for were taken of every encoder."""
    found = evidence.measures(seen)
    return {u: set.intersection(*map(set, members)) for u, (_, members) in found.items()} == plan.asks


def test_what_methods_and_the_block_model_ask_for_is_what_they_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    changes = {"methods": "simclr,simsiam", "mitigations": "oversample", "sizes": "50", "clamp_control": False}
    plan = tiny("methods_and_mitigations", **changes)
    seen = {label: evidence.of_arms(arms) for label, arms in plan.arms.items()}
    found = {label: measured.measure(one, ("0", "1", "2")) for label, one in seen.items()}
    nie = outcomes.of(seen["simsiam"], "paper", 0.05).effects().NIE
    assert torch.allclose(nie, found["simsiam"].nie)
    pairs = evidence.look_alikes(seen["simclr"])
    chosen.compared(seen[LABEL], found[LABEL], found["simsiam"], pairs)
    seen["simclr"].accuracy("untrained")
    comparison.similarity(seen["simclr"])
    comparison.from_outside(plan.arms["simclr"], seen["simclr"])
    assert taken(plan, list(seen.values()))
    plan = tiny("sbm_theory")
    seen = evidence.of_arms(plan)
    evidence.harm_matrix(seen)
    seen.accuracy("balanced"), seen.accuracy("untrained"), seen.cosines("reference")
    seen.each("reference", joined(10), lambda z: estimate.connectivity(z, seen.y, 3, 10))
    assert taken(plan, [seen])


def test_a_file_in_which_compiling_was_a_setting_is_read(file):
    """Whether the net was compiled never made another encoder; the record says it."""
    blob = file.read_bytes()
    assert recorded.of(UNIT, {"means"})
    size = int.from_bytes(blob[:8], "little")
    old = blob[8 : 8 + size].decode().replace('\\"precision\\"', '\\"compile\\": false, \\"precision\\"')
    file.write_bytes(len(old.encode()).to_bytes(8, "little") + old.encode() + blob[8 + size :])
    assert old.count("compile") == 1 and recorded.of(UNIT, {"means"}).record["device"] == "a card"
