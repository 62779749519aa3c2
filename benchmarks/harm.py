"""Mean cosines of every two classes, from which representation harm is computed: class means against pairs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import harms

from .measure import Line, in_turn, lines, timed

PEER = "all pairs of images"
SIZES = ((600, 64, 10), (10_000, 512, 10))  # images, features, classes
QUICK = ((60, 8, 3),)


def run(rounds: int, quick: bool) -> list[Line]:
    """Ours against a loop over the pairs of classes that makes every cosine, as the definition reads."""
    found = []
    for n, d, classes in QUICK if quick else SIZES:
        y = torch.arange(n) % classes
        z = torch.randn(n, d, generator=torch.Generator().manual_seed(0)) + F.one_hot(y, d)
        ours, peer = (lambda f=f, a=(z, y, classes): f(*a) for f in (harms.class_cosines, pairs))
        figures = in_turn({"ours": timed(ours), PEER: timed(peer)}, rounds)
        milliseconds = {name: [1000 * s for s in seconds] for name, seconds in figures.items()}
        gap = {PEER: float((ours() - peer()).abs().max())}
        size = f"{n:,} images, {d} features, {classes} classes"
        found += lines("class cosines", size, "ms", milliseconds, difference=gap)
    return found


def pairs(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Mean cosine (K, K) over all pairs of images of every two classes, from all the cosines."""
    parts = [F.normalize(z[y == k], dim=1) for k in range(num_classes)]
    return torch.stack([torch.stack([(a @ b.T).mean() for b in parts]) for a in parts])
