"""How the exercises of ``exercises/bios_gender_harm.py`` are graded: points, hidden tests, wrong answers."""

import math

import numpy as np

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    BEYOND,
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


def _ratio(own, other, gap):
    """GRH by the identity of the distances."""
    return (own + other + gap**2) / (2 * own)


def _edge(answers, rng, data):
    for other in rng.uniform(0.1, 0.4, 4):
        own = other + rng.uniform(0.05, 0.5)
        edge = answers.critical_gap(own, other)
        if not _ratio(own, other, edge - 1e-6) < 1 < _ratio(own, other, edge + 1e-6):
            return False
    return True


def _never(answers, rng, data):
    """Where the other gender is as spread out or more, no gap does, and the edge is at 0; else it is not."""
    for own in rng.uniform(0.1, 0.5, 4):
        wider = own + rng.uniform(0.01, 0.4)
        found = [answers.critical_gap(own, own), answers.critical_gap(own, wider), answers.critical_gap(wider, own)]
        if not same(found, [0, 0, math.sqrt(wider - own)]):
            return False
    return True


def _critical(formula: str) -> str:
    return f"def critical_gap(own, other):\n    return {formula}"


CRITICAL = Exercise(
    label="exercise-bios-critical",
    objective="Read off the identity of the distances when a ratio below 1 is possible, and up to which gap.",
    prerequisites="the corollary on the regions of the two ratios",
    minutes=10,
    checks=(
        Check(2, "the edge, where the group is the more spread-out one", _edge),
        Check(2, "groups that are not the more spread-out one as well", _never),
    ),
    wrong=(
        Wrong("the square of the gap in place of the gap", _critical("max(0.0, own - other)")),
        Wrong("the sign of the difference lost", _critical("abs(own - other) ** 0.5"), 2),
        Wrong("the other spread ignored", _critical("own ** 0.5")),
        Wrong("the spreads exchanged", _critical("max(0.0, other - own) ** 0.5")),
        Wrong("the half of the identity kept", _critical("max(0.0, (own - other) / 2) ** 0.5")),
        Wrong("a table of the public check's cases", _critical("{0.5: 0.2**0.5, 0.3: 0.0, 0.9: 0.5}[own]")),
        Wrong("a constant", _critical("0.2 ** 0.5")),
    ),
)


def _unit(rng, n, d, shift=0.0):
    z = rng.normal(0, 1, (n, d)) + shift
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _plug_in(answers, rng, data):
    for n in (2, 3, 11):
        own, other = _unit(rng, n, 4), _unit(rng, 7, 4, 0.5)
        apart, within = 1 - own @ other.T, 1 - own @ own.T
        without = apart.mean() / within[~np.eye(n, dtype=bool)].mean()
        if not same(answers.plug_in(without, n), apart.mean() / within.mean()):
            return False
    return True


def _needed(answers, rng, data):
    for bias in (0.3, 0.013, *rng.uniform(0.02, 0.4, 4)):
        n = 2
        while n / (n - 1) > 1 + bias:
            n += 1
        if not same(answers.texts_needed(bias), n):
            return False
    return True


SELF_PAIRS = Exercise(
    label="exercise-bios-self-pairs",
    objective="Quantify how self-pairs make a small group look compact, and how many texts make that harmless.",
    prerequisites="the plug-in estimate of the chapter",
    minutes=15,
    checks=(
        Check(2, "the plug-in ratio, for groups of two texts and more", _plug_in),
        Check(2, "the least number of texts, for small and large bias", _needed),
    ),
    wrong=(
        Wrong(
            "1 + 1/n in place of n / (n - 1)",
            "def plug_in(grh, n):\n    return grh * (1 + 1 / n)\n"
            "def texts_needed(bias):\n    return math.ceil(1 / bias)",
        ),
        Wrong("the size ignored", "def plug_in(grh, n):\n    return grh\ndef texts_needed(bias):\n    return 2"),
        Wrong(
            "a table of the public check's cases",
            "def plug_in(grh, n):\n    return {2: 0.9831151108835443, 20: 1.020708439630889}[n]\n"
            "def texts_needed(bias):\n    return {0.3: 5, 0.06: 18}[bias]",
        ),
        *slips(
            solution("bios_gender_harm", "exercise-bios-self-pairs"),
            ("the ratio shrinks", "grh * n / (n - 1)", "grh * (n - 1) / n", 2),
            ("the ratio of one distribution, whatever the ratio", "grh * n", "n", 2),
            ("a number of texts that is no whole number", "math.ceil", "float", 2),
            ("rounded down", "math.ceil", "int", 2),
        ),
    ),
    hides=("lib.harms",),
)


def _swap(of):
    def test(answers, rng, data):
        for _ in range(4):
            first, second, gap = rng.uniform(0.5, 1.5, 3)
            recall = rng.uniform(0.05, 0.4) * rng.choice([-1, 1])
            found = answers.swapped((first, second), gap, recall)
            if not all(same(found[i], ((second, first), gap, -recall)[i]) for i in of):
                return False
        return True

    return test


