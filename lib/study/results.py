"""What a run finds: the numbers it notes, the claims it judges, and the two tables that keep them."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from lib import claims, records
from lib.claims import Judgement
from lib.intervals import Estimate, estimate

COLUMNS = ("study", "run", "quantity", "undersampled", "class_i", "class_j", "ratio", "seed")
VERDICT = ("source", "claim", "effect", "low", "high", "seeds", "verdict", "preset", "data", "run", "mark", "values")
VERDICT += ("null_low", "null_high")
TAIL = ("value", "low", "high", "seeds", "preset", "data")
SOURCES = ("authors", "run")


@dataclass
class Results:
    """The rows and judgements of a run, in the order in which they were made."""

    study: str
    values: dict = field(default_factory=dict)  # the parameters of the run
    rows: list[dict] = field(default_factory=list, init=False)
    judged: list[tuple[str, Judgement]] = field(default_factory=list, init=False)

    def note(
        self, quantity: str, values, low: float = np.nan, high: float = np.nan, seeds: int | None = None, **where
    ) -> Estimate:
        """Keep a number under its name and return it with its interval.

        values: one number a seed, (seeds,), of which the mean and the interval over seeds are kept, cut at ``low`` and
        ``high`` where the quantity ends there; or one number, with ``low`` and ``high`` where it has an interval, and
        ``seeds`` (0: computed exactly; None: the run's).
        where: index columns, as class_i="cat", ratio=0.05.
        """
        found = estimate(values, low, high, seeds)
        kept = {name: number for name, number in asdict(found).items() if number is not None}
        self.rows.append({"quantity": quantity, **where, **kept})
        return found

    def note_frame(self, quantity: str, frame, **where) -> None:
        """Keep a quantity, every row of a frame: value, where there are any low, high and seeds, and index columns."""
        for row in frame.to_dict("records"):
            self.note(quantity, row.pop("value"), **row, **where)

    def note_matrix(self, quantity: str, cells, **where) -> None:
        """Keep a quantity (k, j; k) of undersampled classes k, a row a cell, as ``report.Record.matrix`` reads it.

        cells: a frame with row (class k), column (class j), value, low, high.
        """
        index = {"row": "class_i", "column": "class_j"}
        self.note_frame(quantity, cells.rename(columns=index).assign(undersampled=cells.row), **where)

    def judge(
        self,
        claim: str,
        values,
        learned: bool | None = None,
        null=None,
        premise: bool = True,
        source: str = "run",
        data: str = "",
    ) -> Judgement:
        """Keep and return the verdict on a claim: on one effect a seed, (seeds,), or on a number without seeds.

        learned, null, premise: see ``claims.judge``.
        source: "run", or "authors" for their published numbers.
        data: what it was made on, as "gaussian" or "none"; by default the run's data set, and the claim's for authors.
        ValueError: a claim that the study does not have, or that a run cannot judge; what ``claims.judge`` refuses.
        """
        about = {c.id: c for c in claims.of(self.study)}.get(claim)
        if about is None:
            raise ValueError(f"claim {claim!r} is not in claims/{self.study}.yaml; write it there before it is judged")
        if source not in SOURCES:
            raise ValueError(f"source={source!r} is unknown; expected one of {', '.join(SOURCES)}")
        exact = np.ndim(values) == 0
        if source == "run" and (about.printed or (exact and about.gated)):
            wanted = "is about printed numbers, which no run judges" if about.printed else "needs one effect a seed"
            raise ValueError(f"claim {claim!r} {wanted}")
        if exact:
            found = claims.judge_number(claim, float(values))
        else:
            found = claims.judge(claim, values, learned, null, premise)
        if source == "authors":
            found = replace(found, data=data or about.sets)
        else:
            made = claims.made_on(self.values, data)
            found = replace(found, data=made.data, mark=claims.mark(about, made, found.seeds))
        self.judged.append((source, found))
        return found

    def judge_all(
        self,
        here: dict,
        authors: dict | None = None,
        learned: bool | dict[str, bool] | None = None,
        null: dict | None = None,
        premise: dict[str, bool] | None = None,
    ) -> None:
        """Judge claims by their ids, in the order of the study's file: on the authors' numbers, and on this run's.

        here: effects of this run, one a seed; authors: numbers without seeds; learned: of all, or claim by claim;
        null: by claim, none where the run has none; premise: by claim, true where it is not named.
        """
        authors, null, premise = authors or {}, null or {}, premise or {}
        for claim in dict.fromkeys([*(c.id for c in claims.of(self.study)), *authors, *here]):
            if claim in authors:
                self.judge(claim, authors[claim], source="authors")
            if claim in here:
                fit = learned[claim] if isinstance(learned, dict) else learned
                self.judge(claim, here[claim], fit, null.get(claim, ()), premise.get(claim, True))

    def verdict(self, claim: str, source: str = "run") -> str:
        """The verdict on a claim in words; "not run" where it was not judged."""
        return next((j.verdict for s, j in self.judged if (s, j.claim) == (source, claim)), claims.NOT_RUN)

    def write(self, folder: Path, run: str, seeds: int, preset: str, data: str) -> None:
        """Write results.csv and claims.csv into the folder, whole or not at all; seeds: of a row that does not say."""
        tables = self.tables(run, seeds, preset, data)
        for name, frame in zip(("results", "claims"), tables, strict=True):
            with records.atomic(folder / f"{name}.csv") as path:
                frame.to_csv(path, index=False, float_format="%.6g")

    def tables(self, run: str, seeds: int, preset: str, data: str):
        """The frames of results.csv and claims.csv; seeds: of a row that does not say.

        ValueError: two numbers of one name, which nothing could compare with those of another run.
        """
        import pandas as pd

        about = {"study": self.study, "run": run, "seeds": seeds, "preset": preset, "data": data}
        table = pd.DataFrame([about | row for row in self.rows])
        tail = {"preset": preset, "run": run}
        verdicts = [
            {"source": source} | asdict(j) | tail | {"values": " ".join(map(repr, j.values))}
            for source, j in self.judged
        ]
        kept = table[[c for c in (*COLUMNS, *TAIL) if c in table]]
        twice = kept[kept.duplicated([c for c in COLUMNS if c in kept])]
        if len(twice):
            raise ValueError(f"two numbers are named {dict(twice.iloc[0].dropna())}; say what tells them apart")
        return kept, pd.DataFrame(verdicts, columns=VERDICT)
