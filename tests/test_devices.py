"""lib.encoders.devices: one CPU process does without accelerate; precision is autocast (several: test_processes)."""

import os
import subprocess
import sys

import torch

from lib import hashing
from lib.encoders import devices


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
