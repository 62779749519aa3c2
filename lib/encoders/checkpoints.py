"""A training that was killed goes on: what is kept of it between two epochs."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lib import records

FORMAT = "3"

REMEDY = "remove it and train again"


class CheckpointError(RuntimeError):
    """A checkpoint that is damaged, or of another training."""


def save(path: Path, owner: str, history: list[float], model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write model, the optimiser's state and the loss of every epoch so far as safetensors, whole or not at all.

    owner: what the training is, so that no other takes it up.  Orders and augmentations are drawn anew in every epoch
    from seed and epoch (``training.generators``), so no generator's state needs keeping.
    """
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"state.{i}.{name}": t for name, t in state.items() if t is not None}
    tensors["history"] = torch.tensor(history, dtype=torch.float64)
    tensors = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
    about = {"format": FORMAT, "owner": owner, "sha256": _digest(tensors)}
    with records.atomic(path) as temporary:
        save_file(tensors, temporary, metadata=about)


def load(path: Path, owner: str, model: nn.Module, optimiser: torch.optim.Optimizer) -> list[float]:
    """Put a checkpoint's state into model and optimiser; the losses of the epochs done, none without a checkpoint.

    CheckpointError: the file is damaged, or belongs to another training.
    """
    if not path.exists():
        return []
    try:
        with safe_open(path, "pt") as f:
            about, tensors = f.metadata() or {}, {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged ({error}); {REMEDY}") from error
    if (about.get("format"), about.get("owner")) != (FORMAT, owner):
        raise CheckpointError(f"checkpoint {path} is of {json.dumps(about.get('owner'))}, not of {owner!r}; {REMEDY}")
    if about.get("sha256") != _digest(tensors):
        raise CheckpointError(f"checkpoint {path} is damaged (its content is not what was written); {REMEDY}")
    part = _under(tensors, "model.")
    if set(part) != set(model.state_dict()):
        raise CheckpointError(f"checkpoint {path} holds other tensors than the model; {REMEDY}")
    model.load_state_dict(part)
    whole, place = optimiser.state_dict(), next(model.parameters()).device
    whole["state"] = {}
    for key, t in _under(tensors, "state.").items():
        i, name = key.split(".", 1)
        whole["state"].setdefault(int(i), {})[name] = t.to(place)
    optimiser.load_state_dict(whole)
    return tensors["history"].tolist()


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        found.update(repr((name, t.dtype, tuple(t.shape))).encode())
        found.update(t.flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
