"""The study of undersampled classes: its encoders."""

from dataclasses import replace
from types import SimpleNamespace

from lib.studies.shared.arms import NULL_SHIFT, Arms, arms_of, classes_of, control, settings_of, with_mild


def plan(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, null, reference and untrained encoders."""
    classes, treated = classes_of(p)
    if p.embeddings:
        return Arms(classes, treated, [], [], [], [], [], [])
    s = settings_of(p, classes)
    arms = with_mild(p, arms_of(p, s, classes, treated))
    return replace(arms, null=control(s, p.seed + NULL_SHIFT, p.null_seeds))
