"""The figures of alignment and uniformity as a page shows them: chart, words that say what is found, data, source."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from lib.figures import alignment_uniformity as figures
from lib.figures import charts
from lib.geometry import discrepancy, uniformity
from lib.images.sets import Images
from lib.studies.alignment_uniformity import Harm, gaps, slope
from lib.study.run import Run


def card(chart, alt: str, caption: str, data: pd.DataFrame, source: str) -> dict:
    """What ``Run.show`` takes beside the figure's name."""
    return {"chart": chart, "alt": alt, "caption": caption, "data": data, "source": source}


def batch(best: dict, dim: int) -> dict:
    """Uniformity of the best batches found in R^dim, by their size, beside the simplex and the sphere."""
    sphere, last = uniformity.uniformity_of_sphere(dim), max(best)
    curve = pd.DataFrame(
        [(f"best batch found in R^{dim}", n, float(b.loss)) for n, b in best.items()]
        + [("simplex: bound in any dimension", n, uniformity.uniformity_of_simplex(n)) for n in best]
        + [(f"sphere in R^{dim}: all distributions", n, sphere) for n in best],
        columns=["points", "n", "value"],
    )
    below = abs(float(best[last].loss) - sphere)
    return card(
        figures.lines(curve, "n", "value", "points", "points in the batch", "uniformity"),
        f"Uniformity of the best batch against its size: on the simplex bound up to {dim + 1} points, and with "
        f"{last} still {below:.3f} below the sphere's {sphere:.3f}.",
        f"With {last} points the best batch is {below:.3f} below the sphere; up to {dim + 1} points it is a certified "
        "simplex.",
        curve,
        "lib/geometry/uniformity.py:optimal_points",
    )


def distance(sizes: np.ndarray, found: dict[str, np.ndarray]) -> dict:
    """Energy distance to the uniform measure by number of points; found: searched, (seeds, sizes), by a rule for t."""
    each = {f"sphere, {name}": rows.mean(0) for name, rows in found.items()}
    each["sphere, random points"] = [discrepancy.of_random(int(n), 3) for n in sizes]
    each["circle, regular polygon"] = [discrepancy.of_polygon(int(n)) for n in sizes]
    curve = pd.concat([pd.DataFrame({"points": k, "n": sizes, "distance": v}) for k, v in each.items()])
    *searched, _, polygon = (slope(sizes, row) for row in each.values())
    words = " and ".join(f"{power:.2f} ({name})" for name, power in zip(found, searched, strict=True))
    return card(
        figures.lines(curve, "n", "distance", "points", "points n", "energy distance to the uniform measure", True),
        f"Energy distance to the uniform measure against the number of points, up to {sizes[-1]:,}, both axes "
        f"logarithmic. Powers of n: {words} on the sphere, -0.5 of random points, {polygon:.2f} of the polygon.",
        f"Minimisers on the sphere in ℝ³ tend to the uniform measure with the powers {words} of n; random points have "
        "-0.5. "
        "Sought by L-BFGS, mean over starts. Circle: exact.",
        curve,
        "lib/geometry/discrepancy.py:energy_distance",
    )


def circle(z: list, held: Images, uniform: dict[str, np.ndarray], source: str = "lib/encoders/stacks.py:train") -> dict:
    """Three encoders into the plane; z: features of both views (3, n, 2); uniform: their uniformity by encoder."""
    pairs, angles, means = figures.of_circle(*z, held)
    exact, mean = uniformity.uniformity_of_sphere(2), {name: m.mean() for name, m in uniform.items()}
    return card(
        figures.on_circle(pairs, angles, means),
        "Distances of positive pairs and density of angles for three encoders. Contrastive features have uniformity "
        f"{mean['contrastive']:.2f}, supervised {mean['supervised']:.2f}, the circle {exact:.3f}.",
        f"Contrastive training ends at uniformity {mean['contrastive']:.2f}, the circle has {exact:.3f}. Held-out "
        "images, first seed. Von Mises kernel of concentration 40. Dashed: mean distance; uniform density.",
        angles,
        source,
    )


