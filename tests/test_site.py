import functools
import importlib.util
import json
import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
import yaml
from small_book import STUDY, linked, make_run
from sphinx.cmd import build as sphinx

from lib import claims, study
from lib.book import (
    benchmarks_page,
    claim_counts,
    findings,
    front_page,
    run_records,
    scoreboard,
    site,
    sources_shown,
    study_page,
    sweeps,
)
from lib.book.run_records import RunRecord, SiteError
from lib.figures import charts
from lib.hashing import ROOT
from lib.study.results import Results

spec = importlib.util.spec_from_file_location("offline", ROOT / "book/_ext/offline.py")
offline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline)


# The same in every test of this process, and slow to draw; of the sources those to which the prose links.
LISTING, MEASURED = functools.cache(sources_shown.listing), functools.cache(benchmarks_page.parts)
LINKED = functools.cache(linked)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(run_records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sources_shown, "sources", LINKED)
    monkeypatch.setattr(sources_shown, "listing", LISTING)
    monkeypatch.setattr(benchmarks_page, "parts", MEASURED)
    return tmp_path / "results"


@pytest.fixture(scope="module")
def assembled(tmp_path_factory) -> Path:
    """The source of a book in which one study was run, and no other."""
    root = tmp_path_factory.mktemp("assembled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_records, "RESULTS", root / "results")
        patch.setattr(sources_shown, "sources", LINKED)
        patch.setattr(sources_shown, "listing", LISTING)
        patch.setattr(benchmarks_page, "parts", MEASURED)
        site.assemble({STUDY: make_run(root / "results/runs" / STUDY / "quick-1")}, root / "out")
    return root / "out"


def times(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_the_same_inputs_give_the_same_folder_and_write_nothing_again(results, monkeypatch, tmp_path):
    run = make_run(results / "runs" / STUDY / "quick-1")
    site.assemble({STUDY: run}, tmp_path / "one")
    before = times(tmp_path / "one")
    (tmp_path / "one/stale.md").write_text("left over")
    site.assemble({STUDY: run}, tmp_path / "one")
    assert times(tmp_path / "one") == before
    monkeypatch.setattr(sources_shown, "listing", LISTING.__wrapped__)
    monkeypatch.setattr(benchmarks_page, "parts", MEASURED.__wrapped__)
    site.assemble({STUDY: run}, tmp_path / "two")
    relative = {p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert relative == {
        p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()
    }


def test_every_page_of_the_contents_and_every_link_of_a_figure_is_there(assembled):
    toc = yaml.safe_load((assembled / "_toc.yml").read_text())
    others = {f"notebooks/{name}" for name in study.names()} - {f"notebooks/{STUDY}"}  # no run of theirs was made
    for name in {toc["root"]} | {c["file"] for part in toc["parts"] for c in part["chapters"]} - others:
        assert list(assembled.glob(f"{name}.*")), name
    text = (assembled / f"notebooks/{STUDY}.ipynb").read_text()
    for address in (
        f"_static/runs/{STUDY}/quick-1/figures/rh.csv",
        f"_static/runs/{STUDY}/quick-1/figures/rh.svg",
        f"_static/runs/{STUDY}/quick-1/provenance.json",
        f"_static/runs/{STUDY}/quick-1/{STUDY}.ipynb",
        "_static/code/lib/harms/representation.py.html",
    ):
        assert f"../{address}" in text.replace('\\"', '"')
        assert (assembled / address).exists()
    assert 'id="representation_harm"' in (assembled / "_static/code/lib/harms/representation.py.html").read_text()


def cell(kind: str, source: str, *tags: str, outputs=None):
    new = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}[kind](source)
    new.metadata["tags"] = list(tags)
    if outputs:
        new.outputs = outputs
    return new


def test_present_prose_meets_the_outputs_of_the_run():
    out = [nbformat.v4.new_output("stream", text="42")]
    executed = nbformat.v4.new_notebook(
        cells=[
            cell("markdown", "old words"),
            cell("code", "a = 1", "parameters"),
            cell("code", "a = 2", "injected-parameters"),
            cell("code", "print(a)", outputs=out),
        ]
    )
    source = nbformat.v4.new_notebook(
        cells=[
            cell("markdown", "new words"),
            cell("code", "a = 1", "parameters"),
            cell("markdown", "and more"),
            cell("code", "print(a)"),
        ]
    )
    merged = study_page.merge(source, executed, "x")
    assert [c.source for c in merged.cells] == ["new words", "a = 1", "a = 2", "and more", "print(a)"]
    assert merged.cells[-1].outputs[0].text == "42"
    nbformat.validate(merged)


@pytest.mark.parametrize("present", [["a = 1", "b = 2"], ["a = 2"]])
def test_a_notebook_whose_code_has_changed_is_refused(present):
    executed = nbformat.v4.new_notebook(cells=[cell("code", "a = 1")])
    source = nbformat.v4.new_notebook(cells=[cell("code", text) for text in present])
    with pytest.raises(SiteError, match="not those that were executed"):
        study_page.merge(source, executed, "x")


def test_a_changed_comment_is_not_changed_code():
    executed = nbformat.v4.new_notebook(cells=[cell("code", "a = 1  # one")])
    source = nbformat.v4.new_notebook(cells=[cell("code", "a = 1")])
    assert study_page.merge(source, executed, "x").cells[0].source == "a = 1"


def test_a_run_of_earlier_code_that_was_asked_for_keeps_its_own_prose(results, tmp_path):
    run = make_run(results / "runs" / STUDY / "quick-1")
    old = make_run(results / "runs" / STUDY / "quick-2")
    (old / "requested").touch()
    notebook = nbformat.read(old / "executed.ipynb", as_version=4)
    notebook.cells += [cell("markdown", "as it was said then"), cell("code", "1 + 1")]
    nbformat.write(notebook, old / "executed.ipynb")
    site.assemble({STUDY: run}, tmp_path / "out")
    assert "as it was said then" in (tmp_path / f"out/runs/{STUDY}-quick-2.ipynb").read_text()


def test_links_to_sources_lead_to_their_listing_and_dead_ones_are_refused():
    text = sources_shown.markdown("see [`nt_xent`](../lib/losses/self_supervised.py#nt_xent)", "notebooks/x")
    assert text == 'see <a href="../_static/code/lib/losses/self_supervised.py.html#nt_xent"><code>nt_xent</code></a>'
    with pytest.raises(SiteError, match=r"no_such in lib/losses/self_supervised\.py"):
        sources_shown.markdown("[x](../lib/losses/self_supervised.py#no_such)", "index")
    with pytest.raises(SiteError, match=r"lib/nothing\.py, which does not exist"):
        sources_shown.markdown("[x](../lib/nothing.py)", "index")


def test_a_listing_shows_the_file_line_by_line_with_an_anchor_a_function():
    text = sources_shown.listing("lib/losses/self_supervised.py")
    lines = (ROOT / "lib/losses/self_supervised.py").read_text().splitlines()
    assert text.count('class="line"') == len(lines)
    number = next(i for i, line in enumerate(lines, 1) if line.startswith("def nt_xent"))
    assert f'id="nt_xent"><a href="#L{number}">' in text


def board(text: str) -> dict[str, str]:
    """The rows of the scoreboard by the id of the claim."""
    return {m[1]: m[0] for m in re.finditer(r'<tr id="([\w-]+)" data-paper.*?(?=<tr id="|```)', text, re.S)}


def test_the_scoreboard_has_every_claim_and_says_what_was_not_run(assembled):
    text = (assembled / "scoreboard.md").read_text()
    sections = board(text)
    guide = (assembled / "how-to-read.md").read_text()
    assert "<!-- " not in text + guide and "<td>94.4</td>" in guide and (assembled / "_static/coverage.csv").exists()
    assert set(sections) == set(claims.known())
    assert all("notebooks/" in row.split("Evidence: ")[1] for row in sections.values())
    first, second = sections["harms-1"], sections["harms-2a"]
    assert "✓ holds" in first and "analogue" in first and "point" in first and "0.700 to 0.900" in first
    assert first.count("not run") == 1  # no recorded run
    assert first.count("<small>analogue</small>") == 1 and first.count("<small>point</small>") == 1
    assert second.count("– not run") == 2 and second.count("no published number") == 1
    assert "– does not apply" in sections["harms-15"] and "no published number" not in sections["harms-15"]


def judged_run(name: str, values: dict[str, list[float]], keep: bool = True) -> SimpleNamespace:
    """A run of a study that judged claims on one value a seed; keep: whether its file has them."""
    made = Results(name, {"data": "digits"})
    for claim, effects in values.items():
        made.judge(claim, effects, True, ())
    table = made.tables("quick-1", 3, "quick", "digits")[1]
    table = table if keep else table.assign(values=None)
    judged = {key: rows.to_dict("records") for key, rows in table.groupby(["source", "claim"])}
    return SimpleNamespace(study=name, claims=table, judged=judged, link="run")


def test_headline_claims_are_judged_once_more_by_holms_method_paper_by_paper():
    near = [0.1, 0.5, 0.3, 0.6, 0.2]  # above 0 with p = 0.02
    strata = {"lspread-3b": near, "lspread-1h": [0.5, 0.9, 0.2], "lspread-6a": near}
    chapters = {"lspread_strata": judged_run("lspread_strata", strata)}
    rows = {
        row.split("#")[1].split('"')[0]: row for row in claim_counts.headlines(chapters, []).split("<tr>") if "#" in row
    }
    assert set(rows) == {c.id for c in claims.known().values() if c.headline}  # lspread-6a is none
    words = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", rows["lspread-3b"])[1:]]
    assert words == ["– not run", "–", "✓ holds analogue", "✓ holds"]  # the one claim that another one leaves open
    strata["lspread-3a"] = [0.0, 0.1, 0.05]
    chapters = {"lspread_strata": judged_run("lspread_strata", strata)}
    row = next(r for r in claim_counts.headlines(chapters, []).split("<tr>") if "#lspread-3b" in r)
    assert "? not decided" in row and "✓ holds" in row  # p = 0.02 is above 0.05 / 3


def test_the_page_counts_the_verdicts_that_rest_on_an_interval():
    strata = {"lspread-3b": [0.1, 0.5, 0.3, 0.6, 0.2], "lspread-3a": [0.0, 0.1, 0.05], "lspread-1h": [0.5] * 3}
    chapters = {"lspread_strata": judged_run("lspread_strata", strata)}
    first, second = claim_counts.many_claims(chapters, []).splitlines()
    assert first.startswith("* 2 verdicts of this run rest on an interval over seeds; 1 of them are decided.")
    assert "about 0.1 of so many intervals" in first and "* 0 verdicts of the runs of record" in second


def test_an_old_record_without_its_values_says_so():
    record = judged_run("lspread_strata", {"lspread-3b": [0.1, 0.5, 0.3, 0.6, 0.2]}, keep=False)
    assert claims.NOT_KEPT in claim_counts.headlines({}, [record])


def test_the_first_screen_of_a_study_and_of_the_book_say_the_scale_of_the_run(assembled):
    first = nbformat.read(assembled / f"notebooks/{STUDY}.ipynb", as_version=4).cells[0].source
    scale = "8 × 8 digits, a small convolutional net, 20 epochs, 3 seeds, 72 trained encoders"
    assert first.index(scale) < first.index("**Question.**") and "CIFAR-10, ResNet-34, 500 epochs, 10 seeds" in first
    front = (assembled / "index.md").read_text(encoding="utf-8")
    assert "**Scale.** Run here: 8 × 8 digits;" in front
    assert scale in front.split("## How large the runs are")[1]


def test_a_recorded_run_stands_between_the_authors_and_this_run(results, tmp_path):
    run = make_run(results / "runs" / STUDY / "quick-1")
    four = {"data": "cifar10", "classes": "airplane,ship,automobile,truck"}
    record = make_run(results / "recorded" / STUDY / "laptop-9", effect=0.5, **four)
    old = pd.read_csv(record / "claims.csv").drop(columns="mark").assign(data="cifar10", analogue=False)
    old.to_csv(record / "claims.csv", index=False)
    site.assemble({STUDY: run}, tmp_path / "out")
    first = board((tmp_path / "out/scoreboard.md").read_text())["harms-1"]
    assert first.count("<small>reduced</small>") == 1 and first.count("<small>analogue</small>") == 1
    assert first.index("<td>published numbers") < first.index("runs of record <small>") < first.index("<td>this run")
    assert (tmp_path / f"out/_static/recorded/{STUDY}/laptop-9/provenance.json").exists()
    assert "laptop-9" in (tmp_path / "out/status.md").read_text()


def test_the_front_page_has_findings_the_forest_and_an_answer_a_study(assembled):
    text = (assembled / "index.md").read_text(encoding="utf-8")
    published = [c for c in claims.known().values() if c.whose == "paper"]
    assert f"{len(published)} claims of " in text.split("<ol")[0] and "Maity et al. (2024)" in text.split("<ol")[0]
    forest = text.split('<ul class="forest">')[1].split("</ul>")[0]
    assert forest.count("<li>") == 1 and '#harms-1"' in forest, "the one published headline claim with a number"
    assert "published 0.800: holds; this run 0.800, 0.700 to 0.900: holds" in forest
    rows = text.split("## The studies")[1].split("## How large")[0].strip().splitlines()
    assert len(rows) == len(study.names())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Methods differ: RH runs from 0.8 to 1.1. More.", "Methods differ: RH runs from 0.8 to 1.1."),
        ("RH is 0.91 on average; The others are not.", "RH is 0.91 on average."),
    ],
)
def test_an_answer_ends_with_what_was_found(said, shown):
    output = nbformat.v4.new_output("display_data", {"text/markdown": f":::{{note}}\n{said}\n:::"})
    cell = nbformat.v4.new_code_cell(outputs=[output], metadata={"tags": ["in-short"]})
    assert front_page._answer(SimpleNamespace(notebook=nbformat.v4.new_notebook(cells=[cell]))) == shown


