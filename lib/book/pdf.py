"""The book on paper: ``make pdf`` writes ``build/pdf/book.pdf``, by LaTeX, from the source of the site.

Charts are their still pictures, and folded code is left out.  The file follows ``SOURCE_DATE_EPOCH``, or the time of
the last commit, and is the same each time, byte for byte.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import vl_convert
import yaml

from lib.book import plain_pages, site
from lib.book.archive import time_of

FOLDER = Path("build/pdf")
SOURCE = Path("build/source")
PACKAGES = "texlive-xetex texlive-latex-extra texlive-fonts-recommended latexmk fonts-freefont-otf fonts-dejavu-core"
PROGRAMS = ("xelatex", "latexmk")
SCALE = 2  # pixels of a still picture for each of the chart's
FONTS = r"\setmainfont{FreeSerif}\setsansfont{FreeSans}\setmonofont[Scale=0.85]{DejaVu Sans Mono}"
TALLEST = r"\makeatletter\AtBeginDocument{\spx@image@maxheight=.75\textheight}\makeatother"  # room for a caption
LATEX = {
    "fontpkg": FONTS,
    "papersize": "a4paper",
    "pointsize": "10pt",
    "extraclassoptions": "openany,oneside",
    "preamble": r"\setcounter{tocdepth}{1}" + TALLEST,  # chapters and their sections
    "figure_align": "htbp",
}


def check() -> None:
    """ValueError, with what to install, where the programs that set the book are missing."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        raise ValueError(f"make pdf needs {' and '.join(missing)}; on Debian or Ubuntu: apt-get install {PACKAGES}")


def write() -> Path:
    """Set the book whose source the site was made from, and return the file."""
    check()
    out = FOLDER / "source"
    site.sync(out, files(SOURCE))
    book = str(Path(sys.executable).parent / "jupyter-book")
    run([book, "build", str(out), "--path-output", str(FOLDER), "--builder", "latex", "--quiet"], Path())
    latex = FOLDER / "_build/latex"
    run(["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", "-quiet", "book.tex"], latex)
    return Path(shutil.copyfile(latex / "book.pdf", FOLDER / "book.pdf"))


def files(source: Path) -> dict[str, bytes]:
    """The source of the pages on paper, from that of the site: its pages, and the pictures and files that they name."""
    found, pictures = {}, {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.suffix == ".md":
            found[name] = plain_pages.page(path.read_text(encoding="utf-8"), pictures).encode()
        elif path.suffix == ".ipynb" and not name.startswith("_static/"):
            cells = nbformat.read(path, as_version=4).cells
            found[name.removesuffix(".ipynb") + ".md"] = plain_pages.notebook(cells, pictures).encode()
        elif path.suffix == ".svg":
            found[name.removesuffix(".svg") + ".png"] = vl_convert.svg_to_png(
                path.read_text(encoding="utf-8"), scale=SCALE
            )
        elif path.suffix in (".png", ".bib", ".py") and path.is_file() and "/code/" not in name:
            found[name] = path.read_bytes()
    found["_toc.yml"] = (source / "_toc.yml").read_bytes()
    found["_config.yml"] = _config((source / "_config.yml").read_text(encoding="utf-8")).encode()
    return found | pictures


def run(command: list[str], folder: Path) -> None:
    """ValueError, with the end of what the command said, where it fails."""
    when = {"SOURCE_DATE_EPOCH": str(time_of("HEAD")), "FORCE_SOURCE_DATE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | when, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        raise ValueError(f"{Path(command[0]).name} failed: {(done.stdout + done.stderr)[-3000:]}")


def _config(text: str) -> str:
    config = yaml.safe_load(text)
    del config["html"]["favicon"]
    config["latex"] = {"latex_engine": "xelatex", "use_jupyterbook_latex": False}
    config["latex"]["latex_documents"] = {"targetname": "book.tex"}
    config["sphinx"]["config"] |= {"latex_elements": LATEX, "latex_show_urls": "no"}
    return yaml.safe_dump(config, sort_keys=False)
