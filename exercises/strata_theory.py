# %% tags=["exercise-setup", "hide-input"]
import math

import numpy as np
from scipy import stats

from lib.strata import label_noise, spread_limit
from lib.strata.spread_limit import Classes

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# Loss minus the bound of lemma 2 at η = 1, times 10,000, in eight trials of equally concentrated strata, κ = 160, as
# lib.studies.strata_theory.lemma_trials computes it with the settings of the preset quick, seeds 0 to 7, rounded
excess = [2.22, 2.66, 1.44, 2.22, 1.88, 2.17, 1.60, 0.91]

# %% [markdown]
# :::{exercise}
# :label: exercise-st-rise
# A draw is of the first stratum with probability $p > 0$, of the second with $q > 0$, of neither with $1 - p - q > 0$. Write `likeliest(first, second)`, `first` $= p$ and
# `second` $= q$: the whole number $n \ge 1$ of independent draws for which it is likeliest to hold the first stratum and not the second. No loop is needed: when is $n + 1$ draws better than $n$?
# :::


# %% tags=["solution", "hide-input"]
def likeliest(first, second):
    """n + 1 is better while (p + q) (1 - p - q)^n > q (1 - q)^n; the chance falls from the first draw on only if p + 2q ≥ 1."""
    both = first + second
    return math.ceil(math.log(both / second) / math.log((1 - second) / (1 - both)))


# %%
from lib.strata import subsampling

for first in (0.02, 0.2, 0.35, 0.6):
    for second in (0.01, 0.05, 0.15, 0.3):
        chance = subsampling.subsample_probabilities(first, second, np.arange(1, 500)).only_p
        assert likeliest(first, second) == 1 + chance.argmax()

# %% [markdown]
# :::{exercise}
# :label: exercise-st-budget
# A budget of $n^+ + n^- = N$ vectors is to be split so that the distance of $L_{\text{spread}}$ from its limit is smallest, to first order in $1/N$ ({prf:ref}`st-rate`).
# Write `best_share(classes, dim, spread, view, tau, alpha)`: the share $n^+/N$ of the positives, between 0 and 1, for the distribution of this chapter, with `classes` $= K$, `dim`
# $= d$, `spread` $= b$, `view` $= s$, temperature `tau` and weight `alpha` strictly between 0 and 1. Both constants of the rate are positive here;
# `spread_limit.first_order(Classes(classes, dim, spread, view), tau, alpha)` returns $(r, a)$.
# :::


# %% tags=["solution", "hide-input"]
def best_share(classes, dim, spread, view, tau, alpha):
    """r/n⁺ + a/n⁻ under a fixed sum: n⁺ : n⁻ = √r : √a."""
    r, a = spread_limit.first_order(Classes(classes, dim, spread, view), tau, alpha)
    return math.sqrt(r) / (math.sqrt(r) + math.sqrt(a))


# %%
for distribution, tau, alpha in (
    ((4, 8, 0.25, 0.1), 0.5, 0.5),
    ((2, 16, 0.5, 1.0), 1.0, 0.2),
    ((10, 8, 0.1, 0.5), 0.5, 0.7),
):
    share, c = best_share(*distribution, tau, alpha), Classes(*distribution)
    limit = sum(spread_limit.terms(c, tau, alpha))
    n_plus = [round(20000 * v) for v in (0.8 * share, share, 1.2 * share)]
    off = [abs(spread_limit.loss(c, tau, alpha, n, 20000 - n) - limit) for n in n_plus]
    assert 0 < share < 1 and min(off) == off[1]

# %% [markdown]
# :::{exercise}
# :label: exercise-st-most
# How many points can be corrected? Write `most_points(right, budget)`: the largest $m$ from 1 to 100 whose weights have $\lVert w \rVert_1 \le$ `budget`, and 0 where there is none.
# `right`: the share $p$ of right labels, above $\frac12$ and at most 1; `budget`: 1 or more. `label_noise.lemma7_weights(m, right)` returns $w$. ({prf:ref}`st-spectrum`)
# :::


# %% tags=["solution", "hide-input"]
def most_points(right, budget):
    """The length grows with the number of points."""
    fits = 0
    while fits < 100 and np.abs(label_noise.lemma7_weights(fits + 1, right)).sum() <= budget * (1 + 1e-9):
        fits += 1
    return fits


