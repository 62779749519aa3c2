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
# *Uniformity*: the features spread evenly over the sphere. How good is the split at a finite number of negatives? What does
# the measure of uniformity see, and what does it miss? Do the two measures predict accuracy? And where in their plane does an
# undersampled class go?
#
# Every statement says what it rests on: **proved in the paper**, **derived here**, or **numerical only**.
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop} the label of the run
data: str = "digits"  # {digits, cifar10} data set of the encoders
images_per_class: int = 0  # [0, 1000000] training images of each class; 0 keeps all
scored_per_class: int = 0  # [0, 1000000] held-out images of each class; 0 keeps all
undersampled: str = "all"  # classes that are undersampled in the last section, one at a time, separated by commas
ratio: float = 0.05  # (0, 1] share of the undersampled class that is kept
seed: int = 0  # [0, 1000000000] first seed
seeds: int = 3  # [1, 100] number of seeds
reference_seeds: int = 3  # [1, 100] balanced encoders of other seeds, from which look-alikes are read
width: int = 8  # [1, 1024] filters of the first layer of an encoder
hidden: int = 64  # [1, 4096] units of the hidden layer of an encoder
circle_steps: int = 2000  # [1, 1000000] steps of training of the encoders into the plane
circle_batch: int = 128  # [2, 65536] images a step there; NT-Xent then has 254 negatives
steps: int = 150  # [1, 1000000] steps of training of all other encoders
batch_size: int = 64  # [2, 65536] images a step there
encoders: int = 30  # [6, 1000] encoders of the scatter, half of them with either loss
learning_rate: float = 0.01  # (0, 1000] of Adam, start of the cosine schedule
temperature: float = 0.5  # [0.001, 1000] of NT-Xent
augment: str = "digits"  # {simclr, simclr_blur, digits} augmentation policy

# %% tags=["remove-input"]
from lib import study

run = study.start("alignment_uniformity", globals())

# %% tags=["hide-input"]
import math
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import torch

from lib import claims, images, losses
from lib.encoders import stacks
from lib.encoders.stacks import Recipe
from lib.figures import alignment_uniformity as figures
from lib.figures import charts
from lib.geometry import uniformity
from lib.studies import alignment_uniformity as measure
from lib.studies.alignment_uniformity import PLANE, gaps, slope
from lib.study import report

torch.set_num_threads(1)
p = run.p
lab = measure.Lab.of(p)
names = list(lab.train.classes)
show = partial(run.show, face="computed, float64, CPU")  # of what has no data and no seeds

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
# expectation of the second runs over pairs $i < j$, as in the public code. {doc}`../picture` shows how uniformity within
# classes gives way to classes that collapse.

# %% tags=["remove-input"]
run.code(losses.alignment, losses.uniformity)

# %% [markdown]
# The encoders of this page are small: filters that do not overlap, then one hidden layer. Many are trained at once, each
# step a few matrix products over all of them. The encoders of a seed start from the same weights and see the same views;
# only their loss differs. Accuracy is that of a linear least-squares classifier on the unit features, on held-out images.

# %% tags=["remove-input"]
run.code(stacks.forward)

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
# The code adds the terms as logarithms: the textbook form with a Bessel function underflows in high dimension.
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
# The best batch lies *below* the best distribution, since a point is no pair with itself. If the $n$ pairs $i = i$ counted too, the
# bound would be $\log[\tfrac1n + (1 - \tfrac1n) e^{-2tn/(n-1)}]$, above the sphere's value: the two conventions disagree about
# which batch is "more than uniform".

# %%
dims, points = (2, 3, 8, 32, 128, 512), 2048
truth = np.array([uniformity.uniformity_of_sphere(dim) for dim in dims])
found = measure.random_points(dims, points, lab.seeds)
off = np.abs(found - truth)
run.judge("alignment-1", off.max(1), data="none")

# %% tags=["hide-input"]
for d, t in zip(dims, truth, strict=True):
    run.note(f"uniformity of the sphere, d = {d}", t, seeds=0)
