# %% tags=["exercise-setup", "hide-input"]
import numpy as np
from scipy import stats

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
# Simulated, not measured: accuracies of two losses by seed. With rng = np.random.default_rng(1) each seed has a level of its
# own, rng.normal(0.86, 0.02, 6); the losses lie rng.normal(-0.01, 0.008, 6) and rng.normal(0.01, 0.008, 6) from it, rounded
spread_accuracy = [0.853, 0.871, 0.860, 0.826, 0.868, 0.863]
sup_con_accuracy = [0.871, 0.885, 0.873, 0.849, 0.888, 0.877]

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-level
# Taking a point from the fullest bucket, again and again, cuts all buckets of a class to one level. Write `level(buckets, size)`: the
# largest whole number to which the buckets can be cut with at most `size` points left. `buckets`: a list of the numbers of points
# in each bucket, some may be 0; `size`: a whole number from 1 on, below the sum of the buckets.
# :::


# %% tags=["solution", "hide-input"]
def level(buckets, size):
    """Raise the level while what stays fits."""
    found = 0
    while sum(min(b, found + 1) for b in buckets) <= size:
        found += 1
    return found


# %%
import torch

from lib.strata import coresets

for seed, most in ((0, 10), (1, 6)):
    counts = torch.randint(0, most, (300,), generator=torch.Generator().manual_seed(seed)) ** 2 // 9
    full = torch.bincount(counts)
    for size in (10, 77, 150, 299):
        kept = counts[coresets.coreset(counts, torch.zeros_like(counts), size)]
        left, cut = torch.bincount(kept, minlength=len(full)), level(full.tolist(), size)
        assert ((left == full.clamp(max=cut)) | (left == full.clamp(max=cut + 1))).all() and left.sum() == size
        assert full.clamp(max=cut + 1).sum() > size

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-score
# Write `noise_score(z, y, i, average)`, the score $s_i$ of the chapter for one point, with explicit loops and without
# `lib.strata.noisy_labels`. `z`: an array (n, d) of features of any length, none of them 0; `y`: an array (n,) of labels as given;
# `i`: the point's position; `average`: "centres", the cosine of $f_i$ to the mean of a class's unit features, or "points", the mean
# of the cosines of $f_i$ to its points. Only the average over *other* classes has two readings; the first term is always the
# cosine to the mean of the other points with $i$'s label. Every label is there twice or more. It returns a number.
# :::


# %% tags=["solution", "hide-input"]
def noise_score(z, y, i, average):
    """The point itself is left out of its own class alone."""
    f = z / np.linalg.norm(z, axis=1, keepdims=True)
    others = (y == y[i]) & (np.arange(len(y)) != i)
    own = f[others].mean(0)
    means = [f[y == c].mean(0) for c in np.unique(y) if c != y[i]]
    away = [f[i] @ m / (np.linalg.norm(m) if average == "centres" else 1) for m in means]
    return f[i] @ own / np.linalg.norm(own) - np.mean(away)


# %%
import torch

from lib.strata import noisy_labels

for n, classes in ((12, 3), (20, 5)):
    rng = np.random.default_rng(n)
    z, y = rng.normal(size=(n, 4)) * rng.uniform(0.5, 3, (n, 1)), np.arange(n) % classes
    for average in ("centres", "points"):
        scores = noisy_labels.noise_scores(torch.from_numpy(z), torch.from_numpy(y), average)
        assert all(abs(noise_score(z, y, i, average) - float(scores[i])) < 1e-9 for i in range(n))

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-rerun
# Is L_spread above SupCon when the head sees 2 % of the labels? This run asks it of the digits:
#
# ```bash
# make run STUDY=label_noise_and_coresets P="few_labels=0.02"
# ```
#
# The column `values` of the run's `claims.csv` has one number a seed for claim `lspread-15d`: the accuracy under L_spread minus that
# under SupCon, with all labels in the contrastive loss. The claim holds where the difference is *above* 0.
#
# Write `verdict(first, second, threshold, side)`. `first`, `second`: (seeds,) accuracies of two losses, the same seed at the same place,
# three seeds or more; `side`: "above" or "below", where the mean of `first` minus `second` must lie for the claim to hold. It returns (low,
# high, verdict): Student's 95 % interval of the mean difference *by seed*, and `HOLDS`, `FAILS` or `UNDECIDED`: the claim holds where the whole
# interval lies on its side of the threshold, and fails where it lies on the other side.
#
# The setup cell has a table to read without a run: `spread_accuracy` and `sup_con_accuracy`. It is simulated; in an assignment you
# have one of your own.
# :::


# %% tags=["solution", "hide-input"]
def verdict(first, second, threshold, side):
    """In the setup's table the claim fails. The two intervals overlap, since seeds differ by more than the losses do."""
    gap = np.subtract(first, second)
    n, mean = len(gap), gap.mean()
    half = stats.t.ppf(0.975, n - 1) * gap.std(ddof=1) / n**0.5
    low, high = mean - half, mean + half
    passes, fails = (high < threshold, low > threshold) if side == "below" else (low > threshold, high < threshold)
    return low, high, HOLDS if passes else FAILS if fails else UNDECIDED


# %%
a, b = [0.853, 0.871, 0.860, 0.826, 0.868, 0.863], [0.871, 0.885, 0.873, 0.849, 0.888, 0.877]
low, high, word = verdict(a, b, 0, "above")
assert abs(low + 0.0212) < 1e-4 and abs(high + 0.0128) < 1e-4 and word == FAILS
assert verdict(a, b, 0, "below")[2] == verdict(b, a, 0, "above")[2] == HOLDS
assert verdict(a, b, -0.015, "above")[2] == UNDECIDED and verdict(a, b, -0.05, "above")[2] == HOLDS
assert verdict(a[:3], b[:3], -0.01, "above")[2] == UNDECIDED

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-open
# "With a fifth of the labels wrong, L_spread's features find the wrong labels with an AUC of 0.98 (`lspread-12a` holds). So L_spread
# cleans data sets." Criticise this in about 200 words, with at least two numbers or settings of this chapter. Then design
# the run that would decide it.
# :::

# %% [markdown] tags=["solution"]
# A model answer. An AUC near 1 says that wrong labels score lower than right ones, not that L_spread is the reason: in the run of record raw
# pixels, without any training, have 0.89, and SupCon's features 0.98 as well. It is a ranking. Cleaning also needs the share
# $\nu$, which is given to the method here, and a label to put in place of the wrong one. What counts in the end is accuracy, and
# there the chapter decides nothing: that correction gives back 60 % of what is lost is *not decided* (`lspread-12c`), since little is lost
# at 20 % noise, where the head sees right labels. The noise is symmetric and independent of the image; real wrong labels sit on
# images that look alike, where a neighbour helps least. To decide: train with a head that sees the *noisy* labels,
# with symmetric noise and with noise between look-alike classes, at 20 %, $\nu$ estimated and not given. Compare accuracy
# after correction by L_spread's features with that after correction by SupCon's and by raw pixels, paired by seed, ten
# seeds, one point as threshold fixed before. If the interval of L_spread minus the better of the two lies below a point, L_spread is not what
# cleans the data.
