"""lib.probe and lib.probe.heads against scikit-learn, one fit at a time."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import normalize
from torch import Tensor

from lib import probe
from lib.probe.logistic import fit_heads


def softmax(x: Tensor, coefficients: Tensor, intercepts: Tensor) -> np.ndarray:
    return (x.double() @ coefficients.T + intercepts).softmax(1).numpy()


def by_sklearn(x: Tensor, y: Tensor, weights: Tensor, C: float, classes: int) -> np.ndarray:
    used = weights > 0
    head = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    head.fit(x[used].double().numpy(), y[used].numpy(), sample_weight=weights[used].numpy())
    found = np.zeros((len(x), classes))
    found[:, head.classes_] = head.predict_proba(x.double().numpy())
    return found


def features(kind: str) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    if kind == "digits":
        x, y = load_digits(return_X_y=True)
        return torch.tensor(normalize(x[:300])), torch.tensor(y[:300])
    if kind == "separable":
        y = torch.arange(60) % 3
        return 10 * torch.eye(5)[y] + 0.1 * torch.randn(60, 5, generator=g), y
    if kind == "more features than images":
        return torch.randn(40, 90, generator=g), torch.arange(40) % 4
    y = torch.arange(200) % 5  # unit vectors in one narrow cone, as after a ReLU and an average
    x = torch.relu(8 + torch.randn(200, 32, generator=g) + torch.randn(5, 32, generator=g)[y])
    return torch.nn.functional.normalize(x, dim=1), y


@pytest.mark.parametrize("kind", ["digits", "separable", "more features than images", "narrow cone"])
def test_every_head_gives_sklearns_probabilities(kind):
    x, y = features(kind)
    g = torch.Generator().manual_seed(1)
    weights = torch.rand(4, len(y), generator=g) * (torch.rand(4, len(y), generator=g) < 0.7)
    rare = (y == 1).nonzero()[2:, 0]
    weights[3, rare] = 0  # two images of a class are left
    C = torch.tensor([1.0, 0.1, 0.01, 1.0])
    coefficients, intercepts, report = fit_heads(x, y, weights, C)
    for h in range(4):
        wanted = by_sklearn(x, y, weights[h], float(C[h]), int(y.max()) + 1)
        assert np.abs(softmax(x, coefficients[h], intercepts[h]) - wanted).max() < 1e-5
    assert report.iterations.shape == report.gradient.shape == (4,) and (report.gradient <= 1e-5).all()


def test_a_class_without_weight_is_never_predicted():
    x, y = features("digits")
    weights = torch.ones(2, len(y))
    weights[1, y == 4] = 0
    weights[0, y > 1] = 0  # two classes are left
    coefficients, intercepts, _ = fit_heads(x, y, weights, 1.0)
    for h in range(2):
        mine = softmax(x, coefficients[h], intercepts[h])
        assert np.abs(mine - by_sklearn(x, y, weights[h], 1.0, 10)).max() < 1e-5
    assert (softmax(x, coefficients[1], intercepts[1])[:, 4] == 0).all()


@pytest.mark.parametrize(("C", "scale"), [(100.0, 1.0), (1.0, 1000.0), (0.01, 0.001)])
def test_heads_of_any_strength_are_stationary_points(C, scale):
    """Hardly penalised, heavily weighted and almost unweighted heads: autograd's gradient of the objective is 0."""
    x, y = features("narrow cone")
    y = torch.randint(5, y.shape, generator=torch.Generator().manual_seed(4))  # not separable
    weights = scale * torch.rand(2, len(y), generator=torch.Generator().manual_seed(3)).double()
    w, b, _ = fit_heads(x, y, weights, C)
    w, b = w.requires_grad_(), b.requires_grad_()
    logits = x.double() @ w.mT + b[:, None]
    loss = torch.nn.functional.cross_entropy(logits.mT, y.expand(2, -1), reduction="none")
    (C * (weights * loss).sum() + (w**2).sum() / 2).backward()
    assert max(float(w.grad.abs().max()), float(b.grad.abs().max())) < 1e-5
    assert float(b.detach().sum(1).abs().max()) < 1e-9, "intercepts are centred"


