"""The study of gender in texts: its encoders, and two clouds whose distances are known."""

import re
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

import pandas as pd
import torch
from torch import Tensor

from lib import harms
from lib.encoders.store import BALANCED, TOGETHER
from lib.encoders.text_settings import OWN_SPLIT, TextSettings, TextUnit
from lib.harms import gender
from lib.sources import GENDERS, OCCUPATIONS
from lib.studies.shared import gender as ge
from lib.studies.shared import outcomes
from lib.studies.shared.arms import NULL_SHIFT
from lib.studies.shared.gender import FEWEST, Labels, Reading
from lib.studies.shared.words import chosen, seeds_of
from lib.text import scrub
from lib.text.corpora import Biographies


@dataclass(frozen=True)
class TextArms:
    """The encoders of a study of gender in texts, one list entry a repeat: a seed, or a seed and a fold held out.

    base: the model before contrastive training; balanced: both genders of every occupation equally often; null: the
    same, of other seeds; under, mild: the treated groups cut to ``ratio`` or ``milder``, in the order of ``treated``.
    others: by label, the balanced and the undersampled encoders of another way to train.
    """

    treated: tuple[str, ...]
    base: list[list[TextUnit]]
    balanced: list[list[TextUnit]]
    null: list[list[TextUnit]]
    under: list[list[TextUnit]]
    mild: list[list[TextUnit]]
    others: dict[str, tuple[list[list[TextUnit]], list[list[TextUnit]]]]

    @property
    def codes(self) -> tuple[int, ...]:
        """The treated groups as 2 o + g."""
        return tuple(2 * OCCUPATIONS.index(o) + GENDERS.index(g) for o, g in (t.split(":") for t in self.treated))

    @property
    def units(self) -> list[TextUnit]:
        pairs = (arm for pair in self.others.values() for arm in pair)
        arms = (self.base, self.balanced, self.null, self.under, self.mild, *pairs)
        found = [unit for arm in arms for repeat in arm for unit in repeat]
        return list({unit.name: unit for unit in [*(u.base for u in found if u.base), *found]}.values())


OTHERS = {  # ways to train beside plain SimCSE: what changes in the settings, and whether the balanced arm does too
    "supervised": ({"method": "supervised_simcse"}, True),
    "groups": ({"weighting": "groups"}, False),
    "clusters": ({"weighting": "clusters"}, False),
    "counterfactual": ({"counterfactual": True}, True),
    "scrubbed": ({"scrubbed": True}, True),
    "no cue": ({"cue": "none"}, True),
}

SHOWN = (  # beside what was recorded
    "accuracy, before",
    "accuracy, balanced, SimCSE",
    "gender predictability, before",
    "gender predictability, SimCSE",
    "change of GRH, mean, plain",
    "change of mean gap, mean, plain",
    "NIE of recall",
    "TE of recall",
    "change of the gap of recall, mean, plain",
)
CLOUDS = {  # width of the rare gender's cloud, of the other's, angle between their centres
    "apart, equal spread": (0.3, 0.3, 0.8),
    "collapsed onto one mean, equal spread": (0.3, 0.3, 0.0),
    "collapsed, rare gender compact": (0.1, 0.3, 0.0),
    "collapsed, rare gender spread out": (0.5, 0.3, 0.0),
    "not collapsed, rare gender spread out": (0.7, 0.3, 0.3),
}


def plan(p: SimpleNamespace) -> TextArms:
    """Balanced and undersampled encoders of plain SimCSE, of its null and of the other ways to train."""
    treated = chosen(p, "treated", [f"{o}:{g}" for o in OCCUPATIONS for g in GENDERS], 1)
    labels = chosen(p, "others", tuple(OTHERS))
    if "no cue" in labels and p.data != "generated":
        raise ValueError(f"others={p.others!r}: 'no cue' needs generated texts; data={p.data!r} has the cues it has")
    s = TextSettings(**{f.name: getattr(p, f.name) for f in fields(TextSettings) if hasattr(p, f.name)})
    if s.revision and (s.data != "bios" or not re.fullmatch("[0-9a-f]{40}", s.revision)):
        raise ValueError(f"revision={s.revision!r}: a commit of the data set bios is expected, 40 hex digits")
    fold_of = {seed: seed % p.folds if p.folds else OWN_SPLIT for seed in seeds_of(p)}

    def repeats(s: TextSettings, members: tuple[str, ...], ratio: float, shift: int = 0) -> list[list[TextUnit]]:
        each = (members,) if s.net in TOGETHER else tuple((member,) for member in members)
        return [[TextUnit(s, m, ratio, seed + shift, fold) for m in each] for seed, fold in fold_of.items()]

    def one(s: TextSettings, shift: int = 0) -> list[list[TextUnit]]:
        return repeats(s, (BALANCED,), 1.0, shift)

    others = {}
    for label in labels:
        change, own = OTHERS[label]
        other = replace(s, **change)
        others[label] = one(other if own else s), repeats(other, treated, p.ratio)
    came = replace(s, method="pretrained")  # a model that came trained is read as it came
    before = [[TextUnit(came, (BALANCED,), 1.0, 0, fold)] for fold in dict.fromkeys(fold_of.values())]
    return TextArms(
        treated,
        [[one(s)[0][0].base]] if s.net == "small" else before,
        one(s),
        one(s, NULL_SHIFT) if p.null_arm else [],
        repeats(s, treated, p.ratio),
        repeats(s, treated, p.milder) if p.milder > p.ratio else [],
        others,
    )


