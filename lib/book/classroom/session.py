"""One student's notebook, run inside a fence and called from outside; a process that ends is started again."""

import builtins
import time
from collections import Counter
from dataclasses import dataclass

from lib.book.classroom.exercise import Plain
from lib.book.classroom.fence import Child, Fence, Gone, Slow

DEATHS = 2  # of the process in one function, after which that function is not called again
WHY = ("missing", "blank", "raised", "form", "slow", "gone", "time")  # why a call gave no value
ERRORS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}


class Failed(RuntimeError):
    """A call that gave no value; ``why`` is one of WHY."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class SetupError(RuntimeError):
    """The study's own cells fail inside a fence."""


@dataclass(frozen=True)
class Trusted:
    """What runs before a student's cells: the study's setup, the student's data as JSON, the cell that reads them."""

    setup: str
    data: str = "{}"
    reading: str = ""


class Session:
    """The functions of a student's cells: ``call`` is what ``exercise.Answers`` takes.

    ``amiss`` says what went wrong in the cells, by their number.
    """

    def __init__(self, fence: Fence, trusted: Trusted, cells: list[str]) -> None:
        self.fence, self.trusted, self.cells = fence, trusted, cells
        self.child: Child | None = None
        self.deadline = time.monotonic() + fence.limits.total
        self.deadly: Counter[int | str] = Counter()  # how often a cell or a function ended the process
        self.amiss: dict[int, list[str]] = {}
        self.failure = ""  # of the last call
        self.broken = ""  # what is wrong with the trusted cells

    def call(self, name: str, /, *arguments: Plain, **named: Plain) -> Plain:
        """The value of a function of that name.  Failed: there is none."""
        self.failure = ""
        try:
            return self._called(name, arguments, named)
        except Failed as failed:
            self.failure = failed.why
            raise

    def _called(self, name: str, arguments: tuple, named: dict) -> Plain:
        if self.deadly[name] >= DEATHS:
            raise Failed("slow")
        while not self.child:
            if time.monotonic() > self.deadline:
                raise Failed("time")
            self._start()
        asked = {"do": "call", "name": name, "arguments": tuple(arguments), "named": named}
        try:
            reply = self.child.ask(asked, self.fence.limits.call)
        except (Slow, Gone) as error:
            self.deadly[name] += 1
            self.end()
            raise Failed("slow" if isinstance(error, Slow) else "gone") from None
        if list(reply) != ["value"]:
            raise Failed(reply.get("failed") if reply.get("failed") in WHY else "form")
        return reply["value"]

    def _start(self) -> None:
        """Start the process and run the cells; where a cell ends it, there is none, and the next runs less of it."""
        child = self.child = Child(self.fence)
        try:
            prepare(child, self.trusted, self.fence)
        except (Gone, Slow, SetupError) as error:
            self.broken = str(error)
            self.end()
            raise Failed("time") from None
        for number, cell in enumerate(self.cells):
            if self.deadly[number] >= 2:
                continue
            asked = {"do": "run", "source": cell, "definitions": self.deadly[number] > 0}
            try:
                found = child.ask(asked, self.fence.limits.cell).get("amiss")
            except (Gone, Slow) as error:
                self.deadly[number] += 1
                self.amiss[number] = ["took too long" if isinstance(error, Slow) else "ended the process"]
                return self.end()
            if not self.deadly[number]:
                self.amiss[number] = described(found)

    def end(self) -> None:
        if self.child:
            self.child.end()
        self.child = None


def described(found) -> list[str]:
    """What went wrong in a cell, as the child says, in words of ours: nothing of its own reaches a page."""
    pairs = [pair for pair in found if type(pair) is list and len(pair) == 2][:3] if type(found) is list else []
    known = [(line, kind) for line, kind in pairs if type(line) is int and 0 <= line < 10**5 and type(kind) is str]
    return [f"line {line}: {kind if kind in ERRORS else 'an error'}" for line, kind in known]


def prepare(child: Child, trusted: Trusted, fence: Fence) -> None:
    """Run what comes before a student's cells, and set the limits.  SetupError: one of the trusted cells fails."""
    limits = fence.limits
    amiss = child.ask({"do": "run", "source": trusted.setup, "definitions": False}, limits.start).get("amiss")
    child.ask({"do": "write", "name": "data.json", "text": trusted.data}, limits.start)
    amiss += child.ask({"do": "run", "source": trusted.reading, "definitions": False}, limits.start).get("amiss")
    if amiss:
        raise SetupError(
            f"the cell tagged exercise-setup fails inside the fence, line {amiss[0][0]}: {amiss[0][1]}; repair it"
        )
    child.ask({"do": "limit", "limits": limits.inside}, limits.start)
