"""What ``lib.book.gpu`` kept of encoders, as a run of record keeps it.

``python -m lib.book.from_gpu FILE... --out results/recorded/STUDY/NAME``: there the studies find the encoders.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from lib import harms, probe
from lib.encoders import pretrain, recorded
from lib.encoders.settings import Unit
from lib.encoders.store import BALANCED
from lib.studies.shared import outcomes
from lib.studies.shared.evidence import SPLITS


def main(arguments: list[str] | None = None) -> int:
    """Write the encoders of several files as one ``encoders.safetensors``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="of lib.book.gpu, of the same parameters but for the seed")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    options = parser.parse_args(arguments)
    found: recorded.Measures = {}
    for path in options.files:
        found |= measures(path)
    recorded.write(options.out / recorded.FILE, found)
    print(f"{len(found)} encoders: {options.out / recorded.FILE}")
    return 0


def measures(path: Path) -> recorded.Measures:
    """The record and the measures of every encoder of a file; ValueError where the heads of one are not all there."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if about["heads_missing"]:
        raise ValueError(
            f"{path}: {len(about['heads_missing'])} heads were not solved in time; train these seeds again"
        )
    found, given = {}, about["parameters"]
    for number, entry in enumerate(about["units"]):
        unit = Unit.from_json(json.dumps(entry))
        test = pretrain.images_of(unit.settings, "test")
        own = tuple(test.classes.index(name) for name in given["undersampled"].split(","))
        mine = {name.removeprefix(f"{number}."): t for name, t in tensors.items() if name.startswith(f"{number}.")}
        found[unit] = _record(about, entry), [_measures(unit, entry, mine, test.y, own, given["ratio"])]
    return found


def _record(about: dict, entry: dict) -> dict:
    return {
        "samples": [entry["images"]],
        "data_sha256": about["data"],
        "git": {"commit": about["commit"], "dirty": not about["commit"]},
        "packages": {"torch": about["torch"]},
        "device": about["device"],
        "threads": 1,
        "seconds": entry["seconds"],
        "peak_memory_mib": 0,
        "compiled": entry["compiled"],
    }


def _measures(unit: Unit, entry: dict, kept: dict[str, Tensor], y: Tensor, own: tuple[int, ...], ratio: float) -> dict:
    counts = torch.bincount(y).double()
    plain = [
        harms.allocation(y[scored], kept[f"paper.{seed}.0"].long(), len(counts)) for seed, scored in _scored("paper", y)
    ]
    found = {
        "means": kept["means"],
        "variance": kept["pair_errors"] ** 2 * torch.outer(counts, counts),
        "confusion": torch.stack(plain).mean(0),
        "loss": torch.tensor([float(f"{loss:.6g}") for loss in entry["loss"]], dtype=torch.float64),
    }
    rows = sorted({int(name.rsplit(".", 1)[1]) for name in kept if name.startswith("train.")} - {0})
    if rows:  # an untrained encoder and the null have heads on balanced labels alone
        mine = tuple(own[row - 1] for row in rows)
        for kind in outcomes.KINDS:
            name = outcomes.measure_name(kind, ratio, own if unit.members == (BALANCED,) else ())
            codes = torch.full((2, len(_scored(kind, y)), len(y)), -1, dtype=torch.int8)
            for split, (seed, scored) in enumerate(_scored(kind, y)):
                codes[0, split, scored] = kept[f"{kind}.{seed}.0"].to(torch.int8)
                for row, k in zip(rows, mine, strict=True):
                    at = y[scored] == k
                    codes[1, split, scored[at]] = kept[f"{kind}.{seed}.{row}"][at].to(torch.int8)
            found[name] = codes[:, :, torch.isin(y, torch.tensor(mine))].contiguous()
    return found


def _scored(kind: str, y: Tensor) -> list[tuple[int, Tensor]]:
    """Each split of a kind of head: its seed, and the positions of the images that it scores."""
    if kind == "train":
        return [(0, torch.arange(len(y)))]
    return [(seed, torch.from_numpy(probe.split(len(y), seed)[1])) for seed in SPLITS]


if __name__ == "__main__":
    sys.exit(main())
