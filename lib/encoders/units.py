"""Units of every kind, read from the graph's requests.  No torch here."""

import json
from typing import get_args

from lib.encoders.clip_settings import ClipUnit
from lib.encoders.coarse_settings import CoarseUnit
from lib.encoders.deep_coreset_settings import CoresetUnit
from lib.encoders.factor_settings import FactorUnit
from lib.encoders.further_settings import ChosenUnit, MaskedUnit, RemedyUnit
from lib.encoders.label_level_settings import LevelUnit
from lib.encoders.label_settings import LabelUnit
from lib.encoders.majority_settings import MajorityUnit
from lib.encoders.robust_settings import RobustUnit
from lib.encoders.settings import Unit
from lib.encoders.sphere_settings import SphereUnit
from lib.encoders.stepped_settings import SteppedRobustUnit, SteppedUnit
from lib.encoders.text_settings import TextUnit

AnyUnit = Unit | TextUnit | CoarseUnit | RobustUnit | LabelUnit | LevelUnit | FactorUnit | ClipUnit | MaskedUnit
AnyUnit |= RemedyUnit | ChosenUnit | MajorityUnit | SphereUnit | SteppedUnit | SteppedRobustUnit | CoresetUnit


def read_unit(text: str) -> AnyUnit:
    """The unit of a line of JSON, of whatever kind."""
    kind = {unit.trainer: unit for unit in get_args(AnyUnit)}
    return kind[json.loads(text)["trainer"]].from_json(text)
