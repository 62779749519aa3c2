"""Causal mediation of allocation harm by the representation (Maity et al. 2024; the effects of Pearl 2001).

Treatment T: class k undersampled in the labelled data of the head (1) or not (0).  Mediator M: features of the encoder
trained with class k undersampled (1) or of the balanced encoder (0).  Outcome Y(T, M): row k of the confusion.  Both
are set by the experimenter, so the effects are differences of four measured arrays and need no model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lib import checks


@dataclass(frozen=True)
class Effects:
    """Effects of the same shape as the outcome, in shares: negative on the diagonal of a confusion is lost recall.

    TE = Y(1,1) - Y(0,0), total.  NIE = Y(0,1) - Y(0,0), natural indirect: the encoder alone, balanced labels.
    rNDE = Y(0,1) - Y(1,1), reversed natural direct.  NDE = Y(1,0) - Y(0,0), natural direct: the labels alone.
    rNIE = Y(1,0) - Y(1,1), reversed natural indirect.
    """

    TE: Tensor
    NIE: Tensor
    rNDE: Tensor
    NDE: Tensor
    rNIE: Tensor

    def residual(self) -> float:
        """The largest error of the two decompositions TE = NIE - rNDE = NDE - rNIE."""
        parts = (self.NIE - self.rNDE, self.NDE - self.rNIE)
        return max(float((self.TE - part).abs().max()) for part in parts)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Effects":
        """The same done to every effect."""
        return Effects(*(change(getattr(self, name)) for name in NAMES))


NAMES = ("TE", "NIE", "rNDE", "NDE", "rNIE")


def effects(y00: Tensor, y01: Tensor, y10: Tensor, y11: Tensor) -> Effects:
    """The effects from the outcomes y_tm, T first, M second: float64 arrays of one shape, such as (seeds, K, K).

    ValueError: shapes that differ, or a value that is not finite.
    """
    why = "an outcome is not finite: a head or an encoder is missing; train it before its effects"
    named = {"y00": y00, "y01": y01, "y10": y10, "y11": y11}
    given = [torch.as_tensor(checks.numbers(name, y, why)) for name, y in named.items()]
    if len({tuple(y.shape) for y in given}) > 1 or given[0].numel() == 0:
        raise ValueError(f"the four outcomes must have one shape, not empty, got {[tuple(y.shape) for y in given]}")
    y00, y01, y10, y11 = given
    return Effects(TE=y11 - y00, NIE=y01 - y00, rNDE=y01 - y11, NDE=y10 - y00, rNIE=y10 - y11)


def share(found: Effects) -> Tensor:
    """NIE / TE cell by cell: the part of the total effect that the representation alone makes.

    It depends on the order of the two changes: the other order's share is -rNIE / TE.  NaN where TE is 0.
    """
    return torch.where(found.TE == 0, torch.nan, found.NIE / found.TE)


def bootstrap(
    cells: tuple[Tensor, Tensor, Tensor, Tensor],
    statistic: Callable[[Effects], Tensor],
    draws: int = 2000,
    over: str = "both",
    level: float = 0.95,
    rng: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Percentile bootstrap of a statistic of the effects, over model seeds, test images, or both.

    cells: the outcomes y00, y01, y10, y11 image by image, each (splits, seeds, n, K): one-hot predictions of the n test
    images of a class, and zero where a split did not score the image.  A drawn seed or image counts in all four alike.
    statistic: from Effects with fields (draws, K) to (draws, ...).  over: "seeds", "images" or "both".
    Returns the statistic of the data, and the ends of its interval.  A percentile bootstrap over few seeds covers too
    little (below 10 use ``lib.intervals``); over images it says how far the test set alone decides the number.
    ValueError: shapes that differ, an unknown ``over``, or a split that scored no image.
    """
    _check(cells, "splits seeds n K", draws, level, rng)
    if over not in ("seeds", "images", "both"):
        raise ValueError(f"over={over!r} is unknown; expected seeds, images or both")
    _, seeds, n, _ = cells[0].shape
    scored = cells[0].sum((1, 3)) > 0  # (splits, n)
    if not scored.any(1).all():
        raise ValueError("a split scored no image of the class: its outcome is undefined")
    generator = torch.Generator().manual_seed(rng)
    one = torch.ones(1, dtype=torch.float64)
    data = statistic(_means(cells, scored, one.expand(1, seeds), one.expand(1, n)))[0]
    by_seed = _counts(draws, seeds, generator) if over != "images" else one.expand(draws, seeds)
    by_image = _counts(draws, n, generator) if over != "seeds" else one.expand(draws, n)
    drawn = statistic(_means(cells, scored, by_seed, by_image))
    ends = torch.tensor([0.5 - level / 2, 0.5 + level / 2], dtype=torch.float64)
    low, high = torch.nanquantile(drawn, ends, dim=0)
    return data, low, high


