"""The source folder of the site, put together from the book's prose, the executed studies and the records of runs.

``python -m lib.book.site --current STUDY=RUNFOLDER --out build/source``.  The folder is a function of what it is made
from, and only files that changed are written, so that Sphinx reads again what it must.
"""

import argparse
import html
import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from lib import records
from lib.book import (
    address,
    architecture,
    benchmarks_page,
    claim_counts,
    contents,
    front_page,
    gpu_page,
    growth_page,
    lessons,
    live_charts,
    markup,
    picture,
    reading_page,
    readme,
    reference,
    run_records,
    scale,
    scoreboard,
    sources_shown,
    statements,
    status_page,
    study_page,
    sweeps,
    undecided,
)
from lib.book.run_records import RunRecord, SiteError
from lib.book.runs import KEPT
from lib.encoders.recorded import FILE
from lib.hashing import ROOT


def assemble(current: dict[str, Path], out: Path) -> None:
    """Make ``out`` the book's source: pages, studies, other runs asked for, sweeps, sources and downloads.

    current: run folder of each study whose page is a chapter.  SiteError: a run that does not fit its notebook, or a
    link to lines that are not there.
    """
    chapters = {study: RunRecord(study, Path(folder), "this book") for study, folder in current.items()}
    shown = {run.folder.resolve() for run in chapters.values()}
    asked = [run for run in run_records.asked_for() if run.folder.resolve() not in shown]
    recorded, swept = run_records.recorded(), sweeps.on_this_machine()
    files = {}
    for run in chapters.values():
        files |= study_page.files(run, f"notebooks/{run.study}")
    for run in asked:
        files |= study_page.files(run, run.page)
    for sweep in swept:
        files |= sweep.files(chapters, asked)
    for run in recorded:
        names = (*KEPT, FILE) if (run.folder / FILE).exists() else KEPT
        files |= {f"{run.static}/{name}": run.file(name).read_bytes() for name in names}
    # what may be damaged is read; from here on only the book's own
    measured, files_measured = benchmarks_page.parts()
    files |= {path: (ROOT / "book" / path).read_bytes() for path in _book_files()}
    drawn, pictured = picture.parts() if "picture.md" in files else ("", {})  # of studies that the book has
    listed = {path: sources_shown.listing(path) for path in sources_shown.sources()}
    files |= {f"{sources_shown.CODE}/{path}.html": text.encode() for path, text in listed.items()}
    fill = {
        "findings": front_page.found(chapters, recorded),
        "forest": front_page.forest(chapters, recorded),
        "answers": front_page.answers(chapters, recorded),
        "counted": front_page.counted(chapters, recorded),
        "tally": readme.tally(recorded),
        "registered": claim_counts.registered(recorded),
        "board": scoreboard.board(chapters, recorded),
        "papers": claim_counts.papers(chapters, recorded),
        "ungated": reading_page.ungated(),
        "open": undecided.table(recorded),
        "coverage": reading_page.coverage(),
        "many claims": claim_counts.many_claims(chapters, recorded),
        "headlines": claim_counts.headlines(chapters, recorded),
        "runs": status_page.status(list(chapters.values()), recorded, asked),
        "benchmarks": measured,
        "one picture": drawn,
        "gpu": gpu_page.text(),
        "architecture": _architecture(),
        "scale": scale.front(chapters),
        "scale by study": scale.by_study(chapters),
        "lessons": lessons.chapters(),
        "exercises": lessons.by_exercise(),
        "rubrics": lessons.rubrics(),
        "solutions": lessons.solutions(),
        "statements": statements.on_pages(),
        "statements of claims": statements.of_claims(),
        "contents": contents.table,  # names pages, which a book of other studies does not have
        "contents missing": contents.reasons,
        "outputs": reference.outputs(recorded),
        "reference": reference.text(),
        **(growth_page.parts() if "scale.md" in files else {}),
    }
    for path in [p for p in files if p.endswith(".md")]:
        text = sources_shown.markdown(_fill(files[path].decode(), fill), path)
        files[path] = live_charts.light(text).encode()
    files |= scoreboard.files(chapters, recorded) | pictured
    files |= files_measured | {"_static/coverage.csv": reading_page.COVERAGE.read_bytes()}
    files["_config.yml"] = _config().encode()
    files["_toc.yml"] = _toc(asked, swept).encode()
    sync(out, files)


def _architecture() -> str:
    """The drawing of the packages, and what each says of itself."""
    rows = [
        (f"<code>{name}</code>", *(re.sub("``(.*?)``", r"<code>\1</code>", html.escape(words)) for words in said))
        for name, *said in architecture.packages()
    ]
    table = markup.table(("package", "what lives there", "what it may import"), rows, "packages")
    return markup.raw(f"{architecture.drawing()}\n{table}")


def sync(out: Path, files: dict[str, bytes]) -> None:
    """Give ``out`` exactly these files; one that is already right keeps its time."""
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.relative_to(out).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = out / name
        if not path.exists() or path.read_bytes() != content:
            with records.atomic(path) as temporary:
                temporary.write_bytes(content)


def _book_files() -> list[str]:
    folder = ROOT / "book"
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(p.relative_to(folder).as_posix() for p in files)


def _fill(text: str, parts: dict[str, str | Callable[[], str]]) -> str:
    """The text with the parts that its marks name; a part that is made only where it is asked for is called."""

    def part(match: re.Match) -> str:
        found = parts.get(match[1], match[0])
        return found() if callable(found) else found

    return re.sub(r"<!-- (\w[\w ]*) -->", part, text)


def _config() -> str:
    """The configuration with the names of data sets, and with the repository and a Colab button where the repository's
    address is known."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["sphinx"]["config"]["data_sets"] = scale.DATA
    if where := address.repository():
        config["repository"] = {"url": where, "branch": address.NOTEBOOKS}
        config["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
        config["html"]["use_repository_button"] = True
    return yaml.safe_dump(config, sort_keys=False)


def _toc(asked: list[RunRecord], swept: list) -> str:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    own = [{"file": item.page, "title": item.title} for item in [*swept, *asked]]
    if own:
        toc["parts"].insert(2, {"caption": "Your runs", "chapters": own})
    return yaml.safe_dump(toc, sort_keys=False)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m lib.book.site", description="Put the site's source together.")
    parser.add_argument("--current", action="append", default=[], metavar="STUDY=RUNFOLDER", help="a chapter's run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        assemble(dict(pair.split("=", 1) for pair in options.current), options.out)
    except (SiteError, records.Damaged) as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
