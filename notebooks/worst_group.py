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
# # Groups that nobody labelled, and the worst of them
#
# **Question.** A net can be right on average and wrong on a rare group that nobody labelled. Features that keep the strata of a
# class apart could help: clusters of the features would be groups, and a robust training could protect the worst of them.
# {cite:t}`detailsmatter2022` report both for L_spread. How well are groups recovered on data that anyone can rerun, and how much do the
# recovered groups help, compared with no groups and with the true ones?
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop, paper} the label of the run
data: str = "spurious_digits"  # {spurious_digits, spurious_mnist, waterbirds, isic} images with a spurious feature
seed: int = 0  # [0, 1000000000] first seed
seeds: int = 3  # [1, 100] number of seeds
net: str = "mlp"  # {mlp, convnet, resnet_small, resnet18, resnet50} of encoders and classifiers
pretrained: bool = False  # ImageNet weights at the start
precision: str = "float32"  # {float32, bfloat16} arithmetic of the forward pass
epochs: int = 15  # [1, 100000] of the contrastive encoders
batch_size: int = 128  # [2, 65536] images a step
learning_rate: float = 0.005  # (0, 1000] of AdamW
period: int = 0  # [0, 100000] half the cosine's period in epochs; 0 is a constant rate
augment: str = "digits"  # {digits, spread, spread_mnist, mnist, none} of the two views
joint: bool = True  # cross-entropy of a linear head beside the contrastive loss
temperature: float = 0.5  # [0.001, 1000] of the contrastive losses
alpha: float = 0.5  # [0, 1] of L_spread
recovery_reduce: str = "pca"  # {umap, pca, none} to two dimensions before clustering
recovery_k_max: int = 5  # [2, 100] clusters of a class at most, before any is cut further
recovery_centre: str = "class"  # {class, all, none} whose mean is subtracted first
recovery_second: str = "all"  # {class, all, none} the other reading, shown beside it
dro_epochs: int = 15  # [1, 100000] of cross-entropy and GroupDRO
dro_batch_size: int = 128  # [2, 65536] images a step
dro_optimiser: str = "adamw"  # {adamw, sgd} with momentum 0.9
dro_learning_rate: float = 0.005  # (0, 1000] at the start
dro_drop_every: int = 0  # [0, 100000] epochs between tenfold drops of the rate; 0 is a constant rate
dro_weight_decay: float = 0.01  # [0, 1000] of cross-entropy and GroupDRO
dro_augment: str = "digits"  # {digits, spread, spread_mnist, mnist, none}
dro_step: float = 0.01  # (0, 1000] of the groups' weights
dro_adjustment: float = 0.0  # [0, 1000000] C of the margin C / sqrt(n)
dro_even: bool = False  # batches drawn evenly from the groups

# %% tags=["remove-input"]
from lib import study

run = study.start("worst_group", globals())

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lib import claims
from lib.figures import worst_group as figures
from lib.images import coarse_labels, spurious
from lib.intervals import estimate
from lib.losses import group_dro
from lib.strata import matching, recovery
from lib.strata.collapse import collapse_alpha_of_batches
from lib.studies import worst_group
from lib.studies.plans.worst_group import PLAIN, SPREAD, SUP_CON
from lib.study import report

p, arms = run.p, run.plan
train, test = (coarse_labels.load(arms.encoders[PLAIN][0].settings, split) for split in ("train", "test"))
published = pd.read_csv(report.REPORTED / "lspread_strata_recovery.csv").set_index("dataset")
published_worst = pd.read_csv(report.REPORTED / "lspread_worst_group.csv").set_index("dataset")
published_end = pd.read_csv(report.REPORTED / "lspread_end_model.csv").set_index("dataset").loc[["Waterbirds", "ISIC"]]

# %% [markdown]
# ## The data
#
# Waterbirds {cite:p}`sagawa2020` are two kinds of birds before two kinds of landscapes. In training, 5 % of each kind stand before
# the landscape of the other kind. The generated sets have the same shape.

