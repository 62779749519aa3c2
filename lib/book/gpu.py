"""Train the encoders of an undersampling study within a time limit and keep of each what the studies measure.

``python -m lib.book.gpu PARAMETERS.yaml --seconds 600 --out FOLDER``: whole rounds of one seed after the other, the
balanced encoder, one for each undersampled class, and the null.  The heads are solved on the CPU beside the training.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import save_file
from torch import Tensor

from lib import images, probe, records
from lib.encoders import devices, pretrain
from lib.encoders.settings import Settings, Unit
from lib.encoders.store import BALANCED
from lib.encoders.training import Conditions, embed, progress
from lib.studies.shared import outcomes
from lib.studies.shared.arms import NULL_SHIFT
from lib.studies.shared.evidence import SPLITS

SAMPLE = 20  # test images of each class whose features are kept
MARGIN = 1.05  # a round must fit into the time left, by the longest so far and this factor


def main(arguments: list[str] | None = None) -> int:
    """Train whole rounds until the time is used."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("parameters", type=Path, help="YAML: settings of the encoders, undersampled, ratio, seed")
    parser.add_argument("--seconds", type=float, required=True, help="from the start of this command")
    parser.add_argument("--out", type=Path, required=True, help="folder for encoders.safetensors")
    parser.add_argument("--rounds", type=int, default=100, help="at most")
    parser.add_argument(
        "--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="processes for the heads"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile the nets")
    options = parser.parse_args(arguments)
    start, given = time.time(), yaml.safe_load(options.parameters.read_text(encoding="utf-8"))
    settings = Settings(**{f.name: given[f.name] for f in fields(Settings) if f.name in given})
    treated = tuple(given["undersampled"].split(","))
    data = {split: pretrain.images_of(settings, split) for split in ("train", "test")}
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    pool = ProcessPoolExecutor(options.workers, get_context("spawn"), _on_the_cpu)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        kept = Kept(options.out / "encoders.safetensors", Path(folder), data, treated, given, pool)
        longest, r = 0.0, 0
        while r < options.rounds and time.time() - start + MARGIN * longest < options.seconds:
            began = time.time()
            for unit in of_round(settings, treated, given["ratio"], given["seed"] + r):
                kept.add(unit, *trained(unit, data, options.compile))
            kept.write()
            longest, r = max(longest, time.time() - began), r + 1
            print(f"round {r}: {time.time() - began:.0f} s, {time.time() - start:.0f} s in all", file=sys.stderr)
        kept.write(wait=max(1.0, options.seconds - (time.time() - start)))
    pool.shutdown(wait=False, cancel_futures=True)
    return 0


def of_round(settings: Settings, treated: tuple[str, ...], ratio: float, seed: int) -> list[Unit]:
    """The encoders of one seed: untrained, balanced, each class undersampled, and the null, a balanced one."""
    start = replace(settings, method="untrained", weighting="none")
    under = [Unit(settings, (name,), ratio, seed) for name in treated]
    control = [Unit(settings, (BALANCED,), 1.0, s) for s in (seed, seed + NULL_SHIFT)]
    return [Unit(start, (BALANCED,), 1.0, seed), control[0], *under, control[1]]


def trained(unit: Unit, data: dict[str, images.Images], compiled: bool = False) -> tuple[dict[str, Tensor], dict]:
    """Features (n, d) float32 of both splits, and the seconds, images and losses by epoch of the training."""
    start, whole = time.time(), data["train"]
    positions = _positions(unit, whole)
    home = devices.place(unit.settings.precision)
    conditions = Conditions(
        unit.seed,
        unit.settings.epochs,
        home,
        progress(f"{unit.members[0] or unit.settings.method} s{unit.seed}", unit.settings.epochs),
    )
    settings = replace(unit.settings, compile=compiled)
    encoder, history = pretrain.train(settings, whole.take(positions), conditions, len(whole))
    features = {split: embed(encoder, d.x) for split, d in data.items()}
    return features, {
        "seconds": round(time.time() - start, 2),
        "images": len(positions),
        "loss": history,
        "compiled": compiled,
    }


