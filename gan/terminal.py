"""Between a program and who runs it: output that outlives its reader, signals that ask for the end, what to type."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

# What asks a program to end: Ctrl-C, `kill` or a shut-down, a closed terminal, a closed Windows console.
_STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]

_PATIENCE = 120.0  # seconds that a step, and saving it, may take


class Stopped(KeyboardInterrupt):
    """A signal that asks the program to end, raised where it arrived.

    Attributes:
        status: what the program exits with, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


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


def end_with_input() -> None:
    """Let the program be asked for its end when its standard input ends: when who started it is gone, however.

    Where it has not ended long after, stuck in a step, it is ended there.
    """

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        signal.raise_signal(signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


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
