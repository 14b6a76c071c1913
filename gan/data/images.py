"""Any source of pictures -> one uint8 array, decoded once and cached -> batches for training.

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from filelock import FileLock  # comes with torch
from PIL import Image
from tqdm import tqdm

from gan.data.cache import cache_folder, prune, read_array, write_facts
from gan.data.decoding import ALL_FORMATS, decoded, is_deep, stated_white, to_mode, upright, white_of
from gan.data.photo import centre_square
from gan.data.sources import NAMED_SOURCES, DataError, Picture, Source, passed_over_in_words, record_of, resolve
from gan.data_record import UNKNOWN, DataRecord, identity_of

logger = logging.getLogger(__name__)

CELEBA_SIZE = (178, 218)  # width, height of the aligned originals
CELEBA_BOX = (25, 57, 153, 185)  # 128x128 around x=89, y=121: Karras et al. 2018, "Progressive Growing of GANs"
_AT_ONCE = 256  # pictures on their way
CACHE_VERSION = 2  # raise it when the same files would give other pixels (crop, resize, order)

# ---------------------------------------------------------------------------------------------- public


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
    data_root: str | os.PathLike = "data",
    cache_dir: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, DataRecord]:
    """`load_images`, and the record of what was read.

    Args:
        kind, terms: the user's word for sources that do not know themselves (`gan.data_record`).
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
        resolved = [resolve(source, image_size, channels, root, cache, kind, terms) for source in sources]
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
    for line in facts["noted"]:
        logger.info("%s", line)
    return images, DataRecord(tuple(source.record for source in resolved), len(images), facts["identity"])


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


def epoch_order(
    n_images: int, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world_size: int = 1
) -> np.ndarray:
    """The batches of one epoch, as image numbers: one permutation that depends on (seed, epoch) only.

    An incomplete last batch is dropped; the next epoch's permutation drops other pictures.

    Args:
        n_images: pictures in the data set.
        batch_size: pictures per step over all ranks together.
        seed, epoch: >= 0.
        rank, world_size: which share of every batch is wanted. The shares of all ranks side by side are the
            batch that a single process would see.

    Returns:
        (n_images // batch_size, batch_size // world_size) int64.

    Raises:
        DataError: fewer pictures than one batch, or a batch that does not divide over the ranks.
    """
    if n_images < batch_size:
        raise DataError(f"{n_images} pictures do not fill one batch of {batch_size}: add pictures or lower batch_size")
    if batch_size % world_size:
        raise DataError(f"batch_size {batch_size} does not divide over {world_size} processes; choose a multiple")
    if not 0 <= rank < world_size:
        raise DataError(f"rank {rank} is not one of {world_size} processes (0..{world_size - 1})")
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(epoch,))))
    n_batches = n_images // batch_size
    batches = random.permutation(n_images)[: n_batches * batch_size].reshape(n_batches, world_size, -1)
    return np.ascontiguousarray(batches[:, rank], dtype=np.int64)


