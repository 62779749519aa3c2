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
# # Strata at work: worst groups, noisy labels, coresets
#
# **Question.** Features that keep the strata of a class apart should be of use: to find groups that nobody labelled and to
# protect the worst of them, to notice wrong labels, to choose which points are worth training on. {cite:t}`chen2022` report
# all of this for L_spread. How much of it is left on data that anyone can rerun, and beside simple alternatives?
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop, paper} the label of the run
data: str = "spurious_digits"  # {spurious_digits, spurious_mnist, waterbirds, isic} images with a spurious feature
seed: int = 0  # [0, inf) first seed
seeds: int = 3  # [1, 100] number of seeds
net: str = "mlp"  # {mlp, convnet, resnet_small, resnet18, resnet50} of encoders and classifiers
pretrained: bool = False  # ImageNet weights at the start
precision: str = "float32"  # {float32, bfloat16} arithmetic of the forward pass
epochs: int = 15  # [1, inf) of the contrastive encoders
batch_size: int = 128  # [2, inf) images a step
learning_rate: float = 0.005  # (0, inf) of AdamW
period: int = 0  # [0, inf) half the cosine's period in epochs; 0 is a constant rate
augment: str = "digits"  # {digits, spread, spread_mnist, mnist, none} of the two views
joint: bool = True  # cross-entropy of a linear head beside the contrastive loss
temperature: float = 0.5  # (0, inf) of the contrastive losses
alpha: float = 0.5  # [0, 1] of L_spread
recovery_reduce: str = "pca"  # {umap, pca, none} to two dimensions before clustering
recovery_k_max: int = 5  # [2, 100] clusters of a class at most, before any is cut further
recovery_centre: str = "class"  # {class, all, none} whose mean is subtracted first
recovery_second: str = "all"  # {class, all, none} the other reading, shown beside it
dro_epochs: int = 15  # [1, inf) of cross-entropy and GroupDRO
dro_batch_size: int = 128  # [2, inf) images a step
dro_optimiser: str = "adamw"  # {adamw, sgd} with momentum 0.9
dro_learning_rate: float = 0.005  # (0, inf) constant
dro_weight_decay: float = 0.01  # [0, inf) of cross-entropy and GroupDRO
dro_augment: str = "digits"  # {digits, spread, spread_mnist, mnist, none}
dro_step: float = 0.01  # (0, inf) of the groups' weights
dro_adjustment: float = 0.0  # [0, inf) C of the margin C / sqrt(n)
dro_even: bool = False  # batches drawn evenly from the groups
labels_data: str = "digits"  # {digits, mnist} images of the sections on noisy labels, coresets and few labels
labels_images: int = 0  # [0, inf) of each class; 0 is all
labels_steps: int = 150  # [20, inf) of Adam, of each of their small nets
labels_batch: int = 64  # [24, inf) images a step
labels_learning_rate: float = 0.01  # (0, inf) start of the cosine schedule
labels_few: float = 0.05  # (0, 1] share of right labels that the head sees where labels are few

# %% tags=["remove-input"]
from lib import study

run = study.start("strata_applications", globals())

# %% tags=["hide-input"]
import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from IPython.display import Code, Markdown, display

from lib import claims, images, intervals
from lib.encoders import label_stacks, robust
from lib.figures import charts_applications, charts_labels
from lib.images import coarse_labels, spurious
from lib.losses import group_dro
from lib.strata import coresets, label_noise, matching, noisy_labels, recovery
from lib.strata.collapse import collapse_alpha_of_batches
from lib.studies.strata_applications import OTHER, PLAIN, SPREAD, SUP_CON, TRUE
from lib.study import page, report

p = run.p
arms = run.plan
train, test = (coarse_labels.load(arms.encoders[PLAIN][0].settings, split) for split in ("train", "test"))
face = run.face()
rows: list[dict] = []
judged: list[tuple[str, claims.Judgement]] = []
record = report.recorded(run.study)
reported = {name: pd.read_csv(report.REPORTED / f"lspread_{name}.csv") for name in ("strata_recovery", "worst_group")}


def told(quantity: str, values, digits: int = 3) -> str:
    """Note a number a seed, (seeds,), among the results; its mean and interval as text."""
    mean, low, high = (float(v) for v in intervals.over_seeds(np.asarray(values, float)))
    rows.append({"quantity": quantity, "value": mean, "low": low, "high": high, "seeds": len(values)})
    return f"{mean:.{digits}f} {report.span(low, high, digits)}"


# %% [markdown]
# ## Groups that nobody labelled
#
# ### The data
#
# Waterbirds {cite:p}`sagawa2020` are two kinds of birds before two kinds of landscapes; in training 5 % of either kind stand before
# the other's. The generated sets have its shape.

# %% tags=["hide-input"]
sizes = torch.bincount(train.stratum, minlength=len(train.names))
tests = torch.bincount(test.stratum, minlength=len(test.names))
lines = [
    (name, int(sizes[s]), f"{float(sizes[s]) / float(sizes.sum()):.3f}", int(tests[s]))
    for s, name in enumerate(train.names)
]
if p.data.startswith("spurious"):
    display(
        Markdown(
            f"Handwritten digits lie on stripes. The class is whether the digit is 5 or more; the stripes run along rows or along "
            f"columns. In training, **{100 * spurious.MINORITY:.0f} %** of a class stand on the other class's stripes. In the "
            "test set all four groups are equally frequent. The groups play no part in training, unless said."
        )
    )
display(Markdown(report.table(["group", "training images", "share", "test images"], lines)))

# %% tags=["hide-input"]
if p.data.startswith("spurious"):
    page.show(
        run.folder,
        "groups",
        charts_applications.pictures(
            [train.x[(train.stratum == s).nonzero()[:10, 0]] for s in range(len(train.names))], list(train.names)
        ),
        alt=f"Ten training images of each of {len(train.names)} groups: digits on stripes along rows or along columns.",
        caption="Training images of each group.",
        data=pd.DataFrame(lines, columns=["group", "train", "share", "test"]),
        source="lib/images/spurious.py:composed",
        face=face,
    )

# %% [markdown]
# ### Method
#
# The steps are those of {cite:t}`sohoni2020`, which {cite:t}`chen2022` follow. In each class, features are centred, divided by
# their length and reduced to two dimensions, by UMAP {cite:p}`mcinnes2018` in the papers. Gaussian mixtures are fitted to these;
# the number of components is the one with the highest mean silhouette. Then every cluster is cut into five, and a part
# stays apart where it is denser than before, harder than the cluster, and not small.

# %% tags=["remove-input"]
Code(inspect.getsource(recovery.recover) + "\n\n" + inspect.getsource(recovery.split_further), language="python")

