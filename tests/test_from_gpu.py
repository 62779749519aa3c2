"""lib.book.from_gpu: what it reads from lib.book.gpu is what the studies measure of the same encoders trained here."""

import json

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from lib.book import from_gpu, gpu
from lib.encoders import pretrain, recorded
from lib.encoders import store as stored
from lib.studies.shared import evidence, outcomes
from lib.studies.shared.evidence import Evidence

GIVEN = {"data": "digits", "classes": ["0", "1", "2"], "undersampled": "2,0", "ratio": 0.1, "seed": 1000, "epochs": 2}
GIVEN |= {"net": "convnet", "pretrained": False, "head_width": 32, "batch_size": 64, "augment": "digits"}
GIVEN |= {"learning_rate": 0.1, "squared_learning_rate": False, "images_per_class": 80}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "parameters.yaml").write_text(yaml.safe_dump(GIVEN))
    words = (folder / "parameters.yaml", "--seconds", "300", "--out", folder, "--rounds", "1", "--workers", "1")
    assert gpu.main([str(word) for word in words]) == 0
    return folder / "encoders.safetensors"


def test_measures_are_those_of_the_same_encoders_trained_here(file, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    found = from_gpu.measures(file)
    assert [u.members[0] or u.settings.method for u in found] == ["untrained", "simclr", "2", "0", "simclr"]
    for unit in found:
        pretrain.run(unit)
    y = next(iter(found)).embeddings()[1]
    encoders = {unit: evidence._of_unit(unit, 0, set()) for unit in found}
    seen = Evidence(("0", "1", "2"), (2, 0), y, list(encoders.values()), [])
    seen.cosines("balanced"), seen.confusion("balanced")
    seen.each("balanced", "variance", lambda z: evidence.pair_variances(z, y, 3))
    for unit, encoder in encoders.items():
        if unit.settings.method != "untrained":
            evidence.losses(encoder)
    _, balanced, *under, _ = encoders.values()
    for kind in outcomes.KINDS:
        outcomes.decisions(outcomes.measure_name(kind, 0.1, (2, 0)), balanced, y, kind, 0.1, (2, 0))
        for encoder, k in zip(under, (2, 0), strict=True):
            outcomes.decisions(outcomes.measure_name(kind, 0.1), encoder, y, kind, 0.1, (k,))
    for unit, (record, (measures,)) in found.items():
        known = encoders[unit].known
        assert measures.keys() - {"loss"} == known.keys() - {"loss"}
        for name, value in known.items():
            assert measures[name].dtype == value.dtype
            assert torch.allclose(measures[name].double(), value.double(), atol=1e-6), (unit.name, name)
        assert record["data_sha256"] == unit.record["data_sha256"] and record["samples"] == unit.record["samples"]


def test_one_file_of_several_stands_for_their_encoders(file, tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "RECORDED", tmp_path)
    assert from_gpu.main([str(file), "--out", str(tmp_path / "study/run")]) == 0
    for unit, (record, (measures,)) in from_gpu.measures(file).items():
        kept = recorded.of(unit, measures)
        assert kept.record == record and torch.equal(kept.measures(0)["means"], measures["means"])


def test_heads_that_were_not_solved_are_refused(file, tmp_path):
    about = json.dumps({"heads_missing": ["1.paper.0.0"], "units": [], "parameters": GIVEN})
    save_file(load_file(file), tmp_path / "e.safetensors", {"about": about})
    with pytest.raises(ValueError, match="1 heads were not solved in time"):
        from_gpu.measures(tmp_path / "e.safetensors")
