"""The encoders of the study of mediation."""

from dataclasses import replace
from types import SimpleNamespace

from lib.studies.shared import heads
from lib.studies.shared.arms import Arms, arms_of, classes_of, settings_of, with_mild, with_second


def plan(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, look-alike reference, untrained encoders, and a
    control of another policy of augmentation.

    None of them where a reader's embeddings are judged.  ValueError: these cannot be used, see ``evidence.read``.
    """
    classes, treated = classes_of(p)
    if p.embeddings:
        from lib.studies.shared import evidence

        return evidence.checked(p, classes, treated)
    arms = with_mild(p, arms_of(p, settings_of(p, classes), classes, treated))
    own = tuple(classes.index(name) for name in treated)
    asked = heads.asked(own, p.ratio, p.milder if arms.mild else None)
    return with_second(p, replace(arms, measures=asked))
