"""The downstream heads: logistic regressions solved together, coarse-to-fine transfer.

May import ``lib.encoders``, ``lib.losses``, ``lib.images``, ``lib.text``.
"""

from lib.probe.heads import fit_heads as fit_heads
from lib.probe.logistic import FOLDS as FOLDS
from lib.probe.logistic import GRID as GRID
from lib.probe.logistic import Predictions as Predictions
from lib.probe.logistic import predict as predict
from lib.probe.logistic import split as split
