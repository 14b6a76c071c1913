"""What is known about pictures beside their pixels: CelebA's attributes and splits, MNIST's digits."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from gan.data.sources import DataError
from gan.files import read_text

PARTITION_FILE = "list_eval_partition.txt"
ATTRIBUTES_FILE = "list_attr_celeba.txt"
TRAINING, VALIDATION, TEST = 0, 1, 2  # numbers of CelebA's official splits
_MNIST_LABELS = {"mnist": "train-labels-idx1-ubyte", "mnist-test": "t10k-labels-idx1-ubyte"}


def read_attributes(path: str | os.PathLike, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """CelebA's binary attributes of some pictures.

    Args:
        path: `list_attr_celeba.txt`: the count, the attributes' names, then a row of -1 and 1 per picture.
        names: file names of the pictures, with any suffix and in any order.

    Returns:
        The attributes' names (K) and (N, K) bool.

    Raises:
        DataError: no such file, another format, or a picture that is not in it.
    """
    lines = _lines(path)
    try:
        labels = tuple(lines[1].split())
        rows = {stem(row): np.array(values.split(), np.int8) for row, values in (s.split(None, 1) for s in lines[2:])}
        table = np.stack([rows[stem(name)] for name in names])
        if table.shape[1] != len(labels) or not np.isin(table, (-1, 1)).all():
            raise ValueError(f"{table.shape[1]} values for {len(labels)} names, or values other than -1 and 1")
    except KeyError as error:
        raise _not_listed(error, path, names) from None
    except (ValueError, IndexError) as error:
        raise DataError(f"{path} is not CelebA's attribute file ({error}): expected {ATTRIBUTES_FILE}") from error
    return labels, table == 1


def read_partition(path: str | os.PathLike, names: Sequence[str]) -> np.ndarray:
    """CelebA's official split of some pictures.

    Args:
        path: `list_eval_partition.txt`: rows of a file name and 0 (training), 1 (validation) or 2 (test).
        names: file names of the pictures, with any suffix and in any order.

    Returns:
        (N,) int64 of `TRAINING`, `VALIDATION`, `TEST`.

    Raises:
        DataError: no such file, another format, or a picture that is not in it.
    """
    rows = partition_rows(path)
    try:
        return np.array([rows[stem(name)] for name in names], np.int64)
    except KeyError as error:
        raise _not_listed(error, path, names) from None


def partition_rows(path: str | os.PathLike) -> dict[str, int]:
    """All rows of CelebA's partition file: the split of each picture by the `stem` of its name; raises `DataError`."""
    lines = _lines(path)
    try:
        return {stem(name): int(split) for name, split in (line.split() for line in lines)}
    except ValueError as error:
        raise DataError(f"{path} is not CelebA's partition file ({error}): expected {PARTITION_FILE}") from error


def find_beside(sources: Sequence[str], file: str, data_root: str | os.PathLike = "data") -> Path | None:
    """An annotation file that lies where the pictures are: beside a zip or folder, or in it; None if there is none."""
    folders = []
    for source in sources:
        path = Path(data_root, "celeba") if source == "celeba" else Path(source)
        folders += [path, path.parent]
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def read_digits(source: str, data_root: str | os.PathLike = "data") -> np.ndarray:
    """The digits of MNIST's pictures.

    Args:
        source: "mnist" or "mnist-test".
        data_root: as for `gan.data.images.load_images`.

    Returns:
        (N,) int64 of 0..9.

    Raises:
        DataError: no such file, or another format.
    """
    plain = Path(data_root).expanduser() / "MNIST" / "raw" / _MNIST_LABELS[source]
    packed = plain.with_name(f"{plain.name}.gz")
    try:
        content = plain.read_bytes() if plain.is_file() else gzip.decompress(packed.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{plain} cannot be read ({error}): put it there beside MNIST's pictures") from error
    digits = np.frombuffer(content, np.uint8, offset=8) if len(content) > 8 else np.empty(0)
    if content[:4] != b"\0\0\x08\x01" or len(digits) != int.from_bytes(content[4:8]) or digits.max() > 9:
        raise DataError(f"{plain} is no whole MNIST label file: delete it and put it there again")
    return digits.astype(np.int64)


def _lines(path: str | os.PathLike) -> list[str]:
    try:
        return [line for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): give CelebA's own text file") from error


def stem(name: str) -> str:
    """What an annotation file knows a picture by."""
    return PurePosixPath(name).stem  # the zip may hold 000001.webp where CelebA's text says 000001.jpg


def _not_listed(error: KeyError, path: str | os.PathLike, names: Sequence[str]) -> DataError:
    return DataError(
        f"{path} has no row for the picture {error.args[0]!r} of {len(names):,}: give the file that belongs to them"
    )