lines = [(f"{t:.4f}", f"{m:.4f}", f"{g:.1e}") for t, m, g in zip(truth, found.mean(0), off.max(0), strict=True)]
header = ["$d$", "exact", f"{points:,} random points", "largest gap over seeds"]
run.table(header, [(d, *cells) for d, cells in zip(dims, lines, strict=True)])
special = {
    "two points ($d = 1$)": uniformity.uniformity_of_sphere(1),
    "sphere, $d = 1{,}000{,}000$": uniformity.uniformity_of_sphere(10**6),
    "simplex of 10 points": uniformity.uniformity_of_simplex(10),
    "10 collapsed classes, 30 images each": uniformity.uniformity_of_classes(10, per_class=30),
    "10 collapsed classes, no end of images": uniformity.uniformity_of_classes(10),
    "10 spikes on the circle": uniformity.uniformity_of_spikes(10),
    "all in one place": 0.0,
}
kept = {name: run.note(f"uniformity, {name}", value, seeds=0) for name, value in special.items()}
run.table(["features", "exact uniformity"], [(name, f"{value:.6f}") for name, value in kept.items()])

# %% [markdown]
# The tests compare the exact values with mpmath's. The table above, and claim 1, show the sampling error of so many points.
#
# The best batches, found by L-BFGS on free points in $\mathbb{R}^8$:

# %%
counts, dim = (2, 3, 4, 6, 8, 9, 12, 16, 24, 32), 8
best = {n: uniformity.optimal_points(n, dim, seed=p.seed) for n in counts}
sphere = uniformity.uniformity_of_sphere(dim)
for n, b in best.items():
    run.note(f"best batch of {n} in R^{dim}", float(b.loss), seeds=0)

# %% tags=["hide-input"]
curve = pd.DataFrame(
    [(f"best batch found in R^{dim}", n, float(b.loss)) for n, b in best.items()]
    + [("simplex: bound in any dimension", n, uniformity.uniformity_of_simplex(n)) for n in counts]
    + [(f"sphere in R^{dim}: all distributions", n, sphere) for n in counts],
    columns=["points", "n", "value"],
)
below, slow = abs(float(best[counts[-1]].loss) - sphere), [n for n, b in best.items() if not b.certificate.converged]
show(
    "batch",
    figures.lines(curve, "n", "value", "points", "points in the batch", "uniformity"),
    alt=f"Uniformity of the best batch against its size: on the simplex bound up to {dim + 1} points, and with "
    f"{counts[-1]} still {below:.3f} below the sphere's {sphere:.3f}.",
    caption=f"With {counts[-1]} points the best batch is {below:.3f} below the sphere; up to {dim + 1} points it is a certified simplex.",
    data=curve,
    source="lib/geometry/uniformity.py:optimal_points",
)
run.say(
    f"Searches that did not converge: {', '.join(map(str, slow)) or 'none'}. At {counts[-1]} points the batch is **{below:.3f}** below "
    f"the uniform distribution. Beyond {dim + 1} points the search gives a local optimum (numerical only)."
)

# %% [markdown]
# ## Three encoders into the plane
#
# The paper's figure, on other images and with much smaller nets: features on the circle from random weights, from supervised
# training and from contrastive training ($\tau = 0.5$, about 256 negatives).
#
# A rule settled first how long to train on the digits, by the contrastive loss on the *training* images alone, on seeds that no other
# part of this page uses: from 500 steps on, the number of steps was doubled until doubling lowered the loss by less than 2 per cent.
# The declared value of `circle_steps` is what the rule gave.

# %%
z_circle, circle, tail = measure.on_circle(lab)
align, uniform = (dict(zip(PLANE, m.T, strict=True)) for m in circle[:2])
exact_circle = uniformity.uniformity_of_sphere(2)
learned_labels, learned = (claims.has_learned(circle.accuracy[:, i], circle.accuracy[:, 0]) for i in (1, 2))
run.judge("alignment-3a", align["contrastive"] - align["random"], learned)
run.judge("alignment-3b", uniform["contrastive"] - uniform["supervised"], learned and learned_labels)
run.judge("alignment-3c", np.abs(uniform["contrastive"] - exact_circle), learned)

