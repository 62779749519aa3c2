"""The rule that turns the numbers of a claim into a verdict."""

import math
from dataclasses import dataclass

import numpy as np

from lib import intervals
from lib.claims.entries import NOTHING, Claim, known

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
NOT_RUN, NOT_PUBLISHED, NOT_KEPT = "not run", "no published number", "values not kept"
NO_RUN = "of printed numbers alone"
NO_PAPER = "does not apply"  # a published number of a claim that no paper makes
FEWEST = 3  # seeds, below which nothing is judged
REPLICATION, REDUCED, ANALOGUE, EXACT = "replication", "reduced", "analogue", "exact"  # the marks of a verdict
SUBSETS = {"bios_subset": "bios"}  # a part of a data set that has a name of its own
PARTS = {"classes": "all", "undersampled": "all", "treated": "all", "images_per_class": 0, "images_per_stratum": 0}
PUBLISHED = "published"  # every encoder has the net of its method's public code


@dataclass(frozen=True)
class Made:
    """What a verdict was made on: a data set or "none"; whether all of its classes and images; a net, "" for none."""

    data: str
    whole: bool = True
    net: str = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the effect it rests on: mean and interval over seeds; seeds 0 is a number that has none.

    data: what it was made on; mark: see ``mark``, "" for the authors' own numbers; values: the effects, one a seed.
    null_low, null_high: what the null spans, see ``span``; NaN where the claim has none, or the run trained none.
    """

    claim: str
    effect: float
    low: float
    high: float
    seeds: int
    verdict: str
    data: str = NOTHING
    mark: str = ""
    values: tuple[float, ...] = ()
    null_low: float = math.nan
    null_high: float = math.nan


def made_on(params: dict, data: str = "") -> Made:
    """What a run with these parameters makes its verdicts on; data: where it is not the run's own set."""
    whole = all(params.get(name, everything) == everything for name, everything in PARTS.items())
    net = "" if params.get("embeddings") else params.get("net", params.get("model", ""))
    return Made(data or params.get("data", NOTHING), whole, PUBLISHED if params.get("published") else net)


def mark(claim: Claim, made: Made, seeds: int) -> str:
    """How near a verdict is to what the claim is about.

    "exact": mathematics, computed without data and seeds; "replication": the claim's data, all of it, and the paper's
    class of net, or a simulation of what has no data, drawn anew; "reduced": the claim's data, but a part of it or
    another net; "analogue": other data.
    """
    if not claim.data:
        return ANALOGUE if made.data != NOTHING else REPLICATION if seeds else EXACT
    if not {made.data, SUBSETS.get(made.data)} & set(claim.data):
        return ANALOGUE
    same_net = not claim.nets or made.net in (*claim.nets, PUBLISHED)
    return REPLICATION if made.data in claim.data and made.whole and same_net else REDUCED


def decide(claim: Claim, low: float, high: float) -> str:
    """holds: the whole interval passes the threshold; does not hold: the whole interval fails it; else undecided."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    sign = 1 if claim.side == "above" else -1
    worst, best = sorted([sign * (low - claim.threshold), sign * (high - claim.threshold)])
    if worst > 0 or (worst == 0 and not claim.strict):
        return HOLDS
    return FAILS if best < 0 or (best == 0 and claim.strict) else UNDECIDED


def span(null) -> tuple[float, float]:
    """What a null spans: the middle 95 % of its values (N,), one for each pair of encoders; of fewer than 40 all.

    NaN ends where there are fewer than three values.
    """
    if len(null) < FEWEST:
        return math.nan, math.nan
    low, high = np.quantile(np.asarray(null, float), [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def beyond(claim: Claim, low: float, high: float, null_low: float, null_high: float) -> bool:
    """Whether an interval lies beyond what the null spans, on the claim's side; without a null it does not."""
    return low > null_high if claim.side == "above" else high < null_low


def settle(claim: Claim, low: float, high: float, null_low: float = math.nan, null_high: float = math.nan) -> str:
    """``decide``; but what holds of a claim ``against`` a null, and does not lie ``beyond`` it, is not decided."""
    verdict = decide(claim, low, high)
    inside = claim.against and not beyond(claim, low, high, null_low, null_high)
    return UNDECIDED if verdict == HOLDS and inside else verdict


