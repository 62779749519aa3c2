"""What a student reads: points, and a fixed sentence for each check that failed; never an input, a value or a test."""

import html

from lib.book.classroom.notebook import Assignment
from lib.book.classroom.results import Result

WHY = {
    "": "The value is not right.",
    "missing": "No function of this name was found.",
    "blank": "It raises NotImplementedError.",
    "raised": "A call raised an error.",
    "form": "A call returned something other than numbers, texts, lists, tuples, dicts, arrays or tensors.",
    "slow": "A call took too long.",
    "gone": "A call ended the process.",
    "time": "There was no time left for it.",
}
STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
STYLE += "td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}pre{white-space:pre-wrap}"


def page(set_: Assignment, result: Result) -> str:
    """The feedback page of one student."""
    points = result.points(set_)
    name = result.student.name or result.student.id
    parts = [
        f"<h1>{_text(set_.title)}</h1>",
        f"<p>{_text(name)}: <b>{sum(points.values())} of {set_.points}</b> points.</p>",
    ]
    if trouble := result.found.get("unread"):
        parts.append(f"<p>{_text(trouble[0].upper() + trouble[1:])}.</p>")
    if "stopped" in result.found:
        parts.append("<p>Grading was stopped before its end.</p>")
    parts += [f"<p>{_text(note)}.</p>" for note in result.found.get("notes", [])]
    for question, exercise in set_.parts:
        parts.append(f"<h2>{_text(question.label)}: {points[exercise.label]} of {exercise.points}</h2>")
        rows = _checks(exercise, result) + _criteria(exercise, result)
        parts.append(f"<table><tr><th>points</th><th>for</th><th></th></tr>{''.join(rows)}</table>")
    if amiss := result.found.get("amiss"):
        parts.append("<h2>Cells that did not run to their end</h2>")
        parts += [f"<p>Code cell {_text(n)}:</p><pre>{_text(chr(10).join(texts))}</pre>" for n, texts in amiss.items()]
    return _html(set_.title, parts)


def _checks(exercise, result: Result) -> list[str]:
    judged = result.checks(exercise.label)
    judged += [(False, "time" if "stopped" in result.found else "missing")] * (len(exercise.checks) - len(judged))
    pairs = zip(exercise.checks, judged, strict=True)
    return [
        _row(check.points if ok else 0, check.points, check.says, "" if ok else WHY[why]) for check, (ok, why) in pairs
    ]


def _criteria(exercise, result: Result) -> list[str]:
    rows = []
    for n, criterion in enumerate(exercise.rubric, 1):
        given, comment = result.manual.get((exercise.label, n), ("–", "not graded yet"))
        rows.append(_row(given, criterion.points, criterion.what, comment))
    return rows


def _row(given, most, what: str, comment: str) -> str:
    return f"<tr><td>{given} of {most}</td><td>{_text(what)}</td><td>{_text(comment)}</td></tr>"


def open_answers(set_: Assignment, results: list[Result]) -> str:
    """The answers to open questions, for the teacher, under their rubrics."""
    parts = [f"<h1>{_text(set_.title)}: open questions</h1>"]
    for question, exercise in set_.parts:
        if not question.open:
            continue
        rubric = "".join(f"<li>{c.points}: {_text(c.what)}</li>" for c in exercise.rubric)
        parts.append(f"<h2>{_text(question.label)}</h2><pre>{_text(question.text)}</pre><ol>{rubric}</ol>")
        for result in results:
            text = result.found.get("texts", {}).get(question.label, "") or "(no answer)"
            parts.append(f"<h3>{_text(result.student.id)}</h3><pre>{_text(text)}</pre>")
    return _html(set_.title, parts)


def _html(title: str, parts: list[str]) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_text(title)}</title>'
    head += f"<style>{STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _text(value) -> str:
    return html.escape(str(value).encode(errors="replace").decode())
