"""lib.book.contents: every row of the table of the papers' contents leads somewhere, or says why it does not."""

import csv
import json
import re

import pytest
import yaml

from lib import claims, study
from lib.book import contents
from lib.hashing import ROOT

RECORDED = ROOT / "results/recorded"
EVERY = contents.rows()
PLAIN = {"kind": "check", "what": "a row", "at": ["mediation#method"]}


def test_every_kind_of_every_paper_has_rows():
    papers = dict.fromkeys(row.paper for row in EVERY)
    assert list(papers) == ["maity2024", "detailsmatter2022", "wang2020", "nguyen2026", "matthes2023"]
    assert {row.kind for row in EVERY} == set(contents.KINDS)
    assert len(EVERY) > 190


def test_every_row_has_a_link_or_a_reason():
    assert [row.what for row in EVERY if not row.at and not row.reason] == []
    assert [row.what for row in EVERY if bool(row.reason) != bool(row.note)] == []


def test_every_claim_of_the_book_and_every_file_of_printed_numbers_is_in_a_row():
    assert {claim for row in EVERY for claim in row.claims} == set(claims.known())
    printed = {path.name for path in (ROOT / "results/reported").glob("*.csv")}
    assert {name for row in EVERY for name in row.reported} == printed


def test_the_presets_of_a_row_are_those_whose_values_it_asks_for():
    parts = {}
    for path in ROOT.glob("presets/*/*.yaml"):
        values = {n: p.default for n, p in study.parameters(path.stem).items()} | yaml.safe_load(path.read_text())
        words = {n: {str(v), *re.split(r",\s*", str(v))} for n, v in values.items()}
        parts.setdefault(path.stem, {})[path.parent.name] = words
    for row in (row for row in EVERY if row.study):
        asked = [n for n, v in parts[row.study].items() if all(v[name] & set(wanted) for name, wanted in row.where)]
        assert sorted(row.presets) == sorted(asked), row.what


def column(path, name):
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_what_is_called_recorded_is_in_the_files_of_the_runs_of_record():
    """A run that judges none of a row's claims and measured none of its quantities does not count."""
    for row in EVERY:
        found = {run.folder for run in row.recorded()}
        runs = RECORDED.glob(f"{row.study}/*/provenance.json" if row.study else "none")
        for folder in (path.parent for path in runs):
            params = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["params"]
            here = all({str(params[n]), *str(params[n]).split(",")} & set(w) for n, w in row.where if n in params)
            judged = set(column(folder / "claims.csv", "claim")) & set(row.claims)
            measured = set(column(folder / "results.csv", "quantity")) & set(row.measured)
            if folder in found:
                assert here and (judged or measured), (row.what, folder)
            else:
                assert not (here and measured), (row.what, folder)


def test_a_claim_whose_values_were_not_kept_is_not_recorded(monkeypatch):
    row = next(row for row in EVERY if row.recorded() and not row.measured)
    run = row.recorded()[0]
    monkeypatch.setattr(contents, "_records", lambda: (run,))
    monkeypatch.setitem(run.__dict__, "claims", run.claims.assign(verdict=claims.NOT_KEPT))
    assert row.recorded() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "thing"}, "kind='thing'"),
        ({"at": ["mediation#no-such-section"]}, r"at=\['mediation#no-such-section'\]"),
        ({"at": ["mediation#fig-nothing"]}, "at="),
        ({"at": ["no_study#method"]}, "at="),
        ({"at": ["no-page"]}, "at="),
        ({"at": ["lib/claims/rule.py#no_function"]}, "at="),
        ({"at": ["lib/none.py#judge"]}, "at="),
        ({"claims": ["harms-99"]}, "claims="),
        ({"where": {"ratios": 0.01}}, "where="),
        ({"where": {"data": "imagenet"}}, "no preset of mediation"),
        ({"reason": "too hard", "note": "x"}, "reason="),
        ({"reason": contents.NOT_BUILT}, "note="),
        ({"reported": ["none.csv"]}, "reported="),
        ({"at": []}, "neither a link"),
        ({"places": []}, "unknown field 'places'"),
        ({"what": None}, "expected a mapping"),
    ],
)
def test_a_row_that_names_what_is_not_there_is_refused(change, said):
    assert contents.check("maity2024", PLAIN).at == ("mediation#method",)
    with pytest.raises(contents.ContentsError, match=said):
        contents.check("maity2024", PLAIN | change)


def test_the_page_lists_every_row_with_its_links():
    table = contents.table()
    assert sum(line.startswith(tuple(f"| {kind} |" for kind in contents.KINDS)) for line in table.splitlines()) == len(
        EVERY
    )
    assert 'href="notebooks/mediation.html#the-effects"' in table and 'href="scoreboard.html#harms-1"' in table
    counted = re.findall(r"^\| (?!what|---)(.+?) \| (\d+) \|$", contents.reasons(), re.M)
    assert sum(int(n) for _, n in counted) == sum(bool(row.reason) for row in EVERY)
