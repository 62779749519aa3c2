"""The study of mediation: its encoders."""

from types import SimpleNamespace

from lib.studies.shared.arms import Arms, arms_of, classes_of, settings_of, with_mild


def plan(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, look-alike reference and untrained encoders."""
    classes, treated = classes_of(p)
    return with_mild(p, arms_of(p, settings_of(p, classes), classes, treated))
