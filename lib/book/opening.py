"""The order in which a study's page is read: scale, question, answer, main figure, how sure, and the run's set-up last.

A notebook computes its answer at the end; its page begins with it.
"""

import functools
import html
import re
from collections.abc import Iterable

import nbformat
from docutils.nodes import make_id

from lib import claims
from lib.hashing import ROOT

FIGURE = re.compile(r'<figure class="result" id="fig-(?P<name>[^"]+)">.*?</figure>', re.S)
ALT = re.compile(r'<img [^>]*?alt="([^"]*)"')
CAPTION = "<figcaption>"
DEFINED = re.compile(r"^(?:@\w+.*\n)*(?:class|def) (\w+)", re.M)
WRONG = re.compile(r"wrong|too simply|leaves? open|leave out")  # of a section on faults of a paper or its code
JUMPS = (("Method", "method"), ("Claims", "claims"), ("Exercises", "exercises"))
IN_SHORT, ANSWER = ":::{admonition} In short", ":::{admonition} Answer"
SETUP = "Setup of this run"
# What a term may not stand in: formulas, code, roles, links, HTML.
APART = re.compile(r"(\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\{[\w:]+\}`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]*>)", re.S)
TERM = re.compile(r'^\| <a id="(term-[\w-]+)"></a>([^|]+?) \| (.+?) \|$', re.M)
OTHER_LINES = ("#", ":", "|", "```", "$$", "(", "    ")  # of headings, directives, tables, formulas, labels, code


def arrange(cells: list, about: str, stamp: str, of_record: str, judged: str, chapter: bool) -> None:
    """Put a page's cells in order.

    about: what the page asks of its reader, and at what scale its run was made; stamp: which run it is; of_record: what
    the runs of record of its study found; judged: how many claims it decides, all as HTML.  chapter: whether it is a
    study's own page.  The page of another run says under its title which run it is.
    """
    prose = next(i for i, cell in enumerate(cells) if cell.cell_type == "markdown")
    title, _, rest = cells[prose].source.strip().partition("\n")
    question, mark, rest = rest.strip().partition("\n## ")
    about = f'<p class="reading">{about}</p>'
    cells[prose].source = "\n\n".join([title, *([] if chapter else [stamp]), about, question.strip()])
    titles = [t for cell in cells if cell.cell_type == "markdown" for t in re.findall(r"^## (.+)$", cell.source, re.M)]
    figure = _main_figure(cells)
    sure = f'<p class="sure"><strong>How sure.</strong> {judged}</p>' if judged else ""
    sure = f"{sure}\n\n{_jumps(cells, titles)}".strip()
    answer = _taken(cells, "in-short")
    for output in (output for cell in answer for output in cell.outputs):
        output.data["text/markdown"] = "".join(output.data["text/markdown"]).replace(IN_SHORT, ANSWER)
    if of_record:
        answer.append(nbformat.v4.new_markdown_cell(of_record, id="cell-of-record"))
    top = [*answer, *figure, nbformat.v4.new_markdown_cell(sure, id="cell-sure")]
    heading, _, body = rest.partition("\n")
    made = [stamp] if chapter else []
    if heading == "Parameters":
        made.append(body.strip())
    elif mark:
        top.append(nbformat.v4.new_markdown_cell(f"## {rest}", id="cell-rest"))
    setup = [nbformat.v4.new_markdown_cell("\n\n".join(filter(None, made)), id="cell-setup"), *_setup(cells)]
    cells[prose + 1 : prose + 1] = top
    _last(cells, setup)


