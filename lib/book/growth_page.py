"""What the page of larger data shows: how cost grows, as it was measured, and what two larger sets would need by that.

Measured numbers are read from ``benchmarks/results.json`` and ``benchmarks/gpu.json``; counts of operations and
parameters are those of the nets, and tests count them again.  Imports no torch: the site is made without.
"""

import json
import math
import re
from dataclasses import dataclass

from lib.book import benchmarks_page, gpu_page, markup
from lib.book.benchmarks_page import number
from lib.hashing import ROOT

PAGE, MARKER = ROOT / "book/scale.md", re.compile(r"<!-- (\w[\w ]*) -->")
NEEDED = {"training", "class cosines", "heads", "NT-Xent"}  # parts and cases of the benchmarks
GIB, TIB = 2**30, 2**40
FLOAT = 4  # bytes
FEATURES_MEASURED = 64  # of the encoders whose heads were timed
IMAGENET = 1_281_167  # training images of 1,000 classes, Russakovsky et al. (2015)
C4, C4_BYTES, C4_JUDGED = (
    364_868_892,
    828_589_180_707,
    364_608,
)  # Raffel et al. (2020), the set "en": held out last


@dataclass(frozen=True)
class Plan:
    """A study at a scale.

    examples, judged: images or texts to train on and to judge by, ``size`` bytes each; operations: floating-point, of
    two views, forwards and backwards; arms: classes or groups that are undersampled, at ``shares`` shares each.
    """

    name: str
    source: str
    net: str
    operations: float
    weights: int
    features: int
    examples: int
    judged: int
    size: float
    arms: int
    shares: int
    seeds: int
    epochs: int

    @property
    def encoders(self) -> int:
        """A balanced one, and one for each arm and share, of every seed."""
        return (1 + self.arms * self.shares) * self.seeds

    def gpu_hours(self, rate: float) -> float:
        """Of training, at so many operations a second."""
        return self.encoders * self.epochs * self.examples * self.operations / rate / 3600

    @property
    def data(self) -> float:
        """GiB of the training data."""
        return self.examples * self.size / GIB

    @property
    def kept(self) -> float:
        """TiB of features of all examples and weights, of all encoders."""
        return self.encoders * ((self.examples + self.judged) * self.features + self.weights) * FLOAT / TIB


