"""What a comparison of methods measures of each: harms, accuracy, cost; and which of several no other beats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib import harms
from lib.studies.shared import evidence, null
from lib.studies.shared.evidence import Embedded, Evidence


@dataclass(frozen=True)
class Measured:
    """One label of a comparison.  T classes were undersampled, of K.

    rh: (seeds, T, K) RH(k, j; k); nie: (seeds, T, K) change of row k of the confusion under heads with balanced labels;
    treated: codes of the T classes.  Not published, so 0 or none there: accuracy, accuracy_under: (seeds,) and
    (seeds, T) balanced accuracy of the balanced encoders and of the undersampled ones; steps, seconds: of one
    undersampled encoder; untreated: the same of encoders of which none was undersampled, rh and nie (N, T, K), twice:
    see ``null``.
    """

    rh: Tensor
    nie: Tensor
    treated: Sequence[int]
    accuracy: Tensor | float = 0.0
    accuracy_under: Tensor | None = None
    steps: int = 0
    seconds: float = 0.0
    untreated: tuple["Measured", ...] = ()

    def only(self, treated: Sequence[int]) -> "Measured":
        """The rows of some of its undersampled classes."""
        at = [list(self.treated).index(k) for k in treated]
        accuracy = None if self.accuracy_under is None else self.accuracy_under[:, at]
        changed = {"rh": self.rh[:, at], "nie": self.nie[:, at], "treated": treated, "accuracy_under": accuracy}
        return replace(self, **changed, untreated=tuple(u.only(treated) for u in self.untreated))

    def paired_rh(self, pairs: list[tuple[int, int]]) -> Tensor:
        """Mean RH over the look-alike cells, (seeds,)."""
        return harms.paired_mean(self._square(), self._mine(pairs))

    def nie_diagonal(self) -> Tensor:
        """NIE of the recall of each undersampled class, (seeds, T)."""
        return self.nie[:, torch.arange(len(self.treated)), list(self.treated)]

    def off_diagonal(self) -> Tensor:
        """RH(k, j; k), j != k, in one row: (seeds, T (K - 1))."""
        return self.rh[:, torch.arange(self.rh.shape[-1]) != torch.tensor(self.treated)[:, None]]

    def quantities(self, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
        """What the comparison shows, by name, (seeds,) each.

        Mean RH of the look-alike cells; the same minus that of the other cells of their rows; mean of RH(k, k; k); mean
        NIE of recall; balanced accuracy of the undersampled encoders.
        """
        return {
            "RH, look-alikes": self.paired_rh(pairs),
            "RH, look-alikes minus others": harms.pair_gap(self._square(), self._mine(pairs)),
            "RH, diagonal": harms.diagonal_mean(self._square()),
            "NIE, recall": self.nie_diagonal().mean(1),
            "balanced accuracy, undersampled": self.accuracy_under.mean(1),
        }

    def _square(self) -> Tensor:
        return evidence.square(self.rh, self.treated)

    def _mine(self, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(k, j) for k, j in pairs if k in self.treated]


def measure(seen: Evidence, treated: tuple[str, ...]) -> Measured:
    """Everything that the comparison shows of one label; of its undersampled classes those that count: ``treated``."""
    every = [encoder for row in seen.under for encoder in row]
    mine = [t for t, k in enumerate(seen.treated) if seen.classes[k] in treated]
    under = [[row[t] for t in mine] for row in seen.under]
    seen = replace(seen, treated=tuple(seen.treated[t] for t in mine), under=under)
    return Measured(
        evidence.harm_matrix(seen)[1],
        seen.allocation_harm(),
        seen.treated,
        seen.accuracy("balanced"),
        seen.accuracy("under"),
        _steps(every[0], seen.balanced[0]),
        sum(e.record["seconds"] / len(e.unit.members) for e in every) / len(every),
        tuple(Measured(*each, seen.treated) for each in zip(null.harm(seen), null.change(seen), strict=True)),
    )


def _steps(under: Embedded, balanced: Embedded) -> int:
    """Optimiser steps of an undersampled encoder's unit; oversampling fills every class to the largest."""
    s = under.unit.settings
    seen = balanced if s.equal_steps or s.weighting == "oversample" else under
    return s.epochs * (seen.record["samples"][-1] // s.batch_size)


def gains(measured: dict[str, Measured], pairs: list[tuple[int, int]], plain: Measured) -> dict[str, dict[str, Tensor]]:
    """What each gains on plain training of the same undersampled classes, (seeds,) by label and name.

    Mean RH of the look-alike cells, recall of the undersampled classes, balanced accuracy of the undersampled encoders.
    """

    def of(m: Measured) -> tuple[Tensor, ...]:
        return m.paired_rh(pairs), m.nie_diagonal().mean(1), m.accuracy_under.mean(1)

    names = ("RH, look-alikes", "recall of the rare class", "balanced accuracy")
    every = {label: zip(names, of(m), of(plain.only(m.treated)), strict=True) for label, m in measured.items()}
    return {label: {name: mine - theirs for name, mine, theirs in each} for label, each in every.items()}


def frontier(points: dict[str, tuple[float, float]]) -> list[str]:
    """The labels of the points than which no other is at least as high in both coordinates and higher in one."""

    def beaten(x: float, y: float) -> bool:
        return any(a >= x and b >= y and (a, b) != (x, y) for a, b in points.values())

    return [label for label, point in points.items() if not beaten(*point)]
