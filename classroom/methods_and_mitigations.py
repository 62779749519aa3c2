"""How the exercises of ``exercises/methods_and_mitigations.py`` are graded: points, hidden tests, wrong answers."""

import numpy as np

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    BEYOND,
    HOLDS,
    MISTAKES,
    SHORT,
    STUDENT,
    UNDECIDED,
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


def _share(answers, rng, data):
    for k in (2, 3, 6):
        sizes, w = rng.integers(2, 90, k), rng.uniform(0.2, 5, k)
        images = np.repeat(w, sizes)  # image by image
        wanted = np.array([part.sum() for part in np.split(images, np.cumsum(sizes)[:-1])]) / images.sum()
        if not same(answers.share(sizes, w), wanted):
            return False
    return True


def _weights(answers, rng, data):
    for k in (2, 4, 7):
        sizes = rng.integers(2, 90, k)
        found = np.asarray(answers.weights(sizes), float)
        if not (same(found * sizes, np.full(k, (found * sizes)[0])) and same((found * sizes).sum(), sizes.sum())):
            return False
    return True


def _weighting(share: str, weights: str) -> str:
    return (
        f"def share(n_k, w):\n    n_k, w = np.asarray(n_k), np.asarray(w)\n    return {share}\n"
        f"def weights(n_k):\n    n_k = np.asarray(n_k)\n    return {weights}"
    )


WEIGHTS = Exercise(
    label="exercise-weights",
    objective="Tell what a class counts under weights of its images, and find the weights under which all count alike.",
    prerequisites="weighted means",
    minutes=10,
    checks=(
        Check(2, "the shares under any sizes and weights", _share),
        Check(2, "weights that make all classes count alike, with mean 1 over the images", _weights),
    ),
    wrong=(
        Wrong("always equal shares", _weighting("np.full(len(n_k), 1 / len(n_k))", "np.ones(len(n_k))")),
        Wrong("the sizes ignored", _weighting("w / w.sum()", "1 / n_k")),
        Wrong("the weights ignored", _weighting("n_k / n_k.sum()", "n_k.sum() / n_k")),
        *slips(
            solution("methods_and_mitigations", "exercise-weights"),
            (
                "weights of mean 1 over the classes, not over the images",
                "np.sum(n_k) / (len(n_k) * np.asarray(n_k))",
                "len(n_k) / np.asarray(n_k) / np.divide(1, n_k).sum()",
                2,
            ),
        ),
        Wrong(
            "the library in place of the formula",
            "def share(n_k, w):\n    return np.full(len(n_k), 1 / len(n_k))\n"
            "def weights(n_k):\n    from lib.encoders.methods import group_weights\n"
            "    y = torch.repeat_interleave(torch.arange(len(n_k)), torch.as_tensor(n_k))\n"
            "    return group_weights(y)[np.cumsum(n_k) - 1].numpy()",
        ),
    ),
    hides=("lib.encoders",),
)


def _collapsed(moved):
    def test(answers, rng, data):
        for d in (1, 3, 8):
            u, invariance, variance = rng.normal(size=d), *rng.uniform(1, 40, 2)
            v = u + moved * rng.normal(size=d)
            wanted = invariance * np.mean((u - v) ** 2) + 2 * variance * 0.99
            if not same(answers.collapsed(u, v, invariance, variance), wanted):
                return False
        return True

    return test


def _collapse(loss: str) -> str:
    return f"def collapsed(u, v, invariance, variance):\n    u, v = np.asarray(u), np.asarray(v)\n    return {loss}"


