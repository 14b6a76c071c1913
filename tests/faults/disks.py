"""Disks that refuse, folders that go away, a cache that is cut short: while a training is at work."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from forked import EVERY_STEP, OPTIONS, STEPS, Process
from tiny_runs import assert_same_tensors

from gan.data.batches import make_batch
from gan.training import loop
from gan.training.checkpoint import load_checkpoint
from tests.faults import Row

FAULT = "disk full, read-only, gone, folder renamed or removed, chmod refused, cache cut short or gone"
MUST_BE = "goes on, or one sentence and the last checkpoint whole"
TRIES = 20

REFUSALS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "gone": errno.EIO, "closed to us": errno.EACCES}


def at_step(number: int, act: Callable[[np.ndarray], object]) -> Callable[[], None]:
    """Let a process do something to itself, once, when it is to train step `number`; `act` gets its pictures."""

    def install() -> None:
        calls = []

        def make(images: np.ndarray, indices: np.ndarray, **options: object) -> object:
            calls.append(None)
            if len(calls) == number + 1:
                act(images)
            return make_batch(images, indices, **options)

        loop.make_batch = make

    return install


def refusing(number: int, steps: int, code: int) -> Callable[[], None]:
    """From step `number` on, for so many steps, what is written is refused: at once, or half-way through."""

    def install() -> None:
        calls, chance, write_bytes, make_temporary = [], random.Random(number), Path.write_bytes, tempfile.mkstemp

        def make(*arguments: object, **options: object) -> object:
            calls.append(None)
            return make_batch(*arguments, **options)

        def refuse() -> bool:
            return number < len(calls) <= number + steps

        def write(path: Path, content: bytes) -> int:
            if refuse():
                write_bytes(path, bytes(content)[: len(content) // 2])
                raise OSError(code, os.strerror(code), str(path))
            return write_bytes(path, content)

        def temporary(*arguments: object, **options: object) -> tuple[int, str]:
            if refuse() and chance.random() < 0.5:
                raise OSError(code, os.strerror(code))
            return make_temporary(*arguments, **options)

        loop.make_batch, Path.write_bytes, tempfile.mkstemp = make, write, temporary

    return install


def refused_chmod() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    Path.chmod = refuse


def faults(chance: random.Random, out: Path) -> Iterator[tuple[str, Callable[[], None], str]]:
    """What, how, and how it must end: "complete", "told" in a sentence, or the folder is "gone"."""
    while True:
        for name, code in REFUSALS.items():
            step = chance.randrange(2, STEPS - 4)
            yield f"{name} for two steps at {step}", refusing(step, 2, code), "complete"
            yield f"{name} from step {step}", refusing(step, 10**9, code), "told"
            if name == "full":
                yield "chmod refused", refused_chmod, "complete"
                yield f"removed at {step}", at_step(step, lambda _: shutil.rmtree(out)), "gone"
                yield f"renamed at {step}", at_step(step, lambda _: out.rename(f"{out}-renamed")), "told"
                yield f"cache gone at {step}", at_step(step, lambda images: os.unlink(images.filename)), "complete"
                cut = at_step(step, lambda images: os.truncate(images.filename, 1000))
                yield f"cache cut short at {step}", cut, "told"


def problems(process: Process, status: int | None, out: Path, expected: str, whole: Path) -> str:
    """What is not as it must be."""
    said, renamed = process.log, Path(f"{out}-renamed")
    sentences = [line for line in said.splitlines() if line.startswith("train.py: ")]
    if "Traceback" in said or "Error ignored" in said:
        return f"a traceback: {said[-400:]}"
    if expected == "complete":
        if status != 0:
            return f"exit {status}: {said[-400:]}"
        assert_same_tensors(load_checkpoint(out)[0]["trainer"], load_checkpoint(whole)[0]["trainer"])
        return ""
    if status != 2 or len(sentences) != 1:
        return f"exit {status}, {len(sentences)} sentences: {said[-400:]}"
    if expected == "gone":
        return f"{out.name} was made again" if out.exists() else ""
    if renamed.exists() and out.exists():
        return "the old name was made again"
    kept = renamed if renamed.exists() else out
    load_checkpoint(kept)  # raises where none is whole
    process = Process(kept.parent, f"--resume={kept.name}", "--device=cpu")
    if (status := process.wait(120)) != 0:
        process.end()
        return f"resumed: exit {status}: {process.log[-400:]}"
    assert_same_tensors(load_checkpoint(kept)[0]["trainer"], load_checkpoint(whole)[0]["trainer"])
    return ""


def run(tries: int, seed: int) -> Row:
    row = Row(FAULT, MUST_BE)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name, "run")
        process = Process(folder, *OPTIONS, "--out=whole")
        if (status := process.wait(120)) != 0:
            process.end()
            raise RuntimeError(f"the undisturbed run: exit {status}\n{process.log}")
        found = faults(chance, out)
        for _ in range(tries):
            what, before, expected = next(found)
            process = Process(folder, *OPTIONS, EVERY_STEP, "--out=run", before=before)
            status = process.wait(120)
            process.end()
            try:
                wrong = problems(process, status, out, expected, folder / "whole")
            except (AssertionError, ValueError) as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                row.fail(f"{what}: {wrong}")
            else:
                row.note({"complete": "went on to the end"}.get(expected, "told in one sentence, checkpoint whole"))
            for path in (out, Path(f"{out}-renamed")):
                shutil.rmtree(path, ignore_errors=True)
    return row
