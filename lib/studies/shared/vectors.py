"""A reader's file of embeddings: the ways in which it may be written, and what its labels say."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

NAMES = ("vectors", "labels", "group", "seed")
CONTROL = -1  # code of the balanced encoder in ``group``; in words, "balanced"
WAYS = "a file .safetensors, .npz or .parquet, or a folder of .npy files"


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of ``NAMES`` that there are, by name.

    A file .safetensors or .npz of arrays of these names; a folder with a file <name>.npy of each; a table .parquet in
    which ``vectors`` is a column of lists, or every column of another name is a dimension.  Nothing is unpickled.
    ValueError: it is missing, damaged, or of another kind.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            return {name: np.load(path / f"{name}.npy") for name in NAMES if (path / f"{name}.npy").exists()}
        return READERS[path.suffix](path)
    except KeyError:
        raise ValueError(f"cannot be read (its name ends in {path.suffix!r}); give {WAYS}") from None
    except (OSError, EOFError, SafetensorError, ValueError) as error:
        raise ValueError(f"cannot be read ({str(error).splitlines()[0]}); give {WAYS}") from error


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    tensors = load_file(path)
    return {name: (x.float() if x.dtype == torch.bfloat16 else x).numpy() for name, x in tensors.items()}


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _parquet(path: Path) -> dict[str, np.ndarray]:
    table = pd.read_parquet(path)
    found = {name: table[name].to_numpy() for name in NAMES[1:] if name in table}
    if "vectors" in table:
        return found | {"vectors": np.stack(table["vectors"].to_numpy())}
    return found | {"vectors": table.drop(columns=list(found)).to_numpy()}


READERS = {".safetensors": _safetensors, ".npz": _npz, ".parquet": _parquet}


def codes(name: str, given: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Labels or groups as int64 codes of ``classes``; given as whole numbers of any type, or as names.

    ValueError: another type, a name that is no class, or a number beyond the classes.
    """
    words = {word: code for code, word in enumerate(classes)} | ({"balanced": CONTROL} if name == "group" else {})
    if given.dtype.kind in "OUS" or isinstance(given.dtype, pd.StringDtype):
        texts = [word.decode() if isinstance(word, bytes) else word for word in given.tolist()]
        if unknown := sorted({str(word) for word in texts} - set(words)):
            raise ValueError(f"{name} has {unknown[0]!r}, which is none of {', '.join(words)}")
        return np.array([words[word] for word in texts], np.int64)
    if given.dtype.kind not in "iu":
        raise ValueError(f"{name} is {given.dtype} of shape {given.shape}: names or whole numbers are expected")
    if given.size and not (min(words.values()) <= int(given.min()) and int(given.max()) < len(classes)):
        raise ValueError(f"{name} runs from {given.min()} to {given.max()}: codes 0..{len(classes) - 1} are expected")
    return given.astype(np.int64)


def read_by_columns(vectors: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the vectors look like a matrix that was saved column by column and is read row by row.

    So does safetensors' writer for NumPy with an array in Fortran's order.  Labels then explain little of the vectors'
    variance, and more than twice as much, and five times what chance explains, of the same numbers read by columns.
    It cannot be seen where the encoder separates no classes.
    """
    chance = (len(np.unique(labels)) - 1) / max(len(labels) - 1, 1)
    other = explained(vectors.ravel().reshape(vectors.shape[::-1]).T, labels)
    return other > max(5 * chance, 2 * explained(vectors, labels))


def explained(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The share of the vectors' variance (n, d) that lies between the means of the labels (n,)."""
    total = vectors - vectors.mean(0)
    _, code = np.unique(labels, return_inverse=True)
    sizes = np.bincount(code)
    sums = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(sums, code, total)
    return float((sums**2 / sizes[:, None]).sum() / max((total**2).sum(), 1e-300))
