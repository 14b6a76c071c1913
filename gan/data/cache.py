"""Decoded pictures, kept in files: `GAN_CACHE`, by default `~/.cache/gan-faces`, at most `GAN_CACHE_GB` of them.

    SIZExSIZExC-KEY.npy    (N, H, W, C) uint8; the key follows from what the sources contain
    SIZExSIZExC-KEY.json   what is known of them: their identity, and what their owner was told
    features-*-KEY-*.npy   what a classifier sees in them (gan.metrics)
    digest-*               what files contained (gan.data.digests)

Files may be deleted at any time: what is needed is decoded again. A folder that cannot be written to is read.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from gan.data.downloads import DataError
from gan.files import read_text, write_text

logger = logging.getLogger(__name__)

MOST_GB = 20.0  # where GAN_CACHE_GB does not say otherwise


def cache_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    """The folder that is asked for, or that of the environment, or the usual one."""
    return Path(cache_dir or os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan-faces").expanduser()


def read_array(path: Path, shape: tuple[int, int, int]) -> tuple[np.ndarray, dict] | None:
    """An array of the cache as a read-only map, and what is known of it; None where it is to be decoded (again).

    Args:
        shape: (H, W, C) of its pictures.
    """
    if not path.exists():
        return None
    try:
        images = np.load(path, mmap_mode="r")
        if (images.dtype, images.shape[1:]) != (np.uint8, shape) or not len(images):
            raise ValueError("it does not hold what its name says")
        facts = json.loads(read_text(path.with_suffix(".json")))
        facts = {"identity": str(facts["identity"])} | {name: list(map(str, facts[name])) for name in ("told", "noted")}
    except FileNotFoundError:
        return None  # the process that made it ended before it was done, or another one has just removed it
    except (ValueError, EOFError, KeyError, TypeError) as error:
        logger.warning("the cache file %s is damaged (%s) and is made again", path, error)
        return None
    with suppress(OSError):
        os.utime(path.with_suffix(".json"))  # the least recently used ones go first
    return images, facts


def write_facts(path: Path, facts: dict) -> None:
    """Keep what is known of an array of the cache: "identity", and lines that are "told" or "noted" at each use."""
    write_text(path.with_suffix(".json"), json.dumps(facts, indent=1) + "\n")


def prune(cache: Path, keep: Path) -> None:
    """Remove the arrays that were not used for longest, until no more than `GAN_CACHE_GB` are left.

    Args:
        keep: an array that stays, however large it is.

    Raises:
        DataError: `GAN_CACHE_GB` is no number.
    """
    most = _most_bytes()
    with suppress(OSError):
        for partial in cache.glob("*.partial"):  # of processes that were killed
            _remove([partial], partial.with_suffix(".npy"))
        arrays = {path: [path, *cache.glob(f"*{path.stem}[-.]*")] for path in cache.glob("*x*x*-*.npy")
                  if not path.name.startswith("features-")}  # fmt: skip
        sizes = {path: sum(file.stat().st_size for file in set(files)) for path, files in arrays.items()}
        total = sum(sizes.values())
        for path in sorted(arrays, key=_last_use):
            if total <= most:
                break
            if path != keep and _remove([file for file in arrays[path] if file.suffix != ".lock"], path):
                logger.info("the cache in %s is over %g GB: %s was removed", cache, most / 1e9, path.name)
                total -= sizes[path]


def _most_bytes() -> float:
    text = os.environ.get("GAN_CACHE_GB") or str(MOST_GB)
    try:
        most = float(text)
    except ValueError:
        most = -1.0
    if not most >= 0:
        raise DataError(f"GAN_CACHE_GB={text}: expected how many GB the cache may hold, for example {MOST_GB:g}")
    return most * 1e9


def _last_use(path: Path) -> float:
    facts = path.with_suffix(".json")
    return (facts if facts.exists() else path).stat().st_mtime


def _remove(files: list[Path], array: Path) -> bool:
    """Remove an array's files; False where a process is making it."""
    try:
        with FileLock(f"{array}.lock", timeout=0):
            for file in files:
                file.unlink(missing_ok=True)
        return True
    except (OSError, Timeout):  # Windows does not remove what is open
        return False
