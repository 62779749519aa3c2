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
# # Wrong labels, coresets, few labels
#
# **Question.** Features that keep the strata of a class apart could show which labels are wrong, which images are worth training on,
# and how few labels suffice. {cite:t}`detailsmatter2022` report all three for L_spread. How much of this is left on small nets and data that
# anyone can rerun, compared with simple alternatives?
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop, paper} the label of the run
data: str = "digits"  # {digits, mnist} images
seed: int = 0  # [0, 1000000000] first seed
seeds: int = 3  # [1, 100] number of seeds
images_per_class: int = 0  # [0, 1000000] of the training split; 0 is all
steps: int = 150  # [20, 1000000] of Adam, of each small net
batch_size: int = 64  # [24, 65536] images a step
learning_rate: float = 0.01  # (0, 1000] start of the cosine schedule
temperature: float = 0.5  # [0.001, 1000] of the contrastive losses
alpha: float = 0.5  # [0, 1] of L_spread
few_labels: float = 0.05  # (0, 1] share of right labels that the head sees where labels are few
sum_points: int = 4  # [2, 8] points in the log-sum of the loss of lemma 7
more_noise: str = ""  # shares of wrong labels beside 0.2 and 0.5, separated by commas
more_heads: str = ""  # shares of right labels that the head sees beside wrong ones, beside 0.2
more_labelled: str = "0.05"  # shares of labels in the contrastive loss beside 0.1, 0.3 and 1
coreset_net: str = "stack"  # {stack, convnet, resnet_small, resnet18} of the coresets; stack is the small nets
coreset_data: str = "cifar10"  # {digits, cifar10} images of the coresets, of a net that is no stack
coreset_images: int = 0  # [0, 5000] images of each class there; 0 is all
coreset_epochs: int = 200  # [2, 100000] of each training there
coreset_batch: int = 128  # [2, 65536] images a step there
coreset_rate: float = 0.1  # (0, 10] learning rate there, which falls in steps

# %% tags=["remove-input"]
from lib import study

run = study.start("label_noise_and_coresets", globals())

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import torch

from lib import claims
from lib.encoders.label_level_settings import GRAND
from lib.encoders.label_settings import CLASSED, KEEPERS, KEPT, NOISE, READINGS, RIGHT
from lib.figures import label_noise_and_coresets as figures
from lib.intervals import estimate
from lib.strata import coresets, noisy_labels, point_sets
from lib.studies import label_noise_and_coresets as labels
from lib.study import report

p, plan = run.p, run.plan
train = labels.images_of(p)
statements = pd.read_csv(report.REPORTED / "lspread_statements.csv").set_index("id")
NAMES = {"sup_con": "SupCon", "spread": "L_spread"}


def taught(accuracy, unit) -> bool:
    """Whether nets on right labels beat what reads nothing, the share of the largest class, by five points."""
    return claims.has_learned(accuracy, claims.chance(unit.tensors()["held_y"]))


# %% [markdown]
# The nets of this chapter are small: a few layers of filters on patches, a hidden layer, and a linear head. Only the coresets can have larger nets, by the parameter `coreset_net`. Each net trains on
# labels of its own. The contrastive loss sees the labels of the experiment; the head sees right labels, of a share of the images,
# and its cross-entropy is added to the loss. Accuracy is the head's, on held-out images.
#
# ## Wrong labels
#
# The labels of the contrastive loss are wrong with probability $\nu$; a wrong label is any other class, evenly. The linear head
# still sees right labels, of a fifth of the images, as in the paper. In every batch, {cite:t}`detailsmatter2022` score how well an image's
# feature $f_i$ fits its label,
#
# $$
# s_i = \cos(f_i,\ \text{mean of the other points with its label})\; -\; \operatorname*{mean}_{c\,\ne\,\tilde y_i}\ \text{average cosine of } f_i \text{ to class } c ,
# $$
#
# mark the share $\nu$ with the lowest scores, and give the marked images the label of the nearest class centre. This relabelling is the
# *geometric correction*; what it *recovers* is the accuracy with it minus the accuracy without. The average can be
# read in two ways, the cosine to the mean of the class (*centres*) or the mean of the cosines to its points (*points*); both are run.
# The share $\nu$ is given to the method.

# %% tags=["remove-input"]
run.code(noisy_labels.noise_scores, noisy_labels.correct)