def rate(settings: list[tuple], wide: list[int], ladder: list[int], gap: np.ndarray, single: np.ndarray) -> dict:
    """Distance of the contrastive loss from its limit; gap, single: of trained encoders, (seeds, ladder)."""
    lines = {f"uniform, d = {d}, τ = {tau:g}": (wide, np.abs(gaps(d, tau, wide))) for d, tau in settings}
    lines["trained encoders on the circle, τ = 0.5"] = ladder, np.abs(gap).mean(0)
    lines["the same, a single anchor and draw"] = ladder, single.mean(0)
    errors = pd.concat([pd.DataFrame({"features": name, "M": m, "error": e}) for name, (m, e) in lines.items()])
    one, alone = (np.mean([slope(ladder, row) for row in rows]) for rows in (gap, single))
    return card(
        charts.rates(errors),
        "Distance of the contrastive loss from its limit against M, logarithmic axes. Trained encoders: slope "
        f"{one:.2f}; a single draw: {alone:.2f}; dashed lines have slopes -1 and -1/2.",
        f"The distance falls with slope {one:.2f} on trained encoders, {alone:.2f} for a single draw. Uniform "
        "features: exact. Trained encoders: drawn negatives, the first-order noise taken off. Dashed: both candidate "
        "rates.",
        errors,
        "lib/geometry/uniformity.py:contrastive",
    )


def spikes(seen: dict[int, float]) -> dict:
    """What the measure sees of evenly spaced spikes over t; seen: of ten of them, by t."""
    cells = [(n, t, uniformity.spikes_gap(n, t)) for n in (2, 3, 5, 10, 20) for t in np.geomspace(0.25, 128, 28)]
    curve = pd.DataFrame([(f"{n} spikes", t, g) for n, t, g in cells if g > 1e-6], columns=["spikes", "t", "gap"])
    few, many = min(seen), max(seen)
    return card(
        figures.lines(curve, "t", "gap", "spikes", "t", "uniformity minus the circle's", log_y=True),
        f"What the measure sees of evenly spaced spikes against t: ten spikes are {seen[few]:.1e} from the circle at "
        f"t = {few} and {seen[many]:.2f} at t = {many}.",
        f"Ten spikes are {seen[few]:.1e} from the circle at t = {few} and {seen[many]:.2f} at t = {many}. Values below "
        "one millionth are left out. Click the legend to pick one.",
        curve,
        "lib/geometry/uniformity.py:spikes_gap",
    )


def over_shares(run: Run, kinds: dict[str, tuple]) -> pd.DataFrame:
    """Note measures over the share of uniformity, (shares, (seeds, shares)) by kind, as the frame of ``weights``."""
    return pd.DataFrame(
        {"measure": kind, "share": w} | asdict(run.note(f"{kind} at share {w:g}", values[:, i]))
        for kind, (shares, values) in kinds.items()
        for i, w in enumerate(shares)
    )


def weights(by_weight: pd.DataFrame, what: str, source: str, about: str) -> dict:
    """Curves over the share of uniformity in the loss, see ``figures.weights``; what: the measure of the words."""
    one = by_weight[by_weight.measure == what].sort_values("share")
    top = one.loc[one.value.idxmax()]
    words = f"{one.value.iloc[0]:.2f} with alignment alone, {top.value:.2f} at a share of {top.share:g}"
    words += f", {one.value.iloc[-1]:.2f} with uniformity alone"
    return card(
        figures.weights(by_weight),
        f"{what.capitalize()} over the share of uniformity in the loss: {words}.",
        f"{what.capitalize()} is {words}. {about} Bands are 95 % intervals over seeds.",
        by_weight,
        source,
    )


def plane(spread: pd.DataFrame, explained: float) -> dict:
    """Encoders in the plane of the two measures, see ``figures.plane``; explained: R² of the pooled regression."""
    low, high = spread.accuracy.min(), spread.accuracy.max()
    return card(
        figures.plane(spread),
        f"{len(spread)} encoders in the plane of alignment and uniformity, coloured by accuracy from {low:.2f} to "
        f"{high:.2f}; a linear regression on the two explains {explained:.2f} of the variance.",
        f"The two measures explain {explained:.2f} of the variance of accuracy. Each point an encoder, measured on "
        "held-out images; hover for its settings.",
        spread,
        "lib/encoders/stacks.py:train",
    )


def harm(found: Harm, treated: list[str], names: tuple[str, ...], ratio: float) -> dict:
    """Where a class goes that is undersampled to the ratio; names: of all classes."""
    where, change = figures.standing(found, treated, names), (found.cut - found.balanced).mean((0, 2))
    return card(
        figures.moves(where),
        f"Alignment and uniformity of each class, balanced and undersampled. On average the uniformity across to the "
        f"look-alike changes by {change[2]:+.2f} and within the class by {change[1]:+.2f}.",
        f"Undersampling changes the uniformity across to the look-alike by {change[2]:+.2f} on average, within the "
        f"class by {change[1]:+.2f}. Mean over seeds, held-out images; {ratio:.0%} of the class kept. Rows: class → "
        "look-alike.",
        where,
        "lib/geometry/uniformity.py:between",
    )
