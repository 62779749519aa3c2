"""Biographies with an occupation and a gender: where they come from, what is refused, and how they are cut."""

import hashlib
import importlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib import checks, sources
from lib.sources import GENDERS, OCCUPATIONS, DataError, data_root
from lib.text.biographies import Biographies, code
from lib.text.generated import generate

SPLITS = ("train", "dev", "test", "all")
SUBSET = "bias_in_bios/bios_subset.parquet"
SUBSET_SHA256 = "514a400a3a4e9a47159910209bcdb546beeaa99ca3605e4156847c6d30b3d94b"
HUB = "LabHC/bias_in_bios"
HUB_ROWS = {"train": 257_478, "dev": 39_642, "test": 99_069}  # as the dataset card counts them
# The occupations of the subset with more than ten texts, and those of the generator, in the order of their codes.
LARGE = OCCUPATIONS
# The codes of the column "profession" of LabHC/bias_in_bios, from its dataset card.
_PROFESSIONS = """
accountant architect attorney chiropractor comedian composer dentist dietitian dj filmmaker interior_designer
journalist model nurse painter paralegal pastor personal_trainer photographer physician poet professor psychologist
rapper software_engineer surgeon teacher yoga_teacher"""
PROFESSIONS = tuple(_PROFESSIONS.split())


def load(name: str, split: str, occupations: Sequence[str] | None = LARGE, revision: str = "") -> Biographies:
    """One split of a set of biographies.

    name: "generated" (``lib.text.generated``, 200 texts a group in "train", 100 in "dev" and in "test");
    "bios_subset" (DATA_ROOT/bias_in_bios/bios_subset.parquet, its sha256 checked; its split is not the official one);
    "bios" (the 28 occupations of BIAS in BIOS, De-Arteaga et al. 2019, as LabHC/bias_in_bios, official split).
    split: "train", "dev", "test", or "all" for the three one after another.  occupations: those to keep, in the order
    of their codes; None keeps all there are, in alphabetical order.
    revision: for "bios" the commit of the data set on the hub, 40 hex digits.  The book knows of none that it has
    seen itself, so that it has no default: a branch name would let the data change unseen.
    DataError: an unknown set, split or occupation; a file that is missing, damaged, without a needed column or not
    UTF-8; a gender without a text.  Empty texts are left out and counted in ``dropped``.
    """
    if name not in tuple(LOADERS):
        raise DataError(f"data set {name!r} is unknown; known are {', '.join(LOADERS)}")
    if split not in SPLITS:
        raise DataError(f"split {split!r} is unknown; expected one of {', '.join(SPLITS)}")
    found = LOADERS[name](split, revision)
    if occupations is not None:
        checks.words("occupations", occupations)
        found = found.only(tuple(occupations))
    for g, gender in enumerate(GENDERS):
        if not (found.gender == g).any():
            raise DataError(f"{name} {split}: gender {gender} has no text, so no gender can be compared")
    return found


def read(path: Path, split: str) -> Biographies:
    """Biographies from a parquet file with the columns text, occupation, gender ("female", "male") and split.

    Errors as in ``load``; they name columns and rows (counted from 0), never a text.
    """
    import pyarrow
    from pyarrow import parquet

    if not isinstance(path, str | os.PathLike) or not Path(path).is_file():
        raise DataError(f"path={str(path)[:200]!r} is no file; give a parquet file")
    if split not in SPLITS:
        raise DataError(f"split {split!r} is unknown; expected one of {', '.join(SPLITS)}")
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        remedy = "move it away and lay it out anew"
        raise DataError(f"{path} cannot be read as parquet ({type(error).__name__}); {remedy}") from error
    columns = {name: _strings(table, name, path) for name in ("text", "occupation", "gender", "split")}
    rows = [i for i, part in enumerate(columns["split"]) if split in ("all", part)]
    if not rows:
        raise DataError(f"{path}: split {split!r} has no text; it holds {', '.join(sorted(set(columns['split'])))}")
    text, occupation, gender = ([columns[name][i] for i in rows] for name in ("text", "occupation", "gender"))
    wrong = [row for row, g in zip(rows, gender, strict=True) if g not in ("female", "male")]
    if wrong:
        raise DataError(f"{path}: row {wrong[0]} has a gender other than 'female' and 'male' ({len(wrong)} such)")
    names = tuple(sorted(set(columns["occupation"])))
    return _without_empty(text, [names.index(o) for o in occupation], [int(g == "male") for g in gender], names)


def digest(b: Biographies) -> str:
    """SHA-256 of the texts, codes and names: what a provenance record calls the data."""
    checks.instance("b", b, Biographies)
    h = hashlib.sha256(repr((b.occupations, b.genders, len(b), len(b.swapped))).encode())
    for text in (*b.text, *b.swapped):
        blob = text.encode("utf-8", "surrogatepass")
        h.update(len(blob).to_bytes(8, "big") + blob)
    h.update(b.occupation.numpy().tobytes() + b.gender.numpy().tobytes())
    return h.hexdigest()


