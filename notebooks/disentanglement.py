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
# # Disentanglement: which losses recover the factors?
#
# **Question.** Data are made from hidden factors, such as the place and the size of an object. {cite:t}`matthes2023` say that a whole family of contrastive
# losses recovers the factors. Which losses do, up to what, and when does training miss what the theory allows? And what happens to a rare *combination* of
# factors, each of which alone is common?
#
# Of the paper its abstract, its introduction and a public summary were read: not its tables, proofs and appendix. Every set-up on this page is ours, and the
# one number quoted is the summary's: a mean correlation above 95 % in several synthetic settings. Every statement says what it rests on.
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop, paper} the label of the run
data: str = "none"  # {none} the study simulates its data
seed: int = 1000  # [0, 1000000000] first seed
seeds: int = 5  # [3, 100] number of seeds, each with its own mixing, start and pairs
steps: int = 600  # [1, 1000000] steps of training
batch: int = 128  # [2, 65536] pairs a step, where an experiment does not set its own
width: int = 64  # [1, 4096] units of the two hidden layers of an encoder
learning_rate: float = 0.01  # (0, 10] of Adam, top of the schedule
mixing: str = "orthogonal"  # {orthogonal, conditioned} layers of the mixing: random orthogonal, or as in the code of Zimmermann et al.
shares: str = "1,0.05,0.01"  # densities of the rare corner, from 1 down, separated by commas; 0.05 is judged
draws: int = 300  # [10, 1000000] simulated batches for the error of the offset
extra: int = 0  # [0, 1000] seeds of the longer experiments; 0 leaves them out
published: bool = False  # also encoders of the published size, which the graph trains: for a GPU
published_steps: int = 100000  # [1, 10000000] steps of those
published_batch: int = 6144  # [2, 65536] pairs of a step of those
published_rate: float = 0.0001  # (0, 1] of Adam, the same at every step of those
kitti_sha256: str = ""  # of kitti_masks/kitti_peds_v2.pickle under DATA_ROOT, to train on it too; empty: left out
kitti_steps: int = 300000  # [1, 10000000] steps on those masks

# %% tags=["remove-input"]
from lib import study

run = study.start("disentanglement", globals())

# %% tags=["hide-input"]
from functools import partial

import numpy as np
import torch

from lib import disentangle
from lib.claims import has_learned
from lib.disentangle import encoders, latents, recovery
from lib.figures import charts
from lib.figures import disentanglement as figures
from lib.studies import disentanglement as measure
from lib.studies.disentanglement import KAPPAS, MATCHED, RANGED, RARE_NAMES, SCALES, SKEWED, WRONG
from lib.studies.shared import exact, longer
from lib.studies.shared.lab import FOUR, NAMES, Lab

torch.set_num_threads(1)
p = run.p
lab = Lab(p)
show = partial(run.show, face="computed, float64, CPU")  # of what has no data and no seeds


def table(about, names, columns):
    """Note the columns, one number a seed (names, seeds) each, under "column, about, name", and show them."""

    def noted(name, values):
        least = np.nan if name.startswith(("R²", "log")) else 0
        return run.note(name, values, least, 1 if name.startswith(("MCC", "R²")) else np.nan)

    found = {c: [noted(f"{c}, {about}, {n}", v) for n, v in zip(names, x, strict=True)] for c, x in columns.items()}
    run.table([about, *columns], list(zip(names, *found.values(), strict=True)))
    return found


def claimed(effects):
    """By the claims' whole names."""
    return {f"disentangle-{claim}": x for claim, x in effects.items()}


# %% [markdown]
# ## The process
#
# Factors $s$ lie in a region $S \subset \mathbb{R}^n$, here the unit box or a union of boxes, with density $p(s)$. A second view has factors $\tilde s$ near
# $s$:
#
# $$
# p(\tilde s \mid s) = \frac{Q(\tilde s)\, e^{-d(s, \tilde s)}}{Z(s)}, \qquad d(s, \tilde s) = \tfrac1c \sum_i |s_i - \tilde s_i|^p .
# $$
#
# The exponent $p$ is not the density $p(s)$. With the exponent 1 and $c = b$ the views differ by Laplace noise; with the exponent 2 and
# $c = 2\sigma^2$ by normal noise. An encoder $f$ sees $x = g(s)$ and $\tilde x =
# g(\tilde s)$, with $g$ injective, and never the factors. With $\tilde p$ the density of $\tilde s$, $\alpha = \log Z$ and $\tilde\alpha = \log(\tilde p / Q)$,
#
# $$
# \log r(s, \tilde s) = \log \frac{p(\tilde s \mid s)}{\tilde p(\tilde s)} = -\left[ d(s, \tilde s) + \alpha(s) + \tilde\alpha(\tilde s) \right] .
# $$
#
# So an encoder is scored by $T(x, \tilde x) = \beta - d(z, \tilde z) - \alpha(x) - \tilde\alpha(\tilde x)$, $z = f(x)$, the two functions learned or held at 0.
# In a box $Z$ is not constant even if the densities $p(s)$ and $Q$ are: the walls alone make $\alpha$ necessary.
#
# Latents are drawn exactly, in double precision. The mixing $g$ is three layers with leaky rectifiers between them. The encoders are perceptrons with two
# hidden layers; all recipes and seeds train side by side, each step a few products of stacked matrices. Encoders of one seed share mixing, start and pairs:
# recipes are compared in pairs.

