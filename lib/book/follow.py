"""What Snakemake says, in few lines, and what jobs on a cluster's nodes say, shown where they were submitted."""

import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.book import failures

KEPT = re.compile(r"Job \d+ has been submitted|Trying to restart job")  # of what is no error
LEFT_OUT = ("RuleException", "Exiting because", "--keep-incomplete")  # the job's own words and its reason stand there


@contextmanager
def in_few_lines() -> Iterator[None]:
    """While the block runs, Snakemake says what is submitted, tried again, or wrong, a failed job in a line."""
    logger = logging.getLogger("snakemake.logging")
    logger.addFilter(_kept)
    try:
        yield
    finally:
        logger.removeFilter(_kept)


def _kept(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    if record.levelno < logging.ERROR:
        return bool(KEPT.match(said))
    if hasattr(record, "rule_msg"):  # a job failed; as an event it would be shown with all its files
        reason = (record.rule_msg or "").split("\n")[0].partition(" Detailed failure reason")[0]
        where = f" (log: {record.log[-1]})" if record.log else ""
        if "sbatch failed" in reason:  # it was never at work
            where = "; on a cluster without GPUs add GPUS=0" if "generic resource" in reason else ""
        said = f"{record.rule_name} failed. {reason}".strip() + where
        record.msg, record.args = said, ()
        del record.event
    return not said.startswith(LEFT_OUT)


@contextmanager
def logs(folder: Path = failures.LOGS, pause: float = 1.0) -> Iterator[None]:
    """Print the lines that are added to the logs in a folder while the block runs, every ``pause`` seconds."""
    seen, ended = {}, threading.Event()
    _added(folder, seen)

    def watch():
        last = False
        while not last:
            last = ended.wait(pause)
            for line in _added(folder, seen):
                print(line, file=sys.stderr, flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _added(folder: Path, seen: dict[Path, tuple[int, int]]) -> list[str]:
    """The whole lines since the last call; ``seen`` holds the file's number and how far it was read."""
    found = []
    for path in sorted(folder.glob("*.log")):
        try:
            with open(path, "rb") as f:
                number, at = path.stat().st_ino, 0
                if path in seen and seen[path][0] == number and seen[path][1] <= path.stat().st_size:
                    at = seen[path][1]
                f.seek(at)
                whole = f.read().rpartition(b"\n")[0]
        except FileNotFoundError:  # Snakemake removes the log of a job that begins
            continue
        seen[path] = number, at + len(whole) + bool(whole)
        found += whole.decode("utf-8", errors="replace").splitlines()
    return found
