"""Learning rates by balanced accuracy alone: an equal number of trials for every method, before any harm is computed.

``make tune STUDY=methods_and_mitigations PRESET=quick`` trains every label of the study at every rate of RATES on seeds
that no study uses, and writes ``presets/<preset>/tuning.csv``; the preset's ``learning_rates`` are the best of each.
"""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from lib import records
from lib.encoders.settings import Unit
from lib.studies.plans.methods_and_mitigations import Comparison
from lib.study import Parameter

RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
OPTIONS = {
    "rates": Parameter("rates", "float", RATES, "(0, 1000]", "learning rates, separated by commas"),
    "seeds": Parameter("seeds", "int", 2, "[1, 100]", "of a trial"),
    "epochs": Parameter("epochs", "int", 0, "[0, 100000]", "of a trial; 0 for as many as the study's"),
}
SEED_SHIFT = 300  # of the seeds that only tuning uses
COLUMNS = ("label", "learning_rate", "seeds", "epochs", "balanced_accuracy", "remark")


def options(given: dict[str, str]) -> dict:
    """The words rates, seeds and epochs of the command line; ValueError: another word, a bad number, a rate twice."""
    if wrong := [name for name in given if name not in OPTIONS]:
        raise ValueError(f"{wrong[0]!r} is not an option of tune; there are {', '.join(OPTIONS)}")
    read = {name: [OPTIONS[name].read(word) for word in text.split(",")] for name, text in given.items()}
    for name, values in read.items():
        if len(set(values)) < len(values) or (name != "rates" and len(values) > 1):
            raise ValueError(f"{name}={given[name]!r}: give {'each rate once' if name == 'rates' else 'one number'}")
    chosen = {name: OPTIONS[name].default for name in ("seeds", "epochs")} | {n: v[0] for n, v in read.items()}
    return chosen | {"rates": tuple(read.get("rates", RATES))}


def trials(comparison: Comparison, rates: tuple[float, ...], seeds: int, epochs: int) -> dict[tuple, list[Unit]]:
    """The units of every (label, rate), one a seed: methods on balanced data, mitigations on undersampled data.

    epochs: of a trial; 0 for as many as the study's.
    """
    found = {}
    for label, arms in comparison.arms.items():
        if "," in label:  # controls and smaller sets keep SimCLR's rate
            continue
        (first,) = (arms.under if label.startswith("simclr_") else arms.balanced)[:1]
        for rate in rates:
            changed = [replace(u.settings, learning_rate=rate, epochs=epochs or u.settings.epochs) for u in first]
            units = [replace(unit, settings=s) for unit, s in zip(first, changed, strict=True)]
            found[label, rate] = [replace(unit, seed=SEED_SHIFT + i) for i in range(seeds) for unit in units]
    return found


def accuracy(units: list[Unit]) -> float:
    """Mean balanced accuracy of the units' encoders under heads with balanced labels."""
    from lib.studies.shared import evidence

    scores = []
    for unit in units:
        z, y = unit.embeddings()
        for features in z.double():
            confusion = evidence.confusion(features, y, int(y.max()) + 1)
            scores.append(float(confusion.diagonal().mean()))
    return float(np.mean(scores))


def best(path: Path) -> dict[str, float]:
    """The rate of the highest balanced accuracy of every label in a tuning table; the first of equals."""
    with open(path, newline="", encoding="utf-8") as f:
        rows = [row for row in csv.DictReader(f) if row["balanced_accuracy"]]
    found = {}
    for row in rows:
        if row["label"] not in found or float(row["balanced_accuracy"]) > float(
            found[row["label"]]["balanced_accuracy"]
        ):
            found[row["label"]] = row
    return {label: float(row["learning_rate"]) for label, row in found.items()}


def write(path: Path, tried: dict[tuple, list[Unit]]) -> None:
    """Score what was trained and write the table; a trial of which an encoder failed has no accuracy, and says so.

    RuntimeError, and the table that is there stays: a label of which no trial was trained, so that none is the best.
    """
    trained = {label for (label, _), units in tried.items() if all(unit.done for unit in units)}
    if missing := list(dict.fromkeys(label for label, _ in tried if label not in trained)):
        rates = ", ".join(f"{rate:g}" for label, rate in tried if label == missing[0])
        raise RuntimeError(
            f"no training of {', '.join(missing)} succeeded, at the rates {rates}; {path} is left as it was. The "
            "reasons stand above; try other rates, or run the command again where it was interrupted"
        )
    with records.atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(COLUMNS)
        for (label, rate), units in tried.items():
            whole = all(unit.done for unit in units)
            seeds, score = len({u.seed for u in units}), f"{accuracy(units):.4f}" if whole else ""
            table.writerow((label, rate, seeds, units[0].settings.epochs, score, "" if whole else "training failed"))
