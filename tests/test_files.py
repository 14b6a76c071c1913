"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat

import pytest

from gan.files import atomic_path, read_text, remove_leftovers, write_text


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
