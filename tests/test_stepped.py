"""A rate that falls in steps is that of torch's schedulers, goes on after a break, and renames nothing else."""

from dataclasses import asdict, replace

import pytest
import torch
from torch.optim import lr_scheduler

from lib import hashing, study
from lib.book import jobs
from lib.encoders import coarse, robust, stepped, stepped_robust, store
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit
from lib.encoders.stepped_settings import SteppedRobustSettings, SteppedRobustUnit, SteppedSettings, SteppedUnit
from lib.encoders.training import Conditions, Keeper
from lib.encoders.units import read_unit
from lib.images import coarse_labels
from lib.studies.plans.worst_group import PLAIN
from lib.study import Run

NAME = "worst_group"
TINY = {"data": "spurious_digits", "net": "mlp", "validation": 0.0, "period": 0, "augment": "none"}
TINY |= {"loss": "cross_entropy", "optimiser": "sgd", "learning_rate": 0.3, "epochs": 5, "drop_every": 2}
S = SteppedSettings(**TINY)
UNIT = SteppedUnit(S, 3)
ROBUST = SteppedRobustUnit(SteppedRobustSettings(**TINY, step=0.1, reduce="none", k_max=2), 3, UNIT)


def of_torch(s, make) -> list[float]:
    """The rates of the epochs by a scheduler of torch."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], s.learning_rate)
    schedule, found = make(optimiser), []
    for _ in range(s.epochs):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def rates(s) -> list[float]:
    """The rates of the epochs by the settings' stages."""
    starts = [0, *(end for end, _ in s.stages[:-1])]
    return [rate for start, (end, rate) in zip(starts, s.stages, strict=True) for _ in range(start, end)]


@pytest.mark.parametrize(("epochs", "every"), [(20, 15), (6, 2), (7, 3), (5, 1)])
def test_rates_are_those_of_torch(epochs, every):
    s = replace(S, epochs=epochs, drop_every=every)
    assert rates(s) == pytest.approx(of_torch(s, lambda o: lr_scheduler.StepLR(o, every, 0.1)), rel=1e-12)
    drops = list(range(every, epochs, every))
    assert rates(s) == pytest.approx(of_torch(s, lambda o: lr_scheduler.MultiStepLR(o, drops, 0.1)), rel=1e-12)


def training(path, options=lambda: {}, report=lambda *_: None):
    """Train on some digits by ``stepped.train`` with a checkpoint at the path."""
    data = coarse_labels.load(S, "train").take(torch.arange(256))
    changes = coarse.Changes(**options())
    conditions = Conditions(3, S.epochs, report=report, keeper=Keeper(path, "a training", 0))
    encoder, history = stepped.train(S, data, conditions, changes)
    return [*encoder.parameters(), *([changes.robust.weights] if changes.robust else [])], history


def grouped() -> dict:
    """Two groups, so that their weights are part of what goes on."""
    return {"groups": torch.arange(256) % 2, "robust": robust.GroupDRO(torch.tensor([128, 128]), 0.1, 0.0)}


def test_stages_are_one_training_in_which_the_rate_alone_falls(tmp_path, monkeypatch):
    found, history = training(tmp_path / "kept.safetensors", grouped)
    data, changes = coarse_labels.load(S, "train").take(torch.arange(256)), coarse.Changes(**grouped())
    reference = of_torch(S, lambda o: lr_scheduler.StepLR(o, 2, 0.1))
    monkeypatch.setattr(coarse, "rate_in", lambda s, epoch: reference[epoch])
    encoder, expected = coarse.train(S, data, Conditions(3, S.epochs), changes)
    assert history == pytest.approx(expected, rel=1e-6) and len(history) == 5
    for a, b in zip(found, [*encoder.parameters(), changes.robust.weights], strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_training_that_was_killed_goes_on(tmp_path, broken):
    def killed(epoch: int, _: float) -> None:
        if epoch == broken:
            raise KeyboardInterrupt

    path = tmp_path / "kept.safetensors"
    with pytest.raises(KeyboardInterrupt):
        training(path, grouped, killed)
    (found, history), (whole, expected) = training(path, grouped), training(tmp_path / "whole.safetensors", grouped)
    assert history == expected and all(torch.equal(a, b) for a, b in zip(found, whole, strict=True))


def test_units_are_trained_stored_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)
    for unit, trainer in ((UNIT, stepped), (ROBUST, stepped_robust)):
        trainer.run(unit)
        assert unit.done and read_unit(unit.to_json()) == unit and unit.logits("test").shape == (1180, 2)
    assert float(ROBUST.weights().sum()) == pytest.approx(1, abs=1e-5) and len(ROBUST.groups()) == 1197
    for base in (None, CoarseUnit(CoarseSettings(data="spurious_digits", net="mlp"), 3)):
        unit = replace(ROBUST, base=base)
        assert read_unit(unit.to_json()) == unit and type(read_unit(unit.to_json())) is SteppedRobustUnit
    assert [len(job) for job in jobs.together([UNIT, ROBUST])] == [1, 1]


def test_other_encoders_keep_their_names():
    for trainer in ("lib.encoders.coarse", "lib.encoders.robust"):
        assert not [k for k in hashing.closure((trainer, "run")) if k[0].startswith("lib.encoders.stepped")]
    assert "drop_every" not in asdict(RobustSettings()) | asdict(CoarseSettings())
    for preset in ("quick", "laptop", "paper"):
        units = Run(NAME, study.complete(NAME, study.preset(NAME, preset))).plan.units
        assert {type(unit) for unit in units} == {CoarseUnit, RobustUnit}


def test_the_preset_of_isic_has_the_published_schedule():
    arms = Run(NAME, study.complete(NAME, study.preset(NAME, "paper_isic"))).plan
    classifiers = [*arms.encoders[PLAIN], *(unit for units in arms.robust.values() for unit in units)]
    assert {type(unit) for unit in classifiers} == {SteppedUnit, SteppedRobustUnit}
    for unit in classifiers:
        assert [end for end, _ in unit.settings.stages] == [15, 20]
        assert [rate for _, rate in unit.settings.stages] == pytest.approx([5e-4, 5e-5])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop_every": 0}, "drop_every=0 is out of range"),
        ({"drop_every": 5}, "below epochs=5"),
        ({"period": 10}, "set period=0"),
    ],
)
def test_what_contradicts_the_schedule_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(S, **changes)
    with pytest.raises(ValueError, match=words):
        replace(ROBUST.settings, **changes)
    with pytest.raises(ValueError, match="drawn evenly"):
        replace(ROBUST.settings, even=True)
