"""`kill -9` at any moment, and `--resume`: complete, and bit for bit as if nothing had happened."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from forked import EVERY_STEP, OPTIONS, Process
from tiny_runs import assert_same_run

import train as command
from gan.latent import directions
from gan.run import FINISHED, is_run, read_state
from tests.faults import Row

FAULT = "kill -9 at random moments (training, save, sliders, card, cache), resumed"
MUST_BE = "complete, weights bit-identical, card written, no stray file"
TRIES = 50
MOST_KILLS = 2  # of one run


def with_sliders() -> None:
    """Let drawn faces have sliders, which takes no time: those that need no classifier."""
    command.task_of = lambda _: "celeba"
    directions.PRINCIPAL, directions._SEEN = 2, 64


def with_operations(told: Callable[[str, tuple], str]) -> Callable[[], None]:
    """Let a process ask `told(name, arguments)` at each file operation whether to be killed "before" or "after" it."""

    def asking(name: str, function: Callable) -> Callable:
        def operation(*arguments: object, **options: object) -> object:
            when = told(name, arguments)
            if when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **options)
            if when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return operation

    def install() -> None:
        with_sliders()
        for owner, name in ((os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (Path, "write_bytes")):
            setattr(owner, name, asking(name, getattr(owner, name)))

    return install


def at_operation(number: int, where: str) -> Callable[[], None]:
    """Let a process kill itself around its so-and-so-many-th file operation: before, after, or half-way through it."""
    counted, write_bytes = itertools.count(), Path.write_bytes

    def told(name: str, arguments: tuple) -> str:
        if next(counted) != number:
            return ""
        if where == "half-way" and name == "write_bytes":
            path, content = arguments
            write_bytes(path, bytes(content)[: len(content) // 2])
        return "after" if where == "after" else "before"

    return with_operations(told)


def undisturbed(folder: Path) -> tuple[int, float]:
    """A run in folder/whole that nobody disturbs: how many file operations, and seconds, it takes."""
    log, started = folder / "operations", time.monotonic()

    def told(name: str, arguments: tuple) -> str:
        with open(log, "ab") as file:
            file.write(b".")
        return ""

    process = Process(folder, *OPTIONS, EVERY_STEP, "--out=whole", before=with_operations(told))
    if (status := process.wait(120)) != 0:
        process.end()
        raise RuntimeError(f"the undisturbed run: exit {status}\n{process.log}")
    return log.stat().st_size, time.monotonic() - started


def again(folder: Path, out: str, before: Callable[[], None]) -> Process:
    """Go on as the sentences say: resumed, or begun again where nothing was saved yet."""
    name = folder / out
    if any((name / "checkpoint").glob("*.json")):
        return Process(folder, f"--resume={out}", "--device=cpu", EVERY_STEP, before=before)
    overwrite = ["--overwrite"] if is_run(name) else []
    return Process(folder, *OPTIONS, EVERY_STEP, f"--out={out}", *overwrite, before=before)


def problems(folder: Path, out: str) -> str:
    """What is not as in the undisturbed run."""
    try:
        assert_same_run(folder / out, folder / "whole")
    except AssertionError as error:
        return f"not the same: {' '.join(str(error).split())[:300]}"
    files, wanted = (
        {str(path.relative_to(folder / name)) for path in (folder / name).rglob("*")} for name in (out, "whole")
    )
    # Which older checkpoint is kept depends on where it went on.
    files, wanted = ({name for name in names if not name.startswith("checkpoint/0")} for names in (files, wanted))
    if files != wanted:
        return f"other files: {sorted(files ^ wanted)}"
    cards = [(folder / name / "README.md").read_text(encoding="utf-8").splitlines() for name in (out, "whole")]
    if len(cards[0]) != len(cards[1]):
        return "another card"
    if read_state(folder / out)["state"] != FINISHED:
        return "not finished, by its state.json"
    return "" if not list((folder / "cache").glob("*.partial")) else "a cut-short cache is left"


def run(tries: int, seed: int) -> Row:
    row = Row(FAULT, MUST_BE)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        operations, seconds = undisturbed(folder)
        for number in range(tries):
            out, told = f"run{number}", []
            if number % 4 == 0:
                for cached in (folder / "cache").glob("*"):
                    cached.unlink()
            for _ in range(chance.randint(1, MOST_KILLS)):
                if chance.random() < 0.5:
                    moment = chance.uniform(0, seconds)
                    process = again(folder, out, with_sliders)
                    process.wait(moment)
                    told.append(f"after {moment:.2f} s")
                else:
                    at, where = chance.randrange(operations), chance.choice(("before", "after", "half-way"))
                    process = again(folder, out, at_operation(at, where))
                    process.wait(60)
                    told.append(f"{where} operation {at}")
                process.end()
            process = again(folder, out, with_sliders)
            status = process.wait(120)
            process.end()
            wrong = f"exit {status}: {process.log[-500:]}" if status != 0 else problems(folder, out)
            if wrong:
                row.fail(f"killed {', '.join(told)}: {wrong}")
            else:
                row.note("complete")
    return row
