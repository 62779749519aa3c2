# %% tags=["exercise-setup", "hide-input"]
import math

import numpy as np
import torch
from scipy import stats

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# Change of GRH of two cut groups, one row a seed: simulated, no measurement
change = [[0.031, -0.042], [0.012, -0.055], [0.024, -0.031], [0.019, -0.060], [0.037, -0.049]]

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-critical
# By {prf:ref}`bios-regions`, up to which mean gap is the ratio of a gender below 1? Write `critical_gap(own, other)` from the two
# spreads $D(g, g)$ and $D(g', g')$: GRH(o, g) is below 1 for every mean gap $\lVert m_g - m_{g'} \rVert$ below it and for none
# above. Where no gap will do, it is 0.
# :::


# %% tags=["solution", "hide-input"]
def critical_gap(own, other):
    """GRH < 1 as long as |m_g - m_g'|² < D(g, g) - D(g', g')."""
    return max(0.0, own - other) ** 0.5


# %%
def ratio_of(own, other, gap):
    return (own + other + gap**2) / (2 * own)


for own, other in ((0.5, 0.3), (0.9, 0.65)):
    edge = critical_gap(own, other)
    assert ratio_of(own, other, edge - 1e-6) < 1 < ratio_of(own, other, edge + 1e-6)
assert critical_gap(0.3, 0.5) == 0 and critical_gap(0.3, 0.3) == 0

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-self-pairs
# `grh` is the ratio of a group of `n` texts without self-pairs. Write `plug_in(grh, n)`, the plug-in ratio of the same texts,
# whose $D(g, g)$ averages over all $n^2$ pairs. It is exact, without the library. Write `texts_needed(bias)`: the least number of
# texts, 2 or more, at which the plug-in ratio exceeds the other by the factor 1 + `bias` at most. Compare with the simulation
# above, of 20 texts.
# :::


# %% tags=["solution", "hide-input"]
def plug_in(grh, n):
    """Self-pairs shrink D(g, g) by 1 - 1/n and leave D(g, g') alone."""
    return grh * n / (n - 1)


def texts_needed(bias):
    """n / (n - 1) <= 1 + bias where n >= 1 + 1 / bias."""
    return math.ceil(1 + 1 / bias)


# %%
from lib.harms import gender

for n in (2, 20):
    sample = torch.randn(n + 9, 6, generator=torch.Generator().manual_seed(n), dtype=torch.float64) + 0.5
    sexes, same = (torch.arange(n + 9) >= n).long(), torch.zeros(n + 9, dtype=torch.long)
    with_pairs, without = (
        float(gender.gender_representation_harm(sample, same, sexes, u)[0, 0]) for u in (False, True)
    )
    assert abs(plug_in(without, n) - with_pairs) < 1e-9
assert [texts_needed(bias) for bias in (0.3, 0.06)] == [5, 18]

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-swap
# The gender labels of all texts are exchanged, F for M, and the encoder and the classifier do not look at them. Which measures
# change, and how? Write `swapped(ratios, mean_gap, tpr_gap)`. `ratios`: the pair (GRH(o, F), GRH(o, M)) before; `mean_gap`:
# $\lVert m_F - m_M \rVert$; `tpr_gap`: the recall of F less that of M. It returns the three after the swap, in this order.
# :::


# %% tags=["solution", "hide-input"]
def swapped(ratios, mean_gap, tpr_gap):
    """The ratios change places; a distance between means has no direction; a difference changes its sign."""
    return (ratios[1], ratios[0]), mean_gap, -tpr_gap


# %%
from lib import harms

