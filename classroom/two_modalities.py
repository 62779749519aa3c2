"""The exercises of ``notebooks/two_modalities.py``: points, hidden tests, wrong answers."""

import numpy as np
import torch
import torch.nn.functional as F

from lib.book.classroom import readings
from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import same
from lib.book.classroom.slips import slips, solution


def _losses(sizes):
    def test(answers, rng, data):
        for n in sizes:
            s, tau = rng.uniform(-1, 1, (n, n)), float(rng.uniform(0.05, 1.5))
            logits, target = torch.tensor(s) / tau, torch.arange(n)
            wanted = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            if not same(answers.clip_loss(s, tau), float(wanted)):
                return False
        return True

    return test


LOSS = Exercise(
    label="exercise-clip-loss",
    objective="Write a contrastive loss over two modalities from its matrix of cosines.",
    prerequisites="the section on the method; cross-entropy",
    minutes=15,
    hides=("lib.losses",),
    checks=(
        Check(1, "two pairs, at several temperatures", _losses((2, 2, 2))),
        Check(2, "batches of several sizes, at several temperatures", _losses((1, 3, 8, 40))),
    ),
    wrong=slips(
        solution("two_modalities", "exercise-clip-loss"),
        ("one direction alone", "special.logsumexp(s, 0) + special.logsumexp(s, 1)", "2 * special.logsumexp(s, 1)", 0),
        ("the sum of both directions", "both / 2 - np.diag(s)", "both - 2 * np.diag(s)", 0),
        ("the temperature multiplies", "/ tau", "* tau", 0),
        ("the temperature ignored", " / tau", "", 0),
        ("the sum over the batch", ".mean())", ".sum())", 0),
        ("the matrix read as symmetric", "special.logsumexp(s, 0)", "special.logsumexp(s.T, 0)", 0),
        ("the cosine of the pair forgotten", " - np.diag(s)", "", 0),
    ),
)


def _floors(answers, rng, data):
    for groups in (1, 2, 3, 6):
        counts = rng.integers(1, 7, groups)
        of = np.repeat(np.arange(groups), counts)  # of each pair, its caption
        cosines = (of[:, None] == of).astype(float)  # each image at its caption: image, caption
        logits = torch.tensor(cosines) / 1e-3
        wanted = float(F.cross_entropy(logits.T, torch.arange(len(of))))
        if not same(answers.floor(counts.tolist()), wanted):
            return False
    return True


FLOOR = Exercise(
    label="exercise-clip-floor",
    objective="Find the part of a loss that no encoder can take away.",
    prerequisites="the section on the captions; entropy",
    minutes=15,
    checks=(Check(3, "batches of one caption and of several", _floors),),
    wrong=(
        Wrong("zero, as if no caption came twice", "def floor(counts):\n    return 0.0"),
        Wrong("chance", "def floor(counts):\n    return math.log(sum(counts))"),
        *slips(
            solution("two_modalities", "exercise-clip-floor"),
            ("captions count alike", "(c * np.log(c)).sum() / c.sum()", "np.log(c).mean()", 0),
            ("not divided by the pairs", " / c.sum()", "", 0),
            ("the entropy of the captions", "np.log(c)", "np.log(c.sum() / c)", 0),
            ("divided by the number of captions", "/ c.sum()", "/ len(c)", 0),
        ),
    ),
)


def _alone(answers, rng, data):
    for n, m, size in ((12, 3, 5), (40, 6, 9), (30, 1, 4), (9, 5, 6)):
        order = rng.random((20_000, n - 1)).argsort(1) < size - 1  # places of the others that come into the batch
        drawn = (~order[:, : m - 1].any(1)).mean()
        error = max((drawn * (1 - drawn) / len(order)) ** 0.5, 1e-9)
        if not abs(answers.alone(n, m, size) - drawn) <= 5 * error:  # a number that is none is wrong, too
            return False
    return True


ALONE = Exercise(
    label="exercise-clip-alone",
    objective="Know how seldom a pair of a rare class meets its like.",
    prerequisites="drawing without replacement",
    minutes=15,
    checks=(Check(3, "several sets, classes and batches", _alone),),
    wrong=(
        Wrong("with replacement", "def alone(n, m, size):\n    return (1 - m / n) ** (size - 1)"),
        *slips(
            solution("two_modalities", "exercise-clip-alone"),
            ("the pair itself counts among the others", "n - 1, m - 1", "n, m", 0),
            ("a batch too large by one", "size - 1", "size", 0),
            ("one other of the class, not none", "pmf(0)", "pmf(1)", 0),
            ("that it is not alone", "float(stats", "1 - float(stats", 0),
        ),
    ),
)


def _ask(answers, rng, values, threshold, side):
    return answers.reading(values, threshold, side)


RERUN = Exercise(
    label="exercise-clip-rerun",
    objective="Rerun the study without common words, and read interval and verdict.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=20,
    checks=(
        Check(2, "the interval, for several numbers of seeds", readings.intervals(_ask, 1.0)),
        Check(2, "the verdict, at several thresholds and on both sides", readings.verdicts(_ask, (1.0, 0.8))),
    ),
    wrong=slips(
        readings.answer("values, threshold, side", "values"),
        *((why, readings.STUDENT, half, 2) for why, half in readings.MISTAKES.items()),
        ("what fails is not decided", f"FAILS if ({readings.SHORT})", f"UNDECIDED if ({readings.SHORT})", 2),
        ("the side ignored", readings.BEYOND, "high < threshold", 2),
    ),
    data=lambda rng: {"harm": readings.table(rng, str(rng.choice(readings.VERDICTS)), 1.0, "below")},
)

OPEN = Exercise(
    label="exercise-clip-open",
    objective="Carry a finding on generated captions to real ones, and say what would decide it.",
    prerequisites="the chapter",
    minutes=25,
    rubric=(
        Criterion(2, "says how a rare class's own words, and the words that it shares, are learned"),
        Criterion(2, "uses a number of the chapter, of a named tower, with its verdict"),
        Criterion(2, "names what generated captions cannot show"),
        Criterion(3, "designs a run that decides: captions by people, one class cut, seeds, null, both towers"),
        Criterion(1, "fixes thresholds before, and says which result would speak against the sentence"),
    ),
)

CHAPTER = Chapter("intermediate", "logistic regression", after=("cifar10_undersampling", "mediation"))
EXERCISES = (LOSS, FLOOR, ALONE, RERUN, OPEN)
