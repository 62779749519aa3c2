"""Spurious backgrounds: what is generated, and what is read from folders of the official layouts."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lib import images
from lib.images import spurious
from lib.images.sets import DataError
from lib.studies import worst_group


def test_generated_digits_have_the_shape_of_waterbirds():
    train, test = (spurious.load_spurious("spurious_digits", split) for split in ("train", "test"))
    table = torch.bincount(train.stratum).view(2, 2)
    for k, sizes in enumerate(table):
        assert int(sizes[1 - k]) == round(0.05 * int(sizes.sum())) and int(sizes.sum()) == int((train.y == k).sum())
    assert len(set(torch.bincount(test.stratum).tolist())) == 1
    assert torch.equal(train.y, train.stratum // 2) and train.x.dtype == torch.uint8 and train.x.shape[1:] == (1, 8, 8)
    plain = images.load("digits", "train")
    assert torch.equal(train.y, (plain.y >= 5).long()) and (train.x >= plain.x).all(), "ink stays where it was"
    again = spurious.load_spurious("spurious_digits", "train")
    assert torch.equal(again.x, train.x) and torch.equal(again.stratum, train.stratum)
    assert torch.allclose(spurious.stratum_shares(train).sum(), torch.tensor(1.0, dtype=torch.float64))


def test_both_versions_of_a_test_digit_are_there():
    test = spurious.load_spurious("spurious_digits", "test")
    n = len(test.y) // 2
    assert torch.equal(test.y[:n], test.y[n:]) and not torch.equal(test.stratum[:n], test.stratum[n:])


@pytest.mark.parametrize("side", [8, 28])
def test_stripes_run_along_rows_or_columns_in_the_stated_range(side):
    """Without ink, rows are constant along each row, columns along each column; a period of a quarter of the side."""
    blank = torch.zeros(40, 1, side, side, dtype=torch.uint8)
    x = spurious.on_stripes(blank, torch.arange(2).repeat(20), np.random.default_rng(0))
    rows, columns = x[0::2, 0], x[1::2, 0]
    assert (rows == rows[:, :, :1]).all() and (columns == columns[:, :1]).all()
    period = side // 4 if side > 16 else 4
    assert (rows[:, :-period].int() - rows[:, period:].int()).abs().max() <= 1, "rounding alone differs"
    assert rows.max() <= round(0.7 * 255) and rows.float().amax((1, 2)).min() > 0.2 * 255
    full = torch.full((2, 1, side, side), 255, dtype=torch.uint8)
    assert (spurious.on_stripes(full, torch.arange(2), np.random.default_rng(0)) == 255).all()


def test_mnist_is_cut_and_laid_on_stripes(real_data):
    real_data("mnist")
    train, test = (spurious.load_spurious("spurious_mnist", split) for split in ("train", "test"))
    assert train.x.shape == (12_000, 1, 28, 28) and len(set(torch.bincount(test.stratum).tolist())) == 1
    assert torch.allclose(spurious.stratum_shares(train)[1:3] * 2, torch.tensor(0.05, dtype=torch.float64), atol=3e-3)


def test_a_class_without_a_digit_is_named():
    low = images.Images(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4), tuple("0123456789"))
    with pytest.raises(DataError, match="class '5 to 9' has no digit"):
        spurious.composed(low, "train")


def picture(path, colour, size=(300, 260)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def table(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def waterbirds(data_root):
    """Six images in the layout of the official archive, two in each split; its table starts with an unnamed column."""
    folder, rows = data_root / spurious.WATERBIRDS, []
    for i, (y, split, place) in enumerate([(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1), (0, 2, 1), (1, 2, 1)]):
        name = f"00{i}.Some_Bird/Some_Bird_{i}.jpg"
        picture(folder / name, (40 * i, 100, 200 - 30 * i))
        rows.append({"": i, "img_id": i + 1, "img_filename": name, "y": y, "split": split, "place": place})
        rows[-1]["place_filename"] = "/o/ocean/0.jpg"
    table(folder / "metadata.csv", rows)
    return folder


def test_waterbirds_are_read_by_their_table(waterbirds):
    train, test = (spurious.load_spurious("waterbirds", split) for split in ("train", "test"))
    assert train.stratum.tolist() == [0, 2] and test.stratum.tolist() == [1, 3] and test.y.tolist() == [0, 1]
    assert train.names == ("landbird on land", "landbird on water", "waterbird on land", "waterbird on water")
    assert train.x.shape == (2, 3, 224, 224)
    assert (train.x[1].flatten(1).float().mean(1) - torch.tensor([40.0, 100.0, 170.0])).abs().max() < 4  # JPEG


def test_isic_is_read_by_its_table(data_root):
    folder, rows = data_root / spurious.ISIC, []
    for i, (malignant, patch, split) in enumerate([(0, 0, "train"), (0, 1, "train"), (1, 0, "train"), (0, 0, "test")]):
        picture(folder / "images" / f"abc{i}.jpg", (10, 20, 30), (224, 224))
        rows.append({"_id": f"abc{i}", "is_malignant": malignant, "split": split, "patch": patch})
    table(folder / "labels.csv", rows)
    train, test = (spurious.load_spurious("isic", split) for split in ("train", "test"))
    assert train.stratum.tolist() == [0, 1, 2] and train.y.tolist() == [0, 0, 1] and test.stratum.tolist() == [0]
    assert train.names[train.stratum[1]] == "benign, patch"


def test_what_is_missing_or_damaged_is_named_with_its_home(waterbirds, data_root):
    with pytest.raises(DataError, match=r"labels\.csv is not there.*isic-archive"):
        spurious.load_spurious("isic", "train")
    (waterbirds / "000.Some_Bird/Some_Bird_0.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"Some_Bird_0\.jpg is missing or damaged.*nlp\.stanford\.edu"):
        spurious.load_spurious("waterbirds", "train")
    (waterbirds / "000.Some_Bird/Some_Bird_0.jpg").unlink()
    with pytest.raises(DataError, match=r"Some_Bird_0\.jpg is missing"):
        spurious.load_spurious("waterbirds", "train")
    text = (waterbirds / "metadata.csv").read_text()
    (waterbirds / "metadata.csv").write_text(text.replace(",place,", ",where,"))
    with pytest.raises(DataError, match="no column 'place'"):
        spurious.load_spurious("waterbirds", "train")
    (waterbirds / "metadata.csv").write_text(text.replace(".jpg,0,0,0", ".jpg,2,0,0"))
    with pytest.raises(DataError, match="'2' in column 'y'"):
        spurious.load_spurious("waterbirds", "train")
    table(waterbirds / "metadata.csv", [{"img_filename": "a", "y": 0, "split": 1, "place": 0}])
    with pytest.raises(DataError, match="no row of this split"):
        spurious.load_spurious("waterbirds", "train")
    (waterbirds / "metadata.csv").unlink()
    with pytest.raises(DataError, match=r"nlp\.stanford\.edu"):
        spurious.load_spurious("waterbirds", "train")


def test_unknown_names_are_refused():
    with pytest.raises(DataError, match="'birds' is unknown; known are spurious_digits"):
        spurious.load_spurious("birds", "train")
    with pytest.raises(DataError, match="split 'val' is unknown"):
        spurious.load_spurious("spurious_digits", "val")


def test_a_training_on_sets_of_the_official_layouts_is_judged_by_group(data_root):
    """Waterbirds by accuracy, ISIC by areas; every group is in both splits."""
    birds, moles = [], []
    for i, (y, place, split) in enumerate((y, place, split) for split in (0, 2) for y in (0, 1) for place in (0, 1)):
        picture(data_root / spurious.WATERBIRDS / f"{i}.jpg", (20 * i, 100, 90))
        birds.append({"img_filename": f"{i}.jpg", "y": y, "split": split, "place": place})
        patch, name = place * (1 - y), {0: "train", 2: "test"}[split]
        picture(data_root / spurious.ISIC / "images" / f"m{i}.jpg", (20 * i, 50, 90))
        moles.append({"_id": f"m{i}", "is_malignant": y, "patch": patch, "split": name})
    table(data_root / spurious.WATERBIRDS / "metadata.csv", birds)
    table(data_root / spurious.ISIC / "labels.csv", moles)
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 2.0]])  # right, wrong, wrong, right
    unit = SimpleNamespace(settings=SimpleNamespace(joint=True), logits=lambda split: logits)
    for name, worst, whole in (("waterbirds", 0.0, 0.5), ("isic", 0.5, 0.75)):
        found = worst_group.reached([unit], *(spurious.load_spurious(name, split) for split in ("train", "test")))
        assert [v.item() for v in found.judged(name)] == [worst, whole]
