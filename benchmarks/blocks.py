"""The block model: a grid of population problems, a graph to the same loss, and memory on large graphs."""

import math
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from scipy import optimize

from lib import sbm
from lib.sbm import blocks

from .loss import resident
from .measure import Line, alone, in_turn, lines, timed

ALPHA = np.array([[0.95, 0.4, 0.0], [0.4, 0.95, 0.0], [0.0, 0.0, 0.95]])
DIM, DEGREE = 10, 50
GRID_SECONDS, PEAK_MIB = 2.0, 2 * 1024  # aims that are no ratios
PLAIN = "5,000 plain gradient steps"
SPARSE = "a graph of the same law as a sparse matrix"


def run(rounds: int, quick: bool) -> list[Line]:
    """The lines of the three comparisons."""
    return [*grid(rounds, quick), *to_the_same_loss(min(rounds, 3), quick), *large(quick)]


def grid(rounds: int, quick: bool) -> list[Line]:
    """Connectivities x shares x temperatures at once, against scipy's L-BFGS, one problem after the other.

    The peer solves a small grid; the time of the large one is set beside its aim.
    """
    alphas, taus, (few, many) = (2, 1, (3, 5)) if quick else (4, 3, (10, 100))
    problem, case = problems(alphas, few, taus), "block model, population"
    peer = "scipy's L-BFGS, one problem after the other"
    ours, theirs = partial(sbm.population_optimum, *problem), partial(one_by_one, sbm.terms(*problem))
    figures = in_turn({"ours": timed(ours), peer: timed(theirs)}, rounds)
    gap = {peer: float((ours().loss - theirs()).abs().max())}
    found = lines(case, _size(alphas, few, taus), "s", figures, difference=gap)
    problem = problems(alphas, many, taus)
    (seconds,) = in_turn({"ours": timed(partial(sbm.population_optimum, *problem))}, rounds).values()
    sure = sbm.population_optimum(*problem).certificate.converged
    word = "met" if median(seconds) < GRID_SECONDS else "not met"
    note = f"aim of less than {GRID_SECONDS:g} s: {word}; {int(sure.sum())} of {sure.numel()} solutions certified"
    return [*found, Line(case, _size(alphas, many, taus), "", "s", median(seconds), note=note)]


def _size(alphas: int, shares: int, taus: int) -> str:
    return f"{alphas} connectivities × {shares} shares × {taus} temperatures"


