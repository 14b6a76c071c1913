"""`train.py` as a process and process group of its own, of the lowest priority: started, asked to end, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from gan.machine import this_process

PROGRAM = Path(__file__).resolve().parents[2] / "train.py"
_LOWEST = 19  # niceness
_LOG_BYTES, _LOG_LINES = 4000, 6  # of the log's end that are looked at, and told


def start(arguments: Sequence[str], log_file: Path, *, detached: bool) -> tuple[subprocess.Popen, dict]:
    """Start a training; what it says is added to a file.

    Args:
        detached: whether it outlives this process, which otherwise holds its standard input open.

    Returns:
        The process, and what `gan.machine.is_alive` knows it by.

    Raises:
        OSError: it cannot be started, or has ended at once.
    """
    command = [sys.executable, str(PROGRAM), *arguments, *([] if detached else ["--until-input-ends"])]
    # No session of its own: Linux would share the processor among sessions, and its niceness would count for nothing.
    posix = os.name == "posix"
    group = {"process_group": 0} if posix else {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    with open(log_file, "ab") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL if detached else subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"}, **group,
        )  # fmt: skip
    try:
        started = psutil.Process(process.pid)
        with contextlib.suppress(psutil.AccessDenied, OSError):  # before it has threads, which keep their own
            started.nice(psutil.IDLE_PRIORITY_CLASS if os.name == "nt" else _LOWEST)
        return process, this_process() | {"pid": process.pid, "start": started.create_time()}
    except psutil.Error as error:
        raise OSError(f"it ended at once ({error})") from error


def ask_to_end(pid: int) -> None:
    """Let it finish its step and save."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM if os.name == "posix" else signal.CTRL_BREAK_EVENT)


def end(pid: int) -> None:
    """End its process group at once."""
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if os.name == "posix":
            os.killpg(pid, signal.SIGKILL)
        else:
            process = psutil.Process(pid)
            for one in [*process.children(recursive=True), process]:
                one.kill()


def last_words(log_file: Path, places: Sequence[Path]) -> str:
    """The last lines of a log, without these folders of this machine; "" where there is none."""
    try:
        with open(log_file, "rb") as file:
            file.seek(max(0, os.path.getsize(log_file) - _LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    for place in (*places, PROGRAM.parent, Path.home()):
        text = text.replace(f"{place}{os.sep}", "")
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return "\n".join([line for line in lines if line][-_LOG_LINES:])
