"""The sources of the book as pages of the site, and links that lead into them."""

import ast
import functools
import re

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lib.book.run_records import SiteError
from lib.hashing import ROOT

CODE = "_static/code"
MARKDOWN_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*((?:lib|notebooks)/[\w/]+\.py)(?:#(\w+))?\)")


def address(path: str, name: str | None, strict: bool = True) -> str:
    """The address of a source file's listing, at a function where one is named; not strict: of earlier code."""
    if not strict and (path not in sources() or name not in _anchors(path).values()):
        return f"{CODE}/{path}.html" if path in sources() else "status.html"
    if path not in sources():
        raise SiteError(f"a link leads to {path}, which does not exist")
    if name and name not in _anchors(path).values():
        raise SiteError(f"a link leads to {name} in {path}, which has no function or class of that name")
    return f"{CODE}/{path}.html" + (f"#{name}" if name else "")


@functools.cache
def sources() -> list[str]:
    return sorted(
        p.relative_to(ROOT).as_posix() for folder in ("lib", "notebooks") for p in (ROOT / folder).rglob("*.py")
    )


@functools.cache
def _anchors(path: str) -> dict[int, str]:
    """Line number and name of each function and class at the top of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.lineno: node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def listing(path: str) -> str:
    """A source file as a page of its own, with an anchor for every function (#name) and line (#L12)."""
    text, anchors = (ROOT / path).read_text(encoding="utf-8"), _anchors(path)
    lines = highlight(text, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).splitlines()
    body = "".join(
        f'<span class="line" id="{anchors.get(n, f"L{n}")}"><a href="#L{n}">{n:4}</a>  {line}\n</span>'
        for n, line in enumerate(lines, 1)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>' + path + "</title>"
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_style()}</style></head><body>"
        f'<p><a href="{"../" * (path.count("/") + 2)}index.html">The book</a> · <strong>{path}</strong></p>'
        f"<pre>{body}</pre></body></html>\n"
    )


@functools.cache
def _style() -> str:
    light = HtmlFormatter(style="tango").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre")
    return (
        "body{margin:1rem;font-family:system-ui,sans-serif}pre{overflow-x:auto;font-size:13px;line-height:1.45}"
        ".line a{color:#888;text-decoration:none}.line:target{background:#fff3bf}"
        f"{light}@media(prefers-color-scheme:dark){{body{{background:#121212;color:#ddd}}"
        f".line:target{{background:#3a3414}}body a{{color:#8ab4f8}}{dark}}}"
    )


def markdown(text: str, page: str) -> str:
    """Turn links to sources, as `[text](../lib/claims/rule.py#judge)`, into links to their listing in the site."""
    up = "../" * page.count("/")
    return MARKDOWN_LINK.sub(lambda m: f'<a href="{up}{address(m[2], m[3])}">{_code(m[1])}</a>', text)


def _code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
