"""lib.encoders.devices: one CPU process does without accelerate, several train one encoder together."""

import json
import os
import subprocess
import sys

import torch

from lib import hashing
from lib.encoders import devices
from lib.encoders.settings import Settings, Unit


def test_one_cpu_process_imports_no_accelerate():
    program = "import sys, lib.encoders.pretrain as p; p.devices.place('float32'); print('accelerate' in sys.modules)"
    env = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "."}
    done = subprocess.run([sys.executable, "-c", program], cwd=hashing.ROOT, env=env, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_bfloat16_is_autocast():
    x = torch.ones(2, 2)
    for precision, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with devices.OneCPU(precision).autocast():
            assert (x @ x).dtype == kind


def test_two_processes_train_one_encoder(tmp_path):
    """torchrun with gloo: each process takes half of every batch, and the first writes the folder."""
    small = {
        "net": "convnet",
        "pretrained": False,
        "head_width": 32,
        "epochs": 2,
        "batch_size": 40,
        "augment": "digits",
    }
    unit = Unit(Settings("digits", ("0", "1", "8"), 40, **small), ("",), 1.0, 5)
    file, store = tmp_path / "unit.json", tmp_path / "encoders"
    file.write_text(unit.to_json())
    program = tmp_path / "train.py"
    program.write_text(
        "import sys\nfrom pathlib import Path\nfrom lib.encoders import pretrain, store\n"
        f"store.STORE = Path({str(store)!r})\nsys.exit(pretrain.main(sys.argv[1:]))\n"
    )
    env = os.environ | {"PYTHONPATH": str(hashing.ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*words, str(program), str(file)], cwd=tmp_path, env=env, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    (folder,) = store.iterdir()
    assert json.loads((folder / "record.json").read_text())["samples"] == [120]
    assert sorted(p.suffix for p in folder.iterdir()) == [".csv", ".json", *[".safetensors"] * 3]