# %%
reached = labels.at_all_levels(
    plan.noise, plan.more_noise
)  # (loss, share of wrong labels, correction): accuracy of each seed
found_wrong = labels.detection(plan.noise, train.y, len(train.classes))
by_pixels = labels.detection_of_pixels(plan.noise, train)
gone, back = labels.lost(reached, 0.2), labels.regained(reached, 0.2)
gone_half = labels.lost(reached, 0.5)

# %% tags=["hide-input", "main-figure"]
TREATED = {"none": "uncorrected", "centres": "corrected, centres", "points": "corrected, points"}
shares = sorted({level for _, level, _ in reached} - {0.0})
lines, shown = [], []
for loss, name in NAMES.items():
    shown.append((name, "uncorrected", "0", reached[loss, 0.0, "none"]))
    run.note(f"accuracy, {name}, no noise", reached[loss, 0.0, "none"])
    for nu in shares:
        for arm in (arm for arm in TREATED if (loss, nu, arm) in reached):
            what, values = f"{name}, noise {nu:g}, {TREATED[arm]}", reached[loss, nu, arm]
            cells, wrong = [run.note(f"accuracy, {what}", values), "–"], found_wrong.get((loss, nu, arm))
            area = "–" if wrong is None else run.note(f"detection AUC, {what}", wrong)
            if arm != "none":
                cells[1] = run.note(f"accuracy recovered, {what}", labels.regained(reached, nu, arm)[loss])
            lines.append((name, f"{100 * nu:.0f} %", TREATED[arm], *cells, area))
            shown.append((name, TREATED[arm], f"{nu:g}", values))
alone = run.note("accuracy, head alone, no contrastive loss", reached["cross_entropy", 0.0, "none"])
shown = figures.frame(shown, "noise")
run.show(
    "noise",
    figures.levels(shown, "noise", "share of wrong labels ν", "accuracy", (alone.value, "the head's labels alone")),
    alt=f"Accuracy over the share of wrong labels. At half of them SupCon loses {100 * gone_half['sup_con'].mean():.1f} points and L_spread "
    f"{100 * gone_half['spread'].mean():.1f}; a net that has the head's labels alone reaches {alone.value:.3f}.",
    caption="Held-out accuracy of the linear head; bars are 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/noisy_labels.py:correct",
)
run.table(["loss", "noise", "labels", "accuracy", "recovered", "detection AUC"], lines)
lines = labels.by_head(plan.heads)  # other shares of right labels in the head
for head, loss, nu, *cells in lines:
    for word, e in zip(("alone", "no noise", *TREATED.values()), cells, strict=False):
        run.note(f"accuracy, head {head:g}, {NAMES[loss]}, noise {nu:g}, {word}", e.value, e.low, e.high, p.seeds)
if lines:
    header = ["head sees", "loss", "noise", "head alone", "no noise", "uncorrected", "corrected, centres"]
    run.table(
        header, [(f"{100 * head:g} %", NAMES[loss], f"{100 * nu:g} %", *cells) for head, loss, nu, *cells in lines]
    )

# %% tags=["hide-input"]
pixels = {nu: run.note(f"detection AUC, pixels, noise {nu:g}", values) for nu, values in by_pixels.items()}
raw = ", ".join(f"{found.value:.3f} at {100 * nu:.0f} %" for nu, found in pixels.items())
certain = {loss: estimate(gone[loss]).low > 0 for loss in CLASSED}
vain = " and ".join(NAMES[loss] for loss in CLASSED if not certain[loss])
undecided = (
    f" For {vain} the interval holds 0: nothing is known to be lost, and what share of it returns is left undecided."
)
run.say(
    f"Detection AUC is the probability that a wrong label scores lower than a right one, over all training images, in batches of "
    f"{p.batch_size}, at the end of training. The same scores on raw pixels, centred, have {raw}: this much of the "
    "detection needs no training at all."
)
run.say(
    "Points lost at 20 % noise without correction: "
    + ", ".join(f"{NAMES[loss]} {100 * gone[loss].mean():+.1f}" for loss in CLASSED)
    + "."
    + (undecided if vain else "")
)

