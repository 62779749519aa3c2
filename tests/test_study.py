"""The contract of a study: one declaration, refused input, and names that change with what the numbers depend on."""

import ast
import contextlib
import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from lib import study
from lib.book import asked, cost, jobs, make
from lib.studies.plans.cifar10_undersampling import plan
from lib.studies.shared.arms import known_pairs
from lib.study import Parameter, ParameterError, report
from lib.study.key import plan as plan_of

NAME = "cifar10_undersampling"


def test_the_declaration_is_what_papermill_reads(tmp_path):
    notebook = tmp_path / "n.ipynb"
    subprocess.run(
        [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--output", notebook, study.source(NAME)],
        check=True,
    )
    import papermill

    theirs = papermill.inspect_notebook(str(notebook))
    ours = study.parameters(NAME)
    assert list(theirs) == list(ours)
    for name, parameter in ours.items():
        assert theirs[name]["inferred_type_name"] == parameter.type
        assert parameter.default == ast.literal_eval(theirs[name]["default"])
        assert parameter.help and theirs[name]["help"].endswith(parameter.help)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ratoi": 0.05}, ["ratoi", "did you mean 'ratio'"]),
        ({"ratio": "abc"}, ["ratio='abc'", "float in (0, 1]"]),
        ({"ratio": 7}, ["ratio=7", "(0, 1]"]),
        ({"ratio": 0}, ["ratio=0", "(0, 1]"]),
        ({"ratio": float("nan")}, ["ratio=nan"]),
        ({"seeds": 2.0}, ["seeds=2.0", "int"]),
        ({"seeds": True}, ["seeds=True", "int"]),
        ({"ratio": True}, ["ratio=True", "float"]),
        ({"clamp": 1}, ["clamp=1", "bool"]),
        ({"net": "resnet35"}, ["resnet35", "resnet34"]),
        ({"classes": "0,1,x"}, ["'x'", "0, 1"]),
        ({"undersampled": "3,3"}, ["undersampled='3,3'", "'3' stands there twice"]),
        ({"classes": "0,1"}, ["classes='0,1'", "at least 3"]),
        ({"pretrained": True}, ["convnet", "resnet18 or resnet34"]),
        ({"reference_seeds": 0}, ["reference_seeds=0", "1 or more"]),
        ({"undersampled": ""}, ["undersampled=''", "at least 1"]),
        ({"seed": 2**63 - 1}, ["seed=9223372036854775807", "[0, 1000000000]"]),
        ({"epochs": 10**400}, ["epochs=1000", "(401 characters)", "[1, 100000]"]),
        ({"ratio": 10**400}, ["ratio=1000", "(401 characters)", "(0, 1]"]),
        ({"learning_rate": 1e300}, ["learning_rate=1e+300", "(0, 1000]"]),
        ({"head_width": 100_000_000}, ["head_width=100000000", "[1, 65536]"]),
    ],
)
def test_bad_values_are_refused_with_the_value_and_the_way_out(given, words):
    with pytest.raises(ParameterError) as error:
        study.complete(NAME, given)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("methods_and_mitigations", {"learning_rates": "simclr=-1"}, "'simclr=-1' is out of range; expected (0, 1000]"),
        ("methods_and_mitigations", {"learning_rates": "simclr=nan"}, "'simclr=nan' is out of range"),
        ("methods_and_mitigations", {"learning_rates": "nope=0.1"}, "'nope' is unknown; there are simclr"),
        ("methods_and_mitigations", {"learning_rates": "simclr=0.1,simclr=0.2"}, "'simclr' stands there twice"),
        ("methods_and_mitigations", {"learning_rates": "simclr=0.1=2"}, "write label=rate"),
        ("methods_and_mitigations", {"methods": "simclr,simclr"}, "'simclr' stands there twice"),
        ("methods_and_mitigations", {"mitigations": "groups,groups"}, "'groups' stands there twice"),
        ("methods_and_mitigations", {"sizes": "0"}, "sizes='0': write whole numbers from 1 to 119"),
        ("methods_and_mitigations", {"sizes": "-3"}, "sizes='-3': write whole numbers"),
        ("methods_and_mitigations", {"sizes": "60,60"}, "sizes='60,60': a number stands there twice"),
        ("methods_and_mitigations", {"sizes": "1e3"}, "sizes='1e3': write whole numbers"),
        ("methods_and_mitigations", {"sizes": "120"}, "from 1 to 119"),
        ("alignment_uniformity", {"undersampled": "12"}, "undersampled='12': '12' is unknown"),
        ("alignment_uniformity", {"undersampled": ""}, "undersampled='': name at least 1"),
        ("bios_gender_harm", {"others": "groups,groups"}, "'groups' stands there twice"),
        ("bios_gender_harm", {"treated": "nurse:M,nurse:M"}, "'nurse:M' stands there twice"),
        ("bios_gender_harm", {"cue": "hats"}, "{pronouns+names, pronouns, none}"),
        ("lspread_strata", {"losses": ""}, "losses='': name at least 1"),
        ("lspread_strata", {"clamped": "attract,attract"}, "'attract' stands there twice"),
        ("sbm_theory", {"nodes": 16}, "nodes=16 is out of range; expected int in [64, 4096]"),
    ],
)
def test_lists_inside_parameters_are_checked_word_by_word(name, given, words):
    with pytest.raises(ParameterError) as error:
        study.complete(name, given)
    assert words in str(error.value) and "\n" not in str(error.value)


