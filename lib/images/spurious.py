"""Image sets in which a second feature goes with the class in training and not in the test: a spurious feature.

A stratum is a pair of class and background.  Two sets are generated from handwritten digits, in the shape of Waterbirds
(Sagawa et al. 2020): two classes, two backgrounds, 5 % of each class on the other class's background, and a test set
in which all four pairs are equally frequent.  Two are read: Waterbirds itself, and ISIC.
"""

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.images import sets
from lib.images.strata import Strata
from lib.sources import DataError, data_root

MINORITY = 0.05  # share of a class that stands on the other class's background, in training
MNIST_IMAGES = {"train": 12_000, "test": 4_000}  # the first so many of MNIST's splits
CLASSES = ("0 to 4", "5 to 9")
BACKGROUNDS = ("rows", "columns")
WATERBIRDS = "waterbird_complete95_forest2water2"
WATERBIRDS_HOME = "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz"
WATERBIRDS_TRAIN = (3498, 184, 56, 1057)  # images of each stratum, as Sagawa et al. (2020) count them
ISIC, ISIC_HOME = "isic/processed", "https://www.isic-archive.com"
SIDE = 224  # pixels of what is read


def load_spurious(name: str, split: str) -> Strata:
    """One split, "train" or "test", of "spurious_digits", "spurious_mnist", "waterbirds" or "isic".

    The generated sets are functions of their digits alone: nothing is drawn anew.  The read ones are looked for under
    DATA_ROOT; they are not fetched.  DataError: an unknown set or split, a file that is missing (with its official
    home) or damaged, a table without a column that is needed or with a value that means nothing.
    """
    if name not in LOADERS:
        raise DataError(f"data set {name!r} is unknown; known are {', '.join(LOADERS)}")
    if split not in ("train", "test"):
        raise DataError(f"split {split!r} is unknown; expected 'train' or 'test'")
    return LOADERS[name](split)


def composed(digits: sets.Images, split: str) -> Strata:
    """Digits of two classes, up to 4 and from 5 on, on stripes: rows go with the first class, columns with the second.

    In "train" every digit is used once, and of each class 5 %, drawn by seed 0, stand on the other's stripes.  In
    "test" every digit stands on both, and both classes are cut to the size of the smaller.
    DataError: a class without a digit.
    """
    y = (digits.y >= 5).long()
    sizes = torch.bincount(y, minlength=2)
    if (sizes == 0).any():
        raise DataError(f"class {CLASSES[int(sizes.argmin())]!r} has no digit; both are needed")
    rng = np.random.default_rng(int(split == "test"))
    if split == "train":
        background = y.clone()
        for k in range(2):
            mine = (y == k).nonzero()[:, 0].numpy()
            background[rng.permutation(mine)[: round(MINORITY * len(mine))]] = 1 - k
        ink = digits.x
    else:
        least = int(sizes.min())
        kept = torch.cat([(y == k).nonzero()[:least, 0] for k in range(2)])
        ink, y = digits.x[kept].repeat(2, 1, 1, 1), y[kept].repeat(2)
        background = torch.arange(2).repeat_interleave(2 * least)
    x = on_stripes(ink, background, rng)
    return _strata(x, y, 2 * y + background, CLASSES, _names(CLASSES, BACKGROUNDS))


