"""Claims, read from ``claims/<study>.yaml``, and the rule that turns the numbers of a claim into a verdict."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from lib import intervals
from lib.hashing import ROOT

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "not decided at this scale"
NOT_RUN, NOT_PUBLISHED, NOT_KEPT = "not run", "no published number", "values not kept"
NO_RUN = "of printed numbers alone"
NO_PAPER = "does not apply"  # a published number of a claim that no paper makes
UNCHECKED = "unchecked"
FEWEST = 3  # seeds, below which nothing is judged
WHOSE = ("paper", "known", "derived", "definition", "numerical", UNCHECKED)
SIDES = ("below", "above")
NULLS = ("seeds", "placebo")
REPLICATION, REDUCED, ANALOGUE, EXACT = "replication", "reduced", "analogue", "exact"  # the marks of a verdict
NOTHING = "none"  # the data of mathematics
SUBSETS = {"bios_subset": "bios"}  # a part of a data set that has a name of its own
PARTS = {"classes": "all", "undersampled": "all", "treated": "all", "images_per_class": 0, "images_per_stratum": 0}
PUBLISHED = "published"  # every encoder has the net of its method's public code


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


@dataclass(frozen=True)
class Made:
    """What a verdict was made on: a data set or "none"; whether all of its classes and images; a net, "" for none."""

    data: str
    whole: bool = True
    net: str = ""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the effect it rests on: mean and interval over seeds; seeds 0 is a number that has none.

    data: what it was made on; mark: see ``mark``, "" for the authors' own numbers; values: the effects, one a seed.
    null_low, null_high: what the null spans, see ``span``; NaN where the claim has none, or the run trained none.
    """

    claim: str
    effect: float
    low: float
    high: float
    seeds: int
    verdict: str
    data: str = NOTHING
    mark: str = ""
    values: tuple[float, ...] = ()
    null_low: float = math.nan
    null_high: float = math.nan


@functools.cache
def of(study: str) -> tuple[Claim, ...]:
    """The claims of a study, in the order of its file; none where it has no file.  ClaimError: see ``check``."""
    import yaml

    from lib import yaml_files

    path = ROOT / "claims" / f"{study}.yaml"
    if not path.exists():
        return ()
    try:
        content = yaml_files.read(path)
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


def made_on(params: dict, data: str = "") -> Made:
    """What a run with these parameters makes its verdicts on; data: where it is not the run's own set."""
    whole = all(params.get(name, everything) == everything for name, everything in PARTS.items())
    net = "" if params.get("embeddings") else params.get("net", params.get("model", ""))
    return Made(data or params.get("data", NOTHING), whole, PUBLISHED if params.get("published") else net)


def mark(claim: Claim, made: Made, seeds: int) -> str:
    """How near a verdict is to what the claim is about.

    "exact": mathematics, computed without data and seeds; "replication": the claim's data, all of it, and the paper's
    class of net, or a simulation of what has no data, drawn anew; "reduced": the claim's data, but a part of it or
    another net; "analogue": other data.
    """
    if not claim.data:
        return ANALOGUE if made.data != NOTHING else REPLICATION if seeds else EXACT
    if not {made.data, SUBSETS.get(made.data)} & set(claim.data):
        return ANALOGUE
    same_net = not claim.nets or made.net in (*claim.nets, PUBLISHED)
    return REPLICATION if made.data in claim.data and made.whole and same_net else REDUCED


def decide(claim: Claim, low: float, high: float) -> str:
    """holds: the whole interval passes the threshold; does not hold: the whole interval fails it; else undecided."""
    if math.isnan(low) or math.isnan(high):
        return UNDECIDED
    sign = 1 if claim.side == "above" else -1
    worst, best = sorted([sign * (low - claim.threshold), sign * (high - claim.threshold)])
    if worst > 0 or (worst == 0 and not claim.strict):
        return HOLDS
    return FAILS if best < 0 or (best == 0 and claim.strict) else UNDECIDED


