"""Where a training runs: one CPU process as it is, a GPU or several processes through accelerate."""

import contextlib
import os
from typing import Protocol

import torch
from torch import nn


class Place(Protocol):
    """What training asks of accelerate's ``Accelerator``, whose names these are."""

    device: torch.device
    process_index: int
    num_processes: int

    def prepare(self, model: nn.Module) -> nn.Module: ...
    def backward(self, loss: torch.Tensor) -> None: ...
    def autocast(self) -> contextlib.AbstractContextManager: ...


class OneCPU:
    """One process on the CPU.  It does without accelerate, whose import takes as long as training a small net."""

    device = torch.device("cpu")
    process_index, num_processes = 0, 1

    def __init__(self, precision: str):
        self.bfloat16 = precision == "bfloat16"

    def prepare(self, model: nn.Module) -> nn.Module:
        return model

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def autocast(self) -> contextlib.AbstractContextManager:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)


def place(precision: str) -> Place:
    """The GPU where there is one, several processes under ``accelerate launch`` or torchrun, else the CPU.

    precision: "float32", or "bfloat16" autocast.
    """
    if not torch.cuda.is_available() and int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return OneCPU(precision)
    from accelerate import Accelerator

    return Accelerator(mixed_precision="bf16" if precision == "bfloat16" else "no", cpu=not torch.cuda.is_available())
