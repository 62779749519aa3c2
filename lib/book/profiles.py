"""Where jobs run: on this machine, or on a cluster that a Snakemake profile names.  No torch here."""

import importlib.util
import os
import shutil
from pathlib import Path

import yaml

FOLDER = Path("profiles")  # of the profiles that the book brings
LOCAL = "local"
MOST_GPUS = 64
FILES = ("config.v9+.yaml", "config.v8+.yaml", "config.yaml")


def folder() -> Path:
    """The folder of the profile that PROFILE names, one of the book's or a path; of the local one without a name.

    ValueError: there is none of that name.
    """
    name = os.environ.get("PROFILE") or LOCAL
    for path in (FOLDER / name, Path(name).expanduser()):
        if any((path / file).exists() for file in FILES):
            return path
    ours = ", ".join(sorted(path.name for path in FOLDER.iterdir()))
    raise ValueError(
        f"PROFILE={name!r}: write one of {ours}, or the path of a folder with a Snakemake profile ({FILES[-1]})"
    )


def check() -> None:
    """ValueError where the profile, or GPUS, is wrong, or where this machine cannot submit to Slurm."""
    path, _ = folder(), gpus()
    if _executor(path) != "slurm":
        return
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        raise ValueError(f"{path} needs the extra requirements: .venv/bin/pip install -c constraints.txt '.[cluster]'")
    if not shutil.which("sbatch"):
        raise ValueError(f"{path} submits by sbatch, which is not on this machine; type it on a cluster's login node")


def submits() -> bool:
    """Whether jobs are handed to a cluster's queue."""
    return _executor(folder()) != LOCAL


def gpus() -> int:
    """GPUs for the job of a large net, GPUS or else one: none where GPUS=0, or where this machine, without a cluster,
    has none.

    ValueError: GPUS is no whole number from 0 to MOST_GPUS.
    """
    text = os.environ.get("GPUS") or "1"
    if not text.isdecimal() or int(text[:9]) > MOST_GPUS:
        raise ValueError(
            f"GPUS={text[:20]!r}: write GPUS=0 for a cluster without GPUs, a number to {MOST_GPUS} for so many to an "
            "encoder, or leave it out"
        )
    return int(text) if submits() or shutil.which("nvidia-smi") else 0


def _executor(path: Path) -> str:
    file = next(path / file for file in FILES if (path / file).exists())
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    return found.get("executor", LOCAL) if isinstance(found, dict) else LOCAL
