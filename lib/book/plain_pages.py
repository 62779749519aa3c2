"""Pages for paper: what the site says in HTML and shows with scripts, as plain MyST that LaTeX can set."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import nbformat

from lib import claims

RAW = re.compile(r"^```\{raw\} html\n(.*?)\n```$", re.M | re.S)
BLOCK = re.compile(r"^<(div|p)\b.*?</\1>$", re.M | re.S)
SECTION = re.compile(r"^\(([\w-]+)\)=\n## (.*?)\n(.*?)(?=^\([\w-]+\)=\n## |\Z)", re.M | re.S)
TABLE = re.compile(r"^\|.*\|$\n^\|[ :|-]+\|$(?:\n^\|.*\|$)*", re.M)
ASIDE = ("links", "visually-hidden", "jumps", "reading", "marks")  # classes of what is of no use on paper
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell", "solution"}
SILENT = {"remove-cell", "remove-output", "hide-output", "hide-cell"}
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~^])")
WORD, WIDE = 14, 70  # most characters of a word, and of a column, by which columns share the page


def page(text: str, pictures: dict[str, bytes]) -> str:
    """A Markdown page: tables and figures for raw HTML, paragraphs for claims' sections, which would fill the contents.

    pictures: takes those that stand in the page itself, by the name under which the text finds them.
    """
    text = SECTION.sub(lambda m: _claim(m) if m[1] in claims.known() else m[0], text)
    text = RAW.sub(lambda m: html(m[1], pictures), TABLE.sub(_wrapped, text))
    return BLOCK.sub(lambda m: html(m[0], pictures), text)


def notebook(cells: nbformat.NotebookNode, pictures: dict[str, bytes]) -> str:
    """An executed notebook as a Markdown page, without folded code and solutions."""
    parts = []
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "markdown":
            parts.append(page(cell.source, pictures))
            continue
        if not tags & FOLDED:
            parts.append(_fenced(cell.source, "python"))
        if not tags & SILENT:
            parts += [_output(output, pictures) for output in cell.outputs]
    return "\n\n".join(filter(None, parts)) + "\n"


def html(text: str, pictures: dict[str, bytes]) -> str:
    """The tables, figures and words of some HTML."""
    reader = _Reader(pictures)
    reader.feed(text)
    reader.close()
    return reader.text()


def _claim(match: re.Match) -> str:
    """A claim of the scoreboard: its anchor, statement and what it rests on, without its table of judgements."""
    return f"({match[1]})=\n**{match[2]}**\n\n{RAW.sub('', match[3]).strip()}\n\n"


def _output(output, pictures: dict[str, bytes]) -> str:
    if output.output_type == "stream":
        return _fenced(output.text, "text")
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
    if "text/markdown" in data:
        return TABLE.sub(_wrapped, data["text/markdown"])
    shown = data.get("text/html", "")
    if "<details" in shown:  # folded code
        return ""
    if "<figure" in shown:
        return html(shown, pictures)
    if "highlight" in shown:  # of IPython's Code
        return _fenced(_words(shown), "python")
    return _fenced(data.get("text/plain", ""), "text")


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.strip()}\n````" if text.strip() else ""


def _words(text: str) -> str:
    """The characters of some HTML, unescaped."""
    words = []
    reader = HTMLParser()
    reader.handle_data = words.append
    reader.feed(re.sub(r"<style.*?</style>", "", text, flags=re.S))
    reader.close()
    return "".join(words)


@dataclass
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    head: int = 0


def _wrapped(match: re.Match) -> str:
    """A table of Markdown as one whose cells are broken into lines."""
    first, _, *rest = match[0].splitlines()
    rows = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in (first, *rest)]
    return _listed([[re.sub(r"<br ?/?>", "\n\n", cell) for cell in row] for row in rows], 1)


def _listed(rows: list[list[str]], head: int) -> str:
    """A table with so many rows of head, whose columns share the page by the length of what they hold."""
    most = max(map(len, rows))
    rows = [row + [""] * (most - len(row)) for row in rows]
    seen = [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in rows]
    widths = [_width(column) for column in zip(*seen, strict=True)]
    lines = [f":header-rows: {head}", f":widths: {' '.join(map(str, widths))}", ":class: longtable", ""]
    for row in rows:
        cells = [re.sub(r"\n(?=.)", "\n    ", cell) for cell in row]
        lines += [f"{'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(cells)]
    return "\n".join(["````{list-table}", *lines, "````"])


def _width(cells: tuple[str, ...]) -> int:
    """Of a column, in characters: of its longest word at least, of its longest line at most."""
    lines = [line for cell in cells for line in cell.split("\n")]
    word = max((len(word) for line in lines for word in line.split()), default=0)
    return max(min(word, WORD) + 2, min(WIDE, max(map(len, lines))))


class _Reader(HTMLParser):
    """Gathers blocks of MyST; knows tables, figures, pictures, code, bold, links to other sites, line breaks."""

    MARKS = {"code": "`", "strong": "**", "b": "**"}  # noqa: RUF012

    def __init__(self, pictures: dict[str, bytes]) -> None:
        super().__init__()
        self.pictures, self.blocks, self.words = pictures, [], []
        self.table, self.picture, self.skipped, self.links, self.code = None, None, 0, [], False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "svg" and not self.skipped and (label := given.get("aria-label")):
            self.handle_data(f" ({label})")
        if self.skipped or tag in ("style", "script", "svg") or given.get("class") in ASIDE:
            self.skipped += tag not in ("br", "img")
        elif tag == "table":
            self._paragraph()
            self.table = _Table()
        elif tag == "tr" and self.table:
            self.table.rows.append([])
        elif tag in ("td", "th"):
            self.words = []
        elif tag in self.MARKS:
            self.code = tag == "code"
            self.words.append(self.MARKS[tag])
        elif tag == "a":
            self.links.append(given.get("href", ""))
            self.words.append("[" if self._away() else "")
        elif tag == "img":
            self.picture = self._place(given.get("src", "")), given.get("alt", "")
        elif tag in ("br", "p", "div", "li", "summary", "figcaption"):
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if self.skipped:
            self.skipped -= 1
        elif tag == "table":
            self.blocks += [_listed(self.table.rows, min(self.table.head, 1))] if self.table and self.table.rows else []
            self.table, self.words = None, []
        elif tag in ("td", "th") and self.table:
            self.table.head += tag == "th" and len(self.table.rows) == 1 and not self.table.rows[-1]
            self.table.rows[-1].append(self._said())
        elif tag in self.MARKS:
            self.code = False
            self.words.append(self.MARKS[tag])
        elif tag == "a" and self.links:
            self.words.append(f"]({self.links[-1]})" if self._away() else "")
            self.links.pop()
        elif tag == "figure" and self.picture:
            (source, alt), caption = self.picture, self._said()
            alt = " ".join(alt.split())
            self.blocks.append(f"````{{figure}} {source}\n:alt: {alt}\n:width: 100%\n\n{caption}\n````")
            self.picture = None
        elif tag in ("p", "div", "li", "summary") and not self.table:
            self._paragraph()

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            data = re.sub(r"\s+", " ", data)
            self.words.append(data.replace("`", "'") if self.code else SPECIAL.sub(r"\\\1", data))

    def text(self) -> str:
        self._paragraph()
        return "\n\n".join(self.blocks)

    def _break(self) -> None:
        if self.table:
            self.words.append("\n\n")
        elif not self.picture:
            self._paragraph()

    def _paragraph(self) -> None:
        if not self.table and not self.picture and (said := self._said()):
            self.blocks.append(said)

    def _said(self) -> str:
        parts = [" ".join(part.split()) for part in "".join(self.words).split("\n\n")]
        self.words = []
        return "\n\n".join(part.replace("****", "").replace("``", "") for part in parts if part)

    def _away(self) -> bool:
        return self.links[-1].startswith(("https://", "http://"))

    def _place(self, source: str) -> str:
        """Where LaTeX finds a picture: drawn ones as bitmaps, those in the page in a file."""
        if not source.startswith("data:image/png;base64,"):
            return re.sub(r"\.svg$", ".png", source)
        content = base64.b64decode(source.partition(",")[2])
        name = f"_static/pictures/{hashlib.sha256(content).hexdigest()[:16]}.png"
        self.pictures[name] = content
        return f"/{name}"
