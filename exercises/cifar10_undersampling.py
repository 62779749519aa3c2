# %% tags=["exercise-setup", "hide-input"]
import numpy as np
import torch
from scipy import stats

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# One number a seed, and the ends of its null: claim harms-2a on CIFAR-10 at 1 %, as recorded in
# results/recorded/cifar10_undersampling/gpu-3c84f9aaec/claims.csv and rounded
gap, null = [0.0041, 0.0259, 0.0244, -0.0160, 0.0179], [-0.0169, 0.0414]

# %% [markdown]
# :::{exercise}
# :label: exercise-class-means
# The mean cosine over all pairs of two classes equals the inner product of the classes' mean unit vectors, self-pairs
# included. Write `pair_mean(z, y, i, j)` with an explicit loop over the pairs, without the library. `z`: (n, d) features of
# any length; `y`: (n,) class codes; `i`, `j`: two codes, which may be equal. It returns a number. The check compares it with
# the library's product of means.
# :::


# %% tags=["solution", "hide-input"]
def pair_mean(z, y, i, j):
    """Mean cosine over all pairs, one by one."""
    unit = z / z.norm(dim=1, keepdim=True)
    cosines = [float(a @ b) for a in unit[y == i] for b in unit[y == j]]
    return sum(cosines) / len(cosines)


# %%
from lib import harms

for n, d in ((30, 5), (17, 2)):
    toy_z = torch.randn(n, d, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    toy_y = torch.arange(n) % 3
    means = harms.class_cosines(toy_z, toy_y, 3)
    assert all(abs(pair_mean(toy_z, toy_y, i, j) - float(means[i, j])) < 1e-12 for i in range(3) for j in range(3))

# %% [markdown]
# :::{exercise}
# :label: exercise-self-pairs
# The mean cosine `c` of a class of `n` images with itself includes $n$ self-pairs, each of cosine 1. Write
# `without_self_pairs(c, n)`, the mean over the other pairs.
#
# The diagonal RH(k, k; k) divides $1 - c$ of class $k$ under the undersampled encoder by $1 - c$ under the balanced one. Write
# `diagonal_factor(n_under, n_balanced)`: by what the diagonal is multiplied when self-pairs are left out on both sides, if the
# class has `n_under` held-out images above and `n_balanced` below. When does the diagonal not change?
# :::


# %% tags=["solution", "hide-input"]
def without_self_pairs(c, n):
    """Of n² pairs, n have cosine 1."""
    return (n * c - 1) / (n - 1)


def diagonal_factor(n_under, n_balanced):
    """1 - c grows by n / (n - 1) on each side; with the same held-out images above and below the factor is 1."""
    return n_under / (n_under - 1) * (n_balanced - 1) / n_balanced


# %%
for n in (3, 10):
    unit = torch.nn.functional.normalize(torch.randn(n, 4, generator=torch.Generator().manual_seed(n)).double(), dim=1)
    mean_off = float((unit @ unit.T)[~torch.eye(n, dtype=torch.bool)].mean())
    assert abs(without_self_pairs(float((unit @ unit.T).mean()), n) - mean_off) < 1e-12
above, below = 1 - without_self_pairs(0.6, 10), 1 - without_self_pairs(0.2, 40)
assert abs(above / below - diagonal_factor(10, 40) * (1 - 0.6) / (1 - 0.2)) < 1e-12
assert abs(diagonal_factor(3, 3) - 1) < 1e-12 and abs(diagonal_factor(2, 3) - 4 / 3) < 1e-12

# %% [markdown]
# :::{exercise}
# :label: exercise-clamp
# The public code raises every cosine to at least $10^{-7}$ before the loss, so that a pair at or below this bound gives no
# gradient. Write `share_without_gradient(z1, z2)`: the share of the *negative* pairs that give none. `z1`, `z2`: (N, d) two
# views of the same N images, of any length. Negatives are all ordered pairs of the 2N views that belong to different images.
# How does the share change when all views have a direction in common?
# :::


# %% tags=["solution", "hide-input"]
def share_without_gradient(z1, z2):
    """About half for random directions in many dimensions; fewer the more the views point one way."""
    z = torch.nn.functional.normalize(torch.cat([z1, z2]), dim=1)
    image = torch.arange(len(z1)).repeat(2)
    negative = image[:, None] != image
    return float(((z @ z.T)[negative] <= 1e-7).double().mean())


# %%
square = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]])  # at 0, 90 and 225 degrees
assert share_without_gradient(square, square) == 1
turned = torch.tensor([[1.0, 1.0], [1.0, 3.0], [-1.0, 0.5]])
assert abs(share_without_gradient(square, turned) - 14 / 24) < 1e-12
for offset, least, most in ((0.0, 0.45, 0.55), (0.3, 0.1, 0.25)):
    a, b = torch.randn(2, 200, 128, generator=torch.Generator().manual_seed(1)) + offset
    assert least < share_without_gradient(a, b) < most

