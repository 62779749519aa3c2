"""How far two strata lie apart in feature space, and what bounds that distance: divergences and information.  No torch.

For f to unit vectors and strata z, z' with means mu of f, delta = ||mu_z - mu_z'|| <= 2 sup_b |P_z(w.f > b) -
P_z'(w.f > b)| <= d_H <= 2 TV, with w the unit vector along mu_z - mu_z', d_H the H-divergence of half-spaces of
features (Ben-David et al. 2010) and TV the total variation of the points themselves.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from lib import checks


class Apart(NamedTuple):
    """Two strata under one encoder, arrays of one shape: distance of means, twice the gap, information in nats."""

    delta: np.ndarray
    half: np.ndarray
    information: np.ndarray


def apart(first: np.ndarray, second: np.ndarray) -> Apart:
    """Compare the features of two strata, of equally many points, along the line through their means.

    delta: distance of the two means; half: 2 max_b |share of ``first`` beyond b - share of ``second`` beyond b| of the
    projections on that line, a half-space's part of d_H; information: I(beyond b; stratum) at that b, strata equally
    likely.  All are statements on these points as the whole distributions: delta <= half, and
    information >= half^2 / 8 >= delta^2 / 8.
    first, second: (..., n, d) unit vectors.  ValueError: shapes that differ.
    """
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(f"two strata (..., n, d) of one shape are expected, got {first.shape} and {second.shape}")
    gap = first.mean(-2) - second.mean(-2)  # (..., d)
    delta = np.linalg.norm(gap, axis=-1)
    along = gap / np.maximum(delta, np.finfo(float).tiny)[..., None]
    one, two = (np.einsum("...nd,...d->...n", z, along) for z in (first, second))
    n = first.shape[-2]
    own = np.argsort(np.concatenate([one, two], -1), -1, kind="stable") < n  # (..., 2 n), lowest first
    below, beneath = np.cumsum(own, -1) / n, np.cumsum(~own, -1) / n
    at = np.abs(below - beneath).argmax(-1, keepdims=True)
    below, beneath = (np.take_along_axis(v, at, -1)[..., 0] for v in (below, beneath))
    return Apart(delta, 2 * np.abs(below - beneath), information(below, beneath))


def information(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """I(event; stratum) in nats of an event with the chances ``one`` and ``two`` in two equally likely strata."""
    return _entropy((one + two) / 2) - (_entropy(one) + _entropy(two)) / 2


def told_apart(z: np.ndarray, stratum: np.ndarray) -> float:
    """I(nearest mean; stratum) in nats, from which of C means, of every other point, each remaining point is nearest.

    By data processing a lower bound on I(f(x); stratum), but for the upward bias of a table counted on few points.
    z: (n, d); stratum: (n,) codes 0 ... C - 1.  ValueError: a stratum with fewer than two points.
    """
    codes = np.arange(stratum.max() + 1)
    learnt = np.zeros(len(z), bool)
    for code in codes:
        learnt[np.flatnonzero(stratum == code)[::2]] = True
    if len(set(stratum[~learnt])) < len(codes):
        raise ValueError(f"every stratum 0 ... {codes[-1]} needs two points or more")
    means = np.stack([z[learnt & (stratum == code)].mean(0) for code in codes])
    called = ((z[~learnt][:, None] - means) ** 2).sum(-1).argmin(1)
    table = np.zeros((len(codes), len(codes)))
    np.add.at(table, (stratum[~learnt], called), 1 / len(called))
    return float(special.entr(table.sum(0)).sum() + special.entr(table.sum(1)).sum() - special.entr(table).sum())


def gaussian_variation(distance: float) -> float:
    """Total variation of unit Gaussians whose means are ``distance`` apart: 2 Phi(distance / 2) - 1."""
    checks.number("distance", distance, 0)
    return float(2 * special.ndtr(distance / 2) - 1)


def _entropy(p: np.ndarray) -> np.ndarray:
    return special.entr(p) + special.entr(1 - p)
