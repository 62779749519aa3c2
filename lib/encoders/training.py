"""What every training of an encoder shares: the loop, what is kept of it and where, its report, and its command."""

import argparse
import csv
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import records
from lib.encoders import checkpoints
from lib.encoders.batch_norm import across_processes
from lib.encoders.devices import OneCPU, Place
from lib.encoders.store import Stored
from lib.losses.descent import optimise

REPORT_SECONDS = 5
SAVE_SECONDS = 60  # between two checkpoints
Report = Callable[[int, float], None]  # called with the number of epochs done and the last mean loss
Losses = Callable[[int, Generator, Generator], Iterator[Tensor]]


class TrainingError(RuntimeError):
    """A training that cannot go on."""


@dataclass(frozen=True)
class Keeper:
    """Where a training is kept between epochs, under which name, and how many seconds apart."""

    path: Path
    owner: str
    seconds: float


@dataclass(frozen=True)
class Conditions:
    """How long a training goes on and from which seed, where it runs, who is told, what is kept of it, and whether the
    net is compiled, by torch.compile: its numbers are the same but for rounding.
    """

    seed: int
    epochs: int
    home: Place = field(default_factory=lambda: OneCPU("float32"))
    report: Report = lambda *_: None
    keeper: Keeper | None = None
    compiled: bool = False


def fit(
    conditions: Conditions,
    whole: nn.Module,
    optimiser: torch.optim.Optimizer,
    losses: Losses,
    after: Callable[[int, float], None] = lambda *_: None,
) -> list[float]:
    """Train for so many epochs, from the last checkpoint where there is one; the mean loss of every epoch.

    whole: all that is trained or remembered, as a checkpoint holds it.
    losses: given the epoch, 0, 1, …, and its two ``generators``, the loss of each step; see ``optimise``.
    after: called with epoch and mean loss after every epoch, before it is kept and reported.
    TrainingError: a loss that is not finite; CheckpointError: see ``checkpoints.load``.
    """
    home, keeper, saved = conditions.home, conditions.keeper, time.time()
    history = checkpoints.load(keeper.path, keeper.owner, whole, optimiser) if keeper else []
    for epoch in range(len(history), conditions.epochs):
        whole.train()
        draws = generators(conditions.seed, epoch, home.process_index, home.device)
        each = list(optimise(optimiser, losses(epoch, *draws), home.backward))
        history.append(float(torch.stack(each).double().mean()))
        if not math.isfinite(history[-1]):
            raise TrainingError(f"the loss is {history[-1]} in epoch {epoch + 1}; lower learning_rate and train again")
        after(epoch, history[-1])
        if keeper and home.process_index == 0 and time.time() - saved >= keeper.seconds:
            checkpoints.save(keeper.path, keeper.owner, history, whole, optimiser)
            saved = time.time()
        conditions.report(epoch + 1, history[-1])
    return history


def generators(seed: int, epoch: int, rank: int, place: torch.device) -> tuple[Generator, Generator]:
    """The draws of one epoch: the order of the images, the same in every process, and this process's augmentation.

    They depend on seed and epoch alone, so that a resumed training draws what it would have drawn.
    """

    def number(*words) -> int:
        return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:7])

    order = Generator().manual_seed(number("order", seed, epoch))
    return order, Generator(place).manual_seed(number("augmentation", seed, epoch, rank))


def seed_dropout(order: Generator, home: Place) -> None:
    """Draw what seeds the dropout of an epoch, another one in each process."""
    torch.manual_seed(int(torch.randint(2**62, (), generator=order)) + home.process_index)


def batches(pool: Tensor, size: int, steps: int, generator: Generator) -> tuple[Tensor, ...]:
    """``steps`` batches of ``size`` positions from the pool, each position once before any comes again."""
    rounds = math.ceil(steps * size / len(pool))
    order = torch.cat([pool[torch.randperm(len(pool), generator=generator)] for _ in range(rounds)])
    return order[: steps * size].split(size)


def steps_of(pool: int, size: int, what: str) -> int:
    """Whole batches in a pool; TrainingError where there is none."""
    if pool < size:
        raise TrainingError(f"batch_size={size} exceeds the {pool} training {what}; lower it")
    return pool // size


def on_device(net: nn.Module, home: Place) -> nn.Module:
    """A net of images on the device, its batch statistics shared where several processes train it."""
    net = net.to(home.device, memory_format=torch.channels_last)
    if home.num_processes == 1:
        return net
    return nn.SyncBatchNorm.convert_sync_batchnorm(net) if home.device.type == "cuda" else across_processes(net)