for draw in (2, 3):
    sample = torch.randn(60, 8, generator=torch.Generator().manual_seed(draw), dtype=torch.float64) + 1
    code, same = torch.arange(60) % 2, torch.zeros(60, dtype=torch.long)
    called = (sample[:, 0] > 1.2).long()
    before, after = (
        (
            tuple(harms.gender_representation_harm(sample, same, c)[0].tolist()),
            float(harms.mean_gap(sample, same, c)),
            float(harms.tpr_gap(same, called, c, 2)[0]),
        )
        for c in (code, 1 - code)
    )
    for mine, truth in zip(swapped(*before), after, strict=True):
        assert np.shape(mine) == np.shape(truth) and np.allclose(mine, truth)

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-rerun
# Does GRH fall when a gender keeps half of its texts? This run asks it of generated texts:
#
# ```bash
# make run STUDY=bios_gender_harm P="ratio=0.5 milder=0 seeds=5"
# ```
#
# The column `values` of the run's `claims.csv` has one number a seed for claim `bios-control`: the change of GRH, its mean over the
# groups that were cut. Write `reading(change, threshold, side)`. `change`: (seeds, groups) the change of each group, three seeds
# or more; `side`: "above" or "below". It returns (low, high, verdict): Student's 95 % interval over *seeds* of the mean over the
# groups, and `HOLDS`, `FAILS` or `UNDECIDED` for the claim that this mean is on that side of the threshold. The groups of a seed
# share encoders: they are not further seeds.
#
# The setup cell has a simulated table to read without a run; an assignment has one of your own. Read it at threshold 0, side
# "below". The null of the claim, which the book asks for too, is left out here.
# :::


# %% tags=["solution", "hide-input"]
def reading(change, threshold, side):
    """The simulated mean is -0.011, from -0.022 to -0.0004: the claim holds, though one of the groups rises."""
    values = np.mean(change, axis=1)
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    low, high = np.mean(values) - half, np.mean(values) + half
    above, below = low > threshold, high < threshold
    passes, fails = (above, below) if side == "above" else (below, above)
    return low, high, HOLDS if passes else FAILS if fails else UNDECIDED


# %%
simulated = [[0.031, -0.042], [0.012, -0.055], [0.024, -0.031], [0.019, -0.060], [0.037, -0.049]]
low, high, verdict = reading(simulated, 0.0, "below")
assert abs(low + 0.0223) < 1e-4 and abs(high + 0.0004) < 1e-4 and verdict == HOLDS
assert reading(simulated, 0.0, "above")[2] == FAILS and reading(simulated, -0.01, "above")[2] == UNDECIDED
assert reading(simulated, -0.05, "above")[2] == HOLDS and reading(simulated, -0.05, "below")[2] == FAILS
assert reading([row[:1] for row in simulated], 0.0, "below")[2] == FAILS

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-open
# "In this occupation the texts of the rare gender are nearer to the other gender's than to each other: the encoder has collapsed the
# rare gender onto the other one, and that harms its members." Criticise this in about 250 words. Then design the run that would
# show whether rarity is the cause, and say what its result would say about people, and what not.
# :::

# %% [markdown] tags=["solution"]
# A model answer. By {prf:ref}`bios-identity` a ratio below 1 says that the texts of this gender are more spread out than those of
# the other, by more than the squared distance of the means. It says nothing of a collapse. Two groups with the same spread and
# the same mean have ratios of 1, although no gap between them is left; a group that is much more spread out has one below 1 although its mean is far away. The
# observation compares groups as they come. Who is rare also differs in how long, how varied and how old the texts are, and the small group
# has more self-pairs in its plug-in ratio. Rarity is the cause only if the ratio moves when rarity is changed and nothing else.
#
# The run: texts with both genders equally frequent in every occupation; one gender of one occupation cut to 5 % in training, at
# random; held-out groups of equal size, without self-pairs. The change is that from the balanced encoder of the same seed, for
# GRH, both spreads, mean gap and recall. The null is the change between balanced encoders of different seeds, and texts
# without any sign of gender serve as a second one. Ten seeds, thresholds written down before. A falling mean gap would be a
# collapse, a falling GRH alone would not. Either would be a finding about these texts and this encoder. It would become one about
# people where a decision rests on the encoder, and recall by group is nearer to that than any distance. The labels of gender were
# inferred from pronouns; nothing here says how many women or men do this work, or how well.
