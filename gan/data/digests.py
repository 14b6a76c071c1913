"""What files contain, as a few digits: worked out once, and again whenever they were touched."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path

from gan.files import write_text

_FRESH = 2.0  # seconds in which a clock may not tell two writes apart
_KEPT = 1000  # digests that are remembered


def digest_of(root: Path, files: Mapping[str, Path], cache: Path) -> str:
    """32 hexadecimal digits that differ whenever names or contents do, wherever the files lie.

    Times and sizes alone do not tell: files of another folder, or that were put in the place of others, may have the
    same. They only tell that the very files that were read before were not written to since.

    Args:
        root: where they lie.
        files: by name.
        cache: a folder to remember digests in; one that cannot be written to is done without.
    """
    stamps, newest = [os.path.realpath(root)], 0.0
    for name, path in files.items():
        with contextlib.suppress(OSError):
            info = path.stat()
            stamps.append([name, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino])
            newest = max(newest, info.st_mtime, info.st_ctime)
    # Elsewhere the "change time" is that of the making, and says nothing of another content.
    tells = os.name == "posix" and len(stamps) == len(files) + 1 and newest < time.time() - _FRESH
    memo = cache / f"digest-{_hash(json.dumps(stamps).encode())}"
    if tells:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            known = memo.read_text(encoding="utf-8").strip()
            if len(known) == 32:
                return known
    with ThreadPool(4) as pool:  # hashing and reading both leave the GIL
        contents = pool.map(_content, files.values(), chunksize=64)
    digest = _hash(json.dumps(list(zip(files, contents, strict=True))).encode())
    if tells and all(contents):
        with contextlib.suppress(OSError):
            write_text(memo, digest + "\n")
            for old in sorted(cache.glob("digest-*"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
                old.unlink(missing_ok=True)
    return digest


def _content(path: Path) -> str:
    """Of one file; "" where it cannot be read, which is told when its picture is."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