# %% tags=["remove-input"]
run.code(latents.Process, encoders.train)

# %% [markdown]
# **Measures.** *MCC*: the mean $|$correlation$|$ of factors and codes, matched one to one. *R²*: of an affine map from codes to factors, scored on other points
# than it was fitted on. *Isometry gap*: the relative root mean square of $d(z, z') - d(s, s')$; the theorems state that it is 0, and a correlation cannot see
# it. All are taken on fresh uniform points. *Scale of distances*: the mean $d(z, z')$ over the mean $d(s, s')$, 1 where distances are kept. An encoder with
# NaN counts as one that maps all points to one: MCC 0, gap 1. MCC is high even for some wrong codes: a random rotation of two
# independent factors has about .9, of four .77. Codes that are not linear in the factors can have less.

# %% tags=["remove-input"]
run.code(recovery.mcc, recovery.isometry_gap)

# %% [markdown]
# ## The losses and their optima
#
# | loss | formula | optimum | takes |
# |---|---|---|---|
# | δ-NCE | $\mathbb{E}_+ \log(1 + e^{-T}) + \mathbb{E}_- \log(1 + e^{T})$ | $\log r$ | α, α̃, β |
# | δ-INCE | $-\mathbb{E} \log \big[ e^{T(x, \tilde x_1)} / \sum_{j \le K} e^{T(x, \tilde x_j)} \big]$, the positive among the candidates | $\log r + {}$any $c(x)$ | α̃ |
# | reversed | the same, anchored at the second view | $\log r + {}$any $c(\tilde x)$ | α |
# | δ-SCL | $-2\, \mathbb{E}_+ e^{T} + \mathbb{E}_- e^{2T}$ | $\log r$ | α, α̃, β |
# | δ-NWJ | $-\mathbb{E}_+ T + e^{-1} \mathbb{E}_- e^{T}$ | $1 + \log r$ | α, α̃, β |
# | DV | $-\mathbb{E}_+ T + \log \mathbb{E}_- e^{T}$ | $\log r + {}$constant | α, α̃ |
# | log-SCL | $-2 \log \mathbb{E}_+ e^{T} + \log \mathbb{E}_- e^{2T}$ | $\log r + {}$constant | α, α̃ |
# | order $a$ | $\tfrac1a \mathbb{E}_- e^{aT} - \tfrac1{a-1} \mathbb{E}_+ e^{(a-1)T}$ | $\log r$ | α, α̃, β |
#
# $\mathbb{E}_+$ runs over positive pairs, $\mathbb{E}_-$ over pairs of independent marginals. The first, second, fourth and fifth are the paper's. Order $a$ is
# the α-divergence of {cite:t}`kitazawa2024`, who finds no gain in accuracy: $a = 2$ is half of SCL, $a \to 1$ is NWJ without its shift. DV and log-SCL are the
# orders 1 and 2 of the variational Rényi formula {cite:p}`birrell2021`.
#
# :::{prf:proposition} The optima (known before)
# :label: dis-optima
# Over all scores $T$ the losses are least exactly where the table says.
# :::
#
# :::{prf:proof}
# *NCE, NWJ, order $a$*: with $J$ and $N$ the densities of positive and of independent pairs, the derivative in $T$ at a pair is $N\sigma(T) - J\sigma(-T)$, $N
# e^{T-1} - J$, $e^{(a-1)T}(N e^T - J)$. Each changes sign once, where $e^T = r$ (NWJ: $e^{T-1} = r$). *SCL* is $\mathbb{E}_- (e^T - r)^2 - \mathbb{E}_- r^2$.
# *DV*: a constant added to $T$ changes nothing, so $\mathbb{E}_- e^T = 1$ may be assumed; then Jensen. *log-SCL*: Cauchy and Schwarz, $(\mathbb{E}_- r u)^2 \le
# \mathbb{E}_- r^2\, \mathbb{E}_- u^2$ with $u = e^T$. *INCE*: given the candidates, the positive is the $i$-th with probability $r(x, \tilde x_i) / \sum_j r(x,
# \tilde x_j)$; the cross-entropy is least where the softmax equals it, that is where $T - \log r$ does not depend on $\tilde x$.
# :::

