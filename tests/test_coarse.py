"""lib.encoders.coarse: training on coarse labels, against losses written out and torch's own parts."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from lib import records
from lib.encoders import checkpoints, coarse
from lib.encoders import store as stored
from lib.encoders.coarse_settings import LOSSES, CoarseSettings, CoarseUnit
from lib.encoders.training import Conditions, Keeper, TrainingError
from lib.images import augment, coarse_labels

S = CoarseSettings(
    data="digits_coarse",
    images_per_stratum=16,
    net="mlp",
    epochs=3,
    batch_size=48,
    learning_rate=0.003,
    period=3,
    augment="digits",
)
UNIT = CoarseUnit(S, 5)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Encoders of a test lie in its own folder, and it belongs to no build."""
    monkeypatch.setattr(stored, "STORE", tmp_path / "encoders")
    monkeypatch.delenv(records.OWNER, raising=False)


@pytest.fixture(scope="module")
def data():
    return coarse_labels.load(S, "train")


def fit(data, settings=S, seed=0, **more):
    task = {name: more.pop(name) for name in ("report", "keeper") if name in more}
    return coarse.train(settings, data, Conditions(seed, settings.epochs, **task), coarse.Changes(**more))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def by_loops(loss: str, z1, z2, y, t: float, alpha: float, one_view: bool, clamp: bool) -> float:
    """The losses of the paper's section 3.2, anchor by anchor."""
    z1, z2, n = F.normalize(z1, dim=1), F.normalize(z2, dim=1), len(y)
    anchors = range(n) if one_view else range(2 * n)
    views = z2 if one_view else torch.cat([z1, z2])
    total = 0.0
    for i in anchors:
        sigma = [float(z1[i] @ v / t) if one_view else float(views[i] @ v / t) for v in views]
        others = [j for j in range(len(views)) if one_view or j != i]
        own = i if one_view else (i + n) % (2 * n)
        label = y if one_view else y.repeat(2)
        positives = [j for j in others if (j == own if loss == "simclr" else label[j] == label[i])]
        negatives = [j for j in others if j not in positives]
        top = (lambda s: min(s, 1.0)) if clamp else (lambda s: s)

        def attract(p, top=top, sigma=sigma, negatives=negatives):
            inside = math.exp(sigma[p]) + sum(math.exp(sigma[a]) for a in negatives)
            return math.log(inside) - top(sigma[p])

        if loss in ("simclr", "sup_con"):
            whole = math.log(sum(math.exp(sigma[a]) for a in others))
            total += sum(whole - top(sigma[p]) for p in positives) / len(positives)
        else:
            pull = sum(attract(p) for p in positives) / len(positives)
            push = math.log(sum(math.exp(sigma[p]) for p in positives)) - sigma[own]
            total += pull if loss == "attract" else alpha * pull + (1 - alpha) * push
    return total / len(anchors)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross_entropy"])
@pytest.mark.parametrize("one_view", [False, True])
@pytest.mark.parametrize("clamp", [False, True])
def test_losses_anchor_by_anchor(loss, one_view, clamp):
    generator = torch.Generator().manual_seed(1)
    z1 = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    z2, y = z1 + 0.3 * torch.randn(7, 3, generator=generator, dtype=torch.float64), torch.tensor([0, 1, 0, 2, 1, 0, 1])
    s = replace(S, loss=loss, alpha=0.3, temperature=0.4, one_view=one_view, clamp=clamp)
    wanted = by_loops(loss, z1, z2, y, 0.4, 0.3, one_view, clamp)
    assert float(coarse.contrastive(s, z1, z2, y)) == pytest.approx(wanted, rel=1e-10)


def test_the_rate_is_torchs_cosine_without_a_restart():
    s = CoarseSettings()
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], s.learning_rate)
    schedule = CosineAnnealingLR(sgd, T_max=100)
    for epoch in range(350):
        assert coarse.rate_in(s, epoch) == pytest.approx(sgd.param_groups[0]["lr"], abs=1e-9)
        sgd.step()
        schedule.step()
    assert coarse.rate_in(s, 200) == s.learning_rate and coarse.rate_in(s, 100) == 0
    assert coarse.rate_in(replace(s, period=0), 77) == s.learning_rate


def test_policies_of_the_released_code():
    policy = coarse.POLICIES["spread"]
    assert (policy.scale, policy.flip, policy.jitter, policy.jitter_p) == ((0.2, 1.0), 0.5, (0.4, 0.4, 0.4, 0.1), 0.8)
    assert policy.grey_p == 0.2 and coarse.POLICIES["spread_mnist"] == replace(policy, grey_p=0.0)
    x = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    plain = augment.view(x, coarse.POLICIES["none"], torch.Generator().manual_seed(0))
    assert torch.allclose(plain, x / 255, atol=1e-6)