# %% [markdown]
# :::{exercise}
# :label: exercise-undersampling-rerun
# Does the look-alike still move more than the other classes when a class keeps 20 % of its images? This run asks it of the
# digits:
#
# ```bash
# make run STUDY=cifar10_undersampling P="ratio=0.2 milder=0"
# ```
#
# The column `values` of the run's `claims.csv` has one number a seed for claim `harms-2a`: the mean RH of the look-alike cells
# minus the mean RH of the other cells. Write `reading(gap, null, threshold)`. `gap`: (seeds,) such numbers, three or more;
# `null`: the two ends of what this number spans when no class is undersampled. It returns (low, high, verdict): Student's 95 %
# interval of the mean over seeds, and `HOLDS`, `FAILS` or `UNDECIDED` for the claim that the mean is *below* the threshold. The
# claim holds where the whole interval is below the threshold *and* below both ends of the null; it fails where the whole
# interval is above the threshold.
#
# The setup cell has a table to read without a run, at threshold −0.04: here that of a run of record, in an assignment your own,
# simulated.
# :::


# %% tags=["solution", "hide-input"]
def reading(gap, null, threshold):
    """The recorded table fails: its whole interval lies above -0.04, and no null can change that."""
    half = stats.t.ppf(0.975, len(gap) - 1) * np.std(gap, ddof=1) / len(gap) ** 0.5
    low, high = np.mean(gap) - half, np.mean(gap) + half
    if high < threshold:
        return low, high, HOLDS if high < min(null) else UNDECIDED
    return low, high, FAILS if low > threshold else UNDECIDED


# %%
low, high, verdict = reading([0.0041, 0.0259, 0.0244, -0.0160, 0.0179], [-0.0169, 0.0414], -0.04)
assert abs(low + 0.0104) < 1e-4 and abs(high - 0.0330) < 1e-4 and verdict == FAILS
assert reading([-0.10, -0.08, -0.09], [-0.02, 0.03], -0.04)[2] == HOLDS
assert reading([-0.10, -0.08, -0.09], [-0.08, 0.03], -0.04)[2] == UNDECIDED
assert reading([-0.10, -0.08, -0.09], [-0.02, 0.03], -0.09)[2] == UNDECIDED

# %% [markdown]
# :::{exercise}
# :label: exercise-undersampling-open
# "On CIFAR-10 the run of record says *does not hold* of claim `harms-2a`, so the paper is wrong: the pull is not specific to the
# look-alike." Criticise this in about 200 words. Then describe the run that would decide the claim: its data, net, ratio,
# number of seeds, null, and which result would speak against the paper.
# :::

# %% [markdown] tags=["solution"]
# A model answer. The claim asks for a gap below −0.04 on CIFAR-10; the recorded interval lies wholly above that, so the rule
# says *does not hold*. It says so of that run, marked *reduced*: a ResNet-18 for 8 epochs from a random start, four classes
# undersampled, where the public code trains a pretrained ResNet-34 for 500 epochs and undersamples all ten. An encoder that
# has learned little has little specific structure to lose. The verdict is evidence about short training. It neither refutes nor
# confirms the paper's figure, in which the gap is −0.084, without an interval. To decide: all ten classes at 1 %, the settings of
# the preset `paper`, with balanced encoders of as many other seeds for the null. The spread over seeds in the record is about
# 0.018; if it stays, ten seeds give an interval of ±0.013, enough to tell −0.084 from −0.04. Threshold and rule stay as
# registered. An interval above −0.04 in that run would speak against the claim.
