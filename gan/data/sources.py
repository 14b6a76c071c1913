"""What a data source's word means: MNIST, CelebA, drawn faces, a folder, a zip, a Hub data set -> unread pictures."""

from __future__ import annotations

import dataclasses
import difflib
import os
import reprlib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

import numpy as np
from filelock import FileLock  # comes with torch
from PIL import Image

from gan.data import drawn
from gan.data.decoding import HEIF_SUFFIXES, SUFFIXES
from gan.data.digests import digest_of
from gan.data.downloads import DataError, why_not
from gan.data.hub import HUB, hub_name, hub_pictures, hub_revision, hub_split
from gan.data_record import BUILT_IN, UNKNOWN, SourceRecord, is_built_in

NAMED_SOURCES = tuple(BUILT_IN)
MNIST_FILES = {"mnist": "train-images-idx3-ubyte", "mnist-test": "t10k-images-idx3-ubyte"}
DEFAULT_DRAWN_FACES = 10_000
MOST_DRAWN_FACES = 10_000_000  # a day's work to draw, and 123 GB at 64x64
MAX_FILE_BYTES = 256 * 2**20  # a picture this big is a mistake or an attack

CELEBA_HELP = """\
CelebA could not be downloaded into {root}: {error}. Other ways in:
  - a zip or a folder of the aligned pictures that you have: give its path instead of 'celeba'
  - put img_align_celeba.zip, or the folder img_align_celeba, into {root}/celeba
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME img_align_celeba.zip --repo-type dataset --local-dir {root}/celeba
  - no download at all: 'drawn', the built-in drawn faces"""
MNIST_HELP = """\
MNIST could not be downloaded into {root}: {error}. Other ways in:
  - put {file} (or {file}.gz) into {root}/MNIST/raw
  - a mirror on the Hugging Face Hub: pip install huggingface_hub, then
    hf download OWNER/NAME {file}.gz --repo-type dataset --local-dir {root}/MNIST/raw
  - a zip or a folder of digit pictures that you have: give its path instead of 'mnist'"""


@dataclass(frozen=True)
class Picture:
    name: str  # for the warning, should it be unreadable
    read: Callable[[], bytes | Image.Image | np.ndarray]  # a file's content, a picture, or its final (H, W, C) pixels


@dataclass(frozen=True)
class Source:
    identity: list  # JSON-ready; differs whenever the pictures do
    record: SourceRecord
    pictures: Callable[[ExitStack], Iterable[Picture]]  # opened files are closed by the stack
    passed_over: list[str] = field(default_factory=list)  # files that are no pictures; known when all of it was read
    splits: Counter[int] = field(default_factory=Counter)  # how many of each official split; {} where nobody split them


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
    if source.startswith(HUB):
        name = hub_name(source)
        name = Path(name).resolve().name if Path(name).exists() else name  # without folders of this machine
        split = hub_split(source)
        return SourceRecord(name, f"{HUB}{name}{split and ':' + split}", kind, terms)
    name = Path(source).expanduser().resolve().name
    return SourceRecord(name, f"./{name}" if is_built_in(name) or name.startswith(HUB) else name, kind, terms)


def absolute(source: str) -> str:
    """A source's word that means the same from every working folder; one that means nothing here stays as it is."""
    start = HUB if source.startswith(HUB) else ""
    path = Path(source[len(start) :]).expanduser()
    return source if is_built_in(source) or not path.exists() else start + os.path.abspath(path)


