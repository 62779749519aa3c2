"""Units of every kind, read from the graph's requests.  No torch here."""

import json

from lib.encoders.coarse_settings import CoarseUnit
from lib.encoders.factor_settings import FactorUnit
from lib.encoders.label_settings import LabelUnit
from lib.encoders.majority_settings import MajorityUnit
from lib.encoders.robust_settings import RobustUnit
from lib.encoders.settings import Unit
from lib.encoders.sphere_settings import SphereUnit
from lib.encoders.text_settings import TextUnit

AnyUnit = Unit | TextUnit | CoarseUnit | RobustUnit | LabelUnit | FactorUnit | MajorityUnit | SphereUnit


def read_unit(text: str) -> AnyUnit:
    """The unit of a line of JSON, by its trainer."""
    kinds = (Unit, TextUnit, CoarseUnit, RobustUnit, LabelUnit, FactorUnit, MajorityUnit, SphereUnit)
    kind = {unit.trainer: unit for unit in kinds}
    return kind[json.loads(text)["trainer"]].from_json(text)
