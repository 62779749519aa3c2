"""Which encoders share a process, and how many processes share an encoder.  No torch here."""

import os

from lib.book import cost, profiles
from lib.encoders.further_settings import FurtherUnit
from lib.encoders.settings import Unit
from lib.encoders.store import TOGETHER
from lib.encoders.units import AnyUnit

JOB_SECONDS = 40  # of training at most, in a job of several units
SUBMITTED_SECONDS = 600  # the same of a job that a cluster queues
MOST_UNITS = 100  # of a job: they are written on its command line, which holds 128 KiB
MOST_PROCESSES = 64


def together(wanted: list[AnyUnit], most: float = JOB_SECONDS) -> list[list[AnyUnit]]:
    """The units by the process that trains them: small nets on the same data together, every other unit alone.

    A unit that begins from another shares no process with it.  most: seconds of training in a job of several units.
    """
    found, filled = [], {}
    for unit in wanted:
        seconds = cost.estimate([[unit]], 1, False)[0] - cost.START_SECONDS
        kind = unit.trainer, unit.settings.data
        job, so_far = filled.get(kind, ([], most))
        if unit.settings.net not in TOGETHER or unit.settings.method == "pretrained":
            found.append([unit])
        elif so_far + seconds > most or len(job) == MOST_UNITS:
            found.append([unit])
            filled[kind] = found[-1], seconds
        else:
            job.append(unit)
            filled[kind] = job, so_far + seconds
    return found


def source(s: cost.AnySettings) -> str:
    """The data set, with its revision where it has one: "bios@" and a commit."""
    revision = getattr(s, "revision", "")
    return f"{s.data}@{revision}" if revision else s.data


def processes(units: list[AnyUnit]) -> int:
    """How many processes train each encoder of a job: PROCESSES, or else the GPUs of a job that asks for them, or one.

    A ``FurtherUnit`` is trained by one, whatever they are.

    ValueError: PROCESSES is no whole number from 1 to MOST_PROCESSES; more than one, and a batch that they cannot share
    evenly, or a trainer of one process.
    """
    name, text = "PROCESSES", os.environ.get("PROCESSES") or ""
    if not text:
        name, text = "GPUS", str(profiles.gpus() if cost.on_gpu(units) else 1)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_PROCESSES:
        raise ValueError(f"{name}={text[:20]!r}: write a whole number from 1 to {MOST_PROCESSES}, as {name}=2")
    count = 1 if isinstance(units[0], FurtherUnit) else int(text)
    for unit in units if count > 1 else ():
        if not isinstance(unit, Unit):
            raise ValueError(f"{name}={count}: {unit.trainer} trains an encoder in one process; leave {name} out")
        if unit.settings.batch_size % count:
            raise ValueError(
                f"{name}={count}: batch_size={unit.settings.batch_size} is no multiple; change one of them"
            )
    return count


def trainer(units: list[AnyUnit]) -> str:
    """The module that trains a job's units, as Python is told it: by torchrun where processes share an encoder."""
    count = processes(units)
    several = f"torch.distributed.run --standalone --nproc-per-node {count} -m " if count > 1 else ""
    return several + units[0].trainer
