"""A - B + C for the Morph tab: faces to begin with, the pictures of the equation, and all of it as one PNG.

What a stranger's browser or script sends is checked here; what cannot be is raised as a `GanError`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from gan.latent.example import FACES, Example, example_for
from gan.latent.morph import arithmetic, average, enlarged, neighbours
from gan.models import Generator
from gan.sampling import latents
from gan.ui.drawing import draw_many, file_answer, picture_uri, png, thumbnail_uri
from gan.ui.library import Library
from gan.ui.places import locked
from gan.ui.state import Face
from gan.ui.values import FaceError, encode_latent, first_seed

GRID_FACES = 24  # to choose from
CENTRE = 4  # of the 3x3 results: A - B + C itself; around it, what noise makes of it
_INK, _FAINT = "#24211e", "#7d766b"


@dataclass(frozen=True)
class Sum:
    """Which faces are added and subtracted; raises `FaceError` for what a visitor should not have sent.

    Attributes:
        model: name of a model.
        terms: the seeds of A, B and C, one to `FACES` each.
    """

    model: str
    terms: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        terms = self.terms
        if not isinstance(terms, (list, tuple)) or len(terms) != 3:
            raise FaceError("expected three terms: A, B and C")
        for name, seeds in zip("ABC", terms, strict=True):
            if not isinstance(seeds, (list, tuple)) or not 1 <= len(seeds) <= FACES:
                raise FaceError(f"{name}: expected 1 to {FACES} seeds")
        checked = tuple(tuple(Face(self.model, seed).seed for seed in seeds) for seeds in terms)
        object.__setattr__(self, "terms", checked)


@dataclass(frozen=True)
class Solved:
    """The pictures of an equation, each (H, W, C) uint8.

    Attributes:
        terms: of each term the pictures of its seeds, (n, H, W, C).
        averages: (3, H, W, C).
        results: (9, H, W, C): A - B + C at `CENTRE`, and around it.
        faces: the nine states that draw `results`.
    """

    terms: tuple[np.ndarray, ...]
    averages: np.ndarray
    results: np.ndarray
    faces: tuple[Face, ...]


class ArithmeticServer:
    """What the tab's browser side may ask; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def arithmetic_example(self, asked: dict) -> dict:
        """Faces to begin with.

        Args:
            asked: {"model"}.

        Returns:
            {"terms": seeds of A, B, C, "names": of them and the result}.
        """
        found = example(self._library, asked.get("model"))
        return {"terms": found.terms, "names": found.names}

    def arithmetic_grid(self, asked: dict) -> dict:
        """Faces to choose from.

        Args:
            asked: {"model", "start": the first seed}.

        Returns:
            {"start", "faces": a URI each of `GRID_FACES` consecutive seeds}.
        """
        start = first_seed(asked.get("start", 0), GRID_FACES)
        generator = self._library.generator(asked.get("model"))
        pictures = draw_many(generator, latents(generator.config, range(start, start + GRID_FACES)))
        return {"start": start, "faces": [thumbnail_uri(pixels) for pixels in pictures]}

    def arithmetic_solve(self, asked: dict) -> dict:
        """A - B + C.

        Args:
            asked: {"model", "terms": seeds of A, B, C}, see `Sum`.

        Returns:
            {"terms": URIs of each term's faces, "averages": three URIs, "results": nine of {"face": the state,
            "picture": URI}, the sum itself in the middle}.
        """
        solved = solve(self._library, Sum(asked.get("model"), asked.get("terms")))
        return {
            "terms": [[thumbnail_uri(pixels) for pixels in term] for term in solved.terms],
            "averages": [picture_uri(pixels, True) for pixels in solved.averages],
            "results": [
                {"face": face.to_json(), "picture": thumbnail_uri(pixels)}
                for face, pixels in zip(solved.faces, solved.results, strict=True)
            ],
        }

    def arithmetic_save(self, asked: dict) -> dict:
        """The equation as a PNG, with the state of its result.

        Args:
            asked: as for `arithmetic_solve`, and {"names": four short texts, or none}.

        Returns:
            {"name", "type", "content" in base64}.
        """
        sum_, names = Sum(asked.get("model"), asked.get("terms")), asked.get("names")
        names = [name[:40] for name in names[:4] if isinstance(name, str)] if isinstance(names, list) else []
        content = self.equation(sum_, names if len(names) == 4 else ())
        return file_answer(f"{sum_.model.replace('/', '-')}-arithmetic.png", "image/png", content)

    def equation(self, sum_: Sum, names: Sequence[str] = ()) -> bytes:
        """A PNG with the state of its result; raises `RunError` and `FaceError`."""
        solved = solve(self._library, sum_)
        return png(picture_equation(solved, names), solved.faces[CENTRE])


