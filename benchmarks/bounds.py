"""Images a second on the CPU beside the arithmetic bound: its measured speed over the net's operations."""

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from lib import records
from lib.book.card_speed import operations, speed
from lib.images import augment

from .measure import timed
from .pictures import POLICY, images
from .step import SETTINGS, ours


def run(rounds: int, quick: bool) -> dict:
    """Augmentation alone, the whole step, and the bound of the step, in images a second; an image is two views."""
    s = replace(SETTINGS, batch_size=16) if quick else SETTINGS
    data = images((2 if quick else 4) * s.batch_size)
    x, draws = data.x[: s.batch_size], torch.Generator().manual_seed(0)
    views = timed(lambda: augment.view(x.repeat(2, 1, 1, 1), POLICY, draws))
    seconds, step = (take(measure, rounds) for measure in (views, ours(s, data)))
    flops, peak = operations(s, data.x[:4]), speed(torch.device("cpu"), s.precision, 256 if quick else 0, rounds)
    return {
        "device": records.machine(())["processor"],
        "size": f"{s.net}, {s.batch_size} images, 32 × 32, {s.precision}",
        "augmentation": s.batch_size / seconds,
        "step": s.batch_size / (step / 1000),
        "flops": flops,
        "peak": peak,
        "bound": peak / flops,
    }


def take(measure: Callable[[], float], rounds: int) -> float:
    """The median of some measurements, after one that does not count."""
    measure()
    return median(measure() for _ in range(rounds))
