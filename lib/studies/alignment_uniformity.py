"""The study of alignment and uniformity."""

from types import SimpleNamespace


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """No encoders: the study trains its own small nets, or none."""
    return SimpleNamespace(units=[])
