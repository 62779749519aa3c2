"""What the page of the benchmarks shows, made from the committed results of ``python -m benchmarks``."""

import html
import json

import altair as alt
import pandas as pd
import vl_convert

from lib.book import markup
from lib.figures import theme
from lib.hashing import ROOT
from lib.study import page

RESULTS = ROOT / "benchmarks/results.json"
STATIC = "_static/benchmarks"
UNITS = {"views/s": "views a second", "ms": "time", "s": "time", "MiB": "memory"}
FEW = 5  # rounds below which the page warns
LABELS = 275  # pixels for the names of the comparisons


def parts() -> tuple[str, dict[str, bytes]]:
    """The text that fills the page's marker, and the files it needs; a note where nothing was measured yet."""
    if not RESULTS.exists():
        return "*The benchmarks were not run yet: `make bench` runs them.*", {}
    runs = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines, grown, bound = ([row for run in runs for row in run[key]] for key in ("lines", "growth", "bounds"))
    shown, files = figure(lines)
    text = [
        *(f"{', '.join(run['cases'])}: {provenance(run['provenance'])}" for run in runs),
        shown,
        "## Every comparison",
        comparisons(lines),
        "## How the time grows",
        growth(grown),
        "## Beside the arithmetic bound",
        bounds(bound),
    ]
    return "\n\n".join(text), files | {f"{STATIC}.json": RESULTS.read_bytes()}


def figure(lines: list[dict]) -> tuple[str, dict[str, bytes]]:
    """The chart of all ratios, and its still picture."""
    data = ratios(lines)
    if data.empty:
        return "*No comparison was measured.*", {}
    drawn = chart(data)
    caption = (
        "How many times better ours is than each alternative, on a logarithmic axis: at the dashed line they match, "
        "right of it ours is ahead. The line through a dot spans the single rounds; an orange tick is an aim."
        f'<br><small class="links"><a href="{STATIC}.json">data (JSON)</a></small>'
    )
    body = page.live(drawn, "benchmarks", alternative(data), f"{STATIC}.svg")
    return markup.figure("benchmarks", body, caption), {
        f"{STATIC}.svg": vl_convert.vegalite_to_svg(drawn.to_dict()).encode()
    }


def ratios(lines: list[dict]) -> pd.DataFrame:
    """The comparisons that have a ratio: group, label, ratio, low, high, aim.

    A group is a case and what was measured of it; where its lines share the size or the peer, the group names it, and
    the labels do not.
    """
    measured = [line for line in lines if line["ratio"] is not None]
    rows = []
    for line in measured:
        mates = [m for m in measured if (m["case"], m["unit"]) == (line["case"], line["unit"])]
        names = {"size": line["size"], "against": f"against {line['against']}"}
        shared = [name for name in names if len({m[name] for m in mates}) == 1][:1]
        group = [f"{line['case']}, {UNITS[line['unit']]}", *(names[name] for name in shared)]
        label = [text for name, text in names.items() if name not in shared]
        numbers = {key: line[key] for key in ("ratio", "low", "high", "aim")}
        rows.append({"group": "; ".join(group), "label": "; ".join(label), **numbers})
    return pd.DataFrame(rows, columns=["group", "label", "ratio", "low", "high", "aim"])


def chart(data: pd.DataFrame, width: int = 300) -> alt.VConcatChart:
    """A dot a comparison on a logarithmic axis, a block a group, all on one scale."""
    ends = data[["ratio", "low", "high", "aim"]].stack()
    scale = alt.Scale(type="log", domain=[min(0.5, ends.min() / 1.2), max(2.0, ends.max() * 1.2)], nice=False)
    groups = list(data.groupby("group", sort=False))
    blocks = [block(name, part, scale, width, i, i == len(groups) - 1) for i, (name, part) in enumerate(groups)]
    return alt.vconcat(*blocks, spacing=8).resolve_scale(x="shared")


def block(name: str, part: pd.DataFrame, scale: alt.Scale, width: int, number: int, last: bool) -> alt.LayerChart:
    colour, shape = theme.COLOURS[number % 5], theme.SHAPES[number % 5]
    axis = alt.Axis(format="~g", tickCount=6, labels=last, ticks=last, labelOverlap=True)
    x = alt.X("ratio:Q", scale=scale, axis=axis, title="times better than the alternative" if last else None)
    title = alt.Title(name, anchor="start", fontSize=12)
    base = alt.Chart(part, title=title, width=width, height=alt.Step(16)).encode(
        alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=LABELS, minExtent=LABELS))
    )
    tips = ["label:N", *(alt.Tooltip(f"{c}:Q", format=".3g") for c in ("ratio", "low", "high", "aim"))]
    even = alt.Chart(part).mark_rule(color=theme.INK, strokeDash=[4, 3]).encode(x=alt.datum(1))
    span = base.mark_rule(strokeWidth=1.5, color=colour).encode(alt.X("low:Q"), alt.X2("high:Q"))
    aim = base.transform_filter("isValid(datum.aim)").mark_tick(thickness=3, size=13, color=theme.ORANGE, opacity=1)
    dot = base.mark_point(filled=True, size=60, color=colour, shape=shape, opacity=1).encode(x, tooltip=tips)
    return even + span + aim.encode(alt.X("aim:Q")) + dot