# %% tags=["hide-input"]
pairs, angles, means = figures.of_circle(*(z[0] for z in z_circle), lab.held)  # the first seed
kinds = ("alignment", "uniformity", "linear accuracy")
lines = [
    (name, *(run.note(f"circle, {kind}, {name}", m[:, e]) for kind, m in zip(kinds, circle, strict=True)))
    for e, name in enumerate(PLANE)
]
run.show(
    "circle",
    figures.on_circle(pairs, angles, means),
    alt=f"Distances of positive pairs and density of angles for three encoders. Contrastive features have uniformity "
    f"{uniform['contrastive'].mean():.2f}, supervised {uniform['supervised'].mean():.2f}, the circle {exact_circle:.3f}.",
    caption=f"Contrastive training ends at uniformity {uniform['contrastive'].mean():.2f}, the circle has {exact_circle:.3f}. Held-out "
    "images, first seed. Von Mises kernel of concentration 40. Dashed: mean distance; uniform density.",
    data=angles,
    source="lib/encoders/stacks.py:train",
)
run.table(["encoder", *kinds], lines)
run.note("circle, contrastive training loss at the end", tail, seeds=0)
negatives = 2 * p.circle_batch - 2
ideal = uniformity.contrastive(2, p.temperature, negatives) + math.log(negatives)
run.say(
    f"Uniformity of the circle, exactly: {exact_circle:.4f}. Contrastive loss on the training images at the end: {tail:.3f}; aligned and "
    f"uniform features would have {ideal:.3f}. A linear classifier on the plane cannot tell ten arcs of a circle apart: the accuracies "
    "here are low by design."
)

# %% [markdown]
# The better a supervised encoder tells ten classes apart on a circle, the closer its features come to ten spikes, and the measure
# takes ten spikes for uniform (below). The large gap of claim 3b is to be expected of a supervised encoder that leaves part of the
# circle empty, not of supervision as such.
#
# ## Theorem 1 and its rate
#
# With $M$ negatives $x_i^-$ drawn apart, $\mathcal{L}(\tau, M) = \mathbb{E} \log\big[e^{f(x)^\top f(y)/\tau} + \sum_i e^{f(x_i^-)^\top f(y)/\tau}\big] - \mathbb{E} f(x)^\top f(y)/\tau$.
#
# :::{prf:theorem} The limit of many negatives (proved in the paper; the sketch is ours)
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
# bound counts cancels in the mean. The positive's own term and the bias of the logarithm, $-v/(2M\mu^2)$, remain; third and
# fourth moments of $\delta$ are $O(M^{-2})$.
# :::
#
# The expectation can be computed without drawing anything: $\log S = \int_0^\infty (e^{-u} - e^{-uS})\, du/u$, and
# $\mathbb{E} e^{-uS}$ factors over the negatives. Below: the slope of $\log$ distance against $\log M$, exactly for uniform features, and
# measured on the encoders above.

# %% tags=["remove-input"]
run.code(uniformity.mean_log_sum)

# %%
ladder, wide = [64, 128, 256, 512, 1024], [16, 64, 256, 1024, 4096, 16384, 65536]
settings = [(2, 0.5), (8, 0.5), (128, 0.5), (8, 0.1), (128, 0.1)]
near = {s: slope(ladder, gaps(*s, ladder)) for s in settings}
far = {s: slope(wide[-2:], gaps(*s, wide[-2:])) for s in settings}
run.judge("alignment-2a", near[2, 0.5], data="none")
drawn = [uniformity.measured(*(z[i, 2] for z in z_circle), 0.5, ladder, seed=s) for i, s in enumerate(lab.seeds)]
gap, single = (np.array([m[part].numpy() for m in drawn]) for part in (0, 1))  # (seeds, sizes)
slopes, single_slopes = (np.array([slope(ladder, g) for g in part]) for part in (gap, single))
run.judge("alignment-2b", slopes, learned)

# %% tags=["hide-input"]
rate = run.note("slope, trained encoders", slopes)
single_rate = run.note("slope, a single anchor and draw", single_slopes)
for d, tau in settings:
    run.note(f"slope, uniform, d = {d}, tau = {tau:g}, M 64 to 1024", near[d, tau], seeds=0)
    run.note(f"slope, uniform, d = {d}, tau = {tau:g}, M 16384 to 65536", far[d, tau], seeds=0)
lines = {f"uniform, d = {d}, τ = {tau:g}": (wide, np.abs(gaps(d, tau, wide))) for d, tau in settings}
lines["trained encoders on the circle, τ = 0.5"] = ladder, np.abs(gap).mean(0)
lines["the same, a single anchor and draw"] = ladder, single.mean(0)
errors = pd.concat([pd.DataFrame({"features": name, "M": m, "error": e}) for name, (m, e) in lines.items()])
run.show(
    "rate",
    charts.rates(errors),
    alt=f"Distance of the contrastive loss from its limit against M, logarithmic axes. Trained encoders: slope {rate.value:.2f}; "
    f"a single draw: {single_rate.value:.2f}; dashed lines have slopes -1 and -1/2.",
    caption=f"The distance falls with slope {rate.value:.2f} on trained encoders, {single_rate.value:.2f} for a single draw. Uniform "
    "features: exact. Trained encoders: drawn negatives, the first-order noise taken off. Dashed: the two candidate rates.",
    data=errors,
    source="lib/geometry/uniformity.py:contrastive",
)

