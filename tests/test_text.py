"""lib.text: biographies from files and the generator, what is refused, what is never shown."""

import hashlib
import sys
import traceback
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from lib import text
from lib.images.sets import DataError
from lib.text import corpora, generated
from lib.text.corpora import Biographies, folds, undersample

SECRET = "Zanzibarquux was born here."


def tiny(n: int = 12) -> Biographies:
    codes = torch.arange(n)
    words = [f"text {i}. {SECRET}" for i in range(n)]
    return Biographies(words, codes % 3, codes // 3 % 2, ("a", "b", "c"), [w.upper() for w in words])


def table(path, **columns):
    """A parquet file with the columns of the subset; a column given as None is left out."""
    rows = {
        "text": ["one.", "two.", "three."],
        "occupation": ["nurse", "dentist", "nurse"],
        "gender": ["female", "male", "male"],
        "split": ["train", "train", "test"],
    } | columns
    parquet.write_table(pa.table({k: v for k, v in rows.items() if v is not None}), path)
    return path


def test_nothing_that_is_printed_quotes_a_text():
    b = tiny()
    for shown in (repr(b), str(b), f"{b}", repr(b.text), repr(b.swapped), repr([b]), repr((b.text,))):
        assert "Zanzibarquux" not in shown and SECRET.upper() not in shown
    assert repr(b) == "Biographies(12 texts, 3 occupations, 6 F, 6 M, 0 dropped)" and repr(b.text) == "<12 texts>"


def test_take_and_only_keep_rows_together():
    b = tiny()
    part = b.take(torch.tensor([7, 2]))
    assert part.text == (b.text[7], b.text[2]) and part.swapped == (b.swapped[7], b.swapped[2])
    assert part.occupation.tolist() == [1, 2] and part.gender.tolist() == [0, 0]
    assert b.take(b.gender == 1).text == tuple(b.text[i] for i in (3, 4, 5, 9, 10, 11))
    part = b.only(("c", "a"))
    assert part.occupations == ("c", "a") and part.occupation.tolist() == [1, 0] * 4
    assert part.text == tuple(b.text[i] for i in (0, 2, 3, 5, 6, 8, 9, 11)) and len(part.swapped) == len(part) == 8
    assert b.counts().tolist() == [[2, 2]] * 3
    with pytest.raises(DataError, match="occupation 'z' is not there; known are a, b, c"):
        b.only(("z",))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"text": ["x"] * 3}, "3 texts, 4 occupations, 4 genders"),
        ({"swapped": ["x"]}, "1 swapped"),
        ({"gender": torch.tensor([0, 1, 2, 0])}, r"gender needs int64 codes 0\.\.1 for F, M"),
        ({"occupation": torch.tensor([0, 0, -1, 0])}, r"occupation needs int64 codes 0\.\.1 for a, b"),
        ({"occupation": torch.zeros(4)}, "int64"),
        ({"text": ["x", "x", " \n", "x"]}, "text 2 is empty"),
    ],
)
def test_a_set_that_does_not_fit_together_is_refused(change, message):
    good = {"text": ["x"] * 4, "occupation": torch.zeros(4).long(), "gender": torch.tensor([0, 1, 0, 1])}
    with pytest.raises(DataError, match=message):
        Biographies(**good | {"occupations": ("a", "b")} | change)


def test_read_takes_the_split_and_counts_what_is_empty(tmp_path):
    path = table(tmp_path / "x", text=["one.", None, "  "], split=["train", "train", "test"])
    both, train = text.read(path, "all"), text.read(path, "train")
    assert len(both) == len(train) == 1 and (both.dropped, train.dropped) == (2, 1)
    assert both.occupations == ("dentist", "nurse") and both.occupation.tolist() == [1] and both.gender.tolist() == [0]
    assert text.read(table(tmp_path / "y"), "all").gender.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match="split 'dev' has no text; it holds test, train"):
        text.read(table(tmp_path / "z"), "dev")


@pytest.mark.parametrize("column", ["text", "occupation", "gender", "split"])
def test_a_missing_column_is_named(tmp_path, column):
    with pytest.raises(DataError, match=f"no column '{column}'; its columns are"):
        text.read(table(tmp_path / "x", **{column: None}), "all")


