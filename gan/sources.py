"""What a data source's word means: MNIST, CelebA, drawn faces, a folder, a zip -> named, unread pictures."""

from __future__ import annotations

import dataclasses
import difflib
import io
import os
import reprlib
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

import numpy as np
import torchvision
from filelock import FileLock  # comes with torch
from PIL import Image
from torchvision.datasets.mnist import read_image_file
from torchvision.datasets.utils import extract_archive

from gan import drawn
from gan.data_record import BUILT_IN, UNKNOWN, SourceRecord, is_built_in
from gan.photo import FORMATS

NAMED_SOURCES = tuple(BUILT_IN)
MNIST_FILES = {"mnist": "train-images-idx3-ubyte", "mnist-test": "t10k-images-idx3-ubyte"}
DEFAULT_DRAWN_FACES = 10_000
MOST_DRAWN_FACES = 10_000_000  # a day's work to draw, and 123 GB at 64x64
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
MAX_ZIP_MEMBER_BYTES = 256 * 2**20  # a picture this big is a mistake or an attack

CELEBA_HELP = """\
CelebA could not be downloaded into {root} ({error}). Its Google Drive is often over quota; other ways in:
  - a zip or a folder of the aligned pictures that you have: give its path instead of 'celeba'
  - put img_align_celeba.zip, or the folder img_align_celeba, into {root}/celeba
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME img_align_celeba.zip --repo-type dataset --local-dir {root}/celeba
  - no download at all: 'drawn', the built-in drawn faces"""
MNIST_HELP = """\
MNIST could not be downloaded into {root} ({error}). Other ways in:
  - put {file} (or {file}.gz) into {root}/MNIST/raw
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME {file}.gz --repo-type dataset --local-dir {root}/MNIST/raw
  - a zip or a folder of digit pictures that you have: give its path instead of 'mnist'"""


class DataError(ValueError):
    """Pictures that cannot be used; the message says what was given, what was expected, and what to do."""


@dataclass(frozen=True)
class Picture:
    name: str  # for the warning, should it be unreadable
    read: Callable[[], Image.Image | np.ndarray]  # an opened picture, or its final (H, W, C) pixels


@dataclass(frozen=True)
class Source:
    identity: list  # JSON-ready; differs whenever the pictures do
    pictures: Callable[[ExitStack], list[Picture]]  # opened files are closed by the stack


def record_of(source: str, kind: str = UNKNOWN, terms: str = "") -> SourceRecord:
    """What is known of a source before it is read: built-in ones know themselves, of others the user's word counts.

    Args:
        source: a word on the command line.
        kind, terms: the user's word, for sources that do not know themselves.
    """
    if source in BUILT_IN:
        return BUILT_IN[source]
    if source.startswith("drawn:"):
        return dataclasses.replace(BUILT_IN["drawn"], source=source)
    name = Path(source).expanduser().resolve().name
    return SourceRecord(name, f"./{name}" if is_built_in(name) else name, kind, terms)


def absolute(source: str) -> str:
    """A source's word that means the same from every working folder; one that means nothing here stays as it is."""
    path = Path(source).expanduser()
    return source if is_built_in(source) or not path.exists() else os.path.abspath(path)


def resolve(source: str, image_size: int, channels: int, data_root: Path, cache: Path) -> Source:
    """The source that a word on the command line means; built-in names win over files ("./mnist" is a folder)."""
    if source in MNIST_FILES:
        return _mnist(MNIST_FILES[source], data_root, cache)
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


def _drawn(source: str, image_size: int, channels: int) -> Source:
    count = source.partition(":")[2] if ":" in source else str(DEFAULT_DRAWN_FACES)
    if not (count.isascii() and count.isdigit() and len(count) < 16 and 0 < int(count) <= MOST_DRAWN_FACES):
        raise DataError(
            f"{reprlib.repr(source)} does not say how many faces to draw; expected for example drawn:5000, and "
            f"{MOST_DRAWN_FACES:,} at most"
        )

    def pictures(_: ExitStack) -> list[Picture]:
        return [Picture(f"drawn/{i}", partial(_draw, i, image_size, channels)) for i in range(int(count))]

    return Source(["drawn", drawn.VERSION, int(count)], pictures)


def _draw(index: int, image_size: int, channels: int) -> np.ndarray:
    return drawn.draw_face(index, image_size, channels)[0]


def _mnist(file: str, data_root: Path, cache: Path) -> Source:
    # Read by hand and not through torchvision's class: that one insists on all four files being there.
    plain = data_root / "MNIST" / "raw" / file
    packed = plain.with_name(plain.name + ".gz")
    download = partial(torchvision.datasets.MNIST, data_root, download=True)
    _download_unless(
        lambda: plain.is_file() or packed.is_file(), download, MNIST_HELP.replace("{file}", file), data_root, cache
    )
    path = plain if plain.is_file() else packed

    def pictures(_: ExitStack) -> list[Picture]:
        try:
            with TemporaryDirectory() as folder:
                unpacked = path if path == plain else extract_archive(path, folder)
                digits = read_image_file(str(unpacked)).numpy()
        except (OSError, EOFError, ValueError, TypeError, RuntimeError, AssertionError, KeyError) as error:
            raise DataError(f"{path} is not a whole MNIST image file ({error}); delete it and try again") from error
        return [Picture(f"mnist/{i}", partial(Image.fromarray, digit)) for i, digit in enumerate(digits)]

    return Source(["mnist", path.name, *_stamp(path.stat())], pictures)


def _celeba(data_root: Path, cache: Path) -> Source:
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


def _folder(root: Path) -> Source:
    files = sorted(_walk(root))
    if not files:
        raise DataError(f"the folder {root} has no pictures in it; expected files that end in {' '.join(SUFFIXES)}")

    def pictures(_: ExitStack) -> list[Picture]:
        return [Picture(f"{root.name}/{name}", partial(_open_picture, root / name)) for name, *_ in files]

    return Source(["folder", *files], pictures)


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


def _zip(path: Path) -> Source:
    def pictures(stack: ExitStack) -> list[Picture]:
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
        return [Picture(f"{path.name}/{m.filename}", partial(_open_member, archive, m)) for m in members]

    return Source(["zip", str(path.resolve()), *_stamp(path.stat())], pictures)


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
