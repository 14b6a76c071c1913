"""Odd pictures, in a folder or a zip: each is used, or counted and named; it never costs another one."""

from __future__ import annotations

import io
import logging
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gan.data.images import DataError, load_images
from tests.faults import Row

FAULT = "odd pictures and archives"
MUST_BE = "used, or counted and named"
TRIES = 60
SIDE = 24


def run(tries: int, seed: int) -> Row:
    """Each try is one odd file beside two good ones."""
    row, chance = Row(FAULT, MUST_BE), random.Random(seed)
    kinds = [*GOOD.items(), *BAD.items()]
    chance.shuffle(kinds)
    for number in range(tries):
        name, make = kinds[number % len(kinds)]
        packed = number // len(kinds) % 2 == 1 if tries > len(kinds) else chance.random() < 0.5
        with tempfile.TemporaryDirectory() as folder:
            said = _try(Path(folder), name, make(chance), packed, must_be_used=name in GOOD)
        where = "zip" if packed else "folder"
        if said.startswith("wrong"):
            row.fail(f"{name} in a {where}, seed {seed}: {said}")
        else:
            row.note(said)
    return row


def _try(folder: Path, name: str, content: bytes, packed: bool, must_be_used: bool) -> str:
    good = {f"{name}.png": _encoded(_face(value), "PNG") for name, value in (("a", 40), ("z", 200))}
    files = good | {name: content}
    source = folder / ("pictures.zip" if packed else "pictures")
    if packed:
        with zipfile.ZipFile(source, "w") as archive:
            for file, data in files.items():
                archive.writestr(f"faces/{file}", data)
    else:
        source.mkdir()
        for file, data in files.items():
            (source / file).write_bytes(data)
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = logging.getLogger("gan")
    level, logger.level = logger.level, logging.INFO
    logger.addHandler(handler)
    try:
        images = load_images([str(source)], image_size=8, channels=3, cache_dir=folder / "cache", progress=False)
    except DataError as error:
        return f"wrong: refused all ({error})"
    except Exception as error:
        return f"wrong: {type(error).__name__}: {error}"
    finally:
        logger.removeHandler(handler)
        logger.level = level
    said = " ".join(records)
    if abs(int(images[0].mean()) - 40) > 3 or abs(int(images[-1].mean()) - 200) > 3:
        return "wrong: the good pictures are not as they were"
    if len(images) == 3:
        middle = float(images[1].mean())
        return "used" if not must_be_used or 90 < middle < 150 else f"wrong: its mean is {middle:.0f}, not 120; {said}"
    if must_be_used:
        return f"wrong: not used; said {said!r}"
    told = name in said and ("1 of 3" in said or "1 files" in said)
    return "counted and named" if told else f"wrong: said {said!r}"


