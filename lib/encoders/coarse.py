"""Train encoders on coarse labels: ``python -m lib.encoders.coarse UNITS.json``, one unit or several in a process.

A contrastive loss and the cross-entropy of a linear head see the same features: there is no projection head (Chen et
al. 2022, and their released code).
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import losses, records
from lib.encoders import devices, nets, training
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.training import Conditions
from lib.images import augment, coarse_labels
from lib.images.augment import Policy
from lib.images.strata import Strata

MOMENTUM = 0.9
CLAMP = 1.0  # the released code's upper bound of the positive logit
# The released code flips before and after the crop, which is one flip; on MNIST it has no grey, and flips digits.
POLICIES = augment.POLICIES | {
    "spread": Policy(scale=(0.2, 1.0)),
    "spread_mnist": Policy(scale=(0.2, 1.0), grey_p=0.0),
    "mnist": Policy(scale=(0.2, 1.0), flip=0.0, grey_p=0.0),
    "none": Policy(scale=(1.0, 1.0), flip=0.0, jitter_p=0.0, grey_p=0.0),
}
Draw = Callable[[Tensor, int, int, Generator], tuple[Tensor, ...]]


class CoarseEncoder(nn.Module):
    """A backbone and a linear head on its features; pixels are standardised by the training images' mean and std."""

    def __init__(self, s: CoarseSettings, data: Strata):
        super().__init__()
        channels = data.x.shape[1]
        self.net, dim = nets.of_square(s.net, channels, data.x.shape[-1], s.pretrained)
        self.head = nn.Linear(dim, len(data.classes))
        flat = data.x[~data.held_out].transpose(0, 1).flatten(1)  # (channels, pixels)
        mean, std = flat.float().mean(1) / 255, flat.float().std(1) / 255
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std.clamp(min=1e-6)[:, None, None])

    def features(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to the features (n, dim)."""
        return self.net(((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) in [0, 1] to the features (n, dim) and the head's logits (n, K)."""
        z = self.features(x)
        return z, self.head(z)


class Best(nn.Module):
    """The encoder of the epoch with the highest validation accuracy so far; part of a checkpoint."""

    def __init__(self, encoder: CoarseEncoder):
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("accuracy", torch.tensor(-1.0))

    def offer(self, encoder: CoarseEncoder, accuracy: float) -> None:
        """Keep the encoder where its accuracy is higher than that of the one kept."""
        if accuracy > float(self.accuracy):
            self.encoder.load_state_dict(encoder.state_dict())
            self.accuracy.fill_(accuracy)


def contrastive(s: CoarseSettings, z1: Tensor, z2: Tensor, y: Tensor) -> Tensor:
    """The contrastive loss that the settings name, of two views (N, dim) with labels (N,); see ``lib.losses``.

    "simclr" is "sup_con" with every image a class of its own.
    """
    options = {"one_view": s.one_view, "clamp": CLAMP if s.clamp else None}
    if s.loss == "spread":
        return losses.spread(z1, z2, y, s.temperature, s.alpha, **options)
    if s.loss == "attract":
        return losses.attract(z1, z2, y, s.temperature, **options)
    if s.loss == "simclr":
        y = torch.arange(len(y), device=y.device)
    return losses.sup_con(z1, z2, y, s.temperature, **options)


def rate_in(s: CoarseSettings, epoch: int) -> float:
    """The rate in epoch 0, 1, …: learning_rate (1 + cos(π epoch / period)) / 2, of period 2 x period in all."""
    return s.learning_rate * (0.5 * (1 + math.cos(math.pi * epoch / s.period)) if s.period else 1.0)


@dataclass(frozen=True)
class Changes:
    """What a training does otherwise.

    noisy: (n,) labels that the contrastive loss sees in place of data.y.
    labelled: (n,) bool, the images that the cross-entropy head sees; None: all.
    groups, robust: (n,) codes, and a module that maps the cross-entropy of single views (m,) and their groups (m,) to
    the scalar that is minimised, in place of the mean; its buffers are part of a checkpoint.
    draw: gives the batches of an epoch, as ``training.batches`` and with its arguments.
    correct: maps the first views' features (N, dim), without gradient, and the labels (N,) of a batch to the labels
    (N,) that the contrastive loss sees.
    watch: called after every epoch with its number, from 1, and the encoder as it stands (see ``predict``).
    """

    noisy: Tensor | None = None
    labelled: Tensor | None = None
    groups: Tensor | None = None
    robust: nn.Module | None = None
    draw: Draw = training.batches
    correct: Callable[[Tensor, Tensor], Tensor] | None = None
    watch: Callable[[int, CoarseEncoder], None] | None = None

    def to(self, place: torch.device) -> "Changes":
        """The same with its tensors and its module on a device."""
        moved = {name: getattr(self, name) for name in ("noisy", "labelled", "groups", "robust")}
        return replace(self, **{name: part.to(place) for name, part in moved.items() if part is not None})


def train(
    s: CoarseSettings, data: Strata, conditions: Conditions, changes: Changes = Changes()
) -> tuple[CoarseEncoder, list[float]]:
    """Train one encoder on the images that are not held out; start, order and augmentation depend on the seed alone.

    The loss of a batch is the contrastive loss of its two views and, where joint, the mean cross-entropy of both.

    Returns the encoder of the last epoch, or of the best one on the held-out images (settings.validation), and the
    mean loss of every epoch.  TrainingError: fewer images than a batch, or a loss that is not finite; CheckpointError:
    see ``checkpoints.load``.  ValueError: labels, groups or masks that are not one an image, groups without robust.
    """
    _check(data, noisy=changes.noisy, labelled=changes.labelled, groups=changes.groups)
    if (changes.groups is None) != (changes.robust is None):
        raise ValueError("groups and robust belong together: give both or neither")
    home, pool = conditions.home, (~data.held_out).nonzero()[:, 0]
    steps = training.steps_of(len(pool), s.batch_size, "images")
    torch.manual_seed(conditions.seed)
    encoder = training.on_device(CoarseEncoder(s, data), home)
    changes = changes.to(home.device)
    step, optimiser = _Step(s, data, changes, home), _optimiser(s, encoder)
    model, best = home.prepare(encoder), Best(encoder) if _chooses(s, data) else None

    def losses(epoch: int, order: Generator, draws: Generator) -> Iterator[Tensor]:
        training.seed_dropout(order, home)
        optimiser.param_groups[0]["lr"] = rate_in(s, epoch)
        for positions in changes.draw(pool, s.batch_size, steps, order):
            yield step(model, positions, draws)

    def after(epoch: int, _: float) -> None:
        if best:
            best.offer(encoder, accuracy(encoder, data.take(data.held_out)))
        if changes.watch:
            changes.watch(epoch + 1, encoder)

    whole = nn.ModuleList([part for part in (encoder, best, changes.robust) if part is not None])
    history = training.fit(conditions, whole, optimiser, losses, after)
    return best.encoder if best and history else encoder, history


def _optimiser(s: CoarseSettings, encoder: nn.Module) -> torch.optim.Optimizer:
    if s.optimiser == "sgd":
        return torch.optim.SGD(encoder.parameters(), s.learning_rate, MOMENTUM, weight_decay=s.weight_decay)
    return torch.optim.AdamW(encoder.parameters(), s.learning_rate, weight_decay=s.weight_decay)


class _Step:
    """The loss of one batch."""

    def __init__(self, s: CoarseSettings, data: Strata, changes: Changes, home: devices.Place):
        self.s, self.changes, self.home = s, changes, home
        self.x, self.y = data.x.to(home.device), data.y.to(home.device)

    def __call__(self, model: nn.Module, positions: Tensor, draws: Generator) -> Tensor:
        home = self.home
        batch = positions[home.process_index :: home.num_processes].to(home.device)
        views = augment.view(self.x[batch].repeat(2, 1, 1, 1), POLICIES[self.s.augment], draws)  # (2N, c, h, w)
        with home.autocast():
            z, logits = (t.float() for t in model(views))
        loss = z.sum() * 0 if self.s.joint else logits.sum() * 0  # so that every weight has a gradient
        if self.s.joint:
            loss = loss + self._cross_entropy(logits, batch)
        if self.s.loss != "cross_entropy":
            loss = loss + self._contrastive(z, batch)
        return loss

    def _contrastive(self, z: Tensor, batch: Tensor) -> Tensor:
        z1, z2 = (losses.gather(view) for view in z.chunk(2))
        y = losses.gather((self.y if self.changes.noisy is None else self.changes.noisy)[batch])
        if self.changes.correct:
            y = self.changes.correct(z1.detach(), y)
        return contrastive(self.s, z1, z2, y)

    def _cross_entropy(self, logits: Tensor, batch: Tensor) -> Tensor:
        each, c = F.cross_entropy(logits, self.y[batch].repeat(2), reduction="none"), self.changes  # (2N,)
        seen = torch.ones_like(batch, dtype=torch.bool) if c.labelled is None else c.labelled[batch]
        seen = seen.repeat(2)
        if c.robust is not None and seen.any():
            return c.robust(each[seen], c.groups[batch].repeat(2)[seen])
        return (each * seen).sum() / seen.sum().clamp(min=1)


def predict(encoder: CoarseEncoder, x: Tensor, batch: int = 1000) -> Tensor:
    """Logits of the head (n, K) float32 on the CPU for uint8 images, in evaluation mode, without augmentation."""
    was, place = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    with torch.no_grad():
        found = [encoder(part.to(place).float() / 255)[1].cpu() for part in x.split(batch)]
    encoder.train(was)
    return torch.cat(found)


def accuracy(encoder: CoarseEncoder, data: Strata) -> float:
    """Share of the images whose coarse label the head names; NaN without images."""
    return float((predict(encoder, data.x).argmax(1) == data.y).float().mean()) if len(data) else math.nan


def run(unit: CoarseUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder; does nothing where the folder is whole.

    A training that was killed goes on from its last checkpoint; they are ``save_seconds`` apart.
    """
    if unit.done:
        return
    start, s = time.time(), unit.settings
    data = {split: coarse_labels.load(s, split) for split in ("train", "test")}
    conditions = training.followed(unit, 0, devices.place(s.precision), save_seconds)
    write(unit, *train(s, data["train"], conditions), data, start)


def write(unit: CoarseUnit, encoder: CoarseEncoder, history: list[float], data: dict, start: float) -> None:
    """Write a unit's folder, the record last.  data: the splits "train" and "test"; start: of the training, seconds."""
    tensors = {f"{split}_stratum": d.stratum for split, d in data.items()}
    tensors |= {f"{split}_logits": predict(encoder, d.x) for split, d in data.items()}
    tensors["held_out"] = data["train"].held_out.to(torch.uint8)
    with records.atomic(unit.folder / "strata.safetensors") as path:
        save_file(tensors, path)
    features = {split: training.embed(encoder, d.x) for split, d in data.items()}
    seen = (~data["train"].held_out).nonzero()[:, 0]
    digests = {split: coarse_labels.digest(d) for split, d in data.items()}
    labels = {split: d.y for split, d in data.items()}
    training.write(unit, [training.Trained(encoder, history, features, seen)], labels, digests, start)


def read(unit: CoarseUnit, data: Strata) -> CoarseEncoder:
    """The trained encoder of a unit; data: its training split, which says how large the net is."""
    encoder = CoarseEncoder(unit.settings, data)
    training.read_weights(unit, encoder, "")
    return encoder.eval()


def _chooses(s: CoarseSettings, data: Strata) -> bool:
    return s.joint and bool(data.held_out.any())


def _check(data: Strata, **given: Tensor | None) -> None:
    for name, codes in given.items():
        if codes is not None and codes.shape != data.y.shape:
            raise ValueError(f"{name} of shape {tuple(codes.shape)}: one value an image, ({len(data)},), is expected")


main = partial(training.main, run=run, read=CoarseUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
