"""The study of disentanglement: what its encoders are trained on, and what is measured of them."""

import itertools
import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from lib import disentangle as di
from lib.disentangle import Process, Recipe, Training
from lib.disentangle.encoders import ORDERS
from lib.encoders.factor_settings import KITTI, FactorSettings, FactorUnit
from lib.losses import delta

FOUR = ("nce", "info_nce", "scl", "nwj")  # the losses of the paper
NAMES = {
    "nce": "δ-NCE",
    "info_nce": "δ-INCE",
    "info_nce_reversed": "δ-INCE reversed",
    "decoupled": "δ-INCE without the positive below",
    "scl": "δ-SCL",
    "nwj": "δ-NWJ",
    "order_0.75": "order 3/4",
    "order_0.5": "order 1/2",
}
POINTS = 4096  # fresh points on which codes are measured
FRESH = 1_000_000  # added to a seed for them
B, SIGMA, WIDE = 0.1, 0.15, 0.15  # b at four factors; σ there; b at two factors
START = 0.6  # of the corner of rare combinations
KAPPAS = (1.0, 1.25, 1.45)  # sizes of the box in the plane, in true ones
SPECIAL = slice(0, 2)  # factors of the corner
TABLE = {  # losses with an exact expectation on a table, and what their optimum adds to log r
    "δ-NCE": (delta.nce, 0.0),
    "δ-SCL": (delta.scl, 0.0),
    "δ-NWJ": (delta.nwj, 1.0),
    "order 1/2": (lambda t, joint: delta.order(t, 0.5, joint), 0.0),
    "order 3/4": (lambda t, joint: delta.order(t, 0.75, joint), 0.0),
    "DV": (delta.dv, 0.0),
    "log-SCL": (delta.log_scl, 0.0),
}
# Arrays (recipes, seeds).  mcc and r2 on fresh points; gap, scale: of distances; broken: encoders with NaN.
# start: MCC of the same encoders untrained (seeds,).
Scores = namedtuple("Scores", "mcc r2 gap scale broken start")
# Mean distances and MCC (ε, recipes, seeds); start: MCC within the corner, untrained (seeds,); codes: see ``corner``.
Corner = namedtuple("Corner", "inside mirror mcc start codes")


PUBLISHED = (0.05, 0.1)  # b at the published size
GAPS, KITTI_PAIRS = (1, 5), 32  # frames between masks of KITTI; pairs of a batch of them


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """The study trains its small encoders itself; those of the published size and those of KITTI are the graph's.

    ValueError: a density that is none, a hash that is none.
    """
    try:
        shares = [float(s) for s in p.shares.split(",")]
    except ValueError:
        shares = []
    if len(shares) < 2 or shares[0] != 1 or not all(0 < s <= 1 for s in shares):
        raise ValueError(f"shares={p.shares!r}: densities of the corner, from 1 down, above 0, are expected: 1,0.05")
    common = FactorSettings(steps=p.published_steps, batch_size=p.published_batch, learning_rate=p.published_rate)
    kinds = [replace(common, scale=b) for b in PUBLISHED] if p.published else []
    if p.kitti_sha256:
        masks = FactorSettings(
            data=KITTI, gap=1, kitti_sha256=p.kitti_sha256, steps=p.kitti_steps, batch_size=KITTI_PAIRS
        )
        kinds += [replace(masks, gap=gap) for gap in GAPS]
    units = [FactorUnit(s, seed) for s in kinds for seed in range(p.seed, p.seed + p.seeds)]
    return SimpleNamespace(units=units, shares=shares)


