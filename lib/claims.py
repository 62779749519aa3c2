"""The rule that turns the numbers of a claim into a verdict."""

import math
from dataclasses import dataclass

import numpy as np

from lib import (
    claims_alignment,
    claims_applications,
    claims_bios,
    claims_collapse,
    claims_images,
    claims_labels,
    claims_sbm,
    claims_spread,
    claims_strata,
    intervals,
)
from lib.claim import Claim

PARTS = (
    claims_images,
    claims_bios,
    claims_spread,
    claims_applications,
    claims_labels,
    claims_strata,
    claims_sbm,
    claims_collapse,
    claims_alignment,
)
CLAIMS = {claim.id: claim for part in PARTS for claim in part.CLAIMS}
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
NOT_RUN, NOT_PUBLISHED = "not run", "no published number"


@dataclass(frozen=True)
class Judgement:
    """A verdict with the effect it rests on: mean and interval over seeds; seeds 0 is a number that has none."""

    claim: str
    effect: float
    low: float
    high: float
    seeds: int
    verdict: str


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


def judge_number(claim_id: str, effect: float) -> Judgement:
    """Verdict on a number without seeds, published or computed exactly: the number alone against the threshold."""
    return Judgement(claim_id, float(effect), math.nan, math.nan, 0, decide(CLAIMS[claim_id], effect, effect))


def shown(value: float) -> str:
    """A number with three decimals, or with two significant digits where those would all be 0: 0.012, 9.1e-05."""
    return f"{value:.1e}" if 0 < abs(value) < 0.0005 else f"{value:.3f}"


def has_learned(accuracy, accuracy_untrained) -> bool:
    """Whether a harm may be judged: the balanced encoders beat the same net untrained by 5 points of accuracy.

    accuracy, accuracy_untrained: (seeds,), shares; the mean gain must reach 0.05 and its interval lie above 0.
    """
    gain, low, _ = intervals.over_seeds(np.asarray(accuracy) - np.asarray(accuracy_untrained))
    return bool(gain >= 0.05 and low > 0)
