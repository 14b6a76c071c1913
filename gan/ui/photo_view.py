"""What the Photo tab's browser side may ask of the server.

A visitor's picture is held in memory while it is worked on, and nowhere else: it comes as data in a request, never as
a file, which Gradio would keep on its disk. Every argument comes from a stranger's browser and is checked here.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gan.classifier import Classifier, ClassifierError, classifier_for
from gan.encoder import Encoder
from gan.models import Generator
from gan.photo import MAX_BYTES, PhotoError, fitted, open_photo
from gan.projection import STEPS, Errors, Moment, descend, errors
from gan.run import RunError
from gan.sampling import to_uint8
from gan.ui.drawing import by_turns, data_uri, picture_uri
from gan.ui.library import Library
from gan.ui.state import Face, FaceError, encode_latent

AT_ONCE = 2  # searches; others wait
MOST_STEPS = 300  # of one search
_ASKED_AGAIN = 0.5  # seconds between two looks at whether it is one's turn
_MOST_WAITING = 60.0  # seconds
_TOLD = 0.15  # seconds between two tellings
_WAITING = "Other photos are being looked for just now: yours is next in a moment."
_BUSY = "Too many photos are being looked for just now: try again in a minute."
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
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._opening = threading.BoundedSemaphore(1)  # a picture of many pixels takes much memory

    def photo_open(self, asked: dict) -> dict:
        """A picture that the browser cannot decode, as one that it can.

        Args:
            asked: {"content": the file in base64}.

        Returns:
            {"picture": URI} or {"problem"}.
        """
        try:
            content = _content(asked.get("content"))
            with self._opening:
                return {"picture": data_uri(open_photo(content), "jpeg", quality=92, subsampling=0)}
        except PhotoError as error:
            return {"problem": str(error)}

    def find_face(self, asked: dict) -> Iterator[dict]:
        """The search for a picture's latent vector, told a few times a second; closing it ends it.

        Args:
            asked: {"model", "content": the cropped picture's file in base64}.

        Yields:
            {"waiting": a sentence} while others are served; then {"step", "steps", "picture": URI of the best up to
            now, "target": URI of what the model is shown, "psnr": dB at the beginning and after each step,
            "features": likewise, the distance, "state": the best as `Face.to_json` writes it, "note": a sentence or
            ""}; or {"problem"}.
        """
        try:
            search = self._prepare(str(asked.get("model"))[:200], _content(asked.get("content")))
            for _ in self._wait():
                yield {"waiting": _WAITING}
        except (PhotoError, RunError, ClassifierError) as error:
            yield {"problem": str(error)}
            return
        try:
            history: list[Errors] = []
            told = 0.0
            for moment in by_turns(search.descend(STEPS)):
                history.append(errors(moment))
                now = time.monotonic()
                if moment.step in (0, STEPS) or now - told >= _TOLD:
                    told = now
                    yield self._telling(search, moment, history)
        except FaceError as error:
            yield {"problem": str(error)}
        finally:
            self._places.release()

    def project(self, model: str, content: bytes, steps: int = STEPS) -> Found:
        """The end of a search, for scripts.

        Args:
            content: a picture file.
            steps: 0 to `MOST_STEPS`.

        Raises:
            PhotoError: a picture that cannot be used, or too many others for too long.
            gan.run.RunError: no such model, or a broken one.
            gan.classifier.ClassifierError: the classifier cannot be loaded.
        """
        search = self._prepare(model, content)
        for _ in self._wait():
            pass
        try:
            moments = by_turns(search.descend(steps))
            begin = end = next(moments)
            for end in moments:  # noqa: B007
                pass
        finally:
            self._places.release()
        return Found(_face(search, end), to_uint8(end.images)[0], errors(begin), errors(end))

    def _prepare(self, model: str, content: bytes) -> _Search:
        generator = self._library.generator(model)
        with self._opening:
            target = fitted(open_photo(content), generator.config)
        try:
            encoder = self._library.encoder(model)
        except RunError:
            encoder = None
        return _Search(model, target, generator, encoder, classifier_for(generator.config))

    def _wait(self) -> Iterator[None]:
        """Takes a place; yields while there is none. Raises `PhotoError` when that takes too long."""
        until = time.monotonic() + _MOST_WAITING
        while not self._places.acquire(timeout=_ASKED_AGAIN):
            if time.monotonic() > until:
                raise PhotoError(_BUSY)
            yield

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
