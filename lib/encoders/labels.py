"""Train small nets on labels that are wrong, few, or of chosen images: ``python -m lib.encoders.labels UNITS.json``.

One unit or several in a process; the nets of a unit are trained at once (``lib.encoders.label_stacks``).
"""

import sys
import time
from dataclasses import dataclass
from functools import partial

import torch
from safetensors.torch import save_file
from torch import Tensor

from lib import images, records
from lib.encoders import label_stacks, training
from lib.encoders.label_settings import ARMS, SCORERS, SUBSAMPLES, Arm, LabelSettings, LabelUnit
from lib.encoders.label_stacks import ALONE, Course, Net
from lib.images.sets import Images
from lib.strata import coresets, label_noise, noisy_labels

CHECKS = 10  # times at which the nets that score images are read
EARLY = 1  # the check that EL2N reads


@dataclass(frozen=True)
class Task:
    """The images of an experiment, of training and held out, and its settings."""

    settings: LabelSettings
    train: Images
    held: Images

    @property
    def course(self) -> Course:
        s = self.settings
        return Course(s.steps, s.batch_size, s.learning_rate, s.temperature)

    @property
    def nobody(self) -> Tensor:
        """(n,) labels of which there is none."""
        return torch.full((len(self.train),), ALONE)

    def net(self, loss: str, seed: int, labels: Tensor, **other) -> Net:
        """A net of the seed on all images; its head sees a share of the right labels, drawn by the seed."""
        n = len(self.train)
        headed = label_stacks.mask(n, label_stacks.some(n, round(self.settings.head * n), seed))
        return Net(loss, seed, torch.arange(n), labels, headed, self.settings.alpha, **other)

    def pupil(self, seed: int, rows: Tensor) -> Net:
        """A net of the seed that learns by cross-entropy alone, all labels of the images ``rows``."""
        return Net("cross_entropy", seed, rows, self.nobody, self.nobody == ALONE)


def task_of(settings: LabelSettings) -> Task:
    """The images of an experiment; those of "two_classes" are in the lower and the upper half of the classes."""
    parts = label_stacks.small_images(settings.data, settings.images_per_class)
    if settings.experiment == "two_classes":
        half = len(parts[0].classes) // 2
        parts = tuple(Images(part.x, (part.y >= half).long(), ("low", "high")) for part in parts)
    return Task(settings, *parts)


def noisy_net(task: Task, arm: Arm, seed: int) -> Net:
    """A net of "noise": its labels are wrong with probability ``arm.level``, and may be corrected batch by batch."""
    y = noisy_labels.symmetric_noise(task.train.y, arm.level, len(task.train.classes), seed)
    if arm.treatment == "none":
        return task.net(arm.loss, seed, y)
    return task.net(arm.loss, seed, y, corrected=arm.level, average=arm.treatment)


def triplet_net(task: Task, arm: Arm, seed: int) -> Net:
    """A net of "two_classes": its labels are right with probability ``arm.level``."""
    if arm.treatment == "alone":
        return task.net(arm.loss, seed, task.nobody)
    y = noisy_labels.symmetric_noise(task.train.y, 1 - arm.level, 2, seed)
    weights = {"weights": tuple(label_noise.debias_weights(arm.level))} if arm.treatment == "weights" else {}
    return task.net(arm.loss, seed, y, corrected=(1 - arm.level) * (arm.treatment == "geometric"), **weights)


def partly_net(task: Task, arm: Arm, seed: int) -> Net:
    """A net of "few_labels": a share of the images have a label, those of the head among them: both open one order."""
    n = len(task.train)
    labelled = label_stacks.mask(n, label_stacks.some(n, round(arm.level * n), seed))
    return task.net(arm.loss, seed, torch.where(labelled, task.train.y, ALONE))


NETS = {"noise": noisy_net, "two_classes": triplet_net, "few_labels": partly_net}


