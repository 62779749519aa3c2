"""What a borrowed GPU is used for: ``make gpu STUDY=x PRESET=gpu BUDGET=600``, which ends after so many seconds.

It checks the device, measures how fast it is, and trains the encoders that studies plan, in rounds of one seed.  Beside
the training, processes on the CPU take the measures that the studies take, and after every whole round they are written
as ``lib.encoders.recorded`` has them: ``make run … ENCODERS=folder`` reads them.  The packages that train suffice, with
scipy, pandas and PyYAML.
"""

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from lib import records, study
from lib.book import asked, card_checks, card_speed
from lib.book.gpu_rounds import Asks, classes_of, git, train
from lib.encoders import recorded
from lib.encoders.training import TrainingError
from lib.studies.shared import outcomes
from lib.studies.shared.arms import ARMS, Arms

OUT = Path("results/gpu")
CARD = "card.json"  # what was checked and measured of the device
PARTS = ("checks", "speed", "encoders")
SHARES = {"checks": 0.15, "speed": 0.3}  # of the time, after which no further check or measurement begins
MOST_SECONDS = 10**6
MOST_TRAINERS = 64
MPS = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps") / "control"  # of the multi-process service


def main(arguments: list[str] | None = None) -> int:
    """Check and measure the device, and train whole rounds of encoders, until the time is used."""
    start, env = time.time(), os.environ.get
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--study", default=env("STUDY", ""), help="one or several, separated by commas")
    parser.add_argument("--preset", default=env("PRESET") or "gpu")
    parser.add_argument("--parameters", default=env("P", ""), help='as "epochs=2 seeds=3"')
    parser.add_argument("--budget", default=env("BUDGET") or "600", help="seconds from the start of this command")
    parser.add_argument("--parts", default=env("PARTS") or ",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=Path(env("OUT") or OUT), help="folder of what is written")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="beside the training")
    parser.add_argument("--trainers", default=env("TRAINERS") or "1", help="processes that train on the device at once")
    options = parser.parse_args(arguments)
    try:
        budget, parts = _seconds(options.budget), _parts(options.parts)
        trainers = _trainers(options.trainers)
        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # as the graph trains
        elif trainers > 1 and not MPS.exists():
            print(f"TRAINERS={trainers} take turns: nvidia-cuda-mps-control -d lets them share", file=sys.stderr)
        wanted = rounds(options.study, options.preset, options.parameters) if "encoders" in parts else []
        found = card(start, budget, parts)
        records.write_json(options.out / CARD, found)
        failed = [check["check"] for check in found["checks"] if not check["passed"]]
        if failed:
            raise RuntimeError(f"the device fails: {', '.join(failed)} (see {options.out / CARD}); nothing was trained")
        train(wanted, start + budget, options.out / recorded.FILE, options.workers, trainers)
    except (TrainingError, RuntimeError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def card(start: float, budget: float, parts: Iterable[str]) -> dict:
    """What is checked and measured of the device, as it is kept; lines that the time did not allow are left out."""
    found = {"checks": [], "speed": []}
    for part, lines in (("checks", card_checks.CHECKS), ("speed", card_speed.LINES)):
        for line in lines if part in parts else ():
            if time.time() - start > SHARES[part] * budget:
                print(f"{part}: no time for {line.__name__}", file=sys.stderr)
                continue
            found[part] += line()
            print(json.dumps(found[part][-1]), file=sys.stderr, flush=True)
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"device": place, "torch": torch.__version__, "git": git(), "seconds": round(time.time() - start, 1)} | found


def rounds(studies: str, preset: str, parameters: str) -> list[Asks]:
    """The encoders of the studies that no record has, in rounds: the first seed of every arm, the second, and so on.

    Each with the names of the measures that the studies take of it.  ValueError: a study that undersamples no class of
    images, or takes a measure that is not taken here.
    """
    found: list[Asks] = []
    for name in filter(None, studies.split(",")):
        plan = study.Run(name, asked.read_values(name, preset, parameters)).plan
        parts = [plan] if isinstance(plan, Arms) else list(getattr(plan, "arms", {}).values())
        if not parts or not all(isinstance(part, Arms) for part in parts):
            raise ValueError(f"STUDY={name!r} undersamples no class of images; make gpu trains for those that do")
        for part in parts:
            for number, units in enumerate(itertools.zip_longest(*(getattr(part, arm) for arm in ARMS), fillvalue=())):
                found += [{}] if number == len(found) else []
                for arm, unit in ((a, unit) for a, seed in zip(ARMS, units, strict=True) for unit in seed):
                    if not recorded.of(unit, part.measures[arm]):
                        found[number].setdefault(unit, set()).update(part.measures[arm])
    if not found:
        raise ValueError(f"STUDY={studies!r} names no study; write for instance STUDY=cifar10_undersampling,mediation")
    for unit, names in (pair for one in found for pair in one.items()):
        for name in names:
            outcomes.own_of(name, unit.members[0], classes_of(unit))
    return found


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < MOST_SECONDS:
        raise ValueError(f"BUDGET={text!r}: write seconds above 0, below {MOST_SECONDS}, as BUDGET=600")
    return found


def _trainers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_TRAINERS:
        raise ValueError(f"TRAINERS={text[:20]!r}: write a whole number from 1 to {MOST_TRAINERS}, as TRAINERS=4")
    return int(text)


def _parts(text: str) -> list[str]:
    found = text.split(",")
    if wrong := [part for part in found if part not in PARTS]:
        raise ValueError(f"PARTS={text!r}: {wrong[0]!r} is unknown; there are {', '.join(PARTS)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
