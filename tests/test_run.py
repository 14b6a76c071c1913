"""The model folder: what is written is read again, and damage is told in a sentence."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch

from gan import run
from gan.data_record import BUILT_IN, DataRecord, SourceRecord
from gan.run import RunError

ROW = {"images_seen": 64, "epoch": 0.5, "seconds": 1.25, "loss_g": 0.6931472, "loss_d": float("nan"), "sample": 0}


def test_config_round_trip(tmp_path, tiny_config):
    assert not run.is_run(tmp_path / "new")
    data = DataRecord((BUILT_IN["drawn"], SourceRecord("a.zip", "a.zip", "faces", "free to use")), 44, "abc")
    run.write_config(tmp_path / "new", tiny_config, data)
    assert run.is_run(tmp_path / "new")
    info = run.read_info(tmp_path / "new")
    assert (info.config, info.data) == (tiny_config, data)
    assert info.libraries["torch"] == torch.__version__
    assert info.machine.startswith(f"{torch.get_num_threads()} CPU core")
    assert (
        json.loads((tmp_path / "new" / "config.json").read_text(encoding="utf-8"))["format_version"]
        == run.FORMAT_VERSION
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", r"config.json is damaged \(JSONDecodeError.*restore it or train again"),
        ('{"format_version": 1', r"is damaged \(JSONDecodeError"),
        ("[]", r"is damaged \(TypeError"),
        ("{}", r"is damaged \(KeyError: 'format_version'"),
        ('{"format_version": 1, "config": []}', r"is damaged \(AttributeError"),
        ('{"format_version": "1", "config": {}}', r"is damaged \(TypeError"),
        ('{"format_version": 99, "shape": "unknown"}', r"has format 99, this version reads up to 1: update the code"),
        ('{"format_version": 1, "config": {"z_dim": -1}}', r"cannot be used: z_dim=-1: expected at least 1"),
        ('{"format_version": 1, "config": {"wings": 2}}', r"cannot be used: unknown field 'wings'"),
    ],
)
def test_damaged_config_is_a_sentence(tmp_path, content, sentence):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=sentence):
        run.read_info(tmp_path)


def test_config_that_is_no_text_is_a_sentence(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(RunError, match=r"is damaged \(UnicodeDecodeError"):
        run.read_info(tmp_path)


def test_a_folder_without_config_and_a_file_are_no_model(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(RunError, match=r"is no model folder: it has no config\.json"):
            run.read_info(path)
        assert not run.is_run(path)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"sources": 5, "images": 1}},
        {"data": {"sources": "x", "images": -1}},
        {"data": {"sources": "x" * 20_000, "images": 1}},
        {"libraries": {"torch": 2}},
        {"machine": []},
        {"start": {"model": "a", "data": "b", "images_seen": "3", "epoch": 1.0, "continued": True}},
        {"format_version": True},
    ],
)
def test_a_config_of_other_types_is_damaged(run_copy, change):
    content = json.loads((run_copy / "config.json").read_text(encoding="utf-8")) | change
    (run_copy / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match=r"config.json is damaged \(TypeError: (\S+ is no |data: expected)"):
        run.read_info(run_copy)


def hold(folder, begun, ended):
    """Another process at work in the folder, until it is told to end."""
    child = os.fork()
    if child == 0:
        with run.at_work(folder):
            run.write_state(folder, run.TRAINING)
            os.write(begun, b"x")
            os.read(ended, 1)
        os._exit(0)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child that dies without a word")
def test_one_process_is_at_work_in_a_folder_and_a_dead_one_is_not(tmp_path):
    reader, begun = os.pipe()
    ended, _ = os.pipe()
    child = hold(tmp_path, begun, ended)
    os.read(reader, 1)
    whose = rf"is being written by another process \({child} on .*\): wait"
    with pytest.raises(run.RunError, match=whose), run.at_work(tmp_path):
        pass
    assert run.is_training(tmp_path) is True
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with run.at_work(tmp_path):
        assert run.is_training(tmp_path) is False  # though its state.json says "training" still
        assert run.read_state(tmp_path)["state"] == run.TRAINING
        with pytest.raises(run.RunError), run.at_work(tmp_path):
            pass  # nor twice in one process
    assert run.is_begun_only(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert not run.is_begun_only(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"state": "training"}', '{"state": 1, "host": "", "pid": 1, "start": 1}']
)
def test_a_damaged_state_says_nothing(tmp_path, text):
    assert run.is_training(tmp_path) is None
    (tmp_path / run.STATE_FILE).write_text(text, encoding="utf-8")
    assert run.is_training(tmp_path) is None
