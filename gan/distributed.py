"""Several processes, one training: started by torchrun, silent otherwise."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist


@contextlib.contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """Join the group that torchrun announced, nccl on GPUs and gloo on CPUs.

    Yields:
        rank, world_size; (0, 1) outside torchrun.
    """
    if "WORLD_SIZE" not in os.environ:
        yield 0, 1
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set on any rank; all ranks must call it."""
    if not dist.is_initialized():
        return flag
    tensor = torch.tensor(int(flag), device=device)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return bool(tensor)


def mean_over_ranks(values: torch.Tensor) -> torch.Tensor:
    """The mean of a tensor over the ranks; all ranks must call it."""
    if dist.is_initialized():
        values = values.clone()
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


def from_rank_zero(state: dict, device: torch.device) -> dict:
    """Rank 0's nested dict of tensors, numbers and strings, on every rank; all ranks must call it."""
    if not dist.is_initialized():
        return state
    buffer = io.BytesIO()
    if dist.get_rank() == 0:
        torch.save(state, buffer)
    content = torch.frombuffer(bytearray(buffer.getvalue() or b"\0"), dtype=torch.uint8).to(device)
    length = torch.tensor(len(content), device=device)
    dist.broadcast(length, 0)
    if dist.get_rank() != 0:
        content = torch.empty(int(length), dtype=torch.uint8, device=device)
    dist.broadcast(content, 0)
    return torch.load(io.BytesIO(content.cpu().numpy().tobytes()), map_location="cpu", weights_only=True)