# %% tags=["hide-input"]
words = {"umap": "two dimensions by UMAP", "pca": "their first two principal components", "none": "nothing"}
display(
    Markdown(
        f"In this run the reduction is to {words[p.recovery_reduce]}, and the search goes up to {p.recovery_k_max} components. "
        + (
            "The papers use UMAP and ten. On these small data UMAP takes longer to start than everything else to run; the "
            "`laptop` and `paper` presets use it."
            if p.recovery_reduce != "umap"
            else ""
        )
    )
)

# %% [markdown]
# **How good are recovered groups?** The papers give an F1 and do not say how it is averaged, nor how clusters are matched to
# groups. Here every true group gets at most one cluster, so that the sum of F1 is largest; the score is the plain mean over the
# true groups, where a group without a cluster counts 0. The adjusted Rand index needs no matching.
#
# :::{prf:proposition} What no recovery at all scores (derived here)
# :label: applications-none
# Each class has two strata, the rarer with the share $m$ of the class. Leaving each class whole scores a macro F1 of
# $(1 - m)/(2 - m)$.
# :::
#
# :::{prf:proof}
# A class of size $n$ is matched to its larger stratum: F1 is $2 (1-m) n / ((1-m) n + n)$. The rarer stratum has no cluster, F1 is 0.
# The mean of the two is $(1-m)/(2-m)$, whatever the class sizes.
# :::