# %% tags=["hide-input"]
constant = {s: uniformity.first_order(*s) for s in settings}
run.table(
    ["features", "slope, $M$ 64 to 1024", "slope, $M$ 16384 to 65536", "constant of $1/M$"],
    [
        *(
            (f"uniform, $d = {d}$, $\\tau = {t:g}$", f"{near[d, t]:.3f}", f"{far[d, t]:.3f}", f"{c:.2f}")
            for (d, t), c in constant.items()
        ),
        ("trained encoders on the circle, $\\tau = 0.5$", rate, "", ""),
        ("the same encoders, a single anchor and draw", single_rate, "", ""),
    ],
)
run.say(
    f"The candidates are −1/2 and −1. The expectation has the slope **{rate:.2f}**; one anchor with one draw has {single_rate.value:.2f}, "
    "the bound's rate. But $1/M$ is a statement about large $M$: with $d = 128$ and $\\tau = 0.1$ the constant is "
    f"{constant[128, 0.1]:,.0f}, and the slope from 64 to 1024 negatives is only {near[128, 0.1]:.2f}. There a batch of the usual size "
    "is far from the limit, and the positive's own term is most of the sum."
)

# %% [markdown]
# ## What the measure cannot see
#
# :::{prf:proposition} Spikes (derived here)
# :label: au-spikes
# Let $n$ equal point masses, *spikes*, stand evenly on the circle. Their $\mathcal{L}_{\text{uniform}}(t)$ exceeds the circle's by
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
# fall in this way too. The remedy is to measure at several $t$, up to about $n^2/4$ for $n$ spikes.

# %%
seen = {t: uniformity.spikes_gap(10, t) for t in (2, 8, 32)}
run.judge("alignment-4a", seen[2], data="none")
run.judge("alignment-4b", seen[32], data="none")
for t, g in seen.items():
    run.note(f"uniformity of ten spikes minus the circle, t = {t}", g, seeds=0)

# %% tags=["hide-input"]
cells = [(n, t, uniformity.spikes_gap(n, t)) for n in (2, 3, 5, 10, 20) for t in np.geomspace(0.25, 128, 28)]
curve = pd.DataFrame([(f"{n} spikes", t, g) for n, t, g in cells if g > 1e-6], columns=["spikes", "t", "gap"])
show(
    "spikes",
    figures.lines(curve, "t", "gap", "spikes", "t", "uniformity minus the circle's", log_y=True),
    alt=f"What the measure sees of evenly spaced spikes against t: ten spikes are {seen[2]:.1e} from the circle at t = 2 and "
    f"{seen[32]:.2f} at t = 32.",
    caption=f"Ten spikes are {seen[2]:.1e} from the circle at t = 2 and {seen[32]:.2f} at t = 32. Values below one millionth are left "
    "out. Click the legend to pick one.",
    data=curve,
    source="lib/geometry/uniformity.py:spikes_gap",
)
lines = [(f"{n} spikes, exact", *(f"{uniformity.spikes_gap(n, t):.5f}" for t in seen)) for n in (5, 10, 20)]
for e, name in enumerate(PLANE):
    above = {t: measure.above_circle(z_circle[0][:, e], t) for t in seen}
    noted = (run.note(f"circle, {name}, uniformity above the circle's at t = {t}", g) for t, g in above.items())
    lines.append((f"{name} encoders", *noted))
run.table(["uniformity minus the circle's", *(f"$t = {t}$" for t in seen)], lines)

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

# %%
shares = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0])
weighted = lab.fit_all([Recipe(align=1 - w, uniform=w, learning_rate=p.learning_rate) for w in shares])
accuracy = weighted.accuracy
for letter, values in zip("abc", (weighted.uniformity[:, 0], accuracy[:, 0], weighted.alignment[:, -1]), strict=True):
    run.judge(f"alignment-5{letter}", values)
best, start = measure.chosen(accuracy[:, 1:-1]), lab.untrained([Recipe(contrastive=1)])[:, 0]
run.judge("alignment-5d", best - accuracy[:, [0, -1]].max(1), claims.has_learned(best, start))

