"""Several processes, one training: started by torchrun, silent otherwise."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist

from gan.errors import GanError

BEAT = 2.0  # seconds between the signs of life that each process gives
SILENCE = 30.0  # seconds without one, after which a process counts as lost


class LostProcessError(GanError, RuntimeError):
    """Another process of this training is gone; the message says so, and what to do."""


@contextlib.contextmanager
def process_group(device: str = "auto") -> Iterator[tuple[int, int]]:
    """Join the group that torchrun announced: nccl where the training is on GPUs, else gloo.

    A process that stops without ending, or whose machine is gone, would be waited for for many minutes, in calls that
    nothing can interrupt: where one gives no sign of life for `SILENCE` seconds, this process says so and ends.

    Args:
        device: as for `gan.training.loop.train`.

    Yields:
        rank, world_size; (0, 1) outside torchrun.

    Raises:
        LostProcessError: the connection to another process broke.
    """
    if "WORLD_SIZE" not in os.environ:
        yield 0, 1
        return
    cuda = torch.cuda.is_available() and (device == "auto" or device.startswith("cuda"))
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    store, rank, world_size = next(dist.rendezvous("env://"))
    dist.init_process_group("nccl" if cuda else "gloo", store=store, rank=rank, world_size=world_size)
    # Its own connection: one that waits for an answer keeps others waiting.
    pulse = _Pulse(store.clone(), rank, world_size, _leave)
    pulse.start()
    try:
        yield rank, world_size
    except RuntimeError as error:
        if world_size > 1 and _is_broken_connection(error):
            reason = " ".join(str(error).split())[:120]
            raise LostProcessError(
                f"process {rank} of {world_size} lost the connection to another one ({reason}): look for what that one "
                "says; the last checkpoint is whole, go on with --resume"
            ) from error
        raise
    finally:
        pulse.stop()
        dist.destroy_process_group()


class _Pulse:
    """Gives signs of life through the store that torchrun holds, and watches for those of the others.

    A process that computes, reads or writes for long still gives them; one that is stopped or dead does not. A store
    whose process is stopped answers nothing, and its calls then never end: another thread notices.
    """

    def __init__(self, store: dist.Store, rank: int, world_size: int, lost: Callable[[str], None]) -> None:
        self._store, self._rank, self._world_size, self._lost = store, rank, world_size, lost
        self._end, self._answered = threading.Event(), time.monotonic()
        self._threads = [threading.Thread(target=act, daemon=True) for act in (self._beat, self._watch_store)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say goodbye: this process ends because it is done."""
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=SILENCE)

    def _beat(self) -> None:
        others = [rank for rank in range(self._world_size) if rank != self._rank]
        seen = {rank: (-1, time.monotonic()) for rank in others}
        try:
            while not self._end.wait(BEAT):
                self._store.add(f"pulse/{self._rank}", 1)
                for rank in others:
                    beats, now = self._store.add(f"pulse/{rank}", 0), time.monotonic()
                    if beats != seen[rank][0]:
                        seen[rank] = beats, now
                    elif now - seen[rank][1] > SILENCE and not self._store.add(f"left/{rank}", 0):
                        whose = f"process {rank} of {self._world_size}"
                        self._lost(f"{whose} gave no sign of life for {SILENCE:.0f} seconds")
                        return
                self._answered = time.monotonic()
            self._store.add(f"left/{self._rank}", 1)
        except RuntimeError:  # the store's
            if not self._end.is_set():
                self._lost("the process that holds the others together is gone")

    def _watch_store(self) -> None:
        while not self._end.wait(BEAT):
            if time.monotonic() - self._answered > SILENCE:
                self._lost(f"the process that holds the others together gave no answer for {SILENCE:.0f} seconds")
                return


def _leave(what: str) -> None:
    # The main thread waits in a call of torch's that no exception reaches.
    print(f"{what}, so this one ends: the last checkpoint is whole, go on with --resume", file=sys.stderr, flush=True)
    os._exit(2)


def _is_broken_connection(error: RuntimeError) -> bool:
    # gloo's are RuntimeErrors with nothing but words; nccl's have a class of their own
    told = ("gloo", "nccl", "connection", "peer", "socket")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in told)


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
