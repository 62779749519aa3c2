"""Judgements of claims, by source: the authors' numbers, runs of record, this run."""

import html
import math
from dataclasses import fields

from lib import claims
from lib.book import markup, run_records
from lib.study.report import NONE, SIGNS, badge

TESTS = {("below", True): "below", ("below", False): "at most", ("above", True): "above", ("above", False): "at least"}


def test(claim: claims.Claim) -> str:
    """What the quantity of a claim must be: "at least 0.714"."""
    return f"{TESTS[claim.side, claim.strict]} {claim.threshold:.3g}"


def judgements(claim: claims.Claim, source: str, chapters: dict, records_: list) -> list[dict]:
    """Every judgement of a claim from one source; a single "not run" or "no published number" where there is none."""
    mine = [run for run in records_ if run.study == claim.study]
    here = [chapters[claim.study]] if claim.study in chapters else []
    runs = {"authors": here or mine, "recorded": mine, "run": here}[source]  # printed numbers are judged anew by each
    column, found = "authors" if source == "authors" else "run", []
    for run in runs:
        for row in run.judged.get((column, claim.id), ()):
            link = f" <small>{run.link}</small>"
            found.append(row | {"link": "" if source == "authors" else link, "source": source})
    if source == "authors":  # a published number once, whichever runs have it
        seen = [(row["effect"], row["data"]) for row in found]
        found = [row for i, row in enumerate(found) if seen[i] not in seen[:i]]
        found = [row | {"mark": f"point, {row['data']}" if len(found) > 1 else "point"} for row in found]
    if source == "authors":
        missing = claims.NO_PAPER if not claim.cite else claims.NOT_PUBLISHED if runs else claims.NOT_RUN
    else:
        missing = claims.NO_RUN if claim.printed else claims.NOT_RUN
    return found or [{"verdict": missing, "source": source}]


def verdict(j: dict, claim: claims.Claim | None = None) -> str:
    """The badge of a verdict with its mark; the authors' own numbers have none and are points.

    claim: with its number, and the reason where a rule other than the interval decided.
    """
    if j["verdict"] not in SIGNS:
        raise run_records.SiteError(f"verdict {j['verdict']!r} is unknown; expected one of {', '.join(SIGNS)}")
    note = j.get("mark")
    word = badge(j["verdict"], *[note] if isinstance(note, str) and note else [])
    if claim is None or j["verdict"] in NONE:
        return word
    number, why = claims.shown(j["effect"], claim.threshold).replace("-", "−"), reason(claim, j)
    return f'{word} <span class="number">{number}</span>' + (f" <small>({why})</small>" if why else "")


def reason(claim: claims.Claim, j: dict) -> str:
    """``claims.reason`` of a judgement; empty for one without a number."""
    if j["verdict"] in NONE:
        return ""
    names = [f.name for f in fields(claims.Judgement) if f.name != "values"]
    return claims.reason(claim, claims.Judgement(**{name: j[name] for name in names if name in j}))


def numbers(j: dict, claim: claims.Claim) -> tuple[str, str, str, str]:
    """Effect, interval, seeds, and data with preset; digits as ``claims.shown`` has them."""
    if j["verdict"] in NONE:
        return "", "", "", ""

    def shown(value: float) -> str:
        return claims.shown(value, claim.threshold).replace("-", "−")

    if j["source"] == "authors":
        return shown(j["effect"]), "none published", "not published", html.escape(f"{j['data']}, as published")
    ends = "none" if math.isnan(j["low"]) else f"{shown(j['low'])} to {shown(j['high'])}"
    if not math.isnan(j.get("null_low", math.nan)):
        ends += f"<br><small>null: {markup.number(j['null_low'])} to {markup.number(j['null_high'])}</small>"
    return shown(j["effect"]), ends, str(int(j["seeds"])), html.escape(f"{j['data']}, {j['preset']}")


def seeds_of(j: dict) -> tuple[float, ...]:
    """The effects of a judgement, one a seed; () where the run did not keep them."""
    return tuple(map(float, j["values"].split())) if isinstance(j.get("values"), str) else ()
