"""Train networks that choose images and others on what is chosen: ``python -m lib.encoders.deep_coresets UNITS.json``.

The experiment is "coresets" of ``lib.encoders.labels``, with the networks of ``lib.encoders.deep_coreset_nets``.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lib import images, records
from lib.encoders import checkpoints, coarse, devices, label_stacks, labels, training
from lib.encoders.deep_coreset_nets import Watch, train
from lib.encoders.deep_coreset_settings import COUNTERS, CoresetSettings, CoresetUnit
from lib.encoders.devices import Place
from lib.encoders.label_level_settings import GRAND
from lib.encoders.label_settings import SCORERS
from lib.encoders.label_stacks import Net
from lib.encoders.labels import Task
from lib.strata import coresets

Outcome = dict[str, Tensor]


def outcome(
    unit: CoresetUnit, task: Task, net: Net, number: int, home: Place, save_seconds: float, scores: bool = False
) -> Outcome:
    """Train a network of the unit, or read what it was trained to before the unit was interrupted.

    right: (n,) bool, of the training images; called: codes of the held-out images; where it scores, what ``Watch`` has.
    CheckpointError: what was kept of it is damaged.
    """
    path = unit.folder / f"{number}.outcome.part.safetensors"
    if path.exists():
        try:
            return load_file(path)
        except SafetensorError as error:
            raise checkpoints.CheckpointError(f"{path} is damaged ({error}); {checkpoints.REMEDY}") from error
    conditions = replace(training.followed(unit, number, home, save_seconds), seed=net.seed)
    watch = Watch(task.settings, task.train) if scores else None
    model = train(task, net, conditions, watch)
    train_codes, held_codes = (coarse.predict(model, part.x).argmax(1) for part in (task.train, task.held))
    found = {"right": train_codes == task.train.y, "called": held_codes.to(torch.uint8)}
    found |= dict(watch.named_buffers()) if watch else {}
    with records.atomic(path) as temporary:
        save_file(found, temporary)
    conditions.keeper.path.unlink(missing_ok=True)
    return found


def keepers(y: Tensor, counts: Tensor, scoring: list[Outcome], seed: int) -> dict[str, Callable[[int], Tensor]]:
    """Who keeps, and the positions (size,) kept by each: see ``lib.strata.coresets``.

    y: (n,) codes; counts: (n,) how many networks are right; scoring: what ``Watch`` has of each network that scores.
    """
    checks, probabilities, norms = (
        torch.stack([found[name] for found in scoring]) for name in ("checks", "probabilities", "norms")
    )
    scores = {
        "forgetting": coresets.forgetting_events(checks).sum(0),
        "EL2N": coresets.el2n(probabilities, y),
        GRAND: coresets.grand(norms),
    }
    return {
        "fullest buckets": lambda size: coresets.coreset(counts, y, size, seed),
        "random": lambda size: label_stacks.some(len(y), size, seed),
        **{name: partial(coresets.highest, values, seed=seed) for name, values in scores.items()},
    }


def task_of(s: CoresetSettings) -> Task:
    """The images of the experiment."""
    whole, held = images.load(s.data, "train"), images.load(s.data, "test")
    return Task(s, whole.first(s.images_per_class) if s.images_per_class else whole, held)


def run(unit: CoresetUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder, the record last; does nothing where the folder is whole.

    Networks that are trained are not trained again after an interruption, and the one that was being trained goes on
    from its last checkpoint; they are ``save_seconds`` apart.
    Kept in ``labels.safetensors``: kept, (arms, n) bool; called, the codes of the held-out images, (arms, n); held_y,
    the right ones; right_often, (n,); called_whole, (n,), of a network that saw all images.
    """
    if unit.done:
        return
    start, home, task, numbers = time.time(), devices.place(unit.settings.precision), task_of(unit.settings), count()
    n, y = len(task.train), task.train.y

    def learn(net: Net, scores: bool = False) -> Outcome:
        return outcome(unit, task, net, next(numbers), home, save_seconds, scores)

    counting = [learn(labels.counting_net(task, unit.seed, i)) for i in range(COUNTERS)]
    scoring = [learn(task.pupil(unit.seed + 100 * i, torch.arange(n)), scores=True) for i in range(SCORERS)]
    counts = torch.stack([found["right"] for found in counting]).sum(0)
    keep = keepers(y, counts, scoring, unit.seed)
    rows = [keep[arm.treatment](round(arm.level * n)) for arm in unit.arms]
    pupils = [learn(task.pupil(unit.seed, mine)) for mine in rows]
    kept = {
        "called": torch.stack([found["called"] for found in pupils]),
        "kept": torch.stack([label_stacks.mask(n, mine) for mine in rows]),
        "right_often": counts,
        "called_whole": scoring[0]["called"],
        "held_y": task.held.y,
    }
    with records.atomic(unit.folder / "labels.safetensors") as path:
        save_file(kept, path)
    digests = {"train": images.digest(task.train), "test": images.digest(task.held)}
    records.seal(unit.folder / "record.json", records.of_training(unit, [n], digests, start, unit.packages))
    for path in unit.folder.glob("*.part.safetensors"):
        path.unlink()


main = partial(training.main, run=run, read=CoresetUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
