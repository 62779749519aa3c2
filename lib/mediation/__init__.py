"""Causal mediation of allocation harm by the representation (Maity et al. 2024; the effects of Pearl 2001).

May import ``lib.checks``.
"""

from lib.mediation.decomposition import NAMES, Effects, Toy, bootstrap, bootstrap_means, effects, share
from lib.mediation.identification import Confounded, front_door, instrument