FREE = [(name, p) for name in study.names() for p in study.parameters(name).values() if p.type == "str" and not p.range]


@pytest.mark.parametrize(("name", "parameter"), FREE, ids=lambda x: getattr(x, "name", x))
def test_no_free_text_is_taken_as_it_comes(name, parameter):
    for wrong in ("nope", "foo=0.1", "-5", "nan", "~/x", "a b", "9" * 400, "x" * 5000):
        with pytest.raises(ParameterError, match=rf"^[^\n]*{parameter.name}=[^\n]*$") as error:
            study.complete(name, {parameter.name: wrong})
    assert len(str(error.value)) < 300, "a long value is cut"


@pytest.mark.parametrize("name", study.names())
def test_every_number_has_two_ends_and_both_can_be_planned_or_are_refused(name):
    for parameter in study.parameters(name).values():
        if parameter.type in ("int", "float") and not parameter.range.startswith("{"):
            low, high = (float(end) for end in parameter.range[1:-1].split(","))
            assert math.isfinite(low) and math.isfinite(high), f"{parameter.name} of {name} has no end"
            for end in (low, high):
                with contextlib.suppress(ParameterError):
                    study.complete(name, {parameter.name: int(end) if parameter.type == "int" else end})


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (None, "cannot be read"),
        ({"vectors": torch.eye(10)}, "expected at least 'vectors' and 'labels'"),
        ({"vectors": torch.eye(10), "labels": torch.arange(10)}, "'group' names no undersampled class"),
    ],
)
@pytest.mark.parametrize("name", [NAME, "mediation"])
def test_a_readers_embeddings_are_checked_before_any_work(name, tensors, words, tmp_path):
    path = tmp_path / "mine.safetensors"
    if tensors:
        save_file(tensors, path)
    with pytest.raises(ParameterError) as error:
        study.complete(name, {"embeddings": str(path)})
    assert words in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


def test_whole_numbers_pass_for_floats():
    values = study.complete(NAME, {"seed": 1, "ratio": 1})
    assert values["seed"] == 1 and values["ratio"] == 1.0 and isinstance(values["ratio"], float)


@pytest.mark.parametrize("preset", ["quick", "laptop", "paper"])
def test_presets_are_valid_and_named_after_themselves(preset):
    values = study.complete(NAME, study.preset(NAME, preset))
    assert values["preset"] == preset


def test_the_quick_preset_is_the_notebooks_defaults():
    assert study.complete(NAME, study.preset(NAME, "quick")) == study.complete(NAME, {})


def test_the_paper_preset_has_the_settings_of_the_public_code():
    unit = plan_of(NAME, study.complete(NAME, study.preset(NAME, "paper"))).units[0]
    assert unit.settings == type(unit.settings)()


def test_an_unknown_preset_or_study_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'laptop'"):
        study.preset(NAME, "labtop")
    with pytest.raises(ParameterError, match=NAME):
        study.source("cifar100_undersampling")


@pytest.mark.parametrize("name", ["quick/../laptop", "../presets/quick", "quick/", "."])
def test_a_preset_is_a_name_and_no_path(name):
    with pytest.raises(ParameterError, match=r"preset .* does not exist"):
        study.preset(NAME, name)


def test_a_study_is_a_name_and_no_path(tmp_path, monkeypatch):
    (tmp_path / "outside.py").write_text("")
    for name in (os.path.relpath(tmp_path / "outside", study.ROOT / "notebooks"), f"../notebooks/{NAME}", "", "."):
        with pytest.raises(ParameterError, match="does not exist"):
            study.source(name)


def test_ranges_include_their_closed_ends_alone():
    half_open = Parameter("x", "float", 0.5, "(0, 1]", "")
    assert half_open.check(1.0) == 1.0 and half_open.check(1e-12)
    with pytest.raises(ParameterError):
        half_open.check(0.0)
    assert Parameter("n", "int", 1, "[1, inf)", "").check(10**9)


def test_command_line_words():
    values = asked.read_values(NAME, "quick", "ratio=1 seed=4 clamp=true")
    assert (values["ratio"], values["seed"], values["clamp"]) == (1.0, 4, True)
    with pytest.raises(ParameterError, match="not name=value"):
        asked.read_values(NAME, "quick", "ratio")
    with pytest.raises(ParameterError, match="did you mean 'ratio'"):
        asked.read_values(NAME, "quick", "ratoi=3")
    with pytest.raises(ParameterError, match="seed is given already as '1'"):
        asked.read_values(NAME, "quick", "seed=1 seed=2")


def test_quotation_marks_hold_a_value_with_blanks(tmp_path):
    assert study.words("""a='x y' b="~/it's" c=1,2""", "") == {"a": "x y", "b": "~/it's", "c": "1,2"}
    with pytest.raises(ParameterError, match="a quotation mark or a backslash has no partner"):
        asked.read_values(NAME, "quick", "embeddings='my file")


