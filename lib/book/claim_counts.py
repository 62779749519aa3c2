"""Counts of claims and verdicts: by study, on the papers' own figures, at one level for many claims."""

import html
import math

from lib import claims
from lib.book import in_order, judged, markup, scale
from lib.book.run_records import RunRecord
from lib.study.report import CLASSES, NONE, SIGNS, badge


def papers(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """The headline claims of the papers on the numbers that these print: how many hold, and a row for each number."""
    head, rows, words = ("claim", "paper", "data", "printed", "holds where", "verdict"), [], []
    headlines = [claim for claim in in_order.all_claims() if claim.headline]
    for claim in headlines:
        link = f'<a href="scoreboard.html#{claim.id}">{html.escape(claim.statement)}</a>'
        test = judged.test(claim)
        points = [j for j in judged.judgements(claim, "authors", chapters, records_) if j["verdict"] not in NONE]
        words.append({j["verdict"] for j in points})
        for j in points:
            cells = (
                html.escape(in_order.paper(claim.cite)),
                html.escape(scale.DATA.get(j["data"], j["data"])),
                markup.number(j["effect"]),
                test,
                badge(j["verdict"]),
            )
            rows.append((link, *cells))
    hold, fail = (words.count({word}) for word in (claims.HOLDS, claims.FAILS))
    both, none = words.count({claims.HOLDS, claims.FAILS}), words.count(set())
    return (
        f"Of {len(headlines)} headline claims the papers print a number for {len(headlines) - none}. On their own "
        f"numbers **{hold} hold, {fail} do not hold**, and {both} hold on some of their data sets alone. A number "
        f"without seeds is set against the threshold as it is.\n\n{markup.raw(markup.table(head, rows, 'verdicts'))}"
    )


def many_claims(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """How many verdicts rest on an interval, and what 95 % means for so many."""
    lines = []
    for source, name in (("run", "this run"), ("recorded", "the runs of record")):
        rows = [j for claim in in_order.all_claims() for j in judged.judgements(claim, source, chapters, records_)]
        words = [j["verdict"] for j in rows if j["verdict"] not in NONE and not math.isnan(j["low"])]
        n, decided = len(words), sum(word != claims.UNDECIDED for word in words)
        lines.append(
            f"* {n} verdicts of {name} rest on an interval over seeds; {decided} of them are decided. On average "
            f"about {0.05 * n:.1f} of so many intervals miss the true value, and at most {0.025 * n:.1f} verdicts are "
            "false."
        )
    return "\n".join(lines)


def headlines(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a headline claim, paper by paper: its verdicts at 95 %, and by Holm's method over those of the paper."""
    head = ("claim", "recorded runs, 95 %", "by Holm’s method", "this run, 95 %", "by Holm’s method")
    parts = []
    for paper in dict.fromkeys(claim.cite for claim in in_order.all_claims() if claim.headline):
        mine = [claim for claim in in_order.all_claims() if claim.headline and claim.cite == paper]
        links = [f'<a href="scoreboard.html#{c.id}">{html.escape(c.statement)}</a>' for c in mine]
        columns = [_twice(mine, source, chapters, records_) for source in ("recorded", "run")]
        rows = [(link, *record, *run) for link, record, run in zip(links, *columns, strict=True)]
        parts.append(f"{{cite:t}}`{paper}`\n\n{markup.raw(markup.table(head, rows, 'verdicts headlines'))}")
    return "\n\n".join(parts)


def _twice(mine: list[claims.Claim], source: str, chapters: dict, records_: list) -> list[tuple[str, str]]:
    """Of each claim the verdicts from one source, at 95 % and by Holm's method over those that have seeds."""
    found = [(claim, j) for claim in mine for j in judged.judgements(claim, source, chapters, records_)]
    family = [(claim, j) for claim, j in found if j.get("seeds", 0) > 0]
    ends = [(j.get("null_low", math.nan), j.get("null_high", math.nan)) for _, j in family]
    each = zip(family, ends, strict=True)
    strict = claims.holm([(claim, j["verdict"], judged.seeds_of(j), *null) for (claim, j), null in each])
    for (_, j), word in zip(family, strict, strict=True):
        j["holm"] = badge(word)
    own = [[j for other, j in found if other == claim] for claim in mine]
    return [("<br>".join(map(judged.verdict, js)), "<br>".join(j.get("holm", "–") for j in js)) for js in own]


def tally(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a study: its question, and how many of its claims hold, do not hold or are not decided, by source."""
    head, rows = ("study", "claims", "authors' numbers", "recorded runs", "this run"), []
    for name in dict.fromkeys(claim.study for claim in in_order.all_claims()):
        mine = [claim for claim in in_order.all_claims() if claim.study == name]
        counts = []
        for source in ("authors", "recorded", "run"):
            words = [j["verdict"] for claim in mine for j in judged.judgements(claim, source, chapters, records_)]
            kinds = [w for w in (claims.HOLDS, claims.FAILS, claims.UNDECIDED) if w in words]
            spans = [
                f'<span class="verdict {CLASSES[w]}" title="{w}">{words.count(w)} {SIGNS[w]}'
                f'<span class="visually-hidden"> {w}</span></span>'
                for w in kinds
            ]
            counts.append(" &ensp; ".join(spans) or "none")
        rows.append((f'<a href="notebooks/{name}.html">{html.escape(in_order.title(name))}</a>', len(mine), *counts))
    legend = ", ".join(f"{SIGNS[w]} {w}" for w in (claims.HOLDS, claims.FAILS, claims.UNDECIDED))
    return f"{markup.raw(markup.table(head, rows, 'verdicts tally'))}\n\n{legend}."


def registered(records_: list[RunRecord]) -> str:
    """How many thresholds carry a note, were changed, or are dated after a run of record of their study began."""
    every, begun = in_order.all_claims(), {}
    for run in records_:
        begun[run.study] = min(run.provenance["started"][:10], begun.get(run.study, "9"))
    noted = sum("note" in claim.registered for claim in every)
    changed = sum("changes" in claim.registered for claim in every)
    late = sum(str(claim.registered["date"]) > begun.get(claim.study, "9") for claim in every)
    text = (
        f"The scoreboard gives, for each of the {len(every)} claims, the date and the commit of its threshold. "
        f"With {noted} a note says what was known when the threshold was set, such as a pilot. {changed} "
        "were changed later, in threshold, interval, rule or words; each change stands there with its reason."
    )
    doubt = "are dated after the first run of record of their study began. That their thresholds came before that run"
    return f"{text} {late} {doubt} cannot be shown." if late else text
