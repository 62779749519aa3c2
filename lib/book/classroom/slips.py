"""Wrong answers made from a right one by a slip: a factor forgotten, a sign turned, a parameter ignored."""

from lib.book.classroom.exercise import Wrong


def slips(right: str, *each: tuple[str, str, str, int]) -> tuple[Wrong, ...]:
    """A wrong answer for each (why, part of the right source, what stands in its place, most points).

    ValueError: a part that the right source does not have.
    """
    for why, old, _, _ in each:
        if old not in right:
            raise ValueError(f"{why!r}: the answer does not have {old!r}; give a part of it")
    return tuple(Wrong(why, right.replace(old, new), most) for why, old, new, most in each)
