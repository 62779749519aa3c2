"""The study of images with captions: the evidence of each tower, and what its claims are about."""

from functools import partial

from torch import Tensor

from lib import harms
from lib.encoders import clip, pretrain
from lib.encoders.store import Stored
from lib.studies.shared import evidence, null
from lib.studies.shared.arms import Arms
from lib.studies.shared.evidence import Embedded, Evidence


def of_tower(arms: Arms, tower: str) -> Evidence:
    """One tower of every encoder, judged on the held-out pairs: its features of the images, or of the captions."""

    def row(units: list[Stored]) -> list[Embedded]:
        return [Embedded(partial(u.tower, tower, m), unit=u, member=m) for u in units for m in range(len(u.members))]

    def one(arm: list[list[Stored]]) -> list[Embedded]:
        return [e for units in arm for e in row(units)]

    treated, y = tuple(arms.classes.index(c) for c in arms.treated), arms.balanced[0][0].tower(tower)[1]
    under = [row(units) for units in arms.under]
    return Evidence(arms.classes, treated, y, one(arms.balanced), under, untrained=one(arms.untrained))


def judged(tower: str, rh: Tensor, recall: Tensor, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """What the claims about a tower are about, by claim, (n,).

    rh: (n, K, K) RH, NaN in rows of classes that are not rare in any encoder; recall: (n, T) change of recall.
    """
    return {
        f"modal-rh-{tower}": harms.paired_mean(rh, pairs),
        f"modal-gap-{tower}": harms.pair_gap(rh, pairs),
        f"modal-nie-{tower}": recall.mean(1),
    }


def untreated(tower: str, seen: Evidence, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
    """``judged`` of balanced encoders of other seeds, in place of those with a rare class: see ``null``; {} of few."""
    rh, change = null.harm(seen), null.change(seen)
    if not rh:
        return {}
    return judged(tower, evidence.square(rh[0], seen.treated), seen.own(change[0]), pairs)


def temperature(arms: Arms) -> list[float]:
    """The temperature that each balanced encoder has learned."""
    scales = (units[0].read("checkpoint.safetensors")["0.log_scale"] for units in arms.balanced)
    return [float((-scale).exp()) for scale in scales]


def examples(arms: Arms, names: list[str], count: int = 3) -> dict[str, list[str]]:
    """The first captions of the training pairs of some classes, by class."""
    s = arms.balanced[0][0].settings
    texts, of = clip.texts_of(s, "train"), [arms.classes[k] for k in pretrain.images_of(s, "train").y.tolist()]
    return {name: [text for text, own in zip(texts, of, strict=True) if own == name][:count] for name in names}
