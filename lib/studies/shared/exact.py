"""What of disentanglement needs no training: optima of losses, maps between rooms, known codes, noise of a batch."""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lib import disentangle as di
from lib.disentangle import Process
from lib.losses import delta
from lib.studies.shared.lab import FRESH, NAMES, POINTS, B, Lab, points

TABLE = {  # losses with an exact expectation on a table, and what their optimum adds to log r
    "δ-NCE": (delta.nce, 0.0),
    "δ-SCL": (delta.scl, 0.0),
    "δ-NWJ": (delta.nwj, 1.0),
    "order 1/2": (lambda t, joint: delta.order(t, 0.5, joint), 0.0),
    "order 3/4": (lambda t, joint: delta.order(t, 0.75, joint), 0.0),
    "DV": (delta.dv, 0.0),
    "log-SCL": (delta.log_scl, 0.0),
}
RANGE = [(a, b, n) for a in (1, 2) for b in (0.03, 0.05, 0.1) for n in (2, 4)]


def optima(seed: int, size: int = 12, moves: int = 100) -> dict[str, tuple[float, float]]:
    """Of each loss on a random joint density: largest gradient at the stated optimum, least rise under moves of .01.

    InfoNCE's expectation runs over all batches of two pairs; its moves change what the optimum does not leave free.
    """
    generator = torch.Generator().manual_seed(seed)
    joint = torch.rand(size, size, generator=generator, dtype=torch.float64) ** 2 + 0.01
    joint /= joint.sum()
    log_r = joint.log() - (joint.sum(1)[:, None] * joint.sum(0)).log()
    steps = 0.01 * torch.randn(moves, size, size, generator=generator, dtype=torch.float64)
    found = {
        name: _optimum(lambda t, loss=loss: loss(t, joint), log_r + shift, steps)
        for name, (loss, shift) in TABLE.items()
    }
    small = joint[:4, :4] / joint[:4, :4].sum()
    ratio = small.log() - (small.sum(1)[:, None] * small.sum(0)).log()
    for direction, axes in (("forward", (2,)), ("reversed", (1,)), ("both", (1, 2))):
        free = steps[:, :4, :4] - steps[:, :4, :4].mean(axes, True)
        found[f"δ-INCE {direction}"] = _optimum(_info_nce_of_two(small, direction), ratio, free)
    return found


def _optimum(loss: Callable[[Tensor], Tensor], at: Tensor, moves: Tensor) -> tuple[float, float]:
    t = at.clone().requires_grad_()
    here = loss(t)
    (gradient,) = torch.autograd.grad(here, t)
    return float(gradient.abs().max()), min(float(loss(at + move) - here.detach()) for move in moves)


def _info_nce_of_two(joint: Tensor, direction: str) -> Callable[[Tensor], Tensor]:
    """The expectation of InfoNCE over batches of two pairs of a joint density, by enumeration."""
    batches = torch.tensor(list(itertools.product(range(len(joint)), repeat=4)))
    rows, columns = batches[:, ::2], batches[:, 1::2]
    weight = joint[rows, columns].prod(1)
    return lambda t: (weight * delta.info_nce(t[rows[:, :, None], columns[:, None]], direction)).sum()


def unseen_offset(lab: Lab) -> float:
    """Largest change of InfoNCE, single precision, when β moves by 4 either way, on pairs of the first seed."""
    s, near = Process(di.box(4), 1, B).draw(lab.p.batch, np.random.default_rng(lab.p.seed))
    t = -delta.distance(torch.tensor(s, dtype=torch.float32), torch.tensor(near, dtype=torch.float32), 1, B)
    return max(float((delta.info_nce(t + shift) - delta.info_nce(t)).abs()) for shift in (-4.0, 4.0))


def exchanges(seed: int, width: float = 0.3) -> tuple[float, float, float]:
    """The exchange of two of three factors in the far room: largest change of a taxicab distance between two rooms on
    the diagonal, on the grid of eight, and the MCC of the exchange on the diagonal.
    """
    changes, far = [], di.grid(3, width, diagonal=True)[1]
    for diagonal in (True, False):
        s = points(di.grid(3, width, diagonal), seed, 1500)
        changes.append(di.largest_change(s, di.exchange(s, far)))
    s = points(di.grid(3, width, True), seed)
    return *changes, di.mcc(s, di.exchange(s, far))


def other_measures(seed: int, width: float = 0.3) -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """MCC, DCI's disentanglement, SAP and MIG of codes that are the factors, and of others, by factors and codes.

    The others: pairs of factors turned by 45 degrees; of three factors in two rooms, the ``exchanges`` in the far one.
    """
    rng, rooms = np.random.default_rng(FRESH + seed), di.grid(3, width, diagonal=True)
    four, two, three = di.uniform(di.box(4), POINTS, rng), di.pairs(di.box(2), POINTS, rng), points(rooms, seed)
    turn = "turned by 45° in pairs"
    codes = {
        ("four, independent", "the factors"): (four, four),
        ("four, independent", turn): (four, _turned(four)),
        ("two, of correlation .85", "the factors"): (two, two),
        ("two, of correlation .85", turn): (two, _turned(two)),
        ("three, in two rooms", "the factors"): (three, three),
        ("three, in two rooms", "exchanged in the far room"): (three, di.exchange(three, rooms[1])),
    }
    return {
        names: (di.mcc(*both), di.dci(*both).disentanglement, di.sap(*both), di.mig(*both))
        for names, both in codes.items()
    }


def _turned(s: np.ndarray) -> np.ndarray:
    u, v = s[:, ::2], s[:, 1::2]
    return np.concatenate([u - v, u + v], 1)


def meeting_rooms(heights: np.ndarray, width: float = 0.3, side: int = 13) -> list[tuple[float, float]]:
    """Two rooms in the plane, the far one at a height: the largest change of a taxicab distance, and of a squared one,
    when the far room's factors are exchanged about its corner, over a lattice of points; heights in the box.
    """
    line = np.linspace(0, width, side)
    near = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    found = []
    for height in heights:
        far = near + np.array([1 - width, height])
        moved = far[:, ::-1] + np.array([1 - width - height, height - (1 - width)])
        both, after = np.concatenate([near, far]), np.concatenate([near, moved])
        found.append((di.largest_change(both, after), di.largest_change(both, after, 2)))
    return found


def range_of_offset(draws: int, seed: int) -> list[tuple[float, float, int, float, float]]:
    """(order, b, n, closed, simulated error) of the cases RANGE whose closed error is below .5, batches of 128."""
    rows = [(a, b, n, di.error_of_step(a, b, n, 128)) for a, b, n in RANGE]
    return [
        (a, b, n, closed, di.simulated_error(a, b, n, 128, draws, np.random.default_rng([seed, i])))
        for i, (a, b, n, closed) in enumerate(rows)
        if closed < 0.5
    ]


def errors(simulated: list[list[tuple]]) -> list[tuple]:
    """Rows of a table of ``range_of_offset``, the simulated errors averaged over the seeds."""
    means = np.mean([[case[4] for case in cases] for cases in simulated], 0)
    names = {1: NAMES["nwj"], 2: NAMES["scl"]}
    return [
        (names[a], f"{b:g}", n, f"{closed:.3f}", f"{mean:.3f}")
        for (a, b, n, closed, _), mean in zip(simulated[0], means, strict=True)
    ]