# %%
optima = exact.optima(p.seed)
run.exact("disentangle-1a", max(gradient for gradient, _ in optima.values()))
run.exact("disentangle-1b", min(rise for _, rise in optima.values()))
run.exact("disentangle-8d", exact.unseen_offset(lab))

# %% tags=["hide-input"]
run.table(
    ["loss", "largest gradient at the optimum", "least rise of 100 moves"],
    [(name, f"{gradient:.1e}", f"{rise:.1e}") for name, (gradient, rise) in optima.items()],
)

# %% [markdown]
# The table is computed in double precision on a random joint distribution of 12 × 12 values; for INCE by enumeration of all batches of two pairs of 4 × 4
# values.
#
# ## What the optimum says about the codes
#
# Write $h = f \circ g$, from factors to codes. A loss is at its optimum where $T = \log r$ up to a function of one argument.
#
# :::{prf:theorem} The functions cannot absorb distance (derived here)
# :label: dis-alpha
# Let one encoder serve both views, $d$ be symmetric with $d(s, s) = 0$, and $p, \tilde p$ be positive on the same $S$. If $T$ equals $\log r$ up to functions
# of one argument, then $d(h(s), h(\tilde s)) = d(s, \tilde s)$ on $S \times S$.
# :::
#
# :::{prf:proof}
# $d(h(s), h(\tilde s)) = d(s, \tilde s) + u(s) + \tilde u(\tilde s)$ for some $u, \tilde u$. Put $\tilde s = s$: $\tilde u = -u$. Exchange $s$ and $\tilde s$;
# both distances are symmetric, so $u(s) - u(\tilde s) = u(\tilde s) - u(s)$ and $u$ is constant.
# :::
#
# So a loss that leaves $c(x)$ free loses nothing, and the independence of the factors is used nowhere.
#
# :::{prf:theorem} Isometries of a connected region (known before)
# :label: dis-connected
# Let $d = \lVert \cdot \rVert_p^p / c$ with $p \ge 1$, $S$ open and connected, $h$ continuous with $d(h(s), h(\tilde s)) = d(s, \tilde s)$. Then $h$ is affine.
# Its linear part is a signed permutation for $p \ne 2$, and any rotation or reflection for $p = 2$.
# :::
#
# :::{prf:proof}
# $h$ is injective, since $d > 0$ off the diagonal, so $h(S)$ is open (invariance of domain). An isometry between open connected sets extends to an affine one
# (Mankiewicz). Linear isometries of $\ell_p^n$, $p \ne 2$, are signed permutations (Banach and Lamperti).
# :::
#
# ## Four losses
#
# Four factors, Laplace pairs with $b = 0.1$. β is learned from 0; or it starts at its optimum $\beta^* = n \log(1/2b)$ ("from β*"); or it rises to β* over 60 %
# of the steps and then stays ("ramped").

# %%
found = measure.matched(lab)
at = {(r.loss, r.offset): i for i, r in enumerate(MATCHED)}
agreeing = [at["info_nce", "learned"], *(at[loss, "ramp"] for loss in ("nce", "scl", "nwj"))]
effects = {f"disentangle-2{x}": found.mcc[at[loss, "learned"]] for x, loss in zip("abcd", FOUR, strict=True)}
effects["disentangle-2e"] = np.ptp(found.mcc[agreeing], 0)
effects["disentangle-7a"] = found.mcc[at["scl", "ramp"]] - found.mcc[at["scl", "start"]]
effects["disentangle-7b"] = found.mcc[at["scl", "ramp"]]
run.judge_all(effects, learned=all(has_learned(found.mcc[at[loss, "learned"]], found.start) for loss in FOUR))

# %% tags=["hide-input"]
words = {"learned": "", "start": ", from β*", "ramp": ", ramped"}
named = [NAMES[r.loss] + words[r.offset] for r in MATCHED]
columns = {"MCC": found.mcc, "isometry gap": found.gap, "R²": found.r2, "scale of distances": found.scale}
table("four losses", named, columns)

