"""Sphinx extension: charts without a network, and no figure without alternative text.

Pages hold the specifications of charts, as ``lib.book.live_charts`` puts them there; ``charts.js`` draws them with the
bundle of Vega that vl-convert carries, which is put under ``_static``.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import vl_convert
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

PRELOAD = re.compile(r'<link rel="preload" as="font"[^>]*>\n?')  # refused on file://, and of no use elsewhere
SPEC = re.compile(r'<script type="application/json">(?=\{)|\}\)\((?=\{)')  # the site's form, and altair's


def setup(app: Sphinx) -> dict:
    app.add_js_file(None, body="document.documentElement.classList.add('js')", priority=100)
    app.connect("env-get-outdated", always_one)
    app.connect("env-before-read-docs", check_notebooks)
    app.connect("html-page-context", without_thebe, priority=900)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def always_one(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Read the front page anew: where no page is out of date Sphinx would not copy static files that changed."""
    return [app.config.root_doc]


def without_thebe(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    """Take off the scripts of sphinx-thebe: declared twice they throw, and their kernel is on another host."""
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s.filename} {s.attributes.get('body')}".lower()]


def charts(html: str) -> list[dict]:
    """The Vega-Lite specifications in a notebook's HTML output."""
    return [json.JSONDecoder().raw_decode(html, match.end())[0] for match in SPEC.finditer(html)]


def check_notebooks(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """ExtensionError where a chart of any notebook has no description."""
    for name in env.found_docs:
        path = Path(env.doc2path(name))
        if path.suffix != ".ipynb":
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                for spec in charts("".join(output.get("data", {}).get("text/html", ""))):
                    if not str(spec.get("description", "")).strip():
                        raise ExtensionError(f"{path.name}: a chart has no alt text; show it with lib.study.plots.show")


class Images(HTMLParser):
    """Collects the sources of images without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.bare: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        if tag == "img" and not (values.get("alt") or "").strip():
            self.bare.append((values.get("src") or "")[:80])


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Add Vega to the built site and check every page; forget a build that warned.

    Sphinx keeps what it read, so that the next build would not repeat the warning, and pass.
    """
    if exception is not None or app.builder.format != "html":
        return
    if app._warncount:
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)
    static = Path(app.outdir, "_static")
    write(static / "vega.js", "(function () {\n" + vl_convert.javascript_bundle() + "\n})();\n")
    for name in app.env.found_docs:
        own_download(app, name)
    for page in Path(app.outdir).rglob("*.html"):
        if static not in page.parents:
            check_page(page)


def own_download(app: Sphinx, name: str) -> None:
    """Offer, as the source of a notebook's page, the notebook that stands alone, where the page names one."""
    path = Path(app.env.doc2path(name))
    if path.suffix == ".ipynb":
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("book", {})
        if "download" in about:
            alone = Path(app.srcdir, about["download"]).read_text(encoding="utf-8")
            write(Path(app.outdir, "_sources", f"{name}.ipynb"), alone)


def check_page(page: Path) -> None:
    """ExtensionError where an image of the page has no alternative text; preloaded fonts are taken off."""
    text, parser = page.read_text(encoding="utf-8"), Images()
    parser.feed(text)
    if parser.bare:
        raise ExtensionError(f"{page.name}: no alt text on {', '.join(parser.bare)}")
    write(page, PRELOAD.sub("", text))


def write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
