"""train.py in processes that begin at once: forked from one that has imported torch, and disturbed on purpose."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

import train as command

TINY = [f"--set={field}" for field in ("image_size=16", "z_dim=8", "base_channels=8", "g_multipliers=2,1",
        "g_strides=2,2", "d_multipliers=1,2", "d_strides=2,2", "log_interval=2", "epochs=2", "batch_size=8",
        "metric_interval=60", "ema_half_life_images=50", "sample_growth=1.1")]  # fmt: skip
OPTIONS = ["--preset=andreipop-celeba32", "--data=drawn:40", "--device=cpu", "--precision=fp32", *TINY]
STEPS = 10  # of a run with these
EVERY_STEP = "--save-minutes=0.00001"


class Process:
    """One train.py.

    Attributes:
        log: everything that it has said.
    """

    def __init__(self, folder: Path, *arguments: str, before: Callable[[], object] = lambda: None) -> None:
        """Begin it in `folder`, with its picture cache there; `before` is called in it first."""
        self._log = folder / f"log-{time.monotonic_ns()}.txt"
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._run(folder, [str(argument) for argument in arguments], before)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 60.0) -> int | None:
        """Its exit status, minus a signal's number where that ended it; None where it goes on."""
        end = time.monotonic() + seconds
        while self._status is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        return self._status

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> bool:
        """Wait for something while the process is there; whether it came."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return bool(condition())
            time.sleep(0.002)
        return True

    def end(self) -> None:
        """Whatever became of it, it is not there any more."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _run(self, folder: Path, arguments: list[str], before: Callable[[], object]) -> None:
        status = 70
        try:
            output = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
            sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            logging.root.handlers.clear()
            tqdm.set_lock(threading.RLock())  # the one it has is shared: a killed one would keep it
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            torch.set_num_threads(1)
            os.chdir(folder)
            os.environ["GAN_CACHE"] = str(folder / "cache")
            before()
            status = command.main(arguments)
        except SystemExit as leaving:
            status = leaving.code
        except BaseException:
            traceback.print_exc()
        finally:
            try:
                for stream in filter(None, (sys.stdout, sys.stderr)):
                    stream.flush()
            finally:
                os._exit(status)  # whatever happens: what follows is the parent's
