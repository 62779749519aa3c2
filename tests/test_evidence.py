"""The embeddings a study judges, a reader's own among them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from lib.intervals import over_seeds
from lib.studies import cifar10_undersampling as undersampling
from lib.studies.shared import evidence

CLASSES = ("a", "b", "c")


@pytest.fixture
def tensors():
    """Two seeds, a balanced encoder and one with class 1 undersampled, nine images in four dimensions."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(9) % 3
    return {
        "vectors": torch.randn(36, 4, generator=generator),
        "labels": y.repeat(4),
        "group": torch.tensor([-1, 1, -1, 1]).repeat_interleave(9),
        "seed": torch.tensor([0, 0, 1, 1]).repeat_interleave(9),
    }


def test_a_readers_file_is_read_by_group_and_seed(tensors, tmp_path):
    save_file(tensors, tmp_path / "e.safetensors")
    seen = evidence.of_file(tmp_path / "e.safetensors", CLASSES)
    assert seen.treated == (1,) and len(seen.balanced) == len(seen.under) == 2 and len(seen.under[0]) == 1
    assert torch.equal(seen.under[1][0].load("test")[0].float(), tensors["vectors"][27:])


def test_rh_of_a_readers_file_equals_the_ratio_of_pair_means(tensors, tmp_path):
    save_file(tensors, tmp_path / "e.safetensors")
    pooled, each = evidence.harm_matrix(evidence.of_file(tmp_path / "e.safetensors", CLASSES))
    x = tensors["vectors"].double().reshape(4, 9, 4).numpy()
    x = x / np.linalg.norm(x, axis=2, keepdims=True)
    y = np.arange(9) % 3

    def distance(block, j):
        return np.mean([1 - a @ b for a in block[y == 1] for b in block[y == j]])

    for j in range(3):
        balanced, under = [distance(x[i], j) for i in (0, 2)], [distance(x[i], j) for i in (1, 3)]
        assert float(pooled[0, j]) == pytest.approx(np.mean(under) / np.mean(balanced), rel=1e-6)
        assert float(each[1, 0, j]) == pytest.approx(under[1] / balanced[1], rel=1e-6)


