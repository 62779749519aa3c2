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
        t = math.sqrt(low * high)
        low, high = (low, t) if uniformity.spikes_gap(n, t) > gap else (t, high)
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
    n, mean = len(values), np.mean(values)
    if n < 3 or np.ptp(values) == 0:
        return math.nan, math.nan, UNDECIDED
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    low, high = mean - half, mean + half
    passes, fails = (high < threshold, low > threshold) if side == "below" else (low > threshold, high < threshold)
    return low, high, HOLDS if passes else FAILS if fails else UNDECIDED


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
