"""What runs of record keep of their encoders, so that no encoder is trained twice.  No torch before a file is read.

``results/recorded/<study>/<run>/encoders.safetensors`` holds, for the number u of a unit, the number m of its member
and the name of a measure, the tensor ``u.m.name``; a study's plan says which it needs (``asks``).  The metadata hold
"encoders", a JSON list with the unit and the record of each, and "sha256", of that list and the tensors' bytes.
An encoder is taken from there where settings, member, ratio, seed and data are the same; code, versions and device are
those of its record, which the run that reads it names.  The variable ENCODERS names a folder with more such files.
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib import records
from lib.encoders.settings import Unit
from lib.encoders.units import AnyUnit, read_unit
from lib.hashing import ROOT

RECORDED = ROOT / "results" / "recorded"
FILE = "encoders.safetensors"
MOST_BYTES = 5 * 2**20  # of a file in git
_REMEDY = "take it from git again, or delete it and its encoders are trained"
Measures = dict[AnyUnit, tuple[dict, list[dict]]]  # a unit's record; tensors by name, for each member


@dataclass(frozen=True)
class Recorded:
    """A unit in a file: its place there, its record, and the names of the measures that every member has."""

    path: Path
    number: int
    record: dict
    names: frozenset[str]

    def measures(self, member: int) -> dict:
        """The tensors of a member, by name."""
        start = f"{self.number}.{member}."
        return {name.removeprefix(start): t for name, t in _read(self.path).items() if name.startswith(start)}


def of(unit: AnyUnit, asks: Iterable[str] = ()) -> Recorded | None:
    """The unit as a run of record keeps it, with all the measures asked for; None where none does.

    ``records.Damaged``: a file that is not what was written.  ValueError: ENCODERS names a folder without one.
    """
    found = [entry for path in _files() for entry in _entries(path).get(unit, ())]
    fits = [e for e in found if e.names >= set(asks) and e.record["data_sha256"] == _digests(unit)]
    return max(fits, key=lambda e: len(e.names), default=None)


def known(unit: AnyUnit, asks: Iterable[str]) -> bool:
    """Whether a run of record keeps the unit with all the measures asked for, whatever its data: asked without them."""
    return any(e.names >= set(asks) for path in _files() for e in _entries(path).get(unit, ()))


def record(unit: AnyUnit, asks: Iterable[str] = ()) -> dict:
    """The record of a unit, of its own folder or else of ``of``; FileNotFoundError where there is neither."""
    found = None if unit.done else of(unit, asks)
    return found.record if found else unit.record


def read(path: Path) -> Measures:
    """What ``write`` wrote; {} where there is no file."""
    found = {unit: entries[-1] for unit, entries in _entries(path).items()} if path.exists() else {}
    return {u: (e.record, [e.measures(m) for m in range(len(u.members))]) for u, e in found.items()}


def write(path: Path, measures: Measures) -> None:
    """Write the measures of units and their records."""
    from safetensors.torch import save_file

    about, tensors = [], {}
    for number, (unit, (made, members)) in enumerate(measures.items()):
        kept = {name: value for name, value in made.items() if name not in ("unit", "files")}
        names = sorted(set.intersection(*(set(known) for known in members)))
        about.append({"unit": json.loads(unit.to_json()), "record": kept, "names": names})
        tensors |= {f"{number}.{m}.{name}": t.contiguous() for m, k in enumerate(members) for name, t in k.items()}
    text = json.dumps(about)
    with records.atomic(path) as temporary:
        save_file(tensors, temporary, {"encoders": text, "sha256": _sha256(text, tensors)})


def _files() -> list[Path]:
    given = os.environ.get("ENCODERS")
    more = sorted((ROOT / given).rglob(FILE)) if given else []
    if given and not more:
        raise ValueError(f"ENCODERS={given!r}: there is no {FILE} in that folder; `make gpu` writes one")
    return [*sorted(RECORDED.glob(f"*/*/{FILE}")), *more]


def _entries(path: Path) -> dict[AnyUnit, list[Recorded]]:
    return _entries_of(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _entries_of(path: Path, _) -> dict[AnyUnit, list[Recorded]]:
    from safetensors import SafetensorError, safe_open

    found: dict[AnyUnit, list[Recorded]] = {}
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["encoders"])
        for number, entry in enumerate(about):
            entry["unit"]["settings"].pop("compile", None)  # a setting once: whether it was is in the record
            try:
                unit = read_unit(json.dumps(entry["unit"]))
            except (TypeError, ValueError):  # of settings that there are no more
                continue
            found.setdefault(unit, []).append(Recorded(path, number, entry["record"], frozenset(entry["names"])))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise records.Damaged(f"{path} is damaged ({error}); {_REMEDY}") from None
    return found


def _read(path: Path) -> dict:
    return _read_of(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _read_of(path: Path, _) -> dict:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise records.Damaged(f"{path} is damaged ({error}); {_REMEDY}") from None
    if _sha256(about["encoders"], tensors) != about["sha256"]:
        raise records.Damaged(f"{path} is damaged (its content is not what was written); {_REMEDY}")
    return tensors


def _sha256(text: str, tensors: dict) -> str:
    whole = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        whole.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        whole.update(tensors[name].contiguous().numpy().tobytes())
    return whole.hexdigest()


def _digests(unit: AnyUnit) -> dict[str, str]:
    """sha256 of both splits of the unit's images, as they are here; {} of a unit of other data."""
    return _digests_of(unit.settings) if isinstance(unit, Unit) else {}


@functools.lru_cache(maxsize=16)
def _digests_of(settings) -> dict[str, str]:
    from lib import images
    from lib.encoders import pretrain

    return {split: images.digest(pretrain.images_of(settings, split)) for split in ("train", "test")}
