"""The image sets that harms are studied on: their classes and sizes.  No torch here: the graph is planned with these.

``settings`` has those of the first two, in a text that the key of every encoder holds.
"""

from lib.encoders import settings
from lib.encoders.clip_settings import ClipSettings
from lib.encoders.settings import Settings
from lib.sources import COARSE

SIZES = settings.SIZES | {"mnist": 60_000, "fashion_mnist": 60_000, "cifar100_coarse": 50_000}  # training images
CLASSES = settings.CLASSES | {
    "mnist": (
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "cifar100_coarse": COARSE,
}


def samples(s: Settings | ClipSettings) -> float:
    """Training images, before any class is cut."""
    known = CLASSES[s.data]
    return (s.images_per_class or SIZES[s.data] / len(known)) * len(s.classes or known)
