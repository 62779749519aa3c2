"""Checks of a device before encoders are trained on it: what it computes against what is known to be right.

Every check returns rows: "check", "value", what it is, "limit", and "passed", value <= limit.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor

from lib import losses
from lib.encoders import devices, pretrain
from lib.encoders.settings import Settings
from lib.encoders.training import Conditions, Keeper
from lib.images import augment
from lib.images.sets import Images

SETTINGS = Settings(
    net="convnet", pretrained=False, head_width=64, batch_size=32, learning_rate=0.1, squared_learning_rate=False
)
CARD = replace(SETTINGS, net="resnet18", head_width=2048, batch_size=512)
ERROR = 1e-4  # of a loss or a gradient in float32, relative
ROUNDING = 0.03  # of the mean loss of bfloat16 against float32, relative
SPREAD, STEADY = 5.0, 10.0  # standard errors between two means of views; times the distance of two equal runs
STEPS = 100


def on_card() -> bool:
    """Whether torch sees a GPU; without one everything runs at toy size."""
    return torch.cuda.is_available()


def device() -> torch.device:
    """The GPU, or the CPU."""
    return torch.device("cuda" if on_card() else "cpu")


def settings() -> Settings:
    """How a net is trained for a check or a measurement."""
    return CARD if on_card() else SETTINGS


def side() -> int:
    """Of the images that are made up, in pixels."""
    return 32 if on_card() else 8


def pictures(n: int) -> Images:
    """Random smooth colour images, of ten classes by their order."""
    coarse = torch.rand(n, 3, 4, 4, generator=Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(coarse, side(), mode="bilinear")
    return Images((x * 255).to(torch.uint8), torch.arange(n) % 10, tuple("0123456789"))


def row(check: str, value: float, limit: float, what: str) -> dict:
    """A row of a check."""
    return {"check": check, "value": value, "limit": limit, "what": what, "passed": bool(value <= limit)}


def formulas() -> list[dict]:
    """Losses and their gradients in float32 on the device against float64 on the CPU, of random projections."""
    n, y = 600, torch.arange(600) % 10
    kinds: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "NT-Xent": losses.nt_xent,
        "NT-Xent, clamped, by block": partial(losses.nt_xent, clamp=1e-7, block=512),
        "SimSiam": lambda a, b: losses.simsiam(a, a, b, b),
        "VICReg": losses.vicreg,
        "Barlow Twins": losses.barlow_twins,
        "SupCon": lambda a, b: losses.sup_con(a, b, y.to(a.device), 0.5),
        "L_spread": lambda a, b: losses.spread(a, b, y.to(a.device), 0.5, 0.25),
    }
    z = torch.randn(2, n, 128, generator=Generator().manual_seed(0), dtype=torch.float64)
    z[1] += z[0]
    found = []
    for name, loss in kinds.items():
        (wanted, slope), (value, gradient) = (_value(loss, z), _value(loss, z.float().to(device())))
        error = max(abs(value / wanted - 1), float((gradient - slope).norm() / slope.norm()))
        found.append(row(name, error, ERROR, "relative error of loss or gradient against float64 on the CPU"))
    return found


def _value(loss: Callable[[Tensor, Tensor], Tensor], z: Tensor) -> tuple[float, Tensor]:
    z = z.clone().requires_grad_()
    value = loss(z[0], z[1])
    value.backward()
    return float(value.detach()), z.grad.cpu().double()


def views() -> list[dict]:
    """Mean and standard deviation of the views' pixels on the device against the CPU, by channel, of fresh draws."""
    x = pictures(64).x.repeat(200 if on_card() else 20, 1, 1, 1)
    parts = []
    for place in (torch.device("cpu"), device()):
        made = augment.view(x.to(place), augment.POLICIES["simclr"], Generator(place).manual_seed(len(parts) + 1))
        pixels = made.flatten(2).double().cpu()  # (n, channels, pixels)
        parts.append(torch.cat([pixels.mean(-1), pixels.std(-1)], 1))  # (n, 2 channels)
    a, b = parts
    errors = (a.mean(0) - b.mean(0)).abs() / ((a.var(0) + b.var(0)) / len(a)).sqrt()
    return [row("augmentation", float(errors.max()), SPREAD, "standard errors between views there and on the CPU")]


def precisions() -> list[dict]:
    """The mean loss of 100 steps in bfloat16 against float32, from the same start on the same draws."""
    means = []
    for precision in ("float32", "bfloat16"):
        s = replace(settings(), precision=precision, epochs=STEPS // 2)
        history = pretrain.train(s, pictures(2 * s.batch_size), _conditions(s))[1]
        means.append(sum(history) / len(history))
    return [row("bfloat16", abs(means[1] / means[0] - 1), ROUNDING, f"relative change of the mean loss, {STEPS} steps")]


def resumed() -> list[dict]:
    """A training that was stopped in its middle and resumed against one that was not.

    Its weights may lie no further apart than a GPU, whose sums have no order, sets two equal trainings apart.
    """
    s = replace(settings(), epochs=4)
    data = pictures(2 * s.batch_size)
    with tempfile.TemporaryDirectory() as folder:

        def stop(epoch: int, _) -> None:
            if epoch == 2:
                raise InterruptedError

        first, again = (_weights(s, data, _conditions(s)) for _ in range(2))
        kept = replace(_conditions(s), keeper=Keeper(Path(folder) / "kept.safetensors", "check", 0.0))
        try:
            pretrain.train(s, data, replace(kept, report=stop))
        except InterruptedError:
            second = _weights(s, data, kept)
    apart, steady = (float((other - first).norm() / first.norm()) for other in (second, again))
    what = f"relative distance of the weights; of two equal runs {steady:.1e}"
    return [row("resumed run", apart, STEADY * steady, what)]


def _conditions(s: Settings) -> Conditions:
    return Conditions(0, s.epochs, devices.place(s.precision))


def _weights(s: Settings, data: Images, conditions: Conditions) -> Tensor:
    encoder = copy.deepcopy(pretrain.train(s, data, conditions)[0])
    return torch.cat([p.detach().flatten() for p in encoder.parameters()]).cpu().double()


CHECKS = (formulas, views, precisions, resumed)
