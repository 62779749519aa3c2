"""A class graded: ``make grade STUDY=x SUBMISSIONS=folder SECRET=path [CLASSROOM=path] [ONLY=student] [TRUST=yes]``."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from lib import records
from lib.book import cost
from lib.book.classroom import assignment, exports, feedback, fence, judge, notebook, submissions
from lib.book.classroom.assignment import CLASS
from lib.book.classroom.judge import Batch
from lib.book.classroom.notebook import Assignment
from lib.book.classroom.results import Result, flags, manual, merged
from lib.book.classroom.roster import Student, roster, secret
from lib.book.classroom.submissions import Submission

REFUSED = """{why}, so nothing keeps students' code from this machine: it could read hidden tests and the grade book,
change both, and use the network. Grade on Linux with bubblewrap; on macOS and Windows in a container, from a fresh
clone (a .venv of another system does not work there):
  docker run --rm -it --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\
    -v "$PWD":/book -w /book python:3.12 bash -c "apt-get update && apt-get install -y bubblewrap && bash"
TRUST=yes grades without a fence: for code that you would run on this machine yourself, and for nothing else"""
UNFENCED = "TRUST=yes: students' code runs on this machine without a fence"


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
                    found = merged(said)
                    if not found.pop("done", False):
                        found.setdefault("stopped", "it took too long" if over else "its judge ended early")
                    yield submission, found, time.monotonic() - start
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
    torch.set_num_threads(1)  # judges are forked, and threads do not survive that
    set_ = notebook.assignment(options.study, options.classroom)
    key = secret(options.secret)
    class_ = roster(options.students) if options.students else []
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
        batch = Batch(set_, key, folders, students, trust=trust)
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
