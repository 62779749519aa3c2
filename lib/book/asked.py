"""What a command line asks for: values of parameters, and grids of them."""

import re

from lib import study
from lib.study import Parameter, ParameterError

POINTS = 1000  # of a sweep at most: each is a run with a page


def read_values(study_name: str, preset: str, text: str) -> dict:
    """All parameters of a run from a preset and ``name=value`` words."""
    values = study.preset(study_name, preset or "quick")
    known = study.parameters(study_name)
    for name, value in study.words(text or "", 'P="ratio=0.05 seed=1"').items():
        study.check(study_name, {name: known[name].default if name in known else None})
        values[name] = known[name].read(value)
    return study.complete(study_name, values)


def read_grid(study_name: str, text: str) -> dict[str, list]:
    """A grid such as ``ratio=0.01,0.05 seed=0..4``, every value checked.

    ParameterError: an empty grid, a name or value given twice, more than POINTS points, which are never listed.
    """
    example = 'GRID="ratio=0.01,0.05 seed=0..4"'
    known, given, points = study.parameters(study_name), study.words(text or "", example), 1
    if not given:
        raise ParameterError(f"the grid is empty; write for instance {example}")
    for name, values in given.items():
        if name not in known:
            study.check(study_name, {name: None})
        ends = _ends(values)
        count = ends[1] - ends[0] + 1 if ends else len(list(filter(None, values.split(","))))
        if count < 1:
            raise ParameterError(f"{name}={values!r} names no value; write for instance {name}={known[name].default}")
        points *= count
    if points > POINTS:
        raise ParameterError(f"the grid has {points:.4g} points, more than {POINTS}; sweep fewer values at a time")
    return {name: _values(known[name], values) for name, values in given.items()}


def _ends(values: str) -> tuple[int, int] | None:
    """First and last of ``0..4``; None where the values are written out."""
    ends = re.fullmatch(r"(-?\d{1,18})\.\.(-?\d{1,18})", values)
    return ends and (int(ends[1]), int(ends[2]))


def _values(parameter: Parameter, values: str) -> list:
    ends = _ends(values)
    found = [
        parameter.read(word) for word in (map(str, range(ends[0], ends[1] + 1)) if ends else values.split(",")) if word
    ]
    if len(set(found)) < len(found):
        raise ParameterError(f"{parameter.name}={values!r}: a value stands there twice; give each once")
    return found
