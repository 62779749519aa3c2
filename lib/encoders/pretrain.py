"""Train encoders: ``python -m lib.encoders.pretrain UNITS.json``, one unit or several in a process."""

import argparse
import csv
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn

from lib import images, records
from lib.encoders import checkpoints, devices, nets
from lib.encoders.methods import Objective
from lib.encoders.settings import PACKAGES, Settings, Unit
from lib.encoders.store import BALANCED, Stored
from lib.images import augment

REPORT_SECONDS = 5
SAVE_SECONDS = 60  # between two checkpoints
POINT = 1e-4  # below so much spread, 1 - |mean unit feature|², the features of a batch are one point


class TrainingError(RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Keeper:
    """Where a training is kept between epochs, under which name, and how many seconds apart."""

    path: Path
    owner: str
    seconds: float


def load(settings: Settings, split: str) -> images.Images:
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


def generators(seed: int, epoch: int, rank: int, place: torch.device) -> tuple[Generator, Generator]:
    """The draws of one epoch: the order of the images, the same in every process, and this process's augmentation.

    They depend on seed and epoch alone, so that a resumed training draws what it would have drawn.
    """

    def number(*words) -> int:
        return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:7])

    order = Generator().manual_seed(number("order", seed, epoch))
    return order, Generator(place).manual_seed(number("augmentation", seed, epoch, rank))


def batches(pool: Tensor, size: int, steps: int, generator: Generator) -> tuple[Tensor, ...]:
    """``steps`` batches of ``size`` positions from the pool, each position once before any comes again."""
    rounds = math.ceil(steps * size / len(pool))
    order = torch.cat([pool[torch.randperm(len(pool), generator=generator)] for _ in range(rounds)])
    return order[: steps * size].split(size)


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


def train(
    settings: Settings,
    data: images.Images,
    seed: int,
    report: Callable[[int, float], None],
    keeper: Keeper | None = None,
    all_images: int = 0,
) -> tuple[Encoder, list[float]]:
    """Train one encoder on the images; the start, the order and the augmentation depend on ``seed`` alone.

    report: called with epoch and mean loss.  keeper: where the training is kept, and taken up again if it was killed.
    all_images: size of the set with no class undersampled, for ``equal_steps``.
    Returns the encoder and the mean loss of every epoch.  TrainingError: fewer images than a batch, a loss that is not
    finite, or features that have collapsed to a point; CheckpointError: see ``checkpoints.load``.
    """
    s, home = settings, devices.place(settings.precision)
    torch.manual_seed(seed)
    encoder = Encoder(s, data.x, len(data.classes)).to(home.device, memory_format=torch.channels_last)
    if s.method == "untrained":
        return encoder, []
    pool = images.equal_shares(data.y) if s.weighting == "oversample" else torch.arange(len(data))
    steps = (max(len(pool), all_images) if s.equal_steps else len(pool)) // s.batch_size
    if steps == 0 or len(pool) < s.batch_size:
        raise TrainingError(f"batch_size={s.batch_size} exceeds the {len(data)} training images; lower it")
    if home.num_processes > 1 and home.device.type == "cuda":
        encoder = nn.SyncBatchNorm.convert_sync_batchnorm(encoder)
    x, objective = data.x.to(home.device), Objective(s, data.y, len(data.classes), seed).to(home.device)
    sgd = torch.optim.SGD(encoder.parameters(), 1.0, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov)
    model, whole = home.prepare(torch.compile(encoder) if s.compile else encoder), nn.ModuleList([encoder, objective])
    history, saved = checkpoints.load(keeper.path, keeper.owner, whole, sgd) if keeper else [], time.time()
    for epoch in range(len(history), s.epochs):
        order, draws = generators(seed, epoch, home.process_index, home.device)
        encoder.train()
        total = torch.zeros((), device=home.device)
        for i, positions in enumerate(batches(pool, s.batch_size, steps, order)):
            now, end = epoch * steps + i, s.epochs * steps
            sgd.param_groups[0]["lr"] = learning_rate(s, now, end, s.warmup_epochs * steps)
            batch = positions[home.process_index :: home.num_processes].to(home.device)
            h, z, p = _forward(model, home, x[batch], objective.strength(batch), augment.POLICIES[s.augment], draws)
            loss = objective(z, p, batch)
            sgd.zero_grad(set_to_none=True)
            home.backward(loss)
            sgd.step()
            total += loss.detach()
        history.append(float(total) / steps)
        _refuse(history, h)
        objective.end_epoch(epoch, lambda: embed(encoder, data.x))
        if keeper and home.process_index == 0 and time.time() - saved >= keeper.seconds:
            checkpoints.save(keeper.path, keeper.owner, history, whole, sgd)
            saved = time.time()
        report(epoch + 1, history[-1])
    return encoder, history


def _forward(model: nn.Module, home: devices.Place, x: Tensor, strength: Tensor | None, policy, draws: Generator):
    """Two views of every image, through the model; uint8 images (N, c, h, w) in, float32 (2N, ·) out."""
    strength = None if strength is None else strength.repeat(2)
    views = augment.view(x.repeat(2, 1, 1, 1), policy, draws, strength)
    with home.autocast():
        return [t.float() for t in model(views)]


