"""Images a second on a device beside the arithmetic bound: its measured speed over the net's operations.

``python -m benchmarks.bounds ROUNDS`` prints the row of the GPU as JSON where torch sees one.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lib import records
from lib.encoders import pretrain
from lib.encoders.settings import Settings
from lib.images import augment

from .measure import timed
from .pictures import POLICY, images
from .step import SETTINGS, ours

GPU = replace(SETTINGS, net="resnet18", batch_size=512, precision="bfloat16")
SIDE, GPU_SIDE = 2048, 8192  # of the square matrices whose product shows a device's speed


def run(rounds: int, quick: bool, device: str = "cpu") -> dict:
    """Augmentation alone, the whole step, and the bound of the step, in images a second; an image is two views."""
    s = replace(SETTINGS, batch_size=16) if quick else GPU if device == "cuda" else SETTINGS
    data, place = images((2 if quick else 4) * s.batch_size), torch.device(device)
    x, draws = data.x[: s.batch_size].to(place), torch.Generator(place).manual_seed(0)
    views = on(place, lambda: augment.view(x.repeat(2, 1, 1, 1), POLICY, draws))
    seconds, step = (take(measure, rounds) for measure in (timed(views), ours(s, data)))
    flops, peak = operations(s, data.x[:4]), speed(place, s.precision, 256 if quick else 0, rounds)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else records.machine(())["processor"],
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


def operations(s: Settings, x: Tensor) -> float:
    """Floating-point operations of the net, forwards and backwards, for one image, counted on the CPU."""
    encoder = pretrain.Encoder(s, x, 10).train()
    with FlopCounterMode(display=False) as counter:
        encoder(x.repeat(2, 1, 1, 1).float() / 255)[1].sum().backward()
    return counter.get_total_flops() / len(x)


def speed(place: torch.device, precision: str, side: int, rounds: int) -> float:
    """Operations a second that the device reaches in the product of two large square matrices."""
    side = side or (GPU_SIDE if place.type == "cuda" else SIDE)
    a = torch.randn(side, side, device=place, dtype=getattr(torch, precision))
    return 2 * side**3 / take(timed(on(place, lambda: a @ a)), rounds)


def on(place: torch.device, work: Callable[[], object]) -> Callable[[], None]:
    """The work, waiting until a GPU has done it."""

    def done() -> None:
        work()
        if place.type == "cuda":
            torch.cuda.synchronize()

    return done


if __name__ == "__main__" and torch.cuda.is_available():
    print(json.dumps(run(int(sys.argv[1]), quick=False, device="cuda")))
