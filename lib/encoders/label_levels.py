"""Train small nets on labels at further levels: ``python -m lib.encoders.label_levels UNITS.json``.

As ``lib.encoders.labels``; what is new is the loss of lemma 7 and the choice of images by the length of their gradient.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Generator, Tensor

from lib import images, records
from lib.encoders import label_stacks, labels, stacks, training
from lib.encoders.label_level_settings import LevelUnit
from lib.encoders.label_settings import SCORERS, Arm
from lib.encoders.label_stacks import Net, Nets
from lib.images.augment import view
from lib.losses.descent import optimise
from lib.strata import coresets, noisy_labels, point_sets

DRAWN = 256  # sets of points of an anchor and a step, where there are more


def set_net(task: labels.Task, arm: Arm, seed: int) -> Net:
    """A net of lemma 7's loss: its labels are right with probability ``arm.level``, its own loss is not used."""
    y = noisy_labels.symmetric_noise(task.train.y, 1 - arm.level, 2, seed)
    return task.net("triplet", seed, y)


def train_sets(task: labels.Task, nets: list[Net], right: Tensor, points: int) -> Nets:
    """Train nets by ``point_sets.loss`` and the cross-entropy of the head, as ``label_stacks.train`` trains others.

    right: (E,) p of the correction, 1 for none.  All nets and anchors of a step see the same sets.
    """
    data, course, seeds = task.train, task.course, [net.seed for net in nets]
    pixels, recipe = data.x / 255, [stacks.Recipe(supervised=1, dim=course.features)]
    size = stacks.patches(pixels[:1]).shape[1:]
    layers = stacks.initial(seeds, size, course.width, course.hidden, recipe, len(data.classes))
    trained = Nets(layers, (float(pixels.mean()), float(pixels.std())))
    own, headed = (torch.stack(values) for values in zip(*((net.labels, net.headed) for net in nets), strict=True))
    adam = torch.optim.Adam([v.requires_grad_() for v in layers], lr=course.learning_rate, fused=True)
    schedule, draws = torch.optim.lr_scheduler.CosineAnnealingLR(adam, course.steps), Generator().manual_seed(seeds[0])

    def views(generator: Generator) -> list[Tensor]:
        return [trained.prepare(view(data.x, label_stacks.VIEWS, generator))]

    def each() -> Iterator[Tensor]:
        rows = [net.rows for net in nets]
        for x, taken in stacks.stack_batches(seeds, rows, course.batch, course.steps, len(data), views):
            h = stacks.outputs(layers, x)[:, 0]  # (E, N, d)
            logits = stacks.linear(h[:, None], layers[-1])[:, 0]
            seen = headed.gather(1, taken)
            called = logits.log_softmax(-1).gather(-1, data.y[taken][..., None])[..., 0]
            sets = point_sets.drawn(course.batch, points, DRAWN, draws)
            contrast = point_sets.loss(h, own.gather(1, taken), course.temperature, sets, right)
            yield contrast.sum() - ((called * seen).sum(-1) / seen.sum(-1).clamp(min=1)).sum()
            schedule.step()

    for _ in optimise(adam, each()):
        pass
    for layer in layers:
        layer.requires_grad_(False)
    return trained


def learn_sets(task: labels.Task, arms: tuple[Arm, ...], seeds: tuple[int, ...], points: int) -> dict[str, Tensor]:
    """Train the nets of lemma 7's loss."""
    nets = [set_net(task, arm, s) for arm in arms for s in seeds]
    right = [arm.level if arm.treatment == "weights" else 1.0 for arm in arms for _ in seeds]
    found = train_sets(task, nets, torch.tensor(right, dtype=torch.float64), points)
    return {"called": labels.called(found, task.held)}


def gradient_norms(found: Nets, x: Tensor, y: Tensor) -> Tensor:
    """Length of the gradient of the cross-entropy of each image after all weights, (E, n).

    x: (n, c, s, s) uint8; y: (n,) codes.
    """
    pixels = found.prepare(x)

    def loss(layers: tuple[Tensor, ...], patches: Tensor, code: Tensor) -> Tensor:
        layers = [layer[None] for layer in layers]
        h = stacks.outputs(layers, patches[None, None])
        return F.cross_entropy(stacks.linear(h, layers[-1])[0, 0], code[None])

    each = torch.func.vmap(torch.func.grad(loss), (None, 0, 0), chunk_size=256)

    def lengths(layers: tuple[Tensor, ...]) -> Tensor:
        parts = each(layers, pixels, y)
        return torch.stack([part.flatten(1).square().sum(1) for part in parts]).sum(0).sqrt()

    return torch.stack([lengths(tuple(layer[i] for layer in found.layers)) for i in range(len(found.layers[0]))])


def grand(task: labels.Task, seeds: tuple[int, ...]) -> Tensor:
    """GraNd scores (seeds, n): mean length of the gradient over nets trained for the first fifth of the steps.

    That is where EL2N is read (Paul et al. 2021 take an early epoch); the rate falls to 0 within that fifth here.
    """
    everything = torch.arange(len(task.train))
    nets = [task.pupil(s + 100 * i, everything) for s in seeds for i in range(SCORERS)]
    early = replace(task.course, steps=max(1, task.course.steps * (labels.EARLY + 1) // labels.CHECKS))
    found, _ = label_stacks.train(task.train, nets, early)
    return coresets.grand(gradient_norms(found, task.train.x, task.train.y).unflatten(0, (-1, SCORERS)))


def choose(task: labels.Task, arms: tuple[Arm, ...], seeds: tuple[int, ...]) -> dict[str, Tensor]:
    """Train a pupil on what GraNd keeps under each seed."""
    scores, n = grand(task, seeds), len(task.train)
    rows = [coresets.highest(scores[i], round(arm.level * n), s) for arm in arms for i, s in enumerate(seeds)]
    pupils = [task.pupil(seeds[i % len(seeds)], mine) for i, mine in enumerate(rows)]
    found, _ = label_stacks.train(task.train, pupils, task.course)
    return {"called": labels.called(found, task.held), "kept": torch.stack([label_stacks.mask(n, r) for r in rows])}


def learn(task: labels.Task, unit: LevelUnit) -> dict[str, Tensor]:
    """Train the nets of a unit; its tensors, (arms, seeds, n) each."""
    experiment, arms, seeds = unit.settings.experiment, unit.arms, unit.seeds
    if experiment == "two_classes":
        kept = learn_sets(task, arms, seeds, unit.settings.points)
    elif experiment == "coresets":
        kept = choose(task, arms, seeds)
    else:
        nets = [labels.NETS[experiment](task, arm, s) for arm in arms for s in seeds]
        kept = {"called": labels.called(label_stacks.train(task.train, nets, task.course)[0], task.held)}
    return {name: value.unflatten(0, (-1, len(seeds))).contiguous() for name, value in kept.items()}


def run(unit: LevelUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder, the record last; does nothing where the folder is whole.

    Kept in ``labels.safetensors``: called, held_y, and kept of "coresets", as of ``lib.encoders.labels.run``.
    """
    if unit.done:
        return
    start, task = time.time(), labels.task_of(unit.settings)
    kept = learn(task, unit)
    with records.atomic(unit.folder / "labels.safetensors") as path:
        save_file(kept | {"held_y": task.held.y}, path)
    digests = {"train": images.digest(task.train), "test": images.digest(task.held)}
    record = records.of_training(unit, [len(task.train)], digests, start, unit.packages)
    records.seal(unit.folder / "record.json", record | {"device": "CPU"})  # the nets are too small for another


main = partial(training.main, run=run, read=LevelUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