@pytest.mark.parametrize("tolerance", [1e-4, 1e-2])
@pytest.mark.parametrize("C", [1.0, 0.01])
def test_no_logit_is_farther_from_the_solution_than_the_tolerance(C, tolerance):
    """Two images of one class among 400: hardly anything holds the intercept of so rare a class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.tensor([0] * 200 + [1] * 198 + [2] * 2)
    x = torch.nn.functional.normalize(
        torch.randn(3, 16, generator=generator)[y] + torch.randn(400, 16, generator=generator)
    )
    weights = torch.ones(1, 400)
    logits = []
    for stop in (tolerance, 1e-8):
        w, b, _ = fit_heads(x, y, weights, C, stop)
        raw = x.double() @ w[0].T + b[0]
        logits.append(raw - raw.mean(1, keepdim=True))
    assert float((logits[0] - logits[1]).abs().max()) <= tolerance


def test_a_tolerance_of_ones_own_saves_iterations():
    x, y = features("digits")
    _, _, report = fit_heads(x, y, torch.ones(2, len(y)), 1.0, torch.tensor([1e-1, 1e-7]))
    assert report.iterations[0] < report.iterations[1] and report.gradient[0] <= 1e-1 and report.gradient[1] <= 1e-7


def test_a_head_does_not_depend_on_its_company():
    x, y = features("narrow cone")
    weights = (torch.rand(3, len(y), generator=torch.Generator().manual_seed(2)) < 0.6).float()
    together = fit_heads(x, y, weights, 0.1)
    alone = fit_heads(x, y, weights[1:2], 0.1)
    mine, other = (softmax(x, c, b) for c, b in ((together[0][1], together[1][1]), (alone[0][0], alone[1][0])))
    assert np.abs(mine - other).max() < 1e-5


@pytest.mark.parametrize("C", [10.0, 100.0, 1e4])
def test_standardised_features_and_a_weak_penalty_converge(C):
    """The gradient of scikit-learn's objective, by automatic differentiation, is below the tolerance of a logit.

    Turned features have the same optimum by other roundings: the logits on the way there are a hundred thousand.
    """
    x, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-9)
    x = x @ torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)).double()).Q
    coefficients, intercepts, _ = fit_heads(x, y, torch.ones(1, len(y)), C)
    w, b = (part[0].requires_grad_() for part in (coefficients, intercepts))
    objective = C * torch.nn.functional.cross_entropy(x @ w.T + b, y, reduction="sum") + w.square().sum() / 2
    gradient = torch.autograd.grad(objective, w)[0]
    assert float(gradient.norm() * x.norm(dim=1).max()) < 1e-4


def test_where_more_iterations_leave_the_gradient_a_larger_tolerance_is_the_remedy():
    x, y = (torch.tensor(part) for part in load_digits(return_X_y=True))
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-9)
    for iterations in (300, 600):
        with pytest.raises(RuntimeError, match="lower C, scale the features down, or raise the tolerance"):
            fit_heads(x, y, torch.ones(1, len(y)), 1e8, iterations=iterations)
    fit_heads(x, y, torch.ones(1, len(y)), 1e8, tolerance=0.5)


def test_heads_that_do_not_converge_are_named():
    x, y = features("digits")
    with pytest.raises(RuntimeError, match=r"heads \[0, 1\] of 2 did not converge in 1 iterations .*raise iterations"):
        fit_heads(x, y, torch.ones(2, len(y)), 1.0, iterations=1)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weights": torch.ones(2, 299)}, r"weights is float32 .*\(heads, n\).* n = 300"),
        ({"weights": -torch.ones(2, 300)}, r"weights is float32 .* from 0 is expected"),
        ({"weights": torch.zeros(2, 300)}, "each head needs a positive one"),
        ({"C": 0.0}, "C=0.0: a number strictly"),
        ({"x": torch.full((300, 64), torch.nan)}, r"x is float32 .* finite .* from nan"),
    ],
)
def test_bad_input_is_named(change, message):
    x, y = features("digits")
    with pytest.raises(ValueError, match=message):
        fit_heads(**{"x": x, "y": y, "weights": torch.ones(2, 300), "C": 1.0} | change)


@pytest.fixture(scope="module")
def digits():
    z, y = load_digits(return_X_y=True)
    return torch.tensor(z[:400]), torch.tensor(y[:400])


def masks(y: Tensor) -> tuple[Tensor, Tensor]:
    train, test = (torch.from_numpy(part) for part in probe.split(len(y), 0))
    kept = torch.zeros(2, len(y), dtype=torch.bool)
    kept[:, train] = True
    kept[1, train[y[train] == 3][2:]] = False
    return kept, test


def test_split_is_the_papers(digits):
    train, test = probe.split(400, seed=1)
    assert len(train) == 300 and sorted([*train, *test]) == list(range(400))
    theirs = train_test_split(np.arange(400), test_size=0.25, random_state=1)
    assert np.array_equal(train, theirs[0]) and np.array_equal(test, theirs[1])
    assert not np.array_equal(probe.split(400, seed=0)[1], test)


@pytest.mark.parametrize("weight", [None, "balanced"])
@pytest.mark.filterwarnings("ignore:The least populated class")
def test_predictions_are_those_of_a_grid_search(digits, weight):
    z, y = digits
    kept, test = masks(y)
    made = probe.predict(z, y, kept, z[test], weight is not None)
    x = normalize(z.numpy())
    for h, mask in enumerate(kept.numpy()):
        head = LogisticRegression(max_iter=10_000, tol=1e-8, class_weight=weight)
        theirs = GridSearchCV(head, {"C": [1.0, 0.1, 0.01]}, cv=3).fit(x[mask], y.numpy()[mask])
        assert float(made.strengths[h]) == theirs.best_params_["C"]
        assert np.array_equal(made.codes[h].numpy(), theirs.predict(x[test.numpy()]))
    assert made.fits == 2 * 3 * 4 and made.iterations > 1
    assert float((made.codes[0] == y[test]).double().mean()) > 0.9


def test_features_count_by_direction_alone(digits):
    z, y = digits
    kept, test = masks(y)
    lengths = torch.rand(400, 1, generator=torch.Generator().manual_seed(0)) * 9 + 0.1
    assert torch.equal(probe.predict(z * lengths, y, kept, z[test]).codes, probe.predict(z, y, kept, z[test]).codes)
