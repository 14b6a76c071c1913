"""Trainings of tiny networks, disturbed at a chosen step, and how to tell two of them apart."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock

import train as command
from gan.data.batches import make_batch
from gan.data_record import BUILT_IN, UNKNOWN, DataRecord
from gan.history import read_history
from gan.metrics.monitor import Monitor
from gan.training import loop
from gan.training.checkpoint import load_checkpoint
from gan.training.loop import Outcome, train

DRAWN = DataRecord((BUILT_IN["drawn"],))
CELEBA = DataRecord((BUILT_IN["celeba"],))


def once(place: Path, make: Callable[[Path], None]) -> Path:
    """What `make` writes at `place`, by the first of all processes of a test run that wants it; only to be read."""
    done = place.with_name(f"{place.name}.done")
    with FileLock(place.with_name(f"{place.name}.lock")):
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)  # of one that failed
            make(place)
            done.touch()
    return place


def go(config, pictures, out, **options) -> Outcome:
    """Train, and finish the folder, as the command does."""
    arguments = dict(data=DRAWN, device="cpu", precision="fp32", progress=False) | options
    kind = getattr(arguments["data"], "kind", UNKNOWN)  # words alone do not say
    monitor = Monitor(pictures, kind) if config.metric_interval else None
    outcome = train(config, pictures, out, monitor=monitor, **arguments)
    if outcome.reason != "interrupted":
        command.finish(out)
    return outcome


def on_step(monkeypatch, number, act):
    """Let `act(real)` do something to the batch of step `number` (of this call of train, from 0)."""
    calls = []

    def make(images, indices, **options):
        real = make_batch(images, indices, **options)
        calls.append(None)
        return act(real) if len(calls) == number + 1 else real

    monkeypatch.setattr(loop, "make_batch", make)


def signal_on_step(monkeypatch, number, kind=signal.SIGINT):
    def act(real):
        signal.raise_signal(kind)
        return real

    on_step(monkeypatch, number, act)


def history(folder):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in read_history(folder)]


def assert_same_tensors(a, b, path=""):
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            if key != "seconds":
                assert_same_tensors(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_tensors(x, y, f"{path}/{i}")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), path
    else:
        assert a == b, path


def assert_same_run(folder, expected):
    """Bit for bit: full state, shown weights, history but for the clock, sheets, snapshots."""
    assert history(folder) == history(expected)
    assert_same_tensors(load_checkpoint(folder)[0], load_checkpoint(expected)[0])
    for pattern in ("*.safetensors", "samples/*", "snapshots/*"):
        files = {path.name: path.read_bytes() for path in folder.glob(pattern)}
        assert files and files == {path.name: path.read_bytes() for path in expected.glob(pattern)}
