"""What differs from machine to machine: readers of the output that go away, signals, processes, words for a shell."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import shlex
import signal
import subprocess
import sys
import time
import weakref

import psutil
import pytest
import torch
from tqdm import tqdm

import gan.__main__ as gan
import train
from gan.errors import out_of_memory
from gan.machine import give_memory_back, is_alive, keep_what_is_here, this_process
from gan.terminal import Stopped, shell_command, steady_output, stop_signals, stoppable


@contextlib.contextmanager
def streams(monkeypatch, stream):
    """`stream` as stdout and stderr, and nothing that pytest would have to put back."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        patched.setattr(sys, "stderr", stream)
        yield


def test_who_reads_goes_away(monkeypatch):
    ours, theirs = os.pipe()
    with open(theirs, "w", buffering=1, encoding="utf-8") as stream, streams(monkeypatch, stream):
        with pytest.raises(BrokenPipeError), open(os.dup(theirs), "w", encoding="utf-8") as plain:
            os.close(ours)
            print("lost", file=plain, flush=True)
        with steady_output():
            print("lost too")
            for _ in tqdm(range(3), mininterval=0):
                print("and this", file=sys.stderr, flush=True)
        assert sys.stdout is stream
        print("by now it goes nowhere, and raises nothing", flush=True)


def test_no_output_at_all(monkeypatch):
    with streams(monkeypatch, None):
        with steady_output():
            print("lost")
            list(tqdm(range(2)))
            assert not sys.stderr.isatty()
        assert sys.stdout is None


def test_a_full_disk_under_the_output_costs_only_what_did_not_fit(monkeypatch):
    class Full(io.StringIO):
        room = False

        def write(self, text):
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    stream = Full()
    with streams(monkeypatch, stream), steady_output():
        print("lost")
        stream.room = True
        print("there is room again")
    assert stream.getvalue() == "there is room again\n"


def test_what_the_output_s_encoding_lacks_is_written_out(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    with streams(monkeypatch, stream), steady_output():
        print("Fréchet of 顔 \udcff")  # the last is how Python tells of a file name's byte 0xff
    assert stream.buffer.getvalue() == "Fréchet of \\u9854 \\udcff\n".encode("cp1252")


def test_other_errors_of_the_output_are_not_hidden(monkeypatch):
    class Odd(io.StringIO):
        def write(self, text):
            raise ValueError("no error of the stream's")

    with streams(monkeypatch, Odd()), steady_output(), pytest.raises(ValueError, match="no error of the stream's"):
        print("é")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (train, ["--resume"]), (gan, ["card"]), (gan, ["directions"]), (gan, ["encoder"]),
        (gan, ["metrics", "--data", "drawn:40", "--"]), (gan, ["projection", "--data", "drawn:40", "--"]),
        (gan, ["classifier", "celeba", "--data"]),
    ],
)  # fmt: skip
def test_every_command_can_tell_of_a_folder_whose_name_the_output_lacks(monkeypatch, tmp_path, command, arguments):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with streams(monkeypatch, stream):
        assert command.main([*arguments, "顔/nowhere"]) == 2
    assert b"\\u9854" in stream.buffer.getvalue()


KINDS = [kind for kind in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_signals_ask_for_the_end(kind):
    number = getattr(signal, kind)
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:
        pytest.skip("whoever began these tests has this signal ignored, as nohup does, and so it stays")
    with pytest.raises(Stopped) as stopped, stoppable() as ending:
        with stop_signals() as stop:
            signal.raise_signal(number)
            assert stop.is_set()  # and nothing was raised
        ending.set()
        signal.raise_signal(number)  # the program is on its way out already
        ending.clear()
        signal.raise_signal(number)
    assert (str(stopped.value), stopped.value.status) == (kind, 128 + number)
    assert signal.getsignal(number) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that hang up")
def test_nohup_is_heeded():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(), stop_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_is_known_by_more_than_its_number():
    me = this_process()
    assert is_alive(me) is True
    assert is_alive(me | {"start": me["start"] - 60}) is False  # its number was given again
    assert is_alive(me | {"host": "elsewhere"}) is None
    for number in (-1, 0, 2**22 + 1, 2**80):
        assert not is_alive(me | {"pid": number})


def test_a_process_that_was_killed_is_not_alive_even_before_it_is_waited_for():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        known = this_process() | {"pid": child.pid, "start": time.time()}
        assert is_alive(known)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(known)


def test_out_of_memory_is_known_however_it_is_said():
    with pytest.raises((RuntimeError, MemoryError)) as error:
        torch.empty(2**60)
    assert out_of_memory(error.value)
    assert out_of_memory(MemoryError()) and out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory"))


def test_words_are_quoted_for_the_shell(monkeypatch):
    words = ["python", "train.py", "--resume", "my runs/it's $HOME"]
    assert shlex.split(shell_command(*words)) == words
    monkeypatch.setattr(os, "name", "nt")
    assert shell_command("train.py", "my runs") == 'train.py "my runs"'


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps what is freed")
def test_freed_memory_is_given_back():
    kept = [bytes(2000) for _ in range(50_000)]
    del kept[:-1]  # the last lies above all others, and holds them
    before = psutil.Process().memory_info().rss
    give_memory_back()
    assert before - psutil.Process().memory_info().rss > 50e6


class Circle:
    def __init__(self) -> None:
        self.self = self


def test_what_only_its_own_circle_holds_is_freed_and_what_was_there_before_is_not_looked_at_again():
    gc.disable()
    try:
        before, after = Circle(), None
        keep_what_is_here()
        looked_at = len(gc.get_objects())
        after = Circle()
        kept, freed = weakref.ref(before), weakref.ref(after)
        del before, after
        give_memory_back()
        assert looked_at < 10_000 and kept() and not freed()
    finally:
        gc.unfreeze()
        gc.enable()
    gc.collect()
    assert not kept()
    keep_what_is_here()  # as conftest.py has it