# %% tags=["hide-input", "main-figure"]
small = measure.lattice(10)
moving = figures.frames(small, measure.moving(lab, small))
last = moving[moving.frame == moving.frame.max()]
turn = {name: figures.turned(part) for name, part in last.groupby("recipe")}
run.show(
    "lattice",
    figures.moving(moving),
    alt=f"A lattice of 100 true factors and its codes during training. At the last step the axes of the codes are turned by "
    f"{turn['δ-INCE, p = 1']:.0f}° for δ-INCE with p = 1 and by {turn['δ-INCE, p = 2']:.0f}° with p = 2.",
    caption=f"The taxicab distance leaves the lattice upright (turned by {turn['δ-INCE, p = 1']:.0f}°), the squared distance lets it come "
    f"to rest turned (by {turn['δ-INCE, p = 2']:.0f}°). One seed, two factors; buttons pick the recipe, the slider the step.",
    data=moving,
    source="lib/studies/disentanglement.py:moving",
    face=f"simulated, {p.preset}, CPU, seed {p.seed}",
)

# %% [markdown]
# ## Squared distances: a rotation, and what a box mends
#
# :::{prf:theorem} Squared distances in a box (derived here)
# :label: dis-box
# Let $p = 2$, the factors fill the open unit box, $h$ be as in {prf:ref}`dis-connected`, and the codes lie in $[0, \kappa]^n$. For $\kappa < 1$ this is
# impossible. For $\kappa = 1$, $h$ is a signed permutation of the box's axes. For $\kappa > 1$ every rotation that fits is an optimum: in the plane all angles
# θ with $|\cos\theta| + |\sin\theta| \le \kappa$, so all of them from $\kappa = \sqrt2$ on.
# :::
#
# :::{prf:proof}
# $h$ is an affine isometry, so its image has volume 1, and $\kappa < 1$ leaves too little room. For $\kappa = 1$ the closure of the image is convex, lies in
# the box and has its volume, so it is the box. The linear part then keeps the cube $[-\tfrac12, \tfrac12]^n$, hence the maximum norm, and is a signed
# permutation. The square turned by θ is $|\cos\theta| + |\sin\theta|$ wide along both axes.
# :::
#
# So a box identifies the factors if the scale of the distances is right. If $d$ is computed with too small a $c$, the codes may fill
# less than the box, which is $\kappa > 1$. Four factors, normal pairs with $\sigma =
# 0.15$, δ-INCE:

# %%
boxed = measure.turned(lab)
taxicab = found.mcc[at["info_nce", "learned"]]
effects = {"disentangle-3a": boxed.r2[0], "disentangle-3b": taxicab - boxed.mcc[0]}
effects["disentangle-3c"] = boxed.mcc[1] - boxed.mcc[0]
run.judge_all(effects, learned=has_learned(boxed.mcc[1], boxed.start))

# %% tags=["hide-input"]
names = ("taxicab, codes free", "squared, codes free", "squared, codes in the true box")
straight = found.r2[at["info_nce", "learned"]]
table("distance", names, {"MCC": [taxicab, *boxed.mcc], "R²": [straight, *boxed.r2]})
flat, angles = measure.plane(lab)
dots = charts.long(angles.round(3), kappa=KAPPAS, seed=lab.seeds()).rename(columns={"value": "angle"})
largest = {k: run.note(f"angle of the axes, box {k:g}", a) for k, a in zip(KAPPAS, angles, strict=True)}
run.show(
    "box",
    figures.boxes(dots),
    alt=f"Left: the true square turned as far as a box of κ lets it. Right: angles of trained encoders, on average "
    f"{largest[1.0].value:.1f}° in the true box and {largest[1.45].value:.1f}° in one of 1.45.",
    caption=f"Trained axes are turned by {largest[1.0].value:.1f}° on average in the true box, by {largest[1.45].value:.1f}° in a box of "
    "1.45; grey: the angles that fit. Two factors, σ = 0.1; the slider moves κ. A point above the grey has not reached an optimum.",
    data=dots,
    source="lib/studies/disentanglement.py:plane",
)

# %% [markdown]
# ## Functions and constants
#
# The summary says that constants in place of α and α̃ cost little. Two factors with density falling as $e^{-4s}$, $b = 0.15$, $Q$ constant. By
# {prf:ref}`dis-optima` the forward loss then needs α̃. The reversed loss needs α alone, and only the walls make α vary. β has five times the rate of the encoder.

# %%
skew = measure.marginals(lab)
forward, learned, backward = skew.gap[:3]
effects = claimed({"4a": skew.mcc[1] - skew.mcc[0], "4b": forward / learned, "4c": forward / backward})
for i, loss in enumerate(("nce", "scl", "nwj")):
    effects[f"disentangle-4e-{loss}"] = skew.gap[3 + 2 * i] / skew.gap[4 + 2 * i]
    effects[f"disentangle-4f-{loss}"] = skew.mcc[4 + 2 * i] - skew.mcc[3 + 2 * i]
