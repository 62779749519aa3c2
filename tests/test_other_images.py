"""The studies of harm on MNIST, Fashion-MNIST and CIFAR-100's coarse classes, from small folders of official layout."""

import hashlib
import shutil

import numpy as np
import pytest
import torch
from test_images import CIFAR100, fake_cifar, fake_mnist

from lib import images, study
from lib.book import cost
from lib.encoders import image_sets, pretrain, store
from lib.encoders.settings import Settings, Unit
from lib.images import sets
from lib.images.vision import torchvision
from lib.studies.shared import evidence
from lib.study import ParameterError, Run

STUDIES = ("cifar10_undersampling", "mediation")
OTHERS = ("mnist", "fashion_mnist", "cifar100_coarse")


def fake_fashion(root, monkeypatch, n: int) -> None:
    """The four raw files of Fashion-MNIST have the names and the format of those of MNIST, in a folder of their own."""
    fake_mnist(root, monkeypatch, n)
    folder = root / "FashionMNIST" / "raw"
    shutil.copytree(root / "MNIST" / "raw", folder)
    known = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setitem(sets.UNPACKED, "FashionMNIST", known)


@pytest.fixture
def small(data_root, monkeypatch):
    """All three sets, ten images of each split, or twenty of CIFAR-100."""
    fake_fashion(data_root, monkeypatch, 10)
    fake_cifar(data_root, monkeypatch, CIFAR100, "fine_labels", [f"fine {i}" for i in range(20)], 20)
    monkeypatch.setattr(store, "STORE", data_root / "encoders")
    return data_root


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("data", OTHERS)
def test_the_set_is_a_value_of_the_study_and_reference_seeds_choose_its_look_alikes(name, data):
    run = Run(name, study.complete(name, {"data": data, "seeds": 2, "milder": 0}))
    arms = run.plan
    assert arms.classes == arms.treated == image_sets.CLASSES[data]
    assert len(arms.reference) == 3 and {u.settings.data for u in arms.units} == {data}
    assert cost.estimate([run.units], 1, False)[0] > 0
    assert f"{data} is downloaded if it is not under DATA_ROOT" in cost.Work([], [run.units], site=False).described()
    with pytest.raises(ParameterError, match="encoders of other seeds must choose the look-alikes here"):
        study.complete(name, {"data": data, "reference_seeds": 0})


@pytest.mark.parametrize("name", STUDIES)
def test_bad_names_of_sets_and_classes_are_refused(name):
    for given, said in (
        ({"data": "fashion"}, "data='fashion'"),
        ({"data": "mnist", "undersampled": "4"}, "'4' is unknown; there are 0 - zero, 1 - one"),
        ({"data": "cifar100_coarse", "classes": "fish,trees"}, "name at least 3"),
        ({"data": "fashion_mnist", "classes": "Bag,Coat,Coat"}, "'Coat' stands there twice"),
    ):
        with pytest.raises(ParameterError, match=said):
            study.complete(name, given)


def test_names_and_sizes_are_those_of_the_sets(small):
    assert image_sets.CLASSES["mnist"] == tuple(torchvision.datasets.MNIST.classes)
    assert image_sets.CLASSES["fashion_mnist"] == tuple(torchvision.datasets.FashionMNIST.classes)
    assert len(image_sets.CLASSES["cifar100_coarse"]) == 20 and image_sets.SIZES.keys() == image_sets.CLASSES.keys()
    for data in OTHERS:
        assert images.load(data, "test").classes == image_sets.CLASSES[data]
    for data in ("digits", "cifar10"):
        assert image_sets.samples(Settings(data=data)) == Settings(data=data).samples
    few = Settings(data="mnist", classes=("1 - one", "4 - four", "7 - seven"), images_per_class=50)
    assert image_sets.samples(few) == 150 and image_sets.samples(Settings(data="fashion_mnist")) == 60_000


@pytest.mark.parametrize(
    ("data", "rare", "channels"),
    [("mnist", "4 - four", 1), ("fashion_mnist", "T-shirt/top", 1), ("cifar100_coarse", "fish", 3)],
)
def test_a_class_of_a_small_folder_is_cut_and_its_encoder_kept(small, data, rare, channels):
    s = Settings(data=data, net="convnet", pretrained=False, head_width=8, epochs=1, batch_size=4, augment="digits")
    unit = Unit(s, (rare,), 0.5, 0)
    pretrain.run(unit)
    assert unit.folder.parent == store.STORE and unit.done and len(list(store.STORE.iterdir())) == 1
    x, y = pretrain.images_of(s, "train").x, unit.embeddings("train")[1]
    assert x.shape[1] == channels and unit.embeddings()[0].shape[2] == 64
    dropped = set(range(len(y))) - set(unit.kept(rare).tolist())
    assert {int(y[i]) for i in dropped} <= {image_sets.CLASSES[data].index(rare)}


def test_the_look_alike_is_the_nearest_class_of_the_reference_encoders():
    """Of three classes at 0, 10 and 90 degrees the first two are each other's nearest, whatever the study's own say."""
    turn = np.deg2rad([0, 10, 90])
    near, y = np.stack([np.cos(turn), np.sin(turn)], 1), np.arange(3)
    far = near[[0, 2, 1]]
    one, other = (evidence.embedded(*map(torch.from_numpy, (z, y))) for z in (near, far))
    seen = evidence.Evidence(("a", "b", "c"), (0, 2), torch.from_numpy(y), [other], [[other, other]])
    assert evidence.look_alikes(seen) == [(0, 2), (2, 0)]
    seen.reference.append(one)
    assert evidence.look_alikes(seen) == [(0, 1), (2, 1)]
