"""losses.gather: two processes together have the loss and the gradient of one process with all images."""

from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lib.losses.self_supervised import gather, nt_xent, vicreg

PROCESSES, IMAGES = 2, 10
LOSSES = {
    "plain": nt_xent,
    "block": partial(nt_xent, clamp=1e-7, block=3),
    "weighted": partial(nt_xent, weights=torch.arange(1, IMAGES + 1)),
    "vicreg": vicreg,
}


def encoder_and_views() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    x1 = torch.randn(IMAGES, 6, dtype=torch.float64)
    return nn.Linear(6, 4, dtype=torch.float64), x1, x1 + 0.3 * torch.randn_like(x1)


def losses_and_gradients(encoder: nn.Module, x1: Tensor, x2: Tensor) -> dict[str, tuple[float, list[list[float]]]]:
    found = {}
    for name, loss in LOSSES.items():
        encoder.zero_grad()
        value = loss(*(gather(z) for z in encoder(torch.cat([x1, x2])).chunk(2)))
        value.backward()
        found[name] = value.item(), [p.grad.flatten().tolist() for p in encoder.parameters()]
    return found


def one_of_several(rank: int, meeting: Path) -> tuple[list[float], dict]:
    """What one process of the run sees: the gathered ranks, and its losses and averaged gradients."""
    torch.set_num_threads(1)
    wait = timedelta(seconds=30)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=PROCESSES, timeout=wait)
    encoder, *views = encoder_and_views()
    mine = (x.chunk(PROCESSES)[rank] for x in views)
    ranks = gather(torch.full((2, 1), float(rank)))
    found = losses_and_gradients(DistributedDataParallel(encoder), *mine)
    dist.destroy_process_group()
    return ranks.flatten().tolist(), found


@pytest.fixture(scope="module")
def processes(tmp_path_factory) -> list[tuple[list[float], dict]]:
    meeting = tmp_path_factory.mktemp("gather") / "meeting"
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", "lib.losses"])  # read once for all of them
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        runs = [pool.submit(one_of_several, rank, meeting) for rank in range(PROCESSES)]
        return [run.result(timeout=60) for run in runs]


def test_rows_come_in_the_order_of_ranks(processes):
    assert [ranks for ranks, _ in processes] == [[0, 0, 1, 1]] * PROCESSES


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_those_of_one_process(processes, name):
    value, gradients = losses_and_gradients(*encoder_and_views())[name]
    assert max(map(abs, gradients[0])) > 1e-3
    for _, found in processes:
        assert found[name][0] == pytest.approx(value, abs=1e-12)
        for mine, expected in zip(found[name][1], gradients, strict=True):
            assert mine == pytest.approx(expected, abs=1e-12)


def test_without_other_processes_nothing_is_gathered():
    z = torch.ones(3, 2)
    assert gather(z) is z