@torch.no_grad()
def embed(encoder: nn.Module, x: Tensor, batch: int = 1000) -> Tensor:
    """Features (n, dim) float32 on the CPU of uint8 images (n, c, h, w), in evaluation mode, without augmentation."""
    encoder.eval()
    place = next(encoder.parameters()).device
    return torch.cat([encoder.features(part.to(place).float() / 255).cpu() for part in x.split(batch)])


@dataclass(frozen=True)
class Trained:
    """One encoder of a unit: its mean loss of every epoch, features (n, d) of each split, and the positions kept (m,)
    of the training split that it was trained on.
    """

    encoder: nn.Module
    history: list[float]
    features: dict[str, Tensor]
    kept: Tensor


def write(unit: Stored, trained: list[Trained], labels: dict, digests: dict, start: float, **about) -> None:
    """Write a unit's folder, the record last.

    trained: one a member; labels, digests: (n,) codes and sha256 of the splits "train" and "test"; start: of the
    training, seconds; about: what else the record says.
    """
    if int(os.environ.get("RANK", 0)):  # of several processes the first writes
        return
    both = list(zip(unit.members, trained, strict=True))
    curves = [(member or "balanced", i + 1, f"{loss:.6g}") for member, t in both for i, loss in enumerate(t.history)]
    kept = {f"kept.{i}": t.kept for i, t in enumerate(trained)}
    weights = {
        f"{i}.{k}": v.cpu().contiguous() for i, t in enumerate(trained) for k, v in t.encoder.state_dict().items()
    }
    for split, more in (("test", {}), ("train", kept)):
        z = torch.stack([t.features[split] for t in trained])
        with records.atomic(unit.embeddings_path(split)) as path:
            save_file({"z": z, "y": labels[split], **more}, path)
    with records.atomic(unit.folder / "checkpoint.safetensors") as path:
        save_file(weights, path)
    with records.atomic(unit.folder / "loss.csv") as path, open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("undersampled", "epoch", "loss"), *curves])
    record = records.of_training(unit, [len(t.kept) for t in trained], digests, start, unit.packages)
    records.seal(unit.folder / "record.json", record | about)
    for path in unit.folder.glob("*.part.safetensors"):
        path.unlink()


def read_weights(unit: Stored, net: nn.Module, prefix: str, number: int = 0) -> None:
    """Put the weights of a trained unit's encoder, those under ``prefix``, into a net."""
    start = f"{number}.{prefix}"
    found = unit.read("checkpoint.safetensors")
    net.load_state_dict({k.removeprefix(start): v for k, v in found.items() if k.startswith(start)})


def followed(unit: Stored, number: int, home: Place, save_seconds: float) -> Conditions:
    """The conditions of a unit's member: reported on standard error, and kept in the unit's folder."""
    several = f": encoder {number + 1} of {len(unit.members)}"
    owner = unit.name + (several if len(unit.members) > 1 else "")
    keeper = Keeper(unit.folder / f"{number}.part.safetensors", owner, save_seconds)
    epochs = unit.settings.epochs
    return Conditions(unit.seed, epochs, home, progress(owner, epochs), keeper)


def progress(label: str, epochs: int) -> Report:
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


def main(
    arguments: list[str] | None = None, *, run: Callable, read: Callable[[str], Stored], together: bool = False
) -> int:
    """Train the units of a file, one after the other; one that fails does not stop the next.

    together: whether several processes can train an encoder together.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("units", type=Path, help="file with the JSON of one unit a line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-seconds", type=float, default=SAVE_SECONDS, help="between two checkpoints")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    records.end_with_build()
    try:
        units = [read(line) for line in options.units.read_text(encoding="utf-8").splitlines()]
        if units and not together and (count := int(os.environ.get("WORLD_SIZE", 1))) > 1:
            raise ValueError(f"{units[0].trainer} trains an encoder in one process, here are {count}; start it alone")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed, start, said = 0, time.time(), time.time()
    for done, unit in enumerate(units):
        if done and time.time() - said > REPORT_SECONDS:
            said = time.time()
            left = (said - start) / done * (len(units) - done)
            print(
                f"{done} of {len(units)} units of this job are trained, {left:.0f} s left", file=sys.stderr, flush=True
            )
        try:
            run(unit, options.save_seconds)
        except (TrainingError, checkpoints.CheckpointError, OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed = 1
    return failed
