"""Any source of pictures -> one uint8 array, decoded once and cached -> batches for training.

A source is `mnist`, `celeba`, `drawn` or `drawn:N` (built-in drawn faces), a folder, or a zip. Several sources
become one array, in the order given. The array is a file in the cache folder (`GAN_CACHE`, by default
`~/.cache/gan-faces`) that is memory mapped, so every process that trains on the same pictures shares one copy.
Files there may be deleted at any time: what is needed is decoded again.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import logging
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torchvision
from filelock import FileLock  # comes with torch
from PIL import Image, ImageOps
from torchvision.datasets.mnist import read_image_file
from torchvision.datasets.utils import extract_archive
from tqdm import tqdm

from gan import drawn

logger = logging.getLogger(__name__)

NAMED_SOURCES = ("mnist", "celeba", "drawn")
DEFAULT_DRAWN_FACES = 10_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# Named, so that a file which only calls itself .png is never handed to a decoder that starts other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_ZIP_MEMBER_BYTES = 256 * 2**20  # a picture this big is a mistake or an attack

CELEBA_SIZE = (178, 218)  # width, height of the aligned originals
CELEBA_BOX = (25, 57, 153, 185)  # 128x128 around x=89, y=121: Karras et al. 2018, "Progressive Growing of GANs"
CACHE_VERSION = 1  # raise it when the same files would give other pixels (crop, resize, order)

CELEBA_HELP = """\
CelebA could not be downloaded into {root} ({error}). Its Google Drive is often over quota; other ways in:
  - a zip or a folder of the aligned pictures that you have: give its path instead of 'celeba'
  - put img_align_celeba.zip, or the folder img_align_celeba, into {root}/celeba
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME img_align_celeba.zip --repo-type dataset --local-dir {root}/celeba
  - no download at all: 'drawn', the built-in drawn faces"""
MNIST_HELP = """\
MNIST could not be downloaded into {root} ({error}). Other ways in:
  - put train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) into {root}/MNIST/raw
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME train-images-idx3-ubyte.gz --repo-type dataset --local-dir {root}/MNIST/raw
  - a zip or a folder of digit pictures that you have: give its path instead of 'mnist'"""


class DataError(ValueError):
    """Pictures that cannot be used; the message says what was given, what was expected, and what to do."""


@dataclass(frozen=True)
class _Picture:
    name: str  # for the warning, should it be unreadable
    read: Callable[[], Image.Image | np.ndarray]  # an opened picture, or its final (H, W, C) pixels


@dataclass(frozen=True)
class _Source:
    identity: list  # JSON-ready; differs whenever the pictures do
    pictures: Callable[[ExitStack], list[_Picture]]  # opened files are closed by the stack


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
        sources: names (`mnist`: the 60,000 training images, `celeba`, `drawn`, `drawn:N`), folders or zips.
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

    cache = Path(cache_dir or os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan-faces").expanduser()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        resolved = [_resolve(str(s), image_size, channels, Path(data_root).expanduser(), cache) for s in sources]
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


def describe_sources(sources: Sequence[str], n_images: int | None = None) -> str:
    """Where pictures came from, without folders of this machine: "faces-a.zip + faces-b.zip (59,893 images)"."""
    shown = {"mnist": "MNIST", "celeba": "CelebA"}
    names = []
    for source in [sources] if isinstance(sources, str) else map(str, sources):
        drawn_name = source == "drawn" or source.startswith("drawn:")
        names.append("drawn faces" if drawn_name else shown.get(source) or Path(source).resolve().name)
    return " + ".join(names) + (f" ({n_images:,} images)" if n_images is not None else "")


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
    """
    pixels = np.ascontiguousarray(np.asarray(images)[indices])  # a copy: the read-only map stays as it is
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


# --------------------------------------------------------------------------------------------- sources


