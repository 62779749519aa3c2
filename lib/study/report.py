"""Published and recorded numbers, and the tables in which a page sets them beside its own."""

import html
import math
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib import claims, study
from lib.hashing import ROOT
from lib.intervals import Estimate
from lib.study import kept

if TYPE_CHECKING:
    import torch

REPORTED = ROOT / "results" / "reported"
RECORDED = ROOT / "results" / "recorded"
NONE = (claims.NOT_RUN, claims.NOT_PUBLISHED, claims.NOT_KEPT, claims.NO_RUN, claims.NO_PAPER)
SIGNS = {claims.HOLDS: "✓", claims.FAILS: "✗", claims.UNDECIDED: "?"} | dict.fromkeys(NONE, "–")
CLASSES = {claims.HOLDS: "holds", claims.FAILS: "fails", claims.UNDECIDED: "undecided"} | dict.fromkeys(NONE, "not-run")
CLASSES |= dict.fromkeys((claims.NO_RUN, claims.NO_PAPER), "not-apply")


def matrix(config: str, quantity: str) -> pd.DataFrame:
    """A published matrix of the harms paper as rows (row: undersampled class, column, value).

    config: "simclr_1pct", "simclr_5pct", "simsiam_1pct" or "bcl_1pct"; quantity: "RH", "NIE" or "TE".
    """
    table = _published().query("config == @config and quantity == @quantity")
    if table.empty:
        raise ValueError(f"no published matrix {config!r}, {quantity!r}")
    return table.rename(columns={"undersampled_class_k": "row", "class_j": "column"})[["row", "column", "value"]]


def tensor(config: str, quantity: str, order: tuple[str, ...]) -> "torch.Tensor":
    """A published matrix (K, K), float64, with the classes in the given order."""
    import torch  # takes a second, and the graph is planned without

    table = matrix(config, quantity).pivot(index="row", columns="column", values="value")
    return torch.tensor(table.loc[list(order), list(order)].to_numpy())


def lowest(config: str, quantity: str) -> pd.Series:
    """The lowest cell off the diagonal of a published matrix: row, column, value."""
    table = matrix(config, quantity).query("row != column")
    return table.loc[table.value.idxmin()]


def diagonal(config: str, quantity: str) -> pd.Series:
    """The diagonal of a published matrix, by class."""
    return matrix(config, quantity).query("row == column").set_index("row")["value"]


@dataclass(frozen=True)
class Record:
    """A run of record: its results, verdicts and provenance."""

    results: pd.DataFrame
    claims: pd.DataFrame
    provenance: dict

    @property
    def face(self) -> str:
        """Data, preset, device and seeds, as on a figure."""
        return study.face(self.provenance["params"], self.provenance["device"])

    @property
    def far(self) -> bool:
        """Whether most of its verdicts are of other data than the claims'."""
        mine = self.claims[self.claims.source == "run"]
        return bool(mine.mark.astype(str).str.startswith(claims.ANALOGUE).mean() > 0.5)

    def has(self, quantity: str) -> bool:
        """Whether the run measured it."""
        return bool((self.results.quantity == quantity).any())

    def estimate(self, quantity: str) -> Estimate:
        """A quantity of the whole run, at its main ratio; KeyError where the run did not note it."""
        r = self.results
        mine = r[(r.quantity == quantity) & r.undersampled.isna() & (r.ratio == self.provenance["params"]["ratio"])]
        if len(mine) != 1:
            raise KeyError(f"{quantity!r} stands {len(mine)} times in the results of run {self.provenance['run']}")
        return Estimate(*map(float, mine[["value", "low", "high"]].iloc[0]))

    def matrix(self, quantity: str) -> pd.DataFrame:
        """Rows k, columns j of a quantity (k, j; k) at the run's main ratio: row, column, value, low, high."""
        r = self.results
        mine = r[
            (r.quantity == quantity) & (r.undersampled == r.class_i) & (r.ratio == self.provenance["params"]["ratio"])
        ]
        return mine.rename(columns={"class_i": "row", "class_j": "column"})[["row", "column", "value", "low", "high"]]


