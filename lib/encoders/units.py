"""Units of every kind, read from the graph's requests.  No torch here."""

import json

from lib.encoders.coarse_settings import CoarseUnit
from lib.encoders.factor_settings import FactorUnit
from lib.encoders.label_level_settings import LevelUnit
from lib.encoders.label_settings import LabelUnit
from lib.encoders.robust_settings import RobustUnit
from lib.encoders.settings import Unit
from lib.encoders.text_settings import TextUnit

AnyUnit = Unit | TextUnit | CoarseUnit | RobustUnit | LabelUnit | LevelUnit | FactorUnit
KINDS = (Unit, TextUnit, CoarseUnit, RobustUnit, LabelUnit, LevelUnit, FactorUnit)


def read_unit(text: str) -> AnyUnit:
    """The unit of a line of JSON: of images, texts, coarse labels, robust training, small nets on labels, or pairs."""
    kind = {unit.trainer: unit for unit in KINDS}
    return kind[json.loads(text)["trainer"]].from_json(text)
