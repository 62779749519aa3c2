# %% tags=["exercise-setup", "hide-input"]
import numpy as np
from scipy import stats

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# Mean cosine between minorities at twice R*, digits not trained on, one network a seed: claim collapse-11d as recorded in
# results/recorded/minority_collapse/laptop-98d6c9e9c7/claims.csv and rounded
cosine = [0.9997, 0.9648, 0.9856, 0.9999, 0.9895]

# %% [markdown]
# :::{exercise}
# :label: exercise-own-threshold
# Derive $R^*$ for the exponential loss $e^{t/\tau}$ at $M = 1$ with iid negatives from {prf:ref}`collapse-threshold`. Write
# `exponential_threshold(b, tau)`, without the library: `b` is the number of minority classes, `tau` the temperature.
# :::


# %% tags=["solution", "hide-input"]
def exponential_threshold(b, tau):
    """ψ' = e^{t/τ}/τ, so r = e^{−2/τ}, and R r ≥ B."""
    return b * np.exp(2 / tau)


# %%
from lib import geometry
from lib.geometry import collapse

for b, tau in ((4, 0.7), (2, 1.5)):
    assert abs(exponential_threshold(b, tau) / geometry.collapse_threshold(b, tau, 1, "iid", "exponential") - 1) < 1e-12
    for side, apart in ((0.97, True), (1.03, False)):
        shares = collapse.shares(1, b, side * exponential_threshold(b, tau))
        between = float(geometry.optimal_gram(shares, tau, 1, "iid", "exponential")[1, 2])
        assert between < 0.999 if apart else between > 1 - 1e-6

# %% [markdown]
# :::{exercise}
# :label: exercise-safe-temperature
# A data set has one class `ratio` times as frequent as each of `b` others, and `ratio` > `b`. Below which temperature does
# InfoNCE with one iid negative keep the rare classes apart? Write `safe_temperature(ratio, b)` from
# {prf:ref}`collapse-threshold`.
# :::


# %% tags=["solution", "hide-input"]
def safe_temperature(ratio, b):
    """R* = (B/2)(1 + e^{2/τ}) solved for τ."""
    return 2 / np.log(2 * ratio / b - 1)


# %%
from lib import geometry

for ratio, b in ((50, 9), (6, 3)):
    t = safe_temperature(ratio, b)
    below, above = (geometry.collapse_threshold(b, t * x, 1, "iid") for x in (0.999, 1.001))
    assert below > ratio > above

# %% [markdown]
# :::{exercise}
# :label: exercise-planar
# With one majority class and two minority classes the optimum lies in a plane. Use it to write `minority_angle(ratio, tau)`: the
# angle between the two minorities in degrees, from 0 to 120, at $M = \infty$ with label-aware negatives.
# `collapse.two_level(1, 2, ratio, tau).c`, after `from lib.geometry import collapse`, is the cosine between the majority and a
# minority; take nothing else from the library.
# :::


# %% tags=["solution", "hide-input"]
from lib.geometry import collapse


def minority_angle(ratio, tau):
    """The minorities stand at ±θ from the majority, cos θ = c: they are 360° − 2θ apart."""
    c = float(collapse.two_level(1, 2, ratio, tau).c)
    return 360 - 2 * np.degrees(np.arccos(np.clip(c, -1, 1)))


# %%
from lib import geometry

for ratio, tau in ((3.0, 0.5), (2.0, 0.9)):
    gram = geometry.optimal_gram(collapse.shares(1, 2, ratio), tau)
    assert abs(np.cos(np.radians(minority_angle(ratio, tau))) - float(gram[1, 2])) < 1e-6
assert abs(minority_angle(1.0, 0.5) - 120) < 1e-4 and abs(minority_angle(50.0, 0.5)) < 1e-4

# %% [markdown]
# :::{exercise}
# :label: exercise-collapse-rerun
# Do four minority classes collapse at twice $R^*$ as three do? This run asks it of networks on Gaussian classes and on digits:
#
# ```bash
# make run STUDY=minority_collapse P="minorities=4 seeds=5"
# ```
#
# The column `values` of the run's `claims.csv` has one number a seed for claim `collapse-11d`: the mean cosine between minorities on
# digits that the network has not seen. Write `reading(cosine, threshold, side)`. `cosine`: (seeds,) such numbers, three or more;
# `side`: "above" or "below". It returns (low, high, verdict): Student's 95 % interval of the mean over seeds, cut at −1 and 1,
# where a cosine ends, and `HOLDS`, `FAILS` or `UNDECIDED` for the claim that the mean is on that side of the threshold.
#
# The setup cell has a table to read without a run, at threshold 0.98, side "above": here that of a run of record, in an assignment
# your own, simulated.
# :::


# %% tags=["solution", "hide-input"]
def reading(cosine, threshold, side):
    """The recorded interval is 0.970 to 1: it contains 0.98, so that nothing is decided."""
    half = stats.t.ppf(0.975, len(cosine) - 1) * np.std(cosine, ddof=1) / len(cosine) ** 0.5
    low, high = max(np.mean(cosine) - half, -1.0), min(np.mean(cosine) + half, 1.0)
    above, below = low > threshold, high < threshold
    passes, fails = (above, below) if side == "above" else (below, above)
    return low, high, HOLDS if passes else FAILS if fails else UNDECIDED


# %%
recorded = [0.9997, 0.9648, 0.9856, 0.9999, 0.9895]
low, high, verdict = reading(recorded, 0.98, "above")
assert abs(low - 0.9701) < 1e-4 and high == 1 and verdict == UNDECIDED
assert reading(recorded, 0.95, "above")[2] == HOLDS and reading(recorded, 0.95, "below")[2] == FAILS
low, high, verdict = reading([-0.99, -1.0, -0.96], 0.2, "below")
assert low == -1 and abs(high + 0.9316) < 1e-4 and verdict == HOLDS

# %% [markdown]
# :::{exercise}
# :label: exercise-collapse-open
# "Whenever the imbalance exceeds a threshold, contrastive learning maps all rare classes to one vector." Criticise this in about 200
# words, with the results of this chapter. Then design the run that would test it on long-tailed CIFAR-10: shares, negatives,
# temperature, ratios, measure, seeds, and what would speak against the theory.
# :::

# %% [markdown] tags=["solution"]
# A model answer. With one majority class and InfoNCE the sentence is right, and {prf:ref}`collapse-threshold` gives the threshold. It
# is derived here; of the paper only the abstract is known. It does not hold for any split into frequent and rare classes:
# under three to five majorities and $M = 1$ the rare ones have not collapsed at a ratio of 100,000. That no ratio collapses
# them is seen in numbers alone. It fails for a triplet loss whose margin is below 2, and for two classes, which stay antipodal.
# The threshold depends on the law of the negatives, grows like $e^{1/\tau}$ or $e^{2/\tau}$ at one negative, and more negatives
# raise or lower it. It is a statement about free vectors, without augmentation or capacity.
#
# The run: CIFAR-10 with one class kept whole and nine cut alike, supervised InfoNCE, negatives from the whole batch (iid, many), τ
# from 0.5 to 1. $R^*$ for nine minorities is computed before, and ratios are chosen at a quarter, half and twice of it. The measure is
# the mean cosine between minority classes on images not trained on. Ten seeds; a claim such as "above 0.98 at twice $R^*$", dated
# before the run; judged only if the nets at a quarter of $R^*$ beat untrained ones. An interval wholly below 0.98 at twice $R^*$, with
# a loss near the optimum, would speak against the theory for networks; with a loss far from it, against the training.
