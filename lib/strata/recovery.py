"""Strata recovered from features: clusters within each class.

The steps are those that Details Matter (2022) takes from Sohoni et al. (2020); details that the text leaves open are
those of the latter's public code, HazyResearch/hidden-stratification.
"""

import importlib
import warnings

import numpy as np
import torch
from torch import Tensor

from lib import checks

REDUCERS, CENTRES = ("umap", "pca", "none"), ("class", "all", "none")
LEAST, LEAST_SHARE = 25, 0.005  # points of a sub-cluster that is kept: so many, and so large a share of its class
SILHOUETTES = 4000  # points of a class at most whose silhouettes are computed: their number is squared


def recover(
    z: Tensor,
    y: Tensor,
    loss: Tensor | None = None,
    *,
    reduce: str = "umap",
    k_max: int = 10,
    factor: int = 5,
    n_init: int = 3,
    centre: str = "class",
    seed: int = 0,
) -> Tensor:
    """Clusters of the points of each class, as codes 0, 1, … that no two classes share, (n,) int64.

    Features are centred, divided by their length and reduced to two dimensions.  In each class Gaussian mixtures with
    2 to k_max components are fitted, the best of n_init starts each; the number with the highest mean over clusters of
    the mean silhouette is taken.  Each cluster is then cut into ``factor`` parts by another mixture.  A part stays
    apart where its points' silhouettes rise by the cut, and above 0; its mean loss is not below the whole cluster's;
    and it has 25 points and 0.5 % of its class at least.  The other parts go back together.

    z: (n, d) features; y: (n,) class codes; loss: (n,) each point's own; without it no cluster is cut further.
    reduce: "umap" (which needs the package umap-learn), "pca", or "none", which keeps all dimensions.
    centre: subtract the mean of the "class", that of "all" points, or "none".
    ValueError: features that are not finite, lengths that differ, a class of k_max points or fewer, a word or a number
    out of range, umap-learn missing.
    """
    _check(z, y, loss, reduce, centre, k_max, factor)
    checks.number("n_init", n_init, 1, whole=True)
    checks.number("seed", seed, 0, 2**32 - 1, whole=True)
    found, first = torch.empty(len(y), dtype=torch.int64), 0
    for code in y.unique().tolist():
        mine = (y == code).nonzero()[:, 0]
        if len(mine) <= k_max:
            raise ValueError(f"class {code} has {len(mine)} points, too few for k_max={k_max} clusters; lower k_max")
        flat = reduced(centred(z, mine, centre), reduce, seed)
        labels = search(flat, k_max, n_init, seed)
        if loss is not None:
            labels = split_further(flat, labels, loss[mine].double().numpy(), factor, n_init, seed)
        labels = np.unique(labels, return_inverse=True)[1]
        found[mine] = torch.from_numpy(labels).long() + first
        first += int(labels.max()) + 1
    return found


def by_hardness(margin: Tensor, y: Tensor, *, k_max: int = 10, n_init: int = 3, seed: int = 0) -> Tensor:
    """Clusters of the points of each class by one number, codes as of ``recover``: no features, no further cut.

    The public settings of Sohoni et al. (2020) for Waterbirds cluster points by their hardness, which is read here as
    the margin of the classifier, the logit of the own class less the highest other one.
    margin: (n,); y: (n,) class codes.  ValueError: a class of k_max points or fewer, margins that are not finite.
    """
    _check(margin[:, None], y, None, "none", "none", k_max, 2)
    found, first = torch.empty(len(y), dtype=torch.int64), 0
    for code in y.unique().tolist():
        mine = y == code
        if int(mine.sum()) <= k_max:
            raise ValueError(f"class {code} has {int(mine.sum())} points, too few for k_max={k_max}; lower k_max")
        labels = search(margin[mine].double().numpy()[:, None], k_max, n_init, seed)
        labels = np.unique(labels, return_inverse=True)[1]
        found[mine] = torch.from_numpy(labels).long() + first
        first += int(labels.max()) + 1
    return found


