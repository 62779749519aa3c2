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
# # Two modalities: who pays where images meet captions?
#
# **Question.** {cite:t}`maity2024` study encoders of images, whose positive pairs are two views of one image. In CLIP
# {cite:p}`radford2021` a positive pair is an image and its caption, and there are two encoders, called *towers*. Let one class
# have few pairs. Does its representation move towards that of a *look-alike*, a class that resembles it? In which of the towers?
# And does the rare class lose recall? No paper that this book follows asks these questions. The chapter trains small towers on
# images with generated captions. The generator of captions sets which classes are alike *in words*.
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop} the label of the run
data: str = "digits"  # {digits, cifar10} images
classes: str = "all"  # classes kept, separated by commas, or all
images_per_class: int = 0  # [0, 1000000] training images of each class; 0 keeps all
undersampled: str = "4,8"  # classes that are rare among the pairs, one at a time, separated by commas
ratio: float = 0.05  # (0, 1] share of the rare class's pairs that is kept
shared: float = 0.5  # [0, 1] probability that a content word is one that the look-alike has too
captions: int = 0  # [0, 1000000] seed of the captions
seed: int = 0  # [0, 1000000000] first seed
seeds: int = 6  # [1, 100] number of seeds
net: str = "convnet"  # {convnet, resnet_small, resnet18} image tower
joint: int = 32  # [2, 4096] numbers of an embedding in the joint space
epochs: int = 20  # [1, 100000] epochs of training
batch_size: int = 128  # [2, 65536] pairs a step
learning_rate: float = 0.01  # (0, 1000] of Adam, at its highest
temperature: float = 0.07  # [0.01, 1000] at the start; it is learned
augment: str = "digits"  # {simclr, simclr_blur, digits} augmentation policy
precision: str = "float32"  # {float32, bfloat16} arithmetic of the forward pass

# %% tags=["remove-input"]
from lib import study

run = study.start("two_modalities", globals())

# %% tags=["hide-input"]
from lib import claims, harms, losses
from lib.encoders.clip_settings import TOWERS
from lib.figures import matrices
from lib.figures import two_modalities as figures
from lib.studies import two_modalities as modalities
from lib.studies.shared import captioned, evidence, null, outcomes

p, arms = run.p, run.plan
seen = {tower: modalities.of_tower(arms, tower) for tower in TOWERS}  # features of the held-out pairs
names, treated = arms.classes, arms.treated
pairs = captioned.pairs_of(p.data, names, treated)

# %% [markdown]
# ## Method
#
# An image tower and a text tower are trained on $N$ pairs at a time. With $u_i$ the embedding of image $i$, $v_j$ that of
# caption $j$, and $s_{ij} = \cos(u_i, v_j)$, CLIP's loss is the cross-entropy of finding the caption among all $N$ from the
# image, and the image from the caption:
#
# $$
# \ell = -\frac{1}{2N} \sum_{i=1}^{N} \left[ \log \frac{\exp(s_{ii}/\tau)}{\sum_j \exp(s_{ij}/\tau)}
# + \log \frac{\exp(s_{ii}/\tau)}{\sum_j \exp(s_{ji}/\tau)} \right] .
# $$
#
# The temperature $\tau$ is learned with the towers.

# %% tags=["remove-input"]
run.code(losses.clip)

# %% [markdown]
# The image tower is a small convolutional net, and the text tower is a bag of words with one hidden layer. A linear map takes the
# features of each tower to the joint space. This chapter judges the features before the map, on which {cite:t}`radford2021` train
# their classifiers too.
#
# ## The captions
#
# A caption is an opening, a content word, a joiner and another content word. Each class has six content words of its own. Two
# look-alikes have six more in common. The digits are paired 1 with 7, 3 with 8, 4 with 9 and 5 with 6; the classes of CIFAR-10
# airplane with ship, automobile with truck, deer with horse and cat with dog. With the probability `shared` a content word is one
# of the six common words. A class outside these pairs has no content word in common with any other.

# %%
first = modalities.examples(arms, [names[k] for k in dict.fromkeys(sum(pairs, ()))])  # by class

# %% tags=["hide-input"]
run.table(["class", "its first captions"], [(name, "; ".join(some)) for name, some in first.items()])

