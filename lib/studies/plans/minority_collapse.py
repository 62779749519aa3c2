"""The encoders of the study of minority collapse that the graph trains."""

import re
from types import SimpleNamespace

NONE = "none"  # in place of a net: none is trained


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """The study trains its small nets itself; residual networks on images are the graph's.

    Their ratios are multiples of R*, which torch and scipy find.  ValueError: see ``negatives``, ``majorities.units``.
    """
    counts = negatives(p)
    if p.image_net == NONE:
        return SimpleNamespace(units=[])
    from lib.studies.shared import majorities

    return SimpleNamespace(units=majorities.units(p, counts))


def negatives(p: SimpleNamespace) -> list[float]:
    """How many an anchor has, by network; ValueError: a word that is no whole number from 1, nor inf."""
    words = [word.strip() for word in p.negatives.split(",")]
    if not all(re.fullmatch(r"inf|[1-9]\d{0,5}", word) for word in words):
        raise ValueError(f"negatives={p.negatives[:60]!r}: whole numbers from 1, or inf, are expected: 1,16,inf")
    return [float(word) for word in words]