# %% tags=["hide-input"]
kinds = {"accuracy": accuracy, "alignment": weighted.alignment, "uniformity": weighted.uniformity}
by_weight = pd.DataFrame(
    {"measure": kind, "share": w} | asdict(run.note(f"{kind} at share {w:g}", values[:, i]))
    for kind, values in kinds.items()
    for i, w in enumerate(shares)
)
mean, top = accuracy.mean(0), shares[accuracy.mean(0).argmax()]
correlation = run.note("largest correlation of a linear function of two views", lab.linear_correlation(), seeds=0).value
threshold = uniformity.stable_share(correlation)
run.note("share of uniformity up to which collapse is stable, upper bound", threshold, seeds=0)
run.show(
    "weights",
    figures.weights(by_weight),
    alt=f"Accuracy over the share of uniformity in the loss: {mean[0]:.2f} with alignment alone, highest "
    f"{mean.max():.2f} at {top:g}, {mean[-1]:.2f} with uniformity alone.",
    caption=f"Accuracy is {mean[0]:.2f} with alignment alone, {mean.max():.2f} at a share of {top:g}, {mean[-1]:.2f} with uniformity "
    "alone. Held-out images; bands are 95 % intervals over seeds.",
    data=by_weight,
    source="lib/encoders/stacks.py:losses",
)
collapsed = shares[(weighted.uniformity > -0.1).all(0)]
run.say(
    f"Largest correlation of a linear function of two views: {correlation:.2f}, hence $w^* \\le$ **{threshold:.3f}**. Collapsed in every "
    f"seed, after {p.steps} steps: $w$ = {', '.join(f'{w:g}' for w in collapsed) or 'none'}. Just above $w^*$ features leave slowly. "
    f"Collapsed features are not equal to the last digit: a linear classifier, which centres them and knows no scale, still reads "
    f"{mean[0]:.2f} of the images with alignment alone, where chance is {1 / len(names):.2f}."
)

# %% [markdown]
# ## Many encoders in one plane
#
# Half of the encoders are trained on the two measures, with drawn weights, $t$ and $\alpha$; half on the contrastive loss with
# drawn temperature; dimension and learning rate vary in both halves. Every seed has these draws. Accuracy is regressed on the two
# measures.

# %%
half = p.encoders // 2
mixed, cooled = measure.drawn(half, p.learning_rate)
many = lab.fit_all(mixed + cooled)
best = measure.best_of_halves(many.accuracy)  # of the two measures, and contrastive
learned = all(map(claims.has_learned, best, measure.best_of_halves(many.accuracy, lab.untrained(mixed + cooled))))
run.judge("alignment-8", best[0] - best[1], learned)
fits = [measure.regress(measure.Measures(*(m[s] for m in many))) for s in range(p.seeds)]
for letter, values in zip("abc", zip(*((f.rsquared, *f.params[1:]) for f in fits), strict=True), strict=True):
    run.judge(f"alignment-6{letter}", values, learned)
recipe = np.tile(np.arange(2 * half), p.seeds)
pooled = measure.regress(many, cov_type="cluster", cov_kwds={"groups": recipe})

# %% tags=["hide-input", "main-figure"]
spread, lines = figures.spread(mixed + cooled, many, lab.seeds), []
for i, (name, (low, high)) in enumerate(zip(("alignment", "uniformity"), pooled.conf_int()[1:], strict=True), 1):
    found = run.note(f"coefficient of {name}, pooled", pooled.params[i], low, high, seeds=0)
    cells = f"{found.value:.3f}", f"[{low:.3f}, {high:.3f}]", ", ".join(f"{f.params[i]:.3f}" for f in fits)
    lines.append((name, *cells))
run.note("R2 of the regression", [f.rsquared for f in fits])
run.show(
    "plane",
    figures.plane(spread),
    alt=f"{len(spread)} encoders in the plane of alignment and uniformity, coloured by accuracy from {many.accuracy.min():.2f} to "
    f"{many.accuracy.max():.2f}; a linear regression on the two explains {pooled.rsquared:.2f} of the variance.",
    caption=f"The two measures explain {pooled.rsquared:.2f} of the variance of accuracy. Each point an encoder, measured on held-out "
    "images; hover for its settings.",
    data=spread,
    source="lib/encoders/stacks.py:train",
)
run.table(["coefficient on", "pooled", "95 % interval, clustered by recipe", "by seed"], lines)
strong = many.accuracy.mean(0) > np.median(many.accuracy.mean(0))
better = measure.regress(measure.Measures(*(m[:, strong] for m in many))).rsquared
run.note("R2 among the better half of the recipes", better, seeds=0)
run.say(
    f"Pooled $R^2$: **{pooled.rsquared:.2f}**. Among the better half of the recipes alone it is {better:.2f}: "
    f"how far the two measures rank good encoders is another question than whether they tell good from bad."
)

