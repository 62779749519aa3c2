"""Which encoders and robust classifiers the study of applications reads."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

from lib.encoders.coarse_settings import CoarseSettings, CoarseUnit
from lib.encoders.robust_settings import RobustSettings, RobustUnit

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
    GroupDRO is, so that the two differ in the weights of the groups alone.  ValueError: twice the same centre.
    """
    if p.recovery_second == p.recovery_centre:
        raise ValueError(f"recovery_second={p.recovery_second!r} is recovery_centre too; name another")
    common = {"data": p.data, "net": p.net, "pretrained": p.pretrained, "validation": 0.0, "precision": p.precision}
    classifier = common | {
        "batch_size": p.dro_batch_size,
        "epochs": p.dro_epochs,
        "optimiser": p.dro_optimiser,
        "learning_rate": p.dro_learning_rate,
        "weight_decay": p.dro_weight_decay,
        "augment": p.dro_augment,
        "period": 0,
    }
    contrastive = common | {
        "batch_size": p.batch_size,
        "epochs": p.epochs,
        "learning_rate": p.learning_rate,
        "period": p.period,
        "augment": p.augment,
        "joint": p.joint,
        "temperature": p.temperature,
        "alpha": p.alpha,
    }
    seeds = range(p.seed, p.seed + p.seeds)
    encoders = {}
    for label, loss in LOSSES.items():
        s = CoarseSettings(**(classifier if label == PLAIN else contrastive), loss=loss)
        encoders[label] = [CoarseUnit(s, seed) for seed in seeds]
    dro = {"step": p.dro_step, "adjustment": p.dro_adjustment, "even": p.dro_even}
    recovery = {"reduce": p.recovery_reduce, "k_max": p.recovery_k_max, "centre": p.recovery_centre}
    s = RobustSettings(**classifier, **dro, **recovery)
    robust = {label: [RobustUnit(s, base.seed, base) for base in bases] for label, bases in encoders.items()}
    other = replace(s, centre=p.recovery_second)
    robust[OTHER] = [RobustUnit(other, base.seed, base) for base in encoders[SPREAD]]
    robust[TRUE] = [RobustUnit(s, seed) for seed in seeds]
    return Applications(encoders, robust)
