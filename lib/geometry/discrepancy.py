"""How far points of a sphere are from its uniform measure, in closed form.

The energy distance D of points x_1 … x_n and the uniform measure σ: D² = 2 E ||x - u|| - E ||x - x'|| - E ||u - u'||
with x, x' drawn from the points and u, u' from σ.  Up to a factor of the dimension, D² is the mean square, over all
spherical caps, of the share of the points in the cap less the cap's area (Stolarsky 1973); the factor is 4 in R^3,
with caps x.z >= h, z uniform and h integrated from -1 to 1.
"""

import math

import numpy as np
import torch
from scipy import special
from torch import Tensor

from lib import checks


def mean_distance(dim: int) -> float:
    """E ||u - v|| of u uniform on the unit vectors of R^dim and v any: 2^(d-1) Γ(d/2)² / (√π Γ(d - 1/2)); dim >= 1."""
    checks.number("dim", dim, 1, whole=True)
    logs = (dim - 1) * math.log(2) + 2 * special.gammaln(dim / 2) - special.gammaln(dim - 0.5)
    return float(np.exp(logs) / math.sqrt(math.pi))


def energy_distance(x: Tensor) -> float:
    """D of unit vectors x (n, d) and the uniform measure: D² = E ||u - v|| - mean over all i, j of ||x_i - x_j||."""
    checks.tensors(x=(x, "n d", checks.REAL))
    mean = 2 * torch.pdist(x.double()).sum() / len(x) ** 2
    return math.sqrt(max(mean_distance(x.shape[1]) - float(mean), 0.0))


def of_polygon(n: int) -> float:
    """D of n points evenly spaced on the circle: D² = 4/π - (2/n) cot(π / 2n), near π / (3 n²)."""
    checks.number("n", n, 1, whole=True)
    return math.sqrt(4 / math.pi - 2 / n / math.tan(math.pi / (2 * n)))


def of_random(n: int, dim: int) -> float:
    """Root mean square of D of n points drawn uniformly from the unit vectors of R^dim: √(E ||u - v|| / n)."""
    checks.number("n", n, 1, whole=True)
    return math.sqrt(mean_distance(dim) / n)
