"""The study of L_spread: where free vectors, Gaussian strata and the encoders collapse."""

import math
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

import pandas as pd
import torch
from torch import Tensor

from lib.encoders.coarse_settings import CoarseUnit
from lib.geometry import free_vectors
from lib.geometry.free_vectors import Objective
from lib.probe import transfer
from lib.strata import gaussian, measures, spread_optimum
from lib.strata.collapse import collapse_alpha
from lib.studies.plans.lspread_strata import RELEASED

TAU = 0.5  # of free vectors, where no other is named
SMALL = ((2, 4, 0.5, 2), (2, 8, 0.5, 3), (2, 16, 0.3, 2), (3, 4, 0.5, 3))  # K classes of n images, τ, dimension
SMALL += ((4, 3, 0.5, 4), (4, 4, 0.5, 6), (4, 6, 0.3, 4), (5, 3, 1.0, 5))
NEAR, SCATTERED = 0, 1  # the starts of free vectors
FORMS = {"exact": (2, math.inf), "clamp": (2, 1.0), "one view": (1, math.inf)}  # views of candidates, clamp
FORMS |= {"one view and clamp (released)": (1, 1.0)}
EXACT, *_, AS_RELEASED = FORMS
THREE = {"SupCon": (1.0, True), "L_attract": (1.0, False), "L_spread, α = 0.5": (0.5, False)}  # α, SupCon or not
KINDS = {"SupCon": (1.0, True), "L_spread 0.5": (0.5, False), "L_spread 0.25": (0.25, False)}


def from_both_starts(objective: Objective, classes: int, per_class: int, dim: int, steps: int) -> tuple[Tensor, Tensor]:
    """Cosine within classes and loss, (2, S) each, of free vectors that have moved down each of S losses.

    The starts, ``NEAR`` and ``SCATTERED``: near the collapsed simplex, and anywhere on the sphere.
    """
    size = classes, per_class, dim
    start = torch.stack([free_vectors.collapsed(*size, 0.05), free_vectors.scattered(*size)])  # (2, K, n, d)
    twice = Objective(*(getattr(objective, f.name).repeat(2) for f in fields(Objective)))
    z, _ = free_vectors.descend(twice, start.repeat_interleave(len(objective), 0), steps)
    return free_vectors.within(z).view(2, -1), twice.loss(z).view(2, -1)


def thresholds() -> tuple[pd.DataFrame, Tensor]:
    """α* of the settings ``SMALL`` beside what finds it without the formula, a row a setting, and where vectors end.

    alpha_star; root, of the smallest eigenvalue of the Hessian; large, α* of many images; one_view, how far root and α*
    of the one-view form differ, relative to α*.  Ends (settings, starts, α): cosines within classes at 0.98, 1.02 and
    1.1 α*, under L_attract, and under SupCon.
    """
    rows, ends = [], []
    for k, n, tau, d in SMALL:
        star = float(collapse_alpha(k, 2 * n * (k - 1), tau, n, d))
        single = free_vectors.stability_root(Objective.of(tau, views=1), k, n, d)
        one_view = abs(single / float(collapse_alpha(k, n * (k - 1), tau, None, d)) - 1)
        root = free_vectors.stability_root(Objective.of(tau), k, n, d)
        rows.append((k, n, tau, d, star, root, float(collapse_alpha(k, 2 * n * (k - 1), tau)), one_view))
        alpha = torch.cat([(torch.tensor([0.98, 1.02, 1.1]).double() * star).clamp(max=1), torch.ones(2)])
        objective = Objective.of(tau, alpha, torch.arange(5) == 4)
        ends.append(from_both_starts(objective, k, n, d, 400)[0])
    names = ["K", "n", "tau", "d", "alpha_star", "root", "large", "one_view"]
    return pd.DataFrame(rows, columns=names), torch.stack(ends)


