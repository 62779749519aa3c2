"""Representation harm and allocation harm (Maity et al. 2024), in images and in texts, and what the claims measure.

May import ``lib.probe`` and what lies below it.
"""

from lib.harms.gender import gender_representation_harm, mean_gap, permutation_null, tpr_gap, within_between
from lib.harms.representation import (
    allocation,
    class_cosines,
    class_means,
    diagonal_mean,
    dose_share,
    nearest_classes,
    pair_gap,
    paired_mean,
    rank_correlation,
    representation_harm,
    row_minimum_share,
)
