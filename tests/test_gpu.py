"""make gpu: its encoders and measures are those of the graph, in whole rounds, within the time; and its checks fail."""

import importlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import active_children
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from lib import hashing, study
from lib.book import card_checks, card_speed, gpu, gpu_page, gpu_rounds
from lib.encoders import pretrain, recorded
from lib.encoders import store as stored
from lib.encoders.further_settings import FurtherUnit
from lib.encoders.settings import Settings
from lib.encoders.training import TrainingError
from lib.studies.shared import evidence, heads, outcomes
from lib.study import Run

SMALL = {"classes": "0,1,2", "undersampled": "2,0", "seeds": 2, "epochs": 2, "head_width": 32, "images_per_class": 80}
SMALL |= {"batch_size": 50, "reference_seeds": 1}
WORDS = " ".join(f"{name}={value}" for name, value in SMALL.items())
STUDIES = "mediation,cifar10_undersampling"
WITHOUT = ("IPython", "papermill", "altair", "jupytext", "snakemake", "nbformat", "lightly", "transformers")


def command(out, *words: str, **more) -> subprocess.CompletedProcess:
    """The command in a process of its own, in which the packages of the book alone cannot be imported."""
    program = (
        "import sys\n"
        f"sys.modules |= dict.fromkeys({WITHOUT!r})\n"
        "from lib.book import gpu\n"
        "if __name__ == '__main__': sys.exit(gpu.main(sys.argv[1:]))\n"
    )
    script = out.parent / "command.py"
    script.write_text(program)
    env = os.environ | {"PYTHONPATH": str(hashing.ROOT), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"} | more
    call = [sys.executable, script, "--preset", "quick", "--workers", "1", "--out", out, *words]
    return subprocess.run(call, cwd=hashing.ROOT, env=env, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The file of the two studies' encoders."""
    out = tmp_path_factory.mktemp("gpu") / "out"
    done = command(out, "--study", STUDIES, "--parameters", WORDS, "--budget", "150", "--parts", "encoders")
    assert done.returncode == 0, done.stderr
    return out / recorded.FILE


@pytest.fixture
def plans():
    values = {name: study.preset(name, "quick") | SMALL for name in STUDIES.split(",")}
    return {name: Run(name, study.complete(name, given)).plan for name, given in values.items()}


def test_measures_are_those_that_the_studies_take_of_the_same_encoders(trained, plans, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    found = recorded.read(trained)
    asks: gpu.Asks = {}
    for unit, names in (pair for plan in plans.values() for pair in plan.asks.items()):
        asks.setdefault(unit, set()).update(names)
    assert found.keys() == asks.keys()
    plan = plans["mediation"]
    first = {arm: getattr(plan, arm)[:1] for arm in ("balanced", "under", "mild", "reference", "untrained", "second")}
    for unit in replace(plan, null=[], **first).units:
        pretrain.run(unit)
    seen = evidence.of_arms(replace(plan, **first))
    seen.cosines("balanced"), seen.confusion("balanced"), seen.cosines("under"), seen.confusion("under")
    seen.cosines("reference"), seen.confusion("untrained"), seen.cosines("second"), seen.confusion("second")
    outcomes.of(seen, "paper", 0.25, "mild")
    for kind in heads.KINDS:
        outcomes.of(seen, kind, 0.05)
    for unit, (record, members) in evidence.measures([seen]).items():
        made, measures = found[unit]
        assert [mine.keys() ^ plan.asks[unit] for mine in members] == [set()] * len(members)
        for theirs, mine in zip(measures, members, strict=True):
            for name, value in mine.items():
                assert theirs[name].dtype == value.dtype and theirs[name].shape == value.shape
                assert torch.allclose(theirs[name].double(), value.double(), atol=1e-6), (unit.name, name)
        for said in ("samples", "data_sha256", "compiled", "packages"):
            assert made[said] == record[said]


def test_a_small_net_is_not_compiled_on_a_gpu():
    card, here = (SimpleNamespace(device=torch.device(name)) for name in ("cuda", "cpu"))
    settings = {net: Settings(data="cifar10", net=net) for net in ("resnet18", "resnet_small", "convnet")}
    assert {net: pretrain.compiles(s, card) for net, s in settings.items()} == {
        "resnet18": True,
        "resnet_small": False,
        "convnet": False,
    }
    assert not pretrain.compiles(settings["resnet18"], here)


def test_losses_are_those_of_the_file_of_losses(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    found = recorded.read(trained)
    unit = next(unit for unit, (_, members) in found.items() if unit.members == ("",) and "loss" in members[0])
    pretrain.run(unit)
    encoder = evidence.Embedded(unit.embeddings, unit=unit)
    assert evidence.losses(encoder) == found[unit][1][0]["loss"].tolist() and len(encoder.known["loss"]) == 2


def test_a_study_takes_them_from_the_folder_that_encoders_names(trained, plans, monkeypatch):
    run = Run("mediation", study.complete("mediation", study.preset("mediation", "quick") | SMALL))
    assert run.own == run.units
    monkeypatch.setenv("ENCODERS", str(trained.parent))
    assert run.own == [] and all(run._record(unit)["compiled"] is False for unit in run.units)
    monkeypatch.setenv("ENCODERS", str(trained.parent / "nowhere"))
    with pytest.raises(ValueError, match=r"ENCODERS='.*nowhere': there is no encoders.safetensors in that folder"):
        run.own  # noqa: B018


def test_what_is_there_is_not_trained_again(trained, tmp_path, monkeypatch):
    before, stamp = trained.read_bytes(), trained.stat().st_mtime_ns
    monkeypatch.setattr(gpu_rounds, "Round", None)
    gpu.train(gpu.rounds(STUDIES, "quick", WORDS), time.time() + 60, trained, 1)
    assert trained.read_bytes() == before and trained.stat().st_mtime_ns == stamp


def test_an_encoder_whose_measures_two_records_share_is_not_trained_again(trained, plans, tmp_path, monkeypatch):
    found = recorded.read(trained)
    assert plans["mediation"].asks.keys() & plans["cifar10_undersampling"].asks.keys()
    for name, plan in plans.items():
        asked = {u: (found[u][0], [{n: m[n] for n in names} for m in found[u][1]]) for u, names in plan.asks.items()}
        recorded.write(tmp_path / name / recorded.FILE, asked)
    monkeypatch.setenv("ENCODERS", str(tmp_path))
    assert not any(gpu.rounds(STUDIES, "quick", WORDS))


def test_time_ends_a_training_and_only_whole_rounds_are_written(tmp_path):
    wanted, start = gpu.rounds("mediation", "quick", WORDS.replace("epochs=2", "epochs=100000")), time.time()
    gpu.train(wanted, start + 3, tmp_path / recorded.FILE, 1)
    assert time.time() - start < 20 and not (tmp_path / recorded.FILE).exists()


def test_every_unit_is_trained_by_its_own_trainer(tmp_path, monkeypatch):
    words = "classes=0,1,2 undersampled=2 seeds=1 methods=simclr,simsiam,mae mitigations=schedule look_every=1 sizes= "
    words += "head_width=32 images_per_class=80 batch_size=50 epochs=1 masked_epochs=1 clamp_control=false "
    words += "further_classes=0"
    wanted = gpu.rounds("methods_and_mitigations", "quick", words)[0]
    own = [u for u, names in wanted.items() if isinstance(u, FurtherUnit) and "means" in names]
    assert {u.trainer.rpartition(".")[2] for u in own} == {"masked", "remedies", "chosen"}
    gpu.train([{u: wanted[u] for u in own}], time.time() + 100, tmp_path / recorded.FILE, 1, trainers=2)
    found = recorded.read(tmp_path / recorded.FILE)
    assert found.keys() == set(own)
    monkeypatch.setattr(stored, "STORE", tmp_path)
    for unit, (record, members) in found.items():
        importlib.import_module(unit.trainer).run(unit)
        z, y = unit.embeddings()
        mine = torch.stack([normalize(z[0, y == k].double(), dim=1).mean(0) for k in range(3)])
        assert torch.allclose(normalize(mine, dim=1), normalize(members[0]["means"], dim=1), atol=1e-6), unit.name
        assert record["data_sha256"] == unit.record["data_sha256"]
        if unit.trainer.endswith("chosen"):
            assert torch.equal(members[0]["looks"], unit.read("checkpoint.safetensors")["0.looks"])


def test_an_encoder_that_cannot_be_trained_leaves_its_round_out_and_no_other(tmp_path):
    wanted = gpu.rounds("mediation", "quick", WORDS)
    unit = next(iter(wanted[0]))
    first = {replace(unit, settings=replace(unit.settings, batch_size=2000)): wanted[0][unit]}
    second = {unit: wanted[0][unit]}
    with pytest.raises(TrainingError, match=r"1 round\(s\) left out: batch_size=2000 exceeds the 240 training images"):
        gpu.train([first, second], time.time() + 100, tmp_path / recorded.FILE, 1)
    assert recorded.read(tmp_path / recorded.FILE).keys() == {unit}


def test_a_trainer_that_is_killed_ends_the_command_and_says_so(tmp_path):
    wanted = gpu.rounds("mediation", "quick", WORDS.replace("epochs=2", "epochs=100000"))

    before = active_children()

    def kill():
        while not (there := [child for child in active_children() if child not in before]):
            time.sleep(0.1)
        there[0].kill()

    threading.Thread(target=kill).start()
    with pytest.raises(RuntimeError, match="a process beside this one was killed, by the system where memory is short"):
        gpu.train(wanted, time.time() + 100, tmp_path / recorded.FILE, 1)
    assert active_children() == before


def test_rounds_are_the_seeds_of_every_arm():
    first, second = gpu.rounds("cifar10_undersampling", "quick", f"{WORDS} null_seeds=1")
    assert sorted({unit.seed for unit in first}) == [0, 100, 200] and {unit.seed for unit in second} == {1}
    assert {unit.settings.method for unit in second} == {"simclr", "untrained"}


@pytest.mark.parametrize(
    "words, said",
    [
        (("--budget", "soon"), "BUDGET='soon': write seconds above 0, below 1000000, as BUDGET=600"),
        (("--trainers", "0"), "TRAINERS='0': write a whole number from 1 to 64, as TRAINERS=4"),
        (("--parts", "all"), "PARTS='all': 'all' is unknown; there are checks, speed, encoders"),
        (("--study", ""), "STUDY='' names no study"),
        (("--study", "lspread_strata"), "STUDY='lspread_strata' undersamples no class of images"),
        (("--study", "sbm_theory"), "measure 'connectivity of 10 nearest' is none of means, confusion, variance, loss"),
    ],
)
def test_bad_input_is_refused_before_any_work(words, said, tmp_path, capsys):
    assert gpu.main(["--preset", "quick", "--out", str(tmp_path / "out"), "--study", "mediation", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and not (tmp_path / "out").exists()


def test_the_checks_pass_here_and_fail_on_a_wrong_device(monkeypatch):
    monkeypatch.setattr(card_checks, "STEPS", 10)
    for check in card_checks.CHECKS:
        assert all(row["passed"] for row in check()), check.__name__
    right, nt_xent = card_checks.augment.view, card_checks.losses.nt_xent

    def wrong(a, b, **options):
        return nt_xent(a, b, **options) * (1 if a.dtype == torch.float64 else 1.001)

    monkeypatch.setattr(card_checks.losses, "nt_xent", wrong)
    seen = iter([0.0, 0.05])
    monkeypatch.setattr(card_checks.augment, "view", lambda x, *rest: right(x, *rest) + next(seen))
    rows = [*card_checks.formulas(), *card_checks.views()]
    failed = {row["check"] for row in rows if not row["passed"]}
    assert failed == {"augmentation", "NT-Xent", "NT-Xent, clamped, by block"}


def test_a_resumed_run_that_draws_anew_is_found(monkeypatch):
    load = pretrain.training.checkpoints.load
    monkeypatch.setattr(pretrain.training.checkpoints, "load", lambda *given: load(*given)[:1])
    assert [row["passed"] for row in card_checks.resumed()] == [False]


def test_the_speed_has_a_line_of_each_kind():
    rows = [row for line in card_speed.LINES for row in line()]
    assert {row["line"] for row in rows} >= {"augmentation", "matrix product", "SimCLR step", "NT-Xent, memory"}
    assert all(row["value"] >= 0 for row in rows)
    assert json.loads(json.dumps(rows)) == rows


def test_a_device_that_fails_trains_nothing_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(card_checks, "CHECKS", (lambda: [card_checks.row("it", 2, 1, "wrong")],))
    monkeypatch.setattr(gpu, "train", None)
    out = tmp_path / "out"
    assert gpu.main(["--study", "mediation", "--preset", "quick", "--out", str(out), "--parts", "checks"]) == 2
    assert "the device fails: it" in capsys.readouterr().err
    assert json.loads((out / gpu.CARD).read_text())["checks"][0]["passed"] is False


def test_the_page_says_what_was_measured_and_what_was_not(monkeypatch, tmp_path):
    text = gpu_page.text()
    assert "22,000 images/s" in text and "147 TFLOP/s" in text and "about 138 GPU-hours" in text  # 5.25e9 images
    for line in ("augmentation", "matrix product", "NT-Xent, memory"):
        assert f"<td>{line}</td><td></td><td>not measured</td>" in text
    here = {"device": "a card", "torch": "2", "git": {"commit": "0" * 40}}
    rows = {"checks": card_checks.views(), "speed": card_speed.augmentation()}
    (tmp_path / "gpu.json").write_text(json.dumps(here | rows))
    monkeypatch.setattr(gpu_page, "RESULTS", tmp_path / "gpu.json")
    text = gpu_page.text()
    assert "<td>augmentation</td><td></td>" not in text and "1,000,000 views/s" in text and "passed" in text
    assert "The time of the harms paper's encoders is not measured" in text
    monkeypatch.setattr(gpu_page, "RESULTS", tmp_path / "none.json")
    assert gpu_page.text() == "*No GPU was measured yet: `make gpu` does it.*"


def test_the_page_knows_every_line_and_the_nets_operations():
    assert tuple(card_speed.MEASURED) == gpu_page.LINES
    for net, counted in gpu_page.OPERATIONS.items():
        s = replace(card_checks.SETTINGS, net=net, head_width=2048)
        assert card_speed.operations(s, torch.zeros(2, 3, 32, 32, dtype=torch.uint8)) == pytest.approx(
            counted, rel=1e-3
        )


def test_the_time_of_an_encoder_is_that_of_the_records():
    kept = recorded.read(hashing.ROOT / "results/recorded/cifar10_undersampling/gpu-3c84f9aaec" / recorded.FILE)
    seconds = [record["seconds"] for unit, (record, _) in kept.items() if unit.settings.method == "simclr"]
    line = next(r for r in json.loads(gpu_page.RESULTS.read_text())["speed"] if r["line"] == "encoder")
    assert line["value"] == pytest.approx(statistics.median(seconds), abs=0.01) and len(seconds) == 30
