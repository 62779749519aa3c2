"""The heads of a mediation study: all together against scikit-learn's grid search, one head after the other."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize
from torch import Generator, Tensor

from lib import images, probe

from .measure import Line, in_turn, lines, timed

PEER = "scikit-learn grid search, one at a time"
# images, features, classes, and how far the classes lie apart: as hard to tell as the data of the name
SIZES = {"like digits": (600, 64, 10, 1.0), "like CIFAR-10": (2000, 128, 4, 0.44)}
QUICK = {"of a toy": (120, 8, 3, 1.0)}
SPLITS, RATIO = (0, 1), 0.05


@dataclass(frozen=True)
class Heads:
    """The heads of one encoder.  z: (n, d); y: (n,); kept: (heads, n), training images; scored: (heads, n)."""

    z: Tensor
    y: Tensor
    kept: Tensor
    scored: Tensor


def run(rounds: int, quick: bool) -> list[Line]:
    """Ours against the public code's way, on a study of one seed."""
    found = []
    for name, shape in (QUICK if quick else SIZES).items():
        study = heads(*shape)
        count = sum(len(h.kept) for h in study)
        figures = in_turn({"ours": timed(lambda s=study: ours(s)), PEER: timed(lambda s=study: peer(s))}, rounds)
        gap = {PEER: difference(ours(study), peer(study))}
        size = f"{count} heads of {shape[2]} classes, {shape[0]:,} images {name}"
        found += lines("heads", size, "s", figures, aim={PEER: 10.0}, difference=gap)
    return found


def heads(n: int, d: int, classes: int, apart: float = 1.0, seeds: int = 1) -> list[Heads]:
    """Those of a mediation study: for each seed the balanced encoder's, and each undersampled encoder's two.

    On the balanced encoder a head with balanced labels, and one for each undersampled class; on the encoder with class
    k undersampled one with balanced labels, and one with class k undersampled in them.  Each on two splits.
    """
    found = []
    for _ in range(seeds):
        for treated in (tuple(range(classes)), *((k,) for k in range(classes))):
            z, y = features(n, d, classes, apart, Generator().manual_seed(len(found)))
            found.append(Heads(z, y, *masks(y, treated)))
    return found


def features(n: int, d: int, classes: int, apart: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Features as of a backbone that ends in a ReLU, (n, d), and codes (n,): noise about a mean for each class."""
    y = torch.arange(n) % classes
    means = 2 + apart * torch.randn(classes, d, generator=generator)
    return (means[y] + 2 * torch.randn(n, d, generator=generator)).relu(), y


def masks(y: Tensor, treated: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Training and scored images (heads, n) of the heads with balanced labels and with each treated class cut."""
    kept, scored = [], []
    for seed in SPLITS:
        train, test = (torch.from_numpy(part) for part in probe.split(len(y), seed))
        for chosen in (train, *(train[images.undersample(y[train], k, RATIO, seed)] for k in treated)):
            kept.append(torch.zeros(len(y), dtype=torch.bool).index_fill(0, chosen, True))
            scored.append(torch.zeros(len(y), dtype=torch.bool).index_fill(0, test, True))
    return torch.stack(kept), torch.stack(scored)


def ours(study: list[Heads]) -> list[Tensor]:
    """The predicted codes of each head's scored images."""
    found = []
    for h in study:
        codes = probe.predict(h.z, h.y, h.kept, h.z).codes
        found += [row[mask] for row, mask in zip(codes, h.scored, strict=True)]
    return found


def peer(study: list[Heads]) -> list[Tensor]:
    """As ``ours``, by scikit-learn."""
    grid, found = {"C": list(probe.GRID)}, []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for h in study:
            z, y = normalize(h.z.numpy()), h.y.numpy()
            for kept, scored in zip(h.kept.numpy(), h.scored.numpy(), strict=True):
                head = GridSearchCV(LogisticRegression(max_iter=1000), grid, cv=probe.FOLDS).fit(z[kept], y[kept])
                found.append(torch.from_numpy(head.predict(z[scored])))
    return found


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    """The share of the images that the two call by different names."""
    return float(np.mean(torch.cat(a).numpy() != torch.cat(b).numpy()))
