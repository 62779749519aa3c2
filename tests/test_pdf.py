"""The book on paper: pages that LaTeX can set, a clear word where it is missing, and the same file each time."""

import re
import shutil
import subprocess

import nbformat
import pytest
import yaml

from lib import claims
from lib.book import markup, pdf, plain_pages, site
from lib.hashing import ROOT

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="navy"/></svg>'
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIGURE = (
    '<figure class="result" id="fig-rh"><div class="chart"><style>x</style><script>var a = "<table>";</script></div>'
    '<img class="still" style="display:none" src="../_static/rh.svg" alt="RH is 0.9"><figcaption>It falls &amp; falls. '
    "<span class='face'>digits</span><br><small class='links'><a href='x.csv'>data</a></small></figcaption></figure>"
)


def notebook() -> nbformat.NotebookNode:
    code = nbformat.v4.new_code_cell
    shown = nbformat.v4.new_output("display_data", {"text/html": FIGURE, "text/plain": "<HTML>"})
    listed = '<div class="highlight"><pre><span>a</span> &lt; b</pre></div>'
    folded = nbformat.v4.new_output(
        "display_data", {"text/html": f"<details><summary>folded</summary>{listed}</details>"}
    )
    lines = nbformat.v4.new_output("display_data", {"text/html": listed, "text/latex": r"\begin{Verbatim}"})
    said = nbformat.v4.new_output(
        "display_data", {"text/markdown": "| a | b |\n|---|---|\n| $\\|x\\|$ | two<br>lines |"}
    )
    cells = [
        nbformat.v4.new_markdown_cell(
            '# A study\n\n<p class="jumps">folded</p>\n\n<p>Sure.</p>\n\n## Method\n\nIt is $x^2$.'
        ),
        code("folded = 1", metadata={"tags": ["hide-input"]}, outputs=[shown]),
        code("visible = 2", outputs=[folded, lines, nbformat.v4.new_output("stream", text="42")]),
        code("answer = 3", metadata={"tags": ["solution", "hide-input"]}),
        code("silent = 4", metadata={"tags": ["remove-cell"]}, outputs=[nbformat.v4.new_output("stream", text="no")]),
        code("5", metadata={"tags": ["remove-input"]}, outputs=[said]),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_notebook_keeps_what_is_seen_and_no_folded_code():
    text = plain_pages.notebook(notebook().cells, {})
    assert "\n\nSure.\n\n" in text and "visible = 2" in text and "a < b" in text and "````text\n42" in text
    assert not re.search("folded|answer|silent|Verbatim|script|<style|no\n", text)
    assert "````{figure} ../_static/rh.png\n:alt: RH is 0.9\n:width: 100%\n\nIt falls & falls. digits\n````" in text


def test_tables_of_both_kinds_are_broken_into_lines():
    text = plain_pages.notebook(notebook().cells, {})
    assert "* - a\n  - b\n* - $|x|$\n  - two\n\n    lines" in text
    table = markup.raw(markup.table(("claim", "verdict"), [('<a href="#x">it_holds</a>', "yes<br>indeed")], "verdicts"))
    text = plain_pages.page(f"before\n\n{table}\n\nafter", {})
    assert ":header-rows: 1" in text and text.startswith("before") and text.endswith("after")
    assert "* - claim\n  - verdict\n* - it\\_holds\n  - yes\n\n    indeed" in text and "<" not in text


def test_links_lead_to_other_sites_and_pictures_in_a_page_become_files():
    pictures = {}
    html = (
        '<p><a href="https://a.org/x">there</a> <a href="y.html">here</a> <code>a_b</code></p><figure><img src="data:'
    )
    text = plain_pages.html(f'{html}image/png;base64,{PNG}" alt="1"><figcaption>One.</figcaption></figure>', pictures)
    assert text.startswith("[there](https://a.org/x) here `a_b`")
    ((name, content),) = pictures.items()
    assert f"{{figure}} /{name}" in text and content.startswith(b"\x89PNG")


def test_a_drawing_in_the_page_is_said_in_its_words():
    drawn = '<li><a href="#x">It holds.</a><svg role="img" aria-label="recorded 0.1: holds"><rect></rect></svg></li>'
    legend = '<p class="marks"><svg aria-hidden="true"><rect></rect></svg> recorded</p>'
    assert plain_pages.html(f"{legend}<ul>{drawn}</ul>", {}) == "It holds. (recorded 0.1: holds)"


def test_the_claims_of_the_scoreboard_do_not_fill_the_contents():
    name = next(iter(claims.known()))
    table = markup.raw(markup.table(("a",), [("b",)], "judgements"))
    text = plain_pages.page(
        f"# Scoreboard\n\n## Kept\n\n({name})=\n## It *holds*.\n\nIt rests on this.\n\n{table}\n", {}
    )
    assert re.findall("^#.*", text, re.M) == ["# Scoreboard", "## Kept"]
    assert f"({name})=\n**It *holds*.**\n\nIt rests on this." in text and "table" not in text


def test_without_latex_the_packages_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"make pdf needs xelatex and latexmk; .*apt-get install texlive-xetex"):
        pdf.check()
    assert pdf.PACKAGES in (ROOT / ".github/workflows/book.yml").read_text()


@pytest.mark.latex
@pytest.mark.skipif(not all(map(shutil.which, pdf.PROGRAMS)), reason=f"no {pdf.PROGRAMS}")
def test_a_book_of_two_pages_is_the_same_twice(monkeypatch, tmp_path):
    source = tmp_path / "source"
    (source / "notebooks").mkdir(parents=True)
    shutil.copytree(ROOT / "book/_ext", source / "_ext")
    (source / "_static").mkdir()
    (source / "_static/rh.svg").write_text(SVG)
    (source / "_config.yml").write_text(site._config())
    (source / "_toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": "index", "chapters": CHAPTERS}))
    (source / "references.bib").write_text("")
    (source / "index.md").write_text("# Front\n\nOne page.\n")
    nbformat.write(notebook(), source / "notebooks/study.ipynb")
    monkeypatch.setattr(pdf, "SOURCE", source)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    found = []
    for name in ("one", "two"):
        monkeypatch.setattr(pdf, "FOLDER", tmp_path / name)
        found.append(pdf.write().read_bytes())
    assert found[0] == found[1]
    if shutil.which("pdftotext"):
        words = subprocess.run(["pdftotext", tmp_path / "one/book.pdf", "-"], capture_output=True, text=True).stdout
        size = subprocess.run(["pdfinfo", tmp_path / "one/book.pdf"], capture_output=True, text=True).stdout
        assert "(A4)" in size and "Nov 14 22:13:20 2023" in size
        assert "1.1" in words and "Method" in words and "It falls & falls." in words and "folded" not in words


CHAPTERS = [{"file": "notebooks/study"}]
