"""How the exercises of ``exercises/minority_collapse.py`` are graded: points, hidden tests, wrong answers."""

import math

import numpy as np
from scipy.optimize import brentq

from lib import geometry
from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    BEYOND,
    FAILS,
    HOLDS,
    MISTAKES,
    ON_SIDE,
    SHORT,
    STUDENT,
    VERDICTS,
    answer,
    interval,
    intervals,
    same,
    table,
    verdict,
    verdicts,
)
from lib.book.classroom.slips import slips, solution
from lib.geometry import collapse


def _exponential(low, high):
    def test(answers, rng, data):
        for tau in rng.uniform(low, high, 4):
            b = int(rng.integers(2, 12))
            wanted = geometry.collapse_threshold(b, tau, 1, "iid", "exponential")
            if not same(answers.exponential_threshold(b, tau) / wanted, 1.0):
                return False
        return True

    return test


def _own_threshold(formula: str) -> str:
    return f"def exponential_threshold(b, tau):\n    return {formula}"


OWN = Exercise(
    label="exercise-own-threshold",
    objective="Derive the threshold of another loss from the theorem.",
    prerequisites="the theorem on one majority class",
    minutes=10,
    checks=(
        Check(2, "temperatures of 0.4 to 1, at several numbers of classes", _exponential(0.4, 1.0)),
        Check(2, "higher temperatures", _exponential(1.0, 3.0)),
    ),
    wrong=(
        Wrong("the slope between antipodes taken at -1", _own_threshold("b * np.exp(1 / tau)")),
        Wrong("InfoNCE in place of the exponential", _own_threshold("b / 2 * (1 + np.exp(2 / tau))")),
        Wrong("the number of classes ignored", _own_threshold("np.exp(2 / tau)")),
        Wrong(
            "label-aware negatives",
            _own_threshold("0.5 * (1 - 2 * b + np.sqrt((2 * b - 1) ** 2 + 8 * b**2 * np.exp(2 / tau)))"),
        ),
        Wrong("the ratio upside down", _own_threshold("b * np.exp(-2 / tau)")),
        Wrong(
            "a table of the public check's cases",
            _own_threshold("{(4, 0.7): 69.6468322533106, (2, 1.5): 7.587335789366355}[b, tau]"),
        ),
        Wrong(
            "the library in place of the derivation",
            "def exponential_threshold(b, tau):\n    from lib import geometry\n"
            "    return geometry.collapse_threshold(b, tau, 1, 'iid', 'exponential')",
        ),
    ),
    hides=("lib.geometry", "lib.studies"),
)


def _safe(many):
    def test(answers, rng, data):
        for b in rng.integers(2, 15, 4):
            ratio = float(b * (rng.uniform(8, 200) if many else rng.uniform(1.2, 4)))
            tau = answers.safe_temperature(ratio, int(b))
            if not same(geometry.collapse_threshold(int(b), tau, 1, "iid") / ratio, 1.0):
                return False
        return True

    return test


def _temperature(formula: str) -> str:
    return f"def safe_temperature(ratio, b):\n    return {formula}"


SAFE = Exercise(
    label="exercise-safe-temperature",
    objective="Turn a threshold of imbalance into a safe temperature.",
    prerequisites="the theorem on one majority class; logarithms",
    minutes=10,
    checks=(
        Check(2, "strong imbalance", _safe(True)),
        Check(2, "mild imbalance", _safe(False)),
    ),
    wrong=(
        Wrong("the one inside the logarithm forgotten", _temperature("2 / np.log(2 * ratio / b)")),
        Wrong("half of the temperature", _temperature("1 / np.log(2 * ratio / b - 1)")),
        Wrong("the number of rare classes ignored", _temperature("2 / np.log(2 * ratio - 1)")),
        Wrong("the exponential loss in place of InfoNCE", _temperature("2 / np.log(ratio / b)")),
        Wrong("the temperature of the public case for all", _temperature("0.86444")),
        Wrong("a table of the public check's cases", _temperature("{(50, 9): 0.86444, (6, 3): 1.82048}[ratio, b]")),
    ),
)


def _planar(answers, rng, data):
    """Below the threshold, by the programme's own loss along the plane: no part of the library's two levels."""
    for ratio, tau in ((1.0, 0.5), *zip(rng.uniform(1.3, 3.2, 3), rng.uniform(0.4, 0.9, 3), strict=True)):
        problem = geometry.programme(collapse.shares(1, 2, ratio), tau, math.inf)

        def loss(theta, problem=problem):
            """Minorities at ±theta from the majority."""
            v = problem.p.new_tensor([[1, 0], [np.cos(theta), np.sin(theta)], [np.cos(theta), -np.sin(theta)]])
            return float(problem.loss(v @ v.T))

        slope = brentq(lambda t: loss(t + 1e-5) - loss(t - 1e-5), 1.6, np.pi - 1e-4)
        if not same(answers.minority_angle(ratio, tau), 360 - 2 * np.degrees(slope), 1e-3):
            return False
    return True


