"""Masks of pedestrians in KITTI as Klindt et al. (2021) published them: sequences of frames, and their three factors.

The official file is a pickle, and reading a pickle runs whatever it says.  It is read only with the sha256 that the
reader gives, and only by an unpickler that builds plain NumPy arrays and refuses everything else.
"""

import hashlib
import io
import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import checks
from lib.sources import DataError, data_root

FILE = "kitti_masks/kitti_peds_v2.pickle"
HOME = "https://zenodo.org/records/3931823"
SIDE = 64  # pixels of a frame
NAMES = ("pedestrians", "pedestrians_latents")  # of the two lists in the file


@dataclass(frozen=True)
class Sequences:
    """All frames, one sequence after the other.

    masks: (F, 64, 64) uint8 of 0 and 1; factors: (F, 3), vertical and horizontal centre of mass and area, in pixels;
    lengths: frames of each sequence (S,), 2 or more.
    """

    masks: np.ndarray
    factors: np.ndarray
    lengths: np.ndarray

    def pairs(self, count: int, longest: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the two frames of so many pairs, (count,) each.

        The first is any frame but the last of a sequence, the second 1 to ``longest`` later, at most the last: as in
        the public code.
        """
        checks.number("count", count, 1, whole=True)
        checks.number("longest", longest, 1, whole=True)
        last = np.repeat(self.lengths.cumsum() - 1, self.lengths)  # of each frame's sequence
        starts = np.flatnonzero(np.arange(len(last)) < last)
        first = starts[rng.integers(len(starts), size=count)]
        return first, np.minimum(first + rng.integers(1, longest + 1, count), last[first])


def read(sha256: str, path: Path | None = None) -> Sequences:
    """The masks and factors of the official file under DATA_ROOT, or of a file of its layout at a path.

    DataError: no file, another sha256, a pickle that asks for anything but arrays, arrays of another shape or kind.
    """
    path = path or data_root() / FILE
    if not path.exists():
        raise DataError(f"{path} is not there; get kitti_peds_v2.pickle from its official home, {HOME}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path} has the sha256 {found}, not {sha256!r}; if the file is from its official home, {HOME}, give that"
        )
    try:
        data = _Arrays(io.BytesIO(content)).load()
    except Exception as error:  # what a pickle that is no such file raises is not foreseeable
        raise DataError(f"{path} is no file of NumPy arrays alone ({error}); get it anew from {HOME}") from None
    return _checked(path, data)


class _Arrays(pickle.Unpickler):
    """Builds arrays of booleans and numbers, lists, dictionaries and strings."""

    def find_class(self, module: str, name: str):
        known = ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known


def _dtype(kind: str, *_) -> np.dtype:
    if not re.fullmatch(r"[buif]\d{1,2}", kind):
        raise pickle.UnpicklingError(f"it asks for an array of {kind!r}")
    return np.dtype(kind, copy=True)


def _empty(*asked) -> np.ndarray:
    """The array of no numbers that a pickle then fills."""
    if asked != (ARRAY, (0,), b"b"):
        raise pickle.UnpicklingError(f"it asks for the array {asked!r}")
    return np.empty(0, np.int8)


ARRAY = object()  # stands for the class of arrays, which nothing in a pickle may call
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): ARRAY,
    ("numpy", "dtype"): _dtype,
}


def _checked(path: Path, data) -> Sequences:
    lists = [data.get(name) if isinstance(data, dict) else None for name in NAMES]
    if not all(isinstance(each, list) and each for each in lists) or len(lists[0]) != len(lists[1]):
        raise DataError(f"{path} has no lists {' and '.join(NAMES)} of one length; get it anew from {HOME}")
    for i, (masks, factors) in enumerate(zip(*lists, strict=True)):
        frames = len(masks) if isinstance(masks, np.ndarray) and masks.ndim else 0
        for name, x, shape in (("masks", masks, (frames, SIDE, SIDE)), ("factors", factors, (frames, 3))):
            good = isinstance(x, np.ndarray) and x.shape == shape and x.dtype.kind in "buif" and frames > 1
            if not good or not np.isfinite(x).all() or (name == "masks" and not np.isin(x, (0, 1)).all()):
                what = f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
                raise DataError(
                    f"{path}: {name} of sequence {i} are {what}; 2 or more frames of {SIDE} x {SIDE} zeros and ones, "
                    "with 3 finite factors each, are expected"
                )
    masks, factors = lists
    return Sequences(
        np.concatenate(masks).astype(np.uint8), np.concatenate(factors).astype(float), np.array([len(m) for m in masks])
    )
