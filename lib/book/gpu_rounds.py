"""Encoders trained in rounds of one seed, several at once, and their measures beside the training: ``make gpu``."""

import contextlib
import functools
import importlib
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path

import torch
from torch import Tensor

from lib import images, records
from lib.encoders import pretrain, recorded, store
from lib.encoders.settings import Settings, Unit
from lib.encoders.training import TrainingError
from lib.studies.shared import chosen, outcomes
from lib.studies.shared.evidence import Embedded, losses

MARGIN = 1.05  # a round must fit into the time left, by the longest so far and this factor
Asks = dict[Unit, set[str]]
OF_FILES = dict(zip(outcomes.BESIDE, (losses, chosen.looks), strict=True))


@dataclass(frozen=True)
class Task:
    """A measure to take of a unit's member: its name, () or one of the classes of ``outcomes.own_of``, and the number
    of all classes.
    """

    unit: Unit
    member: int
    name: str
    own: tuple[int, ...]
    classes: int


@dataclass
class Round:
    """Encoders of one seed and what is known of them: those to be trained, with the names of the measures that are
    asked for; those in training; the tasks that are not done, with their results.
    """

    todo: Asks
    began: float
    training: dict[Unit, tuple[set[str], Future]] = field(default_factory=dict)
    measures: recorded.Measures = field(default_factory=dict)
    pending: list[tuple[Task, Future]] = field(default_factory=list)
    parts: dict[tuple[Unit, int, str], dict[int, Tensor]] = field(default_factory=dict)
    trained: float = math.inf  # the time when its last encoder was
    failed: TrainingError | None = None

    def begin(self, free: int, trainers: ProcessPoolExecutor) -> int:
        """Begin so many trainings, or as many as there are; how many."""
        units = list(self.todo)[:free]
        for unit in units:
            self.training[unit] = self.todo.pop(unit), trainers.submit(_train, unit)
        return len(units)

    def collect(self, measurers: ProcessPoolExecutor) -> bool:
        """Take up what is there; whether nothing more will come.  What a measure raised is raised here."""
        for unit, (names, result) in [pair for pair in self.training.items() if pair[1][1].done()]:
            del self.training[unit]
            try:
                result.result()
            except TrainingError as error:
                self.failed, self.todo = error, {}
                continue
            self.measures[unit] = unit.record | {"git": git()}, [{} for _ in unit.members]
            self.pending += [(task, measurers.submit(measured, task)) for task in tasks(unit, names)]
            if not self.todo and not self.training:
                self.trained = time.time()
        for task, result in [pair for pair in self.pending if pair[1].done()]:
            self.pending.remove((task, result))
            known = self.measures[task.unit][1][task.member]
            if task.own:
                parts = self.parts.setdefault((task.unit, task.member, task.name), {})
                parts[task.own[0]] = result.result()
                known[task.name] = outcomes.joined(parts, splits(task.unit.settings)["test"].y)
            else:
                known[task.name] = result.result()
        return not (self.todo or self.training or self.pending)


def train(wanted: list[Asks], end: float, path: Path, workers: int, trainers: int = 1) -> None:
    """Train the rounds until the time ``end`` and write those that are whole, beside what the file holds already.

    workers: processes that take measures; trainers: processes that train, an encoder each, on the same device.
    A round is begun where the longest so far, with the measures that follow it, would end in time.
    TrainingError, at the end: of an encoder that could not be trained, whose round is left out.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    kept, failed = recorded.read(path), []
    rounds = [asks for asks in ({u: n for u, n in one.items() if not _has(kept, u, n)} for one in wanted) if asks]
    if not rounds:
        return
    longest, lag, open_ = 0.0, 0.0, []
    with _store() as folder, _pool(workers, _measures, folder) as measurers, _pool(trainers, _trains, folder) as pool:
        while (rounds or open_) and time.time() < end:
            free = trainers - sum(len(one.training) for one in open_)
            if rounds and free and not any(one.todo for one in open_):
                if time.time() + MARGIN * (longest + lag) > end:
                    rounds = []
                    continue
                open_.append(Round(rounds.pop(0), time.time()))
            for one in open_:
                free -= one.begin(free, pool)
                was = one.trained
                whole = one.collect(measurers)
                if was != one.trained:
                    longest = max(longest, one.trained - one.began)
                    print(f"a round: {longest:.0f} s at most, {end - one.trained:.0f} s left", file=sys.stderr)
                if not whole:
                    continue
                open_ = [other for other in open_ if other is not one]
                for unit in one.measures:
                    shutil.rmtree(unit.folder)
                if one.failed:
                    failed.append(one.failed)
                    continue
                lag = max(lag, time.time() - one.trained)
                kept.update(one.measures)
                recorded.write(path, kept)
                print(f"{len(kept)} encoders: {path} ({path.stat().st_size / 2**20:.1f} MiB)", file=sys.stderr)
            time.sleep(0.05)
    if open_:
        print(f"{len(open_)} round(s) left out: they were not whole in time", file=sys.stderr)
    if failed:
        raise TrainingError(f"{len(failed)} round(s) left out: {failed[0]}")


def tasks(unit: Unit, names: set[str]) -> list[Task]:
    """The tasks that take the measures of a trained unit, the longest first."""
    classes, found = classes_of(unit), []
    for name in sorted(names, key=lambda name: not name.startswith("train")):
        for number, member in enumerate(unit.members):
            parts = [(k,) for k in outcomes.own_of(name, member, classes)] or [()]
            found += [Task(unit, number, name, part, len(classes)) for part in parts]
    return found


def measured(task: Task) -> Tensor:
    """Take a measure of a unit that was trained."""
    unit, member = task.unit, task.member

    def load(split: str) -> tuple[Tensor, Tensor]:
        z, y = unit.embeddings(split)
        return z[member], y

    encoder = Embedded(load, unit=unit, member=member)
    if task.name in OF_FILES:
        OF_FILES[task.name](encoder)
        return encoder.known[task.name]
    return outcomes.take(encoder, task.name, unit.embeddings()[1], task.classes, task.own)


def _train(unit: Unit) -> None:
    importlib.import_module(unit.trainer).run(unit)


@contextlib.contextmanager
def _store() -> Iterator[Path]:
    """A folder, in memory where there is a place for it, in which units keep their files for a while."""
    shared, before = "/dev/shm" if Path("/dev/shm").is_dir() else None, store.STORE
    with tempfile.TemporaryDirectory(dir=shared) as name:
        store.STORE = Path(name)
        try:
            yield store.STORE
        finally:
            store.STORE = before


@contextlib.contextmanager
def _pool(count: int, begin: Callable[[Path], None], folder: Path) -> Iterator[ProcessPoolExecutor]:
    """So many processes, which are killed at the end, whatever they do; RuntimeError: one was killed before."""
    before = active_children()
    with ProcessPoolExecutor(count, get_context("spawn"), begin, (folder,)) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise RuntimeError(
                "a process beside this one was killed, by the system where memory is short; lower TRAINERS. "
                "Whole rounds are kept: the same command goes on"
            ) from None
        finally:
            for child in active_children():
                if child not in before:
                    child.kill()


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


def git() -> dict:
    """The commit of the tree; where this is no checkout, the one that the variable COMMIT names."""
    state, given = records.git_state(), os.environ.get("COMMIT")
    return {"commit": given, "dirty": False} if given and not state["commit"] else state


def _measures(folder: Path) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    store.STORE = folder


def _trains(folder: Path) -> None:
    torch.set_num_threads(1)
    store.STORE = folder
