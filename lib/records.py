"""Files that are whole or absent, and the record of what made them."""

import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from lib.hashing import ROOT

OWNER = "BOOK_OWNER"  # host:pid of the build a job belongs to, set by the build


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place when the block ends well, remove it otherwise.

    A reader sees the old file or the whole new one.  A job whose build is dead writes nothing.
    OSError (a full disk, no permission) is raised anew with the path in its message.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with open(temporary, "rb") as f:
            os.fsync(f.fileno())
        if orphaned():
            raise RuntimeError(f"{path}: the build that started this job is gone; nothing was written")
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value) -> None:
    """Write JSON that git can compare: indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def orphaned() -> bool:
    """Whether this process belongs to a build that has died.  False outside a build and on another host."""
    host, _, pid = os.environ.get(OWNER, "").rpartition(":")
    if not pid or host != platform.node():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def end_with_build() -> None:
    """End this process within a second of its build's death, so that a killed build leaves no job behind."""

    def watch():
        while not orphaned():
            time.sleep(0.5)
        os._exit(1)

    if os.environ.get(OWNER):
        threading.Thread(target=watch, daemon=True).start()


def git_state() -> dict:
    """Commit of the working tree and whether it differs from it; both None outside a git checkout."""

    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "dirty": bool(git("status", "--porcelain").strip())}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def machine(packages: tuple[str, ...]) -> dict:
    """Python, package versions, operating system, processor."""
    return {
        "python": platform.python_version(),
        "packages": {p: metadata.version(p) for p in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
    }


def of_training(unit, samples: list[int], digests: dict, start: float, packages: tuple[str, ...]) -> dict:
    """The record of a unit that was trained: its settings, and what made it.

    samples: of each net's training; digests: sha256 of the splits "train" and "test"; start: of the training, seconds.
    """
    import torch

    return {
        "unit": asdict(unit),
        "samples": samples,
        "data_sha256": digests,
        "git": git_state(),
        **machine(packages),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
        "seconds": round(time.time() - start, 1),
        "peak_memory_mib": peak_memory_mib(),
    }


def peak_memory_mib() -> int:
    """Largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
