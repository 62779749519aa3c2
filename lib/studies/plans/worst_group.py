"""The encoders and robust classifiers of the study of worst groups."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit
from lib.encoders.stepped_settings import SteppedRobustSettings, SteppedRobustUnit, SteppedSettings, SteppedUnit

PLAIN, SUP_CON, SPREAD = "cross-entropy", "SupCon", "L_spread"
OTHER, TRUE = "L_spread, other mean", "true groups"
LOSSES = {PLAIN: "cross_entropy", SUP_CON: "sup_con", SPREAD: "spread"}


@dataclass(frozen=True)
class Applications:
    """Encoders by loss, and classifiers trained with GroupDRO by whose groups they are given; lists over seeds."""

    encoders: dict[str, list[CoarseUnit]]
    robust: dict[str, list[RobustUnit]]

    @property
    def units(self) -> list[CoarseUnit]:
        return [unit for arms in (self.encoders, self.robust) for arm in arms.values() for unit in arm]


def plan(p: SimpleNamespace) -> Applications:
    """An encoder for each loss and seed; GroupDRO with the groups recovered from each, and with the true ones.

    Groups are recovered from L_spread once more with the other centre (OTHER).  Cross-entropy alone is trained as
    GroupDRO is, so that the two differ in the weights of the groups alone; both rates fall in steps where
    ``dro_drop_every`` is not 0.  ValueError: twice the same centre.
    """
    if p.recovery_second == p.recovery_centre:
        raise ValueError(f"recovery_second={p.recovery_second!r} is recovery_centre too; name another")
    common = {"data": p.data, "net": p.net, "pretrained": p.pretrained, "validation": 0.0, "precision": p.precision}
    own = ("batch_size", "epochs", "optimiser", "learning_rate", "weight_decay", "augment")
    classifier = common | {name: getattr(p, f"dro_{name}") for name in own} | {"period": 0}
    own = ("batch_size", "epochs", "learning_rate", "period", "augment", "joint", "temperature", "alpha")
    contrastive = common | {name: getattr(p, name) for name in own}
    seeds = range(p.seed, p.seed + p.seeds)
    plain, weighted = (CoarseSettings, CoarseUnit), (RobustSettings, RobustUnit)
    if p.dro_drop_every:
        classifier["drop_every"] = p.dro_drop_every
        plain, weighted = (SteppedSettings, SteppedUnit), (SteppedRobustSettings, SteppedRobustUnit)
    encoders = {}
    for label, loss in LOSSES.items():
        settings, unit = plain if label == PLAIN else (CoarseSettings, CoarseUnit)
        s = settings(**(classifier if label == PLAIN else contrastive), loss=loss)
        encoders[label] = [unit(s, seed) for seed in seeds]
    dro = {"step": p.dro_step, "adjustment": p.dro_adjustment, "even": p.dro_even}
    recovery = {"reduce": p.recovery_reduce, "k_max": p.recovery_k_max, "centre": p.recovery_centre}
    settings, unit = weighted
    s = settings(**classifier, **dro, **recovery)
    classifiers = {label: [unit(s, base.seed, base) for base in bases] for label, bases in encoders.items()}
    other = replace(s, centre=p.recovery_second)
    classifiers[OTHER] = [unit(other, base.seed, base) for base in encoders[SPREAD]]
    classifiers[TRUE] = [unit(s, seed) for seed in seeds]
    return Applications(encoders, classifiers)
