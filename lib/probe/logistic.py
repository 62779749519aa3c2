"""The downstream head: multinomial logistic regression on unit features, as in Maity et al.'s (2024) public code."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import Tensor

from lib import checks
from lib.probe.heads import fit_heads

GRID = (1.0, 0.1, 0.01)  # strengths C; of equal accuracies the first wins, as in scikit-learn's GridSearchCV
TEST_SHARE = 0.25
FOLDS = 3
TOLERANCE = 1e-4  # of a logit; looser fits choose another C where accuracies nearly tie


@dataclass(frozen=True)
class Predictions:
    """codes: (heads, scored) predicted classes; strengths: (heads,) the C chosen; fits: regressions solved for it;
    iterations: of the slowest of them.
    """

    codes: Tensor
    strengths: Tensor
    fits: int
    iterations: int


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the 75 % that train a head and of the 25 % that score it: random, not stratified."""
    checks.number("n", n, 2, whole=True)
    checks.number("seed", seed, 0, 2**32 - 1, whole=True)
    return train_test_split(np.arange(n), test_size=TEST_SHARE, random_state=seed)


def predict(z: Tensor, y: Tensor, kept: Tensor, scored: Tensor, class_weight: bool = False) -> Predictions:
    """Heads that share their training features, each trained on images of its own, and what they call other images.

    z: (n, d) features, divided by their length here; y: (n,) codes; kept: (heads, n) bool, a head's training images;
    scored: (m, d) features to classify.  For each head, C is the one of GRID with the best accuracy in three-fold
    cross-validation (stratified, not shuffled: over the images in their order here, in the order of the random split in
    the public code), then the head is fitted on all its images.  class_weight: weights
    n / (K n_k) within every fit, scikit-learn's "balanced".
    All fits of all heads are solved together; ValueError: shapes, dtypes, values that are not finite, too few images of
    a head for three folds; RuntimeError: one did not converge.
    """
    of = {"z": (z, "n d", checks.REAL), "y": (y, "n", checks.codes()), "kept": (kept, "heads n", checks.MASK)}
    checks.tensors(**of, scored=(scored, "m d", checks.REAL))
    x = F.normalize(z.double(), dim=1)
    fits = torch.stack([_folds(y, mask) for mask in kept], 1)  # (FOLDS + 1, heads, n), the last on all images
    weights = fits.double()
    if class_weight:
        weights = weights * _balanced(y, fits)
    flat = weights.flatten(0, 1).repeat(len(GRID), 1)
    grid = torch.tensor(GRID, dtype=torch.float64)
    strength = grid.repeat_interleave(len(flat) // len(GRID))
    coefficients, intercepts, report = fit_heads(x, y, flat, strength, TOLERANCE)
    shape = (len(GRID), FOLDS + 1, len(kept))
    coefficients, intercepts = coefficients.unflatten(0, shape), intercepts.unflatten(0, shape)
    accuracy = torch.stack(
        [_accuracy(x, y, *solution, kept & ~fits[:FOLDS]) for solution in zip(coefficients, intercepts, strict=True)]
    )
    best, every = accuracy.mean(1).max(0).indices, torch.arange(len(kept))  # of equals the first
    weight, bias = coefficients[best, -1, every], intercepts[best, -1, every]
    logits = F.normalize(scored.double(), dim=1) @ weight.mT + bias[:, None]
    return Predictions(logits.argmax(-1), grid[best], len(flat), int(report.iterations.max()))


def _folds(y: Tensor, mask: Tensor) -> Tensor:
    """(FOLDS + 1, n) bool: the training images of each fold of the images in the mask, and the mask itself."""
    places = mask.nonzero()[:, 0]
    parts = mask.repeat(FOLDS + 1, 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # of an undersampled class that is the point
        for f, (_, held_out) in enumerate(StratifiedKFold(FOLDS).split(places, y[places])):
            parts[f, places[held_out]] = False
    return parts


def _balanced(y: Tensor, fits: Tensor) -> Tensor:
    """Class weights (folds, heads, n) of the images that each fit trains on: their number / (classes x class size)."""
    sizes = fits.double() @ F.one_hot(y).double()  # (folds, heads, K)
    weight = fits.sum(-1, keepdim=True) / ((sizes > 0).sum(-1, keepdim=True) * sizes.clamp(min=1))
    return weight[..., y]


def _accuracy(x: Tensor, y: Tensor, coefficients: Tensor, intercepts: Tensor, held_out: Tensor) -> Tensor:
    """Accuracy (FOLDS, heads) of each fold's fit (FOLDS + 1, heads, K, d) on its held-out images (FOLDS, heads, n)."""
    found = []
    for weight, bias, mask in zip(coefficients[:FOLDS], intercepts[:FOLDS], held_out, strict=True):
        rows = mask.any(0)
        called = torch.stack([(x[rows] @ w.T + b).argmax(1) for w, b in zip(weight, bias, strict=True)])
        found.append(((called == y[rows]) & mask[:, rows]).sum(1) / mask.sum(1))
    return torch.stack(found)
