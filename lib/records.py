"""Files that are whole or absent, and the record of what made them."""

import contextlib
import functools
import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from lib.hashing import ROOT

OWNER = "BOOK_OWNER"  # host:pid of the build a job belongs to, set by the build
LOCK = Path("build/lock")  # holds the same of the build that is at work


class Damaged(ValueError):
    """A kept file that is not what was written; the message names the file, what is wrong, and what to do."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it into place when the block ends well, remove it otherwise.

    A reader sees the old file or the whole new one.  A job whose build is dead writes nothing.  Who may read the file
    follows the umask, whoever writes it.
    OSError (a full disk, no permission) is raised anew with the path in its message.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.part")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        temporary.chmod(mode)  # safetensors writes files that nobody else may read
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


def seal(path: Path, record: dict, names: Iterable[str] | None = None) -> None:
    """Write the record of what lies beside it, last: with the sha256 of each file, and of the record itself.

    names: of the files; by default all that are there, without hidden ones and parts of what is not finished.
    """
    beside = names if names is not None else (f.name for f in path.parent.iterdir() if f != path)
    kept = [name for name in sorted(beside) if name[0] != "." and ".part." not in name]
    _seal(path, record | {"files": {name: _sha256(path.parent / name) for name in kept}})


def add(record: Path, file: Path, name: str) -> None:
    """Move a file to its place beside a record, under that name, and note its sha256 in the record first.

    What lies in the folder ``figures`` is noted too.
    """
    found, folder = read_json(record, f"remove the folder {record.parent} and run again"), record.parent
    drawn = {f"figures/{f.name}": _sha256(f) for f in sorted(folder.glob("figures/[!.]*"))}
    _seal(record, found | {"files": found.get("files", {}) | drawn | {name: _sha256(file)}})
    shutil.move(file, folder / name)


def read_json(path: Path, remedy: str, needs: tuple[str, ...] = ()) -> dict:
    """A kept JSON file, one with the names that are needed.  FileNotFoundError where there is none.

    Damaged: it is empty, cut off, or not what ``seal`` wrote; the message ends with the remedy.
    """
    blob = path.read_bytes()
    try:
        found = json.loads(blob.decode())
    except ValueError as error:
        raise Damaged(f"{path} is {'empty' if not blob else f'damaged ({error})'}; {remedy}") from None
    lacking = [name for name in needs if not isinstance(found, dict) or name not in found]
    if lacking or not isinstance(found, dict):
        raise Damaged(f"{path} is damaged (it has no {', '.join(lacking) or 'names'}); {remedy}")
    if {"files", "sha256"} & set(found) and found.pop("sha256", "") != _own(found):
        raise Damaged(f"{path} is damaged (its content is not what was written); {remedy}")
    return found


def checked(folder: Path, name: str, record: dict, remedy: str) -> Path:
    """The path of a kept file, once it is known to be what the folder's record says; read once in a process.

    A record without "files", made before there were any, says nothing.  Damaged, with the remedy, where they differ.
    """
    path, said = folder / name, record.get("files", {}).get(name)
    if said is not None and not path.exists():
        raise Damaged(f"{path} is missing; {remedy}")
    if said is not None and _known(path.resolve(), path.stat().st_mtime_ns, path.stat().st_size) != said:
        raise Damaged(f"{path} is damaged (its content is not what was written); {remedy}")
    return path


@functools.cache
def _known(path: Path, *_) -> str:
    return _sha256(path)


def _sha256(path: Path) -> str:
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _seal(path: Path, record: dict) -> None:
    write_json(path, record | {"sha256": _own(record)})


def _own(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def orphaned() -> bool:
    """Whether this process belongs to a build that has died, or from another host, to one that is not the last.

    A process of another host than its build's cannot see whether that is alive: it goes on until another build has
    taken the lock, or the build has given it back.  False outside a build.
    """
    owner = os.environ.get(OWNER, "")
    pid = owner.rpartition(":")[2]
    if not pid:
        return False
    if _elsewhere():
        return LOCK.exists() and LOCK.read_text(encoding="utf-8") != owner
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _elsewhere() -> bool:
    return os.environ.get(OWNER, "").rpartition(":")[0] != platform.node()


def end_with_build() -> None:
    """End this process within a second of its build's death, so that a killed build leaves no job behind.

    On another host than the build's: within some ten seconds of the next build's start.
    """

    def watch():
        while not orphaned():
            time.sleep(10 if _elsewhere() else 0.5)
        os._exit(1)

    if os.environ.get(OWNER):
        threading.Thread(target=watch, daemon=True).start()


def git(*words: str) -> bytes:
    """What a git command prints in the project's own repository, whatever GIT_DIR and its like name.

    OSError: there is no git, or the project lies inside another repository; CalledProcessError: the command failed.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def printed(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], env=outside, capture_output=True, check=True).stdout

    top = os.fsdecode(printed("rev-parse", "--show-toplevel")).removesuffix("\n")
    if Path(top).resolve() != ROOT:
        raise OSError(f"{ROOT} is no git repository of its own; it lies in {top}")
    return printed(*words)


def git_state() -> dict:
    """Commit of the working tree and whether it differs from it; both None outside a git checkout of the project."""
    try:
        return {"commit": git("rev-parse", "HEAD").decode().strip(), "dirty": bool(git("status", "--porcelain"))}
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
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":  # the last step of a study's job: record, executed notebook, its name there
    try:
        add(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
