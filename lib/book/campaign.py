"""Runs of record, one after the other, from a list: ``make campaign LIST=records.yaml HOURS=8``.

The list is YAML, ``rows``, each with a ``study``, a ``preset`` whose file holds every parameter that is not the study's
default, and, where a row waits for others, ``needs``, their names, as "records/mediation"; ``judges`` names claims that
no row above it judges.  Every row goes through the graph of ``make run``: what is missing is trained, in one process a
core, then the study is executed, then the run is copied to ``build/campaign/recorded``, to be committed elsewhere, for
a record in this tree would make it dirty.
At the time limit the build is killed, as anybody may kill it: what is finished stays, and a training goes on from its
last checkpoint, a minute old at most.
"""

import csv
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from lib import claims, records, study
from lib.book import cost, jobs, runs
from lib.encoders.units import AnyUnit
from lib.study import Run

FOLDER = Path("build/campaign")
RECORDED, ENCODERS = FOLDER / "recorded", FOLDER / "encoders.csv"
MOST_HOURS = 1000
FIELDS = {"study", "preset", "needs", "judges"}


@dataclass(frozen=True)
class Row:
    """A run of the list, the names of the rows that must be recorded first, and claims that no row above judges."""

    preset: str
    run: Run
    needs: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.preset}/{self.run.study}"

    @property
    def recorded(self) -> bool:
        """Whether the run of the present code was recorded."""
        return (RECORDED / self.run.study / self.run.id / "provenance.json").exists()

    @property
    def lacking(self) -> list[AnyUnit]:
        """The units that are still to be trained."""
        return [] if self.run.done else [unit for unit in self.run.own if not unit.done]

    @property
    def state(self) -> str:
        """What was done last."""
        return "recorded" if self.recorded else "executed" if self.run.done else "open"


def rows(path: Path) -> list[Row]:
    """The rows of a list, in order.  ValueError: one that cannot be run, or stands there twice, or an unknown need."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        raise ValueError(f"LIST={str(path)!r} does not exist; give a file such as records.yaml") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: a mapping with a list 'rows' is expected ({type(error).__name__})") from None
    found: list[Row] = []
    for number, entry in enumerate(entries or (), 1):
        where = f"{path}, row {number}"
        if not isinstance(entry, dict) or not {"study", "preset"} <= set(entry) <= FIELDS:
            raise ValueError(f"{where}: {entry!r}; write study, preset and, if need be, needs and judges")
        try:
            values = study.complete(entry["study"], study.preset(entry["study"], entry["preset"]))
        except study.ParameterError as error:
            raise ValueError(f"{where}: {error}") from None
        needs, judges = (tuple(entry.get(name, ())) for name in ("needs", "judges"))
        row = Row(entry["preset"], Run(entry["study"], values), needs, judges)
        above = [other.name for other in found]
        own = [claim.id for claim in claims.of(row.run.study)]
        if unknown := [claim for claim in judges if claim not in own]:
            raise ValueError(f"{where}: judges {unknown[0]!r}, which is no claim of {row.run.study}: {', '.join(own)}")
        if row.name in above:
            raise ValueError(f"{where}: {row.name} stands there twice")
        if unknown := [name for name in row.needs if name not in above]:
            raise ValueError(f"{where}: needs {unknown[0]!r}, which is none of the rows above it: {', '.join(above)}")
        found.append(row)
    return found


def command_campaign(options) -> int:
    """Work through a list for so many hours; without HOURS say what is done.  1 where a row failed.

    ValueError: a tree with uncommitted changes, from which nothing can be recorded.
    """
    listed = rows(Path(options.list or "records.yaml"))
    if not options.hours:
        return show(listed)
    end = time.time() + 3600 * _hours(options.hours)
    tree = records.git_state()
    if tree["dirty"] or not tree["commit"]:
        raise ValueError(
            "a campaign runs in a clone without uncommitted changes, so that its records name the code that made them; "
            "commit them here, or make one: git clone . ../records"
        )
    failed = []
    for row in listed:
        if row.recorded:
            continue
        if missing := [other.name for other in listed if other.name in row.needs and not other.recorded]:
            print(f"{row.name}: waits for {', '.join(missing)}", flush=True)
            continue
        status = _execute(row, end - time.time())
        if status is None:
            print(f"{row.name}: stopped at the time limit; the same command goes on", flush=True)
            break
        if status:
            print(f"error: {row.name} failed; the reason stands above", file=sys.stderr, flush=True)
            failed.append(row)
        else:
            print(f"{row.name}: {runs.record(row.run.folder, RECORDED)}", flush=True)
    show(listed)
    return int(bool(failed))


def show(listed: list[Row]) -> int:
    """Print what is done of every row and what is left, and write which encoders there are to ``ENCODERS``."""
    workers, lines, every, left = cost.cores(), [], {}, {}
    print(f"{'row':42} {'encoders':>10} {'state':>9} {f'hours, {workers} cores':>14} {'hours, GPU':>11}")
    for row in listed:
        units, lacking = ({unit.name: unit for unit in part} for part in (row.run.units, row.lacking))
        lines += [(row.name, name, "missing" if name in lacking else "done") for name in units]
        _line(row.name, row.state, units, lacking)
        every |= units
        left |= lacking
    _line("all, each encoder once", "", every, left)
    with records.atomic(ENCODERS) as path, open(path, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("row", "encoder", "state"), *lines])
    print(f"hours are of training alone; encoders: {ENCODERS}; records: {RECORDED}")
    return 0


def _line(name: str, state: str, units: dict[str, AnyUnit], lacking: dict[str, AnyUnit]) -> None:
    total, left = (sum(len(unit.members) for unit in part.values()) for part in (units, lacking))
    wanted = jobs.together(list(lacking.values()))
    hours, on_gpu = (cost.estimate(wanted, cost.cores(), gpu)[0] / 3600 for gpu in (False, True))
    print(f"{name:42} {f'{total - left}/{total}':>10} {state:>9} {hours:14.1f} {on_gpu:11.2f}")


def _execute(row: Row, seconds: float) -> int | None:
    """Have the graph make the run within so many seconds: its exit status, None where they did not suffice."""
    if seconds <= 0:
        return None
    if row.run.done:
        return 0
    print(f"{row.name}: {cost.Work([row.run], jobs.together(row.lacking), site=False).described()}", flush=True)
    command = [sys.executable, "-m", "lib.book.make", "execute", row.run.study, json.dumps(row.run.values)]
    with subprocess.Popen(command) as graph:
        try:
            return graph.wait(seconds)
        except subprocess.TimeoutExpired:
            graph.kill()  # its jobs end with it
            return None


def _hours(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found <= MOST_HOURS:
        raise ValueError(f"HOURS={text!r}: write a number above 0, at most {MOST_HOURS}, as HOURS=8")
    return found
