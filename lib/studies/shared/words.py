"""Parameters that hold lists, and seeds."""

from types import SimpleNamespace


def listed(text: str) -> tuple[str, ...]:
    """The words of a parameter that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def seeds_of(p: SimpleNamespace) -> range:
    return range(p.seed, p.seed + p.seeds)
