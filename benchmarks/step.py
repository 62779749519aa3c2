"""One SimCLR step of the same net, augmentation included, in milliseconds."""

import itertools
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from lightly.loss import NTXentLoss
from torch import Tensor, nn

from lib.encoders import devices, nets, pretrain
from lib.encoders.methods import MethodLoss
from lib.encoders.settings import Settings
from lib.encoders.training import Conditions
from lib.images import augment
from lib.images.sets import Images

from .measure import Line, in_turn, lines
from .pictures import POLICY, images, lightly_views, loader

LIGHTLY, EAGER = "lightly's loss, loop and transform", "the same step, not compiled"
EPOCHS = 3  # of a measurement; the first, in which workers start, is not counted
SETTINGS = Settings(
    net="resnet_small",
    pretrained=False,
    epochs=EPOCHS,
    batch_size=256,
    learning_rate=0.1,
    squared_learning_rate=False,
    clamp=False,
)


def run(rounds: int, quick: bool) -> list[Line]:
    """Ours against lightly in both precisions, and compiled against not compiled."""
    settings = replace(SETTINGS, batch_size=16) if quick else SETTINGS
    data = images((2 if quick else 4) * settings.batch_size)
    found = []
    for precision in ("float32", "bfloat16"):
        s = replace(settings, precision=precision)
        figures = in_turn({"ours": ours(s, data), LIGHTLY: lightly(s, data)}, rounds)
        gap = {LIGHTLY: difference(s, data)}
        found += lines("SimCLR step", size(s), "ms", figures, aim={LIGHTLY: 1.0}, difference=gap)
    return found if quick else found + compiled(settings, data, rounds)


def compiled(settings: Settings, data: Images, rounds: int) -> list[Line]:
    """torch.compile's step against the plain one, and what compiling costs once; nothing without a C++ compiler."""
    if not shutil.which("g++") and not shutil.which("clang++"):
        return []
    measures = {"ours": ours(settings, data, compiled=True), EAGER: ours(settings, data)}
    start = time.perf_counter()
    measures["ours"]()
    seconds = time.perf_counter() - start
    figures = in_turn(measures, rounds)
    once = seconds - median(figures["ours"]) / 1000 * EPOCHS * (len(data) // settings.batch_size)
    note = {EAGER: f"compiling takes {once:.0f} s once"}
    return lines("torch.compile", size(settings), "ms", figures, note=note)


def size(s: Settings) -> str:
    return f"{s.net}, {s.batch_size} images, 32 × 32, {s.precision}"


def ours(settings: Settings, data: Images, compiled: bool = False) -> Callable[[], float]:
    """The book's own training, in milliseconds a step; compiled: by torch.compile."""

    def measure() -> float:
        ends = []
        home = devices.place(settings.precision)
        conditions = Conditions(0, settings.epochs, home, lambda *_: ends.append(time.perf_counter()))
        pretrain.train(settings, data, replace(conditions, compiled=compiled))
        return milliseconds(ends, settings, data)

    return measure


def lightly(settings: Settings, data: Images) -> Callable[[], float]:
    """The loop of lightly's own examples: a DataLoader of PIL images, one view after the other through the net."""
    s, batches = settings, loader(data.x, lightly_views(data.x.shape[-1]), settings.batch_size)
    criterion = NTXentLoss(s.temperature)

    def measure() -> float:
        torch.manual_seed(0)
        net, ends = plain_net(s), []
        sgd = torch.optim.SGD(
            net.parameters(), s.learning_rate, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov
        )
        for _ in range(s.epochs):
            for x0, x1 in batches:
                with torch.autocast("cpu", torch.bfloat16, enabled=s.precision == "bfloat16"):
                    z0, z1 = net(x0), net(x1)
                loss = criterion(z0.float(), z1.float())
                loss.backward()
                sgd.step()
                sgd.zero_grad()
            ends.append(time.perf_counter())
        return milliseconds(ends, s, data)

    return measure


def plain_net(s: Settings) -> nn.Sequential:
    """The same backbone and head, as one module."""
    backbone, dim = nets.backbone(s.net, 3)
    return nn.Sequential(backbone, nets.projection_head(dim, s.head_width, s.head_out, s.head_batchnorm))


def milliseconds(ends: list[float], s: Settings, data: Images) -> float:
    """Of one step, from the ends of the epochs: the median over all but the first."""
    epochs = [b - a for a, b in itertools.pairwise(ends)]
    return 1000 * median(epochs) / (len(data) // s.batch_size)


def difference(s: Settings, data: Images) -> float:
    """The relative difference of the two gradients, with the same weights, on the same views; the nets in evaluation
    mode, for batch normalisation sees the views together in ours and one after the other in theirs.
    """
    encoder, net = pretrain.Encoder(s, data.x, len(data.classes)).eval(), plain_net(s).eval()
    net[0].load_state_dict(encoder.net.state_dict())
    net[1].load_state_dict(encoder.head.state_dict())
    batch = torch.arange(s.batch_size)
    views: Tensor = augment.view(data.x[batch].repeat(2, 1, 1, 1), POLICY, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16, enabled=s.precision == "bfloat16"):
        _, z, p = encoder(views)
        theirs = [net(view) for view in views.chunk(2)]
    a = MethodLoss(s, data.y, len(data.classes), 0)(z.float(), p.float(), batch)
    b = NTXentLoss(s.temperature)(*(z.float() for z in theirs))
    mine = torch.autograd.grad(a, [*encoder.net.parameters(), *encoder.head.parameters()])
    other = torch.autograd.grad(b, list(net.parameters()))
    mine, other = (torch.cat([g.flatten() for g in gradients]) for gradients in (mine, other))
    return float((mine - other).norm() / other.norm())
