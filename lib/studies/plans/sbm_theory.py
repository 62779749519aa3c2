"""The encoders of the study of the block model."""

from dataclasses import replace
from types import SimpleNamespace

from lib.studies.shared.arms import HARM, REFERENCE_SHIFT, Arms, arms_of, classes_of, control, settings_of


def plan(p: SimpleNamespace) -> Arms:
    """The encoders that the block model's prediction is read from and judged on: balanced, treated, reference.

    And the same nets untrained, beside which the balanced ones must have learned.
    """
    classes, treated = classes_of(p)
    s = settings_of(p, classes)
    return replace(
        arms_of(p, s, classes, treated, reference=False),
        reference=control(s, p.seed + REFERENCE_SHIFT, p.reference_seeds),
        untrained=control(replace(s, method="untrained"), p.seed, p.seeds),
        measures=HARM | {"under": ("means",), "reference": ("means", joined(p.nearest))},
    )


def joined(nearest: int) -> str:
    """The name of the connectivity of so many nearest neighbours among the measures of an encoder."""
    return f"connectivity of {nearest} nearest"
