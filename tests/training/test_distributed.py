"""Two gloo processes under torchrun: one training, one writer, equal parameters, exact resume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import train as command
from gan.history import read_history, samples
from gan.training import distributed
from gan.training.checkpoint import load_checkpoint
from gan.training.distributed import any_rank, from_rank_zero, mean_over_ranks, process_group

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a run of two epochs, which one process trained."""
    folder = tmp_path_factory.mktemp("distributed")
    tiny = [f"--set={field}" for field in ("image_size=16", "base_channels=4", "g_multipliers=2,1", "g_strides=2,2",
            "d_multipliers=1,2", "d_strides=2,2", "log_interval=4")]  # fmt: skip
    arguments = ["--data=drawn:44", "--batch-size=8", "--epochs=2", "--device=cpu", f"--out={folder / 'run'}", *tiny]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_CACHE", str(folder / "cache"))
        assert command.main(arguments) == 0
    shutil.copy(folder / "run" / "model.safetensors", folder / "before.safetensors")
    return folder


@pytest.fixture(scope="module")
def said(begun):
    """What tests/distributed_run.py said, which trains that run for an epoch more."""
    arguments = [ROOT / "tests" / "distributed_run.py", begun, f"--resume={begun / 'run'}", "--epochs=3"]
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *map(str, arguments),
         "--device=cpu"],
        cwd=ROOT, text=True, encoding="utf-8", capture_output=True, timeout=110, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "GAN_CACHE": str(begun / "cache"), "PYTHONPATH": str(ROOT),
                          "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def folder(begun, said):
    """Where tests/distributed_run.py left its runs and what each rank found."""
    return begun


@pytest.fixture(scope="module")
def reports(folder):
    return [json.loads((folder / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


def test_both_ranks_took_part(reports):
    assert [(report["rank"], report["world_size"]) for report in reports] == [(0, 2), (1, 2)]


def test_collectives_agree_on_both_ranks(reports):
    for report in reports:
        assert report["any"] == [True, False]
        assert report["mean"] == [0.5, 4.0]
        assert report["received"] == [[0, 1, 2], "rank 0"]


def test_parameters_are_equal_on_both_ranks_after_every_step(reports):
    for report in reports:
        assert report["equal"] == [True] * 15  # both networks and the average, five steps with R1, R2 and dropout
        assert report["latents differ"]  # though each draws pictures of its own


def test_the_shared_gradient_is_that_of_the_whole_batch(reports):
    for report in reports:
        assert report["gradient error"] < 1e-5


def test_features_are_matched_over_all_ranks(reports):
    for report in reports:
        assert report["matching error"] < 1e-4 and report["moments error"] < 1e-5
        assert report["moments equal"]


def test_a_signal_to_one_rank_stops_both_and_resume_is_bit_identical(folder, reports):
    for report in reports:
        assert report["reasons"] == ["finished", "interrupted", "finished"]
        assert report["steps"] == 15
    whole, parts = (load_checkpoint(folder / name)[0] for name in ("whole", "parts"))
    for network in ("generator", "discriminator", "ema"):
        for name, tensor in whole["trainer"][network].items():
            assert torch.equal(parts["trainer"][network][name], tensor), f"{network}/{name}"
    for name in ("model.safetensors", "discriminator.safetensors"):
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes()
    histories = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in read_history(folder / name)]
        for name in ("whole", "parts")
    ]
    assert histories[0] == histories[1]


def test_one_rank_writes(folder):
    rows = read_history(folder / "whole")
    assert [row["images_seen"] for row in rows] == [0, 32, 64, 96, 120]  # each row once
    assert list(samples(folder / "whole")) == [0, 1]
    assert not list((folder / "whole").rglob("*.part*"))


def test_rows_are_means_over_both_ranks(folder, reports):
    ours, theirs = (report["losses"] for report in reports)
    assert ours != theirs  # each rank saw its own half of the pictures
    rows = read_history(folder / "whole")[1:]
    for row, steps in zip(rows, (slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 15)), strict=True):
        both = ours[steps] + theirs[steps]
        assert row["loss_d"] == pytest.approx(sum(both) / len(both), rel=1e-4)


def test_the_discriminator_s_loss_falls(folder):
    losses = [row["loss_d"] for row in read_history(folder / "whole")[1:]]
    assert losses[-1] < 0.9 * losses[0]


def test_a_run_that_one_process_began_goes_on_with_two(folder, said):
    assert said.count("finished: 120 images seen") == 1  # one rank speaks
    assert [row["images_seen"] for row in read_history(folder / "run")] == [0, 32, 64, 80, 96, 120]
    before, after = map(load_file, (folder / "before.safetensors", folder / "run" / "model.safetensors"))
    assert not torch.equal(before["stem.weight"], after["stem.weight"])


def test_a_process_that_gives_no_sign_of_life_is_told_and_one_that_left_is_not(monkeypatch):
    now = [0.0]  # moves on when all have given a sign since, however slow the machine is
    monkeypatch.setattr(distributed, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(distributed, "BEAT", 0.01)
    store, told = torch.distributed.HashStore(), [[], [], []]
    pulses = [distributed._Pulse(store, rank, 3, told[rank].append) for rank in range(3)]
    for pulse in pulses:
        pulse.start()
    pulses[2].stop()  # done, and said so

    def pass_time():
        now[0] += 0.4 * distributed.SILENCE
        end = time.monotonic() + 60
        while time.monotonic() < end and any(not told[rank] and pulses[rank]._answered < now[0] for rank in (0, 1)):
            time.sleep(0.005)

    for _ in range(10):
        pass_time()
    assert told == [[], [], []]
    monkeypatch.setattr(pulses[1], "_store", torch.distributed.HashStore())  # as good as stopped
    for _ in range(10):
        pass_time()
    assert told[0][:1] == ["process 1 of 3 gave no sign of life for 30 seconds"]
    pulses[0].stop()
    pulses[1].stop()


def test_a_store_that_gives_no_answer_is_told(monkeypatch):
    monkeypatch.setattr(distributed, "BEAT", 0.01)
    monkeypatch.setattr(distributed, "SILENCE", 0.1)
    told, answer = [], threading.Event()

    class Silent:
        def add(self, key, amount):
            answer.wait(10)
            return 0

    pulse = distributed._Pulse(Silent(), 0, 2, told.append)
    pulse.start()
    end = time.monotonic() + 10
    while not told and time.monotonic() < end:
        time.sleep(0.01)
    answer.set()
    pulse.stop()
    assert told == ["the process that holds the others together gave no answer for 0 seconds"]


def test_a_broken_connection_is_a_sentence():
    """What gloo says when a peer has died, and an error that is none of the connection's."""
    told = "[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:31"
    assert distributed._is_broken_connection(RuntimeError(told))
    assert not distributed._is_broken_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_without_torchrun_everything_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group() as joined:
        assert joined == (0, 1)
        assert not torch.distributed.is_initialized()
    cpu = torch.device("cpu")
    assert any_rank(True, cpu) is True and any_rank(False, cpu) is False
    values, state = torch.ones(2), {"a": 1}
    assert mean_over_ranks(values) is values
    assert from_rank_zero(state, cpu) is state
