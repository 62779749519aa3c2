"""The front page: what was found, chosen by a rule, the forest of published claims, and a line a study."""

import html
import math
import re

from lib import claims
from lib.book import claim_figures, in_order, interval_plot, judged, markup, scale, scoreboard
from lib.book.run_records import RunRecord
from lib.study.report import CLASSES, SIGNS, badge

FINDINGS, FAILING, A_STUDY = 6, 2, 2  # shown; of them at least so many that fail; at most so many of one study
NEAREST = (claims.EXACT, claims.REPLICATION, claims.REDUCED, "point", claims.ANALOGUE)  # marks, nearest first
DECIDED = (claims.HOLDS, claims.FAILS)
Finding = tuple[claims.Claim, dict]


def chosen(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> list[Finding]:
    """The findings of the front page: published headline claims that are decided, each with one judgement.

    Of a claim counts its judgement by the run of record with the nearest mark, the latest of several, or by the
    authors' own number where no run of record decides it; claims on which runs of record contradict each other are
    left out.  Claims stand in the order of their mark, then of their margin: how far the effect lies from the
    threshold, in half intervals, without end where there is no interval; then of the date of their threshold.  At most
    A_STUDY are of one study.  Were fewer than FAILING among the first to fail, the next that fail replace the last.
    """
    every = [(claim, best) for claim in in_order.all_claims() if (best := _best(claim, chapters, records_))]
    every.sort(key=lambda found: (_rank(found[1]), -_margin(*found), str(found[0].registered["date"]), found[0].id))
    few = [f for i, f in enumerate(every) if sum(g[0].study == f[0].study for g in every[:i]) < A_STUDY]
    first, rest = few[:FINDINGS], few[FINDINGS:]
    failing = [f for f in rest if f[1]["verdict"] == claims.FAILS]
    while failing and sum(f[1]["verdict"] == claims.FAILS for f in first) < FAILING:
        last = max(i for i, f in enumerate(first) if f[1]["verdict"] != claims.FAILS)
        first[last] = failing.pop(0)
    return first


def _best(claim: claims.Claim, chapters: dict, records_: list[RunRecord]) -> dict | None:
    """The judgement of a published headline claim that decides it and is nearest to the paper; None without one."""
    if claim.whose != "paper" or not claim.headline:
        return None
    found = scoreboard.by_source(claim, chapters, records_)
    recorded = [j for j in found["recorded"] if j["verdict"] in DECIDED]
    if len({j["verdict"] for j in recorded}) > 1:
        return None
    authors = [j for j in found["authors"] if j["verdict"] in DECIDED]
    if not recorded and len({j["verdict"] for j in authors}) > 1:
        return None
    started = {run.id: str(run.provenance["started"]) for run in records_}
    recorded.sort(key=lambda j: started.get(j["run"], ""), reverse=True)
    return min(recorded or authors, key=_rank, default=None)


def _rank(j: dict) -> int:
    return NEAREST.index(j["mark"].split(",")[0])


def _margin(claim: claims.Claim, j: dict) -> float:
    half = (j["high"] - j["low"]) / 2
    return math.inf if math.isnan(half) or half == 0 else abs(j["effect"] - claim.threshold) / half


def findings(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """The chosen findings, each as a sentence with its number, interval, data and links."""
    items = "\n".join(f"<li>{_sentence(*found)}</li>" for found in chosen(chapters, records_))
    return markup.raw(f'<ol class="findings">\n{items}\n</ol>')


def _sentence(claim: claims.Claim, j: dict) -> str:
    number = claims.shown(j["effect"], claim.threshold).replace("-", "−")
    number = number.removesuffix(".000") if j["mark"] == claims.EXACT else number  # a count
    ends = "" if math.isnan(j["low"]) else f" (95 % interval {markup.number(j['low'])} to {markup.number(j['high'])})"
    test = judged.test(claim).replace("-", "−")
    if j["source"] == "authors":
        where, chip = "On the paper’s own numbers", "the paper’s numbers"
    else:
        data = scale.DATA.get(j["data"], j["data"])
        where = "By computation" if j["mark"] == claims.EXACT else "In our run of record"
        seeds = f", {int(j['seeds'])} seeds" if j["seeds"] else ""
        chip = j["mark"] if j["mark"] == claims.EXACT else f"{data}{seeds}, {j['mark']}"
    word = f'<span class="verdict {CLASSES[j["verdict"]]}">{SIGNS[j["verdict"]]} {j["verdict"]}</span>'
    said = f"{in_order.paper(claim.cite)}: “{claim.statement.rstrip('.')}.”"
    return (
        f"{html.escape(said)} {where} this {word}: "
        f"{html.escape(claim.quantity)} is <strong>{number}</strong>{ends}; the claim needs {test}. "
        f'<span class="chip">{html.escape(chip)}</span> <a href="scoreboard.html#{claim.id}">claim</a> · '
        f'<a href="{claim_figures.address(claim)}">evidence</a>'
    )


def counted(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """Which papers, how many claims, on what data, in one sentence."""
    every = in_order.all_claims()
    published = [c for c in every if c.whose == "paper"]
    papers = [in_order.paper(cite) for cite in dict.fromkeys(c.cite for c in published)]
    data = dict.fromkeys(scale.DATA.get(d, d) for run in records_ if (d := run.provenance["params"].get("data")))
    data = [d for d in data if d != scale.DATA["none"]]
    return (
        f"{len(published)} claims of {_listed(papers)}, and {len(every) - len(published)} of this book, judged on the "
        f"papers’ own numbers, on runs of record ({_listed(data)}), and on the machine that built these pages."
    )


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def forest(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a published headline claim: its statement and its picture; those without a number are counted."""
    rows, silent = [], 0
    for claim in in_order.all_claims():
        if claim.whose != "paper" or not claim.headline:
            continue
        every = scoreboard.numbers(scoreboard.by_source(claim, chapters, records_))
        if not every:
            silent += 1
            continue
        link = f'<a href="scoreboard.html#{claim.id}">{html.escape(claim.statement)}</a>'
        rows.append(f"<li>{link}{interval_plot.picture(claim, every)}</li>")
    note = f"<p>{silent} more have no number yet.</p>" if silent else ""
    return markup.raw(f'{interval_plot.legend()}<ul class="forest">\n{"".join(rows)}\n</ul>{note}')


def answers(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a study: its question as the title, the first sentence of its answer, and what it was made on."""
    rows = []
    for name in in_order.studies():
        link = f'<a href="notebooks/{name}.html">{html.escape(in_order.title(name))}</a>'
        run = chapters.get(name)
        made = f'<span class="chip">{html.escape(_made_on(run))}</span>' if run else badge(claims.NOT_RUN)
        rows.append(f"* {link}: {_answer(run) if run else ''} {made}")
    return "\n".join(rows)


def _made_on(run: RunRecord) -> str:
    """What a run says of itself on a figure, its data by their name; of exact computation no data."""
    data = run.provenance["params"].get("data", "")
    if scale.computed(run.study):
        return scale.COMPUTED
    return run.face.replace(data, scale.DATA.get(data, data), 1)


def _answer(run: RunRecord) -> str:
    """The first sentence of what a study found, as its notebook says it; empty where it says nothing."""
    for cell in run.notebook.cells:
        if "in-short" in cell.metadata.get("tags", []):
            text = "".join("".join(o.get("data", {}).get("text/markdown", "")) for o in cell.get("outputs", []))
            body = re.sub(r"^:::.*$", "", text, flags=re.M).strip().replace("\n", " ")
            return re.sub(";$", ".", re.split(r"(?<=[.;!?])\s+(?=[A-Z0-9*$])", body)[0])
    return ""
