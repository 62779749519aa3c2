"""Strata, finer classes that training does not see: theory of L_spread, recovery, noise, coresets.

Details Matter (2022) is the text "The Details Matter: Preventing Class Collapse in Supervised Contrastive Learning".

May import ``lib.geometry`` and ``lib.losses``.
"""

from lib.losses.group_dro import group_dro
from lib.strata.collapse import collapse_alpha
from lib.strata.coresets import coreset
from lib.strata.label_noise import debias_weights, lemma7_matrix
from lib.strata.noisy_labels import noise_scores
from lib.strata.recovery import recover
from lib.strata.subsampling import subsample_probabilities