def resolve(
    source: str, image_size: int, channels: int, data_root: Path, cache: Path, kind: str = UNKNOWN, terms: str = ""
) -> Source:
    """The source that a word on the command line means; built-in names win over files ("./mnist" is a folder).

    Args:
        kind, terms: the user's word, as for `record_of`.

    Raises:
        DataError: an unknown one, or one that is empty, damaged or not to be had.
    """
    record = record_of(source, kind, terms)
    if source in MNIST_FILES:
        return _mnist(record, MNIST_FILES[source], data_root, cache)
    if source == "celeba":
        return _celeba(record, data_root, cache)
    if is_built_in(source):
        return _drawn(record, image_size, channels)
    if source.startswith(HUB):
        return _hub(record, source, cache)
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _folder(record, path, cache)
        if path.is_file():
            return _zip(record, path, cache)
        neighbours = [p for p in path.parent.glob("*") if p.suffix.lower() == ".zip" or p.is_dir()]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); check its permissions") from error
    known = {p.name.lower(): str(p) for p in neighbours} | {name: name for name in NAMED_SOURCES}
    close = difflib.get_close_matches(path.name.lower(), known, n=1)
    suggestion = f" (did you mean {known[close[0]]!r}?)" if close else ""
    raise DataError(
        f"unknown data source {source!r}{suggestion}: it is not an existing folder or zip, and not one of "
        f"{', '.join(NAMED_SOURCES)}, drawn:N or hf:OWNER/NAME"
    )


def _hub(record: SourceRecord, source: str, cache: Path) -> Source:
    name = hub_name(source)
    local = Path(name)
    if local.exists():
        files = {path.relative_to(local).as_posix(): path for path in sorted(local.rglob("*")) if path.is_file()}
        revision, licence = digest_of(local, files, cache), ""
    else:
        revision, licence = hub_revision(name)
    if licence and not record.terms:
        record = dataclasses.replace(record, terms=f"its page on the Hugging Face Hub gives its licence as {licence}.")

    def pictures(_: ExitStack) -> Iterator[Picture]:
        found = hub_pictures(source, None if local.exists() else revision)
        return (Picture(f"{record.name}/{i}", read) for i, read in enumerate(found))

    return Source(["hub", hub_split(source), revision], record, pictures)


def _drawn(record: SourceRecord, image_size: int, channels: int) -> Source:
    source = record.source
    count = source.partition(":")[2] if ":" in source else str(DEFAULT_DRAWN_FACES)
    if not (count.isascii() and count.isdigit() and len(count) < 16 and 0 < int(count) <= MOST_DRAWN_FACES):
        raise DataError(
            f"{reprlib.repr(source)} does not say how many faces to draw; expected for example drawn:5000, and "
            f"{MOST_DRAWN_FACES:,} at most"
        )

    def pictures(_: ExitStack) -> list[Picture]:
        return [Picture(f"drawn/{i}", partial(_draw, i, image_size, channels)) for i in range(int(count))]

    return Source(["drawn", drawn.VERSION, int(count)], record, pictures)


def _draw(index: int, image_size: int, channels: int) -> np.ndarray:
    return drawn.draw_face(index, image_size, channels)[0]


def _mnist(record: SourceRecord, file: str, data_root: Path, cache: Path) -> Source:
    import torchvision  # seconds of all sorts of models: not while the package is imported
    from torchvision.datasets.mnist import read_image_file
    from torchvision.datasets.utils import extract_archive

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

    return Source(["mnist", path.name, digest_of(path, {path.name: path}, cache)], record, pictures)


def _celeba(record: SourceRecord, data_root: Path, cache: Path) -> Source:
    import torchvision

    # Only the pictures are read: torchvision's class fails where an annotation file is missing.
    folder = data_root / "celeba" / "img_align_celeba"
    packed = folder.with_name(folder.name + ".zip")
    download = partial(torchvision.datasets.CelebA, data_root, split="all", download=True)
    _download_unless(lambda: folder.is_dir() or packed.is_file(), download, CELEBA_HELP, data_root, cache)
    return _folder(record, folder, cache) if folder.is_dir() else _zip(record, packed, cache)


def _download_unless(
    present: Callable[[], bool], download: Callable[[], object], help_text: str, data_root: Path, cache: Path
) -> None:
    with FileLock(cache / "download.lock"):  # the ranks of torchrun would write over each other's download
        if present():
            return
        try:
            download()
        except Exception as error:  # torchvision and gdown raise many kinds; each of them means "no data"
            if not present():
                raise DataError(help_text.format(root=data_root, error=why_not(error))) from error
        if not present():
            raise DataError(help_text.format(root=data_root, error="the download left no pictures"))


