"""What the page of the GPU shows: ``benchmarks/gpu.json``, which has the form of what ``make gpu`` writes.

Imports no torch: the site is made without.
"""

import html
import json

from lib.book import markup
from lib.book.benchmarks_page import number
from lib.hashing import ROOT

RESULTS = ROOT / "benchmarks/gpu.json"
# what make gpu measures, of which the page says where it was not measured
LINES = (
    "augmentation",
    "matrix product",
    "SimCLR step",
    "SimCLR step, share of the bound",
    "NT-Xent, memory",
    "NT-Xent, value and gradient",
    "heads, times scikit-learn",
)
NOT = "not measured"
AIM = 24  # GPU-hours for the encoders of the harms paper
ENCODERS, EPOCHS, IMAGES = 210, 500, 50_000  # of the harms paper: encoders, and the epochs and images of each
# floating-point operations of an image, forwards and backwards, counted by ``card_speed.operations``
OPERATIONS = {"resnet18": 6.674e9, "resnet34": 13.921e9}


def text() -> str:
    """The tables that fill the page's marker; a note where nothing was measured yet."""
    if not RESULTS.exists():
        return "*No GPU was measured yet: `make gpu` does it.*"
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    measured = {line: [r for r in found["speed"] if r["line"] == line] for line in LINES}
    measured |= {r["line"]: [r] for r in found["speed"] if r["line"] not in LINES}
    rows = [row for line, mine in measured.items() for row in (map(_row, mine) if mine else [(line, "", NOT, "")])]
    where = f"Measured on one {found['device']}, torch {found['torch']}, code `{found['git']['commit'][:10]}`."
    table = markup.raw(markup.table(("what", "on how much", "measured", "aim"), rows, "benchmarks"))
    return "\n\n".join([where, table, _checks(found["checks"]), _extrapolated(found["speed"])])


def hours(images_a_second: float) -> float:
    """GPU-hours for the paper's encoders, ResNet-34, from the rate of ResNet-18: as much longer as its operations."""
    slower = OPERATIONS["resnet34"] / OPERATIONS["resnet18"]
    return ENCODERS * EPOCHS * IMAGES / images_a_second * slower / 3600


def _row(line: dict) -> tuple[str, ...]:
    note = f"<br><small>{html.escape(line['note'])}</small>" if line["note"] else ""
    aim = "" if line["aim"] is None else f"{number(line['aim'])} {line['unit']}"
    return html.escape(line["line"]), html.escape(line["size"]), f"{number(line['value'])} {line['unit']}{note}", aim


def _checks(checks: list[dict]) -> str:
    if not checks:
        return (
            "The checks of the device were run on a CPU alone, and not on this card before its encoders were trained."
        )
    rows = [
        (c["check"], f"{c['value']:.2g}", f"{c['limit']:.2g}", c["what"], "passed" if c["passed"] else "failed")
        for c in checks
    ]
    return markup.raw(markup.table(("check", "value", "limit", "what it is", "result"), rows, "benchmarks"))


def _extrapolated(lines: list[dict]) -> str:
    """The hours for the paper's encoders, marked as extrapolated; that there are none where no rate was measured."""
    rates = [r["value"] for r in lines if r["line"] == "SimCLR step" and r["size"].startswith("resnet18")]
    if not rates:
        return f"The time of the harms paper's encoders is {NOT}."
    small, large = (OPERATIONS[net] for net in ("resnet18", "resnet34"))
    return (
        f"The compiled step computes {max(rates) * small / 1e12:.0f} TFLOP/s: its images a second times the "
        f"{small / 1e9:.2f} GFLOP of an image.\n\n**Extrapolated, not measured.** The {ENCODERS} encoders of the harms "
        f"paper, ResNet-34, {EPOCHS} epochs of {IMAGES:,} images each, would take about {hours(max(rates)):.0f} "
        f"GPU-hours: ResNet-34 has {large / small:.2f} times the operations of ResNet-18, and is taken to be as much "
        f"slower. The aim of this book is {AIM} hours. The estimate that `make run` prints for the preset `paper` "
        "is another one: it counts the encoders of a study, and does not use this measurement."
    )
