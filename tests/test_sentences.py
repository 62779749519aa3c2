"""Generated reviews, their encoders against torch's own recurrent layer, and the other tasks of the encoders."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from sklearn.linear_model import Ridge
from torch import nn

from lib.encoders import sentence_stacks, stacks
from lib.encoders.stacks import Group, Recipe
from lib.images.augment import POLICIES
from lib.images.sets import load
from lib.probe.neighbours import neighbour_accuracy
from lib.studies.shared import other_tasks
from lib.text import reviews

RECIPES = [Recipe(align=0.5, uniform=0.5, dim=4), Recipe(contrastive=1, tau=0.3, dim=4)]


def test_sentences_of_a_review_share_their_causes_and_labels_are_apart():
    found, known = reviews.generate(3000, 5), reviews.vocabulary()
    words = np.array(known)[found.words.numpy()]
    for label, parts in ((found.tone, reviews.TONES), (found.advice, reviews.ADVICE)):
        for code, group in enumerate(parts.values()):
            here = np.isin(words, [w for w in group.split() if known.count(w) == 1]).any((1, 2))
            assert not here[label.numpy() != code].any()
    assert abs(np.corrcoef(found.tone, found.advice)[0, 1]) < 0.06
    assert np.isin(words, reviews.FILLER.split()).mean() == pytest.approx(reviews.CHANCES[0], abs=0.01)
    topics = [set(np.unique(w)) for w in words[:50]]
    for text in topics:
        assert sum(bool(text & set(t.split())) for t in reviews.TOPICS.values()) <= 1
    assert torch.equal(found.words, reviews.generate(3000, 5).words)
    assert found.sentence(0, 0) == " ".join(words[0, 0])


def test_every_word_has_one_code():
    assert len(set(reviews.vocabulary())) == len(reviews.vocabulary())


def test_the_encoder_is_torchs_recurrent_layer():
    data = reviews.generate(20, 0)
    nets = sentence_stacks.train(data.words, len(reviews.vocabulary()), [3, 4], RECIPES, 2, 8, width=6)
    z = nets.features(data.words[:, 0])
    for s in range(2):
        for r in range(2):
            table, again, last = (layer[s, r] for layer in nets.layers)
            rnn = nn.RNN(6, 6, batch_first=True)
            rnn.weight_ih_l0.data, rnn.bias_ih_l0.data = torch.eye(6), torch.zeros(6)
            rnn.weight_hh_l0.data, rnn.bias_hh_l0.data = again[:-1].T.contiguous(), again[-1].clone()
            h = rnn(table[data.words[:, 0]])[1][0]
            assert torch.allclose(z[s, r], nn.functional.normalize(h @ last[:-1] + last[-1], dim=1), atol=1e-5)


def test_training_brings_neighbouring_sentences_together():
    data, known = reviews.generate(200, 0), len(reviews.vocabulary())
    near = []
    for steps in (0, 150):
        recipe = Recipe(contrastive=1, tau=0.5, learning_rate=0.03, dim=4)
        nets = sentence_stacks.train(data.words, known, [0], [recipe], steps, 64, width=16)
        a, b = (nets.features(data.words[:, i])[0, 0] for i in (0, 1))
        near.append(float((a * b).sum(1).mean() - (a @ b.T).mean()))
    assert near[1] > near[0] + 0.2


def test_neighbours_vote_by_the_cosine():
    z = torch.tensor([[1.0, 0.1], [5.0, 0.0], [9.0, -0.5], [0.0, 1.0], [0.2, 2.0]])
    y, scored = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([[0.01, 0.0], [0.1, 3.0], [0.0, 7.0]])
    assert neighbour_accuracy(z, y, scored, torch.tensor([0, 1, 1]), 2) == 1
    assert neighbour_accuracy(z, y, scored, torch.tensor([0, 1, 1])) == pytest.approx(1 / 3)  # all five vote: 0
    with pytest.raises(ValueError, match="count=6"):
        neighbour_accuracy(z, y, scored, torch.tensor([0, 1, 1]), 6)


def test_depth_is_scipys_distance_to_what_is_bright():
    x = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    x[0, :, 1, 1] = 255
    found = other_tasks.depths(x).reshape(4, 4)
    assert found[1, 1] == 0 and found[1, 3] == 2 and found[3, 3] == pytest.approx(8**0.5)
    assert np.array_equal(found, distance_transform_edt(x[0, 0].numpy() == 0))


def test_the_filters_are_the_net_without_its_last_two_layers():
    data = load("digits", "train").take(torch.arange(60))
    stack = stacks.train(data, [Group(0, torch.arange(60))], RECIPES, 2, 16, POLICIES["digits"], width=4, hidden=8)
    x = stacks.patches(data.x.float() / 255)
    h = other_tasks.filters(stack, x)
    assert h.shape == (1, 2, 60, 4 * 8) and (h >= 0).all()
    hidden, last = (layer[:, :] for layer in stack.layers[-3:-1])
    z = nn.functional.normalize(stacks.linear(stacks.linear(h, hidden).relu(), last), dim=-1)
    assert torch.allclose(z, stack.features(x), atol=1e-5)


def test_what_is_explained_is_scikit_learns_r2():
    g = torch.Generator().manual_seed(0)
    h, scored = torch.randn(80, 5, generator=g), torch.randn(40, 5, generator=g)
    target, truth = (v.double() @ torch.ones(5, 3).double() + v[:, :3].double() ** 2 for v in (h, scored))
    h[:, 0] *= 1e-3  # its own spread is no unit of the penalty
    scale = (h.mean(0), h.var(0).mean().sqrt())
    x, s = (((v.double() - scale[0]) / scale[1]).numpy() for v in (h, scored))
    model = Ridge(alpha=0.1 * 80).fit(x, target.numpy())
    left = ((truth.numpy() - model.predict(s)) ** 2).sum() / ((truth - target.mean(0)) ** 2).sum()
    assert other_tasks.explained(h, target, scored, truth, ridge=0.1) == pytest.approx(1 - float(left), abs=1e-6)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: reviews.generate(0, 0), "texts=0"),
        (lambda: reviews.generate(3, 0, sentences=1), "sentences=1"),
        (lambda: sentence_stacks.train(torch.zeros(3, 2, 4).long(), 5, [0], RECIPES, 1, 8), "batch=8"),
        (lambda: sentence_stacks.train(torch.full((3, 2, 4), 9), 5, [0], RECIPES, 1, 2), "0..4"),
        (lambda: sentence_stacks.train(torch.zeros(3, 2, 4).long(), 5, [0], [*RECIPES, Recipe(align=1)], 1, 2), "dim"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