# %%
for right, budget in ((0.75, 5), (0.9, 10), (0.95, 100), (0.6, 30)):
    m = most_points(right, budget)
    length = [np.abs(label_noise.lemma7_weights(m + more, right)).sum() for more in ((0, 1) if m else (1,))]
    assert length[-1] > budget and (m == 0 or length[0] <= budget)
assert most_points(0.9, 1) == 0 and most_points(1.0, 1) == 100
assert most_points(0.9, 10) > most_points(0.7, 10) > most_points(0.55, 10) == 0

# %% [markdown]
# :::{exercise}
# :label: exercise-st-rerun
# By how much does lemma 2 miss at $\eta = 1$ when strata have more points? This run asks it:
#
# ```bash
# make run STUDY=strata_theory P="points=400 seeds=8"
# ```
#
# The data behind its figure of the two lemmas have the excess of the loss over the bound in each trial, a seed each. Claim `lspread-8f` asks of the *smallest* of them whether it is above
# 0.0001; this exercise asks of their *mean*. It is a claim that says above; values and threshold are given times 10,000.
#
# Write two functions. `values`: one number a trial, three or more.
#
# * `verdict(values, threshold)` returns (low, high, verdict): Student's 95 % interval of the mean, and `HOLDS` where the whole interval lies above the threshold, `FAILS` where it
#   lies below, else `UNDECIDED`.
# * `trials_needed(values, threshold)` returns the least whole number $n \ge 3$ of trials at which an interval of the same mean and the same standard deviation would no longer
#   contain the threshold.
#
# The setup cell has a table to read without a run, `excess`, computed with 200 points; in an assignment you have one of your own, simulated.
# :::


# %% tags=["solution", "hide-input"]
def verdict(values, threshold):
    """The setup's mean is above 1, [1.43, 2.35], although one trial is below: lspread-8f, of the smallest, does not hold."""
    n, mean = len(values), np.mean(values)
    half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    low, high = mean - half, mean + half
    return low, high, HOLDS if low > threshold else FAILS if high < threshold else UNDECIDED


def trials_needed(values, threshold):
    """Student's quantile falls with n, so that the first that is narrow enough is the least."""
    away, sd, n = abs(np.mean(values) - threshold), np.std(values, ddof=1), 3
    while stats.t.ppf(0.975, n - 1) * sd / n**0.5 >= away:
        n += 1
    return n


# %%
table = [2.22, 2.66, 1.44, 2.22, 1.88, 2.17, 1.60, 0.91]
low, high, word = verdict(table, 1)
assert abs(low - 1.4257) < 1e-4 and abs(high - 2.3493) < 1e-4 and word == HOLDS
assert verdict(table, 2)[2] == UNDECIDED and verdict(table, 2.5)[2] == FAILS and verdict(table[:3], 1)[2] == UNDECIDED
assert trials_needed(table, 1) == 4 and trials_needed(table, 2) == 96 and trials_needed([1, 2, 3], 1.5) == 18

# %% [markdown]
# :::{exercise}
# :label: exercise-st-open
# "Lemmas 1 and 2 are false at $\lambda = \eta = 1$, since the loss exceeds the bound in every trial of equal strata (`lspread-8a`, `lspread-8e`). So nothing can be built on them."
# Criticise this in about 200 words: what exactly is false, by how much, and what remains? Then design the computation that would decide whether the size of the
# bound can be used to choose between two *trained* representations.
# :::

# %% [markdown] tags=["solution"]
# A model answer. The lemmas say that *some* multiplier exists, and that stays true; what is false is the reading in which it is 1. For strata of equal length {prf:ref}`st-equal` proves that the
# multiplier must exceed 1, so that the trials add nothing to the proof: they show the size. The excess is small, below 0.01 in every trial, and a multiplier of 1.05 is more than
# enough (`lspread-8c`, `lspread-8d`). For unequal lengths nothing is proved, although the lemmas fail in most trials there too. What remains is a bound up to a factor near 1. The
# real gap is another one: the multiplier depends on $f$, so that the smaller of two bounds need not belong to the smaller of two losses, and this is what a user of the
# bound wants. Generated clouds are no trained features either. To decide: take pairs of encoders from {doc}`lspread_strata`, trained at several $\alpha$ from the same start, and compute
# for each the bound at multiplier 1 and the loss itself, on test images. The claim is that the order of the bounds is the order of the losses in at least 90 % of the pairs; the
# share has an exact interval over seeds, one pair of each seed, so that pairs are independent. Thirty seeds; an interval wholly below 90 % speaks against using the bound.
