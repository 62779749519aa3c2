"""A study's notebook with its exercises before its stamp, as it is read; and the two apart, as they are kept."""

import re

import jupytext
import nbformat

from lib.book.classroom import notebook

HEADING, STAMP = "## Exercises", "## Stamp"
INTRODUCTION = """{heading}

Everything that the exercises need is in the next cell. The tests of the book check every solution.
`make lab STUDY={name} STUDENT=yes` opens them without their solutions."""


def together(cells: list, name: str) -> list:
    """A notebook's cells with the study's exercises under their heading; as they are where the study has none."""
    asked = jupytext.reads(notebook.text(name), "py:percent").cells
    if not asked:
        return cells
    section = [nbformat.v4.new_markdown_cell(INTRODUCTION.format(heading=HEADING, name=name)), *asked]
    for number, cell in enumerate(section):
        cell["id"] = f"cell-exercises-{number}"  # not one drawn at random, which makes every page new
    place = next((i for i, cell in enumerate(cells) if _begins(cell, STAMP)), len(cells))
    return [*cells[:place], *section, *cells[place:]]


def apart(cells: list) -> tuple[list, list]:
    """The cells of the study, and those of its exercises without their heading, of cells as ``together`` gives them."""
    first = next((i for i, cell in enumerate(cells) if _begins(cell, HEADING)), len(cells))
    last = next((i for i, cell in enumerate(cells) if i > first and _begins(cell, "## ")), len(cells))
    return [*cells[:first], *cells[last:]], cells[first + 1 : last]


def as_text(cells: list) -> str:
    """Exercises as their file has them: cells in the py:percent format, without a header."""
    made = nbformat.from_dict(nbformat.v4.new_notebook(cells=cells))
    made.metadata["jupytext"] = {"notebook_metadata_filter": "-all"}
    return jupytext.writes(made, "py:percent")


def _begins(cell, text: str) -> bool:
    return cell["cell_type"] == "markdown" and re.match(re.escape(text), "".join(cell["source"])) is not None
