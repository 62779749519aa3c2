"""The encoders of the study of images with captions."""

from dataclasses import fields, replace
from types import SimpleNamespace

from lib.encoders.clip_settings import TOWERS, ClipSettings
from lib.studies.shared import captioned
from lib.studies.shared.arms import HARM, Arms, classes_of, control, treated_units
from lib.studies.shared.words import seeds_of


def plan(p: SimpleNamespace) -> Arms:
    """Balanced towers, towers with each treated class rare, and the same at their random start.

    ValueError: no treated class has a look-alike among the classes.
    """
    classes, treated = classes_of(p)
    chosen = {f.name: getattr(p, f.name) for f in fields(ClipSettings) if hasattr(p, f.name)}
    s = ClipSettings(**chosen | {"classes": classes if p.classes != "all" else ()})
    captioned.pairs_of(p.data, classes, treated)
    under = [treated_units(s, treated, p.ratio, seed) for seed in seeds_of(p)]
    untrained = control(replace(s, method="untrained"), p.seed, p.seeds)
    balanced = control(s, p.seed, p.seeds)
    measures = {arm: tuple(f"{name} of the {t} tower" for t in TOWERS for name in names) for arm, names in HARM.items()}
    return Arms(classes, treated, balanced, under, [], [], [], untrained, measures)
