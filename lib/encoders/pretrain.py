"""Train encoders: ``python -m lib.encoders.pretrain UNITS.json``, one unit or several in a process."""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Generator, Tensor, nn

from lib import images
from lib.encoders import devices, nets, training
from lib.encoders.methods import MethodLoss
from lib.encoders.settings import Settings, Unit
from lib.encoders.store import BALANCED
from lib.encoders.training import Conditions, Trained, TrainingError, batches, embed
from lib.images import augment

COMPILED = ("resnet18", "resnet34")
POINT = 1e-4  # below so much spread, 1 - |mean unit feature|², the features of a batch are one point


def images_of(settings: Settings, split: str) -> images.Images:
    """The images that the settings name; ``images_per_class`` cuts the training split alone."""
    data = images.load(settings.data, split)
    if settings.classes:
        data = data.only(settings.classes)
    if split == "train" and settings.images_per_class:
        data = data.first(settings.images_per_class)
    return data


def learning_rate(settings: Settings, step: int, steps: int, warmup: int = 0) -> float:
    """The rate at a step of ``steps``: linear up to ``learning_rate`` over ``warmup`` steps, then a cosine.

    The cosine goes to final_learning_rate; where squared, the rate is multiplied by learning_rate once more.
    """
    s = settings
    if step < warmup:
        rate = s.learning_rate * (step + 1) / warmup
    else:
        cosine = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
        rate = s.final_learning_rate + (s.learning_rate - s.final_learning_rate) * cosine
    return rate * s.learning_rate if s.squared_learning_rate else rate


