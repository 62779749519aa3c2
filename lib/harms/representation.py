"""Representation harm and allocation harm (Maity et al. 2024), and what the book's claims measure of them."""

import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from lib import checks
from lib.harms.gender import FLAT, has_direction


def class_cosines(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Mean cosine between the members of every two classes, self-pairs included.

    With m_i the mean of the unit vectors of class i, the mean over all pairs (x in i, y in j) of cos(x, y) is
    m_i · m_j exactly: no loop over pairs is needed.
    z: (..., n, d) features of any length; y: (n,) int64 codes below num_classes = K.  Returns (..., K, K).
    ValueError: see ``class_means``.
    """
    means = class_means(z, y, num_classes)
    return means @ means.transpose(-1, -2)


def class_means(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """Mean of the unit vectors of every class.

    z: (..., n, d) features of any length; y: (n,) int64 codes below num_classes = K.  Returns (..., K, d).
    ValueError: a class without a sample, a code out of range, or a feature that is zero or not finite.
    """
    checks.number("num_classes", num_classes, 1, whole=True)
    checks.tensors(z=(z, "... n d", checks.GAPPY), y=(y, "n", checks.codes(num_classes)))
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError(f"every class 0..{num_classes - 1} needs a sample; counts {counts.tolist()}")
    has_direction(z)
    member = F.one_hot(y, num_classes).to(z.dtype) / counts  # (n, K)
    return member.T @ F.normalize(z, dim=-1)


def representation_harm(cos_under: Tensor, cos_balanced: Tensor, per_seed: bool = False) -> Tensor:
    """RH(i, j) = (1 - c_ij of the undersampled encoders) / (1 - c_ij of the balanced ones); below 1 is harm.

    cos_under, cos_balanced: (seeds, K, K) of ``class_cosines``.  Returns the ratio of the averages over seeds (K, K),
    the paper's; per_seed: the ratio of each seed (seeds, K, K), for which both must have the same seeds.
    ValueError: shapes that do not match, no cosines, or a balanced class pair whose 1 - cosine is rounding.
    """
    seeds = "seeds" if per_seed else "others"
    pairs = {"cos_under": (cos_under, "seeds K K", checks.COSINES)}
    checks.tensors(**pairs, cos_balanced=(cos_balanced, f"{seeds} K K", checks.COSINES))
    under, balanced = (
        (1 - cos_under, 1 - cos_balanced) if per_seed else (1 - cos_under.mean(0), 1 - cos_balanced.mean(0))
    )
    rounding = max(FLAT, 256 * torch.finfo(balanced.dtype).eps)
    if (balanced <= rounding).any():
        raise ValueError(
            f"1 - cosine of a balanced class pair is {float(balanced.min()):.1e}, rounding below {rounding:.0e}: the "
            "representation has collapsed and RH is undefined"
        )
    return under / balanced


def allocation(y_true: Tensor, y_pred: Tensor, num_classes: int) -> Tensor:
    """Row-normalised confusion A[y, l] = P(predicted l | true y), the paper's A(T, M).

    y_true, y_pred: (..., n) int64 codes.  Returns (..., K, K) float64; each row sums to 1.
    ValueError: a class without a true sample, or a code out of range.
    """
    checks.number("num_classes", num_classes, 1, whole=True)
    of = checks.codes(num_classes)
    checks.tensors(y_true=(y_true, "... n", of), y_pred=(y_pred, "... n", of))
    true = F.one_hot(y_true, num_classes).double()
    counts = true.sum(-2)  # (..., K)
    if (counts == 0).any():
        raise ValueError("a class has no true sample: its row is undefined")
    return true.transpose(-1, -2) @ F.one_hot(y_pred, num_classes).double() / counts[..., None]


def nearest_classes(cos_balanced: Tensor) -> list[tuple[int, int]]:
    """Each class with the class of highest mean cosine to it: (K, K) or (seeds, K, K) in, K ordered pairs out."""
    checks.tensors(cos_balanced=(cos_balanced, "... K>=2 K", checks.COSINES))
    if cos_balanced.ndim > 3:
        raise ValueError(f"cos_balanced of shape {tuple(cos_balanced.shape)}: (K, K) or (seeds, K, K) is expected")
    c = cos_balanced if cos_balanced.ndim == 2 else cos_balanced.mean(0)
    c = c.clone().fill_diagonal_(-torch.inf)
    return [(k, int(j)) for k, j in enumerate(c.argmax(1))]


def paired_mean(rh: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Mean RH over the look-alike cells.  rh: (..., K, K), row the undersampled class; pairs: its cells."""
    return rh[..., *_cells(rh, pairs)].mean(-1)


def pair_gap(rh: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Mean RH over the look-alike cells minus that over all other off-diagonal cells of the same rows."""
    rows, columns = _cells(rh, pairs, least=3)
    total = rh[..., rows, :].sum(-1) - rh[..., rows, rows]  # (..., pairs)
    partner = rh[..., rows, columns]
    return (partner - (total - partner) / (rh.shape[-1] - 2)).mean(-1)


def row_minimum_share(rh: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Share of the pairs whose look-alike is the lowest off-diagonal cell of its row."""
    rows, columns = _cells(rh, pairs)
    off = rh + torch.diag_embed(torch.full(rh.shape[:-1], torch.inf, dtype=rh.dtype))
    return (off[..., rows, :].argmin(-1) == columns).double().mean(-1)


def dose_share(rh_severe: Tensor, rh_mild: Tensor) -> Tensor:
    """Share of the off-diagonal cells in which the severer undersampling gives the lower RH.

    rh_severe, rh_mild: (..., K, K), rows of classes that were not undersampled NaN; those are left out.
    """
    checks.tensors(rh_severe=(rh_severe, "... K K", checks.GAPPY), rh_mild=(rh_mild, "... K K", checks.GAPPY))
    off = ~torch.eye(rh_severe.shape[-1], dtype=torch.bool) & ~torch.isnan(rh_severe + rh_mild)
    return ((rh_severe < rh_mild) & off).double().sum((-2, -1)) / off.sum((-2, -1))


def diagonal_mean(rh: Tensor) -> Tensor:
    """Mean of RH(k, k; k) over the undersampled classes: below 1 they became more compact.

    rh: (..., K, K), rows of classes that were not undersampled NaN; those are left out.
    """
    checks.tensors(rh=(rh, "... K K", checks.GAPPY))
    return rh.diagonal(dim1=-2, dim2=-1).nanmean(-1)


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's correlation along the last axis: (..., n) twice to (...); ties share a rank, a constant gives 0."""
    checks.tensors(a=(a, "... n>=2", checks.REAL), b=(b, "... n", checks.REAL))
    ranks = [torch.from_numpy(rankdata(x.detach().numpy(), axis=-1)) for x in (a, b)]
    centred = [r - r.mean(-1, keepdim=True) for r in ranks]
    lengths = centred[0].norm(dim=-1) * centred[1].norm(dim=-1)
    return (centred[0] * centred[1]).sum(-1) / lengths.clamp(min=1e-12)


def _cells(rh: Tensor, pairs: list[tuple[int, int]], least: int = 2) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pairs; ValueError: pairs that rh (..., K, K) has not, or a row of theirs with a gap."""
    k = checks.tensors(rh=(rh, f"... K>={least} K", checks.GAPPY))["K"]
    found = checks.numbers("pairs", pairs)
    apart = found.ndim == 2 and found.shape[1] == 2 and len(found) and (found[:, 0] != found[:, 1]).all()
    if not apart or not ((found >= 0) & (found < k) & (found % 1 == 0)).all():
        raise ValueError(f"pairs={str(pairs)[:80]}: pairs of two different codes 0..{k - 1} are expected")
    rows, columns = torch.from_numpy(found).long().T
    if torch.isnan(rh[..., rows, :]).any():
        raise ValueError("a row of rh that pairs name holds NaN: that class was not undersampled")
    return rows, columns
