"""The study of the block model: the encoders that its prediction is read from and judged on."""

from dataclasses import replace
from types import SimpleNamespace

from lib.studies.shared.arms import REFERENCE_SHIFT, Arms, arms_of, classes_of, control, settings_of


def plan(p: SimpleNamespace) -> Arms:
    """The encoders that the block model's prediction is read from and judged on: balanced, treated, reference."""
    classes, treated = classes_of(p)
    arms = arms_of(p, settings_of(p, classes), classes, treated, reference=False)
    return replace(arms, reference=control(arms.balanced[0][0].settings, p.seed + REFERENCE_SHIFT, p.reference_seeds))
