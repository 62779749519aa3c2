"""The pages of the classroom: what each chapter teaches, from ``classroom/<study>.py``, and the solutions."""

import html
import re

from lib.book import in_order, markup
from lib.book.classroom import notebook
from lib.book.classroom.exercise import Exercise


def exercises(name: str) -> tuple[Exercise, ...]:
    """The exercises that the book sets of a study; none where there is no file of them."""
    path = notebook.FILES / f"{name}.py"
    return notebook.exercises(path) if path.exists() else ()


def chapters() -> str:
    """A row a study: how many exercises it has, their minutes and points, and what each of them teaches."""
    rows = [
        (
            _chapter(name),
            str(len(each)),
            str(sum(e.minutes for e in each)),
            str(sum(e.points for e in each)),
            "<br>".join(html.escape(e.objective) for e in each),
        )
        for name in in_order.studies()
        if (each := exercises(name))
    ]
    return markup.raw(
        markup.table(("chapter", "exercises", "minutes", "points", "who has done them can"), rows, "lessons")
    )


def by_exercise() -> str:
    """A row an exercise: its chapter, label, what it needs, how it is graded, minutes and points."""
    rows = [
        (
            _chapter(name),
            f"<code>{html.escape(e.label)}</code>",
            html.escape(e.prerequisites),
            "tests" if e.checks else "rubric",
            str(e.minutes),
            str(e.points),
        )
        for name in in_order.studies()
        for e in exercises(name)
    ]
    head = ("chapter", "exercise", "needs", "graded by", "minutes", "points")
    return markup.raw(markup.table(head, rows, "lessons"))


def rubrics() -> str:
    """A row a criterion of the open questions: its chapter, what it asks for, and the points."""
    rows = [
        (_chapter(name), html.escape(criterion.what), str(criterion.points))
        for name in in_order.studies()
        for exercise in exercises(name)
        for criterion in exercise.rubric
    ]
    return markup.raw(markup.table(("chapter", "an answer earns points where it", "points"), rows, "lessons"))


def solutions() -> str:
    """Every solution of every study, as its file has it, under the label of its exercise."""
    parts = []
    for name in in_order.studies():
        parts.append(f"({_anchor(name)})=\n## {in_order.title(name)}")
        for question in notebook.questions(notebook.cells(name)):
            answer = in_order.CHAPTER.sub(r"\1/notebooks/\2\3", question.solution)
            shown = answer if question.open else f"```python\n{answer}\n```"
            asked = f'<a href="notebooks/{name}.html#{question.label}">The question</a>.'
            parts.append(f"### `{question.label}`\n\n{asked}\n\n{shown}")
    return "\n\n".join(parts)


def without_solutions(cells: list, name: str, up: str) -> list:
    """A study's cells for its page, which lies below ``up``: without solutions, and where they are."""
    found = [cell for cell in cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in found:
        if cell.cell_type == "markdown" and re.search("(?m)^## Exercises$", cell.source):
            cell.source += f'\n\nSolutions have <a href="{up}solutions.html#{_anchor(name)}">a page of their own</a>.'
    return found


def _anchor(name: str) -> str:
    return f"solutions-{name.replace('_', '-')}"


def _chapter(name: str) -> str:
    return f'<a href="notebooks/{name}.html">{html.escape(in_order.title(name))}</a>'
