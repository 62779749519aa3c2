"""What the public functions refuse: wrong shapes and dtypes, values that are not finite or out of range.

Called once, at the edge of a function.  Imports nothing of the library, and torch late.
"""

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np


@dataclass(frozen=True)
class Kind:
    """What a tensor may hold: in words, its dtypes, its range, and whether every value must lie in it and be finite."""

    words: str
    dtypes: tuple[str, ...]
    least: float = -math.inf
    most: float = math.inf
    values: bool = True  # looked at; not in a loss, where a look would stop CUDA graphs and vmap


REAL = Kind("finite float32 or float64", ("float32", "float64"))
GAPPY = Kind("float32 or float64", REAL.dtypes, values=False)
COSINES = Kind("float32 or float64 cosines", REAL.dtypes, -1.001, 1.001)
SHARES = Kind("float32 or float64 from 0", REAL.dtypes, 0)
PIXELS = Kind("uint8 pixels", ("uint8",), values=False)
MASK = Kind("bool", ("bool",), values=False)
FLOATS = Kind("floats", (*REAL.dtypes, "float16", "bfloat16"), values=False)


def codes(below: float = math.inf) -> Kind:
    """Whole numbers from 0 to ``below`` - 1."""
    return Kind(f"int64 codes {'from 0' if math.isinf(below) else f'0..{below - 1}'}", ("int64",), 0, below - 1)


def tensors(**given: tuple) -> dict:
    """Sizes by name of the axes of tensors, each given as name=(tensor, "... n d", kind); ValueError: one does not fit.

    A name is one size in all of them, 1 or more, or as "n>=2" says; "..." are leading axes, equal or absent in each.
    """
    import torch

    sizes: dict = {}
    for name, (x, axes, kind) in given.items():
        known = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
        expected = f"a tensor ({axes.replace(' ', ', ')}) of {kind.words} is expected{known and f' with {known}'}"
        if not isinstance(x, torch.Tensor):
            raise ValueError(f"{name} is a {type(x).__name__}: {expected}")
        found = f"{name} is {str(x.dtype)[6:]} of shape {tuple(x.shape)}: {expected}"
        own = [axis.partition(">=") for axis in axes.split() if axis != "..."]
        leading = tuple(x.shape[: max(0, x.ndim - len(own))])
        wrong = x.ndim < len(own) or 0 in x.shape or str(x.dtype)[6:] not in kind.dtypes
        wrong |= bool(leading) and ("..." not in axes or sizes.setdefault("...", leading) != leading)
        for (axis, _, least), size in zip(own, x.shape[len(leading) :], strict=False):
            wrong |= size < int(least or 1) or sizes.setdefault(axis, size) != size
        if wrong:
            raise ValueError(found)
        if kind.values and not bool(((x >= kind.least) & (x <= kind.most) & (x.abs() < math.inf)).all()):
            raise ValueError(f"{found}; its values run from {float(x.min())} to {float(x.max())}")
    return sizes


def numbers(name: str, values, why: str = "give finite numbers") -> np.ndarray:
    """Array-likes of finite numbers, at least one, as float64.  ValueError: anything else."""
    try:
        found = np.asarray(values, float) if np.asarray(values).dtype.kind in "biufO" else None
    except (TypeError, ValueError, RuntimeError, OverflowError):
        found = None
    if found is None or found.size == 0 or not np.isfinite(found).all():
        raise ValueError(f"{name}={str(values)[:80]} is no array of numbers, is empty or has NaN or infinity: {why}")
    return found


def instance(name: str, value, kind: type) -> None:
    """ValueError: not of that class."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is a {type(value).__name__}: {kind.__name__} is expected")


def words(name: str, values) -> None:
    """ValueError: no list or tuple of words, at least one, none twice."""
    if not isinstance(values, list | tuple) or not values or not all(isinstance(word, str) for word in values):
        raise ValueError(f"{name}={str(values)[:80]}: a list of words is expected")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}={str(values)[:80]}: a word stands there twice")


def number(name: str, value, least: float = -math.inf, most: float = math.inf, whole=False, inside=False) -> None:
    """ValueError: not one finite number from ``least`` to ``most`` (whole; inside: neither of the two ends)."""
    good = isinstance(value, Real) and not isinstance(value, bool) and abs(value) < (2**63 if whole else 1e308)
    if not good or not least <= value <= most or (whole and value % 1) or (inside and value in (least, most)):
        ends = f"strictly between {least} and {most}" if inside else f"from {least} to {most}"
        raise ValueError(f"{name}={str(value)[:80]}: a{' whole' * whole} number {ends} is expected")
