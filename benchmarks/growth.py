"""How the time of each part of a study grows with classes, seeds and images."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from lib import harms, images
from lib.encoders import pretrain
from lib.encoders.settings import Settings
from lib.encoders.store import BALANCED
from lib.encoders.training import Conditions
from lib.sbm import blocks

from . import blocks as theory
from . import heads
from .measure import in_turn, timed

FACTORS = ("classes", "seeds", "images")
WIDTH = 64  # of convnet's features
SETTINGS = Settings(
    data="digits",
    net="convnet",
    pretrained=False,
    head_width=256,
    epochs=3,
    batch_size=50,
    learning_rate=0.1,
    squared_learning_rate=False,
    temperature=0.2,
    augment="digits",
)


@dataclass(frozen=True)
class Size:
    """Classes, of which each is undersampled in turn; seeds; images of a class, to train on and to judge by."""

    classes: int
    seeds: int
    images: int


SMALL, QUICK = Size(5, 1, 50), Size(3, 1, 25)


def run(rounds: int, quick: bool) -> list[dict]:
    """Seconds of every part at a size and at the double of one factor, and log2 of their ratio, the exponent."""
    small, found = QUICK if quick else SMALL, []
    for part, work in PARTS.items():
        sizes = {"": small} | {factor: replace(small, **{factor: 2 * getattr(small, factor)}) for factor in FACTORS}
        figures = in_turn({factor: timed(work(size)) for factor, size in sizes.items()}, rounds)
        for factor in FACTORS:
            seconds = [sorted(figures[key])[rounds // 2] for key in ("", factor)]
            ends = [getattr(s, factor) for s in (small, sizes[factor])]
            found.append(row(part, factor, ends, seconds))
    return [*found, graphs(rounds, quick)]


def row(part: str, factor: str, ends: list[int], seconds: list[float]) -> dict:
    """What the page shows of one doubling."""
    exponent = math.log2(seconds[1] / seconds[0])
    return {"part": part, "factor": factor, "from": ends[0], "to": ends[1], "seconds": seconds, "exponent": exponent}


def graphs(rounds: int, quick: bool) -> dict:
    """The block model's graph, drawn and solved, at twice the nodes."""
    ends = [3 * n for n in ((8, 16) if quick else (256, 512))]
    works = {str(n): partial(solve_graph, n // 3) for n in ends}
    figures = in_turn({name: timed(work) for name, work in works.items()}, rounds)
    return row("graph of the block model", "nodes", ends, [sorted(figures[str(n)])[rounds // 2] for n in ends])


def solve_graph(block: int) -> None:
    graph = blocks.sample_graph((block,) * 3, theory.ALPHA, seed=1)
    blocks.finite_optimum(graph, theory.DIM)


def training(size: Size) -> Callable[[], None]:
    """The encoders of a study: the balanced one, and one with each class undersampled, three epochs each."""
    data = images.load("digits", "train").only(tuple(map(str, range(size.classes)))).first(size.images)
    s = replace(SETTINGS, batch_size=min(SETTINGS.batch_size, size.images))

    def work() -> None:
        for seed in range(size.seeds):
            for member in (BALANCED, *data.classes):
                kept = torch.arange(len(data))
                if member != BALANCED:
                    kept = images.undersample(data.y, images.class_code(data.classes, member), heads.RATIO, seed)
                pretrain.train(s, data.take(kept), Conditions(seed, s.epochs))

    return work


def cosines(size: Size) -> Callable[[], object]:
    """Class cosines under all these encoders."""
    n = size.classes * size.images
    z = torch.randn(size.seeds * (size.classes + 1), n, WIDTH, generator=torch.Generator().manual_seed(0))
    return partial(harms.class_cosines, z.double(), torch.arange(n) % size.classes, size.classes)


def all_heads(size: Size) -> Callable[[], object]:
    """The heads of a mediation study on them."""
    return partial(heads.ours, heads.heads(size.classes * size.images, WIDTH, size.classes, seeds=size.seeds))


PARTS = {"training": training, "class cosines": cosines, "heads": all_heads}
