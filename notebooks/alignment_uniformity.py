# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Alignment and uniformity: what the contrastive loss asks for
#
# **Question.** {cite:t}`wang2020` split the contrastive loss in two. *Alignment*: the two views of an image lie close.
# *Uniformity*: the features spread evenly over the sphere. How good is the split at a finite number of negatives? What can
# the measure of uniformity see, and what not? Do the two measures predict accuracy? And where in their plane does a class
# go that is undersampled?
#
# Every statement says what it rests on: **proved in the paper**, **derived here**, or **numerical only**.
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop} the label of the run
data: str = "digits"  # {digits, cifar10} data set of the encoders
images_per_class: int = 0  # [0, inf) training images of each class; 0 keeps all
scored_per_class: int = 0  # [0, inf) held-out images of each class; 0 keeps all
undersampled: str = "all"  # classes that are undersampled in the last section, one at a time, separated by commas
ratio: float = 0.05  # (0, 1] share of the undersampled class that is kept
seed: int = 0  # [0, inf) first seed
seeds: int = 3  # [1, 100] number of seeds
reference_seeds: int = 3  # [1, 100] balanced encoders of other seeds, from which look-alikes are read
width: int = 8  # [1, inf) filters of the first layer of an encoder
hidden: int = 64  # [1, inf) units of the hidden layer of an encoder
circle_steps: int = 2000  # [1, inf) steps of training of the encoders into the plane
circle_batch: int = 128  # [2, inf) images a step there; NT-Xent then has 254 negatives
steps: int = 150  # [1, inf) steps of training of all other encoders
batch_size: int = 64  # [2, inf) images a step there
encoders: int = 30  # [6, 1000] encoders of the scatter, half of them with either loss
learning_rate: float = 0.01  # (0, inf) of Adam, start of the cosine schedule
temperature: float = 0.5  # (0, inf) of NT-Xent
augment: str = "digits"  # {simclr, simclr_blur, digits} augmentation policy

# %% tags=["remove-input"]
from lib import study

run = study.start("alignment_uniformity", globals())

# %% tags=["hide-input"]
import inspect
import math

import numpy as np
import pandas as pd
import statsmodels.api as sm
import torch
from IPython.display import Code, Markdown, display
from scipy import special

from lib import claims, images, intervals, losses
from lib.encoders import stacks
from lib.encoders.stacks import Group, Recipe
from lib.figures import alignment_uniformity
from lib.geometry import uniformity
from lib.images.augment import POLICIES, view
from lib.studies.shared.arms import REFERENCE_SHIFT
from lib.study import page, report

torch.set_num_threads(1)
p = run.p
face, exact = run.face(), "computed, float64, CPU"
rows: list[dict] = []
judged: list[tuple[str, claims.Judgement]] = []
record = report.recorded(run.study)
train, held = images.load(p.data, "train"), images.load(p.data, "test")
train = train.first(p.images_per_class) if p.images_per_class else train
held = held.first(p.scored_per_class) if p.scored_per_class else held
policy, every = POLICIES[p.augment], torch.arange(len(train))
names = list(train.classes)
own_seeds = range(p.seed, p.seed + p.seeds)
twice = torch.Generator().manual_seed(p.seed)
first_view, second_view = (stacks.patches(view(held.x, policy, twice)) for _ in range(2))
plain, scored = (stacks.patches(part.x.float() / 255) for part in (train, held))


def fit(groups: list[Group], recipes: list[Recipe], steps: int, batch: int) -> stacks.Stack:
    """Encoders of this run's size."""
    return stacks.train(train, groups, recipes, steps, batch, policy, p.width, p.hidden)


