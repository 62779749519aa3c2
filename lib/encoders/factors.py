"""Train encoders of pairs at published sizes: ``python -m lib.encoders.factors UNITS.json``.

Perceptrons on mixed factors with the sizes of the public code of Zimmermann et al. (2021), and convolutions on the
masks of Klindt et al. (2021) with those of its part on KITTI.  A positive pair is an anchor's other view; here all
second views of the batch are candidates, the positive among them.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import disentangle, records
from lib.disentangle import kitti
from lib.encoders import devices, training
from lib.encoders.factor_settings import BLOCK, KITTI, MIXED, FactorSettings, FactorUnit
from lib.losses import delta

POINTS = 4096  # fresh points of mixed factors on which codes are measured
FRESH = 1_000_000  # added to a seed for them
CODES = 10  # of a mask, three factors
SPREAD = 1.0  # c of the distance of codes of masks, whose steps have no known scale


class Source(NamedTuple):
    """What an encoder sees: pairs draws so many views, two tensors, with a generator; held: factors (m, n) float64 and
    observations of the points that it is measured on; digests: sha256 of the files that it was made from.
    """

    pairs: Callable[[int, np.random.Generator], tuple[Tensor, Tensor]]
    held: tuple[Tensor, Tensor]
    digests: dict[str, str]


def mixed(s: FactorSettings, seed: int, place: torch.device) -> Source:
    """Uniform factors in the unit box with Laplace pairs, through a mixing of the seed."""
    process = disentangle.Process(disentangle.box(s.factors), 1, s.scale)
    drawn = getattr(disentangle.Mixing, s.mixing)(s.factors, [seed])
    mixing = disentangle.Mixing([w.to(place) for w in drawn.weights])

    def seen(latents: np.ndarray) -> Tensor:
        return mixing(torch.tensor(latents, dtype=torch.float32, device=place)[None])[0]

    held = disentangle.uniform(process.rooms, POINTS, np.random.default_rng(FRESH + seed))
    return Source(lambda n, rng: tuple(map(seen, process.draw(n, rng))), (torch.tensor(held), seen(held)), {})


def masks(s: FactorSettings, seed: int, place: torch.device) -> Source:
    """Frames of the same pedestrian, up to ``gap`` apart; measured on all frames."""
    found = kitti.read(s.kitti_sha256)
    frames = torch.tensor(found.masks, device=place)[:, None].float()  # (F, 1, 64, 64)

    def pairs(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return tuple(frames[torch.tensor(at, device=place)] for at in found.pairs(n, s.gap, rng))

    return Source(pairs, (torch.tensor(found.factors), frames), {"train": s.kitti_sha256})


def perceptron(n: int) -> nn.Sequential:
    """n to n codes through layers of 10n, four of 50n and 10n, leaky rectifiers between them."""
    widths = [n, 10 * n, *[50 * n] * 4, 10 * n, n]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.LeakyReLU())]
    return nn.Sequential(*layers[:-1])


def convolutions(codes: int = CODES) -> nn.Sequential:
    """Masks (m, 1, 64, 64) to (m, codes): 32, 32, 64, 64 filters of 4 x 4 with stride 2, 256 of 4 x 4, then linear."""
    widths = [1, 32, 32, 64, 64]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())]
    net = nn.Sequential(*layers, nn.Conv2d(64, 256, 4), nn.ReLU(), nn.Flatten(), nn.Linear(256, codes))
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def run(unit: FactorUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder, the record last; does nothing where the folder is whole.

    Kept in ``codes.safetensors``: s, factors (m, n) of the points that it is measured on; z, their codes (m, k); loss,
    the mean of each block of steps.  Weights are in ``checkpoint.safetensors``.
    """
    if unit.done:
        return
    start, s, home = time.time(), unit.settings, devices.place("float32")
    source = {MIXED: mixed, KITTI: masks}[s.data](s, unit.seed, home.device)
    torch.manual_seed(unit.seed)
    net = (perceptron(s.factors) if s.data == MIXED else convolutions()).to(home.device)
    adam = torch.optim.Adam(net.parameters(), lr=s.learning_rate)
    c = s.scale if s.data == MIXED else SPREAD

    def losses(block: int, order: Generator, _: Generator) -> Iterator[Tensor]:
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=order)))
        for _ in range(min(BLOCK, s.steps - block * BLOCK)):
            z1, z2 = map(net, source.pairs(s.batch_size, rng))
            yield delta.info_nce(-delta.distance(z1, z2, 1, c))

    history = training.fit(training.followed(unit, 0, home, save_seconds), net, adam, losses)
    with torch.no_grad():
        codes = torch.cat([net(part).cpu() for part in source.held[1].split(1024)])
    kept = {"s": source.held[0], "z": codes, "loss": torch.tensor(history)}
    weights = {name: t.cpu().contiguous() for name, t in net.state_dict().items()}
    for name, tensors in (("codes", kept), ("checkpoint", weights)):
        with records.atomic(unit.folder / f"{name}.safetensors") as path:
            save_file(tensors, path)
    record = records.of_training(unit, [s.steps * s.batch_size], source.digests, start, unit.packages)
    records.seal(unit.folder / "record.json", record)
    (unit.folder / "0.part.safetensors").unlink(missing_ok=True)


main = partial(training.main, run=run, read=FactorUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
