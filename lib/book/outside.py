"""What an executed notebook may bring to a page: text, tables, pictures and charts of the book's form, and no script.

A run's folder may come from anyone, so every executed notebook is treated alike.  A chart is its Vega-Lite
specification, from which the book makes the HTML and the script anew; of other HTML only the tags of ``TAG`` remain,
and of Markdown also the directives, roles and links that the studies use.  What is left out stands there as text.
The value of a cell's last line is no part of what the study says.
"""

import json
import re
from xml.etree import ElementTree

import nbformat

from lib import study
from lib.study import page

MIMES = ("text/plain", "text/html", "text/markdown", "image/png", "image/jpeg")
TAGS = "a b br caption code details div em figcaption figure h4 i img li ol p pre s small span strong sub summary sup "
TAGS += "table tbody td tfoot th thead tr u ul"
VALUES = {  # of attributes, by name; no value holds a quote, "<" or ">"
    "class|alt|title|colspan|rowspan|scope": "[^'\"<>]*",
    "id|border": r"[\w:.-]*",
    "href": "https?://[^'\"<>]*|[^'\"<>:&]*",  # no scheme, however it is written
    "src": r"figures/[\w.-]+|data:image/(?:png|jpeg|gif);base64,[\w+/=]*",
    "style": "display:none",
}
ATTRIBUTE = "|".join(rf"""(?:{names})=(?:"(?:{value})"|'(?:{value})')""" for names, value in VALUES.items())
TAG = rf"</?(?:{TAGS.strip().replace(' ', '|')})(?:\s+(?:{ATTRIBUTE}))*\s*/?>"
CHAPTER = f"(?:\\.\\./|/)*(?:notebooks/)?(?:{'|'.join(study.names())})>"  # as in {doc}`that chapter <mediation>`
FORBIDDEN = re.compile(rf"<(?=[a-zA-Z/!?])(?!{TAG[1:]}|{CHAPTER})")
DROPPED = re.compile(r"<(script|style)\b.*?</\1\s*>", re.S | re.I)
MACRO = re.compile(r"\\(?=(?:class|cssId|data|href|html\w*|require|style)\b)")  # of MathJax: addresses, attributes
CHART = re.compile(r'<div class="chart">\s*<style>[^<]*</style>\s*<div id="chart-([\w-]+)"></div>\s*<script[^>]*>')
SPEC, END = re.compile(r"\}\)\((?=\{)"), re.compile(r",\s*\{[^<{}]*\}\);\s*</script>\s*</div>")

DIRECTIVES = "admonition|exercise|note|tip|important|warning|math|prf:[a-z]+"
ROLES = "cite:[a-z]+|doc|eq|math|prf:ref|ref|sub|sup"
LINKS = r"https?://[^\s)]*|#[\w:-]*|(?:\.\./)*(?:lib|notebooks)/[\w/]+\.py(?:#\w+)?"
SPECIAL = re.compile(
    rf"(?<![`:~])(?=[`:~]{{3,}}[ \t]*\{{(?!(?:{DIRECTIVES})\}}))"  # a directive
    rf"|(?=\{{(?!(?:{ROLES})\}})[\w:+.-]+\}}`)"  # a role
    rf"|(?<=\])(?=\((?!(?:{LINKS})\)))"  # a link, or a picture: of a file it would be a copy of the file
    r"|^(?=[ \t>]*\[[^\]\n]+\]:)"  # the target of links
    r"|\A(?=\s*(?:---|\+\+\+))",  # what stands before the text
    re.M,
)


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with what a page may show of it; raw cells are left out, metadata but tags and the kernel's too."""
    cells = []
    for cell in notebook.cells:
        tags = [tag for tag in cell.metadata.get("tags", []) if isinstance(tag, str)]
        if cell.cell_type == "markdown":
            cells.append(cell | {"source": markdown(cell.source), "metadata": {"tags": tags}})
        if cell.cell_type == "code":
            outputs = [_output(output) for output in cell.outputs if not _returned(output)]
            cells.append(cell | {"outputs": outputs, "metadata": {"tags": tags}})
    about = {k: v for k, v in notebook.metadata.items() if k in ("kernelspec", "language_info")}
    return nbformat.from_dict(notebook | {"cells": cells, "metadata": about})


def _returned(output: nbformat.NotebookNode) -> bool:
    """Whether it is the value of a cell's last line, which nobody said: what a study says is displayed."""
    return output.output_type == "execute_result" and set(output.data) <= {"text/plain"}


def _output(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if "data" not in output:
        return output
    data = {mime: "".join(text) for mime, text in output.data.items() if mime in MIMES}
    for mime, clean in {"text/html": html, "text/markdown": markdown}.items():
        if mime in data:
            data[mime] = clean(data[mime])
    about = {k: v for k, v in output.get("metadata", {}).items() if k == "book"}
    return output | {"data": data, "metadata": about}


def html(text: str) -> str:
    """HTML with the tags of ``TAG`` and the charts of ``lib.study.page``, made anew from their specifications."""
    shown, at = [], 0
    for block in CHART.finditer(text):
        if block.start() < at or not (found := _specification(text, block.end())):
            continue
        spec, end = found
        shown += [tags(text[at : block.start()]), f'<div class="chart">{page.drawn(spec, block[1])}</div>']
        at = end
    return "".join(shown) + tags(text[at:])


def _specification(text: str, start: int) -> tuple[dict, int] | None:
    """The chart whose script begins there, and where its HTML ends; None for another script, or one that fetches."""
    begin = SPEC.search(text, start)
    try:
        spec, end = json.JSONDecoder().raw_decode(text, begin.end()) if begin else (None, 0)
    except ValueError:
        return None
    tail = END.match(text, end)
    return (spec, tail.end()) if tail and not _fetches(spec) else None


def _fetches(spec) -> bool:
    """Whether a chart names an address, of data or of a picture."""
    if isinstance(spec, dict):
        return "url" in spec or any(map(_fetches, spec.values()))
    return isinstance(spec, list) and any(map(_fetches, spec))


def tags(text: str) -> str:
    """Text in which every tag but those of ``TAG``, and every macro of ``MACRO``, is text; no scripts and no styles."""
    return MACRO.sub(" ", FORBIDDEN.sub("&lt;", DROPPED.sub("", text)))


def markdown(text: str) -> str:
    """Markdown with the HTML of ``tags``, and the directives, roles and links of the studies; others are text."""
    return SPECIAL.sub(r"\\", tags(text))


def amiss(name: str, content: bytes) -> str:
    """What is wrong with a figure's file: neither table nor picture, or a picture that is more; empty where nothing."""
    if not re.fullmatch(r"[\w-][\w.-]*\.(csv|png|svg)", name):
        return "is neither a table (csv) nor a picture (png, svg)"
    return "holds more than a picture" if name.endswith(".svg") and _lives(content) else ""


def _lives(svg: bytes) -> bool:
    """Whether an SVG holds a script, HTML, a style, or an address but of a part of itself or of a picture in it."""
    try:
        nodes = list(ElementTree.fromstring(svg).iter())
    except ElementTree.ParseError:
        return True
    if {node.tag.rpartition("}")[2].lower() for node in nodes} & {"script", "foreignobject", "style", "iframe"}:
        return True
    given = [(name.rpartition("}")[2].lower(), value) for node in nodes for name, value in node.attrib.items()]
    inside = ("#", "data:image/png;", "data:image/jpeg;")
    return any(name.startswith("on") or (name == "href" and not value.startswith(inside)) for name, value in given)
