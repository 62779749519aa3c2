"""The study of gender in texts: effects of the claims, and two clouds whose distances are known."""

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from lib import harms
from lib.harms import gender
from lib.sources import GENDERS, OCCUPATIONS
from lib.studies.plans.bios_gender_harm import TextArms
from lib.studies.shared import gender as ge
from lib.studies.shared import outcomes
from lib.studies.shared.gender import FEWEST, Labels, Reading
from lib.text import scrub
from lib.text.corpora import Biographies

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
