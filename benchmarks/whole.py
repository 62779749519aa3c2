"""A quick study from nothing to its executed notebook, in a copy of the book that has no encoder yet."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from lib.encoders.settings import Unit
from lib.hashing import ROOT

from .growth import SETTINGS
from .measure import Line

STUDY = "cifar10_undersampling"
COPIED = ("lib", "notebooks", "presets", "profiles", "results/reported", "Snakefile", "requirements.txt")
COPIED += ("constraints.txt",)
TOY = Unit(replace(SETTINGS, classes=("0", "1", "2"), images_per_class=25, batch_size=25, epochs=1), ("", "1"), 0.2, 0)


def run(rounds: int, quick: bool) -> list[Line]:
    """Seconds of the whole, measured once; nothing stands against it.  At toy size one small job of encoders."""
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        start = time.perf_counter()
        for command in toy() if quick else study():
            environment = os.environ | {"PYTHONPATH": folder}
            subprocess.run(
                command, cwd=folder, env=environment, check=True, capture_output=True, input=TOY.to_json().encode()
            )
        seconds = time.perf_counter() - start
        size = "two encoders of a toy" if quick else f"{STUDY}, preset quick"
        return [Line("quick study", size, "", "s", seconds, note=about(Path(folder)))]


def copy(folder: Path) -> None:
    for name in COPIED:
        put = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(ROOT / name, folder / name)


def study() -> list[list[str]]:
    """The notebook as papermill runs it alone; it trains what it lacks, and its defaults are the quick preset."""
    python = [sys.executable, "-m"]
    convert = [*python, "jupytext", "--to", "ipynb", "--output", "study.ipynb", f"notebooks/{STUDY}.py"]
    return [convert, [*python, "papermill", "-k", "python3", "study.ipynb", "executed.ipynb"]]


def toy() -> list[list[str]]:
    return [[sys.executable, "-m", "lib.encoders.pretrain", "/dev/stdin"]]


def about(folder: Path) -> str:
    """The training in it: how many encoders, and their seconds added up over the jobs that ran side by side."""
    units = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("build/encoders/*/record.json")]
    encoders = sum(len(unit["unit"]["members"]) for unit in units)
    return f"one run; {encoders} encoders, which took {sum(u['seconds'] for u in units):.0f} s"
