"""Clusters within classes, and what is refused."""

import importlib
import math

import numpy as np
import pytest
import torch

from lib.strata import matching, recovery


def blobs(sizes, seed=0, spread=0.05):
    """Classes of tight blobs around unit vectors: z (n, 8), class (n,), group (n,); sizes[k] lists those of class k."""
    generator, z, y, group = torch.Generator().manual_seed(seed), [], [], []
    for k, parts in enumerate(sizes):
        for n in parts:
            centre = torch.randn(8, generator=generator)
            z.append(centre / centre.norm() + spread * torch.randn(n, 8, generator=generator))
            y += [k] * n
            group += [len(set(group))] * n
    return torch.cat(z), torch.tensor(y), torch.tensor(group)


@pytest.mark.parametrize("reduce", ["pca", "none"])
def test_separate_blobs_are_found_with_their_number(reduce):
    z, y, truth = blobs([(60, 40, 30), (50, 50)])
    found = recovery.recover(z, y, reduce=reduce, k_max=5)
    assert matching.matched_f1(found, truth) == 1 and matching.adjusted_rand(found, truth) == 1
    assert len(found.unique()) == 5 and found.max() == 4
    assert not set(found[y == 0].tolist()) & set(found[y == 1].tolist())
    assert torch.equal(found, recovery.recover(z, y, reduce=reduce, k_max=5)), "the same seed, the same groups"


def test_one_class_is_a_set_of_clusters_and_a_shift_of_all_features_changes_nothing():
    z, y, truth = blobs([(60, 40)])
    found = recovery.recover(z, y, reduce="pca", k_max=4)
    assert matching.adjusted_rand(found, truth) == 1
    for centre in ("class", "all"):
        shifted = recovery.recover(z + 3, y, reduce="pca", k_max=4, centre=centre)
        assert matching.adjusted_rand(found, shifted) == 1


def test_only_hard_large_dense_parts_are_cut_off():
    """A cluster of three far parts: of the smaller ones, one is hard and large, one hard and small, one easy."""
    rng = np.random.default_rng(0)

    def cloud(x, y, n):
        return rng.normal([x, y], 0.05, (n, 2))

    x = np.concatenate([cloud(0, 0, 200), cloud(3, 0, 40), cloud(0, 3, 10), cloud(-3, 0, 40), cloud(50, 50, 200)])
    part = np.repeat([0, 1, 2, 3, 4], [200, 40, 10, 40, 200])
    base = (part == 4).astype(int)
    loss = np.where((part == 1) | (part == 2), 2.0, 0.1)
    found = recovery.split_further(x, base, loss, 4, 3, 0)
    assert len(set(found[part == 1])) == 1 and not set(found[part == 1]) & set(found[part != 1])
    assert len(set(found[(part == 0) | (part == 2) | (part == 3)])) == 1, "too small, or too easy: back together"
    flat = recovery.split_further(x, base, np.ones(len(x)), 4, 3, 0)
    assert not set(flat[part == 3]) & set(flat[part != 3]), "equal losses do not keep a part from standing apart"
    assert len(set(flat[part == 2]) & set(flat[part == 0])) == 1, "25 points at least"


def test_points_that_coincide_are_clustered_without_an_error():
    z, y = torch.ones(40, 3), torch.zeros(40, dtype=torch.int64)
    assert len(recovery.recover(z, y, torch.ones(40), reduce="pca", k_max=3)) == 40


def test_bad_input_is_refused_with_the_value_and_the_way_out():
    z, y, _ = blobs([(20, 20), (8,)])
    bad = z.clone()
    bad[5, 1] = math.nan
    for given, words in (
        ({"z": z, "y": y}, "class 1 has 8 points, too few for k_max=10"),
        ({"z": bad, "y": y}, r"z is float32 .* finite"),
        ({"z": z, "y": y, "loss": torch.full((48,), math.inf)}, r"loss is float32 .* finite"),
        ({"z": z, "y": y[1:]}, r"y is int64 .* n = 48"),
        ({"z": z, "y": y, "reduce": "tsne"}, "reduce='tsne' is unknown; known are umap, pca, none"),
        ({"z": z, "y": y, "centre": "median"}, "centre='median' is unknown; known are class, all, none"),
        ({"z": z, "y": y, "k_max": 1}, "k_max=1: a whole number from 2"),
        ({"z": z, "y": y, "factor": 1}, "factor=1"),
    ):
        with pytest.raises(ValueError, match=words):
            recovery.recover(**{"reduce": "pca"} | given)


def test_umap_is_asked_for_by_name_and_named_where_it_is_missing(monkeypatch):
    z, y, _ = blobs([(60, 40), (50, 50)])
    asked = {}

    class Reducer:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, x):
            return x[:, :2].astype("float32")

    real = importlib.import_module
    fake = type("umap", (), {"UMAP": Reducer})
    monkeypatch.setattr(importlib, "import_module", lambda name: fake if name == "umap" else real(name))
    recovery.recover(z, y, k_max=3, seed=7)
    assert asked == {"n_components": 2, "random_state": 7, "n_jobs": 1}

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ValueError, match=r"umap-learn: pip install '\.\[umap\]'"):
        recovery.recover(z, y, k_max=3)


def test_hardness_alone_finds_the_hard_points_of_each_class():
    rng = np.random.default_rng(0)
    hard, y = np.arange(200) % 10 == 0, np.arange(200) // 100
    margin = torch.from_numpy(np.where(hard, -4, 4) + rng.normal(0, 0.5, 200))
    found = recovery.by_hardness(margin, torch.from_numpy(y), k_max=4)
    assert matching.matched_f1(found, torch.from_numpy(2 * y + hard)) == 1.0
    assert torch.equal(found, recovery.by_hardness(10 * margin, torch.from_numpy(y), k_max=4))
    with pytest.raises(ValueError, match="too few for k_max=100"):
        recovery.by_hardness(margin, torch.from_numpy(y), k_max=100)
