"""Names and plans of text encoders."""

from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from lib.book import jobs, wanted
from lib.encoders.text_settings import TextSettings, TextUnit
from lib.encoders.units import read_unit
from lib.studies.plans import bios_gender_harm

UNIT = TextUnit(TextSettings(), ("surgeon:F", "nurse:M"), 0.05, 3)
OTHER = {
    "data": "bios_subset",
    "revision": "0" * 40,
    "per_group": 7,
    "cue": "none",
    "stereotype": 0.5,
    "sentences": 3,
    "model": "minilm",
    "pooling": "cls",
    "method": "supervised_simcse",
    "weighting": "groups",
    "counterfactual": True,
    "scrubbed": True,
    "max_length": 12,
    "masked_epochs": 2,
    "epochs": 5,
    "batch_size": 8,
    "learning_rate": 0.1,
    "temperature": 0.2,
    "precision": "bfloat16",
}
STUDY = {
    "data": "generated",
    "treated": "surgeon:F,nurse:M",
    "others": "supervised,groups,counterfactual,scrubbed,no cue",
    "ratio": 0.05,
    "milder": 0.2,
    "null_arm": True,
    "seed": 0,
    "seeds": 3,
    "folds": 0,
    "model": "small",
    "per_group": 50,
}


def plan(**changes) -> bios_gender_harm.TextArms:
    return bios_gender_harm.plan(SimpleNamespace(**STUDY | changes))


def test_the_name_changes_with_every_setting():
    assert set(OTHER) == {f.name for f in fields(TextSettings)}
    large = replace(UNIT, settings=replace(UNIT.settings, model="bert"))
    changed = [
        replace(u, settings=replace(u.settings, **{name: value}))
        for name, value in OTHER.items()
        for u in [large if name == "data" else UNIT]
    ]
    changed += [large, replace(UNIT, members=("surgeon:F",)), replace(UNIT, ratio=0.1), replace(UNIT, fold=0)]
    assert len({u.key for u in changed} | {UNIT.key}) == len(changed) + 1
    assert all(":" not in u.name for u in changed)


def test_a_unit_survives_json():
    assert read_unit(UNIT.to_json()) == UNIT
    for unit in wanted.quick_runs()[0].units[:1]:
        assert read_unit(unit.to_json()) == unit


def test_unknown_words_are_refused():
    for change, message in (
        ({"pooling": "max"}, "pooling='max' is unknown"),
        ({"method": "supervised_simcse", "weighting": "groups"}, "has no weights"),
        ({"data": "bios"}, "knows the words of the generated texts alone"),
    ):
        with pytest.raises(ValueError, match=message):
            TextSettings(**change)
    for change, message in (
        ({"treated": "surgeon:X"}, "'surgeon:X' is unknown"),
        ({"treated": ""}, "treated='': name at least 1"),
        ({"others": "magic"}, "'magic' is unknown"),
        ({"data": "bios_subset", "model": "minilm"}, "'no cue' needs generated texts"),
    ):
        with pytest.raises(ValueError, match=message):
            plan(**change)


def test_arms_share_what_they_can():
    arms = plan()
    assert [len(arms.balanced), len(arms.under), len(arms.mild), len(arms.null)] == [3, 3, 3, 3]
    assert arms.others["groups"][0] == arms.balanced and arms.others["scrubbed"][0] != arms.balanced
    assert len({u.name for u in arms.units}) == len(arms.units)
    bases = {u.base.name for u in arms.units if u.base}
    assert bases < {u.name for u in arms.units}
    assert arms.base[0][0].name in bases and len(bases) == 3, "plain, scrubbed and without cues"


def test_each_seed_holds_out_a_fold():
    arms = plan(data="bios_subset", model="minilm", folds=5, seed=3, seeds=6, others="groups")
    assert [(u[0].seed, u[0].fold) for u in arms.balanced] == [(3, 3), (4, 4), (5, 0), (6, 1), (7, 2), (8, 3)]
    assert [u[0].fold for u in arms.null] == [u[0].fold for u in arms.balanced] and len(arms.under[0]) == 2
    assert [u[0].fold for u in arms.base] == [3, 4, 0, 1, 2]
    assert all(u.base is None for u in arms.units)


def test_a_base_is_a_job_of_its_own_before_the_others():
    made = jobs.together(plan().units)
    assert all(len(job) == 1 for job in made if job[0].settings.method == "pretrained")
    later = [job for job in made if job[0].settings.method != "pretrained"]
    assert all(wanted.bases(job) for job in later) and len(later) < sum(len(job) for job in later)