# %%
sizes = worst_group.sizes(train, test)
run.table(["group", "training images", "share", "test images"], list(sizes.itertuples(index=False, name=None)))

# %% tags=["hide-input"]
if p.data.startswith("spurious"):
    run.say(
        f"Handwritten digits lie on stripes. The class is whether the digit is 5 or more; the stripes run along rows or along "
        f"columns. In training, **{100 * spurious.MINORITY:.0f} %** of a class stand on the other class's stripes. In the "
        "test set all four groups are equally frequent. Unless a training says that it uses the groups, it does not see them."
    )
    run.show(
        "groups",
        figures.pictures(
            [train.x[(train.stratum == s).nonzero()[:10, 0]] for s in range(len(train.names))], list(train.names)
        ),
        alt=f"Ten training images of each of {len(train.names)} groups: digits on stripes along rows or along columns.",
        caption="Training images of each group.",
        data=sizes,
        source="lib/images/spurious.py:composed",
    )

# %% [markdown]
# ## Recovering groups
#
# The steps are those of {cite:t}`sohoni2020`, which {cite:t}`detailsmatter2022` follow. In each class, features are centred, divided by
# their length and reduced to two dimensions, by UMAP {cite:p}`mcinnes2018` in the paper. Gaussian mixtures are fitted to the
# reduced features; the number of components is the one with the highest mean silhouette. Then every cluster is cut into five
# parts. A part stays apart where its silhouette rises, where its mean loss is no lower than the cluster's (so the public code of
# {cite:t}`sohoni2020` tests, where its comment says *higher*), and where it is not small. That code also asks for 25 points of a
# validation set, which there is none of here.

# %% tags=["remove-input"]
run.code(recovery.recover, recovery.split_further)

# %% tags=["hide-input"]
words = {"umap": "two dimensions by UMAP", "pca": "their first two principal components", "none": "nothing"}
why = (
    "The paper names UMAP, the public code searches up to ten. On these small data UMAP takes longer to start than everything else to run; the "
    "`laptop` and `paper` presets use UMAP."
)
run.say(
    f"In this run the reduction is to {words[p.recovery_reduce]}, and the search goes up to {p.recovery_k_max} components. "
    + ("" if p.recovery_reduce == "umap" else why)
)

# %% [markdown]
# **Whose mean is subtracted?** The order of words, *for each class, centre*, suggests the mean of the class; the claims below rest on
# this reading. The public code of {cite:t}`sohoni2020` subtracts nothing by default, and the mean of all points on request. The
# choice matters, because the features are then divided by their length: about the mean of the class all points, near or far, are
# moved to length one. Both readings are run.

# %%
groups = worst_group.recovered(p, arms, train.y)  # (centre, loss): the groups (n,) of each seed

# %% tags=["hide-input"]
f1 = {what: worst_group.f1(found, train.stratum) for what, found in groups.items()}
shown = worst_group.maps(p, arms, train, groups)
both = ", ".join(
    f"{f1[c, SPREAD][0]:.2f} with the {worst_group.MEANS[c]}" for c in (p.recovery_centre, p.recovery_second)
)
run.show(
    "recovered",
    figures.recovered(shown),
    alt=f"Reduced features of the class “{train.classes[0]}” under {len(arms.encoders)} losses and two readings of the centre, coloured by "
    f"true group; a click shows one recovered group. Macro F1 of L_spread's groups: {both}.",
    caption=f"What the clustering sees of the class “{train.classes[0]}”, first seed: all points of rare groups, a sample of the others. Click a "
    "point to see its recovered group alone; double click for all.",
    data=shown,
    source="lib/strata/recovery.py:reduced",
)

# %% [markdown]
# On the generated digits the figure shows why the readings differ. About the mean of its class, the many points of the common
# stratum lie near 0 in every direction. Divided by their length they become a ring, and the rare points a part of the ring. About the
# mean of all points the common stratum is one direction, and the rare points lie in others.
#
# ## How good are the recovered groups?
#
# The paper gives an F1 and does not say how it is averaged, nor how clusters are matched to
# groups. Here every true group gets at most one cluster, so that the sum of F1 is largest. The score is the plain mean over the
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

