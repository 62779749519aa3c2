"""Several processes train one encoder: the numbers of one, through the graph, killed and resumed, or refused."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file
from test_graph import NAME, copy, edit, environment
from torch import nn

from lib import hashing
from lib.book import jobs
from lib.encoders import coarse, pretrain
from lib.encoders.batch_norm import AcrossProcesses, across_processes
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.settings import Settings, Unit
from lib.encoders.text_settings import TextSettings, TextUnit

SMALL = Settings(
    "digits", ("0", "1", "8"), 40, net="convnet", pretrained=False, head_width=32, head_batchnorm=True, epochs=2,
    batch_size=40, learning_rate=0.1, squared_learning_rate=False, augment="digits",
)  # fmt: skip
# float64, and views without a draw: what is left is the same arithmetic, whoever does which part of it
TRAIN = """
import sys, torch
from dataclasses import replace
from safetensors.torch import save_file
from lib.encoders import devices, pretrain
from lib.encoders.settings import Unit
from lib.encoders.training import Conditions

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
pretrain._forward = lambda model, home, x, *_: model(torch.cat([x, x.flip(-1)]).double() / 255)
unit = Unit.from_json(open(sys.argv[1], encoding="utf-8").read())
for method in ("simclr", "simsiam", "bcl", "supervised"):
    s = replace(unit.settings, method=method, weighting="groups" if method == "simclr" else "none")
    home = devices.place("float32")
    assert home.num_processes == int(sys.argv[3])
    encoder, history = pretrain.train(s, pretrain.images_of(s, "train"), Conditions(5, s.epochs, home))
    if home.process_index == 0:
        state = {k: v.contiguous() for k, v in encoder.state_dict().items()}
        save_file(state | {"history": torch.tensor(history)}, f"{sys.argv[2]}-{method}")
"""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
REPORTED = "        conditions.report(epoch + 1, history[-1])\n"
HELD = "        while epoch == 2 and not Path('build/again').exists():\n            time.sleep(0.1)\n"
STUDY = f"""from types import SimpleNamespace

from lib.encoders.settings import Settings, Unit


def plan(p):
    return SimpleNamespace(units=[Unit({SMALL!r}, ("",), 1.0, 5)])
"""


@pytest.fixture
def float64(monkeypatch):
    """What the program sets for its process is taken back."""
    monkeypatch.setattr(pretrain, "_forward", pretrain._forward)
    yield
    torch.set_default_dtype(torch.float32)


def test_losses_and_gradients_of_two_processes_are_those_of_one(tmp_path, monkeypatch, float64):
    """After six steps with momentum the weights differ as the gradients did, batch statistics included."""
    env = os.environ | {"PYTHONPATH": str(hashing.ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "unit.json").write_text(Unit(SMALL, ("",), 1.0, 5).to_json())
    call = [str(tmp_path / name) for name in ("train.py", "unit.json", "2")] + ["2"]
    done = subprocess.run([*TORCHRUN, *call], cwd=hashing.ROOT, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    monkeypatch.setattr(sys, "argv", [*call[:2], str(tmp_path / "1"), "1"])
    exec(TRAIN, {})
    for method in ("simclr", "simsiam", "bcl", "supervised"):
        one, two = (load_file(tmp_path / f"{count}-{method}") for count in (1, 2))
        assert one.keys() == two.keys()
        for name, value in one.items():
            if name != "history" or method != "supervised":  # there each process has the mean of its own images
                assert torch.allclose(two[name], value, rtol=1e-6, atol=1e-9), (method, name)


def test_batch_statistics_keep_the_weights_and_evaluate_as_torch():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2), nn.BatchNorm1d(2))
    x = torch.randn(5, 3, 2, 2)
    net(x)
    wanted = net.eval()(x)
    shared = across_processes(net)
    assert torch.equal(shared(x), wanted) and sum(isinstance(m, AcrossProcesses) for m in shared) == 2


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout whose one study has one encoder, kept after each epoch.

    Its training stops after three epochs until there is a file ``build/again``.
    """
    root = copy(tmp_path / "a b")
    for path in (root / "notebooks").glob("*.py"):
        path.unlink()
    (root / f"notebooks/{NAME}.py").write_text(
        '# %% tags=["parameters"]\npreset: str = "quick"  # label\nseeds: int = 1  # [1, 9] seeds\n'
    )
    (root / f"presets/quick/{NAME}.yaml").write_text("preset: quick\n")
    (root / f"lib/studies/plans/{NAME}.py").write_text(STUDY.replace("epochs=2", "epochs=6"))
    for old, new in (("SAVE_SECONDS = 60", "SAVE_SECONDS = 0"), ("REPORT_SECONDS = 5", "REPORT_SECONDS = 0")):
        edit(root / "lib/encoders/training.py", old, new)
    edit(root / "lib/encoders/training.py", REPORTED, REPORTED + HELD)
    return root


