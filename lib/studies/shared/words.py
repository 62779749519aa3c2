"""Parameters that hold lists, and seeds."""

from collections.abc import Sequence
from types import SimpleNamespace


def listed(text: str) -> tuple[str, ...]:
    """The words of a parameter that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def chosen(p: SimpleNamespace, name: str, known: Sequence[str], fewest: int = 0) -> tuple[str, ...]:
    """The words of the parameter ``name``, separated by commas; ValueError: one unknown or given twice, or too few."""
    text, found = getattr(p, name), listed(getattr(p, name))
    for i, word in enumerate(found):
        if word not in known:
            raise ValueError(f"{name}={text!r}: {word!r} is unknown; there are {', '.join(known)}")
        if word in found[:i]:
            raise ValueError(f"{name}={text!r}: {word!r} stands there twice; name each once")
    if len(found) < fewest:
        raise ValueError(f"{name}={text!r}: name at least {fewest} of {', '.join(known)}, separated by commas")
    return found


def seeds_of(p: SimpleNamespace) -> range:
    return range(p.seed, p.seed + p.seeds)
