"""Theorems and exercises are numbered within their page, in HTML and in LaTeX, in a book of two pages."""

import re
from pathlib import Path

import pytest
from sphinx.cmd import build as sphinx

from lib.hashing import ROOT

PAGE = """# {title}: a question?

:::{{prf:theorem}} First
:label: {name}-one
It holds.
:::

:::{{prf:lemma}} Small
:label: {name}-lemma
It helps.
:::

:::{{prf:theorem}} Second
:label: {name}-two
By {{prf:ref}}`{name}-one` and {{prf:ref}}`{other}-two`.
:::

:::{{exercise}}
:label: {name}-exercise
Try.
:::
"""
CONF = """import sys
sys.path.insert(0, {path!r})
extensions = ['myst_nb', 'sphinx_proof', 'sphinx_exercise', 'numbered']
myst_enable_extensions = ['colon_fence']
nb_execution_mode = 'off'
html_theme = 'basic'
latex_documents = [('index', 'book.tex', 'Book', 'X', 'manual')]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("numbered")
    (folder / "conf.py").write_text(CONF.format(path=str(ROOT / "book/_ext")))
    (folder / "index.md").write_text("# Book\n\n```{toctree}\nred\nblue\n```\n")
    for name, other in (("red", "blue"), ("blue", "red")):
        (folder / f"{name}.md").write_text(PAGE.format(title=name.title(), name=name, other=other))
    for kind in ("html", "latex"):
        assert sphinx.main(["-q", "-b", kind, "-d", str(folder / "read"), str(folder), str(folder / kind)]) == 0
    return folder


def numbers(text: str) -> list[str]:
    return re.findall(r"(?:Theorem|Lemma|Exercise) \d+", re.sub(r"<[^>]*>", "", text))


@pytest.mark.parametrize("name", ["red", "blue"])
def test_a_page_counts_from_one(folder, name):
    text = (folder / f"html/{name}.html").read_text()
    titles = [re.sub("<[^>]*>", "", part) for part in re.findall(r'class="admonition-title">(.*?)</p>', text)]
    assert [numbers(title)[0] for title in titles] == ["Theorem 1", "Lemma 1", "Theorem 2", "Exercise 1"]


@pytest.mark.parametrize(("name", "other"), [("red", "Blue"), ("blue", "Red")])
def test_a_reference_to_another_page_names_its_subject(folder, name, other):
    text = (folder / f"html/{name}.html").read_text()
    body = re.sub("<[^>]*>", "", text[text.index("By <a") :])
    assert body.startswith(f"By Theorem 1 and Theorem 2 of “{other}”.")


def test_paper_has_the_same_numbers_in_the_same_order(folder):
    on_site = [
        numbers((folder / f"html/{name}.html").read_text().partition("</article>")[0]) for name in ("red", "blue")
    ]
    body = (folder / "latex/book.tex").read_text().partition(r"\chapter{Red")[2]
    assert numbers(re.sub(r"[{}]", "", body)) == [number for page in on_site for number in page]


def test_a_second_build_writes_only_what_changed(folder):
    before = {name: (folder / f"html/{name}.html").stat().st_mtime_ns for name in ("red", "blue")}
    (folder / "index.md").write_text("# Book\n\nMore.\n\n```{toctree}\nred\nblue\n```\n")
    assert sphinx.main(["-q", "-b", "html", "-d", str(folder / "read"), str(folder), str(folder / "html")]) == 0
    assert {name: (folder / f"html/{name}.html").stat().st_mtime_ns for name in ("red", "blue")} == before
