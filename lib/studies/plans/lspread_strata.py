"""The encoders of the study of L_spread."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from lib.encoders.coarse_settings import LOSSES, CoarseSettings, CoarseUnit
from lib.studies.shared.words import chosen, listed, seeds_of

NAMES = {"cross_entropy": "cross-entropy", "simclr": "SimCLR", "sup_con": "SupCon", "attract": "L_attract"}
RELEASED = ", clamped"  # after the label of an arm with the released code's clamp


@dataclass(frozen=True)
class SpreadArms:
    """The encoders of the study: by label, one unit a seed; every arm has the same seeds."""

    arms: dict[str, list[CoarseUnit]]

    @property
    def units(self) -> list[CoarseUnit]:
        return [unit for arm in self.arms.values() for unit in arm]


def plan(p: SimpleNamespace) -> SpreadArms:
    """An arm for each loss, one for each α of L_spread, and those of ``clamped`` again with the clamp.

    ValueError: a loss or α that is unknown, out of range or named twice, or a clamp for a loss that is not trained.
    """
    base = CoarseSettings(**{f.name: getattr(p, f.name) for f in fields(CoarseSettings) if hasattr(p, f.name)})
    names = chosen(p, "losses", LOSSES, 1)
    clamped = chosen(p, "clamped", [name for name in names if name != "cross_entropy"])
    settings = {}
    for name in names:
        if name != "spread":
            settings[NAMES[name]] = replace(base, loss=name)
            continue
        for alpha in alphas_of(p):
            settings[f"L_spread {alpha:g}"] = replace(base, loss=name, alpha=alpha)
    more = {f"{label}{RELEASED}": replace(s, clamp=True) for label, s in settings.items() if s.loss in clamped}
    return SpreadArms({label: [CoarseUnit(s, seed) for seed in seeds_of(p)] for label, s in (settings | more).items()})


def alphas_of(p: SimpleNamespace) -> tuple[float, ...]:
    """The α of L_spread, in rising order; ValueError where a word is no number in [0, 1], or none is given."""
    try:
        found = tuple(float(word) for word in listed(p.alphas))
    except ValueError:
        raise ValueError(f"alphas={p.alphas!r}: write numbers separated by commas, as 0.25,0.5") from None
    if not found or not all(0 <= a <= 1 for a in found) or list(found) != sorted(set(found)):
        raise ValueError(f"alphas={p.alphas!r}: give numbers from 0 to 1 in rising order, each once, as 0.25,0.5")
    return found