# %% [markdown]
# One class $k$ keeps a share of its pairs, drawn anew for every seed, and the other classes keep all of theirs. The *balanced*
# towers are trained on all pairs.
#
# ## Training
#
# A *head* is a logistic regression of the class on a tower's features. Harms are judged in a tower only where training raised the
# balanced accuracy of a head by 5 points over a head on the same tower at its random start.

# %%
accuracy = {(t, arm): seen[t].accuracy(arm) for t in TOWERS for arm in ("balanced", "untrained")}
learned = {t: claims.has_learned(accuracy[t, "balanced"], accuracy[t, "untrained"]) for t in TOWERS}
tau = run.note("learned temperature", modalities.temperature(arms))

# %% tags=["hide-input"]
lines = [
    (t, *(run.note(f"balanced accuracy, {t} tower, {arm}", accuracy[t, arm]) for arm in ("balanced", "untrained")))
    for t in TOWERS
]
run.table(["tower", "balanced towers", "untrained"], lines)
poor = " and ".join(f"the {t} tower" for t in TOWERS if not learned[t])
run.say(
    f"The learned temperature is {tau}. " + (f"**No harm is judged in {poor}.**" if poor else "Both towers learned.")
)

# %% [markdown]
# ## Representation harm
#
# In each tower, $\mathrm{RH}(k, j; k) = (1 - \bar c_{kj}^{\,k}) / (1 - \bar c_{kj}^{\,\mathrm{bal}})$, with $\bar c_{kj}$ the mean
# cosine between the held-out items of classes $k$ and $j$: images in the one tower, captions in the other. Below 1 the rare
# class $k$ has come nearer to $j$ ({doc}`cifar10_undersampling` has the details). The *null* is the RH of balanced towers of one
# seed over balanced towers of another: no class is undersampled in either.

# %% tags=["remove-input"]
run.code(harms.representation_harm)

# %%
rh = {t: evidence.harm_matrix(seen[t]) for t in TOWERS}  # ratio of averages (T, K), and of each seed (seeds, T, K)
cells = {t: evidence.cells(seen[t], each, mean) for t, (mean, each) in rh.items()}
square = {t: evidence.square(each, seen[t].treated) for t, (_, each) in rh.items()}
look = {
    t: run.note(f"RH of look-alikes, {t} tower", harms.paired_mean(square[t], pairs), ratio=p.ratio) for t in TOWERS
}

# %% tags=["hide-input", "main-figure"]
alike = {(names[k], names[j]) for k, j in pairs}
none = {t: found[0] for t in TOWERS if (found := null.harm(seen[t]))}
dots = figures.pairs(cells, none, alike)
means = dots.groupby(["group", "tower"]).value.mean()
mean_of = ", ".join(f"{group} in the {tower} {v:.2f}" for (group, tower), v in means.items() if group != figures.NULL)
run.show(
    "pairs",
    figures.beside(dots),
    alt=f"Mean RH of the rare class: {mean_of}. {figures.beside_null(dots)}",
    caption=f"Mean RH: {mean_of}. One dot a pair of classes, with its 95 % interval over seeds; below 1 the rare class came "
    "nearer. Dots are ratios of averages over seeds. The answer and the claims average the ratio of each seed, which is "
    f"{look['image'].value:.2f} and {look['text'].value:.2f} for look-alikes. {figures.beside_null(dots)}",
    data=dots,
    source="lib/studies/shared/evidence/matrices.py:harm_matrix",
)

# %% tags=["hide-input"]
for tower in TOWERS:
    run.note_matrix(f"RH, {tower} tower", cells[tower], ratio=p.ratio)
panels = {f", {tower} tower": tower for tower in TOWERS}
frame = matrices.beside(
    run, {}, {x: cells[t] for x, t in panels.items()}, {x: f"RH, {t} tower" for x, t in panels.items()}
)
worst = {t: c[c.row != c.column].pipe(lambda off: off.loc[off.value.idxmin()]) for t, c in cells.items()}
lowest = "; ".join(f"{t} tower: {c.row} towards {c.column}, {c.value:.2f}" for t, c in worst.items())
own = {
    t: run.note(f"RH of the rare class itself, {t} tower", harms.diagonal_mean(square[t]), ratio=p.ratio)
    for t in TOWERS
}
spread = " and ".join(f"{e.value:.2f} in the {t} tower" for t, e in own.items())
run.show(
    "rh",
    matrices.heatmaps(frame, names),
    alt=f"RH of each rare class towards every class, by tower. Lowest off the diagonal: {lowest}. On the diagonal: {spread}.",
    caption=f"Lowest cells: {lowest}. With itself the rare class has an RH of {spread} on average: above 1 its own images lie "
    "farther apart than under balanced towers. No claim judges this. RH(k, j; k) of rare class k and other class j.",
    data=frame,
    source="lib/harms/representation.py:representation_harm",
)