run.judge_all(effects, learned=has_learned(skew.mcc[0], skew.start))

# %% tags=["hide-input"]
kinds = ["learned functions" if r.alpha or r.alpha_tilde else "constants" for r in SKEWED]
names = [f"{NAMES[r.loss]}, {kind}" for r, kind in zip(SKEWED, kinds, strict=True)]
table("skewed marginal", names, {"MCC": skew.mcc, "isometry gap": skew.gap})

# %% [markdown]
# ## Dependent factors, and rooms
#
# Nothing above asks for independent factors. In the first experiment two factors have correlation 0.85, and MCC is taken on uniform ones, since correlation
# would raise it. In the second, factors fill four rooms, $[0, .35]$ or $[.65, 1]$ in each coordinate.

# %%
correlated = measure.dependent(lab)
in_rooms, worst_room = measure.grid_of_rooms(lab)
effects = {"disentangle-5": correlated.mcc[0], "disentangle-6a": in_rooms.mcc[0], "disentangle-6a-room": worst_room}
sources = zip(effects, (correlated, in_rooms, in_rooms), strict=True)
run.judge_all(effects, learned={claim: has_learned(x.mcc[0], x.start) for claim, x in sources})
changed, on_grid, hidden = exact.exchanges(p.seed)
run.exact("disentangle-6b", changed)
run.exact("disentangle-6b-grid", on_grid)
run.exact("disentangle-6e", hidden)

# %% [markdown]
# :::{prf:theorem} Rooms (derived here)
# :label: dis-rooms
# Let $S$ be a union of disjoint open boxes and $h$ keep $d = \lVert \cdot \rVert_p^p / c$ on $S \times S$. (i) For $p > 1$, $h$ is one isometry on all rooms:
# $S$ need not be connected. (ii) For $p = 1$, with $h$ the identity on a room $U$: a room that shares at least $n - 1$ of its coordinate ranges with $U$ is
# fixed. If all ranges of the other room lie above those of $U$, its factors may be permuted, and shifted by amounts of sum 0 that leave them above; with two
# rooms each such map is an optimum. (iii) A grid of rooms, where neighbours share $n - 1$ ranges, is recovered.
# :::
#
# :::{prf:proof}
# $h$ is affine on $U$ by {prf:ref}`dis-connected`; take it to be the identity there. Let $t$ lie in another room. (i) $s \mapsto d(s, t)$ on $U$ has the
# gradient $(p/c) \operatorname{sign}(s_i - t_i) |s_i - t_i|^{p-1}$, which determines $t$; $d(s, h(t))$ is the same function, so $h(t) = t$. (ii) $s \mapsto
# \lVert s - t \rVert_1$ has a kink at $s_i = t_i$ for each $t_i$ in the range of $U$, which determines these coordinates; of all others only the signed sum
# enters, and it determines one that is missing. If all lie above $U$, the distance is $\sum_i t_i - \sum_i s_i$; a permutation or such a shift keeps it, and
# the distances within the room. (iii) Go from neighbour to neighbour.
# :::

# %% tags=["hide-input"]
heights = np.round(np.linspace(0, 0.7, 29), 3)
meet = figures.meeting(heights, exact.meeting_rooms(heights))
show(
    "rooms",
    figures.rooms(meet),
    alt=f"Two rooms in the plane. Exchanging the factors of the far room changes no taxicab distance once the rooms share no "
    f"range of heights, from 0.3 on; at height 0 it changes one by {meet.change[0]:.2f}.",
    caption=f"An exchange of factors in the far room is free from the height 0.3 on, where the rooms share no range; at height 0 it "
    f"changes a taxicab distance by {meet.change[0]:.2f}. Squared distances change at every height.",
    data=meet,
    source="lib/studies/shared/exact.py:meeting_rooms",
)
table("factors", ("of correlation 0.85", "in four rooms", "in the worst room"), {"MCC": list(effects.values())})
run.table(
    ["three factors, exchange in the far room", "largest change of a distance", "MCC of the exchange"],
    [("two rooms", f"{changed:.1e}", f"{hidden:.3f}"), ("grid of eight rooms", f"{on_grid:.2f}", "")],
)

# %% [markdown]
# MCC does not notice the exchange: it sees mainly the difference *between* rooms, which the exchange keeps. Benchmarks of
# disentanglement use other measures too. *DCI* {cite:p}`eastwood2018`: how far a code has weight for one factor alone, in a lasso from
# codes to factors. *SAP* {cite:p}`kumar2018` and *MIG* {cite:p}`chen2018`: by how much the best code of a factor leads the second
# best, in squared correlation and in mutual information. The table has codes that are the factors themselves, the best there is, and
# codes that are not.