def on_stripes(ink: Tensor, background: Tensor, rng: np.random.Generator) -> Tensor:
    """uint8 images (n, 1, s, s) laid over stripes: ink + (1 - ink) b, b = a (1 + sin(2 pi (t + phase) / period)) / 2.

    t: the row where background (n,) is 0, the column where it is 1; period: a quarter of the side, 4 pixels at least;
    contrast a is uniform on 0.3 to 0.7, the phase uniform, both drawn for each image.
    """
    n, side = len(ink), ink.shape[-1]
    period = max(4, side // 4)
    contrast = torch.from_numpy(rng.uniform(0.3, 0.7, (n, 1))).float()
    phase = torch.from_numpy(rng.uniform(0, period, (n, 1))).float()
    wave = contrast * (1 + torch.sin(2 * torch.pi * (torch.arange(side) + phase) / period)) / 2  # (n, s)
    rows = wave[:, None, :, None].expand(-1, -1, -1, side)
    b = torch.where(background[:, None, None, None] == 0, rows, rows.mT)
    share = ink.float() / 255
    return (255 * (share + (1 - share) * b)).round().to(torch.uint8)


def stratum_shares(data: Strata) -> Tensor:
    """The share (strata,) float64 of each stratum in the set."""
    return torch.bincount(data.stratum, minlength=len(data.names)).double() / len(data.y)


def _digits(split: str) -> Strata:
    return composed(sets.load("digits", split), split)


def _mnist(split: str) -> Strata:
    whole = sets.load("mnist", split)
    return composed(whole.take(torch.arange(MNIST_IMAGES[split])), split)


def _waterbirds(split: str) -> Strata:
    """metadata.csv: img_filename, y (1 waterbird), split (0 train, 1 validation, 2 test), place (1 water)."""
    folder = data_root() / WATERBIRDS
    rows = _table(folder / "metadata.csv", ("img_filename", "y", "split", "place"), WATERBIRDS_HOME)
    rows = [row for row in rows if row["split"] == {"train": "0", "test": "2"}[split]]
    y, place = (_codes(rows, name, folder / "metadata.csv") for name in ("y", "place"))
    x = _read([folder / row["img_filename"] for row in rows], WATERBIRDS_HOME)
    classes = ("landbird", "waterbird")
    return _strata(x, y, 2 * y + place, classes, _names(classes, ("land", "water")))


def _isic(split: str) -> Strata:
    """labels.csv: _id, is_malignant, patch, split ("train", "val", "test"); images/<_id>.jpg.

    So writes ``isic_download.py`` of HazyResearch/hidden-stratification; images of the set SONIC have a patch.
    """
    folder = data_root() / ISIC
    rows = _table(folder / "labels.csv", ("_id", "is_malignant", "patch", "split"), ISIC_HOME)
    rows = [row for row in rows if row["split"] == split]
    y, patch = (_codes(rows, name, folder / "labels.csv") for name in ("is_malignant", "patch"))
    x = _read([folder / "images" / f"{row['_id']}.jpg" for row in rows], ISIC_HOME)
    stratum = torch.where(y == 1, 2, patch)  # malignant images have no patches
    return _strata(x, y, stratum, ("benign", "malignant"), ("benign, no patch", "benign, patch", "malignant"))


def _strata(x: Tensor, y: Tensor, stratum: Tensor, classes: tuple[str, ...], names: tuple[str, ...]) -> Strata:
    return Strata(x, y, stratum, classes, names, torch.zeros(len(y), dtype=torch.bool))


def _names(classes: tuple[str, ...], backgrounds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{c} on {b}" for c in classes for b in backgrounds)


def _table(path: Path, columns: tuple[str, ...], home: str) -> list[dict[str, str]]:
    if not path.exists():
        raise DataError(
            f"{path} is not there; get the set from its official home, {home}, and unpack it under DATA_ROOT"
        )
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    if missing := [c for c in columns if not rows or c not in rows[0]]:
        raise DataError(f"{path} has no column {missing[0]!r}, or no row; get it anew from {home}")
    return rows


def _codes(rows: list[dict[str, str]], column: str, path: Path) -> Tensor:
    """A column of 0 and 1, (n,) int64; DataError with the row for another value, and for no row at all."""
    wrong = [i for i, row in enumerate(rows) if row[column] not in ("0", "1")]
    if wrong or not rows:
        what = f"{rows[wrong[0]][column]!r} in column {column!r}" if wrong else "no row of this split"
        raise DataError(f"{path}: {what}; 0 and 1 are the only codes known")
    return torch.tensor([int(row[column]) for row in rows])


def _read(paths: list[Path], home: str) -> Tensor:
    """Images as (n, 3, 224, 224) uint8: shorter side to 256, the middle 224x224 cut out, as ImageNet nets expect."""
    from PIL import Image, UnidentifiedImageError

    found = torch.empty(len(paths), 3, SIDE, SIDE, dtype=torch.uint8)
    for i, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                picture = image.convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise DataError(
                f"{path} is missing or damaged ({type(error).__name__}); get it anew from {home}"
            ) from error
        scale = 256 / min(picture.size)
        picture = picture.resize([max(256, round(scale * side)) for side in picture.size], Image.Resampling.BILINEAR)
        left, top = ((side - SIDE) // 2 for side in picture.size)
        array = np.array(picture.crop((left, top, left + SIDE, top + SIDE)))
        found[i] = torch.from_numpy(array).permute(2, 0, 1)
    return found


LOADERS = {"spurious_digits": _digits, "spurious_mnist": _mnist, "waterbirds": _waterbirds, "isic": _isic}
