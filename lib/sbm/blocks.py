"""The finite problem of the block model: one graph, one unit vector a node, full-batch contrastive loss.

L(v) = −(1/τ)(1/n) Σ_i Σ_j e_ij v_i·v_j / deg_i + (1/n) Σ_i log[(1/n) Σ_j exp(v_i·v_j / τ)]  (Maity et al. 2024, section
3.2).  Memory is linear in n times a block of rows, and what the edges take: sparse, or a bit a pair of nodes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import optimize, sparse
from scipy.linalg import eigvalsh
from torch import Tensor

from lib import checks
from lib.geometry.newton import Certificate, Optimum

ENTRIES = 1_000_000  # of the matrix of cosines that are held at a time: about what a cache holds
DENSE = 2_000  # nodes up to which the dual matrix is formed and the optimum certified


@dataclass(frozen=True)
class BitGraph:
    """An undirected graph without self-loops as bits of the upper triangle: n²/8 bytes whatever the density."""

    bits: np.ndarray  # (n, ceil(n / 8)) uint8, bit j of row i set where i < j is an edge

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self.bits), len(self.bits))

    def rows(self, first: int, last: int) -> np.ndarray:
        """Rows of the upper triangle, (last - first, n) uint8."""
        return np.unpackbits(self.bits[first:last], axis=1, count=len(self.bits))

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        """The adjacency matrix times (n, m)."""
        out, step = np.zeros_like(x), max(1, ENTRIES // len(x))
        for i in range(0, len(x), step):
            upper = self.rows(i, i + step).astype(x.dtype)
            out[i : i + step] += upper @ x
            out += upper.T @ x[i : i + step]
        return out

    def toarray(self) -> np.ndarray:
        """The adjacency matrix (n, n), 0 and 1."""
        upper = self.rows(0, len(self.bits))
        return upper + upper.T


Graph = sparse.csr_array | BitGraph


def sample_graph(sizes, connectivity, seed: int = 0, packed: bool = False) -> Graph:
    """An undirected graph of the block model without self-loops; nodes stand in the order of their blocks.

    sizes: (K,) nodes a block; connectivity: (K, K) probabilities of an edge.  A scipy sparse matrix, 5 bytes an entry,
    two entries an edge; packed: a ``BitGraph``, n²/8 bytes, the smaller where more than one pair in 40 is an edge.
    ValueError: sizes below 1, a connectivity that is not (K, K), not symmetric or leaves [0, 1].
    """
    sizes, alpha = _sizes(sizes), checks.numbers("connectivity", connectivity)
    checks.number("seed", seed, 0, whole=True)
    if alpha.shape != (len(sizes),) * 2 or (alpha != alpha.T).any() or (alpha < 0).any() or (alpha > 1).any():
        raise ValueError(
            f"connectivity={alpha.tolist()} must be symmetric, in [0, 1], with a row for each of {len(sizes)}"
        )
    generator, starts, n = np.random.default_rng(seed), np.cumsum([0, *sizes]), int(sizes.sum())
    if packed:
        bits = np.zeros((n, -(-n // 8)), np.uint8)
        chances = np.repeat(alpha, sizes, axis=1).astype(np.float32)
        for i, block in enumerate(np.repeat(np.arange(len(sizes)), sizes)):
            edges = generator.random(n, np.float32) < chances[block]
            edges[: i + 1] = False
            bits[i] = np.packbits(edges)
        return BitGraph(bits)
    found = []
    for a in range(len(sizes)):
        for b in range(a, len(sizes)):
            rows, columns = int(sizes[a]), int(sizes[b])
            pairs = rows * (rows - 1) // 2 if a == b else rows * columns
            chosen = generator.choice(pairs, generator.binomial(pairs, alpha[a, b]), replace=False, shuffle=False)
            i, j = _pair(chosen) if a == b else np.divmod(chosen, columns)
            found.append(np.stack([i + starts[a], j + starts[b]]).astype(np.int32))
    i, j = np.concatenate(found, axis=1)
    ones = np.ones(2 * len(i), bool)
    return sparse.csr_array((ones, (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(n, n))


def _sizes(sizes) -> np.ndarray:
    found = checks.numbers("sizes", sizes)
    if found.ndim != 1 or len(found) == 0 or (found < 1).any() or np.asarray(sizes).dtype.kind not in "iu":
        raise ValueError(f"sizes={found.tolist()} must be whole numbers of at least 1")
    return np.asarray(sizes)


def _pair(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs i < j of whole numbers, counted 0: (0, 1), 1: (0, 2), 2: (1, 2), ..."""
    j = ((1 + np.sqrt(1 + 8 * number.astype(float))) / 2).astype(np.int64)
    j += (j * (j + 1) // 2 <= number).astype(np.int64) - (j * (j - 1) // 2 > number).astype(np.int64)
    return number - j * (j - 1) // 2, j


def _symmetric(adjacency: Graph) -> None:
    """ValueError: not a graph, or a sparse matrix with an edge in one direction alone, below 0 or not finite."""
    if isinstance(adjacency, BitGraph):
        return
    if not sparse.issparse(adjacency) or adjacency.ndim != 2 or 0 in adjacency.shape:
        raise ValueError(f"adjacency is a {type(adjacency).__name__}: a BitGraph or a scipy sparse matrix is expected")
    edges = checks.numbers("adjacency", sparse.csr_array(adjacency).data)
    if adjacency.shape[0] != adjacency.shape[1] or (edges < 0).any() or (adjacency != adjacency.T).nnz:
        raise ValueError(f"adjacency of shape {adjacency.shape} must be symmetric, without an edge below 0")


class FiniteProblem:
    """The loss of a graph at unit vectors, and its gradient.

    weights: (n,) of the nodes, as anchors, neighbours and negatives; divided by their mean here.
    ValueError: a node without an edge, weights that are not positive, τ not positive.
    """

    def __init__(self, adjacency: Graph, tau: float = 1.0, weights=None):
        _symmetric(adjacency)
        checks.number("tau", tau, 0, inside=True)
        self.n = adjacency.shape[0]
        u = np.ones(self.n) if weights is None else checks.numbers("weights", weights)
        if u.shape != (self.n,) or not (u > 0).all():
            raise ValueError(f"weights of shape {u.shape}: one positive number for each of {self.n} nodes is expected")
        self.edges, self.tau, self.weight = adjacency, tau, (u / u.mean())[:, None]  # (n, 1)
        if sparse.issparse(adjacency):
            self.edges = sparse.csr_array(adjacency, dtype=np.float64)
        degrees = self.edges @ self.weight
        if (degrees == 0).any():
            node = int((degrees == 0).argmax())
            raise ValueError(f"node {node} has no edge, and the loss divides by its degree; remove it from the graph")
        self.share = self.weight / degrees  # (n, 1)

    def __call__(self, v: Tensor) -> tuple[float, Tensor]:
        """Loss and Euclidean gradient (n, d) at unit vectors (n, d), float64."""
        x, u = v.numpy(), torch.from_numpy(self.weight)
        near = self.edges @ np.concatenate([self.weight * x, self.share * x], axis=1)
        pull = self.share * near[:, : x.shape[1]]
        gradient = torch.from_numpy(-pull - self.weight * near[:, x.shape[1] :])
        loss = -float((x * pull).sum()) / self.tau
        one = torch.ones_like(u)  # e_ij = u_j exp((v_i·v_j − 1)/τ) is one product and one exponential; no overflow
        left, right, ends = (
            torch.cat([v / self.tau, one], 1),
            torch.cat([v, u.log() - 1 / self.tau], 1),
            torch.cat([v, one], 1),
        )
        for i in range(0, self.n, step := max(1, ENTRIES // self.n)):
            e = (left[i : i + step] @ right.T).exp_()
            sums, own = e @ ends, u[i : i + step]
            loss += float((own * (sums[:, -1:].log() + 1 / self.tau)).sum())
            scale = own / sums[:, -1:]
            gradient[i : i + step] += scale * sums[:, :-1]
            gradient += e.T @ (scale * v[i : i + step])
        return loss / self.n - float(np.log(self.n)), gradient / (self.n * self.tau)

    def dual_gap(self, v: Tensor) -> float:
        """So much, at most, is the loss above that of any unit vectors of any dimension: see ``lib.sbm``."""
        u = torch.from_numpy(self.weight)
        near = torch.from_numpy(np.asarray(self.edges.toarray(), float) * self.share) * u.T
        slope = (u * ((v @ v.T) / self.tau + u.T.log()).softmax(1) - near) / (self.n * self.tau)
        slope = slope + slope.T
        dual = slope - torch.diag((v * (slope @ v)).sum(1))
        return -0.5 * self.n * min(0.0, float(eigvalsh(dual.numpy(), subset_by_index=[0, 0])[0]))


def finite_optimum(
    adjacency: Graph,
    dim: int,
    tau: float = 1.0,
    seed: int = 0,
    weights=None,
    tolerance: float = 1e-4,
    steps: int = 2000,
) -> Optimum:
    """Unit vectors (n, dim) that minimise the loss of a graph, from a random start, by L-BFGS.

    adjacency: (n, n) symmetric, of ``sample_graph`` or any scipy sparse matrix.  The vectors are v = x / |x| of free x,
    so that the gradient in x is the Riemannian one.  weights: see ``FiniteProblem``.
    Converged: √n times the norm of the gradient is below ``tolerance`` within so many steps.  Up to 2,000 nodes the
    certificate bounds the gap to the optimum over all dimensions.
    ValueError: dim below 1, and see ``FiniteProblem``.
    """
    checks.number("dim", dim, 1, whole=True)
    checks.number("seed", seed, 0, whole=True)
    checks.number("steps", steps, 1, whole=True)
    checks.number("tolerance", tolerance, 0, inside=True)
    problem = FiniteProblem(adjacency, tau, weights)
    start = torch.randn(problem.n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def both(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(flat).reshape(problem.n, dim)
        length = x.norm(dim=1, keepdim=True)
        v = x / length
        loss, gradient = problem(v)
        return loss, ((gradient - v * (v * gradient).sum(1, keepdim=True)) / length).flatten().numpy()

    limit = tolerance / problem.n**0.5  # of the norm; L-BFGS stops by the largest entry
    options = {"maxiter": steps, "maxcor": 20, "ftol": 0, "gtol": limit / (problem.n * dim) ** 0.5}
    v, done = F.normalize(start, dim=1), 0
    while True:
        found = optimize.minimize(both, v.flatten().numpy(), jac=True, method="L-BFGS-B", options=options)
        v, done = F.normalize(torch.from_numpy(found.x).reshape(problem.n, dim), dim=1), done + max(found.nit, 1)
        loss, gradient = both(v.flatten().numpy())  # larger than in x by the length that x has grown to
        if np.linalg.norm(gradient) < limit or found.nit < 2 or done >= steps:
            break
    norm, gap = torch.tensor(np.linalg.norm(gradient)), torch.tensor(torch.nan, dtype=torch.float64)
    if problem.n <= DENSE:
        gap = torch.tensor(problem.dual_gap(v))
    rank = (torch.linalg.eigvalsh(v.T @ v) > 1e-6 * problem.n).sum()
    certificate = Certificate(norm, torch.full_like(gap, torch.nan), gap, rank, norm < limit)
    return Optimum(v, torch.tensor(loss, dtype=torch.float64), certificate)


def block_cosines(vectors: Tensor, sizes) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (K, K) of the cosines of all pairs of nodes of two blocks, self-pairs included.

    vectors: (n, d) unit, in the order of the blocks; sizes: (K,).
    """
    sizes, n = _sizes(sizes), checks.tensors(vectors=(vectors, "n d", checks.REAL))["n"]
    if sizes.sum() != n:
        raise ValueError(f"sizes={sizes.tolist()} are {sizes.sum()} nodes; vectors has {n}")
    parts = torch.split(vectors, sizes.tolist())
    pairs = [[a @ b.T for b in parts] for a in parts]
    mean = torch.stack([torch.stack([p.mean() for p in row]) for row in pairs])
    return mean, torch.stack([torch.stack([p.std(correction=0) for p in row]) for row in pairs])