def _together(answers, rng, data):
    """Beyond the threshold they are one, just below it they are not."""
    for tau in (rng.uniform(0.35, 0.45), rng.uniform(0.8, 1)):
        edge = geometry.collapse_threshold(2, tau, math.inf)
        found = [answers.minority_angle(float(edge * x), tau) for x in (1.2, 2.0, 0.8)]
        if not (max(abs(f) for f in found[:2]) < 1e-3 and 10 < found[2] < 120):
            return False
    return True


PLANAR = Exercise(
    label="exercise-planar",
    objective="Use the symmetry of an optimum to turn one cosine into the whole arrangement.",
    prerequisites="angular symmetry; angles and cosines",
    minutes=15,
    checks=(
        Check(2, "the angle below the threshold, at several ratios and temperatures", _planar),
        Check(2, "the angle on either side of the threshold", _together),
    ),
    wrong=(
        *slips(
            solution("minority_collapse", "exercise-planar"),
            ("the angle to the majority", "360 - 2 * ", "", 0),
            ("the way round the majority", "360 - 2 * ", "2 * ", 0),
            ("radians", "360 - 2 * np.degrees(", "2 * np.pi - 2 * (", 0),
            ("half of the angle", "360 - 2 * ", "180 - ", 2),
            ("the temperature ignored", "ratio, tau).c", "ratio, 0.5).c", 0),
            ("the ratio ignored", "ratio, tau).c", "3.0, tau).c", 0),
        ),
        Wrong("the angle at equal shares", "def minority_angle(ratio, tau):\n    return 120.0"),
    ),
)


def _ask(answers, rng, values, threshold, side):
    return answers.reading(values, threshold, side)


def _cut(answers, rng, data):
    """Cosines near either end: the interval stops where a cosine does, and the verdict goes by that."""
    for sign, side, short in ((1, "above", "below"), (-1, "below", "above")):
        values = sign * (1 - rng.uniform([0, 0, 0.001, 0.01, 0.04], [0.001, 0.001, 0.004, 0.02, 0.05]))
        low, high = np.clip(interval(values), -1, 1)
        found = [answers.reading(values.tolist(), sign * 0.5, s) for s in (side, short)]
        if not all(same(f[:2], (low, high)) for f in found) or [f[2] for f in found] != [HOLDS, FAILS]:
            return False
    return True


def _own_table(answers, rng, data):
    """Read as it stands, and moved: no constant serves both."""
    for moved in (0.0, -0.5):
        cosine = np.add(data["cosine"], moved).tolist()
        low, high = np.clip(interval(cosine), -1, 1)
        found = answers.reading(cosine, 0.98, "above")
        if not same(found[:2], (low, high)) or found[2] != verdict(low, high, 0.98, "above"):
            return False
    return True


def _answer(half=STUDENT, holds=BEYOND, fails=SHORT, cut="np.clip([low, high], -1, 1)") -> str:
    text = answer("cosine, threshold, side", "cosine", half, holds, fails)
    return text.replace("    return low", f"    low, high = {cut}\n    return low")


def _own(rng):
    wanted = str(rng.choice(VERDICTS))
    return {"cosine": np.minimum(table(rng, wanted, 0.98, "above", spread=0.004), 1.0).tolist()}


RERUN = Exercise(
    label="exercise-collapse-rerun",
    objective="Rerun the networks with other classes and seeds, and read a cosine that cannot pass 1.",
    prerequisites="the chapter; how to read this book, on intervals and verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval, for three seeds and more", intervals(_ask, 0.5, "above")),
        Check(2, "the verdict on either side, at more than one threshold", verdicts(_ask, (0.5, -0.3))),
        Check(2, "cosines near the ends of their range", _cut),
        Check(2, "the table of the assignment, and the same table moved", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half=half), 2) for why, half in MISTAKES.items()),
        Wrong("an interval that leaves the range of a cosine", _answer(cut="low, high"), 6),
        Wrong("the interval cut at 1 alone", _answer(cut="low, min(high, 1)"), 6),
        Wrong("the side ignored", _answer(holds="low > threshold", fails="high < threshold"), 4),
        Wrong("the threshold ignored", _answer(holds=BEYOND.replace("threshold", "0.98")), 4),
        Wrong("the mean decides", _answer(holds=ON_SIDE, fails=f"not ({ON_SIDE})"), 6),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-collapse-open",
    objective="Say under which assumptions a threshold of collapse exists, and design a test on images.",
    prerequisites="the chapter: threshold, several majorities, losses, networks, limits",
    minutes=40,
    rubric=(
        Criterion(2, "limits the sentence to one majority class, with the case of three or more as evidence"),
        Criterion(2, "limits it by the loss (triplet) and by the law and number of negatives"),
        Criterion(1, "says what of this is derived, what is numerical only, and what of the paper is known"),
        Criterion(
            3, "designs a run: data, shares, negatives, temperature, ratios on both sides of the R* computed before it"
        ),
        Criterion(
            2, "measures minority cosines on images not trained on, with seeds, a threshold set before, and a gate"
        ),
    ),
)

CHAPTER = Chapter("advanced", "convex optimisation with its dual; Jensen’s inequality")
EXERCISES = (OWN, SAFE, PLANAR, RERUN, OPEN)
