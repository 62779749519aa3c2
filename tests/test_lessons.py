"""The pages for teachers and students: their tables come from the exercises, and what they name is there."""

import re
import runpy
from pathlib import Path

import jupytext
import pytest

from lib import study
from lib.book import in_order, lessons
from lib.book.classroom import chapter
from lib.book.classroom.exercise import Chapter

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / f"book/{name}.md").read_text(encoding="utf-8") for name in ("teaching", "student")}
EXERCISES = {p.stem: runpy.run_path(str(p))["EXERCISES"] for p in sorted((ROOT / "classroom").glob("*.py"))}


def cells(table: str) -> list[list[str]]:
    rows = re.findall(r"<tr>((?:<td>.*?</td>)+)</tr>", table, re.S)
    return [re.findall(r"<td>(.*?)</td>", row, re.S) for row in rows]


def test_a_row_a_chapter_with_the_sums_of_its_exercises():
    found = {
        re.search(r"notebooks/(\w+)\.html", row[0])[1]: tuple(map(int, row[4:7])) for row in cells(lessons.chapters())
    }
    assert found == {
        name: (len(each), sum(e.minutes for e in each), sum(e.points for e in each)) for name, each in EXERCISES.items()
    }


def test_a_row_an_exercise_and_a_row_a_criterion():
    found = [re.sub("<.*?>", "", row[1]) for row in cells(lessons.by_exercise())]
    assert sorted(found) == sorted(f"{n}: {e.label}" for each in EXERCISES.values() for n, e in enumerate(each, 1))
    points = [int(row[2]) for row in cells(lessons.rubrics())]
    assert sum(points) == 10 * len(EXERCISES)  # as the page says


def test_page_and_table_say_the_same_of_what_a_chapter_asks():
    for row in cells(lessons.chapters()):
        name = re.search(r"notebooks/(\w+)\.html", row[0])[1]
        line = re.sub("<.*?>", "", lessons.asks(name, "../"))
        assert line.startswith(f"{row[1].capitalize()}. ")
        assert f"* **{row[1].capitalize()}**" in PAGES["teaching"]
        needs = [re.sub("<.*?>", "", part) for part in row[2].split("<br>") if part and not part.startswith("first ")]
        assert all(f"Needs: {part}." in line for part in needs)
        assert f"{row[3]} minutes to read, {row[5]} more for the exercises." in line


def test_chapters_to_read_before_stand_before_in_the_book():
    order = in_order.studies()
    for name in order:
        assert all(order.index(first) < order.index(name) for first in lessons.chapter(name).after)


def test_minutes_count_words_figures_and_statements(monkeypatch):
    said = [("# %% [markdown]", "# # T\n#\n# " + "word " * 398), ("# %%", 'run.show("a", x)\nshow(\n    "b", y)')]
    proved = ("# %% [markdown]", "# :::{prf:theorem} One (known before)\n# :label: one\n# It holds.\n# :::")
    monkeypatch.setattr(study, "cells", lambda name: [*said, proved])
    assert lessons.minutes("any") == 2 + 2 + 2
    monkeypatch.setattr(study, "cells", lambda name: [said[0]])
    assert lessons.minutes("any") == 2


def test_a_level_that_is_none_is_refused():
    with pytest.raises(ValueError, match="level='hard' of a chapter; give one of introductory, intermediate, advanced"):
        Chapter("hard")


def test_every_chapter_stands_in_the_twelve_weeks_and_in_the_table_of_reruns():
    weeks = PAGES["teaching"].partition("### Twelve weeks")[2].partition("\n## ")[0]
    reruns = PAGES["teaching"].partition("adds to the rule")[2].partition("\n## ")[0]
    for part in (weeks, reruns):
        assert sorted(re.findall(r"\{doc\}`notebooks/(\w+)`", part)) == sorted(study.names())


@pytest.mark.parametrize("page", PAGES)
def test_exercises_that_a_page_names_are_there(page):
    known = {e.label for each in EXERCISES.values() for e in each}
    assert set(re.findall(r"`(exercise-[\w-]+)`", PAGES[page])) <= known


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_variables_that_a_page_names_are_makes(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    assert set(re.findall(r"make (\w+)(?= STUDY)", PAGES[page])) <= targets
    for name in set(re.findall(r"\b([A-Z]{3,})=", PAGES[page])):
        assert re.search(rf"\b{name}\b", makefile), name


def test_files_that_the_page_says_are_written_are_named_in_the_code():
    text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "lib/book/classroom").glob("*.py"))
    tables = re.findall(r"^\| (`[^|]*)\|", PAGES["teaching"], re.M)
    names = {name for cell in tables for name in re.findall(r"`([\w.-]+)/?`", cell)} - {"worst_group.zip"}
    assert len(names) > 8
    for name in names:
        stem, _, kind = name.partition(".")
        assert name in text or (kind == "csv" and f'"{stem}"' in text), name


def test_solutions_stand_on_their_page_and_no_longer_in_the_chapter():
    text = lessons.solutions()
    for name, each in EXERCISES.items():
        whole = chapter.together(jupytext.read(ROOT / f"notebooks/{name}.py").cells, name)
        solved = [c for c in whole if "solution" in c.metadata.get("tags", [])]
        assert len(solved) == len(each)
        for cell in (c for c in solved if c.cell_type == "code"):
            assert cell.source.strip() in text
        kept = lessons.without_solutions(whole, name, "../")
        assert [c.source for c in whole if c in kept] == [c.source for c in kept]
        assert not {c.source for c in solved} & {c.source for c in kept}
        assert sum("solutions.html#solutions-" + name.replace("_", "-") in c.source for c in kept) == 1
        assert f"(solutions-{name.replace('_', '-')})=" in text
    assert all(f"#{e.label}" in text for each in EXERCISES.values() for e in each)
    links = re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)", text)
    assert links and all((ROOT / f"{link.lstrip('/')}.py").exists() for link in links)  # from the top of the book
