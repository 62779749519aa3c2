"""The encoders and classifiers of the study of worst groups, by preset."""

import pytest

from lib import study
from lib.studies.worst_group import OTHER, PLAIN, SPREAD, SUP_CON, TRUE
from lib.study import ParameterError, Run

NAME = "worst_group"


def arms(preset, **given):
    return Run(NAME, study.complete(NAME, study.preset(NAME, preset) | given)).plan


@pytest.mark.parametrize("preset", ["quick", "laptop", "paper"])
def test_presets_are_valid_and_groups_come_from_the_encoder_of_the_same_seed(preset):
    found = arms(preset)
    assert list(found.encoders) == [PLAIN, SUP_CON, SPREAD] and list(found.robust) == [
        PLAIN,
        SUP_CON,
        SPREAD,
        OTHER,
        TRUE,
    ]
    for label, units in found.encoders.items():
        assert [unit.base for unit in found.robust[label]] == units
        assert [unit.seed for unit in found.robust[label]] == [unit.seed for unit in units]
    assert [unit.base for unit in found.robust[OTHER]] == found.encoders[SPREAD]
    assert all(unit.base is None for unit in found.robust[TRUE])
    assert len({unit.name for unit in found.units}) == len(found.units) == 8 * len(found.robust[TRUE])


def test_cross_entropy_differs_from_robust_training_in_the_weights_alone():
    found = arms("paper")
    plain, robust = found.encoders[PLAIN][0].settings, found.robust[TRUE][0].settings
    own = {"step", "adjustment", "even", "reduce", "k_max", "centre"}
    assert all(getattr(plain, name) == value for name, value in vars(robust).items() if name not in own)


def test_the_paper_preset_has_the_published_settings():
    found = arms("paper")
    s = found.robust[SPREAD][0].settings
    assert (s.optimiser, s.learning_rate, s.weight_decay, s.epochs, s.batch_size) == ("sgd", 1e-5, 1.0, 300, 128)
    assert (s.step, s.adjustment, s.even, s.reduce, s.k_max) == (0.01, 2.0, True, "umap", 10)
    e = found.encoders[SPREAD][0].settings
    assert (e.loss, e.alpha, e.temperature, e.net, e.joint) == ("spread", 0.5, 0.5, "resnet50", False)


def test_the_quick_preset_is_the_notebooks_defaults():
    assert study.complete(NAME, study.preset(NAME, "quick")) == study.complete(NAME, {})


def test_parameters_that_contradict_each_other_are_refused():
    with pytest.raises(ParameterError, match="no ImageNet weights"):
        study.complete(NAME, {"pretrained": True})
    with pytest.raises(ParameterError, match="recovery_second='class' is recovery_centre too"):
        study.complete(NAME, {"recovery_second": "class"})
