"""What a probe reads of the gender from a representation, within an occupation.

Apart from ``lib.harms.gender``, whose measures do not depend on a probe.
"""

import torch
from torch import Tensor

from lib import checks
from lib.harms.gender import cells, known
from lib.probe import logistic
from lib.text.corpora import dealt


def gender_predictability(
    z: Tensor, gender: Tensor, occupation: Tensor, folds: int = 5, seed: int = 0, num_occupations: int | None = None
) -> Tensor:
    """How well the gender can be read from the features within an occupation: balanced accuracy, 0.5 is chance.

    A logistic probe an occupation and fold (``lib.probe``, class-weighted, its strength chosen within the training
    side), scored on the fold left out; the mean of the two recalls over all folds.
    z: (..., n, d).  Returns (..., K) float64, NaN where a gender has fewer members than folds.
    ValueError: folds below 2, codes out of range.
    """
    checks.number("folds", folds, 2, whole=True)
    people = {"occupation": (occupation, "n", known(num_occupations)), "gender": (gender, "n", checks.codes(2))}
    checks.tensors(z=(z, "... n d", checks.REAL), **people)
    cell, classes = cells(occupation, gender, num_occupations)
    enough = (cell.sum(0).view(classes, 2) >= folds).all(1)
    flat = z.reshape(-1, *z.shape[-2:])
    found = torch.full((len(flat), classes), torch.nan, dtype=torch.float64)
    used = enough[occupation]
    if used.any():
        fold = dealt(cell[used].argmax(1), folds, seed)
        names = enough.nonzero()[:, 0]
        for one, features in zip(found, flat, strict=True):
            one[names] = _probed(features[used], gender[used], occupation[used], fold, folds, names)
    return found.reshape(*z.shape[:-2], classes)


def _probed(z: Tensor, gender: Tensor, occupation: Tensor, fold: Tensor, folds: int, names: Tensor) -> Tensor:
    inside = occupation == names[:, None]  # (K', n)
    kept = inside[:, None] & (fold != torch.arange(folds)[:, None])  # (K', folds, n)
    called = logistic.predict(z, gender, kept.flatten(0, 1), z, class_weight=True).codes.unflatten(0, kept.shape[:2])
    held_out = called.gather(1, fold.expand(len(names), 1, -1))[:, 0]  # (K', n): by the probe that did not see the text
    right = (held_out == gender).double() * inside
    recalls = [(right * (gender == g)).sum(1) / (inside & (gender == g)).sum(1) for g in (0, 1)]
    return (recalls[0] + recalls[1]) / 2