class Encoder(nn.Module):
    """A backbone and its head: a projection head, SimSiam's with a predictor behind it, or a supervised classifier."""

    def __init__(self, settings: Settings, pixels: Tensor, num_classes: int):
        super().__init__()
        s, channels = settings, pixels.shape[1]
        self.net, dim = nets.backbone(s.net, channels, s.pretrained)
        self.feature, self.predictor = s.feature, nn.Identity()
        if s.method == "supervised":
            self.head = nn.Linear(dim, num_classes)
        else:
            siamese = s.method == "simsiam"
            self.head = nets.projection_head(dim, s.head_width, s.head_out, siamese or s.head_batchnorm, siamese)
        if s.method == "simsiam":
            self.predictor = nets.projection_head(s.head_out, s.head_out // 4, s.head_out, batchnorm=True)
        mean, std = torch.zeros(channels), torch.ones(channels)
        if s.normalise:
            flat = pixels.float().div(255).transpose(0, 1).flatten(1)
            mean, std = flat.mean(1), flat.std(1)
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])

    def backbone(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to the backbone's output (n, dim)."""
        return self.net(((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last))

    def features(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to the features z that are kept: the backbone's output, or the projection."""
        h = self.backbone(x)
        return h if self.feature == "backbone" else self.head(h)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, c, h, w) in [0, 1] to the backbone's output (n, dim), projections and predictions (n, out)."""
        h = self.backbone(x)
        z = self.head(h)
        return h, z, self.predictor(z)


def train(s: Settings, data: images.Images, conditions: Conditions, all_images: int = 0) -> tuple[Encoder, list[float]]:
    """Train one encoder on the images; the start, the order and the augmentation depend on the seed alone.

    all_images: size of the set with no class undersampled, for ``equal_steps``.
    Returns the encoder and the mean loss of every epoch.  TrainingError: fewer images than a batch, a batch that the
    processes cannot share evenly, a loss that is not finite, or features that have collapsed to a point;
    CheckpointError: see ``checkpoints.load``.
    """
    home, seed = conditions.home, conditions.seed
    if s.batch_size % home.num_processes:
        raise TrainingError(
            f"batch_size={s.batch_size} is no multiple of the {home.num_processes} processes; change it"
        )
    torch.manual_seed(seed)
    encoder = training.on_device(Encoder(s, data.x, len(data.classes)), home)
    if s.method == "untrained":
        return encoder, []
    pool = images.equal_shares(data.y) if s.weighting == "oversample" else torch.arange(len(data))
    steps = training.steps_of(len(pool), s.batch_size, "images")
    if s.equal_steps:
        steps = max(len(pool), all_images) // s.batch_size
    x, objective = data.x.to(home.device), MethodLoss(s, data.y, len(data.classes), seed).to(home.device)
    sgd = torch.optim.SGD(encoder.parameters(), 1.0, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov)
    model = home.prepare(torch.compile(encoder) if conditions.compiled else encoder)
    last = torch.empty(0)

    def losses(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        nonlocal last
        for i, positions in enumerate(batches(pool, s.batch_size, steps, order)):
            now, end = epoch * steps + i, s.epochs * steps
            sgd.param_groups[0]["lr"] = learning_rate(s, now, end, s.warmup_epochs * steps)
            batch = positions[home.process_index :: home.num_processes].to(home.device)
            policy, strength = augment.POLICIES[s.augment], objective.strength(batch)
            last, z, p = _forward(model, home, x[batch], strength, policy, draws)
            yield objective(z, p, batch)

    def after(epoch: int, loss: float) -> None:
        _refuse_a_point(last, epoch, loss)
        objective.end_epoch(epoch, lambda: embed(encoder, data.x))

    return encoder, training.fit(conditions, nn.ModuleList([encoder, objective]), sgd, losses, after)


def _forward(model: nn.Module, home: devices.Place, x: Tensor, strength: Tensor | None, policy, draws: Generator):
    """Two views of every image, through the model; uint8 images (N, c, h, w) in, float32 (2N, ·) out."""
    strength = None if strength is None else strength.repeat(2)
    views = augment.view(x.repeat(2, 1, 1, 1), policy, draws, strength)
    with home.autocast():
        return [t.float() for t in model(views)]


def _refuse_a_point(h: Tensor, epoch: int, loss: float) -> None:
    """TrainingError where the features (n, dim) of the epoch's last batch have collapsed."""
    spread = 1 - float(nn.functional.normalize(h.detach().double(), dim=1).mean(0).square().sum())
    if spread < POINT:
        raise TrainingError(
            f"the features have collapsed to a point in epoch {epoch + 1} (1 - mean cosine {spread:.1e}, "
            f"loss {loss:.3g}); lower learning_rate, or set head_batchnorm=True, and train again"
        )


def run(unit: Unit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole.

    A training that was killed goes on from its last checkpoint; they are ``save_seconds`` apart.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place(unit.settings.precision)
    data, trained = {split: images_of(s, split) for split in ("train", "test")}, []
    for number in range(len(unit.members)):
        conditions = training.followed(unit, number, home, save_seconds)
        trained.append(member(unit, number, data, replace(conditions, compiled=compiles(s, home))))
    digests = {split: images.digest(d) for split, d in data.items()}
    labels = {split: d.y for split, d in data.items()}
    training.write(unit, trained, labels, digests, start, compiled=compiles(s, home))


def member(unit: Unit, number: int, data: dict[str, images.Images], conditions: Conditions) -> Trained:
    """Train one member of the unit; data: the unit's images, the splits "train" and "test".  Errors as of ``train``."""
    whole, name = data["train"], unit.members[number]
    kept = torch.arange(len(whole))
    if name != BALANCED:
        kept = images.undersample(whole.y, images.class_code(whole.classes, name), unit.ratio, unit.seed)
    encoder, history = train(unit.settings, whole.take(kept), conditions, len(whole))
    return Trained(encoder, history, {split: embed(encoder, d.x) for split, d in data.items()}, kept)


def compiles(s: Settings, home: devices.Place) -> bool:
    """Whether the net is compiled there: a large one on a GPU, whose training pays back the time that it costs."""
    return home.device.type == "cuda" and s.net in COMPILED and s.method != "untrained"


main = partial(training.main, run=run, read=Unit.from_json, together=True)

if __name__ == "__main__":
    sys.exit(main())