def counting_net(task: Task, seed: int, i: int) -> Net:
    """The i-th of the nine nets of a seed: L_spread on a subsample with all of its labels, few in the head."""
    own, n = 100 * (seed + 1) + i, len(task.train)
    seen = label_stacks.some(n, round(SUBSAMPLES[i // 3] * n), own)
    headed = seen[label_stacks.some(len(seen), round(task.settings.head * n), own)]
    return Net("spread", own, seen, task.train.y, label_stacks.mask(n, headed), task.settings.alpha)


def right_often(task: Task, seeds: tuple[int, ...]) -> Tensor:
    """How many of the nine nets of each seed call an image right, int64 (seeds, n)."""
    nets = [counting_net(task, s, i) for s in seeds for i in range(3 * len(SUBSAMPLES))]
    logits = label_stacks.train(task.train, nets, task.course)[0].outputs(task.train.x)[1]
    return (logits.argmax(-1) == task.train.y).unflatten(0, (len(seeds), -1)).sum(1)


def scored(task: Task, seeds: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Nets that see all labels: forgetting events (seeds, n), EL2N (seeds, n), held-out codes that the first calls."""
    nets = [task.pupil(s + 100 * i, torch.arange(len(task.train))) for s in seeds for i in range(SCORERS)]
    checks = tuple(task.settings.steps * i // CHECKS for i in range(1, CHECKS + 1))
    found, seen = label_stacks.train(task.train, nets, task.course, checks=checks)
    seen = seen.unflatten(1, (-1, SCORERS))  # (checks, seeds, 3, n, K)
    right = (seen.argmax(-1) == task.train.y).permute(1, 2, 0, 3)  # (seeds, 3, checks, n)
    events = torch.stack([coresets.forgetting_events(part).sum(0) for part in right])
    errors = torch.stack([coresets.el2n(part, task.train.y) for part in seen[EARLY]])
    return events, errors, called(found, task.held)[::SCORERS]


def called(found: label_stacks.Nets, data: Images) -> Tensor:
    """The codes that the heads call, uint8 (nets, n)."""
    return found.outputs(data.x)[1].argmax(-1).to(torch.uint8)


def choose(task: Task, seeds: tuple[int, ...]) -> dict[str, Tensor]:
    """Train the nets of "coresets": those that choose, and then a pupil on what each method keeps under each seed."""
    counts, (events, errors, whole) = right_often(task, seeds), scored(task, seeds)
    n, y = len(task.train), task.train.y
    keepers = {
        "fullest buckets": lambda i, s, size: coresets.coreset(counts[i], y, size, s),
        "random": lambda i, s, size: label_stacks.some(n, size, s),
        "forgetting": lambda i, s, size: coresets.highest(events[i], size, s),
        "EL2N": lambda i, s, size: coresets.highest(errors[i], size, s),
    }
    rows = [keepers[a.treatment](i, s, round(a.level * n)) for a in ARMS["coresets"] for i, s in enumerate(seeds)]
    pupils = [task.pupil(seeds[i % len(seeds)], mine) for i, mine in enumerate(rows)]
    found, _ = label_stacks.train(task.train, pupils, task.course)
    kept = torch.stack([label_stacks.mask(n, mine) for mine in rows])
    return {
        "called": called(found, task.held).unflatten(0, (-1, len(seeds))),
        "kept": kept.unflatten(0, (-1, len(seeds))),
        "right_often": counts,
        "called_whole": whole,
    }


def learn(task: Task, seeds: tuple[int, ...]) -> dict[str, Tensor]:
    """Train the nets of an experiment that has one stage."""
    experiment = task.settings.experiment
    nets = [NETS[experiment](task, arm, s) for arm in ARMS[experiment] for s in seeds]
    found, _ = label_stacks.train(task.train, nets, task.course)
    kept = {"called": called(found, task.held)}
    if experiment != "few_labels":
        kept["features"] = found.outputs(task.train.x)[0]
    return {name: value.unflatten(0, (-1, len(seeds))) for name, value in kept.items()}


def run(unit: LabelUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder, the record last; does nothing where the folder is whole.

    Kept in ``labels.safetensors``: called, the codes of the held-out images by the head, (arms, seeds, n); held_y, the
    right ones; features of the training images, (arms, seeds, n, d), of "noise" and "two_classes".  Of "coresets":
    kept, (arms, seeds, n) bool; right_often, (seeds, n); called_whole, (seeds, n), of nets that saw all images.
    The training takes minutes at most and keeps nothing on the way: ``save_seconds`` has no effect.
    """
    if unit.done:
        return
    start, task = time.time(), task_of(unit.settings)
    kept = (choose if unit.settings.experiment == "coresets" else learn)(task, unit.seeds)
    with records.atomic(unit.folder / "labels.safetensors") as path:
        save_file({name: value.contiguous() for name, value in kept.items()} | {"held_y": task.held.y}, path)
    digests = {"train": images.digest(task.train), "test": images.digest(task.held)}
    record = records.of_training(unit, [len(task.train)], digests, start, unit.packages)
    records.seal(unit.folder / "record.json", record | {"device": "CPU"})  # the nets are too small for another


main = partial(training.main, run=run, read=LabelUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