def test_the_findings_are_chosen_by_mark_margin_and_date_and_some_fail(results):
    four = {"data": "cifar10", "classes": "airplane,ship,automobile,truck"}
    run = RunRecord(STUDY, make_run(results / "recorded" / STUDY / "laptop-9", **four), "recorded")
    row = pd.read_csv(run.folder / "claims.csv").query("source == 'run'").iloc[0].to_dict()
    row |= {"data": "cifar10"}
    lines = [("harms-1", 0.8, 0.7, 0.9), ("harms-2a", 0.1, 0.09, 0.11)]
    words = {"harms-1": claims.HOLDS, "harms-2a": claims.FAILS}
    table = [row | dict(zip(("claim", "effect", "low", "high"), line, strict=True)) for line in lines]
    pd.DataFrame([r | {"verdict": words[r["claim"]]} for r in table]).to_csv(run.folder / "claims.csv", index=False)
    found = front_page.chosen({}, [run])
    assert [(c.id, j["verdict"]) for c, j in found] == [("harms-2a", claims.FAILS), ("harms-1", claims.HOLDS)]
    said = front_page.found({}, [run])
    assert said.count("<li>") == 2 and "<strong>0.100</strong> (95 % interval 0.090 to 0.110)" in said
    assert "CIFAR-10, 3 seeds, reduced" in said and 'href="scoreboard.html#harms-2a"' in said
    other = RunRecord(STUDY, make_run(results / "recorded" / STUDY / "laptop-8", **four), "recorded")
    pd.DataFrame([r | {"verdict": claims.HOLDS, "run": "laptop-8"} for r in table[1:2]]).to_csv(
        other.folder / "claims.csv", index=False
    )
    left = [c.id for c, _ in front_page.chosen({}, [run, other])]
    assert "harms-2a" not in left, "runs of record that contradict each other are no finding"
    digits = RunRecord(STUDY, make_run(results / "recorded" / STUDY / "laptop-7", data="digits"), "recorded")
    pd.DataFrame([r | {"verdict": claims.HOLDS, "data": "digits", "run": "laptop-7"} for r in table[1:2]]).to_csv(
        digits.folder / "claims.csv", index=False
    )
    nearest = {c.id: j for c, j in front_page.chosen({}, [run, digits])}
    assert nearest["harms-2a"]["run"] == run.id, "digits do not contradict the images of the claim"


