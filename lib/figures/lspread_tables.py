"""The printed tables of the L_spread paper, and how a page sets them beside recorded and new numbers."""

import math
from functools import cache

import pandas as pd

from lib import images, intervals
from lib.intervals import Estimate
from lib.strata.collapse import clamped_alpha, collapse_alpha_of_batches
from lib.study import report

NAMES = {  # of the paper, by data set of the study
    "cifar10": "CIFAR10",
    "cifar10_coarse": "CIFAR10-Coarse",
    "cifar100": "CIFAR100",
    "cifar100_coarse": "CIFAR100-Coarse",
    "cifar100_coarse_u": "CIFAR100-Coarse-U",
    "mnist": "MNIST",
    "mnist_coarse": "MNIST-Coarse",
    "digits": "digits (not in the paper)",
    "digits_coarse": "digits, coarse (not in the paper)",
}
CLASSES = {"CIFAR10": 10, "CIFAR10-Coarse": 2, "CIFAR100": 100, "CIFAR100-Coarse": 20, "CIFAR100-Coarse-U": 20}
CLASSES |= {"MNIST": 10, "MNIST-Coarse": 2}
BATCH = 128
DEFAULT_ALPHA = 0.25  # where the paper has no value for the data
EXPERIMENTS = {"model_quality": "end model", "coarse_to_fine": "transfer"}
NO_ENDS = (math.nan, math.nan)
COLUMNS = ("quantity", "data", "arm", "source", "value", "low", "high")


@cache
def reported(name: str) -> pd.DataFrame:
    """A file of results/reported; callers write its whole name, by which the key of a run finds the file."""
    return pd.read_csv(report.REPORTED / f"{name}.csv")


def statement(number: str) -> str:
    """The value of a numbered statement of the paper or the read-me, "G1"."""
    return str(reported("lspread_statements").set_index("id").value[number])


def rounded(x: float) -> str:
    """A difference that may be nothing but rounding, in words."""
    return "less than 1e-12" if abs(x) < 1e-12 else f"{x:.0e}"


def alpha_of(data: str, experiment: str = "coarse_to_fine") -> float:
    """The paper's α for the data set in an experiment, that of its end models where it has no transfer.

    experiment: a key of ``EXPERIMENTS``.  DEFAULT_ALPHA where the paper has none.
    """
    table = reported("lspread_hyperparameters").query("dataset == @NAMES[@data]").set_index("experiment").alpha
    return float(table.get(experiment, table.get("model_quality", DEFAULT_ALPHA)))


def main_arm(data: str, arms: list[str], experiment: str = "coarse_to_fine") -> str:
    """The arm of L_spread with the paper's α for the data in an experiment; "" where it was not trained."""
    wanted = f"L_spread {alpha_of(data, experiment):g}"
    return wanted if wanted in arms else ""


def settings() -> pd.DataFrame:
    """The paper's settings on balanced classes: name, classes, tau, alpha, negatives, and the thresholds there.

    alpha_star: of random batches; clamped, released: of the mean batch with the clamp, and with one view besides.
    """
    table, found = reported("lspread_hyperparameters"), []
    for row in table[table.experiment.isin(EXPERIMENTS) & table.dataset.isin(CLASSES)].itertuples():
        k, tau = CLASSES[row.dataset], float(row.tau)
        double = 2 * BATCH / k * (k - 1)
        stars = (
            collapse_alpha_of_batches(k, BATCH, tau),
            *(float(clamped_alpha(k, m, tau)) for m in (double, double / 2)),
        )
        name = f"{row.dataset}, {EXPERIMENTS[row.experiment]}"
        found.append((name, str(k), tau, float(row.alpha), double, *stars))
    names = ["name", "classes", "tau", "alpha", "negatives", "alpha_star", "clamped", "released"]
    return pd.DataFrame(found, columns=names)


