"""Units of every kind, read from the graph's requests.  No torch here."""

import json

from lib.coarse_units import CoarseUnit
from lib.encoders import Unit
from lib.text_encoders import TextUnit

AnyUnit = Unit | TextUnit | CoarseUnit


def read_unit(text: str) -> AnyUnit:
    """The unit of a line of JSON: of images, of texts, or of images with coarse labels."""
    kind = {unit.trainer: unit for unit in (Unit, TextUnit, CoarseUnit)}
    return kind[json.loads(text)["trainer"]].from_json(text)
