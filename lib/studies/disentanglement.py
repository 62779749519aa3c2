"""The study of disentanglement: what its encoders are trained on, and what each experiment measures of them."""

import itertools
import warnings
from collections import namedtuple
from collections.abc import Sequence

import numpy as np

from lib import disentangle as di
from lib.disentangle import Process, Recipe
from lib.disentangle.encoders import ORDERS
from lib.encoders.factor_settings import KITTI, FactorUnit
from lib.studies.shared.lab import FOUR, RARE, SIGMA, WIDE, B, Lab, Scores, measured, points

START = 0.6  # of the corner of rare combinations
KAPPAS = (1.0, 1.25, 1.45)  # sizes of the box in the plane, in true ones
# Mean distances and MCC (ε, recipes, seeds); start: MCC within the corner, untrained (seeds,); codes: see ``corner``.
Corner = namedtuple("Corner", "inside mirror mcc start codes")


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
