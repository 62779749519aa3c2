"""Batch normalisation over the batch of all processes, on the CPU, where torch's SyncBatchNorm does not run."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class AcrossProcesses(_BatchNorm):
    """``BatchNorm1d`` or ``2d``, of (n, c) or (n, c, h, w), whose mean and variance are over the n of every process.

    Every process has as many rows.  In evaluation mode it is torch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        over, processes = [0, *range(2, x.ndim)], dist.get_world_size()
        shape = [1, -1] + [1] * (x.ndim - 2)
        wide = x.to(self.running_mean.dtype)
        mean = _Sum.apply(wide.mean(over)) / processes  # (c,)
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().mean(over)) / processes
        self._remember(mean.detach(), variance.detach(), processes * x.numel() // x.shape[1])
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return (centred * scale.view(shape)).to(x.dtype)
        return (centred * (scale * self.weight).view(shape) + self.bias.view(shape)).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * values / (values - 1), self.momentum)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"input of shape {tuple(x.shape)}: (n, c) or (n, c, h, w) is expected")


def across_processes(net: nn.Module) -> nn.Module:
    """The net with each batch normalisation replaced by one over all processes; weights and statistics are kept."""
    for name, child in net.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            shared = AcrossProcesses(child.num_features, child.eps, child.momentum, child.affine)
            shared.to(child.running_mean.dtype).load_state_dict(child.state_dict())
            setattr(net, name, shared.train(child.training))
        else:
            across_processes(child)
    return net


class _Sum(torch.autograd.Function):
    """The sum over the processes; so is the gradient, for what every process does with it moves each one's part."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.contiguous().clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        dist.all_reduce(grad)
        return grad