def problems(alphas: int, shares: int, taus: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Shares, connectivities and temperatures that broadcast to a grid."""
    alpha = torch.tensor(ALPHA).expand(alphas, 1, 1, 3, 3).clone()
    alpha[..., 0, 1] = alpha[..., 1, 0] = torch.linspace(0.05, 0.4, alphas, dtype=torch.float64)[:, None, None]
    first = torch.logspace(-8, 0, shares, base=2, dtype=torch.float64)[:, None] / 3
    pi = torch.stack([first, (1 - first) / 2, (1 - first) / 2], -1)
    return pi, alpha, torch.linspace(0.5, 2.0, taus, dtype=torch.float64)


def one_by_one(problem: sbm.Terms) -> torch.Tensor:
    """The least losses (...), each by scipy from a random start."""
    draws = np.random.default_rng(0)

    def solve(at: tuple[int, ...]) -> float:
        one = sbm.Terms(*(value[at] for value in vars(problem).values()))

        def both(flat: np.ndarray) -> tuple[float, np.ndarray]:
            x = torch.from_numpy(flat).reshape(3, 3)
            length = x.norm(dim=1, keepdim=True)
            v = x / length
            pull = one.slope(v @ v.T) @ v
            return float(one.loss(v @ v.T)), ((pull - v * (v * pull).sum(1, keepdim=True)) / length).flatten().numpy()

        options = {"gtol": 1e-9, "ftol": 0, "maxiter": 500}
        return optimize.minimize(both, draws.normal(size=9), jac=True, method="L-BFGS-B", options=options).fun

    found = torch.zeros(problem.tau.shape, dtype=torch.float64)
    for at in np.ndindex(*found.shape):
        found[at] = solve(at)
    return found


def to_the_same_loss(rounds: int, quick: bool) -> list[Line]:
    """A graph of three equal blocks, solved by L-BFGS, against plain steps from the same start."""
    block, steps = (8, 50) if quick else (256, 5000)
    graph = blocks.sample_graph((block,) * 3, ALPHA, seed=1)
    problem = blocks.FiniteProblem(graph)
    generator = torch.Generator().manual_seed(0)
    start = F.normalize(torch.randn(problem.n, DIM, dtype=torch.float64, generator=generator), dim=1)
    ends = {}

    def ours() -> None:
        ends["ours"] = float(blocks.finite_optimum(graph, DIM).loss)

    def peer() -> None:
        ends["peer"] = problem(sbm.descend(lambda v: problem(v)[1], start, steps, 10.0, 0.2))[0]

    figures = in_turn({"ours": timed(ours), PLAIN: timed(peer)}, rounds)
    above = ends["peer"] - ends["ours"]
    note = {PLAIN: f"step 10 (i + 1)^-0.2, with our gradient; they end {above:.1g} above our loss"}
    size = f"n = {problem.n}, dimension {DIM}"
    return lines("block model, graph to the same loss", size, "s", figures, aim={PLAIN: 20.0}, note=note)


def large(quick: bool) -> list[Line]:
    """Peak memory and seconds at the paper's dense connectivity, and at a stated mean degree."""
    dense, thin = (60, 300) if quick else (20_000, 100_000)
    ours, theirs, alone = measured("bits", dense), measured("sparse", dense), measured("thin", thin)
    history = 40 * 8 * dense * DIM / 2**20  # of L-BFGS: 20 steps and 20 changes of the gradient
    word = "met" if ours["MiB"] + history < PEAK_MIB else "not met"
    case, size = "block model, large graphs", f"n = {dense:,}, connectivity of the paper"
    note = {SPARSE: f"aim of less than {PEAK_MIB // 1024} GiB: {word}; the solver keeps {history:.0f} MiB more"}
    found = lines(case, size, "MiB", {"ours": [ours["MiB"]], SPARSE: [theirs["MiB"]]}, note=note)
    found += lines(case, size, "s", {"ours": [ours["s"]], SPARSE: [theirs["s"]]})
    size = f"n = {thin:,}, mean degree {alone['degree']:.0f}"
    matrix = 8 * thin**2 / 2**30
    note = f"not run: all pairs at once, a matrix of {matrix:,.0f} GiB"
    return found + [Line(case, size, "a dense matrix", unit, alone[unit], note=note) for unit in ("MiB", "s")]


def measured(name: str, n: int) -> dict[str, float]:
    """What ``own`` finds, in a process of its own."""
    return alone(own, name, n)


def own(name: str, n: int) -> dict[str, float]:
    """Peak memory of drawing n nodes and of one loss and gradient, above the imports; seconds of the latter.

    name: bits or sparse, three blocks at the paper's connectivity; thin, at the mean degree of 50.
    """
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far, of the imports, is forgotten
    sizes = (n // 3, n // 3, n - 2 * (n // 3))
    mean = float(ALPHA.sum() / 9)
    alpha = ALPHA * min(1.0, DEGREE / (mean * n)) if name == "thin" else ALPHA
    graph = blocks.sample_graph(sizes, alpha, seed=0, packed=name == "bits")
    problem = blocks.FiniteProblem(graph)
    generator = torch.Generator().manual_seed(0)
    v = F.normalize(torch.randn(n, DIM, dtype=torch.float64, generator=generator), dim=1)
    start = time.perf_counter()
    problem(v)
    seconds = time.perf_counter() - start
    degree = math.nan if name == "bits" else graph.nnz / n
    return {"MiB": resident("VmHWM") - before, "s": seconds, "degree": degree}
