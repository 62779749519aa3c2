"""What training costs: seconds, disk and downloads, estimated from measured rates.  No torch here."""

import os
import shutil

from lib.encoders.coarse_settings import CoarseSettings
from lib.encoders.label_settings import LabelSettings
from lib.encoders.settings import Settings
from lib.encoders.text_settings import TextSettings
from lib.encoders.units import AnyUnit

AnySettings = Settings | TextSettings | CoarseSettings | LabelSettings
# nets whose job takes the GPU alone
ON_GPU = ("resnet18", "resnet34", "resnet50", "vit", "minilm", "bert")
MOST_CORES = 4096
START_SECONDS = 5  # for a process to import torch

# seconds to train on 1,000 images or texts for one epoch: on one CPU core, and on a data-centre GPU
CPU_SECONDS = {"convnet": 0.1, "resnet_small": 1.0, "resnet18": 25.0, "resnet34": 50.0}
CPU_SECONDS |= {"small": 1.0, "minilm": 120.0, "bert": 800.0}
CPU_SECONDS |= {"mlp": 0.06, "label_stack": 0.01, "vit_small": 0.6, "vit": 50.0, "resnet50": 60.0}
GPU_SECONDS = {"convnet": 0.05, "resnet_small": 0.01, "resnet18": 0.05, "resnet34": 0.09}
GPU_SECONDS |= {"mlp": 0.05, "label_stack": 0.01, "vit_small": 0.05, "vit": 0.1, "resnet50": 0.2}
GPU_SECONDS |= {"small": 0.2, "minilm": 1.0, "bert": 5.0}
# times as long on images of 16x16 pixels and more, the above being of digits
LARGER = {"convnet": 8, "mlp": 6, "vit_small": 20, "label_stack": 20}
DISK_MIB = {"convnet": 0.7, "resnet_small": 4, "resnet18": 67, "resnet34": 108, "small": 2, "minilm": 95, "bert": 450}
DISK_MIB |= {"mlp": 2, "label_stack": 0.1, "vit_small": 1, "vit": 75, "resnet50": 580}
DOWNLOAD_MIB = {"bios": 120, "mnist": 11, "mnist_coarse": 11}
DOWNLOAD_MIB |= dict.fromkeys(("cifar10", "cifar10_coarse"), 163)
DOWNLOAD_MIB |= dict.fromkeys(("cifar100", "cifar100_coarse", "cifar100_coarse_u"), 161)


def cores() -> int:
    """CORES of the command line, or as many as there are; ValueError where it is no number from 1 to MOST_CORES."""
    text = os.environ.get("CORES") or str(os.cpu_count() or 1)
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MOST_CORES:
        raise ValueError(
            f"CORES={text[:20]!r}: write a whole number from 1 to {MOST_CORES}, as CORES=2, or leave it out"
        )
    return int(text)


def estimate(wanted: list[list[AnyUnit]], workers: int, gpu: bool) -> tuple[float, float]:
    """Rough (seconds, MiB on disk) of jobs: images x epochs at a measured rate and the start, on so many workers."""
    seconds, disk = START_SECONDS * len(wanted), 0.0
    for unit in (unit for job in wanted for unit in job):
        s = unit.settings
        seconds += len(unit.members) * s.samples / 1000 * s.total_epochs * _rate(s, gpu)
        disk += len(unit.members) * DISK_MIB[s.net]
    return seconds / (1 if gpu else workers), disk


def minutes(units: list[AnyUnit]) -> int:
    """Minutes to ask for, for a job on the device that it will run on: three times the estimate, and ten."""
    return 10 + int(estimate([units], 1, on_gpu(units))[0] / 20)


def on_gpu(units: list[AnyUnit]) -> bool:
    """Whether a job asks for a GPU."""
    return units[0].settings.net in ON_GPU


def _rate(s: AnySettings, gpu: bool) -> float:
    if gpu:
        return GPU_SECONDS[s.net]
    return CPU_SECONDS[s.net] * (1 if "digits" in s.data else LARGER.get(s.net, 1))


def described(wanted: list[list[AnyUnit]]) -> str:
    """How many encoders, jobs, seconds and MiB, on the cores or the GPU there are, and what is downloaded."""
    gpu, workers = shutil.which("nvidia-smi") is not None, cores()
    units = [unit for job in wanted for unit in job]
    line = f"{sum(len(unit.members) for unit in units)} encoder(s) to train in {len(wanted)} job(s)"
    if wanted:
        seconds, disk = estimate(wanted, workers, gpu)
        where = "a GPU" if gpu else f"{workers} CPU core(s)"
        line += f", about {_duration(seconds)} on {where}, {disk:.0f} MiB of disk"
    for data in sorted({u.settings.data for u in units} & set(DOWNLOAD_MIB)):
        line += f"; {data} is downloaded if it is not under DATA_ROOT ({DOWNLOAD_MIB[data]} MiB)"
    return line


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
