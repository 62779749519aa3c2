"""A class graded: ``make grade STUDY=x SUBMISSIONS=folder SECRET=path [CLASSROOM=path] [ONLY=student] [TRUST=yes]``."""

import csv
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from lib import records
from lib.book import cost
from lib.book.classroom import assignment, exports, feedback, fence, judge, notebook, submissions
from lib.book.classroom.assignment import CLASS, Student
from lib.book.classroom.judge import Batch
from lib.book.classroom.notebook import Assignment
from lib.book.classroom.submissions import Submission

REFUSED = """{why}, so nothing keeps students' code from this machine: it could read hidden tests and the grade book,
change both, and use the network. Grade on Linux with bubblewrap; on macOS and Windows in a container, from a fresh
clone (a .venv of another system does not work there):
  docker run --rm -it --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\
    -v "$PWD":/book -w /book python:3.12 bash -c "apt-get update && apt-get install -y bubblewrap && bash"
TRUST=yes grades without a fence: for code that you would run on this machine yourself, and for nothing else"""
UNFENCED = "TRUST=yes: students' code runs on this machine without a fence"


@dataclass(frozen=True)
class Result:
    """What a student's submission got.  ``found`` is what the judge said; ``manual`` the points of each criterion."""

    student: Student
    found: dict
    manual: dict[tuple[str, int], tuple[float, str]]

    def checks(self, label: str) -> list[tuple[bool, str]]:
        """For each check that was judged, whether it holds, and why not."""
        return [tuple(pair) for pair in self.found.get("checks", {}).get(label, [])]

    def points(self, set_: Assignment) -> dict[str, float]:
        """By exercise."""
        return {exercise.label: self._of(exercise) for _, exercise in set_.parts}

    def _of(self, exercise) -> float:
        judged = zip(exercise.checks, self.checks(exercise.label), strict=False)
        given = [self.manual.get((exercise.label, n), (0, ""))[0] for n in range(1, len(exercise.rubric) + 1)]
        return sum(check.points for check, (passed, _) in judged if passed) + sum(given)

    def waiting(self, set_: Assignment) -> int:
        """How many criteria of open questions have no points yet."""
        wanted = [(e.label, n) for _, e in set_.parts for n in range(1, len(e.rubric) + 1)]
        return sum(key not in self.manual for key in wanted)


def merged(said: list[dict]) -> dict:
    """One dict of all that a judge said."""
    found: dict = {"checks": {}, "data_of": {}}
    for one in said:
        if "check" in one:
            found["checks"].setdefault(one["exercise"], []).append([one["passed"], one["why"]])
        elif "data_of" in one:
            found["data_of"][one["exercise"]] = one["data_of"]
        else:
            found |= one
    return found


def judged(batch: Batch, todo: list[Submission], processes: int) -> Iterator[tuple[Submission, dict, float]]:
    """Each submission with what its judge found and the seconds that it took, as they are ready."""
    left, at_work = todo[::-1], {}
    try:
        while left or at_work:
            while left and len(at_work) < processes:
                place = min(set(range(processes)) - {p for *_, p in at_work.values()})
                submission = left.pop()
                process, pipe = judge.started(batch, submission, place)
                at_work[pipe] = (submission, process, [], time.monotonic(), place)
            wait(list(at_work), 1)
            for pipe, (submission, process, said, start, _) in list(at_work.items()):
                over = time.monotonic() - start > batch.seconds
                if over or _ended(pipe, said):
                    process.kill()
                    process.join()
                    del at_work[pipe]
                    said += [{"stopped": "it took too long"}] * over
                    yield submission, merged(said), time.monotonic() - start
    finally:
        for _, process, *_ in at_work.values():
            process.kill()


def _ended(pipe: Connection, said: list[dict]) -> bool:
    """Read what a judge has said; whether it has ended."""
    try:
        while pipe.poll():
            said.append(json.loads(pipe.recv_bytes()))
    except EOFError:
        return True
    return False


