"""The arms of encoders that are trained in another way than the study's own, the rest alike."""

from dataclasses import asdict, replace

from lib.encoders import settings
from lib.encoders.further_settings import (
    REMEDIES,
    ChosenSettings,
    ChosenUnit,
    FurtherUnit,
    MaskedSettings,
    MaskedUnit,
    RemedySettings,
    RemedyUnit,
)
from lib.encoders.settings import Settings, Unit
from lib.studies.shared.arms import Arms

MASKED = "mae"
METHODS = (*settings.METHODS[:-1], MASKED)
MITIGATIONS = (*settings.WEIGHTINGS[1:], *REMEDIES)
SHARED = ("data", "classes", "images_per_class", "epochs", "batch_size", "learning_rate", "final_learning_rate")
SHARED += ("weight_decay", "augment", "precision")  # settings that an autoencoder has in common with a method


def masked(arms: Arms, s: Settings) -> Arms:
    """The arms with masked autoencoders in place of their encoders, and the same nets untrained."""
    net = "mae_small" if s.data == "digits" else "mae"
    m = MaskedSettings(net=net, **{name: getattr(s, name) for name in SHARED})
    balanced, start = (_others(arms.balanced, MaskedUnit, each) for each in (m, replace(m, method="untrained")))
    return replace(arms, balanced=balanced, under=_others(arms.under, MaskedUnit, m), untrained=start)


def remedied(arms: Arms, s: Settings, remedy: str) -> Arms:
    """SimCLR's arms, of the settings s, with a remedy on the undersampled images; the balanced encoders stay."""
    changed = RemedySettings(**asdict(s) | {"weighting": remedy})
    return replace(arms, under=_others(arms.under, RemedyUnit, changed), reference=[], untrained=[])


def chosen(arms: Arms, look_every: int) -> Arms:
    """SimSiam's arms, with the epoch that test labels choose in place of the last."""
    s = ChosenSettings(**asdict(arms.balanced[0][0].settings), look_every=look_every)
    balanced, under = (_others(arm, ChosenUnit, s) for arm in (arms.balanced, arms.under))
    return replace(arms, balanced=balanced, under=under)


def _others(arm: list[list[Unit]], kind: type[FurtherUnit], s: Settings) -> list[list[FurtherUnit]]:
    """Units of another kind and other settings, the members, ratio and seed of each the same."""
    return [[kind(s, unit.members, unit.ratio, unit.seed) for unit in units] for units in arm]
