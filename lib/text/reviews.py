"""Reviews made of words: texts of neighbouring sentences with a topic, a tone and an advice.

As a data set.  A text draws its topic, its tone (good or bad) and its advice (buy or avoid), each of them uniformly and
apart from the others.  Every sentence of it is a row of words: each is one of no meaning, or of the text's topic, tone
or advice, by ``CHANCES``.  So two sentences of one text share three causes and no word but by chance.

What it can show: whether a loss over neighbouring sentences finds what they share, labels that it is not told.  What it
cannot: grammar, the order of words, anything of real opinions.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from lib import checks

FILLER = "the a it this that was is and with for after again very quite then there here one two once"
TOPICS = {
    "camera": "lens shutter zoom tripod focus flash",
    "hotel": "lobby breakfast bedroom lift towels reception",
    "novel": "plot chapter narrator ending dialogue cover",
    "kettle": "lid handle spout boil steam switch",
    "bicycle": "saddle brakes gears pedals chain tyres",
    "restaurant": "starter waiter dessert table menu sauce",
}
TONES = {
    "good": "lovely superb charming delightful excellent pleasing",
    "bad": "dreadful dull awful shoddy poor tiresome",
}
ADVICE = {"buy": "recommend choose order grab try keep", "avoid": "skip return refund avoid regret replace"}
CHANCES = (0.4, 0.3, 0.15, 0.15)  # of a word without meaning, of the topic, of the tone, of the advice


@dataclass(frozen=True)
class Reviews:
    """Words by their codes, (n, sentences, length) int64; tone and advice of every text, 0 or 1, (n,) int64."""

    words: Tensor
    tone: Tensor
    advice: Tensor

    def sentence(self, text: int, place: int) -> str:
        """One sentence in words."""
        known = vocabulary()
        return " ".join(known[code] for code in self.words[text, place].tolist())


def vocabulary() -> tuple[str, ...]:
    """The word of each code."""
    return tuple(word for part in _parts() for words in part for word in words)


def generate(texts: int, seed: int, sentences: int = 4, length: int = 8) -> Reviews:
    """So many texts of so many sentences of so many words, the same for the same arguments.

    ValueError: a number that is not whole or below 1, fewer than two sentences, which make no pair.
    """
    for name, value, least in (("texts", texts, 1), ("sentences", sentences, 2), ("length", length, 1)):
        checks.number(name, value, least, whole=True)
    g, shape = Generator().manual_seed(seed), (texts, sentences, length)
    kind = torch.multinomial(torch.tensor(CHANCES), texts * sentences * length, True, generator=g).reshape(shape)
    codes, first, drawn = torch.empty(shape, dtype=torch.long), 0, []
    for i, part in enumerate(_parts()):
        group = torch.randint(len(part), (texts,), generator=g)
        word = torch.randint(len(part[0]), shape, generator=g)  # every group of a part has as many words
        codes = torch.where(kind == i, first + group[:, None, None] * len(part[0]) + word, codes)
        first, drawn = first + len(part) * len(part[0]), [*drawn, group]
    return Reviews(codes, drawn[2], drawn[3])


def _parts() -> list[list[list[str]]]:
    """Groups of words: without meaning, by topic, by tone, by advice."""
    return [[FILLER.split()], *([words.split() for words in part.values()] for part in (TOPICS, TONES, ADVICE))]
