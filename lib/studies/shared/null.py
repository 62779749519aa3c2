"""The null of a harm: the same quantity of encoders of which neither was undersampled.

Two encoders of other seeds, i and j, stand against the balanced encoder of seed s, as the undersampled one would: in
place of a severer and a milder ratio, or of a method and the one that it is compared with.
"""

from itertools import permutations

from torch import Tensor

from lib import harms
from lib.studies.shared.evidence import Evidence


def trios(balanced: int, null: int = 0) -> tuple[list[int], list[int], list[int]]:
    """Every (s, i, j) of different encoders, as three lists of places, empty where there are too few.

    s is of the balanced ones, i and j are of the null's, or of the balanced ones too where no null was trained.
    """
    pairs = list(permutations(range(null or balanced), 2))
    found = [(s, i, j) for s in range(balanced) for i, j in pairs if null or s not in (i, j)]
    return tuple([trio[k] for trio in found] for k in range(3))


def harm(seen: Evidence) -> tuple[Tensor, ...]:
    """RH of encoder i over s, and of j over s, (N, T, K) each, a trio an entry; rows of the undersampled classes.

    Empty where there is no trio.
    """
    arm, (s, *others) = _of(seen)
    balanced, other = seen.cosines("balanced"), seen.cosines(arm)
    found = (harms.representation_harm(other[k], balanced[s], per_seed=True) for k in others if s)
    return tuple(rh[:, list(seen.treated)] for rh in found)


def change(seen: Evidence) -> tuple[Tensor, ...]:
    """Change of the confusion from encoder s to i, and to j, under heads with balanced labels: as ``harm``."""
    arm, (s, *others) = _of(seen)
    found = (seen.confusion(arm)[k] - seen.confusion("balanced")[s] for k in others if s)
    return tuple(moved[:, list(seen.treated)] for moved in found)


def _of(seen: Evidence) -> tuple[str, tuple[list[int], ...]]:
    return "null" if len(seen.null) else "balanced", trios(len(seen.balanced), len(seen.null))
