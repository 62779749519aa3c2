"""lib.hashing: which edits make a result stale, tried on a copy of the library."""

import shutil

import pytest

from lib import hashing


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of lib and the pins that lib.hashing reads, to be edited; returns a function that edits one file."""
    shutil.copytree(hashing.ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in hashing.LOCK:
        shutil.copy(hashing.ROOT / name, tmp_path)
    monkeypatch.setattr(hashing, "ROOT", tmp_path)

    def forget():
        for cached in (hashing._tree, hashing._code, hashing.closure, hashing.closure_hash, hashing.lock_hash):
            cached.cache_clear()

    def edit(name: str, old: str, new: str):
        path = tmp_path / name
        text = path.read_text()
        assert old in text, f"{name} holds no {old!r}"
        path.write_text(text.replace(old, new, 1))
        forget()

    forget()
    yield edit
    forget()


def test_closure_follows_imports_of_imports(copy, tmp_path):
    (tmp_path / "lib" / "top.py").write_text("import os\nfrom lib import middle\n")
    (tmp_path / "lib" / "middle.py").write_text("def f():\n    from lib.leaf import g\n    return g\n")
    (tmp_path / "lib" / "leaf.py").write_text("import lib.other as o\n")
    (tmp_path / "lib" / "other.py").write_text("from lib import top\n")  # a circle ends
    assert hashing.closure("leaf") == hashing.closure("top") == ("leaf", "middle", "other", "top")
    assert hashing.closure("losses") == ("losses", "supervised")


def test_closure_of_training():
    assert hashing.closure("pretrain") == (
        *("augment", "checkpoints", "code", "colour", "devices", "encoders", "images", "losses", "methods", "nets"),
        *("pretrain", "randaugment", "records", "supervised", "vision"),
    )


@pytest.mark.parametrize(
    "name, old, new",
    [
        (
            "lib/losses/self_supervised.py",
            '"""Losses of contrastive learning',
            '"""All the losses of contrastive learning',
        ),
        ("lib/losses/self_supervised.py", "    n = len(z1)\n", "    # the number of images\n\n    n = len(z1)  # N\n"),
        ("lib/losses/self_supervised.py", "(2N, d)\n", "(2N, d), unit\n"),
        ("lib/losses/self_supervised.py", "_unit_mean(weights, z1)\n", "(_unit_mean(weights, z1))\n"),
        ("lib/losses/self_supervised.py", "loss = mean over i of", "the loss is the mean over i of"),
        ("lib/encoders/pretrain.py", "A training that cannot go on.", "A training that must stop."),
    ],
    ids=["module docstring", "comments", "trailing comment", "layout", "function docstring", "class docstring"],
)
def test_explaining_code_changes_no_hash(copy, name, old, new):
    before = hashing.closure_hash("pretrain")
    copy(name, old, new)
    assert hashing.closure_hash("pretrain") == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("lib/losses/self_supervised.py", "temperature: float = 0.5", "temperature: float = 0.2"),
        ("lib/losses/self_supervised.py", "clamp(min=clamp)", "clamp(max=clamp)"),
        ("lib/images/augment.py", "CROP_TRIES = 10", "CROP_TRIES = 9"),
        ("lib/losses/self_supervised.py", 'raise ValueError(f"temperature', 'raise ValueError(f"the temperature'),
    ],
)
def test_changing_code_changes_the_hash(copy, name, old, new):
    before = hashing.closure_hash("pretrain")
    copy(name, old, new)
    assert hashing.closure_hash("pretrain") != before


def test_a_module_outside_the_closure_does_not_count(copy):
    training, harms = hashing.closure_hash("pretrain"), hashing.closure_hash("harms")
    copy("lib/harms/representation.py", "return under / balanced", "return balanced / under")
    assert hashing.closure_hash("pretrain") == training and hashing.closure_hash("harms") != harms


def test_hash_of_several_modules_does_not_depend_on_their_order(copy):
    assert hashing.closure_hash("harms", "probe") == hashing.closure_hash("probe", "harms", "harms")
    assert hashing.closure_hash("harms", "probe") != hashing.closure_hash("harms")


def test_lock_hash_sees_versions_and_no_comments(copy):
    whole, torch = hashing.lock_hash(), hashing.lock_hash("torch")
    copy("requirements.txt", "numpy==", "# a remark\nnumpy==")
    assert (hashing.lock_hash(), hashing.lock_hash("torch")) == (whole, torch)
    copy("requirements.txt", "numpy==", "numpy==9.")
    assert hashing.lock_hash() != whole and hashing.lock_hash("torch") == torch
    copy("requirements.txt", "torch==", "torch==9.")
    assert hashing.lock_hash("torch") != torch
    again = hashing.lock_hash()
    copy("constraints.txt", "Jinja2==", "Jinja2==9.")
    assert hashing.lock_hash() != again
