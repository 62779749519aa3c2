"""Causal mediation of allocation harm by the representation (Maity et al. 2024; the effects of Pearl 2001).

Imports nothing of the library.
"""

from lib.mediation.decomposition import NAMES as NAMES
from lib.mediation.decomposition import Effects as Effects
from lib.mediation.decomposition import Toy as Toy
from lib.mediation.decomposition import bootstrap as bootstrap
from lib.mediation.decomposition import bootstrap_means as bootstrap_means
from lib.mediation.decomposition import effects as effects
