"""Rooms apart from each other, and the maps between them that change no taxicab distance."""

import numpy as np

from lib import checks


def exchange(s, room: np.ndarray, places=(1, 0)) -> np.ndarray:
    """The map that exchanges the first factors within one room, measured from its lower corner; (m, n) to (m, n).

    room: (n, 2); places: the factor that each of the first becomes; points of other rooms stay.
    """
    s, room = checks.numbers("s", s), checks.numbers("room", room)
    if s.ndim != 2 or room.shape != (s.shape[1], 2):
        raise ValueError(
            f"s of shape {s.shape}, room of shape {room.shape}: points (m, n) and ends (n, 2) are expected"
        )
    if sorted(places) != list(range(len(places))) or len(places) > s.shape[-1]:
        raise ValueError(f"places={places}: a permutation of the first factors, from 0, is expected")
    low, high = room[:, 0], room[:, 1]
    inside = ((s >= low) & (s <= high)).all(-1)
    full = [*places, *range(len(places), s.shape[-1])]
    return np.where(inside[..., None], low + (s - low)[..., full], s)


def largest_change(s, moved, order: float = 1) -> float:
    """Largest |d(moved, moved') - d(s, s')| over all pairs of points, d = Σ_i |.|^p; (m, n) each."""
    s, moved = checks.numbers("s", s), checks.numbers("moved", moved)
    if s.ndim != 2 or s.shape != moved.shape:
        raise ValueError(f"s of shape {s.shape}, moved of shape {moved.shape}: the same (m, n) is expected")
    before, after = ((np.abs(x[:, None] - x[None]) ** order).sum(2) for x in (s, moved))
    return float(np.abs(after - before).max())
