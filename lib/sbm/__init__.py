"""Contrastive learning on a stochastic block model: optima of the population and of one graph, certified.

May import ``lib.geometry``.
"""

from lib.sbm.blocks import block_cosines, finite_optimum, sample_graph
from lib.sbm.population import Terms, descend, full_collapse_ratio, population_optimum, terms, vanishing_share_cosine
