"""Train classifiers whose rate falls in steps: ``python -m lib.encoders.stepped UNITS.json``, one unit or several."""

import sys
import time
from dataclasses import replace
from functools import partial

from lib.encoders import coarse, devices, training
from lib.encoders.stepped_settings import Drops, SteppedUnit
from lib.encoders.training import Conditions
from lib.images import coarse_labels
from lib.images.strata import Strata


def train(
    s: Drops, data: Strata, conditions: Conditions, changes: coarse.Changes
) -> tuple[coarse.CoarseEncoder, list[float]]:
    """``coarse.train`` at one constant rate after another; conditions must have a keeper.

    Each stage goes on from the checkpoint of the one before, weights and momentum, so that the rate alone changes.
    """
    *before, last = s.stages
    each_epoch = replace(conditions.keeper, seconds=0)
    for end, rate in before:
        stage = replace(conditions, epochs=end, keeper=each_epoch)
        coarse.train(replace(s, learning_rate=rate), data, stage, changes)
    return coarse.train(replace(s, learning_rate=last[1]), data, replace(conditions, epochs=last[0]), changes)


def run(unit: SteppedUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder; does nothing where the folder is whole.  See ``coarse.run``."""
    if unit.done:
        return
    start, s = time.time(), unit.settings
    data = {split: coarse_labels.load(s, split) for split in ("train", "test")}
    conditions = training.followed(unit, 0, devices.place(s.precision), save_seconds)
    coarse.write(unit, *train(s, data["train"], conditions, coarse.Changes()), data, start)


main = partial(training.main, run=run, read=SteppedUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
