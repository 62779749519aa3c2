"""How the exercises of ``exercises/worst_group.py`` are graded: points, hidden tests, wrong answers."""

import itertools

import numpy as np
from scipy import optimize, stats

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import FAILS, HOLDS, UNDECIDED, VERDICTS, same, table
from lib.book.classroom.slips import slips, solution


def _whole(numbers):
    def test(answers, rng, data):
        for strata in numbers:
            counts = np.sort(rng.integers(1, 60, strata)) + np.arange(strata)
            precision, recall = counts / counts.sum(), 1.0  # of the whole class beside each stratum
            f1 = 2 * precision * recall / (precision + recall)
            for order in (counts, counts[::-1]):
                if not same(answers.left_whole((order / counts.sum()).tolist()), f1.max() / strata):
                    return False
        return True

    return test


NONE = Exercise(
    label="exercise-applications-none",
    objective="Find what a score gives to doing nothing.",
    prerequisites="precision, recall and F1; the proposition on no recovery",
    minutes=10,
    checks=(
        Check(1, "classes of two strata", _whole((2,))),
        Check(2, "classes of more strata", _whole((3, 4, 7))),
    ),
    wrong=(
        Wrong(
            "two strata, always", "def left_whole(shares):\n    m = 1 - max(shares)\n    return (1 - m) / (2 - m)", 1
        ),
        Wrong("the share of the largest", "def left_whole(shares):\n    return max(shares)"),
        Wrong("chance", "def left_whole(shares):\n    return 1 / len(shares)"),
        *slips(
            solution("worst_group", "exercise-applications-none"),
            ("the matched stratum alone", " / len(shares)", "", 0),
            (
                "every stratum gets the class as its cluster",
                "2 * s / (s + 1)",
                "sum(2 * v / (v + 1) for v in shares)",
                0,
            ),
            ("matched to the first stratum", "max(shares)", "shares[0]", 0),
            ("recall forgotten", "2 * s / (s + 1)", "s", 0),
        ),
    ),
)


