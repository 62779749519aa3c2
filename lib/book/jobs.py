"""Which encoders share a process.  No torch here."""

from lib.book import cost
from lib.encoders.store import TOGETHER
from lib.encoders.units import AnyUnit

JOB_SECONDS = 40  # of training at most, in a job of several units
SUBMITTED_SECONDS = 600  # the same of a job that a cluster queues
MOST_UNITS = 100  # of a job: they are written on its command line, which holds 128 KiB


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
