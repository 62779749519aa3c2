"""Representation harm and allocation harm (Maity et al. 2024), in images and in texts, and what the claims measure.

May import ``lib.probe`` and what lies below it.
"""

from lib.harms.gender import gender_representation_harm as gender_representation_harm
from lib.harms.gender import mean_gap as mean_gap
from lib.harms.gender import permutation_null as permutation_null
from lib.harms.gender import tpr_gap as tpr_gap
from lib.harms.gender import within_between as within_between
from lib.harms.representation import allocation as allocation
from lib.harms.representation import class_cosines as class_cosines
from lib.harms.representation import diagonal_mean as diagonal_mean
from lib.harms.representation import dose_share as dose_share
from lib.harms.representation import nearest_classes as nearest_classes
from lib.harms.representation import pair_gap as pair_gap
from lib.harms.representation import paired_mean as paired_mean
from lib.harms.representation import rank_correlation as rank_correlation
from lib.harms.representation import representation_harm as representation_harm
from lib.harms.representation import row_minimum_share as row_minimum_share
