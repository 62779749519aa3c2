"""What the papers hold, row by row, and where it is in the book: ``book/contents.yaml``, read, checked and shown."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from docutils.nodes import make_id

from lib import claims, study
from lib.book import in_order, run_records, statements
from lib.book.classroom import notebook
from lib.claims.entries import read_yaml
from lib.hashing import ROOT
from lib.study import kept, report

ROWS = ROOT / "book/contents.yaml"
PAPERS = {  # by their key in references.bib
    "maity2024": "Harms",
    "detailsmatter2022": "L_spread and strata",
    "wang2020": "Alignment and uniformity",
    "nguyen2026": "Minority collapse",
    "matthes2023": "Disentanglement",
}
KINDS = ("method", "loss", "metric", "data set", "experiment", "statement", "figure", "question", "check")
ANALOGUE, BY_HAND, NOT_BUILT, NOT_RUN, UNKNOWN = (
    "analogue only",
    "needs data fetched by hand: never run on the real data",
    "not built yet",
    "built, never run at this size",
    "not known to us",
)
REASONS = (ANALOGUE, BY_HAND, NOT_BUILT, NOT_RUN, UNKNOWN)
JUDGED = (claims.HOLDS, claims.FAILS, claims.UNDECIDED)


class ContentsError(ValueError):
    """``book/contents.yaml`` cannot be used; the message names the row and the field."""


@dataclass(frozen=True)
class Row:
    """One thing that a paper holds.

    kind: one of KINDS; what: the thing, in words.
    at: where it is here: "study#anchor" (a heading's or a label's, or fig-<name>), "page#anchor" or "page" of the book,
    or "lib/path.py#name"; empty where it is nowhere, and then there is a reason.
    claims: ids of those that judge it; measured: quantities of results.csv that it is.
    where: values of the study's parameters at which a run has it, a list for one of several.
    reason: one of REASONS, for what the paper has and the book has not, with a ``note``; "" for none.
    reported: files of results/reported that hold its printed numbers.
    """

    paper: str
    kind: str
    what: str
    at: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reason: str = ""
    note: str = ""
    reported: tuple[str, ...] = ()

    @property
    def study(self) -> str:
        """The study of its first link to one; "" where there is none."""
        return next((page for page in (a.partition("#")[0] for a in self.at) if page in study.names()), "")

    def fits(self, values: dict) -> bool:
        """Whether a run with these parameters has the row."""
        return all(set(wanted) & _words(values[name]) for name, wanted in self.where)

    @property
    def presets(self) -> list[str]:
        """The presets of its study that have it, in the order of the folders' names."""
        if not self.study:
            return []
        return [name for name, values in _presets(self.study).items() if self.fits(values)]

    def recorded(self) -> list[run_records.RunRecord]:
        """The runs of record that have it: that judge one of its claims, or measured one of its quantities."""
        return [run for run in _records() if run.study == self.study and self._is_in(run)]

    def _is_in(self, run: run_records.RunRecord) -> bool:
        declared = {name: p.default for name, p in study.parameters(self.study).items()}
        if not self.fits(declared | run.provenance["params"]):
            return False
        made = run.claims[(run.claims.source == "run") & run.claims.verdict.isin(JUDGED)]
        return bool(set(self.claims) & set(made.claim) or set(self.measured) & _quantities(run))


@functools.cache
def _presets(name: str) -> dict[str, dict]:
    """All parameters of a study by preset, in the order of the folders' names."""
    declared = {key: p.default for key, p in study.parameters(name).items()}
    named = sorted(path.parent.name for path in (ROOT / "presets").glob(f"*/{name}.yaml"))
    return {preset: declared | study.preset(name, preset) for preset in named}


@functools.cache
def rows() -> tuple[Row, ...]:
    """Every row, paper by paper.  ContentsError: see ``check``."""
    content = read_yaml(ROWS)
    found = [check(paper, entry) for paper, entries in content.items() for entry in entries]
    if twice := {r.what for r in found if sum((r.paper, r.what) == (o.paper, o.what) for o in found) > 1}:
        raise ContentsError(f"{ROWS.name}: {min(twice)!r} stands there twice")
    return tuple(found)


