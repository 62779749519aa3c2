"""Runs on disk as the site shows them: of record, of this book, asked for."""

import functools
import html
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd

from lib import records, study
from lib.book import markup, outside
from lib.hashing import ROOT
from lib.study import kept
from lib.study.report import CLASSES, marked

RESULTS = ROOT / "results"
NAME = re.compile(r"[\w.-]+")  # of a run's folder


class SiteError(ValueError):
    """Something that the site needs is missing or does not fit; the message says what to do."""


@dataclass(frozen=True)
class RunRecord:
    """A run on disk: its study, its folder, and why the site shows it ("this book", "recorded", "asked for")."""

    study: str
    folder: Path
    kind: str

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def page(self) -> str:
        """The page of a run that is not a chapter."""
        return f"runs/{self.study}-{self.id}"

    @property
    def static(self) -> str:
        """Where the site keeps the run's files."""
        return f"_static/{'recorded' if self.kind == 'recorded' else 'runs'}/{self.study}/{self.id}"

    @functools.cached_property
    def provenance(self) -> dict:
        return kept.provenance(self.folder)

    @property
    def notebook(self) -> nbformat.NotebookNode:
        """What a page may show of the executed notebook, read anew; ``records.Damaged`` where it is not whole."""
        path = self.file("executed.ipynb")
        records.read_json(path, kept.remedy(self.folder), ("cells", "nbformat"))
        return outside.cleaned(nbformat.read(path, as_version=4))

    def file(self, name: str) -> Path:
        """The path of one of the run's files; ``records.Damaged`` where it is not what was written."""
        return kept.file(self.folder, name)

    @functools.cached_property
    def figures(self) -> dict[str, bytes]:
        """The files of the run's figures by name: tables and pictures; ``records.Damaged``, by name, for another."""
        names = sorted(path.name for path in (self.folder / "figures").glob("[!.]*"))
        found = {name: self.file(f"figures/{name}").read_bytes() for name in names}
        for name, content in found.items():
            if wrong := outside.amiss(name, content):
                raise records.Damaged(f"{self.folder}/figures/{name} {wrong}; {kept.remedy(self.folder)}")
        return found

    @functools.cached_property
    def claims(self) -> pd.DataFrame:
        """claims.csv of the run with its marks found anew; empty where there is none."""
        if not (self.folder / "claims.csv").exists():
            return pd.DataFrame(columns=["source", "claim"])
        return marked(kept.table(self.folder, "claims.csv"), self.provenance["params"])

    @functools.cached_property
    def judged(self) -> dict[tuple[str, str], list[dict]]:
        """The rows of ``claims`` by source and claim, with the ends of the file, "low then" and "high then"."""
        if self.claims.empty:
            return {}
        then = kept.table(self.folder, "claims.csv").reindex(columns=["low", "high"]).rename(columns="{} then".format)
        found: dict[tuple[str, str], list[dict]] = {}
        for row in self.claims.join(then).to_dict("records"):
            found.setdefault((row["source"], row["claim"]), []).append(row)
        return found

    @property
    def link(self) -> str:
        """The run's id, with a link to its record, from the top of the site."""
        return f'<a href="{html.escape(self.static)}/provenance.json">{html.escape(self.id)}</a>'

    def amiss(self) -> str:
        """Why no page can be made of the folder, and what to do; empty where one can."""
        if self.study not in study.names() or not NAME.fullmatch(self.id):
            return "its name is not that of a run; rename it, or delete it"
        readers = {
            "provenance.json": lambda: (self.stamp(""), self.described()),
            "claims.csv": lambda: self.claims["verdict"].map(CLASSES.__getitem__),
            "results.csv": lambda: kept.table(self.folder, "results.csv"),
            "executed.ipynb": lambda: (self.notebook, self.figures),
        }
        for name, read in readers.items():
            if not (self.folder / name).exists():
                return f"it has no {name}; {kept.remedy(self.folder)}"
            try:
                read()
            except records.Damaged as error:
                return str(error)
            except (AttributeError, KeyError, TypeError, ValueError):
                return f"its {name} is damaged; {kept.remedy(self.folder)}"
        return ""

    @property
    def face(self) -> str:
        """Data, preset, device and seeds."""
        return study.face(self.provenance["params"], self.provenance["device"])

    @property
    def title(self) -> str:
        """What tells the run from its study's chapter: the parameters that are not the declared ones, or its id."""
        changed = self.changed()
        return ", ".join(f"{k}={v}" for k, v in changed.items()) if 0 < len(changed) <= 4 else self.id

    def changed(self) -> dict:
        """The parameters that differ from the study's declared defaults."""
        declared = {name: p.default for name, p in study.parameters(self.study).items()}
        return {k: v for k, v in self.provenance["params"].items() if k in declared and v != declared[k]}

    def described(self) -> tuple[str, ...]:
        """What the run is, in cells of the table of runs."""
        p = self.provenance
        page = {"this book": f"notebooks/{self.study}.html", "asked for": f"{self.page}.html"}.get(self.kind)
        name = f'<a href="{html.escape(page)}">{html.escape(self.study)}</a>' if page else html.escape(self.study)
        commit = str(p["git"]["commit"] or "")[:10] or "not in git"
        dirty = ' <span class="verdict undecided">with changes not committed</span>' if p["git"]["dirty"] else ""
        versions = ", ".join(f"{k} {v}" for k, v in {"Python": p["python"], **p["packages"]}.items())
        seconds = f"{p['seconds']:,.0f}" + (
            f"<br>and {p['training_seconds']:,.0f} training" if p.get("training_seconds") else ""
        )
        place = html.escape(f"{p['processor']}, threads {markup.words(p['threads'])}")
        started, python = html.escape(str(p["started"])), html.escape(str(p["python"]))
        return (
            f'<span id="{html.escape(self.id)}">{name}</span><br><small>{self.kind}: {self.link}<br>{started}</small>',
            f"{html.escape(self.face)}<br><small>{place}</small>",
            seconds,
            f"{p['peak_memory_mib']:,} MiB",
            f"<code>{html.escape(commit)}</code>{dirty}",
            f"<details><summary>Python {python}</summary><small>{html.escape(versions)}</small></details>",
        )

    def stamp(self, up: str) -> str:
        """The line under a study's title: which run the page shows, and its files."""
        base, changed = html.escape(f"{up}{self.static}"), self.changed()
        names = {f"{self.study}.ipynb": "executed notebook", "results.csv": "results", "claims.csv": "verdicts"}
        names["provenance.json"] = "record"
        links = " · ".join(f'<a href="{base}/{file}" download>{text}</a>' for file, text in names.items())
        given = "; ".join(f"<code>{html.escape(f'{k}={v}')}</code>" for k, v in changed.items()) or "all as declared"
        return (
            f'<div class="stamp">Run <code>{html.escape(self.id)}</code>: {html.escape(self.face)}.<br>'
            f"Parameters: {given}.<br>Download: {links}{self._other_records()}</div>"
        )

    def _other_records(self) -> str:
        """What to do where the page was drawn beside other runs of record than the present ones; else nothing."""
        drawn = self.provenance.get("recorded")  # None: the page draws none, or the record is older than the field
        present = [run.id for run in recorded() if run.study == self.study]
        if drawn is None or sorted(drawn) == sorted(present):
            return ""
        then, now = (", ".join(f"<code>{html.escape(i)}</code>" for i in ids) or "none" for ids in (drawn, present))
        chapter = self.kind == "this book"
        command = "make book</code>" if chapter else f"make run STUDY={self.study}</code> with its parameters"
        return (
            f"<br>Figures and tables were drawn beside the recorded runs of that time ({then}); there are others now "
            f"({now}), which the table of claims has. To draw all anew, delete the folder "
            f"<code>results/runs/{self.study}/{self.id}</code> and type <code>{command}."
        )


def asked_for() -> list[RunRecord]:
    """Runs of this machine that somebody asked for: finished, with a file ``requested`` in the folder.

    A folder that does not hold a whole run of a study is named on the screen and left out.
    """
    found = []
    for folder in (path.parent for path in sorted(RESULTS.glob("runs/*/*/requested"))):
        run = RunRecord(folder.parent.name, folder, "asked for")
        if not (folder / "executed.ipynb").exists():
            continue
        if reason := run.amiss():
            print(f"site: no page for {folder}: {reason}", file=sys.stderr)
        else:
            found.append(run)
    return found


def recorded() -> list[RunRecord]:
    """The runs of record that are kept in git."""
    found = sorted(RESULTS.glob("recorded/*/*/provenance.json"))
    return [RunRecord(f.parent.parent.name, f.parent, "recorded") for f in found]