def placed(table: pd.DataFrame) -> list[tuple]:
    """The rows of a table of ``settings``: each threshold, and whether α is above it."""

    def star(alpha: float) -> str:
        return f"{alpha:.3f}" if alpha <= 1 else "never"

    def pair(alpha: float, threshold: float) -> tuple[str, str]:
        return star(threshold), "**collapses**" if alpha > threshold else "spread out"

    return [
        (
            s.name,
            s.classes,
            f"{s.tau:g}",
            f"{s.alpha:g}",
            *pair(s.alpha, s.alpha_star),
            *pair(s.alpha, s.clamped),
            star(s.released),
        )
        for s in table.itertuples(index=False)
    ]


def beside(data: str, labels: list[str], face: str, end: dict, carried: dict, records: list) -> pd.DataFrame:
    """Every number of end models and transfer: quantity, data (the paper's name), arm, source, value, low, high.

    end, carried: accuracies (R,) by arm of this run.  The arm of the paper's L_spread is "L_spread" and its α there.
    """
    rows = _printed("model_quality", "lspread_end_model") + _printed("coarse_to_fine", "lspread_coarse_to_fine")
    for line in reported("lspread_attract_ablation").itertuples():
        rows.append(("end model", line.dataset, "L_attract", "reported", line.L_attract / 100, *NO_ENDS))
    for one in records:
        parts = one.results.quantity.str.partition(", ")
        for (quantity, _, arm), r in zip(parts.itertuples(index=False), one.results.itertuples(), strict=True):
            if quantity in EXPERIMENTS.values():
                name = NAMES[one.provenance["params"]["data"]]
                rows.append((quantity, name, arm, f"recorded: {one.face}", r.value, r.low, r.high))
    for quantity, values in (("end model", end), ("transfer", carried)):
        for arm in (arm for arm in labels if arm in values):
            rows.append(
                (quantity, NAMES[data], arm, f"this run: {face}", *map(float, intervals.over_seeds(values[arm])))
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _printed(experiment: str, name: str) -> list[tuple]:
    """The rows of a printed table, L_spread with the α of the experiment."""
    table = reported("lspread_hyperparameters").query("experiment == @experiment").groupby("dataset").alpha.first()
    return [
        (EXPERIMENTS[experiment], line.dataset, arm, "reported", value / 100, *NO_ENDS)
        for line in reported(name).itertuples()
        for arm, value in (
            ("SimCLR", line.L_SS),
            ("SupCon", line.L_SC),
            (f"L_spread {float(table[line.dataset]):g}", line.L_spread),
        )
    ]


def markdown(table: pd.DataFrame, labels: list[str]) -> str:
    """The whole table in percent: a row a data set and source, a column an arm; then the data that no run has."""
    plain = sorted({a for a in [*labels, *table.arm] if a.startswith("L_spread") and "," not in a})
    others = [a for a in dict.fromkeys([*labels, *sorted(table.arm)]) if a not in plain]
    arms = [*(a for a in others if "," not in a), *plain, *(a for a in others if "," in a)]
    rows, alone = [], []
    for data in dict.fromkeys([*table[table.source == "reported"].data, *table.data]):
        here = table[table.data == data]
        for source, cells in here.groupby("source", sort=False):
            rows.append((data, source, *(_cell(cells.set_index("arm"), arm) for arm in arms)))
        if set(here.source) == {"reported"}:
            alone.append(data)
    note = f"\n\nNot run: {', '.join(alone)}." if alone else ""
    return report.table(["data", "source", *arms], rows) + note


def _cell(cells: pd.DataFrame, arm: str) -> str:
    return f"{Estimate(*100 * cells.loc[arm, ['value', 'low', 'high']], 0):.1f}" if arm in cells.index else "–"


def read_me(records: list, data: str, carried: dict) -> list[tuple]:
    """The released code's own numbers beside the arms with a clamp, where a run on CIFAR10-Coarse has them: rows."""
    arms = {"T1": "L_attract, clamped", "T2": "L_spread 0.5, clamped", "T3": "not implemented", "T4": "not implemented"}
    of = "cifar10_coarse"
    runs = [r.results.set_index("quantity").value for r in records if r.provenance["params"]["data"] == of]
    runs += [{f"transfer, {arm}": float(v.mean()) for arm, v in carried.items()}] if data == of else []

    def found(arm: str) -> str:
        return (
            ", ".join(f"{100 * run[f'transfer, {arm}']:.1f}" for run in runs if f"transfer, {arm}" in run) or "not run"
        )

    return [
        (line.id, line.quantity.split("->fine ")[1], line.value, arms[line.id], found(arms[line.id]))
        for line in reported("lspread_statements").itertuples()
        if line.id in arms
    ]


def consistency() -> list[tuple]:
    """The paper's sentences about its own tables, recomputed from them: sentence, number, verdict in words."""
    end, fine, worst = (
        reported(name).set_index("dataset")
        for name in ("lspread_end_model", "lspread_coarse_to_fine", "lspread_worst_group")
    )
    others = end[["L_SS", "L_SC"]].max(axis=1)
    best, tie = int((end.L_spread > others).sum()), int((end.L_spread == others).sum())
    ten, mnist = fine.loc["CIFAR10-Coarse"], fine.loc["MNIST-Coarse"]
    lead = ", ".join(worst.index[worst.L_spread > worst[["L_CE", "L_SC"]].max(axis=1)])
    over, above = ten.L_spread - ten.L_SC, ten.L_spread - ten.L_SS
    gain = mnist.L_spread - mnist.L_SC
    error = 100 * gain / (100 - mnist.L_SC)
    isic = f"{lead} alone; on ISIC SupCon has {worst.L_SC['ISIC']:g}, L_spread {worst.L_spread['ISIC']:g}"
    rows = (
        (
            "best end model on 7 of 9 data sets, one tie",
            f"{best} best, {tie} tie, of {len(end)}",
            (best, tie) == (7, 1),
        ),
        ("23.6 points over SupCon on CIFAR10-Coarse", f"{over:.1f}", abs(over - 23.6) < 0.05),
        ("4.4 points over SimCLR on CIFAR10-Coarse", f"{above:.1f}", abs(above - 4.4) < 0.05),
        ("0.2 points on MNIST-Coarse is 16.7 % of the error", f"{gain:.1f}; {error:.1f} %", abs(error - 16.7) < 0.05),
        ("best worst group of the methods", isic, len(lead.split(", ")) == len(worst)),
    )
    return [(sentence, found, "agrees" if right else "**does not agree**") for sentence, found, right in rows]


def authors() -> list[tuple[str, float, str]]:
    """The numbers by which the paper's own tables judge its claims: claim, number, data set; shares, not percent.

    A claim about several data sets has a number for each, "" is all of them.
    """
    fine, end, ablation = (
        reported(name).set_index("dataset")
        for name in ("lspread_coarse_to_fine", "lspread_end_model", "lspread_attract_ablation")
    )
    of, wide = {name: data for data, name in NAMES.items()}, ("CIFAR100-Coarse", "CIFAR100-Coarse-U")
    asked = {
        "lspread-3a": (fine, "L_spread", "L_SC"),
        "lspread-3b": (fine, "L_spread", "L_SS"),
        "lspread-3c": (fine, "L_SS", "L_SC"),
        "lspread-3d": (fine.loc[["CIFAR10-Coarse"]], "L_spread", "L_SC"),
        "lspread-4": (fine.loc[list(wide)], "L_spread", "L_SC"),
        "lspread-5b": (end, "L_spread", "L_SC"),
        "lspread-6a": (ablation, "L_attract", "L_SC"),
        "lspread-6b": (ablation, "L_spread", "L_attract"),
    }
    found = [
        (claim, float(gain) / 100, of.get(name, name.lower()))
        for claim, (table, a, b) in asked.items()
        for name, gain in (table[a] - table[b]).items()
    ]
    found += [("lspread-1g", float(statement("G1")), ""), ("lspread-1h", float(statement("G2")), "")]
    common, rare = (
        [float(v) for v in statement(g).split(" / ")] for g in ("G3", "G4")
    )  # SupCon / L_spread, an image each
    lag = [a - b for a, b in zip(common, rare, strict=True)]
    found += [("lspread-11c", lag[1] - lag[0], "")]
    return [*found, ("lspread-5a", float((end.L_spread >= end.L_SC - 1).mean()), "")]


def strata_names(data: str) -> tuple[str, ...]:
    """Names of the strata of a data set of the study, by code."""
    return tuple(images.load(data.removesuffix("_u").removesuffix("_coarse"), "test").classes)
