"""The printed tables of the L_spread paper, and how a page sets them beside recorded and new numbers."""

from functools import cache

import pandas as pd

from lib.encoders.coarse_settings import SETS
from lib.strata import collapse
from lib.studies import methods_and_mitigations as comparison
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


@cache
def reported(name: str) -> pd.DataFrame:
    """The file lspread_<name>.csv of results/reported."""
    return pd.read_csv(report.REPORTED / f"lspread_{name}.csv")


def statement(number: str) -> str:
    """The value of a numbered statement of the paper or the read-me, "G1"."""
    return str(reported("statements").set_index("id").value[number])


def reported_cosine(arm: str, main: str) -> str:
    """The mean cosine within one class that figure 2 of the paper prints for the arm; ``main`` is its L_spread."""
    return {"SupCon": statement("G1"), main: statement("G2")}.get(arm, "–")


def rounded(x: float) -> str:
    """A difference that may be nothing but rounding, in words."""
    return "less than 1e-12" if abs(x) < 1e-12 else f"{x:.0e}"


def alpha_of(data: str) -> float:
    """α with which the paper transfers, or else trains end models, on the data set; DEFAULT_ALPHA where it has none."""
    table = reported("hyperparameters")
    for experiment in ("coarse_to_fine", "model_quality"):
        found = table[(table.experiment == experiment) & (table.dataset == NAMES[data])]
        if len(found):
            return float(found.alpha.iloc[0])
    return DEFAULT_ALPHA


def settings() -> pd.DataFrame:
    """The paper's settings on balanced classes: name, classes, tau, alpha, negatives, and the thresholds there.

    alpha_star: of random batches; clamped, released: of the mean batch with the clamp, and with one view besides.
    """
    table, found = reported("hyperparameters"), []
    for row in table[table.experiment.isin(EXPERIMENTS) & table.dataset.isin(CLASSES)].itertuples():
        k, tau, n = CLASSES[row.dataset], float(row.tau), BATCH / CLASSES[row.dataset]
        double = 2 * n * (k - 1)
        found.append(
            {
                "name": f"{row.dataset}, {EXPERIMENTS[row.experiment]}",
                "classes": str(k),
                "tau": tau,
                "alpha": float(row.alpha),
                "negatives": double,
                "alpha_star": collapse.collapse_alpha_of_batches(k, BATCH, tau),
                "clamped": float(collapse.clamped_alpha(k, double, tau)),
                "released": float(collapse.clamped_alpha(k, double / 2, tau)),
            }
        )
    return pd.DataFrame(found)


def beside(data: str, labels: list[str], face: str, end: dict, carried: dict, records: list) -> pd.DataFrame:
    """Every number of end models and transfer: quantity, data (the paper's name), arm, source, value, low, high.

    end, carried: accuracies (R,) by arm of this run.  The arm of the paper's L_spread is "L_spread" and its α there.
    """
    rows = _printed("end model", "end_model") + _printed("transfer", "coarse_to_fine")
    for line in reported("attract_ablation").itertuples():
        rows.append(_row("end model", line.dataset, "L_attract", "reported", line.L_attract / 100))
    for one in records:
        name = NAMES[one.provenance["params"]["data"]]
        for r in one.results.itertuples():
            quantity, _, arm = r.quantity.partition(", ")
            if quantity in EXPERIMENTS.values():
                rows.append(_row(quantity, name, arm, f"recorded: {one.face}", r.value, r.low, r.high))
    for quantity, values in (("end model", end), ("transfer", carried)):
        for arm in labels:
            if arm in values:
                rows.append(_row(quantity, NAMES[data], arm, f"this run: {face}", *comparison.summary(values[arm])))
    return pd.DataFrame(rows)


def _printed(quantity: str, file: str) -> list[dict]:
    """The rows of a printed table, end models with the α of their experiment."""
    alphas, rows = reported("hyperparameters"), []
    experiment = next(k for k, v in EXPERIMENTS.items() if v == quantity)
    for line in reported(file).itertuples():
        mine = alphas[(alphas.experiment == experiment) & (alphas.dataset == line.dataset)]
        spread = f"L_spread {float(mine.alpha.iloc[0]):g}"
        for arm, column in (("SimCLR", "L_SS"), ("SupCon", "L_SC"), (spread, "L_spread")):
            rows.append(_row(quantity, line.dataset, arm, "reported", getattr(line, column) / 100))
    return rows


def _row(quantity: str, data: str, arm: str, source: str, value, low=float("nan"), high=float("nan")) -> dict:
    return {"quantity": quantity, "data": data, "arm": arm, "source": source, "value": value, "low": low, "high": high}


def markdown(table: pd.DataFrame, labels: list[str]) -> str:
    """The whole table in percent: a row a data set and source, a column an arm, "not run" where no run has the data."""
    plain = sorted({a for a in [*labels, *table.arm] if a.startswith("L_spread") and "," not in a})
    others = [a for a in dict.fromkeys([*labels, *sorted(table.arm)]) if a not in plain]
    arms = [*(a for a in others if "," not in a), *plain, *(a for a in others if "," in a)]
    rows = []
    for data in dict.fromkeys([*table[table.source == "reported"].data, *table.data]):
        here = table[table.data == data]
        for source in dict.fromkeys(here.source):
            cells = here[here.source == source].set_index("arm")
            rows.append((data, source, *(_cell(cells, arm) for arm in arms)))
        if set(here.source) == {"reported"}:
            rows.append((data, "not run", *("" for _ in arms)))
    return report.table(["data", "source", *arms], rows)


