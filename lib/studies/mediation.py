"""The study of mediation: what its claims are about, a broken placebo, and a model with known effects."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import mediation
from lib.intervals import Estimate
from lib.mediation import Confounded, Effects, Toy
from lib.studies.shared import null, outcomes
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence import Evidence
from lib.studies.shared.heads import KINDS

# The names of statsmodels' ``Mediation`` for the effects, and the sign that turns its effect into ours.
MODELLED = {
    "TE": ("Total effect", 1),
    "NIE": ("ACME (control)", 1),
    "rNDE": ("ADE (treated)", -1),
    "NDE": ("ADE (control)", 1),
    "rNIE": ("ACME (treated)", -1),
}

SEEDS = range(1000, 1020)  # of the experiments with a model in which T is not set
OBSERVED = 20_000  # observations of each
ASSUMPTIONS = {  # by claim, the model in which it is judged
    "front-door": Confounded(),
    "front-door-direct": Confounded(c=0.3),
    "front-door-cause": Confounded(l=0.5),
    "instrument": Confounded(l=0.5),
    "instrument-leak": Confounded(l=0.5, e=0.1),
}


def heads(arms: Arms) -> tuple[str, ...]:
    """The kinds of head that can be trained: of a reader's encoders no embeddings of training images are known."""
    return tuple(kind for kind in KINDS if arms.balanced or kind != "train")


def judged(
    rh: Tensor,
    te: Tensor,
    nie: Tensor,
    treated: tuple[int, ...],
    pairs: list[tuple[int, int]],
    mild: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Tensor]:
    """What the claims are about, by claim, one number a seed (seeds,).

    rh, te, nie: (seeds, T, K) rows of the undersampled classes, whose codes are ``treated``; pairs: the look-alike
    cells; mild: TE and NIE at the milder share, None where there is none, and then no claim about the dose.
    """

    def recall(effect: Tensor) -> Tensor:
        return effect[:, torch.arange(len(treated)), list(treated)]

    part = recall(nie).mean(1) / recall(te).mean(1)
    found = {
        "harms-4a": (recall(nie) < 0).double().mean(1),
        "harms-4b": recall(nie).mean(1),
        "harms-5a": part,
        "harms-5b": part,
        "harms-6": outcomes.row_maximum_share(nie, treated, pairs),
        "harms-7": outcomes.row_rank_correlation(1 - rh, nie, treated),
    }
    if mild is not None:
        found |= {"harms-3b": recall(te - mild[0]).mean(1), "harms-3c": recall(nie - mild[1]).mean(1)}
    return found


def left(found: outcomes.Outcomes) -> Tensor:
    """Recall (seeds, T) of every class where the encoder and the labels of the head were both cut."""
    return found.means()[3][:, torch.arange(len(found.treated)), list(found.treated)]


