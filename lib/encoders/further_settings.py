"""What names an encoder of images that ``lib.encoders.pretrain`` does not train.  No torch here: the graph is planned
with this module."""

import json
from dataclasses import asdict, dataclass
from typing import ClassVar

from lib.encoders.settings import Settings, Unit

AUTOENCODERS = ("mae_small", "mae")
REMEDIES = ("schedule", "surgery", "surgery_clusters", "twin")


@dataclass(frozen=True)
class MaskedSettings(Settings):
    """How a masked autoencoder is trained, see ``lib.encoders.masked``.

    method: "mae", or "untrained", the net at its random start.  net: "mae_small" for 8x8 images, "mae" for 32x32.
    hidden: share of the patches that the encoder is not shown.  learning_rate, weight_decay: of AdamW.
    Of the other fields those of the data, epochs, batches, learning rate, augmentation and precision count.
    ValueError: a method, net or precision that is unknown, a weighting, a share of patches that is none.
    """

    method: str = "mae"
    net: str = "mae"
    pretrained: bool = False
    squared_learning_rate: bool = False
    hidden: float = 0.75

    def __post_init__(self):
        for name, known in (("method", ("mae", "untrained")), ("net", AUTOENCODERS), ("weighting", ("none",))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown here; known are {', '.join(known)}")
        if not 0 < self.hidden < 1:
            raise ValueError(f"hidden={self.hidden} is no share of the patches; a number between 0 and 1 is expected")
        plain = {name: value for name, value in asdict(self).items() if name != "hidden"}
        Settings(**plain | {"method": "untrained"})  # which checks the others


@dataclass(frozen=True)
class FurtherUnit(Unit):
    """The encoders of one job, as ``Unit``; one process trains them."""

    kind: ClassVar[type[Settings]]  # of the settings

    @classmethod
    def from_json(cls, text: str) -> "FurtherUnit":
        d = json.loads(text)
        d["settings"]["classes"] = tuple(d["settings"]["classes"])
        return cls(cls.kind(**d["settings"]), tuple(d["members"]), d["ratio"], d["seed"])


@dataclass(frozen=True)
class MaskedUnit(FurtherUnit):
    """Masked autoencoders."""

    settings: MaskedSettings
    kind: ClassVar[type[Settings]] = MaskedSettings
    trainer: ClassVar[str] = "lib.encoders.masked"


@dataclass(frozen=True)
class RemedySettings(Settings):
    """How SimCLR is trained with a remedy for rare classes, see ``lib.encoders.remedies``.

    weighting: one of REMEDIES.  The other fields are those of ``Settings``; "schedule" takes no ``temperature``.
    ValueError: a remedy that is unknown, another method than SimCLR, a control that is SimCLR's alone.
    """

    weighting: str = "schedule"

    def __post_init__(self):
        if self.weighting not in REMEDIES:
            raise ValueError(f"weighting={self.weighting!r} is unknown here; known are {', '.join(REMEDIES)}")
        if self.method != "simclr" or self.equal_steps:
            raise ValueError(f"method={self.method!r}, equal_steps={self.equal_steps}: a remedy is for plain SimCLR")
        Settings(**asdict(self) | {"weighting": "none"})  # which checks the others


@dataclass(frozen=True)
class RemedyUnit(FurtherUnit):
    """Encoders trained with a remedy."""

    settings: RemedySettings
    kind: ClassVar[type[Settings]] = RemedySettings
    trainer: ClassVar[str] = "lib.encoders.remedies"


@dataclass(frozen=True)
class ChosenSettings(Settings):
    """How SimSiam is trained where the test labels choose the epoch that is kept, see ``lib.encoders.chosen``.

    look_every: epochs between two looks at the test labels.
    ValueError: another method than plain SimSiam, or looks of which none is at the last epoch.
    """

    method: str = "simsiam"
    look_every: int = 10

    def __post_init__(self):
        super().__post_init__()
        if self.method != "simsiam" or self.weighting != "none" or self.equal_steps:
            raise ValueError(
                f"method={self.method!r}, weighting={self.weighting!r}, equal_steps={self.equal_steps}: an epoch is "
                "chosen for plain SimSiam"
            )
        if self.look_every < 1 or self.epochs % self.look_every:
            raise ValueError(
                f"look_every={self.look_every} does not divide epochs={self.epochs}; it must, so that the last epoch "
                "is looked at"
            )


@dataclass(frozen=True)
class ChosenUnit(FurtherUnit):
    """Encoders of the epoch that the test labels choose."""

    settings: ChosenSettings
    kind: ClassVar[type[Settings]] = ChosenSettings
    trainer: ClassVar[str] = "lib.encoders.chosen"

    @property
    def name(self) -> str:
        """That of ``Unit``, "simsiam_chosen" the method."""
        return super().name.replace("-simsiam-", "-simsiam_chosen-", 1)
