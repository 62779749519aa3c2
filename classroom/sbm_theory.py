"""How the exercises of ``exercises/sbm_theory.py`` are graded: points, hidden tests, wrong answers."""

import numpy as np

from lib import sbm
from lib.book.classroom.exercise import Chapter, Check, Criterion, Exercise, Wrong
from lib.book.classroom.readings import (
    BEYOND,
    FAILS,
    HOLDS,
    MISTAKES,
    ON_SIDE,
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


def _of_two(cosines):
    def test(answers, rng, data):
        for c in cosines:
            for share, tau in zip(rng.uniform(0.02, 0.9, 3), rng.uniform(0.2, 2, 3), strict=True):
                problem = sbm.terms([share, 1 - share], np.eye(2), tau)
                g = problem.p.new_tensor([[1, c], [c, 1]])
                if not same(answers.loss_of_two(c, share, tau), float(problem.loss(g)), 1e-9):
                    return False
        return True

    return test


def _two(loss: str) -> str:
    return (
        "def loss_of_two(c, share, tau):\n    e, f, s, o = np.exp(1 / tau), np.exp(c / tau), share, 1 - share\n"
        f"    return {loss}"
    )


TWO = Exercise(
    label="exercise-two-blocks",
    objective="Write the population loss of two blocks without edges between them, and see why they are antipodal.",
    prerequisites="the population loss of the chapter",
    minutes=15,
    checks=(
        Check(2, "the loss of antipodal and of equal blocks, at several shares and temperatures", _of_two((-1.0, 1.0))),
        Check(2, "the loss in between", _of_two((-0.6, 0.1, 0.7))),
    ),
    wrong=(
        Wrong("no positive pairs", _two("s * np.log(s * e + o * f) + o * np.log(o * e + s * f)")),
        Wrong("negatives without their shares", _two("-1 / tau + s * np.log(e + f) + o * np.log(e + f)")),
        Wrong("the first block's anchors alone", _two("-1 / tau + np.log(s * e + o * f)")),
        Wrong("anchors without their shares", _two("-1 / tau + (np.log(s * e + o * f) + np.log(o * e + s * f)) / 2")),
        Wrong(
            "the temperature ignored",
            _two("-1 + s * np.log(s * np.e + o * np.exp(c)) + o * np.log(o * np.e + s * np.exp(c))"),
        ),
        Wrong(
            "the library in place of the formula",
            "def loss_of_two(c, share, tau):\n    from lib import sbm\n"
            "    problem = sbm.terms([share, 1 - share], np.eye(2), tau)\n"
            "    return float(problem.loss(problem.p.new_tensor([[1, c], [c, 1]])))",
        ),
    ),
    hides=("lib.sbm", "lib.studies"),
)


def _critical(low, high):
    def test(answers, rng, data):
        return all(
            same(float(sbm.full_collapse_ratio(answers.critical_tau(r))), r, 1e-9) for r in rng.uniform(low, high, 4)
        )

    return test


def _tau(formula: str) -> str:
    return f"def critical_tau(r):\n    return {formula}"


CRITICAL = Exercise(
    label="exercise-threshold",
    objective="Solve the condition of full collapse for the temperature.",
    prerequisites="the theorem on the limit of a vanishing share",
    minutes=10,
    checks=(
        Check(2, "weak connectivity between the blocks", _critical(0.02, 0.4)),
        Check(2, "strong connectivity between the blocks", _critical(0.4, 0.98)),
    ),
    wrong=(
        Wrong("the number of the paper's connectivities for all", _tau("1 / np.arctanh((1 + 0.4 / 0.95) / 2)")),
        Wrong("a tangent hyperbolicus of r alone", _tau("1 / np.arctanh(r)")),
        Wrong("1/τ in place of τ", _tau("np.arctanh((1 + r) / 2)")),
        Wrong("the half forgotten in the logarithm", _tau("1 / np.log((3 + r) / (1 - r))")),
        Wrong("a table of the public check's cases", _tau("{0.2: 1.4427, 0.4 / 0.95: 1.1258, 0.8: 0.6792}[r]")),
    ),
)


def _problem(rng, k):
    pi, alpha = rng.dirichlet(np.full(k, 2.0)), rng.uniform(0.1, 1, (k, k))
    return pi, np.tril(alpha) + np.tril(alpha, -1).T


def _neighbours(answers, rng, data):
    for k in (2, 3, 5):
        pi, alpha = _problem(rng, k)
        for factor in (1.0, 0.3):
            wanted = sbm.terms(pi, factor * alpha).a
            if not same(answers.neighbour_weights(pi, factor * alpha), wanted):
                return False
    return True


def _optimum(answers, rng, data):
    for share in rng.uniform(0.02, 0.3, 2):
        alpha = np.diag([0.9, 0.9, 0.9]) + rng.uniform(0.1, 0.5) * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
        pi, tau = [share, (1 - share) / 2, (1 - share) / 2], rng.uniform(0.5, 1.5)
        wanted = sbm.population_optimum(pi, alpha, tau).cosines[0, 1]
        if not all(same(answers.rare_cosine(pi, f * alpha, tau), float(wanted), 1e-4) for f in (1.0, 0.5)):
            return False
    return True


SCALE = Exercise(
    label="exercise-scale",
    objective="Find through what the connectivity enters the loss, and so why its scale is lost.",
    prerequisites="the population loss of the chapter; broadcasting",
    minutes=20,
    checks=(
        Check(2, "the weights of the neighbours, for two blocks and more", _neighbours),
        Check(2, "the cosine at the optimum, whatever the scale of the connectivity", _optimum),
    ),
    wrong=(
        Wrong(
            "shares on the rows, as in the public theory script",
            "from lib import sbm\ndef neighbour_weights(shares, connectivity):\n"
            "    a, pi = np.asarray(connectivity), np.asarray(shares)\n"
            "    return a * pi[:, None] / (a @ pi)[:, None]\n"
            "def rare_cosine(shares, connectivity, tau):\n"
            "    return float(sbm.population_optimum(shares, connectivity, tau, 'as_coded').cosines[0, 1])",
        ),
        Wrong(
            "all cells divided by one sum",
            "from lib import sbm\ndef neighbour_weights(shares, connectivity):\n"
            "    edges = np.multiply(connectivity, shares)\n"
            "    return edges / edges.sum()\ndef rare_cosine(shares, connectivity, tau):\n    return 1 / 3",
        ),
        *slips(
            solution("sbm_theory", "exercise-scale"),
            ("no shares", "np.multiply(connectivity, shares)", "np.asarray(connectivity)", 2),
            ("not divided by the row's sum", " / edges.sum(1, keepdims=True)", "", 2),
            ("the temperature ignored", "connectivity, tau).cosines", "connectivity, 1.0).cosines", 2),
            ("the shares ignored", "optimum(shares", "optimum([1 / 3] * 3", 2),
            ("the other pair of blocks", "[0, 1]", "[0, 2]", 2),
        ),
    ),
)

THRESHOLDS = (0.02, 0.3)


def _ask(answers, rng, values, threshold, side):
    return answers.reading(values, threshold, side, False)


def _exact(answers, rng, data):
    """An exact number stands alone, with no ends but itself; a number with seeds needs three of them."""
    for x in THRESHOLDS:
        for side, sign in (("above", 1), ("below", -1)):
            there, short = x + sign * rng.uniform(0.001, 0.01, 2) * [1, -1]
            found = [answers.reading([v], x, side, True) for v in (there, short)]
            if not all(same(f[:2], (v, v)) for f, v in zip(found, (there, short), strict=True)):
                return False
            two = answers.reading([there, there + sign * 1e-6], x, side, False)
            if [f[2] for f in (*found, two)] != [HOLDS, FAILS, UNDECIDED]:
                return False
    return True


def _own_table(answers, rng, data):
    """Read as it stands, and moved: no constant serves both."""
    for moved in (0.0, 0.3):
        gap = np.add(data["gap"], moved).tolist()
        low, high = interval(gap)
        found = answers.reading(gap, 0.02, "below", False)
        if not same(found[:2], (low, high)) or found[2] != verdict(low, high, 0.02, "below"):
            return False
    return True


def _answer(half=STUDENT, holds=BEYOND, fails=SHORT, alone="exact", few="n < 3") -> str:
    half, seeds = f"0 if {alone} else {half}", f"({alone} or not ({few}))"
    return answer("values, threshold, side, exact", "values", half, f"{seeds} and ({holds})", f"{seeds} and ({fails})")


def _own(rng):
    return {"gap": table(rng, str(rng.choice(VERDICTS)), 0.02, "below", spread=0.003)}


RERUN = Exercise(
    label="exercise-sbm-rerun",
    objective="Rerun the study on other graphs, and tell a number over seeds from an exact one.",
    prerequisites="the chapter; how to read this book, on verdicts",
    minutes=30,
    checks=(
        Check(2, "the interval over graphs, for three seeds and more", intervals(_ask, 0.02)),
        Check(2, "the verdict on either side, at more than one threshold", verdicts(_ask, THRESHOLDS)),
        Check(2, "exact numbers, and too few seeds", _exact),
        Check(2, "the table of the assignment, and the same table moved", _own_table),
    ),
    wrong=(
        *(Wrong(why, _answer(half=half), 4) for why, half in MISTAKES.items()),
        Wrong("an exact number decides nothing", _answer(alone="False"), 6),
        Wrong("two seeds decide", _answer(few="False"), 6),
        Wrong("the side ignored", _answer(holds="high < threshold", fails="low > threshold"), 4),
        Wrong("the threshold ignored", _answer(holds=BEYOND.replace("threshold", "0.02")), 4),
        Wrong("the mean decides", _answer(holds=ON_SIDE, fails=f"not ({ON_SIDE})"), 6),
    ),
    data=_own,
)

OPEN = Exercise(
    label="exercise-sbm-open",
    objective="Tell what a figure's program computes from what its paper states, and design the check.",
    prerequisites="the chapter: both objectives, the limit of a vanishing share, limits",
    minutes=30,
    rubric=(
        Criterion(
            2, "gives the cosine at the smallest share under both objectives and names the one of the definition"
        ),
        Criterion(
            2, "explains what the mis-broadcast changes: a rare block counts as much as a frequent one as a negative"
        ),
        Criterion(
            2, "uses the theorem: at temperature 1 the ratio of connectivities is below the one full collapse needs"
        ),
        Criterion(2, "keeps apart what is known of the script, of the paper, and of trained encoders"),
        Criterion(
            2,
            "names a check: another temperature or connectivity at which the two objectives part, or the author's run",
        ),
    ),
)

CHAPTER = Chapter("advanced", "convex functions; eigenvalues; random graphs", after=("cifar10_undersampling",))
EXERCISES = (TWO, CRITICAL, SCALE, RERUN, OPEN)
