"""lib.encoders.remedies: the losses against loops, the twin against torch's own pruning, plain SimCLR as a limit."""

import copy
import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from lib import images, losses
from lib.book import jobs
from lib.encoders import pretrain, remedies, training
from lib.encoders import store as stored
from lib.encoders.further_settings import RemedySettings, RemedyUnit
from lib.encoders.settings import Settings
from lib.encoders.training import Conditions
from lib.encoders.units import read_unit

PLAIN = Settings(
    "digits", net="convnet", pretrained=False, head_width=16, head_out=8, epochs=3, batch_size=32, learning_rate=0.1,
    squared_learning_rate=False, clamp=False, temperature=0.2, augment="digits",
)  # fmt: skip


def settings(remedy: str, **change) -> RemedySettings:
    return RemedySettings(**asdict(PLAIN) | {"weighting": remedy} | change)


def digits(n: int) -> images.Images:
    return pretrain.images_of(PLAIN, "train").take(torch.arange(n))


def objective(remedy: str, data: images.Images) -> remedies.Remedy:
    torch.manual_seed(0)
    return remedies.Remedy(settings(remedy), data, 0)


def views(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(2, n, 5, generator=g, dtype=torch.float64).unbind()


def counts(n: int) -> torch.Tensor:
    c = 0.5 + 4 * torch.rand(n, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return c.fill_diagonal_(1)


@pytest.mark.parametrize("clamp", [None, 1e-7])
def test_the_loss_of_pairs_is_a_loop(clamp):
    (z1, z2), c, n, total = views(4), counts(4), 4, 0.0
    z = [v / v.norm() for v in (*z1, *z2)]
    for i in range(2 * n):
        cosine = [max(float(z[i] @ z[m]), -1 if clamp is None else clamp) for m in range(2 * n)]
        others = sum(float(c[i % n, m % n]) * math.exp(cosine[m] / 0.3) for m in range(2 * n) if m != i)
        total += math.log(others) - cosine[(i + n) % (2 * n)] / 0.3
    assert float(losses.nt_xent_of_pairs(z1, z2, c, 0.3, clamp)) == pytest.approx(total / (2 * n))


def test_pairs_that_all_count_once_are_nt_xent():
    (z1, z2), one = views(6), torch.ones(6, 6, dtype=torch.float64)
    assert float(losses.nt_xent_of_pairs(z1, z2, one, 0.2)) == pytest.approx(float(losses.nt_xent(z1, z2, 0.2)))


@pytest.mark.parametrize(
    ("c", "words"),
    [
        (torch.ones(3, 4), "counts"),
        (torch.zeros(4, 4), "must be positive"),
        (2 * torch.ones(4, 4), "1 on the diagonal"),
    ],
)
def test_counts_that_do_not_fit_are_refused(c, words):
    with pytest.raises(ValueError, match=words):
        losses.nt_xent_of_pairs(*views(4), c.double())


def test_the_temperature_swings_five_times_between_its_ends():
    found = [remedies.temperature(epoch, 20) for epoch in range(20)]
    assert found == pytest.approx([1.0, 0.55, 0.1, 0.55] * 5)


def test_a_schedule_without_a_swing_is_simclr(monkeypatch):
    data = digits(96)
    encoder, history = pretrain.train(PLAIN, data, Conditions(3, 3))
    monkeypatch.setattr(remedies, "temperature", lambda epoch, epochs: PLAIN.temperature)
    found, same = remedies.train(settings("schedule"), data, Conditions(3, 3))
    assert same == history
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), found.parameters(), strict=True))
    monkeypatch.setattr(remedies, "CUT", 1.0)
    found, same = remedies.train(settings("surgery"), data, Conditions(3, 3))
    assert same == pytest.approx(history, abs=1e-4)
    assert torch.allclose(training.embed(found, data.x), training.embed(encoder, data.x), atol=1e-3)


def test_the_schedule_is_that_of_the_epoch():
    made = objective("schedule", digits(32))
    made.begin(2)
    z = [t.float() for t in views(8)]
    assert torch.allclose(made._loss(*z, None), losses.nt_xent(*z, remedies.temperature(2, 3)), atol=1e-6)


def test_look_alikes_by_hand():
    """Groups at 0, 10, 100 and 200 degrees: 0 and 10 have each other, 100 has 10, and 200 has 100."""
    angle = torch.deg2rad(torch.tensor([0.0, 10, 100, 200]))
    z = torch.stack([angle.cos(), angle.sin()], 1)[torch.tensor([0, 1, 2, 3, 0])]
    found = remedies.look_alikes(z, torch.tensor([0, 1, 2, 3, 0]), 4)
    assert sorted(map(tuple, found.nonzero().tolist())) == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]