def test_a_page_says_what_runs_of_record_found_headline_claims_first(results, monkeypatch):
    four = {"data": "cifar10", "classes": "airplane,ship,automobile,truck"}
    run = RunRecord(STUDY, make_run(results / "recorded" / STUDY / "laptop-9", **four), "recorded")
    row = pd.read_csv(run.folder / "claims.csv").query("source == 'run'").iloc[0].to_dict() | {"data": "cifar10"}
    lines = [("harms-15", claims.FAILS), ("harms-1", claims.FAILS), ("harms-2a", claims.UNDECIDED)]
    table = pd.DataFrame([row | {"claim": name, "verdict": verdict} for name, verdict in lines])
    table.to_csv(run.folder / "claims.csv", index=False)
    said = findings.of_record(STUDY)
    assert re.findall(r'\.\./scoreboard\.html#([\w-]+)"', said) == ["harms-1", "harms-15"], "the decided ones"
    assert "../notebooks/" in said and "does not hold" in said.split("</li>")[0]
    site.assemble({STUDY: make_run(results / "runs" / STUDY / "quick-1")}, results / "out")
    cells = nbformat.read(results / f"out/notebooks/{STUDY}.ipynb", as_version=4).cells
    assert sum('class="of-record"' in cell.source for cell in cells) == 1
    monkeypatch.setattr(findings, "A_PAGE", 1)
    assert findings.of_record(STUDY).count("<li>") == 1
    assert findings.of_record("mediation") == ""


