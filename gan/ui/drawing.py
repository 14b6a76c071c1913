"""From the page's state to pixels, and from pixels to what a browser shows and keeps."""

from __future__ import annotations

import base64
import io
import math
import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan.directions import equal_strength
from gan.models import Generator
from gan.run import RunError
from gan.sampling import generate, latents
from gan.ui.library import Library
from gan.ui.state import Face, OwnDirection

T = TypeVar("T")

METADATA_KEY = "gan-faces"  # of the PNG text chunk that holds Face.to_json()
_BATCH = 4  # pictures per turn, so that a slider waits for no more than these
_MOST_OWN = 500  # directions of visitors remembered per model; those in use are soon found again
_own_steps: weakref.WeakKeyDictionary[Generator, dict[OwnDirection, Tensor]] = weakref.WeakKeyDictionary()
_TURNS = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))  # the other half serves requests


@dataclass(frozen=True)
class Frame:
    """One drawn picture.

    Attributes:
        pixels: (H, W, C) uint8.
        score: the critic's sigmoid(D(G(z))), 0 to 1; None where no critic can judge.
        milliseconds: that drawing and judging took.
    """

    pixels: np.ndarray
    score: float | None
    milliseconds: float


def serve_on_one_thread() -> None:
    """One inference thread per request: a second one waits, spinning, for a core that serves someone else."""
    torch.set_num_threads(1)


def latent(library: Library, face: Face) -> Tensor:
    """z: (1, z_dim) float32 of a face, with all that its sliders add; raises like `draw`."""
    generator = library.generator(face.model)
    vectors = {name: direction.vector for name, direction in library.directions(face.model).items()}
    moved = dict(face.directions)
    for direction in face.own:
        if direction.model == face.model and direction.key in moved:
            vectors[direction.key] = _own_step(generator, direction)
    return face.z(generator.config, vectors)


def _own_step(generator: Generator, direction: OwnDirection) -> Tensor:
    """What value 1 of a visitor's direction adds to z: (z_dim,), as strong as the other sliders.

    The difference of the means of the marked faces' latents (Radford et al. 2016, section 6.3.2; Larsen et al. 2016,
    arXiv:1512.09300), whatever the truncation they were seen at.
    """
    known = _own_steps.setdefault(generator, {})
    if direction not in known:
        has, lacks = (latents(generator.config, seeds).mean(dim=0) for seeds in (direction.has, direction.lacks))
        with _TURNS:
            step = equal_strength(generator, has - lacks, seeds=8)
        if len(known) >= _MOST_OWN:
            known.clear()
        known[direction] = step
    return known[direction]


def draw(library: Library, face: Face) -> Frame:
    """Draw a face and ask the critic.

    Raises:
        gan.run.RunError: no such model, or a broken one.
        gan.ui.state.FaceError: a direction or a dimension that the model does not have.
    """
    generator = library.generator(face.model)
    try:
        discriminator = library.discriminator(face.model)
    except RunError:
        discriminator = None
    z = latent(library, face)
    with _TURNS:
        started = time.perf_counter()
        pixels = generate(generator, z, truncation=face.truncation)[0]
        score = None
        if discriminator is not None:
            # The critic judges what is shown: the picture after rounding to 8 bits.
            picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
            with torch.inference_mode():
                picture = picture.to(next(discriminator.parameters()).dtype)
                score = torch.sigmoid(discriminator(picture)).item()
                score = score if math.isfinite(score) else None
        return Frame(pixels, score, (time.perf_counter() - started) * 1000)


def draw_many(generator: Generator, z: Tensor, truncation: float | Tensor = 1.0) -> np.ndarray:
    """z: (N, z_dim), truncation of all or (N,) -> (N, H, W, C) uint8, a few at a time: sliders are answered between."""
    parts = []
    for part, psi in zip(z.split(_BATCH), torch.as_tensor(truncation).expand(len(z)).split(_BATCH), strict=True):
        with _TURNS:
            parts.append(generate(generator, part, truncation=psi))
    return np.concatenate(parts)


def by_turns(work: Iterator[T]) -> Iterator[T]:
    """The same items, each made in a turn of its own, so that a slider waits for no more than one of them."""
    end = object()
    while True:
        with _TURNS:
            item = next(work, end)
        if item is end:
            return
        yield item


def draw_seeds(library: Library, model: str, seeds: Sequence[int], truncation: float) -> np.ndarray:
    """(len(seeds), H, W, C) uint8; raises `gan.run.RunError` and `ValueError` like what it calls."""
    generator = library.generator(model)
    return draw_many(generator, latents(generator.config, seeds), truncation)


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
        return data_uri(to_image(pixels), "png", compress_level=1)
    return data_uri(enlarge(to_image(pixels), 2, True), "jpeg", quality=92, subsampling=0)


def thumbnail_uri(pixels: np.ndarray) -> str:
    """A small lossy picture as an <img> takes it."""
    return data_uri(to_image(pixels), "jpeg", quality=88, subsampling=0)


def enlarge(image: Image.Image, factor: int, smooth: bool) -> Image.Image:
    """Scaled by a whole factor (1 or less leaves it), by Lanczos' filter or by repeating pixels."""
    if factor <= 1:
        return image
    filter_ = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return image.resize((image.width * factor, image.height * factor), filter_)


def data_uri(image: Image.Image, kind: str, **options: int) -> str:
    """What an <img> takes; `kind` and `options` are of Pillow's `save`."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