# %% tags=["hide-input"]
whole = matching.matched_f1(train.y, train.stratum)
official = torch.repeat_interleave(torch.arange(4), torch.tensor(spurious.WATERBIRDS_TRAIN))
birds = matching.matched_f1(official // 2, official)
published = reported["strata_recovery"].set_index("dataset")
rows += [
    {"quantity": "F1, one group a class", "value": whole, "seeds": 0},
    {"quantity": "F1, one group a class, Waterbirds", "value": birds, "seeds": 0},
]
least = published.loc["Waterbirds", ["L_CE", "L_SC", "L_spread"]].astype(float)
display(
    Markdown(
        f"On this training set that is **{whole:.3f}**. On Waterbirds, with the published counts of its groups, it is **{birds:.3f}**; the "
        f"reported F1 of SupCon is {least['L_SC']:.1f} %, of L_spread {least['L_spread']:.1f} %. If those are macro F1 in our sense, "
        "the groups of SupCon are worth less than none at all there, and a table without this line hides it."
    )
)

# %% [markdown]
# **Whose mean is subtracted?** The order of words, *for each class, centre*, suggests the mean of the class; the claims below rest on
# this reading. The public code of {cite:t}`sohoni2020` subtracts nothing by default, and the mean of all points where asked to. It
# matters, because of the division by the length that follows: about the class's own mean all points, near or far, are moved
# to length one.
#
# ### What is recovered

# %% tags=["hide-input"]
MEANS = {"class": "mean of the class", "all": "mean of all points", "none": "nothing subtracted"}
options = {"reduce": p.recovery_reduce, "k_max": p.recovery_k_max}
groups = {p.recovery_centre: {label: [unit.groups() for unit in arms.robust[label]] for label in arms.encoders}}
groups[p.recovery_second] = {SPREAD: [unit.groups() for unit in arms.robust[OTHER]]}
for label in (PLAIN, SUP_CON):
    groups[p.recovery_second][label] = [
        recovery.recover(
            unit.embeddings("train")[0][0],
            train.y,
            robust.point_losses(unit),
            **options,
            centre=p.recovery_second,
            seed=unit.seed,
        )
        for unit in arms.encoders[label]
    ]

# %% tags=["hide-input"]
shown, draws = [], np.random.default_rng(0)
mine = (train.y == 0).nonzero()[:, 0]
share = torch.bincount(train.stratum[mine], minlength=len(train.names)).double() / len(mine)
keep = np.flatnonzero((share[train.stratum[mine]] < 0.25).numpy() | (draws.random(len(mine)) < 150 / len(mine)))
for label, units in arms.encoders.items():
    z = units[0].embeddings("train")[0][0]
    for centre, found in groups.items():
        flat = recovery.centred(z, mine, centre)
        flat = recovery.reduced(flat, p.recovery_reduce, units[0].seed)
        shown.append(
            pd.DataFrame(
                {
                    "panel": f"{label}, {MEANS[centre]}",
                    "group": [train.names[s] for s in train.stratum[mine][keep].tolist()],
                    "found": found[label][0][mine][keep].tolist(),
                    "x": flat[keep, 0].round(3),
                    "y": flat[keep, 1].round(3),
                }
            )
        )
shown = pd.concat(shown)
f1 = {
    c: {k: np.array([matching.matched_f1(g, train.stratum) for g in v]) for k, v in groups[c].items()} for c in groups
}
both = ", ".join(f"{f1[c][SPREAD][0]:.2f} with the {MEANS[c]}" for c in groups)
page.show(
    run.folder,
    "recovered",
    charts_applications.recovered(shown),
    alt=f"Reduced features of class {train.classes[0]} under {len(arms.encoders)} losses and two readings of the centre, coloured by "
    f"true group; a click shows one recovered group. Macro F1 of L_spread's groups: {both}.",
    caption=f"What the clustering sees of class {train.classes[0]}, first seed: all points of rare groups, a sample of the others. Click a "
    "point to see its recovered group alone; double click for all.",
    data=shown,
    source="lib/strata/recovery.py:reduced",
    face=face,
)

# %% tags=["hide-input"]
lines, chance = [], {}
for centre, found in groups.items():
    for label in arms.encoders:
        what, mine = f"{label}, {MEANS[centre]}", found[label]
        shuffled = [matching.chance_f1(g, train.stratum, train.y, seed=i).mean().item() for i, g in enumerate(mine)]
        chance[centre, label] = np.array(shuffled)
        rand = [matching.adjusted_rand(g, train.stratum) for g in mine]
        cells = told(f"F1, {what}", f1[centre][label]), told(f"F1 of shuffled groups, {what}", shuffled)
        cells += (told(f"F1 above shuffled groups, {what}", f1[centre][label] - chance[centre, label]),)
        cells += (
            told(f"adjusted Rand index, {what}", rand),
            told(f"groups, {what}", [len(g.unique()) for g in mine], 1),
        )
        lines.append((label, MEANS[centre], *cells))
header = ["loss", "centre", "macro F1", "shuffled", "above shuffled", "adjusted Rand", "groups"]
display(Markdown(report.table(header, lines)))
first, second = f1[p.recovery_centre], f1[p.recovery_second]
judged += [
    ("run", claims.judge("lspread-14a", first[SPREAD] - first[SUP_CON])),
    ("run", claims.judge("lspread-14b", first[SPREAD] - chance[p.recovery_centre, SPREAD])),
    ("run", claims.judge("lspread-14c", first[SPREAD] - whole)),
    ("authors", claims.judge_number("lspread-14a", (least["L_spread"] - least["L_SC"]) / 100)),
]
display(
    Markdown(
        f"One group a class scores {whole:.3f}. Shuffled groups keep their sizes and their class; they score less the more groups there "
        f"are, so that each row has its own chance level. Over the three losses, the other reading changes F1 by "
        f"**{np.mean([second[k] - first[k] for k in first]):+.3f}** on average, more than the losses differ from one another."
        if abs(np.mean([second[k] - first[k] for k in first]))
        > max(v.mean() for v in first.values()) - min(v.mean() for v in first.values())
        else f"One group a class scores {whole:.3f}. Shuffled groups keep their sizes and their class; each row has its own chance level."
    )
)

# %% [markdown]
# On the generated digits the figure shows why the readings differ. About the mean of its class, the many points of the common
# stratum lie near 0 in every direction; divided by their length they become a ring, and the rare points a part of it. About the
# mean of all points the common stratum is one direction, and the rare points lie in others.
#
# **Can L_spread keep strata apart here at all?** With balanced classes and no augmentation, the exact loss collapses classes from
# $\alpha^*$ on ({doc}`lspread_strata`).

# %% tags=["hide-input"]
edge, theirs = (collapse_alpha_of_batches(2, b, t) for b, t in ((p.batch_size, p.temperature), (128, 0.5)))
rows += [{"quantity": "α* of two classes at this batch and temperature", "value": float(edge), "seeds": 0}]
display(
    Markdown(
        f"For two classes, temperature {p.temperature:g} and batches of {p.batch_size} images $\\alpha^*$ is **{edge:.3f}**. The paper takes "
        f"$\\alpha = 0.5$ for Waterbirds, at temperature 0.5; batches of 128 have {theirs:.3f}. "
        f"$\\alpha$ = {p.alpha:g} is {'above' if p.alpha > edge else 'below'} it: what keeps strata apart "
        + (
            "under L_spread is then not the loss at its optimum, but the net, the augmentation and a training that ends before."
            if p.alpha > edge
            else "is the loss itself."
        )
    )
)

# %% [markdown]
# ### Protecting the worst group
#
# GroupDRO {cite:p}`sagawa2020` minimises the largest group loss, by keeping a weight for each group that grows exponentially with
# its loss:
#
# $$
# q_g \leftarrow q_g\, e^{\eta (L_g + C / \sqrt{n_g})} \Big/ \textstyle\sum_h q_h e^{\eta (L_h + C/\sqrt{n_h})}, \qquad
# \text{minimise } \sum_g q_g L_g .
# $$

# %% tags=["remove-input"]
Code(inspect.getsource(group_dro.group_dro), language="python")

# %% [markdown]
# The net is trained anew from its start, with the groups recovered from an encoder, or with the true ones. Plain cross-entropy
# is the same training without weights.

# %% tags=["hide-input"]
shares = spurious.shares(train)
names = {label: label for label in arms.encoders} | {OTHER: f"{SPREAD}, {MEANS[p.recovery_second]}"}
trainings = {"cross-entropy, no groups": arms.encoders[PLAIN]}
trainings |= {f"GroupDRO, groups of {name}": arms.robust[label] for label, name in names.items()}
trainings["GroupDRO, true groups"] = arms.robust[TRUE]
accuracy, worst, mean = {}, {}, {}
for name, units in trainings.items():
    right = torch.stack([unit.logits("test").argmax(1) == test.y for unit in units])
    accuracy[name] = group_dro.accuracies(right, test.stratum).numpy()
    worst[name] = group_dro.worst_group(right, test.stratum).numpy()
    mean[name] = group_dro.average(right, test.stratum, shares).numpy()
plain, *_, oracle = trainings
own = {label: worst[f"GroupDRO, groups of {name}"] for label, name in names.items()}
judged += [
    ("run", claims.judge("lspread-14d", own[SPREAD] - own[SUP_CON])),
    ("run", claims.judge("lspread-14f", own[SPREAD] - worst[plain])),
    ("run", claims.judge("lspread-14g", worst[oracle] - own[SPREAD])),
]
table = reported["worst_group"].set_index("dataset")[["L_CE", "L_SC", "L_spread"]].astype(float) / 100
judged += [
    (
        "authors",
        claims.judge_number("lspread-14d", table.loc["Waterbirds", "L_spread"] - table.loc["Waterbirds", "L_SC"]),
    ),
    ("authors", claims.judge_number("lspread-14e", (table["L_spread"] - table[["L_CE", "L_SC"]].max(axis=1)).min())),
]

# %% tags=["hide-input"]
dots = []
for name, values in accuracy.items():
    for s, group in enumerate(test.names):
        m, low, high = (float(v) for v in intervals.over_seeds(values[:, s]))
        dots.append((name, group, m, low, high))
dots = pd.DataFrame(dots, columns=["training", "group", "value", "low", "high"])
page.show(
    run.folder,
    "worst",
    charts_applications.by_group(dots),
    alt="Test accuracy of each group under each training. Worst group: "
    + ", ".join(f"{name} {values.mean():.2f}" for name, values in worst.items())
    + ".",
    caption="Accuracy of the test groups with 95 % intervals; dashed, the lowest without groups. Click a group in the legend.",
    data=dots,
    source="lib/encoders/robust.py:run",
    face=face,
)
share = (
    torch.bincount(train.stratum).double()
    / torch.bincount(train.y)[torch.stack([train.y[train.stratum == s][0] for s in range(len(train.names))])]
)
rare = share[train.stratum] < 0.25  # (n,)
lines, weight = [], {plain: np.full(p.seeds, rare.double().mean().item())}
for name, units in trainings.items():
    if name != plain:
        each = [group_dro.group_means(rare.float(), unit.groups(), len(unit.weights()))[0] for unit in units]
        weight[name] = np.array([float(unit.weights() @ part) for unit, part in zip(units, each, strict=True)])
    cells = told(f"worst group, {name}", worst[name]), told(f"average accuracy, {name}", mean[name])
    lines.append((name, *cells, told(f"weight of rare points at the end, {name}", weight[name])))
header = ["training", "worst group", "average, groups weighted as in training", "weight of rare points at the end"]
display(Markdown(report.table(header, lines)))
display(
    Markdown(
        f"True groups change the worst group by **{(worst[oracle] - worst[plain]).mean():+.3f}** and the average by "
        f"{(mean[oracle] - mean[plain]).mean():+.3f}; recovered groups change the worst group by "
        + ", ".join(f"{(own[label] - worst[plain]).mean():+.3f} ({name})" for label, name in names.items())
        + ". The last column says why. GroupDRO weights groups, not points: the weight that reaches the rare points is "
        r"$\sum_g q_g\,\rho_g$, with $\rho_g$ their share in group $g$. "
        f"Without groups it is their share of the training set, {weight[plain][0]:.3f}. A cluster that mixes them with the many "
        "hardly raises it, and can lower it where the loss is elsewhere."
    )
)

# %% [markdown]
# ### Reported beside reproduced
#
# The whole tables of {cite:t}`chen2022`, in per cent, beside this run. Other data, other nets: the columns are not to be
# subtracted from one another.

# %% tags=["hide-input"]
header = ["", "metric", "cross-entropy", "SupCon", "L_spread"]
lines = [
    (r.dataset, r.metric, *(f"{getattr(r, c):.1f}" for c in ("L_CE", "L_SC", "L_spread")))
    for name in ("strata_recovery", "worst_group")
    for r in reported[name].itertuples()
]


def percent(values) -> str:
    """Mean and interval over seeds in per cent."""
    m, low, high = (100 * float(v) for v in intervals.over_seeds(values))
    return f"{m:.1f} {report.span(low, high, 1)}"


lines += [(f"**this run**, {p.data}", "F1", *(percent(first[label]) for label in first))]
lines += [(f"**this run**, {p.data}", "worst-group accuracy", *(percent(own[label]) for label in first))]
display(Markdown(report.table(header, lines)))

# %% [markdown]
# On ISIC the best reported worst-group number is SupCon's, not L_spread's (`lspread-14e`): what the paper says of worst groups is
# carried by Waterbirds alone. And there the margins over plain cross-entropy groups are small, from an unknown number of seeds.

# %% [markdown]
# ## Noisy labels
#
# Now the labels of the contrastive loss are wrong with probability $\nu$; a wrong one is any other class, evenly. The linear head
# still sees right labels, of a fifth of the images, as in the paper. In every batch, {cite:t}`chen2022` score how well an image's
# feature $f_i$ fits its label,
#
# $$
# s_i = \cos(f_i,\ \text{mean of the other points with its label})\; -\; \operatorname*{mean}_{c\,\ne\,\tilde y_i}\ \text{average cosine of } f_i \text{ to class } c ,
# $$
#
# mark the share $\nu$ with the lowest scores, and give those the label of the nearest class centre. The average can be read in two
# ways, the cosine to the mean of the class (*centres*) or the mean of the cosines to its points (*points*); both are run. The share
# $\nu$ is given to the method.

# %% tags=["remove-input"]
Code(inspect.getsource(noisy_labels.noise_scores) + "\n\n" + inspect.getsource(noisy_labels.correct), language="python")

# %% tags=["hide-input"]
digits, held = label_stacks.load(p.labels_data, p.labels_images)
n, K, own_seeds = len(digits), len(digits.classes), range(p.seed, p.seed + p.seeds)
course = label_stacks.Course(p.labels_steps, p.labels_batch, p.labels_learning_rate, p.temperature)
every, nobody = torch.arange(n), torch.full((n,), label_stacks.ALONE)
first_row = len(rows)
labels_face = study.face(run.values | {"data": p.labels_data}, ["CPU"])
statements = pd.read_csv(report.REPORTED / "lspread_statements.csv").set_index("id")
LOSS_NAMES = {"sup_con": "SupCon", "spread": "L_spread", "simclr": "SimCLR"}
NOISE, READINGS = (0.2, 0.5), noisy_labels.AVERAGES


def summary(values) -> tuple[float, float, float]:
    """Mean and interval over seeds of one number a seed."""
    return tuple(float(v) for v in intervals.over_seeds(np.asarray(values, float)))


def labelled_net(loss, s, labels=digits.y, head=0.2, **other) -> label_stacks.Net:
    """A net of seed s on all images; its head sees a share ``head`` of the right labels, drawn by the seed."""
    headed = label_stacks.mask(n, label_stacks.some(n, round(head * n), s))
    return label_stacks.Net(loss, s, every, labels, headed, p.alpha, **other)


def fitted(nets: dict, data=digits, scored=held, **changes) -> tuple[dict, dict]:
    """The nets, trained: each one's accuracy on held-out images, and features of all training images, by key."""
    found, _ = label_stacks.train(data, list(nets.values()), replace(course, **changes))
    accuracy = found.accuracy(scored.x, scored.y).tolist()
    return dict(zip(nets, accuracy, strict=True)), dict(zip(nets, found.outputs(data.x)[0], strict=True))


noisy = {(nu, s): noisy_labels.symmetric_noise(digits.y, nu, K, s) for nu in (0.0, *NOISE) for s in own_seeds}
nets = {(loss, 0.0, "none", s): labelled_net(loss, s) for loss in ("sup_con", "spread") for s in own_seeds}
nets |= {
    (loss, nu, arm, s): labelled_net(
        loss, s, noisy[nu, s], corrected=0.0 if arm == "none" else nu, average="centres" if arm == "none" else arm
    )
    for loss in ("sup_con", "spread")
    for nu in NOISE
    for arm in ("none", *READINGS)
    for s in own_seeds
}
nets |= {("cross_entropy", 0.0, "none", s): labelled_net("cross_entropy", s) for s in own_seeds}
reached, features = fitted(nets)


def by_seed(loss, nu, arm) -> np.ndarray:
    """Accuracy of each seed, (seeds,)."""
    return np.array([reached[loss, nu, arm, s] for s in own_seeds])


def auc(z, nu, s, average="centres") -> float:
    """Area under the ROC curve of the scores of all training images, in batches as in training."""
    scores = noisy_labels.batch_scores(z, noisy[nu, s], p.labels_batch, average, s)
    return noisy_labels.detection_auc(scores, noisy[nu, s] != digits.y)


detected = {
    (loss, nu, arm): [auc(features[loss, nu, arm, s], nu, s, "centres" if arm == "none" else arm) for s in own_seeds]
    for loss in ("sup_con", "spread")
    for nu in NOISE
    for arm in ("none", *READINGS)
}
pixels = torch.nn.functional.normalize(digits.x.flatten(1).float() - digits.x.flatten(1).float().mean(0), dim=1)
detected |= {("pixels", nu, "none"): [auc(pixels, nu, s) for s in own_seeds] for nu in NOISE}

# %% tags=["hide-input"]
lines, shown = [], []
ARM_NAMES = {"none": "uncorrected", "centres": "corrected, centres", "points": "corrected, points"}
for loss in ("sup_con", "spread"):
    clean = by_seed(loss, 0.0, "none")
    shown.append((LOSS_NAMES[loss], "uncorrected", "0", *summary(clean)))
    told(f"accuracy, {LOSS_NAMES[loss]}, no noise", clean)
    for nu in NOISE:
        lost = clean - by_seed(loss, nu, "none")
        for arm in ("none", *READINGS):
            values = by_seed(loss, nu, arm)
            name = f"{LOSS_NAMES[loss]}, noise {nu:g}, {ARM_NAMES[arm]}"
            accuracy, area = told(f"accuracy, {name}", values), told(f"detection AUC, {name}", detected[loss, nu, arm])
            back = "–" if arm == "none" else told(f"accuracy recovered, {name}", values - by_seed(loss, nu, "none"))
            lines.append((LOSS_NAMES[loss], f"{100 * nu:.0f} %", ARM_NAMES[arm], accuracy, back, area))
            shown.append((LOSS_NAMES[loss], ARM_NAMES[arm], f"{nu:g}", *summary(values)))
alone = summary(by_seed("cross_entropy", 0.0, "none"))[0]
told("accuracy, head alone, no contrastive loss", by_seed("cross_entropy", 0.0, "none"))
shown = pd.DataFrame(shown, columns=["panel", "series", "noise", "value", "low", "high"])
lost_50 = [by_seed(loss, 0.0, "none") - by_seed(loss, 0.5, "none") for loss in ("sup_con", "spread")]
page.show(
    run.folder,
    "noise",
    charts_labels.levels(shown, "noise", "share of wrong labels ν", "accuracy", (alone, "the head's labels alone")),
    alt=f"Accuracy over the share of wrong labels. At half of them SupCon loses {100 * lost_50[0].mean():.1f} points and L_spread "
    f"{100 * lost_50[1].mean():.1f}; a net that has the head's labels alone reaches {alone:.3f}.",
    caption="Held-out accuracy of the linear head; bars are 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/noisy_labels.py:correct",
    face=labels_face,
)
header = ["loss", "noise", "labels", "accuracy", "recovered", "detection AUC"]
display(Markdown(report.table(header, lines)))
raw = ", ".join(f"{np.mean(detected['pixels', nu, 'none']):.3f} at {100 * nu:.0f} %" for nu in NOISE)
for nu in NOISE:
    told(f"detection AUC, pixels, noise {nu:g}", detected["pixels", nu, "none"])
display(
    Markdown(
        f"Detection AUC is the probability that a wrong label scores lower than a right one, over all training images, in batches of "
        f"{p.labels_batch}, at the end of training. The same scores on raw pixels, centred, have {raw}: this much of the "
        "detection needs no training at all."
    )
)
gone = {loss: by_seed(loss, 0.0, "none") - by_seed(loss, 0.2, "none") for loss in ("sup_con", "spread")}
back = {loss: by_seed(loss, 0.2, "centres") - by_seed(loss, 0.2, "none") for loss in ("sup_con", "spread")}
lost_20 = ", ".join(f"{LOSS_NAMES[loss]} {100 * gone[loss].mean():+.1f}" for loss in gone)
vain = " and ".join(LOSS_NAMES[loss] for loss in gone if summary(gone[loss])[1] <= 0)
display(
    Markdown(
        f"Points lost at 20 % noise without correction: {lost_20}."
        + (
            f" For {vain} the interval holds 0: nothing is known to be lost, and what share of it returns is left undecided."
            if vain
            else ""
        )
    )
)
judged += [
    ("run", claims.judge("lspread-12a", detected["spread", 0.2, "centres"])),
    ("run", claims.judge("lspread-12b", detected["spread", 0.5, "centres"])),
    ("run", claims.judge("lspread-12c", back["spread"] - 0.6 * gone["spread"], summary(gone["spread"])[1] > 0)),
    ("run", claims.judge("lspread-12d", back["sup_con"] - 0.55 * gone["sup_con"], summary(gone["sup_con"])[1] > 0)),
    ("run", claims.judge("lspread-12e", np.max(lost_50, 0))),
    ("run", claims.judge("lspread-12f", by_seed("spread", 0.5, "centres") - by_seed("sup_con", 0.5, "centres"))),
    ("authors", claims.judge_number("lspread-12f", float(statements.value["N3"]) / 100)),
    (
        "run",
        claims.judge(
            "lspread-12g",
            np.abs(np.subtract(detected["spread", 0.5, "centres"], detected["spread", 0.5, "points"])),
        ),
    ),
]

# %% [markdown]
# ### Correcting the loss instead
#
# For two balanced classes, labels that are right with probability $p > 1/2$, and one positive against one negative, the paper derives
# weights that make the noisy loss right *on average*: lemmas 5 and 6, **proved in the paper**, checked in {doc}`strata_theory`.
# Here they are at work: is the digit 5 or more, with the triplet loss on every pair of a positive and a negative of a batch. The
# divisors are the numbers of right pairs and triples in a balanced batch, so that the mean over the noise is exact for every such batch.

# %% tags=["remove-input"]
Code(inspect.getsource(noisy_labels.triplet), language="python")

# %% tags=["hide-input"]
halves = [images.Images(part.x, (part.y >= K // 2).long(), ("low", "high")) for part in (digits, held)]
SHARES_RIGHT, TOY = (
    (0.8, 0.6),
    {"none": "labels as given", "weights": "corrected weights", "geometric": "geometric correction"},
)
swapped = {
    (right, s): noisy_labels.symmetric_noise(halves[0].y, 1 - right, 2, s) for right in SHARES_RIGHT for s in own_seeds
}
toy = {(1.0, "none", s): labelled_net("triplet", s, halves[0].y) for s in own_seeds}
toy |= {(1.0, "alone", s): labelled_net("cross_entropy", s, nobody) for s in own_seeds}
for right in SHARES_RIGHT:
    weights = tuple(label_noise.debias_weights(right))
    for s in own_seeds:
        toy[right, "none", s] = labelled_net("triplet", s, swapped[right, s])
        toy[right, "weights", s] = labelled_net("triplet", s, swapped[right, s], weights=weights)
        toy[right, "geometric", s] = labelled_net("triplet", s, swapped[right, s], corrected=1 - right)
toy_reached, toy_features = fitted(toy, *halves, batch=24)
toy_values = {(right, arm): np.array([toy_reached[right, arm, s] for s in own_seeds]) for right, arm, _ in toy}
toy_alone = toy_values.pop((1.0, "alone"))
told("accuracy, two classes, head alone", toy_alone)
swing = {}
for right in (1.0, *SHARES_RIGHT):
    z = toy_features[1.0, "none", p.seed].double()
    batch = torch.cat([(halves[0].y == c).nonzero()[:12, 0] for c in (0, 1)])
    drawn = torch.stack([noisy_labels.symmetric_noise(halves[0].y[batch], 1 - right, 2, i) for i in range(200)])
    each = noisy_labels.triplet(
        z[batch].expand(len(drawn), -1, -1), drawn, p.temperature, label_noise.debias_weights(right)
    )
    swing[right] = (float(each.mean()), float(each.std()))
lines, shown = [], []
for (right, arm), values in sorted(toy_values.items(), key=lambda item: -item[0][0]):
    text = told(f"accuracy, two classes, p = {right:g}, {TOY[arm]}", values)
    swings = f"{swing[right][0]:.2f} ± {swing[right][1]:.2f}" if arm == "weights" else ""
    lines.append((f"{right:g}", TOY[arm], text, swings))
    shown.append(("is the digit 5 or more?", TOY[arm], f"{right:g}", *summary(values)))
shown = pd.DataFrame(shown, columns=["panel", "series", "right", "value", "low", "high"])
rows += [
    {"quantity": f"sd of the corrected loss over noise, p = {r:g}", "value": v[1], "seeds": 0} for r, v in swing.items()
]
hard = SHARES_RIGHT[-1]
page.show(
    run.folder,
    "debiased",
    charts_labels.levels(
        shown,
        "right",
        "probability p that a label is right",
        "accuracy",
        (float(toy_alone.mean()), "the head's labels alone"),
        420,
    ),
    alt=f"Two classes. With labels right at p = {hard:g}, accuracy is {toy_values[hard, 'none'].mean():.3f} on the labels as given, "
    f"{toy_values[hard, 'weights'].mean():.3f} with corrected weights and {toy_values[hard, 'geometric'].mean():.3f} with the "
    "geometric correction.",
    caption="Held-out accuracy of the linear head, which sees a fifth of the right labels; 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/noisy_labels.py:triplet",
    face=labels_face,
)
display(
    Markdown(
        report.table(
            ["p", "labels of the triplet loss", "accuracy", "loss of one batch over 200 noises, mean ± sd"], lines
        )
    )
)
display(
    Markdown(
        f"The last column is one batch of 24 features of a net trained on right labels; its loss on right labels is {swing[1.0][0]:.2f}. "
        f"The corrected loss is right on average, and its standard deviation at $p = {hard:g}$ is **{swing[hard][1]:.2f}**: the price "
        "of weights that grow as $(2p-1)^{-2}$. With more positives it is exponential, as {doc}`strata_theory` shows for lemma 7."
    )
)
judged += [
    ("run", claims.judge("lspread-12h", toy_values[0.8, "weights"] - toy_values[0.8, "none"])),
    ("run", claims.judge("lspread-12i", toy_values[0.6, "geometric"] - toy_values[0.6, "weights"])),
]

# %% [markdown]
# ## Coresets
#
# Which part of the data should be kept? {cite:t}`chen2022` train nine nets with L_spread, three on subsamples of each of 10, 20 and 50 %
# of the images, with a head on few labels, and count for every image how many of them are right. A *bucket* is the images of a class with
# equal counts. The fullest bucket of every class loses an image, again and again. Beside it: a random part;
# forgetting events {cite:p}`toneva2019`, the images that were right and became wrong most often; and EL2N {cite:p}`paul2021`, those with the
# longest error vector early in training. The last two read three nets that see all labels, ten times in the course of their training; EL2N takes the
# second time. Then a new net, with cross-entropy
# alone, is trained on what was kept, for as many steps in every case.

# %% tags=["remove-input"]
Code(inspect.getsource(coresets.coreset), language="python")

# %% tags=["hide-input"]
SUBSAMPLES, KEPT = (0.1, 0.2, 0.5), (0.1, 0.3, 0.5)
few = round(p.labels_few * n)


def counting_net(s: int, i: int) -> label_stacks.Net:
    """The i-th of the nine nets of seed s: a subsample, all of its labels in the loss, few in the head."""
    own = 100 * (s + 1) + i
    seen = label_stacks.some(n, round(SUBSAMPLES[i // 3] * n), own)
    headed = label_stacks.mask(n, seen[label_stacks.some(len(seen), few, own)])
    return label_stacks.Net("spread", own, seen, digits.y, headed, p.alpha)


counters, _ = label_stacks.train(digits, [counting_net(s, i) for s in own_seeds for i in range(9)], course)
right_often = (counters.outputs(digits.x)[1].argmax(-1) == digits.y).unflatten(0, (-1, 9)).sum(1)  # (seeds, n)
scoring = [
    label_stacks.Net("cross_entropy", s + 100 * i, every, nobody, every >= 0) for s in own_seeds for i in range(3)
]
checks = tuple(course.steps * i // 10 for i in range(1, 11))
scorers, seen = label_stacks.train(digits, scoring, course, checks=checks)
seen = seen.unflatten(1, (-1, 3))  # (checks, seeds, 3, n, K)
correct = (seen.argmax(-1) == digits.y).permute(1, 2, 0, 3)
everything = scorers.accuracy(held.x, held.y)[::3].numpy()


def kept_by(method: str, s: int, size: int) -> torch.Tensor:
    """Positions that the method keeps under seed s."""
    at = s - p.seed
    if method == "fullest buckets":
        return coresets.coreset(right_often[at], digits.y, size, s)
    if method == "random":
        return label_stacks.some(n, size, s)
    scores = (
        coresets.forgetting_events(correct[at]).sum(0)
        if method == "forgetting"
        else coresets.el2n(seen[1, at], digits.y)
    )
    return coresets.highest(scores, size, s)


METHODS = ("fullest buckets", "random", "forgetting", "EL2N")
students = {
    (method, share, s): label_stacks.Net("cross_entropy", s, kept_by(method, s, round(share * n)), nobody, every >= 0)
    for method in METHODS
    for share in KEPT
    for s in own_seeds
}
kept_reached, _ = fitted(students)
kept_values = {(m, share): np.array([kept_reached[m, share, s] for s in own_seeds]) for m in METHODS for share in KEPT}

# %% tags=["hide-input"]
lines = [
    (m, *(told(f"accuracy, coreset of {100 * share:.0f} %, {m}", kept_values[m, share]) for share in KEPT))
    for m in METHODS
]
told("accuracy, all images", everything)
shown = pd.DataFrame(
    [
        ("cross-entropy on what was kept", m, f"{100 * share:.0f} %", *summary(v))
        for (m, share), v in kept_values.items()
    ],
    columns=["panel", "series", "kept", "value", "low", "high"],
)
gain = kept_values["fullest buckets", 0.3] - kept_values["random", 0.3]
page.show(
    run.folder,
    "coresets",
    charts_labels.levels(
        shown, "kept", "share of the images kept", "accuracy", (float(everything.mean()), "all images"), 430
    ),
    alt=f"Accuracy over the share of images kept. At 30 % the fullest-bucket coreset differs from a random one by {100 * gain.mean():+.1f} "
    f"points; all images give {everything.mean():.3f}.",
    caption="Held-out accuracy of a net trained by cross-entropy on the images kept; 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/coresets.py:coreset",
    face=labels_face,
)
display(Markdown(report.table(["kept by", *(f"{100 * share:.0f} % kept" for share in KEPT)], lines)))
often = torch.bincount(right_often.flatten(), minlength=10).double() / right_often.numel()
names_left = [len(digits.y[kept_by(m, p.seed, round(0.1 * n))].unique()) for m in METHODS]
display(
    Markdown(
        f"All nine nets are right on {100 * float(often[9]):.0f} % of the training images, none on {100 * float(often[0]):.0f} %. "
        "At 10 % the images kept by "
        + ", ".join(
            f"{m} were right {float(right_often[0][kept_by(m, p.seed, round(0.1 * n))].double().mean()):.1f} times of nine on average"
            if i == 0
            else f"{m} {float(right_often[0][kept_by(m, p.seed, round(0.1 * n))].double().mean()):.1f}"
            for i, m in enumerate(METHODS)
        )
        + f" (first seed; all images {float(right_often[0].double().mean()):.1f}). Forgetting events and EL2N keep what is hard, which a net "
        "that sees little cannot learn from."
    )
)
judged += [
    ("run", claims.judge("lspread-13a", gain)),
    ("run", claims.judge("lspread-13b", kept_values["fullest buckets", 0.1] - kept_values["random", 0.1])),
    ("run", claims.judge("lspread-13c", kept_values["fullest buckets", 0.3] - kept_values["forgetting", 0.3])),
    ("run", claims.judge("lspread-13d", kept_values["fullest buckets", 0.5] - kept_values["EL2N", 0.5])),
]

# %% [markdown]
# ## Sample complexity
#
# How many labels does the contrastive loss need, when the head has few? The paper's appendix gives differences at 10 and at 100 % of the
# labels and does not say what becomes of an image without one. Here it stays: its other view is its only positive, and it is a
# negative to all others. SimCLR is the case in which no image has a label, the same at every share.

# %% tags=["hide-input"]
LABELLED = (0.1, 0.3, 1.0)


def partly(share: float, s: int) -> torch.Tensor:
    """Labels of a share of the images, those of the head among them, as both are the first of one order."""
    return torch.where(label_stacks.mask(n, label_stacks.some(n, round(share * n), s)), digits.y, label_stacks.ALONE)


learners = {("simclr", 0.0, s): labelled_net("simclr", s, nobody, p.labels_few) for s in own_seeds}
learners |= {("cross_entropy", 0.0, s): labelled_net("cross_entropy", s, nobody, p.labels_few) for s in own_seeds}
learners |= {
    (loss, share, s): labelled_net(loss, s, partly(share, s), p.labels_few)
    for loss in ("sup_con", "spread")
    for share in LABELLED
    for s in own_seeds
}
learned_by, _ = fitted(learners)
few_values = {(loss, share): np.array([learned_by[loss, share, s] for s in own_seeds]) for loss, share, _ in learners}
few_panel = f"a head that sees {few} labels"
base, bare = few_values["simclr", 0.0], few_values["cross_entropy", 0.0]
shown = [(few_panel, "SimCLR", f"{100 * share:.0f} %", *summary(base)) for share in LABELLED]
shown += [
    (few_panel, LOSS_NAMES[loss], f"{100 * share:.0f} %", *summary(v))
    for (loss, share), v in few_values.items()
    if share
]
shown = pd.DataFrame(shown, columns=["panel", "series", "labelled", "value", "low", "high"])
lines = [
    (
        LOSS_NAMES[loss],
        *(
            told(f"accuracy, {100 * share:.0f} % of labels, {LOSS_NAMES[loss]}", few_values[loss, share])
            for share in LABELLED
        ),
    )
    for loss in ("sup_con", "spread")
]
lines.append(("SimCLR", *[told("accuracy, no labels, SimCLR", base)] * len(LABELLED)))
told("accuracy, few labels, head alone", bare)
page.show(
    run.folder,
    "samples",
    charts_labels.levels(
        shown,
        "labelled",
        "share of the labels in the contrastive loss",
        "accuracy",
        (float(bare.mean()), "the head's labels alone"),
        430,
    ),
    alt=f"Accuracy over the share of labels. With all of them L_spread has {few_values['spread', 1.0].mean():.3f}, SupCon "
    f"{few_values['sup_con', 1.0].mean():.3f}, SimCLR without any {base.mean():.3f}.",
    caption=f"Held-out accuracy of the linear head, which sees {100 * p.labels_few:g} % of the labels; 95 % intervals over seeds, which share much of their spread: differences by seed are in the table that follows.",
    data=shown,
    source="lib/encoders/label_stacks.py:train",
    face=labels_face,
)
display(Markdown(report.table(["loss", *(f"{100 * share:.0f} % of labels" for share in LABELLED)], lines)))
over = {
    (other, share): few_values["spread", share] - (base if other == "simclr" else few_values["sup_con", share])
    for other in ("simclr", "sup_con")
    for share in (0.1, 1.0)
}
for row in rows[first_row:]:
    row["data"] = p.labels_data
judged += [
    ("run", claims.judge(f"lspread-15{letter}", over[key]))
    for letter, key in zip("abcd", [("simclr", 0.1), ("sup_con", 0.1), ("simclr", 1.0), ("sup_con", 1.0)], strict=True)
]
judged += [
    ("authors", claims.judge_number(f"lspread-15{letter}", float(statements.value[f"S{i}"]) / 100))
    for i, letter in enumerate("abcd", 1)
]

# %% [markdown]
# ### Reported beside reproduced
#
# Points of accuracy, but for the two fractions of N5 and N6. The paper's data are others, its nets far larger: what stands at the right is an
# *analogue* of each statement. Recorded runs are on this chapter's data.

# %% tags=["hide-input"]


def points(values) -> str:
    """Points of accuracy with their interval; noted with the results as they are."""
    mean, low, high = summary(100 * np.asarray(values))
    return f"{mean:+.1f} {report.span(low, high, 1)}"


def share_back(loss: str) -> str:
    """Accuracy recovered over accuracy lost, means over seeds; a ratio by seed would divide by noise."""
    return (
        f"{back[loss].mean() / gone[loss].mean():.2f}" if summary(gone[loss])[1] > 0 else "no certain loss to recover"
    )


extra = {nu: by_seed("spread", nu, "centres") - by_seed("sup_con", nu, "centres") for nu in NOISE}
mine = {
    "N1": ", ".join(
        f"{LOSS_NAMES[loss]} {points(lost)}" for loss, lost in zip(("sup_con", "spread"), lost_50, strict=True)
    ),
    "N2": points(by_seed("sup_con", 0.5, "centres") - by_seed("sup_con", 0.5, "none")),
    "N3": points(extra[0.5]),
    "N4": points(extra[0.2]),
    "N5": share_back("spread"),
    "N6": share_back("sup_con"),
    "C1": points(gain) + " over random",
    "C2": points(kept_values["fullest buckets", 0.3] - kept_values["forgetting", 0.3]),
    "C3": "at 50 % kept: EL2N "
    + points(kept_values["fullest buckets", 0.5] - kept_values["EL2N", 0.5])
    + ", forgetting "
    + points(kept_values["fullest buckets", 0.5] - kept_values["forgetting", 0.5]),
    "S1": points(over["simclr", 0.1]),
    "S2": points(over["sup_con", 0.1]),
    "S3": points(over["simclr", 1.0]),
    "S4": points(over["sup_con", 1.0]),
}
lines = [
    (key, statements.quantity[key], statements.condition[key], statements.value[key], value)
    for key, value in mine.items()
]
display(Markdown(report.table(["", "statement", "condition in the paper", "paper", "this run, an analogue"], lines)))

# %% [markdown]
# ## Claims
#
# Thresholds come from our specification of the paper or, where the claim is ours, were set before any run
# ({doc}`../how-to-read` has the rule of verdicts). Two settings of the sections on labels were changed after first numbers had been
# seen: nets whose loss needs one view get one, and forgetting events and EL2N read the nets at ten even steps. No threshold was
# moved, but on the digits `lspread-13d` was not decided before the second change. The second reading of the centre, and GroupDRO with
# its groups, were added after a pilot on seed 100 had shown both readings; no claim rests on them.

# %% tags=["hide-input"]
order = [c.id for c in claims.of(run.study)]
run.save(rows, judged)
display(Markdown(report.verdicts(judged, record, order)))

# %% [markdown]
# ## What the papers leave open
#
# * **How F1 is averaged, and how many clusters.** Neither is stated. With macro F1, doing nothing scores
#   $(1-m)/(2-m)$ ({prf:ref}`applications-none`), close to what is reported for SupCon on Waterbirds.
# * **Which mean is subtracted** before the division by the length; the table above has both readings.
# * **Which clustering.** {cite:t}`chen2022` refer to {cite:t}`sohoni2020`, whose public settings for Waterbirds use one number a
#   point, its hardness, and neither UMAP nor the further cut.
# * **Noisy labels.** Which average the score means, and from which step on labels are corrected. Both averages are run; the correction
#   begins at the first step. "Symmetric noise" is read as the probability of a *wrong* label; where new labels are drawn from all $K$
#   classes, the same word means $\nu (K - 1)/K$ of that.
# * **Coresets.** Which of two equally full buckets loses, and which of its points: the easier bucket, and a random point.
# * **Few labels.** What becomes of an image without a label; see above.
#
# ## Limits
#
# * The generated sets copy the shape of Waterbirds, not its difficulty: stripes are simpler than landscapes.
# * Nothing is chosen on validation groups: training runs for a fixed number of epochs. Published GroupDRO numbers rest on a
#   validation set with known groups.
# * ISIC's reported numbers are areas under curves; here the worst group is judged by accuracy on every set.
# * A class also has strata that are not the background: the digits themselves. Clusters that follow them are right about the
#   features and count as wrong here.
# * In the sections on labels MNIST, where it is used, is halved to 16 × 16 pixels. The nets there are three layers of filters on patches
#   and a hidden layer, all of them trained in minutes. Their head sees right labels from the start, which leaves wrong ones in the
#   contrastive loss little to spoil; a few seeds decide few of these claims.
#
# ## Exercises
#
# The solutions are checked when the book is built. `make student STUDY=strata_applications` writes the version without them.

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-none
# A class has three strata with shares 0.8, 0.15 and 0.05. Which macro F1 does it score when it is left whole? Write
# `left_whole(shares)`.
# :::


# %% tags=["solution", "hide-input"]
def left_whole(shares):
    """The class is matched to its largest stratum, F1 2s / (s + 1); the others score 0."""
    largest = max(shares)
    return 2 * largest / (largest + 1) / len(shares)


# %%
strata = torch.repeat_interleave(torch.arange(3), torch.tensor([80, 15, 5]))
assert abs(left_whole([0.8, 0.15, 0.05]) - matching.matched_f1(torch.zeros(100, dtype=torch.int64), strata)) < 1e-12

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-minimax
# Two groups have the losses $a\,t^2$ and $b\,(1-t)^2$ of one parameter $t$. At which $t$ does GroupDRO settle, and with which
# weight of the first group? Write `saddle(a, b)`.
# :::


# %% tags=["solution", "hide-input"]
def saddle(a, b):
    """Both losses are equal there, and the weighted slopes cancel: q a t = (1 - q) b (1 - t)."""
    t = np.sqrt(b) / (np.sqrt(a) + np.sqrt(b))
    return t, b * (1 - t) / (a * t + b * (1 - t))


# %%
t, q = torch.tensor(0.9, dtype=torch.float64, requires_grad=True), torch.full((2,), 0.5, dtype=torch.float64)
for _ in range(1500):
    loss, q = group_dro.group_dro(torch.stack([t**2, 4 * (1 - t) ** 2]), torch.arange(2), q, 0.05)
    (slope,) = torch.autograd.grad(loss, t)
    t = (t - 0.05 * slope).detach().requires_grad_()
assert np.allclose([t.item(), q[0].item()], saddle(1, 4), atol=0.02)

# %% [markdown]
# :::{exercise}
# :label: exercise-applications-level
# Taking a point from the fullest bucket, again and again, cuts all buckets of a class to one level. Write `level(buckets, size)`: the
# largest whole number to which the buckets can be cut with at most `size` points left, fewer than there are.
# :::


# %% tags=["solution", "hide-input"]
def level(buckets, size):
    """Raise the level while what stays fits."""
    found = 0
    while sum(min(b, found + 1) for b in buckets) <= size:
        found += 1
    return found


# %%
counts = torch.randint(0, 10, (300,), generator=torch.Generator().manual_seed(0)) ** 2 // 9
full = torch.bincount(counts)
for size in (10, 77, 150, 299):
    left = torch.bincount(counts[coresets.coreset(counts, torch.zeros_like(counts), size)], minlength=len(full))
    cut = level(full.tolist(), size)
    assert ((left == full.clamp(max=cut)) | (left == full.clamp(max=cut + 1))).all() and left.sum() == size

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
display(Markdown(report.stamp(run)))
