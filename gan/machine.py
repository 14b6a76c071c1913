"""What differs from machine to machine: devices, bfloat16, memory, and which processes live."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform

import psutil
import torch

from gan.errors import GanError

_START_TOLERANCE = 2.0  # seconds; the clock that a process's start is told by may be set right meanwhile


class MachineError(GanError, RuntimeError):
    """Something asked for that this machine does not have; the message says what, and what to do."""


# ------------------------------------------------------------------------------------------------ devices


def pick_device(device: str) -> torch.device:
    """The torch device of a name, "auto" being cuda, then mps, then cpu; raises `MachineError`."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        picked = torch.device(device)
        torch.zeros(1, device=picked).tolist()  # "meta" makes tensors, but none that hold anything
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise MachineError(f"device {device[:40]!r} cannot be used here ({reason}): try --device cpu") from error
    return torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else picked


def pick_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto" where the processor has instructions for it; raises `MachineError`."""
    if precision not in ("auto", "fp32", "bf16"):
        raise MachineError(f"precision {precision!r}: expected auto, fp32 or bf16")
    return computes_bf16(device) if precision == "auto" else precision == "bf16"


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; a CPU without them emulates it, many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # AMX implies AVX-512 bf16.
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def multiplies_tiles(device: torch.device) -> bool:
    """Whether a device is a CPU with AMX, which multiplies tiles of 16 rows in bfloat16."""
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


def memory_bytes(device: torch.device) -> int:
    """All the memory that a device could give, used or not."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return psutil.virtual_memory().total


def keep_what_is_here() -> None:
    """Python's collector need not look at today's objects again: its rounds take milliseconds then, and come soon."""
    gc.collect()
    gc.freeze()


def give_memory_back() -> None:
    """Free what only its own circle still holds, as errors do, and hand all that is free back to the system.

    glibc keeps it, for each thread that ever worked; elsewhere that part does nothing.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def describe(device: torch.device) -> str:
    """What computes there, in words: what a model folder says that it was trained on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type} ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{threads} CPU core{'s' * (threads != 1)} ({platform.machine()})"


# ------------------------------------------------------------------------------------------------ processes


def this_process() -> dict[str, str | int | float]:
    """What tells this process from all others, JSON-ready: "host", "pid", and its "start" in seconds since 1970."""
    process = psutil.Process()
    return {"host": platform.node(), "pid": process.pid, "start": process.create_time()}


def is_alive(process: dict) -> bool | None:
    """Whether the process that `this_process` described is at work; None for one of another machine.

    A number alone would not do: it is given again.
    """
    if process["host"] != platform.node():
        return None
    try:
        known = psutil.Process(process["pid"])
        return known.status() != psutil.STATUS_ZOMBIE and abs(known.create_time() - process["start"]) < _START_TOLERANCE
    except (psutil.NoSuchProcess, ValueError):  # ValueError: no number that a process can have
        return False
    except psutil.AccessDenied:
        return True