# %%
whole, birds = worst_group.whole_classes(train)
for where, value in (("", whole), (", Waterbirds", birds)):
    run.note(f"F1, one group a class{where}", value, seeds=0)
f1_birds = published.loc["Waterbirds", ["L_CE", "L_SC", "L_spread"]].astype(float) / 100

# %% tags=["hide-input"]
run.say(
    f"On this training set one group a class scores **{whole:.3f}**. On Waterbirds, with the published counts of its groups, the score "
    f"is **{birds:.3f}**; the reported F1 of SupCon is {f1_birds['L_SC']:.3f}, of L_spread {f1_birds['L_spread']:.3f}. If those are "
    "macro F1 in our sense, the groups of SupCon are worth less than none at all there, and a table without this line hides it."
)

# %% [markdown]
# A second level is chance: the recovered groups, shuffled within their class, keep their number and their sizes.

# A third level is the same clustering of the pixels, without any net; it lacks the further cut into parts, which needs the losses of
# a net. What an encoder adds lies above it. One more way uses no features: the points of a class are clustered by one number, their *hardness*, the logit of
# their own class minus that of the other class.

# %%
centre = worst_group.MEANS[p.recovery_centre]
ways = {(label, worst_group.MEANS[c]): found for (c, label), found in groups.items()}
ways |= {(label, "hardness alone"): found for label, found in worst_group.by_hardness(p, arms, train.y).items()}
ways["pixels", centre] = worst_group.of_pixels(p, train)
score = {way: worst_group.f1(found, train.stratum) for way, found in ways.items()}
chance = {way: worst_group.chance(found, train) for way, found in ways.items()}

# %% tags=["hide-input"]
lines = []
for way, found in ways.items():
    what = ", ".join(way)
    cells = [
        run.note(f"F1, {what}", score[way], 0, 1),
        run.note(f"F1 of shuffled groups, {what}", chance[way], 0, 1),
        run.note(f"F1 above shuffled groups, {what}", score[way] - chance[way]),
        run.note(f"adjusted Rand index, {what}", [matching.adjusted_rand(g, train.stratum) for g in found], -0.5, 1),
    ]
    number = run.note(f"groups, {what}", [len(g.unique()) for g in found])
    lines.append((*way, *cells, f"{number:.1f}"))
run.table(
    ["features of", "centre, or other way", "macro F1", "shuffled", "above shuffled", "adjusted Rand", "groups"], lines
)

# %% tags=["hide-input"]
first, second = ({label: f1[c, label] for label in arms.encoders} for c in (p.recovery_centre, p.recovery_second))
means = [v.mean() for v in first.values()]
change = np.mean([second[label] - first[label] for label in first])
text = (
    f"For cross-entropy, groups by hardness alone score {score[PLAIN, 'hardness alone'].mean():.3f}, groups from its features {first[PLAIN].mean():.3f}. One group a class scores {whole:.3f}, the clustering of pixels {score['pixels', centre].mean():.3f}. Shuffled groups score less the more groups there are, so that each row has its own "
    "chance level."
)
if abs(change) > max(means) - min(means):
    text += (
        f" Over the three losses, the other reading changes F1 by **{change:+.3f}** on average, more than the losses differ from one "
        "another."
    )
run.say(text)

# %% [markdown]
# **Which encoders may be judged?** A robust training is for nets that learn the common groups and fail on the rare ones. On test
# images in which all groups are equally frequent, such a net may be right no more often than chance. Claims about groups are
# therefore judged where every encoder has *learned the mixture of groups in its training images*: its average accuracy, the groups weighted as in
# training {cite:p}`sagawa2020`, is five points above chance. The claims `lspread-5c`, `11d` and `11e` are not about groups that a method
# finds; they ask the same of all test images alike, `11d` and `11e` of SupCon and L_spread alone.

