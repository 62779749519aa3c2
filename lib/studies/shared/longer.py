"""The experiments of disentanglement that take longer."""

import numpy as np
from scipy import stats

from lib import disentangle as di
from lib.disentangle import Process, Recipe
from lib.studies.shared.lab import BOTH, FOUR, RARE, SIGMA, WIDE, B, Lab, Scores, measured, points

LIMIT = [Recipe(loss, offset="ramp") for loss in ("scl", "nwj", "order_0.75")]
BY_ORDER = [Recipe(loss, offset="start") for loss in ("order_0.5", "order_0.75", "nwj", "scl")]
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