def alternative(data: pd.DataFrame) -> str:
    """What the chart finds, in words and numbers."""
    worst, best = data.loc[data.ratio.idxmin()], data.loc[data.ratio.idxmax()]
    aimed = data.dropna(subset="aim")
    return (
        f"Ours is ahead in {int((data.ratio > 1).sum())} of {len(data)} comparisons and reaches "
        f"{int((aimed.ratio >= aimed.aim).sum())} of {len(aimed)} aims. The ratios lie between {number(worst.ratio)} "
        f"({worst.group}: {worst.label}) and {number(best.ratio)} ({best.group}: {best.label})."
    )


def comparisons(lines: list[dict]) -> str:
    """A row a comparison."""
    head = ("what, on how much", "against", "ours", "theirs", "times better", "aim", "differ by")
    return markup.raw(markup.table(head, [row(line) for line in lines], "benchmarks"))


def row(line: dict) -> tuple[str, ...]:
    unit, note = line["unit"], f"<br><small>{html.escape(line['note'])}</small>" if line["note"] else ""
    theirs = "" if line["peer"] is None else f"{number(line['peer'])} {unit}"
    gap = "" if line["difference"] is None else f"{line['difference']:.1g}"
    return (
        f"{line['case']}<br><small>{html.escape(line['size'])}</small>",
        html.escape(line["against"] or "nothing") + note,
        f"{number(line['ours'])} {unit}",
        theirs,
        times(line),
        aim(line),
        gap,
    )


def times(line: dict) -> str:
    """The ratio, and those of the single rounds where there were several."""
    if line["ratio"] is None:
        return ""
    text = f"<strong>{number(line['ratio'])}</strong>"
    ends = "" if line["low"] == line["high"] else f"{number(line['low'])} to {number(line['high'])}"
    return f"{text}<br><small>{ends}</small>"


def aim(line: dict) -> str:
    """Whether the ratio reaches the aim, from the two numbers; "not measured" where there is no ratio."""
    if line["aim"] is None:
        return ""
    word, kind = "– not measured", "not-run"
    if line["ratio"] is not None:
        word, kind = ("✓ met", "holds") if line["ratio"] >= line["aim"] else ("✗ not met", "fails")
    return f'<span class="verdict {kind}">{word}</span><br><small>at least {line["aim"]:g}</small>'


def growth(rows: list[dict]) -> str:
    """A row a part of a study, a column a factor that was doubled."""
    factors = list(dict.fromkeys(r["factor"] for r in rows))
    cells = {(r["part"], r["factor"]): grown(r) for r in rows}
    named = dict.fromkeys(r["part"] for r in rows)
    body = [(part, *(cells.get((part, factor), "") for factor in factors)) for part in named]
    return markup.raw(markup.table(("part", *(f"twice the {factor}" for factor in factors)), body, "benchmarks"))


def grown(r: dict) -> str:
    seconds = " to ".join(f"{number(s)} s" for s in r["seconds"])
    return f"exponent <strong>{r['exponent']:.2f}</strong><br><small>{r['from']} to {r['to']}: {seconds}</small>"


def bounds(rows: list[dict]) -> str:
    """A row a device: images a second of the augmentation and of the whole step, and what the arithmetic allows."""
    head = ("device, net", "augmentation alone", "whole step", "arithmetic bound", "share of the bound")
    body = []
    for r in rows:
        work = f"{r['flops'] / 1e9:.3g} GFLOP an image at {r['peak'] / 1e12:.3g} TFLOP/s"
        rates = [f"{number(r[key])} images/s" for key in ("augmentation", "step", "bound")]
        device = f"{html.escape(r['device'])}<br><small>{html.escape(r['size'])}</small>"
        body.append((device, *rates[:2], f"{rates[2]}<br><small>{work}</small>", f"{r['step'] / r['bound']:.0%}"))
    return markup.raw(markup.table(head, body, "benchmarks"))


def provenance(p: dict) -> str:
    """When, on what and with which code the results were measured; a warning where the rounds are few."""
    commit = (p["git"]["commit"] or "")[:10] or "not in git"
    changed = ", with changes not committed" if p["git"]["dirty"] else ""
    few = f" **A short run: medians of {p['rounds']} are rough.**" if p["rounds"] < FEW else ""
    toy = " **Toy sizes: the numbers mean nothing.**" if p["quick"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in p["packages"].items())
    return (
        f"measured {p['started']} on {p['processor']}, {p['cores']} cores, threads {p['threads']}, load {p['load']:g} "
        f"before the start; medians of {p['rounds']} rounds; code `{commit}`{changed}; Python {p['python']}, "
        f"{versions}.{few}{toy}"
    )


def number(value: float) -> str:
    """Three figures, or whole numbers with commas."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
