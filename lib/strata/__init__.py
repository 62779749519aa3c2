"""Strata, finer classes that training does not see (Chen et al. 2022): theory of L_spread, recovery, noise, coresets.

May import ``lib.geometry`` and ``lib.losses``.
"""

from lib.losses.group_dro import group_dro as group_dro
from lib.strata.collapse import collapse_alpha as collapse_alpha
from lib.strata.coresets import coreset as coreset
from lib.strata.label_noise import debias_weights as debias_weights
from lib.strata.label_noise import lemma7_matrix as lemma7_matrix
from lib.strata.noisy_labels import noise_scores as noise_scores
from lib.strata.recovery import recover as recover
from lib.strata.subsampling import subsample_probabilities as subsample_probabilities