# %% [markdown]
# ## Where an undersampled class goes
#
# The link to harm. Contrastive encoders (16 dimensions) with one class cut, beside balanced ones. Of the class, on held-out
# images: alignment of its own positive pairs, uniformity within it, and across it and its look-alike,
# $\log \mathbb{E}\, e^{-2\lVert f(x) - f(x')\rVert^2}$ with $x$ in one class and $x'$ in the other. Higher across means closer. The
# look-alike is the nearest class under balanced encoders of seeds that no other part uses. The control is this quantity when
# *another* class is cut.

# %%
treated = run.plan.treated
harm = measure.undersampled(lab, [images.class_code(lab.train.classes, c) for c in treated])
learned = claims.has_learned(harm.accuracy, harm.untrained)
change, elsewhere = harm.cut - harm.balanced, harm.control - harm.balanced  # (seeds, 3, classes)
placebo = elsewhere.mean(2).T if len(treated) > 1 else ((),) * 3  # (3, seeds)
run.judge("alignment-9a", change[:, 0].mean(1), learned, placebo[0])
run.judge("alignment-9b", change[:, 2].mean(1), learned, placebo[2])

# %% tags=["hide-input"]
where = figures.standing(harm, treated, lab.train.classes)
lines = []
for i, quantity in enumerate(measure.ACROSS):
    cut = run.note(f"{quantity}, undersampled minus balanced", change[:, i].mean(1))
    other = run.note(f"{quantity}, another class cut minus balanced", elsewhere[:, i].mean(1))
    lines.append((quantity, f"{harm.balanced[:, i].mean():.3f}", f"{cut:+.3f}", f"{other:+.3f}"))
closer, within = change[:, 2].mean(), change[:, 1].mean()
run.show(
    "harm",
    figures.moves(where),
    alt=f"Alignment and uniformity of each class, balanced and undersampled. On average the uniformity across to the "
    f"look-alike changes by {closer:+.2f} and within the class by {within:+.2f}.",
    caption=f"Undersampling changes the uniformity across to the look-alike by {closer:+.2f} on average, within the class by "
    f"{within:+.2f}. Mean over seeds, held-out images; {p.ratio:.0%} of the class kept. Rows: class → look-alike.",
    data=where,
    source="lib/geometry/uniformity.py:between",
)
run.table(["quantity, mean over classes", "balanced", "class cut", "control: another class cut"], lines)
run.say(f"Accuracy of the balanced encoders: {harm.accuracy.mean():.3f}, untrained {harm.untrained.mean():.3f}.")

# %% [markdown]
# ## Reported beside reproduced

# %% tags=["hide-input"]
protocol = pd.read_csv(report.REPORTED / "align_uniform_protocol.csv").set_index("item").value
published = protocol["reference accuracy"].split("%")[0] + " %"
line = ("STL-10, linear accuracy on fc7, public code", published, "not run", "not run")
run.table(["quantity", "paper", "recorded", "this run"], [line])

# %% [markdown]
# The STL-10 protocol needs a GPU and 105,000 images; no number on this page stands in for it. The encoders here are far smaller. What
# their verdicts were made on, beside what the paper made the claim on, is the mark of each (*analogue*, *reduced*).
#
# ## Claims
#
# {doc}`../how-to-read` has the rule of verdicts. The {doc}`../scoreboard` has the date of each threshold and where it comes from.

# %% tags=["hide-input"]
run.save(data={"train": images.digest(lab.train), "test": images.digest(lab.held)})
run.verdicts()

