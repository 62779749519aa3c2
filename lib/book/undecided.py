"""What would decide the claims that no run of record decides: ``make open``, and a table of the scoreboard.

The run of record with the most seeds that judges a claim is the claim's pilot: its effect and the standard deviation
between its seeds are taken for the true ones.  A run that is to decide takes fresh seeds, for the pilot chose their
number.
"""

import functools
import html
import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from lib import claims, intervals, study
from lib.book import campaign, cost, jobs, judged, markup, run_records
from lib.book.run_records import RunRecord
from lib.claims import Claim
from lib.hashing import ROOT
from lib.study import key

POWER = 0.8
MOST = 100  # seeds that a run can have
PRICE = ("seeds", "encoders", "hours, 2 cores", "hours, GPU", "why not")
DRAWS = 200  # experiments behind the power of a share
NEVER = f"cannot be decided by seeds: the effect lies on the threshold ({MOST} would not do)"
UNLEARNED = "not judged: the encoders did not learn, or what the claim presupposes was not seen"
NO_SPREAD = "the pilot has no spread between its seeds"
NO_NULL = "the pilot has no null, beyond which the effect must lie"
LISTED = (
    "run",
    "claims that it would be the first to judge on its data",
    "encoders to train",
    "hours, 2 cores",
    "hours, GPU",
)
WITHIN = "cannot be decided by seeds: the effect passes the threshold and lies within the null"
FEWER = "cannot be decided by seeds: it takes {} of them, and a run of the study has {}"
UNKNOWN = "the pilot's parameters are of earlier code"


@dataclass(frozen=True)
class Open:
    """An undecided claim: effect and spread (standard deviation between seeds) of its pilot, and what would decide it.

    seen: seeds of the pilot; seeds: fresh ones, for a verdict with a chance of POWER; None: see reason.  encoders: of
    so many seeds, controls among them; cores, gpu: hours of their training on two CPU cores and on a GPU.
    """

    claim: Claim
    pilot: RunRecord
    effect: float
    spread: float
    seen: int
    seeds: int | None = None
    encoders: int = 0
    cores: float = math.nan
    gpu: float = math.nan
    reason: str = ""


def all_open(records: list[RunRecord]) -> tuple[list[Open], list[Claim]]:
    """The claims that runs of record judge and none decides, cheapest first; and those that none judges."""
    found, unjudged = [], []
    for claim in claims.known().values():
        mine = [run for run in records if run.study == claim.study]
        rows = [(run, row) for run in mine for row in run.judged.get(("run", claim.id), ())]
        if not rows:
            unjudged.append(claim)
        elif all(row["verdict"] == claims.UNDECIDED for _, row in rows):
            found.append(priced(claim, *max(rows, key=lambda pair: pair[1]["seeds"])))
    return sorted(found, key=lambda o: (o.seeds is None, o.cores, o.claim.id)), unjudged


def priced(claim: Claim, pilot: RunRecord, row: dict) -> Open:
    """What would decide a claim by its row in the pilot's table of verdicts."""
    effect, spread, null = float(row["effect"]), _spread(row), (row.get("null_low"), row.get("null_high"))
    null = tuple(math.nan if end is None else float(end) for end in null)
    known = Open(claim, pilot, effect, spread, int(row["seeds"]))
    edge = _edge(claim, effect, *null)
    if claims.settle(claim, row["low"], row["high"], *null) != claims.UNDECIDED:
        return replace(known, reason=UNLEARNED)
    if math.isnan(spread) or not (spread or claim.share):
        return replace(known, reason=NO_SPREAD)
    if edge is None:
        return replace(known, reason=NO_NULL if any(map(math.isnan, null)) else WITHIN)
    seeds = seeds_needed(effect, spread, edge, claim.share)
    if seeds is None:
        return replace(known, reason=NEVER)
    declared = study.parameters(claim.study)["seeds"]
    try:
        declared.check(seeds)
    except study.ParameterError:
        return replace(known, reason=FEWER.format(seeds, declared.range))
    try:
        return replace(known, seeds=seeds, **_price(pilot, seeds))
    except ValueError:
        return replace(known, seeds=seeds, reason=UNKNOWN)


