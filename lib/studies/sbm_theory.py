"""The study of the block model: the paper's three blocks, and what is measured on them.

Block 1 is the rare one, block 2 its neighbour; block 3 has no edges to either.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.interpolate import RegularGridInterpolator
from sklearn.cluster import KMeans
from torch import Tensor

from lib import sbm
from lib.hashing import ROOT

ALPHA = np.array([[0.95, 0.4, 0.0], [0.4, 0.95, 0.0], [0.0, 0.0, 0.95]])  # the paper's connectivity
CONNECTIVITIES = np.array([0.05, 0.1, 0.2, 0.4])  # the paper's values of α₁₂
LADDER = (16, 32, 64, 128, 256, 512, 1024)  # nodes a block of growing graphs
LOSSES = {"plain": "population", "anchors weighted": "anchors", "groups weighted": "groups"}
TAUS, LOG2_SHARES, ALPHAS = np.array([0.5, 1.0, 2.0]), np.linspace(-9, np.log2(1 / 3), 25), np.linspace(0.02, 0.86, 15)
DIM = 10  # of the vectors on a graph, as in the public script
UNEVEN, EQUAL = (32, 256, 256), 256  # nodes a block, of the paper's second panel and of its first: claims name them
OFF = np.triu_indices(3, 1)
NEAR = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])


def connected(alpha12) -> Tensor:
    """The paper's connectivity with other values of α₁₂, (...) to (..., 3, 3), float64."""
    return torch.where(NEAR, torch.as_tensor(alpha12, dtype=torch.float64)[..., None, None], torch.tensor(ALPHA))


def rare(share) -> Tensor:
    """Shares (..., 3) of which the first is given, (...), and the two others are equal, float64."""
    share = torch.as_tensor(share, dtype=torch.float64)
    return torch.stack([share, (1 - share) / 2, (1 - share) / 2], -1)


def shipped(figure: str) -> tuple[np.ndarray, np.ndarray]:
    """A heatmap that comes with the public code: its cosines and the ± printed beside them, (panels, 3, 3) each.

    figure: its file's name; the ± is NaN where the figure prints none.
    """
    path = (ROOT / "results" / "reported" / "sbm_shipped_heatmaps").with_suffix(".csv")
    table = pd.read_csv(path).query("figure == @figure")
    pairs = [[f"{min(i, j)}{max(i, j)}" for j in (1, 2, 3)] for i in (1, 2, 3)]
    cosines, printed = (np.array([[table[what + c] for c in row] for row in pairs]) for what in ("cos", "pm"))
    return cosines.transpose(2, 0, 1), printed.transpose(2, 0, 1)


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest distance of the cosines between different blocks, (..., 3, 3) each, (...)."""
    return np.abs(a - b)[..., *OFF].max(-1)


def graph(sizes: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 3) of the block cosines at the optimum of one graph of so many nodes a block."""
    found = sbm.finite_optimum(sbm.sample_graph(sizes, ALPHA, seed=seed), DIM)
    return sbm.block_cosines(found.vectors, sizes)


def population(sizes: Sequence[int]) -> Tensor:
    """Cosines (3, 3) at the optimum of the population whose shares are those of the sizes."""
    counts = torch.tensor(sizes, dtype=torch.float64)
    return sbm.population_optimum(counts / counts.sum(), ALPHA).cosines


def growth(ladder: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
    """How far graphs of three equal blocks of n nodes are from their limit: (3, seeds, ladder).

    First 1 − mean cosine within blocks, then the largest gap of the block cosines to the population's, then the largest
    standard deviation of the cosines within a block.
    """
    truth = population((1, 1, 1))

    def one(n: int, seed: int) -> tuple[float, float, float]:
        mean, spread = graph((n, n, n), seed)
        return 1 - float(mean.diagonal().mean()), float((mean - truth).abs().max()), float(spread.diagonal().max())

    return np.array([[one(n, seed) for n in ladder] for seed in seeds]).transpose(2, 0, 1)


def walk(share: float, seed: int, steps: int = 1000) -> Tensor:
    """Cosines (3, 3) after the public theory script's plain gradient steps on its own objective, in 20 dimensions."""
    coded = sbm.terms(rare(share), ALPHA, 1.0, "as_coded")
    start = torch.randn(3, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    v = sbm.descend(lambda v: coded.slope(v @ v.mT) @ v, F.normalize(start, dim=-1), steps, 0.2, 0.1)
    return v @ v.mT


def cosine(share, alpha12, tau=1.0, objective: str = "population") -> np.ndarray:
    """cos(h₁, h₂) at the optimum, broadcast over share, connectivity and temperature."""
    found = sbm.population_optimum(rare(share), connected(alpha12), tau, objective)
    return found.cosines[..., 0, 1].numpy()


def angles(share, alpha12, tau) -> np.ndarray:
    """Angles between h₁, h₂ and between h₂, h₃, and the part of the Gram matrix outside a plane: (3, ...)."""
    found = sbm.population_optimum(rare(share), connected(alpha12), tau)
    c = found.cosines.clamp(-1, 1)
    return torch.stack([c[..., 0, 1].acos(), c[..., 1, 2].acos(), torch.linalg.eigvalsh(c)[..., 0]]).numpy()


def interpolation_error(grid: np.ndarray, seed: int, points: int = 50) -> float:
    """Largest error of a cosine between the points of the sliders' grid, at so many random places.

    grid: the two angles (2, taus, shares, alphas), which the page interpolates linearly in log₂ share and α₁₂.
    """
    random = np.random.default_rng(seed)
    where = np.stack([random.uniform(axis[0], axis[-1], points) for axis in (LOG2_SHARES, ALPHAS)], 1)
    tau = random.integers(0, len(TAUS), points)
    truth = angles(2.0 ** where[:, 0], where[:, 1], TAUS[tau])[:2]
    near = [[RegularGridInterpolator((LOG2_SHARES, ALPHAS), layer)(where) for layer in layers] for layers in grid]
    found = np.array(near)[:, tau, np.arange(points)]
    return float(np.abs(np.cos(found) - np.cos(truth)).max())


def without_labels(sizes: Sequence[int], seed: int) -> tuple[float, float, float, float]:
    """cos(h₁, h₂) on a graph without weights, weighted by block, and weighted by clusters of the unweighted solution.

    A node's weight is the inverse size of its block or cluster; clusters are three, by k-means.  Last, the share of the
    nodes that are of the block to which most of their cluster belong.
    """
    joined, block = sbm.sample_graph(sizes, ALPHA, seed=seed), np.repeat(np.arange(3), sizes)
    plain = sbm.finite_optimum(joined, DIM).vectors
    cluster = KMeans(3, n_init=10, random_state=seed).fit_predict(plain.numpy())
    majority = np.array([np.bincount(block[cluster == c]).argmax() for c in range(3)])
    weighted = [sbm.finite_optimum(joined, DIM, weights=1 / np.bincount(g)[g]).vectors for g in (block, cluster)]
    cosines = (float(sbm.block_cosines(v, sizes)[0][0, 1]) for v in (plain, *weighted))
    return *cosines, float((majority[cluster] == block).mean())