def published(units: Sequence[FactorUnit]) -> dict[str, dict[str, np.ndarray]]:
    """What encoders of the graph recover, a number a seed, by the data and what sets the pairs apart, (3, seeds).

    Of mixed factors MCC, R² and the isometry gap; of masks, whose factors are in pixels, MCC, R² and MCC of ranks.
    """
    found: dict[str, dict[str, list]] = {}
    for unit in units:
        (s, z), o = unit.codes(), unit.settings
        masks = o.data == KITTI
        name = f"frames up to {o.gap} apart" if masks else f"b = {o.scale:g}"
        row = (di.mcc(s, z), di.r2(s, z), di.mcc(s, z, ranks=True) if masks else di.isometry_gap(s, z))
        found.setdefault(o.data, {}).setdefault(name, []).append(row)
    return {data: {name: np.transpose(rows) for name, rows in kinds.items()} for data, kinds in found.items()}


@dataclass(frozen=True)
class Lab:
    """Training and measuring with the settings of a run; seeds: the run's, or the first so many from its first.

    broken: which of the encoders trained so far have NaN or infinite weights, an array (recipes, seeds) a training.
    """

    p: SimpleNamespace
    broken: list[np.ndarray] = field(default_factory=list)

    def seeds(self, count: int | None = None) -> list[int]:
        """So many seeds, by default the run's."""
        return list(range(self.p.seed, self.p.seed + (self.p.seeds if count is None else count)))

    def train(
        self, process: Process | di.Walk, recipes: Sequence[Recipe], count: int | None = None, **kind
    ) -> di.Encoders:
        """Encoders of the recipes; kind: sizes and rate if not the run's, and what ``di.train`` takes."""
        sizes = {name: kind.pop(name, getattr(self.p, name)) for name in ("batch", "steps", "width")}
        rate, seeds = kind.pop("learning_rate", self.p.learning_rate), self.seeds(count)
        seen = di.Masks() if isinstance(process, di.Walk) else getattr(di.Mixing, self.p.mixing)(process.n, seeds)
        found = di.train(process, seen, list(recipes), seeds, Training(learning_rate=rate, **sizes), **kind)
        self.broken.append(found.broken)
        return found

    def scores(self, process: Process | di.Walk, recipes: Sequence[Recipe], count: int | None = None, **kind) -> Scores:
        """What encoders of the recipes recover on uniform points of the process's rooms."""
        return measured(self.train(process, recipes, count, **kind), process, self.start(process, count, **kind))

    def start(self, process: Process | di.Walk, count: int | None = None, at=None, **kind) -> np.ndarray:
        """MCC of the untrained encoders of the seeds, (seeds,), on points ``at``, else uniform ones of the rooms."""
        found = replace(self, broken=[]).train(process, [Recipe("info_nce")], count, **kind | {"steps": 0})
        s = points(process.rooms, found.seeds[0]) if at is None else at
        return np.array([di.mcc(s, z) for z in found.codes(s)[0]])


def points(rooms: np.ndarray, seed: int, count: int = POINTS) -> np.ndarray:
    """Fresh uniform points of the rooms, (count, n)."""
    return di.uniform(rooms, count, np.random.default_rng(FRESH + seed))


def measured(found: di.Encoders, process: Process | di.Walk, start: np.ndarray) -> Scores:
    """Scores on uniform points.  A broken encoder counts as one that maps all points to one: MCC 0, gap 1."""
    s, p = points(process.rooms, found.seeds[0]), process.order
    codes = found.codes(s).reshape(-1, *s.shape)
    rows = [(di.mcc(s, z), di.r2(s, z), di.isometry_gap(s, z, p), di.scale_of(s, z, p)) for z in codes]
    return Scores(*np.reshape(rows, (*found.broken.shape, 4)).transpose(2, 0, 1), found.broken, start)


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


MATCHED = [Recipe(loss) for loss in FOUR] + [
    Recipe("scl", offset="start"),
    *(Recipe(loss, offset="ramp") for loss in ("nce", "scl", "nwj")),
]


def matched(lab: Lab) -> Scores:
    """The recipes MATCHED on four factors with Laplace pairs."""
    return lab.scores(Process(di.box(4), 1, B), MATCHED)


