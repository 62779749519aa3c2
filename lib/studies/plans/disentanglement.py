"""The encoders of the study of disentanglement that the graph trains."""

from dataclasses import replace
from types import SimpleNamespace

from lib.encoders.factor_settings import KITTI, FactorSettings, FactorUnit

PUBLISHED = (0.05, 0.1)  # b at the published size
GAPS, KITTI_PAIRS = (1, 5), 32  # frames between masks of KITTI; pairs of a batch of them


def plan(p: SimpleNamespace) -> SimpleNamespace:
    """The study trains its small encoders itself; those of the published size and those of KITTI are the graph's.

    ValueError: a density that is none, a hash that is none.
    """
    try:
        shares = [float(s) for s in p.shares.split(",")]
    except ValueError:
        shares = []
    if len(shares) < 2 or shares[0] != 1 or not all(0 < s <= 1 for s in shares):
        raise ValueError(f"shares={p.shares!r}: densities of the corner, from 1 down, above 0, are expected: 1,0.05")
    common = FactorSettings(steps=p.published_steps, batch_size=p.published_batch, learning_rate=p.published_rate)
    kinds = [replace(common, scale=b) for b in PUBLISHED] if p.published else []
    if p.kitti_sha256:
        masks = FactorSettings(
            data=KITTI, gap=1, kitti_sha256=p.kitti_sha256, steps=p.kitti_steps, batch_size=KITTI_PAIRS
        )
        kinds += [replace(masks, gap=gap) for gap in GAPS]
    units = [FactorUnit(s, seed) for s in kinds for seed in range(p.seed, p.seed + p.seeds)]
    return SimpleNamespace(units=units, shares=shares)