def ranks(build: psutil.Process) -> list[psutil.Process]:
    """The processes of the build that train, torchrun's own left out."""
    found = []
    for process in build.children(recursive=True):
        words = process.cmdline()
        if "lib.encoders.pretrain" in words and "torch.distributed.run" not in words and "python" in words[0]:
            found.append(process)
    return found


def test_a_killed_process_ends_all_and_the_next_build_goes_on(checkout):
    call = [sys.executable, "-m", "lib.book.make", "encoders", NAME, json.dumps({"preset": "quick", "seeds": 1})]
    env = environment() | {"PROCESSES": "2", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(call, cwd=checkout, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as build:
        end = time.time() + 120
        while not list(checkout.glob("build/encoders/*/0.part.safetensors")) and time.time() < end:
            time.sleep(0.05)
        training = ranks(psutil.Process(build.pid))
        assert len(training) == 2
        training[1].send_signal(signal.SIGKILL)
        build.communicate(timeout=60)
    assert build.returncode != 0 and not any(p.is_running() and p.status() != "zombie" for p in training)
    assert not list(checkout.glob("build/encoders/*/record.json"))
    (checkout / "build/again").touch()
    again = subprocess.run(call, cwd=checkout, env=env, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr[-2000:]
    (path,) = checkout.glob("build/encoders/*/record.json")
    record = json.loads(path.read_text())
    assert record["processes"] == 2 and record["samples"] == [120]
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".csv", ".json", *[".safetensors"] * 3]
    (log,) = checkout.glob("build/logs/*.log")
    assert "epoch 6/6" in log.read_text() and "epoch 1/6" not in log.read_text()


@pytest.mark.parametrize(
    "variable, text, unit, said",
    [
        (
            "PROCESSES",
            "2",
            CoarseUnit(CoarseSettings(net="convnet"), 0),
            "lib.encoders.coarse trains an encoder in one",
        ),
        (
            "PROCESSES",
            "2",
            TextUnit(TextSettings(), ("",), 1.0, 0),
            "lib.encoders.simcse trains an encoder in one process",
        ),
        ("GPUS", "4", CoarseUnit(CoarseSettings(), 0), "GPUS=4: lib.encoders.coarse trains an encoder in one process"),
        ("PROCESSES", "3", Unit(SMALL, ("",), 1.0, 0), "PROCESSES=3: batch_size=40 is no multiple"),
        ("PROCESSES", "0", Unit(SMALL, ("",), 1.0, 0), "PROCESSES='0': write a whole number from 1 to 64"),
    ],
)
def test_what_processes_cannot_share_is_refused_by_name(variable, text, unit, said, monkeypatch):
    for name in ("PROCESSES", "GPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROFILE", "slurm")  # where GPUS counts without a GPU here
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=said):
        jobs.processes([unit])


def test_gpus_are_for_large_nets_alone(monkeypatch):
    monkeypatch.delenv("PROCESSES", raising=False)
    monkeypatch.setenv("PROFILE", "slurm")
    monkeypatch.setenv("GPUS", "4")
    small, large = Unit(SMALL, ("",), 1.0, 0), Unit(Settings(), ("",), 1.0, 0)
    assert jobs.trainer([small]) == "lib.encoders.pretrain"
    assert jobs.trainer([large]) == ("torch.distributed.run --standalone --nproc-per-node 4 -m lib.encoders.pretrain")


def test_a_trainer_of_one_process_refuses_to_be_started_as_two(tmp_path, monkeypatch, capsys):
    (tmp_path / "unit.json").write_text(CoarseUnit(CoarseSettings(net="convnet"), 0).to_json())
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert coarse.main([str(tmp_path / "unit.json")]) == 1
    assert "lib.encoders.coarse trains an encoder in one process, here are 2" in capsys.readouterr().err