def turned(lab: Lab) -> Scores:
    """δ-INCE on four factors with normal pairs: codes free, codes in the true box."""
    return lab.scores(Process(di.box(4), 2, 2 * SIGMA**2), [Recipe("info_nce"), Recipe("info_nce", box=1.0)])


def plane(lab: Lab) -> tuple[Scores, np.ndarray]:
    """δ-INCE on two factors with normal pairs, σ = .1, in boxes of KAPPAS: scores, angles (κ, seeds) in degrees."""
    process = Process(di.box(2), 2, 2 * 0.1**2)
    found = lab.train(process, [Recipe("info_nce", box=k) for k in KAPPAS])
    s = points(process.rooms, found.seeds[0])
    angles = [[angle(s, z) for z in row] for row in found.codes(s)]
    return measured(found, process, lab.start(process)), np.array(angles)


def angle(s: np.ndarray, z: np.ndarray) -> float:
    """Degrees from 0 to 45 between the axes of two factors and those of the codes: of the nearest orthogonal map.

    45 of codes that are all one point.
    """
    if not np.ptp(z):
        return 45.0
    u, _, v = np.linalg.svd((s - s.mean(0)).T @ (z - z.mean(0)))
    turn = np.degrees(np.arccos(np.clip(np.abs((u @ v)[0, 0]), 0, 1)))
    return float(min(turn, 90 - turn))


SKEWED = [
    Recipe("info_nce"),
    Recipe("info_nce", alpha_tilde=True),
    Recipe("info_nce_reversed"),
    *(
        Recipe(loss, alpha=on, alpha_tilde=on, rate=5)
        for loss, on in itertools.product(("nce", "scl", "nwj"), (False, True))
    ),
]


def marginals(lab: Lab) -> Scores:
    """The recipes SKEWED on two factors whose density falls as e^{-4s}."""
    return lab.scores(Process(di.box(2), 1, WIDE, di.skewed), SKEWED)


def dependent(lab: Lab) -> Scores:
    """δ-INCE with α̃ on two factors of correlation .85, measured on uniform ones."""
    return lab.scores(Process(di.box(2), 1, WIDE, di.pairs), [Recipe("info_nce", alpha_tilde=True)])


def grid_of_rooms(lab: Lab) -> tuple[Scores, np.ndarray]:
    """δ-INCE on 2 x 2 rooms: scores, and MCC within the worst room, (seeds,)."""
    process = Process(di.grid(2, 0.35), 1, 0.2)
    found = lab.train(process, [Recipe("info_nce")])
    inside = [points(room[None], found.seeds[0]) for room in process.rooms]
    worst = [[di.mcc(s, z) for z in found.codes(s)[0]] for s in inside]
    return measured(found, process, lab.start(process)), np.min(worst, 0)


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


def fixed(loss: str, shift: float) -> Recipe:
    """The loss with its offset fixed so far from the optimum."""
    return Recipe(loss, offset="fixed", shift=shift)


WRONG = [fixed(loss, s) for loss in ("nce", "nwj", "scl") for s in (-2.0, 0.0, 2.0)]


def wrong_offsets(lab: Lab) -> Scores:
    """The recipes WRONG, offsets fixed at the optimum and 2 off it, on four factors."""
    return lab.scores(Process(di.box(4), 1, B), WRONG)


def forgiven(wrong: Scores) -> dict[str, np.ndarray]:
    """What offsets 2 below and above the optimum cost, by the end of the claim's name, (seeds,).

    The larger loss of MCC, the smaller |log scale| of distances, and for δ-SCL MCC below minus MCC above.
    """
    below, right, above = (np.array([WRONG.index(fixed(r.loss, s)) for r in WRONG[::3]]) for s in (-2, 0, 2))
    mcc = wrong.mcc[right] - np.minimum(wrong.mcc[below], wrong.mcc[above])  # (losses, seeds)
    scale = np.abs(np.log(np.clip(wrong.scale, 1e-9, None)))
    off = np.minimum(scale[below], scale[above])
    return {"8a": mcc[0], "8b-nce": off[0], "8b-nwj": off[1], "8c": wrong.mcc[below[2]] - wrong.mcc[above[2]]}


