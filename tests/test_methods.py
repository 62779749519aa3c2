"""lib.encoders.methods: weights, BCL's memory and the clusters against the same computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight
from torch.nn import functional as F

from lib import losses
from lib.encoders import methods
from lib.encoders.methods import MethodLoss, group_weights
from lib.encoders.settings import METHODS, WEIGHTINGS, Settings

BASE = Settings(data="digits", net="convnet", pretrained=False, epochs=9, clamp=False, temperature=0.5)
Y = torch.tensor([0] * 12 + [1] * 3 + [2] * 5)


def objective(**settings) -> MethodLoss:
    return MethodLoss(replace(BASE, **settings), Y, 3, seed=0)


def projections(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2 * n, 6, generator=torch.Generator().manual_seed(seed))


def test_group_weights_equal_sklearns_balanced_sample_weights():
    assert np.allclose(group_weights(Y), compute_sample_weight("balanced", Y.numpy()))
    assert float(group_weights(Y).mean()) == pytest.approx(1)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("untrained", "bcl")])
def test_each_method_is_its_loss(method):
    batch, z, p = torch.tensor([0, 4, 13, 19]), projections(4), projections(4, seed=1)
    (z1, z2), (p1, p2) = z.chunk(2), p.chunk(2)
    expected = {
        "simclr": lambda: losses.nt_xent(z1, z2, 0.5),
        "simsiam": lambda: -sum(F.cosine_similarity(a, b).mean() for a, b in ((p1, z2), (p2, z1))) / 2,
        "vicreg": lambda: losses.vicreg(z1, z2),
        "barlow_twins": lambda: losses.barlow_twins(z1, z2),
        "supervised": lambda: -F.log_softmax(z, 1)[range(8), [0, 0, 1, 2] * 2].mean(),
    }[method]()
    assert torch.allclose(objective(method=method)(z, p, batch), expected, atol=1e-6)


@pytest.mark.parametrize("weighting", ["groups", "anchors"])
def test_weights_come_from_the_whole_training_set(weighting):
    batch, z = torch.tensor([0, 12, 13, 15]), projections(4)
    w = torch.tensor([20 / 36, 20 / 9, 20 / 9, 20 / 15])
    expected = losses.nt_xent(*z.chunk(2), 0.5, weights=w, anchors_only=weighting == "anchors")
    assert torch.allclose(objective(weighting=weighting)(z, z, batch), expected, atol=1e-6)
    assert not torch.allclose(expected, losses.nt_xent(*z.chunk(2), 0.5), atol=1e-4)


def test_large_batches_are_computed_in_blocks(monkeypatch):
    z, batch = projections(30), torch.arange(30) % 20
    dense = objective()(z, z, batch)
    monkeypatch.setattr(methods, "DENSE_VIEWS", 16)
    monkeypatch.setattr(methods, "BLOCK", 7)
    seen, real = [], losses.nt_xent
    monkeypatch.setattr(losses, "nt_xent", lambda *a, **k: seen.append(k["block"]) or real(*a, **k))
    assert torch.allclose(objective()(z, z, batch), dense, atol=1e-6) and seen == [7]


def test_bcl_remembers_each_images_loss_and_strengthens_the_hard_ones():
    bcl = objective(method="bcl")
    assert bcl.strength(torch.tensor([0, 1])).tolist() == [0, 0], "no strength in the first epoch"
    batch, z = torch.arange(6), projections(6)
    first = [float(v) for v in losses.nt_xent(*z.chunk(2), 0.5, each=True)[1]]
    bcl(z, z, batch)
    bcl.end_epoch(0, pytest.fail)
    z = projections(6, seed=1)
    second = [float(v) for v in losses.nt_xent(*z.chunk(2), 0.5, each=True)[1]]
    bcl(z, z, batch)
    bcl.end_epoch(1, pytest.fail)
    memory = np.array([0.97 * a + 0.03 * b for a, b in zip(first, second, strict=True)])
    u = (memory - memory.mean()) / memory.std()
    assert np.allclose(bcl.strength(batch), 0.5 + u / (2 * np.abs(u).max()), atol=1e-5)
    assert bcl.strength(torch.tensor([7])).item() == 0, "an image that was not seen yet"
    assert set(bcl.state_dict()) == {"memory", "boost"}, "a checkpoint keeps the memory"


def test_clusters_are_found_once_and_weigh_by_their_size():
    centres = torch.eye(3, 4)
    sizes = torch.tensor([0] * 10 + [1] * 8 + [2] * 2)
    features = centres[sizes] + 0.01 * torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    clusters, calls = objective(weighting="clusters"), []
    for epoch in range(9):
        clusters.end_epoch(epoch, lambda epoch=epoch: calls.append(epoch) or features)
    assert calls == [2], "once, after a third of the epochs"
    assert np.allclose(clusters.weight, compute_sample_weight("balanced", sizes.numpy()))


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"method": "moco"}, "method='moco' is unknown; known are simclr, simsiam"),
        ({"weighting": "class"}, "weighting='class' is unknown; known are none, groups"),
        ({"feature": "head"}, "feature='head' is unknown"),
        ({"precision": "half"}, "precision='half' is unknown"),
        ({"method": "vicreg", "weighting": "groups"}, "weights NT-Xent; method='vicreg' has no weights"),
    ],
)
def test_unknown_choices_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(BASE, **wrong)


def test_the_choices_are_those_of_the_registry():
    assert METHODS[0] == "simclr" and METHODS[-1] == "untrained" and WEIGHTINGS[0] == "none"
