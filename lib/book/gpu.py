"""What a borrowed GPU is used for: ``make gpu STUDY=x PRESET=gpu BUDGET=600``, which ends after so many seconds.

It checks the device, measures how fast it is, and trains the encoders that studies plan, in rounds of one seed.  Beside
the training, processes on the CPU take the measures that the studies take, and after every whole round they are written
as ``lib.encoders.recorded`` has them: ``make run … ENCODERS=folder`` reads them.  The packages that train suffice, with
scipy, pandas and PyYAML.
"""

import argparse
import functools
import itertools
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib import images, records, study
from lib.book import asked, card_checks, card_speed
from lib.encoders import devices, pretrain, recorded
from lib.encoders.settings import Settings, Unit
from lib.encoders.training import Conditions, Report, TrainingError, progress
from lib.studies.shared import outcomes
from lib.studies.shared.arms import ARMS, Arms
from lib.studies.shared.evidence import Embedded

OUT = Path("results/gpu")
CARD = "card.json"  # what was checked and measured of the device
PARTS = ("checks", "speed", "encoders")
SHARES = {"checks": 0.15, "speed": 0.3}  # of the time, after which no further check or measurement begins
MOST_SECONDS = 10**6
MARGIN = 1.05  # a round must fit into the time left, by the longest so far and this factor
Asks = dict[Unit, set[str]]


class TimeUsed(Exception):
    """The time that was given is over."""


@dataclass(frozen=True)
class Task:
    """A measure to take of a unit's member, whose features lie in the folder: its name, () or one of the classes of
    ``outcomes.own_of``, and the number of all classes.
    """

    folder: Path
    unit: Unit
    member: int
    name: str
    own: tuple[int, ...]
    classes: int


@dataclass
class Round:
    """Encoders of one seed, and what is known of them; pending: the tasks that are not done, with their results."""

    measures: recorded.Measures = field(default_factory=dict)
    pending: list[tuple[Task, AsyncResult]] = field(default_factory=list)
    parts: dict[tuple[Unit, int, str], dict[int, Tensor]] = field(default_factory=dict)
    trained: float = math.inf  # the time when its last encoder was

    def collect(self) -> bool:
        """Take up the results that are there; whether all are.  What a task raised is raised here."""
        for task, result in [pair for pair in self.pending if pair[1].ready()]:
            self.pending.remove((task, result))
            known = self.measures[task.unit][1][task.member]
            if task.own:
                parts = self.parts.setdefault((task.unit, task.member, task.name), {})
                parts[task.own[0]] = result.get()
                known[task.name] = outcomes.joined(parts, splits(task.unit.settings)["test"].y)
            else:
                known[task.name] = result.get()
        return not self.pending


