"""Where data sets are looked for, and the error of one that cannot be had."""

import os
from pathlib import Path


class DataError(ValueError):
    """A data set that is unknown, missing or damaged, or a subset of it that cannot be taken."""


def data_root() -> Path:
    """The folder that holds downloaded data: the environment variable DATA_ROOT, or ``data``."""
    return Path(os.environ.get("DATA_ROOT") or "data")