def positives(lab: Lab) -> Scores:
    """δ-INCE with and without the positive in its denominator: two factors, b = .01, batches of 64."""
    return lab.scores(Process(di.box(2), 1, 0.01), [Recipe("info_nce"), Recipe("decoupled")], batch=64)


RARE = [Recipe("info_nce"), Recipe("info_nce", alpha_tilde=True), Recipe("info_nce_reversed")]
RARE_NAMES = ("constants", "learned α̃", "reversed, constants")


def corner(lab: Lab, shares: Sequence[float], lattice: np.ndarray) -> Corner:
    """The recipes RARE where two factors are seldom large together, a density of the corner a place.

    Distances are those of codes, taxicab, on uniform points of the corner and of the mirror corner; codes: of the
    lattice (m, 2) for the first seed, matched to the factors, (ε, recipes, m, 2).
    """
    parts = {"inside": (START, 1.0), "mirror": (0.0, 1 - START)}
    s = {name: points(np.tile(ends, (1, 2, 1)), lab.p.seed) for name, ends in parts.items()}
    inside, mirror, mcc, codes = [], [], [], []
    for share in shares:
        found = lab.train(Process(di.box(2), 1, WIDE, di.corner(share, START)), RARE)
        z = {name: found.codes(at) for name, at in s.items()}
        spread = [np.array([[_spread(one) for one in row] for row in z[name]]) for name in parts]
        inside.append(spread[0])
        mirror.append(spread[1])
        mcc.append([[di.mcc(s["inside"], one) for one in row] for row in z["inside"]])
        codes.append([_aligned(lattice, [(0, one)])[0][1] for one in found.codes(lattice)[:, 0]])
    start = lab.start(Process(di.box(2), 1, WIDE), at=s["inside"])
    return Corner(np.array(inside), np.array(mirror), np.array(mcc), start, np.array(codes))


def ratios(distances: np.ndarray) -> np.ndarray:
    """Distances of ``corner`` over those at the first density, of one recipe and seed; 0 where that one is 0."""
    even = np.broadcast_to(distances[0], distances.shape)
    return np.divide(distances, even, out=np.zeros_like(distances), where=even > 0)


def harms(rare: Corner, at: int) -> dict[str, np.ndarray]:
    """RH and MCC in the corner at one of the densities, and RH in the mirror corner, by the end of the claim's name."""
    constants, learned, backward = ratios(rare.inside)[at]
    return {
        "11a": constants,
        "11b": learned - constants,
        "11c": backward - constants,
        "11d": rare.mcc[at, 0],
        "11e": np.abs(ratios(rare.mirror)[at, 0] - 1),
        "11f": learned,
    }


def _spread(z: np.ndarray) -> float:
    half = len(z) // 2
    return float(np.abs(z[:half] - z[half : 2 * half]).sum(1).mean())


def lost_factor(lab: Lab) -> Scores:
    """δ-INCE on two factors, the second nearly drawn anew: its density e^{-|t|/1000} changes by a thousandth."""
    return lab.scores(Process(di.box(2), 1, (WIDE, 1000.0)), [Recipe("info_nce")])


def lattice(side: int) -> np.ndarray:
    """Points of a square lattice in the unit box, (side², 2)."""
    line = np.linspace(0, 1, side)
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)


MOVING = {  # the recipes of the moving lattice: order of the distance, recipe
    "δ-INCE, p = 1": (1, Recipe("info_nce")),
    "δ-NWJ, p = 1, β ramped": (1, Recipe("nwj", offset="ramp")),
    "δ-SCL, p = 1, β from β*": (1, Recipe("scl", offset="start")),
    "δ-INCE, p = 2": (2, Recipe("info_nce")),
    "δ-INCE, p = 2, true box": (2, Recipe("info_nce", box=1.0)),
    "δ-INCE, p = 2, box 1.45": (2, Recipe("info_nce", box=1.45)),
}


