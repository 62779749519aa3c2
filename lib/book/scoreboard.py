"""The scoreboard: every claim with its numbers, verdicts and evidence, by paper and study."""

import html
import json

import pandas as pd

from lib import claims
from lib.book import address, claim_figures, in_order, interval_plot, judged, markup
from lib.book.run_records import RunRecord
from lib.study.report import CLASSES, NONE

OWN = "this book"
SOURCES = {"authors": "published numbers", "recorded": "runs of record", "run": "this run"}
FILE = "_static/claims"
FIELDS = (
    "verdict",
    "effect",
    "low",
    "high",
    "null_low",
    "null_high",
    "seeds",
    "data",
    "preset",
    "mark",
    "run",
    "reason",
)
Found = dict[str, list[dict]]  # the judgements of a claim by source


def by_source(claim: claims.Claim, chapters: dict[str, RunRecord], records_: list[RunRecord]) -> Found:
    """Every judgement of a claim, by source."""
    return {source: judged.judgements(claim, source, chapters, records_) for source in SOURCES}


def numbers(found: Found) -> list[dict]:
    """The judgements that have a number, each with its source."""
    return [j | {"source": source} for source, each in found.items() for j in each if j["verdict"] not in NONE]


def groups() -> dict[str, dict[str, list[claims.Claim]]]:
    """All claims by paper, "this book" for those that no paper makes, and study."""
    found: dict[str, dict[str, list[claims.Claim]]] = {}
    for claim in sorted(in_order.all_claims(), key=lambda c: not c.cite):
        found.setdefault(claim.cite or OWN, {}).setdefault(claim.study, []).append(claim)
    return found


def board(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """The tables of all claims, a heading a paper, a table a study."""
    parts = [markup.raw(f'<div id="choice" data-own="{OWN}">{interval_plot.legend()}</div>')]
    for paper, studies in groups().items():
        if paper == OWN:
            parts.append(f"### {OWN.capitalize()}")
        else:  # no citation in the heading, which LaTeX cannot set
            parts.append(f"### {in_order.paper(paper)}\n\nIn the bibliography: {{cite:t}}`{paper}`.")
        for name, mine in studies.items():
            rows = "".join(_row(claim, by_source(claim, chapters, records_)) for claim in mine)
            link = f'<a href="notebooks/{name}.html">{html.escape(in_order.title(name))}</a>'
            head = "".join(f'<th scope="col">{h}</th>' for h in ("claim", "picture", *SOURCES.values()))
            parts.append(
                markup.raw(
                    f'<div class="scroll" tabindex="0" role="region" aria-label="claims of {name}">'
                    f'<table class="table board"><caption>{link}</caption>'
                    f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>"
                )
            )
    return "\n\n".join(parts)


def _row(claim: claims.Claim, found: Found) -> str:
    every = numbers(found)
    about = {
        "paper": claim.cite or OWN,
        "headline": "yes" if claim.headline else "no",
        "verdicts": " ".join(dict.fromkeys(CLASSES[j["verdict"]] for each in found.values() for j in each)),
        "marks": " ".join(dict.fromkeys(str(j["mark"]).split(",")[0] for j in every if j.get("mark"))),
        "whose": "published" if claim.whose == "paper" else "own",
    }
    data = " ".join(f'data-{key}="{html.escape(value)}"' for key, value in about.items())
    cells = [_statement(claim, found), interval_plot.picture(claim, every)]
    cells += ["<br>".join(judged.verdict(j, claim) for j in each) for each in found.values()]
    return f'<tr id="{claim.id}" {data}>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _statement(claim: claims.Claim, found: Found) -> str:
    """Id, statement and test of a claim; folded, whose it is and every judgement in full."""
    head = ("judged on", "effect", "95 % interval", "seeds", "data, preset")
    rows = [
        (SOURCES[source] + j.get("link", ""), *judged.numbers(j, claim))
        for source, each in found.items()
        for j in each
        if j["verdict"] not in NONE
    ]
    test = f"{html.escape(claim.quantity)} {judged.test(claim)}"
    table = markup.table(head, rows, "judgements") if rows else ""
    where = claim_figures.figure(claim)
    shown = f'<a href="{claim_figures.address(claim)}">{f"figure {where}" if where else "the study"}</a>'
    form = address.contest(claim.id)
    contest = f' <a href="{html.escape(form)}">Contest this verdict.</a>' if form else ""
    return (
        f'<a class="id" href="#{claim.id}">{claim.id}</a> {html.escape(claim.statement)} '
        f'<small class="test">Holds where: {test}. Evidence: {shown}.</small>'
        f"<details><summary>Whose, and all numbers</summary><p>{owner(claim)}, {html.escape(claim.place)}; data: "
        f"{claim.sets}. {html.escape(registration(claim.registered))}{contest}</p>{table}</details>"
    )


def owner(claim: claims.Claim) -> str:
    """Whose statement it is, in words."""
    words = {"paper": "of", "known": "known, see", "derived": "derived here"}
    words |= {"definition": "a definition or question of this book", "numerical": "seen in numbers alone"}
    words |= {claims.UNCHECKED: "the book's own"}
    return words[claim.whose] + (f" {claim.cite}" if claim.cite else "")


def registration(about: dict) -> str:
    """When the threshold was fixed, and every later change with its reason."""
    changes = (f"; {c['change']} on {c['date']}: {c['reason']}" for c in about.get("changes", ()))
    note = f" {about['note']}" if about.get("note") else ""
    return f"Threshold of {about['date']}, commit {about['commit']}{''.join(changes)}.{note}"


def files(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> dict[str, bytes]:
    """Every claim and judgement as CSV, a row a judgement, and as JSON."""
    rows, claims_ = [], []
    for claim in in_order.all_claims():
        about = {"claim": claim.id, "study": claim.study, "statement": claim.statement, "whose": claim.whose}
        about |= {"paper": claim.cite, "place": claim.place, "headline": bool(claim.headline)}
        about |= {"quantity": claim.quantity, "side": claim.side, "strict": claim.strict, "threshold": claim.threshold}
        about |= {"registered": str(claim.registered["date"]), "evidence": claim_figures.address(claim)}
        every = [j | {"source": s} for s, js in by_source(claim, chapters, records_).items() for j in js]
        lines = [{k: j.get(k) for k in ("source", *FIELDS)} | {"reason": judged.reason(claim, j)} for j in every]
        rows += [about | line for line in lines]
        known = [{k: v for k, v in line.items() if v not in ("", None) and v == v} for line in lines]
        claims_.append(about | {"judgements": known})
    table = pd.DataFrame(rows).to_csv(index=False).encode()
    return {f"{FILE}.csv": table, f"{FILE}.json": json.dumps(claims_, indent=1, default=str).encode()}
