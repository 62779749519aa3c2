"""From a trained encoder to a block model: connectivity of classes by nearest neighbours, and the harm it predicts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.sbm import population

NEIGHBOURS = 10


def connectivity(z: Tensor, y: Tensor, num_classes: int, neighbours: int = NEIGHBOURS) -> Tensor:
    """Edges of the nearest-neighbour graph between classes over the pairs of images: (K, K), the largest entry 1.

    z: (n, d) features; y: (n,) codes.  Two images are joined where one is among the ``neighbours`` nearest of the
    other by cosine.  The loss of the block model does not change when the matrix is scaled.
    ValueError: neighbours below 1 or not fewer than the images.
    """
    if not 1 <= neighbours < len(z):
        raise ValueError(f"neighbours={neighbours} must be at least 1 and below the {len(z)} images")
    x = F.normalize(z.double(), dim=1)
    cosine = (x @ x.T).fill_diagonal_(-torch.inf)
    joined = torch.zeros_like(cosine).scatter_(1, cosine.topk(neighbours, 1).indices, 1.0)
    joined = torch.maximum(joined, joined.T)
    member = F.one_hot(y, num_classes).double()
    sizes = member.sum(0)
    pairs = sizes[:, None] * sizes - torch.diag(sizes)
    found = member.T @ joined @ member / pairs
    return (found + found.T) / (2 * found.max())


def predicted_harm(alpha: Tensor, treated: list[int], ratio: float, tau: float) -> Tensor:
    """RH(k, j; k) of the population optimum, (T, K): block k cut to ``ratio`` of its share against equal shares.

    alpha: (K, K) connectivity; treated: codes k; tau: temperature of the loss.  Where the optimum of equal shares
    already has cosine 1 between k and j there is no harm to speak of: NaN, as on the diagonal.
    """
    k = len(alpha)
    shares = torch.ones(1 + len(treated), k, dtype=torch.float64)
    shares[torch.arange(1, 1 + len(treated)), treated] = ratio
    cosines = population.population_optimum(shares / shares.sum(1, keepdim=True), alpha, tau).cosines
    balanced, under = 1 - cosines[0, treated], 1 - cosines[torch.arange(1, 1 + len(treated)), treated]
    return torch.where(balanced > 1e-9, under / balanced, torch.nan)
