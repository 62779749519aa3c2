"""lib.encoders.stacks: a stacked encoder is the same encoder trained alone by torch.optim with the book's losses."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch.nn import functional as F

from lib import losses
from lib.encoders import stacks
from lib.encoders.stacks import Group, Recipe
from lib.images.augment import POLICIES, view
from lib.images.sets import Images, load

POLICY = POLICIES["digits"]
RECIPES = [
    Recipe(align=1, uniform=0.7, alpha=2, t=3, dim=5),
    Recipe(contrastive=1, tau=0.3, learning_rate=0.003, dim=6),
    Recipe(supervised=1, contrastive=0.5, dim=2),
    Recipe(align=1, uniform=0.3, contrastive=0.2, alpha=1, dim=6),
]


def small() -> Images:
    return load("digits", "train").take(torch.arange(60))


def alone(data: Images, group: Group, recipe: Recipe, start: list[torch.Tensor], steps: int, batch: int):
    """The same encoder as a plain torch module of convolutions, trained by torch.optim.Adam."""
    params = [w.clone().double().requires_grad_() for w in start]
    search = torch.optim.Adam(params, lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(search, steps)
    views, order = torch.Generator().manual_seed(group.seed), torch.Generator().manual_seed(group.seed)
    queue, trace = [], []

    def encode(x):
        kernels = [w[:-1].reshape(2, 2, -1, w.shape[1]) for w in params[:-3]]
        h = x
        for w, kernel in zip(params[:-3], kernels, strict=True):
            h = F.conv2d(h, kernel.permute(3, 2, 0, 1), w[-1], stride=2).relu()
        corners = torch.stack([h[:, :, i, j] for i in (0, 1) for j in (0, 1)], 1).flatten(1)
        h = (corners @ params[-3][:-1] + params[-3][-1]).relu()
        return F.normalize((h @ params[-2][:-1] + params[-2][-1])[:, : recipe.dim], dim=1)

    for step in range(steps):
        if step % (len(data) // batch) == 0:
            pair = [view(data.x, POLICY, views).double() for _ in range(2)]
        if len(queue) < batch:
            queue = group.kept[torch.randperm(len(group.kept), generator=order)].tolist()
        rows, queue = queue[:batch], queue[batch:]
        z1, z2 = (encode(v[rows]) for v in pair)
        loss = recipe.align * losses.alignment(z1, z2, recipe.alpha)
        loss = loss + recipe.uniform * (losses.uniformity(z1, recipe.t) + losses.uniformity(z2, recipe.t)) / 2
        loss = loss + recipe.contrastive * losses.nt_xent(z1, z2, recipe.tau)
        logits = torch.cat([z1, z2]) @ params[-1][: recipe.dim] + params[-1][-1]
        loss = loss + recipe.supervised * F.cross_entropy(logits, data.y[rows].repeat(2))
        trace.append(float(loss.detach()))
        search.zero_grad()
        loss.backward()
        search.step()
        schedule.step()
    with torch.no_grad():
        return encode(data.x.double() / 255), trace


def test_a_stacked_encoder_is_the_one_trained_alone():
    data = small()
    groups = [Group(3, torch.arange(60)), Group(4, torch.arange(60)), Group(3, torch.arange(20, 55))]
    found = stacks.train(data, groups, RECIPES, 7, 16, POLICY, width=4, hidden=8, dtype=torch.float64)
    features = found.features(stacks.patches(data.x.double() / 255))
    for g, group in enumerate(groups):
        start = stacks.initial([group.seed], (16, 4), 4, 8, RECIPES, 10)
        for e, recipe in enumerate(RECIPES):
            z, trace = alone(data, group, recipe, [w[0, e] for w in start], 7, 16)
            assert float((features[g, e, :, : recipe.dim] - z).abs().max()) < 1e-10
            assert features[g, e, :, recipe.dim :].abs().sum() == 0
            assert np.abs(np.array(trace) - found.losses[:, g, e].numpy()).max() < 1e-10


def test_no_steps_leave_the_start_and_training_lowers_the_loss():
    data = small()
    group = [Group(0, torch.arange(60))]
    start = stacks.train(data, group, RECIPES[:1], 0, 16, POLICY)
    assert torch.equal(start.layers[0], stacks.initial([0], (16, 4), 16, 64, RECIPES[:1], 10)[0])
    found = stacks.train(data, group, RECIPES[:2], 60, 32, POLICY)
    assert (found.losses[-10:].mean((0, 1)) < found.losses[:10].mean((0, 1)) - 0.1).all()


@pytest.mark.parametrize("side, channels", [(4, 1), (8, 1), (16, 3), (32, 3)])
def test_patches_hold_every_pixel_once_and_fours_are_squares(side, channels):
    x = torch.arange(channels * side * side).float().reshape(1, channels, side, side)
    cut = stacks.patches(x)[0]
    assert sorted(cut.flatten().tolist()) == list(range(channels * side * side))
    level = cut
    for size in (2, 4, 8, 16, 32):
        if size > side:
            break
        for part in level:  # each is a size x size square of the image, in all channels
            row, column = part.long() % (side * side) // side, part.long() % side
            assert len(set(row.tolist())) == size == len(set(column.tolist()))
            assert int(row.min()) % size == 0 and int(column.min()) % size == 0
        level = level.reshape(-1, 4 * level.shape[1]) if len(level) > 1 else level


def test_the_linear_classifier_is_scikit_learns():
    g = torch.Generator().manual_seed(0)
    z, scored = torch.randn(3, 200, 6, generator=g), torch.randn(3, 90, 6, generator=g)
    y, truth = (z[0, :, :4] + 0).argmax(1), scored[0, :, :4].argmax(1)
    found = stacks.linear_accuracy(z, y, scored, truth, ridge=0.05)
    for i in range(3):
        model = Ridge(alpha=0.05 * 200).fit(z[i].double().numpy(), F.one_hot(y).numpy())
        called = model.predict(scored[i].double().numpy()).argmax(1)
        assert float(found[i]) == pytest.approx((called == truth.numpy()).mean())
    assert found[0] > 0.8 > 0.5 > found[1]


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: Recipe(), "one of them above 0"),
        (lambda: Recipe(align=-1, uniform=1), "0 or more"),
        (lambda: Recipe(align=1, tau=0), "tau=0"),
        (lambda: Recipe(align=1, t=-2), "t=-2"),
        (lambda: Recipe(align=1, tau=0.01), "tau=0.01"),
        (lambda: Recipe(align=1, t=30), "t=30"),
        (lambda: Recipe(align=1, dim=1), "dim=1"),
        (lambda: stacks.patches(torch.zeros(1, 1, 5, 5)), "5 x 5"),
        (lambda: stacks.train(small(), [Group(0, torch.arange(9))], RECIPES, 1, 16, POLICY), "batch=16"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
