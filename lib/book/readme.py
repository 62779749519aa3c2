"""What the repository says of the book and takes from it: ``make readme`` writes it, for GitHub and for Zenodo.

The parts of README.md between their markers, and ``.zenodo.json``.
"""

import re

import pandas as pd

from lib import claims, records, study
from lib.book import citation, in_order, run_records
from lib.book.run_records import RunRecord
from lib.hashing import ROOT

# Findings of the front of the README: the claim, whose numbers judge it (a data set of a recorded run, or the authors),
# and the sentence, in which {} is the effect with its interval.
FINDINGS = (
    (
        "harms-5a",
        "cifar10",
        "CIFAR-10, four classes, each cut to 1 % in turn, of the encoder's images and of the classifier's: a class "
        "loses recall. The encoder alone accounts for a share of {}; to be the primary part it needs more than a half.",
    ),
    (
        "lspread-3a",
        "cifar10_coarse",
        "CIFAR-10 with two coarse labels: a linear classifier on L_spread's features tells the ten hidden classes "
        "apart better than on SupCon's. The accuracies differ by {}.",
    ),
    (
        "harms-3",
        "authors",
        "The published figures of Maity et al. (2024): undersampling to 1 % should harm more than undersampling to 5 "
        "%. The share of cells in which 1 % harms more is {}.",
    ),
)


def parts() -> dict[str, str]:
    """The text of every part by its marker."""
    runs = run_records.recorded()
    return {"findings": findings(runs), "tally": tally(runs), "studies": studies()}


def filled(text: str) -> str:
    """README.md with its parts as the book makes them now.  ValueError: a marker that is missing."""
    for name, part in parts().items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        if not re.search(pattern, text, re.S):
            raise ValueError(f"README.md has no part {name!r}; put <!-- {name} --> and <!-- end of {name} --> back")
        text = re.sub(pattern, lambda m, part=part: f"{m[1]}{part}\n{m[2]}", text, flags=re.S)
    return text


def studies() -> str:
    """A line a study: its title, in the order of the book, and the presets it has."""
    lines = ["| study | question | presets |", "|---|---|---|"]
    for name in in_order.studies():
        presets = sorted(p.parent.name for p in (ROOT / "presets").glob(f"*/{name}.yaml"))
        shown = ", ".join(p for p in ("quick", "laptop", "matched", "paper") if p in presets)
        lines.append(f"| `{name}` | {in_order.title(name)} | {shown} |")
    return "\n".join(lines)


def tally(runs: list[RunRecord]) -> str:
    """How many claims there are, and what the recorded runs and the authors' own numbers say of them."""
    judged = _judged(runs)
    run, authors = (judged[judged.source == source] for source in ("run", "authors"))
    known = claims.known()
    return (
        f"The book judges **{len(known)} claims** in {len(study.names())} studies. The recorded runs judge "
        f"{run.claim.nunique()} of them: {_counts(run)}. The authors' own published numbers judge "
        f"{authors.claim.nunique()}: {_counts(authors)}. A claim that data sets or runs judge differently counts for "
        "each. `make book` judges all on small data."
    )


def findings(runs: list[RunRecord]) -> str:
    """Three findings, each a sentence with its number."""
    judged = _judged(runs)
    lines = []
    for claim, source, sentence in FINDINGS:
        mine = judged[judged.claim == claim]
        here = mine.source == "authors" if source == "authors" else (mine.source == "run") & (mine.data == source)
        j = mine[here].sort_values("seeds", ascending=False, kind="stable").iloc[0]
        ends = "" if pd.isna(j.low) else f" [{j.low:.3f}, {j.high:.3f}] ({int(j.seeds)} seeds)"
        lines.append(f"* {sentence.format(f'**{j.effect:.3f}**{ends}')} The claim `{claim}` {_said(j.verdict)}.")
    return "\n".join(lines)


def _judged(runs: list[RunRecord]) -> pd.DataFrame:
    """Every verdict of the recorded runs on present claims; one row where several runs agree on exact numbers."""
    one = ["source", "claim", "data", "effect"]
    table = pd.concat([pd.DataFrame(columns=[*one, "verdict"]), *(run.claims for run in runs)]).drop_duplicates(one)
    return table[table.claim.isin(claims.known())]


def _said(verdict: str) -> str:
    return f"is {verdict}" if verdict == claims.UNDECIDED else verdict


def _counts(judged: pd.DataFrame) -> str:
    """Claims by verdict; one that data sets or runs judge differently counts for each."""
    counts = judged.drop_duplicates(["claim", "verdict"]).verdict.value_counts()
    words = {claims.HOLDS: "hold", claims.FAILS: "do not hold", claims.UNDECIDED: "are not decided"}
    return ", ".join(f"{counts.get(word, 0)} {text}" for word, text in words.items())


def command_readme(_) -> int:
    """Write README.md with its parts as the book makes them now, and ``.zenodo.json``."""
    path = ROOT / "README.md"
    records.write_text(path, filled(path.read_text(encoding="utf-8")))
    records.write_text(ROOT / citation.ZENODO, citation.text())
    return 0