def test_one_step_is_adamw_on_cross_entropy_plus_the_contrastive_loss(data):
    """One epoch of one batch without augmentation, against the step written out with torch's parts."""
    s = replace(S, epochs=1, batch_size=int((~data.held_out).sum()), augment="none", loss="attract", validation=0.0)
    seen = data.take(~data.held_out)
    encoder, history = fit(seen, s, seed=4)
    torch.manual_seed(4)
    start = coarse.CoarseEncoder(s, seen)
    x = seen.x / 255
    assert torch.allclose(start.mean.flatten(), x.mean()[None]) and torch.allclose(start.std.flatten(), x.std()[None])
    z, logits = start(x)
    z = F.normalize(z, dim=1)
    e, eye = (z @ z.T / s.temperature).exp(), torch.eye(len(z), dtype=torch.bool)
    alike = seen.y[:, None] == seen.y
    negatives = 2 * (e * ~alike).sum(1, keepdim=True)
    pull = -(e / (e + negatives)).log()  # both views are the same image: a pair comes twice, the own view once
    weight = alike * torch.where(eye, 1.0, 2.0)
    loss = F.cross_entropy(logits, seen.y) + (pull * weight).sum(1).div(weight.sum(1)).mean()
    assert history[0] == pytest.approx(float(loss.detach()), rel=1e-4)
    adam = torch.optim.AdamW(start.parameters(), s.learning_rate, weight_decay=s.weight_decay)
    loss.backward()
    adam.step()
    for a, b in zip(encoder.parameters(), start.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4)  # Adam's first step has the size of the rate, 0.003
        assert float((a - b).detach().abs().mean()) < 1e-5


def test_training_is_the_same_again_and_lowers_the_loss(data):
    (a, first), (b, second) = fit(data, replace(S, net="vit_small")), fit(data, replace(S, net="vit_small"))
    assert first == second and first[-1] < first[0] and same(a, b)
    assert fit(data, seed=1)[1] != fit(data, seed=0)[1]


def test_every_way_to_train_has_its_own_loss(data):
    ways = [replace(S, loss=loss) for loss in LOSSES]
    ways += [replace(S, alpha=0.2), replace(S, one_view=True), replace(S, clamp=True), replace(S, joint=False)]
    found = [fit(data, replace(way, epochs=1))[1][0] for way in ways]
    assert len({round(loss, 5) for loss in found}) == len(ways)


def test_without_a_head_the_head_stays_as_it_was_but_for_decay(data):
    torch.manual_seed(0)
    start = coarse.CoarseEncoder(S, data).head.weight.detach()
    encoder, _ = fit(data, replace(S, joint=False, weight_decay=0.0))
    assert torch.equal(encoder.head.weight, start)


class Killed(Exception):
    pass


