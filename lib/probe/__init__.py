"""The downstream heads: logistic regressions solved together, coarse-to-fine transfer.

May import ``lib.encoders``, ``lib.losses``, ``lib.images``, ``lib.text``.
"""

from lib.probe.heads import fit_heads
from lib.probe.logistic import FOLDS, GRID, Predictions, predict, split