def centred(z: Tensor, mine: Tensor, centre: str) -> Tensor:
    """Features (m, d) of the points at positions ``mine`` less their own mean, that of all z (n, d), or nothing."""
    middle = {"class": z[mine], "all": z, "none": torch.zeros_like(z[:1])}[centre].mean(0)
    return z[mine] - middle


def reduced(z: Tensor, reduce: str, seed: int) -> np.ndarray:
    """Centred features (n, d), divided by their length, in two dimensions: (n, 2) float64; "none": (n, d)."""
    unit = (z / z.norm(dim=1, keepdim=True).clamp(min=1e-6)).double().numpy()
    if reduce == "none" or unit.shape[1] <= 2:
        return unit
    if reduce == "pca":
        centred = unit - unit.mean(0)
        return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        extra = "pip install '.[umap]' -c constraints.txt"
        raise ValueError(f"reduce='umap' needs the package umap-learn: {extra}, or take reduce=pca") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return umap.UMAP(n_components=2, random_state=seed, n_jobs=1).fit_transform(unit).astype(np.float64)


def search(x: np.ndarray, k_max: int, n_init: int, seed: int) -> np.ndarray:
    """Labels (n,) of the mixture whose clusters have the highest mean silhouette, k from 2 to k_max; x: (n, 2)."""
    best, labels = -2.0, np.zeros(len(x), dtype=int)
    part = np.random.default_rng(seed).permutation(len(x))[:SILHOUETTES]
    for k in range(2, k_max + 1):
        found = mixture(x, k, n_init, seed)
        score = _score(x[part], found[part])
        if score >= best:  # of equals the larger number, as in the public code
            best, labels = score, found
    return labels


def split_further(
    x: np.ndarray, labels: np.ndarray, loss: np.ndarray, factor: int, n_init: int, seed: int
) -> np.ndarray:
    """Labels (n,) in which parts of clusters stand apart by the rule of ``recover``; codes may be skipped."""
    parts = labels * factor
    for code in np.unique(labels):
        mine = labels == code
        if mine.sum() > factor:
            parts[mine] += mixture(x[mine], factor, n_init, seed)
    keep = np.random.default_rng(seed).permutation(len(x))[:SILHOUETTES]
    before, after = (_silhouettes(x[keep], a[keep]) for a in (labels, parts))
    found, least = labels.copy(), max(LEAST, LEAST_SHARE * len(x))
    for number, part in enumerate(np.unique(parts)):
        here, parent = parts == part, labels == part // factor
        if here.sum() < least or here.sum() == parent.sum() or not here[keep].any():
            continue
        own, old = after[here[keep]].mean(), before[here[keep]].mean()
        if own > max(old, 0.0) and loss[here].mean() >= loss[parent].mean():
            found[here] = labels.max() + 1 + number
    return found


def mixture(x: np.ndarray, k: int, n_init: int, seed: int) -> np.ndarray:
    """Labels (n,) of a Gaussian mixture of k components with full covariances, the best of n_init starts."""
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # points that coincide make k-means warn; the mixture copes
        return GaussianMixture(k, n_init=n_init, random_state=seed).fit_predict(x)


def _silhouettes(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouettes (n,), 0 where there is one cluster, or a cluster a point."""
    from sklearn.metrics import silhouette_samples

    number = len(np.unique(labels))
    return silhouette_samples(x, labels) if 1 < number < len(x) else np.zeros(len(x))


def _score(x: np.ndarray, labels: np.ndarray) -> float:
    values = _silhouettes(x, labels)
    return float(np.mean([values[labels == code].mean() for code in np.unique(labels)]))


def _check(z: Tensor, y: Tensor, loss: Tensor | None, reduce: str, centre: str, k_max: int, factor: int) -> None:
    losses = {} if loss is None else {"loss": (loss, "n", checks.REAL)}
    checks.tensors(z=(z, "n d", checks.REAL), y=(y, "n", checks.codes()), **losses)
    for name, word, known in (("reduce", reduce, REDUCERS), ("centre", centre, CENTRES)):
        if word not in known:
            raise ValueError(f"{name}={word!r} is unknown; known are {', '.join(known)}")
    for name, number in (("k_max", k_max), ("factor", factor)):
        checks.number(name, number, 2, whole=True)