def test_a_grid_is_read_and_an_empty_one_refused():
    assert asked.read_grid(NAME, "ratio=0.01,0.05 seed=0..2") == {"ratio": [0.01, 0.05], "seed": [0, 1, 2]}
    for text in ("", "ratio=", "seed=3..1"):
        with pytest.raises(ParameterError, match="write for instance"):
            asked.read_grid(NAME, text)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ("seed=0..999999999999", "the grid has 1e\\+12 points, more than 1000"),
        ("seed=0..99 ratio=" + ",".join(str(i / 100) for i in range(1, 50)), "the grid has 4900 points"),
        ("epochs=100 epochs=200", "epochs is given already as '100'"),
        ("epochs=100,100", "epochs='100,100': a value stands there twice"),
        ("ratio=0.5,0.50", "a value stands there twice"),
        ("epochs=" + "9" * 400, "epochs=9999.*characters.*out of range"),
        ("epochs", "'epochs' is not name=value"),
        ("ratoi=1", "did you mean 'ratio'"),
    ],
)
def test_a_grid_is_bounded_before_it_is_listed(grid, words):
    with pytest.raises(ParameterError, match=words):
        asked.read_grid(NAME, grid)


@pytest.mark.parametrize("cores", ["0", "-1", "abc", "1.5", "9" * 400])
def test_cores_are_a_whole_number(cores, monkeypatch, capsys):
    monkeypatch.setenv("CORES", cores)
    monkeypatch.setattr(sys, "argv", ["make", "params"])
    assert make.main() == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: CORES=") and "write a whole number from 1 to 4096" in said and "\n" not in said


SESSION = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from lib import study
shell = InteractiveShell.instance()
shell.user_ns["startup"] = 1  # as a file in the profile of IPython leaves behind
said = []
for name in [None, *json.loads(sys.argv[1])]:
    cells = ["ratio: float = 0.05", f"# Parameters\\n{name} = 1\\n" if name else "other = 2"]
    cells += ["from lib import study\\nrun = study.start('cifar10_undersampling', globals())"] * 2
    shell.reset(new_session=True)
    shell.user_ns["startup"] = 1
    study.Run.train = lambda self: None
    results = [shell.run_cell(cell, store_history=True, silent=False) for cell in cells]
    said.append([str(r.error_in_exec or "") for r in results[2:]])
print(json.dumps(said))
"""


def test_parameters_are_declared_names_and_papermills_cell_alone():
    names = ["In", "open", "study", "_x", "exit", "ratoi", "seed"]
    done = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(names)], capture_output=True, text=True, check=True
    )
    plain, *refused, allowed = json.loads(done.stdout.splitlines()[-1])
    assert plain == allowed == ["", ""], "a cell run twice, names of startup files and of other cells are no parameters"
    for name, said in zip(names, refused, strict=False):
        assert all(line.startswith(f"parameter {name!r} does not exist in cifar10_undersampling") for line in said)


def test_the_sweep_shares_encoders_between_its_runs():
    a, b = (study.complete(NAME, {"ratio": r, "milder": 0.5}) for r in (0.05, 0.1))
    ua, ub = ({u.name for u in plan_of(NAME, v).units} for v in (a, b))
    assert len(ua & ub) == 3 + 3 + 3 + 3 + 3  # balanced, milder, null, reference, untrained
    assert len(ua - ub) == 3


def test_cifar_pairs_are_the_papers_and_need_no_reference_encoders():
    values = study.complete(NAME, study.preset(NAME, "laptop"))
    arms = plan(study.Run(NAME, values).p)
    assert known_pairs(arms.classes) == [(0, 1), (1, 0), (2, 3), (3, 2)]
    assert not arms.reference and not arms.mild


def test_small_nets_share_jobs_and_large_ones_have_their_own():
    small = study.Run(NAME, study.complete(NAME, study.preset(NAME, "quick"))).units
    large = study.Run(NAME, study.complete(NAME, study.preset(NAME, "laptop"))).units
    made = jobs.together([*small, *large])
    assert sorted(u.name for job in made for u in job) == sorted(u.name for u in [*small, *large])
    assert all([unit] in made for unit in large)
    shared = [job for job in made if job[0] in small]
    assert len(shared) < len(small) / 2
    assert all(cost.estimate([job], 1, False)[0] <= jobs.JOB_SECONDS + cost.START_SECONDS for job in shared)


def test_a_stamp_of_simulated_data_names_no_training_split(monkeypatch):
    about = {"study": "x", "run": "quick-1", "git": {"commit": "", "dirty": False}, "encoders": [], "seeds": [0]}
    about |= {"device": ["CPU"], "processor": "p", "threads": [1], "python": "3", "packages": {}, "seconds": 1}
    for data, words in (({"name": "none"}, "| none |"), ({"name": "digits", "train": "abc"}, "sha256 `abc`")):
        whole = about | {"training_seconds": 0, "data": data}
        monkeypatch.setattr(report.kept, "provenance", lambda folder, whole=whole: whole)
        assert words in report.stamp(SimpleNamespace(folder="."))