# %% tags=["hide-input"]
others = exact.other_measures(p.seed)
run.table(
    ["factors", "codes", "MCC", "DCI", "SAP", "MIG"],
    [(*names, *(f"{x:.2f}" for x in values)) for names, values in others.items()],
)
*_, straight, turned, _, swapped = others.values()
run.say(
    f"DCI notices the exchange ({swapped[1]:.2f}) that MCC does not ({swapped[0]:.2f}). SAP misleads where factors depend on each other: of "
    f"two correlated ones it gives {straight[2]:.2f} to codes that are the factors and {turned[2]:.2f} to codes turned by 45°."
)

# %% [markdown]
# ## Why δ-SCL is unstable
#
# **The start.** At the start all distances are small, so $T \approx \beta$ for every pair. With β at its optimum the loss is of size $e^{2\beta^*}$, which
# pushes all codes apart, and the encoder folds. A ramp of β avoids this; it needs β*, hence $b$.
#
# **The optimum.** Let one batch of $B$ pairs correct β by a Newton step. For the loss of order $a$, far from the walls, the error of the step is (derived here)
#
# $$
# \left[ \frac{(a/4b)^n - 1}{B(B-1)} + \frac{(a^2/(2a-1))^n - 1}{B} \right]^{1/2}, \qquad
# b_c = \frac a4 \big( B(B-1) \big)^{-1/n} ,
# $$
#
# with $b_c$ where the first term is about 1. A loss is *in its range* where $b$ is $b_c$ or more, and its order $a$ sets $b_c$: SCL ($a = 2$) needs twice the $b$ of
# NWJ ($a = 1$). InfoNCE has no β. With $I$ the mutual information of a pair in nats, its value would have to fall to about $\log B - I$, and it cannot fall below 0:
# it can use $\log B$ nats at most.

# %%
simulated = [exact.range_of_offset(p.draws, s) for s in lab.seeds()]
ratios = [[max(sim / closed, closed / sim) for *_, closed, sim in cases] for cases in simulated]
run.judge("disentangle-7d", np.max(ratios, 1), data="none")

# %% tags=["hide-input"]
run.table(["loss", "b", "factors", "error, closed form", "error, simulated"], exact.errors(simulated))
count = p.extra or 1
ranged, ends = measure.by_scale(lab, count)
names, smallest = [NAMES[r.loss] for r in RANGED], SCALES[-1]
rows = figures.ranges(ranged, ends, names)
low = [run.note(f"MCC, {name}, b = {smallest:g}", x).value for name, x in zip(names, ranged[:, -1], strict=True)]
run.show(
    "range",
    figures.range_map(rows),
    alt=f"MCC of five losses over the scale b of the pairs. At b = {smallest:g} δ-INCE has {low[0]:.2f}, δ-SCL {low[-1]:.2f}.",
    caption=f"At b = {smallest:g} δ-INCE has MCC {low[0]:.2f}, δ-SCL {low[-1]:.2f}. Four factors, batches of {p.batch}, offsets ramped. Orange: "
    "b_c, below which a batch does not decide β; for δ-INCE the b at which a pair shares log B nats; for δ-NCE none is known. With ten "
    f"factors b_c of δ-SCL would be {disentangle.smallest_scale(2, 10, p.batch):.2f}.",
    data=rows,
    source="lib/studies/disentanglement.py:by_scale",
    face=f"simulated, {p.preset}, CPU, {count} seed{'s' * (count > 1)}",
)

# %% [markdown]
# The formula speaks of the noise of β alone. That it bounds MCC is a guess.
#
# **A wrong offset.** β is fixed at β* and at 2 above and below it; four factors, $b = 0.1$.

# %%
wrong = measure.wrong_offsets(lab)
right, effects = WRONG.index(measure.fixed("nce", 0)), claimed(measure.forgiven(wrong))
run.judge_all(effects, learned=has_learned(wrong.mcc[right], wrong.start))

# %% tags=["hide-input"]
names = [f"{NAMES[r.loss]}, β*" + (f" {r.shift:+g}" if r.shift else "") for r in WRONG]
table("fixed offset", names, {"MCC": wrong.mcc, "scale of distances": wrong.scale})

# %% [markdown]
# ## The positive in the denominator
#
# :::{prf:proposition} Without the positive (derived here)
# :label: dis-positive
# Let $T = -\lambda \hat d$ and leave the positive out of the denominator: the loss is $\lambda\, \hat d_+ + \log \tfrac1K \sum_{j \le K} e^{-\lambda \hat
# d_j}$. If a positive is nearer on average than the nearest of the $K$ negatives, it is not bounded below as λ grows.
# :::
#
# :::{prf:proof}
# The second term is at most $-\lambda \min_j \hat d_j$. So the mean is at most $\lambda\, (\mathbb{E}\, \hat d_+ - \mathbb{E} \min_j \hat d_j)$, which tends to
# $-\infty$.
# :::
#
# "Decoupled" losses leave it out. Two factors, $b = 0.01$, batches of 64:

# %%
decoupled = measure.positives(lab)
effects = {"disentangle-10a": decoupled.mcc[0] - decoupled.mcc[1]}
run.judge_all(effects, learned=has_learned(decoupled.mcc[0], decoupled.start))

# %% tags=["hide-input"]
table("InfoNCE", ("B-way", "positive left out"), {"MCC": decoupled.mcc, "log₁₀ isometry gap": np.log10(decoupled.gap)})

# %% [markdown]
# ## A rare combination of factors
#
# The link to the harms of this book. Two uniform factors, $b = 0.15$, $Q$ constant; but the *corner* $s_1, s_2 > 0.6$ has only ε times the density of the rest.
# Either factor alone is often large. With constants, the optimum of the forward loss must make $-d$ carry $-\log \tilde p$: rare points are drawn together.
# With learned α̃, or with the direction reversed, the density does no harm at the optimum, for every $\varepsilon > 0$; the walls still matter for constants. Here
#
# $$
# \mathrm{RH} = \frac{\text{mean taxicab distance of codes within the corner, density } \varepsilon}{\text{the same, density } 1, \text{ same seed}} .
# $$

# %%
densities = run.plan.shares
fine = measure.lattice(16)
rare = measure.corner(lab, densities, fine)
rh, mirror = measure.ratios(rare.inside), measure.ratios(rare.mirror)  # (ε, recipes, seeds)
taught = bool(has_learned(rare.mcc[0, 0], rare.start) and rare.inside[0].all())  # at even density

# %% tags=["hide-input"]
if 0.05 in densities:
    effects = claimed(measure.harms(rare, densities.index(0.05)))
    run.judge_all(effects, learned=taught, premise=dict.fromkeys(effects, taught))
seen = figures.learned_corner(fine, rare.codes, rh.mean(2), densities)
for density, *values in zip(densities[1:], rh[1:], mirror[1:], rare.mcc[1:], strict=True):
    columns = dict(zip(("RH", "RH, mirror corner", "MCC in the corner"), values, strict=True))
    noted = table(f"corner at density {density:g}", RARE_NAMES, columns)
least = dict(zip(RARE_NAMES, noted["RH"], strict=True))
run.show(
    "corner",
    figures.corner(seen),
    alt=f"The learned plane with the corner marked. At density {densities[-1]:g} its RH is {least['constants'].value:.2f} with constants, "
    f"{least['learned α̃'].value:.2f} with learned α̃, {least['reversed, constants'].value:.2f} reversed.",
    caption=f"At density {densities[-1]:g} the rare corner has RH {least['constants'].value:.2f} with constants, "
    f"{least['learned α̃'].value:.2f} with learned α̃ and {least['reversed, constants'].value:.2f} with the loss reversed (below 1: drawn "
    "together). Lattice of one seed, RH over all seeds; the slider moves the density.",
    data=seen,
    source="lib/studies/disentanglement.py:corner",
)

# %% [markdown]
# The RH of {doc}`the image study <cifar10_undersampling>` compares cosines of *classes* with and without one of them cut; this one compares distances *within*
# a region, and the codes have no unit length. Both are a ratio to the balanced case, below 1 where what is rare comes out too close. In the image study the
# cause is open; here it is a misfit of the loss to the density. By the optimum it does not vanish with more data; we did not test this by longer training.
# Which direction is safe depends on the data: where $Q$ varies and $p(s)$ is uniform, the reversed loss is the one that fails. RH above 1 says that the corner comes
# out too wide. Learned α̃ should give about 1. Where it gives less, we do not know whether longer training would close the gap.
#
# ## A factor that the views do not share

# %%
lost = measure.lost_factor(lab)
run.judge_all({"disentangle-13a": lost.mcc[0]}, learned=has_learned(correlated.mcc[0], correlated.start))
run.say(
    f"Of two factors the second is drawn nearly anew in the second view. MCC is {run.note('MCC, a factor lost', lost.mcc[0])}: "
    "a factor that no pair shares is not in the loss."
)