def test_at_least_two_findings_fail_where_so_many_do_and_no_study_has_more_than_two(monkeypatch):
    judged = {
        "lspread-1f": ("exact", 0),
        "harms-1": ("reduced", 0.3),
        "harms-2a": ("reduced", 0.2),
        "harms-3": ("reduced", 0.1),
    }
    judged |= {"alignment-3a": ("reduced", 0.4), "harms-12": ("reduced", 0.5), "disentangle-5": ("replication", 0.3)}
    judged |= {"lspread-14a": ("reduced", 0.6), "harms-5a": ("analogue", 0.9), "harms-4b": ("analogue", 0.8)}
    fails = ("harms-5a", "harms-4b", "harms-3")

    def best(claim, *_):
        if claim.id not in judged:
            return None
        mark, half = judged[claim.id]
        ends = {"effect": claim.threshold + 1, "low": claim.threshold + 1 - half, "high": claim.threshold + 1 + half}
        return ends | {"mark": mark, "verdict": claims.FAILS if claim.id in fails else claims.HOLDS}

    monkeypatch.setattr(findings, "best", best)
    found = [c.id for c, _ in front_page.chosen({}, [])]
    assert found == ["harms-3", "harms-4b", "disentangle-5", "harms-2a", "alignment-3a", "harms-12"]