def _face(value: int = 120, mode: str = "RGB") -> Image.Image:
    """A picture of that mean."""
    pixels = np.full((SIDE, SIDE), value, np.float64)
    pixels[:, : SIDE // 2] += 20
    pixels[:, SIDE // 2 :] -= 20
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _saved(kind: str, mode: str = "RGB", **options: object) -> Callable[[random.Random], bytes]:
    return lambda _: _encoded(_face(mode=mode), kind, **options)


def _deep(scale: float, dtype: type, kind: str = "TIFF") -> Callable[[random.Random], bytes]:
    """Grey whose white is `scale`; one pixel reaches it."""

    def make(_: random.Random) -> bytes:
        values = np.asarray(_face(mode="L"), np.float64) / 255 * scale
        values[0, 0] = scale
        return _encoded(Image.fromarray(values.astype(dtype)), kind)

    return make


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png_with(name: bytes, content: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
    def make(chance: random.Random) -> bytes:
        png = _encoded(_face(), "PNG")
        return png[:33] + _chunk(name, content(chance)) + png[33:]

    return make


def _jpeg_with(marker: int, content: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
    def make(chance: random.Random) -> bytes:
        jpeg, added = _encoded(_face(), "JPEG", quality=95), content(chance)
        return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(added) + 2) + added + jpeg[2:]

    return make


def _noise(start: bytes, length: int = 300) -> Callable[[random.Random], bytes]:
    return lambda chance: start + chance.randbytes(length)


def _exif(entries: bytes) -> Callable[[random.Random], bytes]:
    return lambda _: b"Exif\0\0MM\0*\0\0\0\x08" + entries


def _zeros(_: random.Random) -> bytes:
    return b"Comment\0\0" + zlib.compress(bytes(3 * 2**20))


# An orientation of type text, of a type that is none, an offset far outside, and more entries than there are bytes.
_TEXT = struct.pack(">HHHI4s", 1, 0x0112, 2, 4, b"six\0")
_NO_TYPE = struct.pack(">HHHI4s", 1, 0x0112, 99, 1, b"\0\6\0\0")
_OUTSIDE = struct.pack(">HHHII", 1, 0x0112, 3, 40_000, 0x7FFFFFFF)
_ENDLESS = struct.pack(">H", 60_000) + b"\1\x12\0\3"

GOOD: dict[str, Callable[[random.Random], bytes]] = {
    "b.avif": _saved("AVIF", quality=90),
    "b.jfif": _saved("JPEG", quality=95),
    "b.JPE": _saved("JPEG", quality=95),
    "b.JPEG": _saved("JPEG", quality=95),
    "b.jp2": _saved("JPEG2000"),
    "b.tga": _saved("TGA"),
    "b.qoi": _saved("QOI"),
    "b.pcx": _saved("PCX"),
    "b.ico": lambda _: _encoded(_face(), "ICO", sizes=[(SIDE, SIDE)]),
    "b.dib": _saved("DIB"),
    "b.png is a jpeg.png": _saved("JPEG", quality=95),
    "b cmyk.jpg": lambda _: _encoded(_face().convert("CMYK"), "JPEG", quality=95),
    "b palette.gif": _saved("GIF", "P"),
    "b ünïcode 😀.png": _saved("PNG"),
    "b 10 bits.tif": _deep(1023, np.uint16),
    "b 12 bits.png": _deep(4095, np.uint16, "PNG"),
    "b 16 bits.png": _deep(65535, np.uint16, "PNG"),
    "b 32 bits.tif": _deep(2**31 - 1, np.int32),
    "b floats.tif": _deep(1.0, np.float32),
    "b floats of 16 bits.tif": _deep(65535, np.float32),
    "b exif is text.jpg": _jpeg_with(0xE1, _exif(_TEXT)),
    "b exif of no type.jpg": _jpeg_with(0xE1, _exif(_NO_TYPE)),
    "b exif outside.jpg": _jpeg_with(0xE1, _exif(_OUTSIDE)),
    "b exif endless.jpg": _jpeg_with(0xE1, _exif(_ENDLESS)),
    "b exif noise.jpg": _jpeg_with(0xE1, _noise(b"Exif\0\0")),
    "b exif noise.png": _png_with(b"eXIf", _noise(b"MM\0*")),
    "b exif outside.png": _png_with(b"eXIf", lambda _: b"MM\0*\0\0\0\x08" + _OUTSIDE),
    "b profile noise.jpg": _jpeg_with(0xE2, _noise(b"ICC_PROFILE\0\1\1")),
    "b profile noise.png": _png_with(b"iCCP", _noise(b"icc\0\0")),
    "b large profile.png": _png_with(b"iCCP", _zeros),
    "b mpf noise.jpg": _jpeg_with(0xE2, _noise(b"MPF\0")),
    "b photoshop noise.jpg": _jpeg_with(0xED, _noise(b"Photoshop 3.0\0")),
    "b comment.jpg": _jpeg_with(0xFE, _noise(b"", 5000)),
    "b large zTXt.png": _png_with(b"zTXt", _zeros),
    "b noise zTXt.png": _png_with(b"zTXt", _noise(b"Comment\0\0")),
    "b large iTXt.png": _png_with(b"iTXt", lambda _: b"XML\0\1\0\0\0" + zlib.compress(bytes(3 * 2**20))),
    "b noise iTXt.png": _png_with(b"iTXt", _noise(b"XML\0\1\0\0\0")),
}
BAD: dict[str, Callable[[random.Random], bytes]] = {
    "b empty.png": lambda _: b"",
    "b noise.jpg": _noise(b"", 2000),
    "b cut.jpg": lambda chance: _encoded(_face(), "JPEG")[: chance.randrange(3, 500)],
    "b cut.png": lambda chance: _encoded(_face(), "PNG")[: chance.randrange(9, 60)],
    "b cut.avif": lambda chance: _encoded(_face(), "AVIF")[: chance.randrange(20, 200)],
    "b text.webp": lambda _: b"this is no picture",
    "b page.png": lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "b film.mp4": _noise(b"\0\0\0\x18ftypmp42"),
    "b phone.HEIC": lambda _: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000),
    "b notes.txt": lambda _: b"not a picture",
    "b archive.zip": lambda _: b"PK\5\6" + bytes(18),
    "b no ending": _saved("PNG"),
    ".b hidden.png": _saved("PNG"),
}
