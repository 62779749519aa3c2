"""Labels that are partly wrong: noise, who looks mislabelled, the correction, and the expectation-corrected loss.

Details Matter (2022), section 5.2 and lemmas 5 and 6.  Everything but the noise works on many nets at once: leading
dimensions (...) are nets.
"""

import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from lib import checks

AVERAGES = ("centres", "points")


def symmetric_noise(y: Tensor, share: float, classes: int, seed: int) -> Tensor:
    """Labels of which each is wrong with probability ``share``, independently; a wrong one is any OTHER class, evenly.

    Convention: share is the probability that a label is wrong.  Where the new label is drawn from all classes, as some
    papers do, the same word means only share (K - 1) / K wrong labels.
    y: (n,) codes below ``classes``.  Returns (n,).  ValueError: share outside [0, 1), fewer than 2 classes, codes out
    of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} of wrong labels is outside [0, 1)")
    if classes < 2:
        raise ValueError(f"classes={classes}: a wrong label needs another class; 2 or more are expected")
    _check_labels(y, classes)
    g = torch.Generator().manual_seed(seed)
    wrong = torch.rand(len(y), generator=g) < share
    step = torch.randint(1, classes, (len(y),), generator=g)
    return torch.where(wrong, (y + step) % classes, y)


def noise_scores(z: Tensor, y_noisy: Tensor, average: str = "centres") -> Tensor:
    """How well each feature fits its label (Details Matter 2022, section 5.2); the lowest look mislabelled.

    s_i = cos(f_i, mean of the other points with i's label) - mean over the other classes of the average cosine to them.
    The average cosine of f_i to a class can be read in two ways: "centres", the cosine to the mean of its points;
    "points", the mean of the cosines to its points.  f are the features divided by their length.
    A point that has its label alone is compared with no one: the first term is then 0.
    z: (..., n, d); y_noisy: (..., n) codes from 0.  Returns (..., n).
    ValueError: another word for average, shapes that differ, negative codes, or one class alone.
    """
    f, member, sums = _classes(z, y_noisy, average)
    counts = member.sum(-2)  # (..., K)
    mine = y_noisy[..., None].expand_as(f)
    others = sums.gather(-2, mine) - f
    near = (f * F.normalize(others, dim=-1)).sum(-1)
    near = near.where(counts.gather(-1, y_noisy) > 1, torch.zeros_like(near))
    to_class = f @ _centres(sums, counts, average).mT  # (..., n, K)
    elsewhere = (1 - member) * (counts > 0)[..., None, :]
    return near - (to_class * elsewhere).sum(-1) / elsewhere.sum(-1)


def correct(z: Tensor, y_noisy: Tensor, share: float, average: str = "centres") -> Tensor:
    """Labels of a batch after the geometric correction (Details Matter 2022, section 5.2).

    The share * n points with the lowest ``noise_scores``, to the nearest whole number, take the label whose class
    centre in the batch, the mean of the unit features under the labels given, has the highest cosine.  Ties go to the
    earlier point.  A hook of ``lib.encoders.coarse``: functools.partial(correct, share=0.2).
    z: (..., n, d); y_noisy: (..., n).  Returns (..., n).  ValueError: share outside [0, 1), and as ``noise_scores``.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share={share} of wrong labels is outside [0, 1)")
    count = int(share * y_noisy.shape[-1] + 0.5)
    if count == 0:
        return y_noisy
    lowest = noise_scores(z, y_noisy, average).argsort(dim=-1, stable=True)[..., :count]
    f, member, sums = _classes(z, y_noisy, average)
    empty = member.sum(-2) == 0  # (..., K)
    nearest = (f @ F.normalize(sums, dim=-1).mT).masked_fill(empty[..., None, :], -2).argmax(-1)
    return y_noisy.scatter(-1, lowest, nearest.gather(-1, lowest))


def batch_scores(z: Tensor, y_noisy: Tensor, batch: int, average: str = "centres", seed: int = 0) -> Tensor:
    """``noise_scores`` (n,) of one net's features (n, d), each point in a batch drawn by the seed, as in training.

    The batches have ``batch`` points or a few more, so that all are used.  ValueError: as ``noise_scores``.
    """
    order = torch.randperm(len(y_noisy), generator=torch.Generator().manual_seed(seed))
    scores = z.new_empty(len(z))
    for rows in order.tensor_split(max(1, len(order) // batch)):
        scores[rows] = noise_scores(z[rows], y_noisy[rows], average)
    return scores


def detection_auc(scores: Tensor, wrong: Tensor) -> float:
    """Probability that a wrongly labelled point scores lower than a rightly labelled one, ties counting half.

    The area under the ROC curve by ranks: with R the sum of the ranks of the m right ones among n,
    (R - m (m + 1) / 2) / (m (n - m)).  scores: (n,); wrong: (n,) bool.  ValueError: all right, or all wrong.
    """
    m, n = int((~wrong).sum()), len(wrong)
    if m in (0, n):
        raise ValueError(f"{n - m} of {n} labels are wrong: both kinds are needed to tell them apart")
    ranks = torch.from_numpy(rankdata(scores.numpy()))
    return float((ranks[~wrong].sum() - m * (m + 1) / 2) / (m * (n - m)))


def triplet(z: Tensor, y: Tensor, temperature: float, weights: tuple[float, float, float, float] = (1, 0, 1, 0)):
    """Triplet loss of two balanced classes, -log(e^s_iu / (e^s_iu + e^s_iv)), or its expectation-corrected form.

    With weights (w_plus, w_minus, w1, w2), sums over points u, v other than the anchor i and than each other, u ~ i
    for equal labels, and s the cosines over the temperature:
    1/n sum_i [ -(w_plus sum_{u~i} s_iu - w_minus sum_{u!~i} s_iu) / (n/2 - 1)
                + (w1 sum_{u~i, v!~i} l_iuv - w2 sum_{both ~ i, or neither} l_iuv) / ((n/2 - 1) n/2) ],
    with l_iuv = log(e^s_iu + e^s_iv); the last sum counts a pair in either order.
    The default weights give the loss itself.  If each label is right with probability p > 1/2, independently, the
    weights of lemma 6 (Details Matter 2022) make the mean over the noise the loss on the right labels, exactly, for
    every batch with n/2 points of each class: the divisors count the right pairs and triples, not the noisy ones.
    z: (..., n, d); y: (..., n).  Returns (...).  ValueError: temperature <= 0, n < 4.
    """
    n = y.shape[-1]
    if not temperature > 0 or n < 4:
        raise ValueError(f"temperature={temperature} above 0 and 4 points or more are expected, got {n} points")
    f = F.normalize(z, dim=-1)
    s = f @ f.mT / temperature  # (..., n, n)
    other = 1 - torch.eye(n, dtype=s.dtype, device=s.device)
    same = (y[..., None] == y[..., None, :]) * other
    apart = other - same
    w_plus, w_minus, w1, w2 = weights
    pairs = (s * (w_minus * apart - w_plus * same)).sum((-2, -1))
    logs = torch.logaddexp(s[..., :, None], s[..., None, :])  # (..., n, n, n), anchor first
    mixed = same[..., :, None] * apart[..., None, :]
    alike = same[..., :, None] * same[..., None, :] + apart[..., :, None] * apart[..., None, :]
    triples = (logs * (w1 * mixed - w2 * alike * other)).sum((-3, -2, -1))  # other: a point is no pair with itself
    return (pairs / (n / 2 - 1) + triples / ((n / 2 - 1) * n / 2)) / n


def _classes(z: Tensor, y: Tensor, average: str) -> tuple[Tensor, Tensor, Tensor]:
    """Unit features, membership (..., n, K), and the sums of each class's unit features (..., K, d)."""
    if average not in AVERAGES:
        raise ValueError(f"average={average!r} is unknown; there are {', '.join(AVERAGES)}")
    checks.tensors(z=(z, "... n d", checks.GAPPY), y_noisy=(y, "... n", checks.codes()))
    if z.shape[:-1] != y.shape:
        raise ValueError(f"features {tuple(z.shape)} and labels {tuple(y.shape)} do not belong together")
    classes = int(y.max()) + 1
    f = F.normalize(z, dim=-1)
    member = F.one_hot(y, classes).to(f.dtype)
    if ((member.sum(-2) > 0).sum(-1) < 2).any():
        raise ValueError("all points of a batch have one label: there is no other class to compare with")
    return f, member, member.mT @ f


def _centres(sums: Tensor, counts: Tensor, average: str) -> Tensor:
    return F.normalize(sums, dim=-1) if average == "centres" else sums / counts.clamp(min=1)[..., None]


def _check_labels(y: Tensor, classes: int) -> None:
    if y.is_floating_point() or int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(f"labels from {y.min()} to {y.max()} ({y.dtype}): whole codes 0 to {classes - 1} are expected")