# %%
effects = {
    "lspread-14a": first[SPREAD] - first[SUP_CON],
    "lspread-14b": first[SPREAD] - chance[SPREAD, centre],
    "lspread-14c": first[SPREAD] - whole,
    "lspread-14h": score[PLAIN, "hardness alone"] - whole,
    "lspread-14i": first[SPREAD] - score["pixels", centre],
}
for name, row in published.iterrows():
    run.judge("lspread-14a", (row.L_spread - row.L_SC) / 100, source="authors", data=name.lower())
models = {label: worst_group.reached(units, train, test) for label, units in arms.encoders.items()}
mixture = {label: claims.has_learned(model.mean, claims.chance(train.y)) for label, model in models.items()}
learned = {label: claims.has_learned(model.whole, claims.chance(test.y)) for label, model in models.items()}
run.judge_all(effects, learned=all(mixture.values()))

# %% [markdown]
# **Can L_spread keep strata apart here at all?** With balanced classes and no augmentation, the exact loss collapses classes from
# $\alpha^*$ on ({doc}`lspread_strata`).

# %%
edge, theirs = (collapse_alpha_of_batches(2, b, t) for b, t in ((p.batch_size, p.temperature), (128, 0.5)))
noted = run.note("α* of two classes at this batch and temperature", edge, seeds=0)

# %% tags=["hide-input"]
keeps = (
    "under L_spread is then not the loss at its optimum, but the net, the augmentation and a training that ends before."
    if p.alpha > edge
    else "is the loss itself."
)
run.say(
    f"For two classes, temperature {p.temperature:g} and batches of {p.batch_size} images $\\alpha^*$ is **{noted}**. The paper takes "
    f"$\\alpha = 0.5$ for Waterbirds, at temperature 0.5. Two *balanced* classes in batches of 128 would have {theirs:.3f}; the classes of Waterbirds are unequal. "
    f"$\\alpha$ = {p.alpha:g} is {'above' if p.alpha > edge else 'below'} $\\alpha^*$: what keeps strata apart {keeps}"
)

# %% [markdown]
# ## Strata against their size
#
# The paper's third figure sets strata against their size: rare ones lie farther from the centre of their class. {doc}`lspread_strata` has this on Gaussian strata; here are encoders trained on images,
# whose strata have very unequal sizes. The centre of a class is the mean of its strata, each counting alike, on test images.

# %%
near = worst_group.to_centre(arms, test)  # by loss, (seeds, strata)
lags = {label: worst_group.lag(values, train, test) for label, values in near.items()}
together = learned[SPREAD] and learned[SUP_CON]
run.judge("lspread-11d", lags[SPREAD], together)
run.judge("lspread-11e", lags[SPREAD] - lags[SUP_CON], together)

# %% tags=["hide-input"]
marks = figures.by_size(near, train)
behind = ", ".join(
    f"{label} {run.note(f'lag of the rarest strata, {label}', v).value:.3f}" for label, v in lags.items()
)
run.show(
    "sizes",
    figures.strata(marks),
    alt=f"Mean cosine of test images to the centre of their class over the training images of their stratum. Commonest minus rarest: {behind}.",
    caption=f"Cosine of the commonest stratum minus that of the rarest: {behind}. A dot a stratum, 95 % intervals over seeds.",
    data=marks,
    source="lib/strata/measures.py:to_centre",
)
run.say(
    "A rare stratum here is rare and hard at once: it stands on the background of the other class. With two strata that count alike, the stratum with the shorter mean "
    "feature has the lower cosine: the sign of the difference says which stratum is spread more, and its size also how far apart the two are. The figure cannot tell size from hardness; in {doc}`lspread_strata` size alone differs, on Gaussian strata and on digits."
)

# %% [markdown]
# ## Protecting the worst group
#
# GroupDRO {cite:p}`sagawa2020` minimises the largest group loss. The method keeps a weight for each group, which grows exponentially
# with the group's loss:
#
# $$
# q_g \leftarrow q_g\, e^{\eta (L_g + C / \sqrt{n_g})} \Big/ \textstyle\sum_h q_h e^{\eta (L_h + C/\sqrt{n_h})}, \qquad
# \text{minimise } \sum_g q_g L_g .
# $$