def _means(cells: tuple[Tensor, ...], scored: Tensor, by_seed: Tensor, by_image: Tensor) -> Effects:
    """Outcomes (draws, K) under counts of seeds (draws, seeds) and of images (draws, n), and their effects."""
    images = by_image[:, None] * scored  # (draws, splits, n)
    total = images.sum(-1, keepdim=True)
    images = (
        images / total.clamp(min=1) / (total > 0).sum(1, keepdim=True)
    )  # of the splits with an image that was drawn
    seeds = by_seed / by_seed.sum(-1, keepdim=True)
    return effects(*(torch.einsum("bs,bpi,psik->bk", seeds, images, c.double()) for c in cells))


def _check(cells: tuple[Tensor, ...], axes: str, draws: int, level: float, rng: int, one: bool = True) -> None:
    """Four cells, of one size or, but for the leading axes, each of its own."""
    if not isinstance(cells, tuple | list) or len(cells) != 4:
        raise ValueError(f"cells: the four outcomes y00, y01, y10, y11 are expected, got a {type(cells).__name__}")
    names = {f"cells[{i}]": (c, axes if one else f"{axes}{i}", checks.REAL) for i, c in enumerate(cells)}
    checks.tensors(**names)
    checks.number("draws", draws, 1, whole=True)
    checks.number("level", level, 0, 1, inside=True)
    checks.number("rng", rng, 0, whole=True)


def _counts(draws: int, n: int, generator: torch.Generator) -> Tensor:
    """How often each of n is drawn, in each of so many draws of n with replacement: (draws, n)."""
    drawn = torch.randint(n, (draws, n), generator=generator)
    return torch.zeros(draws, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(draws, n, dtype=torch.float64))


@dataclass(frozen=True)
class Toy:
    """A structural model with known effects: M = a m + noise, Y = b M + c T + d T M + noise, unit normal noises.

    The mean outcome is Y(t, m) = (b + d t) a m + c t, so the order of the two changes matters where d is not 0.
    """

    a: float = 1.0
    b: float = 0.5
    c: float = 0.3
    d: float = 0.4

    def true(self) -> Effects:
        """The effects without noise, scalars."""
        cells = [(self.b + self.d * t) * self.a * m + self.c * t for t, m in ((0, 0), (0, 1), (1, 0), (1, 1))]
        return effects(*cells)

    def experiment(self, n: int, repeats: int, rng: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """y00, y01, y10, y11, each (repeats, n): T and the level m of the mediator set by the experimenter."""
        g = torch.Generator().manual_seed(rng)

        def cell(t: int, m: int) -> Tensor:
            noise = torch.randn(2, repeats, n, generator=g, dtype=torch.float64)
            return (self.b + self.d * t) * (self.a * m + noise[0]) + self.c * t + noise[1]

        return cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)

    def observed(self, n: int, rng: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """T, M, Y (n,) of a trial that sets T alone, half 0 and half 1, and lets M follow, as a regression needs."""
        g = torch.Generator().manual_seed(rng)
        t = (torch.arange(n) % 2).double()
        noise = torch.randn(2, n, generator=g, dtype=torch.float64)
        m = self.a * t + noise[0]
        return t, m, (self.b + self.d * t) * m + self.c * t + noise[1]


def bootstrap_means(
    cells: tuple[Tensor, ...], draws: int = 1000, level: float = 0.95, rng: int = 0
) -> tuple[Effects, Effects]:
    """Percentile intervals of the effects between the means of four independent samples: (low, high).

    cells: y00, y01, y10, y11, each (..., n) outcomes; every cell is resampled for itself.  The ends are (...).
    """
    _check(cells, "... n", draws, level, rng, one=False)
    cells, generator = tuple(c.double() for c in cells), torch.Generator().manual_seed(rng)
    means = [torch.einsum("bn,...n->b...", _counts(draws, c.shape[-1], generator) / c.shape[-1], c) for c in cells]
    drawn = effects(*means)
    ends = torch.tensor([0.5 - level / 2, 0.5 + level / 2], dtype=torch.float64)
    both = [torch.quantile(getattr(drawn, name), ends, dim=0) for name in NAMES]
    return Effects(*(b[0] for b in both)), Effects(*(b[1] for b in both))
