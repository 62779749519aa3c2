"""Claims as ``claims/<study>.yaml`` states them, read and checked."""

import functools
import math
from dataclasses import dataclass
from pathlib import Path

from lib.hashing import ROOT

UNCHECKED = "unchecked"
WHOSE = ("paper", "known", "derived", "definition", "numerical", UNCHECKED)
SIDES = ("below", "above")
NULLS = ("seeds", "placebo")
NOTHING = "none"  # the data of mathematics


class ClaimError(ValueError):
    """A file of claims that cannot be used; the message names file, claim and field."""


@dataclass(frozen=True)
class Claim:
    """A statement that a number can fail.

    id: short name, unique in the book; study: whose notebook judges it; statement: in our words, readable alone.
    whose: "paper" (its own, with ``cite``, a key in references.bib, and ``place`` in it), "known" (with ``cite``),
    "derived" (here), "definition" (a working definition or question of this book), "numerical" (seen in numbers alone),
    or "unchecked".  headline: whether it is one of the paper's main claims; None: unchecked.
    quantity: what is measured; side, threshold: the claim holds where the quantity is "below" or "above" the threshold;
    a number on the threshold itself passes unless the claim is strict.
    share: whether the quantity is a share of cells or trials, from 0 to 1, which has an interval of its own kind.
    within: the least and the largest value that the quantity can have, where it has both; its interval ends there.
    data: the sets that the paper made it on, or that the book's own claim is about; () is mathematics; ("unknown",)
    where what was read of the paper does not say.
    nets: the classes of net of the paper's encoders, of the whole file; (): any.
    against: the null of a harm: "seeds", encoders of which neither was undersampled, or "placebo", encoders that had
    another class undersampled; "": the claim is about no harm, or its quantity holds the comparison already.
    ungated: why a claim about data is judged whether or not its encoders learned; "" where they must have.
    printed: the claim is about the numbers that a paper prints; no run can judge it.
    figure: of the study's page, that shows what the claim rests on; "": the first after the lines that judge it.
    registered: date and commit that fixed the threshold; ``changes`` of it later, each with its reason; a ``note``.
    """

    id: str
    study: str
    statement: str
    whose: str
    cite: str
    place: str
    headline: bool | None
    quantity: str
    side: str
    threshold: float
    strict: bool
    data: tuple[str, ...]
    registered: dict
    nets: tuple[str, ...] = ()
    share: bool = False
    within: tuple[float, float] = (-math.inf, math.inf)
    against: str = ""
    ungated: str = ""
    printed: bool = False
    figure: str = ""

    @property
    def gated(self) -> bool:
        """Whether a run must say that its encoders learned: a claim about data, and not ``ungated``."""
        return bool(self.data) and not self.ungated

    @property
    def sets(self) -> str:
        """Its data in words: "none", or the sets separated by commas."""
        return ", ".join(self.data) or NOTHING


def read_yaml(path: Path):
    """The content of a YAML file; by libyaml, ten times faster, where PyYAML was built with it."""
    import yaml

    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.cache
def of(study: str) -> tuple[Claim, ...]:
    """The claims of a study, in the order of its file; none where it has no file.  ClaimError: see ``check``."""
    import yaml

    path = ROOT / "claims" / f"{study}.yaml"
    if not path.exists():
        return ()
    try:
        content = read_yaml(path)
        found, nets = content["claims"], tuple(content.get("nets", ()))
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ClaimError(f"{path.name}: expected a mapping with a list 'claims' ({type(error).__name__})") from error
    claims = tuple(check(entry, study, nets) for entry in found or ())
    if twice := {c.id for c in claims if sum(c.id == other.id for other in claims) > 1}:
        raise ClaimError(f"{path.name}: claim {min(twice)!r} stands there twice")
    return claims


@functools.cache
def known() -> dict[str, Claim]:
    """Every claim of the book by its id, study by study.  ClaimError: an id in two files."""
    found: dict[str, Claim] = {}
    for path in sorted((ROOT / "claims").glob("*.yaml")):
        for claim in of(path.stem):
            if claim.id in found:
                raise ClaimError(f"claim {claim.id!r} stands in {found[claim.id].study}.yaml and in {path.name}")
            found[claim.id] = claim
    return found


def check(entry: dict, study: str, nets: tuple[str, ...] = ()) -> Claim:
    """An entry of a file as a claim; ClaimError for a field that is missing, unknown, or of a wrong kind."""
    where = f"claims/{study}.yaml, {entry.get('id', 'a claim without id')!r}" if isinstance(entry, dict) else study
    if not isinstance(entry, dict):
        raise ClaimError(f"claims/{study}.yaml: {entry!r} is no mapping")
    optional = {"strict": False, "cite": "", "share": False, "within": [-math.inf, math.inf]}
    optional |= {"against": "", "ungated": "", "printed": False, "figure": ""}
    needed = {"id", "statement", "whose", "place", "headline", "quantity", "side", "threshold", "data", "registered"}
    for word, names in (("lacks", needed - set(entry)), ("has the unknown field", set(entry) - needed - set(optional))):
        if names:
            raise ClaimError(f"{where} {word} {min(names)!r}")
    e = optional | entry
    number = isinstance(e["threshold"], int | float) and not isinstance(e["threshold"], bool)
    data, ends = e["data"], e["within"]
    pair = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    fits = {
        "whose": (e["whose"] in WHOSE, f"one of {', '.join(WHOSE)}"),
        "cite": (bool(e["cite"]) == (e["whose"] in ("paper", "known")), "a citation for 'paper' and 'known' alone"),
        "headline": (e["headline"] in (True, False, UNCHECKED), "true, false or unchecked"),
        "side": (e["side"] in SIDES, "below or above"),
        "threshold": (number and math.isfinite(e["threshold"]), "a number"),
        "strict": (isinstance(e["strict"], bool), "true or false"),
        "printed": (isinstance(e["printed"], bool), "true or false"),
        "figure": (isinstance(e["figure"], str), "the name of a figure"),
        "against": (e["against"] in ("", *NULLS), f"one of {', '.join(NULLS)}, or left out"),
        "ungated": (
            isinstance(e["ungated"], str) and not (e["ungated"] and data == NOTHING),
            "a reason, for a claim about data alone",
        ),
        "share": (
            isinstance(e["share"], bool) and (not e["share"] or (number and 0 <= e["threshold"] <= 1)),
            "true or false, and true only with a threshold from 0 to 1",
        ),
        "within": (
            number and pair and ends[0] <= e["threshold"] <= ends[1],
            "two numbers, the threshold between them",
        ),
        "data": (
            data == NOTHING or (isinstance(data, list) and data and all(isinstance(d, str) for d in data)),
            "a list of data sets, or none",
        ),
        "registered": (
            isinstance(e["registered"], dict) and {"date", "commit"} <= set(e["registered"]),
            "date, commit",
        ),
        **{n: (isinstance(e[n], str) and e[n].strip(), "a text") for n in ("id", "statement", "place", "quantity")},
    }
    for name, (fit, wanted) in fits.items():
        if not fit:
            raise ClaimError(f"{where}: {name}={e[name]!r}; expected {wanted}")
    sets = () if data == NOTHING else tuple(data)
    headline = None if e["headline"] == UNCHECKED else e["headline"]
    own = {"study": study, "threshold": float(e["threshold"]), "data": sets, "headline": headline, "nets": nets}
    own["within"] = (float(ends[0]), float(ends[1]))
    return Claim(**e | own)
