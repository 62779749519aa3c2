"""lib.encoders.label_stacks: the losses are lib.losses' own,
and a net of a stack is the one trained alone by plain torch.
"""

import pytest
import torch
from torch.nn import functional as F

from lib import losses
from lib.encoders import label_stacks, stacks
from lib.encoders.label_stacks import ALONE, Course, Net
from lib.images.augment import POLICIES, view
from lib.images.sets import Images, load
from lib.strata import noisy_labels

POLICY = POLICIES["digits"]
COURSE = Course(steps=5, batch=12, width=4, hidden=8, features=6, temperature=0.4)


def small() -> Images:
    return load("digits", "train").take(torch.arange(60))


def net(loss: str, data: Images, **other) -> Net:
    headed = torch.arange(60) % 3 == 0
    return Net(**{"loss": loss, "seed": 3, "rows": torch.arange(60), "labels": data.y, "headed": headed} | other)


def reference(z1, z2, y, loss, temperature, alpha):
    if loss == "simclr":
        return losses.nt_xent(z1, z2, temperature)
    return getattr(losses, loss)(z1, z2, y, temperature, *([alpha] if loss == "spread" else []))


@pytest.mark.parametrize("loss", ["simclr", "sup_con", "attract", "spread"])
def test_the_losses_are_those_of_the_book(loss):
    g = torch.Generator().manual_seed(0)
    z1, z2 = F.normalize(torch.randn(2, 3, 14, 5, generator=g, dtype=torch.float64), dim=-1)
    y = torch.randint(0, 3, (3, 14), generator=g)
    y[1, 4:9] = ALONE
    alone = torch.where(y == ALONE, 10 + torch.arange(14), y)
    found = label_stacks.contrastive(z1, z2, y, loss, 0.4, 0.3)
    for i in range(3):
        assert float(found[i]) == pytest.approx(float(reference(z1[i], z2[i], alone[i], loss, 0.4, 0.3)), abs=1e-12)


def alone(data: Images, one: Net) -> torch.Tensor:
    """The head's logits on all images of the same net as a plain torch module, trained step by step."""
    start = stacks.initial([one.seed], (16, 4), 4, 8, [stacks.Recipe(supervised=1, dim=6)], 10)
    params = [w[0, 0].double().requires_grad_() for w in start]
    adam = torch.optim.Adam(params, lr=COURSE.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, COURSE.steps)
    views, order = torch.Generator().manual_seed(one.seed), torch.Generator().manual_seed(one.seed)
    count = 1 if one.loss in ("triplet", "cross_entropy") else 2
    mean, spread, queue = (data.x / 255).mean(), (data.x / 255).std(), []

    def encode(x):
        h = (x - mean) / spread
        for w in params[:2]:
            h = F.conv2d(h, w[:-1].reshape(2, 2, -1, w.shape[1]).permute(3, 2, 0, 1), w[-1], stride=2).relu()
        corners = torch.stack([h[:, :, i, j] for i in (0, 1) for j in (0, 1)], 1).flatten(1)
        return (corners @ params[2][:-1] + params[2][-1]).relu() @ params[3][:-1] + params[3][-1]

    for step in range(COURSE.steps):
        if step % 5 == 0:
            pair = [view(data.x, POLICY, views).double() for _ in range(count)]
        if len(queue) < 12:
            queue = one.rows[torch.randperm(len(one.rows), generator=order)].tolist()
        rows, queue = torch.tensor(queue[:12]), queue[12:]
        h = [encode(v[rows]) for v in pair]
        z = [F.normalize(part, dim=1) for part in h]
        logits = torch.cat(h) @ params[-1][:-1] + params[-1][-1]
        seen = one.headed[rows].repeat(count)
        loss = F.cross_entropy(logits[seen], data.y[rows].repeat(count)[seen]) if seen.any() else 0
        labels = one.labels[rows]
        if one.corrected:
            labels = noisy_labels.correct(sum(z).detach(), labels, one.corrected, one.average)
        if one.loss == "triplet":
            loss = loss + noisy_labels.triplet(z[0], labels, 0.4, one.weights)
        elif one.loss != "cross_entropy":
            loss = loss + reference(*z, labels, one.loss, 0.4, one.alpha)
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    with torch.no_grad():
        return encode(data.x.double() / 255) @ params[-1][:-1] + params[-1][-1]


