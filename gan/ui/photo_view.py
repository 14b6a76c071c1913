"""What the Photo tab's browser side may ask of the server.

A visitor's picture is held in memory while it is worked on, and nowhere else: it comes as data in a request, never as
a file, which Gradio would keep on its disk. Every argument comes from a stranger's browser and is checked here.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gan.data.photo import MAX_BYTES, PhotoError, fitted, open_photo
from gan.latent.encoder import Encoder
from gan.latent.projection import STEPS, Errors, Moment, descend, errors
from gan.metrics.classifier import Classifier, ClassifierError, classifier_for
from gan.models import Generator
from gan.run import RunError
from gan.sampling import to_uint8
from gan.ui.drawing import data_uri, picture_milliseconds, picture_uri
from gan.ui.library import Library
from gan.ui.places import at_turns, breathe, price
from gan.ui.state import Face, FaceError, encode_latent

MOST_STEPS = 300  # of one search
_TOLD = 0.15  # seconds between two tellings
_STEP_PICTURES = 4  # pictures that a step costs: there, back, and the classifier's look at it
OPENING_MILLISECONDS = (
    600.0  # of decoding a photo of the most pixels: dear, so that only one at a time takes their memory
)
_PREPARE_MILLISECONDS = 300.0  # of the classifier and the first guess
_NO_ENCODER = "This model has no encoder of its own, so the search begins at the nearest of 64 random faces."


@dataclass(frozen=True)
class Found:
    """The end of a search."""

    face: Face
    pixels: np.ndarray  # (H, W, C) uint8
    begin: Errors  # of the encoder's guess
    end: Errors


@dataclass(frozen=True)
class _Search:
    """All that a search needs, checked."""

    model: str
    target: Tensor  # (1, C, H, W)
    generator: Generator
    encoder: Encoder | None
    classifier: Classifier

    def descend(self, steps: int) -> Iterator[Moment]:
        return descend(self.generator, self.target, encoder=self.encoder, classifier=self.classifier, steps=steps)


class PhotoServer:
    """Answers of the Photo tab; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def photo_open(self, asked: dict) -> dict:
        """A picture that the browser cannot decode, as one that it can.

        Args:
            asked: {"content": the file in base64}.

        Returns:
            {"picture": URI} or {"problem"}.
        """
        try:
            content = _content(asked.get("content"))
            price(OPENING_MILLISECONDS)
            return {"picture": data_uri(open_photo(content), "jpeg", quality=92, subsampling=0)}
        except PhotoError as error:
            return {"problem": str(error)}

    def find_face(self, asked: dict, tell: Callable[[dict], None]) -> dict:
        """The search for a picture's latent vector.

        Args:
            asked: {"model", "content": the cropped picture's file in base64}.
            tell: is told the moment a few times a second; what it raises ends the work.

        Returns:
            The last moment: {"step", "steps", "picture": URI of the best up to now, "target": URI of what the model is
            shown, "psnr": dB at the beginning and after each step, "features": likewise, the distance, "state": the
            best as `Face.to_json` writes it, "note": a sentence or ""}; or {"problem"}.
        """
        try:
            price(OPENING_MILLISECONDS)
            search = self._prepare(asked.get("model"), _content(asked.get("content")), STEPS)
            history: list[Errors] = []
            told = 0.0
            for moment in at_turns(search.descend(STEPS)):
                history.append(errors(moment))
                now = time.monotonic()
                if moment.step == 0 or (moment.step < STEPS and now - told >= _TOLD):
                    told = now
                    tell(self._telling(search, moment, history))
            return self._telling(search, moment, history)
        except (PhotoError, RunError, ClassifierError, FaceError) as error:
            return {"problem": str(error)}

    def project(self, model: str, content: bytes, steps: int = STEPS) -> Found:
        """The end of a search, for scripts.

        Args:
            content: a picture file.
            steps: 0 to `MOST_STEPS`.

        Raises:
            PhotoError: a picture that cannot be used.
            gan.run.RunError: no such model, or a broken one.
            gan.metrics.classifier.ClassifierError: the classifier cannot be loaded.
        """
        search = self._prepare(model, content, steps)
        moments = at_turns(search.descend(steps))
        begin = end = next(moments)
        for end in moments:  # noqa: B007
            pass
        return Found(_face(search, end), to_uint8(end.images)[0], errors(begin), errors(end))

    def _prepare(self, model: str, content: bytes, steps: int) -> _Search:
        price(_PREPARE_MILLISECONDS)
        generator = self._library.generator(model)
        price(steps * _STEP_PICTURES * picture_milliseconds(generator))
        target = fitted(open_photo(content), generator.config)
        breathe()
        try:
            encoder = self._library.encoder(model)
        except RunError:
            encoder = None
        breathe()
        return _Search(model, target, generator, encoder, classifier_for(generator.config))

    def _telling(self, search: _Search, moment: Moment, history: list[Errors]) -> dict:
        return {
            "step": moment.step,
            "steps": STEPS,
            "picture": picture_uri(to_uint8(moment.images)[0], smooth=True),
            "target": picture_uri(to_uint8(search.target)[0], smooth=True),
            "psnr": [round(at.psnr, 2) for at in history],
            "features": [round(at.feature_distance, 4) for at in history],
            "state": _face(search, moment).to_json(),
            "note": "" if search.encoder else _NO_ENCODER,
        }


def _face(search: _Search, moment: Moment) -> Face:
    return Face(search.model, latent=encode_latent(moment.z))


def _content(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > MAX_BYTES * 4 // 3 + 4:
        raise PhotoError(f"This is no picture, or a larger one than the {MAX_BYTES // 2**20} MB that are allowed.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PhotoError("This is no picture: expected a picture file in base64.") from None
