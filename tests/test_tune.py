"""lib.book.tune: equal trials for every label, and presets that follow their tables."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from lib import study
from lib.book import make, tune
from lib.hashing import ROOT
from lib.studies.plans import methods_and_mitigations
from lib.studies.plans.methods_and_mitigations import Comparison

NAME = "methods_and_mitigations"
TABLES = sorted((ROOT / "presets").glob("*/tuning.csv"))


def comparison(**change) -> Comparison:
    return methods_and_mitigations.plan(SimpleNamespace(**study.complete(NAME, change)))


def test_every_label_gets_the_same_trials_on_seeds_that_no_study_uses():
    made = comparison()
    tried = tune.trials(made, (0.01, 0.1), 2, 0)
    labels = list(dict.fromkeys(label for label, _ in tried))
    assert labels == [label for label in made.arms if "," not in label] and len(tried) == 2 * len(labels)
    used = {unit.seed for unit in made.units}
    for (label, rate), units in tried.items():
        assert {u.seed for u in units} == {tune.SEED_SHIFT, tune.SEED_SHIFT + 1} and not used & {u.seed for u in units}
        assert {u.settings.learning_rate for u in units} == {rate}
        assert (units[0].members == ("",)) == (not label.startswith("simclr_")), "mitigations on undersampled data"


def test_options():
    assert tune.options({}) == {"rates": tune.RATES, "seeds": 2, "epochs": 0}
    assert tune.options({"rates": "0.1,0.2", "epochs": "8"}) == {"rates": (0.1, 0.2), "seeds": 2, "epochs": 8}
    with pytest.raises(ValueError, match="'rate' is not an option of tune; there are rates, seeds, epochs"):
        tune.options({"rate": "1"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rates": "0"}, r"rates=0.0 is out of range; expected float in \(0, 1000\]"),
        ({"rates": "nan"}, "rates=nan is out of range"),
        ({"rates": "0.1,inf"}, "rates=inf is out of range"),
        ({"rates": "0.1,0.1"}, "rates='0.1,0.1': give each rate once"),
        ({"rates": "fast"}, "rates='fast' is not of type float"),
        ({"seeds": "0"}, "seeds=0 is out of range"),
        ({"seeds": "1,2"}, "seeds='1,2': give one number"),
        ({"epochs": "-1"}, "epochs=-1 is out of range"),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        tune.options(given)


def test_a_table_is_written_and_the_best_of_each_label_found(tmp_path, monkeypatch):
    scores = {0.1: 0.8, 0.2: 0.9, 0.3: 0.9}
    monkeypatch.setattr(tune, "accuracy", lambda units: scores[units[0].settings.learning_rate])

    def unit(rate, done):
        return SimpleNamespace(seed=300, done=done, settings=SimpleNamespace(learning_rate=rate, epochs=8))

    tried = {("simclr", rate): [unit(rate, True)] for rate in scores} | {("vicreg", 0.1): [unit(0.1, True)]}
    tried[("vicreg", 0.3)] = [unit(0.3, False)]
    tune.write(tmp_path / "tuning.csv", tried)
    table = pd.read_csv(tmp_path / "tuning.csv")
    assert table.remark.tolist()[-1] == "training failed" and table.balanced_accuracy.isna().tolist()[-1]
    assert tune.best(tmp_path / "tuning.csv") == {"simclr": 0.2, "vicreg": 0.1}, "the first of equals"


def test_a_table_in_git_survives_trainings_that_all_failed(tmp_path, monkeypatch, capsys):
    path = tmp_path / "presets/quick/tuning.csv"
    path.parent.mkdir(parents=True)
    path.write_text("the table that was there")
    monkeypatch.setenv("STUDY", NAME)
    monkeypatch.setenv("P", "rates=0.7 seeds=1")
    failed = SimpleNamespace(done=False, seed=300, settings=SimpleNamespace(epochs=1))
    monkeypatch.setattr(make, "build", lambda *_: 1)
    monkeypatch.setattr(make.tune, "trials", lambda *_, **__: {("simclr", 0.7): [failed]})
    monkeypatch.setattr(make, "missing", lambda *_: [])
    values = study.preset(NAME, "quick")
    monkeypatch.setattr(study, "preset", lambda *_: values)
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make", "tune"])
    assert make.main() == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: no training of simclr succeeded, at the rates 0.7;") and "\n" not in said
    assert path.read_text() == "the table that was there"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_a_preset_takes_the_rates_of_its_table(path):
    values = yaml.safe_load((path.parent / f"{NAME}.yaml").read_text())
    given = {label: float(rate) for label, rate in (w.split("=") for w in values["learning_rates"].split(","))}
    table = pd.read_csv(path)
    best = table.loc[table.groupby("label").balanced_accuracy.idxmax()].set_index("label").learning_rate
    assert given == {label: best[label] for label in given}
    trials = table.groupby("label").size()
    assert trials.nunique() == 1, "an equal number of trials"
