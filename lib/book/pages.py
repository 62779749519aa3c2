"""The pages that are made from runs: verdicts, scoreboard, status, sweeps and the front page's figure."""

import functools
import html
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from lib import claims, records, study
from lib.book import outside
from lib.figures import charts
from lib.hashing import ROOT
from lib.study import kept, page
from lib.study.report import CLASSES, NONE, SIGNS, badge, marked

RESULTS = ROOT / "results"
COVERAGE = ROOT / "benchmarks/coverage.csv"  # of ``python -m benchmarks.coverage``
MAIN_FIGURE = ("cifar10_undersampling", "rh")  # study and figure of the front page
NAME = re.compile(r"[\w.-]+")  # of a run's folder
CHAPTER = re.compile(r"(\{doc\}`(?:[^`<]*<)?)(\w+)(>?`)")  # a link to a chapter, written from the folder of chapters
TESTS = {("below", True): "below", ("below", False): "at most", ("above", True): "above", ("above", False): "at least"}


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

    @property
    def link(self) -> str:
        """The run's id, with a link to its record, from the top of the site."""
        return f'<a href="{html.escape(self.static)}/provenance.json">{html.escape(self.id)}</a>'

    def amiss(self) -> str:
        """Why no page can be made of the folder, and what to do; empty where one can."""
        if self.study not in study.names() or not NAME.fullmatch(self.id):
            return "its name is not that of a run; rename it, or delete it"
        readers = {
            "provenance.json": lambda: (self.stamp(""), _status_row(self)),
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


def studies() -> list[str]:
    """Every study, in the order of the table of contents; one that it does not name comes last."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    listed = [c["file"].removeprefix("notebooks/") for part in parts for c in part["chapters"]]
    known = study.names()
    return [name for name in listed if name in known] + [name for name in known if name not in listed]


def title(name: str) -> str:
    """A study's title, as its notebook has it."""
    return re.search(r"^# # (.*)$", study.cells(name)[0][1], re.M)[1]


def _claims() -> list[claims.Claim]:
    return [claim for name in studies() for claim in claims.of(name)]


def verdicts(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a claim: authors' numbers, recorded runs, this run."""
    head = ("claim", "authors' numbers", "recorded runs", "this run")
    rows = []
    for claim in _claims():
        authors, record, run = (_judged(claim, source, chapters, records_) for source in ("authors", "recorded", "run"))
        link = f'<a href="scoreboard.html#{claim.id}">{html.escape(claim.statement)}</a>'
        rows.append((link, *("<br>".join(verdict(j) for j in part) for part in (authors, record, run))))
    return raw(table(head, rows, "verdicts"))


def papers(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """The headline claims of the papers on the numbers that these print: how many hold, and a row for each number."""
    head, rows, words = ("claim", "paper", "data", "printed", "holds where", "verdict"), [], []
    headlines = [claim for claim in _claims() if claim.headline]
    for claim in headlines:
        link = f'<a href="scoreboard.html#{claim.id}">{html.escape(claim.statement)}</a>'
        test = f"{TESTS[claim.side, claim.strict]} {claim.threshold:g}"
        points = [j for j in _judged(claim, "authors", chapters, records_) if j["verdict"] not in NONE]
        words.append({j["verdict"] for j in points})
        for j in points:
            cells = (html.escape(claim.cite), html.escape(j["data"]), number(j["effect"]), test, badge(j["verdict"]))
            rows.append((link, *cells))
    hold, fail = (words.count({word}) for word in (claims.HOLDS, claims.FAILS))
    both, none = words.count({claims.HOLDS, claims.FAILS}), words.count(set())
    return (
        f"Of {len(headlines)} headline claims the papers print a number for {len(headlines) - none}. On their own "
        f"numbers **{hold} hold, {fail} do not hold**, and {both} hold on some of their data sets alone. A number "
        f"without seeds is set against the threshold as it is.\n\n{raw(table(head, rows, 'verdicts'))}"
    )


def ungated() -> str:
    """The claims about data that are judged whether or not the encoders learned, each with its reason."""
    free = [claim for claim in _claims() if claim.ungated]
    return "\n".join(f"* {{ref}}`{c.statement} <{c.id}>` It is about {c.ungated}." for c in free)


def coverage() -> str:
    """How often each rule for an interval held the true value in simulation: a row a rule and law, in per cent."""
    found = pd.read_csv(COVERAGE)
    cells = found.pivot_table(index=["rule", "law"], columns="seeds", values="coverage", sort=False)
    first = set(found.drop_duplicates("rule")[["rule", "law"]].itertuples(index=False, name=None))
    rows = [
        (names[0] if names in first else "", names[1], *(f"{100 * value:.1f}" for value in line))
        for names, *line in cells.itertuples()
    ]
    return raw(table(("rule", "law of the seeds", *(f"{n} seeds" for n in cells)), rows, "benchmarks"))


def many_claims(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """How many verdicts rest on an interval, and what 95 % means for so many."""
    lines = []
    for source, name in (("run", "this run"), ("recorded", "the runs of record")):
        rows = [j for claim in _claims() for j in _judged(claim, source, chapters, records_)]
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
    for paper in dict.fromkeys(claim.cite for claim in _claims() if claim.headline):
        mine = [claim for claim in _claims() if claim.headline and claim.cite == paper]
        links = [f'<a href="scoreboard.html#{c.id}">{html.escape(c.statement)}</a>' for c in mine]
        columns = [_twice(mine, source, chapters, records_) for source in ("recorded", "run")]
        rows = [(link, *record, *run) for link, record, run in zip(links, *columns, strict=True)]
        parts.append(f"{{cite:t}}`{paper}`\n\n{raw(table(head, rows, 'verdicts headlines'))}")
    return "\n\n".join(parts)


def _twice(mine: list[claims.Claim], source: str, chapters: dict, records_: list) -> list[tuple[str, str]]:
    """Of each claim the verdicts from one source, at 95 % and by Holm's method over those that have seeds."""
    found = [(claim, j) for claim in mine for j in _judged(claim, source, chapters, records_)]
    family = [(claim, j) for claim, j in found if j.get("seeds", 0) > 0]
    ends = [(j.get("null_low", math.nan), j.get("null_high", math.nan)) for _, j in family]
    each = zip(family, ends, strict=True)
    strict = claims.holm([(claim, j["verdict"], seeds_of(j), *null) for (claim, j), null in each])
    for (_, j), word in zip(family, strict, strict=True):
        j["holm"] = badge(word)
    own = [[j for other, j in found if other == claim] for claim in mine]
    return [("<br>".join(map(verdict, js)), "<br>".join(j.get("holm", "–") for j in js)) for js in own]


def seeds_of(j: dict) -> tuple[float, ...]:
    """The effects of a judgement, one a seed; () where the run did not keep them."""
    return tuple(map(float, j["values"].split())) if isinstance(j.get("values"), str) else ()


def tally(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A row a study: its question, and how many of its claims hold, do not hold or are not decided, by source."""
    head, rows = ("study", "claims", "authors' numbers", "recorded runs", "this run"), []
    for name in dict.fromkeys(claim.study for claim in _claims()):
        mine = [claim for claim in _claims() if claim.study == name]
        counts = []
        for source in ("authors", "recorded", "run"):
            words = [j["verdict"] for claim in mine for j in _judged(claim, source, chapters, records_)]
            kinds = [w for w in (claims.HOLDS, claims.FAILS, claims.UNDECIDED) if w in words]
            spans = [
                f'<span class="verdict {CLASSES[w]}" title="{w}">{words.count(w)} {SIGNS[w]}'
                f'<span class="visually-hidden"> {w}</span></span>'
                for w in kinds
            ]
            counts.append(" &ensp; ".join(spans) or "none")
        rows.append((f'<a href="notebooks/{name}.html">{html.escape(title(name))}</a>', len(mine), *counts))
    legend = ", ".join(f"{SIGNS[w]} {w}" for w in (claims.HOLDS, claims.FAILS, claims.UNDECIDED))
    return f"{raw(table(head, rows, 'verdicts tally'))}\n\n{legend}."


def claim_sections(chapters: dict[str, RunRecord], records_: list[RunRecord]) -> str:
    """A section a claim, with its anchor: what it says, what it rests on, and every judgement in full."""
    return "\n\n".join(_section(claim, chapters, records_) for claim in _claims())


def _section(claim: claims.Claim, chapters: dict, records_: list) -> str:
    head = ("judged on", "verdict", "effect", "95 % interval", "seeds", "data, preset")
    rows = []
    for source, name in (("authors", "authors' published numbers"), ("recorded", "recorded run"), ("run", "this run")):
        for j in _judged(claim, source, chapters, records_):
            rows.append((name + j.get("link", ""), verdict(j), *_numbers(j)))
    side = f"{claim.quantity} is {TESTS[claim.side, claim.strict]} {claim.threshold:g}"
    return (
        f"({claim.id})=\n## {claim.statement}\n\n`{claim.id}`, {owner(claim)}, {claim.place}; data: {claim.sets}. "
        f"It holds where the {side}. {_registered(claim.registered)}\n\n{raw(table(head, rows, 'judgements'))}"
    )


def owner(claim: claims.Claim) -> str:
    """Whose statement it is, in words."""
    words = {"paper": "of", "known": "known, see", "derived": "derived here"}
    words |= {"definition": "a definition or question of this book", "numerical": "seen in numbers alone"}
    words |= {claims.UNCHECKED: "the book's own"}
    return words[claim.whose] + (f" {{cite:t}}`{claim.cite}`" if claim.cite else "")


def _registered(about: dict) -> str:
    """When the threshold was fixed, and every later change with its reason."""
    changes = (f"; {c['change']} on {c['date']}: {c['reason']}" for c in about.get("changes", ()))
    note = f" {about['note']}" if about.get("note") else ""
    return f"Threshold of {about['date']}, commit `{about['commit']}`{''.join(changes)}.{note}"


def registered(records_: list[RunRecord]) -> str:
    """How many thresholds carry a note, were changed, or are dated after a run of record of their study began."""
    every, begun = _claims(), {}
    for run in records_:
        begun[run.study] = min(run.provenance["started"][:10], begun.get(run.study, "9"))
    noted = sum("note" in claim.registered for claim in every)
    changed = sum("changes" in claim.registered for claim in every)
    late = sum(str(claim.registered["date"]) > begun.get(claim.study, "9") for claim in every)
    text = (
        f"The [scoreboard](scoreboard.md) has, with each of the {len(every)} claims, the date and the commit of its "
        f"threshold. With {noted} of them a note says what was known when the threshold was set, such as a pilot; "
        f"{changed} were changed later, and the reason stands there."
    )
    doubt = "are dated after a run of record of their study had begun: that their thresholds were fixed before that run"
    return f"{text} {late} {doubt} cannot be shown." if late else text


def _judged(claim: claims.Claim, source: str, chapters: dict, records_: list) -> list[dict]:
    """Every judgement of a claim from one source; a single "not run" or "no published number" where there is none."""
    mine = [run for run in records_ if run.study == claim.study]
    here = [chapters[claim.study]] if claim.study in chapters else []
    runs = {"authors": here or mine, "recorded": mine, "run": here}[source]  # printed numbers are judged anew by each
    column, found = "authors" if source == "authors" else "run", []
    for run in runs:
        table = run.claims
        for row in table[(table["source"] == column) & (table["claim"] == claim.id)].to_dict("records"):
            link = f" <small>{run.link}</small>"
            found.append(row | {"link": "" if source == "authors" else link, "source": source})
    if source == "authors":  # a published number once, whichever runs have it
        seen = [(row["effect"], row["data"]) for row in found]
        found = [row for i, row in enumerate(found) if seen[i] not in seen[:i]]
        found = [row | {"mark": f"point, {row['data']}" if len(found) > 1 else "point"} for row in found]
    missing = claims.NO_RUN if claim.printed else claims.NOT_RUN
    return found or [{"verdict": claims.NOT_PUBLISHED if source == "authors" and runs else missing}]


def verdict(j: dict) -> str:
    """The badge of a verdict with its mark; the authors' own numbers have none and are points."""
    if j["verdict"] not in SIGNS:
        raise SiteError(f"verdict {j['verdict']!r} is unknown; expected one of {', '.join(SIGNS)}")
    note = j.get("mark")
    return badge(j["verdict"], *[note] if isinstance(note, str) and note else [])


def _numbers(j: dict) -> tuple[str, str, str, str]:
    """Effect, interval, seeds, and data with preset."""
    if j["verdict"] in NONE:
        return "", "", "", ""
    if j["source"] == "authors":
        return number(j["effect"]), "none published", "not published", html.escape(f"{j['data']}, as published")
    ends = "none" if math.isnan(j["low"]) else f"{number(j['low'])} to {number(j['high'])}"
    if not math.isnan(j.get("null_low", math.nan)):
        ends += f"<br><small>null: {number(j['null_low'])} to {number(j['null_high'])}</small>"
    return number(j["effect"]), ends, str(int(j["seeds"])), html.escape(f"{j['data']}, {j['preset']}")


def status(chapters: list[RunRecord], records_: list[RunRecord], asked: list[RunRecord]) -> str:
    """A block a run: what it is, where and how long it ran, the code and the versions."""
    head = ("run", "data, preset, device, seeds", "seconds", "memory", "code", "versions")
    rows = [_status_row(run) for run in [*chapters, *records_, *asked]]
    missing = sorted({c.study for c in _claims()} - {run.study for run in chapters})
    rows += [(name, badge(claims.NOT_RUN), *[""] * 4) for name in missing]
    return raw(table(head, rows, "runs"))


def _status_row(run: RunRecord) -> tuple[str, ...]:
    p = run.provenance
    page = {"this book": f"notebooks/{run.study}.html", "asked for": f"{run.page}.html"}.get(run.kind)
    name = f'<a href="{html.escape(page)}">{html.escape(run.study)}</a>' if page else html.escape(run.study)
    commit = str(p["git"]["commit"] or "")[:10] or "not in git"
    dirty = ' <span class="verdict undecided">with changes not committed</span>' if p["git"]["dirty"] else ""
    versions = ", ".join(f"{k} {v}" for k, v in {"Python": p["python"], **p["packages"]}.items())
    seconds = f"{p['seconds']:,.0f}" + (
        f"<br>and {p['training_seconds']:,.0f} training" if p.get("training_seconds") else ""
    )
    place = html.escape(f"{p['processor']}, threads {words(p['threads'])}")
    started, python = html.escape(str(p["started"])), html.escape(str(p["python"]))
    return (
        f'<span id="{html.escape(run.id)}">{name}</span><br><small>{run.kind}: {run.link}<br>{started}</small>',
        f"{html.escape(run.face)}<br><small>{place}</small>",
        seconds,
        f"{p['peak_memory_mib']:,} MiB",
        f"<code>{html.escape(commit)}</code>{dirty}",
        f"<details><summary>Python {python}</summary><small>{html.escape(versions)}</small></details>",
    )


def main_figure(chapters: dict[str, RunRecord]) -> str:
    """The front page's figure: a study's heatmaps drawn small from its own data; a note where it was not run."""
    owner, name = MAIN_FIGURE
    if owner not in chapters:
        return f"*The main figure comes from the study {owner}, which was not run.*"
    run = chapters[owner]
    path = run.file(f"figures/{name}.csv")
    text = _output(run, name)
    chart = charts.heatmaps(pd.read_csv(path, dtype={"row": str, "column": str}), cell=15, columns=4, bare=True)
    caption = f'{text["caption"]} <a href="notebooks/{owner}.html#fig-{name}">In the study.</a>'
    still = f"{run.static}/figures/{name}.svg"
    return figure(f"front-{name}", page.live(chart, f"front-{name}", text["description"], still), caption)


def _output(run: RunRecord, name: str) -> dict[str, str]:
    """Alternative text and caption of a figure, from the executed notebook."""
    for cell in run.notebook.cells:
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/html", ""))
            if f'id="fig-{name}"' in text:
                alt_text = re.search(r'<img [^>]*alt="([^"]*)"', text)[1]
                caption = re.search(r"<figcaption>(.*?)<br><small", text, re.S)[1]
                return {"description": html.unescape(alt_text), "caption": caption}
    raise SiteError(f"the run {run.id} of {run.study} has no figure {name!r}, which the front page shows")


def figure(name: str, body: str, caption: str) -> str:
    return raw(f'<figure class="result" id="fig-{name}">{body}<figcaption>{caption}</figcaption></figure>')


def table(head: tuple[str, ...], rows: list[tuple[str, ...]], kind: str) -> str:
    cells = "".join(f"<th>{h}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in rows)
    head_ = f"<thead><tr>{cells}</tr></thead>"
    return f'<div class="scroll"><table class="table {kind}">{head_}\n<tbody>\n{body}</tbody></table></div>'


def raw(text: str) -> str:
    return f"```{{raw}} html\n{text}\n```"


def number(value: float) -> str:
    return claims.shown(value).replace("-", "−")


def words(value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
