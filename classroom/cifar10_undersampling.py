"""How the exercises of ``exercises/cifar10_undersampling.py`` are graded: points, hidden tests, wrong answers."""

import numpy as np
import torch

from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    FAILS,
    HOLDS,
    MISTAKES,
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


def _features(rng, n=12, d=4, classes=3):
    """Features of any length (n, d) and codes (n,), every class there and none as large as another."""
    y = np.repeat(np.arange(classes), [n // 6, n // 3, n - n // 6 - n // 3])
    return torch.from_numpy(rng.normal(0.4, 1, (n, d)) * rng.uniform(0.2, 5, (n, 1))), torch.from_numpy(y)


def _pair_mean(z, y, i, j):
    z, y = z.numpy(), y.numpy()
    return np.mean([a @ b / np.sqrt((a @ a) * (b @ b)) for a in z[y == i] for b in z[y == j]])


def _pairs_of(which):
    def test(answers, rng, data):
        for n, d in ((12, 4), (18, 2)):
            z, y = _features(rng, n, d)
            if not all(same(answers.pair_mean(z, y, i, j), _pair_mean(z, y, i, j)) for i, j in which):
                return False
        return True

    return test


CLASS_MEANS = Exercise(
    label="exercise-class-means",
    objective="Write the mean cosine of two classes as the definition has it, and see that class means give it too.",
    prerequisites="cosine similarity, loops, indexing tensors",
    minutes=10,
    checks=(
        Check(2, "two different classes: the mean over all their pairs", _pairs_of([(0, 1), (2, 0), (1, 2)])),
        Check(2, "a class with itself: self-pairs count", _pairs_of([(0, 0), (1, 1), (2, 2)])),
    ),
    wrong=(
        Wrong("a constant", "def pair_mean(z, y, i, j):\n    return 0.1"),
        Wrong(
            "features are not divided by their length",
            "def pair_mean(z, y, i, j):\n    return float((z[y == i] @ z[y == j].T).mean())",
        ),
        Wrong(
            "cosine of the class means in place of the mean cosine",
            "def pair_mean(z, y, i, j):\n    a, b = z[y == i].mean(0), z[y == j].mean(0)\n"
            "    return float(a @ b / a.norm() / b.norm())",
        ),
        Wrong(
            "self-pairs left out",
            "def pair_mean(z, y, i, j):\n    u = z / z.norm(dim=1, keepdim=True)\n    a, b = u[y == i], u[y == j]\n"
            "    kept = [x @ w for m, x in enumerate(a) for n, w in enumerate(b) if i != j or m != n]\n"
            "    return float(torch.stack(kept).mean())",
            2,
        ),
        Wrong(
            "j ignored",
            "def pair_mean(z, y, i, j):\n    u = z / z.norm(dim=1, keepdim=True)\n"
            "    return float((u[y == i] @ u[y == i].T).mean())",
            2,
        ),
        Wrong(
            "the library in place of the loop",
            "def pair_mean(z, y, i, j):\n    from lib import harms\n"
            "    return float(harms.class_cosines(z, y, 3)[i, j])",
        ),
        Wrong(
            "a number for each pair of classes, whatever the features",
            "def pair_mean(z, y, i, j):\n    return {(0, 0): 0.23, (0, 1): 0.02, (1, 2): -0.02}[int(i), int(j)]",
        ),
    ),
    hides=("lib.harms",),
)


def _self_pairs(answers, rng, data):
    for n in (2, 3, 9):
        unit = rng.normal(0.5, 1, (n, 5))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        gram = unit @ unit.T
        others = gram[~np.eye(n, dtype=bool)].mean()
        if not same(answers.without_self_pairs(float(gram.mean()), n), others):
            return False
    return True


def _diagonal(answers, rng, data):
    sizes = ((2, 3), (7, 4), (6, 6), (30, 300))
    return all(same(answers.diagonal_factor(a, b), (1 + 1 / (a - 1)) / (1 + 1 / (b - 1))) for a, b in sizes)


SELF_PAIRS = Exercise(
    label="exercise-self-pairs",
    objective="Remove the self-pairs from a mean cosine, and tell when they leave the diagonal of RH alone.",
    prerequisites="the definition of RH; fractions",
    minutes=15,
    checks=(
        Check(2, "the mean over pairs of different images, at several sizes of the class", _self_pairs),
        Check(2, "the factor of the diagonal of RH, for equal and for unequal sizes", _diagonal),
    ),
    wrong=(
        Wrong(
            "the size ignored",
            "def without_self_pairs(c, n):\n    return c\ndef diagonal_factor(n_under, n_balanced):\n    return 1.0",
        ),
        Wrong(
            "self-pairs subtracted, the number of pairs kept",
            "def without_self_pairs(c, n):\n    return c - 1 / n\n"
            "def diagonal_factor(n_under, n_balanced):\n    return n_under / n_balanced",
        ),
        *slips(
            solution("cifar10_undersampling", "exercise-self-pairs"),
            (
                "the right mean, and the factor upside down",
                "n_under / (n_under - 1) * (n_balanced - 1) / n_balanced",
                "n_balanced / (n_balanced - 1) * (n_under - 1) / n_under",
                2,
            ),
        ),
        Wrong(
            "1 + 1/n in place of n / (n - 1)",
            "def without_self_pairs(c, n):\n    return 1 - (1 - c) * (1 + 1 / n)\n"
            "def diagonal_factor(n_under, n_balanced):\n    return (1 + 1 / n_under) / (1 + 1 / n_balanced)",
        ),
    ),
)


def _no_gradient(z1, z2):
    """By hand: every ordered pair of views of different images, one by one."""
    z, n = np.concatenate([z1, z2]), len(z1)
    cosines = [
        z[a] @ z[b] / np.linalg.norm(z[a]) / np.linalg.norm(z[b])
        for a in range(2 * n)
        for b in range(2 * n)
        if a % n != b % n
    ]
    return np.mean(np.array(cosines) <= 1e-7)


def _clamped(offsets):
    def test(answers, rng, data):
        found, wanted = [], []
        for n, d in ((4, 2), (7, 3), (10, 16)):
            for offset in offsets:
                z1 = rng.normal(offset, 1, (n, d)) * rng.uniform(0.5, 3, (n, 1))
                z2 = z1 + rng.normal(0, 0.3, (n, d))
                found.append(answers.share_without_gradient(torch.from_numpy(z1), torch.from_numpy(z2)))
                wanted.append(_no_gradient(z1, z2))
        return same(found, wanted)

    return test


CLAMP = Exercise(
    label="exercise-clamp",
    objective="Find which pairs a clamped loss leaves without gradient, and what their share depends on.",
    prerequisites="NT-Xent and its negatives; boolean masks",
    minutes=20,
    checks=(
        Check(2, "views spread around the origin, in few dimensions and in many", _clamped([0.0])),
        Check(3, "views that share a direction", _clamped([0.3, 0.8])),
    ),
    wrong=(
        Wrong("half of the pairs, whatever the views", "def share_without_gradient(z1, z2):\n    return 0.5"),
        *slips(
            solution("cifar10_undersampling", "exercise-clamp"),
            ("a positive counted as a negative", "image[:, None] != image", "~torch.eye(len(z), dtype=torch.bool)", 0),
            (
                "self-pairs counted",
                "image[:, None] != image",
                "~torch.eye(len(z), dtype=torch.bool).roll(len(z1), 0)",
                0,
            ),
            (
                "one view only",
                "torch.cat([z1, z2]), dim=1)\n    image = torch.arange(len(z1)).repeat(2)",
                "z1, dim=1)\n    image = torch.arange(len(z1))",
                0,
            ),
            ("the pairs that keep their gradient", "<=", ">", 0),
        ),
    ),
)

THRESHOLDS = (-0.04, 0.2)


def _clear(values):
    """A null that every interval of such values is clear of."""
    return [max(values) + 1.0, max(values) + 1.1]


def _ask(answers, rng, values, threshold, side):
    return answers.reading(values, _clear(values), threshold)


def _own_table(answers, rng, data):
    """Read as it stands, and moved: no constant serves both."""
    for moved in (0.0, -0.3):
        gap, null = np.add(data["gap"], moved).tolist(), data["null"]
        low, high = interval(gap)
        wanted = verdict(low, high, -0.04, "below")
        wanted = UNDECIDED if wanted == HOLDS and high >= min(null) else wanted
        found = answers.reading(gap, null, -0.04)
        if not same(found[:2], (low, high)) or found[2] != wanted:
            return False
    return True


def _null(answers, rng, data):
    for x in THRESHOLDS:
        passing, failing = (table(rng, wanted, x, "below") for wanted in (HOLDS, FAILS))
        inside = [float(np.mean(passing)), max(failing) + 1]
        found = [answers.reading(passing, null, x)[2] for null in (_clear(passing), inside)]
        if [*found, answers.reading(failing, inside, x)[2]] != [HOLDS, UNDECIDED, FAILS]:
            return False
    return True


def _answer(half=STUDENT, holds="high < threshold and high < min(null)", fails="low > threshold") -> str:
    return answer("gap, null, threshold", "gap", half, holds, fails)


def _own(rng):
    wanted = str(rng.choice(VERDICTS))
    gap = table(rng, wanted, -0.04, "below")
    return {"gap": gap, "null": [round(-rng.uniform(0.01, 0.03), 4), round(rng.uniform(0.01, 0.03), 4)]}


RERUN = Exercise(
    label="exercise-undersampling-rerun",
    objective="Rerun the study at another ratio, and read interval, null and verdict.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval, for three seeds and more", intervals(_ask, -0.04)),
        Check(
            2,
            "the verdict where the null is far away, at more than one threshold",
            verdicts(_ask, THRESHOLDS, ("below",)),
        ),
        Check(2, "what the null changes, and what it does not", _null),
        Check(2, "the table of the assignment, and the same table moved", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half), 4) for why, half in MISTAKES.items()),
        Wrong("the null ignored", _answer(holds="high < threshold"), 6),
        Wrong("the threshold ignored", _answer(holds="high < -0.04 and high < min(null)"), 4),
        Wrong("the mean decides", _answer(holds="mean < threshold", fails="mean > threshold"), 4),
        Wrong(
            "the verdict of the public table for every table",
            "def reading(gap, null, threshold):\n    return -0.0105, 0.0330, FAILS",
        ),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-undersampling-open",
    objective="Say what a verdict on a smaller run says about a claim, and design the run that would decide it.",
    prerequisites="the chapter, its claims and limits",
    minutes=30,
    rubric=(
        Criterion(2, "states the claim, its threshold and its data, and that the recorded interval lies wholly above"),
        Criterion(2, "names differences of the recorded run from the paper's, such as net, epochs, classes, seeds"),
        Criterion(2, "says that the verdict is on the smaller run and neither refutes nor confirms the paper's figure"),
        Criterion(3, "names a run that would decide: data, net, ratio, seeds with a reason for their number, the null"),
        Criterion(1, "fixes threshold and rule before the run, and says which result would speak against the claim"),
    ),
)

CHAPTER = Chapter("introductory")
EXERCISES = (CLASS_MEANS, SELF_PAIRS, CLAMP, RERUN, OPEN)
