"""What it changes that test labels choose the epoch of SimSiam."""

from dataclasses import replace

import torch
from torch import Tensor

from lib.studies.shared.evidence import Embedded, Evidence
from lib.studies.shared.measured import Measured

NEAREST = "nearest neighbour, test images"
HALVES = {"own": "half that chooses", "other": "other half"}


def looks(encoder: Embedded) -> Tensor:
    """The counts of ``lib.encoders.chosen.Chosen``, (looks, 2)."""
    if "looks" not in encoder.known:
        encoder.known["looks"] = encoder.unit.read("checkpoint.safetensors")[f"{encoder.member}.looks"]
    return encoder.known["looks"]


def sizes(images: int) -> Tensor:
    """How many of so many images have an even position, and how many an odd one."""
    return torch.tensor([images - images // 2, images // 2])


def gains(counts: Tensor, images: int) -> dict[str, Tensor]:
    """What the best look gains on the last one, as shares of test images, (...) each.

    counts: (..., looks, 2) test images called right, of even and of odd position among so many images.
    all: where all test images choose the look.  own, other: where one half chooses, the gain of that half and of the
    other half, mean over the halves that choose.  Own is never below other: each half gains most at its own best look.
    """
    gain = (counts - counts[..., -1:, :]).double()
    total, halves = gain.sum(-1), sizes(images)
    best = counts.argmax(-2)  # (..., 2), of equal looks the first
    each = gain.gather(-2, best[..., None].expand(*best.shape, 2)) / halves  # (..., half that chooses, half that gains)
    own, other = (m.diagonal(dim1=-2, dim2=-1).mean(-1) for m in (each, each.flip(-1)))
    return {"all": total.amax(-1) / images, "own": own, "other": other}


def compared(
    seen: Evidence, chosen: Measured, last: Measured, pairs: list[tuple[int, int]]
) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]:
    """What is measured at the last epoch and at the chosen one, (seeds,) each; what the claims are about, (seeds,).

    seen: the encoders of the chosen epoch; chosen, last: of them, and of plain SimSiam; pairs: the look-alikes.
    """
    every = zip(seen.balanced, seen.under, strict=True)
    counts = torch.stack([torch.stack([looks(e) for e in (balanced, *under)]) for balanced, under in every])
    gain = {name: each.mean(1) for name, each in gains(counts, len(seen.y)).items()}
    last, end = last.only(chosen.treated), counts[:, :, -1].double()
    whole, half = end.sum(-1).mean(1) / len(seen.y), (end / sizes(len(seen.y))).mean((1, 2))
    found = {NEAREST: (whole, whole + gain["all"])}
    found |= {f"{NEAREST}, {HALVES[name]}": (half, half + gain[name]) for name in HALVES}
    found["balanced accuracy"] = last.accuracy, chosen.accuracy
    before, after = (m.quantities(pairs) for m in (last, chosen))
    found |= {name: (before[name], after[name]) for name in before}
    moved = replace(last, rh=(chosen.rh - last.rh).abs()).paired_rh(pairs)
    claims = {"chosen-gain": gain["all"], "chosen-optimism": gain["own"] - gain["other"], "chosen-rh": moved}
    return found, claims
