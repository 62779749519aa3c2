"""lib.book.lab, lib.book.classroom.chapter: a study with its exercises is one notebook to a reader, and two files."""

import asyncio
import shutil

import jupytext
import pytest

from lib import study
from lib.book.classroom import chapter, notebook
from lib.hashing import ROOT
from lib.study import declared

NAME = "minority_collapse"


@pytest.mark.parametrize("name", study.names())
def test_what_is_put_together_comes_apart_as_it_was(name):
    alone = jupytext.read(study.source(name)).cells
    whole = chapter.together(alone, name)
    sources = [cell.source for cell in whole]
    heading = next(i for i, text in enumerate(sources) if text.startswith("## Exercises\n"))
    assert f"STUDY={name} " in sources[heading] and sources[-2] == "## Stamp"
    assert "exercise-setup" in whole[heading + 1].metadata.tags
    written, asked = chapter.apart(whole)
    assert written == alone and len(asked) == len(notebook.cells(name))
    assert chapter.as_text(asked) == notebook.text(name)


def test_a_study_without_exercises_stays_as_it_is():
    cells = jupytext.reads("# %% [markdown]\n# # A study\n\n# %%\n1 + 1\n", "py:percent").cells
    assert chapter.together(cells, "none") == cells and chapter.apart(cells) == (cells, [])


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """JupyterLab's manager of a folder with one study and another notebook."""
    pytest.importorskip("jupyter_server")
    from lib.book import lab

    for folder in ("notebooks", "exercises"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / f"{NAME}.py", tmp_path / folder)
    (tmp_path / "notebooks/other.ipynb").write_text(jupytext.writes(jupytext.reads("# %%\n1\n", "py"), "ipynb"))
    monkeypatch.setattr(declared, "ROOT", tmp_path)
    monkeypatch.setattr(notebook, "ASKED", tmp_path / "exercises")
    return lab.Studies(root_dir=str(tmp_path / "notebooks"))


def test_what_is_changed_in_the_lab_is_saved_where_it_belongs(manager, tmp_path):
    before = {path: path.read_text() for path in tmp_path.glob("*/*.py")}
    model = asyncio.run(manager.get(f"{NAME}.py"))
    cells = model["content"]["cells"]
    exercise = next(cell for cell in cells if ":label: exercise-planar" in cell["source"])
    limits = next(cell for cell in cells if "## Limits" in cell["source"])
    for cell in (exercise, limits):
        cell["source"] += "\n\nA word more."
    asyncio.run(manager.save(model, f"{NAME}.py"))
    for path, text in before.items():
        more = [line for line in path.read_text().splitlines() if line not in text.splitlines()]
        assert [line for line in more if "jupytext_version" not in line and "format_version" not in line] == [
            "# A word more."
        ], path
    again = asyncio.run(manager.get(f"{NAME}.py"))["content"]["cells"]
    assert [cell["source"] for cell in again] == [cell["source"] for cell in cells]


def test_other_files_are_opened_and_saved_as_ever(manager, tmp_path):
    text = asyncio.run(manager.get(f"{NAME}.py", type="file", format="text"))
    assert text["content"] == (tmp_path / f"notebooks/{NAME}.py").read_text()
    model = asyncio.run(manager.get("other.ipynb"))
    assert [cell["source"] for cell in model["content"]["cells"]] == ["1"]
    asyncio.run(manager.save(model, "other.ipynb"))
    assert not (tmp_path / "exercises/other.py").exists()
