"""lib.disentangle.kitti: a file of the official layout is read, a hostile one runs nothing."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from lib.disentangle import kitti
from lib.encoders import factors, store
from lib.encoders.factor_settings import KITTI, FactorSettings, FactorUnit
from lib.sources import DataError


def sequences(lengths=(4, 2, 3)) -> dict[str, list[np.ndarray]]:
    """As the public code writes them: boolean masks, float32 vertical and horizontal centre and area."""
    rng, masks, factors_of = np.random.default_rng(0), [], []
    for n in lengths:
        frames = np.zeros((n, 64, 64), bool)
        for i, (row, column, size) in enumerate(rng.integers((5, 5, 3), (50, 50, 12), (n, 3))):
            frames[i, row : row + size, column : column + size] = True
        at = [[*np.argwhere(f).mean(0), f.sum()] for f in frames]
        masks.append(frames)
        factors_of.append(np.array(at, np.float32))
    return {"pedestrians": masks, "pedestrians_latents": factors_of}


def written(folder: Path, data, protocol: int = 4, change=lambda content: content) -> tuple[Path, str]:
    """The file, under DATA_ROOT=folder, and its sha256."""
    path = folder / kitti.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(change(data if isinstance(data, bytes) else pickle.dumps(data, protocol)))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_file_of_the_official_layout_is_read(tmp_path, monkeypatch, protocol):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    data = sequences()
    _, sha256 = written(tmp_path, data, protocol)
    found = kitti.read(sha256)
    assert found.masks.dtype == np.uint8 and (found.masks == np.concatenate(data["pedestrians"])).all()
    assert found.factors == pytest.approx(np.concatenate(data["pedestrians_latents"]))
    assert found.lengths.tolist() == [4, 2, 3]


def test_a_file_that_an_older_numpy_wrote_is_read(tmp_path):
    path, sha256 = written(tmp_path, sequences(), 3, lambda x: x.replace(b"numpy._core.", b"numpy.core."))
    assert b"numpy.core.multiarray" in path.read_bytes() and kitti.read(sha256, path).masks.shape == (9, 64, 64)


def test_pairs_lie_in_one_sequence_and_end_at_its_last_frame():
    found = kitti.Sequences(np.zeros((9, 64, 64), np.uint8), np.zeros((9, 3)), np.array([4, 2, 3]))
    first, second = found.pairs(3000, 5, np.random.default_rng(0))
    assert set(first) == {0, 1, 2, 4, 6, 7} and set(zip(first, second, strict=True)) == {
        *((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)),
        *((4, 5), (6, 7), (6, 8), (7, 8)),
    }
    assert (second[first == 0] == 3).mean() == pytest.approx(3 / 5, abs=0.06), "gaps of 3, 4 and 5 are cut"
    assert (np.diff(found.pairs(500, 1, np.random.default_rng(0)), axis=0) == 1).all()


class Hostile:
    """What unpickling runs a program for."""

    def __init__(self, *made):
        self.made = made

    def __reduce__(self):
        return self.made


def attacks(mark: Path) -> dict[str, object]:
    import os

    numbers = np.zeros(3)
    reconstruct, _, state = numbers.__reduce__()
    return {
        "a shell": Hostile(os.system, (f"touch {mark}",)),
        "code": Hostile(exec, (f"open({str(mark)!r}, 'w')",)),
        "a path": Hostile(Path, (str(mark),)),
        "a file of NumPy": Hostile(np.memmap, (str(mark), "uint8", "w+", 0, (4,))),
        "an array of objects": np.array([Hostile(os.system, (f"touch {mark}",))], object),
        "objects without more": np.array([None, 1], object),
        "fields": np.zeros(2, [("a", "O")]),
        "a great array": Hostile(reconstruct, (np.ndarray, (2**40,), b"b"), state),
        "another kind of array": Hostile(reconstruct, (np.matrix, (0,), b"b"), state),
        "an array called": Hostile(np.ndarray, ((2**40,), "b")),
        "a comma": Hostile(np.dtype, ("b1,O",)),
    }


@pytest.mark.parametrize("name", attacks(Path("mark")))
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_hostile_pickle_runs_nothing(tmp_path, name, protocol):
    mark = tmp_path / "mark"
    data = sequences()
    data["pedestrians"][1] = attacks(mark)[name]
    path, sha256 = written(tmp_path, data, protocol)
    with pytest.raises(DataError, match="is no file of NumPy arrays alone"):
        kitti.read(sha256, path)
    assert not mark.exists()


def test_nothing_is_unpickled_before_the_hash_is_known(tmp_path, monkeypatch):
    path, sha256 = written(tmp_path, sequences())
    monkeypatch.setattr(kitti, "_Arrays", None)
    with pytest.raises(DataError, match=f"has the sha256 {sha256}, not 'me'; if the file is from its official home"):
        kitti.read("me", path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("pedestrians_latents"), "has no lists pedestrians and pedestrians_latents of one length"),
        (lambda d: d["pedestrians"].pop(), "of one length"),
        (lambda d: d.update(pedestrians=[], pedestrians_latents=[]), "has no lists"),
        (
            lambda d: d["pedestrians"].__setitem__(1, np.zeros((2, 32, 32), bool)),
            "masks of sequence 1 are bool of shape",
        ),
        (lambda d: d["pedestrians"].__setitem__(0, d["pedestrians"][0] * 7.0), "masks of sequence 0 are float64"),
        (lambda d: d["pedestrians_latents"][2].__setitem__((0, 0), np.nan), "factors of sequence 2"),
        (lambda d: d["pedestrians_latents"].__setitem__(0, [1.0]), "factors of sequence 0 are list"),
    ],
)
def test_another_layout_is_refused_by_name(tmp_path, change, words):
    data = sequences()
    change(data)
    path, sha256 = written(tmp_path, data)
    with pytest.raises(DataError, match=words):
        kitti.read(sha256, path)


def test_a_missing_or_damaged_file_is_named_with_its_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    with pytest.raises(DataError, match="is not there; get kitti_peds_v2"):
        kitti.read("0" * 64)
    _, sha256 = written(tmp_path, pickle.dumps(sequences())[:-100])
    with pytest.raises(DataError, match="is no file of NumPy arrays alone"):
        kitti.read(sha256)


def test_an_encoder_of_masks_is_measured_on_all_frames_and_its_record_has_the_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(store, "STORE", tmp_path)
    _, sha256 = written(tmp_path, sequences())
    unit = FactorUnit(FactorSettings(data=KITTI, gap=2, kitti_sha256=sha256, steps=3, batch_size=4), 0)
    factors.run(unit)
    s, z = unit.codes()
    assert (
        s.shape == (9, 3)
        and z.shape == (9, 10)
        and s == pytest.approx(np.concatenate(sequences()["pedestrians_latents"]))
    )
    assert unit.record["data_sha256"] == {"train": sha256}
