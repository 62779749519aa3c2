"""What is known of uniform features exactly, beside points that are drawn or sought."""

import numpy as np
import torch
import torch.nn.functional as F

from lib import losses
from lib.geometry import discrepancy, uniformity


def exact_values() -> dict[str, float]:
    """Uniformity of features whose value is known, by what they are."""
    return {
        "two points ($d = 1$)": uniformity.uniformity_of_sphere(1),
        "sphere, $d = 1{,}000{,}000$": uniformity.uniformity_of_sphere(10**6),
        "simplex of 10 points": uniformity.uniformity_of_simplex(10),
        "10 collapsed classes, 30 images each": uniformity.uniformity_of_classes(10, per_class=30),
        "10 collapsed classes, no end of images": uniformity.uniformity_of_classes(10),
        "10 spikes on the circle": uniformity.uniformity_of_spikes(10),
        "all in one place": 0.0,
    }


def random_points(dims: tuple[int, ...], points: int, seeds) -> np.ndarray:
    """Uniformity of so many points drawn on the sphere, (seeds, dims)."""

    def one(seed: int, dim: int) -> float:
        x = torch.randn(points, dim, generator=torch.Generator().manual_seed(10_000 * seed + dim)).double()
        return float(losses.uniformity(F.normalize(x, dim=1)))

    return np.array([[one(seed, dim) for dim in dims] for seed in seeds])


def distances(most: int, steps: int, seeds: range) -> dict[str, np.ndarray]:
    """Energy distances to the uniform measure of n = 16, 64, … ``most`` points, (seeds, sizes): searched on the sphere.

    By the t of the measure that the search minimises, of so many steps, "t = 2" and "t = n / 4"; and the sizes, "n".
    """
    sizes = np.array([4**k for k in range(2, 6) if 4**k <= most])

    def one(n: int, t: float, seed: int) -> float:
        return discrepancy.energy_distance(uniformity.optimal_points(n, 3, t, seed, steps).vectors)

    rules = {"t = 2": lambda n: 2.0, "t = n / 4": lambda n: n / 4}
    found = {name: np.array([[one(int(n), t(n), s) for n in sizes] for s in seeds]) for name, t in rules.items()}
    return found | {"n": sizes}
