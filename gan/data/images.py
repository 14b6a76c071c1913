"""Any source of pictures -> one uint8 array, decoded once and cached.

A source is `mnist`, `mnist-test`, `celeba`, `drawn` or `drawn:N` (built-in drawn faces), a folder, a zip, or
`hf:OWNER/NAME[:split]`, a data set of the Hugging Face Hub. Several sources become one array, in the order given. The
array is a file in the cache (`gan.data.cache`) that is memory mapped, so every process that trains on the same pictures
shares one copy.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from filelock import FileLock  # comes with torch
from tqdm import tqdm

from gan.data.cache import cache_folder, prune, read_array, write_facts
from gan.data.pixels import Note, decoded_to
from gan.data.sources import NAMED_SOURCES, DataError, Picture, Source, passed_over_in_words, record_of, resolve
from gan.data.splits import ALL, TRAINED_ON, in_two, left_out, part_of
from gan.data_record import UNKNOWN, DataRecord, identity_of

logger = logging.getLogger(__name__)

_AT_ONCE = 256  # pictures on their way
CACHE_VERSION = 2  # raise it when the same files would give other pixels (crop, resize, order)


def load_images(
    sources: Sequence[str],
    *,
    image_size: int,
    channels: int,
    data_root: str | os.PathLike = "data",
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> np.ndarray:
    """All pictures of the sources as one array: decoded on the first call, memory mapped from then on.

    Pictures are turned upright (EXIF), composited on white where transparent, cropped (178x218, which is CelebA:
    the 128x128 around the face; anything else: the centre square) and resized with antialiasing.

    Args:
        sources: names (`mnist`: the 60,000 training images, `mnist-test`: the 10,000 others, `celeba`, `drawn`,
            `drawn:N`), folders, zips or `hf:OWNER/NAME[:split]`.
        image_size: height and width of the result, pixels.
        channels: 3 for RGB or 1 for luminance.
        data_root: where torchvision keeps `mnist` and `celeba`; they are downloaded if they are not there.
        cache_dir: folder of the decoded array; default `GAN_CACHE`, else `~/.cache/gan-faces`.
        workers: decoding threads; default one per available core, 16 at most.
        progress: whether to show a progress bar while decoding.

    Returns:
        (N, image_size, image_size, channels) uint8 in 0..255, a read-only memory map.

    Raises:
        DataError: a source that is unknown, empty, damaged or not to be had, or a cache that cannot be written.
            A single picture that cannot be read is skipped, counted and named in one warning.
    """
    return load_data(
        sources, image_size=image_size, channels=channels, data_root=data_root, cache_dir=cache_dir, workers=workers,
        progress=progress,
    )[0]  # fmt: skip


def load_data(
    sources: Sequence[str],
    *,
    image_size: int,
    channels: int,
    kind: str = UNKNOWN,
    terms: str = "",
    wanted: str = ALL,
    partition: str | os.PathLike | None = None,
    data_root: str | os.PathLike = "data",
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, DataRecord]:
    """`load_images`, and the record of what was read.

    Args:
        kind, terms: the user's word for sources that do not know themselves (`gan.data_record`).
        wanted, partition: which of the pictures, where they are split officially (`gan.data.splits.part_of`).
        others: as for `load_images`.
    """
    sources = [sources] if isinstance(sources, str) else list(map(str, sources))
    if not all(source.strip() for source in sources) or not sources:
        raise DataError(f"no data source was given; expected {', '.join(NAMED_SOURCES)}, a folder or a zip")
    if image_size < 1 or channels not in (1, 3):
        raise DataError(f"image_size {image_size} and channels {channels}: expected a size >= 1 and 1 or 3 channels")
    cache = cache_folder(cache_dir)
    root = Path(data_root).expanduser()
    try:
        with suppress(OSError):  # a read-only one may hold what is wanted
            cache.mkdir(parents=True, exist_ok=True)
        whole = [resolve(source, image_size, channels, root, cache, kind, terms) for source in sources]
        resolved = _wanted_of(whole, sources, wanted, root, partition)
        key = _key(resolved, image_size, channels)
        path = cache / f"{image_size}x{image_size}x{channels}-{key}.npy"
        found = read_array(path, (image_size, image_size, channels))
        if found is None:
            # One process decodes; others that want the same array (the ranks of torchrun) wait for it.
            with FileLock(f"{path}.lock"):
                if read_array(path, (image_size, image_size, channels)) is None:
                    _decode_to(path, resolved, image_size, channels, workers or _available_cores(), progress)
                found = read_array(path, (image_size, image_size, channels))
            prune(cache, keep=path)
    except OSError as error:
        raise DataError(
            f"the data cache in {cache} could not be used ({error}); free some space, or name another folder "
            "with the environment variable GAN_CACHE"
        ) from error
    if found is None:
        raise DataError(f"the data cache file {path} went away while it was read: try again")
    images, facts = found
    for line in facts["told"]:
        logger.warning("%s", line)
    for line in [*facts["noted"], *(left_out(resolved) if wanted == TRAINED_ON else [])]:
        logger.info("%s", line)
    records = tuple(source.record for source in resolved)
    return images, DataRecord(records, len(images), facts["identity"], _hash([source.identity for source in resolved]))


def first_images(
    sources: Sequence[str],
    n: int,
    *,
    image_size: int,
    channels: int,
    wanted: str = ALL,
    data_root: str | os.PathLike = "data",
    cache_dir: str | os.PathLike | None = None,
) -> np.ndarray:
    """The first pictures that `load_images` gives; no others are decoded for it, and nothing is written.

    Args:
        n: how many, >= 1; there may be fewer.
        others: as for `load_images`.

    Returns:
        (n or fewer, image_size, image_size, channels) uint8 in 0..255.

    Raises:
        DataError: a source that is unknown, empty, damaged or not to be had, or without a picture that can be read.
    """
    cache = cache_folder(cache_dir)
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    root = Path(data_root).expanduser()
    sources = list(map(str, sources))
    whole = [resolve(source, image_size, channels, root, cache) for source in sources]
    resolved = _wanted_of(whole, sources, wanted, root)
    key = _key(resolved, image_size, channels)
    known = read_array(cache / f"{image_size}x{image_size}x{channels}-{key}.npy", (image_size, image_size, channels))
    if known is not None:
        return np.array(known[0][:n])
    kept, failures = [], []
    with ExitStack() as stack:
        for picture in (picture for source in resolved for picture in source.pictures(stack)):
            pixels, note = decoded_to(picture, image_size, channels)
            kept += [] if pixels is None else [pixels]
            failures += [f"{picture.name} ({note})"] if pixels is None else []
            if len(kept) == n or len(failures) > n:
                break
    if not kept:
        named = " and ".join(source.record.name for source in resolved)
        raise DataError(f"none of the first pictures of {named} could be read, for example {failures[0]}"
                        if failures else f"{named}: there are no pictures")  # fmt: skip
    return np.stack(kept)


def picture_names(
    sources: Sequence[str], *, data_root: str | os.PathLike = "data", cache_dir: str | os.PathLike | None = None
) -> list[str]:
    """The file names of the sources' pictures, in the order of `load_images`, which leaves unreadable ones out.

    Args:
        sources: folders, zips or `celeba`; the pictures of the others are numbered.
        data_root, cache_dir: as for `load_images`.

    Raises:
        DataError: a source that is unknown, empty, damaged or not to be had.
    """
    cache = cache_folder(cache_dir)
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    resolved = [resolve(str(source), 1, 1, Path(data_root).expanduser(), cache) for source in sources]
    with ExitStack() as stack:
        return [PurePosixPath(picture.name).name for source in resolved for picture in source.pictures(stack)]


def describe_sources(sources: Sequence[str]) -> str:
    """Where pictures come from, without folders of this machine: "faces-a.zip + CelebA"."""
    return DataRecord(tuple(map(record_of, sources))).words


def _wanted_of(
    whole: list[Source], words: Sequence[str], wanted: str, root: Path, partition: str | os.PathLike | None = None
) -> list[Source]:
    return in_two([part_of(*pair, wanted, root, partition) for pair in zip(whole, words, strict=True)], wanted)


def _available_cores() -> int:
    # not os.cpu_count(): a container or taskset may allow fewer
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


def _key(sources: list[Source], image_size: int, channels: int) -> str:
    return _hash([CACHE_VERSION, image_size, channels, [source.identity for source in sources]])


def _hash(content: list) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _decode_to(path: Path, sources: list[Source], image_size: int, channels: int, workers: int, progress: bool) -> None:
    """Decodes all pictures, in order, into a .npy file that appears whole or not at all, and facts beside it.

    Memory holds only the pictures that are on their way from the decoders to the file.
    """
    unfinished = path.with_suffix(".partial")  # one name: the lock allows one writer, which overwrites leftovers
    failures, notes, deep, endings = [], Counter(), [], Counter()
    shape = (image_size, image_size, channels)
    try:
        with ExitStack() as stack:
            file = stack.enter_context(open(unfinished, "wb+"))
            pool = stack.enter_context(ThreadPool(workers))  # Pillow decodes without the GIL
            bar = stack.enter_context(tqdm(desc="decoding", unit="picture", delay=0.5, disable=not progress))
            _write_header(file, (0, *shape))
            start, n_kept = file.tell(), 0
            decode = partial(decoded_to, image_size=image_size, channels=channels)
            for source in sources:
                pictures = source.pictures(stack)
                bar.total = (bar.total or 0) + len(pictures) if isinstance(pictures, Sequence) else None
                for some in _batches(pictures, _AT_ONCE):
                    for picture, (pixels, note) in zip(some, pool.imap(decode, some, chunksize=16), strict=True):
                        bar.update()
                        if pixels is None:
                            failures.append(f"{picture.name} ({note})")
                            continue
                        if note.deep and not note.stated:
                            deep.append((n_kept, picture, note))
                        file.write(pixels.tobytes())
                        notes[note] += 1
                        endings[PurePosixPath(picture.name).suffix.lower()] += 1
                        n_kept += 1
            if not n_kept:
                raise DataError(
                    f"none of the {len(failures)} pictures could be read, for example {failures[0]}"
                    if failures
                    else f"{' and '.join(source.record.name for source in sources)}: there are no pictures"
                )
            _scale_alike(file, start, deep, notes, decode)
            file.seek(0)
            _write_header(file, (n_kept, *shape))  # of the same length: numpy pads it
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    facts = {"identity": identity_of(np.load(path, mmap_mode="r"))}
    write_facts(path, facts | {"told": _told(sources, failures, n_kept), "noted": _noted(notes, endings, channels)})


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    """So many at a time: of a stream no more than these are held."""
    left = iter(pictures)
    while some := list(islice(left, size)):
        yield some


def _scale_alike(
    file: BinaryIO, start: int, deep: Sequence[tuple[int, Picture, Note]], notes: Counter, decode: Callable
) -> None:
    """Write deep grey pictures again whose own white is less than that of the others of their kind.

    A dark picture among others is dark, and not one of fewer bits.

    Args:
        file: of the pictures, the first one at `start`.
        deep: the row, picture and note of each that states no white.
    """
    whites: dict[str, float] = {}
    for _, _, note in deep:
        whites[note.deep] = max(whites.get(note.deep, 0.0), note.white)
    for row, picture, note in deep:
        if note.white < whites[note.deep]:
            pixels, alike = decode(picture, whites=whites)
            if pixels is not None:  # it was read before
                file.seek(start + row * pixels.nbytes)
                file.write(pixels.tobytes())
                notes[note] -= 1
                notes[alike] += 1


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _told(sources: list[Source], failures: list[str], n_kept: int) -> list[str]:
    """What is not among the pictures, one line each."""
    lines = [
        f"{source.record.name}: {len(source.passed_over):,} files were passed over, which are no pictures that are "
        f"read here: {passed_over_in_words(source.passed_over)}"
        for source in sources
        if source.passed_over
    ]
    if failures:
        more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
        lines.append(
            f"{len(failures)} of {len(failures) + n_kept} pictures could not be read and are left out: "
            f"{', '.join(failures[:3])}{more}"
        )
    return lines


def _noted(notes: Counter, endings: Counter, channels: int) -> list[str]:
    """Of what kinds the pictures were, and what was changed in them, one line each."""
    lines, kinds, deep = [], Counter(), Counter()
    if len(endings) > 1:
        of = ", ".join(f"{number:,} {ending or 'without an ending'}" for ending, number in endings.most_common())
        lines.append(f"{endings.total():,} pictures: {of}")
    for note, number in notes.items():
        kinds[note.kind] += number
        if note.deep:
            top = (
                f"floats up to {note.white:g}" if note.deep == "floats" else f"{round(math.log2(note.white + 1))} bits"
            )
            deep[top] += number
    if scaled := ", ".join(f"{number} of {top}" for top, number in sorted(deep.items()) if number):
        lines.append(f"grey pictures were scaled to 8 bits by their depth: {scaled}")
    if channels == 3 and kinds["grey"]:
        lines.append(f"{kinds['grey']} grey pictures were repeated to RGB")
    if channels == 1 and kinds["colour"]:
        lines.append(f"{kinds['colour']} colour pictures became their luminance")
    return lines
