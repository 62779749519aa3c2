"""The claims of the book: what each says, how it is tested, and the rule that turns numbers into a verdict."""

import math
from dataclasses import dataclass

import numpy as np

from lib import intervals

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
NOT_RUN = "not run"


@dataclass(frozen=True)
class Claim:
    """A statement that a number can fail.

    id: short name, unique; study: the notebook that judges it; paper: key in references.bib; rests_on: the figure or
    section; statement: in our words; quantity: what is measured; side, threshold: the claim holds where the quantity
    is "below" or "above" the threshold, which was fixed before any run; a number on the threshold itself passes
    unless the claim is strict.
    """

    id: str
    study: str
    paper: str
    rests_on: str
    statement: str
    quantity: str
    side: str
    threshold: float
    strict: bool = False


@dataclass(frozen=True)
class Judgement:
    """A verdict with the effect it rests on: mean and interval over seeds; seeds 0 is a published number without."""

    claim: str
    effect: float
    low: float
    high: float
    seeds: int
    verdict: str


CLAIMS = {
    c.id: c
    for c in [
        Claim(
            "harms-1",
            "cifar10_undersampling",
            "maity2024",
            "Figure 2, RH at 1 %",
            "Undersampling a class pulls it towards its look-alike.",
            "mean RH over the look-alike cells",
            "below",
            0.95,
        ),
        Claim(
            "harms-2a",
            "cifar10_undersampling",
            "maity2024",
            "RH at 1 %",
            "The pull is specific: the look-alike moves more than the other classes.",
            "mean RH of look-alike cells minus mean RH of the other cells",
            "below",
            -0.04,
        ),
        Claim(
            "harms-2b",
            "cifar10_undersampling",
            "maity2024",
            "RH at 1 %",
            "The look-alike is the class that comes nearest.",
            "share of rows in which the look-alike has the lowest RH",
            "above",
            5 / 8,
        ),
        Claim(
            "harms-3",
            "cifar10_undersampling",
            "maity2024",
            "RH at 1 % against 5 %",
            "More severe undersampling does more representation harm.",
            "share of off-diagonal cells with lower RH at the severer ratio",
            "above",
            0.5,
            strict=True,
        ),
        Claim(
            "harms-15",
            "cifar10_undersampling",
            "maity2024",
            "diagonal of RH at 1 %",
            "The undersampled class collapses: it becomes compact.",
            "mean over k of RH(k, k; k)",
            "below",
            1.0,
            strict=True,
        ),
    ]
}


def decide(claim: Claim, low: float, high: float) -> str:
    """holds: the whole interval passes the threshold; does not hold: the whole interval fails it; else undecided."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    sign = 1 if claim.side == "above" else -1
    worst, best = sorted([sign * (low - claim.threshold), sign * (high - claim.threshold)])
    if worst > 0 or (worst == 0 and not claim.strict):
        return HOLDS
    return FAILS if best < 0 or (best == 0 and claim.strict) else UNDECIDED


def judge(claim_id: str, effects, learned: bool = True) -> Judgement:
    """Verdict on one effect a seed, (seeds,).

    Fewer than three seeds decide nothing, nor do encoders that have not ``learned``: see ``has_learned``.
    """
    effects = np.asarray(effects, float)
    mean, low, high = (float(v) for v in intervals.over_seeds(effects))
    verdict = decide(CLAIMS[claim_id], low, high) if learned and len(effects) >= intervals.FEWEST else UNDECIDED
    return Judgement(claim_id, mean, low, high, len(effects), verdict)


def judge_published(claim_id: str, effect: float) -> Judgement:
    """Verdict on a published number that comes without seeds: the number alone against the threshold."""
    return Judgement(claim_id, float(effect), math.nan, math.nan, 0, decide(CLAIMS[claim_id], effect, effect))


def has_learned(accuracy, accuracy_untrained) -> bool:
    """Whether a harm may be judged: the balanced encoders beat the same net untrained by 5 points of accuracy.

    accuracy, accuracy_untrained: (seeds,), shares; the mean gain must reach 0.05 and its interval lie above 0.
    """
    gain, low, _ = intervals.over_seeds(np.asarray(accuracy) - np.asarray(accuracy_untrained))
    return bool(gain >= 0.05 and low > 0)