VICREG = Exercise(
    label="exercise-vicreg-collapse",
    objective="Work out which terms of VICReg a collapsed encoder pays, and how much.",
    prerequisites="the definition of VICReg in the chapter",
    minutes=15,
    checks=(
        Check(2, "both views at one point, for several coefficients", _collapsed(0)),
        Check(2, "each view at a point of its own", _collapsed(1)),
    ),
    wrong=(
        Wrong("the value of the default coefficients", _collapse("49.5")),
        Wrong("the 1e-4 under the root forgotten", _collapse("invariance * np.mean((u - v) ** 2) + 2 * variance")),
        Wrong("one view pays", _collapse("invariance * np.mean((u - v) ** 2) + variance * 0.99")),
        Wrong("no invariance", _collapse("2 * variance * 0.99"), 2),
        Wrong("a sum over the features", _collapse("invariance * np.sum((u - v) ** 2) + 2 * variance * 0.99"), 2),
        Wrong(
            "the library in place of the formula",
            "def collapsed(u, v, invariance, variance):\n    from lib import losses\n"
            "    u, v = (torch.as_tensor(x).repeat(4, 1) for x in (u, v))\n"
            "    return float(losses.vicreg(u, v, invariance, variance))",
        ),
    ),
    hides=("lib.losses",),
)


def _bcl(memory):
    u = (memory - memory.mean()) / memory.std()
    return 0.5 + u / (2 * np.abs(u).max())


def _strengths(answers, rng, data):
    for n in (3, 6, 20):
        memory = rng.exponential(1, n) * rng.choice([-1, 1])  # a long tail on one side, then on the other
        for losses in (memory, 5 - 2 * memory):
            if not same(answers.strengths(losses), _bcl(losses)):
                return False
    return True


def _memories(answers, rng, data):
    for n in (3, 4, 9):
        least = 0.5 + 0.5 / (n - 1)
        for top in rng.uniform(least + 0.01, 0.99, 2):
            found = np.asarray(answers.memories(n, float(top)), float)
            if found.shape != (n,) or not same(_bcl(found).max(), top):
                return False
    return True


def _boost(strengths: str, memories: str) -> str:
    return (
        "def strengths(memory):\n    m = np.asarray(memory)\n    u = m - m.mean()\n"
        f"    return {strengths}\ndef memories(n, top):\n    t = 2 * top - 1\n    return {memories}"
    )


BOOST = Exercise(
    label="exercise-boost",
    objective="See that BCL's scale is set by whichever loss is farther from the mean, be it high or low.",
    prerequisites="BCL in the chapter; mean and maximum",
    minutes=25,
    checks=(
        Check(2, "the strengths, whether the highest or the lowest loss is farther from the mean", _strengths),
        Check(3, "losses of every asked number and largest strength", _memories),
    ),
    wrong=(
        Wrong("the highest loss always gets 1", _boost("0.5 + u / (2 * u.max())", "[-1.0, t] + [0.0] * (n - 2)")),
        Wrong("the whole scale from 0 to 1", _boost("(m - m.min()) / (m.max() - m.min())", "np.linspace(0, top, n)")),
        Wrong("the mean forgotten", _boost("0.5 + m / (2 * np.abs(m).max())", "[-1.0] + [t] * (n - 1)")),
        *slips(
            solution("methods_and_mitigations", "exercise-boost"),
            (
                "the same three losses whatever is asked",
                "[-1.0, highest, *[(1 - highest) / (n - 2)] * (n - 2)]",
                "[0.0, 1.0, 1.1]",
                2,
            ),
            ("n ignored", "*[(1 - highest) / (n - 2)] * (n - 2)", "1 - highest", 2),
            (
                "top ignored",
                "[-1.0, highest, *[(1 - highest) / (n - 2)] * (n - 2)]",
                "[-1.0] + [1 / (n - 1)] * (n - 1)",
                2,
            ),
        ),
    ),
    hides=("lib.encoders",),
)

THRESHOLDS = (0.0, 0.1)


def _ask(answers, rng, values, threshold, side):
    """Two arms that share most of their spread over seeds."""
    plain = rng.normal(0.9, 0.1, len(values))
    return answers.reading(plain.tolist(), (plain + values).tolist(), threshold, side)


