"""lib.studies.shared.outcomes: the four cells by scikit-learn one head at a time,
counts by hand, a ratio's interval by simulation.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize

from lib import images, probe
from lib.studies.shared import outcomes
from lib.studies.shared.evidence import Embedded, Evidence
from lib.studies.shared.heads import KINDS

K, N, D = 3, 240, 6


def blobs(members: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(N) % K
    return torch.eye(D)[y] * 1.2 + torch.randn(members, N, D, generator=g), y


@pytest.fixture(scope="module")
def study() -> Evidence:
    """One seed; classes 0 and 2 undersampled."""
    z, y = blobs(3, seed=0)
    train, labels = blobs(3, seed=1)

    def encoder(m: int) -> Embedded:
        both = {"test": (z[m], y), "train": (train[m], labels)}
        return Embedded(both.__getitem__, unit=SimpleNamespace(seed=7))

    return Evidence(("a", "b", "c"), (0, 2), y, [encoder(0)], [[encoder(1), encoder(2)]])


def head(x, y, weight=None):
    fit = LogisticRegression(max_iter=10_000, tol=1e-8, class_weight=weight)
    return GridSearchCV(fit, {"C": [1.0, 0.1, 0.01]}, cv=3).fit(normalize(x), y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_the_four_cells_are_sklearns(study, kind):
    seen = study
    made = outcomes.of(seen, kind, 0.2)
    y, rows = seen.y.numpy(), made.means()
    for t, k in enumerate(seen.treated):
        for m in (0, 1):
            encoder = seen.under[0][t] if m else seen.balanced[0]
            z = encoder.load("test")[0].numpy()
            for treatment in (0, 1):
                found = []
                for split in (0,) if kind == "train" else (0, 1):
                    if kind == "train":
                        x, labels = encoder.load("train")
                        x, labels, test = x.numpy(), labels.numpy(), np.arange(N)
                        mask = np.ones(N, bool)
                        if treatment:
                            mask[:] = False
                            mask[images.undersample(torch.from_numpy(labels), k, 0.2, 7)] = True
                    else:
                        train, test = probe.split(N, split)
                        x, labels, mask = z, y, np.zeros(N, bool)
                        mask[train] = True
                        if treatment:
                            mine = train[y[train] == k]
                            order = np.random.default_rng([split, k]).permutation(len(mine))
                            mask[mine[order[int(len(mine) * 0.2) :]]] = False
                    fitted = head(x[mask], labels[mask], "balanced" if kind == "weighted" else None)
                    called = fitted.predict(normalize(z[test][y[test] == k]))
                    found.append(np.bincount(called, minlength=K) / len(called))
                assert np.allclose(rows[2 * treatment + m][0, t], np.mean(found, 0), atol=1e-12), (t, treatment, m)


def test_effects_add_up_and_rows_sum_to_zero(study):
    effects = outcomes.of(study, "paper", 0.2).effects()
    assert effects.residual() < 1e-12 and effects.TE.shape == (1, 2, 3)
    assert float(effects.TE.sum(-1).abs().max()) < 1e-12
    assert float(effects.TE[0, 0, 0]) < 0, "a head with a fifth of the images of a class recalls it less"


def test_cells_are_the_one_hots_behind_the_means(study):
    made = outcomes.of(study, "paper", 0.2)
    for t in range(2):
        for cells, means in zip(made.cells(t), made.means(), strict=True):
            by_split = [split.sum((0, 1)) / split.sum() for split in cells]
            assert torch.allclose(sum(by_split) / 2, means[0, t])
            assert set(cells.sum(-1).unique().tolist()) <= {0.0, 1.0}


def test_placebo_by_hand():
    balanced = torch.diag_embed(torch.tensor([[0.9, 0.8, 0.7]], dtype=torch.float64))
    under = balanced[:, None].repeat(1, 3, 1, 1)
    under[0, 0] -= torch.diag(torch.tensor([0.3, 0.02, 0.04], dtype=torch.float64))  # class 0 undersampled
    under[0, 1] -= torch.diag(torch.tensor([0.06, 0.2, 0.0], dtype=torch.float64))
    assert torch.allclose(
        outcomes.placebo(balanced, under, (0, 1, 2))[0], torch.tensor([-0.03, -0.01, -0.02], dtype=torch.float64)
    )


def test_row_maximum_share_by_hand():
    nie = torch.tensor([[[-0.3, 0.2, 0.1], [0.1, 0.2, -0.3]]])
    assert outcomes.row_maximum_share(nie, (0, 2), [(0, 1), (2, 0)]).tolist() == [0.5]


def test_row_rank_correlation_is_scipys():
    a, b = torch.rand(2, 2, 2, 5, generator=torch.Generator().manual_seed(0)).round(decimals=1)  # with ties
    x, y = a.numpy(), b.numpy()
    wanted = [
        np.mean([stats.spearmanr(np.delete(x[s, t], k), np.delete(y[s, t], k))[0] for t, k in enumerate((1, 3))])
        for s in range(2)
    ]
    assert np.allclose(outcomes.row_rank_correlation(a, b, (1, 3)), wanted)


def test_share_interval_covers_a_known_ratio():
    """Fieller's interval is exact for normal pairs: about 95 of 100 of 1,000 samples of four."""
    g, hits = torch.Generator().manual_seed(0), 0
    for _ in range(1000):
        total = -0.8 + 0.1 * torch.randn(4, generator=g, dtype=torch.float64)
        part = 0.25 * total + 0.05 * torch.randn(4, generator=g, dtype=torch.float64)
        _, low, high = outcomes.share_interval(part, total)
        hits += low <= 0.25 <= high
    assert 930 <= hits <= 970


def test_share_interval_solves_fiellers_quadratic():
    part, total = torch.tensor([-0.1, -0.2, -0.12]).double(), torch.tensor([-0.7, -0.9, -0.75]).double()
    value, low, high = outcomes.share_interval(part, total)
    t = stats.t.ppf(0.975, 2)
    for end in (low, high):  # the paired t test of part - end * total is just at its limit
        difference = (part - end * total).numpy()
        assert abs(difference.mean()) == pytest.approx(t * difference.std(ddof=1) / 3**0.5, rel=1e-6)
    assert value == pytest.approx(0.42 / 2.35) and low < value < high


def test_share_interval_has_no_ends_where_the_total_may_be_zero():
    assert np.isnan(outcomes.share_interval(torch.tensor([0.1, 0.2]), torch.tensor([0.1, -0.3]))[1:]).all()
    assert np.isnan(outcomes.share_interval(torch.tensor([0.1]), torch.tensor([0.4]))[1:]).all()
