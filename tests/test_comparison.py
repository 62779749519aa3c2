"""lib.studies.methods_and_mitigations: numbers by hand, and which encoders each label of the plan reads."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from lib import study
from lib.encoders.further_settings import REMEDIES, MaskedUnit
from lib.encoders.settings import Settings
from lib.figures import methods_and_mitigations as figures
from lib.studies import methods_and_mitigations as comparison
from lib.studies.plans import methods_and_mitigations as plans
from lib.studies.plans.methods_and_mitigations import CLAMP, EQUAL_STEPS, LABEL, Comparison
from lib.studies.shared import measured as measuring
from lib.studies.shared import similarity
from lib.studies.shared.evidence import Evidence, embedded
from lib.studies.shared.measured import Measured
from lib.study import report
from lib.study.key import plan as plan_of

NAME = "methods_and_mitigations"


def plan(**change) -> Comparison:
    return plans.plan(SimpleNamespace(**study.complete(NAME, change)))


def measured() -> Measured:
    rh = torch.tensor([[[1.1, 0.8, 0.9, 1.0], [1.0, 0.95, 0.6, 0.9]]], dtype=torch.float64)  # classes 0 and 2 of four
    nie = torch.tensor([[[-0.2, 0.1, 0.1, 0.0], [0.0, 0.1, -0.4, 0.3]]], dtype=torch.float64)
    return Measured(rh, nie, (0, 2), accuracy_under=torch.tensor([[0.9, 0.7]]))


def test_measures_by_hand():
    m, pairs = measured(), [(0, 1), (1, 0), (2, 3), (3, 2)]  # rows of classes that were not undersampled do not count
    found = {name: float(value) for name, value in m.quantities(pairs).items()}
    assert found["RH, look-alikes"] == float(m.paired_rh(pairs)) == pytest.approx((0.8 + 0.9) / 2)
    assert found["RH, look-alikes minus others"] == pytest.approx((0.8 - 0.95 + 0.9 - 0.975) / 2)
    assert found["RH, diagonal"] == pytest.approx((1.1 + 0.6) / 2) and found["NIE, recall"] == pytest.approx(-0.3)
    assert m.nie_diagonal().tolist() == [[-0.2, -0.4]]
    assert m.off_diagonal().tolist() == [[0.8, 0.9, 1.0, 1.0, 0.95, 0.9]]


def test_measure_takes_the_rows_of_the_classes_that_count():
    """Three blobs; under the encoder with class 2 undersampled its features lie on class 0's."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 3
    balanced = torch.eye(4, dtype=torch.float64)[y] + 0.2 * torch.randn(1, 120, 4, generator=g, dtype=torch.float64)
    moved = torch.eye(4, dtype=torch.float64)[torch.where(y == 2, 0, y)]
    under = torch.stack([balanced[0], moved + 0.2 * torch.randn(120, 4, generator=g, dtype=torch.float64)])[None]
    settings = Settings("digits", epochs=20, batch_size=16, pretrained=False)

    def seen(settings: Settings) -> Evidence:
        unit = SimpleNamespace(members=("b", "c"), settings=settings)
        record = {"seconds": 12.0, "samples": [90, 85]}
        row = [replace(embedded(z, y), unit=unit, record=record) for z in under[0]]
        whole = replace(embedded(balanced[0], y), record={"samples": [120]})
        return Evidence(("a", "b", "c"), (1, 2), y, [whole], [row])

    m = measuring.measure(seen(settings), ("c",))
    assert m.rh.shape == m.nie.shape == (1, 1, 3) and m.treated == (2,) and m.seconds == 6.0
    assert m.steps == 20 * 5
    over = seen(replace(settings, weighting="oversample"))
    assert measuring.measure(over, ("c",)).steps == 20 * 7, "steps of all 120 images"
    assert float(m.rh[0, 0, 0]) < 0.3 and float(m.rh[0, 0, 1]) == pytest.approx(1, abs=0.1)
    assert float(m.nie_diagonal()) < -0.2 and float(m.accuracy) > 0.95 > float(m.accuracy_under)


