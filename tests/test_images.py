"""lib.images: the sets as they come from their files, what is refused, and what undersampling keeps."""

import gzip
import hashlib
import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lib import images
from lib.images import sets
from lib.images.sets import DataError
from lib.images.strata import Strata
from lib.images.vision import torchvision
from lib.sources import undersample

CIFAR10, CIFAR100 = torchvision.datasets.CIFAR10, torchvision.datasets.CIFAR100
MNIST = torchvision.datasets.MNIST


def fake_cifar(root, monkeypatch, cls, label_key: str, classes: list[str], n: int = 4) -> dict[str, np.ndarray]:
    """Lay out a tiny CIFAR tree with the published names and let torchvision expect its hashes."""
    rng, folder, pixels = np.random.default_rng(0), root / cls.base_folder, {}
    folder.mkdir(parents=True)

    def put(name, value):
        blob = pickle.dumps(value)
        (folder / name).write_bytes(blob)
        return hashlib.md5(blob).hexdigest()

    def batch(name):
        pixels[name] = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
        labels = [i % len(classes) for i in range(n)]
        return put(name, {"data": pixels[name], label_key: labels, "coarse_labels": [19 - y for y in labels]})

    monkeypatch.setattr(cls, "train_list", [[name, batch(name)] for name, _ in cls.train_list])
    monkeypatch.setattr(cls, "test_list", [[name, batch(name)] for name, _ in cls.test_list])
    meta = cls.meta | {"md5": put(cls.meta["filename"], {cls.meta["key"]: classes})}
    monkeypatch.setattr(cls, "meta", meta)
    return pixels