def measures(stack: stacks.Stack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alignment, uniformity (mean of the two views) and linear accuracy on held-out images, each (groups, recipes)."""
    z1, z2 = stack.features(first_view).double(), stack.features(second_view).double()
    pairs = [[(z1[g, e], z2[g, e]) for e in range(z1.shape[1])] for g in range(len(z1))]
    align = [[float(losses.alignment(*pair)) for pair in row] for row in pairs]
    uniform = [[float(sum(losses.uniformity(z) for z in pair)) / 2 for pair in row] for row in pairs]
    accuracy = stacks.linear_accuracy(stack.features(plain), train.y, stack.features(scored), held.y)
    return np.array(align), np.array(uniform), accuracy.numpy()


def summary(quantity: str, values) -> tuple[float, float, float]:
    """Mean and interval over seeds, kept among the results."""
    mean, low, high = (float(v) for v in intervals.over_seeds(values))
    rows.append({"quantity": quantity, "value": mean, "low": low, "high": high, "seeds": len(values)})
    return mean, low, high


def elsewhere(values: np.ndarray) -> np.ndarray:
    """For each seed the column (seeds, columns) that is best on the other seeds."""
    total = values.sum(0)
    return (total - values if len(values) > 1 else values).argmax(1)


# %% [markdown]
# ## Method
#
# Features are unit vectors, $f(x) \in S^{d-1}$. With $(x, y)$ two views of one image,
#
# $$
# \mathcal{L}_{\text{align}}(\alpha) = \mathbb{E}\, \lVert f(x) - f(y) \rVert^\alpha, \qquad
# \mathcal{L}_{\text{uniform}}(t) = \log \mathbb{E}\, e^{-t \lVert f(x) - f(x') \rVert^2},
# $$
#
# with $x, x'$ two images drawn apart; $\alpha = t = 2$ unless said otherwise. Lower is better in both. On a batch the
# expectation of the second runs over pairs $i < j$, as in the public code.

# %% tags=["remove-input"]
Code(inspect.getsource(losses.alignment) + "\n\n" + inspect.getsource(losses.uniformity), language="python")

# %% [markdown]
# The encoders of this page are small: filters that do not overlap, then one hidden layer. Many are trained at once, each
# step a few matrix products over all of them. The encoders of a seed start from the same weights and see the same views;
# only their loss differs. Accuracy is that of a linear least-squares classifier on the unit features, on held-out images.

# %% tags=["remove-input"]
Code(inspect.getsource(stacks.forward), language="python")

# %% [markdown]
# ## Exact values
#
# :::{prf:proposition} The sphere (derived here)
# :label: au-sphere
# For the uniform distribution $\sigma_d$ on $S^{d-1}$,
# $\mathcal{L}_{\text{uniform}}(t) = \log {}_0F_1(; \tfrac d2; t^2) - 2t$. It is above $-2t$ in every dimension.
# :::
#
# :::{prf:proof}
# With $c = u^\top v$, $\lVert u - v \rVert^2 = 2 - 2c$, so the expectation is $e^{-2t}\, \mathbb{E} e^{2tc}$. Odd moments of
# $c$ vanish; $\mathbb{E} c^{2k} = (\tfrac12)_k / (\tfrac d2)_k$ and $(2k)! = 4^k k!\, (\tfrac12)_k$ leave
# $\sum_k t^{2k} / (k!\, (\tfrac d2)_k)$. It is above 1.
# :::
#
# The terms are added as logarithms: the textbook form with a Bessel function underflows in high dimension.
#
# :::{prf:proposition} A batch can be below the sphere (derived here)
# :label: au-batch
# For $n$ unit vectors in any dimension the mean over pairs gives
# $\mathcal{L}_{\text{uniform}}(t) \ge -2tn/(n-1)$, with equality for a regular simplex alone, which needs $d \ge n - 1$.
# :::
#
# :::{prf:proof}
# The exponential is convex, so the logarithm of the mean is at least $-t$ times the mean squared distance, with equality
# only at equal distances. And $0 \le \lVert \sum_i x_i \rVert^2$ bounds that mean by $2n/(n-1)$.
# :::
#
# The best batch lies *below* the best distribution, since a point is no pair with itself. With the $n$ pairs $i = i$ counted
# in, the bound would be $\log[\tfrac1n + (1 - \tfrac1n) e^{-2tn/(n-1)}]$, above the sphere's value: the two conventions
# disagree about which batch is "more than uniform".

# %% tags=["hide-input"]
dims, points = (2, 3, 8, 32, 128, 512), 2048
found = np.zeros((p.seeds, len(dims)))
for s, own in enumerate(own_seeds):
    for i, dim in enumerate(dims):
        x = torch.randn(points, dim, generator=torch.Generator().manual_seed(10_000 * own + dim)).double()
        found[s, i] = float(losses.uniformity(torch.nn.functional.normalize(x, dim=1)))
truth = np.array([uniformity.uniformity_of_sphere(dim) for dim in dims])
judged.append(("run", claims.judge("alignment-1", np.abs(found - truth).max(1))))
lines = [
    (d, f"{t:.4f}", f"{m:.4f}", f"{g:.1e}")
    for d, t, m, g in zip(dims, truth, found.mean(0), np.abs(found - truth).max(0), strict=True)
]
rows += [{"quantity": f"uniformity of the sphere, d = {d}", "value": t} for d, t in zip(dims, truth, strict=True)]
display(Markdown(report.table(["$d$", "exact", f"{points:,} random points", "largest gap over seeds"], lines)))
special_values = [
    ("two points ($d = 1$)", uniformity.uniformity_of_sphere(1)),
    ("sphere, $d = 1{,}000{,}000$", uniformity.uniformity_of_sphere(10**6)),
    ("simplex of 10 points", uniformity.uniformity_of_simplex(10)),
    ("10 collapsed classes, 30 images each", uniformity.uniformity_of_classes(10, per_class=30)),
    ("10 collapsed classes, no end of images", uniformity.uniformity_of_classes(10)),
    ("10 spikes on the circle", uniformity.uniformity_of_spikes(10)),
    ("all in one place", 0.0),
]
rows += [{"quantity": f"uniformity, {name}", "value": v} for name, v in special_values]
display(Markdown(report.table(["features", "exact uniformity"], [(n, f"{v:.6f}") for n, v in special_values])))

# %% [markdown]
# The exact values are held to mpmath's in the tests; what the table shows beside them, and claim 1 judges, is the sampling error
# of so many points. In trial runs neither these nor twice as many decided it: the largest of six such errors varies much.

# %% tags=["hide-input"]
counts, d_points = (2, 3, 4, 6, 8, 9, 12, 16, 24, 32), 8
best = [uniformity.optimal_points(n, d_points, seed=p.seed) for n in counts]
slow = [n for n, b in zip(counts, best, strict=True) if not b.certificate.converged]
sphere = uniformity.uniformity_of_sphere(d_points)
curve = pd.DataFrame(
    [(f"best batch found in R^{d_points}", n, float(b.loss)) for n, b in zip(counts, best, strict=True)]
    + [("simplex: bound in any dimension", n, uniformity.uniformity_of_simplex(n)) for n in counts]
    + [(f"sphere in R^{d_points}: all distributions", n, sphere) for n in counts],
    columns=["points", "n", "value"],
)
below = float(best[-1].loss) - sphere
rows += [
    {"quantity": f"best batch of {n} in R^{d_points}", "value": float(b.loss)}
    for n, b in zip(counts, best, strict=True)
]
page.show(
    run.folder,
    "batch",
    alignment_uniformity.lines(curve, "n", "value", "points", "points in the batch", "uniformity"),
    alt=f"Uniformity of the best batch against its size: on the simplex bound up to {d_points + 1} points, and with "
    f"{counts[-1]} still {abs(below):.3f} below the sphere's {sphere:.3f}.",
    caption=f"Best batches found by L-BFGS; up to {d_points + 1} points they are simplices, certified by the bound.",
    data=curve,
    source="lib/geometry/uniformity.py:optimal_points",
    face=exact,
)
display(
    Markdown(
        f"Searches that did not converge: {', '.join(map(str, slow)) or 'none'}. At {counts[-1]} points the batch is "
        f"**{abs(below):.3f}** below the uniform distribution. Beyond {d_points + 1} points the search gives a local optimum (numerical only)."
    )
)

# %% [markdown]
# ## Three encoders into the plane
#
# The paper's figure, on other images and much smaller nets: features on the circle from random weights, from supervised training and from contrastive training
# ($\tau = 0.5$, about 256 negatives).
#
# How long to train was settled first, by the contrastive loss on the *training* images alone, on seeds 1000 to 1002 which
# nothing on this page uses: from 500 steps on, the number was doubled until doubling it lowered that loss by less than 2 per cent. The
# start, which leaves out a slow beginning, and the 2 per cent were set with these losses in view, before any alignment or uniformity was
# measured. The digits' record of it:

# %% tags=["hide-input"]
PILOT = pd.DataFrame(
    {"steps": [250, 500, 1000, 2000, 4000], "contrastive loss": [5.2617, 5.1860, 5.0091, 4.8751, 4.7989]}
)  # digits, learning rate 0.01; of 0.003, 0.01 and 0.03 it was the lowest from 1,000 steps on
PILOT["change by doubling"] = (PILOT["contrastive loss"].shift(-1) / PILOT["contrastive loss"] - 1).map("{:.1%}".format)
display(Markdown(report.table(list(PILOT.columns), [tuple(r) for r in PILOT.values.tolist()][:-1])))
plane_of = {
    "random": None,
    "supervised": Recipe(supervised=1, dim=2, learning_rate=p.learning_rate),
    "contrastive": Recipe(contrastive=1, tau=p.temperature, dim=2, learning_rate=p.learning_rate),
}
circle_recipes = [r for r in plane_of.values() if r]
circle_groups = [Group(s, every) for s in own_seeds]
circle_stack = fit(circle_groups, circle_recipes, p.circle_steps, p.circle_batch)
untrained = fit(circle_groups, circle_recipes[:1], 0, p.circle_batch)
z_circle = [torch.cat([untrained.features(v), circle_stack.features(v)], 1) for v in (first_view, second_view)]
both = [np.concatenate(m, 1) for m in zip(measures(untrained), measures(circle_stack), strict=True)]
align_c, uniform_c = dict(zip(plane_of, both[0].T, strict=True)), dict(zip(plane_of, both[1].T, strict=True))
exact_circle = uniformity.uniformity_of_sphere(2)
judged.append(("run", claims.judge("alignment-3a", align_c["contrastive"] - align_c["random"])))
judged.append(("run", claims.judge("alignment-3b", uniform_c["contrastive"] - uniform_c["supervised"])))
judged.append(("run", claims.judge("alignment-3c", np.abs(uniform_c["contrastive"] - exact_circle))))
grid, bins = np.arange(-180, 181, 5), np.linspace(0, 2, 21)
distances, angles, means = [], [], []
for e, name in enumerate(plane_of):
    z1, z2 = (z[0, e].double() for z in z_circle)  # the first seed
    apart = (z1 - z2).norm(dim=1).numpy()
    share = np.histogram(apart, bins)[0] / len(apart)
    distances += [(name, m, s) for m, s in zip((bins[1:] + bins[:-1]) / 2, share, strict=True)]
    means.append((name, float(apart.mean())))
    theta = torch.atan2(z1[:, 1], z1[:, 0]).numpy()
    bump = np.exp(40 * (np.cos(np.deg2rad(grid)[:, None] - theta) - 1)) / (360 * special.ive(0, 40))  # a degree
    for label, hit in [("all", slice(None)), *((c, (held.y == k).numpy()) for k, c in enumerate(names))]:
        angles += [(name, label, g, round(float(v), 5)) for g, v in zip(grid, bump[:, hit].mean(1), strict=True)]
distances = pd.DataFrame(distances, columns=["encoder", "distance", "share"])
angles = pd.DataFrame(angles, columns=["encoder", "class", "angle", "density"])
means = pd.DataFrame(means, columns=["encoder", "distance"])
lines = [
    (
        name,
        *(
            f"{m:.3f} {report.span(low, high)}"
            for m, low, high in (
                summary(f"circle, alignment, {name}", align_c[name]),
                summary(f"circle, uniformity, {name}", uniform_c[name]),
                summary(f"circle, linear accuracy, {name}", both[2][:, e]),
            )
        ),
    )
    for e, name in enumerate(plane_of)
]
page.show(
    run.folder,
    "circle",
    alignment_uniformity.circle(distances, angles, means),
    alt=f"Distances of positive pairs and density of angles for three encoders. Contrastive features have uniformity "
    f"{uniform_c['contrastive'].mean():.2f}, supervised {uniform_c['supervised'].mean():.2f}, the circle {exact_circle:.3f}.",
    caption="Held-out images, first seed. Von Mises kernel of concentration 40. Dashed: mean distance; uniform density.",
    data=angles,
    source="lib/encoders/stacks.py:train",
    face=face,
)
display(Markdown(report.table(["encoder", "alignment", "uniformity", "linear accuracy"], lines)))
tail = circle_stack.losses[-max(p.circle_steps // 20, 1) :, :, 1].mean()
rows.append({"quantity": "circle, contrastive training loss at the end", "value": float(tail)})
display(
    Markdown(
        f"Uniformity of the circle, exactly: {exact_circle:.4f}. Contrastive loss on the training images at the end: {tail:.3f}; "
        f"aligned and uniform features would have {uniformity.contrastive(2, p.temperature, 2 * p.circle_batch - 2) + math.log(2 * p.circle_batch - 2):.3f}. "
        "A linear classifier on the plane cannot tell ten arcs of a circle apart, so the accuracies here are low by design."
    )
)

# %% [markdown]
# The better a supervised encoder tells ten classes apart on a circle, the closer its features come to ten spikes, and the measure
# takes those for uniform (below). The large gap of claim 3b is to be expected of a supervised encoder that leaves part of the
# circle empty, not of supervision as such.
#
# ## Theorem 1 and its rate
#
# With $M$ negatives $x_i^-$ drawn apart, $\mathcal{L}(\tau, M) = \mathbb{E} \log\big[e^{f(x)^\top f(y)/\tau} + \sum_i e^{f(x_i^-)^\top f(y)/\tau}\big] - \mathbb{E} f(x)^\top f(y)/\tau$.
#
# :::{prf:theorem} The limit of many negatives (proved in the paper)
# :label: au-limit
# As $M \to \infty$, $\mathcal{L}(\tau, M) - \log M \to -\tfrac1\tau \mathbb{E} f(x)^\top f(y) + \mathbb{E}_y \log \mathbb{E}_{x^-} e^{f(x^-)^\top f(y)/\tau}$,
# and the distance is $O(M^{-1/2})$.
# :::
#
# :::{prf:proof}
# The mean of $M$ bounded terms tends to its expectation, the positive's own term vanishes as $1/M$, and the logarithm is
# continuous and bounded there, so limit and expectation may be exchanged. The bound takes the mean *absolute* deviation of
# the average, which is of order $M^{-1/2}$.
# :::
#
# :::{prf:proposition} The rate is $1/M$ (derived here)
# :label: au-rate
# Let $\mu$ and $v$ be mean and variance of $e^{f(x^-)^\top f(y)/\tau}$ given $y$. The distance is
# $\frac1M\, \mathbb{E}\big[ e^{f(x)^\top f(y)/\tau} / \mu - v / (2 \mu^2) \big] + O(M^{-2})$.
# :::
#
# :::{prf:proof}
# Write the bracket over $M$ as $\mu + \delta$ with $\delta = \bar X - \mu + e^{s/\tau}/M$ and expand $\log(\mu + \delta) =
# \log \mu + \delta/\mu - \delta^2/(2\mu^2) + \dots$ The deviation $\bar X - \mu$ has size $M^{-1/2}$ but expectation 0: what the
# bound counts cancels in the mean. Left are the positive's own term and the bias of the logarithm, $-v/(2M\mu^2)$; third and
# fourth moments of $\delta$ are $O(M^{-2})$.
# :::
#
# The expectation can be computed without drawing anything: $\log S = \int_0^\infty (e^{-u} - e^{-uS})\, du/u$, and
# $\mathbb{E} e^{-uS}$ factors over the negatives.

# %% tags=["remove-input"]
Code(inspect.getsource(uniformity.mean_log_sum), language="python")

# %% tags=["hide-input"]
ladder = [64, 128, 256, 512, 1024]
wide = [16, 64, 256, 1024, 4096, 16384, 65536]
settings = [(2, 0.5), (8, 0.5), (128, 0.5), (8, 0.1), (128, 0.1)]


def slope(sizes, gaps) -> float:
    """Of the straight line through log |gap| over log M."""
    return float(np.polyfit(np.log(sizes), np.log(np.abs(gaps)), 1)[0])


def gaps_of(dim: int, tau: float, sizes: list[int]) -> np.ndarray:
    """The exact distance from the limit, positives in one place."""
    return np.array([uniformity.contrastive(dim, tau, m) - uniformity.limit(dim, tau) for m in sizes])


powers = {f"uniform, d = {d}, τ = {tau:g}": gaps_of(d, tau, wide) for d, tau in settings}
exact_slopes = {
    (d, tau): (slope(ladder, gaps_of(d, tau, ladder)), slope(wide[-2:], gaps_of(d, tau, wide[-2:])))
    for d, tau in settings
}
judged.append(("run", claims.judge_number("alignment-2a", exact_slopes[2, 0.5][0])))
measured = [uniformity.measured(*(z[s, 2] for z in z_circle), 0.5, ladder, seed=own) for s, own in enumerate(own_seeds)]
measured_gap, single = (np.array([m[i].numpy() for m in measured]) for i in (0, 1))  # (seeds, sizes)
slopes, single_slopes = (np.array([slope(ladder, g) for g in part]) for part in (measured_gap, single))
judged.append(("run", claims.judge("alignment-2b", slopes)))
rate, single_rate = (
    summary("slope, trained encoders", slopes),
    summary("slope, a single anchor and draw", single_slopes),
)
errors = pd.DataFrame(
    [(name, m, abs(g)) for name, gap in powers.items() for m, g in zip(wide, gap, strict=True)]
    + [
        ("trained encoders on the circle, τ = 0.5", m, g)
        for m, g in zip(ladder, np.abs(measured_gap).mean(0), strict=True)
    ]
    + [("the same, a single anchor and draw", m, g) for m, g in zip(ladder, single.mean(0), strict=True)],
    columns=["features", "M", "error"],
)
for (d, tau), (near, far) in exact_slopes.items():
    rows.append({"quantity": f"slope, uniform, d = {d}, tau = {tau:g}, M 64 to 1024", "value": near})
    rows.append({"quantity": f"slope, uniform, d = {d}, tau = {tau:g}, M 16384 to 65536", "value": far})
page.show(
    run.folder,
    "rate",
    alignment_uniformity.rates(errors),
    alt=f"Distance of the contrastive loss from its limit against M, logarithmic axes. Trained encoders: slope {rate[0]:.2f}; "
    f"a single draw: {single_rate[0]:.2f}; dashed lines have slopes -1 and -1/2.",
    caption="Uniform features: exact. Trained encoders: drawn negatives, the first-order noise taken off. Dashed: the two candidate rates.",
    data=errors,
    source="lib/geometry/uniformity.py:contrastive",
    face=face,
)
lines = [
    (f"uniform, $d = {d}$, $\\tau = {tau:g}$", f"{near:.3f}", f"{far:.3f}", f"{uniformity.first_order(d, tau):.2f}")
    for (d, tau), (near, far) in exact_slopes.items()
]
lines.append(("trained encoders on the circle, $\\tau = 0.5$", f"{rate[0]:.3f} {report.span(*rate[1:])}", "", ""))
lines.append(("the same, a single anchor and draw", f"{single_rate[0]:.3f} {report.span(*single_rate[1:])}", "", ""))
display(
    Markdown(
        report.table(["features", "slope, $M$ 64 to 1024", "slope, $M$ 16384 to 65536", "constant of $1/M$"], lines)
    )
)
hard = exact_slopes[128, 0.1]
display(
    Markdown(
        f"The candidates are −1/2 and −1. The expectation goes as **{rate[0]:.2f}** {report.span(*rate[1:], 2)}; one anchor with one draw "
        f"goes as {single_rate[0]:.2f}: that is the bound's rate. But $1/M$ is a statement about large $M$: with $d = 128$ and "
        f"$\\tau = 0.1$ the constant is {uniformity.first_order(128, 0.1):,.0f}, and the slope from 64 to 1024 negatives is only {hard[0]:.2f}. "
        "There a batch of the usual size is far from the limit, and the positive's own term is most of the sum."
    )
)

# %% [markdown]
# ## What the measure cannot see
#
# :::{prf:proposition} Spikes (derived here)
# :label: au-spikes
# Let $n$ equal spikes stand evenly on the circle. Their $\mathcal{L}_{\text{uniform}}(t)$ exceeds the circle's by
# $\log\big(1 + 2 \sum_{m \ge 1} I_{mn}(2t) / I_0(2t)\big)$, with $I$ the modified Bessel functions.
# :::
#
# :::{prf:proof}
# On the circle $e^{-t\lVert u - v\rVert^2} = e^{-2t} \sum_k I_k(2t)\, e^{ik\theta}$. A distribution's measure is the sum of
# these coefficients times the squared moduli of its own. Those of the circle vanish except $k = 0$; those of $n$ spikes are 1
# at the multiples of $n$ and 0 elsewhere.
# :::
#
# $I_n(2t)/I_0(2t)$ is about $t^n/n!$ for small $t$ and $e^{-n^2/4t}$ for large: the kernel is a low-pass filter that ends near order
# $2\sqrt t$. At $t = 2$ it sees about three spikes. On a sphere of any dimension the Gegenbauer coefficients of the kernel
# fall in the same way. The remedy is to measure at several $t$, up to $n^2/4$ or so for $n$ spikes.

# %% tags=["hide-input"]
ts = np.geomspace(0.25, 128, 28)
gap = pd.DataFrame(
    [(f"{n} spikes", t, uniformity.spikes_gap(n, t)) for n in (2, 3, 5, 10, 20) for t in ts],
    columns=["spikes", "t", "gap"],
)
gap = gap[gap.gap > 1e-6]
seen = {t: uniformity.spikes_gap(10, t) for t in (2, 8, 32)}
judged.append(("run", claims.judge_number("alignment-4a", seen[2])))
judged.append(("run", claims.judge_number("alignment-4b", seen[32])))
rows += [{"quantity": f"uniformity of ten spikes minus the circle, t = {t}", "value": g} for t, g in seen.items()]
page.show(
    run.folder,
    "spikes",
    alignment_uniformity.lines(gap, "t", "gap", "spikes", "t", "uniformity minus the circle's", log_y=True),
    alt=f"What the measure sees of evenly spaced spikes against t: ten spikes are {seen[2]:.1e} from the circle at t = 2 and "
    f"{seen[32]:.2f} at t = 32.",
    caption="Gap between spikes and the uniform circle; values below one millionth are left out. Click the legend to pick one.",
    data=gap,
    source="lib/geometry/uniformity.py:spikes_gap",
    face=exact,
)
lines = [(f"{n} spikes, exact", *(f"{uniformity.spikes_gap(n, t):.5f}" for t in seen)) for n in (5, 10, 20)]
for e, name in enumerate(plane_of):
    cells = []
    for t in seen:
        values = [
            float(losses.uniformity(z_circle[0][s, e].double(), t)) - uniformity.uniformity_of_sphere(2, t)
            for s in range(p.seeds)
        ]
        m, low, high = summary(f"circle, {name}, uniformity above the circle's at t = {t}", values)
        cells.append(f"{m:.3f} {report.span(low, high)}")
    lines.append((f"{name} encoders", *cells))
display(
    Markdown(
        "Uniformity minus the circle's, at several $t$:\n\n"
        + report.table(["features", *(f"$t = {t}$" for t in seen)], lines)
    )
)

# %% [markdown]
# ## Training on the two measures
#
# The loss is $(1 - w)\, \mathcal{L}_{\text{align}} + w\, \tfrac12 [\mathcal{L}_{\text{uniform}}(x) + \mathcal{L}_{\text{uniform}}(y)]$, with
# 16-dimensional features. The ends are alignment alone and uniformity alone.
#
# :::{prf:proposition} When collapse is stable (derived here)
# :label: au-collapse
# Let $\rho$ be the largest correlation between two views of any function by which the encoder can move its features. Features
# in one place are locally stable for $w < w^* = (1 - \rho)/(t + 1 - \rho)$ and unstable above.
# :::
#
# :::{prf:proof}
# Move the features of two views by small tangent vectors of variance $s^2$ and correlation $\rho$. Alignment rises by
# $2(1-\rho)s^2$. To this order the uniformity is $-t$ times the mean squared distance, so it falls by $2ts^2$. The sum
# $2s^2[(1-w)(1-\rho) - wt]$ changes sign at $w^*$, first for the largest $\rho$.
# :::
#
# Linear functions of the pixels give a lower bound on $\rho$, hence an upper bound on $w^*$.

# %% tags=["hide-input"]
shares = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0])
weight_recipes = [Recipe(align=1 - w, uniform=w, learning_rate=p.learning_rate) for w in shares]
seed_groups = [Group(s, every) for s in own_seeds]
align_w, uniform_w, accuracy_w = measures(fit(seed_groups, weight_recipes, p.steps, p.batch_size))
inner = 1 + elsewhere(accuracy_w[:, 1:-1])
peak = accuracy_w[np.arange(p.seeds), inner]
judged.append(("run", claims.judge("alignment-5a", uniform_w[:, 0])))
judged.append(("run", claims.judge("alignment-5b", accuracy_w[:, 0])))
judged.append(("run", claims.judge("alignment-5c", align_w[:, -1])))
judged.append(("run", claims.judge("alignment-5d", peak - np.maximum(accuracy_w[:, 0], accuracy_w[:, -1]))))
by_weight = pd.DataFrame(
    [
        (measure, w, *summary(f"{measure} at share {w:g}", values[:, i]))
        for measure, values in (("accuracy", accuracy_w), ("alignment", align_w), ("uniformity", uniform_w))
        for i, w in enumerate(shares)
    ],
    columns=["measure", "share", "value", "low", "high"],
)
top = shares[accuracy_w.mean(0).argmax()]
seen_twice = torch.Generator().manual_seed(p.seed)
pair = [torch.cat([view(train.x, policy, seen_twice).flatten(1) for _ in range(4)]) for _ in range(2)]
correlation = uniformity.linear_correlation(*pair)
threshold = uniformity.collapse_threshold(correlation)
collapsed = shares[(uniform_w > -0.1).all(0)]
rows += [{"quantity": "largest correlation of a linear function of two views", "value": correlation}]
rows += [{"quantity": "share of uniformity up to which collapse is stable, upper bound", "value": threshold}]
page.show(
    run.folder,
    "weights",
    alignment_uniformity.weights(by_weight),
    alt=f"Accuracy over the share of uniformity in the loss: {accuracy_w[:, 0].mean():.2f} with alignment alone, highest "
    f"{accuracy_w.mean(0).max():.2f} at {top:g}, {accuracy_w[:, -1].mean():.2f} with uniformity alone.",
    caption="Held-out images; bands are 95 % intervals over seeds.",
    data=by_weight,
    source="lib/encoders/stacks.py:losses",
    face=face,
)

display(
    Markdown(
        f"Largest correlation of a linear function of two views: {correlation:.2f}, so $w^* \\le$ **{threshold:.3f}**. Collapsed in every seed, after "
        f"{p.steps} steps: $w$ = {', '.join(f'{w:g}' for w in collapsed) or 'none'}. Just above $w^*$ features leave slowly. "
        f"Collapsed features are not equal to the last digit: a linear classifier, which centres them and knows no scale, still reads "
        f"{accuracy_w[:, 0].mean():.2f} of the images with alignment alone, where chance is {1 / len(names):.2f}."
    )
)

# %% [markdown]
# ## Many encoders in one plane
#
# Half of the encoders are trained on the two measures, with drawn weights, $t$ and $\alpha$; half on the contrastive loss with
# drawn temperature; dimension and learning rate vary in both. The draws are the same in every seed. Accuracy is regressed
# on the two measures.

# %% tags=["hide-input"]
draw = np.random.default_rng(0)
half = p.encoders // 2
common = [
    {"dim": int(draw.choice([4, 8, 16, 32])), "learning_rate": p.learning_rate * float(draw.choice([0.3, 1.0]))}
    for _ in range(2 * half)
]
mixed = []
for c in common[:half]:
    w = float(draw.uniform(0.05, 0.95))
    mixed.append(
        Recipe(align=1 - w, uniform=w, alpha=float(draw.choice([1, 2])), t=float(draw.choice([1, 2, 4, 8])), **c)
    )
cooled = [Recipe(contrastive=1, tau=float(np.exp(draw.uniform(np.log(0.05), np.log(2)))), **c) for c in common[half:]]
align_s, uniform_s, accuracy_s = measures(fit(seed_groups, mixed + cooled, p.steps, p.batch_size))
judged.append(
    (
        "run",
        claims.judge(
            "alignment-8",
            np.subtract(
                *(part[np.arange(p.seeds), elsewhere(part)] for part in (accuracy_s[:, :half], accuracy_s[:, half:]))
            ),
        ),
    )
)
fits = [sm.OLS(accuracy_s[s], sm.add_constant(np.stack([align_s[s], uniform_s[s]], 1))).fit() for s in range(p.seeds)]
judged.append(("run", claims.judge("alignment-6a", [f.rsquared for f in fits])))
judged.append(("run", claims.judge("alignment-6b", [f.params[1] for f in fits])))
judged.append(("run", claims.judge("alignment-6c", [f.params[2] for f in fits])))
recipe = np.tile(np.arange(2 * half), p.seeds)
flat = sm.add_constant(np.stack([align_s.ravel(), uniform_s.ravel()], 1))
pooled = sm.OLS(accuracy_s.ravel(), flat).fit(cov_type="cluster", cov_kwds={"groups": recipe})
words = [f"weights {r.align:.2f} : {r.uniform:.2f}, α = {r.alpha:g}, t = {r.t:g}" for r in mixed] + [
    f"τ = {r.tau:.2f}" for r in cooled
]
words = [f"{w}, d = {r.dim}, rate {r.learning_rate:g}" for w, r in zip(words, mixed + cooled, strict=True)]
spread = pd.DataFrame(
    [
        (
            words[e],
            "alignment + uniformity" if e < half else "contrastive",
            own,
            *(round(float(m[s, e]), 4) for m in (align_s, uniform_s, accuracy_s)),
        )
        for s, own in enumerate(own_seeds)
        for e in range(2 * half)
    ],
    columns=["recipe", "loss", "seed", "alignment", "uniformity", "accuracy"],
)
ci = pooled.conf_int()
lines = [
    (name, f"{pooled.params[i]:.3f}", report.span(*ci[i]), ", ".join(f"{f.params[i]:.3f}" for f in fits))
    for i, name in ((1, "alignment"), (2, "uniformity"))
]
rows += [
    {"quantity": f"coefficient of {n}, pooled", "value": pooled.params[i], "low": ci[i][0], "high": ci[i][1]}
    for i, n in ((1, "alignment"), (2, "uniformity"))
]
summary("R2 of the regression", [f.rsquared for f in fits])
page.show(
    run.folder,
    "plane",
    alignment_uniformity.plane(spread),
    alt=f"{len(spread)} encoders in the plane of alignment and uniformity, coloured by accuracy from {accuracy_s.min():.2f} to "
    f"{accuracy_s.max():.2f}; a linear regression on the two explains {pooled.rsquared:.2f} of the variance.",
    caption="Each point an encoder, measured on held-out images; hover for its settings.",
    data=spread,
    source="lib/encoders/stacks.py:train",
    face=face,
)
display(Markdown(report.table(["coefficient on", "pooled", "95 % interval, clustered by recipe", "by seed"], lines)))
strong = accuracy_s.mean(0) > np.median(accuracy_s.mean(0))
upper = sm.OLS(
    accuracy_s[:, strong].ravel(),
    sm.add_constant(np.stack([align_s[:, strong].ravel(), uniform_s[:, strong].ravel()], 1)),
).fit()
rows.append({"quantity": "R2 among the better half of the recipes", "value": upper.rsquared})
display(
    Markdown(
        f"Pooled $R^2$: **{pooled.rsquared:.2f}**. Among the better half of the recipes alone it is {upper.rsquared:.2f}: "
        f"how far the two measures rank good encoders is another question than whether they tell good from bad."
    )
)

# %% [markdown]
# ## Where an undersampled class goes
#
# The link to harm. Contrastive encoders (16 dimensions) with one class cut, beside balanced ones. Of the class, on held-out
# images: alignment of its own positive pairs, uniformity within it, and across it and its look-alike,
# $\log \mathbb{E}\, e^{-2\lVert f(x) - f(x')\rVert^2}$ with $x$ in one class and $x'$ in the other. Higher across means closer. The look-alike is the
# nearest class under balanced encoders of seeds that are not used otherwise. The control is the same quantity when *another*
# class is cut.

# %% tags=["hide-input"]
treated = names if p.undersampled == "all" else [c.strip() for c in p.undersampled.split(",")]
codes = [images.class_code(train.classes, c) for c in treated]
harm_recipe = [Recipe(contrastive=1, tau=p.temperature, learning_rate=p.learning_rate)]
groups = [Group(s, every) for s in own_seeds]
groups += [Group(s, images.undersample(train.y, k, p.ratio, s)) for k in codes for s in own_seeds]
groups += [Group(p.seed + REFERENCE_SHIFT + s, every) for s in range(p.reference_seeds)]
harm_stack = fit(groups, harm_recipe, p.steps, p.batch_size)
z1, z2 = (harm_stack.features(v)[:, 0].double() for v in (first_view, second_view))
of_class = [held.y == k for k in range(len(names))]
centres = torch.stack([z1[-p.reference_seeds :, hit].mean(1) for hit in of_class], 1)  # (reference, K, d)
nearness = (
    torch.nn.functional.cosine_similarity(centres[:, :, None], centres[:, None], dim=-1).mean(0).fill_diagonal_(-2)
)
alike = nearness.argmax(1)


def standing(g: int) -> np.ndarray:
    """Alignment, uniformity and uniformity across to the look-alike of each class that is cut, (3, T), in group g."""
    found = []
    for k in codes:
        own, other = of_class[k], of_class[int(alike[k])]
        across = uniformity.between(z1[g, own], z1[g, other])
        found.append(
            [float(v) for v in (losses.alignment(z1[g, own], z2[g, own]), losses.uniformity(z1[g, own]), across)]
        )
    return np.array(found).T


table = np.array([standing(g) for g in range(p.seeds * (1 + len(codes)))]).reshape(
    1 + len(codes), p.seeds, 3, len(codes)
)
balanced, cut = table[0], np.stack([table[1 + i, :, :, i] for i in range(len(codes))], -1)  # (seeds, 3, T)
control = np.stack(
    [np.delete(table[1:, :, :, i], i, 0).mean(0) if len(codes) > 1 else balanced[..., i] for i in range(len(codes))], -1
)
accuracy_b = stacks.linear_accuracy(
    harm_stack.features(plain)[: p.seeds, 0], train.y, harm_stack.features(scored)[: p.seeds, 0], held.y
).numpy()
start = measures(fit(groups[: p.seeds], harm_recipe, 0, p.batch_size))[2][:, 0]
learned = claims.has_learned(accuracy_b, start)
change = cut - balanced
judged.append(("run", claims.judge("alignment-9a", change[:, 0].mean(1), learned)))
judged.append(("run", claims.judge("alignment-9b", change[:, 2].mean(1), learned)))
quantities = ("alignment of the class", "uniformity within the class", "uniformity across to the look-alike")
lines = []
for i, q in enumerate(quantities):
    cells = [
        summary(f"{q}, {arm}", part[:, i].mean(1))
        for arm, part in (
            ("undersampled minus balanced", change),
            ("another class cut minus balanced", control - balanced),
        )
    ]
    lines.append((q, f"{balanced[:, i].mean():.3f}", *(f"{m:+.3f} {report.span(low, high)}" for m, low, high in cells)))
short = [f"{c} → {names[int(alike[k])]}" for c, k in zip(treated, codes, strict=True)]
where = pd.DataFrame(
    [
        (
            panel,
            c,
            arm,
            round(float(part[:, x, i].mean()), 4),
            round(float(part[:, y, i].mean()), 4),
            quantities[x],
            quantities[y],
        )
        for panel, x, y, labels in (("the class", 0, 1, treated), ("the class and its look-alike", 0, 2, short))
        for i, c in enumerate(labels)
        for arm, part in (("balanced", balanced), ("undersampled", cut))
    ],
    columns=["panel", "class", "arm", "x", "y", "x_title", "y_title"],
)
page.show(
    run.folder,
    "harm",
    alignment_uniformity.moves(where),
    alt=f"Classes in the plane of alignment and uniformity, balanced and undersampled. On average the uniformity across to the "
    f"look-alike changes by {change[:, 2].mean():+.2f} and within the class by {change[:, 1].mean():+.2f}.",
    caption=f"Mean over seeds, held-out images; {p.ratio:.0%} of the class kept. Right: class → look-alike.",
    data=where,
    source="lib/geometry/uniformity.py:between",
    face=face,
)
display(
    Markdown(
        report.table(["quantity, mean over classes", "balanced", "class cut", "control: another class cut"], lines)
    )
)
display(Markdown(f"Accuracy of the balanced encoders: {accuracy_b.mean():.3f}, untrained {start.mean():.3f}."))

# %% [markdown]
# ## Reported beside reproduced

# %% tags=["hide-input"]
protocol = pd.read_csv(report.REPORTED / "align_uniform_protocol.csv").set_index("item")
lines = [
    (
        "STL-10, linear accuracy on fc7, public code",
        protocol.value["reference accuracy"].split("%")[0] + " %",
        "not run",
        "not run",
    )
]
display(Markdown(report.table(["quantity", "paper", "recorded", "this run"], lines)))
display(
    Markdown(
        "The STL-10 protocol needs a GPU and 105,000 images; nothing on this page stands in for it. The encoders here are far smaller, on "
        "other images, and their numbers are analogues."
    )
)

# %% [markdown]
# ## Claims
#
# Thresholds of claims 1 to 8 come from our specification of the paper, written with exact values and a pilot on other settings in
# view; in that pilot the circle encoders were trained too briefly, which is why their length is settled by a rule here. Where it names none: 4a is the resolution asked of claim 1, 4b and 5a the closeness asked of claim 3, 5b twice chance. Claims
# 9 are ours. All were fixed before this chapter's encoders were measured; {doc}`../how-to-read` has the rule of verdicts.

# %% tags=["hide-input"]
order = [c.id for c in claims.of(run.study)]
run.save(
    [{"seeds": 0} | row for row in rows], judged, data={"train": images.digest(train), "test": images.digest(held)}
)
display(Markdown(report.verdicts(judged, record, order)))

# %% [markdown]
# ## What was wrong, or said too simply
#
# * **"The error decays as $M^{-1/2}$."** True as a bound; the expectation decays as $1/M$ ({prf:ref}`au-rate`), a single draw as $M^{-1/2}$.
#   Both are run above. At small temperature in high dimension neither rate has begun at the batch sizes in use.
# * **"Perfect uniformity minimises the measure."** Over distributions, yes. On a batch the public estimator is lowest
#   at a simplex, below the sphere's value ({prf:ref}`au-batch`).
# * **"Low uniformity loss means an even distribution."** Ten points on a circle pass at $t = 2$ ({prf:ref}`au-spikes`).
#
# ## Limits
#
# * The encoders are small, their training short; on digits, positives are crops of the same 8 × 8 image.
# * The circle encoders stopped by the rule above, with the loss still falling slowly. The rule was followed on the digits alone; the
#   length in the `laptop` preset is a guess.
# * One random net can happen to map every image to nearly one angle, or to two opposite ones: with three seeds the comparison with
#   random weights has a wide interval.
# * The regression is over settings that we drew; other draws weigh the plane otherwise. The interval over seeds holds them fixed.
#
# ## Exercises
#
# The solutions are checked when the book is built. `make student STUDY=alignment_uniformity` writes the version without them.

# %% [markdown]
# :::{exercise}
# :label: exercise-au-cap
# Which $t$ sees $n$ spikes? Write `smallest_t(n, gap)`: by bisection, the $t$ at which $n$ spikes exceed the circle by `gap`.
# :::


# %% tags=["solution", "hide-input"]
def smallest_t(n, gap):
    """The gap rises with t, so that bisection on log t finds it."""
    low, high = 1e-3, 1e4
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if uniformity.spikes_gap(n, middle) > gap else (middle, high)
    return high


# %%
assert abs(uniformity.spikes_gap(10, smallest_t(10, 0.1)) - 0.1) < 1e-6
assert 3.5 < smallest_t(20, 0.1) / smallest_t(10, 0.1) < 4.5  # as the square of n

# %% [markdown]
# :::{exercise}
# :label: exercise-au-cancel
# The constant of $1/M$ in {prf:ref}`au-rate` is a difference. Write `cancelling_cosine(dim, tau)`, the cosine of the positive pairs at
# which it vanishes. There the loss converges faster than $1/M$.
# :::


# %% tags=["solution", "hide-input"]
def cancelling_cosine(dim, tau):
    """From e^{s/τ} = v / (2 μ)."""
    log_mu, log_square = uniformity.log_mgf(dim, 1 / tau), uniformity.log_mgf(dim, 2 / tau)
    return tau * (math.log(math.expm1(log_square - 2 * log_mu) / 2) + log_mu)


# %%
s = cancelling_cosine(2, 0.5)
assert -1 < s < 1 and abs(uniformity.first_order(2, 0.5, s)) < 1e-9
quick = [uniformity.contrastive(2, 0.5, m, s) - uniformity.limit(2, 0.5, s) for m in (64, 1024)]
assert slope([64, 1024], quick) < -1.8

# %% [markdown]
# :::{exercise}
# :label: exercise-au-collapse
# Classes of $m$ images each collapse onto a simplex of $K$ corners. Write `as_uniform(K, dim)`: does that look more uniform, at $t = 2$ and
# with no end of images, than the uniform distribution on $S^{d-1}$?
# :::


# %% tags=["solution", "hide-input"]
def as_uniform(K, dim):
    """The share 1/K of pairs in one place costs log(1/K) at least; a sphere of few dimensions can be worse than that."""
    return uniformity.uniformity_of_classes(K) < uniformity.uniformity_of_sphere(dim)


# %%
assert as_uniform(10, 2) and not as_uniform(10, 9)

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
display(Markdown(report.stamp(run)))
