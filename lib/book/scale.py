"""At what scale a run was made, in words, beside the scale that its claims are about."""

import html
import re

from lib import claims, study
from lib.book import cost, in_order, markup, run_records
from lib.study import key

PAPER = "paper"  # the preset with the settings of a paper
DATA = {
    "digits": "8 × 8 digits",
    "digits_coarse": "8 × 8 digits in two classes",
    "spurious_digits": "8 × 8 digits on stripes",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "mnist_coarse": "MNIST in two classes",
    "spurious_mnist": "MNIST on stripes",
    "cifar10": "CIFAR-10",
    "cifar10_coarse": "CIFAR-10 in two classes",
    "cifar100": "CIFAR-100",
    "cifar100_coarse": "CIFAR-100 in 20 classes",
    "cifar100_coarse_u": "CIFAR-100 in 20 uneven classes",
    "stl10": "STL-10",
    "nyu_depth": "NYU-Depth-v2",
    "bookcorpus": "BookCorpus",
    "waterbirds": "Waterbirds",
    "isic": "ISIC",
    "generated": "generated biographies",
    "bios_subset": "a small part of BIAS in BIOS",
    "bios": "BIAS in BIOS",
    "kitti_masks": "masks of pedestrians in KITTI",
    "none": "simulated data",
    "gaussian": "Gaussian classes",
    "unknown": "data that we do not know",
}
NETS = {
    "small_alexnet": "a small AlexNet",
    "convnet": "a small convolutional net",
    "resnet_small": "a small ResNet",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    "vit": "a vision transformer",
    "vit_small": "a small vision transformer",
    "mlp": "a perceptron",
    "small": "a BERT of two layers",
    "minilm": "MiniLM",
    "bert": "BERT",
    claims.PUBLISHED: "the net of each method's public code",
}
EACH = {"images_per_class": "training images of each class", "images_per_stratum": "training images of each stratum"}
MATHEMATICS = "mathematics"
COMPUTED = "exact computation and simulation"


def computed(name: str) -> bool:
    """Whether all claims of a study are about mathematics."""
    return _about(name) == [MATHEMATICS]


def ran(name: str, params: dict) -> str:
    """A run in words: its data, how much of them, net, length of training, seeds, encoders."""
    if computed(name):
        return f"{COMPUTED}, {_many(params['seeds'], 'seeds')}"
    made = claims.made_on(params)
    parts = [DATA.get(made.data, made.data)]
    if params.get("classes", "all") != "all":
        parts.append(f"{params['classes'].count(',') + 1} classes of them")
    parts += [f"{params[p]:,} {what}" for p, what in EACH.items() if params.get(p)]
    if params.get("undersampled", "all") != "all":
        parts.append(f"{params['undersampled'].count(',') + 1} classes undersampled")
    parts += [NETS.get(made.net, made.net)] if made.net else []
    if made.net != claims.PUBLISHED:
        parts += [_many(params[p], p) for p in ("epochs", "steps") if p in params]
    parts.append(_many(int(params["seeds"]), "seeds"))
    trained = sum(len(unit.members) for unit in _units(name, params))
    return ", ".join([*parts, *([_many(trained, "trained encoders")] if trained else [])])


def needed(name: str) -> str:
    """What it takes to judge a study's claims themselves, in words: its paper preset, or what the claims are about."""
    if params := settings(name):
        hours = cost.estimate([[unit] for unit in _units(name, params)], 1, True)[0] / 3600
        return f"{ran(name, params)}; about {max(hours, 1):,.0f} GPU-hours by estimate (<code>PRESET={PAPER}</code>)"
    about, nets = _about(name), dict.fromkeys(n for c in claims.of(name) for n in c.nets)
    if not about:
        return "nothing, the study has no claims"
    if about == [MATHEMATICS]:
        return "no more than this, they are mathematics"
    words = " and ".join(filter(None, [", ".join(about[:-1]), about[-1]]))
    return words + (f", with {' or '.join(NETS.get(n, n) for n in nets)}" if nets else "")


def settings(name: str) -> dict:
    """The parameters of a study's paper preset, where it has the data and the net of the claims; {} where not."""
    try:
        values = {p: d.default for p, d in study.parameters(name).items()} | study.preset(name, PAPER)
    except study.ParameterError:
        return {}
    made = claims.made_on(values)
    fits = any(made.data in c.data and made.net in (*c.nets, claims.PUBLISHED) for c in claims.of(name))
    return values if fits else {}


def line(run: "run_records.RunRecord") -> str:
    """Both, for the top of a run's page, as HTML."""
    made = html.escape(ran(run.study, run.provenance["params"]))
    return f"Scale: {made}. To judge the claims themselves: {needed(run.study)}."


def front(chapters: dict) -> str:
    """A sentence on all chapters, for the front page."""
    params = {name: run.provenance["params"] for name, run in chapters.items()}
    data = dict.fromkeys(re.split(" in | on ", DATA.get(p["data"], p["data"]))[0] for p in params.values())
    nets = dict.fromkeys(NETS[net] for p in params.values() if (net := claims.made_on(p).net) in NETS)
    seeds = sorted({int(p["seeds"]) for p in params.values()})
    here = {unit.name: unit for name, p in params.items() for unit in _units(name, p)}
    papers = {unit.name: unit for name in in_order.studies() for unit in _units(name, settings(name))}
    hours = cost.estimate([[unit] for unit in papers.values()], 1, True)[0] / 3600
    full = sum(run.provenance["preset"] == PAPER for run in [*chapters.values(), *run_records.recorded()])
    if not params:
        return "No study was run here."
    many = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else _many(seeds[0], "seeds")
    return (
        f"**Scale.** Run here: {', '.join(data)}; {', '.join(nets)}; {_members(here)} encoders, {many}. The settings "
        f"of the papers, as far as they are known, need {_members(papers)} encoders, about {hours:,.0f} GPU-hours by "
        "estimate. An encoder that several studies use counts once here, and in every row below. "
        f'Runs at that scale in this book: {full}. <a href="#scale-by-study">By study.</a>'
    )


def by_study(chapters: dict) -> str:
    """A row a study: what was run here, and what its claims are about."""
    rows = [
        (
            f'<a href="notebooks/{name}.html">{html.escape(in_order.title(name))}</a>',
            html.escape(ran(name, chapters[name].provenance["params"])) if name in chapters else claims.NOT_RUN,
            needed(name),
        )
        for name in in_order.studies()
    ]
    return markup.raw(markup.table(("study", "this run", "to judge the claims themselves"), rows, "verdicts"))


def _about(name: str) -> list[str]:
    """What a study's claims are about, in words, what is unknown last."""
    sets = dict.fromkeys(d for c in claims.of(name) for d in (c.data or (MATHEMATICS,)))
    return [DATA.get(d, d) for d in sorted(sets, key=lambda d: d == "unknown")]


def _units(name: str, params: dict) -> list:
    return key.plan(name, params).units if params else []


def _members(units: dict) -> str:
    return f"{sum(len(unit.members) for unit in units.values()):,}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what.removesuffix('s') if count == 1 else what}"
