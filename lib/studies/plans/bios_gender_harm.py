"""The encoders of the study of gender in texts."""

import re
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from lib.encoders.store import BALANCED, TOGETHER
from lib.encoders.text_settings import OWN_SPLIT, TextSettings, TextUnit
from lib.sources import GENDERS, OCCUPATIONS
from lib.studies.shared.arms import NULL_SHIFT
from lib.studies.shared.words import chosen, seeds_of

OTHERS = {  # ways to train beside plain SimCSE: what changes in the settings, and whether the balanced arm does too
    "supervised": ({"method": "supervised_simcse"}, True),
    "groups": ({"weighting": "groups"}, False),
    "clusters": ({"weighting": "clusters"}, False),
    "counterfactual": ({"counterfactual": True}, True),
    "scrubbed": ({"scrubbed": True}, True),
    "no cue": ({"cue": "none"}, True),
}


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
