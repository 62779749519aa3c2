"""Which edits rename which runs, as the graph's own plan says, tried on a copy of the checkout."""

import shutil
from pathlib import Path

import pytest

from lib import claims, hashing
from lib.book import make, why
from lib.claims import entries
from lib.study import declared, key

COPIED = ("lib", "notebooks", "exercises", "classroom", "presets", "claims", "book")
COPIED += ("results/reported", "results/recorded")
TRAINED_WITH_NT_XENT = {
    "bios_gender_harm",
    "cifar10_undersampling",
    "label_noise_and_coresets",
    "mediation",
    "methods_and_mitigations",
    "sbm_theory",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the checkout from which runs are planned as long as the module's tests run."""
    root = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(hashing.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in hashing.LOCK:
        shutil.copy(hashing.ROOT / name, root)
    with pytest.MonkeyPatch.context() as patch:
        for module in (hashing, key, entries, declared):
            patch.setattr(module, "ROOT", root)
        yield root
    forget()


def forget() -> None:
    """Read everything anew at the next plan."""
    cached = (hashing._module, hashing._resolve, hashing.code_hash, hashing.lock_hash, key.key, key._code)
    for function in (*cached, claims.of, claims.known, declared.parameters):
        function.cache_clear()


def planned() -> tuple[dict[str, str], dict[str, set[str]]]:
    """The id of every study's quick run, and the names of the encoders it needs."""
    forget()
    runs = make.quick_runs()
    return {run.study: run.id for run in runs}, {run.study: {unit.name for unit in run.units} for run in runs}


@pytest.fixture(scope="module")
def before(checkout):
    return planned()


@pytest.fixture
def edit(checkout):
    """A function that replaces a string of a file; afterwards the file is as it was."""
    kept: dict[Path, bytes | None] = {}

    def replace(path: str, old: str, new: str) -> None:
        file = checkout / path
        kept.setdefault(file, file.read_bytes() if file.exists() else None)
        text = file.read_text() if file.exists() else ""
        assert old in text, f"{old!r} is not in {path} any more"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(old, new, 1) if old else text + new)

    yield replace
    for file, content in kept.items():
        file.unlink() if content is None else file.write_bytes(content)


def renamed(before) -> tuple[set[str], set[str]]:
    """Studies whose runs, and studies whose encoders, have another name than before."""
    now = planned()
    return tuple({study for study in then if then[study] != new[study]} for then, new in zip(before, now, strict=True))


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("book/scoreboard.md", "# Scoreboard", "# Every claim"),
        ("lib/book/scoreboard.py", '"95 % interval"', '"interval"'),
        ("lib/book/runs.py", "MiB freed", "MiB are free"),
        ("lib/book/cost.py", '"convnet": 0.1', '"convnet": 0.2'),
        ("lib/study/declared.py", "did you mean", "perhaps"),
        ("claims/cifar10_undersampling.yaml", "towards its look-alike", "to its look-alike"),
        ("lib/losses/self_supervised.py", '"""Losses of', '"""All losses of'),
        ("exercises/minority_collapse.py", "Derive $R^*$", "Find $R^*$"),
        ("exercises/minority_collapse.py", "def safe_temperature(ratio, b)", "def safe_temperature(ratio, b=2)"),
        ("exercises/minority_collapse.py", "return 2 / np.log(2 * ratio / b - 1)", "return 2 / np.log(ratio)"),
        ("exercises/minority_collapse.py", "minority_angle(1.0, 0.5) - 120", "minority_angle(1.0, 0.6) - 120"),
        ("classroom/minority_collapse.py", "rng.uniform(8, 200)", "rng.uniform(8, 100)"),
        ("results/reported/new.csv", "", "a,b\n1,2\n"),
        ("results/recorded/cifar10_undersampling/new/results.csv", "", "quantity,value\n"),
    ],
    ids=lambda value: Path(value).name if "/" in str(value) else "",
)
def test_words_rename_nothing(before, edit, path, old, new):
    edit(path, old, new)
    assert renamed(before) == (set(), set())


def test_a_threshold_renames_the_run_of_its_study(before, edit):
    edit("claims/mediation.yaml", "threshold: 0.9", "threshold: 0.8")
    assert renamed(before) == ({"mediation"}, set())


def test_a_word_of_the_generated_biographies_renames_the_study_of_texts(before, edit):
    edit("lib/text/generated.py", "ledgers audits", "ledgers books")
    assert renamed(before) == ({"bios_gender_harm"}, {"bios_gender_harm"})


def test_a_chart_renames_the_run_of_its_study_and_no_encoder(before, edit):
    edit("lib/figures/sbm_theory.py", "width=", "width=1 + ")
    assert renamed(before) == ({"sbm_theory"}, set())


def test_a_loss_renames_what_trains_with_it(before, edit):
    edit("lib/losses/self_supervised.py", "    loss = (w * terms).mean(-1)", "    loss = (w * terms).mean(-1) + 0.0")
    runs, encoders = renamed(before)
    assert encoders == TRAINED_WITH_NT_XENT and runs >= encoders


def test_a_renamed_module_renames_nothing(before, edit, checkout):
    old = checkout / "lib/images/colour.py"
    for path in ("lib/images/augment.py", "lib/images/randaugment.py"):
        edit(path, "from lib.images.colour import", "from lib.images.pigment import")
    old.rename(old.with_stem("pigment"))
    try:
        assert renamed(before) == (set(), set())
    finally:
        old.with_stem("pigment").rename(old)


def test_why_names_what_changed(before, edit):
    forget()
    run = next(run for run in make.quick_runs() if run.study == "sbm_theory")
    old = key.parts(run.study, run.values)
    edit("lib/figures/sbm_theory.py", "def phase(", "def phase_diagram(")
    edit("lib/figures/theme.py", 'BLUE, ORANGE, GREY = "#0072b2"', 'BLUE, ORANGE, GREY = "#0072b3"')
    edit("claims/sbm_theory.yaml", "threshold: 0.02", "threshold: 0.03")
    forget()
    lines = why.changes(old, key.parts(run.study, run.values | {"seeds": 4}))
    assert {line.strip() for line in lines} >= {
        "claims: harms-11a changed",
        "parameters: seeds changed",
        "definitions: lib.figures.theme.BLUE changed",
    }
    assert not any("nt_xent" in line for line in lines)