def test_all_claims_and_judgements_are_files(assembled):
    table = pd.read_csv(assembled / "_static/claims.csv")
    found = json.loads((assembled / "_static/claims.json").read_text(encoding="utf-8"))
    assert set(table.claim) == {c["claim"] for c in found} == set(claims.known())
    (mine,) = (c["judgements"] for c in found if c["claim"] == "harms-1")
    assert [(j["source"], j["verdict"]) for j in mine] == [
        ("authors", "holds"),
        ("recorded", "not run"),
        ("run", "holds"),
    ]
    assert len(table[table.claim == "harms-1"]) == 3 and table.evidence.str.startswith("notebooks/").all()


def test_the_scoreboard_counts_the_headline_claims_that_hold_on_their_papers_own_figures(results, tmp_path):
    run = make_run(results / "runs" / STUDY / "quick-1")
    table = pd.read_csv(run / "claims.csv")
    author = table[table.source == "authors"].iloc[0].to_dict()
    lines = [("harms-1", 0.9, claims.HOLDS, "cifar10"), ("harms-3", 0.17, claims.FAILS, "cifar10")]
    lines += [("harms-2a", -0.08, claims.HOLDS, "cifar10"), ("harms-2a", 0.01, claims.FAILS, "other")]
    lines += [("harms-2b", 0.6, claims.HOLDS, "cifar10")]  # no headline
    words = ("claim", "effect", "verdict", "data")
    pd.DataFrame([author | dict(zip(words, line, strict=True)) for line in lines]).to_csv(
        run / "claims.csv", index=False
    )
    site.assemble({STUDY: run}, tmp_path / "out")
    text = (tmp_path / "out/scoreboard.md").read_text().split("own figures")[1].split("## What would")[0]
    assert "the papers print a number for 3." in text
    assert "**1 hold, 1 do not hold**, and 1 hold on some of their data sets alone" in text
    assert text.count("<td>CIFAR-10</td>") == 3 and text.count("<td>other</td>") == 1


