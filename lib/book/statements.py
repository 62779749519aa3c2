"""Every statement of the book with whose it is: those that the pages number, and the claims."""

import html
import re
from collections import Counter
from dataclasses import dataclass

from lib import claims, study
from lib.book import in_order, scoreboard
from lib.study import report

NUMBERED = re.compile(r"^# :{3,}\{prf:(?!proof)(\w+)\} *(.*)\n# :label: *(\S+)$", re.M)
BASES = (
    "derived here",
    "corrected here",
    "known before",
    "proved in the paper",
    "stated in the paper",
    "of the paper, known to us from a summary",
)


@dataclass(frozen=True)
class Statement:
    """A numbered statement of a page.

    number: within its page and kind.  basis: what it rests on, the brackets at the end of its title; "" for none.
    """

    study: str
    kind: str
    number: int
    title: str
    basis: str
    label: str


def numbered(name: str) -> list[Statement]:
    """The theorems, propositions, lemmas, corollaries and definitions of a study's notebook, in their order."""
    found = []
    count = Counter()
    for kind, title, label in NUMBERED.findall("\n".join(text for _, text in study.cells(name))):
        parts = re.fullmatch(r"(.*?) *\(([^()]*)\)", title)
        count[kind] += 1
        found.append(Statement(name, kind, count[kind], *(parts.groups() if parts else (title, "")), label))
    return found


def on_pages() -> str:
    """A row a numbered statement, study by study."""
    rows = [
        (
            f'<a href="notebooks/{name}.html">{escaped(in_order.title(name))}</a>',
            f"{s.kind.capitalize()} {s.number}: {_link(s)}",
            s.basis,
        )
        for name in in_order.studies()
        for s in numbered(name)
    ]
    return report.table(["study", "statement", "rests on"], rows)


def of_claims() -> str:
    """A row a claim, study by study."""
    rows = [
        (
            f'<a href="scoreboard.html#{c.id}"><code>{c.id}</code></a> {escaped(c.statement)}',
            scoreboard.owner(c),
            escaped(c.place),
            c.sets,
        )
        for name in in_order.studies()
        for c in claims.of(name)
    ]
    return report.table(["claim", "whose", "where it stands", "data"], rows)


def _link(s: Statement) -> str:
    return f'<a href="notebooks/{s.study}.html#{s.label}"><code>{s.label}</code></a> {s.title}'


def escaped(text: str) -> str:
    """Plain text in a cell of a Markdown table."""
    return re.sub(r"([|*_`$\[\]])", r"\\\1", html.escape(text, quote=False))