def interval(claim: Claim, values, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval over seeds of what the claim is about, from one value a seed (seeds,): (mean, low, high).

    A share has Gaffke's interval, exact binomial for one trial a seed; anything else Student's t, cut where the
    quantity ends.  The ends are NaN below three seeds, and where no seed differs from another: a spread that was not
    seen cannot be told from none.
    A quantity that has none, as mathematics, is a number without seeds: see ``judge_number``.
    """
    values = np.asarray(values, float)
    rule = intervals.of_share if claim.share else intervals.over_seeds
    mean, low, high = (float(v) for v in rule(values, level))
    mean = 0.0 if abs(mean) <= 1e-12 * np.abs(values).max() else mean  # what rounding leaves of a sum that cancels
    low, high = max(low, claim.within[0]), min(high, claim.within[1])
    alike = np.ptp(values) <= 1e-12 * np.abs(values).max()  # equal but for rounding
    return (mean, math.nan, math.nan) if len(values) < FEWEST or (alike and not claim.share) else (mean, low, high)


def judge(claim_id: str, effects, learned: bool | None = None, null=None, premise: bool = True) -> Judgement:
    """Verdict on one effect a seed, (seeds,), by their ``interval``.

    Encoders that have not ``learned`` decide nothing: see ``has_learned``.
    null: the same quantity of encoders without the treatment, (N,), of a claim ``against`` one, which holds only
    where its interval lies ``beyond`` it.
    premise: whether what the claim presupposes was seen, as the harm that a remedy lessens; else nothing is decided.
    ValueError: a claim about encoders without ``learned``, or one against a null without ``null``.
    """
    claim, effects = known()[claim_id], np.asarray(effects, float)
    if claim.gated and learned is None:
        raise ValueError(f"claim {claim_id!r} is about trained encoders; say learned=, whether they passed has_learned")
    if claim.against and null is None:
        raise ValueError(f"claim {claim_id!r} stands against a null ({claim.against}); give null=, () without one")
    mean, low, high = interval(claim, effects)
    ends = span(null) if claim.against else (math.nan, math.nan)
    judged = premise and (learned or not claim.gated)
    verdict = settle(claim, low, high, *ends) if judged else UNDECIDED
    values = tuple(effects.tolist())
    return Judgement(claim_id, mean, low, high, len(effects), verdict, NOTHING, "", values, *ends)


def holm(family: list[tuple]) -> list[str]:
    """Verdicts by Holm's method on claims that are read together, each given as (claim, verdict, one value a seed),
    and of a claim ``against`` a null the two ends of what that spans.

    With m claims still open each is decided by its ``interval`` at level 1 - 0.05 / m; those that are decided leave,
    and m falls, until a round decides none.  If every interval has its level, the chance that any claim is decided
    whose quantity lies on its threshold is at most 5 %, however the claims depend on each other.
    A claim that is undecided at 95 %, for whatever reason, stays so.  One whose values are not kept, (), counts as open
    and gets ``NOT_KEPT``.  Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    found = [NOT_KEPT if verdict != UNDECIDED and not values else UNDECIDED for _, verdict, values, *_ in family]
    able = {i for i, (_, verdict, values, *_) in enumerate(family) if verdict != UNDECIDED and values}
    left, new = len(family), able
    while new:
        ends = {i: interval(family[i][0], family[i][2], 1 - 0.05 / left)[1:] for i in able}
        words = {i: settle(family[i][0], *pair, *family[i][3:]) for i, pair in ends.items()}
        new = {i for i, word in words.items() if word != UNDECIDED}
        for i in new:
            found[i] = words[i]
        left, able = left - len(new), able - new
    return found


def judge_number(claim_id: str, effect: float) -> Judgement:
    """Verdict on a number without seeds, published or computed exactly: the number alone against the threshold."""
    return Judgement(claim_id, float(effect), math.nan, math.nan, 0, decide(known()[claim_id], effect, effect))


def shown(value: float, threshold: float = math.nan) -> str:
    """A number with three decimals, or with two significant digits where those would all be 0: 0.012, 9.1e-05.

    threshold: what the number is read against; it gets as many more decimals as tell on which side it lies.
    """
    if 0 < abs(value) < 0.0005:
        return f"{value:.1e}"
    sides = (n for n in range(3, 9) if np.sign(round(value, n) - threshold) == np.sign(value - threshold))
    return f"{value:.{3 if math.isnan(threshold) else next(sides, 8)}f}"


def reason(claim: Claim, j: Judgement) -> str:
    """Why a claim is not decided where its interval is not the reason; empty where it is, or where it is decided."""
    if j.verdict != UNDECIDED or not j.seeds:
        return ""
    if j.seeds < FEWEST:
        return f"fewer than {FEWEST} seeds"
    if math.isnan(j.low):
        return "no spread between the seeds, or an interval of an earlier rule"
    if decide(claim, j.low, j.high) == UNDECIDED:
        return ""
    if settle(claim, j.low, j.high, j.null_low, j.null_high) != UNDECIDED:
        return "the encoders did not learn, or what the claim presupposes was not seen"
    return "no null was trained" if math.isnan(j.null_low) else "not beyond the null"


def has_learned(accuracy, accuracy_untrained) -> bool:
    """Whether a claim about encoders may be judged: they beat the same net untrained by 5 points of accuracy.

    accuracy, accuracy_untrained: (seeds,), shares; the mean gain must reach 0.05 and its interval lie above 0.  Of a
    head that is trained with its net, accuracy_untrained is ``chance``.
    """
    gain, low, _ = intervals.over_seeds(np.asarray(accuracy) - np.asarray(accuracy_untrained))
    return bool(gain >= 0.05 and low > 0)


def chance(y) -> float:
    """Accuracy of what reads nothing, the share of the largest class: y, codes (n,)."""
    return float(np.bincount(np.asarray(y)).max() / len(y))