def moving(lab: Lab, at: np.ndarray, frames: int = 8) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Codes (m, 2) of the lattice at some steps for each recipe MOVING, first seed, matched to the factors.

    Matched at the last step: order, sign, and the mean taken off.
    """
    found = {}
    for order, scale in ((1, B), (2, 2 * 0.1**2)):
        names = [name for name, (p, _) in MOVING.items() if p == order]
        recipes = [MOVING[name][1] for name in names]
        trained = lab.train(Process(di.box(2), order, scale), recipes, 1, watched=at, frames=frames)
        for i, name in enumerate(names):
            found[name] = _aligned(at, [(step, z[i, 0]) for step, z in trained.frames])
    return found


def _aligned(at: np.ndarray, frames: list[tuple[int, np.ndarray]]) -> list[tuple[int, np.ndarray]]:
    last = frames[-1][1]
    order = di.matching(at, last)
    sign = np.where(((at - at.mean(0)) * last[:, order]).sum(0) < 0, -1, 1)
    return [(step, (z[:, order] - z[:, order].mean(0)) * sign + 0.5) for step, z in frames]


RANGE = [(a, b, n) for a in (1, 2) for b in (0.03, 0.05, 0.1) for n in (2, 4)]


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


SCALES = (0.2, 0.1, 0.05, 0.03, 0.02, 0.01)
RANGED = [Recipe("info_nce"), *(Recipe(loss, offset="ramp") for loss in ("nce", "order_0.75", "nwj", "scl"))]


def by_scale(lab: Lab, count: int) -> tuple[np.ndarray, np.ndarray]:
    """MCC of the recipes RANGED on four factors at the SCALES, (losses, scales, seeds), and what limits each loss.

    The second, (losses,), is the b below which a batch does not decide the offset, of InfoNCE the b at which the
    information of a pair is log B; NaN of NCE, for which neither is known.
    """
    found = []
    for b in SCALES:
        process = Process(di.box(4), 1, b)
        with warnings.catch_warnings(action="ignore"):  # of scales out of a loss's range: they are what is looked at
            trained = lab.train(process, RANGED, count)
        s = points(process.rooms, trained.seeds[0])
        found.append([[di.mcc(s, z) for z in row] for row in trained.codes(s)])
    orders = [ORDERS.get(r.loss) for r in RANGED]
    ends = [di.smallest_scale(a, 4, lab.p.batch) if a else np.nan for a in orders]
    return np.swapaxes(found, 0, 1), np.array([di.scale_of_batch(4, lab.p.batch), *ends[1:]])


LIMIT = [Recipe(loss, offset="ramp") for loss in ("scl", "nwj", "order_0.75")]
BY_ORDER = [Recipe(loss, offset="start") for loss in ("order_0.5", "order_0.75", "nwj", "scl")]
BOTH = {"alpha": True, "alpha_tilde": True}
EVERY = 25  # steps between the measurements of learning


def longer(lab: Lab, count: int) -> tuple[dict[str, np.ndarray], dict[str, Scores]]:
    """The values of the claims that take longer, one a seed, by the end of the claim's name.

    And the scores of those that rest on images, by which it is told whether their encoders learned.
    """
    wide = lab.scores(Process(di.box(4), 2, 2 * SIGMA**2), [Recipe("info_nce", box=k) for k in (0.9, 1.45)], count).mcc
    own = lab.scores(Process(di.box(2), 1, WIDE, dependent=True), RARE, count).gap
    limit = lab.scores(Process(di.box(8), 1, WIDE), LIMIT, count, steps=3 * lab.p.steps // 2).mcc
    by_order = lab.scores(Process(di.box(4), 1, B), BY_ORDER, count).mcc
    narrow = {
        size: lab.scores(Process(di.box(2), 1, 0.01), [Recipe("info_nce")], count, batch=size).mcc[0]
        for size in (16, 128)
    }
    twenty = lab.scores(
        Process(di.box(20), 1, 0.2), [Recipe("info_nce")], count, batch=256, steps=5 * lab.p.steps, width=128
    )
    curved = [
        lab.scores(Process(di.box(2), 1, WIDE, stretch=s), [Recipe("info_nce_both", **BOTH)], count).r2[0]
        for s in (own_scale, cross_scale)
    ]
    sizes = {"batch": 64, "width": 128, "learning_rate": 0.004, "steps": 5 * lab.p.steps}
    near, far = (lab.scores(di.Walk(gap), [Recipe("info_nce"), Recipe("nce")], count, **sizes) for gap in (1, 5))
    ten = lab.scores(Process(di.box(10), 1, 0.05), [Recipe("scl")], count)
    found = {
        "3d": wide[0] - wide[1],
        "4d": own[2] / own[0],
        "6c": exchanged(lab, count, diagonal=True),
        "6d": exchanged(lab, count, diagonal=False),
        "7b-limit": limit[0],
        "7b-nwj": limit[1] - limit[0],
        "7b-order": limit[2] - limit[0],
        "7c": np.array([stats.spearmanr((0.5, 0.75, 1, 2), one).statistic for one in by_order.T]),
        "7e": ten.broken[0].astype(float),
        "9a": far.mcc[0] - near.mcc[0],
        "9b": far.mcc[1] - near.mcc[1],
        "10b": narrow[128] - narrow[16],
        "13b": curved[0] - curved[1],
        "14": twenty.mcc[0],
    }
    return found | learning(lab, count), {"9a": near, "9b": near}


def own_scale(s: np.ndarray) -> np.ndarray:
    """A scale that grows sevenfold with the factor itself, (m, n)."""
    return 0.25 + 1.5 * s


def cross_scale(s: np.ndarray) -> np.ndarray:
    """The same growth for the second of two factors, with the first: no map flattens this metric, (m, 2)."""
    return np.stack([np.ones(len(s)), 0.25 + 1.5 * s[:, 0]], 1)


def exchanged(lab: Lab, count: int, diagonal: bool) -> np.ndarray:
    """Whether the codes match the factors otherwise in the last room than in the first, (seeds,) of 0 and 1.

    δ-INCE, three factors, b = .3, two rooms on the diagonal or the grid of eight.
    """
    process = Process(di.grid(3, 0.3, diagonal), 1, 0.3)
    found = lab.train(process, [Recipe("info_nce")], count, steps=3 * lab.p.steps // 2)
    first, last = (points(process.rooms[[i]], found.seeds[0]) for i in (0, -1))
    pairs = zip(found.codes(first)[0], found.codes(last)[0], strict=True)
    return np.array([float((di.matching(first, a) != di.matching(last, b)).any()) for a, b in pairs])


def learning(lab: Lab, count: int) -> dict[str, np.ndarray]:
    """Learned functions against constants on two uniform factors: steps to MCC .95 of δ-INCE, final MCC of each loss.

    An encoder that never gets there counts with all its steps.
    """
    process, takes = Process(di.box(2), 1, WIDE), {"info_nce": {"alpha_tilde": True}}
    recipes = [Recipe(loss, **kind) for loss in FOUR for kind in ({}, takes.get(loss, BOTH))]
    s, frames = points(process.rooms, lab.p.seed), 1 + lab.p.steps // EVERY
    found = lab.train(process, recipes, count, watched=s, frames=frames)
    mcc = measured(found, process, lab.start(process, count)).mcc
    first = 2 * FOUR.index("info_nce")
    steps = np.full((2, count), float(lab.p.steps))
    for step, codes in reversed(found.frames):
        for kind, i in np.ndindex(steps.shape):
            if di.mcc(s, codes[first + kind, i]) > 0.95:
                steps[kind, i] = max(step, 1)
    return {"12a": steps[1] / steps[0]} | {f"12b-{loss}": mcc[2 * k + 1] - mcc[2 * k] for k, loss in enumerate(FOUR)}
