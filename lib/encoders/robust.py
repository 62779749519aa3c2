"""Train classifiers with GroupDRO: ``python -m lib.encoders.robust UNITS.json``, one unit or several in a process."""

import sys
import time
from functools import partial

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from lib import losses, records
from lib.encoders import coarse, devices, training
from lib.encoders.coarse_settings import CoarseUnit
from lib.encoders.robust_settings import RobustUnit
from lib.images import coarse_labels
from lib.images.strata import Strata
from lib.losses import group_dro
from lib.strata import recovery


class GroupDRO(nn.Module):
    """``group_dro.group_dro`` with its weights as a buffer, equal at the start.

    sizes: (G,) training points of each group; step, adjustment: see there.  Of several processes, all see all points.
    """

    def __init__(self, sizes: Tensor, step: float, adjustment: float):
        super().__init__()
        self.step = step
        self.register_buffer("weights", torch.full((len(sizes),), 1 / len(sizes)))
        self.register_buffer("margin", group_dro.margins(sizes, adjustment))

    def forward(self, loss: Tensor, group: Tensor) -> Tensor:
        """Losses (n,) of points and their groups (n,) to the scalar that is minimised."""
        loss, group = losses.gather(loss), losses.gather(group)
        found, new = group_dro.group_dro(loss, group, self.weights, self.step, self.margin)
        self.weights.copy_(new)
        return found


def groups_of(unit: RobustUnit, data: Strata) -> Tensor:
    """Groups (n,) of the training images: pairs of class and stratum, or those recovered from the base's features."""
    if unit.base is None:
        return data.group
    s, z = unit.settings, unit.base.embeddings("train")[0][0]
    options = {"reduce": s.reduce, "k_max": s.k_max, "centre": s.centre, "seed": unit.seed}
    return recovery.recover(z, data.y, point_losses(unit.base), **options)


def point_losses(unit: CoarseUnit) -> Tensor:
    """Cross-entropy (n,) of each training image under the encoder's head, or under a linear probe where it has none."""
    z, y = unit.embeddings("train")
    if unit.settings.joint:
        return F.cross_entropy(unit.logits("train"), y, reduction="none")
    from sklearn.linear_model import LogisticRegression

    features = F.normalize(z[0], dim=1).double().numpy()
    chance = LogisticRegression(max_iter=1000).fit(features, y.numpy()).predict_log_proba(features)
    return -torch.from_numpy(chance).gather(1, y[:, None])[:, 0].float()


def run(unit: RobustUnit, save_seconds: float = training.SAVE_SECONDS) -> None:
    """Train the unit and write its folder; does nothing where the folder is whole.  See ``coarse.run``."""
    if unit.done:
        return
    start, s = time.time(), unit.settings
    data = {split: coarse_labels.load(s, split) for split in ("train", "test")}
    groups = groups_of(unit, data["train"])
    robust = GroupDRO(torch.bincount(groups), s.step, s.adjustment)

    def evenly(pool: Tensor, size: int, steps: int, generator: Generator) -> tuple[Tensor, ...]:
        return tuple(pool[part] for part in group_dro.evenly(groups[pool], size, steps, generator))

    draw = evenly if s.even else training.batches
    changes = coarse.Changes(groups=groups, robust=robust, draw=draw)
    conditions = training.followed(unit, 0, devices.place(s.precision), save_seconds)
    encoder, history = coarse.train(s, data["train"], conditions, changes)
    with records.atomic(unit.folder / "groups.safetensors") as path:
        save_file({"groups": groups, "weights": robust.weights.cpu()}, path)
    coarse.write(unit, encoder, history, data, start)


main = partial(training.main, run=run, read=RobustUnit.from_json)

if __name__ == "__main__":
    sys.exit(main())
