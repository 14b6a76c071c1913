"""From the page's state to pixels, and from pixels to what a browser shows and keeps."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import functools
import io
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan.latent.directions import equal_strength
from gan.metrics.classifier import Classifier, load_classifier, task_of
from gan.models import Discriminator, Generator
from gan.run import RunError
from gan.sampling import generate, latents, truncation_of
from gan.ui.library import Library
from gan.ui.places import breathe, locked, price, together
from gan.ui.state import Face, OwnDirection

METADATA_KEY = "gan-faces"  # of the PNG text chunk that holds Face.to_json()
_SEEN_MILLISECONDS = 5.0  # that a classifier takes for a picture, about
_BATCH = 4  # pictures at a time, between which sliders and other visitors are let by
_MOST_OWN = 500  # directions of visitors remembered per model; those in use are soon found again
_own_steps: weakref.WeakKeyDictionary[Generator, dict[OwnDirection, Tensor]] = weakref.WeakKeyDictionary()
_OWN_JUDGED = 8  # seeds that an own direction's strength is measured on
_OWN_DRAWN = 7 * _OWN_JUDGED  # pictures that it takes
_SWITCH_SECONDS = 0.0005  # after which a thread that computes in Python lets another one go on
_KERNELS = "128"  # kept compiled: there is one for each batch size of each layer of each model, of 1,024 by default
_ALLOCATOR = {-8: 2, -3: 2**20}  # M_ARENA_MAX, and M_MMAP_THRESHOLD: larger blocks go back to the system when freed
_milliseconds: weakref.WeakKeyDictionary[Generator, float] = weakref.WeakKeyDictionary()  # of one picture
_measuring = threading.Lock()


@dataclass(frozen=True)
class Frame:
    """One drawn picture.

    Attributes:
        pixels: (H, W, C) uint8.
        score: the critic's sigmoid(D(G(z))), 0 to 1; None where no critic can judge.
        milliseconds: that drawing and judging took, of all that were drawn together.
    """

    pixels: np.ndarray
    score: float | None
    milliseconds: float


def serve_on_one_thread() -> None:
    """One inference thread per request: a second one waits, spinning, for a core that serves someone else.

    And short stays of each in the interpreter, which a picture enters a hundred times.
    """
    torch.set_num_threads(1)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KERNELS)  # read at the first convolution
    sys.setswitchinterval(_SWITCH_SECONDS)
    with contextlib.suppress(AttributeError, OSError):  # glibc alone: else each thread keeps what it once needed
        allocator = ctypes.CDLL("libc.so.6")
        for parameter, value in _ALLOCATOR.items():
            allocator.mallopt(parameter, value)


def picture_milliseconds(generator: Generator) -> float:
    """What one of its pictures takes of one core, however busy that is with others; measured once."""
    if generator not in _milliseconds:
        z, took = torch.zeros(1, generator.config.z_dim), []
        with torch.inference_mode():
            for _ in range(2):  # the first may be the generator's first
                started = time.thread_time()
                generator(z)
                took.append((time.thread_time() - started) * 1000)
        _milliseconds[generator] = min(took)
    return _milliseconds[generator]


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
        price(_OWN_DRAWN * picture_milliseconds(generator))
        breathe()
        has, lacks = (latents(generator.config, seeds).mean(dim=0) for seeds in (direction.has, direction.lacks))
        step = equal_strength(generator, has - lacks, seeds=_OWN_JUDGED)
        if len(known) >= _MOST_OWN:
            known.clear()
        known[direction] = step
    return known[direction]


def draw(library: Library, face: Face) -> Frame:
    """Draw a face and ask the critic; in one go with other visitors' faces, where many wait.

    Raises:
        gan.run.RunError: no such model, or a broken one.
        gan.ui.values.FaceError: a direction or a dimension that the model does not have.
        gan.ui.places.Busy: too dear.
    """
    generator = library.generator(face.model)
    try:
        discriminator = library.discriminator(face.model)
    except RunError:
        discriminator = None
    z = _ready(library, generator, face)
    kind = (draw, generator, discriminator)
    return together(kind, (z, face.truncation), functools.partial(_frames, generator, discriminator))


def _frames(generator: Generator, critic: Discriminator | None, asked: Sequence[tuple[Tensor, float]]) -> list[Frame]:
    """One frame for each z (1, z_dim) and truncation psi that is asked for, drawn and judged as one batch."""
    started = time.perf_counter()
    images = generate(generator, torch.cat([z for z, _ in asked]), truncation=[psi for _, psi in asked])
    scores = [None] * len(images)
    if critic is not None:
        with torch.inference_mode():
            judged = _judged(images).to(next(critic.parameters()).dtype)
            parts = judged.split(1 if critic.minibatch_stddev else len(judged))  # which compares pictures of one call
            scores = torch.sigmoid(torch.cat([critic(part) for part in parts])).flatten().tolist()
    took = (time.perf_counter() - started) * 1000
    return [
        Frame(pixels, score if score is not None and math.isfinite(score) else None, took)
        for pixels, score in zip(images, scores, strict=True)
    ]


def draw_alone(library: Library, face: Face) -> np.ndarray:
    """Draw a face without its critic: (H, W, C) uint8; raises like `draw`."""
    generator = library.generator(face.model)
    return generate(generator, _ready(library, generator, face), truncation=face.truncation)[0]


def see(library: Library, face: Face) -> tuple[Classifier, np.ndarray] | None:
    """What the classifier sees in a face: itself, and (K,) probabilities of its labels.

    Returns:
        None where the model's pictures are of no kind that a classifier knows.

    Raises:
        gan.metrics.classifier.ClassifierError: its file is missing or damaged; and like `draw`.
    """
    info = library.entry(face.model).info
    task = task_of(info.data.kind)
    classifier = task and load_classifier(task)
    if not classifier or classifier.channels != info.config.channels:
        return None
    generator = library.generator(face.model)
    z = _ready(library, generator, face)
    price(_SEEN_MILLISECONDS)
    with torch.inference_mode():
        picture = _judged(generate(generator, z, truncation=face.truncation))
        return classifier, classifier.probabilities(picture)[0].numpy()


def _ready(library: Library, generator: Generator, face: Face) -> Tensor:
    """z of a face, when all that its picture needs was measured and is priced."""
    z = latent(library, face)
    measure_truncation(generator, torch.tensor([face.truncation]))
    price(picture_milliseconds(generator))
    return z


def _judged(images: np.ndarray) -> Tensor:
    """(N, H, W, C) uint8 -> (N, C, H, W) in [-1, 1]: what is shown is judged, pictures after rounding to 8 bits."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def measure_truncation(generator: Generator, psi: Tensor) -> None:
    """Measure what pictures at psi (N,) need and what nobody has asked for before, a layer at a time."""
    psi = psi[psi != 1]
    truncation = truncation_of(generator)
    if not len(psi) or not (times := truncation.unmeasured(psi)):
        return
    price(times * truncation.averaged * picture_milliseconds(generator))
    with locked(_measuring):  # what another visitor is measuring already is not measured again
        for _ in truncation.measure(psi):
            breathe()


def draw_many(generator: Generator, z: Tensor, truncation: float | Tensor = 1.0) -> np.ndarray:
    """z: (N, z_dim), truncation of all or (N,) -> (N, H, W, C) uint8, a few at a time.

    Raises:
        gan.ui.places.Busy: too dear.
    """
    psi = torch.as_tensor(truncation, dtype=torch.float32).expand(len(z))
    price(len(z) * picture_milliseconds(generator))
    measure_truncation(generator, psi)
    parts = []
    for part, part_psi in zip(z.split(_BATCH), psi.split(_BATCH), strict=True):
        breathe()
        parts.append(generate(generator, part, truncation=part_psi))
    return np.concatenate(parts)


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


def file_answer(name: str, media_type: str, content: bytes) -> dict:
    """A file as the browser keeps it."""
    return {"name": name, "type": media_type, "content": base64.b64encode(content).decode()}


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