def untreated(seen: Evidence, te: Tensor, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """``judged`` of encoders of which none was undersampled, (N,) by claim: see ``null``.

    TE of such encoders and of labels that were not cut is their NIE; te (seeds, T, K) is the run's, of which their NIE
    is a share.
    """
    rh, nie = null.harm(seen), null.change(seen)
    if not rh:
        return {}
    found = judged(rh[0], nie[0], nie[0], seen.treated, pairs, (nie[1], nie[1]))
    shares = judged(rh[0], te.mean(0).expand_as(nie[0]), nie[0], seen.treated, pairs)
    return found | {claim: shares[claim] for claim in ("harms-5a", "harms-5b")}


def spill_over(spill: float) -> float:
    """NIE minus placebo where the truth is -0.10, under a spill-over that breaks the placebo's assumption.

    Of four classes in two look-alike pairs, every undersampling costs each class 0.02 of recall and its own class
    another 0.10, and changes the recall of its look-alike by ``spill``.
    """
    k = torch.arange(4)
    balanced = 0.9 * torch.eye(4, dtype=torch.float64)[None]
    under = balanced[:, None].repeat(1, 4, 1, 1)
    under[0, :, k, k] -= 0.02
    under[0, k, k, k] -= 0.10
    under[0, k, k ^ 1, k ^ 1] += spill  # the look-alike of class j is j ^ 1
    rest = outcomes.placebo(balanced, under, (0, 1, 2, 3))
    return float((under[0, k, k, k] - balanced[0, k, k] - rest[0]).mean())


def experiment(toy: Toy, n: int, draws: int) -> dict[str, Estimate]:
    """The effects of a toy whose two switches are set, n observations a cell, with bootstrap intervals."""
    sample = toy.experiment(n, 1)
    ends = mediation.bootstrap_means(sample, draws)
    parts = (mediation.effects(*(cell.mean(-1) for cell in sample)), *ends)
    return {name: Estimate(*(float(getattr(part, name)[0]) for part in parts)) for name in mediation.NAMES}


def regression(toy: Toy, n: int, repeats: int) -> dict[str, Estimate]:
    """The effects as statsmodels finds them in n observations of a trial that sets T alone, by two regressions."""
    import statsmodels.api as sm
    from statsmodels.stats.mediation import Mediation

    table = pd.DataFrame(dict(zip("TMY", (v.numpy() for v in toy.observed(n)), strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the summary's deprecated parts
        models = sm.OLS.from_formula("Y ~ T * M", table), sm.OLS.from_formula("M ~ T", table)
        found = Mediation(*models, "T", "M").fit(n_rep=repeats, rng=0).summary()
    columns = ["Estimate", "Lower CI bound", "Upper CI bound"]
    values = {name: sign * found.loc[label, columns] for name, (label, sign) in MODELLED.items()}
    return {name: Estimate(v.iloc[0], v.iloc[1:].min(), v.iloc[1:].max()) for name, v in values.items()}


def direct(toy: Toy, n: int, samples: int) -> np.ndarray:
    """The NDE by the two regressions of ``regression`` alone, in each of so many samples, (samples,)."""
    found = []
    for seed in range(samples):
        t, m, y = (v.numpy() for v in toy.observed(n, seed))
        b = np.linalg.lstsq(np.stack([np.ones(n), t, m, t * m], 1), y)[0]
        found.append(b[1] + b[3] * m[t == 0].mean())
    return np.array(found)


def identified(model: Confounded, seeds: range = SEEDS, n: int = OBSERVED) -> dict[str, Tensor]:
    """What four estimates make of n observations in which T was not set, (seeds,) each, by name.

    "plain difference" (of y by t) and "front door" are of the effect of T; "regression" (of y on m and t) and
    "instrument" of that of one unit of M.
    """
    z, t, m, y = (torch.stack(x) for x in zip(*(model.observed(n, seed) for seed in seeds), strict=True))
    x = torch.stack([torch.ones_like(m), m, t], -1)
    return {
        "plain difference": (t * y).sum(-1) / t.sum(-1) - ((1 - t) * y).sum(-1) / (1 - t).sum(-1),
        "front door": mediation.front_door(t, m, y),
        "regression": torch.linalg.solve(x.mT @ x, x.mT @ y[..., None])[:, 1, 0],
        "instrument": mediation.instrument(z, m, y),
    }


def distances() -> dict[str, Tensor]:
    """How far an estimate lies from the truth in the model of each claim, (seeds,) by claim."""
    found = {}
    for claim, model in ASSUMPTIONS.items():
        name, truth = ("front door", model.total) if claim.startswith("front") else ("instrument", model.b)
        found[claim] = (identified(model)[name] - truth).abs()
    return found


def violated() -> pd.DataFrame:
    """Estimates as an assumption breaks, more and more: assumption, strength, estimate, value, and ends low, high of
    the middle 95 % of the experiments; the truth is an estimate too."""
    grid = {"direct effect c of T": "c", "effect l of the unseen cause on M": "l", "effect e of Z past M": "e"}
    rows = []
    for words, letter in grid.items():
        for strength in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
            model = replace(Confounded(l=0.5) if letter == "e" else Confounded(), **{letter: strength})
            names = ("regression", "instrument") if letter == "e" else ("plain difference", "front door")
            found = identified(model, SEEDS, 2000)
            for name in names:
                low, high = found[name].quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
                rows.append((words, strength, name, float(found[name].mean()), low, high))
            truth = model.b if letter == "e" else model.total
            rows.append((words, strength, "truth", truth, truth, truth))
    return pd.DataFrame(rows, columns=["assumption", "strength", "estimate", "value", "low", "high"])


def through_distance(seen: Evidence, recall: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """The front-door estimate of the encoder's cost in recall, one number as the mediator: (seeds,).

    The number is the distance 1 - cos of a class to its look-alike; recall: (seeds, T) NIE on the diagonal.  Each class
    is its own control, so that the first factor is the mean change of the distance over the cut classes, and the
    second the slope of their changes of recall on it.  NaN of fewer than three classes with a look-alike.
    """
    own = [(seen.treated.index(k), k, j) for k, j in pairs if k in seen.treated]
    if len(own) < 3:
        return torch.full((len(recall),), torch.nan, dtype=torch.float64)
    t, k, j = (list(axis) for axis in zip(*own, strict=True))
    moved = seen.cosines("balanced")[:, k, j] - seen.cosines("under")[:, t, k, j]  # (seeds, pairs)
    lost = recall[:, t]
    centred = moved - moved.mean(1, keepdim=True)
    return moved.mean(1) * (centred * lost).sum(1) / (centred**2).sum(1)


def coverage(toy: Toy, n: int, repeats: int, draws: int) -> dict[str, float]:
    """The share of experiments, n observations a cell, whose bootstrap interval holds the true effect."""
    low, high = mediation.bootstrap_means(toy.experiment(n, repeats, rng=1), draws)
    true = toy.true()

    def inside(name: str) -> Tensor:
        return (getattr(low, name) <= getattr(true, name)) & (getattr(true, name) <= getattr(high, name))

    return {name: float(inside(name).double().mean()) for name in mediation.NAMES}


def over_images(found: outcomes.Outcomes, draws: int) -> dict[tuple[int, str], tuple[Tensor, Tensor, Tensor]]:
    """NIE and TE on the recall of the t-th undersampled class, by (t, name), with a bootstrap over test images."""

    def bootstrap(t: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
        def recall(effects: Effects) -> Tensor:
            return getattr(effects, name)[..., found.treated[t]]

        return mediation.bootstrap(found.cells(t), recall, draws, "images")

    return {(t, name): bootstrap(t, name) for t in range(len(found.treated)) for name in ("NIE", "TE")}
