"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)  # seconds, between tries to put a file in another one's place
_LEFTOVER = ".*-*.part*"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the place of `path` when the block ends well.

    A reader, or a process that is killed at any moment, sees the old file or the new one, never half.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file, _optional(errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        with _optional(errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """Windows refuses it while somebody reads `path`, or a virus scanner the new file: both are soon done."""
    for pause in _PAUSES:
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(pause)
    os.replace(temporary, path)


def write_text(path: Path, text: str) -> None:
    """Write a text file that is whole or not there: UTF-8, lines ended by "\\n", the same on every machine.

    What UTF-8 cannot hold, such as a file name's bytes that are no text, is written out: \\udcff.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without the mark that editors on Windows put first.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    return Path(path).read_text(encoding="utf-8-sig")


@contextlib.contextmanager
def _optional(*refusals: int) -> Iterator[None]:
    """Go on where the file system has no such thing, as mounted buckets and CIFS have no rights; others are raised."""
    try:
        yield
    except OSError as error:
        if error.errno not in refusals:
            raise


def is_leftover(path: Path) -> bool:
    """Whether a file is a temporary one of `atomic_path`, left by a process that was killed."""
    return path.match(_LEFTOVER)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left anywhere in a folder; nobody may be writing to it."""
    for leftover in Path(folder).rglob(_LEFTOVER):
        leftover.unlink(missing_ok=True)
