"""The engine of the graph: Snakemake in this process, in surroundings of its own, one build at a time.

A build holds a lock that the system frees when the process ends, however it ends, and its jobs end with it
(``lib.records``), so that a killed build needs no clearing up.
"""

import fcntl
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from lib import records
from lib.book import cost, follow, profiles

SURROUNDINGS = Path("build/surroundings")
OWN = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME")


class Busy(RuntimeError):
    """Another build is at work in this checkout."""


def snakemake(arguments: list[str]) -> int:
    """Run Snakemake in this process, with the options that every call of the book shares; its exit status."""
    from snakemake.cli import main

    surround()
    # Every output is moved into place whole, so one that a killed build left is finished: no job is run again for it,
    # and of a job that fails those written before are kept.
    options = ["--rerun-triggers", "mtime", "--ignore-incomplete", "--keep-incomplete", "--nolock", "--keep-going"]
    options += ["--profile", str(profiles.folder()), "--quiet", "host"]
    if not profiles.submits() or os.environ.get("CORES"):
        options += ["--cores", str(cost.cores())]
    if not profiles.submits():
        options += ["--resources", f"gpu={profiles.gpus()}"]
    try:
        with follow.in_few_lines(), follow.logs() if profiles.submits() else nullcontext():
            main([*arguments, *options])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def surround() -> None:
    """Give this process and its jobs folders and an encoding of their own, whatever the user's are.

    No startup file, configuration or kernel of the user's Jupyter is read, and nothing is written into HOME.  Weights
    that were downloaded stay where torch and the hub keep them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    for name, folder in {"HF_HOME": "huggingface", "TORCH_HOME": "torch"}.items():
        os.environ.setdefault(name, str(cache / folder))
    for name in OWN:
        os.environ[name] = str((SURROUNDINGS / name.lower()).absolute())
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "PYTHONSTARTUP"):
        os.environ.pop(name, None)
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks Linux for large pages: large batches are faster


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the checkout's lock; Busy where another build holds it.  Names this process the owner of its jobs.

    What jobs of a build that was killed are still at work on a cluster's nodes end when the next one holds the lock.
    """
    records.LOCK.parent.mkdir(parents=True, exist_ok=True)
    with open(records.LOCK, "a+", encoding="utf-8") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            f.seek(0)
            host, _, process = f.read().rpartition(":")
            known = f"process {process} on {host}" if process else "its process is unknown"
            raise Busy(f"another build ({known}) is at work here; wait for it, or stop it first") from None
        os.environ[records.OWNER] = f"{platform.node()}:{os.getpid()}"
        f.truncate(0)
        f.write(os.environ[records.OWNER])
        f.flush()
        os.fsync(f.fileno())  # a cluster's nodes read it
        _end_with_parent()
        try:
            yield
        finally:
            f.truncate(0)


def _end_with_parent() -> None:
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
