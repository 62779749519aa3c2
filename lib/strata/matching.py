"""How well recovered groups match the true ones: F1 after the best matching, the adjusted Rand index, chance."""

import torch
from torch import Tensor


def match(groups: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The cluster that stands for each true group, (S,), -1 where none is left, and the F1 of the two, (S,).

    Clusters are given to groups one to one so that the sum of F1 is largest (Hungarian method); F1 of a group and a
    cluster is 2 |both| / (|group| + |cluster|).
    groups, truth: (n,) codes; group s of S is the s-th code present.  ValueError: see ``counts``.
    """
    from scipy.optimize import linear_sum_assignment

    table = counts(groups, truth).double()  # (S, G)
    score = 2 * table / (table.sum(1, keepdim=True) + table.sum(0))
    rows, columns = linear_sum_assignment(score.numpy(), maximize=True)
    cluster, f1 = torch.full((len(table),), -1), torch.zeros(len(table), dtype=torch.float64)
    cluster[rows], f1[rows] = torch.from_numpy(columns), score[rows, columns]
    return cluster, f1


def matched_f1(groups: Tensor, truth: Tensor) -> float:
    """Mean over the true groups of F1 after the best matching, in [0, 1]; a group without a cluster counts 0."""
    return float(match(groups, truth)[1].mean())


def adjusted_rand(groups: Tensor, truth: Tensor) -> float:
    """The adjusted Rand index: 1 for equal partitions, 0 on average for a partition drawn at random."""
    from sklearn.metrics import adjusted_rand_score

    counts(groups, truth)
    return float(adjusted_rand_score(truth.numpy(), groups.numpy()))


def chance_f1(groups: Tensor, truth: Tensor, y: Tensor, draws: int = 200, seed: int = 0) -> Tensor:
    """F1 (draws,) of clusters of the same sizes, dealt out at random among the points of each class, y (n,)."""
    generator, found = torch.Generator().manual_seed(seed), []
    classes = [(y == code).nonzero()[:, 0] for code in y.unique()]
    for _ in range(draws):
        shuffled = groups.clone()
        for mine in classes:
            shuffled[mine] = groups[mine[torch.randperm(len(mine), generator=generator)]]
        found.append(matched_f1(shuffled, truth))
    return torch.tensor(found, dtype=torch.float64)


def counts(groups: Tensor, truth: Tensor) -> Tensor:
    """How many points each true group shares with each cluster, (S, G), codes in sorted order.

    ValueError: no point, lengths that differ, or codes that are no whole numbers from 0 on.
    """
    if groups.ndim != 1 or groups.shape != truth.shape or len(groups) == 0:
        raise ValueError(f"groups {tuple(groups.shape)} and truth {tuple(truth.shape)}: give one code of each a point")
    for name, codes in (("groups", groups), ("truth", truth)):
        if codes.dtype != torch.int64 or codes.min() < 0:
            least = f", the least is {codes.min()}" if len(codes) else ""
            raise ValueError(f"{name} needs int64 codes from 0 on, got {codes.dtype}{least}")
    s, g = (codes.unique(return_inverse=True) for codes in (truth, groups))
    return torch.bincount(s[1] * len(g[0]) + g[1], minlength=len(s[0]) * len(g[0])).view(len(s[0]), len(g[0]))
