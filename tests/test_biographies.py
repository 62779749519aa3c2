"""lib.text.generated: the causes that are set are the causes that act, measured on the texts alone."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from lib import text
from lib.images.sets import DataError
from lib.text import generated
from lib.text.generated import OWN, SHARED, SHARES, STEREOTYPES, generate, overlap, vocabulary
from lib.text.scrub import GIVEN

PRONOUNS = {"F": {"she", "her", "herself"}, "M": {"he", "his", "him", "himself"}}
NAMES = {g: {pair[i].lower() for pair in GIVEN} for i, g in enumerate("FM")}


def words(texts) -> Counter:
    return Counter(w for one in texts for w in re.findall(r"[a-z]+", one.lower()))


def laws(b, gender=None) -> np.ndarray:
    """Measured shares of the content words, (K, words)."""
    found = []
    for o in range(len(b.occupations)):
        mine = (b.occupation == o) & (torch.ones(len(b)).bool() if gender is None else b.gender == gender)
        count = words(b.take(mine).text)
        row = np.array([count[w] for w in vocabulary()], float)
        found.append(row / row.sum())
    return np.array(found)


@pytest.mark.parametrize("similarity, noise", [(0.0, 0.0), (0.5, 0.1), (1.0, 0.0)])
def test_word_overlap_follows_the_known_matrix(similarity, noise):
    p = laws(generate(500, 1, similarity=similarity, noise=noise))
    measured = np.minimum(p[:, None], p[None]).sum(-1)
    assert abs(measured - overlap(similarity, noise).numpy()).max() < 0.06


def test_the_known_matrix_is_that_of_the_shares():
    topics = sorted(SHARED)
    rows = np.array([[SHARES[o].get(t, 0) for t in topics] for o in text.LARGE])
    assert rows.sum(1) == pytest.approx(1) and set(SHARES) == set(OWN) == set(text.LARGE)
    full = np.minimum(rows[:, None], rows[None]).sum(-1)
    for s in (0.0, 0.3, 1.0):
        wanted = s * full + (1 - s) * np.eye(6)
        assert overlap(s, 0.0).numpy() == pytest.approx(wanted, abs=1e-12)
    assert text.LARGE[full[5, :5].argmax()] == "physician", "the surgeon's nearest"
    off = overlap(0.5, 1.0)[~torch.eye(6).bool()]
    assert (off > overlap(0.5, 0.0)[~torch.eye(6).bool()] - 1e-9).all()


def test_every_content_word_has_one_topic_and_names_no_occupation():
    known = vocabulary()
    assert len(set(known)) == len(known)
    others = set(" ".join(generated.FIRST + generated.NEXT).lower().split()) | set(" ".join(STEREOTYPES).split())
    places = set(" ".join(generated.SURNAMES + generated.PLACES + generated.NUMBERS).lower().split())
    assert not set(known) & (others | places | NAMES["F"] | NAMES["M"])
    said = words(generate(100, 0).text)
    assert not {w for o in text.PROFESSIONS for w in (o, f"{o}s")} & set(said)


def test_the_cue_is_all_that_tells_the_gender():
    for cue in generated.CUES:
        b = generate(60, 2, cue=cue)
        for g, own in enumerate("FM"):
            said = set(words(b.take(b.gender == g).text))
            other = "MF"[g]
            assert not said & (PRONOUNS[other] | NAMES[other])
            assert bool(said & PRONOUNS[own]) == (cue != "none")
            assert bool(said & NAMES[own]) == (cue == "pronouns+names")
        assert (b.text == b.swapped) == (cue == "none")
    # the cue changes the cue alone
    assert laws(generate(60, 2, cue="none")) == pytest.approx(laws(generate(60, 2)))


def test_without_a_stereotype_the_genders_share_their_content():
    b = generate(400, 5)
    counts = [words(b.take(b.gender == g).text) for g in (0, 1)]
    table = np.array([[c[w] for w in vocabulary()] for c in counts], float)
    expected = table.sum(0) * table.sum(1, keepdims=True) / table.sum()
    assert chisquare(table.ravel(), expected.ravel(), ddof=len(vocabulary())).pvalue > 1e-3
    assert not set(words(b.text)) & set(" ".join(STEREOTYPES).split())


def test_stereotypes_come_in_the_share_asked_for():
    b = generate(100, 0, stereotype=0.3)
    for g in (0, 1):
        count = words(b.take(b.gender == g).text)
        own, other = (sum(count[w] for w in STEREOTYPES[i].split()) for i in (g, 1 - g))
        assert other == 0 and own / (600 * 4 * 2) == pytest.approx(0.3, abs=0.03)


def test_texts_are_seeded_nested_and_seldom_equal():
    b = generate(40, 7)
    assert text.digest(b) == text.digest(generate(40, 7)) != text.digest(generate(40, 8))
    assert set(generate(10, 7).text) < set(b.text)
    assert len(set(generate(300, 0).text)) == 3600
    assert generate(10, 7, occupations=("surgeon",)).text != b.only(("surgeon",)).text, "noise has no other occupation"
    some = generate(10, 7, noise=0.0, occupations=("surgeon", "nurse"))
    assert some.only(("surgeon",)).text == generate(10, 7, noise=0.0).only(("surgeon",)).text


def test_shares_set_the_counts_and_not_the_words():
    b = generate(50, 0, gender_shares={"surgeon": 0.1, "nurse": 0.9})
    expected = [[50, 50]] * 2 + [[90, 10]] + [[50, 50]] * 2 + [[10, 90]]
    assert b.counts().tolist() == expected
    assert set(b.take((b.occupation == 5) & (b.gender == 0)).text) < set(generate(50, 0).text)


@pytest.mark.parametrize("length", [1, 4, 20])
def test_length_is_in_sentences(length):
    assert {t.count(".") for t in generate(5, 0, length=length).text} == {length}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"per_group": 0}, "per_group=0"),
        ({"length": 0}, "length=0"),
        ({"noise": 1.1}, r"noise=1.1 is outside \[0, 1\]"),
        ({"similarity": -0.1}, "similarity=-0.1"),
        ({"stereotype": float("nan")}, "stereotype=nan"),
        ({"cue": "names"}, r"cue 'names' is unknown; expected one of pronouns\+names"),
        ({"occupations": ("poet",)}, "'poet' is unknown; known are accountant"),
        ({"occupations": ("nurse", "nurse")}, "once"),
        ({"gender_shares": {"poet": 0.5}}, "'poet' is unknown"),
        ({"gender_shares": {"nurse": 1.0}}, "one gender would be absent"),
        ({"gender_shares": {"nurse": 0.01}}, "raise per_group"),
    ],
)
def test_generate_refuses(change, message):
    with pytest.raises(DataError, match=message):
        generate(**{"per_group": 5, "seed": 0} | change)
