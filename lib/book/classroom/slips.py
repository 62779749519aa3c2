"""Wrong answers made from the published solution by a slip: a factor forgotten, a sign turned, a parameter ignored."""

import ast

from lib.book.classroom import notebook
from lib.book.classroom.exercise import Wrong


def solution(study: str, label: str) -> str:
    """The source of a solution in ``exercises/<study>.py``, without docstrings.  ValueError: there is none."""
    found = {q.label: q.solution for q in notebook.questions(notebook.cells(study)) if not q.open}
    if label not in found:
        raise ValueError(f"exercise {label!r} has no solution in exercises/{study}.py; there are: {', '.join(found)}")
    lines = found[label].splitlines()
    for node in ast.walk(ast.parse(found[label])):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented = node.body[0]
            lines[documented.lineno - 1 : documented.end_lineno] = [""] * (
                documented.end_lineno - documented.lineno + 1
            )
    return "\n".join(line for line in lines if line.strip())


def slips(right: str, *each: tuple[str, str, str, int]) -> tuple[Wrong, ...]:
    """A wrong answer for each (why, part of the right source, what stands in its place, most points).

    ValueError: a part that the right source does not have.
    """
    for why, old, _, _ in each:
        if old not in right:
            raise ValueError(f"{why!r}: the answer does not have {old!r}; give a part of it")
    return tuple(Wrong(why, right.replace(old, new), most) for why, old, new, most in each)
