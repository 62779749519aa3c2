"""lib.images.coarse_labels: coarse labels, strata, subsampling."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib import images
from lib.encoders import coarse_settings
from lib.encoders.coarse_settings import CoarseSettings
from lib.images import coarse_labels
from lib.images.sets import Images
from lib.images.strata import DataError, Strata

# Members of five superclasses by name, from the table on the CIFAR page; torchvision sorts the fine classes by name.
BY_NAME = {
    "fish": {"aquarium_fish", "flatfish", "ray", "shark", "trout"},
    "people": {"baby", "boy", "girl", "man", "woman"},
    "trees": {"maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"},
    "vehicles_1": {"bicycle", "bus", "motorcycle", "pickup_truck", "train"},
    "vehicles_2": {"lawn_mower", "rocket", "streetcar", "tank", "tractor"},
}
NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
FINE = sorted(NAMES.split())


def hundred(per_class: int) -> Images:
    """CIFAR-100 in small: so many images of each class, of two pixels that say their rank in the class."""
    y = torch.arange(100 * per_class) % 100
    rank = torch.arange(100 * per_class) // 100
    return Images(torch.stack([rank // 256, rank % 256], 1).to(torch.uint8)[:, None, None], y, tuple(FINE))


def ranks(data: Strata, stratum: int) -> list[int]:
    x = data.x[data.stratum == stratum].long()
    return (256 * x[:, 0, 0, 0] + x[:, 0, 0, 1]).tolist()


@pytest.fixture
def cifar100(monkeypatch):
    monkeypatch.setitem(images.LOADERS, "cifar100", lambda train: (*_parts(600 if train else 100), FINE))
    images.sets._loaded.cache_clear()
    yield
    images.sets._loaded.cache_clear()


def _parts(per_class: int):
    made = hundred(per_class)
    return made.x, made.y


def test_every_named_set_has_a_reader_and_a_size():
    assert set(coarse_labels.LOADERS) == set(coarse_settings.SETS)


def test_digits_from_five_on_are_the_second_class():
    s = CoarseSettings(data="digits_coarse", validation=0)
    for split in ("train", "test"):
        coarse, fine = coarse_labels.load(s, split), images.load("digits", split)
        assert coarse.y.tolist() == [int(int(fine.classes[k]) >= 5) for k in fine.y.tolist()]
        assert torch.equal(coarse.stratum, fine.y) and torch.equal(coarse.x, fine.x)
    assert len(coarse_labels.load(s, "train")) == coarse_settings.SETS["digits_coarse"][0] == s.samples


def test_fine_sets_are_their_own_strata():
    data = coarse_labels.load(CoarseSettings(data="digits"), "test")
    assert torch.equal(data.y, data.stratum) and data.classes == data.names == tuple("0123456789")


@pytest.mark.parametrize("name, per_stratum", [("cifar10", 1000), ("mnist", 800)])
def test_real_sets(name, per_stratum, real_data):
    real_data(name)
    data, fine = coarse_labels.load(CoarseSettings(data=f"{name}_coarse"), "test"), images.load(name, "test")
    names = [fine.classes[k] for k in fine.y.tolist()]
    if name == "cifar10":
        wanted = [k in ("airplane", "automobile", "ship", "truck") for k in names]
        assert data.classes[1] == "vehicle"
    else:
        wanted = [int(k[0]) >= 5 for k in names]
    assert torch.equal(data.y.bool(), torch.tensor(wanted))
    assert data.first(per_stratum).stratum.bincount().tolist() == [per_stratum] * 10


def test_superclasses_by_name():
    assert sorted(np.ravel(coarse_labels.SUPERCLASSES).tolist()) == list(range(100)) and len(FINE) == 100
    data = coarse_labels.coarsen(hundred(1), coarse_labels.SUPER)
    for name, members in BY_NAME.items():
        code = data.classes.index(name)
        assert {FINE[k] for k in data.stratum[data.y == code].tolist()} == members
    for code, members in enumerate(coarse_labels.SUPERCLASSES):
        assert tuple(data.stratum[data.y == code].tolist()) == members


def test_superclasses_are_the_official_coarse_labels(real_data):
    real_data("cifar100")
    data = coarse_labels.load(CoarseSettings(data="cifar100_coarse"), "test")
    assert torch.equal(data.y, images.load("cifar100_coarse", "test").y)


def test_the_uneven_set_of_the_text(cifar100):
    s = CoarseSettings(data="cifar100_coarse_u", validation=0)
    data = coarse_labels.load(s, "train")
    assert len(data) == coarse_settings.SETS["cifar100_coarse_u"][0]
    for members in coarse_labels.SUPERCLASSES:
        assert [int((data.stratum == k).sum()) for k in sorted(members)] == [500, 250, 100, 50, 50]
    assert ranks(data, 4) == list(range(500)) and ranks(data, 95) == list(range(50)), "the first images, each once"
    assert len(coarse_labels.load(s, "test")) == 10_000, "the text subsamples the training images alone"


def test_the_uneven_set_of_the_released_code(cifar100):
    s = CoarseSettings(data="cifar100_coarse_u", resample=True)
    train, test = (coarse_labels.load(s, split) for split in ("train", "test"))
    for data in (train.take(~train.held_out), train.take(train.held_out), test):
        sizes = data.stratum.bincount(minlength=100)
        for members in coarse_labels.SUPERCLASSES:
            assert [int(sizes[k]) for k in sorted(members)] == [500, 250, 100, 50, 50]
    assert len(ranks(test, 4)) == 500 and 90 < len(set(ranks(test, 4))) < 101, "500 draws from 100 images"
    seen, back = (ranks(train.take(mask), 0) for mask in (~train.held_out, train.held_out))
    assert not set(seen) & set(back), "what is held out is split off before the draws"
    whole = coarse_labels.load(replace(s, validation=0.0), "train")
    assert len(whole) == 19_000 and not whole.held_out.any()


def test_the_first_of_each_stratum():
    data = coarse_labels.load(CoarseSettings(data="digits_coarse", images_per_stratum=7), "train")
    assert data.stratum.bincount().tolist() == [7] * 10 and data.held_out.sum() == 7
    whole = coarse_labels.load(CoarseSettings(data="digits_coarse"), "train")
    for k in range(10):
        assert torch.equal(data.x[data.stratum == k], whole.x[whole.stratum == k][:7])
    test = coarse_labels.load(CoarseSettings(data="digits_coarse", images_per_stratum=7), "test")
    assert len(test) == images.DIGITS_TEST and not test.held_out.any()


def test_what_is_held_out_depends_on_the_size_alone():
    mask = coarse_labels.held_out(1000, 0.1)
    assert mask.sum() == 100 and torch.equal(mask, coarse_labels.held_out(1000, 0.1))
    assert not coarse_labels.held_out(1000, 0.0).any()


def test_groups_are_pairs_of_label_and_stratum():
    data = coarse_labels.load(CoarseSettings(data="digits_coarse"), "test")
    assert torch.equal(data.group, data.stratum), "strata of digits lie in one class each, in order"
    mixed = replace(data, stratum=data.stratum % 2)
    pairs = sorted(set(zip(mixed.y.tolist(), mixed.stratum.tolist(), strict=True)))
    found = [pairs[k] for k in mixed.group.tolist()]
    assert found == list(zip(mixed.y.tolist(), mixed.stratum.tolist(), strict=True))


def test_the_digest_sees_every_part():
    data = coarse_labels.load(CoarseSettings(data="digits_coarse", images_per_stratum=5), "train")
    parts = ("x", "y", "stratum", "held_out")
    changed = [replace(data, **{name: getattr(data, name).roll(1, 0)}) for name in parts]
    changed += [replace(data, names=data.names[::-1]), replace(data, classes=data.classes[::-1])]
    digests = {coarse_labels.digest(d) for d in [data, *changed]}
    assert len(digests) == 7 and coarse_labels.digest(replace(data)) == coarse_labels.digest(data)


def test_bad_input_is_a_clear_error():
    fine = hundred(2)
    with pytest.raises(DataError, match="10 coarse codes for 100 classes: give one of each class"):
        coarse_labels.coarsen(fine, coarse_labels.HALVES)
    with pytest.raises(DataError, match=r"stratum '0' has \d+ images; ask for fewer"):
        coarse_labels.load(CoarseSettings(data="digits_coarse", images_per_stratum=500), "train")
    with pytest.raises(DataError, match="split 'validation' is unknown"):
        coarse_labels.load(CoarseSettings(data="digits_coarse"), "validation")
    two = Strata(*coarse_labels.coarsen(fine, coarse_labels.SUPER).take(torch.arange(50)).__dict__.values())
    with pytest.raises(DataError, match="each needs 5"):
        coarse_labels.uneven(two)