# %% tags=["remove-input", "in-short"]
verdict = {short: run.verdict(f"alignment-{short}") for short in ("2b", "5d", "9a", "9b")}
run.short(
    "Alignment and uniformity are the limit of the contrastive loss for many negatives. On trained encoders the loss approaches this "
    f"limit with the power {rate:.2f} of their number; that this is nearly −1, where the paper's bound is −1/2: {verdict['2b']}. The "
    f"measure of uniformity misses fine structure: ten equal point masses on a circle are within {seen[2]:.0e} of an even spread. The two measures "
    f"explain {pooled.rsquared:.0%} of the variance of accuracy over {len(spread)} encoders; that both together beat either alone: "
    f"{verdict['5d']}. The views of an undersampled class lie farther apart: {verdict['9a']}; the class lies closer to its look-alike: "
    f"{verdict['9b']}."
)

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
# * The encoders are small, their training short; on digits, positives are crops of one 8 × 8 image.
# * The rule above stopped the training of the circle encoders with the loss still falling slowly. A first pilot trained them too
#   briefly, and led to the rule. Its start of 500 steps, which leaves out a slow beginning, and its 2 per cent were set with the
#   losses of a pilot in view; the pilot's losses were not kept. The rule was followed on the digits alone; the length
#   in the `laptop` preset is a guess.
# * One random net can happen to map every image to nearly one angle, or to two opposite ones: with three seeds the comparison with
#   random weights has a wide interval.
# * The regression is over settings that we drew; other draws weigh the plane otherwise. The interval over seeds holds them fixed.
#
# ## Exercises
#
# Everything that the exercises need is in the next cell. The solutions are checked when the book is built.
# `make lab STUDY=alignment_uniformity STUDENT=yes` opens them without their solutions.

# %% tags=["exercise-setup", "hide-input"]
import math

import numpy as np
from scipy import stats

from lib.geometry import uniformity

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# Simulated, not measured: np.random.default_rng(1).normal(-0.3, 0.12, 5), rounded
uniformity_gap = [-0.26, -0.20, -0.26, -0.46, -0.19]

# %% [markdown]
# :::{exercise}
# :label: exercise-au-cap
# Which $t$ sees $n$ spikes? Write `smallest_t(n, gap)`: the $t$ at which the uniformity of $n$ evenly spaced spikes exceeds that
# of the circle by `gap` ({prf:ref}`au-spikes`), by bisection. `n`: a whole number from 2 to 30; `gap`: from 0.01 to 1. It returns
# a number that is right to one part in a million. `uniformity.spikes_gap(n, t)` rises with $t$.
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
for n in (3, 10, 20):
    for gap in (0.02, 0.1, 0.5):
        assert abs(uniformity.spikes_gap(n, smallest_t(n, gap)) - gap) < 1e-5 * gap
assert 3.5 < smallest_t(20, 0.1) / smallest_t(10, 0.1) < 4.5  # as the square of n

# %% [markdown]
# :::{exercise}
# :label: exercise-au-cancel
# The constant of $1/M$ in {prf:ref}`au-rate` is a difference. Write `cancelling_cosine(dim, tau)`: the cosine $s$ of all positive
# pairs at which it vanishes, for features uniform on the unit sphere of $\mathbb{R}^d$. `dim`: $d \ge 2$; `tau`: the
# temperature. `uniformity.log_mgf(dim, kappa)` is $\log \mathbb{E} e^{\kappa u^\top v}$. It returns a number; at a high temperature
# this is below −1, where no features have it.
# :::


# %% tags=["solution", "hide-input"]
def cancelling_cosine(dim, tau):
    """From e^{s/τ} = v / (2 μ): there the loss converges faster than 1/M."""
    log_mu, log_square = uniformity.log_mgf(dim, 1 / tau), uniformity.log_mgf(dim, 2 / tau)
    return tau * (math.log(math.expm1(log_square - 2 * log_mu) / 2) + log_mu)


# %%
for dim, tau in ((2, 0.5), (2, 0.2), (8, 0.2), (16, 0.3)):
    assert abs(uniformity.first_order(dim, tau, cancelling_cosine(dim, tau))) < 1e-9
s = cancelling_cosine(2, 0.5)
distance = [uniformity.contrastive(2, 0.5, m, s) - uniformity.limit(2, 0.5, s) for m in (64, 1024)]
assert math.log(distance[1] / distance[0]) / math.log(16) < -1.8  # the slope

# %% [markdown]
# :::{exercise}
# :label: exercise-au-collapse
# $K$ equally frequent classes each collapse onto one corner of a regular simplex, with no end of images in each. A small $K$ puts so
# many pairs in one place that the uniform distribution on $S^{d-1}$ looks more uniform; a large $K$ looks more uniform than the
# sphere. Write `least_classes(dim, t)`: the smallest $K \ge 2$ whose $\mathcal{L}_{\text{uniform}}(t)$ is *below* that of the uniform distribution on the unit
# sphere of $\mathbb{R}^d$, `dim` $= d \ge 2$, $t > 0$. (The simplex may need more than $d$ dimensions; that does not matter here.)
# :::


# %% tags=["solution", "hide-input"]
def least_classes(dim, t):
    """The share 1/K of pairs in one place costs log(1/K) at least; the measure falls with K towards -2t."""
    classes = 2
    while uniformity.uniformity_of_classes(classes, t) >= uniformity.uniformity_of_sphere(dim, t):
        classes += 1
    return classes


