"""The study of gender in texts: its encoders."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from lib.encoders.store import BALANCED, TOGETHER
from lib.encoders.text_settings import GENDERS, OCCUPATIONS, OWN_SPLIT, TextSettings, TextUnit
from lib.studies.shared.arms import NULL_SHIFT
from lib.studies.shared.words import listed, seeds_of


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
    def units(self) -> list[TextUnit]:
        arms = [
            self.base,
            self.balanced,
            self.null,
            self.under,
            self.mild,
            *(a for pair in self.others.values() for a in pair),
        ]
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


def plan(p: SimpleNamespace) -> TextArms:
    """Balanced and undersampled encoders of plain SimCSE, of its null and of the other ways to train."""
    treated = treated_groups(p)
    labels = listed(p.others)
    if wrong := [label for label in labels if label not in OTHERS]:
        raise ValueError(f"others={p.others!r}: {wrong[0]!r} is unknown; there are {', '.join(OTHERS)}")
    if "no cue" in labels and p.data != "generated":
        raise ValueError(f"others={p.others!r}: 'no cue' needs generated texts; data={p.data!r} has the cues it has")
    s = TextSettings(**{f.name: getattr(p, f.name) for f in fields(TextSettings) if hasattr(p, f.name)})
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
    folds = dict.fromkeys(fold_of.values())
    before = [[TextUnit(replace(s, method="pretrained"), (BALANCED,), 1.0, 0, fold)] for fold in folds]
    if s.net == "small":
        before = [[one(s)[0][0].base]]
    mild = repeats(s, treated, p.milder) if p.milder > p.ratio else []
    null = one(s, NULL_SHIFT) if p.null_arm else []
    return TextArms(treated, before, one(s), null, repeats(s, treated, p.ratio), mild, others)


def treated_groups(p: SimpleNamespace) -> tuple[str, ...]:
    """The groups that the parameters undersample, "surgeon:F", in order; ValueError for one that there is not."""
    known = {f"{o}:{g}" for o in OCCUPATIONS for g in GENDERS}
    found = listed(p.treated)
    if wrong := [g for g in found if g not in known]:
        raise ValueError(
            f"treated={p.treated!r}: {wrong[0]!r} is no group; write an occupation and F or M, as surgeon:F"
        )
    if not found or len(set(found)) != len(found):
        raise ValueError(f"treated={p.treated!r}: name at least one group, each once")
    return found