def manual(path: Path, set_: Assignment) -> dict[str, dict[tuple[str, int], tuple[float, str]]]:
    """Points and comments of criteria by student, from the columns student,exercise,criterion,points[,comment].

    A line without points says nothing.  ValueError: no such exercise or criterion, points beyond its own, a line twice.
    """
    most = {(e.label, n): c.points for _, e in set_.parts for n, c in enumerate(e.rubric, 1)}
    found: dict[str, dict] = {}
    if not path.is_file():
        return found
    with open(path, encoding="utf-8-sig", newline="") as f:
        for number, row in enumerate(csv.DictReader(f), 2):
            where, points = f"{path}, line {number}", (row.get("points") or "").strip()
            criterion = (row.get("criterion") or "").strip()
            key = ((row.get("exercise") or "").strip(), int(criterion) if criterion.isdecimal() else 0)
            if key not in most:
                raise ValueError(
                    f"{where}: exercise {key[0]!r} has no criterion {criterion!r}; see manual-template.csv"
                )
            if not points:
                continue
            given = _number(points, where, most[key])
            own = found.setdefault((row.get("student") or "").strip(), {})
            if key in own:
                raise ValueError(f"{where}: student, exercise and criterion stand there twice; give each one line")
            own[key] = (given, (row.get("comment") or "").strip())
    return found