def test_bytes_that_are_not_utf8_are_named_by_row_and_not_shown(tmp_path):
    # parquet's own string type does not check: the same bytes as binary and as string
    blob = pa.array([b"one.", b"Zanzibar\xff\xfe", b"three."], pa.large_binary())
    for i, column in enumerate((blob, blob.view(pa.large_string()))):
        with pytest.raises(DataError, match="row 1 of column 'text' is not UTF-8") as error:
            text.read(table(tmp_path / str(i), text=column), "all")
        assert "Zanzibar" not in "".join(traceback.format_exception(error.value))
    assert text.read(table(tmp_path / "b", text=pa.array([b"a", b"b", b"\xc3\xa9"])), "all").text[2] == "é"


def test_other_faults_of_a_file_are_named(tmp_path):
    with pytest.raises(DataError, match=r"row 1 has a gender other than 'female' and 'male' \(1 such\)"):
        text.read(table(tmp_path / "x", gender=["female", SECRET, "male"]), "all")
    with pytest.raises(DataError, match="column 'text' is int64; text is expected"):
        text.read(table(tmp_path / "x", text=[1, 2, 3]), "all")
    (tmp_path / "x").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        text.read(tmp_path / "x", "all")


def subset(root, monkeypatch, **columns):
    path = root / text.SUBSET
    path.parent.mkdir(exist_ok=True)
    table(path, **columns)
    monkeypatch.setattr(corpora, "SUBSET_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_load_subset(data_root, monkeypatch):
    with pytest.raises(DataError, match="is not there; set DATA_ROOT"):
        text.load("bios_subset", "train")
    path = subset(data_root, monkeypatch)
    b = text.load("bios_subset", "all", occupations=("nurse", "dentist"))
    assert b.occupations == ("nurse", "dentist") and b.occupation.tolist() == [0, 1, 0]
    assert text.load("bios_subset", "train", occupations=None).occupations == ("dentist", "nurse")
    with pytest.raises(DataError, match="'accountant' is not there; known are dentist, nurse"):
        text.load("bios_subset", "all")
    with pytest.raises(DataError, match="gender F has no text"):
        text.load("bios_subset", "test", occupations=None)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match="is damaged"):
        text.load("bios_subset", "all")


def test_unknown_set_and_split_are_refused():
    with pytest.raises(DataError, match="'bio' is unknown; known are generated, bios_subset, bios"):
        text.load("bio", "train")
    with pytest.raises(DataError, match="'valid' is unknown; expected one of train, dev, test, all"):
        text.load("generated", "valid")


def test_generated_splits_are_different_texts():
    parts = {split: text.load("generated", split) for split in ("train", "dev", "test")}
    assert [len(b) for b in parts.values()] == [2400, 1200, 1200]
    every = text.load("generated", "all")
    assert every.text == sum((b.text for b in parts.values()), ()) and len(every.swapped) == len(every)
    assert len(set(every.text)) == len(every)


class Hub:
    """Rows as the package datasets gives them."""

    def __init__(self, n: int):
        self.rows = {"hard_text": ["x."] * n, "profession": [13, 25] * (n // 2), "gender": [0, 1, 1, 1] * (n // 4)}
        self.column_names = list(self.rows)

    def __len__(self):
        return len(self.rows["gender"])

    def __getitem__(self, name):
        return self.rows[name]


def test_the_full_set_by_its_pinned_commit(monkeypatch):
    commit, asked = "0" * 39 + "a", []

    def load_dataset(name, revision, split):
        asked.append((name, revision, split))
        return Hub(8)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setattr(corpora, "HUB_ROWS", {"train": 8, "dev": 8, "test": 12})
    b = text.load("bios", "train", occupations=("surgeon", "nurse"), revision=commit)
    assert asked == [("LabHC/bias_in_bios", commit, "train")]
    assert b.occupation.tolist() == [1, 0] * 4
    assert b.gender.tolist() == [1, 0, 0, 0] * 2, "the hub's 0 is male, ours is F"
    with pytest.raises(DataError, match=r"test of .* has 8 rows, not the 12 known"):
        text.load("bios", "all", revision=commit)
    for loose in ("", "main", "a27b560"):
        with pytest.raises(DataError, match="pins nothing; give the commit"):
            text.load("bios", "train", revision=loose)


def test_the_full_set_says_what_is_missing(monkeypatch):
    def load_dataset(*_, **__):
        raise ConnectionError("down")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match=r"could not be fetched \(ConnectionError\)"):
        text.load("bios", "train", revision="a" * 40)
    part = Hub(8)
    part.column_names = ["hard_text", "gender"]
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda *_, **__: part))
    with pytest.raises(DataError, match="no column profession"):
        text.load("bios", "train", revision="a" * 40)
    monkeypatch.setitem(sys.modules, "datasets", None)  # what an import of a package that is not there meets
    with pytest.raises(DataError, match=r"needs the package datasets: pip install '\.\[bios\]'"):
        text.load("bios", "train", revision="a" * 40)


