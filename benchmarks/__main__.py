"""``python -m benchmarks``: every comparison in one run, written as JSON; the site makes a page of the committed file.

``--only CASE`` measures some again, which take the place of these cases in the file and keep their own provenance;
``--quick`` runs at toy size, which shows that they run and nothing else.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch

from lib import records
from lib.hashing import ROOT

RESULTS = ROOT / "benchmarks/results.json"
CASES = ("augmentation", "step", "loss", "heads", "harm", "blocks", "geometry", "growth", "bounds", "whole")
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "lightly", "kornia", "pytorch-metric-learning", "pillow")
PACKAGES += ("scipy", "cvxpy")


def main() -> int:
    """Run the cases one after the other and write what they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="toy sizes, one round")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contestant; the median counts")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args()
    out = options.out or (ROOT / "build/benchmarks.json" if options.quick else RESULTS)
    rounds = 1 if options.quick else options.rounds
    about = {"cases": list(options.only), "provenance": provenance(rounds, options.quick)}
    found = about | measure(options.only, rounds, options.quick)
    before = json.loads(out.read_text(encoding="utf-8")) if out.exists() and not options.quick else []
    records.write_json(out, [found, *others(before, options.only)])
    print(f"{len(found['lines'])} comparisons: {out}")
    return 0


def others(runs: list[dict], cases: tuple[str, ...]) -> list[dict]:
    """Earlier runs without what these cases measured; a run of which nothing is left goes."""
    kept = []
    for run in runs:
        left = [case for case in run["cases"] if case not in cases]
        lines = [line for line in run["lines"] if line["from"] in left]
        rows = {case: run[case] if case in left else [] for case in ("growth", "bounds")}
        kept += [run | {"cases": left, "lines": lines} | rows] if left else []
    return kept


def measure(cases: tuple[str, ...], rounds: int, quick: bool) -> dict[str, list[dict]]:
    """The lines of the comparisons and the rows of ``growth`` and ``bounds``, on the CPU."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # read when torch first looks for a GPU: from here on it sees none
    from . import augmentation, blocks, bounds, geometry, growth, harm, heads, loss, step, whole

    compared = {"augmentation": augmentation, "step": step, "loss": loss, "heads": heads, "harm": harm, "whole": whole}
    compared |= {"blocks": blocks, "geometry": geometry}
    found = {"lines": [], "growth": [], "bounds": []}
    for case in cases:
        start = time.time()
        if case == "growth":
            found["growth"] = growth.run(rounds, quick)
        elif case == "bounds":
            found["bounds"] = [bounds.run(rounds, quick)]
        else:
            found["lines"] += [{"from": case} | line.record() for line in compared[case].run(rounds, quick)]
        print(f"{case}: {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def provenance(rounds: int, quick: bool) -> dict:
    """What the run was made with; load is the number of processes that wanted to run in the minute before."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rounds": rounds,
        "quick": quick,
        "git": records.git_state(),
        **records.machine(PACKAGES),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
