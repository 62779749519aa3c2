"""Optimal geometry of contrastive losses: unequal classes and their collapse, uniformity on the sphere, free vectors.

May import ``lib.losses``.
"""

from lib.geometry.imbalance import LAWS as LAWS
from lib.geometry.imbalance import LOSSES as LOSSES
from lib.geometry.imbalance import ROUNDING as ROUNDING
from lib.geometry.imbalance import Programme as Programme
from lib.geometry.imbalance import collapse_threshold as collapse_threshold
from lib.geometry.imbalance import optimal_gram as optimal_gram
from lib.geometry.imbalance import optimum as optimum
from lib.geometry.imbalance import programme as programme
from lib.geometry.imbalance import slope_ratio as slope_ratio
