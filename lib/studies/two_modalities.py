"""The study of images with captions: its encoders, the evidence of each tower, and what its claims are about."""

from dataclasses import fields, replace
from functools import partial
from types import SimpleNamespace

from torch import Tensor

from lib import harms
from lib.encoders import clip, pretrain
from lib.encoders.clip_settings import TOWERS, ClipSettings
from lib.encoders.store import Stored
from lib.sources import DataError
from lib.studies.shared import evidence, null
from lib.studies.shared.arms import HARM, Arms, classes_of, control, treated_units
from lib.studies.shared.evidence import Embedded, Evidence
from lib.studies.shared.words import seeds_of
from lib.text import captions


def plan(p: SimpleNamespace) -> Arms:
    """Balanced towers, towers with each treated class rare, and the same at their random start.

    ValueError: no treated class has a look-alike among the classes.
    """
    classes, treated = classes_of(p)
    chosen = {f.name: getattr(p, f.name) for f in fields(ClipSettings) if hasattr(p, f.name)}
    s = ClipSettings(**chosen | {"classes": classes if p.classes != "all" else ()})
    pairs_of(p.data, classes, treated)
    under = [treated_units(s, treated, p.ratio, seed) for seed in seeds_of(p)]
    untrained = control(replace(s, method="untrained"), p.seed, p.seeds)
    balanced = control(s, p.seed, p.seeds)
    measures = {arm: tuple(f"{name} of the {t} tower" for t in TOWERS for name in names) for arm, names in HARM.items()}
    return Arms(classes, treated, balanced, under, [], [], [], untrained, measures)


def pairs_of(data: str, classes: tuple[str, ...], treated: tuple[str, ...]) -> list[tuple[int, int]]:
    """The cells (k, j) of each treated class k and of the class j with which its captions share words.

    DataError: the set has no captions, or there is no such cell.
    """
    both = [pair for a, b in captions.look_alikes(data) for pair in ((a, b), (b, a))]
    found = [(classes.index(a), classes.index(b)) for a, b in both if a in treated and b in classes]
    if not found:
        raise DataError(f"no class of {', '.join(treated)} has its look-alike among {', '.join(classes)}; take a pair")
    return found


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
