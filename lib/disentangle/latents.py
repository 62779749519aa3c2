"""Pairs of latents (s, s̃): s from a marginal, s̃ with density Q(s̃) e^{-d(s, s̃)} / Z(s), both in a union of boxes.

Sampled exactly in float64, by inverse distribution functions and, where factors depend on each other, by rejection.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from lib import checks

Marginal = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]  # rooms, count, generator to (count, n)
STRENGTH = 8.0  # of the dependence of two factors of a pair: density e^{-8 |u - v|}, correlation .85


def box(n: int) -> np.ndarray:
    """The unit box as one room, (1, n, 2)."""
    checks.number("n", n, 1, whole=True)
    return np.tile([0.0, 1.0], (1, n, 1))


def grid(n: int, width: float, diagonal: bool = False) -> np.ndarray:
    """Rooms [0, w]ⁿ … [1-w, 1]ⁿ in the corners of the unit box, (2ⁿ, n, 2); diagonal: the first and the last alone."""
    checks.number("n", n, 1, whole=True)
    checks.number("width", width, 0, 0.5, inside=True)
    ends = np.array([[0.0, width], [1 - width, 1.0]])
    corners = np.array([[0] * n, [1] * n]) if diagonal else np.indices((2,) * n).reshape(n, -1).T
    return ends[corners]


def _checked(rooms: np.ndarray) -> np.ndarray:
    rooms = checks.numbers("rooms", rooms)
    if rooms.ndim != 3 or rooms.shape[2] != 2 or rooms.min() < 0 or rooms.max() > 1 or (np.ptp(rooms, 2) <= 0).any():
        raise ValueError(f"rooms of shape {rooms.shape}: (rooms, n, 2) low and high ends inside [0, 1] are expected")
    low, high = rooms[:, None, :, 0], rooms[:, None, :, 1]
    meet = ((low < high.swapaxes(0, 1)) & (low.swapaxes(0, 1) < high)).all(2)
    if meet[~np.eye(len(rooms), dtype=bool)].any():
        raise ValueError(f"{len(rooms)} rooms: two of them overlap; give rooms that do not")
    return rooms


def _drawn_from(rooms: np.ndarray, count: int) -> np.ndarray:
    checks.number("count", count, 1, whole=True)
    return _checked(rooms)


def uniform(rooms: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform points of the rooms, (count, n)."""
    rooms = _drawn_from(rooms, count)
    volume = np.ptp(rooms, 2).prod(1)
    low, high = np.moveaxis(rooms[rng.choice(len(rooms), count, p=volume / volume.sum())], 2, 0)
    return low + (high - low) * rng.random(low.shape)


def skewed(rooms: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Independent factors in the unit box with density falling as e^{-4s}, (count, n)."""
    rooms = _drawn_from(rooms, count)
    return -np.log1p(-rng.random((count, rooms.shape[1])) * -np.expm1(-4)) / 4


def _pair_weight(s: np.ndarray) -> np.ndarray:
    return np.exp(-STRENGTH * np.abs(s[..., 0] - s[..., 1]))


def _rejected(draw: Callable[[np.ndarray], np.ndarray], weight, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws by rejection; draw: of the places that are still open; weight: from 0 to 1."""
    left = np.arange(count)
    found = draw(left)
    while True:
        left = left[rng.random(len(left)) >= weight(found[left])]
        if not len(left):
            return found
        found[left] = draw(left)


def pairs(rooms: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Factors 1 and 2, 3 and 4, … of the unit box depend on each other: density e^{-8 |u - v|}, (count, n)."""
    n = _even(_drawn_from(rooms, count).shape[1])
    found = _rejected(lambda left: rng.random((len(left), 2)), _pair_weight, count * n // 2, rng)
    return found.reshape(count, n)


def _even(n: int) -> int:
    if n % 2:
        raise ValueError(f"n={n}: factors that depend on each other in pairs need an even number")
    return n


def corner(share: float, start: float = 0.6) -> Marginal:
    """The marginal that is uniform but in {s₁ > start, s₂ > start}, where its density is cut to a share of the rest."""
    checks.number("share", share, 0, 1)
    checks.number("start", start, 0, 1, inside=True)

    def draw(rooms: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        def weight(s: np.ndarray) -> np.ndarray:
            return np.where((s[:, :2] > start).all(1), share, 1.0)

        return _rejected(lambda left: uniform(rooms, len(left), rng), weight, count, rng)

    return draw


def distribution(t: np.ndarray, order: float, scale) -> np.ndarray:
    """P(X ≤ t) of the density proportional to e^{-|t|^p / c}."""
    return 0.5 + 0.5 * np.sign(t) * special.gammainc(1 / order, np.abs(t) ** order / scale)


def quantile(u: np.ndarray, order: float, scale) -> np.ndarray:
    """The inverse of ``distribution``."""
    far = 2 * np.abs(u - 0.5)
    with np.errstate(divide="ignore"):  # u = 0 and 1 are infinite
        power = -np.log1p(-far) if order == 1 else special.gammaincinv(1 / order, far)  # |x|^p / c
    return np.sign(u - 0.5) * (power * scale) ** (1 / order)


@dataclass(frozen=True)
class Process:
    """How pairs of latents are made.

    rooms: (R, n, 2), ``box`` or ``grid``; order, scale: p and c of d(s, s̃) = Σ_i |s_i - s̃_i|^p / c, c one number or one
    a factor (n,); marginal: of s; dependent: Q is the density of ``pairs``, else Q is constant; stretch: what
    multiplies each c at s, (m, n) to (m, n); 1 where the scale does not depend on the place.
    ValueError: p below 1, c not above 0, rooms that overlap or leave the unit box.
    """

    rooms: np.ndarray
    order: float = 1
    scale: float | tuple[float, ...] = 0.1
    marginal: Marginal = uniform
    dependent: bool = False
    stretch: Callable[[np.ndarray], np.ndarray] = np.ones_like

    def __post_init__(self) -> None:
        checks.number("order", self.order, 1)
        for c in np.atleast_1d(self.scale):
            checks.number("scale", float(c), 0, inside=True)
        _checked(self.rooms)
        if self.dependent:
            _even(self.n)

    @property
    def n(self) -> int:
        """Number of factors."""
        return self.rooms.shape[1]

    def first(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Points s of the marginal, (count, n)."""
        return self.marginal(self.rooms, count, rng)

    def second(self, s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A point s̃ for each s, (count, n)."""
        if not self.dependent:
            return self._near(s, rng)
        halves, blocks = s.reshape(-1, 2), self.n // 2
        own = Process(self.rooms[:, :2], self.order, self.scale)  # the unit box, a pair of factors at a time
        found = _rejected(lambda left: own._near(halves[left], rng), _pair_weight, len(halves), rng)
        return found.reshape(-1, 2 * blocks)

    def _near(self, s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low, high = (self.rooms[None, ..., i] - s[:, None] for i in (0, 1))  # (count, R, n)
        c = self.stretch(s) * np.asarray(self.scale)
        below, above = (distribution(t, self.order, c[:, None]) for t in (low, high))
        if len(self.rooms) > 1:
            mass = (above - below).prod(2).cumsum(1)
            room = (rng.random((len(s), 1)) * mass[:, -1:] > mass).sum(1)
        else:
            room = np.zeros(len(s), int)
        at = (np.arange(len(s)), room)
        u = below[at] + (above[at] - below[at]) * rng.random(s.shape)
        step = np.clip(quantile(u, self.order, c), low[at], high[at])
        return s + step

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """So many pairs: s and s̃, (count, n) each."""
        s = self.first(count, rng)
        return s, self.second(s, rng)