def test_similarity_pairs_each_cell_with_its_cosine():
    """Classes at 0, 45 and 90 degrees, two images each, 10 degrees off; class b moves onto class a."""

    def at(*centres: float) -> torch.Tensor:
        angles = torch.deg2rad(
            torch.tensor(centres, dtype=torch.float64).repeat_interleave(2) + torch.tensor([10, -10] * 3)
        )
        return torch.stack([angles.cos(), angles.sin()], 1)[None]

    y = torch.tensor([0, 0, 1, 1, 2, 2])
    balanced, under = (embedded(at(*centres)[0], y) for centres in ((0, 45, 90), (0, 0, 90)))
    seen = Evidence(("a", "b", "c"), (0,), y, [balanced], [[under]])
    (cosine,), (pull,) = comparison.similarity(seen)
    near = math.cos(math.radians(10)) ** 2
    assert cosine.tolist() == pytest.approx([near * 2**-0.5, 0.0])
    assert pull.tolist() == pytest.approx([1 - (1 - near) / (1 - near * 2**-0.5), 0.0])


def test_matrices_of_effects_stand_beside_the_printed_ones():
    """A column an effect with its own scale; of a method that did not run nothing is drawn."""
    cells = pd.DataFrame([("3", "8", 0.5, 0.1, 0.9)], columns=["row", "column", "value", "low", "high"])
    run = SimpleNamespace(recorded=[], face=lambda: "digits")
    chart, frame = figures.effects(run, {"TE": {"bcl": cells}, "NIE": {"bcl": cells}}, tuple("0123456789"))
    for effect in ("TE", "NIE"):
        printed = pd.read_csv(report.REPORTED / f"bcl_1pct_{effect}.csv", index_col=0).stack()
        drawn = frame[(frame.effect == effect) & (frame.panel == f"paper: {effect} of BCL, CIFAR-10, 1 %")]
        assert drawn.set_index(["row", "column"]).value.to_dict() == printed.to_dict()
    assert list(dict.fromkeys(frame.panel))[1::2] == [f"this run: {e} of BCL, digits" for e in ("TE", "NIE")]
    ends = [c["concat"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"][1] for c in chart.to_dict()["hconcat"]]
    assert ends == pytest.approx([report.matrix("bcl_1pct", "TE").value.abs().max(), 0.5])


def test_effects_by_hand():
    plain, m, pairs = measured(), measured(), [(0, 1), (2, 3)]
    m = replace(m, rh=m.rh + 0.1, nie=m.nie / 2)
    found = comparison.effects({"simclr": plain, "simclr_groups": m, "bcl": m}, pairs)
    wanted = {"harms-9a": 0.95, "harms-9b": 1.0, "harms-9c": 0.1, "harms-14a": 0.1, "harms-14b": -0.15 + 0.225}
    assert {claim: float(value) for claim, value in found.items()} == pytest.approx(wanted)


def test_every_label_of_the_plan_reads_its_own_encoders():
    made = plan()
    methods = ["simclr", "simsiam", "bcl", "vicreg", "barlow_twins", "supervised", "mae"]
    weightings = [f"simclr_{w}" for w in ("groups", "anchors", "clusters", "oversample")]
    remedies = [f"simclr_{w}" for w in REMEDIES]
    controls = [EQUAL_STEPS, CLAMP, "simclr, 60 images a class"]
    assert list(made.arms) == [*methods, *weightings, *remedies, *controls, LABEL]
    settings = {label: arms.under[0][0].settings for label, arms in made.arms.items()}
    assert [settings[m].method for m in methods] == methods
    assert [settings[w].weighting for w in weightings] == ["groups", "anchors", "clusters", "oversample"]
    assert settings[EQUAL_STEPS].equal_steps and settings[CLAMP].clamp and not settings["simclr"].clamp
    assert settings["simclr, 60 images a class"].images_per_class == 60
    shared = made.arms["simclr"].balanced
    assert all(made.arms[label].balanced == shared for label in (*weightings, *remedies, EQUAL_STEPS))
    assert len({u.name for u in made.units}) == len(made.units)


def test_matched_methods_differ_in_the_method_and_its_learning_rate_alone():
    made = plan()
    base = vars(made.arms["simclr"].balanced[0][0].settings)
    for method in ("simsiam", "bcl", "vicreg", "barlow_twins", "supervised"):
        mine = vars(made.arms[method].balanced[0][0].settings)
        assert {k for k in base if mine[k] != base[k]} <= {"method", "learning_rate"}


def test_autoencoders_share_what_a_method_can_share():
    made = plan(learning_rates="mae=0.007")
    mine, plain = made.arms["mae"], made.arms["simclr"]
    units = [unit for arm in (mine.balanced, mine.under, mine.untrained) for seed in arm for unit in seed]
    assert all(isinstance(unit, MaskedUnit) for unit in units) and len(units) == 9 and not mine.reference
    a, b = units[0].settings, plain.balanced[0][0].settings
    shared = ("data", "epochs", "batch_size", "final_learning_rate", "weight_decay", "augment", "precision", "samples")
    assert [getattr(a, name) for name in shared] == [getattr(b, name) for name in shared]
    assert a.learning_rate == 0.007 and not a.squared_learning_rate and a.net == "mae_small"
    assert {unit.settings.method for seed in mine.untrained for unit in seed} == {"untrained"}
    assert [(u.members, u.ratio, u.seed) for (u,) in mine.under] == [(("3",), 0.05, seed) for seed in range(3)]


def test_a_remedy_is_plain_training_of_the_first_undersampled_classes_but_for_one_setting():
    made = plan(learning_rates="simclr=0.2,simclr_twin=0.3")
    for remedy in REMEDIES:
        units = [unit for seed in made.arms[f"simclr_{remedy}"].under for unit in seed]
        assert [(u.members, u.ratio, u.seed) for u in units] == [(("3",), 0.05, seed) for seed in range(3)]
        a, b = (vars(u.settings) for u in (units[0], made.arms["simclr"].balanced[0][0]))
        assert {name for name in b if a[name] != b[name]} == {"weighting", "learning_rate"} and a["weighting"] == remedy
        assert a["learning_rate"] == (0.3 if remedy == "twin" else 0.1)
    every = plan(further_classes=0)
    assert every.arms["simclr_twin"].treated == every.arms["mae"].treated == ("3", "8")


def test_the_chosen_epoch_is_of_simsiams_own_training():
    made = plan(look_every=4, learning_rates="simsiam=0.7")
    mine, plain = made.arms[LABEL], made.arms["simsiam"]
    assert [(u.members, u.ratio, u.seed) for (u,) in mine.under] == [(("3",), 0.05, seed) for seed in range(3)]
    assert [u.seed for (u,) in mine.balanced] == [u.seed for (u,) in plain.balanced] and not mine.untrained
    units = [unit for arm in (mine.balanced, mine.under) for seed in arm for unit in seed]
    settings = vars(plain.balanced[0][0].settings)
    assert (
        all(vars(unit.settings) == settings | {"look_every": 4} for unit in units) and settings["learning_rate"] == 0.7
    )
    assert plans.kind(LABEL) == "choice"
    assert LABEL not in plan(look_every=0).arms and LABEL not in plan(methods="simclr,bcl").arms


def test_a_gain_is_on_plain_training_of_the_same_classes():
    plain = measured()
    helped = Measured(plain.rh[:, 1:] + 0.1, plain.nie[:, 1:] / 2, (2,), accuracy_under=torch.tensor([[0.75]]))
    found = measuring.gains({"simclr_twin": helped}, [(0, 1), (2, 3)], plain)["simclr_twin"]
    wanted = {"RH, look-alikes": 0.1, "recall of the rare class": 0.2, "balanced accuracy": 0.05}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(wanted)
    claims = comparison.effects({"simclr": plain, "simclr_twin": helped}, [(0, 1), (2, 3)])
    assert {c: float(v) for c, v in claims.items()} == pytest.approx({"remedy-twin": 0.1, "remedy-twin-recall": 0.2})


def test_the_frontier_is_what_no_other_beats():
    g = torch.Generator().manual_seed(0)
    points = {str(i): tuple(p) for i, p in enumerate(torch.randint(0, 6, (30, 2), generator=g).tolist())}
    wanted = [
        a
        for a, (x, y) in points.items()
        if not any((u > x and v >= y) or (u >= x and v > y) for u, v in points.values())
    ]
    assert measuring.frontier(points) == wanted and 0 < len(wanted) < 30


def test_published_settings_are_those_of_the_public_code():
    only = {"mitigations": "", "equal_steps": False, "sizes": "", "undersampled": "all"}
    made = plan(data="cifar10", published=True, methods="simclr,simsiam,bcl", **only)
    s = {label: arms.balanced[0][0].settings for label, arms in made.arms.items() if "," not in label}
    assert (s["simclr"].net, s["simsiam"].net, s["bcl"].net) == ("resnet34", "resnet18", "resnet18")
    assert (s["simclr"].temperature, s["bcl"].temperature, s["bcl"].epochs) == (0.5, 0.2, 300)
    assert s["simsiam"].feature == "projection" and s["simsiam"].head_out == 2048 and not s["simsiam"].pretrained
    assert s["simclr"].clamp and not s["bcl"].clamp and s["bcl"].warmup_epochs == 10


def test_small_nets_share_the_other_studies_encoders():
    first = {u.name for u in plan_of("cifar10_undersampling", study.complete("cifar10_undersampling", {})).units}
    alone = {"second_augment": study.complete("mediation", {})["augment"]}
    assert {u.name for u in plan_of("mediation", study.complete("mediation", alone)).units} <= first
    simclr = plan().arms["simclr"]
    assert {u.name for seed in (*simclr.balanced, *simclr.under) for u in seed} <= first


@pytest.mark.parametrize(
    "change, message",
    [
        ({"methods": "simsiam,simclr"}, "must begin with simclr"),
        ({"methods": "simclr,moco"}, "methods='simclr,moco': 'moco' is unknown; there are simclr, simsiam"),
        ({"mitigations": "prayer"}, "'prayer' is unknown; there are groups, anchors"),
        ({"learning_rates": "simclr:0.1"}, "write label=rate, as simclr=0.1"),
        ({"published": True}, "published=True: 'vicreg' has no public code; there are simclr, simsiam, bcl"),
        ({"start_control": True}, "net 'convnet' has no ImageNet weights"),
        ({"imagenet_similarity": True}, r"=True: .*checkpoints/resnet18-f37072fd.pth is missing; .* get them by 'curl"),
        ({"look_every": 3}, "look_every=3 does not divide epochs=20"),
        ({"undersampled": "12"}, "undersampled='12': '12' is unknown"),
    ],
)
def test_what_cannot_be_planned_is_refused(change, message, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(study.ParameterError, match=message):
        study.complete(NAME, change)


def test_gradients_see_edges_and_not_brightness():
    """Stripes across, the same ones darker, and stripes along: the first two are one, the third is another."""
    across = (torch.arange(16) // 2 % 2 * 200).to(torch.uint8).expand(1, 16, 16)
    x = torch.stack([across, across // 2, across.mT])
    z = torch.nn.functional.normalize(similarity.gradients(x), dim=1)
    assert z.shape == (3, 9 * 4 * 9)  # 3 x 3 blocks of 2 x 2 cells
    assert float(z[0] @ z[1]) == pytest.approx(1, abs=1e-6) and float(z[0] @ z[2]) < 0.1


def test_similarity_from_outside_orders_the_cells_of_each_row_alone():
    """Row a falls with its cosine in every seed, row b rises; a shift between the rows changes nothing."""
    cosines = torch.tensor([[1.0, 0.9, 0.5, 0.1], [0.9, 1.0, 0.2, 0.3], [0.5, 0.2, 1.0, 0.4], [0.1, 0.3, 0.4, 1.0]])
    rh = torch.ones(2, 2, 4)
    rh[:, 0] = 1 - cosines[0]
    rh[:, 1] = 5 + cosines[1]
    assert similarity.in_rows(cosines, rh, (0, 1)).round().tolist() == [[1, -1], [1, -1]]
    each = torch.stack([cosines, -cosines])
    assert similarity.in_rows(each, rh, (0, 1)).round().tolist() == [[1, -1], [-1, 1]]


def test_classes_that_look_alike_are_found_by_every_measure_from_outside():
    """Two classes of stripes along, one across; the net untrained is a random projection of the pixels."""
    g = torch.Generator().manual_seed(0)
    across = (torch.arange(16) // 2 % 2 * 100.0).expand(16, 16)
    pure = torch.stack([across, across.roll(1, 1), across.mT])
    y = torch.arange(3).repeat_interleave(20)
    x = (pure[y] + 40 * torch.rand(60, 16, 16, generator=g)).to(torch.uint8)[:, None]
    z = x.flatten(1).double() @ torch.randn(256, 64, generator=g, dtype=torch.float64)
    seen = Evidence(("a", "b", "c"), (0,), y, [embedded(z, y)], [], untrained=[embedded(z, y), embedded(z, y)])
    found = similarity.outside(seen, x)
    assert list(found) == ["raw pixels", "oriented gradients", "net untrained"]
    assert torch.allclose(found["net untrained"], seen.cosines("balanced")[0])
    assert float(found["oriented gradients"][0, 1]) > float(found["oriented gradients"][0, 2]) + 0.2
    pixels = torch.nn.functional.normalize(x.flatten(1).double(), dim=1)
    wanted = (pixels[y == 0] @ pixels[y == 2].mT).mean()
    assert torch.allclose(found["raw pixels"][0, 2], wanted)


class Means(torch.nn.Module):
    """In place of a net of ImageNet: the mean of every channel, (n, 3); it counts what it sees."""

    seen = 0

    def forward(self, x):
        assert x.shape[1:] == (3, 224, 224) and x.dtype == torch.float32 and not self.training
        assert not torch.is_grad_enabled()
        self.seen += len(x)
        return x.mean((2, 3))


@pytest.fixture
def means(monkeypatch):
    net = Means()
    monkeypatch.setattr(similarity, "weights", lambda: None)
    monkeypatch.setattr(similarity.nets, "of_square", lambda name, channels, side, pretrained: (net, 3))
    return net


def test_a_net_of_imagenet_sees_standardised_images_of_its_size(means):
    """Even images of three colours, and grey ones: resizing keeps them, so that the mean is the formula's."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    colours = torch.tensor([[255, 0, 0], [10, 200, 30], [90, 90, 90]], dtype=torch.uint8)
    wanted = ((colours / 255 - mean) / deviation).double()
    assert torch.allclose(similarity.imagenet_features(colours[:, :, None, None].expand(3, 3, 32, 32)), wanted)
    grey = colours[2:, :1, None, None].expand(120, 1, 8, 8)  # more than a batch
    assert torch.allclose(similarity.imagenet_features(grey), wanted[2:].expand(120, 3)) and means.seen == 123


def test_similarity_by_imagenet_is_taken_and_judged_where_it_is_asked_for_alone(means, monkeypatch):
    """Class a is rare and orange: b is nearest in colour, then c, then d, and a moved towards them in this order."""
    colours = torch.tensor([[250, 120, 0], [250, 160, 0], [150, 200, 0], [0, 0, 250]], dtype=torch.uint8)
    g, y = torch.Generator().manual_seed(0), torch.arange(4).repeat_interleave(9)
    x = colours[y][:, :, None, None].repeat(1, 1, 8, 8)
    x[..., 4:] += 5  # an edge, which gradients need
    z = torch.eye(4, dtype=torch.float64)[y] + 0.1 * torch.randn(3, 36, 4, generator=g, dtype=torch.float64)
    moved = z + (y == 0)[:, None] * torch.tensor([0.0, 0.9, 0.5, 0.1])
    balanced = [embedded(each, y) for each in z]
    under = [[embedded(each, y)] for each in moved]
    seen = Evidence(("a", "b", "c", "d"), (0,), y, balanced, under, untrained=balanced)
    monkeypatch.setattr(comparison.pretrain, "images_of", lambda settings, split: SimpleNamespace(x=x))
    arms = SimpleNamespace(balanced=[[SimpleNamespace(settings=None)]])
    found, none_cut = comparison.from_outside(arms, seen, True)
    assert found["net of ImageNet"].flatten().tolist() == pytest.approx([1, 1, 1])
    assert "similarity-imagenet" in none_cut
    without = [set(each) for each in comparison.from_outside(arms, seen)]
    assert without == [set(found) - {"net of ImageNet"}, set(none_cut) - {"similarity-imagenet"}]
    assert means.seen == 36, "once"


def test_damaged_imagenet_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/resnet18-f37072fd.pth").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"resnet18-f37072fd.pth is damaged; expected torchvision's ImageNet weights"):
        similarity.weights()


def test_methods_are_called_as_their_authors_spell_them():
    said = {"simclr": "SimCLR", "barlow_twins": "Barlow Twins", "supervised": "supervised"}
    said |= {"simclr_surgery_clusters": "SimCLR + surgery clusters", "simsiam, chosen epoch": "SimSiam, chosen epoch"}
    assert {label: figures.called(label) for label in said} == said
