"""lib.book.statements: every statement of the book says whose it is, as far as its source was read."""

import re

import pytest

from lib import claims, study
from lib.book import claim_counts, statements
from lib.hashing import ROOT

EVERY = [statement for name in study.names() for statement in statements.numbered(name)]
PROSE = [p for f in ("book/*.md", "notebooks/*.py", "exercises/*.py") for p in sorted(ROOT.glob(f))]


def test_no_numbered_statement_is_missed():
    written = sum(len(re.findall(r":::\{prf:(?!proof)", path.read_text(encoding="utf-8"))) for path in PROSE)
    assert len(EVERY) == written > 30
    assert len({s.label for s in EVERY}) == written


@pytest.mark.parametrize("statement", EVERY, ids=lambda s: s.label)
def test_every_numbered_statement_says_what_it_rests_on(statement):
    assert any(base in statement.basis for base in statements.BASES), statement


def test_a_paper_is_said_to_prove_only_where_its_text_was_read():
    """Of minority collapse the abstract alone was read, of the block model a summary alone."""
    proved = {s.study for s in EVERY if "proved in the paper" in s.basis}
    assert proved == {"alignment_uniformity", "strata_theory"}
    assert (
        next(s for s in EVERY if s.label == "st-many").basis == "stated in the paper, which does not present the proof"
    )
    assert "from a summary" in next(s for s in EVERY if s.label == "sbm-collapse").basis


def test_the_rows_of_the_theory_of_l_spread_say_what_they_rest_on():
    text = (ROOT / "notebooks/strata_theory.py").read_text(encoding="utf-8").split("| statement | rests on |")[1]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|", text.split('""")')[0], re.M)[1:]
    assert len(rows) == 21
    assert [r for r in rows if not any(base in r[1] for base in (*statements.BASES, "numerical only"))] == []


def test_the_page_says_what_was_read_of_every_source_that_a_claim_cites():
    text = (ROOT / "book/statements.md").read_text(encoding="utf-8")
    read = set(re.findall(r"\{cite:t\}`(\w+)`", text))
    assert {c.cite for c in claims.known().values() if c.cite} <= read


def test_the_lists_are_whole():
    on_pages, of_claims = statements.on_pages(), statements.of_claims()
    assert all(f'.html#{s.label}"' in on_pages for s in EVERY)
    assert all(f'scoreboard.html#{c}"' in of_claims for c in claims.known())
    assert len(of_claims.splitlines()) == len(claims.known()) + 2


def test_numbers_of_the_l_spread_paper_are_cited_as_the_text_that_was_read():
    assert not any(c.cite == "chen2022" for c in claims.known().values())


def test_data_that_the_sources_do_not_name_are_unknown_and_match_no_run():
    unknown = {c.id for c in claims.known().values() if c.data == ("unknown",)}
    assert {re.sub(r"[a-z]$", "", c) for c in unknown} == {
        *("lspread-12", "lspread-13", "lspread-15"),
        *("alignment-5", "alignment-6", "alignment-8", "alignment-10", "alignment-12"),
        *("disentangle-2", "disentangle-4", "disentangle-5", "disentangle-6"),
    }
    for claim in unknown:
        for data in ("cifar10", "stl10", "mnist"):
            assert claims.mark(claims.known()[claim], claims.made_on({"data": data}), 3) == claims.ANALOGUE


@pytest.mark.parametrize("path", PROSE, ids=lambda p: p.name)
def test_no_page_says_more_of_thresholds_than_the_claims_file(path):
    said = re.search(r"hresholds?[^.]*before any|three were fixed|none was typed", path.read_text(encoding="utf-8"))
    assert not said, said[0]


def test_what_is_said_of_thresholds_is_counted_from_the_claims_and_the_runs():
    every = claims.known().values()

    class Record:
        study, provenance = "mediation", {"started": "2026-11-22T04:49:20Z"}

    text = claim_counts.registered([Record])
    late = sum(c.study == "mediation" for c in every)
    assert f"{late} are dated after the first run of record" in text
    assert f"each of the {len(every)} claims" in text
    assert f"With {sum('note' in c.registered for c in every)} a note" in text
    assert "are dated after" not in claim_counts.registered([])
