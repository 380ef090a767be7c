"""Several processes, one device each, on one batch: ``torchrun --nproc-per-node 8 -m amgan train …``.

Every process plans the same batch and works on its rows; losses are divided by counts over the whole batch, which the
plan knows, and gradients are averaged by hand after each backward pass. (Wrapping networks in DistributedDataParallel
would not do: its hooks see each backward pass through a critic alone, and a penalty's double backward wrongly.) All of
this does nothing in a single process.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor

WAIT = datetime.timedelta(hours=1)  # rank 0 validates and saves while the others wait


def launched_count() -> int:
    """How many processes torchrun, or something like it, started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def active() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    return dist.get_rank() if active() else 0


def world() -> int:
    return dist.get_world_size() if active() else 1


def my_rows() -> slice:
    """This process's rows of a batch that all have planned."""
    return slice(rank(), None, world())


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Within: the processes that were launched together know each other."""
    if launched_count() == 1 or active():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=WAIT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a detached value over all processes, without waiting for it."""
    if not active():
        return value
    value = value.detach().float().clone()
    dist.all_reduce(value)
    return value / world()


def least_over_processes(value: Tensor) -> float:
    """The least of a value over all processes; all must ask."""
    if not active():
        return float(value)
    value = value.detach().float().clone()
    dist.all_reduce(value, dist.ReduceOp.MIN)
    return float(value)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Average gradients over processes, in one message."""
    if not active():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= world()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape))


def most_over_processes(value: float) -> float:
    """The greatest of a number over all processes; all must ask."""
    if not active():
        return value
    answer = torch.tensor(value, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(answer, dist.ReduceOp.MAX)
    return float(answer)


def any_process(yes: bool) -> bool:
    """Whether it is so in any of the processes; all must ask."""
    return bool(most_over_processes(float(yes)))


def wait_for_all() -> None:
    if active():
        dist.barrier()
