"""The page "Geometry in one picture": its figure, from configurations that were computed once.

``python -m lib.book.picture`` computes them again, in some seconds, and writes ``book/_static/one-picture.csv``.
"""

import functools
import html
import io

import pandas as pd

from lib import records, study
from lib.book import in_order, live_charts, markup, sources_shown
from lib.figures import lspread_tables, one_picture
from lib.hashing import ROOT
from lib.strata import spread_limit
from lib.study import page

FILE = ROOT / "book/_static/one-picture.csv"
NAME, STILL = "one-picture", "_static/one-picture.svg"


@functools.cache
def parts() -> tuple[str, dict[str, bytes]]:
    """The figure as the page has it, and the file of its still picture."""
    df, stars, weights, ratios = pd.read_csv(FILE), one_picture.thresholds(), lspread_tables.settings(), published()
    at = stars.set_index("tau").ratio_star
    above = int((weights.alpha > weights.alpha_star).sum())
    start = one_picture.START
    b = spread_limit.best_spread(3, 2, start["tau"], start["alpha"])
    found = (
        f"Equal classes collapse at α* = {stars.alpha_star[0]:g}, whatever the temperature. Collapsed minorities meet "
        f"at R* = {at[0.1]:.1f} for τ = 0.1 and at {at[0.9]:.1f} for τ = 0.9."
    )
    said = (
        f"At the start, α = {start['alpha']:g}, τ = {start['tau']:g} and R = 1, b is {b:.2f}. Of the {len(weights)} "
        f"published weights {above} lie above α* for their own number of classes and batch (squares). The published "
        "ratios of shares are of one rare class among ten, a case without R*."
    )
    chart = one_picture.chart(df, stars, weights, ratios)
    drawn = io.StringIO()
    chart.save(drawn, format="svg")
    lines = sources_shown.address("lib/strata/unequal.py", "best")
    links = f'<a href="_static/{FILE.name}">data (CSV)</a> · <a href="{lines}">lines that made it</a>'
    caption = (
        f"<strong>{html.escape(found)}</strong> {html.escape(said)} <span class='face'>computed, float64, CPU</span>"
        f"<br><small class='links'>{links}</small>"
    )
    figure = markup.figure(NAME, page.live(chart, NAME, found, STILL), caption)
    return figure, {STILL: live_charts.slim(drawn.getvalue().encode())}


def published() -> pd.DataFrame:
    """The ratios of shares of Maity et al., a frequent class over the rare one: name, label, ratio."""
    values = study.preset("cifar10_undersampling", "paper")
    paper = in_order.paper("maity2024")
    rows = [
        (f"{paper}, a class at {100 * share:g} %", f"{100 * share:g} %", 1 / share)
        for share in (values["milder"], values["ratio"])
    ]
    return pd.DataFrame(rows, columns=["name", "label", "ratio"])


def main() -> None:
    with records.atomic(FILE) as temporary:
        one_picture.configurations().to_csv(temporary, index=False)


if __name__ == "__main__":
    main()
