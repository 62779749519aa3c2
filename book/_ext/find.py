"""Sphinx extension: what the search page searches, a part of a page at a time, as a script that also loads from a file.

Sphinx's own index knows which page has a word, not how often and where; see ``search.js`` for the ranking.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

TARGET = "_static/search-texts.js"
SKIPPED = ("script", "style", "svg", "math", "nav", "form")
UNSEEN = ("cell_input", "highlight", "headerlink", "links", "stamp", "toctree-wrapper")
OWN = re.compile(r'\s*<script src="(?:_static/searchtools|_static/language_data|searchindex)\.js[^>]*></script>')
SEARCH = '<script src="_static/search-texts.js"></script></head>'
VOID = ("br", "hr", "img", "input", "meta", "link", "wbr", "col", "source")


class Parts(HTMLParser):
    """The parts of a page: {anchor, title, text, kind}, a part a heading, and a part a claim of the scoreboard."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[dict] = []
        self.open: list[tuple[str, bool, str]] = []  # tag, whether what is in it is skipped, what it ends
        self.stack: list[dict] = []
        self.inside = self.heading = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        about = {name: value or "" for name, value in attrs}
        if tag in VOID:
            return
        self.inside = self.inside or (tag == "article" and "bd-article" in about.get("class", ""))
        skipped = tag in SKIPPED or any(word in about.get("class", "").split() for word in UNSEEN)
        skipped = skipped or bool(self.open and self.open[-1][1])
        ends = ""
        if self.inside and tag == "section" and about.get("id"):
            ends = self._begin(about["id"], "part")
        elif self.inside and tag == "tr" and about.get("data-paper"):
            ends = self._begin(about["id"], "claim")
        elif self.inside and re.fullmatch("h[1-6]", tag):
            self.heading, ends = True, "heading"
        self.open.append((tag, skipped, ends))

    def _begin(self, anchor: str, kind: str) -> str:
        self.stack.append({"a": anchor, "t": anchor if kind == "claim" else "", "x": "", "k": kind})
        self.parts.append(self.stack[-1])
        return "part"

    def handle_endtag(self, tag: str) -> None:
        while self.open:
            name, _, ends = self.open.pop()
            if ends == "heading":
                self.heading = False
            elif ends:
                self.stack.pop()
            if name == tag:
                break
        self.inside = self.inside and tag != "article"

    def handle_data(self, data: str) -> None:
        if self.inside and self.stack and not (self.open and self.open[-1][1]):
            part = self.stack[-1]
            key = "t" if self.heading and part["k"] == "part" else "x"
            part[key] += data if key == "t" else f"{data} "


def parts(text: str) -> list[dict]:
    """What is searched of a page, in order; the first part has the page's title.

    A part without a heading, as the words of a theorem, belongs to the one before it.
    """
    parser = Parts()
    parser.feed(text)
    for part in parser.parts:
        part |= {key: re.sub(r"\s+", " ", part[key]).strip() for key in ("t", "x")}
    found: list[dict] = []
    for part in parser.parts:
        if part["t"] or not found:
            found.append(part)
        else:
            found[-1]["x"] += f" {part['x']}"
    return found


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", finish, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the texts of all pages, and have the search page search them."""
    if exception is not None or app.builder.format != "html":
        return
    out, found = Path(app.outdir), []
    for name in sorted(app.env.found_docs):
        path = out / f"{name}.html"
        if path.exists():
            found.append({"p": f"{name}.html", "parts": parts(path.read_text(encoding="utf-8"))})
    text = f"window.bookTexts = {json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n".replace("</", "<\\/")
    (out / TARGET).write_text(text, encoding="utf-8")
    page = out / "search.html"
    if page.exists():
        own = OWN.sub("", page.read_text(encoding="utf-8"))
        page.write_text(own if SEARCH in own else own.replace("</head>", SEARCH, 1), encoding="utf-8")
