"""Signals at any moment, readers of the output that go away, a second training, a second rank that dies."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from forked import EVERY_STEP, OPTIONS, Process
from tiny_runs import assert_same_tensors

from gan.data.batches import make_batch
from gan.history import read_history
from gan.training import distributed, loop
from gan.training.checkpoint import load_checkpoint
from tests.faults import Row
from tests.faults.kills import again, undisturbed, with_sliders

FAULT = "signals at any moment, closed pipes, a second training, a second rank that is killed or stopped"
MUST_BE = "saved, or refused, as said"
TRIES = 30

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Place:
    """A folder with an undisturbed run in it, `whole`, and how long that took."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance, self.number = folder, chance, 0
        _, self.seconds = undisturbed(folder)

    def new(self) -> str:
        """The name of another run."""
        self.number += 1
        return f"run{self.number}"

    def completed(self, out: str) -> str:
        """What is wrong with a run once it has been gone on with to its end."""
        process = again(self.folder, out, with_sliders)
        if (status := process.wait(120)) != 0:
            process.end()
            return f"resumed: exit {status}: {process.log[-400:]}"
        return self.compared(out)

    def compared(self, out: str) -> str:
        ours, theirs = (load_checkpoint(self.folder / name)[0]["trainer"] for name in (out, "whole"))
        assert_same_tensors(ours, theirs)
        missing = [name for name in ("README.md", "directions.safetensors") if not (self.folder / out / name).is_file()]
        return f"without {missing}" if missing else ""


def slowly() -> None:
    """Sliders, and steps of 20 ms: long enough to meet."""
    with_sliders()

    def make(*arguments: object, **options: object) -> object:
        time.sleep(0.02)
        return make_batch(*arguments, **options)

    loop.make_batch = make


def stopped(place: Place) -> str:
    """A signal at any moment: in a step it saves, elsewhere it ends in one sentence; then the rest is made."""
    out, kind = place.new(), place.chance.choice(STOPS)
    if place.chance.random() < 0.3:
        for cached in (place.folder / "cache").glob("*"):
            cached.unlink()
    process = Process(place.folder, *OPTIONS, f"--out={out}", before=with_sliders)
    process.wait(place.chance.uniform(0.05, place.seconds))  # it takes a moment until there is a handler
    if process.wait(0.001) is None:
        process.signal(kind)
    status = process.wait(60)
    said = process.log
    process.end()
    if "Traceback" in said or status not in (0, 128 + kind, -kind):
        return f"{kind.name}: exit {status}: {said[-400:]}"
    if status == 128 + kind and said.count("train.py: stopped") != 1:
        return f"{kind.name}: no sentence: {said[-400:]}"
    return place.completed(out)


def unread(place: Place) -> str:
    """Who reads stdout and stderr goes away after a while, or was never there."""
    out, never = place.new(), place.chance.random() < 0.3
    ours, theirs = os.pipe()

    def silent() -> None:
        slowly()
        os.dup2(theirs, 1)
        os.dup2(theirs, 2)
        os.close(ours)
        os.close(theirs)
        if never:
            os.close(1)
            os.close(2)
            sys.stdout = sys.stderr = None

    process = Process(place.folder, *OPTIONS, f"--out={out}", before=silent)
    os.close(theirs)
    process.until(lambda: len(read_history(place.folder / out)) > place.chance.randrange(4))
    os.close(ours)
    status = process.wait(60)
    process.end()
    return f"exit {status}" if status != 0 else place.compared(out)


def second(place: Place) -> str:
    """A training that is to begin, or to go on, in a folder that another one is at work in."""
    out, held = place.new(), place.folder / "held"

    def held_up() -> None:
        with_sliders()

        def make(*arguments: object, **options: object) -> object:
            while held.exists() and read_history(place.folder / out):
                time.sleep(0.01)
            return make_batch(*arguments, **options)

        loop.make_batch = make

    held.touch()
    first = Process(place.folder, *OPTIONS, EVERY_STEP, f"--out={out}", before=held_up)
    try:
        if not first.until(lambda: any((place.folder / out / "checkpoint").glob("*.json"))):
            return f"the first one did not begin: {first.log[-400:]}"
        overwrite = [*OPTIONS, f"--out={out}", "--overwrite"]
        arguments = place.chance.choice(([f"--resume={out}", "--device=cpu"], overwrite, overwrite[:-1]))
        other = Process(place.folder, *arguments)
        status = other.wait(60)
        other.end()
        sentences = [line for line in other.log.splitlines() if line.startswith("train.py: ")]
        whose = ("is being written by another process", "is in training", "already holds a model")
        if status != 2 or len(sentences) != 1 or not any(text in sentences[0] for text in whose):
            return f"{arguments[-1]}: exit {status}: {other.log[-400:]}"
        held.unlink()
        if (status := first.wait(60)) != 0:
            return f"the first one, beside {arguments[-1]}: exit {status}: {first.log[-400:]}"
    finally:
        first.end()
    return place.compared(out)


def rank(place: Place) -> str:
    """One of two ranks is killed or stopped: the other one ends within seconds, with a sentence."""
    out = place.new()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def joined(number: int) -> Callable[[], None]:
        def join() -> None:
            os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2",
                           "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
            distributed.BEAT, distributed.SILENCE = 0.2, 3.0
            slowly()

        return join

    arguments = [*OPTIONS, "--set=epochs=100000", EVERY_STEP, f"--out={out}"]
    ranks = [Process(place.folder, *arguments, before=joined(number)) for number in (0, 1)]
    try:
        if not ranks[0].until(lambda: len(read_history(place.folder / out)) > 2):
            return f"they did not begin: {ranks[0].log[-400:]}"
        lost, how = place.chance.randrange(2), place.chance.choice((signal.SIGKILL, signal.SIGSTOP))
        ranks[lost].signal(how)
        status = ranks[1 - lost].wait(40)
        said = ranks[1 - lost].log
        if status != 2 or "the last checkpoint is whole" not in said or "Traceback" in said:
            return f"rank {lost} had {how.name}, the other one: exit {status}: {said[-600:]}"
    finally:
        for process in ranks:
            process.end()
    load_checkpoint(place.folder / out)  # raises where none is whole
    return ""


def run(tries: int, seed: int) -> Row:
    row = Row(FAULT, MUST_BE)
    kinds = (stopped, unread, second, stopped, rank, stopped)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), random.Random(seed))
        for number in range(tries):
            kind = kinds[number % len(kinds)]
            try:
                wrong = kind(place)
            except (AssertionError, ValueError) as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong:
                row.fail(f"try {number}, {kind.__name__}: {wrong}")
            else:
                row.note({stopped: "stopped and completed", unread: "went on unread", second: "second refused",
                          rank: "lost rank told"}[kind])  # fmt: skip
    return row
