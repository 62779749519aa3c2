"""The study of the theory of L_spread."""

from types import SimpleNamespace


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """No encoders: the study trains its own small nets, or none."""
    return SimpleNamespace(units=[])
