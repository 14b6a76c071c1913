"""A file's bytes -> an upright picture in 8 bits: whatever Pillow reads, however odd what stands beside its pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

try:
    from pillow_heif import register_heif_opener
except ImportError:
    HEIF = ()
else:
    register_heif_opener()
    HEIF = ("HEIF",)

# Named, so that a file which only calls itself .png is never handed to a decoder that starts other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", *HEIF, "BMP", "GIF", "TIFF", "PPM")
# What else Pillow decodes by itself: for the owner's own pictures, not for those of strangers.
_OTHERS = ("JPEG2000", "DIB", "ICO", "ICNS", "CUR", "TGA", "PCX", "DCX", "SGI", "QOI", "DDS", "PSD", "XBM", "XPM", "IM",
           "SUN", "MSP", "FLI", "PIXAR", "BLP", "FTEX", "GBR", "PCD")  # fmt: skip
Image.init()  # loads all of Pillow's decoders now, not in several threads at once
ALL_FORMATS = tuple(kind for kind in (*FORMATS, *_OTHERS) if kind in Image.OPEN)
SUFFIXES = tuple(  # MPO: a JPEG of two pictures
    sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in (*ALL_FORMATS, "MPO"))
)
HEIF_SUFFIXES = (".heic", ".heif", ".hif")  # of phones; read where pillow-heif is installed
DEPTHS = (8, 10, 12, 14, 16, 31, 32)  # bits that grey pictures are made with; 31 and a sign
_WHITES = tuple(2.0**bits - 1 for bits in DEPTHS)
_SIGNED = 2.0**31 - 1
_OVERSHOOT = 1.25  # floats that were computed may pass white by so much

_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339  # tags of TIFF
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")

Result = TypeVar("Result")


def decoded(content: bytes, use: Callable[[Image.Image], Result], formats: tuple[str, ...]) -> Result:
    """What `use` makes of a file's opened picture; tried again without its metadata where it fails with them.

    Args:
        content: of the file.
        use: is given the picture, whose pixels are not decoded yet; may be called twice.
        formats: of Pillow; no others are tried.

    Raises:
        Exception: of many types, as decoders raise them at a damaged picture; and what `use` raises.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            return use(image)
    except Exception:
        plain = without_metadata(content)
        if plain is not None:
            with suppress(Exception), Image.open(io.BytesIO(plain), formats=formats) as image:
                return use(image)
        raise


def without_metadata(content: bytes) -> bytes | None:
    """A PNG or JPEG with nothing but what its pixels need; None for anything else, or one that is cut short."""
    try:
        if content.startswith(_PNG):
            return _PNG + b"".join(chunk for name, chunk in _png_chunks(content) if name in _PNG_NEEDED)
        if content.startswith(b"\xff\xd8"):
            return _plain_jpeg(content)
    except (struct.error, IndexError):
        pass
    return None


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        yield name, content[at : at + 12 + length]
        at += 12 + length


def _plain_jpeg(content: bytes) -> bytes:
    """Without comments and application segments, but JFIF's and Adobe's, which say what the colours are."""
    kept, at = [content[:2]], 2
    while content[at + 1] != 0xDA:  # from the first scan on all is pixels
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker in (0xE0, 0xEE) or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(content[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, content[at:]])


def upright(image: Image.Image, *, in_place: bool = False) -> Image.Image:
    """Turned as its EXIF says; as it is where that is damaged."""
    try:
        return ImageOps.exif_transpose(image, in_place=in_place) or image
    except Exception:  # of nearly any type
        image.load()  # raises where the picture is damaged, and not its EXIF
        return image


def to_mode(image: Image.Image, mode: str, white: float | None = None) -> Image.Image:
    """In mode "RGB" or "L": on white where it is transparent, deep grey scaled to 8 bits.

    Args:
        white: of a deep grey picture; default what `white_of` says of it.
    """
    if is_deep(image):
        values = _values(image) * (255 / (white or white_of(image)))
        image = Image.fromarray(np.nan_to_num(values).clip(0, 255).round().astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert("RGB").convert(mode)


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey with more than 8 bits, or with floats."""
    return image.mode == "F" or image.mode.startswith("I")


def stated_white(image: Image.Image) -> float | None:
    """The white that a deep grey picture's file states; None where it does not."""
    if image.mode == "F":
        return None
    if image.format == "PPM":
        return 65535.0  # Pillow has scaled it by the white that its header states
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))
    return 2.0 ** bits[0] - 1 if bits[0] in (10, 12, 14) else None


def white_of(image: Image.Image) -> float:
    """The white of a deep grey picture: as stated, or of the least depth that its brightest pixel fits into.

    Files of 16 bits often hold 10 or 12, and floats may run to 1 or to the white of any depth.
    """
    if (stated := stated_white(image)) is not None:
        return stated
    brightest = float(np.nan_to_num(_values(image), posinf=0.0).max(initial=0.0))
    if image.mode != "F":
        return next(white for white in _WHITES if brightest <= white and (white != _SIGNED or not _is_unsigned(image)))
    return next((white for white in (1.0, *_WHITES) if brightest <= white * _OVERSHOOT), max(brightest, 1.0))


def _values(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if _is_unsigned(image):
        values = values.view(np.uint32)  # Pillow has no mode for them
    return values.astype(np.float64)


def _is_unsigned(image: Image.Image) -> bool:
    """Whether it is a TIFF of 32 bits without a sign."""
    return image.mode == "I" and getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, (2,))[0] == 1
