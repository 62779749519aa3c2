"""Sphinx extension: pages that carry what they use, say what they are, and can be read by every reader.

Scripts and style sheets stand only on the pages that use them, icons are drawn in the page, style sheets lose the rules
for what the site does not have, and every page has a description.
"""

import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sphinx.application import Sphinx

# A script or style sheet whose name has the first word stands only on pages whose text has one of the others.
USED_BY = {
    "togglebutton": ("toggle", "admonition dropdown"),
    "clipboard": ('class="highlight',),
    "copybutton": ('class="highlight',),
    "pygments": ('class="highlight',),
    "design-tabs": ("sd-tab",),
    "sphinx-design": ('class="sd-', " sd-"),
    "mystnb": ('class="cell',),
    "proof": ('class="proof',),
    "exercise": ("exercise", "solution"),
    "charts": ('class="chart"',),
    "scoreboard": ('id="choice"',),
}
INLINE = {"toggle": "togglebutton", "sd-tab": "design-tabs"}  # words of scripts in the page, and what they serve
ICONS = "vendor/fontawesome/*/js/all.min.js"
ICON = re.compile(
    r'<(?P<tag>i|span) class="(?P<class>(?:[\w-]+ )*fa[srb]?(?:-solid)? fa-(?P<name>[\w-]+)[^"]*)"[^>]*></(?P=tag)>'
)
FONT_AWESOME = re.compile(r"\s*<(?:script|link)[^>]*vendor/fontawesome[^>]*>(?:</script>)?")
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
TABLE = re.compile(r'(?P<before><div class="scroll[^>]*>\s*)?(?P<table><table\b.*?</table>)', re.S)
CELL = re.compile(r"<td>((?:(?!</?t[dr]\b|<table).)*)</td>", re.S)
LONG = 40  # characters of a cell that keeps a width of its own
EMPTY_HEAD = re.compile(r"<thead>\s*<tr[^>]*>\s*(?:<th[^>]*>(?:<p></p>)?</th>\s*)+</tr>\s*</thead>")
EMPTY_CELL = re.compile(r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>")
PURGED = (
    "styles/bootstrap.css",
    "styles/pydata-sphinx-theme.css",
    "sphinx-design.min.css",
    "mystnb.*.css",
    "basic.css",
)
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
DESCRIBED = 160  # characters of a description


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", lighten, priority=950)
    app.connect("build-finished", finish, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def lighten(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Leave off scripts and style sheets that the page does not use, and say in its head what it is."""
    # docutils calls the bibliography a list, whose members are none
    body = context["body"] = context.get("body", "").replace('<div role="list" class="citation-list">', "<div>")
    for files in ("script_files", "css_files"):
        context[files] = [item for item in context.get(files, []) if _used(item, body, page)]
    title = re.sub(r"<[^>]+>", "", context.get("title", "")) or app.config.html_title
    words = html.escape(description(body) or app.config.html_title)
    named = {"og:title": title, "og:type": "article", "og:site_name": app.config.html_title}
    tags = [f'<meta name="description" content="{words}">', f'<meta property="og:description" content="{words}">']
    tags += [f'<meta property="{key}" content="{html.escape(html.unescape(text))}">' for key, text in named.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def _used(item, body: str, page: str) -> bool:
    name, inline = str(getattr(item, "filename", item) or ""), str(getattr(item, "attributes", {}).get("body") or "")
    if "_static/search.js" in name:
        return page == "search"
    served = next((file for word, file in INLINE.items() if word in inline), "")
    words = next((words for key, words in USED_BY.items() if key in (Path(name).name or served)), None)
    return words is None or any(word in body for word in words)


def description(body: str) -> str:
    """The first sentences of a page that say what it is about, as plain text: of a study its question."""
    text = re.sub(
        r'<(?:figure|script|style|table|math|div class="stamp")\b.*?</(?:figure|script|style|table|math|div)>',
        "",
        body,
        flags=re.S,
    )
    paragraphs = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", p)).strip() for p in re.findall(r"<p>(.*?)</p>", text, re.S)
    ]
    paragraphs = [html.unescape(p) for p in paragraphs if len(p) > 40]
    first = next((p for p in paragraphs if p.startswith("Question.")), paragraphs[0] if paragraphs else "")
    first = first.removeprefix("Question.").strip()
    return first if len(first) <= DESCRIBED else first[:DESCRIBED].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Draw icons, wrap tables, and leave off rules of style that nothing on the site asks for."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    icons = next((out / "_static").glob(ICONS), None)
    known = icons.read_text(encoding="utf-8") if icons else ""
    for path in out.rglob("*.html"):
        if "_static" not in path.relative_to(out).parts:
            text = path.read_text(encoding="utf-8")
            if (made := page(text, known, app.config.html_title)) != text:
                path.write_text(made, encoding="utf-8")
    words = set()
    for path in [*out.rglob("*.html"), *(out / "_static").rglob("*.js")]:
        if path.name not in ("vega.js", "all.min.js"):
            words |= set(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    for pattern in PURGED:
        for path in (out / "_static").glob(pattern):
            path.write_text(purged(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def page(text: str, icons: str, project: str) -> str:
    """A page with its icons drawn in it, its tables in scrolling regions, no empty heads, one title, one viewport."""
    text = FONT_AWESOME.sub("", text)
    text = ICON.sub(lambda m: _icon(m["name"], m["class"], m[0], icons), text)
    text = CELL.sub(lambda m: f'<td class="long">{m[1]}</td>' if _long(m[1]) else m[0], TABLE.sub(_region, text))
    text = EMPTY_CELL.sub(r"<td\1></td>", EMPTY_HEAD.sub("", text))
    again = re.escape(html.escape(project))
    text = re.sub(rf"<title>\s*{again} (?:&#8212;|-|—) {again}", f"<title>{html.escape(project)}", text)
    return re.sub(r'<meta name="viewport"[^>]*>', "", text).replace("<head>", f"<head>{VIEWPORT}", 1)


def _region(table: re.Match) -> str:
    before = table["before"] or '<div class="scroll" tabindex="0" role="region" aria-label="table">'
    return f"{before}{table['table']}" + ("" if table["before"] else "</div>")


def _long(cell: str) -> bool:
    return len(html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()) >= LONG


def _icon(name: str, classes: str, instead: str, known: str) -> str:
    drawn = _drawing(name, known)
    if not drawn:
        return instead
    width, height, path = drawn
    data = "".join(f" {a}" for a in re.findall(r'data-[\w-]+="[^"]*"', instead))
    box = f'viewBox="0 0 {width} {height}" aria-hidden="true"'
    return f'<svg class="icon {classes}"{data} {box}><path fill="currentColor" d="{path}"></path></svg>'


@cache
def _drawing(name: str, known: str) -> tuple[str, str, str] | None:
    """Width, height and path of an icon in Font Awesome's script; aliases lead to the icon."""
    key = re.escape(name)
    found = re.findall(rf'["{{,]"?{key}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"', known)
    alias = re.search(rf'\["([\w-]+)",[^\]]*"{key}"', known)
    return found[-1] if found else (_drawing(alias[1], known) if alias and alias[1] != name else None)


def purged(css: str, words: set[str]) -> str:
    """A style sheet without the selectors that name a class which is no word of the site."""
    return "".join(_kept(css, words))


def _kept(css: str, words: set[str]) -> Iterator[str]:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    for head, body in _rules(css):
        if body is None or head.lstrip().startswith(("@font-face", "@keyframes", "@-", "@page")):
            yield head if body is None else f"{head}{{{body}}}"
        elif head.lstrip().startswith("@"):
            if inner := purged(body, words).strip():
                yield f"{head}{{{inner}}}"
        else:
            selectors = [s for s in _selectors(head) if set(CLASS.findall(re.sub(r":not\([^)]*\)", "", s))) <= words]
            if selectors:
                yield f"{','.join(selectors)}{{{body}}}"


def _rules(css: str) -> Iterator[tuple[str, str | None]]:
    """The rules of a style sheet as (what stands before the brace, what stands in it); (statement, None) without."""
    start = place = 0
    while place < len(css):
        if css[place] in "\"'":
            place = css.index(css[place], place + 1)
        elif css[place] == ";":
            yield css[start : place + 1], None
            start = place + 1
        elif css[place] == "{":
            end, depth = place + 1, 1
            while depth:
                if css[end] in "\"'":
                    end = css.index(css[end], end + 1)
                depth += (css[end] == "{") - (css[end] == "}")
                end += 1
            yield css[start:place], css[place + 1 : end - 1]
            start = end
            place = end - 1
        place += 1


def _selectors(head: str) -> list[str]:
    """The parts of a list of selectors; commas in brackets divide nothing."""
    parts, depth = [""], 0
    for c in head.strip():
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            parts.append("")
        else:
            parts[-1] += c
    return parts
