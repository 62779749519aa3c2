"""What is to be done and what it costs: seconds, memory, disk and downloads, from measured rates.  No torch here."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from lib.book import profiles
from lib.encoders import image_sets
from lib.encoders.clip_settings import ClipSettings
from lib.encoders.coarse_settings import CoarseSettings
from lib.encoders.deep_coreset_settings import CoresetSettings
from lib.encoders.factor_settings import FactorSettings
from lib.encoders.label_settings import LabelSettings
from lib.encoders.majority_settings import MajoritySettings
from lib.encoders.settings import Settings
from lib.encoders.sphere_settings import SphereSettings
from lib.encoders.store import TOGETHER
from lib.encoders.text_settings import TextSettings
from lib.encoders.units import AnyUnit
from lib.study import Run

AnySettings = Settings | TextSettings | CoarseSettings | LabelSettings | FactorSettings | ClipSettings
AnySettings |= MajoritySettings | SphereSettings | CoresetSettings
# nets whose job takes the GPU alone
ON_GPU = ("resnet18", "resnet34", "resnet50", "vit", "minilm", "bert", "pair_mlp", "pair_convnet", "mae", "alexnet")
MOST_CORES = 4096
START_SECONDS = 5  # for a process to import torch
STUDY_SECONDS = 45  # to execute a study, where none was executed here; 4 to 130 were measured on preset quick
SITE_SECONDS = 60  # the same of the site
SITE = Path("build/site")  # holds the seconds of the last one
DAY = 86400
MEMORY_MB = {"small": 6000, "resnet_small": 6000}  # of a job; 2,000 of other small nets, 16,000 of large ones on a CPU

# seconds to train on 1,000 images, texts or pairs for one epoch: on one CPU core, and on a data-centre GPU
# (of pairs and of AlexNet a guess)
CPU_SECONDS = {"convnet": 0.1, "resnet_small": 1.0, "resnet18": 25.0, "resnet34": 50.0}
CPU_SECONDS |= {"small": 1.0, "minilm": 120.0, "bert": 800.0}
CPU_SECONDS |= {"mlp": 0.06, "label_stack": 0.01, "vit_small": 0.6, "vit": 50.0, "resnet50": 60.0}
CPU_SECONDS |= {"pair_mlp": 0.5, "pair_convnet": 1.2, "mae_small": 0.08, "mae": 2.0, "alexnet": 20.0}
GPU_SECONDS = {"convnet": 0.05, "resnet_small": 0.01, "resnet18": 0.05, "resnet34": 0.09}
GPU_SECONDS |= {"mlp": 0.05, "label_stack": 0.01, "vit_small": 0.05, "vit": 0.1, "resnet50": 0.2}
GPU_SECONDS |= {"pair_mlp": 0.0035, "pair_convnet": 0.05, "mae_small": 0.05, "mae": 0.05, "alexnet": 0.1}
GPU_SECONDS |= {"small": 0.2, "minilm": 1.0, "bert": 5.0}
# times as long on images of 16x16 pixels and more, the above being of digits
LARGER = {"convnet": 8, "mlp": 6, "vit_small": 20, "label_stack": 20}
DISK_MIB = {"convnet": 0.7, "resnet_small": 4, "resnet18": 67, "resnet34": 108, "small": 2, "minilm": 95, "bert": 450}
DISK_MIB |= {"mlp": 2, "label_stack": 0.1, "vit_small": 1, "vit": 75, "resnet50": 580, "pair_mlp": 4, "pair_convnet": 3}
DISK_MIB |= {"mae_small": 0.5, "mae": 8, "alexnet": 10}
DOWNLOAD_MIB = {"bios": 120, "mnist": 11, "mnist_coarse": 11, "fashion_mnist": 30, "stl10": 2518}
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
        seconds += len(unit.members) * _samples(s) / 1000 * s.total_epochs * _rate(s, gpu)
        disk += DISK_MIB[s.net] * (1 if isinstance(s, CoresetSettings) else len(unit.members))
    return seconds / (1 if gpu else workers), disk


def minutes(units: list[AnyUnit]) -> int:
    """Minutes to ask for, for a job on the device that it will run on: three times the estimate and ten, a day at most.

    A longer job runs out of time and goes on from its checkpoint.
    """
    return min(10 + int(estimate([units], 1, on_gpu(units))[0] / 20), DAY // 60)


def memory(units: list[AnyUnit]) -> int:
    """MB of main memory to ask for, for a job on the device that it will run on."""
    net = units[0].settings.net
    return MEMORY_MB.get(net, 2000 if net in TOGETHER else 8000 if on_gpu(units) else 16000)


def on_gpu(units: list[AnyUnit]) -> bool:
    """Whether a job asks for a GPU."""
    return units[0].settings.net in ON_GPU and profiles.gpus() > 0


def _samples(s: AnySettings) -> float:
    return image_sets.samples(s) if isinstance(s, Settings | ClipSettings) else s.samples


def _rate(s: AnySettings, gpu: bool) -> float:
    views = 0.5 if isinstance(s, ClipSettings) else 1  # one view of an image, where the rates are of two
    if gpu:
        return views * GPU_SECONDS[s.net]
    return views * CPU_SECONDS[s.net] * (1 if "digits" in s.data else LARGER.get(s.net, 1))


@dataclass(frozen=True)
class Work:
    """Runs to execute, jobs that train what they need, and whether the site is built."""

    runs: list[Run]
    jobs: list[list[AnyUnit]]
    site: bool = True

    def seconds(self) -> dict[str, float]:
        """Rough seconds of each part, by what it is: of a cluster's jobs one after the other, here side by side."""
        queue, gpu = profiles.submits(), profiles.gpus() > 0
        there = [job for job in self.jobs if (on_gpu(job) if queue else gpu)]
        here, workers = [job for job in self.jobs if job not in there], 1 if queue else cores()
        executing = sum(map(_executing, self.runs)) / min(workers, max(1, len(self.runs)))
        found = {"training on a GPU": estimate(there, 1, True)[0], "training": estimate(here, workers, False)[0]}
        found |= {"executing": executing, "building the site": _last_site() if self.site else 0}
        return {name: seconds for name, seconds in found.items() if seconds}

    def described(self) -> str:
        """How many runs, encoders, jobs and MiB, about how many seconds where, and what is downloaded."""
        units = [unit for job in self.jobs for unit in job]
        line = f"{len(self.runs)} run(s) to execute; "
        line += f"{sum(len(unit.members) for unit in units)} encoder(s) to train in {len(self.jobs)} job(s)"
        if units:
            line += f", {estimate(self.jobs, 1, False)[1]:.0f} MiB of disk"
        for data in sorted({u.settings.data for u in units} & set(DOWNLOAD_MIB)):
            line += f"; {data} is downloaded if it is not under DATA_ROOT ({DOWNLOAD_MIB[data]} MiB)"
        parts = ", ".join(f"{duration(seconds)} of {name}" for name, seconds in self.seconds().items())
        where = "one job after the other, the site here" if profiles.submits() else f"{cores()} CPU core(s)"
        return f"{line}\nabout {parts} ({where})" if parts else line

    def agreed(self) -> None:
        """Ask before more than a day of work, where somebody is there to answer.

        ValueError: the answer is not yes, or nobody is there and YES=1 is not given.
        """
        total = sum(self.seconds().values())
        if total <= DAY or os.environ.get("YES") == "1":
            return
        if not sys.stdin.isatty():
            raise ValueError(f"this takes about {duration(total)}, more than a day; to start it, add YES=1")
        if input(f"This takes about {duration(total)}. Start it? [y/N] ").strip().lower() not in ("y", "yes"):
            raise ValueError("not started")


def _executing(run: Run) -> float:
    """Seconds to execute a run, as the last one of its study and preset took here."""
    made = sorted(run.folder.parent.glob("*/provenance.json"), key=lambda path: path.stat().st_mtime)
    for path in reversed(made):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["params"]["preset"] == run.values["preset"]:
                return float(found["seconds"])
        except (ValueError, KeyError, TypeError):  # damaged: said where it is read for more than a guess
            continue
    return STUDY_SECONDS


def _last_site() -> float:
    text = SITE.read_text(encoding="utf-8").strip() if SITE.exists() else ""
    return float(text) if text.isdecimal() else SITE_SECONDS


def duration(seconds: float) -> str:
    """Seconds in words: "90 s", "12 min", "3.5 h", "43 days"."""
    for unit, most, length in (("s", 120, 1), ("min", 7200, 60)):
        if seconds < most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:,.0f} days"