# %% [markdown]
# ## Longer experiments
#
# A too wide box; the reversed loss where $Q$ varies; trained rooms in three dimensions; eight factors at the limit of SCL's range; the order of the losses; the
# batch of InfoNCE; learned functions during training; twenty factors; noise of a factor whose scale depends on that factor (a *warped* metric: stretching the axis
# undoes it) or on the other factor (a *curved* metric: no map undoes it). And 16 × 16 masks of a moving ellipse, 1 to $D$ frames apart, a stand-in for KITTI's. They run where `extra` is above 0.

# %%
long, images = longer.longer(lab, p.extra) if p.extra else ({}, {})
fit = {c: c not in images or has_learned(images[c].mcc[int(c == "9b")], images[c].start) for c in long}
run.judge_all(claimed(long), learned=claimed(fit))
run.say("Their numbers stand with their claims below." if long else "This run left them out; their claims are not run.")

# %% [markdown]
# ## At the published size
#
# The public code of {cite:t}`zimmermann2021` has ten factors, perceptrons with hidden layers of 100, four times 500 and 100 units, a mixing of
# well-conditioned layers, batches of 6,144 and 100,000 steps of Adam. Its part on KITTI has convolutions and batches of 32 pairs of masks
# {cite:p}`klindt2021`. `published` and `kitti_sha256` train such encoders here, by B-way δ-INCE; unlike there, no anchor is its own negative.

# %% tags=["hide-input"]
sized = measure.published(run.units)
last = {"none": "isometry gap", "kitti_masks": "MCC of ranks"}
for data, kinds in sized.items():
    columns = zip(("MCC", "R²", last[data]), zip(*kinds.values(), strict=True), strict=True)
    table(f"published size, {data}", list(kinds), dict(columns))
if not sized:
    run.say("This run left them out.")

# %% [markdown]
# ## Reported beside reproduced

# %% tags=["hide-input"]
lowest = found.mcc[[at[loss, "learned"] for loss in FOUR]].min(0)
best = run.note("MCC, lowest of the four losses, offset learned", lowest)
ours = f"lowest of the four losses, four factors: {best}"
run.table(
    ["quantity", "paper, by its summary", "this run"], [("MCC in several synthetic settings", "above 95 %", ours)]
)
failed = run.note("encoders with NaN", sum(int(x.sum()) for x in lab.broken), seeds=0).value
run.say(f"Encoders with NaN: {failed:.0f} of {sum(x.size for x in lab.broken)}, counted as codes at one point.")

# %% [markdown]
# ## Claims
#
# {doc}`../how-to-read` has the rule of verdicts. The thresholds were written after a pilot on other seeds, and committed before this study's own seeds, which
# start at 1000, were run.

# %% tags=["hide-input"]
run.save()
run.verdicts()

# %% tags=["remove-input", "in-short"]
verdict = {short: run.verdict(f"disentangle-{short}") for short in ("2b", "3b", "4b", "7a", "11a", "11d")}
run.short(
    f"With taxicab noise δ-INCE finds four factors (MCC {taxicab.mean():.3f}; above .95: {verdict['2b']}); with normal noise it finds "
    f"them up to a rotation (MCC {boxed.mcc[0].mean():.2f}; worse by .1: {verdict['3b']}). Constants in place of learned functions leave "
    f"MCC but spoil distances (gap {(forward / learned).mean():.1f} times as large; at least twice: {verdict['4b']}). δ-SCL fails when its offset starts at "
    f"the optimum ({verdict['7a']}). With constants, the codes of a rare combination of factors lie too "
    f"close to each other: at density {densities[-1]:g} their mean distance is {least['constants'].value:.2f} times that of the balanced case (RH; below .95 at density "
    f".05: {verdict['11a']}), and the correlation of codes and factors, MCC, hides it ({verdict['11d']})."
)

# %% [markdown]
# ## What was said too simply
#
# * **"The family needs an exponential-family conditional."** Only a symmetric $d$ and positive densities are used ({prf:ref}`dis-alpha`).
# * **"The region must be connected."** For $p > 1$ it need not be; for $p = 1$ it depends on the ranges that rooms share ({prf:ref}`dis-rooms`).
# * **"Keeping distances means disentangled."** False for $p = 2$. A box in the output helps if the scale is right ({prf:ref}`dis-box`).
# * **"SCL is numerically unstable."** Two causes are apart above, the start and the range; neither is overflow.
#
# ## Limits
#
# * The set-ups are ours. Which $n$, $b$, batch and number of steps the paper used is not known to us.
# * Encoders and mixings are small; orthogonal layers are easier than those of {cite:t}`zimmermann2021`, which `mixing=conditioned` takes.
# * Pairs are drawn anew each step. A finite training set, in which a rare corner has *few samples*, is another harm.
# * KITTI itself, on which the paper also trained, is read where the file is given; no run of this book has had it. The masks above are a stand-in.

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
run.stamp()
