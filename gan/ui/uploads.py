"""Zips of pictures that visitors send, in pieces: looked through before anything is made of them, bounded, and gone
again where they cannot be used.

Nothing is unpacked: training reads one picture after the other out of the zip (`gan.data.sources`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Collection
from pathlib import Path, PureWindowsPath

from gan.data.decoding import SUFFIXES
from gan.data.downloads import DataError
from gan.data.images import first_images
from gan.errors import GanError
from gan.ui.values import short

MOST_BYTES = 256 * 2**20  # of one zip
MOST_FILES = 100_000  # in it
MOST_UNPACKED = 4 * 2**30  # bytes, of all its files
MOST_RATIO = 100  # of a file's bytes to its packed ones; a photograph hardly packs at all
LEAST_PICTURES = 50
MOST_PIECE = 2**20  # bytes of a piece, in base64
_MOST_UNUSED = 4  # that no training is made of yet; the oldest go first
_PART_SECONDS = 900.0  # after which one that is not whole yet was given up
_LOOKED_AT = 8  # pictures that must be ones


class UploadError(GanError, ValueError):
    """A file that cannot be trained on; the message says why, and what is expected."""


class Uploads:
    """The uploads in a folder: FOLDER/ID/NAME.zip; safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            self._tidy(None)

    def take(self, asked: dict, used: Collection[str]) -> dict:
        """Take the next piece of a zip.

        Args:
            asked: {"upload": its id, "" for the first piece, "name", "size" in bytes, "offset", "content": base64}.
            used: ids of uploads that trainings are made of.

        Returns:
            {"upload": its id, "offset": of the next piece}, and with the last one {"name", "pictures": how many}.

        Raises:
            UploadError: what cannot be used; nothing of it is left on the disk.
        """
        name, size, offset = asked.get("name"), asked.get("size"), asked.get("offset")
        if not isinstance(name, str) or not name.lower().endswith(".zip"):
            raise UploadError(f"{short(name)}: expected a zip of pictures (.zip). Pack the folder, and bring that.")
        if type(size) is not int or not 0 < size <= MOST_BYTES:
            raise UploadError(
                f"{name[:80]} has {size / 2**20 if type(size) is int else 0:,.0f} MB: expected a zip of at most "
                f"{MOST_BYTES // 2**20} MB. Pack fewer or smaller pictures, or name the folder on the command line "
                "(app.py --data FOLDER)."
            )
        with self._lock:
            upload = asked.get("upload") or self._new(used)
            if not isinstance(upload, str) or not re.fullmatch(r"[0-9a-f]{16}", upload):
                raise UploadError("This upload is not known here: choose the file again.")
            part = self.folder / upload / "part"
            try:
                content = base64.b64decode(str(asked.get("content"))[: MOST_PIECE + 1], validate=True)
                with open(part, "r+b") as file:
                    if file.seek(0, 2) != offset or offset + len(content) > size or not content:
                        raise ValueError("no piece that fits")
                    file.write(content)
            except (OSError, ValueError, binascii.Error) as error:
                self.remove(upload)
                raise UploadError(f"{name[:80]} did not arrive whole ({error}): choose it again.") from error
            if offset + len(content) < size:
                return {"upload": upload, "offset": offset + len(content)}
            whole = part.with_name(_clean(name))
            part.rename(whole)
        try:
            return {"upload": upload, "offset": size, "name": whole.name, "pictures": _look_through(whole)}
        except BaseException:
            self.remove(upload)
            raise

    def path(self, upload: object) -> Path:
        """The zip of an id; raises `UploadError`."""
        known = isinstance(upload, str) and re.fullmatch(r"[0-9a-f]{16}", upload)
        if known and (found := next((self.folder / upload).glob("*.zip"), None)):
            return found
        raise UploadError("This upload is gone: choose the file again.")

    def remove(self, upload: str) -> None:
        """Delete what there is of an upload."""
        shutil.rmtree(self.folder / upload, ignore_errors=True)

    def _new(self, used: Collection[str]) -> str:
        self._tidy(used)
        upload = secrets.token_hex(8)
        (self.folder / upload).mkdir(parents=True)
        (self.folder / upload / "part").touch()
        return upload

    def _tidy(self, used: Collection[str] | None) -> None:
        """Remove what never became whole, and of what nobody has used the oldest."""
        unused = []
        for place in self.folder.glob("*"):
            part = place / "part"
            if part.exists():
                if time.time() - part.stat().st_mtime > _PART_SECONDS:
                    self.remove(place.name)
            elif used is not None and place.name not in used:
                unused.append((place.stat().st_mtime, place.name))
        for _, name in sorted(unused)[: -_MOST_UNUSED + 1]:
            self.remove(name)


def _look_through(path: Path) -> int:
    """How many pictures a zip holds; raises `UploadError` for one that is not to be trained on."""
    name = path.name
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UploadError(f"{name} is no zip, or a damaged one ({error}): expected a zip of pictures.") from error
    if len(members) > MOST_FILES:
        raise UploadError(f"{name} holds {len(members):,} files: expected at most {MOST_FILES:,}.")
    for member in members:
        inside = PureWindowsPath(member.filename)  # knows both kinds of slash, and drive letters
        if ".." in inside.parts or inside.anchor:
            raise UploadError(
                f"{name} holds a file whose path climbs out of the zip, {short(member.filename)}: not taken."
            )
    unpacked = sum(member.file_size for member in members)
    bomb = any(m.file_size > 2**20 and m.file_size > MOST_RATIO * max(1, m.compress_size) for m in members)
    if bomb or unpacked > MOST_UNPACKED:
        raise UploadError(
            f"{name} would unpack to {unpacked / 2**20:,.0f} MB from {path.stat().st_size / 2**20:,.1f} MB: "
            "no pictures pack like that, and it is not taken."
        )
    pictures = [m for m in members if m.filename.lower().endswith(SUFFIXES) and "__MACOSX" not in m.filename]
    if len(pictures) < LEAST_PICTURES:
        held = f"{len(pictures)} pictures" if pictures else f"no picture among its {len(members)} files"
        raise UploadError(f"{name} holds {held}: expected at least {LEAST_PICTURES}; a GAN learns from thousands.")
    try:
        first_images([str(path)], _LOOKED_AT, image_size=32, channels=3)
    except DataError as error:
        raise UploadError(f"{name} cannot be read as pictures: {str(error).replace(str(path), name)}") from error
    return len(pictures)


def _clean(name: str) -> str:
    """A file name of letters, digits and few signs, as the model's card will tell it."""
    stem = re.sub(r"[^\w.-]+", "-", Path(name.replace("\\", "/")).name[:-4]).strip("-.")[:60]
    return f"{stem or 'pictures'}.zip"