def _resolve(source: str, image_size: int, channels: int, data_root: Path, cache: Path) -> _Source:
    """The source that a word on the command line means; built-in names win over files ("./mnist" is a folder)."""
    if source == "mnist":
        return _mnist(data_root, cache)
    if source == "celeba":
        return _celeba(data_root, cache)
    if source == "drawn" or source.startswith("drawn:"):
        return _drawn(source, image_size, channels)
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _zip(path)
        neighbours = [p for p in path.parent.glob("*") if p.suffix.lower() == ".zip" or p.is_dir()]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check its permissions") from error
    known = {p.name.lower(): str(p) for p in neighbours} | {name: name for name in NAMED_SOURCES}
    close = difflib.get_close_matches(path.name.lower(), known, n=1)
    suggestion = f" (did you mean {known[close[0]]!r}?)" if close else ""
    raise DataError(
        f"unknown data source {source!r}{suggestion}: it is not an existing folder or zip, and not one of "
        f"{', '.join(NAMED_SOURCES)} or drawn:N"
    )


def _drawn(source: str, image_size: int, channels: int) -> _Source:
    count = source.partition(":")[2] if ":" in source else str(DEFAULT_DRAWN_FACES)
    if not (count.isascii() and count.isdigit() and int(count) > 0):
        raise DataError(f"{source!r} does not say how many faces to draw; expected for example drawn:5000")

    def pictures(_: ExitStack) -> list[_Picture]:
        return [_Picture(f"drawn/{i}", partial(_draw, i, image_size, channels)) for i in range(int(count))]

    return _Source(["drawn", drawn.VERSION, int(count)], pictures)


def _draw(index: int, image_size: int, channels: int) -> np.ndarray:
    return drawn.draw_face(index, image_size, channels)[0]


def _mnist(data_root: Path, cache: Path) -> _Source:
    # Read by hand and not through torchvision's class: that one insists on all four files being there.
    plain = data_root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    packed = plain.with_name(plain.name + ".gz")
    download = partial(torchvision.datasets.MNIST, data_root, download=True)
    _download_unless(lambda: plain.is_file() or packed.is_file(), download, MNIST_HELP, data_root, cache)
    path = plain if plain.is_file() else packed

    def pictures(_: ExitStack) -> list[_Picture]:
        try:
            with TemporaryDirectory() as folder:
                unpacked = path if path == plain else extract_archive(path, folder)
                digits = read_image_file(str(unpacked)).numpy()
        except (OSError, EOFError, ValueError, TypeError, RuntimeError, AssertionError, KeyError) as error:
            raise DataError(f"{path} is not a whole MNIST image file ({error}); delete it and try again") from error
        return [_Picture(f"mnist/{i}", partial(Image.fromarray, digit)) for i, digit in enumerate(digits)]

    return _Source(["mnist", path.name, *_stamp(path.stat())], pictures)


def _celeba(data_root: Path, cache: Path) -> _Source:
    # Only the pictures are read: torchvision's class fails where an annotation file is missing.
    folder = data_root / "celeba" / "img_align_celeba"
    packed = folder.with_name(folder.name + ".zip")
    download = partial(torchvision.datasets.CelebA, data_root, split="all", download=True)
    _download_unless(lambda: folder.is_dir() or packed.is_file(), download, CELEBA_HELP, data_root, cache)
    return _folder(folder) if folder.is_dir() else _zip(packed)


def _download_unless(
    present: Callable[[], bool], download: Callable[[], object], help_text: str, data_root: Path, cache: Path
) -> None:
    with FileLock(cache / "download.lock"):  # the ranks of torchrun would write over each other's download
        if present():
            return
        try:
            download()
        except Exception as error:  # torchvision and gdown raise many kinds; each of them means "no data"
            raise DataError(help_text.format(root=data_root, error=" ".join(str(error).split()))) from error
        if not present():
            raise DataError(help_text.format(root=data_root, error="the download left no pictures"))