def _nothing(answers, rng, data):
    """Two seeds, and seeds that all agree, decide nothing; one seed more, or one that differs, does."""
    plain = rng.normal(0.9, 0.1, 4).round(3)
    for side, sign in (("above", 1), ("below", -1)):
        gains = ([0.5, 0.501], [0.5] * 4, [0.5, 0.501, 0.502])
        found = [answers.reading(plain[: len(g)], plain[: len(g)] + sign * np.array(g), 0.0, side)[2] for g in gains]
        if found != [UNDECIDED, UNDECIDED, HOLDS]:
            return False
    return True


def _own_table(answers, rng, data):
    """Read as it stands, and with the arms exchanged: no constant serves both."""
    arms = (data["plain"], data["weighted"])
    for plain, weighted in (arms, arms[::-1]):
        low, high = interval(np.subtract(weighted, plain))
        found = answers.reading(plain, weighted, 0.01, "above")
        if not same(found[:2], (low, high)) or found[2] != verdict(low, high, 0.01, "above"):
            return False
    return True


FEW = "n < 3 or np.ptp(values) <= 1e-9"


def _answer(values="np.subtract(weighted, plain)", half=STUDENT, holds=BEYOND, fails=SHORT, few=FEW) -> str:
    holds, fails = (f"not ({few}) and ({rule})" for rule in (holds, fails))
    return answer("plain, weighted, threshold, side", values, half, holds, fails)


UNPAIRED = "stats.t.ppf(0.975, 2 * n - 2) * np.sqrt((np.var(plain, ddof=1) + np.var(weighted, ddof=1)) / n)"


def _own(rng):
    plain = rng.normal(0.9, 0.05, 5).round(4)
    gain = table(rng, str(rng.choice(VERDICTS)), 0.01, "above")
    return {"plain": plain.tolist(), "weighted": (plain + gain).round(4).tolist()}


RERUN = Exercise(
    label="exercise-methods-rerun",
    objective="Rerun the study with one remedy and more seeds, and read a difference that is paired by seed.",
    prerequisites="the chapter; how to read this book, on intervals and verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval of the paired difference, for three seeds and more", intervals(_ask, 0.0)),
        Check(2, "the verdict on either side, at more than one threshold", verdicts(_ask, THRESHOLDS)),
        Check(2, "when nothing is decided", _nothing),
        Check(2, "the table of the assignment, and the same with the arms exchanged", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half=half), 4) for why, half in MISTAKES.items()),
        Wrong("two samples that are not paired", _answer(half=UNPAIRED), 2),
        Wrong("plain minus weighted", _answer("np.subtract(plain, weighted)")),
        Wrong("a ratio in place of a difference", _answer("np.divide(weighted, plain) - 1"), 4),
        Wrong("any number of seeds decides", _answer(few="False"), 6),
        Wrong("the side ignored", _answer(holds="low > threshold", fails="high < threshold"), 4),
        Wrong("the threshold ignored", _answer(holds=BEYOND.replace("threshold", "0.0")), 6),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-methods-open",
    objective="Tell a comparison of methods from a comparison of settings, and design the fair one.",
    prerequisites="the chapter, its claims and limits",
    minutes=30,
    rubric=(
        Criterion(2, "names at least three settings, other than the method, in which the paper's arms differ"),
        Criterion(2, "says that RH divides by the balanced encoder of its own arm, and what that means here"),
        Criterion(
            3, "designs matched arms: equal net, augmentation, epochs; a tuning of each with one budget, before harms"
        ),
        Criterion(2, "pairs the arms by seed, gives a number of seeds with a reason, and the null of a difference"),
        Criterion(1, "states the threshold and what each of the three verdicts would mean"),
    ),
)

CHAPTER = Chapter("intermediate", "how a net is trained by gradient steps", after=("cifar10_undersampling",))
EXERCISES = (WEIGHTS, VICREG, BOOST, RERUN, OPEN)
