"""lib.encoders.factors: encoders of pairs are units of the graph, go on after a kill, and recover an easy process."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from lib import disentangle as di
from lib import study
from lib.book import cost, data_sets, jobs, profiles
from lib.encoders import factor_settings, factors, store
from lib.encoders.factor_settings import KITTI, FactorSettings, FactorUnit
from lib.encoders.units import read_unit
from lib.studies import disentanglement as measure
from lib.study import Run

NAME = "disentanglement"
TINY = FactorSettings(factors=2, mixing="orthogonal", scale=0.2, steps=7, batch_size=8, learning_rate=0.001)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)
    monkeypatch.setattr(factor_settings, "BLOCK", 3)
    monkeypatch.setattr(factors, "BLOCK", 3)


def test_the_paper_preset_has_the_sizes_of_the_public_code():
    run = Run(NAME, study.complete(NAME, study.preset(NAME, "paper")))
    assert [(u.settings.scale, u.seed) for u in run.units] == [(b, s) for b in (0.05, 0.1) for s in (1000, 1001, 1002)]
    s = run.units[0].settings
    assert (s.factors, s.batch_size, s.steps, s.learning_rate, s.mixing) == (10, 6144, 100_000, 1e-4, "conditioned")
    layers = [(x.in_features, x.out_features) for x in factors.perceptron(10) if isinstance(x, nn.Linear)]
    assert layers == [(10, 100), (100, 500), *[(500, 500)] * 3, (500, 100), (100, 10)]
    assert not Run(NAME, study.complete(NAME, study.preset(NAME, "laptop"))).units


def test_kitti_adds_an_encoder_a_gap_and_seed_and_a_hash_that_is_none_is_refused():
    given = study.preset(NAME, "quick") | {"kitti_sha256": "0" * 64, "kitti_steps": 9}
    units = Run(NAME, study.complete(NAME, given)).units
    assert [(u.settings.gap, u.settings.batch_size, u.settings.steps) for u in units] == [(1, 32, 9)] * 5 + [
        (5, 32, 9)
    ] * 5
    with pytest.raises(study.ParameterError, match="kitti_sha256='0' is out of range; it must be 64 hex digits"):
        study.complete(NAME, given | {"kitti_sha256": "0"})


def test_its_cost_is_estimated_as_that_of_the_others_and_it_has_a_job_of_its_own(monkeypatch):
    monkeypatch.setattr(profiles, "gpus", lambda: 1)
    units = Run(NAME, study.complete(NAME, study.preset(NAME, "paper"))).units
    found = jobs.together(units)
    assert found == [[u] for u in units] and cost.on_gpu(found[0])
    seconds = cost.estimate(found, 1, gpu=True)[0] - 6 * cost.START_SECONDS
    assert seconds == pytest.approx(6 * 6.144 * 100_000 * cost.GPU_SECONDS["pair_mlp"])
    assert "6 encoder(s) to train in 6 job(s)" in cost.Work([], found, site=False).described()
    assert data_sets.about(jobs.source(units[0].settings)) == {"name": "none"}


def test_a_unit_survives_json_and_its_name_changes_with_what_it_is_made_of():
    unit = FactorUnit(TINY, 1)
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.factors"
    masks = replace(TINY, data=KITTI, gap=5, kitti_sha256="0" * 64)
    assert "gap5" in FactorUnit(masks, 1).name
    assert len({u.name for u in (unit, replace(unit, seed=2), replace(unit, settings=replace(TINY, scale=0.1)))}) == 3


def test_what_is_kept_is_what_the_net_finds_on_fresh_points():
    unit = FactorUnit(TINY, 1)
    factors.run(unit)
    s, z = unit.codes()
    assert s.shape == z.shape == (4096, 2) and 0 <= s.min() < 0.01 < 0.99 < s.max() <= 1
    net = factors.perceptron(2)
    net.load_state_dict(unit.read("checkpoint.safetensors"))
    seen = di.Mixing.orthogonal(2, [1])(torch.tensor(s, dtype=torch.float32))[0]
    assert net(seen).detach().numpy() == pytest.approx(z, abs=1e-5)
    assert len(unit.read("codes.safetensors")["loss"]) == 3, "blocks of 3, 3 and 1 steps"
    assert set(unit.record["files"]) == {"codes.safetensors", "checkpoint.safetensors"}
    found = measure.published([unit, FactorUnit(TINY, 1)])
    assert found["none"]["b = 0.2"][:, 0] == pytest.approx([di.mcc(s, z), di.r2(s, z), di.isometry_gap(s, z)])


def test_a_training_that_was_killed_ends_as_one_that_was_not(monkeypatch):
    whole, cut = FactorUnit(TINY, 1), FactorUnit(TINY, 1)
    factors.run(whole)
    kept = whole.read("codes.safetensors")
    monkeypatch.setattr(store, "STORE", store.STORE / "again")
    real, calls = factors.delta.info_nce, []

    def killed(t):
        calls.append(t)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(t)

    monkeypatch.setattr(factors.delta, "info_nce", killed)
    with pytest.raises(KeyboardInterrupt):
        factors.run(cut, save_seconds=0)
    assert [p.name for p in cut.folder.iterdir()] == ["0.part.safetensors"]
    factors.run(cut, save_seconds=0)
    assert len(calls) == 5 + 4, "the first block of three is not trained again"
    assert all(torch.equal(cut.read("codes.safetensors")[name], kept[name]) for name in kept)
    assert not list(cut.folder.glob("*.part.*"))


def test_the_command_of_the_graph_trains_the_units_of_a_file_and_names_what_fails(tmp_path, capsys):
    fine, wrong = FactorUnit(TINY, 1), FactorUnit(replace(TINY, data=KITTI, gap=1, kitti_sha256="0" * 64), 1)
    path = tmp_path / "units"
    path.write_text(f"{wrong.to_json()}\n{fine.to_json()}\n")
    assert factors.main([str(path)]) == 1 and fine.done and not wrong.done
    assert "kitti_peds_v2.pickle is not there; get" in capsys.readouterr().err


def test_training_recovers_the_factors_of_an_easy_process():
    unit = FactorUnit(replace(TINY, steps=400, batch_size=64, learning_rate=0.003), 3)
    factors.run(unit)
    assert di.mcc(*unit.codes()) > 0.95


def test_what_is_out_of_range_is_refused():
    for change, words in (
        ({"data": "kitti"}, "data='kitti' is unknown; known are none, kitti_masks"),
        ({"mixing": "linear"}, "mixing='linear' is unknown"),
        ({"scale": 0}, "scale=0 is out of range; it must be above 0"),
        ({"batch_size": 1}, "batch_size=1 is out of range; it must be 2 or more"),
        ({"steps": 0}, "steps=0 is out of range"),
        ({"data": KITTI, "kitti_sha256": "0" * 64}, "gap=0 is out of range; it must be 1 or more"),
        ({"data": KITTI, "gap": 1}, "kitti_sha256='' is out of range; it must be 64 hex digits"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(TINY, **change)


def test_the_net_of_masks_has_the_layers_of_the_public_code():
    net = factors.convolutions()
    shapes = [tuple(p.shape) for p in net.parameters() if p.ndim > 1]
    assert shapes == [(32, 1, 4, 4), (32, 32, 4, 4), (64, 32, 4, 4), (64, 64, 4, 4), (256, 64, 4, 4), (10, 256)]
    assert net(torch.zeros(3, 1, 64, 64)).shape == (3, 10)
