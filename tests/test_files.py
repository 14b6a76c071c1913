"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file

from gan.files import (
    FileError,
    atomic_path,
    parse_json,
    read_inside,
    read_tensors,
    read_text,
    remove_leftovers,
    save_tensors,
    write_text,
)


def test_new_content_takes_the_old_one_s_place(tmp_path):
    target = tmp_path / "deep" / "file.json"
    for content in ("old", "new"):
        with atomic_path(target) as path:
            assert path.parent == target.parent  # the same file system, or replacing would not be atomic
            assert path.suffix == ".json"  # writers choose the format by it
            path.write_text(content, encoding="utf-8")
            assert not target.exists() or target.read_text(encoding="utf-8") == "old"
        assert target.read_text(encoding="utf-8") == content
    assert list(target.parent.iterdir()) == [target]


def test_who_is_reading_the_old_file_reads_it_to_its_end(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old content", encoding="utf-8")
    with open(target, "rb", buffering=0) as reader:
        assert reader.read(3) == b"old"
        with atomic_path(target) as path:
            path.write_text("new", encoding="utf-8")
        assert reader.read() == b" content"


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as path:
        path.write_text("half of the n", encoding="utf-8")
        raise ZeroDivisionError
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_inside_leaves_no_file_where_none_was(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "file.txt") as path:
        path.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_others_may_read_the_file_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "file") as path:
            path.write_text("x", encoding="utf-8")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert os.umask(before) == before  # and the process's own is as it was


@pytest.mark.parametrize("function", ["os.fsync", "pathlib.Path.chmod"])
def test_file_systems_without_rights_or_syncing_are_written_to(tmp_path, monkeypatch, function):
    """Mounted buckets and CIFS refuse them."""

    def refuse(*_):
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(function, refuse)
    refusal = errno.ENOTSUP
    with atomic_path(tmp_path / "file") as path:
        path.write_text("x", encoding="utf-8")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"
    refusal = errno.EIO
    with pytest.raises(OSError, match="Input/output"), atomic_path(tmp_path / "file") as path:
        path.write_text("y", encoding="utf-8")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("refusals", [3, 1000])
def test_a_file_that_is_being_read_is_replaced_once_its_reader_is_done(tmp_path, monkeypatch, refusals):
    """As on Windows, which refuses to replace an open file."""
    target = tmp_path / "file.txt"
    target.write_text("old", encoding="utf-8")
    tried, slept, replace = [], [], os.replace

    def refuse(*paths):
        tried.append(paths)
        if len(tried) <= refusals:
            raise PermissionError(13, "Access is denied")
        replace(*paths)

    monkeypatch.setattr("gan.files.os.replace", refuse)
    monkeypatch.setattr("gan.files.time.sleep", slept.append)
    expected = contextlib.nullcontext() if refusals < 1000 else pytest.raises(PermissionError)
    with expected, atomic_path(target) as path:
        path.write_text("new", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == ("new" if refusals < 1000 else "old")
    assert list(tmp_path.iterdir()) == [target]
    assert 0 < sum(slept) < 3  # seconds


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_kill_in_the_middle_leaves_the_old_file(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    target = folder / "file.txt"
    target.write_text("old", encoding="utf-8")
    child = os.fork()
    if child == 0:
        with atomic_path(target) as path:
            path.write_text("half of the n", encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert target.read_text(encoding="utf-8") == "old"

    assert len(list(folder.iterdir())) == 2
    for name in (".hidden", "my-part.part1.rar"):
        (folder / name).write_text("not ours", encoding="utf-8")
    remove_leftovers(tmp_path)  # also of the folders in it
    assert {path.name for path in folder.iterdir()} == {"file.txt", ".hidden", "my-part.part1.rar"}


def test_text_is_the_same_bytes_on_every_machine(tmp_path):
    target = tmp_path / "notes.md"
    write_text(target, "Fréchet → 0.47\n\udcff\n")  # the last is how Python tells of a file name's byte 0xff
    assert target.read_bytes() == "Fréchet → 0.47\n\\udcff\n".encode()
    assert read_text(target) == "Fréchet → 0.47\n\\udcff\n"


def test_text_is_read_with_and_without_the_mark_of_windows_editors(tmp_path):
    target = tmp_path / "notes.md"
    for mark in (b"", b"\xef\xbb\xbf"):
        target.write_bytes(mark + "Fréchet\r\n0.47\r\n".encode())
        assert read_text(target) == "Fréchet\n0.47\n"
    target.write_bytes("Fréchet".encode("cp1252"))
    with pytest.raises(UnicodeDecodeError):
        read_text(target)


# ---- files that may come from anywhere ------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    """models/faces with a file, and a file that is none of its business."""
    folder = tmp_path / "models" / "faces"
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "0001.webp").write_bytes(b"sheet")
    (tmp_path / "models" / "secret").write_bytes(b"secret")
    return folder


def test_a_file_is_read_and_a_link_within_the_folder_followed(model):
    (model / "first").symlink_to("samples/0001.webp")
    assert read_inside(model, "samples/0001.webp", 5) == read_inside(model, "first", 5) == b"sheet"
    with pytest.raises(FileError, match="5 bytes long, where at most 4 are expected"):
        read_inside(model, "first", 4)
    with pytest.raises(FileNotFoundError):
        read_inside(model, "second", 5)


def test_the_folder_itself_may_be_a_link(model, tmp_path):
    (tmp_path / "link").symlink_to(model.parent)
    assert read_inside(tmp_path / "link" / "faces", "samples/0001.webp", 5) == b"sheet"


@pytest.mark.parametrize("to", ["../secret", "samples/../../secret", "/dev/zero", "/dev/null", "loop", "..", "nowhere"])
def test_a_link_that_leads_elsewhere_is_refused(model, to):
    (model / "loop").symlink_to(to)
    with pytest.raises(OSError):
        read_inside(model, "loop", 100)
    (model / "samples" / "0001.webp").unlink()
    (model / "samples").rmdir()
    (model / "samples").symlink_to("..")  # of the folder that the file is in
    with pytest.raises(FileError, match="leads out of the folder"):
        read_inside(model, "samples/secret", 100)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes in folders")
def test_a_pipe_is_not_waited_for(model):
    os.mkfifo(model / "pipe")
    for name in ("pipe", "samples"):
        with pytest.raises(FileError, match="a folder, a pipe or a device"):
            read_inside(model, name, 100)


def test_a_snapshot_in_the_hub_s_cache_consists_of_links_to_its_blobs(tmp_path, model):
    cache = tmp_path / "hub" / "models--someone--faces"
    (cache / "blobs").mkdir(parents=True)
    (cache / "blobs" / "0a1b").write_bytes(b"weights")
    for inside in ("", "many"):
        folder = cache / "snapshots" / "rev" / inside
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").symlink_to(cache / "blobs" / "0a1b")
        assert read_inside(folder, "model.safetensors", 7) == b"weights"
        (folder / "history.csv").symlink_to(model.parent / "secret")
        with pytest.raises(FileError, match="leads out of the folder"):
            read_inside(folder, "history.csv", 100)
    (tmp_path / "link").symlink_to(cache / "snapshots" / "rev")
    assert read_inside(tmp_path / "link", "model.safetensors", 7) == b"weights"


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b""])
def test_json_that_cannot_be_used_is_a_value_error(content):
    with pytest.raises(ValueError):
        parse_json(content)


