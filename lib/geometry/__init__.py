"""Optimal geometry of contrastive losses: unequal classes and their collapse, uniformity on the sphere, free vectors.

May import ``lib.losses``.
"""

from lib.geometry.imbalance import (
    LAWS,
    LOSSES,
    ROUNDING,
    Programme,
    collapse_threshold,
    optimal_gram,
    optimum,
    programme,
    slope_ratio,
)

__all__ = [
    "LAWS",
    "LOSSES",
    "ROUNDING",
    "Programme",
    "collapse_threshold",
    "optimal_gram",
    "optimum",
    "programme",
    "slope_ratio",
]