def make_batch(
    images: np.ndarray,
    indices: np.ndarray,
    *,
    device: torch.device | str,
    flip: bool,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The chosen pictures as a tensor on the device, in the order of `indices`.

    Args:
        images: (M, H, W, C) uint8, as `load_images` gives.
        indices: (N,) integers.
        flip: mirror each picture left to right with probability 1/2.
        generator: CPU generator that decides the mirroring; default torch's global one.

    Returns:
        (N, C, H, W) float32 in [-1, 1], channels_last.

    Raises:
        DataError: as `pick_images`.
    """
    pixels = pick_images(images, indices)
    if flip:
        mirror = (torch.rand(len(pixels), generator=generator) < 0.5).numpy()
        whole = pixels.view(f"V{pixels.shape[-1]}")[..., 0]  # a pixel's bytes move as one: 20 times as quick
        whole[mirror] = whole[mirror, :, ::-1]
    batch = torch.from_numpy(pixels)
    cuda = torch.device(device).type == "cuda"
    if cuda:  # from pinned memory the copy does not wait for the steps that the GPU still has to do
        batch = batch.pin_memory()
    # bytes travel to the device, a quarter of the floats; (N, H, W, C) in memory is what channels_last means
    batch = batch.to(device, non_blocking=cuda).permute(0, 3, 1, 2)
    # dividing by 127.5 gives exactly -1 and 1 at the ends, which multiplying by its rounded inverse would not
    return batch.to(torch.float32).div_(127.5).sub_(1.0)


def pick_images(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """A copy of the chosen pictures: (N, H, W, C) uint8, in the order of `indices`.

    Raises:
        DataError: the file of a memory map was cut short meanwhile; reading on would end the process without a word.
    """
    if isinstance(images, np.memmap) and images._mmap.size() < images.offset + images.nbytes:  # size(): of the file
        raise DataError(f"the cached pictures in {images.filename} were cut short while they were in use: "
                        "they are decoded again when they are asked for next")  # fmt: skip
    return np.ascontiguousarray(np.asarray(images)[indices])


# --------------------------------------------------------------------------------------------- decoding


class _Note(NamedTuple):
    """What was special about a picture."""

    kind: str = ""  # "grey" or "colour"
    deep: str = ""  # "whole numbers" or "floats", where it is grey with more than 8 bits
    white: float = 0.0  # that it was scaled by
    stated: bool = False  # whether its file states that white


def _decode(
    picture: Picture, image_size: int, channels: int, whites: Mapping[str, float] | None = None
) -> tuple[np.ndarray | None, _Note | str]:
    """Its (H, W, C) pixels and what was special about it; or None and the reason it cannot be read.

    Args:
        whites: of deep grey pictures that state none, by `_Note.deep`; default their own.
    """
    try:
        read = picture.read()
        if isinstance(read, np.ndarray):
            return read, _Note()
        use = partial(_pixels, image_size=image_size, channels=channels, whites=whites or {})
        return use(read) if isinstance(read, Image.Image) else decoded(read, use, ALL_FORMATS)
    except Exception as error:  # decoders raise nearly anything at a damaged file; the caller names and counts it
        return None, f"{type(error).__name__}: {str(error).split(' <_io')[0]}"  # an address says nothing


def _pixels(
    image: Image.Image, image_size: int, channels: int, whites: Mapping[str, float]
) -> tuple[np.ndarray, _Note]:
    width, height = image.size
    if width * height > (Image.MAX_IMAGE_PIXELS or np.inf):  # Pillow itself only warns up to twice that
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
    celeba = sorted(image.size) == sorted(CELEBA_SIZE)
    if not celeba:  # JPEG can decode at 1/2, 1/4, 1/8; twice the wanted size leaves the rest to Lanczos
        image.draft(None, (2 * image_size, 2 * image_size))
    image = upright(image, in_place=True)
    note = _Note("grey" if image.mode in ("1", "L", "LA") or is_deep(image) else "colour")
    if is_deep(image):
        deep, stated = "floats" if image.mode == "F" else "whole numbers", stated_white(image)
        white = stated or whites.get(deep) or white_of(image)
        note = _Note("grey", deep, white, stated is not None)
    image = to_mode(image, "L" if channels == 1 else "RGB", note.white)
    image = image.crop(CELEBA_BOX if celeba and image.size == CELEBA_SIZE else centre_square(*image.size))
    if image.size != (image_size, image_size):
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(image_size, image_size, channels), note


def _available_cores() -> int:
    # not os.cpu_count(): a container or taskset may allow fewer
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


def _key(sources: list[Source], image_size: int, channels: int) -> str:
    content = [CACHE_VERSION, image_size, channels, [source.identity for source in sources]]
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
            decode = partial(_decode, image_size=image_size, channels=channels)
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
    file: BinaryIO, start: int, deep: Sequence[tuple[int, Picture, _Note]], notes: Counter, decode: Callable
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
