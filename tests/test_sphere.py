"""Encoders of AlexNet's kind: the net of the public code, STL-10's files, the protocol's steps, units of the graph."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lib import losses, study
from lib.book import cost, jobs
from lib.encoders import sphere, store
from lib.encoders.sphere_settings import SphereSettings, SphereUnit
from lib.encoders.units import read_unit
from lib.images import stl10
from lib.images.sets import Images
from lib.images.vision import torchvision
from lib.sources import DataError
from lib.studies.shared import spheres
from lib.study import Run

NAME = "alignment_uniformity"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small folder of STL-10's layout (https://cs.stanford.edu/~acoates/stl10/), its md5 sums torchvision's."""
    folder, rng = tmp_path / stl10.FOLDER, np.random.default_rng(0)
    folder.mkdir()
    sizes = {"train": 12, "unlabeled": 5, "test": 11}
    for split, n in sizes.items():
        rng.integers(0, 256, (n, 3, 96, 96), np.uint8).tofile(folder / f"{split}_X.bin")
    for split in ("train", "test"):
        (np.arange(sizes[split]) % 10 + 1).astype(np.uint8).tofile(folder / f"{split}_y.bin")
    for name in ("train_list", "test_list"):
        known = [
            [f, hashlib.md5((folder / f).read_bytes()).hexdigest()]
            for f, _ in getattr(torchvision.datasets.STL10, name)
        ]
        monkeypatch.setattr(torchvision.datasets.STL10, name, known)
    monkeypatch.setattr(torchvision.datasets.STL10, "url", "file:///nowhere")
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(store, "STORE", tmp_path / "encoders")
    stl10._read.cache_clear()
    yield folder
    stl10._read.cache_clear()


def test_images_lie_by_columns_and_labels_start_at_one(archive):
    found = stl10.load("test")
    raw = np.fromfile(archive / "test_X.bin", np.uint8).reshape(-1, 3, 96, 96)
    assert found.x[3, 1, 10, 20] == raw[3, 1, 20, 10]
    assert found.y.tolist() == [*range(10), 0] and found.classes[1] == "bird"
    assert len(stl10.load("train")) == 12 and stl10.unlabelled().shape == (5, 3, 96, 96)


def test_damage_is_named_and_what_is_missing_too(archive):
    whole = (archive / "test_X.bin").read_bytes()
    (archive / "test_X.bin").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match=r"test_X\.bin is damaged"):
        stl10.load("train")
    (archive / "test_X.bin").unlink()
    with pytest.raises(DataError, match=r"missing test_X\.bin; looked in"):
        stl10.load("train")
    with pytest.raises(DataError, match="split 'unlabeled' is unknown"):
        stl10.load("unlabeled")


def encoder(side, **kind):
    s = SphereSettings(**{"out": 4} | kind)
    return sphere.Encoder(s, torch.randint(0, 256, (8, 3, side, side), dtype=torch.uint8), 10), s


@pytest.mark.parametrize("side, flat", [(64, 192 * 7 * 7), (32, 192 * 3 * 3)])
def test_the_net_has_the_layers_of_the_public_code(side, flat):
    with torch.device("meta"):  # shapes alone
        net, _ = encoder(side)
    filters = [(m.in_channels, m.out_channels) for m in net.units if isinstance(m, nn.Conv2d)]
    assert filters == [(3, 96), (96, 192), (192, 384), (384, 384), (384, 192)]
    kinds = [type(m).__name__ for m in net.units]
    assert [kinds[:i].count("Conv2d") for i, k in enumerate(kinds) if k == "MaxPool2d"] == [1, 2, 5]
    linear = [(m.in_features, m.out_features) for m in net.units if isinstance(m, nn.Linear)]
    assert linear == [(flat, 4096), (4096, 4096)]