def solve(library: Library, sum_: Sum) -> Solved:
    """Draw an equation; raises `gan.run.RunError` and `FaceError`."""
    generator = library.generator(sum_.model)
    config = generator.config
    terms = [latents(config, seeds) for seeds in sum_.terms]
    try:
        averages = [average(term, config.z_distribution) for term in terms]
        z = arithmetic(*terms, config.z_distribution)
    except ValueError as error:
        raise FaceError(str(error)) from error
    near = neighbours(z)
    around = torch.cat([near[:CENTRE], z, near[CENTRE:]])
    faces = tuple(Face(sum_.model, latent=encode_latent(row)) for row in around)
    results = torch.cat([face.z(config) for face in faces])  # as rounded in a state, so that Explore shows the same
    pictures = draw_many(generator, torch.cat([*terms, *averages, results]))
    counts = [len(term) for term in terms]
    *parts, averages, results = np.split(pictures, np.cumsum([*counts, 3]))
    return Solved(tuple(parts), averages, results, faces)


# ---- an example -----------------------------------------------------------------------------------------------------

_found: weakref.WeakKeyDictionary[Generator, Example] = weakref.WeakKeyDictionary()
_finding = threading.Lock()  # a second visitor waits for what the first one's request finds


def example(library: Library, model: str) -> Example:
    """An equation that works, looked for once per model.

    Raises:
        gan.run.RunError: no such model, or a broken one.
    """
    generator, kind = library.generator(model), library.entry(model).info.data.kind
    with locked(_finding):
        if generator not in _found:
            _found[generator] = example_for(generator, kind, draw_many)
        return _found[generator]


# ---- to keep --------------------------------------------------------------------------------------------------------

_AVERAGE, _FACE, _RESULT = 256, 80, 112  # pixels of a side
_GAP, _SIGN, _MARGIN, _CAPTION = 8, 72, 32, 48


def picture_equation(solved: Solved, names: Sequence[str]) -> np.ndarray:
    """The equation as in the paper's figure 7: faces, below them their averages, to the right what comes out.

    Args:
        solved: what to show.
        names: four words below A, B, C and the result, or none.

    Returns:
        (H, W, 3) uint8.
    """
    height = _FACE + _GAP + _AVERAGE
    right = _MARGIN + 3 * (_AVERAGE + _SIGN)
    size = right + height + _MARGIN, height + 2 * _MARGIN + (_CAPTION if names else 0)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    middle = _MARGIN + _FACE + _GAP + _AVERAGE / 2
    for column, (faces, sign) in enumerate(zip(solved.terms, "–+=", strict=True)):
        left = _MARGIN + column * (_AVERAGE + _SIGN)
        for place, face in enumerate(enlarged(faces, _FACE)):
            canvas.paste(face, (left + place * (_FACE + _GAP), _MARGIN))
        canvas.paste(*enlarged(solved.averages[column : column + 1], _AVERAGE), (left, _MARGIN + _FACE + _GAP))
        place = (left + _AVERAGE + _SIGN / 2, middle)
        draw.text(place, sign, fill=_FAINT, font=ImageFont.load_default(56), anchor="mm")
    step = (height - _RESULT) // 2
    for place, result in enumerate(enlarged(solved.results, _RESULT)):
        canvas.paste(result, (right + place % 3 * step, _MARGIN + place // 3 * step))
    for place, name in enumerate(names):
        width = _AVERAGE if place < 3 else height
        at = (_MARGIN + place * (_AVERAGE + _SIGN) + width / 2, _MARGIN + height + 14)
        draw.text(at, name, fill=_INK, font=ImageFont.load_default(22), anchor="ma")
    return np.asarray(canvas)
