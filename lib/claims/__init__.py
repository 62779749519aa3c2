"""Claims, and the rule of verdicts: what a study states, and what its numbers make of it.

May import ``lib.intervals`` and what lies below it.
"""

from lib.claims.entries import NOTHING, NULLS, SIDES, UNCHECKED, WHOSE, Claim, ClaimError, check, known, of
from lib.claims.rule import (
    ANALOGUE,
    EXACT,
    FAILS,
    FEWEST,
    HOLDS,
    NO_PAPER,
    NO_RUN,
    NOT_KEPT,
    NOT_PUBLISHED,
    NOT_RUN,
    PUBLISHED,
    REDUCED,
    REPLICATION,
    UNDECIDED,
    Judgement,
    Made,
    beyond,
    chance,
    decide,
    has_learned,
    holm,
    interval,
    judge,
    judge_number,
    made_on,
    mark,
    reason,
    settle,
    shown,
    span,
)
