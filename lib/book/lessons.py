"""The pages of the classroom: what each chapter teaches, from ``classroom/<study>.py``, and the solutions."""

import html
import re

from lib import study
from lib.book import in_order, markup, statements
from lib.book.claim_figures import SHOWN
from lib.book.classroom import notebook
from lib.book.classroom.exercise import Chapter, Exercise

WORDS, FIGURE, STATEMENT = 200, 1, 2  # words a minute; minutes for a figure, and for a statement with its proof


def exercises(name: str) -> tuple[Exercise, ...]:
    """The exercises that the book sets of a study; none where there is no file of them."""
    path = notebook.FILES / f"{name}.py"
    return notebook.exercises(path) if path.exists() else ()


def chapter(name: str) -> Chapter | None:
    """What a study's chapter asks of its reader; None where there is no file that says it."""
    path = notebook.FILES / f"{name}.py"
    return notebook.chapter(path) if path.exists() else None


def minutes(name: str) -> int:
    """How long a study's chapter takes to read, without its exercises and as an estimate."""
    cells = study.cells(name)
    words = sum(len(re.sub("(?m)^# ?", "", text).split()) for about, text in cells if "[markdown]" in about)
    figures = len(SHOWN.findall("\n".join(text for about, text in cells if "[markdown]" not in about)))
    return max(1, round(words / WORDS + FIGURE * figures + STATEMENT * len(statements.numbered(name))))


def asks(name: str, up: str) -> str:
    """What a chapter asks of its reader, in a line of HTML: level, what to know and to read before, minutes."""
    time, found = f"{minutes(name)} minutes to read", chapter(name)
    if not found:
        return f"{time}."
    parts = [f'<a href="{up}teaching.html#levels">{found.level.capitalize()}</a>']
    if found.needs:
        parts.append(f"Needs: {html.escape(found.needs)}")
    if found.after:
        first = (f'<a href="{up}notebooks/{n}.html">{html.escape(in_order.short(n))}</a>' for n in found.after)
        parts.append(f"Read before: {', '.join(first)}")
    return f"{'. '.join(parts)}. {time}, {sum(e.minutes for e in exercises(name))} more for the exercises."


def chapters() -> str:
    """A row a study: its level, what it needs, its minutes, its exercises, and what each of them teaches."""
    rows = [
        (
            _chapter(name),
            found.level,
            "<br>".join(filter(None, [html.escape(found.needs), *(f"first {_chapter(n)}" for n in found.after)])),
            str(minutes(name)),
            str(len(each)),
            str(sum(e.minutes for e in each)),
            str(sum(e.points for e in each)),
            "<br>".join(html.escape(e.objective) for e in each),
        )
        for name in in_order.studies()
        if (each := exercises(name)) and (found := chapter(name))
    ]
    head = ("chapter", "level", "needs", "minutes to read", "exercises", "minutes", "points", "who has done them can")
    return markup.raw(markup.table(head, rows, "lessons"))


def by_exercise() -> str:
    """A row an exercise: its chapter, label, what it needs, how it is graded, minutes and points."""
    rows = [
        (
            _chapter(name),
            f"{place}: <code>{html.escape(e.label)}</code>",
            html.escape(e.prerequisites),
            "tests" if e.checks else "rubric",
            str(e.minutes),
            str(e.points),
        )
        for name in in_order.studies()
        for place, e in enumerate(exercises(name), 1)
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
        for place, question in enumerate(notebook.questions(notebook.cells(name)), 1):
            answer = in_order.CHAPTER.sub(r"\1/notebooks/\2\3", question.solution)
            shown = answer if question.open else f"```python\n{answer}\n```"
            asked = f'<a href="notebooks/{name}.html#{question.label}">The question</a>.'
            parts.append(f"### Exercise {place}: `{question.label}`\n\n{asked}\n\n{shown}")
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