def test_a_net_maps_images_to_unit_features_from_small_normal_weights(monkeypatch):
    monkeypatch.setattr(sphere, "UNITS", 64)
    net, _ = encoder(32)
    assert float(net.units[0].weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    z = net(torch.rand(5, 3, 32, 32)).detach()
    assert z.shape == (5, 4) and torch.allclose(z.norm(dim=1), torch.ones(5), atol=1e-5)


def test_the_losses_are_the_books():
    z1, z2, y = *torch.nn.functional.normalize(torch.randn(2, 9, 4), dim=-1), torch.arange(9)
    s, head = SphereSettings(out=4), nn.Linear(4, 10).requires_grad_(False)
    both = losses.alignment(z1, z2) + (losses.uniformity(z1) + losses.uniformity(z2)) / 2
    assert sphere.loss(s, z1, z2, y, head) == pytest.approx(float(both))
    assert sphere.loss(replace(s, loss="contrastive"), z1, z2, y, head) == pytest.approx(
        float(losses.nt_xent(z1, z2, 0.5))
    )
    told = nn.functional.cross_entropy(head(torch.cat([z1, z2])), torch.cat([y, y]))
    assert sphere.loss(replace(s, loss="supervised"), z1, z2, y, head) == pytest.approx(float(told))


def test_views_and_test_images_have_the_size_of_the_protocol():
    x = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    assert sphere.seen(x, 64, sphere.POLICY, torch.Generator().manual_seed(0)).shape == (2, 3, 64, 64)
    resized = nn.functional.interpolate(x.float() / 255, (70, 70), mode="bilinear", antialias=True)
    assert torch.equal(sphere.centred(x, 64), resized[..., 3:67, 3:67])
    small = x[..., :32, :32]
    assert torch.equal(sphere.centred(small, 32), small.float() / 255)


def test_a_unit_on_a_small_archive_is_trained_once_and_read(archive, monkeypatch):
    monkeypatch.setattr(sphere, "UNITS", 16)
    monkeypatch.setattr(sphere, "FILTERS", (4, 4, 4, 4, 4))
    unit = SphereUnit(SphereSettings(out=4, epochs=2, batch_size=8, reading=1), 0)
    assert read_unit(unit.to_json()) == unit
    sphere.run(unit)
    kept = unit.read("sphere.safetensors")
    assert kept["z1"].shape == kept["z2"].shape == (11, 4) and len(kept["loss"]) == 2
    assert torch.allclose(kept["z1"].norm(dim=1), torch.ones(11), atol=1e-5) and set(unit.record["data_sha256"]) == {
        "train",
        "test",
        "unlabelled",
    }
    assert spheres.protocol([unit]) == pytest.approx([float(kept["accuracy"])]) and spheres.circle([unit]) is None
    written = (unit.folder / "record.json").stat().st_mtime_ns
    sphere.run(unit)
    assert (unit.folder / "record.json").stat().st_mtime_ns == written


def test_the_linear_layer_reads_what_can_be_read(monkeypatch):
    monkeypatch.setattr(sphere, "UNITS", 300)
    x = torch.zeros(60, 3, 8, 8, dtype=torch.uint8)
    y = torch.arange(60) % 3
    x[torch.arange(60), y] = 255
    data = sphere.Source(x, Images(x, y, ("r", "g", "b")), Images(x, y, ("r", "g", "b")), {})
    net = SimpleNamespace(read=lambda v: v.mean((2, 3)).repeat(1, 100))
    assert sphere.linear_accuracy(net, data, 60, 0, torch.device("cpu")) == 1.0


def test_the_presets_have_the_circle_and_the_protocol():
    runs = {name: Run(NAME, study.complete(NAME, study.preset(NAME, name))) for name in ("quick", "laptop", "paper")}
    assert runs["quick"].units == []
    assert [u.settings.loss for u in runs["laptop"].units[::3]] == ["untrained", "supervised", "contrastive"]
    assert all(u.settings.out == 2 and u.settings.data == "cifar10" for u in runs["laptop"].units)
    s = runs["paper"].units[-1].settings
    assert (s.data, s.loss, s.out, s.epochs, s.batch_size, s.learning_rate, s.reading) == (
        "stl10",
        "two_measures",
        128,
        200,
        768,
        0.36,
        100,
    )
    assert len(jobs.together(runs["paper"].units)) == 12 and cost.on_gpu([runs["paper"].units[0]]) in (True, False)


@pytest.mark.parametrize(
    "change, word",
    [
        ({"data": "nyu"}, "data='nyu'"),
        ({"loss": "mae"}, "loss='mae'"),
        ({"out": 1}, "out=1"),
        ({"temperature": 0}, "temp"),
    ],
)
def test_bad_input_is_named(change, word):
    with pytest.raises(ValueError, match=word):
        SphereSettings(**change)