def _edge(claim: Claim, effect: float, null_low: float, null_high: float) -> float | None:
    """What the interval must pass for the verdict that the effect suggests: the threshold, or the end of the null.

    None: the effect passes the threshold and does not lie beyond the null, so that seeds decide nothing.
    """
    if not claim.against or claims.decide(claim, effect, effect) != claims.HOLDS:
        return claim.threshold
    if not claims.beyond(claim, effect, effect, null_low, null_high):
        return None
    return max(claim.threshold, null_high) if claim.side == "above" else min(claim.threshold, null_low)


@functools.cache
def seeds_needed(effect: float, spread: float, edge: float, share: bool) -> int | None:
    """The fewest seeds whose interval lies beyond the edge with a chance of POWER, were effect and spread true.

    None: more than MOST.
    """
    low, high = claims.FEWEST - 1, MOST
    if power(effect, spread, edge, share, high) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, spread, edge, share, middle) >= POWER else (middle, high)
    return high


def power(effect: float, spread: float, edge: float, share: bool, seeds: int) -> float:
    """The chance that the interval of so many seeds lies beyond the edge, on the side of their mean, the effect.

    By the noncentral t for normal seeds of this deviation, where the interval is Student's; simulated for a share,
    whose seeds follow the beta law of this mean and deviation, or are 0 and 1.
    """
    if share:
        above, below = intervals.share_beyond(_shares(effect, spread, seeds), edge)
        return float((above if effect > edge else below).mean())
    if effect == edge or seeds < claims.FEWEST:
        return 0.0
    limit = stats.t.ppf(0.975, seeds - 1)
    return float(stats.nct.sf(limit, seeds - 1, abs(effect - edge) / spread * math.sqrt(seeds)))


