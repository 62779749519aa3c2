"""Texts about people, with an occupation and a gender."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lib import checks
from lib.sources import GENDERS, DataError


class Texts(tuple[str, ...]):
    """A tuple of texts that never prints them: a cell or a log that shows it shows their number."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} texts>"


@dataclass(frozen=True, repr=False, eq=False)
class Biographies:
    """Texts about people.  Its repr counts and never quotes: the real texts are personal data.

    text: n strings, none empty; occupation: (n,) int64 codes into ``occupations``; gender: (n,) int64, 0 = F, 1 = M;
    swapped: the n texts with the gendered words of the other gender, where they are known, else ();
    dropped: how many empty texts were left out when the set was read.
    DataError: lengths that differ, a code out of range, an empty text (its position is named).
    """

    text: Sequence[str]
    occupation: Tensor
    gender: Tensor
    occupations: tuple[str, ...]
    swapped: Sequence[str] = ()
    dropped: int = 0
    genders: tuple[str, str] = field(default=GENDERS, init=False)

    def __post_init__(self) -> None:
        for name, words in (("text", self.text), ("swapped", self.swapped)):
            if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
                raise DataError(f"{name} is a {type(words).__name__}: a list of strings is expected")
        checks.words("occupations", self.occupations)
        for name, code in (("occupation", self.occupation), ("gender", self.gender)):
            if not isinstance(code, Tensor) or code.ndim != 1:
                raise DataError(f"{name} is a {type(code).__name__}: a tensor (n,) of int64 codes is expected")
        n, swapped = len(self.text), len(self.swapped)
        if {len(self.occupation), len(self.gender)} != {n} or swapped not in (0, n):
            found = f"{n} texts, {len(self.occupation)} occupations, {len(self.gender)} genders, {swapped} swapped"
            raise DataError(f"{found}: give one of each a text")
        for name, code, known in (
            ("occupation", self.occupation, self.occupations),
            ("gender", self.gender, self.genders),
        ):
            if code.dtype != torch.int64 or ((code < 0) | (code >= len(known))).any():
                raise DataError(f"{name} needs int64 codes 0..{len(known) - 1} for {', '.join(known)}")
        if empty := [i for i, text in enumerate(self.text) if not text.strip()]:
            raise DataError(f"text {empty[0]} is empty; leave it out with its codes ({len(empty)} such)")
        object.__setattr__(self, "text", Texts(self.text))
        object.__setattr__(self, "swapped", Texts(self.swapped))

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        female = int((self.gender == 0).sum())
        counts = f"{len(self)} texts, {len(self.occupations)} occupations, {female} F, {len(self) - female} M"
        return f"Biographies({counts}, {self.dropped} dropped)"

    def take(self, index: Tensor) -> "Biographies":
        """The texts at the given positions (or where a mask is true), same occupations."""
        index = index.nonzero()[:, 0] if index.dtype == torch.bool else index
        text, swapped = ([texts[i] for i in index.tolist()] if texts else () for texts in (self.text, self.swapped))
        return Biographies(text, self.occupation[index], self.gender[index], self.occupations, swapped, self.dropped)

    def only(self, names: Sequence[str]) -> "Biographies":
        """The texts of the named occupations alone, coded 0, 1, … in the order named."""
        codes = torch.tensor([code(self.occupations, name, "occupation") for name in names])
        hit = self.occupation[:, None] == codes  # (n, names)
        part = self.take(hit.any(1))
        kept = hit[hit.any(1)].int().argmax(1)
        return Biographies(part.text, kept, part.gender, tuple(names), part.swapped, part.dropped)

    def counts(self) -> Tensor:
        """How many texts each occupation has of each gender: (K, 2) int64."""
        return torch.bincount(2 * self.occupation + self.gender, minlength=2 * len(self.occupations)).view(-1, 2)


def code(known: Sequence[str], name: str, kind: str) -> int:
    """The code of an occupation or a gender; DataError with the known names when it is not there."""
    if name not in known:
        raise DataError(f"{kind} {name!r} is not there; known are {', '.join(known)}")
    return list(known).index(name)