def test_the_page_on_reading_names_the_claims_that_need_no_gate_with_their_reason(assembled):
    lines = (assembled / "how-to-read.md").read_text().splitlines()
    named = [line for line in lines if line.startswith('* <a href="scoreboard.html#')]
    free = [c for c in claims.known().values() if c.ungated]
    assert len(named) == len(free) > 0
    assert all(f'#{c.id}"' in line and c.ungated in line for c, line in zip(free, named, strict=True))


def test_without_a_run_the_site_says_so(results, tmp_path):
    site.assemble({}, tmp_path / "out")
    assert (tmp_path / "out/index.md").read_text().count("– not run") == len(study.names())
    assert (tmp_path / "out/scoreboard.md").read_text().count("– not run") >= 2 * len(claims.known())


def test_runs_that_were_asked_for_get_pages_and_others_do_not(results, tmp_path):
    run = make_run(results / "runs" / STUDY / "quick-1")
    (make_run(results / "runs" / STUDY / "quick-2", ratio=0.01) / "requested").touch()
    make_run(results / "runs" / STUDY / "quick-3")
    site.assemble({STUDY: run}, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out/runs").iterdir()] == [f"{STUDY}-quick-2.ipynb"]
    own = yaml.safe_load((tmp_path / "out/_toc.yml").read_text())["parts"][2]
    assert own["caption"] == "Your runs"
    assert [c["title"] for c in own["chapters"]] == ["ratio=0.01"]
    text = (tmp_path / f"out/runs/{STUDY}-quick-2.ipynb").read_text()
    assert "ratio=0.01" in text
    targets = re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)", text)
    assert len(targets) >= 3
    for target in targets:  # as Sphinx reads them: from the top, or from the page's folder
        path = target.removeprefix("/") if target.startswith("/") else posixpath.normpath(f"runs/{target}")
        assert path in {f"notebooks/{s}" for s in study.names()} or (ROOT / f"book/{path}.md").exists(), target


def test_statements_on_pages_of_several_runs_share_no_label(results):
    statement = ":::{prf:theorem} A title\n:label: some-theorem\nIt is so, see {prf:ref}`other`.\n:::\n"
    source, shown = f"{statement}\n(anchor)=\n$$ x $$ (eq)", []
    for name in ("quick-1", "quick-2"):
        run = run_records.RunRecord(STUDY, make_run(results / "runs" / STUDY / name), "your run")
        shown.append(study_page._plain(nbformat.v4.new_markdown_cell(source), run).source)
        assert f":label: some-theorem-{name}\n" in shown[-1]
        assert "{prf:ref}`other`" in shown[-1]
        assert "(anchor)" not in shown[-1] and "(eq)" not in shown[-1], "these the chapter has"
    assert shown[0] != shown[1]


def test_a_link_to_a_chapter_is_written_from_the_top_on_the_page_of_a_further_run(results, tmp_path):
    output = nbformat.v4.new_output("display_data", {"text/markdown": "see {doc}`mediation` and {doc}`../rerun`"})
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    run = run_records.RunRecord(STUDY, make_run(results / "runs" / STUDY / "quick-1"), "your run")
    shown = study_page._plain(cell, run).outputs[0].data["text/markdown"]
    assert shown == "see {doc}`/notebooks/mediation` and {doc}`../rerun`"


def test_a_sweep_is_one_tidy_table_with_what_is_missing(results):
    for name, ratio, effect in (("quick-1", 0.01, 0.7), ("quick-2", 0.1, 0.9)):
        make_run(results / "runs" / STUDY / name, effect=effect, ratio=ratio)
    content = {
        "study": STUDY,
        "grid": {"ratio": [0.01, 0.1]},
        "preset": "quick",
        "runs": ["quick-1", "quick-2", "quick-3"],
    }
    sweep = sweeps.Sweep("s", content)
    table = sweep.table()
    assert table[["ratio", "effect"]].dropna().values.tolist() == [[0.01, 0.7], [0.1, 0.9]]
    assert table.verdict.tolist() == ["holds", "holds", "not run"]
    assert table.mark.dropna().tolist() == ["analogue", "analogue"]
    files = sweep.files({}, [])
    assert set(files) == {"runs/sweep-s.md", "_static/sweeps/s.csv", "_static/sweeps/s.svg"}
    assert b"not run" in files["runs/sweep-s.md"]
    assert b"0.700" in files["runs/sweep-s.md"]


