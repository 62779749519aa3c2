"""The cell with which a notebook that stands alone, as on Colab, gets the book's library and what it needs."""

from lib import records
from lib.book import address

FOLDER = "book"
CELL = """\
# Where the book's library is not there, as on Colab: get it, and install what is missing.
import importlib.metadata, importlib.util, os, subprocess, sys

if importlib.util.find_spec("lib") is None:
    if not os.path.exists({folder!r}):
        subprocess.run(["git", "clone", "-q", {address!r}, {folder!r}], check=True)
    os.chdir({folder!r})
    subprocess.run(["git", "checkout", "-q", {commit!r}], check=True)
    sys.path.insert(0, os.getcwd())
    os.environ["PYTHONPATH"] = os.getcwd()
    pins = [line.strip() for line in open("requirements.txt", encoding="utf-8") if "==" in line]
    there = {{str(d.name).lower().replace("_", "-") for d in importlib.metadata.distributions()}}
    missing = [pin for pin in pins if pin.partition("==")[0].lower() not in there]
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *missing], check=True)
"""


def cell() -> str:
    """The source of the cell; "" where the address of the repository is not known."""
    where = address.repository()
    commit = records.git_state()["commit"] or "HEAD"
    return CELL.format(folder=FOLDER, address=where, commit=commit) if where else ""
