"""The encoders of the study of alignment and uniformity that the graph trains, and the undersampled classes."""

from types import SimpleNamespace

from lib.encoders.settings import CLASSES
from lib.encoders.sphere_settings import CIFAR10, KINDS, STL10, SphereSettings, SphereUnit
from lib.studies.shared.arms import treated_of

PER_256, READING = 0.12, 100  # learning rate by batch; epochs of the linear layer of the protocol


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """The study trains its small nets itself; those of AlexNet's kind are the graph's.  Also the undersampled classes.

    ValueError: an unknown class.
    """
    return SimpleNamespace(units=units(p), treated=treated_of(p, CLASSES[p.data]))


def units(p: SimpleNamespace) -> list[SphereUnit]:
    """Three encoders a seed into the circle; with "stl10" on all images, and one of the protocol; with "none" none."""
    if p.alexnet == "none":
        return []
    batch = p.circle_batch
    size = {
        "data": CIFAR10,
        "images_per_class": 0 if p.alexnet == STL10 else p.images_per_class,
        "out": 2,
        "temperature": p.temperature,
    }
    course = {"epochs": p.alexnet_epochs, "batch_size": batch, "learning_rate": PER_256 * batch / 256}
    found = [SphereSettings(loss=loss, **size, **course) for loss in KINDS.values()]
    if p.alexnet == STL10:
        found.append(SphereSettings(reading=READING))
    return [SphereUnit(s, seed) for s in found for seed in range(p.seed, p.seed + p.seeds)]
