"""A picture that somebody brings: opened safely whatever it is, turned upright, and brought to a generator's size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.config import GANConfig
from gan.data.decoding import FORMATS, decoded, to_mode, upright
from gan.errors import GanError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000  # what good phones take; 150 MB once decoded
LEAST_SIDE = 16  # pixels
MAX_SIDE = 1024  # of an opened picture, pixels: what is cropped out of it is not shown any larger
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # where such a file says what it is


class PhotoError(GanError, ValueError):
    """A picture that cannot be used; the message says what was given and what was expected."""


def open_photo(content: bytes) -> Image.Image:
    """A file's picture: upright, RGB, on white where it is transparent, the first one of an animation.

    Its header is judged before anything is decoded, so that a small file cannot fill the memory.

    Args:
        content: of a JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF or PPM file, or HEIC where pillow-heif is installed; at
            most `MAX_BYTES`.

    Returns:
        RGB, reduced to sides of at most `MAX_SIDE`.

    Raises:
        PhotoError: no picture, a damaged one, one with too many pixels or too few.
    """
    if len(content) > MAX_BYTES:
        raise PhotoError(
            f"This file has {len(content) / 2**20:.0f} MB: expected a picture of at most {MAX_BYTES // 2**20} MB."
        )
    opened = []  # whether it got so far

    def read(image: Image.Image) -> Image.Image:
        opened.append(True)
        _check_size(*image.size)
        image.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))  # a JPEG can be decoded at 1/2, 1/4, 1/8
        return reduced(image)

    try:
        return decoded(content, read, FORMATS)
    except PhotoError:
        raise
    except Image.DecompressionBombError:  # Pillow's own limit, of which it does not say by how much it was passed
        raise PhotoError(_too_many(f"more than {2 * Image.MAX_IMAGE_PIXELS // 10**6} million")) from None
    except Exception as error:  # decoders raise nearly anything at a damaged file
        if content[4:8] == b"ftyp" and content[8:12] in _HEIC and "HEIF" not in FORMATS:
            raise PhotoError(
                "This is a HEIC photo, as phones take them, which cannot be read here: save or share it as JPEG."
            ) from error
        if not opened:
            raise PhotoError(
                "This is not a picture that can be read here: expected a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file."
            ) from error
        raise PhotoError(
            f"This picture is damaged or cut short ({type(error).__name__}): save it again and try that one."
        ) from error


def reduced(image: Image.Image) -> Image.Image:
    """Upright, RGB, sides of at most `MAX_SIDE`; the first picture of an animation."""
    turned = to_mode(upright(image), "RGB")
    turned.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return turned


def fitted(image: Image.Image | np.ndarray, config: GANConfig) -> Tensor:
    """A picture as a model's training pictures were: a square of its size and channels.

    Args:
        image: a Pillow image, or (H, W) or (H, W, C) uint8; where it is not square, its middle is taken.
        config: the model's.

    Returns:
        (1, C, image_size, image_size) float32 in [-1, 1].

    Raises:
        PhotoError: too small, or an array that is no picture.
    """
    if isinstance(image, np.ndarray):
        try:
            image = Image.fromarray(image.squeeze(2) if image.ndim == 3 and image.shape[2] == 1 else image)
        except (TypeError, ValueError):
            raise PhotoError(
                f"array of shape {image.shape} and type {image.dtype}: expected (H, W), (H, W, 1) or (H, W, 3) uint8"
            ) from None
    _check_size(*image.size)
    image = to_mode(upright(image), "L" if config.channels == 1 else "RGB")
    size = (config.image_size, config.image_size)
    if image.size != size:
        image = image.crop(centre_square(*image.size)).resize(size, Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(image).reshape(*size, config.channels))
    return (pixels.permute(2, 0, 1)[None].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def centre_square(width: int, height: int) -> tuple[int, int, int, int]:
    """The box of the largest square around the middle, pixels."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(_too_many(f"{width:,} x {height:,}"))
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(
            f"This picture is {width} x {height} pixels: expected at least {LEAST_SIDE} each way to see a face in."
        )


def _too_many(given: str) -> str:
    return f"This picture has {given} pixels: expected at most {MAX_PIXELS // 10**6} million. Make it smaller first."
