"""Public functions at their edges: what does not fit is a ValueError and never a number; what fits, NumPy's number."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from torch import Tensor

from lib import disentangle, geometry, harms, images, intervals, losses, mediation, probe, sbm, strata, text
from lib.losses import group_dro

PACKAGES = (harms, probe, mediation, losses, geometry, sbm, strata, disentangle, images, text)
G = torch.Generator().manual_seed(0)
N, K = 8, 3
Z, Y = torch.randn(2, N, 5, generator=G, dtype=torch.float64), torch.arange(N) % K
S = torch.arange(N) % 2  # a group, a gender
RH, COS = torch.rand(2, K, K, generator=G, dtype=torch.float64), harms.class_cosines(Z, Y, K)
CELLS = tuple(torch.eye(2, dtype=torch.float64)[torch.randint(2, (1, 3, 4), generator=G)] for _ in range(4))
SHARES, ALPHA = [0.5, 0.3, 0.2], [[0.9, 0.2, 0.1], [0.2, 0.8, 0.3], [0.1, 0.3, 0.7]]
GRAPH = sbm.sample_graph([4, 4], [[0.9, 0.5], [0.5, 0.9]])
LIKE = {
    "collapse_alpha": dict.fromkeys(("negatives", "temperature"), "array"),
    "recover": dict.fromkeys(("k_max", "factor", "n_init"), "count"),
}
COMMON = {"num_occupations": "count?", "occupation": "codes", "gender": "codes", "z": "rows"}


class Case(NamedTuple):
    """A function, arguments that fit, and of which kind those are that are spoilt in turn."""

    function: object
    given: dict
    kinds: dict


def case(function, kinds: dict, **given) -> Case:
    return Case(function, given, kinds)


BY_GENDER = {"z": Z, "occupation": S, "gender": torch.arange(N) // 2 % 2, "num_occupations": 2}
BY_CLASS = {"z": "rows", "y": "codes", "num_classes": "count"}
CASES = {
    "class_cosines": case(harms.class_cosines, BY_CLASS, z=Z, y=Y, num_classes=K),
    "class_means": case(harms.class_means, BY_CLASS, z=Z, y=Y, num_classes=K),
    "representation_harm": case(
        harms.representation_harm,
        {"cos_under": "real", "cos_balanced": "real"},
        cos_under=COS,
        cos_balanced=COS.flip(0),
    ),
    "allocation": case(
        harms.allocation,
        {"y_true": "codes", "y_pred": "codes", "num_classes": "count"},
        y_true=Y,
        y_pred=Y.flip(0),
        num_classes=K,
    ),
    "nearest_classes": case(harms.nearest_classes, {"cos_balanced": "real"}, cos_balanced=COS),
    "paired_mean": case(harms.paired_mean, {"rh": "gappy", "pairs": "array"}, rh=RH, pairs=[(0, 1)]),
    "pair_gap": case(harms.pair_gap, {"rh": "gappy", "pairs": "array"}, rh=RH, pairs=[(0, 1)]),
    "row_minimum_share": case(harms.row_minimum_share, {"rh": "gappy", "pairs": "array"}, rh=RH, pairs=[(0, 1)]),
    "dose_share": case(harms.dose_share, {"rh_severe": "gappy", "rh_mild": "gappy"}, rh_severe=RH, rh_mild=RH.flip(0)),
    "diagonal_mean": case(harms.diagonal_mean, {"rh": "gappy"}, rh=RH),
    "rank_correlation": case(harms.rank_correlation, {"a": "real", "b": "real"}, a=RH[0], b=RH[1]),
    "gender_representation_harm": case(harms.gender_representation_harm, COMMON, **BY_GENDER),
    "mean_gap": case(harms.mean_gap, COMMON, **BY_GENDER),
    "permutation_null": case(
        harms.permutation_null,
        {"z": "rows", "gender": "codes", "draws": "count", "rng": "whole"},
        z=Z,
        gender=S,
        draws=3,
        rng=0,
    ),
    "tpr_gap": case(
        harms.tpr_gap,
        {"y_true": "codes", "y_pred": "codes", "group": "codes", "num_classes": "count?"},
        y_true=Y,
        y_pred=Y.flip(0),
        group=S,
        num_classes=K,
    ),
    "within_between": case(
        harms.within_between,
        {"z": "rows", "mask_a": "mask", "mask_b": "mask"},
        z=Z,
        mask_a=S == 0,
        mask_b=S == 1,
    ),
    "fit_heads": case(
        probe.fit_heads,
        {"x": "real", "y": "codes", "weights": "real", "C": "above 0", "tolerance": "above 0", "iterations": "count"},
        x=Z[0],
        y=Y,
        weights=torch.ones(2, N),
        C=1.0,
        tolerance=1e-5,
        iterations=1000,
    ),
    "predict": case(
        probe.predict,
        {"z": "real", "y": "codes", "kept": "mask", "scored": "real"},
        z=Z[0],
        y=S,
        kept=torch.ones(1, N).bool(),
        scored=Z[1],
    ),
    "split": case(probe.split, {"n": "count", "seed": "whole"}, n=N, seed=0),
    "effects": case(
        mediation.effects,
        dict.fromkeys(("y00", "y01", "y10", "y11"), "array"),
        **dict(zip(("y00", "y01", "y10", "y11"), CELLS, strict=True)),
    ),
    "share": case(
        lambda y00, y01, y10, y11: mediation.share(mediation.effects(y00, y01, y10, y11)),
        dict.fromkeys(("y00", "y01", "y10", "y11"), "array"),
        **dict(zip(("y00", "y01", "y10", "y11"), CELLS, strict=True)),
    ),
    "bootstrap": case(
        lambda y00, y01, y10, y11, **more: mediation.bootstrap((y00, y01, y10, y11), lambda e: e.TE, **more),
        dict.fromkeys(("y00", "y01", "y10", "y11"), "real") | {"draws": "count", "level": "level", "rng": "whole"},
        **dict(zip(("y00", "y01", "y10", "y11"), CELLS, strict=True)),
        draws=5,
        level=0.95,
        rng=0,
    ),
    "bootstrap_means": case(
        lambda y00, y01, y10, y11, **more: mediation.bootstrap_means((y00, y01, y10, y11), **more),
        dict.fromkeys(("y00", "y01", "y10", "y11"), "real") | {"draws": "count", "level": "level", "rng": "whole"},
        **dict(zip(("y00", "y01", "y10", "y11"), CELLS, strict=True)),
        draws=5,
        level=0.95,
        rng=0,
    ),
    "front_door": case(
        mediation.front_door, dict.fromkeys(("t", "m", "y"), "real"), t=S.double(), m=Z[0, :, 0], y=Z[1, :, 0]
    ),
    "instrument": case(
        mediation.instrument, dict.fromkeys(("z", "m", "y"), "real"), z=Z[0, :, 1], m=Z[0, :, 0], y=Z[1, :, 0]
    ),
    "over_seeds": case(intervals.over_seeds, {"values": "array", "level": "level"}, values=[1.0, 2.0], level=0.9),
    "of_share": case(intervals.of_share, {"values": "array", "level": "level"}, values=[1.0, 0.5], level=0.9),
    "programme": case(
        geometry.programme,
        {"shares": "array", "tau": "array", "negatives": "number"},
        shares=SHARES,
        tau=1.0,
        negatives=2,
    ),
    "optimum": case(
        geometry.optimum,
        {"shares": "array", "tau": "array", "dim": "count?", "starts": "count"},
        shares=SHARES,
        tau=1.0,
        dim=3,
        starts=1,
    ),
    "optimal_gram": case(geometry.optimal_gram, {"shares": "array", "tau": "array"}, shares=SHARES, tau=1.0),
    "slope_ratio": case(geometry.slope_ratio, {"tau": "above 0"}, tau=1.0),
    "collapse_threshold": case(
        geometry.collapse_threshold,
        {"minorities": "count", "tau": "above 0", "negatives": "number"},
        minorities=3,
        tau=1.0,
        negatives=2,
    ),
    "terms": case(
        sbm.terms,
        {"shares": "array", "connectivity": "array", "tau": "array"},
        shares=SHARES,
        connectivity=ALPHA,
        tau=1.0,
    ),
    "population_optimum": case(
        sbm.population_optimum,
        {"shares": "array", "connectivity": "array", "tau": "array", "dim": "count?", "starts": "count"},
        shares=SHARES,
        connectivity=ALPHA,
        tau=1.0,
        dim=3,
        starts=1,
    ),
    "sample_graph": case(
        sbm.sample_graph,
        {"sizes": "array", "connectivity": "array", "seed": "whole"},
        sizes=[3, 4, 5],
        connectivity=ALPHA,
        seed=0,
    ),
    "finite_optimum": case(
        sbm.finite_optimum,
        {
            "adjacency": "array",
            "dim": "count",
            "tau": "above 0",
            "seed": "whole",
            "steps": "count",
            "tolerance": "above 0",
            "weights": "array?",
        },
        adjacency=GRAPH,
        dim=2,
        tau=1.0,
        seed=0,
        steps=50,
        tolerance=1e-4,
        weights=[1.0] * 8,
    ),
    "block_cosines": case(sbm.block_cosines, {"vectors": "real", "sizes": "array"}, vectors=Z[0], sizes=[3, 5]),
    "vanishing_share_cosine": case(
        sbm.vanishing_share_cosine, {"alpha_ratio": "array", "tau": "array"}, alpha_ratio=0.5, tau=1.0
    ),
    "full_collapse_ratio": case(sbm.full_collapse_ratio, {"tau": "array"}, tau=1.0),
    "descend": case(
        lambda v, steps, rate, power: sbm.descend(lambda v: v, v, steps, rate, power),
        {"v": "real", "steps": "whole", "rate": "number", "power": "number"},
        v=Z,
        steps=2,
        rate=0.1,
        power=0.5,
    ),
    "group_dro": case(
        group_dro.group_dro,
        {"loss": "real", "group": "codes", "weights": "real", "step": "above 0", "margin": "real?"},
        loss=Z[0, :, 0],
        group=Y,
        weights=torch.full((K,), 1 / K, dtype=torch.float64),
        step=0.1,
        margin=torch.zeros(K, dtype=torch.float64),
    ),
    "collapse_alpha": case(
        strata.collapse_alpha,
        {"classes": "count", "per_class": "above 0?", "dimension": "count?"} | LIKE["collapse_alpha"],
        classes=3,
        negatives=4,
        temperature=0.5,
        per_class=5,
        dimension=4,
    ),
    "coreset": case(
        strata.coreset,
        {"correct_counts": "codes", "y": "codes", "size": "count", "seed": "whole"},
        correct_counts=Y.flip(0),
        y=Y,
        size=4,
        seed=0,
    ),
    "debias_weights": case(strata.debias_weights, {"p_correct": "above 0"}, p_correct=0.8),
    "lemma7_matrix": case(strata.lemma7_matrix, {"m": "count", "p_correct": "above 0"}, m=3, p_correct=0.8),
    "noise_scores": case(strata.noise_scores, {"z": "views", "y_noisy": "codes"}, z=Z[0], y_noisy=Y),
    "recover": case(
        strata.recover,
        {"z": "real", "y": "codes", "loss": "real?", "seed": "whole"} | LIKE["recover"],
        z=Z[0],
        y=S,
        loss=Z[0, :, 0],
        k_max=2,
        factor=2,
        n_init=1,
        reduce="pca",
        seed=0,
    ),
    "subsample_probabilities": case(
        strata.subsample_probabilities, dict.fromkeys("pqn", "array"), p=0.2, q=[0.1, 0.3], n=4
    ),
}
VIEWS, FREE = {"z1": Z[0].float(), "z2": Z[1].float()}, {"z1": "views", "z2": "views"}
LABELLED = FREE | {"y": "classes", "temperature": "above 0", "block": "count?"}
CASES |= {
    name: case(getattr(losses, name), LABELLED, **VIEWS, y=Y, temperature=0.5, block=4)
    for name in ("sup_con", "attract", "repel", "spread")
}
CASES |= {name: case(getattr(losses, name), FREE, **VIEWS) for name in ("vicreg", "barlow_twins")}
CASES["nt_xent"] = case(
    losses.nt_xent,
    FREE | {"temperature": "above 0", "block": "count?", "weights": "weights?"},
    **VIEWS,
    temperature=0.5,
    block=4,
    weights=torch.ones(N),
)
CASES["clip"] = case(losses.clip, FREE | {"temperature": "above 0"}, **VIEWS, temperature=0.5)
CASES["nt_xent_of_pairs"] = case(
    losses.nt_xent_of_pairs,
    FREE | {"counts": "weights", "temperature": "above 0"},
    **VIEWS,
    counts=torch.ones(N, N),
    temperature=0.5,
)
CASES["masked_pixels"] = case(
    losses.masked_pixels,
    {"predicted": "alone", "patches": "alone", "hidden": "codes"},
    predicted=Z.float(),
    patches=Z.flip(0).float(),
    hidden=torch.arange(4).reshape(2, 2),
)
CASES["simsiam"] = case(
    losses.simsiam,
    dict.fromkeys(("p1", "z1", "p2", "z2"), "views"),
    **VIEWS,
    p1=Z[1].float(),
    p2=Z[0].float(),
)
CASES["alignment"] = case(
    losses.alignment, {"x": "views", "y": "views", "alpha": "above 0"}, x=Z.float(), y=Z.flip(0).float(), alpha=2.0
)
CASES["uniformity"] = case(
    losses.uniformity, {"x": "alone", "t": "above 0", "block": "count?"}, x=Z[0].float(), t=2.0, block=4
)
FACTORS, ROOM = np.random.default_rng(0).random((2, N, 2)), np.array([[0.0, 0.5], [0.0, 0.5]])
RNG = np.random.default_rng(0)
ROOMS = {"rooms": "array", "count": "count"}
CASES |= {
    name: case(getattr(disentangle, name), {"s": "array", "z": "array"}, s=FACTORS[0], z=FACTORS[1])
    for name in ("mcc", "r2", "dci", "sap", "mig", "matching", "isometry_gap", "scale_of")
}
CASES |= {
    name: case(getattr(disentangle, name), ROOMS, rooms=disentangle.box(2), count=3, rng=RNG)
    for name in ("uniform", "skewed", "pairs")
}
CASES |= {
    "box": case(disentangle.box, {"n": "count"}, n=2),
    "grid": case(disentangle.grid, {"n": "count", "width": "above 0"}, n=2, width=0.3),
    "corner": case(disentangle.corner, {"share": "number", "start": "above 0"}, share=0.5, start=0.6),
    "exchange": case(disentangle.exchange, {"s": "array", "room": "array"}, s=FACTORS[0], room=ROOM),
    "largest_change": case(
        disentangle.largest_change, {"s": "array", "moved": "array"}, s=FACTORS[0], moved=FACTORS[1]
    ),
    "smallest_scale": case(
        disentangle.smallest_scale, {"a": "above 0", "n": "count", "batch": "count"}, a=2, n=3, batch=8
    ),
    "information": case(
        disentangle.information, {"b": "above 0", "n": "count", "points": "count"}, **{"b": 0.1, "n": 2, "points": 9}
    ),
    "scale_of_batch": case(disentangle.scale_of_batch, {"n": "count", "batch": "count"}, n=3, batch=8),
    "error_of_step": case(
        disentangle.error_of_step,
        {"a": "above 0", "b": "above 0", "n": "count", "batch": "count"},
        **{"a": 2.0, "b": 0.1, "n": 2, "batch": 8},
    ),
    "simulated_error": case(
        disentangle.simulated_error,
        {"a": "above 0", "b": "above 0", "n": "count", "batch": "count", "draws": "count"},
        **{"a": 2.0, "b": 0.1, "n": 2, "batch": 8, "draws": 2, "rng": RNG},
    ),
}
PHOTOS = images.Images(torch.zeros(N, 1, 2, 2, dtype=torch.uint8), Y, ("a", "b", "c"))
PEOPLE = text.Biographies(["x"] * N, S, torch.arange(N) // 2 % 2, ("nurse", "poet"))
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "two.parquet"
TABLE = {"text": ["x", "y"], "occupation": ["nurse", "poet"], "gender": ["female", "male"], "split": ["train", "test"]}
parquet.write_table(pyarrow.table(TABLE), FILE)
CASES |= {
    "Images": case(
        images.Images, {"x": "pixels", "y": "codes", "classes": "words"}, x=PHOTOS.x, y=PHOTOS.y, classes=PHOTOS.classes
    ),
    "class_code": case(images.class_code, {"classes": "words", "name": "word"}, classes=PHOTOS.classes, name="b"),
    "images digest": case(images.digest, {"images": "object"}, images=PHOTOS),
    "equal_shares": case(images.equal_shares, {"labels": "codes"}, labels=Y),
    "images load": case(images.load, dict.fromkeys(("name", "split"), "word"), name="digits", split="test"),
    "images undersample": case(
        images.undersample,
        {"codes": "codes", "k": "code", "ratio": "share", "seed": "whole"},
        codes=Y,
        k=1,
        ratio=0.5,
        seed=0,
    ),
    "Biographies": case(
        text.Biographies,
        {
            "text": "words",
            "occupation": "codes",
            "gender": "codes",
            "occupations": "words",
        },
        text=PEOPLE.text,
        occupation=PEOPLE.occupation,
        gender=PEOPLE.gender,
        occupations=PEOPLE.occupations,
        swapped=PEOPLE.text,
    ),
    "text digest": case(text.digest, {"b": "object"}, b=PEOPLE),
    "text load": case(
        text.load,
        {"name": "word", "split": "word", "occupations": "words?"},
        name="generated",
        split="test",
        occupations=["nurse"],
    ),
    "read": case(text.read, {"path": "object", "split": "word"}, path=FILE, split="all"),
    "text undersample": case(
        text.undersample,
        {"b": "object", "occupation": "word", "gender": "word", "ratio": "share", "seed": "whole"},
        b=PEOPLE,
        occupation="poet",
        gender="M",
        ratio=0.5,
        seed=0,
    ),
    "folds": case(text.folds, {"b": "object", "k": "count", "seed": "whole"}, b=PEOPLE, k=2, seed=0),
}


def wrong(kind: str, value) -> dict[str, object]:
    """Values that do not fit an argument of that kind, by what is wrong with them."""
    optional, kind = kind.endswith("?"), kind.removesuffix("?")
    found = {} if optional else {"None": None}
    found |= {"a word": "1", "an object": object(), "NaN": float("nan"), "minus infinity": float("-inf")}
    if kind in ("word", "object"):
        return found | {"unknown": "unknown", "a list": [value], "bytes": b"x", "a tensor": torch.zeros(1)}
    if kind == "words":
        return found | {"numbers": [1.0] * len(value), "bytes": [b"x"] * len(value), "a set": set(value), "empty": []}
    if kind == "array":
        if value is GRAPH:
            return found | {"dense": value.toarray(), "directed": sbm.blocks.sparse.triu(value), "empty": value[:0, :0]}
        spoilt = np.asarray(value, float).copy()
        spoilt.flat[0] = np.inf
        return found | {"ragged": [[1.0], [2.0, 3.0]], "complex": np.asarray(value) * 1j, "inf": spoilt, "empty": []}
    if not isinstance(value, Tensor):
        found |= {"a list": [value], "yes": True, "huge": 10**400, "complex": 1j}
        if kind == "share":
            return found | {"0": 0.0, "more than 1": 1.5, "negative": -0.5}
        if kind == "code":
            return found | {"-1": -1, "absent": 7, "a half": 0.5}
        found |= {"infinite": float("inf")} if kind != "number" else {}
        found |= {"0": 0} if kind in ("count", "above 0", "level") else {}
        found |= {"-1": -1} if kind != "number" else {}
        found |= {"a half more": value + 0.5} if kind in ("count", "whole") else {}
        return found | ({"95": 95} if kind == "level" else {})
    found |= {"a list": value.tolist(), "an array": value.numpy(), "empty": value[:0], "no axes": value.flatten()[0]}
    found |= {"int32": value.int(), "complex": value * 1j, "bfloat16": value.bfloat16()}
    if kind == "classes":
        del found["int32"], found["bfloat16"]  # whole numbers of any type are compared
        return found | {"floats": value.double(), "a column": value[:, None]}
    if kind == "codes":
        return found | {"floats": value.double(), "negative": value - 1, "a column": value[:, None], "bool": value > 0}
    if kind == "pixels":
        return found | {"int64": value.long(), "no channels": value[:, 0], "one less": value[1:]}
    if kind == "mask":
        return found | {"whole": value.long(), "a column": value[..., None], "shorter": value[..., 1:]}
    if kind == "weights":  # of any type
        return {what: found[what] for what in ("a word", "a list", "an array", "empty", "no axes", "complex")}
    if kind == "alone":  # half precision is none of several dtypes then
        del found["bfloat16"]
        return found | {"whole": value.long()}
    spoilt = value.clone()
    spoilt[..., 0] = torch.nan
    return (
        found | {"whole": value.long(), "half": value.half()} | ({"NaNs": spoilt} if kind in ("real", "rows") else {})
    )


def spoilt(name: str) -> list[tuple[str, str]]:
    case = CASES[name]
    return [(arg, what) for arg, kind in case.kinds.items() for what in wrong(kind, case.given[arg])]


QUICK = settings(derandomize=True, database=None, deadline=None, max_examples=400, phases=[Phase.generate])


@pytest.mark.parametrize("name", CASES)
def test_what_fits_gives_a_result(name):
    CASES[name].function(**CASES[name].given)


@pytest.mark.parametrize("name", CASES)
@QUICK
@given(data=st.data())
def test_what_does_not_fit_is_a_value_error(name, data):
    function, fit, kinds = CASES[name]
    argument, what = data.draw(st.sampled_from(spoilt(name)))
    with pytest.raises(ValueError, match=r"\w"):
        function(**fit | {argument: wrong(kinds[argument], fit[argument])[what]})


def unit(z) -> np.ndarray:
    z = np.asarray(z)
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


def near(found, wanted) -> None:
    assert np.allclose(np.asarray(found), wanted, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(QUICK, max_examples=40)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 4), d=st.integers(1, 4), k=st.integers(2, 3))
def test_what_fits_gives_the_number_of_plain_numpy(seed, n, d, k):
    rng = np.random.default_rng(seed)
    y, z, other = np.arange(n * k) % k, rng.normal(size=(2, n * k, d)), rng.normal(size=(2, n * k, d))
    x, called, group = torch.tensor(z), rng.integers(k, size=n * k), rng.integers(2, size=n * k)
    codes, predicted, side = (torch.tensor(v) for v in (y, called, group))
    pairs = unit(z) @ unit(z).swapaxes(1, 2)
    cosines = np.stack([[p[y == i][:, y == j].mean() for j in range(k)] for p in pairs for i in range(k)])
    cosines = cosines.reshape(2, k, k)
    near(harms.class_cosines(x, codes, k), cosines)
    near(harms.allocation(codes, predicted, k), [[(called[y == i] == j).mean() for j in range(k)] for i in range(k)])
    near(harms.diagonal_mean(torch.tensor(cosines)), cosines.diagonal(axis1=1, axis2=2).mean(1))
    near(harms.paired_mean(torch.tensor(cosines), [(0, 1), (1, 0)]), (cosines[:, 0, 1] + cosines[:, 1, 0]) / 2)
    hits = [[called[(y == i) & (group == g)] == i for g in (0, 1)] for i in range(k)]
    rates = [[h.mean() if len(h) else np.nan for h in row] for row in hits]
    near(harms.tpr_gap(codes, predicted, side, k), [a - b for a, b in rates])
    halves = y == 0, y == 1
    wanted = [[(1 - p[a][:, b]).mean() for p in pairs] for a, b in (halves[:1] * 2, halves, halves[1:] * 2)]
    near(torch.stack(harms.within_between(x, *map(torch.tensor, halves))), wanted)
    if (1 - cosines > 1e-3).all():
        ratio = (1 - cosines[0]) / (1 - cosines[1])
        near(harms.representation_harm(torch.tensor(cosines[:1]), torch.tensor(cosines[1:])), ratio)
    found = mediation.effects(*z, *other)
    near(found.TE, other[1] - z[0])
    near(found.rNIE, other[0] - other[1])
    near(losses.alignment(x, torch.tensor(other)), np.linalg.norm(z - other, axis=-1).__pow__(2).mean(-1))
    near(intervals.over_seeds(z)[0], z.mean(0))
    blocks = sbm.block_cosines(torch.tensor(unit(z[0])), [n, n * k - n])[0]
    near(blocks[0, 1], pairs[0][:n, n:].mean())
    p = 0.5 + rng.uniform(0.01, 0.5)
    weights = strata.debias_weights(p)
    near([weights.w1 - 2 * weights.w2, weights.w_plus - weights.w_minus], [1, 1])
    near(strata.subsample_probabilities(0.2, 0.3, n).neither, 0.5**n)


def test_every_function_that_the_packages_export_has_a_case():
    missing = {
        f"{package.__name__}.{name}"
        for package in PACKAGES
        for name, value in vars(package).items()
        if callable(value)
        and not isinstance(value, type)
        and value.__module__.startswith("lib.")
        and not {name, f"{package.__name__[4:]} {name}"} & set(CASES)
    }
    known = {"losses.gather", "disentangle.train", "disentangle.log_offset", "images.data_root"}
    assert missing <= {f"lib.{name}" for name in known}, (
        "gather takes any tensor, data_root nothing, the others objects that check themselves"
    )
