"""Any source of pictures -> one uint8 array, decoded once and cached -> batches for training.

A source is `mnist`, `mnist-test`, `celeba`, `drawn` or `drawn:N` (built-in drawn faces), a folder, or a zip. Several
sources become one array, in the order given. The array is a file in the cache folder (`GAN_CACHE`, by default
`~/.cache/gan-faces`) that is memory mapped, so every process that trains on the same pictures shares one copy.
Files there may be deleted at any time: what is needed is decoded again.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from filelock import FileLock  # comes with torch
from PIL import Image, ImageOps
from tqdm import tqdm

from gan.data_record import UNKNOWN, DataRecord, identity_of
from gan.photo import centre_square, to_mode
from gan.sources import NAMED_SOURCES, DataError, Picture, Source, record_of, resolve

logger = logging.getLogger(__name__)

CELEBA_SIZE = (178, 218)  # width, height of the aligned originals
CELEBA_BOX = (25, 57, 153, 185)  # 128x128 around x=89, y=121: Karras et al. 2018, "Progressive Growing of GANs"
CACHE_VERSION = 1  # raise it when the same files would give other pixels (crop, resize, order)

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
            `drawn:N`), folders or zips.
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
    if isinstance(sources, str):
        sources = [sources]
    if not sources:
        raise DataError(f"no data source was given; expected {', '.join(NAMED_SOURCES)}, a folder or a zip")
    if image_size < 1 or channels not in (1, 3):
        raise DataError(f"image_size {image_size} and channels {channels}: expected a size >= 1 and 1 or 3 channels")

    cache = _cache_folder(cache_dir)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        resolved = [resolve(str(s), image_size, channels, Path(data_root).expanduser(), cache) for s in sources]
        path = cache / f"{image_size}x{image_size}x{channels}-{_key(resolved, image_size, channels)}.npy"
        # One process decodes; others that want the same array (the ranks of torchrun) wait for it.
        with FileLock(f"{path}.lock"):
            if not _is_whole(path, image_size, channels):
                _decode_to(path, resolved, image_size, channels, workers or _available_cores(), progress)
            return np.load(path, mmap_mode="r")
    except OSError as error:
        raise DataError(
            f"the data cache in {cache} could not be used ({error}); free some space, or name another folder "
            "with the environment variable GAN_CACHE"
        ) from error


def load_data(
    sources: Sequence[str], *, kind: str = UNKNOWN, terms: str = "", **options: object
) -> tuple[np.ndarray, DataRecord]:
    """`load_images`, and the record of what was read.

    Args:
        kind, terms: the user's word for sources that do not know themselves (`gan.data_record`).
        sources, options: as for `load_images`.
    """
    images = load_images(sources, **options)
    parts = tuple(record_of(str(source), kind, terms) for source in sources)
    return images, DataRecord(parts, len(images), identity_of(images))


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
    cache = _cache_folder(cache_dir)
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


def _decode(picture: Picture, image_size: int, channels: int) -> tuple[np.ndarray | None, str]:
    """Its (H, W, C) pixels and whether it was "grey" or "colour"; or None and the reason it cannot be read."""
    try:
        opened = picture.read()
        if isinstance(opened, np.ndarray):
            return opened, ""
        with opened:
            return _pixels(opened, image_size, channels)
    except Exception as error:  # decoders raise nearly anything at a damaged file; the caller names and counts it
        return None, f"{type(error).__name__}: {error}"


def _pixels(image: Image.Image, image_size: int, channels: int) -> tuple[np.ndarray, str]:
    width, height = image.size
    if width * height > (Image.MAX_IMAGE_PIXELS or np.inf):  # Pillow itself only warns up to twice that
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
    celeba = sorted(image.size) == sorted(CELEBA_SIZE)
    if not celeba:  # JPEG can decode at 1/2, 1/4, 1/8; twice the wanted size leaves the rest to Lanczos
        image.draft(None, (2 * image_size, 2 * image_size))
    ImageOps.exif_transpose(image, in_place=True)
    kind = "grey" if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I") else "colour"
    image = to_mode(image, "L" if channels == 1 else "RGB")
    image = image.crop(CELEBA_BOX if celeba and image.size == CELEBA_SIZE else centre_square(*image.size))
    if image.size != (image_size, image_size):
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(image_size, image_size, channels), kind


def _available_cores() -> int:
    # not os.cpu_count(): a container or taskset may allow fewer
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


# ------------------------------------------------------------------------------------------------ cache


def _key(sources: list[Source], image_size: int, channels: int) -> str:
    content = [CACHE_VERSION, image_size, channels, [source.identity for source in sources]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _cache_folder(cache_dir: str | os.PathLike | None) -> Path:
    return Path(cache_dir or os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan-faces").expanduser()


def _is_whole(path: Path, image_size: int, channels: int) -> bool:
    """Whether the array is there; False where it has to be decoded (again): cut short, or not such an array."""
    if not path.exists():
        return False
    try:
        images = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        logger.warning("the cache file %s is damaged (%s) and is made again", path, error)
        return False
    expected = (images.dtype, images.shape[1:]) == (np.uint8, (image_size, image_size, channels)) and len(images) > 0
    if not expected:
        logger.warning("the cache file %s does not hold what its name says and is made again", path)
    return expected


def _decode_to(path: Path, sources: list[Source], image_size: int, channels: int, workers: int, progress: bool) -> None:
    """Decodes all pictures, in order, into a .npy file that appears whole or not at all.

    Memory holds only the pictures that are on their way from the decoders to the file.
    """
    unfinished = path.with_suffix(".partial")  # one name: the lock allows one writer, which overwrites leftovers
    failures, kinds = [], {"grey": 0, "colour": 0, "": 0}
    Image.init()  # loads Pillow's decoders now, not in several threads at once
    try:
        with ExitStack() as stack:
            pictures = [picture for source in sources for picture in source.pictures(stack)]
            file = stack.enter_context(open(unfinished, "wb"))
            pool = stack.enter_context(ThreadPool(min(workers, len(pictures))))  # Pillow decodes without the GIL
            _write_header(file, (len(pictures), image_size, image_size, channels))
            decode = partial(_decode, image_size=image_size, channels=channels)
            decoded = pool.imap(decode, pictures, chunksize=16)
            bar = tqdm(decoded, total=len(pictures), desc="decoding", unit="picture", disable=not progress)
            for picture, (pixels, note) in zip(pictures, bar, strict=True):
                if pixels is None:
                    failures.append(f"{picture.name} ({note})")
                else:
                    file.write(pixels.tobytes())
                    kinds[note] += 1
            n_kept = len(pictures) - len(failures)
            if not n_kept:
                raise DataError(f"none of the {len(pictures)} pictures could be read, for example {failures[0]}")
            file.seek(0)
            _write_header(file, (n_kept, image_size, image_size, channels))  # of the same length: numpy pads it
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    _report(failures, kinds, n_kept, channels)


def _write_header(file: io.BufferedWriter, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _report(failures: list[str], kinds: dict[str, int], n_kept: int, channels: int) -> None:
    if failures:
        more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
        logger.warning(
            "%d of %d pictures could not be read and are left out: %s%s",
            len(failures), len(failures) + n_kept, ", ".join(failures[:3]), more,
        )  # fmt: skip
    if channels == 3 and kinds["grey"]:
        logger.info("%d grey pictures were repeated to RGB", kinds["grey"])
    if channels == 1 and kinds["colour"]:
        logger.info("%d colour pictures became their luminance", kinds["colour"])
