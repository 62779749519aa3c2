"""Effects from data in which the treatment was not set: a front-door estimate, an instrument, and a model to try them.

Pearl (1995) and Angrist, Imbens and Rubin (1996), in linear form.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib import checks

SWITCH = checks.Kind("0 and 1", checks.REAL.dtypes, 0, 1)


@dataclass(frozen=True)
class Confounded:
    """A structural model in which an unseen U makes a class both rare and hard; Z moves the mediator.

    T = 1[h U + noise > 0], M = a T + z Z + l U + noise, Y = b M + c T + e Z + u U + noise; U, Z and the noises are
    independent unit normals.  Setting T changes Y by a b + c; setting M by b.
    """

    a: float = 1.0
    b: float = 0.5
    c: float = 0.0
    e: float = 0.0
    h: float = 1.0
    l: float = 0.0  # noqa: E741 (the letter of the page)
    u: float = 1.0
    z: float = 0.5

    @property
    def total(self) -> float:
        """The effect of setting T on Y."""
        return self.a * self.b + self.c

    def observed(self, n: int, rng: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Z, T, M, Y (n,) as they come, U unseen."""
        checks.number("n", n, 1, whole=True)
        checks.number("rng", rng, 0, whole=True)
        generator = torch.Generator().manual_seed(rng)
        unseen, strength, *noise = torch.randn(5, n, generator=generator, dtype=torch.float64)
        t = (self.h * unseen + noise[0] > 0).double()
        m = self.a * t + self.z * strength + self.l * unseen + noise[1]
        return strength, t, m, self.b * m + self.c * t + self.e * strength + self.u * unseen + noise[2]


def front_door(t: Tensor, m: Tensor, y: Tensor) -> Tensor:
    """The effect of a switch t on y through m: (E[m | t = 1] - E[m | t = 0]) times the mean slope of y on m given t.

    Σ_t' P(t') slope(t') is the mean slope; the outcome is linear in m in each arm.  It is the whole effect of t where
    no path leads from t to y but through m, and what makes t and y alike does not reach m.
    t: (..., n) 0 and 1; m, y: (..., n), of any unit.  Returns (...).  ValueError: an arm without two members, or in
    which m does not vary (then it and t cannot be told apart).
    """
    checks.tensors(t=(t, "... n", SWITCH), m=(m, "... n", checks.REAL), y=(y, "... n", checks.REAL))
    if not bool(((t == 0) | (t == 1)).all()):
        raise ValueError(f"t holds {t[(t != 0) & (t != 1)][0]:g}; a switch is 0 or 1")
    arms = torch.stack([1 - t, t], -2).double()  # (..., 2, n)
    size = arms.sum(-1)
    if (size < 2).any():
        raise ValueError(f"arms of {size.flatten().tolist()[:8]} members; each needs 2 or more")
    means = (arms @ m[..., None].double())[..., 0] / size  # (..., 2)
    apart = arms * (m.double()[..., None, :] - means[..., None])
    spread = (apart**2).sum(-1)
    if (spread <= 1e-12 * size * (1 + means**2)).any():
        raise ValueError("m does not vary in an arm of t: its effect and that of t cannot be told apart")
    slopes = (apart * y.double()[..., None, :]).sum(-1) / spread
    return (means[..., 1] - means[..., 0]) * (slopes * size).sum(-1) / size.sum(-1)


def instrument(z: Tensor, m: Tensor, y: Tensor) -> Tensor:
    """The effect of one unit of m on y, cov(z, y) / cov(z, m): what z moves in y for each unit that it moves in m.

    Right where z is independent of all that moves y otherwise, and reaches y through m alone; noisy where z hardly
    moves m.  z, m, y: (..., n), of any unit.  Returns (...).  ValueError: z and m without covariance.
    """
    checks.tensors(z=(z, "... n>=2", checks.REAL), m=(m, "... n", checks.REAL), y=(y, "... n", checks.REAL))
    z, m, y = (x.double() - x.double().mean(-1, keepdim=True) for x in (z, m, y))
    moved = (z * m).sum(-1)
    if (moved.abs() <= 1e-12 * z.norm(dim=-1) * m.norm(dim=-1)).any():
        raise ValueError("z does not move m: no effect of m can be read from it")
    return (z * y).sum(-1) / moved
