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
# # Gender harm in text: what do distances between genders measure?
#
# **Question.** {cite:t}`maity2024` train SimCSE {cite:p}`gao2021` on online biographies {cite:p}`dearteaga2019` and
# report, for the gender that is rare in an occupation, that texts of the two genders are nearer to each other than texts
# within that gender. Is that a harm of rarity, and would we know it from these distances? Their data, settings, formula
# and numbers for this study are not public. Here is a version that anyone can rerun: texts in which the gender of an
# occupation is made rare on purpose, a control in which it is not, and a null in which no text tells a gender.
#
# ## Parameters

# %% tags=["parameters", "hide-input"]
preset: str = "quick"  # {quick, laptop, paper} the label of the run
data: str = "generated"  # {generated, bios_subset, bios} set of biographies
revision: str = ""  # commit of the data set bios on the hub, 40 hex digits
treated: str = "surgeon:F,nurse:M"  # groups that are undersampled, one at a time: an occupation and F or M
others: str = "supervised,groups,clusters,counterfactual,scrubbed,no cue"  # other ways to train, separated by commas
ratio: float = 0.05  # (0, 1] share of the treated group that is kept
milder: float = 0.2  # [0, 1] a second, milder share for the dose; left out unless above ratio
null_arm: bool = True  # balanced encoders of other seeds too
seed: int = 0  # [0, inf) first seed
seeds: int = 3  # [1, 100] number of seeds
folds: int = 0  # {0, 5} folds, of which seed s holds out fold s mod 5; 0 is the data's own split
per_group: int = 100  # [2, inf) generated texts of each gender in each occupation
cue: str = "pronouns+names"  # how the gender shows in generated texts
stereotype: float = 0.0  # [0, 1] probability that a content word is a pastime of the gender
sentences: int = 2  # [1, 16] of a generated text
model: str = "small"  # {small, minilm, bert} encoder
pooling: str = "mean"  # {mean, cls} of the tokens
max_length: int = 48  # [8, 512] tokens of a text at most
masked_epochs: int = 5  # [0, inf) in which the small model first learns masked words
epochs: int = 1  # [1, inf) of contrastive training
batch_size: int = 64  # [2, inf) texts a step
learning_rate: float = 0.003  # (0, inf) of AdamW, falling linearly
temperature: float = 0.05  # (0, inf) of NT-Xent
precision: str = "float32"  # {float32, bfloat16} arithmetic of the forward pass
draws: int = 1000  # [100, inf) permutations of the genders

# %% tags=["remove-input"]
from lib import study

run = study.start("bios_gender_harm", globals())

# %% tags=["hide-input"]
import html
import inspect

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Code, Markdown, display

from lib import claims, harms
from lib.encoders import simcse
from lib.figures import bios_gender_harm, charts
from lib.harms import gender
from lib.studies import gender_evidence as ge
from lib.studies import methods_and_mitigations as comparison
from lib.study import page, report
from lib.text import scrub

p = run.p
arms = run.plan
seen = [ge.labels(units[0], arms.treated, p.ratio) for units in arms.balanced]
plain = arms.balanced[0][0]
texts = simcse.load(plain.settings, "test", plain.fold)
names, genders = list(texts.occupations), ("F", "M")
K = len(names)
groups = [f"{o} {g}" for o in names for g in genders]
treated = tuple(groups.index(t.replace(":", " ")) for t in arms.treated)
T, R = len(treated), len(seen)
face = run.face() + (f", one of {p.folds} folds held out by each" if p.folds else "")
rows: list[dict] = []
judged: list[tuple[str, claims.Judgement]] = []
record = report.recorded(run.study)


def told(quantity: str, values: torch.Tensor, **index) -> tuple[str, str]:
    """Note a number a repeat, (R,), among the results; its mean and interval as text."""
    mean, low, high = comparison.summary(values)
    rows.append({"quantity": quantity, "ratio": p.ratio} | index | {"value": mean, "low": low, "high": high})
    return f"{mean:+.3f}", report.span(low, high)


# %% [markdown]
# ## The texts

# %% tags=["hide-input"]
if p.data == "generated":
    shown = [texts.text[int((2 * texts.occupation + texts.gender == g).nonzero()[0])] for g in treated]
    quoted = [
        f"<p><b>{html.escape(groups[g])}:</b> {html.escape(t)}<br><i>scrubbed:</i> {html.escape(scrub.scrub(t))}<br>"
        f"<i>genders swapped:</i> {html.escape(scrub.swap(t))}</p>"
        for g, t in zip(treated, shown, strict=True)
    ]
    display(
        HTML(
            "<p>The texts are made from templates, about people who do not exist. Content words come from the topics "
            "of the occupation, some of them shared with other occupations; the gender acts through pronouns and names "
            "and through nothing else. Two of them:</p>" + "".join(quoted)
        )
    )
else:
    display(Markdown("The texts are about real people. None of them, and no part of one, is shown on any page."))