def _folder(root: Path) -> _Source:
    files = sorted(_walk(root))
    if not files:
        raise DataError(f"the folder {root} has no pictures in it; expected files that end in {' '.join(SUFFIXES)}")

    def pictures(_: ExitStack) -> list[_Picture]:
        return [_Picture(f"{root.name}/{name}", partial(_open_picture, root / name)) for name, *_ in files]

    return _Source(["folder", *files], pictures)


def _walk(root: Path) -> Iterator[tuple[str, int, int]]:
    """(relative path, bytes, mtime in ns) of every picture below root, through links, each real folder once."""
    visited = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        for name in list(subfolders):
            real = os.path.realpath(os.path.join(folder, name))
            if real in visited:  # a link back up, or a second way to the same pictures
                subfolders.remove(name)
            visited.add(real)
        for name in names:
            if name.lower().endswith(SUFFIXES) and not _hidden(name):
                path = Path(folder, name)
                info = path.stat() if path.exists() else None  # a link may point nowhere
                if info and stat.S_ISREG(info.st_mode):
                    yield path.relative_to(root).as_posix(), *_stamp(info)


def _zip(path: Path) -> _Source:
    def pictures(stack: ExitStack) -> list[_Picture]:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(
                f"{path} is not a zip, or a damaged one ({error}); expected a zip or a folder of pictures: "
                "download or pack it again"
            ) from error
        members = [
            member
            for member in sorted(archive.infolist(), key=lambda member: member.filename)
            if member.filename.lower().endswith(SUFFIXES)
            and not any(map(_hidden, PureWindowsPath(member.filename).parts))
        ]
        if not members:
            raise DataError(f"the zip {path} has no pictures in it; expected files that end in {' '.join(SUFFIXES)}")
        return [_Picture(f"{path.name}/{m.filename}", partial(_open_member, archive, m)) for m in members]

    return _Source(["zip", str(path.resolve()), *_stamp(path.stat())], pictures)


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Image.Image:
    # Nothing is extracted to disk, so such a name could do no harm here; whoever made it meant harm.
    name = PureWindowsPath(member.filename)  # knows both kinds of slash, and drive letters
    if ".." in name.parts or name.anchor:
        raise ValueError("its path climbs out of the zip")
    if member.file_size > MAX_ZIP_MEMBER_BYTES:
        raise ValueError(f"{member.file_size:,} bytes unpacked, more than the {MAX_ZIP_MEMBER_BYTES:,} allowed")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("neither stored nor deflated")  # zipfile cannot limit what the others unpack to
    with archive.open(member) as file:
        return _open_picture(io.BytesIO(file.read(member.file_size)))  # never more than it declares


def _open_picture(file: Path | io.BytesIO) -> Image.Image:
    return Image.open(file, formats=FORMATS)


def _hidden(name: str) -> bool:
    # "." is harmless, and ".." is for _open_member to refuse
    return (name.startswith(".") and name not in (".", "..")) or name == "__MACOSX"


def _stamp(info: os.stat_result) -> tuple[int, int]:
    return info.st_size, info.st_mtime_ns


# --------------------------------------------------------------------------------------------- decoding


def _decode(picture: _Picture, image_size: int, channels: int) -> tuple[np.ndarray | None, str]:
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
    image = _to_mode(image, "L" if channels == 1 else "RGB")
    image = image.crop(CELEBA_BOX if celeba and image.size == CELEBA_SIZE else _centre_square(*image.size))
    if image.size != (image_size, image_size):
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(image_size, image_size, channels), kind


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert("RGB").convert(mode)


def _centre_square(width: int, height: int) -> tuple[int, int, int, int]:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _available_cores() -> int:
    # not os.cpu_count(): a container or taskset may allow fewer
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 16)


# ------------------------------------------------------------------------------------------------ cache


def _key(sources: list[_Source], image_size: int, channels: int) -> str:
    content = [CACHE_VERSION, image_size, channels, [source.identity for source in sources]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


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


def _decode_to(
    path: Path, sources: list[_Source], image_size: int, channels: int, workers: int, progress: bool
) -> None:
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
