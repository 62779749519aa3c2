"""What a solver of vectors on the sphere returns: the vectors, the loss, and what certifies them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Certificate:
    """What shows that vectors are optimal; tensors over the batch.

    gradient: norm of the Riemannian gradient; curvature: smallest eigenvalue of the Riemannian Hessian (NaN: not
    computed); gap: the loss is at most so far above that of any unit vectors of any dimension (NaN: not computed);
    rank: of the Gram matrix; converged: the gradient is below 1e-9 and, where the dimension is at least the number of
    vectors, the gap below 1e-8.
    """

    gradient: Tensor
    curvature: Tensor
    gap: Tensor
    rank: Tensor
    converged: Tensor


@dataclass(frozen=True)
class Optimum:
    """Unit vectors (..., n, d) that minimise a loss, its value (...), and what certifies them."""

    vectors: Tensor
    loss: Tensor
    certificate: Certificate

    @property
    def cosines(self) -> Tensor:
        """The Gram matrix (..., n, n)."""
        return self.vectors @ self.vectors.mT