def test_every_claim_leads_to_the_form_that_contests_it_where_there_is_a_repository(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert "Contest" not in scoreboard.board({}, [])
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    text = scoreboard.board({}, [])
    assert all(f'title=Contest%20{name}&amp;claim={name}"' in text for name in claims.known())


def test_a_launch_button_needs_a_repository(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert not {"launch_buttons", "repository"} & set(yaml.safe_load(site._config()))
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    config = yaml.safe_load(site._config())
    assert config["launch_buttons"]["colab_url"]
    assert config["repository"] == {"url": "https://github.com/somebody/fork", "branch": "notebooks"}
    pushed = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())["jobs"]["notebooks"]["steps"][-1]["run"]
    assert "git init -q -b notebooks" in pushed


def test_a_notebook_with_an_address_gets_the_library_where_it_is_missing(results, monkeypatch, tmp_path):
    """The cell is typed in a folder that has nothing: it clones, and the library can be imported."""
    run = RunRecord(STUDY, make_run(results / "runs" / STUDY / "quick-1"), "this book")
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    plain = study_page._alone(run.notebook, run)
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/fork")
    title, cell, *rest = study_page._alone(run.notebook, run).cells
    assert [c.source for c in (title, *rest)] == [c.source for c in plain.cells]
    assert "https://github.com/somebody/fork" in cell.source and cell.cell_type == "code"
    typed = cell.source.replace("https://github.com/somebody/fork", str(ROOT))
    (tmp_path / "empty").mkdir()
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("GIT_")}
    command = [sys.executable, "-c", f"{typed}\nfrom lib import study; print(study.__file__)"]
    done = subprocess.run(command, cwd=tmp_path / "empty", env=alone, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "empty/book/lib/study/__init__.py"), done.stderr


def test_a_missing_run_ends_with_one_clear_line(results, capsys, tmp_path):
    assert site.main([f"--current={STUDY}={tmp_path}/nothing", f"--out={tmp_path}/out"]) == 1
    assert "holds no executed.ipynb" in capsys.readouterr().err.strip().splitlines()[-1]


def build(folder: Path, capsys) -> tuple[int, str]:
    """Build a small Sphinx project with the extension alone: exit status and what it printed on stderr."""
    (folder / "_static").mkdir(exist_ok=True)
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'book/_ext')!r})\n"
        "extensions = ['myst_nb', 'offline']\nnb_execution_mode = 'off'\nhtml_theme = 'basic'\n"
        "html_static_path = ['_static']\n"
    )
    status = sphinx.main(["-q", "-W", "--keep-going", "-b", "html", str(folder), str(folder / "_html")])
    return status, capsys.readouterr().err


def write_notebook(folder: Path, html: str) -> None:
    output = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "chart"})
    cells = [cell("markdown", "# Title"), cell("code", "1", outputs=[output])]
    metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), folder / "index.ipynb")


def test_a_chart_without_a_description_fails_the_build(tmp_path, capsys):
    chart = charts.alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x")
    write_notebook(tmp_path, chart.to_html(template="universal", fullhtml=False))
    status, said = build(tmp_path, capsys)
    assert status != 0
    assert "index.ipynb: a chart has no alt text" in said
    write_notebook(tmp_path, chart.properties(description="x is 1").to_html(template="universal", fullhtml=False))
    assert build(tmp_path, capsys) == (0, "")


def test_an_image_without_alternative_text_fails_the_build_every_time(tmp_path, capsys):
    write_notebook(tmp_path, '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" alt=" ">')
    for _ in range(2):
        status, said = build(tmp_path, capsys)
        assert status != 0
        assert "no alt text on data:image/gif" in said


def test_a_warning_fails_the_build_every_time(tmp_path, capsys):
    (tmp_path / "index.md").write_text("# Title\n\n[](no-such-page.md)\n")
    assert [build(tmp_path, capsys)[0] != 0 for _ in range(2)] == [True, True]


def test_a_static_file_that_alone_has_changed_reaches_the_site(tmp_path, capsys):
    (tmp_path / "_static").mkdir()
    (tmp_path / "index.md").write_text("# Title\n")
    for text in ("one", "two"):
        (tmp_path / "_static/data.csv").write_text(text)
        assert build(tmp_path, capsys) == (0, "")
        assert (tmp_path / "_html/_static/data.csv").read_text() == text