size = ge.sizes(seen[: p.folds or 1])
decided = size >= ge.FEWEST
table = []
for o, name in enumerate(names):
    kept = [int(torch.bincount(one.train[one.kept[0]], minlength=K)[o]) // 2 for one in seen]
    gone = {t: int(seen[0].kept[0].sum() - seen[0].kept[1 + t].sum()) for t, g in enumerate(treated) if g // 2 == o}
    stays = ", ".join(f"{arms.treated[t]}: {kept[0] - n} stay" for t, n in gone.items())
    state = "judged" if decided[o] else f"**undecided**: fewer than {ge.FEWEST}"
    table.append((name, f"{np.mean(kept):.0f}", stays, int(size[o]), state))
display(
    Markdown(
        report.table(
            ["occupation", "training texts of each gender", "undersampled", "held-out texts of each gender", ""], table
        )
    )
)
if not all(decided[g // 2] for g in treated):
    raise ValueError(
        f"treated={p.treated!r}: a treated occupation has fewer than {ge.FEWEST} held-out texts of a gender"
    )

# %% [markdown]
# Every balanced encoder sees both genders of each occupation equally often: the larger is cut to the smaller at random.
# A *treated* encoder sees the same texts, but for one gender of one occupation, of which only the given share stays. All
# held-out groups are judged at equal size. With folds, the counts of held-out texts are over those that some seed holds out.
#
# ## Method
#
# **Training.** Unsupervised SimCSE: a text passes twice through the encoder, with other dropout; the two outputs are its
# two views in NT-Xent, at temperature 0.05. The projection on top is used in training alone. *supervised* makes texts of
# one occupation positives of each other {cite:p}`khosla2020`. The small model first learns masked words
# {cite:p}`devlin2019` on the balanced generated texts, once for all seeds: as with a published BERT, the start has seen
# both genders equally often, and rarity acts in the contrastive training alone.
#
# **Distances.** All on held-out texts, features divided by their length. For groups $A, B$ let $D(A, B)$ be the mean of
# $1 - \cos$ over all pairs, and for occupation $o$ and gender $g$, with $g'$ the other,
#
# $$
# \mathrm{GRH}(o, g) = \frac{D(X_{o,g}, X_{o,g'})}{D(X_{o,g}, X_{o,g})} .
# $$
#
# **This is a working definition.** The paper's formula is not public; its summary and reviews say that it compares
# between-gender and within-gender distances in an occupation and calls it a harm where the former are lower.

# %% tags=["remove-input"]
Code(inspect.getsource(ge.group_distances) + "\n\n" + inspect.getsource(ge.ratios), language="python")

# %% [markdown]
# :::{prf:theorem} The identity of the distances (derived here)
# :label: bios-identity
# With $m_A$ the mean unit vector of $A$, and self-pairs counted,
# $D(A, A) = 1 - \lVert m_A \rVert^2$, $D(A, B) = 1 - m_A \cdot m_B$, and
#
# $$
# D(A, B) = \tfrac12 \left[ D(A, A) + D(B, B) + \lVert m_A - m_B \rVert^2 \right] .
# $$
# :::
#
# :::{prf:proof}
# $1 - \cos(x, y) = 1 - x \cdot y$ for unit vectors; the mean over all pairs of $A \times B$ is $1 - m_A \cdot m_B$, since
# both sums may be taken one after the other. Expand $\lVert m_A - m_B \rVert^2 = \lVert m_A \rVert^2 + \lVert m_B \rVert^2
# - 2\, m_A \cdot m_B$ and insert.
# :::
#
# :::{prf:corollary} What a ratio below 1 says (derived here)
# :label: bios-regions
# (i) $\mathrm{GRH}(o, g) < 1$ exactly if $D(g, g) > D(g', g') + \lVert m_g - m_{g'} \rVert^2$: $g$ is the *more spread-out*
# gender, by more than the squared gap of the means. (ii) The two ratios of an occupation are never both below 1.
# (iii) If both genders are equally spread out, both ratios are 1 or more, however near the means are.
# :::
#
# :::{prf:proof}
# (i) $D(g, g') < D(g, g)$; insert the identity and double. (ii) Both would need $D(g, g) > D(g', g')$ and the reverse.
# (iii) is (i) with equal spreads.
# :::
#
# So "between lower than within" is a statement about *relative spread*. A collapse onto the other gender would be a
# falling **mean gap** $\lVert m_g - m_{g'} \rVert$, and it *raises* no alarm in GRH unless the spreads differ. What a
# rarity does is a change, so it needs a control: everything below is set against encoders of balanced genders, group by
# group, as $\mathrm{RH}(G, H; G) = D(G, H)$ with $G$ undersampled over $D(G, H)$ balanced.

# %% tags=["hide-input"]
worst = 0.0
for units, one in zip([*arms.balanced, *arms.under], seen * 2, strict=True):
    z = ge.features(units, one)[1]
    d = ge.group_distances(z, one.group, 2 * K)
    for o in range(K):
        f, m = one.group == 2 * o, one.group == 2 * o + 1
        ff, fm, mm = gender.within_between(z, f, m)
        unit = torch.nn.functional.normalize(z, dim=-1)
        gap = (unit[:, f].mean(1) - unit[:, m].mean(1)).square().sum(-1)
        worst = max(worst, float((fm - (ff + mm + gap) / 2).abs().max()))
        assert torch.allclose(fm, d[..., 2 * o, 2 * o + 1], atol=1e-12)
        assert not ((fm < ff) & (fm < mm)).any()
assert worst < 1e-12, worst
display(
    Markdown(
        f"On this study's own embeddings, {R * (1 + T)} encoders and {K} occupations, the two sides differ by at most "
        f"{worst:.0e}, and no occupation has both ratios below 1."
    )
)

# %% [markdown]
# ### The plug-in is biased for small groups
#
# $D(A, A)$ with self-pairs is too small by the factor $1 - 1/n$, so of two groups *of one distribution* the smaller looks
# the more compact and the means look apart. Leaving the self-pairs out removes the bias; then both ratios can fall below
# 1 by chance. For a test we cut both groups to one size and deal the genders out at random. A simulation, without any
# gender in it:

# %% tags=["hide-input"]
generator = torch.Generator().manual_seed(0)
mu = torch.zeros(32, dtype=torch.float64)
mu[0] = 4.0
few, many, repeats = 20, 400, 100
sexes = torch.cat([torch.zeros(few), torch.ones(many)]).long()
z = mu + torch.randn(repeats, few + many, 32, generator=generator, dtype=torch.float64)
same = torch.zeros_like(sexes)
lines, biased = [], {}
for label, unbiased in (("plug-in", False), ("without self-pairs", True)):
    found = gender.gender_representation_harm(z, same, sexes, unbiased, 1)[:, 0]
    gap = gender.mean_gap(z, same, sexes, unbiased, 1)[:, 0]
    biased[label] = (float(found[:, 0].mean()), float(gap.mean()))
    lines.append((label, f"{found[:, 0].mean():.3f}", f"{found[:, 1].mean():.3f}", f"{gap.mean():+.3f}"))
    rows.append(
        {"quantity": f"GRH of {few} of one distribution, {label}", "value": float(found[:, 0].mean()), "seeds": 0}
    )
rejected = np.mean([float(gender.permutation_null(x, sexes, 199, i).p[0]) <= 0.05 for i, x in enumerate(z)])
rows.append({"quantity": "permutation test at 5 %, share rejected without an effect", "value": rejected, "seeds": 0})
display(Markdown(report.table(["form", f"GRH of the {few}", f"GRH of the {many}", "mean gap"], lines)))
display(
    Markdown(
        f"The truth is 1, 1 and 0. The permutation test at equal sizes rejects {100 * rejected:.0f} of 100 such sets at 5 %. "
        "Everything below is without self-pairs."
    )
)

# %% [markdown]
# ## What the encoders learned
#
# A logistic probe reads the occupation: trained on training texts in which the genders are balanced, scored on held-out
# texts, the mean over the twelve groups. Harms are judged only where training added 5 points, over the model before
# contrastive training where it is the book's own, over chance where it came trained.

# %% tags=["hide-input"]
balanced, under = ge.read(arms.balanced, seen), ge.read(arms.under, seen)
mild_seen = [ge.labels(units[0], arms.treated, p.milder) for units in arms.balanced] if arms.mild else []
mild = ge.read(arms.mild, mild_seen) if arms.mild else None
other_balanced = ge.read(arms.null, seen) if arms.null else None
before = ge.read(arms.base, seen[: len(arms.base)])
other = {}
for label, (control, cut) in arms.others.items():
    other[label] = (balanced if control == arms.balanced else ge.read(control, seen), ge.read(cut, seen))
chance = torch.full((1,), 1 / K, dtype=torch.float64)
start = before.accuracy() if p.model == "small" else chance
learned = claims.has_learned(balanced.accuracy().numpy(), start.mean(0, keepdim=True).numpy())
lines = [("before contrastive training", f"{float(before.accuracy().mean()):.3f}", "–")]
rows.append({"quantity": "accuracy, before", "value": float(before.accuracy().mean()), "seeds": len(before.accuracy())})
controls = {"SimCSE": balanced} | {label: pair[0] for label, pair in other.items() if pair[0] is not balanced}
for label, reading in controls.items():
    value, interval = told(f"accuracy, balanced, {label}", reading.accuracy(), ratio=1)
    lines.append((f"{label}, balanced", value.lstrip("+"), interval))
display(Markdown(report.table(["encoders", "accuracy", "95 % interval"], lines)))
display(Markdown(f"Chance is {1 / K:.3f}. Harms are {'' if learned else '**not** '}judged."))

# %% [markdown]
# ### How well the gender can be read
#
# Within each occupation a probe guesses the gender, five folds; 0.5 is chance. Where it cannot be read, no measure
# of gender can mean much.

# %% tags=["hide-input"]
readable = {
    "before": ge.predictability(arms.base, seen[: len(arms.base)]),
    "SimCSE": ge.predictability(arms.balanced, seen),
}
for label, (control, _) in arms.others.items():
    if control != arms.balanced:
        readable[label] = ge.predictability(control, seen)
dots = []
for label, values in readable.items():
    mean, low, high = comparison.summary(values.mean(1))
    rows.append(
        {"quantity": f"gender predictability, {label}", "value": mean, "low": low, "high": high, "seeds": len(values)}
    )
    dots.append(("mean over occupations", label, mean, low, high))
dots = pd.DataFrame(dots, columns=["group", "label", "value", "low", "high"])
page.show(
    run.folder,
    "readable",
    charts.dots(dots, "balanced accuracy of the gender probe", 0.5),
    alt="Gender read from balanced encoders within occupations, balanced accuracy: "
    + ", ".join(f"{r.label} {r.value:.2f}" for r in dots.itertuples())
    + "; chance is 0.50.",
    caption="How well a probe reads the gender within an occupation, by the way the encoder was trained. 95 % intervals.",
    data=dots,
    source="lib/probe/gender.py:gender_predictability",
    face=face,
)

# %% [markdown]
# ## The plane of the two ratios
#
# One point an occupation and encoder, mean over seeds. By {prf:ref}`bios-regions` the lower left region is empty but for
# chance. A click in the legend picks an encoder.

# %% tags=["hide-input"]
grh_balanced, grh_under = ge.ratios(balanced.distances)[:, 0], ge.ratios(under.distances)  # (R, 2K), (R, T, 2K)
points = []
for arm, t, values in [
    ("balanced", None, grh_balanced),
    *((f"{arms.treated[t]} cut to {p.ratio:g}", t, grh_under[:, t]) for t in range(T)),
]:
    pairs = values.mean(0).view(K, 2)
    for o, name in enumerate(names):
        if decided[o]:
            mine = t is not None and treated[t] // 2 == o
            points.append((name, arm, arms.treated[t] if mine else "", float(pairs[o, 0]), float(pairs[o, 1])))
points = pd.DataFrame(points, columns=["occupation", "arm", "treated", "f", "m"])
own_before, own_after = ge.own(grh_balanced[:, None], treated), ge.own(grh_under, treated)  # (R, T)
page.show(
    run.folder,
    "plane",
    bios_gender_harm.plane(points),
    alt="Both ratios by occupation. The treated group's ratio is "
    + ", ".join(
        f"{own_after[:, t].mean():.3f} for {arms.treated[t]} (balanced {own_before[:, t].mean():.3f})" for t in range(T)
    )
    + ".",
    caption="GRH of the women against GRH of the men, by occupation; the occupation that was cut is named.",
    data=points,
    source="lib/studies/shared/gender.py:ratios",
    face=face,
)

# %% [markdown]
# Against the share of the group in training:

# %% tags=["hide-input"]
share = ge.training_share(treated, 2 * K, p.ratio)  # (T, 2K)
keep = decided.repeat_interleave(2)
by_share = pd.DataFrame(
    [
        (groups[g], f"{arms.treated[t]} cut", float(share[t, g]), float(grh_under[:, t, g].mean()) - 1)
        for t in range(T)
        for g in range(2 * K)
        if keep[g]
    ],
    columns=["group", "encoder", "share", "grh"],
)
correlation = torch.stack(
    [harms.rank_correlation(grh_under[:, t, keep], share[t, keep].expand(R, -1)) for t in range(T)], 1
)  # (R, T)
page.show(
    run.folder,
    "share",
    charts.scatter(by_share, "share", "grh", "group", "encoder", "share in the occupation's training texts", "GRH − 1"),
    alt=f"GRH less 1 against the group's share in training; Spearman's correlation is {float(correlation.mean()):+.2f}.",
    caption="GRH of each group against its share of its occupation's training texts. Groups that were not cut are at 0.5.",
    data=by_share,
    source="lib/studies/shared/gender.py:ratios",
    face=face,
)
lines = []
for t, g in enumerate(treated):
    for s, (units, one) in enumerate(zip(arms.under, seen, strict=True)):
        mine = one.occupation == g // 2
        z = ge.features(units, one)[1][t, mine]
        found = gender.permutation_null(z, one.gender[mine], p.draws, s)
        ratio_p, gap_p = float(found.p[g % 2]), float(found.p[2])
        lines.append(
            (
                arms.treated[t],
                f"{units[0].seed}" + (f", fold {units[0].fold}" if p.folds else ""),
                f"{float(found.observed[g % 2]):.3f}",
                f"{ratio_p:.3f}",
                f"{float(found.observed[2]):.3f}",
                f"{gap_p:.3f}",
            )
        )
        rows.append(
            {
                "quantity": "permutation p of GRH",
                "undersampled": arms.treated[t],
                "seed": units[0].seed,
                "ratio": p.ratio,
                "value": ratio_p,
                "seeds": 1,
            }
        )
display(Markdown(report.table(["cut", "seed", "plug-in GRH", "p (low)", "plug-in mean gap", "p (high)"], lines)))

# %% [markdown]
# The p-values are of one encoder each: could its ratio be as low, its gap as high, if the genders were dealt by chance?
#
# ## What rarity changes
#
# The change from the balanced encoder of the same seed to the one with the group cut, at two shares. *GRH*: below 0 is
# what the paper calls harm. *dispersion*: $\log D(g, g) / D(g', g')$, above 0 where the rare gender spreads out. *mean gap*:
# below 0 where the genders come closer.

# %% tags=["hide-input"]


def changes(cut: ge.Reading, control: ge.Reading) -> dict[str, torch.Tensor]:
    """Change of each measure of the treated groups, (R, T)."""
    g = torch.tensor(treated)
    found = {}
    for label, measure in (("GRH", ge.ratios), ("dispersion", ge.dispersion)):
        found[label] = ge.own(measure(cut.distances), treated) - ge.own(measure(control.distances), treated)
    halves = tuple((g // 2).tolist())
    found["mean gap"] = ge.own(ge.gaps(cut.distances), halves) - ge.own(ge.gaps(control.distances), halves)
    rh = ge.moved(cut, control, treated)
    found["log RH to the other gender"] = rh[:, torch.arange(T), g ^ 1].log()
    return found


change = {p.ratio: changes(under, balanced)} | ({p.milder: changes(mild, balanced)} if mild else {})
response = []
for kept_share, found in change.items():
    for measure, values in found.items():
        for t in range(T):
            mean, low, high = comparison.summary(values[:, t])
            response.append((measure, arms.treated[t], kept_share, mean, low, high))
            rows.append(
                {
                    "quantity": f"change of {measure}",
                    "undersampled": arms.treated[t],
                    "ratio": kept_share,
                    "value": mean,
                    "low": low,
                    "high": high,
                }
            )
response += [(measure, name, 1.0, 0.0, 0.0, 0.0) for measure in change[p.ratio] for name in arms.treated]
response = pd.DataFrame(response, columns=["measure", "group", "share", "value", "low", "high"])
page.show(
    run.folder,
    "dose",
    bios_gender_harm.dose(response),
    alt="Change of four measures against the share kept. At the smaller share, mean over the groups: "
    + ", ".join(f"{k} {float(v.mean()):+.3f}" for k, v in change[p.ratio].items())
    + ".",
    caption="Change from the balanced encoder of the same seed, 95 % interval over seeds; at share 1 nothing is cut.",
    data=response,
    source="lib/studies/shared/gender.py:dispersion",
    face=face,
)

# %% [markdown]
# ### Where the rare group moves
#
# $\mathrm{RH}(G, H; G)$ of the treated group $G$ towards every group $H$, and the same ratio for balanced encoders of other
# seeds, where nothing was cut. On the diagonal cell, its own spread.

# %% tags=["hide-input"]
rh = ge.moved(under, balanced, treated)  # (R, T, 2K)
frames = [
    pd.DataFrame(
        [
            (
                arms.treated[t],
                groups[h],
                float(rh[:, t, h].mean()),
                *(float(v) for v in comparison.summary(rh[:, t, h])[1:]),
            )
            for t in range(T)
            for h in range(2 * K)
        ],
        columns=["row", "column", "value", "low", "high"],
    ).assign(panel=f"this run, {face}")
]
rows += [
    {
        "quantity": "RH",
        "undersampled": r.row,
        "class_i": r.row,
        "class_j": r.column,
        "ratio": p.ratio,
        "value": r.value,
        "low": r.low,
        "high": r.high,
    }
    for r in frames[0].itertuples()
]
if other_balanced:
    other_seeds = ge.moved(other_balanced, balanced, treated)
    frames.append(
        pd.DataFrame(
            [(arms.treated[t], groups[h], float(other_seeds[:, t, h].mean())) for t in range(T) for h in range(2 * K)],
            columns=["row", "column", "value"],
        ).assign(panel="nothing cut, balanced encoders of other seeds")
    )
matrices = pd.concat(frames, ignore_index=True)
lowest = frames[0].loc[frames[0].value.idxmin()]
page.show(
    run.folder,
    "moved",
    charts.heatmaps(matrices, 1, titles=("cut group", "other group", "RH"), cell=36, columns=1),
    alt=f"RH of the cut group towards twelve groups; the lowest cell is {lowest.value:.3f}, {lowest.row} towards {lowest.column}"
    + (
        f"; without a cut the cells reach from {frames[1].value.min():.3f} to {frames[1].value.max():.3f}"
        if other_balanced
        else ""
    )
    + ".",
    caption="Distances with the group cut over distances under balanced genders: below 1 they came closer.",
    data=matrices,
    source="lib/studies/shared/gender.py:moved",
    face=face,
)

# %% [markdown]
# ## Who is recognised
#
# De-Arteaga et al. (2019): the gap of the true positive rates, women minus men, of each occupation against the share of
# women in the training data. *balanced*: encoder and labels of balanced genders; *cut*: both undersampled.

# %% tags=["hide-input"]
gap0, gap1 = (
    balanced.tpr_gap()[:, 0],
    torch.stack([under.tpr_gap(cut=True)[:, t] for t in range(T)], 1),
)  # (R, K), (R, T, K)
points = [(name, "balanced", 0.5, float(gap0[:, o].mean())) for o, name in enumerate(names) if decided[o]]
points += [
    (name, f"{arms.treated[t]} cut", float(share[t, 2 * o]), float(gap1[:, t, o].mean()))
    for t in range(T)
    for o, name in enumerate(names)
    if decided[o]
]
points = pd.DataFrame(points, columns=["occupation", "training", "share", "gap"])
halves = tuple(g // 2 for g in treated)
tpr = ge.recall_changes(under, balanced, treated)[2]  # (R, T)
page.show(
    run.folder,
    "tpr",
    charts.scatter(
        points,
        "share",
        "gap",
        "occupation",
        "training",
        "share of women in the occupation's training texts",
        "TPR gap, F − M",
    ),
    alt=f"TPR gap against the share of women; cutting a gender changes its recall less the other's by {float(tpr.mean()):+.3f}.",
    caption="Recall of the women less that of the men in each occupation.",
    data=points,
    source="lib/harms/gender.py:tpr_gap",
    face=face,
)

# %% [markdown]
# ### Mediation
#
# As for images ({doc}`mediation`): $T$, the labels of the head lack the group; $M$, the texts of the encoder do. The head
# learns from the training texts, and in $T = 1$ from those that the undersampled encoder saw. The outcome is what the
# treated group's held-out texts are called; below, its recall.

# %% tags=["hide-input"]
effects = ge.effects(under, balanced, treated)  # (R, T, K)
assert effects.residual() < 1e-12
recall = {
    name: getattr(effects, name)[:, torch.arange(T), list(halves)] for name in ("TE", "NIE", "rNDE", "NDE", "rNIE")
}
lines = []
for t in (*range(T), None):
    which = arms.treated[t] if t is not None else "mean"
    cells = [
        told(f"{name} of recall", v.mean(1) if t is None else v[:, t], undersampled=which) for name, v in recall.items()
    ]
    lines.append((which, *(f"{value} {span}" for value, span in cells)))
display(Markdown(report.table(["cut", *recall], lines)))
display(Markdown(f"TE = NIE − rNDE = NDE − rNIE holds to {effects.residual():.0e} in every cell."))

# %% [markdown]
# ## What helps
#
# *groups*: NT-Xent weighted by the inverse size of occupation by gender; *clusters*: the same by k-means clusters of the
# model before training, without labels; *counterfactual*: the second view has pronouns, titles and names of the other
# gender; *scrubbed*: they are taken out, in training and where it is judged; *supervised*: positives by occupation. *no
# cue* is no remedy: the generated texts have no gender in them, and dropping a gender is dropping texts at random. Each
# is set against balanced encoders trained the same way. *NIE, other gender*: what the encoder costs the other gender of
# the same occupation, which lost none of its texts; *gap of recall*: treated less other gender, with encoder and labels
# undersampled.

# %% tags=["hide-input"]
lines, remedies = [], {"plain": (balanced, under)} | other
moves = {label: changes(cut, control) for label, (control, cut) in remedies.items()}
lost = {label: ge.recall_changes(cut, control, treated) for label, (control, cut) in remedies.items()}
columns = ("NIE of recall", "NIE, other gender", "change of the gap of recall")
for label, (control, cut) in remedies.items():
    found = {f"change of {m}": moves[label][m] for m in ("GRH", "mean gap")} | dict(
        zip(columns, lost[label], strict=True)
    )
    cells = [told(f"{name}, mean, {label}", v.mean(1)) for name, v in found.items()]
    accuracy = [float(r.accuracy().mean()) for r in (control, cut)]
    lines.append((label, *(f"{value} {span}" for value, span in cells), *(f"{a:.3f}" for a in accuracy)))
    rows.append({"quantity": f"accuracy, cut, {label}", "ratio": p.ratio, "value": accuracy[1]})
display(Markdown(report.table(["training", *found, "accuracy, balanced", "accuracy, cut"], lines)))
dots = pd.DataFrame(
    [
        (measure, label, *comparison.summary(values.mean(1)))
        for label in remedies
        for measure, values in (("GRH", moves[label]["GRH"]), ("gap of recall", lost[label][2]))
    ],
    columns=["group", "label", "value", "low", "high"],
)
page.show(
    run.folder,
    "remedies",
    charts.dots(dots, "change, mean over the cut groups", 0),
    alt="By way of training, change of GRH and of the gap of recall: "
    + ", ".join(f"{k} {float(moves[k]['GRH'].mean()):+.3f} and {float(lost[k][2].mean()):+.3f}" for k in remedies)
    + ".",
    caption="Change of GRH and of the gap of recall when the group is cut, by the way of training. 95 % intervals over seeds.",
    data=dots,
    source="lib/studies/shared/gender.py:ratios",
    face=face,
)

# %% [markdown]
# ## Reported beside reproduced
#
# The paper's numbers for this study are not public. What was recorded on real biographies stands beside this run; changes
# are means over the cut groups.

# %% tags=["hide-input"]
SHOWN = ["accuracy, before", "accuracy, balanced, SimCSE", "gender predictability, before"]
SHOWN += ["gender predictability, SimCSE", "change of GRH, mean, plain", "change of mean gap, mean, plain"]
SHOWN += ["NIE of recall", "TE of recall", "change of the gap of recall, mean, plain"]


def numbers(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The rows of a table of results that are shown, those of a single group left out."""
    whole = table[table.undersampled.isna() | (table.undersampled == "mean")]
    return {r.quantity: r for r in whole.itertuples() if r.quantity in SHOWN}


def cell(found: dict[str, pd.Series], quantity: str) -> str:
    if quantity not in found:
        return claims.NOT_RUN
    return f"{found[quantity].value:.3f} {report.span(found[quantity].low, found[quantity].high)}"


sources = [numbers(r.results) for r in record] + [numbers(pd.DataFrame(rows))]
lines = [(q.removesuffix(", mean, plain"), claims.NOT_PUBLISHED, *(cell(n, q) for n in sources)) for q in SHOWN]
display(Markdown(report.table(["", "paper", *(f"recorded: {r.face}" for r in record), "this run"], lines)))
for r, n in zip(record, sources, strict=False):
    display(
        Markdown(
            f"**Recorded, {r.face}.** Contrastive training took the accuracy of the probe from {n[SHOWN[0]].value:.3f} to "
            f"{n[SHOWN[1]].value:.3f} and the gender probe's from {n[SHOWN[2]].value:.3f} to {n[SHOWN[3]].value:.3f}: the "
            "weights that it began from had been tuned contrastively before, on far more text. Cutting a group's texts and "
            f"labels changed its recall by {cell(n, 'TE of recall')}; the encoder's part of it is {cell(n, 'NIE of recall')}."
        )
    )

# %% [markdown]
# ## Claims
#
# Thresholds were fixed before any harm was computed, with one exception: `bios-null-tpr` was added when the harms of plain
# encoders had been seen, before its own number existed. The rule that remedies are judged only where plain encoders show
# the harm came later, too; all it can do is to leave a verdict undecided. The paper's numbers for this study are not public, so its own claims
# are judged on the book's runs alone.

# %% tags=["hide-input"]
main = change[p.ratio]
elsewhere = [[h for h in range(2 * K) if h % 2 == g % 2 and h != g] for g in treated]
where = torch.stack([rh[:, t, g ^ 1] - rh[:, t, elsewhere[t]].mean(1) for t, g in enumerate(treated)], 1).mean(1)
here = {
    "harms-10a": correlation.mean(1),
    "harms-10b": (own_after < 1).double().mean(1),
    "bios-control": main["GRH"].mean(1),
    "bios-dispersion": main["dispersion"].mean(1),
    "bios-gap": main["mean gap"].mean(1),
    "bios-where": where,
    "bios-nie": recall["NIE"].mean(1),
    "bios-te": recall["TE"].mean(1),
    "bios-tpr": tpr.mean(1),
    "bios-cue": readable["SimCSE"].mean(1),
}
if mild:
    here["bios-dose"] = (main["GRH"] - change[p.milder]["GRH"]).mean(1)
_, _, upper = comparison.summary(main["GRH"].mean(1))
harmed = upper < 0  # a remedy is judged only where the ratio falls
for label in ("groups", "clusters", "counterfactual", "scrubbed", "supervised"):
    if label in moves:
        here[f"bios-{label}"] = moves[label]["GRH"].mean(1).abs() - 0.75 * main["GRH"].mean(1).abs()
if "no cue" in moves:
    here |= {"bios-null": moves["no cue"]["GRH"].mean(1).abs(), "bios-blind": readable["no cue"].mean(1)}
    here["bios-null-tpr"] = lost["no cue"][2].mean(1).abs() - 0.5 * tpr.mean(1).abs()
order = [c.id for c in claims.of(run.study)]
remedy = {f"bios-{label}" for label in moves}
for name in order:
    if name in here:
        judged.append(("run", claims.judge(name, here[name].numpy(), learned and (harmed or name not in remedy))))
display(Markdown(report.verdicts(judged, record, order)))
alone = float((lost["plain"][0] - lost["plain"][1]).mean())
display(
    Markdown(
        f"In short: cutting a gender to {p.ratio:g} changes its recall, against the other gender's, by {float(tpr.mean()):+.3f} "
        f"where encoder and labels are cut, and by {alone:+.3f} where the encoder alone is; its GRH changes by "
        f"{float(main['GRH'].mean()):+.3f}."
    )
)
if not harmed:
    display(Markdown("On the plain encoders GRH does not fall clearly, so that no remedy of it can be judged."))

# %% [markdown]
# ## What the published statement leaves open
#
# **A ratio below 1 is no collapse, and a collapse need not lower a ratio.** Two genders in a plane, built so that the truth
# is known: $D(g, g)$ by the width of a cloud, the gap by where its centre is.

# %% tags=["hide-input"]
cases = {
    "apart, equal spread": (0.3, 0.3, 0.8),
    "collapsed onto one mean, equal spread": (0.3, 0.3, 0.0),
    "collapsed, rare gender compact": (0.1, 0.3, 0.0),
    "collapsed, rare gender spread out": (0.5, 0.3, 0.0),
    "not collapsed, rare gender spread out": (0.7, 0.3, 0.3),
}
even = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(2000) + 0.5) / 2000).double()  # a cloud without chance
lines = []
for label, (wide, narrow, angle) in cases.items():
    turn = torch.cat([wide * even + angle, narrow * even])
    z = torch.stack([turn.cos(), turn.sin()], 1)
    d = ge.group_distances(z, torch.arange(4000) // 2000, 2)
    ratio_f, gap = float(ge.ratios(d)[0]), float(ge.gaps(d)[0])
    rows.append({"quantity": f"GRH, clouds {label}", "value": ratio_f, "seeds": 0})
    lines.append(
        (label, f"{gap:+.3f}", f"{ratio_f:.3f}", f"{float(ge.ratios(d)[1]):.3f}", "yes" if ratio_f < 1 - 1e-9 else "no")
    )
display(Markdown(report.table(["two clouds", "mean gap", "GRH, rare gender", "GRH, other", "called harmed?"], lines)))

# %% [markdown]
# **Natural group sizes bias the plug-in.** In data as they come, the rare gender is rare among the held-out texts too. The
# *balanced* encoders of this run, judged on held-out texts of which the treated gender is cut to the same share: nothing was
# done to these encoders, so that any change is the estimate's.

# %% tags=["hide-input"]
lines = []
for t, g in enumerate(treated):
    found = {False: [], True: []}
    for units, one in zip(arms.balanced, seen, strict=True):
        mine = (one.group == g).nonzero()[:, 0]
        few = mine[: max(2, round(p.ratio * len(mine)))]
        keep = torch.cat([few, (one.group == g ^ 1).nonzero()[:, 0]])
        z = ge.features(units, one)[1][0, keep]
        for unbiased, values in found.items():
            values.append(ge.ratios(ge.group_distances(z, one.gender[keep], 2, unbiased))[g % 2])
    whole = own_before[:, t]
    texts_left = max(2, round(p.ratio * len(mine)))
    cells = [float(torch.stack(values).mean()) for values in found.values()]
    rows += [
        {
            "quantity": f"GRH of balanced encoders, few held-out texts, {form}",
            "undersampled": arms.treated[t],
            "value": v,
        }
        for form, v in zip(("plug-in", "without self-pairs"), cells, strict=True)
    ]
    lines.append((arms.treated[t], texts_left, f"{cells[0]:.3f}", f"{cells[1]:.3f}", f"{float(whole.mean()):.3f}"))
display(
    Markdown(
        report.table(
            ["group", "held-out texts left", "plug-in", "without self-pairs", "all texts, without self-pairs"], lines
        )
    )
)

# %% tags=["remove-input"]
run.save(rows, judged)

# %% [markdown]
# ## What this means for people, and what it does not
#
# * The gender of a text is a label that somebody else inferred, from pronouns, and it is binary. The people were not asked;
#   many are not described by it. A finding about "F" and "M" is one about words in texts.
# * The real biographies are US-centred web pages in English, mostly written by or for the person. Who has such a page is
#   itself a matter of standing. Nothing here estimates how many women or men work in an occupation, or how well.
# * A distance in an embedding is nobody's loss. It becomes one where a decision rests on it, such as a search for
#   candidates that misses people: that is what the recall side stands in for, from a distance, with one simple classifier.
# * An occupation that is guessed wrongly costs people unequally, and an average over six occupations hides for whom.
# * Equal recall is no proof of fair treatment, and a remedy that works here has been shown to work on these texts alone.
# * Scrubbed texts still tell a gender as far as a probe can read it; taking out pronouns also takes something from people
#   who chose theirs.
#
# ## Limits
#
# * The formula is ours; the paper's own may differ, and with it every verdict on its claim.
# * In generated texts the gender and the content words are drawn independently. All that marks a rare group is frequent in
#   other groups: its pronouns and names in five other occupations, its topics with the other gender. Such a group has
#   little to lose. Real texts can tie words to one gender of one occupation; the generator's `stereotype` does it for a
#   gender alone.
# * The small model's first training saw both genders equally often. Rarity in the first training is not studied.
# * Undersampling imitates one way to be rare, at random. Real absence is not at random.
# * Few seeds give wide intervals. With folds, each seed holds out texts of its own, and any two seeds share most of their
#   training texts: the interval does not cover the choice of the whole set of texts.
# * The training settings were chosen by accuracy of balanced encoders; the preset's file says what was tried. On `quick`
#   time allows one epoch; two and four were better.
#
# ## Exercises

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-critical
# By {prf:ref}`bios-regions`, up to which mean gap is the ratio of a gender below 1? Write `critical_gap(own, other)` from the two
# spreads $D(g, g)$ and $D(g', g')$.
# :::


# %% tags=["solution", "hide-input"]
def critical_gap(own, other):
    """GRH < 1 as long as |m_g - m_g'|² < D(g, g) - D(g', g')."""
    return max(0.0, own - other) ** 0.5


# %%
def ratio_of(own, other, gap):
    return (own + other + gap**2) / (2 * own)


edge = critical_gap(0.5, 0.3)
assert ratio_of(0.5, 0.3, edge - 1e-6) < 1 < ratio_of(0.5, 0.3, edge + 1e-6) and critical_gap(0.3, 0.5) == 0

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-self-pairs
# Two groups come from one distribution. Write `expected_ratio(n)`, about what the plug-in GRH of the group of $n$ texts
# is on average, and compare with the simulation above.
# :::


# %% tags=["solution", "hide-input"]
def expected_ratio(n):
    """Self-pairs shrink D(g, g) by 1 - 1/n and leave D(g, g') alone."""
    return n / (n - 1)


# %%
assert abs(expected_ratio(20) - biased["plug-in"][0]) < 0.02 and abs(biased["without self-pairs"][0] - 1) < 0.02

# %% [markdown]
# :::{exercise}
# :label: exercise-bios-swap
# Swapping the genders of all texts exchanges the two groups of an occupation. Which of the measures change, and how? Write
# `swapped(ratios)`: the pair (GRH(o, F), GRH(o, M)) after the swap, from the pair before, if the encoder is blind to gender
# cues.
# :::


# %% tags=["solution", "hide-input"]
def swapped(ratios):
    """Labels change places; the mean gap is symmetric and stays, and so does a blind encoder's picture of a text."""
    return ratios[1], ratios[0]


# %%
sample = torch.randn(60, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 1
code, same = torch.arange(60) % 2, torch.zeros(60, dtype=torch.long)
first, second = (gender.gender_representation_harm(sample, same, c)[0].tolist() for c in (code, 1 - code))
assert np.allclose(swapped(first), second)
assert torch.allclose(gender.mean_gap(sample, same, code), gender.mean_gap(sample, same, 1 - code))

# %% [markdown]
# ## Stamp

# %% tags=["remove-input"]
display(Markdown(report.stamp(run)))