def effects(under: Reading, balanced: Reading, groups: tuple[int, ...], share: Tensor, judged: Tensor):
    """What the claims are about, one number a repeat (R,), by claim; means over the treated groups.

    share: (T, 2K) of each group in the training texts of its occupation; judged: (2K,) bool, the groups that count.
    """
    change, recall, moved = (f(under, balanced, groups) for f in (ge.changes, ge.recall_changes, ge.moved))
    ratios, of_labels = gender.ratios(under.distances), ge.effects(under, balanced, groups)
    size = (*moved.shape[:2], -1)
    other = [
        moved[:, t, g ^ 1] - moved[:, t, [h for h in range(moved.shape[-1]) if h % 2 == g % 2 and h != g]].mean(1)
        for t, g in enumerate(groups)
    ]
    own = [g // 2 for g in groups]
    found = {
        "harms-10a": harms.rank_correlation(ratios[..., judged].expand(size), share[:, judged].expand(size)),
        "harms-10b": (ge.own(ratios, groups) < 1).double(),
        "bios-control": change["change of GRH"],
        "bios-dispersion": change["change of dispersion"],
        "bios-gap": change["change of mean gap"],
        "bios-where": torch.stack(other, 1),
        "bios-nie": recall["NIE of recall"],
        "bios-te": of_labels.TE[:, range(len(groups)), own],
        "bios-tpr": recall["change of the gap of recall"],
    }
    points = (x.flatten(1) for x in recognised(under, balanced, share, judged))
    return {claim: each.mean(1) for claim, each in found.items()} | {"bios-tpr-share": outcomes.correlation(*points)}


def recognised(under: Reading, balanced: Reading, share: Tensor, judged: Tensor) -> tuple[Tensor, Tensor]:
    """Gap of recall, women minus men, and share of women in training: (R, 1 + T, occupations that count) each.

    First of the balanced encoder and labels, then of each cut; share, judged: see ``effects``.
    """
    cut = under.tpr_gap(cut=True).expand(-1, len(share), -1)
    gap = torch.cat([balanced.tpr_gap(), cut], 1)[..., judged[::2]]
    women = torch.cat([torch.full_like(share[:1], 0.5), share])[:, ::2][:, judged[::2]]
    return gap, women.expand_as(gap)


def untreated(null: Reading, balanced: Reading, groups: tuple[int, ...], share: Tensor, judged: Tensor):
    """``effects`` of encoders of other seeds and of labels that were not cut, (R,) by claim."""
    found = effects(replace(null, cut=null.calls), balanced, groups, share, judged)
    return found | {"bios-dose": found["bios-control"]}


def quoted(texts: Biographies, group: int) -> str:
    """The first text of a group, scrubbed, and with the genders swapped, in Markdown."""
    text = texts.text[int((2 * texts.occupation + texts.gender == group).nonzero()[0])]
    name = f"{OCCUPATIONS[group // 2]} {GENDERS[group % 2]}"
    return f"**{name}:** {text}\n\n*scrubbed:* {scrub.scrub(text)}\n\n*genders swapped:* {scrub.swap(text)}"


def counts(arms: TextArms, seen: list[Labels], size: Tensor) -> list[tuple]:
    """Rows of a table, occupation by occupation: training texts of each gender, mean over repeats; how many of a
    treated group stay; held-out texts of each gender, ``size``; whether the occupation is judged.

    ValueError: a treated occupation that is not.
    """
    trained = torch.stack([torch.bincount(one.train[one.kept[0]], minlength=len(size)) // 2 for one in seen])
    rows = []
    for o, name in enumerate(OCCUPATIONS):
        cut = {t: seen[0].kept[0].sum() - seen[0].kept[1 + t].sum() for t, g in enumerate(arms.codes) if g // 2 == o}
        if cut and size[o] < FEWEST:
            raise ValueError(f"treated={','.join(arms.treated)!r}: fewer than {FEWEST} held-out {name}s of a gender")
        stays = ", ".join(f"{arms.treated[t]}: {trained[0, o] - gone} stay" for t, gone in cut.items())
        words = "judged" if size[o] >= FEWEST else f"**undecided**: fewer than {FEWEST}"
        rows.append((name, f"{trained[:, o].double().mean():.0f}", stays, int(size[o]), words))
    return rows


def clouds(wide: float, narrow: float, angle: float, points: int = 2000) -> Tensor:
    """Distances (2, 2) between two clouds on the circle: normal in the angle, of these widths and so far apart.

    The points are quantiles, so that nothing is drawn by chance.
    """
    even = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(points) + 0.5) / points).double()
    turn = torch.cat([wide * even + angle, narrow * even])
    z = torch.stack([turn.cos(), turn.sin()], 1)
    return gender.group_distances(z, torch.arange(2 * points) // points, 2)


def whole(results: pd.DataFrame | list[dict]) -> pd.DataFrame:
    """Value, low and high of the rows of a results file that are not of a single group, by quantity."""
    table = pd.DataFrame(results)
    rows = table[table.undersampled.isna() | (table.undersampled == "mean")]
    return rows.drop_duplicates("quantity", keep="last").set_index("quantity")[["value", "low", "high"]]