def test_json_may_begin_with_a_mark_and_holds_text_that_can_be_sent(tmp_path):
    assert parse_json(b'\xef\xbb\xbf{"a": [1, "\xc3\xa9"]}') == {"a": [1, "é"]}
    assert parse_json(b'{"a": "\\udcff"}') == {"a": "?"}


TENSORS = {"a": torch.arange(6.0).reshape(2, 3).half(), "b": torch.tensor(3)}
SHAPES = [{"a": torch.Size((2, 3)), "b": torch.Size(())}]


def test_tensors_come_back_with_their_facts(tmp_path):
    save_tensors(tmp_path / "x", TENSORS, {"n": 1, "of": ["é"]})
    tensors, facts = read_tensors(tmp_path, "x", lambda facts: SHAPES if facts["n"] == 1 else [])
    assert facts == {"n": 1, "of": ["é"]}
    assert tensors["a"].dtype == torch.float32 and torch.equal(tensors["a"], TENSORS["a"].float())
    assert tensors["b"].dtype == torch.int64
    content = (tmp_path / "x").read_bytes()
    save_tensors(tmp_path / "x", dict(reversed(TENSORS.items())), {"n": 1, "of": ["é"]})
    assert (tmp_path / "x").read_bytes() == content
    save_file(TENSORS, tmp_path / "old")  # as older versions wrote it
    assert torch.equal(read_tensors(tmp_path, "old", lambda _: SHAPES)[0]["a"], TENSORS["a"].float())


def test_any_flipped_bit_of_tensors_is_noticed(tmp_path):
    save_tensors(tmp_path / "x", TENSORS, {"n": 1})
    content = (tmp_path / "x").read_bytes()
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        (tmp_path / "x").write_bytes(damaged)
        try:
            tensors, _ = read_tensors(tmp_path, "x", lambda _: SHAPES)
        except ValueError:
            continue
        assert torch.equal(tensors["a"], TENSORS["a"].float()) and tensors["b"] == 3, at


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(tmp_path, value):
    save_tensors(tmp_path / "x", TENSORS | {"a": torch.full((2, 3), value)})
    with pytest.raises(ValueError, match="NaN or infinite"):
        read_tensors(tmp_path, "x", lambda _: SHAPES)


def test_the_header_is_compared_before_anything_is_made_of_it(tmp_path, monkeypatch):
    save_tensors(tmp_path / "x", TENSORS)
    monkeypatch.setattr("gan.files.load", lambda content: pytest.fail("was loaded"))
    with pytest.raises(ValueError, match="other layers, or of other sizes"):
        read_tensors(tmp_path, "x", lambda _: [{"a": torch.Size((10**9, 10**9)), "b": torch.Size(())}])
    assert load_file(tmp_path / "x").keys() == TENSORS.keys()