def test_surgery_cuts_between_look_alikes_from_a_third_of_the_epochs_on():
    data = digits(60)
    made, batch, z = objective("surgery", data), torch.arange(10), [t.float() for t in views(10)]
    made.begin(0)
    assert torch.allclose(made._loss(*z, batch), losses.nt_xent(*z, 0.2), atol=1e-6)
    made.begin(1)
    h = F.normalize(training.embed(made.encoder, data.x), dim=1)
    nearest = {}
    for k in range(10):
        mine = [F.cosine_similarity(h[data.y == k].mean(0), h[data.y == j].mean(0), 0) for j in range(10)]
        nearest[k] = max((j for j in range(10) if j != k), key=lambda j: float(mine[j]))
    pairs = {frozenset(pair) for pair in nearest.items()}
    y = data.y[batch].tolist()
    c = torch.tensor([[4.0 if frozenset((a, b)) in pairs else 1.0 for b in y] for a in y])
    assert float(c.max()) == 4 and torch.allclose(made._loss(*z, batch), losses.nt_xent_of_pairs(*z, c, 0.2), atol=1e-6)


def test_surgery_by_clusters_sees_no_label():
    data = digits(64)
    shuffled = replace(data, y=data.y.roll(7))
    a, b = (remedies.train(settings("surgery_clusters"), d, Conditions(0, 3))[1] for d in (data, shuffled))
    assert a == b != remedies.train(settings("surgery"), data, Conditions(0, 3))[1]


def test_the_twin_is_the_net_pruned_as_torch_prunes_it():
    data = digits(64)
    made = objective("twin", data)
    made.begin(0)
    by_hand = copy.deepcopy(made.encoder)
    convolutions = [(m, "weight") for m in by_hand.modules() if isinstance(m, nn.Conv2d)]
    prune.global_unstructured(convolutions, prune.L1Unstructured, amount=0.9)
    views = data.x.float() / 255
    z1, z2 = made._projections(views)
    plain = copy.deepcopy(made.encoder)
    assert torch.allclose(z1, plain(views[:32])[1], atol=1e-5)
    assert torch.allclose(z2, by_hand(views[32:])[1], atol=1e-5) and not torch.allclose(
        z2, plain(views[32:])[1], atol=1e-2
    )


def test_the_twin_teaches_the_weights_that_it_has_alone():
    data = digits(64)
    made = objective("twin", data)
    made.begin(0)
    made._projections(data.x.float() / 255)[1].square().sum().backward()
    for name, keep in made.mask.items():
        grad = dict(made.encoder.named_parameters())[name].grad
        assert not grad[keep == 0].any() and grad[keep == 1].any()
    norms = [m for m in made.twin.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(m.weight.grad is not None and int(m.num_batches_tracked) == 1 for m in norms)
    assert all(m.weight.grad is None for m in made.encoder.modules() if isinstance(m, nn.BatchNorm2d))
    before = {name: keep.clone() for name, keep in made.mask.items()}
    with torch.no_grad():
        made.encoder.net[0].weight.mul_(100)
    made.begin(1)
    assert any(not torch.equal(made.mask[name], keep) for name, keep in before.items()), "chosen anew"


@pytest.mark.parametrize("remedy", ["surgery_clusters", "twin"])  # which remember something
def test_a_training_that_was_killed_goes_on(remedy, tmp_path):
    data, kept = digits(64), training.Keeper(tmp_path / "a.safetensors", "a", 0)
    whole = remedies.train(settings(remedy), data, Conditions(0, 3))
    remedies.train(settings(remedy), data, Conditions(0, 2, keeper=kept))
    again = remedies.train(settings(remedy), data, Conditions(0, 3, keeper=kept))
    assert again[1] == whole[1] and torch.equal(training.embed(again[0], data.x), training.embed(whole[0], data.x))


def test_a_unit_is_written_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "STORE", tmp_path)
    few, unit = digits(64), RemedyUnit(settings("twin", epochs=1), ("3",), 0.5, 0)
    monkeypatch.setattr(pretrain, "images_of", lambda s, split: few)
    remedies.run(unit)
    assert unit.embeddings()[0].shape == (1, 64, 64) and unit.name.startswith("digits-simclr_twin-3-0.5-s0-")
    assert read_unit(unit.to_json()) == unit and json.loads(unit.to_json())["trainer"] == "lib.encoders.remedies"
    monkeypatch.setenv("PROCESSES", "4")
    assert jobs.processes([unit]) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weighting": "groups"}, "weighting='groups' is unknown here; known are schedule, surgery"),
        ({"method": "vicreg"}, "a remedy is for plain SimCLR"),
        ({"equal_steps": True}, "a remedy is for plain SimCLR"),
        ({"precision": "half"}, "precision='half' is unknown"),
    ],
)
def test_settings_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        RemedySettings(**given)
