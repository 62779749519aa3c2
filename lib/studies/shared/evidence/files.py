"""A reader's embeddings: read, checked, and given the form of a study's own."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from lib import checks
from lib.studies.shared import vectors
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence.encoders import Evidence, embedded, of_arms

READ = checks.Kind("finite floats", checks.FLOATS.dtypes)
WHOLE = checks.Kind("whole numbers", ("uint8", "int8", "int16", "int32", "int64"))


def read(p: SimpleNamespace, arms: Arms) -> Evidence:
    """The features that a study judges: a reader's, where the parameters name some, or those of its own encoders.

    ValueError: a reader's file that cannot be used, see ``of_file``, or that has no undersampled encoder.
    """
    found = of_file(p.embeddings, arms.classes) if p.embeddings else of_arms(arms)
    if not found.treated:
        raise ValueError(
            f"embeddings={p.embeddings!r}: 'group' names no undersampled class, so there is no harm to judge"
        )
    return found


def checked(p: SimpleNamespace, classes: tuple[str, ...], treated: tuple[str, ...]) -> Arms:
    """The plan of a study that judges a reader's embeddings: nothing is trained; these are read before any work."""
    arms = Arms(classes, treated, [], [], [], [], [], [])
    read(p, arms)
    return arms


def of_file(path: str | Path, classes: tuple[str, ...]) -> Evidence:
    """Read a reader's embeddings, see ``vectors.read`` for the ways to write them.

    vectors: (n, d) finite floats; labels: (n,) names of ``classes``, or their codes of any integer type; optional
    group: (n,), "balanced" or -1 for rows embedded by the balanced encoder, and a class or its code for rows embedded
    by the encoder that undersampled it; optional seed: (n,).  Every encoder must embed the same images in the same
    order.  Without ``group`` all rows are the balanced encoder's.  Classes without an image are left out.
    ValueError: a file that is missing or damaged, an array that is missing or of another kind (labels that are floats),
    rows that were saved column by column, encoders that do not match, or fewer than three classes.
    """
    try:
        return _of_arrays(vectors.read(path), classes)
    except ValueError as error:
        raise ValueError(f"embeddings={str(path)!r} {error}") from None


def _of_arrays(given: dict[str, np.ndarray], classes: tuple[str, ...]) -> Evidence:
    if "vectors" not in given or "labels" not in given:
        raise ValueError(f"holds {', '.join(sorted(given)) or 'nothing'}; expected at least 'vectors' and 'labels'")
    if given["vectors"].dtype.kind != "f":
        raise ValueError(
            f"vectors is {given['vectors'].dtype} of shape {given['vectors'].shape}: finite floats are expected"
        )
    y = vectors.codes("labels", given["labels"], classes)
    group = vectors.codes("group", given["group"], classes) if "group" in given else np.full_like(y, vectors.CONTROL)
    seed = given.get("seed", np.zeros_like(y))
    if seed.dtype.kind not in "iu":
        raise ValueError(f"seed is {seed.dtype} of shape {seed.shape}: whole numbers are expected")
    z, *index = map(torch.from_numpy, (given["vectors"].astype(np.float64), y, group, seed.astype(np.int64)))
    y, group, seed = index
    checks.tensors(
        vectors=(z, "n d", READ), **{k: (v, "n", WHOLE) for k, v in zip(vectors.NAMES[1:], index, strict=True)}
    )
    if vectors.read_by_columns(z.numpy(), y.numpy()):
        raise ValueError(
            "looks as if 'vectors' was saved column by column, as safetensors saves a NumPy array in Fortran's order: "
            "its labels fit what is read by columns, and not the rows; save numpy.ascontiguousarray(vectors)"
        )
    return _by_encoder(z, y, group, seed, classes)


def _by_encoder(z: Tensor, labels: Tensor, group: Tensor, seed: Tensor, classes: tuple[str, ...]) -> Evidence:
    """The rows (n, d) of every encoder, by seed and by the class that it undersampled."""
    codes, seeds = sorted(set(group.tolist())), sorted(set(seed.tolist()))
    blocks = {(s, g): (seed == s) & (group == g) for s in seeds for g in codes}
    y = labels[blocks[seeds[0], vectors.CONTROL]] if vectors.CONTROL in codes else labels[:0]
    if any(not torch.equal(labels[rows], y) for rows in blocks.values()) or len(y) == 0:
        raise ValueError("does not fit: every (seed, group), -1 among the groups, must embed the same images in order")
    here = sorted(set(y.tolist()))
    treated = [g for g in codes if g != vectors.CONTROL]
    if lacking := [classes[g] for g in treated if g not in here]:
        raise ValueError(f"does not fit: 'group' has {lacking[0]!r}, of which there is no image")
    if len(here) < 3:
        raise ValueError(f"has images of {len(here)} classes; at least 3 are needed, a pair and another")
    kept = tuple(classes[k] for k in here)
    own, y = tuple(here.index(g) for g in treated), torch.searchsorted(torch.tensor(here), y)
    balanced = [embedded(z[blocks[s, vectors.CONTROL]], y) for s in seeds]
    under = [[embedded(z[blocks[s, g]], y) for g in treated] for s in seeds] if treated else []
    return Evidence(kept, own, y, balanced, under)