def test_digest_sees_every_part():
    b = tiny()
    others = [
        Biographies((*b.text[:-1], "other"), b.occupation, b.gender, b.occupations, b.swapped),
        Biographies(b.text, b.occupation.flip(0), b.gender, b.occupations, b.swapped),
        Biographies(b.text, b.occupation, b.gender.flip(0), b.occupations, b.swapped),
        Biographies(b.text, b.occupation, b.gender, ("a", "b", "d"), b.swapped),
        Biographies(b.text, b.occupation, b.gender, b.occupations),
        Biographies(("ab", "c"), torch.zeros(2).long(), torch.zeros(2).long(), ("a",)),
        Biographies(("a", "bc"), torch.zeros(2).long(), torch.zeros(2).long(), ("a",)),
    ]
    assert len({text.digest(x) for x in (b, *others)}) == 8
    assert text.digest(tiny()) == text.digest(b)


@pytest.mark.parametrize("ratio, kept", [(0.01, 1), (0.05, 5), (0.3, 30), (1.0, 100)])
def test_undersample_cuts_one_group_and_no_other(ratio, kept):
    group = torch.arange(6).repeat(100)
    b = Biographies(["x"] * 600, group // 2, group % 2, ("a", "b", "c"))
    index = undersample(b, "b", "M", ratio, 3)
    assert index.tolist() == sorted(set(index.tolist()))
    assert b.take(index).counts().tolist() == [[100, 100], [100, kept], [100, 100]]


def test_undersample_is_nested_seeded_and_fair():
    b = generated.generate(50, 0, occupations=("nurse", "surgeon"))

    def kept(ratio, seed, occupation="surgeon"):
        o = b.occupations.index(occupation)
        return {i - 100 * o for i in undersample(b, occupation, "F", ratio, seed).tolist() if 0 <= i - 100 * o < 50}

    assert kept(0.1, 1) < kept(0.2, 1) < kept(0.9, 1) and kept(0.2, 1) == kept(0.2, 1, "nurse") != kept(0.2, 2)
    drawn = np.bincount([i for seed in range(300) for i in kept(0.2, seed)], minlength=50)
    assert abs(drawn - 60).max() < 5 * np.sqrt(300 * 0.2 * 0.8), "some positions are favoured"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("z", "F", 0.5), "occupation 'z' is not there; known are a, b"),
        (("a", "X", 0.5), "gender 'X' is not there; known are F, M"),
        (("a", "F", 0), r"ratio=0 is outside \(0, 1\]"),
        (("a", "F", float("nan")), "ratio=nan"),
        (("b", "M", 0.5), "b M has no text to undersample"),
    ],
)
def test_undersample_refuses(arguments, message):
    b = Biographies(["x"] * 3, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), ("a", "b"))
    with pytest.raises(DataError, match=message):
        undersample(b, *arguments, 0)


def test_folds_spread_every_group():
    sizes = (23, 7, 40, 1, 12, 100)
    group = torch.arange(6).repeat_interleave(torch.tensor(sizes))
    b = Biographies(["x"] * len(group), group // 2, group % 2, ("a", "b", "c"))
    fold = folds(b, 5, 0)
    assert sorted(set(fold.tolist())) == [0, 1, 2, 3, 4]
    for g, size in enumerate(sizes):
        counts = torch.bincount(fold[group == g], minlength=5)
        assert counts.max() - counts.min() <= 1 and counts.sum() == size
    total = torch.bincount(fold)
    assert total.max() - total.min() <= 1
    assert torch.equal(fold, folds(b, 5, 0)) and not torch.equal(fold, folds(b, 5, 1))
    for k in (1, len(b) + 1):
        with pytest.raises(DataError, match=f"k={k} folds"):
            folds(b, k, 0)


@pytest.mark.real_data
def test_real_subset(real_data):
    real_data("bios_subset")
    every, large = text.load("bios_subset", "all", occupations=None), text.load("bios_subset", "all")
    assert len(every) == 2018 and len(every.occupations) == 28 and every.dropped == 0
    assert set(every.occupations) == set(text.PROFESSIONS)
    assert [tuple(row) for row in large.counts().tolist()] == [
        (353, 622), (33, 34), (90, 58), (119, 117), (89, 44), (106, 147),
    ]  # fmt: skip
    assert [len(text.load("bios_subset", split)) for split in ("train", "dev", "test")] == [1260, 178, 374]
    assert "2018 texts" in repr(every) and repr(every.text) == "<2018 texts>"
