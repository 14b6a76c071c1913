"""Stopping, being killed, and going on: bit for bit as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_runs import assert_same_run, go, history, on_step, signal_on_step

import train as command
from gan.training import loop, recorder
from gan.training.checkpoint import load_checkpoint, load_meta
from gan.training.loop import Limits

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def early_replay(monkeypatch):
    """Log-spaced sheets and snapshots within the 160 images of these runs; a resume gets their place from its state."""
    monkeypatch.setattr(recorder, "FIRST_SAMPLE_IMAGES", 30)
    monkeypatch.setattr(recorder, "FIRST_SNAPSHOT_IMAGES", 40)


@pytest.mark.usefixtures("early_replay")
@pytest.mark.parametrize(
    ("stops", "kind", "changes", "precision"),
    [
        ([5], signal.SIGINT, {}, "fp32"),  # at the border of an epoch
        ([7], signal.SIGTERM, {}, "fp32"),  # within an epoch, and between two history rows
        ([1, 3, 8, 13], signal.SIGINT, {}, "fp32"),
        ([7], signal.SIGINT, {}, "bf16"),
        ([7], signal.SIGINT, dict(d_norm="batch", r1_gamma=0.0, ema_half_life_images=0), "fp32"),
        ([7], signal.SIGINT, dict(d_norm="spectral", loss="relativistic", r2_gamma=1.0), "fp32"),
    ],
    ids=["epoch border", "mid-epoch", "four times", "bf16", "batch norm", "spectral norm"],
)
def test_stopped_and_resumed_is_bit_identical(
    eventful, pictures, tmp_path, monkeypatch, stops, kind, changes, precision
):
    config = eventful.replace(**changes)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = dict(precision=precision, sample_every=9)
    go(config, pictures, whole, **options)

    done = 0
    for stop in stops:
        signal_on_step(monkeypatch, stop - done - 1, kind)
        outcome = go(config, pictures, parts, resume=done > 0, **options)
        assert (outcome.reason, outcome.images_seen) == ("interrupted", stop * 8)
        done = stop
    monkeypatch.undo()
    assert go(config, pictures, parts, resume=True, **options).reason == "finished"

    assert_same_run(parts, whole)
    assert len(history(whole)) > 10
    events = [row["event"] for row in history(whole) if row["event"]]
    if config.d_norm == "none":  # an even start, in which the watch has something to count
        assert len(events) == 1 and events[0].startswith("dead discriminator")


@pytest.mark.usefixtures("early_replay")
def test_resuming_without_a_stop_in_time_loses_only_what_was_not_saved(eventful, pictures, tmp_path, monkeypatch):
    """A crash: nothing is saved at the end, so the run goes back to its last periodic checkpoint."""
    whole, crashed = tmp_path / "whole", tmp_path / "crashed"
    go(eventful, pictures, whole)

    def fail(_):
        raise MemoryError

    saves = []
    save = loop.Recorder.save
    monkeypatch.setattr(loop.Recorder, "save", lambda self, t: (saves.append(self.step), save(self, t)))
    on_step(monkeypatch, 13, fail)
    with pytest.raises(MemoryError):
        go(eventful, pictures, crashed, save_minutes=1e-9)
    assert saves == list(range(14))  # before the first step, and after each
    assert load_checkpoint(crashed)[1]["step"] == 13

    shutil.rmtree(crashed)
    on_step(monkeypatch, 13, fail)
    with pytest.raises(MemoryError):
        go(eventful, pictures, crashed)  # five minutes never pass
    assert load_checkpoint(crashed)[1]["step"] == 0
    with open(crashed / "history.csv", "a", encoding="utf-8") as file:
        file.write("104,2.6,1.")  # and it died while writing a row
    assert len(history(crashed)) > 5
    monkeypatch.undo()
    go(eventful, pictures, crashed, resume=True)
    assert_same_run(crashed, whole)


@pytest.mark.usefixtures("early_replay")
def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(eventful, pictures, tmp_path, monkeypatch):
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    go(eventful, pictures, whole)
    signal_on_step(monkeypatch, 8)
    go(eventful, pictures, damaged, save_minutes=1e-9)
    monkeypatch.undo()
    newest = damaged / "checkpoint" / "000000009.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    go(eventful, pictures, damaged, resume=True)
    assert_same_run(damaged, whole)


def test_a_second_signal_acts_as_usual(tiny_config, pictures, tmp_path, monkeypatch):
    def act(real):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return real

    before = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    on_step(monkeypatch, 2, act)
    with pytest.raises(KeyboardInterrupt):
        go(tiny_config, pictures, tmp_path / "a")
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == before


def test_training_in_another_thread_leaves_signals_alone(tiny_config, pictures, tmp_path):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(go(tiny_config, pictures, tmp_path / "a")))
    thread.start()
    thread.join()
    assert [outcome.reason for outcome in outcomes] == ["finished"]


def test_interrupted_in_the_very_last_step_is_finished(tiny_config, pictures, tmp_path, monkeypatch):
    signal_on_step(monkeypatch, 9)
    outcome = go(tiny_config, pictures, tmp_path / "a")
    assert (outcome.reason, outcome.images_seen) == ("finished", 80)
    assert (tmp_path / "a" / "README.md").exists()


def test_a_finished_run_goes_on_with_more_epochs_only(tiny_config, pictures, tmp_path, caplog):
    out = tmp_path / "a"
    go(tiny_config, pictures, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".safetensors"}
    outcome = go(tiny_config, pictures, out, resume=True)
    assert (outcome.reason, outcome.images_seen) == ("finished", 80)
    assert "has already seen 80 pictures: give more --epochs or --max-images to go on" in caplog.text
    assert all(path.read_bytes() == content for path, content in before.items())
    assert go(tiny_config, pictures, out, resume=True, limits=Limits(3)).images_seen == 120
    assert [row["images_seen"] for row in history(out)] == [0, 32, 64, 80, 96, 120]


# ------------------------------------------------------------------------------- as its own process

TINY = [f"--set={field}" for field in (
    "image_size=16", "z_dim=8", "base_channels=4", "g_multipliers=2,1", "g_strides=2,2", "d_multipliers=1,2",
    "d_strides=2,2", "g_dropout=0.2", "d_dropout=0.2", "penalty_interval=3", "log_interval=7",
    "ema_half_life_images=500", "lr_decay_start=0.5",
)]  # fmt: skip


def has_rows(folder, rows):
    path = folder / "history.csv"
    return path.exists() and path.read_bytes().count(b"\n") >= rows


def has_saved(folder, steps):
    """Whether a checkpoint of more steps is there."""
    return any(int(path.stem) > steps for path in (folder / "checkpoint").glob("*.json"))


def start_and_stop(arguments, kind, until):
    """Run train.py until something holds, send the signal, and give back what it said."""
    with subprocess.Popen(
        [sys.executable, "train.py", *arguments], cwd=ROOT, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        while process.poll() is None and not until():
            time.sleep(0.005)
        process.send_signal(kind)
        stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


@pytest.mark.timeout(300)  # two processes that import torch, on a machine that may be busy
def test_stopped_and_killed_and_resumed_is_bit_identical(tmp_path, monkeypatch):
    """SIGINT and kill -9 wherever they happen to fall, against a run that nobody disturbed; the page sends SIGTERM."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    often = "--save-minutes=0.001"  # where it matters: a saving takes longer than a step
    fresh = ["--data=drawn:44", "--batch-size=8", "--epochs=22", "--precision=fp32", "--device=cpu", *TINY]
    again = [f"--resume={parts}", "--device=cpu"]

    with ThreadPoolExecutor(1) as beside:  # a process takes seconds to begin
        begin = [*fresh, often, f"--out={parts}"]
        first = beside.submit(start_and_stop, begin, signal.SIGINT, lambda: has_rows(parts, 3))
        assert command.main([*fresh, f"--out={whole}"]) == 0
        code, said, _ = first.result()
    assert code == 0
    assert "interrupted: " in said and f"go on with: python train.py --resume {parts}" in said
    stopped = load_meta(parts)["images_seen"]
    # However late the first stop came, the second session is to have saved, and written rows, before it is killed.
    code, _, _ = start_and_stop(
        [*again, often], signal.SIGKILL, lambda: has_rows(parts, 9) and has_saved(parts, stopped // 8)
    )
    assert code == -signal.SIGKILL
    rows, left = history(whole), history(parts)
    assert left == rows[: len(left)] and 8 <= len(left) < len(rows)  # the same run, in its middle
    assert load_meta(parts)["images_seen"] > stopped  # the second session had saved before it was killed
    assert command.main(again) == 0

    assert_same_run(parts, whole)
