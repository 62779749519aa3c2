"""lib.book.opening: a page begins with its answer and main figure, and explains its words where it first uses them."""

import re

import nbformat
import pytest

from lib.book import opening
from lib.hashing import ROOT

STILL = '<img class="still" style="display:none" src="figures/a.svg" alt="RH is 0.9 &amp; falls.">'


def figure(name: str, body: str = STILL, caption: str = "A line.") -> str:
    return f'<figure class="result" id="fig-{name}">{body}<figcaption>{caption}</figcaption></figure>'


def code(text: str = "pass", *outputs: str, tags=()):
    made = [nbformat.v4.new_output("display_data", {"text/html": html}) for html in outputs]
    return nbformat.v4.new_code_cell(text, outputs=made, metadata={"tags": list(tags)})


def page() -> list:
    answer = nbformat.v4.new_output("display_data", {"text/markdown": ":::{admonition} In short\nIt is 3.\n:::"})
    return [
        nbformat.v4.new_markdown_cell("# Title\n\n**Question.** Why?\n\n## Parameters\n\nHow to change them."),
        code("seed = 0", tags=["parameters"]),
        code("import time"),
        nbformat.v4.new_markdown_cell("## Method\n\nWhat the head sees."),
        code("draw()", figure("a"), figure("b", '<script>{"bind": 1}</script>'), tags=["main-figure", "hide-input"]),
        nbformat.v4.new_markdown_cell("## What the paper got wrong\n\nNothing.\n\n## Claims"),
        nbformat.v4.new_code_cell("short()", outputs=[answer], metadata={"tags": ["in-short", "remove-input"]}),
        nbformat.v4.new_markdown_cell("## Stamp"),
        code("stamp()"),
    ]


def text(cells: list) -> str:
    """All a reader sees, in order."""
    seen = []
    for cell in cells:
        seen.append(cell.source)
        for output in cell.get("outputs", []):
            seen += ["".join(value) for value in output.data.values()]
    return "\n".join(seen)


@pytest.mark.parametrize("chapter", [True, False])
def test_scale_question_answer_figure_how_sure_and_the_set_up_last(chapter):
    cells = page()
    opening.arrange(cells, "SCALE.", "<div>STAMP</div>", "<ul>FOUND</ul>", "This run gives 3 verdicts.", chapter)
    shown = text(cells)
    parts = [
        "# Title",
        "SCALE.",
        "Question.",
        "Answer",
        "It is 3.",
        "FOUND",
        'id="fig-a"',
        "This run gives",
        "## Method",
    ]
    parts += ["## Claims", f"## {opening.SETUP}", "How to change", "seed = 0", "import time", "stamp()"]
    parts.insert(len(parts) - 4 if chapter else 1, "STAMP")
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "In short" not in shown and "## Parameters" not in shown and "## Stamp" not in shown
    assert all(shown.count(f'id="fig-{name}"') == 1 for name in "ab")
    assert shown.index("stands at the top") > shown.index("## Method")


def test_links_lead_to_what_the_page_has():
    cells = page()
    opening.arrange(cells, "", "", "", "", True)
    jumps = dict(re.findall(r'<a href="(#[\w-]+)">([\w ]+)</a>', text(cells).split("On this page")[1].split("</p>")[0]))
    wanted = {
        "#method": "method",
        "#claims": "claims",
        "#what-the-paper-got-wrong": "what was wrong",
        "#fig-b": "try it",
    }
    assert jumps == wanted


def test_a_caption_begins_with_the_finding_once():
    cell = code("draw()", figure("a"), figure("b", caption="RH is 0.9 &amp; falls. More."), tags=["hide-input"])
    for _ in range(2):
        opening.explain(cell)
    first, second = (output.data["text/html"] for output in cell.outputs)
    assert "<figcaption><strong>RH is 0.9 &amp; falls.</strong> A line." in first
    assert second.count("RH is 0.9") == 2, "in the alt and in the caption, which has it already"
    assert cell.metadata["mystnb"]["code_prompt_show"] == "Show code of the figure a, 1 line"


@pytest.mark.parametrize(
    ("caption", "begins"),
    [
        ("It falls to 0.9, with h&#x27;. Held-out images.", "<strong>It falls to 0.9, with h&#x27;.</strong> Held-out"),
        ("It falls to 0.9 <span class='face'>digits</span>", "<strong>It falls to 0.9</strong> <span"),
        ("Accuracy, 95 % intervals. More of 0.9.", "<strong>RH is 0.9 &amp; falls.</strong> Accuracy, 95 %"),
        ("Over 5 seeds.", "<strong>RH is 0.9 &amp; falls.</strong> Over 5"),
    ],
)
def test_a_caption_says_the_finding_once_in_its_own_words_or_in_those_of_the_alt_text(caption, begins):
    cell = code("draw()", figure("a", caption=caption))
    opening.explain(cell)
    (output,) = cell.outputs
    assert f"<figcaption>{begins}" in output.data["text/html"]


def test_code_of_the_library_is_folded_under_its_names():
    listing = '<div class="highlight"><pre><span>def</span> <span>nt_xent</span>(z):\n    return 1\n</pre></div>'
    cell = code("run.code(losses.nt_xent)", listing)
    opening.explain(cell)
    (output,) = cell.outputs
    assert output.data["text/html"].startswith(
        '<details class="source"><summary>Code: <code>nt_xent</code> (2 lines)</summary><div class="highlight">'
    )


def test_a_term_is_explained_at_its_first_use_in_prose_alone():
    known = opening.terms()
    assert {"RH", "AH", "NIE", "TE", "GRH", "head", "preset", "clamp", "strata", "end model", "free vectors"} <= set(
        known
    )
    assert len({anchor for anchor, _ in known.values()}) == len(known)
    cells = [
        nbformat.v4.new_markdown_cell("# RH of a title\n\n| RH | table |\n\n`RH` and $RH$ and [RH](#a) and {doc}`RH`"),
        nbformat.v4.new_markdown_cell("The RH ahead of the heads: RH, and the head."),
    ]
    opening.introduce(cells, "../")
    assert "notation.html" not in cells[0].source
    found = re.findall(
        r'<a class="term" href="../notation.html#(term-[\w-]+)" data-what="[^"]{20,}">(\w+)</a>', cells[1].source
    )
    assert found == [("term-rh", "RH"), ("term-head", "head")]
    assert cells[1].source.startswith("The <a") and "heads: RH, and the <a" in cells[1].source
    notation = (ROOT / "book/notation.md").read_text(encoding="utf-8")
    assert all(f'<a id="{anchor}"></a>' in notation for anchor, _ in known.values())


def test_verdicts_are_counted():
    found = opening.judged(["holds", "holds", "does not hold"], "This run gives")
    assert found == "This run gives 3 verdicts (holds: 2, does not hold: 1, not decided at this scale: 0)."
    assert opening.judged([], "This run gives") == ""
