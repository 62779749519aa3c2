"""What a run finds: the numbers it notes, the claims it judges, and the two tables that keep them."""

from dataclasses import asdict, dataclass, field, fields

import numpy as np

from lib import claims, intervals
from lib.claims import Judgement

COLUMNS = ("study", "run", "quantity", "undersampled", "class_i", "class_j", "ratio", "seed")
TAIL = ("value", "low", "high", "seeds", "preset", "data")
SOURCES = ("authors", "run")


@dataclass(frozen=True)
class Estimate:
    """A number with its interval over seeds; low and high are NaN where there is none.

    Its text is "0.612 [0.590, 0.634]".  A format such as ``f"{e:.2f}"`` holds for the number and both ends.
    """

    value: float
    low: float
    high: float
    seeds: int

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        ends = "" if np.isnan(self.low) else f" [{self.low:{spec.lstrip('+')}}, {self.high:{spec.lstrip('+')}}]"
        return f"{self.value:{spec}}{ends}"

    def __str__(self) -> str:
        return format(self)


@dataclass
class Results:
    """The rows and judgements of a run, in the order in which they were made."""

    study: str
    rows: list[dict] = field(default_factory=list)
    judged: list[tuple[str, Judgement]] = field(default_factory=list)

    def note(self, quantity: str, values, low=None, high=None, seeds: int | None = None, **where) -> Estimate:
        """Keep a number under its name and return it with its interval.

        values: one number a seed, (seeds,), of which the mean and the interval over seeds are kept; or one number, with
        ``low`` and ``high`` where it has an interval, and ``seeds`` (0: computed exactly; None: the run's).
        where: index columns, as class_i="cat", ratio=0.05.
        """
        values, row = np.asarray(values, float), {"quantity": quantity, **where}
        if values.ndim:
            seeds = len(values)
            mean, low, high = (float(v) for v in intervals.over_seeds(values))
        else:
            mean = float(values)
        row |= {"value": mean} | ({} if low is None else {"low": float(low), "high": float(high)})
        self.rows.append(row if seeds is None else row | {"seeds": seeds})
        ends = (float("nan"), float("nan")) if low is None else (float(low), float(high))
        return Estimate(mean, *ends, seeds or 0)

    def judge(self, claim: str, values, learned: bool = True, source: str = "run") -> Judgement:
        """Keep and return the verdict on a claim: on one effect a seed, (seeds,), or on a number without seeds.

        learned: whether the encoders passed ``claims.has_learned``; without it nothing is decided.
        source: "run", or "authors" for their published numbers.  ValueError: a claim that the study does not have.
        """
        if claim not in {c.id for c in claims.of(self.study)}:
            raise ValueError(f"claim {claim!r} is not in claims/{self.study}.yaml; write it there before it is judged")
        if source not in SOURCES:
            raise ValueError(f"source={source!r} is unknown; expected one of {', '.join(SOURCES)}")
        exact = np.ndim(values) == 0
        found = claims.judge_number(claim, float(values)) if exact else claims.judge(claim, values, learned)
        self.judged.append((source, found))
        return found

    def tables(self, run: str, seeds: int, preset: str, data: str):
        """The frames of results.csv and claims.csv; seeds: of a row that does not say."""
        import pandas as pd

        about = {"study": self.study, "run": run, "seeds": seeds, "preset": preset, "data": data}
        table = pd.DataFrame([about | row for row in self.rows])
        tail = {"preset": preset, "data": data, "run": run}
        known = {c.id: c for c in claims.of(self.study)}
        verdicts = [
            {"source": source} | asdict(j) | tail | {"analogue": source == "run" and known[j.claim].elsewhere(data)}
            for source, j in self.judged
        ]
        columns = ["source", *(f.name for f in fields(Judgement)), *tail, "analogue"]
        return table[[c for c in (*COLUMNS, *TAIL) if c in table]], pd.DataFrame(verdicts, columns=columns)