# %% tags=["remove-input"]
run.code(group_dro.group_dro)

# %% [markdown]
# The net is trained anew from its start, with the groups recovered from an encoder, or with the true ones. Plain cross-entropy
# is the same training without weights. A group that has no image in a batch has the exponent 0 here, so that the common division
# alone changes its weight. The public code adds the margin $C/\sqrt{n_g}$ to the exponent all the same; with $C > 0$ it raises the
# weight of an absent group.
#
# The area under the ROC curve of a group compares its images with all images of the other class; the worst group is the one with the
# smallest area.

# %%
trainings = worst_group.trainings(arms, p.recovery_second)  # name: one classifier a seed
reached = {name: worst_group.reached(units, train, test) for name, units in trainings.items()}

# %% tags=["hide-input", "main-figure"]
dots = figures.accuracies({name: a.groups for name, a in reached.items()}, test.names)
run.show(
    "worst",
    figures.by_group(dots),
    alt="Test accuracy of each group under each training. Worst group: "
    + ", ".join(f"{name} {a.worst.mean():.2f}" for name, a in reached.items())
    + ".",
    caption="Accuracy of the test groups with 95 % intervals; dashed, the lowest without groups. Click a group in the legend.",
    data=dots,
    source="lib/encoders/robust.py:run",
)

# %% [markdown]
# GroupDRO weights groups, not points. The weight that reaches the rare points is $\sum_g q_g\,\rho_g$, with $\rho_g$ their share in
# group $g$; without groups it is their share of the training set. A cluster that mixes rare points with the many hardly raises
# their weight, and can lower it where the loss is elsewhere.

# %%
rare = worst_group.rare_points(train)  # (n,)
weight = {name: worst_group.rare_weight(units, rare) for name, units in trainings.items()}

# %% tags=["hide-input"]
lines = [
    (
        name,
        run.note(f"worst group, {name}", a.worst),
        run.note(f"worst area under the curve, {name}", a.worst_area),
        run.note(f"average accuracy, {name}", a.mean),
        run.note(f"weight of rare points at the end, {name}", weight[name]),
    )
    for name, a in reached.items()
]
header = [
    "training",
    "worst group",
    "worst group, area under the curve",
    "average, weighted as in training",
    "weight of rare points at the end",
]
run.table(header, lines)
plain, oracle, names = (
    reached[worst_group.NO_GROUPS],
    reached[worst_group.TRUE_GROUPS],
    worst_group.given(p.recovery_second),
)
own = {label: reached[f"GroupDRO, groups of {name}"].judged(p.data)[0] for label, name in names.items()}
without, best = plain.judged(p.data)[0], oracle.judged(p.data)[0]
changes = ", ".join(f"{(own[label] - without).mean():+.3f} ({name})" for label, name in names.items())
run.say(
    f"True groups change the worst group by **{(best - without).mean():+.3f}** and the average by "
    f"{(oracle.mean - plain.mean).mean():+.3f}; recovered groups change the worst group by {changes}. "
    f"Without groups the weight of the rare points is {weight[worst_group.NO_GROUPS][0]:.3f}."
)

# %%
effects = {
    "lspread-14d": own[SPREAD] - own[SUP_CON],
    "lspread-14e": own[SPREAD] - np.maximum(own[PLAIN], own[SUP_CON]),
    "lspread-14f": own[SPREAD] - without,
    "lspread-14g": best - own[SPREAD],
    "lspread-5c": models[SPREAD].judged(p.data)[1] - models[SUP_CON].judged(p.data)[1],
}
for name, row in published_end.iterrows():
    run.judge("lspread-5c", (row.L_spread - row.L_SC) / 100, source="authors", data=name.lower())
for name, row in published_worst.iterrows():
    run.judge("lspread-14d", (row.L_spread - row.L_SC) / 100, source="authors", data=name.lower())
    run.judge("lspread-14e", (row.L_spread - max(row.L_CE, row.L_SC)) / 100, source="authors", data=name.lower())
