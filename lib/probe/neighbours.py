"""The classifier of nearest neighbours: it trains nothing, and shows what the distances between features say alone."""

import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from lib import checks

NEIGHBOURS = 5


def neighbour_accuracy(z: Tensor, y: Tensor, scored: Tensor, truth: Tensor, count: int = NEIGHBOURS) -> float:
    """Share of held-out images (m,) that the majority of the ``count`` nearest training images calls right.

    z: (n, d) features of training images with labels y (n,); scored: (m, d), truth: (m,).  Features are divided by
    their length here, so that near means a large cosine; of equal votes the smallest code wins, as in scikit-learn.
    ValueError: shapes or dtypes that do not fit, fewer than ``count`` training images.
    """
    of = {"z": (z, "n d", checks.REAL), "y": (y, "n", checks.codes())}
    n = checks.tensors(**of, scored=(scored, "m d", checks.REAL), truth=(truth, "m", checks.codes()))["n"]
    checks.number("count", count, 1, n, whole=True)
    model = KNeighborsClassifier(count, algorithm="brute").fit(F.normalize(z, dim=1).numpy(), y.numpy())
    return float(model.score(F.normalize(scored, dim=1).numpy(), truth.numpy()))
