"""What the page on reading the book says of the rules of verdicts."""

import html

import pandas as pd

from lib.book import in_order, markup
from lib.hashing import ROOT

COVERAGE = ROOT / "benchmarks/coverage.csv"  # of ``python -m benchmarks.coverage``


def ungated() -> str:
    """The claims about data that are judged whether or not the encoders learned, each with its reason."""
    free = [claim for claim in in_order.all_claims() if claim.ungated]
    link = '<a href="scoreboard.html#{}">{}</a>'
    return "\n".join(f"* {link.format(c.id, html.escape(c.statement))} It is about {c.ungated}." for c in free)


def coverage() -> str:
    """How often each rule for an interval held the true value in simulation: a row a rule and law, in per cent."""
    found = pd.read_csv(COVERAGE)
    cells = found.pivot_table(index=["rule", "law"], columns="seeds", values="coverage", sort=False)
    first = set(found.drop_duplicates("rule")[["rule", "law"]].itertuples(index=False, name=None))
    rows = [
        (names[0] if names in first else "", names[1], *(f"{100 * value:.1f}" for value in line))
        for names, *line in cells.itertuples()
    ]
    return markup.raw(markup.table(("rule", "law of the seeds", *(f"{n} seeds" for n in cells)), rows, "benchmarks"))
