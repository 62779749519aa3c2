"""Contrastive learning on a stochastic block model: optima of the population and of one graph, certified.

May import ``lib.geometry``.
"""

from lib.sbm.blocks import block_cosines as block_cosines
from lib.sbm.blocks import finite_optimum as finite_optimum
from lib.sbm.blocks import sample_graph as sample_graph
from lib.sbm.population import Terms as Terms
from lib.sbm.population import descend as descend
from lib.sbm.population import full_collapse_ratio as full_collapse_ratio
from lib.sbm.population import population_optimum as population_optimum
from lib.sbm.population import terms as terms
from lib.sbm.population import vanishing_share_cosine as vanishing_share_cosine
