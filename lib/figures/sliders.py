"""Sliders and buttons of charts, and what they say of their places in the quantity's own units."""

from typing import TypeVar

import altair as alt

Chart = TypeVar("Chart", bound=alt.TopLevelMixin)


def slider(name: str, label: str, start: float, ends: tuple[float, float], step: float = 1) -> alt.Parameter:
    """A parameter of a chart that a slider moves between two ends."""
    bind = alt.binding_range(min=float(ends[0]), max=float(ends[1]), step=step, name=label)
    return alt.param(name=name, value=float(start), bind=bind)


def buttons(name: str, label: str, options: list, start) -> alt.Parameter:
    """A parameter of a chart that buttons set to one of a few values."""
    return alt.param(name=name, value=start, bind=alt.binding_radio(options=options, name=label))


def controlled(chart: Chart, *params: alt.Parameter, hint: str, **says: dict) -> Chart:
    """The chart with its parameters, and a sentence that says what to try.

    says: by the name of a slider what stands beside it.  {"words": texts}: the text of each place, from 0;
    {"base": b}: b to the power of its place; {"unit": u}: the place with a unit.  Without, the number itself.
    """
    return chart.add_params(*params).properties(usermeta={"controls": {**says, "hint": hint}})