def _saddles(part):
    def test(answers, rng, data):
        for a, b in [(1.0, 1.0), *np.exp(rng.uniform(-2, 2, (5, 2)))]:
            a, b = float(a), float(b)
            worst = lambda t, a=a, b=b: max(a * t**2, b * (1 - t) ** 2)  # noqa: E731
            t = optimize.minimize_scalar(worst, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x
            slope = lambda q, a=a, b=b, t=t: q * a * t - (1 - q) * b * (1 - t)  # noqa: E731
            wanted = (t, optimize.brentq(slope, 0, 1))[part]
            if not same(answers.saddle(a, b)[part], wanted, 1e-4):
                return False
        return True

    return test


MINIMAX = Exercise(
    label="exercise-applications-minimax",
    objective="Solve the smallest minimax problem by hand, and see which group gets the weight.",
    prerequisites="the section on GroupDRO; derivatives",
    minutes=15,
    checks=(
        Check(2, "the parameter, for several pairs of losses", _saddles(0)),
        Check(2, "the weight of the first group, for several pairs of losses", _saddles(1)),
    ),
    wrong=(
        Wrong("the middle", "def saddle(a, b):\n    return 0.5, 0.5"),
        Wrong("the mean of the two losses is minimised", "def saddle(a, b):\n    return b / (a + b), 0.5"),
        Wrong("a table of one case", "def saddle(a, b):\n    return 2 / 3, 2 / 3"),
        *slips(
            solution("worst_group", "exercise-applications-minimax"),
            ("the groups exchanged", "t = math.sqrt(b)", "t = math.sqrt(a)", 0),
            ("the weight of the second group", "b * (1 - t) / (", "a * t / (", 2),
            ("weights as the losses, which are equal there", "b * (1 - t) / (a * t + b * (1 - t))", "0.5", 2),
            ("constants in place of slopes", "b * (1 - t) / (a * t + b * (1 - t))", "b / (a + b)", 2),
        ),
    ),
)


def _interval(answers, rng, data):
    tables = [table(rng, wanted, 0.0, "above", n) for wanted in VERDICTS for n in (3, 5, 10)] + list(data.values())
    for values, level in itertools.product(tables, (0.9, 0.95, 0.99)):
        ends = stats.ttest_1samp(values, 0).confidence_interval(level)
        if not same(answers.verdict(values, 0.0, level)[:2], [ends.low, ends.high]):
            return False
    return True


def _verdicts(answers, rng, data):
    for x, wanted in itertools.product((0.0, 0.3, -0.2), VERDICTS):
        if answers.verdict(table(rng, wanted, x, "above"), x, 0.95)[2] != wanted:
            return False
    return True


def _column(rng, chance, threshold, seeds):
    """Numbers whose t test against the threshold has this p value, and the verdict of it where it is decided."""
    z, sign = rng.normal(size=seeds), int(rng.choice([-1, 1]))
    away = sign * stats.t.isf(chance / 2, seeds - 1) / seeds**0.5
    values = threshold + 0.05 * (away + (z - z.mean()) / z.std(ddof=1))
    return values.tolist(), HOLDS if sign > 0 else FAILS


def _together(cases):
    """Cases of p values; of each, how many of the smallest Holm's method decides."""

    def test(answers, rng, data):
        for chances, decided in cases:
            for threshold in (0.0, 0.2):
                order = rng.permutation(len(chances))
                made = [_column(rng, chances[i], threshold, int(rng.integers(4, 9))) for i in order]
                wanted = [word if i < decided else UNDECIDED for i, (_, word) in zip(order, made, strict=True)]
                if list(answers.together([values for values, _ in made], threshold)) != wanted:
                    return False
        return True

    return test


RERUN = Exercise(
    label="exercise-applications-worst-rerun",
    objective="Rerun the study with another step, and read two claims together.",
    prerequisites="the chapter; how to read this book, on verdicts and on many claims",
    minutes=35,
    checks=(
        Check(2, "the interval, at several levels", _interval),
        Check(2, "one verdict, at several thresholds", _verdicts),
        Check(2, "two claims together", _together([((0.01, 0.04), 2), ((0.03, 0.04), 0), ((0.01, 0.2), 1)])),
        Check(
            2,
            "three claims and more together",
            _together(
                [
                    ((0.005, 0.02, 0.04), 3),
                    ((0.005, 0.03, 0.04), 1),
                    ((0.02, 0.03, 0.04), 0),
                    ((0.001, 0.01, 0.02, 0.3), 3),
                ]
            ),
        ),
    ),
    wrong=slips(
        solution("worst_group", "exercise-applications-worst-rerun"),
        ("every claim at 95 %", "1 - 0.05 / len(left)", "0.95", 4),
        ("Bonferroni: no claim leaves", "left = [i for i in left if i not in decided]", "break", 4),
        ("the level of one tail", "0.5 + level / 2", "level", 2),
        (
            "the normal law in place of Student's",
            "stats.t.ppf(0.5 + level / 2, n - 1)",
            "stats.norm.ppf(0.5 + level / 2)",
            4,
        ),
        ("the level ignored", "0.5 + level / 2", "0.975", 2),
        ("the spread of the seeds, not of their mean", " / n**0.5", "", 2),
        ("the threshold ignored", "n, mean = ", "threshold = 0\n    n, mean = ", 4),
        ("what fails is not decided", "FAILS if high < threshold", "UNDECIDED if high < threshold", 4),
    ),
    data=lambda rng: {
        "over_sup_con": _column(rng, float(rng.choice([0.03, 0.2])), 0.0, 5)[0],
        "over_plain": _column(rng, float(rng.choice([0.01, 0.04])), 0.0, 5)[0],
    },
)

OPEN = Exercise(
    label="exercise-applications-worst-open",
    objective="Follow a chain of two steps, and say which of them a number speaks of.",
    prerequisites="the chapter, its claims and what the paper leaves open",
    minutes=30,
    rubric=(
        Criterion(
            2, "says that the reported number has no seeds, or that a worst group varies from training to training"
        ),
        Criterion(2, "tells recovery from training, or names the level of no recovery, or the weight of rare points"),
        Criterion(2, "uses a further result: ISIC, the two readings of the centre, margins over plain cross-entropy"),
        Criterion(
            3,
            "designs a run that decides: the same start, true groups and none beside the recovered ones, pairs by seed",
        ),
        Criterion(1, "fixes threshold and seeds before, and says which result would speak against the sentence"),
    ),
)

CHAPTER = Chapter("intermediate", "precision, recall and F1; clustering", after=("lspread_strata",))
EXERCISES = (NONE, MINIMAX, RERUN, OPEN)
