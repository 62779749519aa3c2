"""The study of alignment and uniformity: what its small nets are trained and measured on, and what is measured."""

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from lib import images, losses
from lib.encoders import stacks
from lib.encoders.stacks import Group, Recipe, Stack
from lib.geometry import uniformity
from lib.images.augment import POLICIES, view
from lib.images.sets import Images
from lib.probe.neighbours import neighbour_accuracy
from lib.studies.shared import other_tasks
from lib.studies.shared.arms import REFERENCE_SHIFT

PLANE = ("random", "supervised", "contrastive")  # encoders into the plane
ACROSS = ("alignment of the class", "uniformity within the class", "uniformity across to the look-alike")
# Arrays (groups, recipes), on held-out images; accuracy: of a linear classifier, neighbours: of the nearest ones;
# depth: R² of a linear map from the last filters to ``other_tasks.depths``.
Measures = namedtuple("Measures", "alignment uniformity accuracy neighbours depth")
# The quantities ACROSS, arrays (seeds, 3, T) of the T classes that are cut: balanced, with the class cut, with another
# class cut; the look-alike of each class (T,); accuracy of the balanced encoders and of their start (seeds,).
Harm = namedtuple("Harm", "balanced cut control alike accuracy untrained")


@dataclass(frozen=True)
class Lab:
    """What the encoders of a run are trained and measured on.

    views: two views of the held-out images; plain, scored: training and held-out images as they are; all as patches.
    """

    p: SimpleNamespace
    train: Images
    held: Images
    views: list[Tensor]
    plain: Tensor
    scored: Tensor

    @staticmethod
    def of(p: SimpleNamespace) -> "Lab":
        """The images that the parameters name, and the views drawn with the first seed."""
        train, held = images.load(p.data, "train"), images.load(p.data, "test")
        train = train.first(p.images_per_class) if p.images_per_class else train
        held = held.first(p.scored_per_class) if p.scored_per_class else held
        twice = torch.Generator().manual_seed(p.seed)
        views = [stacks.patches(view(held.x, POLICIES[p.augment], twice)) for _ in range(2)]
        return Lab(p, train, held, views, *(stacks.patches(part.x.float() / 255) for part in (train, held)))

    @property
    def seeds(self) -> range:
        """Those of the run."""
        return range(self.p.seed, self.p.seed + self.p.seeds)

    def groups(self, seeds) -> list[Group]:
        """A group a seed, on all training images."""
        return [Group(s, torch.arange(len(self.train))) for s in seeds]

    def fit(self, groups: list[Group], recipes: list[Recipe], steps: int, batch: int) -> Stack:
        """Encoders of this run's size."""
        policy, p = POLICIES[self.p.augment], self.p
        return stacks.train(self.train, groups, recipes, steps, batch, policy, p.width, p.hidden)

    def fit_all(self, recipes: list[Recipe]) -> Measures:
        """What encoders of all recipes and seeds measure after the run's steps."""
        return self.measures(self.fit(self.groups(self.seeds), recipes, self.p.steps, self.p.batch_size))

    def accuracy(self, stack: Stack, groups: slice = slice(None)) -> np.ndarray:
        """Linear accuracy on held-out images (groups, recipes)."""
        z, scored = (stack.features(x)[groups] for x in (self.plain, self.scored))
        return stacks.linear_accuracy(z, self.train.y, scored, self.held.y).numpy()

    def untrained(self, recipes: list[Recipe]) -> np.ndarray:
        """Linear accuracy of the encoders of all recipes and seeds before their first step, (seeds, recipes)."""
        return self.accuracy(self.fit(self.groups(self.seeds), recipes, 0, self.p.batch_size))

    def untrained_depth(self) -> np.ndarray:
        """``depth`` of the encoders of all seeds before their first step, (seeds,)."""
        stack = self.fit(self.groups(self.seeds), [Recipe(contrastive=1)], 0, self.p.batch_size)
        return np.array(self._depth(stack))

    def measures(self, stack: Stack) -> Measures:
        """All of Measures; alignment and uniformity (mean of the two views) of the views."""
        z1, z2 = (stack.features(v).double().flatten(0, 1) for v in self.views)
        align = [float(losses.alignment(a, b)) for a, b in zip(z1, z2, strict=True)]
        uniform = [float(losses.uniformity(a) + losses.uniformity(b)) / 2 for a, b in zip(z1, z2, strict=True)]
        each = np.array([align, uniform, self._neighbours(stack), self._depth(stack)]).reshape(4, *stack.shape)
        return Measures(*each[:2], self.accuracy(stack), *each[2:])

    def _neighbours(self, stack: Stack) -> list[float]:
        parts = (stack.features(x).flatten(0, 1) for x in (self.plain, self.scored))
        return [neighbour_accuracy(z, self.train.y, s, self.held.y) for z, s in zip(*parts, strict=True)]

    def _depth(self, stack: Stack) -> list[float]:
        parts = (other_tasks.filters(stack, x).flatten(0, 1) for x in (self.plain, self.scored))
        seen, held = (other_tasks.depths(part.x) for part in (self.train, self.held))
        return [other_tasks.explained(h, seen, s, held) for h, s in zip(*parts, strict=True)]

    def linear_correlation(self) -> float:
        """The largest correlation between two views of a linear function of the pixels, on training images."""
        twice = torch.Generator().manual_seed(self.p.seed)
        pair = [[view(self.train.x, POLICIES[self.p.augment], twice).flatten(1) for _ in range(4)] for _ in range(2)]
        return uniformity.linear_correlation(*map(torch.cat, pair))


