"""The losses of contrastive learning, each its formula, with a plain reference form beside every blocked one.

Imports nothing of the library.
"""

from lib.losses.self_supervised import alignment as alignment
from lib.losses.self_supervised import barlow_twins as barlow_twins
from lib.losses.self_supervised import gather as gather
from lib.losses.self_supervised import nt_xent as nt_xent
from lib.losses.self_supervised import simsiam as simsiam
from lib.losses.self_supervised import uniformity as uniformity
from lib.losses.self_supervised import vicreg as vicreg
from lib.losses.supervised import attract as attract
from lib.losses.supervised import repel as repel
from lib.losses.supervised import spread as spread
from lib.losses.supervised import sup_con as sup_con
