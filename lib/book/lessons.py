"""What each chapter teaches, for the teachers' page: from the exercises in ``classroom/<study>.py``."""

import html

from lib.book import pages
from lib.book.classroom import notebook
from lib.book.classroom.exercise import Exercise


def exercises(study: str) -> tuple[Exercise, ...]:
    """The exercises that the book sets of a study; none where there is no file of them."""
    path = notebook.FILES / f"{study}.py"
    return notebook.exercises(path) if path.exists() else ()


def chapters() -> str:
    """A row a study: how many exercises it has, their minutes and points, and what each of them teaches."""
    rows = [
        (
            _chapter(study),
            str(len(each)),
            str(sum(e.minutes for e in each)),
            str(sum(e.points for e in each)),
            "<br>".join(html.escape(e.objective) for e in each),
        )
        for study in pages.studies()
        if (each := exercises(study))
    ]
    return pages.raw(
        pages.table(("chapter", "exercises", "minutes", "points", "who has done them can"), rows, "lessons")
    )


def by_exercise() -> str:
    """A row an exercise: its chapter, label, what it needs, how it is graded, minutes and points."""
    rows = [
        (
            _chapter(study),
            f"<code>{html.escape(e.label)}</code>",
            html.escape(e.prerequisites),
            "tests" if e.checks else "rubric",
            str(e.minutes),
            str(e.points),
        )
        for study in pages.studies()
        for e in exercises(study)
    ]
    head = ("chapter", "exercise", "needs", "graded by", "minutes", "points")
    return pages.raw(pages.table(head, rows, "lessons"))


def rubrics() -> str:
    """A row a criterion of the open questions: its chapter, what it asks for, and the points."""
    rows = [
        (_chapter(study), html.escape(criterion.what), str(criterion.points))
        for study in pages.studies()
        for exercise in exercises(study)
        for criterion in exercise.rubric
    ]
    return pages.raw(pages.table(("chapter", "an answer earns points where it", "points"), rows, "lessons"))


def _chapter(study: str) -> str:
    return f'<a href="notebooks/{study}.html">{html.escape(pages.title(study))}</a>'