def on_circle(lab: Lab) -> tuple[list[Tensor], Measures, float]:
    """Encoders of PLANE: features of both views (seeds, 3, n, 2), measures, and the contrastive loss at the end."""
    p, groups = lab.p, lab.groups(lab.seeds)
    recipes = [
        Recipe(supervised=1, dim=2, learning_rate=p.learning_rate),
        Recipe(contrastive=1, tau=p.temperature, dim=2, learning_rate=p.learning_rate),
    ]
    stack, untrained = (lab.fit(groups, r, n, p.circle_batch) for r, n in ((recipes, p.circle_steps), (recipes[:1], 0)))
    z = [torch.cat([untrained.features(v), stack.features(v)], 1) for v in lab.views]
    found = zip(lab.measures(untrained), lab.measures(stack), strict=True)
    tail = stack.losses[-max(p.circle_steps // 20, 1) :, :, 1].mean()
    return z, Measures(*(np.concatenate(m, 1) for m in found)), float(tail)


def above_circle(z: Tensor, t: float) -> list[float]:
    """Uniformity of features (seeds, n, 2) minus that of the circle, (seeds,)."""
    return [float(losses.uniformity(one.double(), t)) - uniformity.uniformity_of_sphere(2, t) for one in z]


def gaps(dim: int, tau: float, sizes: list[int]) -> np.ndarray:
    """Exact distance of the contrastive loss from its limit by number of negatives: uniform features, aligned pairs."""
    return np.array([uniformity.contrastive(dim, tau, m) - uniformity.limit(dim, tau) for m in sizes])


def slope(sizes, gaps) -> float:
    """Of the straight line through log |gap| over log M."""
    return float(np.polyfit(np.log(sizes), np.log(np.abs(gaps)), 1)[0])


def chosen(values: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
    """For each seed what stands in the column whose values (seeds, columns) are best on the other seeds, (seeds,).

    of: (seeds, columns), from which it is taken; the values themselves by default.
    """
    others = values.sum(0) - values if len(values) > 1 else values
    return (values if of is None else of)[np.arange(len(values)), others.argmax(1)]


def inverted(values: np.ndarray) -> np.ndarray:
    """An inner column, the best on the other seeds, minus the better of the first and the last, (seeds,)."""
    return chosen(values[:, 1:-1]) - values[:, [0, -1]].max(1)


def best_of_halves(values: np.ndarray, of: np.ndarray | None = None) -> list[np.ndarray]:
    """``chosen`` in the first and in the second half of the columns, (seeds,) each."""
    halves = np.split(values, 2, 1), np.split(values if of is None else of, 2, 1)
    return [chosen(*pair) for pair in zip(*halves, strict=True)]


def drawn(count: int, learning_rate: float) -> tuple[list[Recipe], list[Recipe]]:
    """Recipes with drawn settings, so many of the two measures and as many contrastive."""
    draw = np.random.default_rng(0)
    common = [
        {"dim": int(draw.choice([4, 8, 16, 32])), "learning_rate": learning_rate * float(draw.choice([0.3, 1.0]))}
        for _ in range(2 * count)
    ]
    mixed = []
    for c in common[:count]:
        w, alpha, t = draw.uniform(0.05, 0.95), draw.choice([1, 2]), draw.choice([1, 2, 4, 8])
        mixed.append(Recipe(align=1 - float(w), uniform=float(w), alpha=float(alpha), t=float(t), **c))
    taus = (float(np.exp(draw.uniform(np.log(0.05), np.log(2)))) for _ in range(count))
    return mixed, [Recipe(contrastive=1, tau=tau, **c) for tau, c in zip(taus, common[count:], strict=True)]


def regress(found: Measures, what: str = "accuracy", **kind):
    """Least squares of a measure on alignment and uniformity; kind: of the intervals, see statsmodels' ``fit``."""
    import statsmodels.api as sm  # slow to import, and this module plans as well

    plane = sm.add_constant(np.stack([m.ravel() for m in found[:2]], 1))
    return sm.OLS(getattr(found, what).ravel(), plane).fit(**kind)


def ranked(found: Measures, what: str) -> np.ndarray:
    """Spearman's correlation over the encoders of a measure and its regression on the two, by group (groups,)."""
    by_group = [Measures(*(m[i] for m in found)) for i in range(len(found.accuracy))]
    return np.array(
        [stats.spearmanr(getattr(one, what), regress(one, what).fittedvalues).statistic for one in by_group]
    )


def agreement(found: Measures) -> np.ndarray:
    """Spearman's correlation over the encoders of the accuracies of both classifiers, by group (groups,)."""
    return np.array([stats.spearmanr(*pair).statistic for pair in zip(found.accuracy, found.neighbours, strict=True)])


def look_alikes(z: Tensor, y: Tensor) -> Tensor:
    """The class nearest to each (K,), by cosines of centres averaged over encoders; z: features (encoders, n, d)."""
    centres = torch.stack([z[:, y == k].mean(1) for k in range(int(y.max()) + 1)], 1)  # (encoders, K, d)
    near = F.cosine_similarity(centres[:, :, None], centres[:, None], dim=-1).mean(0)
    return near.fill_diagonal_(-2).argmax(1)


def undersampled(lab: Lab, codes: list[int]) -> Harm:
    """Contrastive encoders with each class cut in turn, beside balanced ones; look-alikes are read from other seeds."""
    p, y, count = lab.p, lab.held.y, len(codes)
    recipe = [Recipe(contrastive=1, tau=p.temperature, learning_rate=p.learning_rate)]
    groups = lab.groups(lab.seeds)
    groups += [Group(s, images.undersample(lab.train.y, k, p.ratio, s)) for k in codes for s in lab.seeds]
    groups += lab.groups(p.seed + REFERENCE_SHIFT + s for s in range(p.reference_seeds))
    stack = lab.fit(groups, recipe, p.steps, p.batch_size)
    z1, z2 = (stack.features(v)[:, 0].double() for v in lab.views)
    alike = look_alikes(z1[-p.reference_seeds :], y)[codes].tolist()

    def standing(g: int, k: int, other: int) -> list[float]:
        own = z1[g, y == k]
        across = uniformity.between(own, z1[g, y == other])
        return [float(v) for v in (losses.alignment(own, z2[g, y == k]), losses.uniformity(own), across)]

    every = [[standing(g, *pair) for pair in zip(codes, alike, strict=True)] for g in range(p.seeds * (1 + count))]
    table = np.array(every).reshape(1 + count, p.seeds, count, 3).swapaxes(2, 3)  # (arms, seeds, 3, T)
    balanced, cut = table[0], np.stack([table[1 + i, :, :, i] for i in range(count)], -1)
    others = [np.delete(table[1:, :, :, i], i, 0).mean(0) if count > 1 else balanced[..., i] for i in range(count)]
    start = lab.untrained(recipe)[:, 0]
    return Harm(balanced, cut, np.stack(others, -1), alike, lab.accuracy(stack, slice(p.seeds))[:, 0], start)