# %%
wrong = {(nu, arm): found_wrong["spread", nu, arm] for nu in NOISE for arm in READINGS}
effects = {
    "lspread-12a": wrong[0.2, "centres"],
    "lspread-12b": wrong[0.5, "centres"],
    "lspread-12c": back["spread"] - 0.6 * gone["spread"],
    "lspread-12d": back["sup_con"] - 0.55 * gone["sup_con"],
    "lspread-12e": np.max(list(gone_half.values()), 0),
    "lspread-12f": reached["spread", 0.5, "centres"] - reached["sup_con", 0.5, "centres"],
    "lspread-12g": np.abs(wrong[0.5, "centres"] - wrong[0.5, "points"]),
}
certainly_lost = {"lspread-12c": certain["spread"], "lspread-12d": certain["sup_con"]}
learned = all(taught(reached[loss, 0.0, "none"], plan.noise) for loss in CLASSED)
run.judge_all(effects, labels.authors(statements.value, "N"), learned, premise=certainly_lost)

# %% [markdown]
# ### Correcting the loss instead
#
# For two balanced classes, labels that are right with probability $p > 1/2$, and one positive against one negative, the paper derives
# weights that make the noisy loss right *on average*: lemmas 5 and 6, **proved in the paper**, checked in {doc}`strata_theory`.
# Here the weights are applied to data. The class is whether the digit is 5 or more; the triplet loss is taken on every pair of a
# positive and a negative of a batch. The sums over pairs and over triples are divided by the numbers of right pairs and right triples in a
# balanced batch, so that the mean over the noise is exact for every such batch. Lemma 7 does the same for $m$ points in the log-sum, one of them positive. Its weights
# $w_0, \dots, w_m$ solve a linear system $Pw = e$ ({doc}`strata_theory`). Sets of $m$ points are drawn evenly from the batch, and a set with $j$ points labelled as the
# anchor has the weight $m w_j / \binom{m}{j}$. This mean is exact too (**derived here**: $\binom{m}{j} P_{ij} = \binom{m}{i} P_{ji}$).

# %% tags=["remove-input"]
run.code(noisy_labels.triplet, point_sets.loss)

