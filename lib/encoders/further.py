"""What the trainings of further encoders of images share: a training of one objective, and the way of a unit."""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from lib import images
from lib.encoders import devices, pretrain, training
from lib.encoders.further_settings import FurtherUnit
from lib.encoders.settings import Settings
from lib.encoders.store import BALANCED
from lib.encoders.training import Conditions, Trained, batches, embed


class Objective(Protocol):
    """What is trained, a ``nn.Module``: an encoder with all that its loss needs and remembers.

    Called with uint8 images (N, c, h, w), their positions (N,) in the training set and a generator, it returns the
    loss.  ``begin`` is called with 0, 1, … before each epoch.
    """

    def __call__(self, x: Tensor, batch: Tensor, draws: Generator) -> Tensor: ...
    def begin(self, epoch: int) -> None: ...


def train(
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    s: Settings,
    data: images.Images,
    conditions: Conditions,
) -> list[float]:
    """Train the objective on the images; the mean loss of every epoch.  Errors as of ``training.fit``.

    Order and generator depend on the seed alone, and are those of ``pretrain.train``.  The optimiser's rate is set.
    """
    home, steps = conditions.home, training.steps_of(len(data), s.batch_size, "images")
    x = data.x.to(home.device)

    def loss(batch: Tensor, draws: Generator) -> Tensor:
        with home.autocast():
            return objective(x[batch], batch, draws)

    def losses(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        objective.begin(epoch)
        for i, positions in enumerate(batches(torch.arange(len(data)), s.batch_size, steps, order)):
            now, end = epoch * steps + i, s.epochs * steps
            optimiser.param_groups[0]["lr"] = pretrain.learning_rate(s, now, end, s.warmup_epochs * steps)
            yield loss(positions.to(home.device), draws)

    return training.fit(conditions, objective, optimiser, losses)


# of settings, images that are trained on and conditions: an encoder with ``features``, and the loss of every epoch
Train = Callable[[Settings, images.Images, Conditions], tuple[nn.Module, list[float]]]


def run(unit: FurtherUnit, save_seconds: float, train: Train) -> None:
    """Train every member of the unit and write its folder, as ``pretrain.run``; does nothing where it is whole."""
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place(unit.settings.precision)
    data, trained = {split: pretrain.images_of(s, split) for split in ("train", "test")}, []
    whole = data["train"]
    for number, name in enumerate(unit.members):
        kept = torch.arange(len(whole))
        if name != BALANCED:
            kept = images.undersample(whole.y, images.class_code(whole.classes, name), unit.ratio, unit.seed)
        encoder, history = train(s, whole.take(kept), training.followed(unit, number, home, save_seconds))
        features = {split: embed(encoder, d.x) for split, d in data.items()}
        trained.append(Trained(encoder, history, features, kept))
    digests = {split: images.digest(d) for split, d in data.items()}
    training.write(unit, trained, {split: d.y for split, d in data.items()}, digests, start)