_RESNET34 = ("ResNet-34", gpu_page.OPERATIONS["resnet34"], 21_276_992, 512)
_RESNET50 = ("ResNet-50", 48_573_579_264, 23_508_032, 2048)
_BERT = ("BERT base, 32 tokens", 32_841_400_320, 108_891_648, 768)
_OF_100 = (IMAGENET // 10, 5_000, 3 * 224 * 224)
PLANS = (
    Plan("CIFAR-10, every class", "maity2024", *_RESNET34, gpu_page.IMAGES, 10_000, 3 * 32 * 32, 10, 2, 10, 500),
    Plan("ImageNet-100, every class", "russakovsky2015", *_RESNET50, *_OF_100, 100, 2, 10, 500),
    Plan("ImageNet-100, ten classes", "russakovsky2015", *_RESNET50, *_OF_100, 10, 2, 10, 500),
    Plan("C4, two groups", "raffel2020", *_BERT, C4, C4_JUDGED, 32 * 2, 2, 1, 5, 1),
)


def parts() -> dict[str, str]:
    """The text of every marker of the page; where something that it needs was not measured, each says so."""
    runs, card = (
        json.loads(p.read_text(encoding="utf-8")) if p.exists() else {}
        for p in (benchmarks_page.RESULTS, gpu_page.RESULTS)
    )
    grown = [row for run in runs for row in run["growth"]]
    lines = [line for run in runs for line in run["lines"]]
    has = {row["part"] for row in grown} | {line["case"] for line in lines}
    if not has >= NEEDED or not any(row["line"] == "SimCLR step" for row in card.get("speed", ())):
        return dict.fromkeys(MARKER.findall(PAGE.read_text(encoding="utf-8")), gpu_page.NOT)
    return {
        "growth of cost": _growth(grown),
        "growth of classes": _classes(grown),
        "larger sets": _plans(card),
    } | _numbers(lines, card)


def counted(part: str, classes: int) -> int:
    """Work of a part of a study in which each class is undersampled in turn, by its number of classes, with as many
    images a class: encoders and images for training and class cosines; heads, images and outputs for heads."""
    encoders, images = classes + 1, classes
    return {"heads": (3 * classes + 1) * images * classes}.get(part, encoders * images)


def rate(card: dict) -> float:
    """Operations a second of the fastest measured SimCLR step."""
    steps = [r["value"] for r in card["speed"] if r["line"] == "SimCLR step" and r["size"].startswith("resnet18")]
    return max(steps) * gpu_page.OPERATIONS["resnet18"]


def head_seconds(lines: list[dict], plan: Plan, classes: int) -> float:
    """CPU seconds of one seed's heads: those measured for ten classes, and the ratio of the work.

    Work is heads x images x classes x features; the measured line has 600 images of ten classes.
    """
    (line,) = (r for r in lines if r["from"] == "heads" and "10 classes, 600 images" in r["size"])
    heads, measured = (3 * plan.arms + 1) / (3 * 10 + 1), 600 * 10 * FEATURES_MEASURED
    return line["ours"] * heads * plan.judged * classes * plan.features / measured


def _growth(grown: list[dict]) -> str:
    head = ("part of a study", "doubled", "from, to", "exponent")
    rows = [(g["part"], g["factor"], f"{g['from']:,} to {g['to']:,}", number(g["exponent"])) for g in grown]
    return markup.raw(markup.table(head, rows, "benchmarks"))


def _classes(grown: list[dict]) -> str:
    rows = []
    for g in (g for g in grown if g["factor"] == "classes"):
        ends = [counted(g["part"], g[end]) for end in ("from", "to")]
        far = 10 ** g["exponent"], counted(g["part"], 100) / counted(g["part"], 10)
        rows.append((g["part"], number(g["exponent"]), number(math.log2(ends[1] / ends[0])), *map(number, far)))
    head = ("part", "measured exponent", "counted exponent", "10 to 100 classes, measured", "counted")
    return markup.raw(markup.table(head, rows, "benchmarks"))


def _plans(card: dict) -> str:
    head = ("study", "net", "encoders", "GPU-hours", "data", "features and weights")
    rows = [
        (
            plan.name,
            plan.net,
            f"{plan.encoders:,}",
            number(plan.gpu_hours(rate(card))),
            f"{number(plan.data)} GiB",
            f"{number(plan.kept)} TiB",
        )
        for plan in PLANS
    ]
    return (
        f"{markup.raw(markup.table(head, rows, 'benchmarks'))}\n\nGPU-hours are those of one {card['device']} at the "
        f"{number(rate(card) / 1e12)} TFLOP/s of the measured step (`benchmarks/gpu.json`, line SimCLR step)."
    )


def _numbers(lines: list[dict], card: dict) -> dict[str, str]:
    """The numbers of the prose, by their marker."""
    cifar, every, ten, text = PLANS
    hours = {plan.name: plan.gpu_hours(rate(card)) for plan in PLANS}
    loss = max((r for r in lines if r["case"] == "NT-Xent" and r["unit"] == "MiB"), key=_size)
    (note,) = {r["note"] for r in lines if (r["size"], r["against"]) == (loss["size"], "lightly")}
    return {
        "hours every class": number(hours[every.name]),
        "times the hours": number(hours[every.name] / hours[cifar.name]),
        "hours ten classes": number(hours[ten.name]),
        "disk images": f"{number(every.kept)} TiB",
        "disk texts": f"{number(text.kept)} TiB",
        "measures": f"{number((every.arms * every.features + every.arms**2) * FLOAT / 2**20)} MiB",
        "device images": f"{number(every.data)} GiB",
        "device whole": f"{number(IMAGENET * every.size / GIB)} GiB",
        "device texts": f"{number(text.data)} GiB",
        "whole text": f"{number(C4_BYTES / GIB)} GiB",
        "hours heads": number(head_seconds(lines, every, 100) * every.seeds / 3600),
        "card heads": _card_heads(card),
        "loss memory": f"{number(loss['ours'])} MiB at {loss['size']} images a batch",
        "dense memory": note.partition("about ")[2].partition(" by")[0],
    }


def _card_heads(card: dict) -> str:
    found = [r["value"] for r in card["speed"] if r["line"].startswith("heads")]
    return f"{number(found[0])} times that of scikit-learn" if found else gpu_page.NOT


def _size(line: dict) -> int:
    return int(line["size"].removeprefix("N = ").replace(",", ""))
