"""The encoders of the study of undersampled classes."""

from dataclasses import replace
from types import SimpleNamespace

from lib.studies.shared.arms import HARM, NULL_SHIFT, Arms, arms_of, classes_of, control, settings_of, with_mild


def plan(p: SimpleNamespace) -> Arms:
    """Balanced control, every treated class at one or two ratios, null, reference and untrained encoders.

    None of them where a reader's embeddings are judged.  ValueError: these cannot be used, see ``evidence.read``.
    """
    classes, treated = classes_of(p)
    if p.embeddings:
        from lib.studies.shared import evidence

        return evidence.checked(p, classes, treated)
    s = settings_of(p, classes)
    arms = with_mild(p, arms_of(p, s, classes, treated))
    shown = {"balanced": (*HARM["balanced"], "loss", *(("variance",) if p.seeds > 1 else ()))}
    shown["under"] = (*HARM["under"], "loss")
    return replace(arms, null=control(s, p.seed + NULL_SHIFT, p.null_seeds), measures=HARM | shown)