def _cell(cells: pd.DataFrame, arm: str) -> str:
    if arm not in cells.index:
        return "–"
    c = cells.loc[arm]
    return f"{100 * c.value:.1f}" + ("" if pd.isna(c.low) else f" {report.span(100 * c.low, 100 * c.high, 1)}")


def read_me(records: list, data: str, carried: dict) -> str:
    """The released code's own numbers beside the arms with a clamp, where a run on CIFAR10-Coarse has them."""
    arms = {"T1": "L_attract, clamped", "T2": "L_spread 0.5, clamped", "T3": "", "T4": ""}
    runs = [
        r.results.set_index("quantity").value for r in records if r.provenance["params"]["data"] == "cifar10_coarse"
    ]
    if data == "cifar10_coarse":
        runs.append({f"transfer, {arm}": float(v.mean()) for arm, v in carried.items()})
    lines = []
    for line in reported("statements").itertuples():
        if line.id in arms:
            arm = arms[line.id]
            mine = [f"{100 * run.get(f'transfer, {arm}'):.1f}" for run in runs if f"transfer, {arm}" in run]
            method = line.quantity.split("->fine ")[1]
            lines.append((line.id, method, line.value, arm or "not implemented", ", ".join(mine) or "not run"))
    return report.table(["", "as named there", "reported", "arm here", "recorded and this run"], lines)


def consistency() -> list[tuple]:
    """The paper's sentences about its own tables, recomputed from them: sentence, number, verdict in words."""
    end, fine = reported("end_model").set_index("dataset"), reported("coarse_to_fine").set_index("dataset")
    others = end[["L_SS", "L_SC"]].max(axis=1)
    best, tie = int((end.L_spread > others).sum()), int((end.L_spread == others).sum())
    ten, mnist = fine.loc["CIFAR10-Coarse"], fine.loc["MNIST-Coarse"]
    worst = reported("worst_group").set_index("dataset")
    lead = ", ".join(worst.index[worst.L_spread > worst[["L_CE", "L_SC"]].max(axis=1)])
    error = 100 * (mnist.L_spread - mnist.L_SC) / (100 - mnist.L_SC)
    return [
        (
            "best end model on 7 of 9 data sets, one tie",
            f"{best} best, {tie} tie, of {len(end)}",
            _agrees((best, tie) == (7, 1)),
        ),
        (
            "23.6 points over SupCon on CIFAR10-Coarse",
            f"{ten.L_spread - ten.L_SC:.1f}",
            _agrees(abs(ten.L_spread - ten.L_SC - 23.6) < 0.05),
        ),
        (
            "4.4 points over SimCLR on CIFAR10-Coarse",
            f"{ten.L_spread - ten.L_SS:.1f}",
            _agrees(abs(ten.L_spread - ten.L_SS - 4.4) < 0.05),
        ),
        (
            "0.2 points on MNIST-Coarse is 16.7 % of the error",
            f"{mnist.L_spread - mnist.L_SC:.1f}; {error:.1f} %",
            _agrees(abs(error - 16.7) < 0.05),
        ),
        (
            "best worst group of the methods",
            f"{lead} alone; on ISIC SupCon has {worst.L_SC['ISIC']:g}, L_spread {worst.L_spread['ISIC']:g}",
            _agrees(len(lead.split(", ")) == len(worst)),
        ),
    ]


def _agrees(right: bool) -> str:
    return "agrees" if right else "**does not agree**"


def authors() -> dict[str, float]:
    """The numbers by which the paper's own tables judge its claims, by claim; shares, not percent."""
    fine, end = (reported(name).set_index("dataset") for name in ("coarse_to_fine", "end_model"))
    ten, ablation = fine.loc["CIFAR10-Coarse"], reported("attract_ablation").set_index("dataset")
    hundred = [fine.L_spread[name] - fine.L_SC[name] for name in ("CIFAR100-Coarse", "CIFAR100-Coarse-U")]
    return {
        "lspread-1g": float(statement("G1")),
        "lspread-1h": float(statement("G2")),
        "lspread-3a": (ten.L_spread - ten.L_SC) / 100,
        "lspread-3b": (ten.L_spread - ten.L_SS) / 100,
        "lspread-3c": (ten.L_SS - ten.L_SC) / 100,
        "lspread-3d": (ten.L_spread - ten.L_SC) / 100,
        "lspread-4": min(hundred) / 100,
        "lspread-5a": float((end.L_spread >= end.L_SC - 1).mean()),
        "lspread-6a": float((ablation.L_attract - ablation.L_SC).min()) / 100,
        "lspread-6b": float((ablation.L_spread - ablation.L_attract).min()) / 100,
    }


def strata_names(data: str) -> tuple[str, ...]:
    """Names of the strata of a data set of the study, by code."""
    from lib import images

    source = data.removesuffix("_u").removesuffix("_coarse")
    names = images.load(source, "test").classes
    if len(names) != SETS[data][1]:
        raise ValueError(f"data={data!r} has {SETS[data][1]} strata, but {source!r} names {len(names)}")
    return tuple(names)