def recorded(name: str) -> list[Record]:
    """Every run of record of a study: those on the claims' data before those far from it, most seeds first."""
    names = {c: str for c in ("undersampled", "class_i", "class_j")}
    found = []
    for path in sorted((RECORDED / name).glob("*/provenance.json")):
        about = kept.provenance(path.parent)
        verdicts = marked(kept.table(path.parent, "claims.csv"), about["params"])
        found.append(Record(kept.table(path.parent, "results.csv", dtype=names), verdicts, about))
    return sorted(found, key=lambda r: (r.far, -r.provenance["params"].get("seeds", 0)))


def marked(table: pd.DataFrame, params: dict) -> pd.DataFrame:
    """A claims.csv with the marks that follow from the present claims and the parameters of its run.

    Files from before the marks name the run's data set in every row: mathematics gets "none", authors the claim's.
    Files from before values were kept have intervals of an earlier rule for shares, and for all from 10 seeds on; these
    are not decided; their other intervals are cut where the quantity ends.  Nor is what holds of a claim against a
    null decided, where the run did not keep one or is not beyond it.
    """
    old, known = "mark" not in table, claims.known()
    table = table.assign(**{end: math.nan for end in ("null_low", "null_high") if end not in table})
    data, marks, earlier, inside = [], [], [], []
    for row in table.itertuples():
        claim, authors = known.get(row.claim), row.source == "authors"
        wrong = old and claim and (not claim.data or (authors and row.data not in claim.data))
        made_on = claim.sets if wrong else row.data
        made = claims.made_on(params, made_on)
        data.append(made_on)
        marks.append("" if authors or claim is None else claims.mark(claim, made, int(row.seeds)))
        earlier.append(bool(claim and claim.share and row.seeds) or row.seeds >= 10)
        against = row.verdict == claims.HOLDS and not authors and claim is not None and claim.against
        beyond = against and claims.beyond(claim, row.low, row.high, row.null_low, row.null_high)
        inside.append(bool(against and not beyond))
    if "values" not in table and "low" in table:
        ends = [known[c].within if c in known else (-math.inf, math.inf) for c in table.claim]
        least, most = np.array(ends, float).reshape(-1, 2).T
        table = table.assign(low=np.maximum(table.low, least), high=np.minimum(table.high, most))
    found = table.drop(columns="analogue", errors="ignore").assign(data=data, mark=marks)
    if "values" not in table and any(earlier):
        found.loc[earlier, ["low", "high", "verdict"]] = [math.nan, math.nan, claims.UNDECIDED]
    if any(inside):
        found.loc[inside, "verdict"] = claims.UNDECIDED
    return found


