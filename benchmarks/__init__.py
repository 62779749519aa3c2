"""What the book's fast parts cost beside the tools one would use instead: ``python -m benchmarks``."""

from lib.images.vision import torchvision  # noqa: F401  before any case imports lightly, which imports torchvision itself
