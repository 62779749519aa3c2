"""The study of minority collapse: where rare classes meet, by closed form, free vectors, cvxpy and networks."""

import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import geometry
from lib.geometry import collapse, collapse_nets, convex
from lib.geometry import peeled as closed
from lib.images.sets import Images

LAWS = {"label_aware": "label-aware", "iid": "iid"}  # of the negatives' classes, in words
CASES = [(m, law) for law in LAWS for m in (1, 4, math.inf)]
COUNTS = [*(2**i for i in range(11)), math.inf]  # negatives of the phase diagram
SIZES = (2, 4, 9)  # minority classes of the phase diagram
PLACES = torch.tensor([0.25, 0.5, 0.8, 1.25, 2.0], dtype=torch.float64)  # ratios of the networks, in R*
FRESH = ("Gaussian classes, fresh", "digits, fresh")  # points that the networks have not seen


def number(m: float) -> str:
    """M in words."""
    return "∞" if math.isinf(m) else f"{m:g}"


def ratio_of(value: float) -> str:
    """A threshold in words."""
    return "never" if math.isinf(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def words(setting) -> tuple[str, str, str]:
    """Law, M and τ of a row of ``solved_twice`` or ``around_threshold`` in words."""
    return LAWS[setting.law], number(setting.m), f"{setting.tau:g}"


def solved_twice(shares: Tensor) -> pd.DataFrame:
    """The programme of class shares (K,) by free vectors and by cvxpy: law, m, tau, loss, gap, loss_off, cosine_off.

    gap: the free vectors' loss is at most so far above the optimum; loss_off, cosine_off: between the two solutions.
    """
    found = []
    for law, m, tau in product(LAWS, (1, math.inf), (0.2, 0.5, 1.0)):
        free = geometry.optimum(shares, tau, m, law)
        matrix, value = convex.gram(shares.numpy(), tau, m, law)
        off = abs(value - float(free.loss)), np.abs(matrix - free.cosines.numpy()).max()
        found.append((law, m, tau, float(free.loss), float(free.certificate.gap), *off))
    return pd.DataFrame(found, columns=["law", "m", "tau", "loss", "gap", "loss_off", "cosine_off"])


def directions(taus: tuple[float, ...], log_ratio: np.ndarray) -> pd.DataFrame:
    """Three classes, M = 1: the angle from the majority to either minority, in radians: tau, log10_ratio, angle."""
    tau, log_r = np.meshgrid(taus, log_ratio, indexing="ij")
    angle = collapse.two_level(1, 2, 10.0 ** torch.tensor(log_r), torch.tensor(tau), 1).c.clamp(-1, 1).acos().numpy()
    return pd.DataFrame({"tau": tau.ravel(), "log10_ratio": log_r.ravel().round(4), "angle": angle.ravel().round(5)})


def around_threshold() -> pd.DataFrame:
    """R* by closed form, and what two other methods find beside it: law, m, b (minorities), tau, r, root_off, …

    root_off: relative distance of the root of the exact derivative; below, above: cosine of free vectors at 0.98 and
    1.02 R*; passes: whether it reaches 1 − 10⁻⁶ between 0.99 and 1.01 R*.
    """
    found = []
    for (m, law), b, tau in product(CASES, (2, 3, 5), (0.5, 1.0)):
        r = geometry.collapse_threshold(b, tau, m, law)
        off = abs(collapse.threshold(1, b, tau, m, law) / r - 1)
        free = geometry.optimum(collapse.shares(1, b, [0.98 * r, 1.02 * r, 0.99 * r, 1.01 * r]), tau, m, law)
        below, above, just_below, just_above = free.cosines[:, 1, 2].tolist()
        found.append((law, m, b, tau, r, off, below, above, just_below < 1 - 1e-6 <= just_above))
    return pd.DataFrame(found, columns=["law", "m", "b", "tau", "r", "root_off", "below", "above", "passes"])


def transition(minorities: int = 3, tau: float = 0.5) -> pd.DataFrame:
    """Cosine between minorities over R/R*: panel, group, ratio, cosine, kind ("line": one-dimensional; else solved)."""
    line = torch.tensor(np.unique([*np.geomspace(0.05, 4, 60), 1.0]))
    dots = torch.tensor([0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.98, 1.02, 1.5, 3.0], dtype=torch.float64)
    found = []
    for m, law in CASES:
        r = geometry.collapse_threshold(minorities, tau, m, law)
        b = collapse.two_level(1, minorities, line * r, tau, m, law).b
        free = geometry.optimal_gram(collapse.shares(1, minorities, dots * r), tau, m, law)[:, 1, 2]
        about = {"panel": f"{LAWS[law]} negatives", "group": f"M = {number(m)}"}
        found += [pd.DataFrame(about | {"ratio": line, "cosine": b, "kind": "line"})]
        found += [pd.DataFrame(about | {"ratio": dots, "cosine": free, "kind": "free vectors"})]
    return pd.concat(found)


def phases(taus: np.ndarray) -> pd.DataFrame:
    """R* of one majority class: law, minorities, step (place in COUNTS), negatives, tau, threshold."""
    found = []
    for law, b, (j, m), t in product(LAWS, SIZES, enumerate(COUNTS), taus):
        r = float(f"{geometry.collapse_threshold(b, t, m, law):.5g}")
        found.append((f"{LAWS[law]} negatives", f"{b}", j, number(m), round(float(t), 5), r))
    return pd.DataFrame(found, columns=["law", "minorities", "step", "negatives", "tau", "threshold"])


def several(minorities: int = 3, far: float = 1e5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cosine between minorities under A = 1 … 5 majority classes, M = 1.

    Returns curves at τ = 0.5, A < 5 (panel, group, ratio, cosine, limit), and the ends at R = ``far`` (a, law, tau,
    cosine, limit); the limit is that of R → ∞.
    """
    ratios, taus = torch.tensor(np.geomspace(1, far, 41)), torch.tensor([0.2, 0.5, 1.0, 2.0], dtype=torch.float64)
    curves, ends = [], []
    for a, law in product(range(1, 6), LAWS):
        every = torch.cat([ratios, torch.full_like(taus, far)]), torch.cat([torch.full_like(ratios, 0.5), taus])
        b = collapse.two_level(a, minorities, *every, 1, law).b
        limits = [collapse.limit_cosine(a, t, law) if a > 1 else 1.0 for t in taus.tolist()]
        curve = {"panel": f"{LAWS[law]} negatives", "group": f"A = {a}", "ratio": ratios, "cosine": b[:-4]}
        curves += [pd.DataFrame(curve | {"limit": limits[1]})] if a < 5 else []
        ends += [pd.DataFrame({"a": a, "law": law, "tau": taus, "cosine": b[-4:], "limit": torch.tensor(limits)})]
    return pd.concat(curves), pd.concat(ends)


def peeled(budgets: tuple[float, ...], ratios: np.ndarray) -> pd.DataFrame:
    """Cosines between three minorities in the layer-peeled model, and in contrastive learning at τ = 0.5, over R.

    budgets: √(E_H E_W).  Columns: panel ("features", "classifiers"), group, ratio, cosine.
    """
    found = []
    for budget, r in product(budgets, ratios):
        h, w, _ = convex.layer_peeled(collapse.shares(1, 3, float(r)).numpy(), budget, budget)
        model = f"cross-entropy, √(E_H E_W) = {budget:g}"
        found += [("features", model, r, h[1, 2]), ("classifiers", model, r, w[1, 2])]
    alone = collapse.two_level(1, 3, torch.tensor(ratios), 0.5).b.tolist()
    found += [("features", "contrastive", r, b) for r, b in zip(ratios, alone, strict=True)]
    return pd.DataFrame(found, columns=["panel", "group", "ratio", "cosine"])


LOSSES = {False: "cross-entropy", True: "logit-adjusted"}  # of the layer-peeled model


def adjusted(budgets: np.ndarray, ratio: float = 100.0) -> pd.DataFrame:
    """Cosines between three minorities over √(E_H E_W), with and without logit adjustment: panel, group, ratio (the
    budget, on the axis of a ratio), cosine."""
    shares, found = collapse.shares(1, 3, ratio).numpy(), []
    for (adjust, loss), budget in product(LOSSES.items(), budgets):
        h, w, _ = convex.layer_peeled(shares, budget, budget, adjust)
        found += [("features", loss, budget, h[1, 2]), ("classifiers", loss, budget, w[1, 2])]
    return pd.DataFrame(found, columns=["panel", "group", "ratio", "cosine"])


def around_budget() -> pd.DataFrame:
    """E* by closed form, and cvxpy's cosine between minority features beside it: loss, b, r, budget, below, above."""
    found = []
    for (adjust, loss), b, r in product(LOSSES.items(), (2, 3, 5), (2.0, 10.0, 100.0)):
        end = closed.budget(b, r, adjust)
        shares = collapse.shares(1, b, r).numpy()
        cosine = [convex.layer_peeled(shares, e, e, adjust)[0][1, 2] for e in (0.98 * end, 1.02 * end)]
        found.append((loss, b, r, end, *cosine))
    return pd.DataFrame(found, columns=["loss", "b", "r", "budget", "below", "above"])


def raised(sizes: tuple[int, ...], ratios: tuple[float, ...]) -> np.ndarray:
    """E* with logit adjustment over E* without, (sizes, ratios)."""
    return np.array([[closed.budget(b, r, True) / closed.budget(b, r) for r in ratios] for b in sizes])


def pools(p: SimpleNamespace, train: Images, test: Images) -> dict[str, dict[str, Tensor]]:
    """Points (seeds, K, P, D) by kind: those trained on, then fresh ones.

    Digit s is the majority class of seed s, the next digits are its minorities.
    """
    seeds = range(p.seed, p.seed + p.seeds)

    def of_digits(part: Images) -> Tensor:
        digits = [[(s + i) % 10 for i in range(p.minorities + 1)] for s in seeds]
        each = [collapse_nets.by_class(part.x, part.y, classes) for classes in digits]
        return torch.stack([x[:, : min(x.shape[1] for x in each)] for x in each])

    clouds = collapse_nets.gaussians(p.minorities + 1, list(seeds), 800)
    return {
        "Gaussian classes": {"Gaussian classes": clouds[:, :, :400], FRESH[0]: clouds[:, :, 400:]},
        "digits": {"digits, trained on": of_digits(train), FRESH[1]: of_digits(test)},
    }


def trained(p: SimpleNamespace, seen: Tensor, places: Tensor, nonnegative: bool = False):
    """Networks for every place (R in R*) and seed, M = ∞, label-aware, and the programme that they are held to.

    seen: points trained on, (seeds, K, P, D).
    """
    ratios = places.repeat_interleave(p.seeds) * geometry.collapse_threshold(p.minorities, p.temperature, math.inf)
    problem = geometry.programme(collapse.shares(1, p.minorities, ratios), p.temperature)
    settings = collapse_nets.Training(p.width, p.features, p.per_class, p.steps, p.learning_rate, nonnegative)
    seeds = [*range(p.seed, p.seed + p.seeds)] * len(places)
    pool = collapse_nets.Pool(seen.repeat(len(places), 1, 1, 1))
    net, _ = collapse_nets.train(pool, seeds, problem.p, problem.q, p.temperature, math.inf, settings)
    return net, problem


def networks(p: SimpleNamespace, points: dict[str, dict[str, Tensor]]) -> pd.DataFrame:
    """Networks trained on the first points of each kind: kind, part (of the points), ratio (in R*), seed, cosine, …

    cosine: mean over minorities; predicted: the programme's; excess: loss on the points trained on above the optimum;
    accuracy, untrained: of the networks and of their starts, share of the points nearest to the centre of their class.
    """
    found, count = [], p.minorities * (p.minorities - 1)
    threshold = geometry.collapse_threshold(p.minorities, p.temperature, math.inf)
    predicted = collapse.two_level(1, p.minorities, PLACES * threshold, p.temperature).b.repeat_interleave(p.seeds)
    for kind, parts in points.items():
        seen, *_ = parts.values()
        net, problem = trained(p, seen, PLACES)
        start, _ = trained(SimpleNamespace(**vars(p) | {"steps": 0}), seen, PLACES)
        least = geometry.optimum(problem.p, p.temperature).loss
        excess = collapse_nets.excess(net, seen.repeat(len(PLACES), 1, 1, 1), problem, least)
        nets = {"ratio": PLACES.repeat_interleave(p.seeds), "seed": [*range(p.seed, p.seed + p.seeds)] * len(PLACES)}
        nets |= {"kind": kind, "predicted": predicted, "excess": excess}
        for part, x in parts.items():
            c = net.cosines(x.repeat(len(PLACES), 1, 1, 1))[:, 1:, 1:]
            mean = (c.sum((1, 2)) - c.diagonal(dim1=1, dim2=2).sum(1)) / count
            read = (nearest(one, *(y.repeat(len(PLACES), 1, 1, 1) for y in (seen, x))) for one in (net, start))
            reads = dict(zip(("accuracy", "untrained"), read, strict=True))
            found.append(pd.DataFrame(nets | reads | {"part": part, "cosine": mean.double()}))
    return pd.concat(found)


def nearest(net, seen: Tensor, x: Tensor) -> Tensor:
    """Share of the points x (E, K, n, D) nearest to the centre of their class, that of the points ``seen``, (E,)."""
    close = net(x) @ net(seen).mean(2)[:, None].mT  # (E, K, n, K)
    return (close.argmax(-1) == torch.arange(x.shape[1])[:, None]).double().mean((1, 2))


def largest_cosine(p: SimpleNamespace, points: dict[str, Tensor], places: tuple[float, float]) -> Tensor:
    """Networks with non-negative features: largest mean cosine between two classes on fresh points, (places, seeds)."""
    seen, fresh = points.values()
    net, _ = trained(p, seen, torch.tensor(places, dtype=torch.float64), nonnegative=True)
    c = net.cosines(fresh.repeat(len(places), 1, 1, 1))
    return c[:, ~torch.eye(c.shape[1], dtype=torch.bool)].amax(1).reshape(len(places), p.seeds).double()
