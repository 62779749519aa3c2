"""What was found: the judgement that stands for a claim, the order of findings, and the sentence of one."""

import html
import math
from collections.abc import Iterable

from lib import claims
from lib.book import claim_figures, in_order, judged, markup, run_records, scale
from lib.book.run_records import RunRecord
from lib.study.report import CLASSES, SIGNS

DECIDED = (claims.HOLDS, claims.FAILS)
NEAREST = (claims.EXACT, claims.REPLICATION, claims.REDUCED, "point", claims.ANALOGUE)  # marks, nearest first
SHOWN = (claims.REPLICATION, claims.REDUCED, claims.EXACT, "point", claims.ANALOGUE)  # trained before computed
A_PAGE = 4  # findings at the top of a study's page
Finding = tuple[claims.Claim, dict]


def best(claim: claims.Claim, sources: Iterable[str], chapters: dict, records_: list[RunRecord]) -> dict | None:
    """The judgement that decides a claim: of the first source that does, with the nearest mark, of several the latest.

    None where no source decides it, and where those of that mark contradict each other.
    """
    for source in sources:
        found = [j for j in judged.judgements(claim, source, chapters, records_) if j["verdict"] in DECIDED]
        if found:
            break
    nearest = min((NEAREST.index(_mark(j)) for j in found), default=None)
    found = [j for j in found if NEAREST.index(_mark(j)) == nearest]
    if len({j["verdict"] for j in found}) != 1:
        return None
    started = {run.id: str(run.provenance["started"]) for run in records_}
    return max(found, key=lambda j: started.get(j["run"], ""))


def in_turn(found: Finding) -> tuple:
    """The key of the order: the mark as of SHOWN, then how far the effect lies from the threshold, in half intervals
    (without end where there is no interval), then the date of the threshold.
    """
    claim, j = found
    return SHOWN.index(_mark(j)), -_margin(claim, j), str(claim.registered["date"]), claim.id


def of_record(study: str) -> str:
    """At most A_PAGE claims of a study that runs of record decide, headline claims first; "" where there are none."""
    records_ = run_records.recorded()
    every = [(c, j) for c in claims.of(study) if (j := best(c, ["recorded"], {}, records_))]
    every.sort(key=lambda found: (not found[0].headline, *in_turn(found)))
    items = "\n".join(f"<li>{sentence(*found, up='../')}</li>" for found in every[:A_PAGE])
    return f'<div class="of-record">\n<p>The runs of record found:</p>\n<ul>\n{items}\n</ul>\n</div>' if items else ""


def sentence(claim: claims.Claim, j: dict, where: str = "", up: str = "") -> str:
    """A finding with its number, interval, data and links, as HTML.

    where: what stands before the verdict, "By computation this"; up: the way to the top of the site.
    """
    exact = j["mark"] == claims.EXACT
    number = claims.shown(j["effect"], claim.threshold).replace("-", "−")
    number = number.removesuffix(".000") if exact else number  # a count
    ends = "" if math.isnan(j["low"]) else f" (95 % interval {markup.number(j['low'])} to {markup.number(j['high'])})"
    test = judged.test(claim).replace("-", "−")
    seeds = f", {int(j['seeds'])} seeds" if j["seeds"] else ""
    chip = (
        "the paper’s numbers"
        if j["source"] == "authors"
        else f"{scale.DATA.get(j['data'], j['data'])}{seeds}, {j['mark']}"
    )
    word = f'<span class="verdict {CLASSES[j["verdict"]]}">{SIGNS[j["verdict"]]} {j["verdict"]}</span>'
    whose = f"{in_order.paper(claim.cite)}: " if claim.whose == "paper" else ""
    evidence = f"{up}{claim_figures.address(claim)}"
    said = f"{whose}“{claim.statement.rstrip('.')}.” {where}".strip()
    return (
        f"{html.escape(said)} {word}: "
        f"{html.escape(claim.quantity)} is <strong>{number}</strong>{ends}; the claim needs {test}. "
        f'<span class="chip">{html.escape(j["mark"] if exact else chip)}</span> '
        f'<a href="{up}scoreboard.html#{claim.id}">claim</a> · <a href="{evidence}">evidence</a>'
    )


def _mark(j: dict) -> str:
    return j["mark"].split(",")[0]


def _margin(claim: claims.Claim, j: dict) -> float:
    half = (j["high"] - j["low"]) / 2
    return math.inf if math.isnan(half) or half == 0 else abs(j["effect"] - claim.threshold) / half
