"""lib.encoders.label_levels: further levels of the experiments on labels, the loss of lemma 7, GraNd."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from lib.encoders import label_levels, label_stacks, labels, stacks, store
from lib.encoders.label_level_settings import GRAND, SETS, LevelSettings, LevelUnit
from lib.encoders.label_settings import Arm
from lib.encoders.units import read_unit
from lib.strata import coresets
from lib.studies.plans import label_noise_and_coresets as plans

TINY = LevelSettings("noise", images_per_class=20, steps=20, batch_size=8, levels=(0.3,))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)


def test_a_unit_survives_json_and_is_trained_by_its_own_module():
    unit = LevelUnit(TINY, 1, 2)
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.label_levels"
    assert len({u.name for u in (unit, replace(unit, settings=replace(TINY, levels=(0.4,))))}) == 2
    assert "-labels_noise_levels-s1n2-" in unit.name


def test_the_arms_are_the_levels():
    assert TINY.arms.count(Arm("spread", 0.3, "centres")) == 1 and Arm("cross_entropy", 0.0) in TINY.arms
    assert replace(TINY, experiment="few_labels").arms == (Arm("sup_con", 0.3), Arm("spread", 0.3))
    assert replace(TINY, experiment="coresets").arms == (Arm("cross_entropy", 0.3, GRAND),)
    for change, said in (
        ({"levels": (1.0,)}, "between 0 and 1"),
        ({"points": 8}, "points=8"),
        ({"points": 1}, "points=1"),
    ):
        with pytest.raises(ValueError, match=said):
            replace(TINY, **change)
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        replace(TINY, experiment="two_classes")


def test_nets_at_a_further_level_are_those_of_the_experiment():
    unit = LevelUnit(replace(TINY, levels=(0.5,)), 3, 1)
    label_levels.run(unit)
    task, arm = labels.task_of(unit.settings), Arm("spread", 0.5, "centres")
    found, _ = label_stacks.train(task.train, [labels.noisy_net(task, arm, 3)], task.course)
    assert unit.accuracy()[arm] == pytest.approx(found.accuracy(task.held.x, task.held.y).numpy(), abs=0.01)


def test_the_loss_of_lemma_7_trains_its_nets_apart():
    unit = LevelUnit(replace(TINY, experiment="two_classes", levels=(0.8,)), 0, 2)
    label_levels.run(unit)
    assert unit.arms == (Arm(SETS, 1.0), Arm(SETS, 0.8), Arm(SETS, 0.8, "weights"))
    assert unit.tensors()["called"].shape[:2] == (3, 2) and unit.record["samples"] == [200]
    task = labels.task_of(unit.settings)
    alone = label_levels.learn_sets(task, unit.arms[2:], (0, 1), 4)["called"]
    assert torch.equal(alone.view(2, -1), unit.tensors()["called"][2]), "a net is the same in any stack of its seeds"


def test_the_length_of_a_gradient_is_autograds():
    train, _ = label_stacks.small_images("digits", 3)
    layers = stacks.initial(
        [0, 1], stacks.patches(train.x[:1].float()).shape[1:], 16, 64, [stacks.Recipe(supervised=1)], 10
    )
    nets = label_stacks.Nets(layers, (0.3, 0.4))
    found = label_levels.gradient_norms(nets, train.x, train.y)
    for e, n in ((0, 4), (1, 29)):
        own = [layer[e : e + 1].clone().requires_grad_() for layer in layers]
        h = stacks.outputs(own, nets.prepare(train.x[n : n + 1])[None])
        loss = F.cross_entropy(stacks.linear(h, own[-1])[0, 0], train.y[n : n + 1])
        grads = torch.autograd.grad(loss, own)
        assert found[e, n].item() == pytest.approx(torch.cat([g.flatten() for g in grads]).norm().item(), rel=1e-4)


def test_a_pupil_sees_the_longest_gradients():
    unit = LevelUnit(replace(TINY, experiment="coresets"), 5, 1)
    label_levels.run(unit)
    scores = label_levels.grand(labels.task_of(unit.settings), unit.seeds)
    for i, seed in enumerate(unit.seeds):
        mine = unit.tensors()["kept"][0, i].nonzero()[:, 0]
        assert mine.tolist() == coresets.highest(scores[i], 60, seed).tolist()
    assert coresets.grand(torch.tensor([[1.0, 4.0], [3.0, 0.0]])).tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="0 or more"):
        coresets.grand(torch.tensor([[-1.0]]))


@pytest.mark.parametrize(
    ("text", "said"),
    [("0.3,x", "write shares"), ("0.2", "beside 0.2, 0.5"), ("1.5", "between 0 and 1"), ("0.3,0.3", "once")],
)
def test_further_levels_that_are_none_are_refused(text, said):
    assert plans.further(SimpleNamespace(more_noise="0.4, 0.1"), "more_noise", (0.2, 0.5)) == (0.1, 0.4)
    assert plans.further(SimpleNamespace(more_noise=""), "more_noise", (0.2, 0.5)) == ()
    with pytest.raises(ValueError, match=said):
        plans.further(SimpleNamespace(more_noise=text), "more_noise", (0.2, 0.5))
