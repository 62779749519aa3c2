"""lib.encoders.settings: what names an encoder, and what its folder holds."""

import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from safetensors.torch import save_file

from lib import hashing
from lib.encoders import store
from lib.encoders.settings import Settings, Unit

UNIT = Unit(Settings(classes=("cat", "dog")), ("cat",), 0.01, 3)
OTHER = {  # for each setting a value that is not the default
    "data": "mnist",
    "classes": ("dog", "cat"),
    "images_per_class": 7,
    "method": "untrained",
    "weighting": "oversample",
    "equal_steps": True,
    "net": "resnet18",
    "pretrained": False,
    "head_width": 64,
    "head_out": 64,
    "head_batchnorm": True,
    "feature": "projection",
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 0.5,
    "final_learning_rate": 0.0,
    "squared_learning_rate": False,
    "warmup_epochs": 2,
    "momentum": 0.8,
    "nesterov": False,
    "weight_decay": 0.0,
    "temperature": 0.2,
    "clamp": False,
    "normalise": True,
    "augment": "digits",
    "precision": "bfloat16",
}


def test_a_unit_survives_json():
    for unit in (UNIT, Unit(Settings(data="digits", pretrained=False), ("", "1", "2"), 0.05, 0)):
        assert Unit.from_json(unit.to_json()) == unit
        assert Unit.from_json(json.dumps(json.loads(unit.to_json()))).key == unit.key


def test_an_unknown_setting_is_refused():
    text = UNIT.to_json().replace('"epochs"', '"epoch"')
    with pytest.raises(TypeError, match="epoch"):
        Unit.from_json(text)


def test_the_key_changes_with_each_setting():
    assert set(OTHER) == {f.name for f in fields(Settings)}
    changed = [replace(UNIT, settings=replace(UNIT.settings, **{name: value})) for name, value in OTHER.items()]
    changed += [replace(UNIT, members=("dog",)), replace(UNIT, ratio=0.05), replace(UNIT, seed=4)]
    assert len({u.key for u in (UNIT, *changed)}) == len(changed) + 1
    assert len({u.folder for u in (UNIT, *changed)}) == len(changed) + 1


@pytest.mark.parametrize("what, arguments", [("code_hash", ("lib.encoders.pretrain", "run")), ("lock_hash", "torch")])
def test_the_key_changes_with_code_and_versions(monkeypatch, what, arguments):
    before, asked = UNIT.key, []
    monkeypatch.setattr(hashing, what, lambda *a: asked.append(a) or "another")
    assert UNIT.key != before and arguments in asked[0]


@pytest.mark.parametrize(
    "members, what", [(("cat",), "cat"), (("",), "balanced"), (("", "cat"), "all")], ids=["one", "control", "several"]
)
def test_the_name_says_what_it_is(members, what):
    unit = replace(UNIT, members=members)
    assert unit.name == f"cifar10-simclr-{what}-0.01-s3-{unit.key}" and len(unit.key) == 12
    weighted = replace(unit, settings=replace(unit.settings, weighting="groups"))
    assert weighted.name.startswith(f"cifar10-simclr_groups-{what}-")


def test_the_defaults_are_the_public_codes():
    s = Settings()
    assert (s.net, s.pretrained, s.epochs, s.batch_size, s.temperature) == ("resnet34", True, 500, 512, 0.5)
    assert (s.learning_rate, s.final_learning_rate, s.momentum, s.weight_decay) == (0.6, 0.001, 0.9, 1e-6)
    assert (s.squared_learning_rate, s.clamp, s.normalise, s.head_batchnorm) == (True, True, False, False)


def test_a_unit_is_done_when_its_record_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)
    assert not UNIT.done
    with pytest.raises(FileNotFoundError):
        _ = UNIT.record
    UNIT.folder.mkdir()
    z, y = torch.rand(1, 6, 4), torch.arange(6)
    save_file({"z": z, "y": y}, UNIT.folder / "embeddings.safetensors")
    assert not UNIT.done, "embeddings alone are not a whole unit"
    (UNIT.folder / "record.json").write_text('{"seconds": 1}')
    assert UNIT.done and UNIT.record == {"seconds": 1}
    assert torch.equal(UNIT.embeddings()[0], z) and torch.equal(UNIT.embeddings()[1], y)
    save_file({"z": z + 1, "y": y}, UNIT.folder / "train_embeddings.safetensors")
    assert torch.equal(UNIT.embeddings("train")[0], z + 1)


def test_planning_needs_no_torch():
    program = """
import sys
from lib.encoders.settings import Settings, Unit
assert Unit(Settings(), ("",), 1.0, 0).name
print("torch" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=hashing.ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
