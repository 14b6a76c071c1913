"""From the page's state to pixels, and from pixels to what a browser shows and keeps."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan.models import Generator
from gan.run import RunError
from gan.sampling import generate, latents, truncate
from gan.ui.library import Library
from gan.ui.state import Face

METADATA_KEY = "gan-faces"  # of the PNG text chunk that holds Face.to_json()
_BATCH = 4  # pictures per turn, so that a slider waits for no more than these
_TURNS = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))  # the other half serves requests


@dataclass(frozen=True)
class Frame:
    """One drawn picture.

    Attributes:
        pixels: (H, W, C) uint8.
        score: the critic's sigmoid(D(G(z))), 0 to 1; None where the model's folder has no critic.
        milliseconds: that drawing and judging took.
    """

    pixels: np.ndarray
    score: float | None
    milliseconds: float


def serve_on_one_thread() -> None:
    """One inference thread per request: a second one waits, spinning, for a core that serves someone else."""
    torch.set_num_threads(1)


def draw(library: Library, face: Face) -> Frame:
    """Draw a face and ask the critic.

    Raises:
        gan.run.RunError: no such model, or a broken one.
        gan.ui.state.FaceError: an offset that the model has no dimension for.
    """
    generator = library.generator(face.model)
    try:
        discriminator = library.discriminator(face.model)
    except RunError:
        discriminator = None
    z = face.z(generator.config)
    with _TURNS:
        started = time.perf_counter()
        pixels = generate(generator, z)[0]
        score = None
        if discriminator is not None:
            # The critic judges what is shown: the picture after rounding to 8 bits.
            picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.inference_mode():
                score = torch.sigmoid(discriminator(picture)).item()
        return Frame(pixels, score, (time.perf_counter() - started) * 1000)


def draw_many(generator: Generator, z: Tensor) -> np.ndarray:
    """z: (N, z_dim) -> (N, H, W, C) uint8, a few at a time, so that sliders are answered in between."""
    parts = []
    for part in z.split(_BATCH):
        with _TURNS:
            parts.append(generate(generator, part))
    return np.concatenate(parts)


def draw_seeds(library: Library, model: str, seeds: Sequence[int], truncation: float) -> np.ndarray:
    """(len(seeds), H, W, C) uint8; raises `gan.run.RunError` and `ValueError` like what it calls."""
    generator = library.generator(model)
    return draw_many(generator, truncate(latents(generator.config, seeds), truncation))


def to_image(pixels: np.ndarray) -> Image.Image:
    """(H, W, C) uint8, C 1 or 3, as a Pillow image."""
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)


def png(pixels: np.ndarray, face: Face, *, least_size: int = 0, smooth: bool = False) -> bytes:
    """A PNG that carries the state it was drawn from.

    Args:
        pixels: (H, W, C) uint8.
        face: goes into the metadata.
        least_size: enlarge by the smallest whole factor that makes the sides this long, pixels.
        smooth: enlarge with Lanczos' filter instead of repeating pixels.
    """
    image = enlarge(to_image(pixels), -(-least_size // pixels.shape[1]), smooth)
    metadata = PngInfo()
    metadata.add_text(METADATA_KEY, face.to_json())
    file = io.BytesIO()
    image.save(file, "png", pnginfo=metadata)
    return file.getvalue()


def picture_uri(pixels: np.ndarray, smooth: bool) -> str:
    """The large picture as an <img> takes it, as fast as it can be made.

    Smooth is a JPEG of twice the size: a browser enlarges with straight lines between pixels, which smears a small
    picture, and after one doubling with a better filter it no longer does. Otherwise the pixels themselves, as PNG.
    """
    if not smooth:
        return _data_uri(to_image(pixels), "png", compress_level=1)
    return _data_uri(enlarge(to_image(pixels), 2, True), "jpeg", quality=92, subsampling=0)


def thumbnail_uri(pixels: np.ndarray) -> str:
    """A small lossy picture as an <img> takes it."""
    return _data_uri(to_image(pixels), "jpeg", quality=88, subsampling=0)


def enlarge(image: Image.Image, factor: int, smooth: bool) -> Image.Image:
    """Scaled by a whole factor (1 or less leaves it), by Lanczos' filter or by repeating pixels."""
    if factor <= 1:
        return image
    filter_ = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return image.resize((image.width * factor, image.height * factor), filter_)


def _data_uri(image: Image.Image, kind: str, **options: int) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
