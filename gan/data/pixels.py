"""One picture -> its pixels: upright, cropped to the face or the centre square, resized, 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from gan.data.decoding import ALL_FORMATS, decoded, is_deep, stated_white, to_mode, upright, white_of
from gan.data.photo import centre_square
from gan.data.sources import Picture

CELEBA_SIZE = (178, 218)  # width, height of the aligned originals
CELEBA_BOX = (25, 57, 153, 185)  # 128x128 around x=89, y=121: Karras et al. 2018, "Progressive Growing of GANs"


class Note(NamedTuple):
    """What was special about a picture."""

    kind: str = ""  # "grey" or "colour"
    deep: str = ""  # "whole numbers" or "floats", where it is grey with more than 8 bits
    white: float = 0.0  # that it was scaled by
    stated: bool = False  # whether its file states that white


def decoded_to(
    picture: Picture, image_size: int, channels: int, whites: Mapping[str, float] | None = None
) -> tuple[np.ndarray | None, Note | str]:
    """Its (H, W, C) pixels and what was special about it; or None and the reason it cannot be read.

    Args:
        whites: of deep grey pictures that state none, by `Note.deep`; default their own.
    """
    try:
        read = picture.read()
        if isinstance(read, np.ndarray):
            return read, Note()
        use = partial(_pixels, image_size=image_size, channels=channels, whites=whites or {})
        return use(read) if isinstance(read, Image.Image) else decoded(read, use, ALL_FORMATS)
    except Exception as error:  # decoders raise nearly anything at a damaged file; the caller names and counts it
        return None, f"{type(error).__name__}: {str(error).split(' <_io')[0]}"  # an address says nothing


def _pixels(image: Image.Image, image_size: int, channels: int, whites: Mapping[str, float]) -> tuple[np.ndarray, Note]:
    width, height = image.size
    if width * height > (Image.MAX_IMAGE_PIXELS or np.inf):  # Pillow itself only warns up to twice that
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
    celeba = sorted(image.size) == sorted(CELEBA_SIZE)
    if not celeba:  # JPEG can decode at 1/2, 1/4, 1/8; twice the wanted size leaves the rest to Lanczos
        image.draft(None, (2 * image_size, 2 * image_size))
    image = upright(image, in_place=True)
    note = Note("grey" if image.mode in ("1", "L", "LA") or is_deep(image) else "colour")
    if is_deep(image):
        deep, stated = "floats" if image.mode == "F" else "whole numbers", stated_white(image)
        white = stated or whites.get(deep) or white_of(image)
        note = Note("grey", deep, white, stated is not None)
    image = to_mode(image, "L" if channels == 1 else "RGB", note.white)
    image = image.crop(CELEBA_BOX if celeba and image.size == CELEBA_SIZE else centre_square(*image.size))
    if image.size != (image_size, image_size):
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(image_size, image_size, channels), note