class Kept:
    """What is kept of the encoders trained so far, in one file that is whole after every round."""

    def __init__(self, path: Path, folder: Path, data: dict, treated: tuple[str, ...], given: dict, pool):
        self.path, self.folder, self.data, self.pool = path, folder, data, pool
        self.own = tuple(data["test"].classes.index(name) for name in treated)
        self.treated, self.given = treated, given
        self.units: list[tuple[dict, dict[str, Tensor]]] = []
        self.waiting: list[tuple[int, str, Future]] = []
        y = data["test"].y
        self.sample = torch.cat([(y == k).nonzero()[:SAMPLE, 0] for k in range(len(data["test"].classes))])
        for split, d in data.items():
            np.save(folder / f"y_{split}.npy", d.y.numpy())

    def add(self, unit: Unit, features: dict[str, Tensor], about: dict) -> None:
        """Keep an encoder's class means and sample, and begin its heads."""
        number, z = len(self.units), features["test"]
        for split, part in features.items():
            np.save(self.folder / f"z_{split}_{number}.npy", part.numpy())
        means, errors = moments(z, self.data["test"].y, len(self.data["test"].classes))
        tensors = {"means": means, "pair_errors": errors, "sample": z[self.sample].half()}
        self.units.append((json.loads(unit.to_json()) | about, tensors))
        rows = range(1 + len(self.own))
        if unit.members != (BALANCED,):
            rows = (0, 1 + self.treated.index(unit.members[0]))
        control = unit.settings.method == "untrained" or unit.seed >= self.given["seed"] + NULL_SHIFT
        for kind in ("paper",) if control else outcomes.KINDS:
            for split in (0,) if kind == "train" else SPLITS:
                for row in (0,) if control else rows:
                    cut = None
                    if kind == "train" and row:
                        name = self.treated[row - 1]
                        cut = _positions(replace(unit, members=(name,), ratio=self.given["ratio"]), self.data["train"])
                    task = (self.folder, number, kind, split, row, self.own, self.given["ratio"], cut)
                    self.waiting.append((number, f"{kind}.{split}.{row}", self.pool.submit(head, *task)))

    def write(self, wait: float = 0.0) -> None:
        """Write all encoders; ``wait``: for so many seconds, for heads that are not solved yet."""
        deadline, left = time.time() + wait, []
        for number, name, future in self.waiting:
            try:
                self.units[number][1][name] = future.result(timeout=max(0.0, deadline - time.time()))
            except TimeoutError:
                left.append((number, name, future))
        self.waiting = left
        digests = {split: images.digest(d) for split, d in self.data.items()}
        place = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
        header = {
            "units": [about for about, _ in self.units],
            "parameters": self.given,
            "data": digests,
            "device": place,
            "torch": torch.__version__,
            "commit": os.environ.get("COMMIT", ""),
            "heads_missing": [f"{number}.{name}" for number, name, _ in left],
        }
        flat = {
            f"{i}.{name}": t.contiguous() for i, (_, tensors) in enumerate(self.units) for name, t in tensors.items()
        }
        with records.atomic(self.path) as path:
            save_file(flat, path, {"about": json.dumps(header)})
        print(f"{len(self.units)} encoders kept, {len(left)} heads not solved yet", file=sys.stderr, flush=True)


def moments(z: Tensor, y: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Mean unit vectors of the classes (K, d), float64, and the standard error (K, K) of the mean cosine over pairs.

    The standard error is as the public code of Maity et al. (2024) has it, divisor n, of all pairs (x in i, y in j).
    """
    unit = F.normalize(z.double(), dim=1)
    groups = [unit[y == k] for k in range(num_classes)]
    means = torch.stack([g.mean(0) for g in groups])
    seconds = torch.stack([(g.T @ g / len(g)).flatten() for g in groups])  # mean (x·y)² = tr(S_i S_j)
    sizes = torch.tensor([len(g) for g in groups], dtype=torch.float64)
    variance = (seconds @ seconds.T - (means @ means.T).square()).clamp(min=0)
    return means, (variance / (sizes[:, None] * sizes)).sqrt()


def head(
    folder: Path, number: int, kind: str, split: int, row: int, own: tuple[int, ...], ratio: float, cut: Tensor | None
) -> Tensor:
    """Codes (scored,) uint8 of one head of one encoder; see ``outcomes.of`` for the kinds.

    row: 0 balanced labels, 1 + t without most of the t-th undersampled class; cut: of "train", the images that stay.
    """

    def read(name: str) -> Tensor:
        return torch.from_numpy(np.load(folder / f"{name}.npy"))

    z, y = read(f"z_test_{number}"), read("y_test")
    if kind == "train":
        x, labels, scored = read(f"z_train_{number}"), read("y_train"), torch.arange(len(y))
        mask = torch.ones(1, len(labels), dtype=torch.bool)
        if cut is not None:
            mask[:] = False
            mask[0, cut] = True
    else:
        x, (labels, masks, scored) = z, outcomes._split_tasks(y, own, ratio)[SPLITS.index(split)]
        mask = masks[row : row + 1]
    return probe.predict(x, labels, mask, z[scored], kind == "weighted").codes[0].to(torch.uint8)


def _positions(unit: Unit, whole: images.Images) -> Tensor:
    if unit.members == (BALANCED,):
        return torch.arange(len(whole))
    return images.undersample(whole.y, images.class_code(whole.classes, unit.members[0]), unit.ratio, unit.seed)


def _on_the_cpu() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