def _folder(record: SourceRecord, root: Path, cache: Path) -> Source:
    files, passed_over = {}, []
    for path in _walk(root, passed_over):
        files[path.relative_to(root).as_posix()] = path
    files = dict(sorted(files.items()))
    if not files:
        raise DataError(f"the folder {root} has no pictures in it; {_expected(passed_over)}")

    def pictures(_: ExitStack) -> list[Picture]:
        return [Picture(f"{root.name}/{name}", partial(_read_file, path)) for name, path in files.items()]

    return Source(["folder", digest_of(root, files, cache)], record, pictures, passed_over)


def _expected(passed_over: list[str]) -> str:
    there = f"; it has {passed_over_in_words(passed_over)}" if passed_over else ""
    return f"expected files that end in .jpg, .png, .webp, .avif, or as whatever else Pillow reads{there}"


def passed_over_in_words(names: Sequence[str]) -> str:
    """Files that are not read, by what they end in: "20 .mov (IMG_1.MOV, ...), 1 .txt (notes.txt)"."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(PurePosixPath(name).suffix.lower() or "without an ending", []).append(name)
    told = []
    for suffix, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        shown = members[0] + (", ..." if len(members) > 1 else "")
        remedy = "; pip install pillow-heif reads them" if suffix in HEIF_SUFFIXES else ""
        told.append(f"{len(members):,} {suffix} ({shown}{remedy})")
    more = f" and {len(told) - 5} other kinds" if len(told) > 5 else ""
    return ", ".join(told[:5]) + more


def _walk(root: Path, passed_over: list[str]) -> Iterator[Path]:
    """Every picture below root, through links, each real folder once; the names of what is no picture are added."""
    visited = {os.path.realpath(root)}

    def unreadable(error: OSError) -> None:
        passed_over.append(f"{Path(error.filename).name}/ ({error.strerror})")

    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=unreadable):
        passed_over += [name for name in subfolders if _hidden(name) and name not in _JUNK]
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        for name in list(subfolders):
            real = os.path.realpath(os.path.join(folder, name))
            if real in visited:  # a link back up, or a second way to the same pictures
                subfolders.remove(name)
            visited.add(real)
        for name in names:
            path = Path(folder, name)
            if not _hidden(name) and name.lower().endswith(SUFFIXES) and path.is_file():  # a link may point nowhere
                yield path
            elif not _is_junk(name):
                passed_over.append(name)


def _zip(record: SourceRecord, path: Path, cache: Path) -> Source:
    passed_over: list[str] = []

    def pictures(stack: ExitStack) -> list[Picture]:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(
                f"{path} is not a zip, or a damaged one ({error}); expected a zip or a folder of pictures: "
                "download or pack it again"
            ) from error
        found = []
        passed_over.clear()  # they may be asked for twice
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            parts = PureWindowsPath(member.filename).parts
            hidden = any(map(_hidden, parts))
            if member.is_dir() or any(map(_is_junk, parts)):
                continue
            if member.filename.lower().endswith(SUFFIXES) and not hidden:
                found.append(Picture(f"{path.name}/{member.filename}", partial(_read_member, archive, member)))
            else:
                passed_over.append(member.filename)
        if not found:
            raise DataError(f"the zip {path} has no pictures in it; {_expected(passed_over)}")
        return found

    return Source(["zip", digest_of(path, {path.name: path}, cache)], record, pictures, passed_over)


def _read_file(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
    return path.read_bytes()


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # Nothing is extracted to disk, so such a name could do no harm here; whoever made it meant harm.
    name = PureWindowsPath(member.filename)  # knows both kinds of slash, and drive letters
    if ".." in name.parts or name.anchor:
        raise ValueError("its path climbs out of the zip")
    if member.file_size > MAX_FILE_BYTES:
        raise ValueError(f"{member.file_size:,} bytes unpacked, more than the {MAX_FILE_BYTES:,} allowed")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("neither stored nor deflated")  # zipfile cannot limit what the others unpack to
    with archive.open(member) as file:
        return file.read(member.file_size)  # never more than it declares


_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # systems leave it everywhere


def _is_junk(name: str) -> bool:
    return name in _JUNK or name.startswith("._")


def _hidden(name: str) -> bool:
    # "." is harmless, and ".." is for _read_member to refuse
    return (name.startswith(".") and name not in (".", "..")) or name == "__MACOSX"