SWAP = Exercise(
    label="exercise-bios-swap",
    objective="Tell which measures of gender are symmetric, which exchange their values, and which change sign.",
    prerequisites="GRH, mean gap and TPR gap as the chapter defines them",
    minutes=10,
    checks=(
        Check(2, "the two ratios", _swap([0])),
        Check(2, "the mean gap and the gap of recall", _swap([1, 2])),
    ),
    wrong=slips(
        solution("bios_gender_harm", "exercise-bios-swap"),
        ("nothing changes", "(ratios[1], ratios[0]), mean_gap, -tpr_gap", "ratios, mean_gap, tpr_gap", 0),
        ("the ratios are turned upside down", "(ratios[1], ratios[0])", "(1 / ratios[0], 1 / ratios[1])", 2),
        ("the mean gap changes sign", "), mean_gap", "), -mean_gap", 2),
        ("the gap of recall stays", "-tpr_gap", "tpr_gap", 2),
        ("constants", "(ratios[1], ratios[0]), mean_gap, -tpr_gap", "(1.0, 1.0), 0.0, 0.0", 0),
    ),
)

THRESHOLDS = (0.0, -0.2)


def _groups(rng, values, groups):
    """(seeds, groups) of these means over the groups, which differ much more than the means do over seeds."""
    apart = rng.normal(0, 0.3, (len(values), groups))
    return (np.array(values)[:, None] + apart - apart.mean(1, keepdims=True)).tolist()


def _ask(answers, rng, values, threshold, side):
    return answers.reading(_groups(rng, values, int(rng.integers(1, 4))), threshold, side)


def _dependent(answers, rng, data):
    """Groups that move together are no further seeds: each row given twice over changes nothing."""
    for wanted in VERDICTS:
        values = table(rng, wanted, 0.0, "below", 3)
        for groups in (1, 2, 4):
            found = answers.reading(np.repeat(np.array(values)[:, None], groups, 1).tolist(), 0.0, "below")
            if not same(found[:2], interval(values)) or found[2] != wanted:
                return False
    return True


def _own_table(answers, rng, data):
    """Read as it stands, and moved: no constant serves both."""
    for moved in (0.0, -0.3):
        change = np.add(data["change"], moved)
        low, high = interval(change.mean(1))
        found = answers.reading(change.tolist(), 0.0, "below")
        if not same(found[:2], (low, high)) or found[2] != verdict(low, high, 0.0, "below"):
            return False
    return True


def _answer(values="np.mean(change, axis=1)", half=STUDENT, holds=BEYOND, fails=SHORT) -> str:
    return answer("change, threshold, side", values, half, holds, fails)


def _own(rng):
    values = table(rng, str(rng.choice(VERDICTS)), 0.0, "below")
    return {"change": np.round(_groups(rng, values, 2), 4).tolist()}


RERUN = Exercise(
    label="exercise-bios-rerun",
    objective="Rerun the study at another share, and read a change over groups of which the seeds alone count.",
    prerequisites="the chapter; how to read this book, on intervals and verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval over seeds, for three seeds and more and any number of groups", intervals(_ask, 0.0)),
        Check(2, "the verdict on either side, at more than one threshold", verdicts(_ask, THRESHOLDS)),
        Check(2, "groups that move together", _dependent),
        Check(2, "the table of the assignment, and the same table moved", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half=half), 4) for why, half in MISTAKES.items()),
        Wrong("every group of every seed counted as a seed", _answer("np.ravel(change)")),
        Wrong("an interval over the groups", _answer("np.mean(change, axis=0)")),
        Wrong("the first group alone", _answer("np.array(change)[:, 0]"), 2),
        Wrong("the side ignored", _answer(holds="high < threshold", fails="low > threshold"), 6),
        Wrong("the threshold ignored", _answer(holds=BEYOND.replace("threshold", "0.0")), 6),
        Wrong("the mean decides", _answer(holds=ON_SIDE, fails=f"not ({ON_SIDE})"), 4),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-bios-open",
    objective="Ask of a measure of harm what it measures, and design the control that its claim needs.",
    prerequisites="the chapter: identity, regions, controls, and what this means for people",
    minutes=40,
    rubric=(
        Criterion(2, "says by the identity what a ratio below 1 states: relative spread, beyond the squared mean gap"),
        Criterion(2, "gives a case of harm without a ratio below 1, or of a ratio below 1 without harm"),
        Criterion(
            2, "says that a comparison of rare and frequent groups as found has no control, and names a confounder"
        ),
        Criterion(3, "designs a run: one group cut on purpose, balanced encoders, equal groups held out, null, seeds"),
        Criterion(1, "says what a finding about texts would, and would not, say about people"),
    ),
)

CHAPTER = Chapter("intermediate", "what a transformer makes of a text", after=("cifar10_undersampling", "mediation"))
EXERCISES = (CRITICAL, SELF_PAIRS, SWAP, RERUN, OPEN)
