"""Who is recognised where the genders come as they are, after De-Arteaga et al. (2019): bags of words, no encoder."""

from dataclasses import dataclass, replace

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from lib.encoders import simcse
from lib.encoders.store import BALANCED
from lib.encoders.text_settings import TextSettings
from lib.harms import gender
from lib.text import Biographies, generated, scrub

# Shares of women in the generated texts, set by this book: spread out, in the direction of public talk.
WOMEN = {"accountant": 0.4, "dentist": 0.3, "nurse": 0.9, "physician": 0.5, "psychologist": 0.7, "surgeon": 0.15}
TRAININGS = ("even genders", "as they come", "scrubbed")
JUDGED = 4  # times as many generated texts are judged as train


@dataclass(frozen=True)
class Recognised:
    """What the classifiers of R repeats call held-out texts, by the three ``TRAININGS``.

    gap: (R, 3, K) recall of the women of each occupation minus that of its men; share: (R, K) of women in its training
    texts as they come; accuracy: (R, 3) recall, the mean over occupations.
    """

    gap: Tensor
    share: Tensor
    accuracy: Tensor


def texts(s: TextSettings, seed: int) -> tuple[Biographies, Biographies]:
    """Training and held-out texts of a seed, no gender cut.

    Generated: new texts with the shares ``WOMEN``, and both genders equally often where they are judged.  Real: all but
    a fifth of the data's texts, and this fifth, the fold of the seed.
    """
    if s.data != "generated":
        s, fold = replace(s, scrubbed=False), seed % simcse.FOLDS
        return simcse.texts_of(s, "train", fold), simcse.texts_of(s, "test", fold)
    options = {"cue": s.cue, "stereotype": s.stereotype, "length": s.sentences}
    train = generated.generate(s.per_group, 2 * seed + 100, WOMEN, **options)
    return train, generated.generate(JUDGED * s.per_group, 2 * seed + 101, **options)


def called(train: Biographies, test: Biographies) -> Tensor:
    """The occupation (n,) that a logistic regression on counts of words, C = 1, calls each of n held-out texts."""
    words = CountVectorizer()
    model = LogisticRegression(max_iter=2000).fit(words.fit_transform(train.text), train.occupation.numpy())
    return torch.from_numpy(model.predict(words.transform(test.text)))


def read(s: TextSettings, seeds: list[int]) -> Recognised:
    """Train and judge the classifiers of each seed."""
    return Recognised(*(torch.stack(part) for part in zip(*(_repeat(s, seed) for seed in seeds), strict=True)))


def _repeat(s: TextSettings, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    train, test = texts(s, seed)
    even = train.take(simcse.kept(train, BALANCED, 1.0, seed))
    arms = ((even, test), (train, test), (_scrubbed(train), _scrubbed(test)))
    found = torch.stack([called(*arm) for arm in arms])  # (3, n)
    counts, y = train.counts().double(), test.occupation
    accuracy = torch.tensor([balanced_accuracy_score(y, one) for one in found], dtype=torch.float64)
    return gender.tpr_gap(y, found, test.gender, len(counts)), counts[:, 0] / counts.sum(1), accuracy


def _scrubbed(b: Biographies) -> Biographies:
    return replace(b, text=[scrub.scrub(text) for text in b.text], swapped=())