def _setup(cells: list) -> list:
    """The cells of parameters and those behind them, up to the next prose, that show nothing: taken out of the list."""
    code = [i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    end = next((i for i in range(code[0], len(cells)) if cells[i].cell_type == "markdown"), len(cells)) if code else 0
    found = [cell for cell in cells[code[0] : end] if not cell.get("outputs")] if code else []
    for cell in found:
        cells.remove(cell)
    return found


def _taken(cells: list, tag: str) -> list:
    """The cells with a tag, taken out of the list."""
    found = [cell for cell in cells if tag in cell.metadata.get("tags", [])]
    for cell in found:
        cells.remove(cell)
    return found


def _main_figure(cells: list) -> list:
    """A cell with the figure of the cell tagged "main-figure", where a line that leads to the top takes its place."""
    for cell in cells:
        if "main-figure" not in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            if match := FIGURE.search("".join(output.get("data", {}).get("text/html", ""))):
                taken = nbformat.v4.new_code_cell(
                    "# the main figure", outputs=[nbformat.from_dict(output)], id="cell-main-figure"
                )
                taken.metadata["tags"] = ["remove-input"]
                there = f'<p><a href="#fig-{match["name"]}">The figure stands at the top of the page.</a></p>'
                output.data = {"text/html": there}
                return [taken]
    return []


def _jumps(cells: list, titles: list[str]) -> str:
    """Links to the parts of the page that a reader looks for."""
    places = {label: f"#{make_id(title)}" for title, label in JUMPS if title in titles}
    if wrong := next((title for title in titles if WRONG.search(title)), None):
        places["what was wrong"] = f"#{make_id(wrong)}"
    if sliders := next((name for name, body in _figures(cells) if '"bind"' in body), None):
        places["try it"] = f"#fig-{sliders}"
    links = " · ".join(f'<a href="{html.escape(place)}">{label}</a>' for label, place in places.items())
    return f'<p class="jumps">On this page: {links}</p>' if links else ""


def _figures(cells: list) -> Iterable[tuple[str, str]]:
    for cell in cells:
        for output in cell.get("outputs", []):
            for match in FIGURE.finditer("".join(output.get("data", {}).get("text/html", ""))):
                yield match["name"], match[0]


def _last(cells: list, setup: list) -> None:
    """Move what made the page to its end: under the heading of the stamp, or under one of its own."""
    stamps = [i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and "## Stamp" in cell.source]
    if stamps:
        place = stamps[-1]
        cells[place].source = cells[place].source.replace("## Stamp", f"## {SETUP}")
        cells[place + 1 : place + 1] = setup
    else:
        cells += [nbformat.v4.new_markdown_cell(f"## {SETUP}", id="cell-setup-title"), *setup]


def judged(verdicts: Iterable[str], where: str) -> str:
    """How many claims hold, fail or stay open, in words; "" where none was judged."""
    found = list(verdicts)
    counts = [f"{verdict}: {found.count(verdict)}" for verdict in (claims.HOLDS, claims.FAILS, claims.UNDECIDED)]
    return (
        f"{where} {len(found)} {'verdict' if len(found) == 1 else 'verdicts'} ({', '.join(counts)})." if found else ""
    )


def explain(cell) -> None:
    """Say the finding first in every caption, fold the library's code, and name each toggle by what it opens."""
    tags, shown = cell.metadata.get("tags", []), []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/html" not in data:
            continue
        text = "".join(data["text/html"])
        shown += [match["name"] for match in FIGURE.finditer(text)]
        data["text/html"] = FIGURE.sub(_finding_first, text)
        if text.startswith('<div class="highlight">'):
            data["text/html"] = _folded(text)
    if "hide-input" in tags:
        lines = len(cell.source.strip().splitlines())
        what = "parameters" if "parameters" in tags else f"code of the figure {shown[0]}" if shown else "code"
        label = f"{what}, {lines} {'line' if lines == 1 else 'lines'}"
        cell.metadata["mystnb"] = {"code_prompt_show": f"Show {label}", "code_prompt_hide": f"Hide {label}"}


def _finding_first(match: re.Match) -> str:
    """A figure whose caption begins with what it finds: with its own first sentence, where that has a number of the
    text for those who cannot see the figure, else with that text."""
    body, found = match[0], ALT.search(match[0])
    start = body.index(CAPTION) + len(CAPTION)
    if not found or body[start:].startswith("<strong>"):
        return body
    first = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])|(?=<)", body[start:])[0]
    if _numbers(first) & _numbers(found[1]):
        return f"{body[:start]}<strong>{first.strip()}</strong>{body[start + len(first.rstrip()) :]}"
    return f"{body[:start]}<strong>{found[1]}</strong> {body[start:]}"


def _numbers(text: str) -> set[str]:
    """The numbers of some HTML's words, but for the level of an interval."""
    return set(re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", html.unescape(text).replace("95 %", "")))


def _folded(text: str) -> str:
    source = html.unescape(re.sub(r"<[^>]*>", "", text))
    names, lines = DEFINED.findall(source), len(source.strip().splitlines())
    what = ", ".join(f"<code>{html.escape(name)}</code>" for name in names) or "library"
    return f'<details class="source"><summary>Code: {what} ({lines} lines)</summary>{text}</details>'


@functools.lru_cache(maxsize=1)
def terms() -> dict[str, tuple[str, str]]:
    """The terms that Notation explains: anchor and explanation, as plain text, of each; none in a book without it."""
    path = ROOT / "book" / "notation.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {term: (anchor, re.sub(r"[$`*\\]", "", what)) for anchor, term, what in TERM.findall(text)}


def introduce(cells: list, up: str) -> None:
    """Explain each term where the page first uses it: a link to Notation that shows the explanation when pointed at."""
    left = dict(terms())
    for cell in cells if left else ():
        if cell.cell_type == "markdown":
            blocks = cell.source.split("\n\n")
            cell.source = "\n\n".join(b if b.startswith(OTHER_LINES) else _explained(b, left, up) for b in blocks)


def _explained(block: str, left: dict[str, tuple[str, str]], up: str) -> str:
    def link(match: re.Match) -> str:
        anchor, what = left.pop(match[0], ("", ""))
        note = f'<a class="term" href="{up}notation.html#{anchor}" data-what="{html.escape(what)}">{match[0]}</a>'
        return note if anchor else match[0]

    words = re.compile(rf"\b({'|'.join(map(re.escape, sorted(terms(), key=len, reverse=True)))})\b")
    parts = APART.split(block)
    return "".join(part if i % 2 else words.sub(link, part) for i, part in enumerate(parts))
