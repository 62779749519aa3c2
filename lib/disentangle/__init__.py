"""Unified disentanglement: latents and their mixing, encoders trained on pairs, what they recover, the theory of both.

May import ``lib.losses`` and what is below it.
"""

from lib.disentangle.encoders import Encoders, Recipe, Training, log_offset, train
from lib.disentangle.latents import Process, box, corner, grid, pairs, skewed, uniform
from lib.disentangle.masks import Masks, Walk
from lib.disentangle.mixings import Mixing
from lib.disentangle.offset import error_of_step, information, scale_of_batch, simulated_error, smallest_scale
from lib.disentangle.recovery import dci, isometry_gap, matching, mcc, mig, r2, sap, scale_of
from lib.disentangle.rooms import exchange, largest_change