def undersample(b: Biographies, occupation: str, gender: str, ratio: float, seed: int) -> Tensor:
    """Positions that remain when one gender of one occupation is cut to a share ``ratio``; all others stay.

    See ``lib.sources.undersample``, which draws.
    Returns the sorted positions, int64.  DataError: an unknown or empty group, or a ratio outside (0, 1].
    """
    checks.instance("b", b, Biographies)
    o, g = code(b.occupations, occupation, "occupation"), code(b.genders, gender, "gender")
    group = (b.occupation == o) & (b.gender == g)
    if not group.any():
        raise DataError(f"{occupation} {gender} has no text to undersample; counts are {b.counts().tolist()}")
    return sources.undersample(group.long(), 1, ratio, seed)


def folds(b: Biographies, k: int, seed: int) -> Tensor:
    """The fold (n,) int64 in 0..k-1 of each text, every occupation and gender spread as evenly as it goes.

    Each group is shuffled and dealt round the folds, the next group going on where the last one ended, so that the
    folds differ by one text at most.  A group of fewer than k texts is missing from some folds.
    DataError: k below 2 or above the number of texts.
    """
    checks.instance("b", b, Biographies)
    checks.number("k", k, whole=True)
    checks.number("seed", seed, 0, whole=True)
    if not 2 <= k <= len(b):
        raise DataError(f"k={k} folds of {len(b)} texts; expected 2 to {len(b)}")
    return dealt(2 * b.occupation + b.gender, k, seed)


def dealt(group: Tensor, k: int, seed: int) -> Tensor:
    """A number (n,) int64 in 0..k-1 for each member: groups (n,) shuffled and dealt round, one after the other."""
    shuffled = torch.from_numpy(np.random.default_rng(seed).permutation(len(group)))
    fold = torch.empty(len(group), dtype=torch.int64)
    fold[shuffled[group[shuffled].argsort(stable=True)]] = torch.arange(len(group)) % k
    return fold


def _generated(split: str, _: str) -> Biographies:
    sizes = {"train": 200, "dev": 100, "test": 100}
    parts = [generate(n, seed) for seed, (part, n) in enumerate(sizes.items()) if split in ("all", part)]
    return _joined(parts)


def _subset(split: str, _: str) -> Biographies:
    path = data_root() / SUBSET
    if not path.exists():
        raise DataError(f"{path} is not there; set DATA_ROOT to the folder that holds {SUBSET}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SUBSET_SHA256:
        raise DataError(f"{path} is damaged (its sha256 is not the known one); move it away and lay it out anew")
    return read(path, split)


def _hub(split: str, revision: str) -> Biographies:
    if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
        remedy = f"give the commit of {HUB} to use, 40 hex digits, from its page on the hub"
        raise DataError(f"bios: revision={revision!r} pins nothing; {remedy}")
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError("bios needs the package datasets: pip install '.[bios]' -c constraints.txt") from error
    parts = [_hub_part(datasets, part, revision) for part in HUB_ROWS if split in ("all", part)]
    return _joined(parts)


def _hub_part(datasets, part: str, revision: str) -> Biographies:
    try:
        rows = datasets.load_dataset(HUB, revision=revision, split=part)
    except (OSError, ValueError) as error:  # no network, no such revision, or files without this split
        raise DataError(f"bios: {HUB} at {revision} could not be fetched ({type(error).__name__})") from error
    if missing := {"hard_text", "profession", "gender"} - set(rows.column_names):
        raise DataError(f"bios: {HUB} at {revision} has no column {', '.join(sorted(missing))}")
    if len(rows) != HUB_ROWS[part]:
        raise DataError(f"bios: {part} of {HUB} at {revision} has {len(rows)} rows, not the {HUB_ROWS[part]} known")
    gender = [1 - g for g in rows["gender"]]  # there 0 is male and 1 is female
    return _without_empty(list(rows["hard_text"]), list(rows["profession"]), gender, PROFESSIONS)


def _strings(table, name: str, path: Path) -> list[str]:
    """A column as strings, "" for a missing value."""
    import pyarrow

    if name not in table.column_names:
        raise DataError(f"{path} has no column {name!r}; its columns are {', '.join(table.column_names)}")
    kind = table.schema.field(name).type
    if str(kind) not in ("string", "large_string", "binary", "large_binary"):
        raise DataError(f"{path}: column {name!r} is {kind}; text is expected")
    found = []
    for row, blob in enumerate(table[name].cast(pyarrow.large_binary()).to_pylist()):
        try:
            found.append((blob or b"").decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"{path}: row {row} of column {name!r} is not UTF-8; write the file in UTF-8") from None
    return found


def _without_empty(text: list[str], occupation: list[int], gender: list[int], names: tuple[str, ...]) -> Biographies:
    kept = [i for i, words in enumerate(text) if words and words.strip()]
    o, g = (torch.tensor([codes[i] for i in kept], dtype=torch.int64) for codes in (occupation, gender))
    return Biographies([text[i] for i in kept], o, g, names, dropped=len(text) - len(kept))


def _joined(parts: list[Biographies]) -> Biographies:
    """Sets with the same occupations, one after another."""
    return Biographies(
        [text for b in parts for text in b.text],
        torch.cat([b.occupation for b in parts]),
        torch.cat([b.gender for b in parts]),
        parts[0].occupations,
        [text for b in parts for text in b.swapped],
        sum(b.dropped for b in parts),
    )


LOADERS = {"generated": _generated, "bios_subset": _subset, "bios": _hub}
