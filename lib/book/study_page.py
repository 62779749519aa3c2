"""The page of a run: the executed notebook with the present prose, its stamp, its links and its downloads."""

import ast
import copy
import html
import re

import jupytext
import nbformat
import pandas as pd

from lib import claims, hashing
from lib.book import bootstrap, findings, in_order, lessons, live_charts, opening, run_records, scale, sources_shown
from lib.book.classroom import chapter
from lib.book.run_records import RunRecord, SiteError
from lib.hashing import ROOT
from lib.study import report

LINK = re.compile(r'href="(?:\.\./)*((?:lib|notebooks)/[\w/]+\.py)(?:#(\w+))?"')
FIGURE_LINKS = re.compile(r"<br><small class='links'>.*?</small>")
CLAIM = re.compile(r"^\| `([\w-]+)` ", re.M)  # the first cell of a table of verdicts
HIDDEN = {"parameters": "hide-input", "injected-parameters": "remove-cell"}


def merge(source: nbformat.NotebookNode, executed: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The executed notebook with the present prose and tags; papermill's cell of injected parameters is kept.

    SiteError: the code cells are not those that ran.
    """
    ran = [c for c in executed.cells if c.cell_type == "code"]
    injected = [c for c in ran if "injected-parameters" in c.metadata.get("tags", [])]
    ran = [c for c in ran if c not in injected]
    present = [c for c in source.cells if c.cell_type == "code"]
    if [_form(c.source) for c in ran] != [_form(c.source) for c in present]:
        raise SiteError(f"{name}: the code cells are not those that were executed; run `make book` again")
    outputs, cells = iter(ran), []
    for number, cell in enumerate(source.cells):
        cell = nbformat.from_dict(cell | {"id": f"cell-{number}"})
        if cell.cell_type == "code":
            done = next(outputs)
            cell |= {"outputs": done.outputs, "execution_count": done.execution_count}
        cells.append(cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += injected
    return nbformat.from_dict(executed | {"cells": cells})


def _form(cell: str) -> str:
    """A code cell without comments and layout, as in a run's key; its magics left out."""
    return hashing.normal_form(ast.parse(re.sub(r"^\s*[%!].*$", "", cell, flags=re.M)))


def files(run: RunRecord, page: str) -> dict[str, bytes]:
    """The page of a run, and its downloads: the notebook as merged, results, verdicts, record and figures.

    A study's own page has its exercises; that of another run of the study has none.
    """
    if not (run.folder / "executed.ipynb").exists():
        raise SiteError(f"{run.folder} holds no executed.ipynb; run the study {run.study} first, with `make book`")
    executed = run.notebook
    source = jupytext.read(ROOT / "notebooks" / f"{run.study}.py")
    try:
        notebook = merge(source, executed, run.study)
    except SiteError:
        if run.kind == "this book":
            raise
        notebook = executed  # a run of earlier code keeps the prose it was made with
    is_chapter = page != run.page
    if is_chapter:
        notebook.cells = chapter.together(notebook.cells, run.study)
    download = f"{run.static}/{run.study}.ipynb"
    files = {download: (nbformat.writes(_alone(notebook, run)) + "\n").encode()}
    for name in ("results.csv", "claims.csv", "provenance.json"):
        files[f"{run.static}/{name}"] = run.file(name).read_bytes()
    for name, content in run.figures.items():
        files[f"{run.static}/figures/{name}"] = live_charts.slim(content) if name.endswith(".svg") else content
    up = "../" * page.count("/")
    notebook.cells = lessons.without_solutions(notebook.cells, run.study, up)
    for cell in notebook.cells:
        _adapt(cell, run, page)
    if not is_chapter:
        notebook.cells = [c for c in (_plain(cell, run) for cell in notebook.cells) if c]
    about = f"{lessons.asks(run.study, up)} {_scale(run)}".strip()
    of_record = findings.of_record(run.study) if is_chapter else ""
    opening.arrange(notebook.cells, about, run.stamp(up), of_record, _judged(run), chapter=is_chapter)
    opening.introduce(notebook.cells, up)
    notebook.metadata["book"] = {"download": download}
    return files | {f"{page}.ipynb": (nbformat.writes(notebook) + "\n").encode()}


def _alone(notebook: nbformat.NotebookNode, run: RunRecord) -> nbformat.NotebookNode:
    """The notebook as it is downloaded: every chart is its still picture, in the file; it has no scripts and no links
    to files beside it.  Where the address of the repository is known, a cell under its title gets the library."""

    found = copy.deepcopy(notebook)
    for output in (output for cell in found.cells for output in cell.get("outputs", [])):
        if "text/html" in output.get("data", {}):
            text = FIGURE_LINKS.sub("", output.data["text/html"])
            output.data["text/html"] = live_charts.still(text, lambda name: run.figures.get(name, b""))
    if source := bootstrap.cell():
        found.cells.insert(1, nbformat.v4.new_code_cell(source, id="cell-library"))
    return found


def _scale(run: RunRecord) -> str:
    """At what scale the run was made; nothing for a run whose parameters are no longer those of its study."""
    try:
        return scale.line(run)
    except (ValueError, AttributeError, KeyError, TypeError):
        if run.kind == "this book":
            raise
        return ""


def _judged(run: RunRecord) -> str:
    """How many claims the run decides, and how many the runs of record of its study do."""
    made = run.claims[run.claims.source == "run"].verdict
    kept = pd.concat([r.claims for r in run_records.recorded() if r.study == run.study] or [run.claims.iloc[:0]])
    best = kept[kept.source == "run"]
    return " ".join(
        [opening.judged(made, "This run gives"), opening.judged(best.verdict, "The runs of record give")]
    ).strip()


def _adapt(cell, run: RunRecord, page: str) -> None:
    """Tags, and links that work within the site."""
    tags = cell.metadata.get("tags", [])
    cell.metadata["tags"] = sorted({*tags, *(HIDDEN[t] for t in tags if t in HIDDEN)})
    if cell.cell_type == "markdown":
        cell.source = sources_shown.markdown(cell.source, page)
    for output in cell.get("outputs", []):
        about = output.get("metadata", {}).get("book", {})
        if "verdicts" in about:  # the wording is the present one; the numbers are the run's
            names = [name for name in about["verdicts"] if name in claims.known()]
            judged, records_ = report.judged(run.claims), report.recorded(run.study)
            linked = rf'| <a href="{"../" * page.count("/")}scoreboard.html#\1"><code>\1</code></a> '
            output.data["text/markdown"] = CLAIM.sub(linked, report.verdicts(judged, records_, names))
        if "text/html" in output.get("data", {}):
            text = _links("".join(output.data["text/html"]), run, "../" * page.count("/"))
            output.data["text/html"] = live_charts.light(text, lambda name: run.figures.get(name, b""))
    opening.explain(cell)


def _plain(cell, run: RunRecord):
    """A cell as it stands on the page of a further run, which lies elsewhere: named by its run, links to chapters from
    the top, labels of its own.  Without one, statements of several pages would get the same.  The exercises that runs
    of earlier code hold are left out."""
    for output in cell.get("outputs", []):
        if "text/markdown" in output.get("data", {}):
            output.data["text/markdown"] = in_order.CHAPTER.sub(
                r"\1/notebooks/\2\3", "".join(output.data["text/markdown"])
            )
    if cell.cell_type != "markdown":
        return cell
    if re.search(r"[`:]{3,}\{(exercise|solution)", cell.source):
        return None
    text = in_order.CHAPTER.sub(r"\1/notebooks/\2\3", cell.source)
    text = re.sub(r"^(\s*:label:) *([\w-]+)", rf"\1 \2-{run.id}", text, flags=re.M)
    text = re.sub(r"^\([\w:-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"(\$\$) *\([\w:-]+\)", r"\1", text)
    cell.source = re.sub(r"\A\s*# (.*)", rf"# \1: {html.escape(run.title)}", text)
    return cell


def _links(text: str, run: RunRecord, up: str) -> str:
    """Point a figure's links, which are relative to the run's folder, into the site."""
    text = re.sub(r'(src|href)="(figures/|provenance\.json)', rf'\1="{up}{run.static}/\2', text)
    return LINK.sub(lambda m: f'href="{up}{sources_shown.address(m[1], m[2], run.kind == "this book")}"', text)
