"""The source folder of the site, put together from the book's prose, the executed studies and the records of runs.

``python -m lib.book.site --current STUDY=RUNFOLDER --out build/source``.  The folder is a function of what it is made
from, and only files that changed are written, so that Sphinx reads again what it must.
"""

import argparse
import ast
import copy
import functools
import html
import re
import sys
from pathlib import Path

import jupytext
import nbformat
import yaml
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lib import claims, hashing, records
from lib.book import architecture, benchmarks_page, gpu_page, live_charts, pages, scale, statements, sweeps, undecided
from lib.book.pages import RunRecord, SiteError
from lib.book.runs import KEPT
from lib.hashing import ROOT
from lib.study import report

CODE = "_static/code"
LINK = re.compile(r'href="(?:\.\./)*((?:lib|notebooks)/[\w/]+\.py)(?:#(\w+))?"')
MARKDOWN_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*((?:lib|notebooks)/[\w/]+\.py)(?:#(\w+))?\)")
CHAPTER = re.compile(r"(\{doc\}`(?:[^`<]*<)?)(\w+)(>?`)")  # a link to a chapter, written from the folder of chapters
FIGURE_LINKS = re.compile(r"<br><small class='links'>.*?</small>")
HIDDEN = {"parameters": "hide-input", "injected-parameters": "remove-cell"}


def assemble(current: dict[str, Path], out: Path) -> None:
    """Make ``out`` the book's source: pages, studies, other runs asked for, sweeps, sources and downloads.

    current: run folder of each study whose page is a chapter.  SiteError: a run that does not fit its notebook, or a
    link to lines that are not there.
    """
    chapters = {study: RunRecord(study, Path(folder), "this book") for study, folder in current.items()}
    shown = {run.folder.resolve() for run in chapters.values()}
    asked = [run for run in pages.asked_for() if run.folder.resolve() not in shown]
    recorded, swept = pages.recorded(), sweeps.on_this_machine()
    measured, files_measured = benchmarks_page.parts()
    files = {path: (ROOT / "book" / path).read_bytes() for path in _book_files()}
    files |= {f"{CODE}/{path}.html": _listing(path).encode() for path in _sources()}
    for run in chapters.values():
        files |= _study_page(run, f"notebooks/{run.study}")
    for run in asked:
        files |= _study_page(run, run.page)
    for sweep in swept:
        files |= sweep.files(chapters, asked)
    fill = {
        "main figure": pages.main_figure(chapters),
        "tally": pages.tally(chapters, recorded),
        "registered": pages.registered(recorded),
        "verdicts": pages.verdicts(chapters, recorded),
        "papers": pages.papers(chapters, recorded),
        "ungated": pages.ungated(),
        "open": undecided.table(recorded),
        "coverage": pages.coverage(),
        "many claims": pages.many_claims(chapters, recorded),
        "headlines": pages.headlines(chapters, recorded),
        "claims": pages.claim_sections(chapters, recorded),
        "runs": pages.status(list(chapters.values()), recorded, asked),
        "benchmarks": measured,
        "gpu": gpu_page.text(),
        "architecture": _architecture(),
        "scale": scale.front(chapters),
        "scale by study": scale.by_study(chapters),
        "statements": statements.on_pages(),
        "statements of claims": statements.of_claims(),
    }
    for path in [p for p in files if p.endswith(".md")]:
        text = _markdown(_fill(files[path].decode(), fill), path)
        files[path] = live_charts.light(text).encode()
    for run in recorded:
        files |= {f"{run.static}/{name}": run.file(name).read_bytes() for name in KEPT}
    files |= files_measured | {"_static/coverage.csv": pages.COVERAGE.read_bytes()}
    files["_config.yml"] = _config().encode()
    files["_toc.yml"] = _toc(asked, swept).encode()
    sync(out, files)


def _architecture() -> str:
    """The drawing of the packages, and what each says of itself."""
    rows = [
        (f"<code>{name}</code>", html.escape(what), html.escape(may)) for name, what, may in architecture.packages()
    ]
    table = pages.table(("package", "what lives there", "what it may import"), rows, "packages")
    return pages.raw(f"{architecture.drawing()}\n{table}")


def sync(out: Path, files: dict[str, bytes]) -> None:
    """Give ``out`` exactly these files; one that is already right keeps its time."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.relative_to(out).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = out / name
        if not path.exists() or path.read_bytes() != content:
            with records.atomic(path) as temporary:
                temporary.write_bytes(content)


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


def _study_page(run: RunRecord, page: str) -> dict[str, bytes]:
    """The page of a run, and its downloads: the notebook as merged, results, verdicts, record and figures."""
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
    download = f"{run.static}/{run.study}.ipynb"
    files = {download: (nbformat.writes(_alone(notebook, run)) + "\n").encode()}
    for name in ("results.csv", "claims.csv", "provenance.json"):
        files[f"{run.static}/{name}"] = run.file(name).read_bytes()
    files |= {f"{run.static}/figures/{name}": content for name, content in run.figures.items()}
    _answer_first(notebook.cells)
    for cell in notebook.cells:
        _adapt(cell, run, page)
    if page == run.page:
        notebook.cells = [c for c in (_plain(cell, run) for cell in notebook.cells) if c]
    _stamp(notebook.cells, f"{run.stamp('../' * page.count('/'))}\n\n{_scale(run)}")
    notebook.metadata["book"] = {"download": download}
    return files | {f"{page}.ipynb": (nbformat.writes(notebook) + "\n").encode()}


def _alone(notebook: nbformat.NotebookNode, run: RunRecord) -> nbformat.NotebookNode:
    """The notebook as it is downloaded: every chart is its still picture, in the file; it has no scripts and no links
    to files beside it."""

    found = copy.deepcopy(notebook)
    for output in (output for cell in found.cells for output in cell.get("outputs", [])):
        if "text/html" in output.get("data", {}):
            text = FIGURE_LINKS.sub("", output.data["text/html"])
            output.data["text/html"] = live_charts.still(text, lambda name: run.figures.get(name, b""))
    return found


def _scale(run: RunRecord) -> str:
    """At what scale the run was made; nothing for a run whose parameters are no longer those of its study."""
    try:
        return f'<div class="stamp">{scale.line(run)}</div>'
    except (ValueError, AttributeError, KeyError, TypeError):
        if run.kind == "this book":
            raise
        return ""


def _adapt(cell, run: RunRecord, page: str) -> None:
    """Tags, and links that work within the site."""
    tags = cell.metadata.get("tags", [])
    cell.metadata["tags"] = sorted({*tags, *(HIDDEN[t] for t in tags if t in HIDDEN)})
    if cell.cell_type == "markdown":
        cell.source = _markdown(cell.source, page)
    for output in cell.get("outputs", []):
        about = output.get("metadata", {}).get("book", {})
        if "verdicts" in about:  # the wording is the present one; the numbers are the run's
            names = [name for name in about["verdicts"] if name in claims.known()]
            judged, records_ = report.judged(run.claims), report.recorded(run.study)
            output.data["text/markdown"] = report.verdicts(judged, records_, names)
        if "text/html" in output.get("data", {}):
            text = _links("".join(output.data["text/html"]), run, "../" * page.count("/"))
            output.data["text/html"] = live_charts.light(text)


def _answer_first(cells: list) -> None:
    """Put what the study found, which its notebook knows at the end, right after its question."""
    found = next((cell for cell in cells if "in-short" in cell.metadata.get("tags", [])), None)
    if found is None:
        return
    cells.remove(found)
    first = next(i for i, cell in enumerate(cells) if cell.cell_type == "markdown")
    question, mark, rest = cells[first].source.partition("\n## ")
    cells[first].source = question
    after = [nbformat.v4.new_markdown_cell(mark.strip() + " " + rest, id="cell-rest")] if mark else []
    cells[first + 1 : first + 1] = [found, *after]


def _stamp(cells: list, text: str) -> None:
    """Put the run's line under the title."""
    first = next(i for i, cell in enumerate(cells) if cell.cell_type == "markdown")
    title, _, rest = cells[first].source.strip().partition("\n")
    cells[first].source = f"{title}\n\n{text}\n\n{rest.strip()}"


def _plain(cell, run: RunRecord):
    """A cell as it stands on the page of a further run, which lies elsewhere: named by its run, links to chapters from
    the top, labels of its own.  Without one, statements of several pages would get the same."""
    for output in cell.get("outputs", []):
        if "text/markdown" in output.get("data", {}):
            output.data["text/markdown"] = CHAPTER.sub(r"\1/notebooks/\2\3", "".join(output.data["text/markdown"]))
    if cell.cell_type != "markdown":
        return cell
    if re.search(r"[`:]{3,}\{(exercise|solution)", cell.source):
        return None
    text = CHAPTER.sub(r"\1/notebooks/\2\3", cell.source)
    text = re.sub(r"^(\s*:label:) *([\w-]+)", rf"\1 \2-{run.id}", text, flags=re.M)
    text = re.sub(r"^\([\w:-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"(\$\$) *\([\w:-]+\)", r"\1", text)
    cell.source = re.sub(r"\A\s*# (.*)", rf"# \1: {html.escape(run.title)}", text)
    return cell


def _links(text: str, run: RunRecord, up: str) -> str:
    """Point a figure's links, which are relative to the run's folder, into the site."""
    text = re.sub(r'(src|href)="(figures/|provenance\.json)', rf'\1="{up}{run.static}/\2', text)
    return LINK.sub(lambda m: f'href="{up}{_lines(m[1], m[2], run.kind == "this book")}"', text)


def _markdown(text: str, page: str) -> str:
    """Turn links to sources, as `[text](../lib/claims.py#judge)`, into links to their listing in the site."""
    up = "../" * page.count("/")
    return MARKDOWN_LINK.sub(lambda m: f'<a href="{up}{_lines(m[2], m[3])}">{_code(m[1])}</a>', text)


def _code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def _lines(path: str, name: str | None, strict: bool = True) -> str:
    """The address of a source file's listing, at a function where one is named; not strict: of earlier code."""
    if not strict and (path not in _sources() or name not in _anchors(path).values()):
        return f"{CODE}/{path}.html" if path in _sources() else "status.html"
    if path not in _sources():
        raise SiteError(f"a link leads to {path}, which does not exist")
    if name and name not in _anchors(path).values():
        raise SiteError(f"a link leads to {name} in {path}, which has no function or class of that name")
    return f"{CODE}/{path}.html" + (f"#{name}" if name else "")


@functools.cache
def _sources() -> list[str]:
    return sorted(
        p.relative_to(ROOT).as_posix() for folder in ("lib", "notebooks") for p in (ROOT / folder).rglob("*.py")
    )


@functools.cache
def _anchors(path: str) -> dict[int, str]:
    """Line number and name of each function and class at the top of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.lineno: node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _listing(path: str) -> str:
    """A source file as a page of its own, with an anchor for every function (#name) and line (#L12)."""
    text, anchors = (ROOT / path).read_text(encoding="utf-8"), _anchors(path)
    lines = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()
    body = "".join(
        f'<span class="line" id="{anchors.get(n, f"L{n}")}"><a href="#L{n}">{n:4}</a>  {line}\n</span>'
        for n, line in enumerate(lines, 1)
    )
    light = HtmlFormatter(style="tango").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre")
    style = (
        "body{margin:1rem;font-family:system-ui,sans-serif}pre{overflow-x:auto;font-size:13px;line-height:1.45}"
        ".line a{color:#888;text-decoration:none}.line:target{background:#fff3bf}"
        f"{light}@media(prefers-color-scheme:dark){{body{{background:#121212;color:#ddd}}"
        f".line:target{{background:#3a3414}}body a{{color:#8ab4f8}}{dark}}}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>' + path + "</title>"
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body>"
        f'<p><a href="{"../" * (path.count("/") + 2)}index.html">The book</a> · <strong>{path}</strong></p>'
        f"<pre>{body}</pre></body></html>\n"
    )


def _book_files() -> list[str]:
    folder = ROOT / "book"
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(p.relative_to(folder).as_posix() for p in files)


def _fill(text: str, parts: dict[str, str]) -> str:
    return re.sub(r"<!-- (\w[\w ]*) -->", lambda m: parts.get(m[1], m[0]), text)


def _config() -> str:
    """The configuration, with a Colab button where the repository and its published branch are configured."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    if config["repository"]["url"] and config["repository"]["branch"]:
        config["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
    else:
        del config["repository"]
    return yaml.safe_dump(config, sort_keys=False)


def _toc(asked: list[RunRecord], swept: list) -> str:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    own = [{"file": item.page, "title": item.title} for item in [*swept, *asked]]
    if own:
        toc["parts"].insert(2, {"caption": "Your runs", "chapters": own})
    return yaml.safe_dump(toc, sort_keys=False)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.book.site", description="Put the site's source together.")
    parser.add_argument("--current", action="append", default=[], metavar="STUDY=RUNFOLDER", help="a chapter's run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        assemble(dict(pair.split("=", 1) for pair in options.current), options.out)
    except (SiteError, records.Damaged) as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
