"""Where an encoder's files lie, what names their folder, and how they are read.  No torch here.

A *unit* is what one job trains: one encoder, or several small ones that share a process.  Its folder
``build/encoders/<name>-<key>/`` holds, written last to first, ``record.json`` (settings and provenance; its presence
says the unit is whole), ``embeddings.safetensors`` (z: (members, n, d) of the evaluation split, y: (n,)),
``train_embeddings.safetensors`` (the same of the whole training split, and kept.0, kept.1, …: the positions that each
member was trained on), ``checkpoint.safetensors`` and ``loss.csv``.  The record holds the sha256 of every file beside
it, and a file is compared with it when it is read.
The key is a hash of the settings, the code that trains, and the pinned packages, so a folder never holds numbers of
other settings.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from lib import hashing, records

STORE = Path("build/encoders")
# nets so small that all treatments of one seed are one unit, and units share a job
TOGETHER = ("convnet", "vit_small", "mae_small", "mlp", "small", "label_stack")
BALANCED = ""  # the name, in place of a class, of an encoder trained on all images


class Stored:
    """Where a unit, of images or of texts, keeps its files, and how they are read.  ``name`` is the folder's."""

    name: str
    members: tuple[str, ...]
    trainer: ClassVar[str]  # the module that trains it, by its function ``run``
    packages: ClassVar[tuple[str, ...]]  # what training imports
    base = None  # the unit from whose weights the training begins

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of what it trains."""
        return (self.seed,)

    @property
    def folder(self) -> Path:
        return STORE / self.name.replace("/", "_")  # a class may be called T-shirt/top

    @property
    def done(self) -> bool:
        return (self.folder / "record.json").exists()

    @property
    def record(self) -> dict:
        """The unit's provenance; FileNotFoundError where it was not trained yet, Damaged where it is not whole."""
        return records.read_json(self.folder / "record.json", self._remedy)

    def file(self, name: str) -> Path:
        """The path of a file in the folder, after a look whether it is what was written; Damaged, by name."""
        return records.checked(self.folder, name, self.record, self._remedy)

    def read(self, name: str) -> dict:
        """The tensors of a safetensors file in the folder, by name; Damaged where it is not what was written."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.file(name))
        except SafetensorError as error:
            raise records.Damaged(f"{self.folder / name} is damaged ({error}); {self._remedy}") from None

    @property
    def _remedy(self) -> str:
        return f"remove the folder {self.folder} and run again"

    def embeddings(self, split: str = "test"):
        """(z, y): float32 (members, n, d) features of the "test" or the whole "train" split, int64 labels (n,)."""
        tensors = self.read(self.embeddings_path(split).name)
        return tensors["z"], tensors["y"]

    def kept(self, member: str = BALANCED):
        """int64 (m,) sorted positions, among the images or texts of ``embeddings("train")``, that a member saw."""
        return self.read(self.embeddings_path("train").name)[f"kept.{self.members.index(member)}"]

    def embeddings_path(self, split: str) -> Path:
        """The file of ``embeddings(split)``."""
        return self.folder / {"test": "embeddings.safetensors", "train": "train_embeddings.safetensors"}[split]

    def to_json(self) -> str:
        return json.dumps({"trainer": self.trainer} | asdict(self))

    @property
    def key(self) -> str:
        """Twelve hex digits of all that the numbers depend on: settings, the code that trains, pinned packages."""
        return hashing.digest(self.key_parts())[:12]

    def key_parts(self) -> dict:
        """What the key is made of: settings, a hash of the code that the trainer reaches, one of the packages."""
        code = hashing.code_hash((self.trainer, "run"))
        return {"settings": asdict(self), "code": code, "packages": hashing.lock_hash(*self.packages)}
