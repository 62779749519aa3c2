"""The nets of the study of labels."""

from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from lib.encoders.deep_coreset_settings import CoresetSettings, CoresetUnit
from lib.encoders.label_level_settings import LevelSettings, LevelUnit
from lib.encoders.label_settings import KEPT, LABELLED, NOISE, RIGHT, LabelSettings, LabelUnit
from lib.studies.shared.words import listed

if TYPE_CHECKING:
    import numpy as np

    from lib.studies.shared.deep_coresets import BySeed

BATCH_OF_TWO = 24  # images a step of the triplet loss, whose terms are the triples of a batch
STACK = "stack"  # in place of a network: the small nets of the other experiments


@dataclass(frozen=True)
class Labels:
    """The nets of each experiment, one unit each, and those at further levels.

    choosing: of coresets, one unit of small nets; else a unit a seed, GraNd among its arms, and then grand is none.
    sets: with the loss of lemma 7; grand: coresets by GraNd; more_noise: further shares of wrong labels; heads: by the
    share of right labels in the head; more_labelled: further shares of labels.  The last three may be none.
    """

    noise: LabelUnit
    two_classes: LabelUnit
    choosing: tuple[LabelUnit] | tuple[CoresetUnit, ...]
    few_labels: LabelUnit
    sets: LevelUnit
    grand: LevelUnit | None
    more_noise: LevelUnit | None
    heads: dict[float, LevelUnit]
    more_labelled: LevelUnit | None

    @property
    def coresets(self) -> "LabelUnit | BySeed":
        """The units that choose, read as one."""
        if isinstance(self.choosing[0], LabelUnit):
            return self.choosing[0]
        from lib.studies.shared.deep_coresets import BySeed

        return BySeed(self.choosing)

    @property
    def units(self) -> list[LabelUnit | CoresetUnit]:
        more = [u for u in (self.grand, self.more_noise, *self.heads.values(), self.more_labelled) if u]
        return [self.noise, self.two_classes, self.few_labels, self.sets, *self.choosing, *more]

    def kept(self) -> dict[tuple, "np.ndarray"]:
        """Accuracy on the held-out images of nets that learn from a coreset, by who keeps and the share, (seeds,)."""
        found = self.coresets.accuracy() | (self.grand.accuracy() if self.grand else {})
        return {(keeper, share): values for (_, share, keeper), values in found.items()}


def plan(p: SimpleNamespace) -> Labels:
    """All seeds of an experiment are one unit.  Where labels are few, the head has the share ``few_labels`` of them.

    ValueError: further levels that are no shares, or are there already; what ``coreset_units`` refuses.
    """
    names = ("data", "images_per_class", "steps", "batch_size", "learning_rate", "temperature", "alpha")
    noise = LabelSettings("noise", **{name: getattr(p, name) for name in names})
    settings = (
        noise,
        replace(noise, experiment="two_classes", batch_size=BATCH_OF_TWO),
        replace(noise, experiment="coresets", head=p.few_labels),
        replace(noise, experiment="few_labels", head=p.few_labels),
    )
    noisy, heads = further(p, "more_noise", NOISE), further(p, "more_heads", (noise.head,))
    labelled = further(p, "more_labelled", LABELLED)

    def unit(like: LabelSettings, levels: tuple[float, ...], **changes) -> LevelUnit:
        s = LevelSettings(**(asdict(like) | changes), levels=levels, points=p.sum_points)
        return LevelUnit(s, p.seed, p.seeds)

    small = p.coreset_net == STACK
    own = [LabelUnit(s, p.seed, p.seeds) for s in settings]
    return Labels(
        noise=own[0],
        two_classes=own[1],
        choosing=(own[2],) if small else coreset_units(p),
        few_labels=own[3],
        sets=unit(settings[1], RIGHT),
        grand=unit(settings[2], KEPT) if small else None,
        more_noise=unit(noise, noisy) if noisy else None,
        heads={head: unit(noise, tuple(sorted(NOISE + noisy)), head=head) for head in heads},
        more_labelled=unit(settings[3], labelled) if labelled else None,
    )


def coreset_units(p: SimpleNamespace) -> tuple[CoresetUnit, ...]:
    """The units that choose coresets, a seed each; ValueError: a batch larger than the least that a network sees."""
    images = {"data": p.coreset_data, "images_per_class": p.coreset_images, "net": p.coreset_net}
    course = {"epochs": p.coreset_epochs, "batch_size": p.coreset_batch, "learning_rate": p.coreset_rate}
    try:
        s = CoresetSettings(**images, **course, temperature=p.temperature, alpha=p.alpha)
    except ValueError as error:  # batch_size is another parameter of the study
        raise ValueError(str(error).replace("batch_size", "coreset_batch")) from None
    return tuple(CoresetUnit(s, seed) for seed in range(p.seed, p.seed + p.seeds))


def further(p: SimpleNamespace, name: str, taken: tuple[float, ...]) -> tuple[float, ...]:
    """The shares that a parameter lists beside those ``taken``, rising; ValueError: no share, or one of them."""
    words = listed(getattr(p, name)) if getattr(p, name).strip() else []
    try:
        found = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"{name}={getattr(p, name)!r}: write shares separated by commas, as 0.3,0.4") from None
    if not all(0 < share < 1 for share in found) or len({*found, *taken}) < len(found) + len(taken):
        have = ", ".join(f"{share:g}" for share in taken)
        raise ValueError(f"{name}={getattr(p, name)!r}: give shares between 0 and 1, each once, beside {have}")
    return tuple(sorted(found))