# %% [markdown]
# ## Mediation: the cost in recall
#
# The head is trained on 75 % of the held-out pairs. As in {doc}`mediation`, $Y(T, M)$ is the recall of class $k$. $T$ stands for the
# head's labels: they are balanced ($T = 0$), or class $k$ is cut among them too ($T = 1$). $M$ stands for the tower: class $k$ is
# balanced ($M = 0$) or rare ($M = 1$) among its pairs. The natural indirect effect $\mathrm{NIE} = Y(0,1) - Y(0,0)$ is the change that
# the tower alone makes. The natural direct effect $\mathrm{NDE} = Y(1,0) - Y(0,0)$ is the change that the labels alone make, and the
# total effect is $\mathrm{TE} = Y(1,1) - Y(0,0)$. A negative effect is a loss of recall.

# %%
found = {t: outcomes.of(seen[t], "paper", p.ratio).effects() for t in TOWERS}
recall = {t: e.map(seen[t].own) for t, e in found.items()}  # fields (seeds, T): change of recall
residual = max(e.residual() for e in found.values())
assert residual < 1e-12, residual

# %% tags=["hide-input"]
kept = ("NIE", "NDE", "TE")
effects = {
    t: {n: run.note(f"{n} of recall, {t} tower", getattr(e, n).mean(1), ratio=p.ratio) for n in kept}
    for t, e in recall.items()
}
chart, frame = figures.effects(effects)
nie = ", ".join(f"{them['NIE'].value:+.3f} in the {t} tower" for t, them in effects.items())
run.show(
    "effects",
    chart,
    alt=f"Mean effects on the rare class's recall by tower; NIE is {nie}.",
    caption=f"NIE is {nie}. Mean effects on the recall of the rare class, with 95 % intervals over seeds.",
    data=frame,
    source="lib/mediation/decomposition.py:effects",
)
run.table(["tower", *kept], [(t, *(f"{e:+.3f}" for e in them.values())) for t, them in effects.items()])

# %% [markdown]
# Where TE equals NDE, cutting the labels has already cost all the recall that is lost, and the tower costs no more. In that case
# the NIE alone shows a difference between towers.

# %% [markdown]
# ## Claims
#
# Each claim stands against its null, which comes from the balanced towers of two seeds. {doc}`../how-to-read` has the rule of
# verdicts.

# %%
here, beyond, fit = {}, {}, {}
for t in TOWERS:
    mine = modalities.judged(t, square[t], recall[t].NIE, pairs)
    here |= mine
    beyond |= modalities.untreated(t, seen[t], pairs)
    fit |= dict.fromkeys(mine, learned[t])
run.judge_all(here, learned=fit, null=beyond)

# %% tags=["hide-input"]
run.save()
run.verdicts()

# %% tags=["remove-input", "in-short"]
run.short(
    f"A class that keeps {100 * p.ratio:g} % of its pairs has an RH of {look['image'].value:.2f} towards its look-alike in the image "
    f"tower and {look['text'].value:.2f} in the text tower; 1 means no change. Verdict on the move: "
    f"**{run.verdict('modal-rh-image')}** for images, **{run.verdict('modal-rh-text')}** for captions. Verdict on the look-alike's "
    f"moving more than the other classes: **{run.verdict('modal-gap-image')}** for images, **{run.verdict('modal-gap-text')}** for "
    "captions. The tower alone changes its "
    f"recall by {effects['image']['NIE'].value:+.3f} and {effects['text']['NIE'].value:+.3f}. Verdict on the loss: "
    f"**{run.verdict('modal-nie-image')}** for images, **{run.verdict('modal-nie-text')}** for captions."
)

# %% [markdown]
# ## Limits
#
# * A caption holds two content words of a small grammar, and the text tower ignores their order. Real captions say more about an
#   image, and leave more out.
# * Look-alikes are alike in words by design. Their images may be less alike than those of classes that share no word.
# * Few classes are rare, one at a time. The verdicts are about the classes that `undersampled` names.
# * The chapter judges neither the joint space nor zero-shot classification and retrieval, the main uses of CLIP.

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
run.stamp()
