"""Train classifiers with GroupDRO whose rate falls in steps: ``python -m lib.encoders.stepped_robust UNITS.json``.

One unit or several in a process.
"""

import sys
import time
from functools import partial

import torch
from safetensors.torch import save_file

from lib import records
from lib.encoders import coarse, devices, robust, stepped, training
from lib.encoders.stepped_settings import SteppedRobustUnit
from lib.images import coarse_labels


def run(unit: SteppedRobustUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder; does nothing where the folder is whole.  See ``robust.run``."""
    if unit.done:
        return
    start, s = time.time(), unit.settings
    data = {split: coarse_labels.load(s, split) for split in ("train", "test")}
    groups = robust.groups_of(unit, data["train"])
    dro = robust.GroupDRO(torch.bincount(groups), s.step, s.adjustment)
    conditions = training.followed(unit, 0, devices.place(s.precision), save_seconds)
    encoder, history = stepped.train(s, data["train"], conditions, coarse.Changes(groups=groups, robust=dro))
    with records.atomic(unit.folder / "groups.safetensors") as path:
        save_file({"groups": groups, "weights": dro.weights.cpu()}, path)
    coarse.write(unit, encoder, history, data, start)


main = partial(training.main, run=run, read=SteppedRobustUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