fit = dict.fromkeys(effects, all(mixture.values())) | {"lspread-5c": all(learned.values())}
run.judge_all(effects, learned=fit)

# %% [markdown]
# ## Reported beside reproduced
#
# The whole tables of {cite:t}`detailsmatter2022`, in per cent, beside this run. The data and the nets are others: the columns are not to be
# subtracted from one another.

# %% tags=["hide-input"]
lines = [
    (r.Index, r.metric, *(f"{getattr(r, c):.1f}" for c in ("L_CE", "L_SC", "L_spread")))
    for table in (published, published_worst)
    for r in table.itertuples()
]
lines += [
    (r.Index, f"end model, {r.metric}", "–", f"{r.L_SC:.1f}", f"{r.L_spread:.1f}") for r in published_end.itertuples()
]
ends = {label: model.judged(p.data)[1] for label, model in models.items()}
for label, values in ends.items():
    run.note(f"end model, {label}", values)
area = "AUROC" if p.data == "isic" else "accuracy"
for metric, values in (("F1", first), (f"worst-group {area}", own), (f"end model, {area}", ends)):
    cells = (f"{estimate(100 * values[label]):.1f}" for label in first)
    lines.append((f"**this run**, {p.data}", metric, *cells))
run.table(["", "metric", "cross-entropy", "SupCon", "L_spread"], lines)

# %% [markdown]
# An end model is the head of an encoder, or a linear probe where it was trained without one, on the whole test set. AUROC, the area under the ROC curve, is of a group against the whole other class.
# On ISIC the best reported worst-group number is SupCon's, not L_spread's (`lspread-14e`): what the paper says of worst groups is
# carried by Waterbirds alone. On Waterbirds the margins over plain cross-entropy groups are small, from an unknown number of seeds.
#
# ## Claims
#
# {doc}`../how-to-read` has the rule of verdicts.

# %% tags=["hide-input"]
run.save()
run.verdicts()

# %% tags=["remove-input", "in-short"]
verdict = {c: run.verdict(c).replace("not decided", "is not decided") for c in ("lspread-14a", "lspread-14d")}
run.short(
    f"Groups recovered from L_spread's features reach a macro F1 of {first[SPREAD].mean():.2f} on {p.data}; leaving each class whole "
    f"scores {whole:.2f}, and the paper's claim that L_spread recovers groups better than SupCon "
    f"{verdict['lspread-14a']}. "
    f"GroupDRO takes the accuracy of the worst test group from {without.mean():.2f} to {best.mean():.2f} with the true groups, "
    f"and ends at {own[SPREAD].mean():.2f} with those of L_spread; that these serve better than SupCon's "
    f"{verdict['lspread-14d']}."
)

# %% [markdown]
# ## What the paper leaves open
#
# * **How F1 is averaged, and how many clusters.** Neither is stated. With macro F1, doing nothing scores
#   $(1-m)/(2-m)$ ({prf:ref}`applications-none`), close to what is reported for SupCon on Waterbirds.
# * **Which mean is subtracted** before the division by the length; the table above has both readings.
# * **Which clustering.** {cite:t}`detailsmatter2022` refer to {cite:t}`sohoni2020`, whose public settings for Waterbirds use one number a
#   point, its hardness, and neither UMAP nor the further cut. The table has that too, hardness read as the margin of the classifier.
#
# ## Limits
#
# * The generated sets copy the shape of Waterbirds, not its difficulty: stripes are simpler than landscapes.
# * The second reading of the centre, and GroupDRO with its groups, were added after a pilot on seed 100 had shown both readings; no
#   claim rests on them.
# * Nothing is chosen on validation groups: training runs for a fixed number of epochs. Published GroupDRO numbers rest on a
#   validation set with known groups.
# * A class also has strata that are not the background: the digits themselves. Clusters that follow the digits are right about the
#   features and count as wrong here.

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
run.stamp()
