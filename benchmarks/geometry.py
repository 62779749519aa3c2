"""Optimal class geometry for unequal proportions: free vectors on the sphere against cvxpy."""

import math
from functools import partial

import numpy as np
import torch

from lib import geometry
from lib.geometry import convex

from .measure import Line, in_turn, lines, timed

PEER = "cvxpy (Clarabel), one problem after the other"


def run(rounds: int, quick: bool) -> list[Line]:
    """A batch of problems with random proportions, one negative and infinitely many."""
    problems, classes = (3, 3) if quick else (20, 10)
    shares = np.random.default_rng(0).dirichlet(np.full(classes, 2.0), problems)
    found = []
    for negatives in (1, math.inf):
        ours = partial(geometry.optimum, torch.from_numpy(shares), 1.0, negatives)
        theirs = partial(one_by_one, shares, negatives)
        figures = in_turn({"ours": timed(ours), PEER: timed(theirs)}, rounds)
        gap = {PEER: float((ours().loss - torch.tensor(theirs())).abs().max())}
        size = f"{problems} problems of {classes} classes, {negatives if negatives == 1 else '∞'} negatives"
        found += lines("class geometry", size, "s", figures, difference=gap)
    return found


def one_by_one(shares: np.ndarray, negatives: float) -> list[float]:
    """The least losses."""
    return [convex.gram(p, 1.0, negatives)[1] for p in shares]
