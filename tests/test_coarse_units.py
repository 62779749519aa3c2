"""lib.encoders.coarse_settings: what names an encoder trained on coarse labels, and its place in the graph."""

import json
from dataclasses import fields, replace

import imports
import pytest

from lib import records
from lib.book import cost, data_sets, jobs
from lib.encoders import coarse_settings
from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.settings import Settings, Unit
from lib.encoders.units import read_unit

UNIT = CoarseUnit(CoarseSettings(data="digits_coarse", net="convnet", epochs=10), 3)
OTHER = {  # for each setting a value that is not the default
    "data": "mnist_coarse",
    "images_per_stratum": 7,
    "resample": True,
    "loss": "attract",
    "alpha": 0.25,
    "temperature": 0.2,
    "one_view": True,
    "clamp": True,
    "joint": False,
    "net": "mlp",
    "pretrained": True,
    "epochs": 1,
    "batch_size": 64,
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "period": 0,
    "validation": 0.0,
    "augment": "digits",
    "precision": "bfloat16",
}
NEEDS = {"resample": {"data": "cifar100_coarse_u"}, "pretrained": {"net": "resnet18"}}


def test_the_name_changes_with_every_setting():
    assert set(OTHER) == {f.name for f in fields(CoarseSettings)}
    made = [UNIT, replace(UNIT, seed=4)]
    for name, value in OTHER.items():
        plain = replace(UNIT.settings, **NEEDS.get(name, {}))
        made += [replace(UNIT, settings=s) for s in (plain, replace(plain, **{name: value}))]
    names = {u.name for u in made}
    assert len(names) == len({u.key for u in made}) == 2 + len(OTHER) + len(NEEDS)


def test_a_unit_survives_json():
    assert read_unit(UNIT.to_json()) == UNIT and json.loads(UNIT.to_json())["trainer"] == "lib.encoders.coarse"
    with pytest.raises(TypeError, match="epoch"):
        read_unit(UNIT.to_json().replace('"epochs"', '"epoch"'))


def test_the_method_is_said_in_words():
    s = CoarseSettings(alpha=0.25)
    assert s.method == "spread0.25" and replace(s, loss="attract").method == "attract"
    assert replace(s, loss="sup_con", one_view=True, clamp=True, joint=False).method == "sup_con_one_view_clamp_alone"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"data": "cifar11"}, "data='cifar11' is unknown; known are digits_coarse"),
        ({"loss": "triplet"}, "loss='triplet' is unknown"),
        ({"net": "resnet101"}, "net='resnet101' is unknown"),
        ({"alpha": 1.5}, r"alpha=1.5 is out of range; it must be in \[0, 1\]"),
        ({"alpha": float("nan")}, "alpha=nan is out of range"),
        ({"temperature": 0}, "temperature=0 is out of range; it must be above 0"),
        ({"validation": 1.0}, r"validation=1.0 is out of range; it must be in \[0, 1\)"),
        ({"images_per_stratum": -1}, "images_per_stratum=-1 is out of range"),
        ({"batch_size": 1}, "batch_size=1 is out of range"),
        ({"joint": False, "loss": "cross_entropy"}, "leaves out the head"),
        ({"resample": True}, "data='cifar10_coarse' is not subsampled"),
        ({"pretrained": True, "net": "resnet_small"}, "has no ImageNet weights"),
    ],
)
def test_what_contradicts_itself_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CoarseSettings(**change)


def test_small_units_share_a_job_with_their_own_kind_alone():
    other = Unit(Settings(data="digits", net="convnet", pretrained=False, epochs=10), ("",), 1.0, 0)
    units = [CoarseUnit(replace(UNIT.settings, data="digits"), seed) for seed in range(4)]
    found = jobs.together([*units[:2], other, *units[2:]])
    assert units in found and [other] in found
    large = replace(UNIT, settings=CoarseSettings())
    assert jobs.together([large, replace(large, seed=1)]) == [[large], [replace(large, seed=1)]]


def test_cost_grows_with_images_and_epochs():
    s = CoarseSettings(data="cifar10_coarse", net="resnet_small", images_per_stratum=500, epochs=10, validation=0.0)
    short, long = (cost.estimate([[CoarseUnit(replace(s, epochs=e), 0)]], 1, False)[0] for e in (10, 20))
    few = cost.estimate([[CoarseUnit(replace(s, images_per_stratum=250), 0)]], 1, False)[0]
    assert long - cost.START_SECONDS == pytest.approx(2 * (short - cost.START_SECONDS))
    assert few - cost.START_SECONDS == pytest.approx((short - cost.START_SECONDS) / 2)
    assert "1 encoder(s) to train in 1 job(s)" in cost.Work([], [[CoarseUnit(s, 0)]]).described()
    for net in coarse_settings.NETS:
        assert net in cost.CPU_SECONDS and net in cost.GPU_SECONDS and net in cost.DISK_MIB
    more = CoarseUnit(CoarseSettings(data="cifar100_coarse_u"), 0)
    assert "cifar100_coarse_u is downloaded" in cost.Work([], [[more]]).described()


def test_planning_needs_no_torch():
    for name in ("lib.encoders.units", "lib.book.jobs", "lib.studies.shared.arms"):
        assert "torch" not in imports.at_import(name), name
    assert "torch" in imports.at_import("lib.encoders.coarse")


def test_training_needs_no_chart_and_no_graph():
    walls = ("lib.figures", "lib.study", "lib.studies", "lib.book")
    assert not [name for name in imports.anywhere("lib.encoders.coarse") if name.startswith(walls)]


def test_the_graph_describes_a_coarse_set(tmp_path, monkeypatch):
    monkeypatch.delenv(records.OWNER, raising=False)
    about = data_sets.about("digits_coarse")
    assert about["train"]["samples"] == 1197 and about["test"]["samples"] == 600
    assert about["classes"] == ("0 to 4", "5 to 9")
    assert about["train"]["sha256"] != data_sets.about("digits")["train"]["sha256"]
