"""The study of methods and mitigations: what its claims are about, and how alike the classes are."""

import torch
from torch import Tensor

from lib.encoders import pretrain
from lib.encoders.further_settings import REMEDIES
from lib.studies.shared import evidence, further, null, outcomes
from lib.studies.shared import similarity as alike
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence import Evidence
from lib.studies.shared.measured import Measured

# The measure of similarity that a claim is about.
OUTSIDE = {
    "similarity-pixels": "raw pixels",
    "similarity-hog": "oriented gradients",
    "similarity-random": "net untrained",
    "similarity-imagenet": "net of ImageNet",
}
# The label that a claim is about.
ABOUT = {"harms-8a": "simsiam", "harms-8b": "simsiam", "harms-8c": "simsiam"}
ABOUT |= {"harms-9a": "bcl", "harms-9b": "bcl", "harms-9c": "bcl"}
ABOUT |= {"harms-14a": "simclr_groups", "harms-14b": "simclr_groups", "harms-14c": "simclr_anchors"}
ABOUT |= {"negatives-1": "vicreg", "negatives-2": "barlow_twins", "labels-1": "supervised"}
ABOUT |= dict.fromkeys(("pairs-1", "pairs-2", "pairs-3"), further.MASKED)
REMEDY_CLAIMS = {f"remedy-{name}": f"simclr_{name}" for name in REMEDIES}  # of the pull; with "-recall" of the recall
ABOUT |= {claim + end: label for claim, label in REMEDY_CLAIMS.items() for end in ("", "-recall")}


def similarity(seen: Evidence, without: bool = False) -> tuple[Tensor, Tensor]:
    """Balanced class cosine and 1 - RH of every cell (k, j), j != k: (seeds, T (K - 1)) each, cells in one order.

    without: of encoders of which none was undersampled, (N, T (K - 1)) each: see ``null``.
    """
    own, seeds = torch.tensor(seen.treated), null.trios(len(seen.balanced))[0] if without else slice(None)
    keep = torch.arange(len(seen.classes)) != own[:, None]
    rh = null.harm(seen)[0] if without else evidence.harm_matrix(seen)[1]
    return seen.cosines("balanced")[seeds][:, own][:, keep], 1 - rh[:, keep]


def from_outside(arms: Arms, seen: Evidence, imagenet: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rank correlations of similarity and 1 - RH in rows, (seeds, T) by measure; of the null, (N,) by claim.

    See ``lib.studies.shared.similarity``, also for imagenet; arms: those that ``seen`` was read of.
    """
    x = pretrain.images_of(arms.balanced[0][0].settings, "test").x
    cosines, without = alike.outside(seen, x, imagenet), null.harm(seen)
    every, rh = cosines | {"the encoder itself": seen.cosines("balanced")}, evidence.harm_matrix(seen)[1]
    found = {name: alike.in_rows(each, rh, seen.treated) for name, each in every.items()}
    names = [(claim, name) for claim, name in OUTSIDE.items() if without and name in cosines]
    return found, {claim: alike.in_rows(cosines[name], without[0], seen.treated).mean(1) for claim, name in names}


def untreated(measured: dict[str, Measured], pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """``effects`` of encoders of which none was undersampled, (N,) by claim: see ``null``."""
    if not measured["simclr"].untreated:
        return {}
    first, second = ({label: m.untreated[k] for label, m in measured.items()} for k in (0, 1))
    return effects(first, pairs, second["simclr"])


def effects(
    measured: dict[str, Measured], pairs: list[tuple[int, int]], plain: Measured | None = None
) -> dict[str, Tensor]:
    """What the claims are about, (seeds,), by claim, of those whose label was measured.

    pairs: the look-alikes; plain: what the others are compared with, of the same undersampled classes; by default
    SimCLR.
    """
    plain = plain or measured["simclr"]

    def pull(m: Measured) -> Tensor:
        return m.paired_rh(pairs)

    def recall(m: Measured) -> Tensor:
        return m.nie_diagonal().mean(1)

    def beside(m: Measured) -> Measured:
        return plain.only(m.treated)

    def less(m: Measured) -> Tensor:
        return pull(m) - pull(beside(m))

    def saved(m: Measured) -> Tensor:
        return recall(m) - recall(beside(m))

    of = {
        "harms-8c": lambda m: outcomes.correlation(m.off_diagonal(), beside(m).off_diagonal()),
        "harms-9b": lambda m: (m.nie_diagonal() < 0).double().mean(1),
        "harms-14b": lambda m: recall(m) - 0.75 * recall(beside(m)),
    }
    of |= dict.fromkeys(("harms-8b", "pairs-3"), recall)
    of |= dict.fromkeys(("harms-9c", "harms-14a", "harms-14c", "pairs-2", *REMEDY_CLAIMS), less)
    of |= dict.fromkeys((f"{claim}-recall" for claim in REMEDY_CLAIMS), saved)
    return {claim: of.get(claim, pull)(measured[label]) for claim, label in ABOUT.items() if label in measured}
