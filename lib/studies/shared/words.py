"""Parameters that hold lists, and seeds."""

from collections.abc import Sequence
from types import SimpleNamespace

SHOWN = 60  # characters of a refused value that are shown


def listed(text: str) -> tuple[str, ...]:
    """The words of a parameter that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def chosen(p: SimpleNamespace, name: str, known: Sequence[str], fewest: int = 0) -> tuple[str, ...]:
    """The words of the parameter ``name``, separated by commas; ValueError: one unknown or given twice, or too few."""
    found = listed(getattr(p, name))
    text = getattr(p, name)[:SHOWN]
    for i, word in enumerate(found):
        if word not in known:
            raise ValueError(f"{name}={text!r}: {word[:SHOWN]!r} is unknown; there are {', '.join(known)}")
        if word in found[:i]:
            raise ValueError(f"{name}={text!r}: {word!r} stands there twice; name each once")
    if len(found) < fewest:
        raise ValueError(f"{name}={text!r}: name at least {fewest} of {', '.join(known)}, separated by commas")
    return found


def seeds_of(p: SimpleNamespace) -> range:
    return range(p.seed, p.seed + p.seeds)
