"""lib.encoders.deep_coresets: networks that choose images and networks on what is chosen, one unit a seed."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lib import losses, study
from lib.book import cost, jobs
from lib.encoders import checkpoints, coarse, deep_coresets, labels, store, training
from lib.encoders import deep_coreset_nets as nets
from lib.encoders.deep_coreset_settings import ARMS, CoresetSettings, CoresetUnit
from lib.encoders.devices import OneCPU
from lib.encoders.label_level_settings import GRAND
from lib.encoders.label_settings import KEPT, Arm
from lib.encoders.training import Conditions
from lib.encoders.units import read_unit
from lib.strata import coresets
from lib.studies.shared.deep_coresets import BySeed
from lib.study import Run

NAME = "label_noise_and_coresets"
TINY = CoresetSettings("digits", 10, "convnet", epochs=2, batch_size=5, learning_rate=0.05, head=0.1)
UNIT = CoresetUnit(TINY, 3)
KILLED = 10  # the first network that scores, of 27


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A unit that was killed after the first epoch of a network, and then went on; epochs of each in the second run."""
    epochs = Counter()

    def kills(label, _):
        def report(epoch, _):
            if f"encoder {KILLED} of 27" in label and epoch == 1:
                raise Killed

        return report

    def counts(label, _):
        return lambda *_: epochs.update([label.partition(": ")[2]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "STORE", tmp_path_factory.mktemp("encoders"))
        patch.setattr(training, "progress", kills)
        with pytest.raises(Killed):
            deep_coresets.run(UNIT, save_seconds=0)
        left = sorted(path.name for path in UNIT.folder.iterdir())
        patch.setattr(training, "progress", counts)
        deep_coresets.run(UNIT)
        yield SimpleNamespace(epochs=epochs, left=left, kept=UNIT.tensors(), task=deep_coresets.task_of(TINY))


def test_a_killed_unit_goes_on_where_it_was(made):
    outcomes = [f"{i}.outcome.part.safetensors" for i in range(KILLED - 1)]
    assert made.left == sorted([*outcomes, f"{KILLED - 1}.part.safetensors"])
    assert made.epochs == {f"encoder {i} of 27": 1 + (i > KILLED) for i in range(KILLED, 28)}
    whole = scorers(made.task, epochs=2)[0]
    assert torch.equal(called(whole, made.task.held), made.kept["called_whole"].long())
    assert UNIT.done and sorted(path.name for path in UNIT.folder.iterdir()) == ["labels.safetensors", "record.json"]
    before = (UNIT.folder / "record.json").stat().st_mtime_ns
    deep_coresets.run(UNIT)
    assert (UNIT.folder / "record.json").stat().st_mtime_ns == before


def scorers(task, epochs):
    """The three networks that score, trained without a break and without being looked at."""
    pupils = [task.pupil(UNIT.seed + 100 * i, torch.arange(len(task.train))) for i in range(3)]
    return [nets.train(task, pupil, Conditions(pupil.seed, epochs)) for pupil in pupils]


def called(model, data):
    return coarse.predict(model, data.x).argmax(1)


def test_what_is_kept_is_what_the_scores_say(made):
    y, task = made.task.train.y, made.task
    kept = {arm: mask.nonzero()[:, 0] for arm, mask in zip(ARMS, made.kept["kept"], strict=True)}
    assert [len(rows) for rows in kept.values()] == [round(share * 100) for share in KEPT] * 5
    first, second = scorers(task, 1), scorers(task, 2)
    pairs = zip(first, second, strict=True)
    right = torch.stack([torch.stack([called(m, task.train) == y for m in pair]) for pair in pairs])
    p = torch.stack([coarse.predict(m, task.train.x).softmax(1) for m in first])
    norms = torch.stack([nets.gradient_norms(m, task.train.x, y) for m in first])
    scores = {
        "forgetting": coresets.forgetting_events(right).sum(0),
        "EL2N": coresets.el2n(p, y),
        GRAND: coresets.grand(norms),
    }
    for share in KEPT:
        size = round(100 * share)
        for name, values in scores.items():
            found = kept["cross_entropy", share, name]
            assert found.tolist() == coresets.highest(values, size, UNIT.seed).tolist(), name
        fullest = kept["cross_entropy", share, "fullest buckets"]
        assert y[fullest].bincount(minlength=10).tolist() == [size // 10] * 10
        assert fullest.tolist() == coresets.coreset(made.kept["right_often"], y, size, UNIT.seed).tolist()
        drawn = kept["cross_entropy", share, "random"]
        assert set(drawn.tolist()) <= set(kept["cross_entropy", 0.5, "random"].tolist())


def test_the_counts_are_those_of_nine_networks(made):
    counting = [labels.counting_net(made.task, UNIT.seed, i) for i in range(9)]
    assert [len(net.rows) for net in counting] == [10, 10, 10, 20, 20, 20, 50, 50, 50]
    assert all(int(net.headed.sum()) == 10 and net.headed[net.rows].sum() == 10 for net in counting)
    found = [nets.train(made.task, net, Conditions(net.seed, 2)) for net in counting]
    right = torch.stack([called(model, made.task.train) == made.task.train.y for model in found])
    assert torch.equal(right.sum(0), made.kept["right_often"])


def test_a_pupil_sees_what_is_kept(made):
    arm = ARMS.index(Arm("cross_entropy", 0.3, GRAND))
    pupil = made.task.pupil(UNIT.seed, made.kept["kept"][arm].nonzero()[:, 0])
    model = nets.train(made.task, pupil, Conditions(UNIT.seed, 2))
    assert torch.equal(called(model, made.task.held), made.kept["called"][arm].long())


def test_the_keepers_choose_by_hand():
    y, counts = torch.zeros(4, dtype=torch.long), torch.tensor([9, 9, 0, 4])
    checks = torch.tensor([[[1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]]] * 2).bool()
    sure = torch.tensor([[1.0, 0.9, 0.2, 0.5], [1.0, 0.7, 0.4, 0.5]])
    scoring = [
        {"checks": c, "probabilities": torch.stack([p, 1 - p], 1), "norms": v}
        for c, p, v in zip(checks, sure, torch.tensor([[4.0, 0, 0, 1], [0, 5, 0, 0]]), strict=True)
    ]
    keep = deep_coresets.keepers(y, counts, scoring, seed=0)
    assert counts[keep["fullest buckets"](3)].tolist().count(9) == 1
    assert keep["forgetting"](1).tolist() == [3] and len(keep["random"](2)) == 2  # the last was never right: 6 events
    assert keep["EL2N"](2).tolist() == [2, 3] and keep[GRAND](2).tolist() == [0, 1]


def test_the_length_of_a_gradient_is_autograds():
    data = deep_coresets.task_of(TINY).train
    torch.manual_seed(0)
    model = nets.Classifier("resnet_small", data)
    model.net(torch.rand(8, 1, 8, 8))  # running statistics that are not those of the start
    found = nets.gradient_norms(model, data.x[:34], data.y[:34])
    assert model.training and len(found) == 34
    model.eval()
    for i in (0, 33):
        model.zero_grad()
        F.cross_entropy(model(data.x[i : i + 1].float() / 255)[1], data.y[i : i + 1]).backward()
        assert float(found[i]) == pytest.approx(
            float(torch.cat([w.grad.flatten() for w in model.parameters()]).norm()), rel=1e-4
        )


@pytest.mark.parametrize("mirrored", [False, True])
def test_images_are_shifted_as_by_hand(mirrored):
    x = torch.randint(1, 256, (1, 2, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    padded = F.pad(x[0], (1, 1, 1, 1))
    crops = [padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    allowed = {crop.numpy().tobytes() for crop in crops + [crop.flip(-1) for crop in crops] * mirrored}
    found = nets.shifted(x.repeat(400, 1, 1, 1), mirrored, torch.Generator().manual_seed(1))
    assert {(255 * image).round().to(torch.uint8).numpy().tobytes() for image in found} == allowed


def test_the_rate_is_that_of_the_public_code():
    s, sgd = CoresetSettings(), torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(sgd, [60, 120, 160], 0.2)
    for epoch in range(s.epochs):
        assert nets.rate_in(s, epoch) == pytest.approx(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert s.early == 20 and TINY.early == 1


def test_the_losses_are_l_spread_and_the_cross_entropy_of_whom_the_head_sees():
    task = deep_coresets.task_of(TINY)
    model, rows = nets.Classifier("convnet", task.train).eval(), torch.arange(0, 100, 9)
    x, y = task.train.x[rows], task.train.y[rows]

    def loss(net):
        return nets.loss(task, net, model, rows, torch.Generator().manual_seed(4), OneCPU("float32")).item()

    z, logits = model(nets.shifted(x, False, torch.Generator().manual_seed(4)))
    assert loss(task.pupil(0, rows)) == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    counter = replace(task.pupil(0, rows), loss="spread", headed=torch.arange(100) < 10)  # of the rows, 0 and 9
    views = nets.augment.view(x.repeat(2, 1, 1, 1), nets.VIEWS["digits"], torch.Generator().manual_seed(4))
    z, logits = model(views)
    seen = torch.tensor([0, 1, 12, 13])
    wanted = losses.spread(z[:12], z[12:], y, 0.5, 0.5) + F.cross_entropy(logits[seen], y.repeat(2)[seen])
    assert loss(counter) == pytest.approx(wanted.item(), rel=1e-5)


def test_a_damaged_outcome_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "STORE", tmp_path)
    UNIT.folder.mkdir(parents=True)
    (UNIT.folder / "0.outcome.part.safetensors").write_bytes(b"cut")
    with pytest.raises(checkpoints.CheckpointError, match=r"0\.outcome\.part\.safetensors is damaged.*remove it"):
        deep_coresets.run(UNIT)


def test_a_unit_survives_json_and_its_name_changes_with_what_it_is_made_of():
    assert read_unit(UNIT.to_json()) == UNIT and json.loads(UNIT.to_json())["trainer"] == "lib.encoders.deep_coresets"
    others = [replace(UNIT, seed=4), replace(UNIT, settings=replace(TINY, head=0.05))]
    assert len({u.name for u in (UNIT, *others)}) == 3 and len(UNIT.members) == 27


def test_the_preset_paper_plans_a_unit_a_seed_and_the_others_none():
    for preset in ("quick", "laptop", "records", "paper"):
        run = Run(NAME, study.complete(NAME, study.preset(NAME, preset)))
        units = [unit for unit in run.units if isinstance(unit, CoresetUnit)]
        assert len(units) == (3 if preset == "paper" else 0)
    assert {u.settings for u in units} == {CoresetSettings()} and [u.seed for u in units] == [0, 1, 2]
    assert [[unit] for unit in units] == jobs.together(units), "a job is one seed"
    gpu, cpu = (cost.estimate([units[:1]], 1, gpu)[0] for gpu in (True, False))
    assert 1800 < gpu < 7200 and cpu > 100 * gpu
    assert cost.estimate([units[:1]], 1, True)[1] == cost.DISK_MIB["resnet18"]


def test_seeds_are_read_side_by_side():
    def tensors(seed):
        one = {"called": torch.zeros(15, 4, dtype=torch.uint8), "kept": torch.ones(15, 6, dtype=torch.bool)}
        one["called"][2, : seed + 1] = 1
        return one | {"held_y": torch.ones(4, dtype=torch.long), "right_often": torch.full((6,), seed)}

    units = tuple(SimpleNamespace(arms=ARMS, tensors=lambda s=s: tensors(s)) for s in range(3))
    both = BySeed(units)
    assert both.tensors()["right_often"].tolist() == [[s] * 6 for s in range(3)]
    assert both.tensors()["kept"].shape == (15, 3, 6) and both.tensors()["held_y"].shape == (4,)
    assert np.array_equal(both.accuracy()[ARMS[2]], [0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    "change, said",
    [
        ({"data": "mnist"}, "data='mnist' is unknown; known are digits, cifar10"),
        ({"net": "vit"}, "net='vit' is unknown"),
        ({"precision": "half"}, "precision='half'"),
        ({"epochs": 1}, "epochs=1 is out of range"),
        ({"batch_size": 11}, "batch_size=11 exceeds the 10 images"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"temperature": 0}, "temperature=0"),
        ({"alpha": 2}, "alpha=2"),
        ({"head": 0.2}, "head=0.2 is out of range"),
        ({"images_per_class": -1}, "images_per_class=-1"),
    ],
)
def test_bad_input_is_named(change, said):
    with pytest.raises(ValueError, match=said):
        replace(TINY, **change)


def test_a_batch_that_is_too_large_is_refused_before_any_work():
    with pytest.raises(ValueError, match="coreset_batch=512 exceeds the 120 images"):
        study.complete(NAME, {"coreset_net": "convnet", "coreset_data": "digits", "coreset_batch": 512})
