"""The fast part of the faults around a training; `python -m tests.faults` makes many more."""

from __future__ import annotations

import os
import time

import pytest
from forked import Process
from tqdm import tqdm

from tests.faults import disks, kills, options, signals

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@forks
def test_a_training_that_is_killed_keeps_no_lock_of_its_parent(tmp_path):
    held = tmp_path / "held"

    def hold() -> None:
        tqdm.get_lock().acquire()
        held.touch()
        time.sleep(60)

    lock = tqdm.get_lock()
    process = Process(tmp_path, before=hold)
    assert process.until(held.exists)
    process.end()
    free = [part.acquire(False) for part in lock.locks]
    assert all(free)
    lock.release()


def test_odd_options():
    options.run(tries=60, seed=1).check()


@forks
def test_killed_and_resumed():
    kills.run(tries=1, seed=4).check()


@forks
def test_disks_that_refuse():
    disks.run(tries=5, seed=1).check()


@forks
def test_signals_pipes_a_second_training_and_a_second_rank():
    signals.run(tries=5, seed=0).check()
