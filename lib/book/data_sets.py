"""What a data set is, by its name in the graph, whichever module reads it."""

from lib import images, text
from lib.encoders.coarse_settings import CoarseSettings
from lib.encoders.factor_settings import NETS
from lib.images import coarse_labels, stl10


def about(name: str) -> dict:
    """Name, classes, and for both splits the number of samples and a sha256; fetches the set where it is not there.

    Of pairs the name alone.  name: of ``lib.encoders.factor_settings``, ``lib.images``, ``lib.text`` (with "@" and a
    revision, for "bios"), ``lib.images.coarse_labels`` or ``lib.images.stl10``.
    """
    word, _, revision = name.partition("@")
    if word in NETS:  # drawn by the job, or read by it with the hash that its settings give
        return {"name": word}
    if word in text.LOADERS:
        room, sets = text, {split: text.load(word, split, revision=revision) for split in ("train", "test")}
        classes = sets["train"].occupations
    elif word in images.LOADERS or word not in (*coarse_labels.LOADERS, stl10.NAME):
        room, sets = images, {split: images.load(word, split) for split in ("train", "test")}
        classes = sets["train"].classes
    elif word == stl10.NAME:
        room, sets = images, {split: stl10.load(split) for split in ("train", "test")}
        classes = stl10.CLASSES
    else:
        s = CoarseSettings(data=word)
        room, sets = coarse_labels, {split: coarse_labels.load(s, split) for split in ("train", "test")}
        classes = sets["train"].classes
    return {
        "name": word,
        "classes": classes,
        **{split: {"samples": len(data), "sha256": room.digest(data)} for split, data in sets.items()},
    }
