"""What differs from machine to machine: devices, bfloat16, signals, who reads the output, which processes live."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

import psutil
import torch

# What asks a program to end: Ctrl-C, `kill` or a shut-down, a closed terminal, a closed Windows console.
_STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
_START_TOLERANCE = 2.0  # seconds; the clock that a process's start is told by may be set right meanwhile


class MachineError(RuntimeError):
    """Something asked for that this machine does not have; the message says what, and what to do."""


class Stopped(KeyboardInterrupt):
    """A signal that asks the program to end, raised where it arrived.

    Attributes:
        status: what the program exits with, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch says it in several ways, some of them plain RuntimeErrors."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    told = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in told)


def describe(device: torch.device) -> str:
    """What computes there, in words: what a model folder says that it was trained on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type} ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{threads} CPU core{'s' * (threads != 1)} ({platform.machine()})"


# ------------------------------------------------------------------------------------------------ signals


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Signals that ask for the end set an event, so that the step in progress is finished and saved.

    A second one acts as it would have without. They can only be caught in the main thread; elsewhere nothing changes.
    """
    stop = threading.Event()
    usual: dict[int, object] = {}

    def request(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, usual[number])

    with _handled(request, usual):
        yield stop


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Signals that ask for the end raise `Stopped` where the program is, so that what it holds is put back in order.

    Yields:
        An event to set once the program is ending anyway: then they change nothing.
    """
    ending = threading.Event()

    def stop(number: int, frame: object) -> None:
        if not ending.is_set():
            raise Stopped(number)

    with _handled(stop, {}):
        yield ending


@contextlib.contextmanager
def _handled(handler: object, usual: dict[int, object]) -> Iterator[None]:
    """Let `handler` have the signals, and fill `usual` with those that had them; they get them back at the end."""
    if threading.current_thread() is threading.main_thread():
        for number in _STOPS:
            before = signal.getsignal(number)
            if number in (signal.SIGINT, signal.SIGTERM) or before is not signal.SIG_IGN:  # nohup ignores SIGHUP
                usual[number] = signal.SIG_DFL if before is None else before
        for number in usual:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in usual.items():
            signal.signal(number, before)


# ------------------------------------------------------------------------------------------------ output


class _Steady:
    """A text stream that outlives its reader, and its encoding.

    What nobody can take any more is dropped; what its encoding cannot write is written as \\xe9 or \\u9854.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._outlived():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with self._outlived():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _outlived(self) -> Iterator[None]:
        try:
            yield
        except ValueError:
            if not self._stream.closed:
                raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EAGAIN):
                return  # the next line may find room
            with contextlib.suppress(OSError, ValueError):  # what has no number is no pipe
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())  # also for what is in its buffer, and for code that is not ours
                os.close(nowhere)


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Let the program go on when who reads its stdout or stderr goes away, and when there is none from the start.

    That is what `| head`, `| tee` and Ctrl-C, a closed terminal or a service without one do. Neither does it end where
    their encoding, as on Windows or under LC_ALL=C, lacks a character of a file's name.
    """
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        sys.stdout, sys.stderr = (
            _Steady(stream or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))) for stream in before
        )
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before


def shell_command(*words: object) -> str:
    """A command as it is typed: words quoted for the shell of this system."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


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
