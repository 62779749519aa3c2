"""What the study of undersampled classes draws: images kept and dropped, losses, pairs of classes, maps."""

import numpy as np
import openTSNE
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lib.studies.shared import evidence
from lib.studies.shared.evidence import Embedded, Evidence

NULL = "null (no treatment)"


def image_grid(drawn: dict[str, tuple[Tensor, Tensor]], per_side: int = 8, side: int = 36) -> Image.Image:
    """What was undersampled: a row a class, left the images kept, right as many of those dropped, paler.

    drawn: by the name of the class (kept, dropped), each (n, channels, height, width) uint8.
    Images are enlarged without smoothing to ``side`` pixels; at most ``per_side`` of each are drawn.
    """
    font, gap, text = ImageFont.load_default(13), 3, 12 + 8 * max(len(label) for label in drawn)
    step = side + gap
    middle = text + step * max(3, min(per_side, max(len(kept) for kept, _ in drawn.values()))) + 16
    grid = Image.new("RGB", (middle + step * per_side, 24 + len(drawn) * step), "white")
    draw = ImageDraw.Draw(grid)
    for x, word in ((text, "kept"), (middle, "dropped (some)")):
        draw.text((x, 4), word, "black", font)
    for row, (label, (kept, dropped)) in enumerate(drawn.items()):
        top = 24 + row * step
        draw.text((4, top + side // 2 - 8), label, "black", font)
        for i, x in enumerate(kept[:per_side]):
            grid.paste(_tile(x, side), (text + i * step, top))
        for i, x in enumerate(dropped[:per_side]):
            pale = Image.blend(_tile(x, side), Image.new("RGB", (side, side), "white"), 0.5)
            grid.paste(pale, (middle + i * step, top))
    return grid


def counts(drawn: dict[str, tuple[Tensor, Tensor]]) -> pd.DataFrame:
    """How many images of each class stay: class, kept, of."""
    sizes = [(label, len(kept), len(kept) + len(dropped)) for label, (kept, dropped) in drawn.items()]
    return pd.DataFrame(sizes, columns=["class", "kept", "of"])


def _tile(x: Tensor, side: int) -> Image.Image:
    array = x.permute(1, 2, 0).cpu().numpy()  # (h, w, channels)
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).convert("RGB")
    return image.resize((side, side), Image.Resampling.NEAREST)


def loss_curves(seen: Evidence) -> pd.DataFrame:
    """The training loss of every balanced and undersampled encoder: undersampled, epoch, loss, seed, encoder."""
    encoders = [*seen.balanced, *(e for row in seen.under for e in row)]
    curves = pd.concat([_curve(e) for e in encoders])
    return curves.assign(encoder=curves.undersampled + ", seed " + curves.seed.astype(str))


def _curve(encoder: Embedded) -> pd.DataFrame:
    loss = evidence.losses(encoder)
    about = {"undersampled": encoder.unit.members[encoder.member] or "balanced"}
    return pd.DataFrame(about | {"epoch": np.arange(1, len(loss) + 1), "loss": loss, "seed": encoder.unit.seed})


def pair_dots(cells: pd.DataFrame, null: pd.DataFrame | None, pairs: set[tuple[str, str]]) -> pd.DataFrame:
    """RH of look-alikes, of other pairs, and without a treatment: group, label, value, low, high.

    cells: row, column, value, low, high of the undersampled classes; null: class_i, class_j, value, low, high.
    """
    off = cells[cells.row != cells.column]
    group = ["look-alikes" if pair in pairs else "other pairs" for pair in zip(off.row, off.column, strict=True)]
    parts = [off.assign(group=group, label=off.row + " → " + off.column)]
    if null is not None:
        null = null[null.class_i != null.class_j]
        parts.append(null.assign(group=NULL, label=null.class_i + " – " + null.class_j))
    return pd.concat(parts, ignore_index=True)[["group", "label", "value", "low", "high"]]


def beside_null(df: pd.DataFrame) -> str:
    """A sentence that sets the look-alikes of ``pair_dots`` beside the null; empty without one."""
    null, alike = df[df.group == NULL].value, df[df.group == "look-alikes"].value
    if null.empty or alike.empty:
        return ""
    low, high = np.quantile(null, [0.025, 0.975], method="inverted_cdf")
    beyond = f"{(alike < low).sum()} of {len(alike)} look-alikes lie below it, {(alike > high).sum()} above"
    return f"The middle 95 % of the null are {low:.2f} to {high:.2f}; {beyond}."


def tsne(seen: Evidence, k: int, seed: int) -> pd.DataFrame | None:
    """The evaluation images in the plane, under the balanced encoder of the first seed and the one that undersampled k.

    Those of ``evidence.sample``.  panel, image (its place), class, x, y; None where a run of record kept no features of
    one of the two.
    """
    which = seen.sampled
    settings = {"perplexity": 30, "metric": "cosine", "random_state": seed, "n_jobs": 1, "initialization": "pca"}
    under = seen.under[0][seen.treated.index(k)]
    panels = {"balanced": seen.balanced[0], f"class {seen.classes[k]} undersampled": under}
    samples = {panel: evidence.sample(seen, encoder) for panel, encoder in panels.items()}
    if any(z is None for z in samples.values()):
        return None
    shown, frames = {"image": which.tolist(), "class": [seen.classes[c] for c in seen.y[which].tolist()]}, []
    for panel, z in samples.items():
        x, y = np.asarray(openTSNE.TSNE(**settings).fit(z.double().numpy())).round(2).T
        frames.append(pd.DataFrame({"panel": panel, **shown, "x": x, "y": y}))
    return pd.concat(frames, ignore_index=True)
