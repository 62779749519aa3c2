"""Strata: the names that other code uses, gathered from the modules that hold them."""

from lib.collapse_alpha import collapse_alpha as collapse_alpha
from lib.coresets import coreset as coreset
from lib.group_dro import group_dro as group_dro
from lib.lemmas import debias_weights as debias_weights
from lib.lemmas import lemma7_matrix as lemma7_matrix
from lib.noisy_labels import noise_scores as noise_scores
from lib.recovery import recover as recover
from lib.subsampling import subsample_probabilities as subsample_probabilities