def passage() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cosines within classes over α / α*: the optimum in any dimension as lines, free vectors from both starts as dots.

    Both: panel, what, ratio, cosine.  Lines have also rule, the ratio from which collapse is stable in the panel's
    dimension; dots loss.
    """
    fine, few = (torch.linspace(0.4, 1.4, m, dtype=torch.float64) for m in (101, 11))
    lines, dots = [], []
    for k, n, d in ((2, 8, 8), (4, 6, 8), (4, 6, 3)):
        star = float(collapse_alpha(k, 2 * n * (k - 1), TAU, n))
        best = spread_optimum.optimal_within(Objective.of(TAU, (fine * star).clamp(max=1)), k, n)
        rule = 1.0 if d >= k else float(collapse_alpha(k, 2 * n * (k - 1), TAU, n, d)) / star
        panel = {"panel": f"K = {k}, n = {n}, d = {d}"}
        line = panel | {"what": "optimum, d = all images", "ratio": fine, "cosine": best, "rule": rule}
        lines.append(pd.DataFrame(line))
        ends = zip(*from_both_starts(Objective.of(TAU, (few * star).clamp(max=1)), k, n, d, 500), strict=True)
        for name, (cosine, loss) in zip(("from near collapse", "from a scattered start"), ends, strict=True):
            dots.append(pd.DataFrame(panel | {"what": name, "ratio": few, "cosine": cosine, "loss": loss}))
    return pd.concat(lines, ignore_index=True), pd.concat(dots, ignore_index=True)


def optimum(form: str, alpha, batch: int, classes: int = 2, sup_con=False) -> Tensor:
    """The best cosine within classes (S,) under L_spread at τ = 0.5, for each α: ``spread_optimum.optimal_within``.

    form: a key of ``FORMS``; batch: images, equally many of each class; sup_con: SupCon in place of L_spread.
    """
    objective = Objective.of(TAU, alpha, sup_con, *FORMS[form])
    return spread_optimum.optimal_within(objective, classes, batch / classes)


def forms_over_alpha() -> pd.DataFrame:
    """``optimum`` of every form over α: panel (classes and batch), what (the form), alpha, cosine."""
    alphas = torch.linspace(0, 1, 101, dtype=torch.float64)
    parts = [
        {"panel": f"K = {k}, batch {batch}", "what": form, "alpha": alphas, "cosine": optimum(form, alphas, batch, k)}
        for k, batch in ((2, 128), (2, 32), (10, 128))
        for form in FORMS
    ]
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)


def forms_of_free_vectors(images: int, dim: int = 8) -> pd.DataFrame:
    """Where free vectors of two classes end under each form of three losses, a row each.

    form, loss, and cosines within classes: scattered, near (by start), best (``optimum``).
    """
    alpha, sup_con = (torch.tensor(v) for v in zip(*THREE.values(), strict=True))
    rows = []
    for form, (views, clamp) in FORMS.items():
        objective = Objective.of(TAU, alpha, sup_con, views, clamp)
        near, scattered = from_both_starts(objective, 2, images // 2, dim, 200)[0].tolist()
        best = optimum(form, alpha, images // 2 * 2, sup_con=sup_con).tolist()
        rows += [(form, *row) for row in zip(THREE, scattered, near, best, strict=True)]
    return pd.DataFrame(rows, columns=["form", "loss", "scattered", "near", "best"])


@dataclass(frozen=True)
class Seen:
    """What the encoders show on test images, by arm, one number a seed (R,) each.

    end: accuracy of the head on coarse labels; carried: of a linear layer on the strata, empty where training saw the
    strata; within, strata, across: mean cosines of images of a class, of a stratum, of a class but not of a stratum.
    z: features (R, n, d); y, stratum: codes (n,).
    """

    end: dict[str, Tensor]
    carried: dict[str, Tensor]
    within: dict[str, Tensor]
    strata: dict[str, Tensor]
    across: dict[str, Tensor]
    z: dict[str, Tensor]
    y: Tensor
    stratum: Tensor


def measure(arms: dict[str, list[CoarseUnit]], protocol: transfer.Protocol) -> Seen:
    """Judge every encoder: its head, a new linear layer on its frozen features, and the cosines of its features."""
    some = next(iter(arms.values()))[0]
    y, stratum = some.embeddings()[1], some.strata()
    end = {a: torch.tensor([unit.accuracy() for unit in units], dtype=torch.float64) for a, units in arms.items()}
    z = {a: torch.stack([unit.embeddings()[0][0] for unit in units]).double() for a, units in arms.items()}
    within, strata = ({a: measures.within_classes(v, codes).mean(-1) for a, v in z.items()} for codes in (y, stratum))
    carried, across = {}, {}
    if not bool((y == stratum).all()):
        found = transfer.coarse_to_fine([unit for units in arms.values() for unit in units], protocol).accuracy
        carried = dict(zip(arms, found.double().view(len(arms), -1), strict=True))
        across = {a: measures.across_strata(v, y, stratum).nanmean(-1) for a, v in z.items()}
    return Seen(end, carried, within, strata, across, z, y, stratum)


def by_held_out(arms: dict[str, list[CoarseUnit]]) -> dict[str, Tensor]:
    """Accuracy of the head on the held-out training images (R,) of the exact arms of L_spread, the best mean first;
    empty where nothing was held out.
    """
    found = {}
    for arm, units in arms.items():
        if arm.startswith("L_spread") and not arm.endswith(RELEASED):
            masks = [unit.held_out() for unit in units]
            right = [unit.logits("train").argmax(1) == unit.embeddings("train")[1] for unit in units]
            if masks[0].any():
                found[arm] = torch.stack([r[m].double().mean() for r, m in zip(right, masks, strict=True)])
    return dict(sorted(found.items(), key=lambda item: -float(item[1].mean())))


def effects(seen: Seen, main: str, end: str, p: SimpleNamespace) -> dict[str, tuple[Tensor, tuple[str, ...]]]:
    """The effect (R,) of every claim about encoders that these arms and data can judge, and the arms that it reads.

    main, end: the arms with the paper's α for transfer and for end models on this data; "" where not trained.
    """
    pairs = {"lspread-2c": ("L_spread 0.25", "L_spread 0.5"), "lspread-2d": (f"L_attract{RELEASED}", "L_attract")}
    pairs |= {"lspread-3a": (main, "SupCon"), "lspread-3b": (main, "SimCLR"), "lspread-3c": ("SimCLR", "SupCon")}
    if p.data == "cifar10_coarse" and p.net == "vit":
        pairs["lspread-3d"] = main, "SupCon"
    if p.data.startswith("cifar100_coarse"):
        pairs["lspread-4"] = main, "SupCon"
    ends = {"lspread-5b": (end, "SupCon"), "lspread-6a": ("L_attract", "SupCon"), "lspread-6b": (end, "L_attract")}
    least = next((arm for arm in seen.end if arm.startswith("L_spread")), "")
    alone = {"lspread-1g": "SupCon", "lspread-1h": least}
    return {
        claim: (of[a] - of[b], (a, b))
        for of, asked in ((seen.carried, pairs), (seen.end, ends))
        for claim, (a, b) in asked.items()
        if a in of and b in of
    } | {claim: (seen.within[arm], (arm,)) for claim, arm in alone.items() if arm in seen.within}


@dataclass(frozen=True)
class RareStrata:
    """Networks on Gaussian strata, a kind of ``KINDS`` and a seed each.

    cosine: of fresh points to the centre of their class (2, kinds, seeds, strata), with the centre of all points and
    with that of the strata, each weighing the same; ranks: its rank correlation with the size of the stratum (2, kinds,
    seeds); lag: ``gaussian.lag`` about the first centre; accuracy, untrained: ``gaussian.accuracy``; (kinds, seeds).
    """

    cosine: Tensor
    ranks: Tensor
    lag: Tensor
    accuracy: Tensor
    untrained: Tensor


def rare_strata(seeds: list[int]) -> RareStrata:
    """Train the networks of every kind and seed side by side, and measure them."""
    again = seeds * len(KINDS)
    alpha, sup_con = (torch.tensor(v).repeat_interleave(len(seeds)) for v in zip(*KINDS.values(), strict=True))
    seen, fresh = gaussian.draw(again), gaussian.draw(again, fresh=True)
    net = gaussian.train(seen, again, alpha, sup_con)
    start = gaussian.train(seen, again, alpha, sup_con, replace(gaussian.TRAINING, steps=0))
    features = net(fresh.x)
    cosine = [measures.to_centre(features, fresh.y, fresh.stratum, even) for even in (False, True)]
    cosine = torch.stack(cosine).view(2, len(KINDS), len(seeds), -1).double()
    read = (gaussian.accuracy(one, seen, fresh).view(len(KINDS), -1) for one in (net, start))
    ranks = torch.stack([gaussian.rank_correlation(v) for v in cosine])
    return RareStrata(cosine, ranks, gaussian.lag(cosine[0]), *read)
