"""lib.book.outside: what a notebook from anywhere brings to a page, as a browser and as Sphinx read it."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from small_book import FACE, SOURCE, STUDY, heat, make_run
from sphinx.cmd import build as sphinx

from lib import study
from lib.book import outside, run_records, site, sources_shown
from lib.book.classroom import chapter
from lib.study import page, report

ALERT = "alert(1)"


class Seen(HTMLParser):
    """What would act: scripts that are not the charts' own, handlers, addresses with a scheme, foreign elements."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.acting, self.scripts, self.within = [], 0, False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.within = tag == "script"
        self.scripts += self.within
        for name, value in attrs:
            scheme = re.match(r"[\s\x00-\x20]*([a-z][a-z0-9+.-]*)\s*:", re.sub(r"[\t\n\r]", "", value or "").lower())
            if name.startswith("on") or (name in ("href", "src") and scheme and scheme[1] not in ("https", "data")):
                self.acting.append((tag, name, value))
        if tag in ("iframe", "object", "embed", "svg", "math", "form", "base", "meta", "link", "template", "textarea"):
            self.acting.append((tag, attrs))

    def handle_endtag(self, tag):
        self.within = False

    def handle_data(self, data):
        if self.within and ALERT in re.sub(r'"[^"]*"', "", data):
            self.acting.append(("script", data[:80]))


@pytest.fixture
def chart(monkeypatch, tmp_path) -> str:
    """The HTML that a study shows of a chart."""
    shown = []
    monkeypatch.setattr(page, "display", lambda item: shown.append(item.data))
    page.show(tmp_path, "rh", *heat()["rh"][:1], "RH < 0.90", "Caption & more.", heat()["rh"][1], SOURCE, FACE)
    return shown[0]


def test_what_the_book_shows_stays(chart):
    assert outside.html(chart) == chart and Seen(chart).scripts == 1
    table = report.verdicts([], [], ["harms-1"])
    assert outside.markdown(table) == table
    own = 'p < 0.05, `a<2`, $a<\\alpha$ and a < b; <span class="verdict holds">✓ holds</span> <small>exact</small><br>'
    assert outside.markdown(own) == own == outside.html(own)


@pytest.mark.parametrize("name", study.names())
def test_the_prose_of_every_study_stays(name):
    for cell in chapter.together(jupytext.read(study.source(name)).cells, name):
        if cell.cell_type == "markdown":
            assert outside.markdown(cell.source) == cell.source


LIVE = [
    f"<script>{ALERT}</script>",
    f"<SCRIPT src='x'>{ALERT}</SCRIPT >",
    f"<scr<script></script>ipt>{ALERT}</script>",
    f"<script>{ALERT}",
    f'<img src="x" onerror="{ALERT}">',
    f"<img src=x onerror={ALERT}>",
    f'<img class="a"onload="{ALERT}" src="figures/a.svg">',
    f"<img/src='figures/a.svg'/onload={ALERT}>",
    f'<a href="javascript:{ALERT}">x</a>',
    f'<a href="java&#115;cript&#58;{ALERT}">x</a>',
    f'<a href="java\tscript:{ALERT}">x</a>',
    f'<a href=" javascript:{ALERT}">x</a>',
    f"<a href='data:text/html,<script>{ALERT}</script>'>x</a>",
    f"<svg onload={ALERT}></svg>",
    f"<svg><script>{ALERT}</script></svg>",
    f'<iframe srcdoc="{ALERT}"></iframe>',
    f"<math><style><img src onerror={ALERT}></style></math>",
    f"<style>@import 'x';</style><style onload={ALERT}>",
    f"<!-- --!><script>{ALERT}</script>",
    f"<![CDATA[<script>{ALERT}</script>]]>",
    f"<?php <script>{ALERT}</script> ?>",
    f'<p class="\'><script>{ALERT}</script>">',
    f'<div style="background:url(javascript:{ALERT})">',
    '<meta http-equiv="refresh" content="0;url=x"><base href="x"><link rel="stylesheet" href="x">',
    f'<form action="javascript:{ALERT}"><button>x</button></form>',
    f"<{STUDY} onclick={ALERT}>",
]