def _refuse(history: list[float], h: Tensor) -> None:
    """TrainingError where the training has failed; h: (n, dim) features of the epoch's last batch."""
    epoch, loss = len(history), history[-1]
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} in epoch {epoch}; lower learning_rate and train again")
    spread = 1 - float(nn.functional.normalize(h.detach().double(), dim=1).mean(0).square().sum())
    if spread < POINT:
        raise TrainingError(
            f"the features have collapsed to a point in epoch {epoch} (1 - mean cosine {spread:.1e}, loss {loss:.3g}); "
            "lower learning_rate, or set head_batchnorm=True, and train again"
        )


@torch.no_grad()
def embed(encoder: Encoder, x: Tensor, batch: int = 1000) -> Tensor:
    """Features (n, dim) float32 on the CPU of uint8 images (n, c, h, w), in evaluation mode, without augmentation."""
    encoder.eval()
    place = next(encoder.parameters()).device
    return torch.cat([encoder.features(part.to(place).float() / 255).cpu() for part in x.split(batch)])


@dataclass(frozen=True)
class Trained:
    """One encoder of a unit: its member, mean loss of every epoch, features (n, d) of each split, training samples."""

    member: str
    encoder: nn.Module
    history: list[float]
    features: dict[str, Tensor]
    samples: int


def run(unit: Unit, save_seconds: float = SAVE_SECONDS) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole.

    A training that was killed goes on from its last checkpoint; they are ``save_seconds`` apart.
    """
    if unit.done:
        return
    start, s = time.time(), unit.settings
    data, trained = {split: load(s, split) for split in ("train", "test")}, []
    for number, member in enumerate(unit.members):
        part = data["train"]
        if member != BALANCED:
            part = part.take(images.undersample(part.y, images.class_code(part.classes, member), unit.ratio, unit.seed))
        label = f"{unit.name}: encoder {number + 1} of {len(unit.members)}"
        keeper = Keeper(unit.folder / f"{number}.part.safetensors", f"{unit.name}, {label}", save_seconds)
        encoder, history = train(s, part, unit.seed, progress(label, s.epochs), keeper, len(data["train"]))
        features = {split: embed(encoder, d.x) for split, d in data.items()}
        trained.append(Trained(member, encoder, history, features, len(part)))
    digests = {split: images.digest(d) for split, d in data.items()}
    write(unit, trained, {split: d.y for split, d in data.items()}, digests, start, PACKAGES)


def write(unit: Stored, trained: list[Trained], labels: dict, digests: dict, start: float, packages: tuple) -> None:
    """Write a unit's folder, the record last.

    labels, digests: (n,) codes and sha256 of the splits "train" and "test"; start: of the training, seconds.
    """
    if int(os.environ.get("RANK", 0)):  # of several processes the first writes
        return
    weights = {
        f"{i}.{k}": v.cpu().contiguous() for i, t in enumerate(trained) for k, v in t.encoder.state_dict().items()
    }
    curves = [(t.member or "balanced", i + 1, f"{loss:.6g}") for t in trained for i, loss in enumerate(t.history)]
    for prefix, split in (("", "test"), ("train_", "train")):
        with records.atomic(unit.folder / f"{prefix}embeddings.safetensors") as path:
            save_file({"z": torch.stack([t.features[split] for t in trained]), "y": labels[split]}, path)
    with records.atomic(unit.folder / "checkpoint.safetensors") as path:
        save_file(weights, path)
    with records.atomic(unit.folder / "loss.csv") as path, open(path, "w", newline="") as f:
        csv.writer(f).writerows([("undersampled", "epoch", "loss"), *curves])
    record = {
        "unit": asdict(unit),
        "samples": [t.samples for t in trained],
        "data_sha256": digests,
        "git": records.git_state(),
        **records.machine(packages),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", 1)),
        "seconds": round(time.time() - start, 1),
        "peak_memory_mib": records.peak_memory_mib(),
    }
    records.write_json(unit.folder / "record.json", record)
    for path in unit.folder.glob("*.part.safetensors"):
        path.unlink()


def read_weights(folder: Path, net: nn.Module, prefix: str, number: int = 0) -> None:
    """Put the weights of a trained unit's encoder, those under ``prefix``, into a net."""
    start = f"{number}.{prefix}"
    found = load_file(folder / "checkpoint.safetensors")
    net.load_state_dict({k.removeprefix(start): v for k, v in found.items() if k.startswith(start)})


def progress(label: str, epochs: int) -> Callable[[int, float], None]:
    """A report of a training's epochs on standard error, every few seconds and at the end."""
    start, last = time.time(), [0.0]

    def report(epoch: int, loss: float) -> None:
        now = time.time()
        if int(os.environ.get("RANK", 0)):  # of several processes the first speaks
            return
        if now - last[0] > REPORT_SECONDS or epoch == epochs:
            last[0], left = now, (now - start) / epoch * (epochs - epoch)
            print(f"{label}, epoch {epoch}/{epochs}, loss {loss:.3f}, {left:.0f} s left", file=sys.stderr, flush=True)

    return report


def main(arguments: list[str] | None = None, run: Callable = run, read: Callable = Unit.from_json) -> int:
    """Train the units of a file, one after the other; one that fails does not stop the next."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("units", type=Path, help="file with the JSON of one unit a line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-seconds", type=float, default=SAVE_SECONDS, help="between two checkpoints")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    records.end_with_build()
    try:
        units = [read(line) for line in options.units.read_text().splitlines()]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed = 0
    for unit in units:
        try:
            run(unit, options.save_seconds)
        except (images.DataError, TrainingError, checkpoints.CheckpointError, OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