# %%
found = {(dim, t): least_classes(dim, t) for dim in (2, 5, 9) for t in (0.5, 2)}
for (dim, t), classes in found.items():
    sphere = uniformity.uniformity_of_sphere(dim, t)
    assert uniformity.uniformity_of_classes(classes, t) < sphere
    assert classes == 2 or uniformity.uniformity_of_classes(classes - 1, t) >= sphere
assert found[2, 2] == 5 and found[9, 2] > found[9, 0.5]

# %% [markdown]
# :::{exercise}
# :label: exercise-au-rerun
# Are contrastive features still more uniform than supervised ones at a lower temperature? This run asks it of the digits:
#
# ```bash
# make run STUDY=alignment_uniformity P="temperature=0.2"
# ```
#
# The column `values` of the run's `claims.csv` has one number a seed for claim `alignment-3b`: uniformity on the circle,
# contrastive minus supervised. The claim holds where it is *below* −0.2.
#
# Write `verdict(values, threshold, side)`. `values`: one number a seed; `side`: "below" or "above", where the mean must lie for the
# claim to hold. It returns (low, high, verdict): Student's 95 % interval of the mean over seeds, and `HOLDS`, `FAILS` or
# `UNDECIDED` by the book's rule ({doc}`../how-to-read`): the claim holds where the whole interval lies on its side of the threshold, and
# fails where the whole interval lies on the other side. Fewer than three seeds decide nothing, nor do values that are all equal;
# both ends are then `math.nan`.
#
# The setup cell has a table to read without a run, `uniformity_gap`. It is simulated; in an assignment you have one of your own.
# :::


# %% tags=["solution", "hide-input"]
def verdict(values, threshold, side):
    """The table of the setup cell is not decided: the mean lies below -0.2, one end of the interval above."""
    n = len(values)
    if n < 3 or np.ptp(values) == 0:
        return math.nan, math.nan, UNDECIDED
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    low, high = np.mean(values) - half, np.mean(values) + half
    if low <= threshold <= high:
        return low, high, UNDECIDED
    return low, high, HOLDS if (high < threshold) == (side == "below") else FAILS


# %%
low, high, word = verdict([-0.26, -0.20, -0.26, -0.46, -0.19], -0.2, "below")
assert abs(low + 0.4093) < 1e-4 and abs(high + 0.1387) < 1e-4 and word == UNDECIDED
assert (
    verdict([-0.35, -0.41, -0.39], -0.2, "below")[2] == HOLDS
    and verdict([-0.35, -0.41, -0.39], -0.2, "above")[2] == FAILS
)
assert (
    verdict([-0.35, -0.41, -0.39], -0.6, "above")[2] == HOLDS and verdict([-0.35, -0.41], -0.2, "below")[2] == UNDECIDED
)

# %% [markdown]
# :::{exercise}
# :label: exercise-au-open
# "A linear regression on alignment and uniformity explains most of the variance of accuracy over many encoders (`alignment-6a`). So
# whoever makes features more uniform makes them better." Criticise this in about 200 words. Then describe the experiment
# that would decide it: what is changed and what is held fixed, which quantity is measured, on how many seeds, and which result
# would speak against the sentence.
# :::

# %% [markdown] tags=["solution"]
# A model answer. The regression says how well two numbers *predict* accuracy over the encoders that were drawn. The encoders differ in
# temperature, weights, dimension and learning rate, and each of these can move uniformity and accuracy at once; a coefficient is
# not the effect of an intervention. $R^2$ depends on the draw: a range with many collapsed encoders gives a high $R^2$, since
# collapse ruins both; in the quick run it is 0.71, and 0.60 among the better half of the recipes. The measure is blind, too: at
# $t = 2$ ten spikes look as uniform as the circle. Uniformity alone ($w = 1$) is as uniform as it can be, and less accurate than a
# mixture (`alignment-5d` holds in the quick run), which already contradicts the sentence as it stands. To decide: take one recipe, change only the
# weight of the uniformity term above the best one, and choose the learning rate anew for each weight by the accuracy on other
# seeds. Record the change of accuracy by seed, with alignment beside it. Ten seeds or more, the threshold (a point of
# accuracy) fixed before the run, the interval of the paired difference read by the book's rule. If accuracy does not rise where
# uniformity certainly falls, the sentence is wrong.

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
run.stamp()