def span(null) -> tuple[float, float]:
    """What a null spans: the middle 95 % of its values (N,), one for each pair of encoders; of fewer than 40 all.

    NaN ends where there are fewer than three values.
    """
    if len(null) < FEWEST:
        return math.nan, math.nan
    low, high = np.quantile(np.asarray(null, float), [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def beyond(claim: Claim, low: float, high: float, null_low: float, null_high: float) -> bool:
    """Whether an interval lies beyond what the null spans, on the claim's side; without a null it does not."""
    return low > null_high if claim.side == "above" else high < null_low


def settle(claim: Claim, low: float, high: float, null_low: float = math.nan, null_high: float = math.nan) -> str:
    """``decide``; but what holds of a claim ``against`` a null, and does not lie ``beyond`` it, is not decided."""
    verdict = decide(claim, low, high)
    inside = claim.against and not beyond(claim, low, high, null_low, null_high)
    return UNDECIDED if verdict == HOLDS and inside else verdict


def interval(claim: Claim, values, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval over seeds of what the claim is about, from one value a seed (seeds,): (mean, low, high).

    A share has Gaffke's interval, exact binomial for one trial a seed; anything else Student's t, cut where the
    quantity ends.  The ends are NaN below three seeds, and where no seed differs from another: a spread that was not
    seen cannot be told from none.
    A quantity that has none, as mathematics, is a number without seeds: see ``judge_number``.
    """
    values = np.asarray(values, float)
    rule = intervals.of_share if claim.share else intervals.over_seeds
    mean, low, high = (float(v) for v in rule(values, level))
    low, high = max(low, claim.within[0]), min(high, claim.within[1])
    alike = np.ptp(values) <= 1e-12 * np.abs(values).max()  # equal but for rounding
    return (mean, math.nan, math.nan) if len(values) < FEWEST or (alike and not claim.share) else (mean, low, high)


def judge(claim_id: str, effects, learned: bool | None = None, null=None, premise: bool = True) -> Judgement:
    """Verdict on one effect a seed, (seeds,), by their ``interval``.

    Encoders that have not ``learned`` decide nothing: see ``has_learned``.
    null: the same quantity of encoders without the treatment, (N,), of a claim ``against`` one, which holds only
    where its interval lies ``beyond`` it.
    premise: whether what the claim presupposes was seen, as the harm that a remedy lessens; else nothing is decided.
    ValueError: a claim about encoders without ``learned``, or one against a null without ``null``.
    """
    claim, effects = known()[claim_id], np.asarray(effects, float)
    if claim.gated and learned is None:
        raise ValueError(f"claim {claim_id!r} is about trained encoders; say learned=, whether they passed has_learned")
    if claim.against and null is None:
        raise ValueError(f"claim {claim_id!r} stands against a null ({claim.against}); give null=, () without one")
    mean, low, high = interval(claim, effects)
    ends = span(null) if claim.against else (math.nan, math.nan)
    judged = premise and (learned or not claim.gated)
    verdict = settle(claim, low, high, *ends) if judged else UNDECIDED
    values = tuple(effects.tolist())
    return Judgement(claim_id, mean, low, high, len(effects), verdict, NOTHING, "", values, *ends)


def holm(family: list[tuple]) -> list[str]:
    """Verdicts by Holm's method on claims that are read together, each given as (claim, verdict, one value a seed),
    and of a claim ``against`` a null the two ends of what that spans.

    With m claims still open each is decided by its ``interval`` at level 1 - 0.05 / m; those that are decided leave,
    and m falls, until a round decides none.  If every interval has its level, the chance that any claim is decided
    whose quantity lies on its threshold is at most 5 %, however the claims depend on each other.
    A claim that is undecided at 95 %, for whatever reason, stays so.  One whose values are not kept, (), counts as open
    and gets ``NOT_KEPT``.  Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    found = [NOT_KEPT if verdict != UNDECIDED and not values else UNDECIDED for _, verdict, values, *_ in family]
    able = {i for i, (_, verdict, values, *_) in enumerate(family) if verdict != UNDECIDED and values}
    left, new = len(family), able
    while new:
        ends = {i: interval(family[i][0], family[i][2], 1 - 0.05 / left)[1:] for i in able}
        words = {i: settle(family[i][0], *pair, *family[i][3:]) for i, pair in ends.items()}
        new = {i for i, word in words.items() if word != UNDECIDED}
        for i in new:
            found[i] = words[i]
        left, able = left - len(new), able - new
    return found


def judge_number(claim_id: str, effect: float) -> Judgement:
    """Verdict on a number without seeds, published or computed exactly: the number alone against the threshold."""
    return Judgement(claim_id, float(effect), math.nan, math.nan, 0, decide(known()[claim_id], effect, effect))


def shown(value: float, threshold: float = math.nan) -> str:
    """A number with three decimals, or with two significant digits where those would all be 0: 0.012, 9.1e-05.

    threshold: what the number is read against; it gets as many more decimals as tell on which side it lies.
    """
    if 0 < abs(value) < 0.0005:
        return f"{value:.1e}"
    sides = (n for n in range(3, 9) if np.sign(round(value, n) - threshold) == np.sign(value - threshold))
    return f"{value:.{3 if math.isnan(threshold) else next(sides, 8)}f}"


def reason(claim: Claim, j: Judgement) -> str:
    """Why a claim is not decided where its interval is not the reason; empty where it is, or where it is decided."""
    if j.verdict != UNDECIDED or not j.seeds:
        return ""
    if j.seeds < FEWEST:
        return f"fewer than {FEWEST} seeds"
    if math.isnan(j.low):
        return "no spread between the seeds, or an interval of an earlier rule"
    if decide(claim, j.low, j.high) == UNDECIDED:
        return ""
    if settle(claim, j.low, j.high, j.null_low, j.null_high) != UNDECIDED:
        return "the encoders did not learn, or what the claim presupposes was not seen"
    return "no null was trained" if math.isnan(j.null_low) else "not beyond the null"


def has_learned(accuracy, accuracy_untrained) -> bool:
    """Whether a claim about encoders may be judged: they beat the same net untrained by 5 points of accuracy.

    accuracy, accuracy_untrained: (seeds,), shares; the mean gain must reach 0.05 and its interval lie above 0.  Of a
    head that is trained with its net, accuracy_untrained is ``chance``.
    """
    gain, low, _ = intervals.over_seeds(np.asarray(accuracy) - np.asarray(accuracy_untrained))
    return bool(gain >= 0.05 and low > 0)


def chance(y) -> float:
    """Accuracy of what reads nothing, the share of the largest class: y, codes (n,)."""
    return float(np.bincount(np.asarray(y)).max() / len(y))