@pytest.mark.parametrize("text", LIVE)
def test_nothing_from_outside_acts(text):
    for clean in (outside.html(text), outside.markdown(text), outside.html(f"a < b {text} <b>c</b>")):
        seen = Seen(clean)
        assert not seen.acting and not seen.scripts, clean


@pytest.mark.parametrize("clean", [outside.html, outside.markdown])
def test_mathematics_brings_no_address(clean):
    text = rf"$\href{{javascript:{ALERT}}}{{x}}$ \(\let\a\href\a{{x}}{{x}}\) $\require{{html}}\hrefs \alpha \\href$"
    assert re.findall(r"\\\w+", clean(text)) == [r"\let", r"\a", r"\a", r"\hrefs", r"\alpha"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(function(spec", f"{ALERT};(function(spec"),
        ("</script></div>", f";{ALERT}</script></div>"),
        ('"RH \\u003c 0.90"', f'"</script><script>{ALERT}</script>"'),
        ('"usermeta": {', f'"usermeta": {{"embedOptions": {{"sourceHeader": "<script>{ALERT}</script>"}}, "x": {{'),
        ('"data": {', f'"data": {{"url": "https://example.org/{ALERT}", '),
        ('<div id="chart-rh">', f'<div id="chart-rh" onclick="{ALERT}">'),
        ("<style>", f"<style></style><script>{ALERT}</script><style>"),
    ],
)
def test_of_a_chart_the_specification_alone_is_taken(chart, old, new):
    assert old in chart
    seen = Seen(outside.html(chart.replace(old, new)))
    assert not seen.acting and seen.scripts <= 1


ACTIVE = [
    f"```{{raw}} html\n<script>{ALERT}</script>\n```",
    f"::::{{raw}} html\n<script>{ALERT}</script>\n::::",
    f"> 1. ~~~ {{raw}} html\n>    <b onclick={ALERT}>\n>    ~~~",
    f":::{{note}}\n```{{eval-rst}}\n.. raw:: html\n\n   <script>{ALERT}</script>\n```\n:::",
    "```{include} SECRET\n```",
    "```{literalinclude} SECRET\n```",
    "````{csv-table} T\n:file: SECRET\n````",
    "{download}`SECRET`",
    "![x](SECRET)",
    "[x](SECRET)",
    "[x](<SECRET>)",
    "[x][y]\n\n[y]: SECRET",
    f'[x](javascript:{ALERT} "t")',
    f"---\nhtml_meta:\n  refresh: {ALERT}\n---\n",
    *LIVE,
]


def test_a_hostile_notebook_is_a_page_of_text(tmp_path, capsys):
    secret = tmp_path / "secret.txt"
    secret.write_text("KEY,1\nOF,2\nMINE,3\n")
    folder = tmp_path / "book"
    (folder / "_static").mkdir(parents=True)
    texts = [text.replace("SECRET", "../secret.txt") for text in ACTIVE]
    bundles = [{"text/html": text} for text in LIVE] + [{"text/markdown": text} for text in texts]
    bundles += [{"application/javascript": ALERT}, {"image/svg+xml": f"<svg onload='{ALERT}'/>"}]
    outputs = [new_output("display_data", data) for data in bundles]
    outputs += [new_output("stream", text=text) for text in LIVE]
    cells = [new_markdown_cell(text) for text in texts]
    cells += [new_raw_cell(f"<script>{ALERT}</script>", metadata={"format": "text/html"})]
    cells += [new_code_cell("open('ran', 'w')", outputs=outputs, metadata={"mystnb": {"figure": {"caption": LIVE[0]}}})]
    metadata = {"mystnb": {"execution_mode": "force"}, "language_info": {"name": "python"}}
    found = outside.cleaned(new_notebook(cells=cells, metadata=metadata))
    nbformat.validate(found)
    assert set(found.metadata) == {"language_info"}
    nbformat.write(
        new_notebook(cells=[new_markdown_cell("# Title"), *found.cells], metadata=found.metadata),
        folder / "index.ipynb",
    )
    (folder / "conf.py").write_text(
        "extensions = ['myst_nb', 'sphinx_proof']\nnb_execution_mode = 'off'\nhtml_theme = 'basic'\n"
        "nb_render_markdown_format = 'myst'\nhtml_copy_source = False\n"
        "myst_enable_extensions = ['colon_fence', 'html_image', 'dollarmath', 'deflist']\n"
    )
    sphinx.main(["-q", "-b", "html", str(folder), str(folder / "_html")])
    capsys.readouterr()
    made = (folder / "_html/index.html").read_text()
    body = made.partition('<div class="body"')[2].partition('<div class="clearer">')[0]
    assert html.unescape(body).count(ALERT) > 50, "all of it stands there, as text"
    seen = Seen(body)
    assert not seen.acting and not seen.scripts
    kept = [path for path in (folder / "_html").rglob("*") if path.is_file() and b"MINE" in path.read_bytes()]
    assert not kept and not (folder / "ran").exists()


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run that was asked for."""
    monkeypatch.setattr(run_records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sources_shown, "listing", lambda path: "")
    folder = make_run(tmp_path / f"results/runs/{STUDY}/quick-1")
    (folder / "requested").touch()
    return folder


def test_a_run_from_elsewhere_has_its_page_without_its_scripts(run, tmp_path):
    notebook = nbformat.read(run / "executed.ipynb", as_version=4)
    notebook.cells += [new_code_cell("1 + 1", outputs=[new_output("display_data", {"text/html": t}) for t in LIVE])]
    nbformat.write(notebook, run / "executed.ipynb")
    site.assemble({}, tmp_path / "out")
    shown = nbformat.read(tmp_path / f"out/runs/{STUDY}-quick-1.ipynb", as_version=4)
    texts = [o.data["text/html"] for c in shown.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})]
    seen = [Seen(text) for text in texts]
    assert not any(s.acting for s in seen) and sum(s.scripts for s in seen) == 1, "the chart's own"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.html", "<p>", "is neither a table"),
        ("a b.csv", "", "is neither a table"),
        (
            "a.svg",
            f"<svg xmlns='http://www.w3.org/2000/svg'><script>{ALERT}</script></svg>",
            "holds more than a picture",
        ),
        ("a.svg", f"<svg xmlns='http://www.w3.org/2000/svg' onload='{ALERT}'/>", "holds more than a picture"),
        ("a.svg", "<svg><image href='https://example.org/x.png'/></svg>", "holds more than a picture"),
        ("a.svg", "no picture", "holds more than a picture"),
    ],
)
def test_a_figure_that_is_no_picture_is_named_and_its_run_left_out(run, name, content, words, capsys):
    assert len(run_records.asked_for()) == 1
    (run / "figures" / name).write_text(content)
    assert not run_records.asked_for()
    assert f"figures/{name} {words}" in capsys.readouterr().err


def test_a_downloaded_notebook_holds_its_pictures_and_nothing_that_is_fetched(run, tmp_path):
    site.assemble({STUDY: run}, tmp_path / "out")
    alone = nbformat.read(tmp_path / f"out/_static/runs/{STUDY}/quick-1/{STUDY}.ipynb", as_version=4)
    nbformat.validate(alone)
    text = "".join(o.data["text/html"] for c in alone.cells for o in c.get("outputs", []))
    seen = Seen(text)
    assert not seen.scripts and 'src="data:image/svg+xml;base64,' in text and 'alt="RH is 0.90"' in text
    assert not re.search(r'(src|href)="(?!data:)', text) and "Caption." in text
