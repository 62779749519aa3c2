"""Train encoders: one unit a process, ``python -m lib.pretrain UNIT.json``."""

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import augment, images, losses, nets, records
from lib.encoders import BALANCED, PACKAGES, Settings, Unit

CLAMP = 1e-7  # the public code's lower bound of a cosine
REPORT_SECONDS = 5


class TrainingError(RuntimeError):
    """A training that cannot go on."""


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(settings: Settings, split: str) -> images.Images:
    """The images that the settings name; ``images_per_class`` cuts the training split alone."""
    data = images.load(settings.data, split)
    if settings.classes:
        data = data.only(settings.classes)
    if split == "train" and settings.images_per_class:
        data = data.first(settings.images_per_class)
    return data


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """Cosine from learning_rate to final_learning_rate over the steps, multiplied once more where squared."""
    s = settings
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    rate = s.final_learning_rate + (s.learning_rate - s.final_learning_rate) * cosine
    return rate * s.learning_rate if s.squared_learning_rate else rate


class Encoder(nn.Module):
    """A backbone and its projection head; the feature z is the backbone's output, as in the paper."""

    def __init__(self, settings: Settings, pixels: Tensor):
        super().__init__()
        channels = pixels.shape[1]
        self.net, dim = nets.backbone(settings.net, channels, settings.pretrained)
        self.head = nets.projection_head(dim, settings.head_width, batchnorm=settings.head_batchnorm)
        mean, std = torch.zeros(channels), torch.ones(channels)
        if settings.normalise:
            flat = pixels.float().div(255).transpose(0, 1).flatten(1)
            mean, std = flat.mean(1), flat.std(1)
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])

    def features(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to features (n, dim)."""
        return self.net(((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in [0, 1] to projections (n, 128)."""
        return self.head(self.features(x))


def train(
    settings: Settings, data: images.Images, seed: int, report: Callable[[int, float], None]
) -> tuple[Encoder, list[float]]:
    """Train one encoder on the images; the start, the order and the augmentation depend on ``seed`` alone.

    Returns the encoder and the mean loss of every epoch.  TrainingError: fewer images than a batch, or a loss that is
    not finite.
    """
    s, place = settings, device()
    torch.manual_seed(seed)
    encoder = Encoder(s, data.x).to(place, memory_format=torch.channels_last)
    if s.method == "untrained":
        return encoder, []
    steps_per_epoch = len(data) // s.batch_size
    if steps_per_epoch == 0:
        raise TrainingError(f"batch_size={s.batch_size} exceeds the {len(data)} training images; lower it")
    x = data.x.to(place)
    order, draws = Generator().manual_seed(seed), Generator(place).manual_seed(seed)
    sgd = torch.optim.SGD(encoder.parameters(), 1.0, s.momentum, weight_decay=s.weight_decay, nesterov=True)
    policy, history = augment.POLICIES[s.augment], []
    for epoch in range(s.epochs):
        total = torch.zeros((), device=place)
        for i, batch in enumerate(torch.randperm(len(data), generator=order).split(s.batch_size)[:steps_per_epoch]):
            sgd.param_groups[0]["lr"] = learning_rate(s, epoch * steps_per_epoch + i, s.epochs * steps_per_epoch)
            views = augment.view(x[batch.to(place)].repeat(2, 1, 1, 1), policy, draws)
            with torch.autocast(place.type, torch.bfloat16, enabled=s.precision == "bfloat16"):
                z1, z2 = encoder(views).float().chunk(2)
            loss = losses.nt_xent(z1, z2, s.temperature, CLAMP if s.clamp else None)
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            total += loss.detach()
        history.append(float(total) / steps_per_epoch)
        if not math.isfinite(history[-1]):
            raise TrainingError(f"the loss is {history[-1]} in epoch {epoch + 1}; lower learning_rate and train again")
        report(epoch + 1, history[-1])
    return encoder, history


@torch.no_grad()
def embed(encoder: Encoder, x: Tensor, batch: int = 1000) -> Tensor:
    """Features (n, dim) float32 on the CPU of uint8 images (n, c, h, w), in evaluation mode, without augmentation."""
    encoder.eval()
    place = next(encoder.parameters()).device
    return torch.cat([encoder.features(part.to(place).float() / 255).cpu() for part in x.split(batch)])


def run(unit: Unit) -> None:
    """Train every member of the unit and write its folder; does nothing where the folder is whole."""
    if unit.done:
        return
    start, s = time.time(), unit.settings
    train_set, test_set = load(s, "train"), load(s, "test")
    features, weights, curves, kept = [], {}, [], []
    for number, member in enumerate(unit.members):
        part = train_set
        if member != BALANCED:
            part = part.take(images.undersample(part.y, images.class_code(part.classes, member), unit.ratio, unit.seed))
        label = f"{unit.name}: encoder {number + 1} of {len(unit.members)}"
        encoder, history = train(s, part, unit.seed, _progress(label, s.epochs))
        features.append(embed(encoder, test_set.x))
        weights |= {f"{number}.{name}": t.cpu().contiguous() for name, t in encoder.state_dict().items()}
        curves += [(member or "balanced", epoch + 1, f"{loss:.6g}") for epoch, loss in enumerate(history)]
        kept.append(len(part))
    with records.atomic(unit.folder / "embeddings.safetensors") as path:
        save_file({"z": torch.stack(features), "y": test_set.y}, path)
    with records.atomic(unit.folder / "checkpoint.safetensors") as path:
        save_file(weights, path)
    with records.atomic(unit.folder / "loss.csv") as path, open(path, "w", newline="") as f:
        csv.writer(f).writerows([("undersampled", "epoch", "loss"), *curves])
    place = device()
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    record = {
        "unit": asdict(unit),
        "images": kept,
        "data_sha256": {"train": images.digest(train_set), "test": images.digest(test_set)},
        "git": records.git_state(),
        **records.machine(PACKAGES),
        "device": name,
        "threads": torch.get_num_threads(),
        "seconds": round(time.time() - start, 1),
        "peak_memory_mib": records.peak_memory_mib(),
    }
    records.write_json(unit.folder / "record.json", record)


def _progress(label: str, epochs: int) -> Callable[[int, float], None]:
    start, last = time.time(), [0.0]

    def report(epoch: int, loss: float) -> None:
        now = time.time()
        if now - last[0] > REPORT_SECONDS or epoch == epochs:
            last[0], left = now, (now - start) / epoch * (epochs - epoch)
            print(f"{label}, epoch {epoch}/{epochs}, loss {loss:.3f}, {left:.0f} s left", file=sys.stderr, flush=True)

    return report


def main(arguments: list[str] | None = None) -> int:
    """Train the unit described by a JSON file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("unit", type=Path, help="file that describes the unit")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    records.end_with_build()
    try:
        run(Unit.from_json(options.unit.read_text()))
    except (images.DataError, TrainingError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
