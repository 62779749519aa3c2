"""Biographies made from templates, with causes that are known: the text counterpart of undersampled images.

As a data set.  Every text is four sentences (by default) about an invented person: a template each, with two content
words.  A content word is drawn from the topics of the person's occupation: one topic of its own and a few shared with
other occupations (``SHARES``), so that which occupations are alike, and how much, is set and not found.  The gender
acts through pronouns and names, or pronouns alone, or not at all; and through content words only where ``stereotype``
asks for it.  Nothing else depends on the gender.

What it can show: whether a measure moves when its cause is set, in which direction, and that it stays where the cause
is absent.  What it cannot: how strong any of this is in real biographies, what real people of these occupations do or
how they are described, anything beyond two genders, grammar or meaning beyond shared words.  The words of the two
stereotypes are pastimes, dealt to the genders by the authors of this book; they say nothing about people.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lib.sources import OCCUPATIONS, DataError
from lib.text.biographies import Biographies
from lib.text.scrub import GIVEN

CUES = ("pronouns+names", "pronouns", "none")
OWN = {
    "accountant": "ledgers audits invoices payroll budgets taxation bookkeeping balances receipts dividends",
    "dentist": "enamel crowns molars braces fillings gums plaque dentures cavities veneers whitening",
    "nurse": "bedsides rounds dressings handovers vaccinations shifts triage comfort hygiene wards infusions",
    "physician": "diabetes allergies prescriptions checkups fevers asthma immunity cholesterol screening lungs fatigue",
    "psychologist": "anxiety memory grief emotions habits attention dreams attachment phobias motivation resilience",
    "surgeon": "transplants incisions hernias grafts fractures scalpels tumours sutures stents joints amputations",
}
SHARED = {
    "clinic": "patients diagnosis treatment hospitals symptoms recovery medicine referrals illness examinations",
    "theatre": "operations anaesthesia implants instruments sterilisation procedures bleeding precision wounds",
    "care": "families counselling wellbeing listening trauma trust adolescents ageing support rehabilitation",
    "desk": "appointments clients insurance records meetings reports planning software regulations fees",
}
# How the shared part of an occupation's words is spread over the shared topics; each row sums to 1.
SHARES = {
    "accountant": {"desk": 1.0},
    "dentist": {"clinic": 0.3, "theatre": 0.3, "desk": 0.4},
    "nurse": {"clinic": 0.3, "care": 0.7},
    "physician": {"clinic": 0.6, "theatre": 0.3, "care": 0.1},
    "psychologist": {"care": 0.6, "desk": 0.4},
    "surgeon": {"clinic": 0.5, "theatre": 0.5},
}
STEREOTYPES = (
    "pottery embroidery ballet choir gardening baking yoga ceramics poetry knitting",
    "sailing football woodwork chess engines fishing cycling astronomy brewing rowing",
)
_SURNAMES = """Abbot Barlow Castell Dunmore Ekberg Fairley Garrick Holm Imber Jansen Kestrel Lindqvist Moreau Norwood
Okafor Penrose Quist Rowntree Sandoval Tanaka Umber Vasquez Wexford Yarrow"""
_PLACES = "Arden Bramley Corrie Dovedale Elmstead Farrow Glenholm Harwick Inverley Kingsmere Lowfield Marston"
_NUMBERS = "three four five six seven eight nine ten eleven twelve fifteen twenty"
SURNAMES, PLACES, NUMBERS = _SURNAMES.split(), _PLACES.split(), _NUMBERS.split()

# {n} name or surname, {s} she, {o} her (object), {p} her (owner), {r} herself, {a} {b} content words, {k} a number,
# {c} a place.  The first sentence introduces the person; verbs suit a pronoun and a surname alike.
FIRST = (
    "{n} has dealt with {a} and {b} for {k} years in {c}.",
    "{n} came to {c} to work on {a} and is known there for {b}.",
    "Based in {c}, {n} gives most days to {a} and {b}.",
    "For {k} years {n} has been asked in {c} about {a}, and lately about {b}.",
    "{n} leads a team of {k} in {c}, where {a} and {b} come first.",
)
NEXT = (
    "{S} trained in {c} and wrote {p} thesis on {a} and {b}.",
    "After {k} years {s} turned from {a} to {b}.",
    "Colleagues in {c} describe {o} as patient with {a} and exact with {b}.",
    "{P} weekly column explains {a} and {b} to beginners.",
    "{S} taught {r} the basics of {a} before {b} became {p} field.",
    "Much of {p} work concerns {a}, and some of it {b}.",
    "A grant of {k} years allowed {o} to study {a} along with {b}.",
    "{S} speaks often in {c} about {a} and the limits of {b}.",
    "Students ask {o} about {a}; {s} answers with stories of {b}.",
    "{P} office in {c} keeps {k} shelves on {a} and {b}.",
    "When {a} went wrong in {c}, the town called {o} for help with {b}.",
    "{S} has published {k} papers on {a} and one book on {b}.",
    "In {p} first post {s} learned {a}, in {p} second {b}.",
    "Neither {a} nor {b} surprises {o} any more.",
    "{S} sees {r} as a learner, in {a} as much as in {b}.",
    "The prize for {a} went to {o} and {p} group for work on {b}.",
)
WORDS = {"s": ("she", "he"), "o": ("her", "him"), "p": ("her", "his"), "r": ("herself", "himself")}


def overlap(similarity: float = 0.5, noise: float = 0.1, occupations: tuple[str, ...] = OCCUPATIONS) -> Tensor:
    """The known similarity of the occupations: sum_w min(P_o(w), P_o'(w)) over the content words, (K, K) float64.

    1 on the diagonal; without noise, ``similarity`` times the overlap of the two rows of ``SHARES``.
    """
    p = torch.from_numpy(_laws(similarity, noise, tuple(occupations)))
    return torch.minimum(p[:, None], p[None]).sum(-1)


def vocabulary() -> tuple[str, ...]:
    """The content words that ``overlap`` speaks of, each in one topic alone."""
    return tuple(" ".join((*OWN.values(), *SHARED.values())).split())


def generate(
    per_group: int,
    seed: int,
    gender_shares: Mapping[str, float] | None = None,
    cue: str = "pronouns+names",
    similarity: float = 0.5,
    length: int = 4,
    noise: float = 0.1,
    stereotype: float = 0.0,
    occupations: tuple[str, ...] = OCCUPATIONS,
) -> Biographies:
    """Generated biographies, the same for the same arguments.

    per_group: texts of each gender in each occupation; an occupation of ``gender_shares`` (its share of women,
    strictly between 0 and 1) has as many in all, 2 · per_group, in that share.  cue: how the gender shows; without
    names the person is a surname, without pronouns the surname stands for them too.  similarity in [0, 1]: the share
    of shared topics in an occupation's words.  length: sentences.  noise in [0, 1]: the probability that a content
    word is one of another occupation.  All are drawn independently, so that one may come twice.  stereotype in [0, 1]:
    the probability that a content word is one of the gender's pastimes instead.
    The i-th text of a group depends on the seed, the group and i alone: a larger set holds the smaller ones, and
    shares change which texts there are, not what they say.  ``swapped`` is each text with the same draws and the cues
    of the other gender (stereotypes stay).  DataError: a value outside its range, or an unknown cue or occupation.
    """
    occupations, shares = tuple(occupations), dict(gender_shares or {})
    _check(per_group, cue, similarity, length, noise, stereotype, occupations, shares)
    laws, words = _laws(similarity, noise, occupations).cumsum(1), vocabulary()
    texts, swapped, codes = [], [], []
    for o, occupation in enumerate(occupations):
        female = round(2 * per_group * shares.get(occupation, 0.5))
        if not 0 < female < 2 * per_group:
            raise DataError(f"a share of {shares[occupation]} leaves {occupation} with one gender; raise per_group")
        for g, n in enumerate((female, 2 * per_group - female)):
            for i in range(n):
                rng = np.random.default_rng([seed, OCCUPATIONS.index(occupation), g, i])
                drawn = _draw(rng, laws[o], words, length, stereotype, g)
                texts.append(_render(*drawn, g, cue))
                swapped.append(_render(*drawn, 1 - g, cue))
                codes.append((o, g))
    occupation, gender = torch.tensor(codes).T.contiguous()
    return Biographies(texts, occupation, gender, occupations, swapped)


def _laws(similarity: float, noise: float, occupations: tuple[str, ...]) -> np.ndarray:
    """(K, words) probabilities of the content words of each occupation, without stereotypes.

    (1 - noise) p_o + noise · mean of the other p_o', with p_o = (1 - similarity) own_o + similarity Σ_t SHARES_ot t.
    """
    topics = {name: words.split() for name, words in (OWN | SHARED).items()}
    place = {word: i for i, word in enumerate(vocabulary())}
    pure = np.zeros((len(OCCUPATIONS), len(place)))
    for row, name in zip(pure, OCCUPATIONS, strict=True):
        mix = {name: 1 - similarity} | {t: similarity * share for t, share in SHARES[name].items()}
        for topic, mass in mix.items():
            row[[place[word] for word in topics[topic]]] += mass / len(topics[topic])
    pure = pure[[OCCUPATIONS.index(name) for name in occupations]]
    if len(pure) == 1:
        return pure
    others = (pure.sum(0) - pure) / (len(pure) - 1)
    return (1 - noise) * pure + noise * others


def _draw(rng, cumulated: np.ndarray, words: tuple[str, ...], length: int, stereotype: float, g: int) -> tuple:
    """The templates of a text and the slots of each: everything that its gender's cues do not decide."""
    rest, pastimes = rng.permutation(len(NEXT)), STEREOTYPES[g].split()
    u = rng.random((length, 8)).tolist()  # a row a sentence: two words, two pastimes, whether they are, number, place
    content = np.searchsorted(cumulated, [row[:2] for row in u], side="right").clip(max=len(words) - 1)
    slots = []
    for (first, second), row in zip(content.tolist(), u, strict=True):
        pair = [words[first], words[second]]
        for i in (0, 1):
            if row[4 + i] < stereotype:
                pair[i] = _pick(row[2 + i], pastimes)
        slots.append({"a": pair[0], "b": pair[1], "k": _pick(row[6], NUMBERS), "c": _pick(row[7], PLACES)})
    template, given, surname = rng.random(3)
    person = _pick(given, GIVEN), _pick(surname, SURNAMES)
    return (_pick(template, FIRST), *(NEXT[rest[i % len(NEXT)]] for i in range(length - 1))), slots, person


def _pick(u: float, words):
    """The word at a number in [0, 1)."""
    return words[int(u * len(words))]


def _render(template: tuple[str, ...], slots: list[dict[str, str]], person: tuple, g: int, cue: str) -> str:
    given, surname = person
    if cue == "none":
        words = {"s": surname, "o": surname, "p": f"{surname}'s", "r": surname}
    else:
        words = {key: pair[g] for key, pair in WORDS.items()}
    words |= {key.upper(): word[0].upper() + word[1:] for key, word in words.items()}
    words["n"] = f"{given[g]} {surname}" if cue == "pronouns+names" else surname
    return " ".join(sentence.format(**slot, **words) for sentence, slot in zip(template, slots, strict=True))


def _check(per_group, cue, similarity, length, noise, stereotype, occupations, shares) -> None:
    for name, value in (("per_group", per_group), ("length", length)):
        if value < 1:
            raise DataError(f"{name}={value}; expected at least 1")
    for name, value in (("similarity", similarity), ("noise", noise), ("stereotype", stereotype)):
        if not 0 <= value <= 1:
            raise DataError(f"{name}={value} is outside [0, 1]")
    if cue not in CUES:
        raise DataError(f"cue {cue!r} is unknown; expected one of {', '.join(CUES)}")
    for name in (*occupations, *shares):
        if name not in OCCUPATIONS:
            raise DataError(f"occupation {name!r} is unknown; known are {', '.join(OCCUPATIONS)}")
    if len(set(occupations)) < len(occupations) or not occupations or set(shares) - set(occupations):
        raise DataError("name each occupation once, and shares of those occupations alone")
    for name, share in shares.items():
        if not 0 < share < 1:
            raise DataError(f"the share of women of {name}={share} is outside (0, 1): one gender would be absent")