def test_without_groups_every_row_is_the_balanced_encoders(tensors, tmp_path):
    save_file({k: tensors[k][:9].clone() for k in ("vectors", "labels")}, tmp_path / "e.safetensors")
    seen = evidence.of_file(tmp_path / "e.safetensors", CLASSES)
    assert seen.treated == () and not seen.under and len(seen.balanced) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": None}, "expected at least 'vectors' and 'labels'"),
        ({"labels": torch.arange(36) % 4}, "labels runs from 0 to 3: codes 0..2"),
        ({"labels": torch.tensor([0, 1, 2, 0, 1, 2, 0, 2, 1] + [0, 1, 2] * 9)}, "the same images in order"),
        ({"labels": (torch.arange(9) % 2).repeat(4), "group": torch.full((36,), -1)}, "has images of 2 classes"),
        (
            {"labels": torch.arange(9).repeat(4) % 2, "group": torch.tensor([-1, 2, -1, 2]).repeat_interleave(9)},
            "'group' has 'c', of which there is no image",
        ),
        ({"seed": torch.zeros(36)}, "seed is float32"),
        ({"labels": torch.arange(9).repeat(4)}, "codes 0..2"),
        ({"group": torch.tensor([0, 1, 0, 1]).repeat_interleave(9)}, "-1 among the groups"),
        ({"group": torch.zeros(3, dtype=torch.long) - 1}, r"group is int64 of shape \(3,\).* n = 36"),
        ({"labels": (torch.arange(9) % 3).repeat(4) + 0.9}, r"labels is float32 .* whole numbers"),
        ({"group": torch.tensor([-1, 1.5, -1, 1.5]).repeat_interleave(9)}, r"group is float32 .* whole numbers"),
        ({"labels": (torch.arange(9) % 3).repeat(4)[:, None]}, r"labels is int64 of shape \(36, 1\)"),
        ({"vectors": torch.full((36, 4), torch.nan)}, r"vectors is float64 .* finite floats"),
        ({"vectors": torch.ones(36, 4, dtype=torch.uint8)}, r"vectors is uint8 .* finite floats"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tensors, tmp_path, change, words):
    tensors = {k: v for k, v in (tensors | change).items() if v is not None}
    save_file(tensors, tmp_path / "e.safetensors")
    with pytest.raises(ValueError, match=words):
        evidence.of_file(tmp_path / "e.safetensors", CLASSES)


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The arrays in the way that the name asks for; "columns.parquet" has a column a dimension."""
    if path.suffix == ".safetensors":
        save_file({name: torch.from_numpy(x) for name, x in arrays.items()}, path)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".parquet":
        x = arrays["vectors"]
        wide = {f"d{i}": x[:, i] for i in range(x.shape[1])} if path.stem == "columns" else {"vectors": list(x)}
        pd.DataFrame(wide | {name: arrays[name] for name in arrays if name != "vectors"}).to_parquet(path)
    else:
        path.mkdir()
        for name, x in arrays.items():
            np.save(path / f"{name}.npy", x)
    return path


def features(seen: evidence.Evidence) -> torch.Tensor:
    """Of the test images, under the balanced encoders, then the others."""
    return torch.stack([e.load("test")[0] for e in (*seen.balanced, *(e for row in seen.under for e in row))])


def same(one: evidence.Evidence, other: evidence.Evidence) -> bool:
    alike = one.treated == other.treated and torch.equal(one.y, other.y)
    return alike and torch.equal(features(one), features(other))


TEXT = ("e.npz", "lists.parquet", "columns.parquet", "a folder")  # safetensors holds no text


@pytest.mark.parametrize(("name", "words"), [(name, words) for name in TEXT for words in (False, True)])
def test_every_way_to_write_embeddings_is_read_alike(tensors, tmp_path, name, words):
    arrays = {key: x.numpy() for key, x in tensors.items()}
    wanted = evidence.of_file(write(tmp_path / "plain.safetensors", arrays), CLASSES)
    other = arrays | {"labels": arrays["labels"].astype(np.uint8), "seed": arrays["seed"].astype(np.int16)}
    if words:
        other |= {
            "labels": np.array(CLASSES)[arrays["labels"]],
            "group": np.array([*CLASSES, "balanced"])[arrays["group"]],
        }
    seen = evidence.of_file(write(tmp_path / name, other), CLASSES)
    assert seen.classes == CLASSES and same(seen, wanted)


def test_numbers_of_any_kind_and_order_are_read(tensors, tmp_path):
    arrays = {key: x.numpy() for key, x in tensors.items()}
    wanted = evidence.of_file(write(tmp_path / "a.npz", arrays), CLASSES)
    other = arrays | {
        "vectors": np.asfortranarray(arrays["vectors"]).astype(">f4"),
        "labels": arrays["labels"].astype(">i4"),
    }
    assert same(evidence.of_file(write(tmp_path / "b.npz", other), CLASSES), wanted)
    half = {name: x.bfloat16() if name == "vectors" else x for name, x in tensors.items()}
    save_file(half, tmp_path / "half.safetensors")
    halved = evidence.of_file(tmp_path / "half.safetensors", CLASSES)
    assert torch.allclose(features(halved), features(wanted), rtol=0.01)


def test_a_subset_of_the_classes_is_judged_as_a_study_of_these_alone(tensors, tmp_path):
    arrays = {key: x.numpy() for key, x in tensors.items()}
    wanted = evidence.of_file(write(tmp_path / "a.npz", arrays), CLASSES)
    names = ("z", "c", "y", "b", "a")
    named = arrays | {
        "labels": np.array(CLASSES)[arrays["labels"]],
        "group": np.array(["-", "b", "balanced"])[arrays["group"]],
    }
    seen = evidence.of_file(write(tmp_path / "b.npz", named), names)
    assert seen.classes == ("c", "b", "a") and seen.treated == (1,)
    order = [2, 1, 0]
    assert torch.equal(seen.y, torch.tensor(order)[wanted.y])
    assert torch.allclose(seen.cosines("under")[:, 0][:, order][..., order], wanted.cosines("under")[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_that_were_saved_column_by_column_are_refused(tmp_path, dtype):
    draw = np.random.default_rng(0)
    y = draw.permutation(np.arange(300) % 3)
    z = (np.eye(3)[y] @ draw.normal(size=(3, 16)) + 0.5 * draw.normal(size=(300, 16))).astype(dtype)
    good = {"vectors": z, "labels": y, "group": np.full(300, -1)}
    save_numpy({**good, "vectors": np.asfortranarray(z)}, tmp_path / "f.safetensors")
    written = load_file(tmp_path / "f.safetensors")["vectors"].numpy()
    if np.array_equal(written, z):  # a writer that knows the order
        save_numpy({**good, "vectors": z.T.copy().reshape(z.shape)}, tmp_path / "f.safetensors")
    with pytest.raises(ValueError, match=r"saved column by column.*numpy\.ascontiguousarray\(vectors\)"):
        evidence.of_file(tmp_path / "f.safetensors", CLASSES)
    assert evidence.of_file(write(tmp_path / "g.safetensors", good), CLASSES).classes == CLASSES
    noise = good | {"vectors": draw.normal(size=z.shape)}
    assert evidence.of_file(write(tmp_path / "n.npz", noise), CLASSES).classes == CLASSES, "nothing can be said"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.array(["a", "b", "q"] * 12)}, "labels has 'q', which is none of a, b, c"),
        ({"group": np.array(["balanced", "q"]).repeat(18)}, "group has 'q', which is none of a, b, c, balanced"),
        ({"labels": np.array([{}] * 36, object)}, "cannot be read"),
        ({"labels": np.array([True, False] * 18)}, "labels is bool"),
        ({"vectors": np.array(["x"] * 36)}, "vectors is <U1"),
        ({"vectors": np.ones((6, 6, 4))}, "vectors is float64 of shape"),
    ],
)
def test_arrays_of_another_kind_are_refused(tensors, tmp_path, change, words):
    np.savez(tmp_path / "e.npz", **{key: x.numpy() for key, x in tensors.items()} | change)
    with pytest.raises(ValueError, match=f"e.npz.*{words}"):
        evidence.of_file(tmp_path / "e.npz", CLASSES)


def test_a_missing_and_a_damaged_file_are_named(tmp_path):
    for kind in ("safetensors", "npz", "parquet"):
        (tmp_path / f"bad.{kind}").write_bytes(b"no")
    (tmp_path / "e.npy").write_bytes(b"no")
    for name in ("none.safetensors", "bad.safetensors", "bad.npz", "bad.parquet", "none.parquet", "e.npy", "e.csv"):
        with pytest.raises(ValueError, match=f"{name}.*cannot be read"):
            evidence.of_file(tmp_path / name, CLASSES)


def test_the_printed_spread_is_that_of_all_pairs_with_the_divisor_of_the_public_code(tensors, tmp_path):
    """By numpy's defaults, as the public code: ``nanstd`` over seeds and ``std / sqrt(size)`` over all pairs."""
    save_file(tensors, tmp_path / "e.safetensors")
    seen = evidence.of_file(tmp_path / "e.safetensors", CLASSES)
    x = torch.nn.functional.normalize(tensors["vectors"].double().reshape(4, 9, 4), dim=2).numpy()
    y = np.arange(9) % 3
    for j in range(3):  # j = 1: the class itself, self-pairs included
        cosines = {i: x[i][y == 1] @ x[i][y == j].T for i in range(4)}
        spread = np.nanstd([cosines[1].mean(), cosines[3].mean()])
        error = np.mean([cosines[i].std() / np.sqrt(cosines[i].size) for i in (0, 2)])
        assert float(evidence.printed_spread(seen)[0, j]) == pytest.approx(np.hypot(spread, error), rel=1e-12)