def table(header: list[str], rows: list[tuple]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def span(low: float, high: float, threshold: float = math.nan) -> str:
    """An interval in brackets, or a dash where there is none; threshold: as ``claims.shown`` takes it."""
    return "–" if math.isnan(low) else f"[{claims.shown(low, threshold)}, {claims.shown(high, threshold)}]"


def verdicts(judged: list[tuple[str, claims.Judgement]], records: list[Record], names: list[str] | None = None) -> str:
    """The claims of a study as a Markdown table: statement, test, and a verdict from each source.

    names: ids of the claims, in order; by default those that the authors' numbers judge.
    """
    recorded_rows = [_by_claim(r) for r in records]
    mine = {j.claim: j for source, j in judged if source == "run"}
    printed: dict[str, list] = {}
    for source, j in judged:
        if source == "authors":
            printed.setdefault(j.claim, []).append(j)
    header = ["claim", "test", "authors' numbers", *(f"recorded: {html.escape(r.face)}" for r in records), "this run"]
    rows = []
    for name in names or printed:
        claim = claims.known()[name]
        found = [r.get(name) for r in (*recorded_rows, mine)]
        points = printed.get(name, [])  # one for each data set that the paper has
        authors = "<br>".join(verdict(replace(j, mark=j.data if len(points) > 1 else "")) for j in points)
        test = f"{claim.quantity} {_sign(claim)} {claim.threshold:.3g}"
        missing = claims.NO_RUN if claim.printed else claims.NOT_RUN
        authors = authors or badge(claims.NOT_PUBLISHED if claim.cite else claims.NO_PAPER)
        rows.append((f"`{name}` {claim.statement}", test, authors, *(verdict(j, missing) for j in found)))
    return table(header, rows)


def judged(table: pd.DataFrame) -> list[tuple[str, claims.Judgement]]:
    """The rows of a claims.csv, as ``marked`` gives it, as (source, Judgement)."""
    rows = table.astype({"seeds": int}).to_dict("records")
    names = [f.name for f in fields(claims.Judgement) if f.name != "values"]  # which a page does not show
    return [(r["source"], claims.Judgement(**{name: r[name] for name in names})) for r in rows]


def badge(word: str, *notes: str) -> str:
    """A verdict as the whole book shows it: sign, word and colour, then notes in small type."""
    small = "".join(f" <small>{note}</small>" for note in notes)
    return f'<span class="verdict {CLASSES[word]}">{SIGNS[word]} {word}</span>{small}'


def verdict(judgement: claims.Judgement | None, missing: str = claims.NOT_RUN) -> str:
    """The badge of a verdict with its mark, effect and interval; "not run" where there is none."""
    if judgement is None:
        return badge(missing)
    j, claim = judgement, claims.known().get(judgement.claim)
    threshold = claim.threshold if claim else math.nan
    interval = f" {span(j.low, j.high, threshold)}" if j.seeds else ""
    null = "" if math.isnan(j.null_low) else f", null {span(j.null_low, j.null_high)}"
    why = f" ({reason})" if claim and (reason := claims.reason(claim, j)) else ""
    return f"{badge(j.verdict, *filter(None, [j.mark]))} {claims.shown(j.effect, threshold)}{interval}{null}{why}"


def stamp(run) -> str:
    """What made this page, as a Markdown table."""
    about = kept.provenance(run.folder)
    git = about["git"]
    commit = (
        f"`{git['commit'][:12]}`{', with uncommitted changes' if git['dirty'] else ''}" if git["commit"] else "unknown"
    )
    taken = [e for e in about["encoders"] if e["recorded"]]
    made = {f"`{(e['git']['commit'] or 'unknown')[:12]}`, torch {e['torch']}, {e['device']}" for e in taken}
    name, train = about["data"]["name"], about["data"].get("train", "a reader’s file")[:12]
    rows = [
        ("run", f"`{about['study']}` / `{about['run']}`"),
        ("commit", commit),
        ("data", "none" if name == claims.NOTHING else f"{name}, training split sha256 `{train}`"),
        ("device", f"{', '.join(about['device'])}; {about['processor']}; threads a job: {about['threads']}"),
        ("versions", f"Python {about['python']}, " + ", ".join(f"{k} {v}" for k, v in about["packages"].items())),
        ("time", f"{about['seconds']:.0f} s for the study, {about['training_seconds']:.0f} s for its encoders"),
        ("seeds", ", ".join(map(str, about["seeds"]))),
    ]
    if taken:
        text = f"{len(taken)} of {len(about['encoders'])} as runs of record keep them: {'; '.join(sorted(made))}"
        rows.append(("encoders", text))
    return table(["", ""], rows)


def _sign(claim: claims.Claim) -> str:
    return {("below", False): "≤", ("below", True): "<", ("above", False): "≥", ("above", True): ">"}[
        claim.side, claim.strict
    ]


def _by_claim(record: Record) -> dict[str, claims.Judgement]:
    return {j.claim: j for source, j in judged(record.claims) if source == "run"}


@cache
def _published() -> pd.DataFrame:
    return pd.read_csv(Path(REPORTED) / "all_long.csv")
