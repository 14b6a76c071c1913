"""Files that are either whole or not there, and files that may come from anywhere.

A model folder may be a stranger's, or damaged. Whatever is read of one is read by `read_inside`, `parse_json` and
`read_tensors`: regular files that lie in the folder, no larger than expected, and nothing in them is run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

FACTS = "facts"  # the only key of a tensor file's metadata
MOST_JSON_BYTES = 2**20
MOST_TENSOR_BYTES = 2 * 2**30
_CHECKSUM = "sha256"
_DTYPES = {"F16", "BF16", "F32", "I64"}
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)  # seconds, between tries to put a file in another one's place
_LEFTOVER = ".*-*.part*"
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


class FileError(OSError):
    """A file that is not read, for its own kind or size; the message says what it is, and goes on "... it is"."""


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


def read_inside(folder: Path, name: str, most: int) -> bytes:
    """The content of a file that lies in a model folder; never waits for a pipe, never opens a device.

    The folder may be a link itself. Links in it are followed where they end in the folder, and where it is a snapshot
    in the cache of the Hugging Face Hub, which consists of links to the blobs beside it; others are refused, since
    what they lead to may be anybody's.

    Args:
        folder: a model folder.
        name: of a file in it, like "samples/0001.webp"; never what a visitor sent.
        most: bytes.

    Raises:
        FileNotFoundError: there is none.
        OSError: no regular file, a link out of the folder or in a circle, more than `most` bytes, or not readable.
    """
    home = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(home, name), strict=True)
    if not any(Path(path).is_relative_to(place) for place in (home, *_hub_blobs(home))):
        raise FileError("a link that leads out of the folder: put the file itself there")
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FileError("no file but a folder, a pipe or a device")
    with open(os.open(path, _FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileError("no file but a folder, a pipe or a device")
        if status.st_size > most:
            raise FileError(f"{status.st_size:,} bytes long, where at most {most:,} are expected")
        return file.read(status.st_size)


def _hub_blobs(home: str) -> list[Path]:
    """Where links lead of a Hub snapshot, or of a folder in one: models--USER--NAME/snapshots/REVISION -> blobs."""
    above = Path(home).parents
    caches = [place.parent for place in above[:2] if place.name == "snapshots"]
    return [cache / "blobs" for cache in caches if cache.name.startswith("models--")]


def parse_json(content: bytes | str) -> object:
    """JSON out of a file that may come from anywhere; what UTF-8 cannot hold, and no browser be sent, becomes "?".

    Raises:
        ValueError: not JSON in UTF-8, nested too deeply, or a number of thousands of digits.
    """
    try:
        value = json.loads(content if isinstance(content, str) else content.decode("utf-8-sig"))
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def reason(error: Exception) -> str:
    """What an error says, in one line that names no path."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"it is {said}" if isinstance(error, FileError) else " ".join(said.split())[:200]


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict | None = None, *, key: str = FACTS) -> None:
    """Write tensors as safetensors; facts about them (JSON-ready), and a checksum of all, go into the metadata.

    Args:
        key: of the metadata, that the facts go under.
    """
    facts = json.loads(json.dumps(facts or {}))  # as they are read again
    # One entry: the order of several changes from file to file. Written by Python, whose errors say what the disk said.
    content = save(tensors, {key: json.dumps(facts | {_CHECKSUM: _checksum(tensors, facts)})})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(
    folder: Path, name: str, shapes: Callable[[dict], Sequence[dict[str, torch.Size]]], *, key: str = FACTS
) -> tuple[dict[str, Tensor], dict]:
    """Tensors and facts that `save_tensors` wrote to a file of a model folder, floating-point numbers as float32.

    Nothing is allocated before the file's own header says the names and shapes that it should have, and its length
    fits. A file without a checksum, as older versions wrote it, is taken as it is.

    Args:
        folder, name: as for `read_inside`.
        shapes: gets the facts ({} where the file has none), and says what the file may hold, one or the other; it may
            raise ValueError, KeyError or TypeError for facts that make no sense.
        key: of the metadata, that the facts stand under.

    Raises:
        OSError: as `read_inside`.
        ValueError: damaged, of other tensors than `shapes`, or with numbers that are not finite.
    """
    content = read_inside(folder, name, MOST_TENSOR_BYTES)
    header, facts = _header(content, key)
    checksum = facts.pop(_CHECKSUM, None)
    try:
        wanted = shapes(facts)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"its facts make no sense: {type(error).__name__} {error}") from error
    held = {tensor: entry.get("shape") for tensor, entry in header.items() if isinstance(entry, dict)}
    if held not in [{tensor: list(shape) for tensor, shape in either.items()} for either in wanted]:
        raise ValueError("it holds other layers, or of other sizes, than are expected")
    if not {str(entry.get("dtype")) for entry in header.values()} <= _DTYPES:
        raise ValueError(f"numbers of another kind than {', '.join(sorted(_DTYPES))}")
    try:
        tensors = load(content)
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise ValueError(f"no whole safetensors: {error}") from error
    if not all(end.isfinite() for tensor in tensors.values() if tensor.numel() for end in tensor.aminmax()):
        raise ValueError("some of its numbers are NaN or infinite")
    if checksum is not None and checksum != _checksum(tensors, facts):
        raise ValueError("its numbers are not those that were written")
    return {tensor: v.float() if v.is_floating_point() else v for tensor, v in tensors.items()}, facts


def read_facts(folder: Path, name: str, *, key: str = FACTS) -> dict:
    """The facts alone; raises like `read_tensors`."""
    facts = _header(read_inside(folder, name, MOST_TENSOR_BYTES), key)[1]
    facts.pop(_CHECKSUM, None)
    return facts


def _header(content: bytes, key: str) -> tuple[dict[str, object], dict]:
    """What a safetensors file says of its tensors, and the facts."""
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(MOST_JSON_BYTES, len(content) - 8):
        raise ValueError("no whole safetensors: cut short, or of another kind")
    header = parse_json(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("no whole safetensors: its header is no table")
    metadata = header.pop("__metadata__", {})
    facts = parse_json(str(metadata[key])) if isinstance(metadata, dict) and key in metadata else {}
    if not isinstance(facts, dict):
        raise ValueError("its facts are no table")
    return header, facts


def _checksum(tensors: dict[str, Tensor], facts: dict) -> str:
    """Of facts, names, kinds, shapes and numbers; a file's own order of its tensors does not matter."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