def _number(text: str, where: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise ValueError(f"{where}: points={text!r}; a number from 0 to {most} is expected")
    return int(value) if value.is_integer() else value


def flags(set_: Assignment, results: list[Result]) -> list[tuple[str, str, str]]:
    """(students, exercises, reason) where submissions have the same origin; for a person to look at."""
    own = {
        q.label: submissions.fingerprint([submissions.Cell("code", q.solution, "")], q)
        for q, _ in set_.parts
        if not q.open
    }
    prints = {r.student.id: {k: v for k, v in r.found.get("prints", {}).items() if v} for r in results}
    found = []
    for student, mine in prints.items():
        as_published = [label for label, value in mine.items() if own.get(label) == value]
        if as_published:
            found.append((student, " ".join(as_published), "the published solution, names and layout apart"))
        for other, theirs in prints.items():
            same = [label for label, value in mine.items() if theirs.get(label) == value and own.get(label) != value]
            if student < other and len(same) > 1:
                found.append((f"{student} {other}", " ".join(same), "the same code, names and layout apart"))
    for result in results:
        if result.found.get("owner") not in (None, "", result.student.id):
            found.append((f"{result.student.id} {result.found['owner']}", "", "the notebook was made for the other"))
        if result.found.get("data_from"):
            found.append(
                (f"{result.student.id} {result.found['data_from']}", "", "the other's data.json was handed in")
            )
        for label, other in result.found.get("data_of", {}).items():
            found.append((f"{result.student.id} {other}", label, "the answer is right for the other's data"))
    return found


def _data_from(batch: Batch, submission: Submission) -> str:
    """Whose data lies beside a notebook, where it is another student's."""
    if not submission.data:
        return ""
    blob, exercises = submission.data(), [e for _, e in batch.set_.parts]
    texts = {s: assignment.as_json(assignment.own(exercises, batch.secret, s)).encode() for s in batch.students}
    return next((s for s, text in texts.items() if s != submission.student and text == blob), "")


def graded(batch: Batch, handed_in: list[Submission], folder: Path, only: str, processes: int) -> None:
    """Judge what has no result under ``folder`` that is up to date, and keep each result there; ``only``: one student.

    ValueError: the study's own solutions do not get all points here, so that nobody's would.
    """
    todo = []
    for submission in handed_in:
        path = folder / f"{submission.student}.json"
        known = _kept(path)
        if submission.student == only or (not only and known.get("key") != batch.key(submission)):
            todo.append(submission)
    print(f"{len(todo)} of {len(handed_in)} submissions to grade", flush=True)
    if todo and (amiss := judge.trial(batch)):
        raise ValueError(f"{amiss}; repair {batch.set_.study}'s exercises before anyone is graded by them")
    for done, (submission, found, seconds) in enumerate(judged(batch, todo, processes), 1):
        found |= {"key": batch.key(submission), "data_from": _data_from(batch, submission), "notes": submission.notes}
        records.write_json(folder / f"{submission.student}.json", found)
        points = sum(Result(Student(submission.student), found, {}).points(batch.set_).values())
        trouble = found.get("unread") or found.get("stopped") or ""
        said = f"{points} points ({seconds:.1f} s)" + (f": {trouble}" if trouble else "")
        print(f"[{done}/{len(todo)}] {submission.student}: {said}", flush=True)


def _kept(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def command_grade(options) -> int:
    """Grade the submissions that are not graded yet, and write tables and feedback."""
    if options.trust not in ("", "yes"):
        raise ValueError(f"TRUST={options.trust!r}: 'yes' is expected, or nothing")
    set_ = notebook.assignment(options.study, options.classroom)
    secret = assignment.secret(options.secret)
    class_ = assignment.roster(options.students) if options.students else []
    handed_in, left_out = submissions.found(options.submissions, class_)
    ids = [submission.student for submission in handed_in]
    if options.only and options.only not in ids:
        raise ValueError(f"ONLY={options.only!r} handed in nothing; there are: {', '.join(ids)}")
    by_hand = manual(Path(options.submissions).expanduser().absolute().parent / "manual.csv", set_)
    if unknown := set(by_hand) - set(ids) - {s.id for s in class_}:
        raise ValueError(f"manual.csv names {min(unknown)!r}, who handed in nothing; there are: {', '.join(ids)}")
    trust = options.trust == "yes"
    if not trust and (why := fence.broken()):
        raise ValueError(REFUSED.format(why=why))
    for line in [UNFENCED] * trust + [f"left out: {line}" for line in left_out]:
        print(line)
    folder = CLASS / set_.study / "grades"
    with tempfile.TemporaryDirectory() as place:
        hidden = sorted({e.hides for _, e in set_.parts if e.checks})
        folders = {hides: fence.built(Path(place) / str(n), hides) for n, hides in enumerate(hidden)}
        Path(place).chmod(0o755)
        students = tuple(dict.fromkeys([*(s.id for s in class_), *ids]))
        batch = Batch(set_, secret, folders, students, trust=trust)
        graded(batch, handed_in, folder / "done", options.only, cost.cores())
    write(folder, set_, class_, ids, by_hand, left_out)
    return 0


def write(
    folder: Path, set_: Assignment, class_: list[Student], ids: list[str], by_hand: dict, left_out: list[str]
) -> None:
    """The tables and pages of a class, from the results that are kept."""
    known = {s.id: s for s in class_}
    done = {i: _kept(folder / "done" / f"{i}.json") for i in ids}
    results = [Result(known.get(i, Student(i)), found, by_hand.get(i, {})) for i, found in done.items() if found]
    results += [Result(s, {"unread": "nothing was handed in"}, {}) for s in class_ if s.id not in ids]
    results.sort(key=lambda result: result.student.id)
    exports.tables(folder, set_, results)
    exports.gradescope(folder / "gradescope", set_, results)
    shutil.rmtree(folder / "feedback", ignore_errors=True)
    for result in results:
        records.write_text(folder / "feedback" / f"{result.student.id}.html", feedback.page(set_, result))
    records.write_text(folder / "open.html", feedback.open_answers(set_, results))
    exports.write_csv(folder / "flags.csv", [("students", "exercises", "reason"), *flags(set_, results)])
    exports.write_csv(folder / "left-out.csv", [("file",), *((line,) for line in left_out)])
    waiting = sum(result.waiting(set_) > 0 for result in results)
    print(exports.summary(set_, results))
    if waiting:
        print(
            f"{waiting} students wait for points of open questions: read open.html, fill manual-template.csv ({folder})"
        )
        print("and save it as manual.csv beside SUBMISSIONS; then make grade again (nobody is judged twice)")
    print(
        f"{folder}: grades.csv, canvas.csv, moodle.csv, flags.csv ({len(flags(set_, results))}), feedback/, gradescope/"
    )