class Counting(nn.Module):
    """A group-weighted mean that remembers: what it did before counts, as in group DRO."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, each, groups):
        self.seen += torch.bincount(groups, minlength=2)
        return (each * (1 + self.seen[groups] / self.seen.sum())).mean()


@pytest.mark.parametrize("robust", [False, True])
def test_a_killed_training_goes_on(data, tmp_path, robust):
    def more():
        return {"groups": data.stratum % 2, "robust": Counting()} if robust else {}

    def kill(epoch, _):
        if epoch == 2:
            raise Killed

    s, keeper, seen = replace(S, net="mlp" if robust else "vit_small"), Keeper(tmp_path / "a.safetensors", "a", 0), []
    with pytest.raises(Killed):
        fit(data, s, keeper=keeper, report=kill, **more())
    resumed, history = fit(data, s, keeper=keeper, report=lambda epoch, _: seen.append(epoch), **more())
    whole, expected = fit(data, s, **more())
    assert seen == [3] and history == expected and same(resumed, whole)
    with pytest.raises(checkpoints.CheckpointError):
        fit(data, s, keeper=replace(keeper, owner="another"), **more())


def test_the_best_epoch_is_kept(data):
    scores, states = [], []

    def watch(epoch, encoder):
        assert epoch == len(scores) + 1 and encoder.training
        scores.append(coarse.accuracy(encoder, data.take(data.held_out)))
        states.append({k: v.clone() for k, v in encoder.state_dict().items()})

    s = replace(S, epochs=8, learning_rate=0.1, period=0)
    found, _ = fit(data, s, watch=watch)
    best = scores.index(max(scores))
    assert best != 7, "the last epoch would be kept anyway; take another seed"
    assert all(torch.equal(v, states[best][k]) for k, v in found.state_dict().items())
    states.clear(), scores.clear()
    seen = data.take(~data.held_out)
    found, _ = fit(seen, s, watch=lambda _, e: states.append({k: v.clone() for k, v in e.state_dict().items()}))
    assert all(torch.equal(v, states[-1][k]) for k, v in found.state_dict().items())


def test_what_is_held_out_is_not_trained_on(data):
    other = data.x.clone()
    other[data.held_out] = 255 - other[data.held_out]
    changed = replace(data, x=other)
    seen = []
    fit(data, watch=lambda _, e: seen.append(e.net[1].weight.detach().clone()))
    fit(changed, watch=lambda _, e: seen.append(e.net[1].weight.detach().clone()))
    assert torch.equal(seen[2], seen[5])


def test_noisy_labels_reach_the_contrastive_loss_alone(data):
    flipped = 1 - data.y
    assert (
        fit(data, replace(S, loss="cross_entropy"), noisy=flipped)[1] == fit(data, replace(S, loss="cross_entropy"))[1]
    )
    noisy = torch.where(torch.arange(len(data)) % 3 == 0, flipped, data.y)
    assert fit(data, replace(S, epochs=1), noisy=noisy)[1] != fit(data, replace(S, epochs=1))[1]
    calls = []

    def correct(z, y):
        calls.append((z.shape, z.requires_grad))
        return y * 0  # one class: for "attract" no negatives are left

    history = fit(data, replace(S, epochs=1), noisy=noisy, correct=correct)[1]
    assert calls == [((48, 64), False)] * 3
    assert history == fit(data, replace(S, epochs=1), noisy=torch.zeros_like(data.y))[1]


def test_the_head_sees_labelled_images_alone(data):
    s, seen = replace(S, loss="cross_entropy"), data.take(~data.held_out)
    labelled = seen.stratum % 2 == 0
    wrong = replace(seen, y=torch.where(labelled, seen.y, 1 - seen.y))
    assert same(*(fit(d, s, labelled=labelled)[0] for d in (seen, wrong)))
    assert fit(seen, s)[1] != fit(wrong, s)[1]
    none, history = fit(seen, replace(s, epochs=1), labelled=torch.zeros_like(labelled))
    assert history == [0.0] and bool(none.head.weight.isfinite().all())


def test_groups_are_weighted(data):
    class Mean(nn.Module):
        def forward(self, each, groups):
            assert each.shape == groups.shape == (96,)
            return each.mean()

    with_mean = fit(data, groups=data.stratum, robust=Mean())[1]
    assert with_mean == pytest.approx(fit(data)[1], rel=1e-5)
    with pytest.raises(ValueError, match="give both or neither"):
        fit(data, groups=data.stratum)


def test_what_cannot_be_trained_is_refused(data):
    with pytest.raises(TrainingError, match="exceeds the 144 training images"):
        fit(data, replace(S, batch_size=500))
    with pytest.raises(TrainingError, match="lower learning_rate"):
        fit(data, replace(S, learning_rate=1e30))
    for name in ("noisy", "labelled", "groups"):
        with pytest.raises(ValueError, match=rf"{name} of shape \(3,\): one value an image, \(160,\)"):
            fit(data, **{name: torch.zeros(3)})


def test_a_class_with_one_image_in_a_batch_trains(data):
    """Its two views are each other's only positive; the head and the loss stay finite."""
    lone = torch.cat([(data.y == 0).nonzero()[:60, 0], (data.y == 1).nonzero()[:1, 0]])
    few = replace(data.take(lone), held_out=torch.zeros(61, dtype=torch.bool))
    for loss in LOSSES:
        history = fit(few, replace(S, loss=loss, batch_size=61, epochs=2))[1]
        assert all(map(math.isfinite, history))


def test_a_unit_is_written_whole(data, tmp_path, capsys):
    path = tmp_path / "units.json"
    path.write_text(UNIT.to_json() + "\n")
    assert coarse.main([str(path)]) == 0 and UNIT.done
    test = coarse_labels.load(S, "test")
    for split, d in (("train", data), ("test", test)):
        z, y = UNIT.embeddings(split)
        assert z.shape == (1, len(d), 64) and torch.equal(y, d.y) and torch.equal(UNIT.strata(split), d.stratum)
        assert UNIT.logits(split).shape == (len(d), 2)
    assert torch.equal(UNIT.kept(), (~data.held_out).nonzero()[:, 0])
    assert torch.equal(UNIT.held_out(), data.held_out) and UNIT.record["samples"] == [144]
    encoder = coarse.read(UNIT, data)
    x = (test.x[:5] / 255 - data.take(~data.held_out).x.float().mean() / 255) / encoder.std
    z = encoder.net(x)
    assert torch.allclose(z, UNIT.embeddings()[0][0, :5], atol=1e-4)
    assert torch.allclose(encoder.head(z), UNIT.logits()[:5], atol=1e-4)
    hits = [int(a.argmax()) == int(b) for a, b in zip(UNIT.logits(), test.y, strict=True)]
    assert UNIT.accuracy() == pytest.approx(sum(hits) / len(hits))
    assert not list(UNIT.folder.glob("*.part*")) and "epoch 3/3" in capsys.readouterr().err
    stamp = (UNIT.folder / "record.json").stat().st_mtime_ns
    coarse.run(UNIT)
    assert (UNIT.folder / "record.json").stat().st_mtime_ns == stamp
