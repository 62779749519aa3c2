"""The contract of a study: one declaration, refused input, and names that change with what the numbers depend on."""

import ast
import subprocess
import sys

import pytest

from lib import study
from lib.book import cost, jobs, make
from lib.studies import cifar10_undersampling
from lib.studies.shared.arms import known_pairs
from lib.study import Parameter, ParameterError
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
        ({"undersampled": "3,3"}, ["class twice"]),
        ({"classes": "0,1"}, ["at least three"]),
        ({"pretrained": True}, ["convnet", "resnet18 or resnet34"]),
        ({"reference_seeds": 0}, ["reference_seeds=0", "1 or more"]),
    ],
)
def test_bad_values_are_refused_with_the_value_and_the_way_out(given, words):
    with pytest.raises(ParameterError) as error:
        study.complete(NAME, given)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


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


def test_ranges_include_their_closed_ends_alone():
    half_open = Parameter("x", "float", 0.5, "(0, 1]", "")
    assert half_open.check(1.0) == 1.0 and half_open.check(1e-12)
    with pytest.raises(ParameterError):
        half_open.check(0.0)
    assert Parameter("n", "int", 1, "[1, inf)", "").check(10**9)


def test_command_line_words():
    values = make.read_values(NAME, "quick", "ratio=1 seed=4 clamp=true")
    assert (values["ratio"], values["seed"], values["clamp"]) == (1.0, 4, True)
    with pytest.raises(ParameterError, match="not name=value"):
        make.read_values(NAME, "quick", "ratio")
    with pytest.raises(ParameterError, match="did you mean 'ratio'"):
        make.read_values(NAME, "quick", "ratoi=3")


def test_a_grid_is_read_and_an_empty_one_refused():
    assert make.read_grid(NAME, "ratio=0.01,0.05 seed=0..2") == {"ratio": [0.01, 0.05], "seed": [0, 1, 2]}
    for text in ("", "ratio=", "seed=3..1"):
        with pytest.raises(ParameterError, match="write for instance"):
            make.read_grid(NAME, text)


def test_the_sweep_shares_encoders_between_its_runs():
    a, b = (study.complete(NAME, {"ratio": r, "milder": 0.5}) for r in (0.05, 0.1))
    ua, ub = ({u.name for u in plan_of(NAME, v).units} for v in (a, b))
    assert len(ua & ub) == 3 + 3 + 3 + 3 + 3  # balanced, milder, null, reference, untrained
    assert len(ua - ub) == 3


def test_cifar_pairs_are_the_papers_and_need_no_reference_encoders():
    values = study.complete(NAME, study.preset(NAME, "laptop"))
    arms = cifar10_undersampling.plan(study.Run(NAME, values).p)
    assert known_pairs(arms.classes) == [(0, 1), (1, 0), (2, 3), (3, 2)]
    assert not arms.reference and not arms.mild


def test_student_version_keeps_checks_and_drops_solutions():
    from lib.book import runs

    text = study.source(NAME).read_text()
    student = runs.student_version(text)
    assert "def pair_mean" in text and "def pair_mean" not in student
    assert student.count("# Your answer here.") == text.count('"solution"') == 3
    assert student.count("assert ") == text.count("assert ")


def test_small_nets_share_jobs_and_large_ones_have_their_own():
    small = study.Run(NAME, study.complete(NAME, study.preset(NAME, "quick"))).units
    large = study.Run(NAME, study.complete(NAME, study.preset(NAME, "laptop"))).units
    made = jobs.together([*small, *large])
    assert sorted(u.name for job in made for u in job) == sorted(u.name for u in [*small, *large])
    assert all([unit] in made for unit in large)
    shared = [job for job in made if job[0] in small]
    assert len(shared) < len(small) / 2
    assert all(cost.estimate([job], 1, False)[0] <= jobs.JOB_SECONDS + cost.START_SECONDS for job in shared)
