"""The losses of contrastive learning, each its formula, with a plain reference form beside every blocked one.

May import ``lib.checks``.
"""

from lib.losses.masked import masked_pixels
from lib.losses.pairs import nt_xent_of_pairs
from lib.losses.self_supervised import alignment, barlow_twins, clip, gather, nt_xent, simsiam, uniformity, vicreg
from lib.losses.supervised import attract, repel, spread, sup_con
