"""Who is recognised where the genders come as they are, on texts whose classifier is known beforehand."""

import pytest
import torch

from lib.encoders.text_settings import TextSettings
from lib.sources import GENDERS, OCCUPATIONS
from lib.studies.shared import natural
from lib.text import Biographies

TEXT = {"F": "she works", "M": "he works"}


def people(*sizes):
    """Texts of two occupations that a pronoun alone tells apart; sizes: (women, men) of each."""
    rows = [(o, g) for o, pair in enumerate(sizes) for g, n in enumerate(pair) for _ in range(n)]
    occupation, gender = torch.tensor(rows).T.contiguous()
    return Biographies([TEXT[GENDERS[g]] for _, g in rows], occupation, gender, ("nurse", "surgeon"))


def test_a_pronoun_that_goes_with_an_occupation_costs_the_rare_gender_all_its_recall(monkeypatch):
    """Words say nothing but the gender: each pronoun is called the occupation that it is more frequent in."""
    monkeypatch.setattr(natural, "texts", lambda s, seed: (people((9, 1), (2, 8)), people((5, 5), (5, 5))))
    found = natural.read(TextSettings(), [0, 1])
    assert found.gap[:, 1].tolist() == [[1, -1], [1, -1]]  # every woman a nurse, every man a surgeon
    assert found.gap[:, [0, 2]].abs().max() == 0  # no pronoun is left, or none tells an occupation
    assert found.share.tolist() == [[0.9, 0.2]] * 2
    assert found.accuracy.tolist() == [[0.5, 0.5, 0.5]] * 2


def test_generated_texts_come_with_the_books_shares_and_are_judged_on_others():
    train, test = natural.texts(TextSettings(per_group=20), 3)
    share = train.counts()[:, 0] / train.counts().sum(1)
    assert share.tolist() == pytest.approx([natural.WOMEN[o] for o in OCCUPATIONS], abs=0.5 / 40)
    assert (test.counts() == 20 * natural.JUDGED).all()
    assert not set(train.text) & set(test.text)
    assert not set(train.text) & set(natural.texts(TextSettings(per_group=20), 4)[0].text)


def test_real_texts_are_held_out_once_in_five_seeds(monkeypatch):
    asked = []
    monkeypatch.setattr(natural.simcse, "texts_of", lambda s, part, fold: asked.append((s.scrubbed, part, fold)))
    for seed in range(7):
        natural.texts(TextSettings(data="bios_subset", model="minilm", scrubbed=True), seed)
    assert asked == [(False, part, seed % 5) for seed in range(7) for part in ("train", "test")]