def check(paper: str, entry: dict) -> Row:
    """An entry of the file as a row; ContentsError for a field that is unknown, missing, or names what is not there."""
    if not isinstance(entry, dict) or not isinstance(entry.get("what"), str):
        raise ContentsError(f"{ROWS.name}, {paper}: {entry!r}; expected a mapping with a text 'what'")
    lists = ("at", "claims", "measured", "reported")
    if unknown := set(entry) - {"kind", "what", "where", "reason", "note", *lists}:
        raise ContentsError(f"{ROWS.name}, {entry['what']!r} has the unknown field {min(unknown)!r}")
    given = {name: tuple(entry.get(name, ())) for name in lists}
    where = tuple(
        (k, tuple(map(str, v)) if isinstance(v, list) else (str(v),)) for k, v in entry.get("where", {}).items()
    )
    row = Row(paper, **{**entry, **given, "where": where, "kind": entry.get("kind", "")})
    declared = study.parameters(row.study) if row.study else {}
    fits = {
        "paper": (paper in PAPERS, f"one of {', '.join(PAPERS)}"),
        "kind": (row.kind in KINDS, f"one of {', '.join(KINDS)}"),
        "at": (all(exists(place) for place in row.at), "study#anchor, page#anchor or lib/path.py#name, which exist"),
        "claims": (set(row.claims) <= set(claims.known()), "ids of claims of the book"),
        "where": (all(name in declared for name, _ in where), f"parameters of its study {row.study!r}"),
        "reason": (row.reason in ("", *REASONS), f"one of {'; '.join(REASONS)}"),
        "note": (bool(row.note) == bool(row.reason), "a text where there is a reason, and there alone"),
        "reported": (all((report.REPORTED / n).exists() for n in row.reported), "files of results/reported"),
    }
    for name, (fit, wanted) in fits.items():
        if not fit:
            raise ContentsError(f"{ROWS.name}, {row.what!r}: {name}={entry.get(name, paper)!r}; expected {wanted}")
    if not row.at and not row.reason:
        raise ContentsError(f"{ROWS.name}, {row.what!r} has neither a link (at) nor a reason")
    if row.study and not row.presets and not row.reason:
        raise ContentsError(f"{ROWS.name}, {row.what!r}: no preset of {row.study} has {dict(where)}; give the reason")
    return row


def exists(place: str) -> bool:
    """Whether a link of a row leads somewhere."""
    page, _, anchor = place.partition("#")
    if page.startswith("lib/"):
        path = ROOT / page
        return path.exists() and bool(re.search(rf"^(?:class|def) {anchor}\b", path.read_text(encoding="utf-8"), re.M))
    return anchor in _anchors(page) if anchor else (ROOT / f"book/{page}.md").exists()


@functools.cache
def _anchors(page: str) -> dict[str, str]:
    """The words of each anchor of a study or a prose page: headings, labels of numbered statements, named figures."""
    path = study.source(page) if page in study.names() else ROOT / f"book/{page}.md"
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8") + notebook.text(page)
    headings = re.findall(r"^(?:# )?#{2,3} (.+)$", text, re.M)
    labels = re.findall(r"^# :label: *(\S+)$", text, re.M)
    figures = re.findall(r"(?:run\.show|^figure)\(\s*\"([\w-]+)\"", text, re.M)
    found = {make_id(h): h for h in headings} | {label: label for label in labels}
    return found | {f"fig-{name}": f"figure {name}" for name in figures}


def _records() -> tuple[run_records.RunRecord, ...]:
    return _records_in(run_records.RESULTS)


@functools.cache
def _records_in(_: Path) -> tuple[run_records.RunRecord, ...]:
    return tuple(run_records.recorded())


@functools.cache
def _quantities(run: run_records.RunRecord) -> frozenset[str]:
    return frozenset(kept.table(run.folder, "results.csv").quantity)


def _words(value) -> set[str]:
    """A parameter's value as text, and where it is a list in commas its parts."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return {text, *(part.strip() for part in text.split(","))}


def table() -> str:
    """The rows, a table a paper, with how many there are."""
    parts = []
    for paper, name in PAPERS.items():
        mine = [row for row in rows() if row.paper == paper]
        whole = sum(not row.reason for row in mine)
        head = ["", "what it holds", "where it is here", "presets", "recorded", "what is missing"]
        parts.append(
            f"## {name}\n\n{{cite:t}}`{paper}`, {len(mine)} rows: {whole} are here, {len(mine) - whole} in part or "
            f"not at all.\n\n{report.table(head, [_cells(row) for row in mine])}"
        )
    return "\n\n".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    links = " · ".join([*map(_link, row.at), *map(_claim, row.claims)]) or "–"
    missing = f"**{row.reason}**: {statements.escaped(row.note)}" if row.reason else ""
    runs = ", ".join(run.link for run in row.recorded()) or "no" if row.study else "–"
    return row.kind, statements.escaped(row.what), links, ", ".join(row.presets) or "–", runs, missing


def _link(place: str) -> str:
    page, _, anchor = place.partition("#")
    if page.startswith("lib/"):
        return f"[`{anchor}`]({page}#{anchor})"
    folder = "notebooks/" if page in study.names() else ""
    title = in_order.title(page).partition(":")[0] if folder else page.replace("-", " ").capitalize()
    words = statements.escaped(": ".join([title, *([_anchors(page)[anchor]] if anchor else [])]))
    return f'<a href="{folder}{page}.html{"#" * bool(anchor)}{anchor}">{words}</a>'


def _claim(name: str) -> str:
    return f'<a href="scoreboard.html#{name}"><code>{name}</code></a>'


def reasons() -> str:
    """How many rows each reason has."""
    found = [(reason, sum(row.reason == reason for row in rows())) for reason in REASONS]
    return report.table(["what is missing", "rows"], [(r, n) for r, n in found if n])
