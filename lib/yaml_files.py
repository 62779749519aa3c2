"""YAML files of the book: claims, presets, coverage."""

from pathlib import Path

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times faster, where PyYAML was built with it


def read(path: Path):
    """The content of a file in UTF-8; ``yaml.YAMLError`` where it is not YAML."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
