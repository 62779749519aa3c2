"""Residual networks on images with one majority class: which are trained, and how their minorities stand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import geometry
from lib.encoders.majority_settings import MajoritySettings, MajorityUnit
from lib.geometry import collapse

NEAR, FAR = 0.5, 2.0  # ratios of the majority, in R*
PARTS = {"train": "images trained on", "test": "images not trained on"}


def units(p: SimpleNamespace, negatives: Sequence[float]) -> list[MajorityUnit]:
    """Networks by negatives, ratio and seed, and the same untrained, of the smaller ratio.

    ValueError: a ratio that leaves less than two images of a minority class.
    """
    sizes = {"minorities": p.image_minorities, "majority": p.majority, "temperature": p.temperature, "net": p.image_net}
    course = {"epochs": p.image_epochs, "batch_size": p.image_batch, "learning_rate": p.image_rate}
    found = []
    for m in negatives:
        r = geometry.collapse_threshold(p.image_minorities, p.temperature, m, "iid")
        near, far = (MajoritySettings(negatives=m, ratio=place * r, **sizes, **course) for place in (NEAR, FAR))
        found += [near, far, replace(near, epochs=0)]
    return [MajorityUnit(s, seed) for s in found for seed in range(p.seed, p.seed + p.seeds)]


def between(z: Tensor, y: Tensor) -> float:
    """Mean cosine between points of different minority classes: unit z (n, d), codes y (n,), 0 the majority."""
    means = torch.stack([z[y == k].double().mean(0) for k in range(1, int(y.max()) + 1)])
    cosines, count = means @ means.mT, len(means)
    return float((cosines.sum() - cosines.trace()) / (count * (count - 1)))


def nearest(seen: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]) -> float:
    """Share of held-out features nearest to the centre of their class, mean over classes; pairs of z (n, d), y (n,)."""
    (z, y), (s, truth) = seen, held
    centres = torch.stack([z[y == k].mean(0) for k in range(int(y.max()) + 1)])
    right = (torch.cdist(s, centres).argmin(1) == truth).double()
    return float(torch.stack([right[truth == k].mean() for k in truth.unique()]).mean())


def measured(networks: Sequence[MajorityUnit]) -> pd.DataFrame:
    """A row a trained network and PARTS: negatives, place, ratio, seed, part, cosine, predicted, accuracy, untrained.

    ratio: of the images, in R*; predicted: the programme's at that ratio; place: NEAR or FAR; accuracy: ``nearest``.
    """
    rows, start = [], {}
    for unit in sorted(networks, key=lambda u: u.settings.epochs):  # the untrained ones first
        s, (seen, held) = unit.settings, ((z[0], y) for z, y in map(unit.embeddings, PARTS))
        accuracy = nearest(seen, held)
        if s.epochs == 0:
            start[s.negatives, unit.seed] = accuracy
            continue
        r, true = geometry.collapse_threshold(s.minorities, s.temperature, s.negatives, "iid"), s.majority / s.minority
        b = float(collapse.two_level(1, s.minorities, true, s.temperature, s.negatives, "iid").b)
        place = min((NEAR, FAR), key=lambda x: abs(np.log(x * r / s.ratio)))
        for part, (z, y) in zip(PARTS.values(), (seen, held), strict=True):
            about = (s.negatives, place, true / r, unit.seed, part)
            rows.append((*about, between(z, y), b, accuracy, start[s.negatives, unit.seed]))
    names = ["negatives", "place", "ratio", "seed", "part", "cosine", "predicted", "accuracy", "untrained"]
    return pd.DataFrame(rows, columns=names)


def claimed(nets: pd.DataFrame) -> dict[str, tuple[np.ndarray, tuple]]:
    """The values of the claims, one a seed, of the negatives that were run, and accuracy at NEAR, trained and not."""
    seen, found = nets[nets.part == PARTS["train"]], {}
    for m, near, far in ((math.inf, "collapse-13a", "collapse-13b"), (1.0, "collapse-13c", "collapse-13d")):
        half, double = (seen[(seen.negatives == m) & (seen.place == place)] for place in (NEAR, FAR))
        if len(half):
            read = half.accuracy.to_numpy(), half.untrained.to_numpy()
            found[near] = (half.cosine - half.predicted).abs().to_numpy(), read
            found[far] = double.cosine.to_numpy(), read
    return found


def named(nets: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The networks that differ in their seed alone, with words of what they share."""
    groups = nets.groupby(["negatives", "place", "part"], sort=False)
    return [(f"{part}, M = {m:g}, {place:g} R*", mine) for (m, place, part), mine in groups]
