"""The encoders and classifiers of the study of worst groups, by preset."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score

from lib import study
from lib.images.strata import Strata
from lib.studies import worst_group
from lib.studies.plans.worst_group import OTHER, PLAIN, SPREAD, SUP_CON, TRUE
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


class Stub:
    """A trained unit with given features, (n, d) of a split, and logits of its head."""

    def __init__(self, y, joint=True, seed=0):
        draws, self.y = torch.Generator().manual_seed(seed), y
        self.settings, self.seed = SimpleNamespace(joint=joint), seed
        self.z = torch.randn(len(y), 3, generator=draws) + 2 * F.one_hot(y, 3)
        self.head = torch.randn(len(y), 2, generator=draws)

    def embeddings(self, split="test"):
        return self.z[None], self.y

    def logits(self, split="test"):
        return self.head


def some_strata(n=120):
    """Three strata, as ISIC has them: benign without and with a patch, malignant; the second is rare."""
    stratum = torch.tensor([0] * 7 + [1] + [2] * 4).repeat(n // 12)
    x, none = torch.zeros(n, 1, 8, 8, dtype=torch.uint8), torch.zeros(n, dtype=torch.bool)
    return Strata(x, (stratum == 2).long(), stratum, ("benign", "malignant"), ("plain", "patch", "malignant"), none)


def test_what_a_training_reaches_is_scikit_learns():
    data = some_strata()
    units = [Stub(data.y, seed=s) for s in range(3)]
    found = worst_group.reached(units, data, data)
    for i, unit in enumerate(units):
        score, called = unit.head[:, 1] - unit.head[:, 0], unit.head.argmax(1)
        parts = [data.stratum != other for other in (1, 0)] + [data.y >= 0]
        areas = [roc_auc_score(data.y[mask], score[mask]) for mask in parts]
        shares = [float((called == data.y)[data.stratum == s].double().mean()) for s in range(3)]
        assert found.groups[i] == pytest.approx(shares) and found.worst[i] == pytest.approx(min(shares))
        assert found.area[i] == pytest.approx(areas[2]) and found.worst_area[i] == pytest.approx(min(areas))
        assert found.whole[i] == pytest.approx(accuracy_score(data.y, called))
    assert found.judged("isic")[0] is found.worst_area and found.judged("waterbirds")[0] is found.worst


def test_an_encoder_without_a_head_is_probed():
    data = some_strata()
    unit = Stub(data.y, joint=False)
    z = F.normalize(unit.z, dim=1).numpy()
    wanted = LogisticRegression(max_iter=1000).fit(z, data.y).score(z, data.y)
    assert worst_group.reached([unit], data, data).whole[0] == pytest.approx(wanted)


def test_margins_are_log_odds_of_the_own_class(monkeypatch):
    logits = torch.tensor([[1.0, 3.0], [2.0, -2.0]])
    loss = F.cross_entropy(logits, torch.tensor([1, 1]), reduction="none")
    monkeypatch.setattr(worst_group.robust, "point_losses", lambda unit: loss)
    assert worst_group.margins(None).tolist() == pytest.approx([2.0, -4.0], rel=1e-5)


def test_strata_by_size_by_loops():
    data = some_strata()
    unit = Stub(data.y)
    found = worst_group.to_centre(SimpleNamespace(encoders={"one": [unit]}), data)["one"][0]
    z = F.normalize(unit.z, dim=1).double()
    plain, patch = (z[data.stratum == s] for s in (0, 1))
    centre = F.normalize(plain.mean(0) + patch.mean(0), dim=0)
    assert found[:2].tolist() == pytest.approx([float((part @ centre).mean()) for part in (plain, patch)])
    lag = worst_group.lag(found[None], data, data)
    assert lag.tolist() == pytest.approx([found[0] - found[1]]), "the class of one stratum does not count"


def test_strata_that_differ_in_their_pixels_are_recovered_without_a_net():
    generator, n = torch.Generator().manual_seed(0), 120
    y = torch.arange(n) % 2
    stratum = 2 * y + (torch.arange(n) % 6 >= 4).long()  # a third of each class on the right half
    x = torch.randint(0, 40, (n, 1, 40, 40), generator=generator)
    x[stratum % 2 == 0, :, :, :20] += 200
    x[stratum % 2 == 1, :, :, 20:] += 200
    train = Strata(x.byte(), y, stratum, ("a", "b"), ("a0", "a1", "b0", "b1"), torch.zeros(n, dtype=torch.bool))
    p = SimpleNamespace(recovery_reduce="pca", recovery_k_max=4, recovery_centre="class", seed=5, seeds=2)
    found = worst_group.of_pixels(p, train)
    assert len(found) == 2 and (worst_group.f1(found, stratum) == 1).all()