def main(arguments: list[str] | None = None) -> int:
    """Check and measure the device, and train whole rounds of encoders, until the time is used."""
    start, env = time.time(), os.environ.get
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--study", default=env("STUDY", ""), help="one or several, separated by commas")
    parser.add_argument("--preset", default=env("PRESET") or "gpu")
    parser.add_argument("--parameters", default=env("P", ""), help='as "epochs=2 seeds=3"')
    parser.add_argument("--budget", default=env("BUDGET") or "600", help="seconds from the start of this command")
    parser.add_argument("--parts", default=env("PARTS") or ",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=Path(env("OUT") or OUT), help="folder of what is written")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="beside the training")
    options = parser.parse_args(arguments)
    try:
        budget, parts = _seconds(options.budget), _parts(options.parts)
        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # as the graph trains
        wanted = rounds(options.study, options.preset, options.parameters) if "encoders" in parts else []
        found = card(start, budget, parts)
        records.write_json(options.out / CARD, found)
        failed = [check["check"] for check in found["checks"] if not check["passed"]]
        if failed:
            raise RuntimeError(f"the device fails: {', '.join(failed)} (see {options.out / CARD}); nothing was trained")
        train(wanted, start + budget, options.out / recorded.FILE, options.workers)
    except (TrainingError, RuntimeError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def card(start: float, budget: float, parts: Iterable[str]) -> dict:
    """What is checked and measured of the device, as it is kept; lines that the time did not allow are left out."""
    found = {"checks": [], "speed": []}
    for part, lines in (("checks", card_checks.CHECKS), ("speed", card_speed.LINES)):
        for line in lines if part in parts else ():
            if time.time() - start > SHARES[part] * budget:
                print(f"{part}: no time for {line.__name__}", file=sys.stderr)
                continue
            found[part] += line()
            print(json.dumps(found[part][-1]), file=sys.stderr, flush=True)
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"device": place, "torch": torch.__version__, "git": git(), "seconds": round(time.time() - start, 1)} | found


def rounds(studies: str, preset: str, parameters: str) -> list[Asks]:
    """The encoders of the studies that no record has, in rounds: the first seed of every arm, the second, and so on.

    Each with the names of the measures that the studies take of it.  ValueError: a study that undersamples no class of
    images, or takes a measure that needs more than embeddings.
    """
    found: list[Asks] = []
    for name in filter(None, studies.split(",")):
        plan = study.Run(name, asked.read_values(name, preset, parameters)).plan
        parts = [plan] if isinstance(plan, Arms) else list(getattr(plan, "arms", {}).values())
        if not parts or not all(isinstance(part, Arms) for part in parts):
            raise ValueError(f"STUDY={name!r} undersamples no class of images; make gpu trains for those that do")
        for part in parts:
            for number, units in enumerate(itertools.zip_longest(*(getattr(part, arm) for arm in ARMS), fillvalue=())):
                found += [{}] if number == len(found) else []
                for arm, unit in ((a, unit) for a, seed in zip(ARMS, units, strict=True) for unit in seed):
                    if not recorded.of(unit, part.measures[arm]):
                        found[number].setdefault(unit, set()).update(part.measures[arm])
    if not found:
        raise ValueError(f"STUDY={studies!r} names no study; write for instance STUDY=cifar10_undersampling,mediation")
    for unit, names in (pair for one in found for pair in one.items()):
        for name in names:
            outcomes.own_of(name, unit.members[0], classes_of(unit))
    return found


def train(wanted: list[Asks], end: float, path: Path, workers: int) -> None:
    """Train the rounds until the time ``end`` and write those that are whole, beside what the file holds already.

    A round is begun where the longest so far, with the measures that follow it, would end in time.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    kept, shared = recorded.read(path), "/dev/shm" if Path("/dev/shm").is_dir() else None
    longest, lag, open_ = 0.0, 0.0, []

    def write_whole() -> None:
        nonlocal lag
        while open_ and open_[0].collect():
            whole = open_.pop(0)
            lag = max(lag, time.time() - whole.trained)
            kept.update(whole.measures)
            recorded.write(path, kept)
            print(f"{len(kept)} encoders: {path} ({path.stat().st_size / 2**20:.1f} MiB)", file=sys.stderr)

    with tempfile.TemporaryDirectory(dir=shared) as name, get_context("spawn").Pool(workers, _on_the_cpu) as pool:
        for number, asks in enumerate(wanted, 1):
            todo = {u: names for u, names in asks.items() if not _has(kept, u, names)}
            began, one = time.time(), Round()
            if not todo or began + MARGIN * (longest + lag) > end:
                continue
            try:
                for i, (unit, names) in enumerate(todo.items()):
                    one.measures[unit], tasks = trained(unit, names, Path(name) / f"{number}-{i}", end)
                    one.pending += [(task, pool.apply_async(measured, (task,))) for task in tasks]
                    write_whole()
            except TimeUsed:
                break
            one.trained = time.time()
            longest = max(longest, one.trained - began)
            open_.append(one)
            print(f"round {number}: {longest:.0f} s at most, {end - one.trained:.0f} s left", file=sys.stderr)
        while open_ and time.time() < end:
            write_whole()
            time.sleep(0.05)
    if open_:
        print(f"{len(open_)} round(s) left out: their heads were not solved in time", file=sys.stderr)


def trained(unit: Unit, names: set[str], folder: Path, end: float) -> tuple[tuple[dict, list[dict]], list[Task]]:
    """Train a unit: its record with each member's measures that are known at once, and the tasks that take the others.

    Its features lie in the folder from then on.  TimeUsed: the time ``end`` came before.
    """
    start, home, s = time.time(), devices.place(unit.settings.precision), unit.settings
    compiled, tasks, members, sizes = pretrain.compiles(s, home), [], [], []
    folder.mkdir()
    for number, member in enumerate(unit.members):
        report = _until(end, progress(f"{member or s.method}, seed {unit.seed}", s.epochs))
        conditions = Conditions(unit.seed, s.epochs, home, report, compiled=compiled)
        made = pretrain.member(unit, number, splits(s), conditions)
        for split, z in made.features.items():
            save_file({"z": z.contiguous(), "y": splits(s)[split].y}, folder / f"{split}-{number}.safetensors")
        losses = torch.tensor([float(f"{loss:.6g}") for loss in made.history], dtype=torch.float64)  # as in loss.csv
        members.append({"loss": losses} if made.history else {})
        sizes.append(len(made.kept))
        for name in sorted(names - {"loss"}, key=lambda name: not name.startswith("train")):  # the longest first
            own, classes = outcomes.own_of(name, member, classes_of(unit)), len(classes_of(unit))
            tasks += [Task(folder, unit, number, name, part, classes) for part in [(k,) for k in own] or [()]]
    record = records.of_training(unit, sizes, _digests(_of_images(s)), start, unit.packages)
    return (record | {"git": git(), "compiled": compiled}, members), tasks


def measured(task: Task) -> Tensor:
    """Take a measure from the features that lie in the folder."""

    def load(split: str) -> tuple[Tensor, Tensor]:
        found = load_file(task.folder / f"{split}-{task.member}.safetensors")
        return found["z"], found["y"]

    encoder = Embedded(load, unit=task.unit, member=task.member)
    return outcomes.take(encoder, task.name, load("test")[1], task.classes, task.own)


def _until(end: float, report: Report) -> Report:
    def checked(epoch: int, loss: float) -> None:
        report(epoch, loss)
        if time.time() > end:
            raise TimeUsed

    return checked


def _has(kept: recorded.Measures, unit: Unit, names: set[str]) -> bool:
    return unit in kept and all(names <= set(member) for member in kept[unit][1])


def classes_of(unit: Unit) -> tuple[str, ...]:
    """The names of the classes of a unit's images."""
    return splits(unit.settings)["test"].classes


def splits(s: Settings) -> dict[str, images.Images]:
    """The images of the settings, read once."""
    return _splits(_of_images(s))


def _of_images(s: Settings) -> Settings:
    """What of the settings the images depend on."""
    return Settings(data=s.data, classes=s.classes, images_per_class=s.images_per_class)


@functools.lru_cache(maxsize=8)
def _splits(s: Settings) -> dict[str, images.Images]:
    return {split: pretrain.images_of(s, split) for split in ("train", "test")}


@functools.lru_cache(maxsize=8)
def _digests(s: Settings) -> dict[str, str]:
    return {split: images.digest(d) for split, d in _splits(s).items()}


def git() -> dict:
    """The commit of the tree; where this is no checkout, the one that the variable COMMIT names."""
    state, given = records.git_state(), os.environ.get("COMMIT")
    return {"commit": given, "dirty": False} if given and not state["commit"] else state


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < MOST_SECONDS:
        raise ValueError(f"BUDGET={text!r}: write seconds above 0, below {MOST_SECONDS}, as BUDGET=600")
    return found


def _parts(text: str) -> list[str]:
    found = text.split(",")
    if wrong := [part for part in found if part not in PARTS]:
        raise ValueError(f"PARTS={text!r}: {wrong[0]!r} is unknown; there are {', '.join(PARTS)}")
    return found


def _on_the_cpu() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
