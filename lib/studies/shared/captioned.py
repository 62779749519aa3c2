"""Which classes of images with captions are look-alikes."""

from lib.encoders import captions
from lib.sources import DataError


def pairs_of(data: str, classes: tuple[str, ...], treated: tuple[str, ...]) -> list[tuple[int, int]]:
    """The cells (k, j) of each treated class k and of the class j with which its captions share words.

    DataError: the set has no captions, or there is no such cell.
    """
    both = [pair for a, b in captions.look_alikes(data) for pair in ((a, b), (b, a))]
    found = [(classes.index(a), classes.index(b)) for a, b in both if a in treated and b in classes]
    if not found:
        raise DataError(f"no class of {', '.join(treated)} has its look-alike among {', '.join(classes)}; take a pair")
    return found
