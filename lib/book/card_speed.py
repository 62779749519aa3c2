"""How fast a device is: rows with "line", "size", "value", "unit", "aim" and "note".

Without a GPU everything is measured at toy size, which shows that it runs and nothing else.
"""

import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from lib import losses, probe, records
from lib.book.card_checks import device, on_card, pictures, settings, side
from lib.encoders import devices, pretrain
from lib.encoders.settings import Settings
from lib.encoders.training import Conditions
from lib.images import augment
from lib.images.sets import Images

WIDTH, GPU_WIDTH = 2048, 8192  # of the square matrices whose product shows a device's speed
ROUNDS = 5
SHARE = "SimCLR step, share of the bound"
POLICY = augment.POLICIES["simclr"]


# every line that is measured: its unit, and what was aimed at
MEASURED = {
    "augmentation": ("views/s", 1e6),
    "matrix product": ("TFLOP/s", None),
    "SimCLR step": ("images/s", None),
    SHARE: ("", 0.5),
    "NT-Xent, memory": ("MiB", 1024),
    "NT-Xent, value and gradient": ("s", None),
    "heads, times scikit-learn": ("", 100),
}


def row(line: str, size: str, value: float, note: str = "") -> dict:
    """A measured line, with its unit and aim."""
    unit, aim = MEASURED[line]
    return {"line": line, "size": size, "value": value, "unit": unit, "aim": aim, "note": note}


def augmentation() -> list[dict]:
    """Views a second."""
    n = 8192 if on_card() else 64
    x, draws = pictures(n).x.to(device()), Generator(device()).manual_seed(0)
    seconds = typical(lambda: augment.view(x, POLICY, draws))
    return [row("augmentation", f"{n} images, {side()} × {side()}", n / seconds)]


def step() -> list[dict]:
    """Images a second of the whole SimCLR step in bfloat16, and its share of the arithmetic bound."""
    found = []
    peak = speed(device(), "bfloat16", 0 if on_card() else 256)
    found.append(row("matrix product", f"{GPU_WIDTH if on_card() else 256}, bfloat16", peak / 1e12))
    for net in ("resnet18", "resnet34") if on_card() else ("convnet",):
        s = replace(settings(), net=net, precision="bfloat16", epochs=4)
        data = pictures(8 * s.batch_size)
        bound = peak / operations(s, data.x[:4])
        for compiled in (True, False) if on_card() else (False,):
            rate = images_a_second(s, data, compiled)
            size = f"{net}, {s.batch_size} images, bfloat16, {'compiled' if compiled else 'not compiled'}"
            found.append(row("SimCLR step", size, rate))
            found.append(row(SHARE, size, rate / bound))
    return found


def large_batch() -> list[dict]:
    """Memory and time of NT-Xent with its gradient, by block, beyond what the views take."""
    n, block = (65536, 4096) if on_card() else (2048, 512)
    z = torch.randn(2, n, 128, device=device(), requires_grad=True)
    before, start = _peak(reset=True), time.perf_counter()
    losses.nt_xent(z[0], z[1], block=block).backward()
    float(z.grad.sum())  # waits for a GPU
    seconds, size = time.perf_counter() - start, f"N = {n:,}, 128 features, blocks of {block}"
    return [
        row("NT-Xent, memory", size, (_peak() - before) / 2**20),
        row("NT-Xent, value and gradient", size, seconds),
    ]


def heads() -> list[dict]:
    """Seconds of a logistic head of a mediation study by ours and by scikit-learn's grid, on one core of the CPU."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    n, d, classes = (2000, 128, 10) if on_card() else (150, 8, 3)
    draws = Generator().manual_seed(0)
    y = torch.arange(n) % classes
    z = (2 + 0.5 * torch.randn(classes, d, generator=draws)[y] + 2 * torch.randn(n, d, generator=draws)).relu()
    x = torch.nn.functional.normalize(z).numpy()
    grid = GridSearchCV(LogisticRegression(max_iter=1000), {"C": list(probe.GRID)}, cv=probe.FOLDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = _seconds(lambda: grid.fit(x, y.numpy()))
    ours = _seconds(lambda: probe.predict(z, y, torch.ones(1, n, dtype=torch.bool), z))
    size, note = f"{n:,} images, {d} features, {classes} classes", f"{ours:.2g} s against {theirs:.2g} s"
    return [row("heads, times scikit-learn", size, theirs / ours, note)]


def images_a_second(s: Settings, data: Images, compiled: bool = False) -> float:
    """Of ``pretrain.train`` on the device, by the median of all epochs but the first."""
    ends: list[float] = []
    home = devices.place(s.precision)
    conditions = Conditions(0, s.epochs, home, lambda *_: ends.append(time.perf_counter()), compiled=compiled)
    pretrain.train(s, data, conditions)
    steps = len(data) // s.batch_size
    return steps * s.batch_size / median(b - a for a, b in itertools.pairwise(ends))


def operations(s: Settings, x: Tensor) -> float:
    """Floating-point operations of the net, forwards and backwards, for one image, counted on the CPU."""
    encoder = pretrain.Encoder(s, x, 10).train()
    with FlopCounterMode(display=False) as counter:
        encoder(x.repeat(2, 1, 1, 1).float() / 255)[1].sum().backward()
    return counter.get_total_flops() / len(x)


def speed(place: torch.device, precision: str, width: int = 0, rounds: int = ROUNDS) -> float:
    """Operations a second that the device reaches in the product of two large square matrices."""
    n = width or (GPU_WIDTH if place.type == "cuda" else WIDTH)
    a = torch.randn(n, n, device=place, dtype=getattr(torch, precision))
    return 2 * n**3 / typical(lambda: a @ a, rounds)


def typical(work: Callable[[], object], rounds: int = ROUNDS, least: float = 0.05) -> float:
    """Seconds of a call: the median over the rounds, each of as many calls as last ``least``; the first round goes."""
    found = []
    for _ in range(rounds + 1):
        start, calls, spent = time.perf_counter(), 0, 0.0
        while spent < least:
            work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            calls += 1
            spent = time.perf_counter() - start
        found.append(spent / calls)
    return median(found[1:])


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak(reset: bool = False) -> int:
    """The most bytes held so far: of the GPU, since ``reset``; of this process without one."""
    if not on_card():
        return records.peak_memory_mib() * 2**20
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated()


LINES = (augmentation, step, large_batch, heads)