def test_a_net_of_a_stack_is_the_one_trained_alone():
    data = small()
    halves, few = data.y % 2, torch.arange(5, 40)
    nets = [
        net("sup_con", data, rows=few),
        net("spread", data, alpha=0.3, seed=4),
        net("spread", data, alpha=0.3, corrected=0.4, average="points", labels=data.y.roll(1)),
        net("cross_entropy", data, headed=torch.ones(60).bool()),
        net("triplet", data, labels=halves, weights=(1.5, 0.5, 1.5, 0.25)),
        net("triplet", data, labels=halves.roll(1), corrected=0.3),
        net("simclr", data),
    ]
    found, seen = label_stacks.train(data, nets, COURSE, POLICY, checks=(2, 5), dtype=torch.float64)
    logits = found.outputs(data.x)[1]
    for i, one in enumerate(nets):
        assert float((logits[i] - alone(data, one)).abs().max()) < 1e-8, one.loss
    assert (seen[1] - logits.softmax(-1)).abs().max() < 1e-12 and (seen[0] - seen[1]).abs().max() > 1e-3
    assert torch.equal(found.accuracy(data.x, data.y), (logits.argmax(-1) == data.y).double().mean(-1))


def test_only_what_a_net_is_given_counts(monkeypatch):
    data, few = small(), torch.arange(0, 30)
    other = data.y.clone()
    other[30:] = ALONE
    nets = [net("spread", data, rows=few), net("spread", data, rows=few, labels=other)]
    found, _ = label_stacks.train(data, nets, COURSE, POLICY)
    z = found.outputs(data.x)[0]
    assert torch.allclose(z[0], z[1], atol=1e-5)  # labels of images that it does not see
    monkeypatch.setattr(label_stacks, "PIXELS", 1)
    parts, _ = label_stacks.train(data, nets, COURSE, POLICY)
    assert torch.allclose(parts.outputs(data.x)[0], z, atol=1e-4)


def test_draws_are_nested():
    data, held = label_stacks.small_images("digits", 50)
    assert len(data) == 500 and data.x.shape[1:] == (1, 8, 8) and len(held) == 600
    few, more = label_stacks.some(100, 5, 1), label_stacks.some(100, 20, 1)
    assert set(few.tolist()) < set(more.tolist()) and len(more) == 20
    assert label_stacks.mask(10, torch.tensor([2, 5])).nonzero()[:, 0].tolist() == [2, 5]


@pytest.mark.real_data
def test_images_are_padded_and_halved(real_data):
    real_data("mnist")
    data, _ = label_stacks.small_images("mnist", 3)
    original = load("mnist", "train").first(3).x.double()
    assert data.x.shape[1:] == (1, 16, 16) and data.x[..., 0, :].max() == 0
    for row, column in ((5, 9), (14, 1)):  # pixels 2 r - 2 and 2 r - 1 of the original
        square = original[..., 2 * row - 2 : 2 * row, 2 * column - 2 : 2 * column]
        assert (data.x[..., row, column] - square.mean((-2, -1))).abs().max() <= 0.5


@pytest.mark.parametrize(
    "change, word",
    [
        ({"loss": "hinge"}, "hinge"),
        ({"loss": "spread", "alpha": 1.5}, "alpha=1.5"),
        ({"loss": "spread", "corrected": 1.0}, "corrected=1.0"),
        ({"loss": "spread", "rows": torch.arange(5)}, "batch=12"),
        ({"loss": "spread", "labels": torch.full((60,), 10)}, "labels from 10 to 10"),
        ({"loss": "spread", "labels": torch.full((60,), -2)}, "labels from -2"),
    ],
)
def test_bad_input_is_named(change, word):
    data = small()
    with pytest.raises(ValueError, match=word):
        label_stacks.train(data, [net(data=data, **change)], COURSE, POLICY)
