"""Checkpoints: the newest good one wins, a damaged one is named, nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle

import pytest
import torch

from gan.training.checkpoint import KEEP, CheckpointError, load_checkpoint, load_meta, save_checkpoint


def state(value):
    return {
        "trainer": {"weights": {"a": torch.full((3, 2), float(value)), "half": torch.ones(2, dtype=torch.bfloat16)}},
        "list": [1, 2.5, "text", None],
        "step": value,
    }


@pytest.fixture
def folder(tmp_path):
    """A folder with the checkpoints of steps 10 and 20."""
    for step in (10, 20):
        save_checkpoint(tmp_path, step, state(step), {"images_seen": step * 8})
    return tmp_path


def files(folder):
    return sorted(path.name for path in (folder / "checkpoint").iterdir())


def test_round_trip(folder):
    loaded, meta = load_checkpoint(folder)
    assert torch.equal(loaded["trainer"]["weights"]["a"], torch.full((3, 2), 20.0))
    assert loaded["trainer"]["weights"]["half"].dtype == torch.bfloat16
    assert (loaded["list"], loaded["step"]) == ([1, 2.5, "text", None], 20)
    assert (meta["step"], meta["images_seen"]) == (20, 160)
    assert load_meta(folder) == meta


def test_the_json_says_which_tensors_belong_to_it(folder):
    tensors = folder / "checkpoint" / "000000020.pt"
    meta = json.loads(tensors.with_suffix(".json").read_text(encoding="utf-8"))
    assert meta["sha256"] == hashlib.sha256(tensors.read_bytes()).hexdigest()


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 999, 1_000_000):
        save_checkpoint(tmp_path, step, state(step), {})
    assert KEEP == 2
    assert files(tmp_path) == ["000000999.json", "000000999.pt", "001000000.json", "001000000.pt"]
    assert load_checkpoint(tmp_path)[0]["step"] == 1_000_000


def test_leftovers_of_a_killed_process_go_with_the_next_save(folder):
    directory = folder / "checkpoint"
    for name in (".000000030-abc.part.pt", ".000000030-abc.part.json", "000000030.pt"):
        (directory / name).write_bytes(b"half")
    assert load_checkpoint(folder)[0]["step"] == 20  # tensors without their JSON were never finished
    assert load_meta(folder)["step"] == 20
    save_checkpoint(folder, 40, state(40), {})
    assert files(folder) == ["000000020.json", "000000020.pt", "000000040.json", "000000040.pt"]


def truncate(directory):
    path = directory / "000000020.pt"
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(directory):
    path = directory / "000000020.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(directory):
    (directory / "000000020.pt").write_bytes(b"")


def remove_tensors(directory):
    (directory / "000000020.pt").unlink()


def cut_json(directory):
    path = directory / "000000020.json"
    path.write_text(path.read_text(encoding="utf-8")[:20], encoding="utf-8")


def json_of_another_kind(directory):
    (directory / "000000020.json").write_text("[1, 2]", encoding="utf-8")


def json_without_digest(directory):
    (directory / "000000020.json").write_text('{"step": 20}', encoding="utf-8")


def json_of_noise(directory):
    (directory / "000000020.json").write_bytes(b"\xff\xfe\x00noise")


DAMAGES = [truncate, flip_a_bit, empty, remove_tensors, cut_json, json_of_another_kind, json_without_digest,
           json_of_noise]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_the_one_before_it_used(folder, caplog, damage):
    damage(folder / "checkpoint")
    with caplog.at_level(logging.WARNING):
        loaded, meta = load_checkpoint(folder)
    assert (loaded["step"], meta["step"]) == (10, 10)
    assert len(caplog.messages) == 1
    assert "000000020 is damaged" in caplog.text and "trying the one before it" in caplog.text


def test_tensors_whose_json_is_missing_were_never_finished(folder):
    (folder / "checkpoint" / "000000020.json").unlink()
    assert load_checkpoint(folder)[0]["step"] == 10


@pytest.mark.parametrize("damage", [cut_json, json_of_noise, json_of_another_kind])
def test_meta_of_the_newest_readable_one(folder, damage):
    damage(folder / "checkpoint")
    assert load_meta(folder)["step"] == 10


def test_all_damaged_is_a_sentence(folder):
    for path in (folder / "checkpoint").glob("*.pt"):
        path.write_bytes(b"noise")
    with pytest.raises(CheckpointError, match=r"none of the checkpoints in .* \(000000020, 000000010\): start over"):
        load_checkpoint(folder)


def test_none_at_all_is_a_sentence(tmp_path):
    for load in (load_checkpoint, load_meta):
        with pytest.raises(CheckpointError, match=r"has no checkpoint to resume from.*begin it again with --overwrite"):
            load(tmp_path)


class Malice:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("write", [torch.save, lambda value, file: pickle.dump(value, file, protocol=2)])
def test_code_in_a_checkpoint_is_never_run(folder, tmp_path, caplog, write):
    """A stranger's checkpoint with a right digest: weights_only refuses what the digest cannot."""
    target = tmp_path / "owned"
    tensors = folder / "checkpoint" / "000000030.pt"
    with open(tensors, "wb") as file:
        write({"trainer": Malice(target)}, file)
    digest = hashlib.sha256(tensors.read_bytes()).hexdigest()
    tensors.with_suffix(".json").write_text(json.dumps({"step": 30, "sha256": digest}), encoding="utf-8")
    assert load_checkpoint(folder)[0]["step"] == 10 + 10
    assert not target.exists()
    assert "000000030 is damaged" in caplog.text


def test_an_error_while_saving_keeps_what_was_there(folder, monkeypatch):
    before = files(folder)

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(folder, 30, state(30), {})
    assert files(folder) == before
    monkeypatch.undo()
    assert load_checkpoint(folder)[0]["step"] == 20


def test_resuming_from_the_older_one_lets_the_damaged_one_go(folder):
    """After step 20 was found damaged, training goes on from 10 and passes 20 again."""
    truncate(folder / "checkpoint")
    for step in (15, 20, 25):
        save_checkpoint(folder, step, state(step), {})
        assert load_checkpoint(folder)[0]["step"] == step