def _shares(effect: float, spread: float, seeds: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    most = effect * (1 - effect)
    if not spread or not most:
        return np.full((1, seeds), effect)
    if spread**2 >= most:  # no beta law has so much: 0 and 1
        return generator.binomial(1, effect, (DRAWS, seeds)).astype(float)
    total = most / spread**2 - 1
    return generator.beta(effect * total, (1 - effect) * total, (DRAWS, seeds))


def _spread(row: dict) -> float:
    """The standard deviation between seeds: of the values, or behind Student's interval where they were not kept, in
    files of before, from below 10 seeds."""
    values = judged.seeds_of(row)
    if len(values) > 1:
        return float(np.std(values, ddof=1))
    seeds = int(row["seeds"])
    half = (row["high then"] - row["low then"]) / 2
    return float(half * math.sqrt(seeds) / stats.t.ppf(0.975, seeds - 1)) if 1 < seeds < 10 else math.nan


def _price(pilot: RunRecord, seeds: int) -> dict:
    """Encoders and hours of a run like the pilot with so many seeds, by the seconds that the pilot's encoders took.

    A pilot without encoders trains its nets in its own process: by the seconds of the whole run, on one core.
    """
    about = pilot.provenance
    units = {n: _units(pilot.study, about["params"] | {"seeds": n}) for n in (3, 4, about["params"]["seeds"])}
    count = {n: sum(len(unit.members) for unit in mine) for n, mine in units.items()}
    encoders = count[3] + (seeds - 3) * (count[4] - count[3])
    if not encoders:
        return {"encoders": 0, "cores": about["seconds"] * seeds / len(about["seeds"]) / 3600, "gpu": math.nan}
    each = about["training_seconds"] / count[about["params"]["seeds"]]
    on_gpu = cost.estimate(jobs.together(units[3]), 1, True)[0] / count[3]
    cpu = about["device"] == ["CPU"]
    return {
        "encoders": encoders,
        "cores": encoders * each / 2 / 3600 if cpu else math.nan,
        "gpu": encoders * (on_gpu if cpu else each) / 3600,
    }


def _units(name: str, params: dict) -> list:
    known = study.parameters(name)
    return key.plan(name, study.complete(name, {k: v for k, v in params.items() if k in known})).units


def next_runs(unjudged: list[Claim], records: list[RunRecord]) -> tuple[list[tuple[str, ...]], list[Claim]]:
    """The rows of records.yaml that would judge claims as no run of record does on the same data, as LISTED; and those
    of the unjudged claims that no row would judge.

    Encoders that a run of record keeps are not trained again; hours are by the rates of ``cost``.  A study that trains
    its nets in its own process takes the longest time of its runs of record.
    """
    lines, left, path = [], {claim.id: claim for claim in unjudged}, ROOT / "records.yaml"
    judged_on = {
        (name, run.provenance["params"].get("data")) for run in records for who, name in run.judged if who == "run"
    }
    for row in campaign.rows(path) if path.exists() else ():
        if first := [name for name in row.judges if (name, row.run.values.get("data")) not in judged_on]:
            judged_on.update((name, row.run.values.get("data")) for name in first)
            left = {name: claim for name, claim in left.items() if name not in first}
            units = row.run.unrecorded
            seconds = [cost.estimate(jobs.together(units), workers, workers == 1)[0] for workers in (2, 1)]
            if not row.run.units:
                mine = [run.provenance["seconds"] for run in records if run.study == row.run.study]
                seconds = [max(mine, default=math.nan), math.nan]
            number = sum(len(unit.members) for unit in units)
            lines.append((row.name, ", ".join(first), str(number or "–"), *(_hours(s / 3600) for s in seconds)))
    return lines, list(left.values())


def table(records: list[RunRecord]) -> str:
    """What would decide each undecided claim, as tables of the site: seeds of a pilot, and runs of the list."""
    found, unjudged = all_open(records)
    head = ("claim", "effect", "between seeds", "holds where", "pilot", *PRICE)
    rows = []
    for o in found:
        numbers = (
            markup.number(o.effect),
            "–" if math.isnan(o.spread) else markup.number(o.spread),
            judged.test(o.claim),
        )
        rows.append((_link(o.claim.id), *numbers, f"{o.pilot.link}, {o.seen} seeds", *_cells(o)))
    lines, left = next_runs(unjudged, records)
    lines = [
        (html.escape(name).replace("/", "/<wbr>"), ", ".join(map(_link, first.split(", "))), *rest)
        for name, first, *rest in lines
    ]
    tables = [markup.raw(markup.table(head, rows, "open")), markup.raw(markup.table(LISTED, lines, "listed"))]
    return f"{tables[0]}\n\n{_count(unjudged)}\n\n{tables[1]}\n\n{_in_no_run(left)}"


def _link(claim: str) -> str:
    return f'<a href="#{html.escape(claim)}">{html.escape(claim)}</a>'


def _count(unjudged: list[Claim]) -> str:
    return f"{len(unjudged)} claims have no run of record. `records.yaml` lists runs that would judge some of them."


def _in_no_run(left: list[Claim]) -> str:
    studies = pd.Series([claim.study for claim in left]).value_counts()
    others = ", ".join(f"`{name}` {n}" for name, n in studies.items())
    return f"{len(left)} claims stand in no run of this list: {others or '–'}."


def _cells(o: Open) -> tuple[str, ...]:
    return ("–" if o.seeds is None else str(o.seeds), str(o.encoders or "–"), _hours(o.cores), _hours(o.gpu), o.reason)


def _hours(hours: float) -> str:
    if math.isnan(hours):
        return "–"
    return "below 0.1" if hours < 0.05 else f"{hours:.1f}" if hours < 100 else f"{hours:,.0f}"


def command_open(_) -> int:
    """Print what would decide each claim that no run of record decides."""
    found, unjudged = all_open(records := run_records.recorded())
    head = ("claim", "effect", "spread", "holds where", *PRICE)
    rows = [(o.claim.id, f"{o.effect:.3f}", f"{o.spread:.3f}", judged.test(o.claim), *_cells(o)) for o in found]
    print(pd.DataFrame(rows, columns=head).to_string(index=False))
    print(
        f"{len(found)} claims are judged and not decided. Seeds: fresh, for a verdict with a chance of {POWER:.0%}, "
        "were the pilot's effect and spread the true ones.\n"
    )
    lines, left = next_runs(unjudged, records)
    print(pd.DataFrame(lines, columns=LISTED).to_string(index=False))
    print(f"{_count(unjudged)} {_in_no_run(left)}")
    return 0
