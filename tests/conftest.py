"""What every test shares: one thread, no download, and real data only where it lies on this machine."""

import fcntl
import gc
import os
import urllib.error
from pathlib import Path

import pytest
import small_book
import torch

from lib import images
from lib.images.vision import torchvision  # before any test imports lightly, which imports torchvision itself

REAL = {
    "cifar10": "cifar-10-batches-py/test_batch",
    "cifar100": "cifar-100-python/test",
    "mnist": "MNIST/raw/t10k-images-idx3-ubyte",
    "bios_subset": "bias_in_bios/bios_subset.parquet",
}
gc.set_threshold(100_000)  # what the tests import is large and stays: collections would walk it all the time
REAL_ROOT = Path(os.environ.get("DATA_ROOT") or "data").resolve()


FIRST = ("browser", "graph", "campaign", "benchmarks", "classroom_fence", "damage", "processes", "site", "keys", "gpu")


def pytest_collection_modifyitems(items):
    """The longest modules first, so that no process waits for them at the end."""
    place = {f"test_{name}": number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    """An empty DATA_ROOT, a fresh cache, and a network that is down."""

    def down(url, *_, **__):
        raise urllib.error.URLError(f"no network in tests: {url}")

    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", down)
    images.sets._loaded.cache_clear()
    yield tmp_path
    images.sets._loaded.cache_clear()


@pytest.fixture
def real_data(monkeypatch):
    """Call with a data set's name: DATA_ROOT with that set, or a skipped test."""

    def need(name: str) -> Path:
        if not (REAL_ROOT / REAL[name]).exists():
            pytest.skip(f"{name} is not under DATA_ROOT ({REAL_ROOT})")
        monkeypatch.setenv("DATA_ROOT", str(REAL_ROOT))
        images.sets._loaded.cache_clear()
        return REAL_ROOT

    yield need
    images.sets._loaded.cache_clear()


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of the pages of a built book: of the whole one where it is current, else of a small one."""
    if found := small_book.current():
        return found
    base = tmp_path_factory.getbasetemp()
    shared = "PYTEST_XDIST_WORKER" in os.environ  # then one for all processes of the session
    folder = (base.parent if shared else base) / "small book"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "html").exists():
            os.symlink(small_book.build(folder), folder / "html")
    return folder / "html"