def idx(values: np.ndarray) -> bytes:
    """The idx format of the MNIST files: magic with the number of axes, their sizes, the bytes."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.astype(np.uint8).tobytes()


def fake_mnist(root, monkeypatch, n: int = 3) -> dict[str, np.ndarray]:
    """Lay out a tiny MNIST without archives, and let the loader expect its hashes."""
    folder, rng, arrays = root / "MNIST" / "raw", np.random.default_rng(1), {}
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        arrays[part] = rng.integers(0, 256, (n, 28, 28))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(arrays[part]))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(n)))
    known = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setitem(sets.UNPACKED, "MNIST", known)
    return arrays


def test_digits_are_sklearns_in_order():
    train, test = images.load("digits", "train"), images.load("digits", "test")
    assert train.x.shape == (1197, 1, 8, 8) and test.x.shape == (600, 1, 8, 8)
    assert train.x.dtype == torch.uint8 and train.y.dtype == torch.int64
    assert train.classes == tuple("0123456789")
    raw = load_digits()
    levels = torch.cat([train.x, test.x])[:, 0].double() * 16 / 255
    assert np.array_equal(levels.round().numpy(), raw.images)
    assert np.array_equal(torch.cat([train.y, test.y]).numpy(), raw.target)


def test_only_recodes_the_classes_in_the_order_named():
    data = images.Images(
        torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1), torch.tensor([0, 1, 2, 2, 1, 0]), tuple("abc")
    )
    part = data.only(("c", "a"))
    assert part.x.flatten().tolist() == [0, 2, 3, 5] and part.y.tolist() == [1, 0, 0, 1] and part.classes == ("c", "a")
    with pytest.raises(DataError, match="'z' is not there; the classes are a, b, c"):
        data.only(("z",))


def test_first_takes_so_many_of_each_class():
    data = images.Images(
        torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1), torch.tensor([0, 0, 1, 0, 1, 1]), ("a", "b")
    )
    assert data.first(2).x.flatten().tolist() == [0, 1, 2, 4]
    with pytest.raises(DataError, match="images_per_class=4: class 'a' has 3 images"):
        data.first(4)


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("ratio, kept", [(0.01, 1), (0.1, 10), (0.25, 25), (1.0, 100)])
def test_undersample_cuts_one_class_and_no_other(k, ratio, kept):
    labels = torch.tensor([0, 1, 2]).repeat(100)
    index = undersample(labels, k, ratio, seed=7)
    assert index.tolist() == sorted(set(index.tolist())), "positions repeat or are not sorted"
    counts = torch.bincount(labels[index], minlength=3).tolist()
    assert counts == [kept if j == k else 100 for j in range(3)]


def test_undersample_is_seeded_and_shared_by_classes_of_equal_size():
    labels = torch.arange(10).repeat_interleave(50)

    def positions(k, seed):
        index = undersample(labels, k, 0.2, seed)
        return (index[labels[index] == k] - 50 * k).tolist()

    assert positions(3, 1) == positions(3, 1) == positions(8, 1)
    assert positions(3, 1) != positions(3, 2)
    drawn = np.bincount([p for seed in range(300) for p in positions(0, seed)], minlength=50)
    assert abs(drawn - 60).max() < 5 * np.sqrt(300 * 0.2 * 0.8), "some positions are favoured"


def test_undersample_keeps_at_least_one():
    labels = torch.tensor([0] * 20 + [1] * 5)
    assert (labels[undersample(labels, 1, 0.001, 0)] == 1).sum() == 1


@pytest.mark.parametrize("ratio", [0, -0.1, 1.5, float("nan")])
def test_undersample_refuses_a_ratio_outside(ratio):
    with pytest.raises(DataError, match=r"ratio=.* is outside \(0, 1\]"):
        undersample(torch.tensor([0, 1]), 0, ratio, 0)


def test_undersample_refuses_a_class_that_is_not_there():
    with pytest.raises(DataError, match=r"class 5 has no image.*\[0, 1\]"):
        undersample(torch.tensor([0, 1]), 5, 0.5, 0)


def test_unknown_set_and_split_are_refused_with_the_known_names():
    with pytest.raises(DataError, match=r"'cifar11' is unknown; known are digits, cifar10"):
        images.load("cifar11", "train")
    with pytest.raises(DataError, match="'valid' is unknown; expected 'train' or 'test'"):
        images.load("digits", "valid")


@pytest.mark.parametrize(
    "name, missing, folder",
    [
        ("cifar10", "data_batch_1", "cifar-10-batches-py"),
        ("cifar100", "train", "cifar-100-python"),
        ("cifar100_coarse", "train", "cifar-100-python"),
        ("mnist", "train-images-idx3-ubyte", "MNIST/raw"),
        ("fashion_mnist", "train-images-idx3-ubyte", "FashionMNIST/raw"),
    ],
)
def test_a_missing_set_names_file_place_and_remedy(data_root, name, missing, folder):
    with pytest.raises(DataError) as error:
        images.load(name, "test")
    text = str(error.value)
    assert missing in text and str(data_root / folder) in text and "DATA_ROOT" in text and "download" in text


def test_cifar10_comes_as_it_lies_in_the_file(data_root, monkeypatch):
    names = ["airplane", "automobile"]
    pixels = fake_cifar(data_root, monkeypatch, CIFAR10, "labels", names)
    train, test = images.load("cifar10", "train"), images.load("cifar10", "test")
    assert train.x.shape == (20, 3, 32, 32) and test.x.shape == (4, 3, 32, 32)
    # a row of the file is 1,024 red, then green, then blue values, row by row
    assert np.array_equal(test.x.reshape(4, -1).numpy(), pixels["test_batch"])
    assert np.array_equal(train.x[4:8].reshape(4, -1).numpy(), pixels["data_batch_2"])
    assert test.y.tolist() == [0, 1, 0, 1] and test.classes == ("airplane", "automobile")


def test_cifar100_coarse_labels_come_from_the_file(data_root, monkeypatch):
    fake_cifar(data_root, monkeypatch, CIFAR100, "fine_labels", ["apple", "bear", "cup"])
    fine, coarse = images.load("cifar100", "test"), images.load("cifar100_coarse", "test")
    assert fine.y.tolist() == [0, 1, 2, 0] and coarse.y.tolist() == [19, 18, 17, 19]
    assert len(coarse.classes) == 20 and coarse.classes[19] == "vehicles_2"
    assert torch.equal(fine.x, coarse.x)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_cifar_file_is_refused_by_name_and_stays(data_root, monkeypatch, name):
    fake_cifar(data_root, monkeypatch, CIFAR10, "labels", ["a", "b"])
    path = data_root / CIFAR10.base_folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"{name} is damaged") as error:
        images.load("cifar10", "train")
    assert str(path) in str(error.value)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 7


def test_mnist_comes_as_it_lies_in_the_file(data_root, monkeypatch):
    arrays = fake_mnist(data_root, monkeypatch)
    test = images.load("mnist", "test")
    assert test.x.shape == (3, 1, 28, 28) and test.x.dtype == torch.uint8
    assert np.array_equal(test.x[:, 0].numpy(), arrays["t10k"]) and test.y.tolist() == [0, 1, 2]


def test_a_short_mnist_file_is_refused_by_name(data_root, monkeypatch):
    fake_mnist(data_root, monkeypatch)
    path = data_root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is damaged"):
        images.load("mnist", "test")
    assert path.exists()


def test_a_damaged_mnist_archive_is_refused_by_name(data_root, monkeypatch):
    fake_mnist(data_root, monkeypatch)
    path = data_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(b"not the published archive")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is damaged"):
        images.load("mnist", "test")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_one_flipped_bit_in_a_raw_mnist_file_is_refused_by_name(data_root, monkeypatch, name, packed):
    fake_mnist(data_root, monkeypatch)
    raw = data_root / "MNIST" / "raw" / name
    if packed:
        archive = gzip.compress(raw.read_bytes())
        raw.with_name(f"{name}.gz").write_bytes(archive)
        md5 = {f"{name}.gz": hashlib.md5(archive).hexdigest()}
        monkeypatch.setattr(MNIST, "resources", [(a, md5.get(a, m)) for a, m in MNIST.resources])
    assert images.load("mnist", "test").y.tolist() == [0, 1, 2]
    images.sets._loaded.cache_clear()
    blob = raw.read_bytes()
    raw.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))  # the length is right
    with pytest.raises(DataError, match=f"{name} is damaged .*; move it away and run again"):
        images.load("mnist", "test")


def test_the_hashes_of_raw_mnist_files_are_those_of_the_archives(real_data):
    folder = real_data("mnist") / "MNIST/raw"
    for name, md5 in sets.UNPACKED["MNIST"].items():
        assert hashlib.md5((folder / name).read_bytes()).hexdigest() == md5, name


def test_nothing_falls_back_to_another_set(data_root, monkeypatch):
    fake_mnist(data_root, monkeypatch)
    with pytest.raises(DataError, match="FashionMNIST"):
        images.load("fashion_mnist", "test")


def test_digest_sees_pixels_labels_and_names():
    data = images.load("digits", "test")
    other = [
        images.Images(data.x.clone().index_fill_(0, torch.tensor([5]), 1), data.y, data.classes),
        images.Images(data.x, data.y.flip(0), data.classes),
        images.Images(data.x, data.y, (*data.classes[:-1], "nine")),
    ]
    digests = {images.digest(d) for d in (data, *other)}
    assert len(digests) == 4
    assert images.digest(images.Images(data.x.clone(), data.y.clone(), data.classes)) == images.digest(data)


@pytest.mark.real_data
def test_real_cifar10(real_data):
    real_data("cifar10")
    train, test = images.load("cifar10", "train"), images.load("cifar10", "test")
    assert train.x.shape == (50_000, 3, 32, 32) and test.x.shape == (10_000, 3, 32, 32)
    assert torch.bincount(train.y).tolist() == [5000] * 10 and torch.bincount(test.y).tolist() == [1000] * 10
    assert train.classes[:2] == ("airplane", "automobile") and train.classes[9] == "truck"
    # the channel means of the training set, known to four digits
    assert torch.allclose(
        train.x.double().mean((0, 2, 3)) / 255, torch.tensor([0.4914, 0.4822, 0.4465]).double(), atol=1e-4
    )
    index = undersample(train.y, 1, 0.01, 0)
    assert len(index) == 45_050 and (train.y[index] == 1).sum() == 50


@pytest.mark.real_data
def test_real_mnist(real_data):
    real_data("mnist")
    test = images.load("mnist", "test")
    assert test.x.shape == (10_000, 1, 28, 28) and test.y[:5].tolist() == [7, 2, 1, 0, 4]
    train = images.load("mnist", "train")
    assert len(train) == 60_000 and abs(float(train.x.double().mean()) / 255 - 0.1307) < 1e-4


GOOD = {"x": torch.zeros(4, 1, 2, 2, dtype=torch.uint8), "y": torch.arange(4) % 2, "classes": ("a", "b")}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x", GOOD["x"].float()),
        ("x", GOOD["x"][:, 0]),
        ("x", GOOD["x"][:3]),
        ("x", GOOD["x"][:0]),
        ("y", GOOD["y"].float() + 0.9),
        ("y", GOOD["y"].int()),
        ("y", GOOD["y"][:, None]),
        ("y", GOOD["y"] + 1),
        ("y", GOOD["y"] - 1),
        ("y", GOOD["y"].numpy()),
    ],
)
def test_images_are_checked_where_they_come_in(name, wrong):
    images.Images(**GOOD)
    both = {"stratum": GOOD["y"], "names": ("a", "b"), "held_out": torch.zeros(4, dtype=torch.bool)}
    Strata(**GOOD, **both)
    with pytest.raises(ValueError, match=r"^[xy] is "):
        images.Images(**GOOD | {name: wrong})
    with pytest.raises(ValueError, match=r"^[xy] is "):
        Strata(**GOOD | {name: wrong}, **both)
    if name == "y":
        with pytest.raises(ValueError, match=r"^stratum is "):
            Strata(**GOOD, **both | {"stratum": wrong})
    with pytest.raises(ValueError, match=r"^held_out is uint8"):
        Strata(**GOOD, **both | {"held_out": torch.zeros(4, dtype=torch.uint8)})
