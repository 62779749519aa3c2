"""What the decisions of heads are called among the measures of an encoder, and which of them mediation takes."""

import re

from lib.studies.shared.arms import HARM

KINDS = ("paper", "weighted", "train")
HEADS = re.compile(rf"(?P<kind>{'|'.join(KINDS)}) heads, (?P<ratio>[^ ]+)( of (?P<own>[\d ]+))?")  # see measure_name


def asked(
    own: tuple[int, ...], ratio: float, milder: float | None = None, kinds: tuple[str, ...] = KINDS
) -> dict[str, tuple[str, ...]]:
    """The measures that mediation takes by arm: those of RH and AH, and kinds of heads at one or two shares kept."""
    paper = [] if milder is None else [measure_name("paper", milder, own)]
    found = {"balanced": (*HARM["balanced"], *(measure_name(kind, ratio, own) for kind in kinds), *paper)}
    found["under"] = (*HARM["under"], *(measure_name(kind, ratio) for kind in kinds))
    return HARM | found | ({} if milder is None else {"mild": (measure_name("paper", milder),)})


def measure_name(kind: str, ratio: float, own: tuple[int, ...] = ()) -> str:
    """What ``decisions`` are called among the measures of an encoder; own: of a balanced one."""
    return f"{kind} heads, {ratio:g}" + (f" of {' '.join(map(str, sorted(own)))}" if own else "")
