"""One submission judged, in a process of its own: the checks run here, the student's code behind the fence."""

import contextlib
import hashlib
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from lib.book.classroom import assignment, submissions
from lib.book.classroom.exercise import Answers, Exercise, holds
from lib.book.classroom.fence import USUAL, Fence, Limits
from lib.book.classroom.notebook import Assignment
from lib.book.classroom.session import Session, Trusted
from lib.book.classroom.submissions import Cell, Submission

MEMORY = 8 * 2**30  # bytes of a judge's data: a check may be given a number and ask for as many
SPARE = 60  # seconds that a judge may take beyond its fences


@dataclass(frozen=True)
class Batch:
    """What all submissions of a class are judged by.  folders: of the fences, by the modules that they hide."""

    set_: Assignment
    secret: bytes
    folders: dict[tuple[str, ...], Path]
    students: tuple[str, ...]
    limits: Limits = USUAL
    trust: bool = False

    @property
    def seconds(self) -> float:
        """After so long a judge is ended."""
        return len(self.folders) * self.limits.total + self.limits.start + SPARE

    def key(self, submission: Submission) -> str:
        """Names a result: of the submission, the exercises, the secret and the limits."""
        parts = [submission.read(), submission.data() if submission.data else b"", self.secret]
        asked = (
            self.set_.source,
            self.set_.setup,
            [question for question, _ in self.set_.parts],
            self.limits,
            self.trust,
        )
        parts += [repr(asked).encode(), submission.student.encode()]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def started(batch: Batch, submission: Submission, place: int) -> tuple[multiprocessing.Process, Connection]:
    """A judge at work, and where its findings arrive, as JSON."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_judge, args=(batch, submission, place, there))
    process.start()
    there.close()
    return process, here


def _judge(batch: Batch, submission: Submission, place: int, out: Connection) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    try:
        for finding in findings(batch, submission, place):
            out.send_bytes(json.dumps(finding).encode())
        out.send_bytes(json.dumps({"done": True}).encode())
    except Exception as error:
        out.send_bytes(json.dumps({"stopped": f"{type(error).__name__}: {error}"}).encode())


def findings(batch: Batch, submission: Submission, place: int = 0) -> Iterator[dict]:
    """What a submission is worth, piece by piece: what was read, then one dict for every check."""
    blob = submission.read()
    try:
        written = submissions.cells(blob)
    except ValueError as error:
        yield {"unread": str(error)}
        return
    questions = [question for question, _ in batch.set_.parts]
    yield {
        "owner": submissions.owner(blob),
        "texts": {q.label: submissions.text_answer(written, q) for q in questions if q.open},
        "prints": {q.label: submissions.fingerprint(written, q) for q in questions if not q.open},
    }
    for hides in batch.folders:
        yield from _group(batch, submission.student, written, hides, place)


def _group(batch: Batch, student: str, written: list[Cell], hides: tuple[str, ...], place: int) -> Iterator[dict]:
    """The checks of the exercises that hide the same modules, in one session."""
    exercises = [e for _, e in batch.set_.parts if e.checks and e.hides == hides]
    data = assignment.own([e for _, e in batch.set_.parts], batch.secret, student)
    known = {question.checks.strip() for question, _ in batch.set_.parts}
    cells = [cell.source for cell in written if cell.kind == "code" and cell.source.strip() not in known]
    trusted = Trusted(batch.set_.setup, assignment.as_json(data), assignment.reading(data))
    session = Session(Fence(batch.folders[hides], batch.limits, batch.trust, place), trusted, cells)
    try:
        for exercise in exercises:
            passed = yield from _exercise(batch, student, session, exercise)
            if not passed and (other := _other(batch, student, session, exercise)):
                yield {"exercise": exercise.label, "data_of": other}
        if not hides or not any(not h for h in batch.folders):
            yield {"amiss": {str(n + 1): texts for n, texts in session.amiss.items() if texts}}
    finally:
        session.end()


def _exercise(batch: Batch, student: str, session: Session, exercise: Exercise) -> Iterator[dict]:
    answers, all_ = Answers(session.call), True
    for n in range(len(exercise.checks)):
        session.failure = ""
        passed = holds(exercise, n, answers, batch.secret, student)
        if session.broken:
            raise RuntimeError(session.broken)
        all_ &= passed
        yield {"exercise": exercise.label, "check": n, "passed": passed, "why": "" if passed else session.failure}
    return all_


def _other(batch: Batch, student: str, session: Session, exercise: Exercise) -> str:
    """Another student on whose data the answer would be right; empty where there is none."""
    answers, checks = Answers(session.call), range(len(exercise.checks))
    for other in batch.students:
        if other == student or time.monotonic() > session.deadline or session.failure:
            continue
        if assignment.own([exercise], batch.secret, other) == {}:
            break
        if all(holds(exercise, n, answers, batch.secret, student, data_of=other) for n in checks):
            return other
    return ""


def solution(set_: Assignment) -> Submission:
    """The study's own solutions as a submission, to try a batch on."""
    made = {"cells": [{"cell_type": "code", "source": q.solution} for q, _ in set_.parts if not q.open]}
    return Submission("solution", lambda: json.dumps(made).encode())


def trial(batch: Batch) -> str:
    """What is wrong with the exercises or the fence: checks that the solutions do not pass; empty where none.

    In a process of its own, as every judge: one that has computed with threads must not be forked.
    RuntimeError: the setup cell fails inside the fence, or the checks do not end.
    """
    process, pipe = started(replace(batch, students=()), solution(batch.set_), 0)
    try:
        for found in _said(pipe, batch.seconds):
            if "stopped" in found:
                raise RuntimeError(f"{found['stopped']}; repair study {batch.set_.study!r}")
            if found.get("passed") is False:
                exercise = next(e for _, e in batch.set_.parts if e.label == found["exercise"])
                says = exercise.checks[found["check"]].says
                return (
                    f"{exercise.label}: the study's own solution fails the check {says!r} ({found['why'] or 'wrong'})"
                )
    finally:
        process.kill()
        process.join()
    return ""


def _said(pipe: Connection, seconds: float) -> Iterator[dict]:
    end = time.monotonic() + seconds
    with contextlib.suppress(EOFError):
        while pipe.poll(max(0, end - time.monotonic())):
            yield json.loads(pipe.recv_bytes())
        yield {"stopped": "grading the study's own solutions took too long"}