def test_the_variance_over_pairs_needs_no_matrix_of_pairs():
    z, y = torch.randn(300, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.arange(300) % 3
    once, often = (evidence.pair_variances(z.repeat(n, 1), y.repeat(n), 3) for n in (1, 400))  # 115 GB of pairs
    assert torch.allclose(once, often, rtol=1e-9)


def blobs(seed: int = 0) -> evidence.Evidence:
    """Classes 1 and 2 of three undersampled; two seeds."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(60) % 3
    balanced, under = (torch.eye(3)[y] + 0.4 * torch.randn(2, *n, 60, 3, generator=g) for n in ((), (2,)))
    null = torch.eye(3)[y] + 0.4 * torch.randn(2, 60, 3, generator=g)
    rows = [[evidence.embedded(z, y) for z in seed] for seed in under]
    balanced, null = ([evidence.embedded(z, y) for z in part] for part in (balanced, null))
    return evidence.Evidence(CLASSES, (1, 2), y, balanced, rows, null=null)


def test_allocation_harm_is_the_change_of_the_row_of_the_class():
    seen = blobs()
    ah, balanced, under = seen.allocation_harm(), seen.confusion("balanced"), seen.confusion("under")
    assert torch.equal(ah[1, 0], under[1, 0, 1] - balanced[1, 1]) and torch.equal(
        ah[0, 1], under[0, 1, 2] - balanced[0, 2]
    )
    assert torch.equal(seen.own(ah), torch.stack([ah[:, 0, 1], ah[:, 1, 2]], 1))
    assert torch.allclose(seen.accuracy("under")[1, 0], under[1, 0].diagonal().mean())


def test_look_alikes_are_the_papers_pairs_or_the_nearest_class():
    seen = blobs()
    pairs, cosines = evidence.look_alikes(seen), seen.cosines("balanced").mean(0).fill_diagonal_(-1)
    assert pairs == [(k, int(cosines[k].argmax())) for k in (1, 2)]
    named = replace(seen, classes=("cat", "dog", "frog"))
    assert evidence.look_alikes(named) == [(1, 0)], "of the classes that are undersampled"


def test_cells_hold_the_interval_of_each_seeds_ratio_and_the_ratio_of_averages():
    seen = blobs()
    pooled, each = evidence.harm_matrix(seen)
    table = evidence.cells(seen, each, pooled)
    mean, low, high = over_seeds(each[:, 1, 0])
    found = table[(table.row == "c") & (table.column == "a")].iloc[0]
    assert found.value == float(pooled[1, 0]) != float(mean) and (found.low, found.high) == (float(low), float(high))


def test_third_parties_and_the_null_leave_no_pair_out_and_none_twice():
    seen = blobs()
    (pooled, each), (mean, cells) = evidence.all_pairs(seen), undersampling.third_parties(seen)
    wanted = [("b", "a", "a"), ("b", "c", "a"), ("b", "c", "c"), ("c", "a", "a"), ("c", "b", "a"), ("c", "b", "b")]
    assert list(cells[["undersampled", "class_i", "class_j"]].itertuples(index=False, name=None)) == wanted
    assert cells.value[1] == float(pooled[0, 2, 0])
    assert torch.allclose(mean, (each[:, 0, 2, 0] + each[:, 1, 1, 0]) / 2)
    null = undersampling.null_cells(seen)
    assert len(null) == 6 and set(null.seeds) == {2}
    assert null.value[1] == float(evidence.null_matrix(seen)[0][0, 1])


def test_the_study_refuses_a_file_without_an_undersampled_encoder(tensors, tmp_path):
    path = tmp_path / "e.safetensors"
    save_file({k: tensors[k][:9].clone() for k in ("vectors", "labels")}, path)
    with pytest.raises(ValueError, match="names no undersampled class"):
        evidence.read(SimpleNamespace(embeddings=str(path)), SimpleNamespace(classes=CLASSES))


def test_labels_of_any_integer_type_and_half_precision_are_read_as_they_are(tensors, tmp_path):
    halves = tensors | {"vectors": tensors["vectors"].half()}
    codes = {"labels": torch.uint8, "group": torch.int16, "seed": torch.int32}
    save_file(halves | {name: tensors[name].to(kind) for name, kind in codes.items()}, tmp_path / "a.safetensors")
    save_file(tensors | {"vectors": halves["vectors"].float()}, tmp_path / "b.safetensors")
    one, other = (evidence.harm_matrix(evidence.of_file(tmp_path / f"{x}.safetensors", CLASSES)) for x in "ab")
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
