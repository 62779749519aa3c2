"""The front page: what was found, chosen by a rule, the forest of published claims, and a line a study."""

import html
import re

from lib import claims
from lib.book import findings, in_order, interval_plot, markup, scale, scoreboard
from lib.book.findings import Finding
from lib.book.run_records import RunRecord
from lib.study.report import badge

FINDINGS, FAILING, A_STUDY = 6, 2, 2  # shown; of them at least so many that fail; at most so many of one study


def chosen(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> list[Finding]:
    """The findings of the front page: published headline claims that are decided, each with one judgement.

    Of a claim counts its judgement by the run of record with the nearest mark, the latest of several, or by the
    authors' own number where no run of record decides it; claims on which runs of that mark contradict each other are
    left out.  Claims are taken in the order of their mark, then of their margin: how far the effect lies from the
    threshold, in half intervals, without end where there is no interval; then of the date of their threshold.  At most
    A_STUDY are of one study.  Were fewer than FAILING among the first to fail, the next that fail replace the last.
    Those that fail stand before those that hold.
    """
    published = [c for c in in_order.all_claims() if c.whose == "paper" and c.headline]
    each = [(c, findings.best(c, ("recorded", "authors"), chapters, records_)) for c in published]
    every = sorted([found for found in each if found[1]], key=findings.in_turn)
    few = [f for i, f in enumerate(every) if sum(g[0].study == f[0].study for g in every[:i]) < A_STUDY]
    first, rest = few[:FINDINGS], few[FINDINGS:]
    failing = [f for f in rest if f[1]["verdict"] == claims.FAILS]
    while failing and sum(f[1]["verdict"] == claims.FAILS for f in first) < FAILING:
        last = max(i for i, f in enumerate(first) if f[1]["verdict"] != claims.FAILS)
        first[last] = failing.pop(0)
    return sorted(first, key=lambda f: f[1]["verdict"] != claims.FAILS)


def found(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """The chosen findings, each as a sentence with its number, interval, data and links."""
    items = "\n".join(f"<li>{findings.sentence(*one, _where(one[1]))}</li>" for one in chosen(chapters, records_))
    return markup.raw(f'<ol class="findings">\n{items}\n</ol>')


def _where(j: dict) -> str:
    if j["source"] == "authors":
        return "On the paper’s own numbers this"
    return "By computation this" if j["mark"] == claims.EXACT else "In our run of record this"


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
