"""lib.hashing: which edits make a result stale, tried on a copy of the library and on libraries of a few lines."""

import ast
import shutil
import textwrap

import pytest

from lib import hashing
from lib.encoders import settings, text_settings

TRAINING = ("lib.encoders.pretrain", "run")
LOSS = ("lib.losses.self_supervised", "nt_xent")
HARM = ("lib.harms.representation", "representation_harm")
SAID = "lib/losses/self_supervised.py"


def forget():
    cached = (hashing._module, hashing._parsed, hashing._resolve, hashing.code_hash, hashing.lock_hash)
    for function in cached:
        function.cache_clear()


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty folder that lib.hashing reads in place of the checkout."""
    monkeypatch.setattr(hashing, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def library(root):
    """Call with the text of each file, by path below lib: the whole of a small library."""

    def write(**files: str):
        shutil.rmtree(root / "lib", ignore_errors=True)
        for name, text in ({"__init__": ""} | files).items():
            path = root / "lib" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        forget()

    return write


@pytest.fixture
def copy(root):
    """A copy of lib and the pins, to be edited; returns a function that edits one file."""
    source = hashing.Path(hashing.__file__).resolve().parent.parent
    shutil.copytree(source / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in hashing.LOCK:
        shutil.copy(source / name, root)

    def edit(name: str, old: str, new: str):
        path = root / name
        text = path.read_text()
        assert old in text, f"{name} holds no {old!r}"
        path.write_text(text.replace(old, new, 1))
        forget()

    return edit


def reached(*entries) -> set[str]:
    return {f"{module}.{name}".removeprefix("lib.") for module, name in hashing.closure(*entries)}


def test_closure_follows_definitions_through_every_kind_of_import(library):
    library(
        top="""
            import os
            from lib import middle, unused
            SIZE = 3
            def f(): return middle.g(SIZE, os.sep)
            def apart(): return unused.h()
            """,
        middle="""
            def g(n, sep):
                from lib.leaf import k as other
                return other(n)
            """,
        leaf="import lib.other as o\ndef k(n): return o.last(n)\n",
        other="from lib import top\ndef last(n): return top.f() if n else None\n",  # a circle ends
        unused="def h(): pass\n",
    )
    assert reached(("lib.top", "f")) == {"top.f", "top.SIZE", "middle.g", "leaf.k", "other.last"}
    assert reached(("lib.other", "last")) == reached(("lib.top", "f"))
    assert reached(("lib.top", "apart"), ("lib.leaf", "k")) == reached(("lib.top", "f")) | {"top.apart", "unused.h"}
    with pytest.raises(KeyError, match=r"lib\.top\.nothing is named by code"):
        hashing.closure(("lib.top", "nothing"))


def test_closure_of_training():
    modules = {module for module, _ in hashing.closure(TRAINING)}
    assert modules - {f"lib.images.{name}" for name in ("augment", "colour", "randaugment", "sets", "vision")} == {
        *(f"lib.encoders.{name}" for name in ("checkpoints", "devices", "methods", "nets", "pretrain", "settings")),
        *(
            "lib.encoders.batch_norm",
            "lib.encoders.training",
            "lib.losses.descent",
            "lib.losses.self_supervised",
            "lib.sources",
        ),
    }
    assert LOSS in hashing.closure(TRAINING)
    assert HARM not in hashing.closure(TRAINING)


@pytest.mark.parametrize("unit", [settings.Unit, text_settings.TextUnit], ids=lambda unit: unit.__name__)
def test_no_training_reaches_the_machinery(unit):
    walls = ("lib.study", "lib.studies", "lib.figures", "lib.book", "lib.claims")
    assert not [m for m, _ in hashing.closure((unit.trainer, "run")) if m.startswith(walls)]


@pytest.mark.parametrize(
    "name, old, new",
    [
        (SAID, '"""Losses of contrastive learning', '"""All the losses of contrastive learning'),
        (SAID, "    n = z1.shape[-2]\n", "    # the number of images\n\n    n = z1.shape[-2]  # N\n"),
        (SAID, "(..., 2N, d)\n", "(..., 2N, d), unit\n"),
        (SAID, "_unit_mean(weights, z1)\n", "(_unit_mean(weights, z1))\n"),
        (SAID, "loss = mean over i of", "the loss is the mean over i of"),
        ("lib/encoders/training.py", "A training that cannot go on.", "A training that must stop."),
        ("lib/encoders/training.py", "import argparse\n", "import argparse\nimport difflib\n"),
        ("lib/encoders/pretrain.py", "from lib.images import augment\n", "from lib.images import augment as augment\n"),
    ],
    ids=[
        *("module docstring", "comments", "trailing comment", "layout", "function docstring", "class docstring"),
        *("an import more", "an import written otherwise"),
    ],
)
def test_explaining_code_changes_no_hash(copy, name, old, new):
    before = hashing.code_hash(TRAINING)
    copy(name, old, new)
    assert hashing.code_hash(TRAINING) == before


@pytest.mark.parametrize(
    "name, old, new",
    [
        (SAID, "temperature: float | Tensor = 0.5", "temperature: float | Tensor = 0.2"),
        (SAID, "clamp(min=clamp)", "clamp(max=clamp)"),
        ("lib/images/augment.py", "CROP_TRIES = 10", "CROP_TRIES = 9"),
        (SAID, 'raise ValueError(f"temperature', 'raise ValueError(f"the temperature'),
    ],
)
def test_changing_code_changes_the_hash(copy, name, old, new):
    before = hashing.code_hash(TRAINING)
    copy(name, old, new)
    assert hashing.code_hash(TRAINING) != before


def test_an_edit_changes_exactly_what_reaches_it(library):
    files = {
        "a": "from lib.b import low, other\ndef high(): return low()\ndef side(): return other()\n",
        "b": "STEP = 1\ndef low(): return STEP\ndef other(): return 2\n",
    }
    entries = [("lib.a", "high"), ("lib.a", "side"), ("lib.b", "low"), ("lib.b", "other")]

    def changed(**edited: str) -> list[bool]:
        library(**files)
        before = [hashing.code_hash(entry) for entry in entries]
        library(**files | edited)
        return [hashing.code_hash(entry) != was for entry, was in zip(entries, before, strict=True)]

    assert changed() == [False, False, False, False]
    assert changed(b=files["b"].replace("STEP = 1", "STEP = 3")) == [True, False, True, False]
    assert changed(b=files["b"].replace("return 2", "return 3")) == [False, True, False, True]
    assert changed(b=files["b"] + "def more(): pass\n") == [False, False, False, False]
    assert changed(a=files["a"].replace("return low()", "return low() + 1")) == [True, False, False, False]


def test_a_renamed_module_and_a_moved_definition_change_nothing(copy, root):
    before = [hashing.code_hash(entry) for entry in (TRAINING, LOSS, HARM)]
    (root / "lib/images/colour.py").rename(root / "lib/images/hues.py")
    for path in root.rglob("*.py"):
        text = (
            path.read_text().replace("import colour", "import hues as colour").replace("images.colour", "images.hues")
        )
        path.write_text(text)
    forget()
    assert not [m for m, _ in hashing.closure(TRAINING) if m.endswith("colour")]
    assert [hashing.code_hash(entry) for entry in (TRAINING, LOSS, HARM)] == before


def test_a_definition_may_move_to_another_module(library):
    library(
        a="from lib.b import low\ndef high(): return low()\n",
        b="import math\nSTEP = 1\ndef low(): return math.sqrt(STEP)\n",
    )
    before = hashing.code_hash(("lib.a", "high"))
    library(
        **{
            "a": "from lib.sub import c\ndef high(): return c.low()\n",
            "sub/__init__": '"""A package."""\n',
            "sub/c": "import math as m\nfrom lib.d import STEP\ndef low(): return m.sqrt(STEP)\n",
            "d": "STEP = 1\n",
        }
    )
    assert hashing.code_hash(("lib.a", "high")) == before


def test_a_package_that_hands_a_name_on_is_what_it_hands_on(library):
    parts = {"pack/inner": "def f(): return 1\n", "pack/beside": "def g(): return 1\n"}
    by_package, by_name = "from lib import pack\ndef top(): return pack.f()\n", "{}\ndef top(): return f()\n"

    def reading(a: str, face: str) -> str:
        library(a=a, **parts | {"pack/__init__": face})
        return hashing.code_hash(("lib.a", "top"))

    before = reading(by_package, "from lib.pack.inner import f\n")
    assert reached(("lib.a", "top")) == {"a.top", "pack.inner.f"}
    both = "from lib.pack.beside import g as g\nfrom lib.pack.inner import f as f\n"
    assert reading(by_package, both) == before
    assert reading(by_name.format("from lib.pack import f"), both) == before
    assert reading(by_name.format("from lib.pack.inner import f"), both) == before
    assert reading(by_package, "from lib.pack.beside import g as f\n") != before


def test_an_import_within_a_function_counts_as_one_at_the_top(library):
    leaf = {"leaf": "def k(): return 1\n"}
    library(a="from lib import leaf\ndef f(): return leaf.k()\n", **leaf)
    top = hashing.code_hash(("lib.a", "f"))
    inner = "def f():\n    from lib import leaf\n    return leaf.k()\n"
    library(a=inner, **leaf)
    within = hashing.code_hash(("lib.a", "f"))
    assert within == top
    assert reached(("lib.a", "f")) == {"a.f", "leaf.k"}
    library(a=inner, leaf="def k(): return 2\n")
    assert hashing.code_hash(("lib.a", "f")) != within


@pytest.mark.parametrize("deep", [False, True], ids=["called by name", "called by functions that look the same"])
def test_two_functions_of_one_name_that_change_places_are_noticed(library, deep):
    if deep:
        top = "from lib import a, b\ndef top(): return a.g() - b.g()\n"
        bodies = [f"def g(): return f()\ndef f(): return {n}\n" for n in (1, 2)]
    else:
        top = "from lib import a, b\ndef top(): return a.f() - b.f()\n"
        bodies = [f"def f(): return {n}\n" for n in (1, 2)]
    library(top=top, a=bodies[0], b=bodies[1])
    before = hashing.code_hash(("lib.top", "top"))
    library(top=top, a=bodies[1], b=bodies[0])
    assert hashing.code_hash(("lib.top", "top")) != before


def test_a_decorator_that_registers_counts_with_its_module(library):
    rows = "from lib.table import add, ROWS\n{}\ndef one(): return {}\ndef read(): return 0\n"
    table = "ROWS = []\ndef add(f):\n    ROWS.append(f)\n    return f\n"
    found = {}
    for mark in ("@add", ""):
        for number in (1, 2):
            library(a=rows.format(mark, number), table=table)
            found[mark, number] = hashing.code_hash(("lib.a", "read"))
    assert found["", 1] == found["", 2], "nothing that is read reaches it"
    assert found["@add", 1] != found["@add", 2], "it stands in the table as soon as its module is imported"
    for mark in ("import functools\n@functools.cache", "from dataclasses import dataclass\n@dataclass"):
        for number in (1, 2):
            library(a=rows.format(mark, number), table=table)
            found[mark, number] = hashing.code_hash(("lib.a", "read"))
        assert found[mark, 1] == found[mark, 2], f"{mark} registers nothing"


def test_a_statement_that_binds_nothing_counts_with_its_module(library):
    found = []
    for loose in ("", "switch(1)\n", "switch(2)\n"):
        library(a=f"def switch(n): pass\n{loose}def read(): return 0\n")
        found.append(hashing.code_hash(("lib.a", "read")))
    assert len(set(found)) == 3


def test_a_module_that_is_named_alone_stands_for_all_that_it_defines(library):
    library(a="from lib import b\nimport inspect\ndef f(): return inspect.getsource(b)\n", b="X = 1\ndef g(): pass\n")
    assert reached(("lib.a", "f")) == {"a.f", "b.X", "b.g"}


def test_code_outside_the_library_counts_without_comments_and_with_what_it_reaches(library):
    library(a="from lib.b import low\ndef high(): return low()\n", b="def low(): return 1\n", c="def no(): pass\n")

    def read(*cells: str):
        return hashing.of_cells([ast.parse(cell) for cell in cells])

    (text,), definitions = read("# a remark\nfrom lib import a\nx = a.high()  # called\n")
    assert {f"{m}.{n}" for m, n in definitions} == {"lib.a.high", "lib.b.low"}
    for same in (
        "from lib.a import high\nx = high()",
        "import lib.a\nx = lib.a.high()",
        "from lib.a import high as h\nx = h()",
        "import math\nfrom lib.a import high\nimport json\nx = high()",
    ):
        assert read(same) == ([text], definitions), "another name for one thing"
    assert read("from lib import a\nx = 2 * a.high()")[0] != [text]
    cells = read("from lib import a", "x = a.high()")
    assert cells[1] == definitions, "what one cell imports, the others see"
    assert read("x = a.high()")[1] == {}


def test_a_module_outside_the_closure_does_not_count(copy):
    training, harms = hashing.code_hash(TRAINING), hashing.code_hash(HARM)
    copy("lib/harms/representation.py", "return under / balanced", "return balanced / under")
    assert hashing.code_hash(TRAINING) == training
    assert hashing.code_hash(HARM) != harms


def test_hash_of_several_entries_does_not_depend_on_their_order():
    probe = ("lib.probe.logistic", "predict")
    assert hashing.code_hash(HARM, probe) == hashing.code_hash(probe, HARM, HARM)
    assert hashing.code_hash(HARM, probe) != hashing.code_hash(HARM)


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