# %%
two = plan.two_classes.accuracy()  # (loss, probability that a label is right, correction)
many = plan.sets.accuracy()  # the same with ("sets", p, correction): more points in the log-sum, lemma 7
halves = (train.y >= len(train.classes) // 2).long()
features = plan.two_classes.features()["triplet", 1.0, "none"][0]  # of a net trained on right labels
swing = labels.swings(features, halves, (1.0, *RIGHT), p.temperature)  # mean and sd of the corrected loss

# %% tags=["hide-input"]
TOY = {"none": "labels as given", "weights": "corrected weights", "geometric": "geometric correction"}
lines, shown, alone = [], [], run.note("accuracy, two classes, head alone", two.pop(("cross_entropy", 1.0, "alone")))
for (_, right, arm), values in two.items():
    cell = run.note(f"accuracy, two classes, p = {right:g}, {TOY[arm]}", values)
    lines.append((f"{right:g}", TOY[arm], cell, "{:.2f} ± {:.2f}".format(*swing[right]) if arm == "weights" else ""))
    shown.append(("is the digit 5 or more?", TOY[arm], f"{right:g}", values))
for (_, right, arm), values in many.items():
    cell = run.note(f"accuracy, two classes, p = {right:g}, {p.sum_points} points, {TOY[arm]}", values)
    lines.append((f"{right:g}", f"{p.sum_points} points, {TOY[arm]}", cell, ""))
    shown.append(("is the digit 5 or more?", f"{p.sum_points} points, {TOY[arm]}", f"{right:g}", values))
for right, (_, sd) in swing.items():
    run.note(f"sd of the corrected loss over noise, p = {right:g}", sd, seeds=0)
shown, hard = figures.frame(shown, "right"), RIGHT[-1]
at_hard = {arm: two["triplet", hard, arm].mean() for arm in TOY}
run.show(
    "debiased",
    figures.levels(
        shown, "right", "probability p that a label is right", "accuracy", (alone.value, "the head's labels alone"), 420
    ),
    alt=f"Two classes. With labels right at p = {hard:g}, accuracy is {at_hard['none']:.3f} on the labels as given, "
    f"{at_hard['weights']:.3f} with corrected weights and {at_hard['geometric']:.3f} with the geometric correction.",
    caption="Held-out accuracy of the linear head, which sees a fifth of the right labels; 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/noisy_labels.py:triplet",
)
run.table(["p", "labels of the triplet loss", "accuracy", "loss of one batch over 200 noises, mean ± sd"], lines)
run.say(
    f"The last column is one batch of 24 features of a net trained on right labels; its loss on right labels is {swing[1.0][0]:.2f}. "
    f"The corrected loss is right on average, and its standard deviation at $p = {hard:g}$ is **{swing[hard][1]:.2f}**: the price "
    f"of weights that grow as $(2p-1)^{{-2}}$. For more points in the log-sum the price is exponential ({{doc}}`strata_theory`); trained with {p.sum_points} points and the weights of lemma 7, accuracy "
    f"at $p = {hard:g}$ is {many['sets', hard, 'weights'].mean():.3f}, with the labels as given {many['sets', hard, 'none'].mean():.3f}."
)

# %%
effects = {
    "lspread-12h": two["triplet", 0.8, "weights"] - two["triplet", 0.8, "none"],
    "lspread-12i": two["triplet", 0.6, "geometric"] - two["triplet", 0.6, "weights"],
    "lspread-12j": two["triplet", 0.6, "weights"] - many["sets", 0.6, "weights"],
    "lspread-12k": many["sets", 0.8, "weights"] - many["sets", 0.8, "none"],
}
run.judge_all(effects, learned=taught(two["triplet", 1.0, "none"], plan.two_classes))

# %% [markdown]
# ## Coresets
#
# Which part of the data should be kept? {cite:t}`detailsmatter2022` train nine nets with L_spread, three on subsamples of each of 10, 20 and 50 %
# of the images, with a head on few labels, and count for every image how many of the nets are right. A *bucket* is the images of a
# class with equal counts. The fullest bucket of every class loses an image, again and again. What stays has its counts as even as
# possible; tables and claims call it *fullest buckets*, after what loses images.
#
# Four other choices stand beside the buckets: a random part;
# forgetting events {cite:p}`toneva2019`, the images that were right and became wrong most often; and two of {cite:t}`paul2021`, EL2N, the
# images with the longest error vector early in training, and GraNd, those with the longest gradient by all weights. The last three read three nets that see all labels. Forgetting events are counted over ten even
# steps of training; EL2N is read at the second of them, after a fifth of the training, and GraNd takes nets whose training ends there. Then a new net is trained with cross-entropy alone on what was kept, for as many steps in every case.
#
# The parameter `coreset_net` puts convolutional networks in the place of the small nets. In the preset *paper* they are ResNet-18 on all of
# CIFAR-10, those that choose and those that learn what was kept. They are trained as in the public code of {cite:t}`toneva2019`, for as
# many epochs in every case, and the head of L_spread sees 1 % of the labels. Forgetting events are read after every epoch, EL2N and GraNd
# after a tenth of the epochs, as in {cite:t}`paul2021`.

# %% tags=["remove-input"]
run.code(coresets.coreset)

# %%
kept, everything = plan.kept(), labels.whole(plan.coresets)  # accuracy, by who keeps and the share; of all images
right_often = plan.coresets.tensors()["right_often"]  # (seeds, n): how many of nine nets are right
of = plan.coresets.settings.data
gain = kept["fullest buckets", 0.3] - kept["random", 0.3]

# %% tags=["hide-input"]
run.note("accuracy, all images", everything, data=of)
lines = [
    (m, *(run.note(f"accuracy, coreset of {100 * share:.0f} %, {m}", kept[m, share], data=of) for share in KEPT))
    for m in (*KEEPERS, GRAND)
]
panel = "cross-entropy on what was kept"
shown = figures.frame([(panel, m, f"{100 * share:.0f} %", values) for (m, share), values in kept.items()], "kept")
run.show(
    "coresets",
    figures.levels(
        shown, "kept", "share of the images kept", "accuracy", (float(everything.mean()), "all images"), 430
    ),
    alt=f"Accuracy over the share of images kept. At 30 % the fullest-bucket coreset differs from a random one by {100 * gain.mean():+.1f} "
    f"points; all images give {everything.mean():.3f}.",
    caption=f"Held-out accuracy of a net trained by cross-entropy on the images kept, of {of}; 95 % intervals over seeds.",
    data=shown,
    source="lib/strata/coresets.py:coreset",
    face=of + run.face().removeprefix(p.data),
)
run.table(["kept by", *(f"{100 * share:.0f} % kept" for share in KEPT)], lines)
often = torch.bincount(right_often.flatten(), minlength=10).double() / right_often.numel()
right_of = labels.times_right(plan.coresets, 0.1)
run.say(
    f"All nine nets are right on {100 * float(often[9]):.0f} % of the training images, none on {100 * float(often[0]):.0f} %. "
    "Of nine nets, so many are right on average about an image kept at 10 %, first seed: "
    + ", ".join(f"{m} {times:.1f}" for m, times in right_of.items())
    + f"; about all images {float(right_often[0].double().mean()):.1f}. Forgetting events and EL2N keep what is hard, which a net "
    "that sees little cannot learn from."
)

# %%
effects = {
    "lspread-13a": gain,
    "lspread-13b": kept["fullest buckets", 0.1] - kept["random", 0.1],
    "lspread-13c": kept["fullest buckets", 0.3] - kept["forgetting", 0.3],
    "lspread-13d": kept["fullest buckets", 0.5] - kept["EL2N", 0.5],
    "lspread-13e": kept["fullest buckets", 0.5] - kept[GRAND, 0.5],
}
for claim, number in labels.authors(statements.value, "C").items():
    run.judge(claim, number, source="authors")
for claim, effect in effects.items():
    run.judge(claim, effect, taught(everything, plan.coresets), data=of)

# %% [markdown]
# ## Few labels
#
# How many labels does the contrastive loss need, when the head has few? The paper's appendix gives differences at 10 and at 100 % of the
# labels and does not say what becomes of an image without one. Here the image stays: its other view is its only positive, and it is a
# negative to all others. SimCLR is the case in which no image has a label, the same at every share.

# %%
few = labels.at_all_levels(plan.few_labels, plan.more_labelled)  # (loss, share of labels in the contrastive loss)
labelled = sorted({share for loss, share, _ in few if loss in CLASSED})
over = labels.gains(few)  # L_spread minus SimCLR and minus SupCon
base, bare = few["simclr", 0.0, "none"], few["cross_entropy", 0.0, "none"]

# %% tags=["hide-input"]
curves = {"SimCLR": [base] * len(labelled)}
curves |= {name: [few[loss, share, "none"] for share in labelled] for loss, name in NAMES.items()}
lines = [
    (name, *(run.note(f"accuracy, {100 * s:.0f} % of labels, {name}", few[loss, s, "none"]) for s in labelled))
    for loss, name in NAMES.items()
]
lines.append(("SimCLR", *[run.note("accuracy, no labels, SimCLR", base)] * len(labelled)))
run.note("accuracy, few labels, head alone", bare)
panel = f"a head that sees {round(p.few_labels * len(train))} labels"
points = [
    (panel, n, f"{100 * s:.0f} %", v) for n, curve in curves.items() for s, v in zip(labelled, curve, strict=True)
]
shown = figures.frame(points, "labelled")
run.show(
    "samples",
    figures.levels(
        shown,
        "labelled",
        "share of the labels in the contrastive loss",
        "accuracy",
        (float(bare.mean()), "the head's labels alone"),
        430,
    ),
    alt=f"Accuracy over the share of labels. With all of them L_spread has {few['spread', 1.0, 'none'].mean():.3f}, SupCon "
    f"{few['sup_con', 1.0, 'none'].mean():.3f}, SimCLR without any {base.mean():.3f}.",
    caption=f"Held-out accuracy of the linear head, which sees {100 * p.few_labels:g} % of the labels; 95 % intervals over seeds, which "
    "share much of their spread: the claims rest on differences by seed.",
    data=shown,
    source="lib/encoders/label_stacks.py:train",
)
run.table(["loss", *(f"{100 * share:.0f} % of labels" for share in labelled)], lines)

# %%
order = [("simclr", 0.1), ("sup_con", 0.1), ("simclr", 1.0), ("sup_con", 1.0)]
names = [f"lspread-15{letter}" for letter in "abcd"]
learned = all(
    taught(values, plan.few_labels) for values in (few["spread", 1.0, "none"], few["sup_con", 1.0, "none"], base)
)
effects = {name: over[pair] for name, pair in zip(names, order, strict=True)}
run.judge_all(effects, labels.authors(statements.value, "S"), learned)

# %% [markdown]
# ## Reported beside reproduced
#
# Points of accuracy, but for the two fractions of N5 and N6. On which data the paper found these numbers is not in what we read of
# it, and its nets are far larger: every verdict here is an *analogue* ({doc}`../how-to-read`). L_SC is SupCon and L_SS is SimCLR.


# %% tags=["hide-input"]
def points(values) -> str:
    """Points of accuracy with their interval, from one share a seed."""
    return f"{estimate(100 * values):+.1f}".replace("-0.0 ", "0.0 ")


corrected = {nu: reached["spread", nu, "centres"] - reached["sup_con", nu, "centres"] for nu in NOISE}
ours = {
    "N1": ", ".join(f"{NAMES[loss]} {points(gone_half[loss])}" for loss in CLASSED),
    "N2": points(labels.regained(reached, 0.5)["sup_con"]),
    "N3": points(corrected[0.5]),
    "N4": points(corrected[0.2]),
    "N5": labels.share_back(back["spread"], gone["spread"]),
    "N6": labels.share_back(back["sup_con"], gone["sup_con"]),
    "C1": points(kept["fullest buckets", 0.3] - kept["forgetting", 0.3])
    + " over forgetting events; "
    + points(gain)
    + " over random",
    "C2": points(kept["fullest buckets", 0.3] - kept["forgetting", 0.3]),
    "C3": "at 50 % kept: "
    + ", ".join(f"{m} {points(kept['fullest buckets', 0.5] - kept[m, 0.5])}" for m in ("EL2N", GRAND, "forgetting")),
    **{f"S{i}": points(over[pair]) for i, pair in enumerate(order, 1)},
}
stated = statements.loc[list(ours), ["quantity", "condition", "value"]].itertuples(name=None)
run.table(["", "statement", "condition in the paper", "paper", "this run"], [(*s, ours[s[0]]) for s in stated])

# %% [markdown]
# ## Claims
#
# {doc}`../how-to-read` has the rule of verdicts. In `lspread-12c` and `12d` the paper's number is a part of the lost accuracy, and ours is
# accuracy: their signs alone compare.

# %% tags=["hide-input"]
run.save()
run.verdicts()


# %% tags=["remove-input", "in-short"]
verdict = {c: run.verdict(c).replace("not decided", "is not decided") for c in ("lspread-12a", "lspread-13a")}
run.short(
    f"With 20 % of the labels wrong, L_spread's features rank a wrong label below a right one with probability "
    f"{found_wrong['spread', 0.2, 'centres'].mean():.2f} on {p.data}; raw pixels reach {pixels[0.2].value:.2f}. "
    f"That the features reach 0.9 {verdict['lspread-12a']}. "
    f"On {of}, a coreset of 30 %, which stays when the fullest buckets lose images, differs from a random one by {100 * gain.mean():+.1f} points of accuracy: that it is "
    f"better by a point {verdict['lspread-13a']}. "
    f"With all labels in the contrastive loss and few in the head, L_spread differs from SimCLR by "
    f"{100 * over['simclr', 1.0].mean():+.1f} points and from SupCon by {100 * over['sup_con', 1.0].mean():+.1f}."
)

# %% [markdown]
# ## What the paper leaves open
#
# * **Noisy labels.** Which average the score means, and from which step on labels are corrected. Both averages are run; the correction
#   begins at the first step. The paper does not give the levels of noise and the shares of the head in its figures; here they are parameters. "Symmetric noise" is read as
#   the probability of a *wrong* label. If a label is instead redrawn with probability $\nu$ from all $K$ classes, it is wrong with probability $\nu (K - 1)/K$.
# * **Coresets.** Which of two equally full buckets loses, and which of its points: here the easier bucket, and a random point.
# * **Few labels.** What becomes of an image without a label; see above.
#
# ## Limits
#
# * MNIST, where it is used, is halved to 16 × 16 pixels. The nets are three layers of filters on patches
#   and a hidden layer, all of them trained in minutes. Their head sees right labels from the start, which leaves wrong ones in the
#   contrastive loss little to spoil; a few seeds decide few of these claims.
# * Which net the paper trains with L_spread for its coresets is not in what we read of it; `coreset_net` names one for all. Its accuracy is
#   that of the last epoch, where the public code of {cite:t}`toneva2019` also keeps the best epoch on the test images.
# * Two settings were changed after first numbers had been seen: nets whose loss needs one view get one, and forgetting events
#   and EL2N read the nets at ten even steps. No threshold was moved, but on the digits `lspread-13d` was not decided before the
#   second change.

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
run.stamp()
