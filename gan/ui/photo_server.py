"""What the Photo tab's browser side may ask of the server.

A visitor's picture is held in memory while it is worked on, and nowhere else: it comes as data in a request, never as
a file, which Gradio would keep on its disk. Every argument comes from a stranger's browser and is checked here; what
cannot be is raised as a `GanError`.
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
from gan.metrics.classifier import Classifier, classifier_for
from gan.models import Generator
from gan.run import RunError
from gan.sampling import to_uint8
from gan.ui.drawing import data_uri, picture_milliseconds, picture_uri
from gan.ui.library import NO_MODEL, Entry, Library
from gan.ui.places import at_turns, breathe, price
from gan.ui.state import Face, model_of
from gan.ui.values import encode_latent

MOST_STEPS = 300  # of one search
_TOLD = 0.15  # seconds between two tellings
_STEP_PICTURES = 4  # pictures that a step costs: there, back, and the classifier's look at it
OPENING_MILLISECONDS = 600.0  # of decoding a photo of the most pixels: so dear that only one takes such memory
_PREPARE_MILLISECONDS = 300.0  # of the classifier and the first guess
_NO_ENCODER = (
    "This model has nothing that guesses a face at once (no encoder of its own), so the search begins at the nearest "
    "of 64 random faces."
)


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

    def open(self, asked: dict) -> dict:
        """What the tab begins with: the model that Explore shows, where it draws in colour, unless one was chosen here.

        Args:
            asked: {"explored": Explore's state, "chosen": the model chosen here}.

        Returns:
            {"choices": of the model, "message": as `about`'s}.
        """
        usable = self._usable()
        explored, model = model_of(asked.get("explored")), asked.get("chosen")
        if model not in list(usable):
            coloured = [name for name, entry in usable.items() if entry.info.config.channels == 3]
            model = explored if explored in coloured else next(iter(coloured or usable), None)
        message = self.about({"model": model})
        if not usable:
            message["problem"] = NO_MODEL.replace("`", "")
        return {
            "choices": [{"choices": [(entry.label, name) for name, entry in usable.items()], "value": model}],
            "message": message,
        }

    def about(self, asked: dict) -> dict:
        """What the viewer has to know of a model.

        Args:
            asked: {"model"}.

        Returns:
            {"about": {"model", "size" in pixels, "faces": whether it draws any}, "problem": ""}; of a model that
            cannot be used {"model": ""}.
        """
        usable, model = self._usable(), asked.get("model")
        if model not in list(usable):
            return {"about": {"model": ""}, "problem": ""}
        config = usable[model].info.config
        return {"about": {"model": model, "size": config.image_size, "faces": config.channels == 3}, "problem": ""}

    def photo_open(self, asked: dict) -> dict:
        """A picture that the browser cannot decode, as one that it can.

        Args:
            asked: {"content": the file in base64}.

        Returns:
            {"picture": URI}.
        """
        content = _content(asked.get("content"))
        price(OPENING_MILLISECONDS)
        return {"picture": data_uri(open_photo(content), "jpeg", quality=92, subsampling=0)}

    def find_face(self, asked: dict, tell: Callable[[dict], None]) -> dict:
        """The search for a picture's latent vector.

        Args:
            asked: {"model", "content": the cropped picture's file in base64}.
            tell: is told the moment a few times a second; what it raises ends the work.

        Returns:
            The last moment: {"step", "steps", "picture": URI of the best up to now, "target": URI of what the model is
            shown, "psnr": dB at the beginning and after each step, "features": likewise, the distance, "state": the
            best as `Face.to_json` writes it, "note": a sentence or ""}.
        """
        price(OPENING_MILLISECONDS)
        search = self._prepare(asked.get("model"), _content(asked.get("content")), STEPS)
        history: list[Errors] = []
        told = 0.0
        for moment in at_turns(search.descend(STEPS)):
            history.append(errors(moment))
            now = time.monotonic()
            if moment.step == 0 or (moment.step < STEPS and now - told >= _TOLD):
                told = now
                tell(_telling(search, moment, history))
        return _telling(search, moment, history)

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

    def _usable(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in self._library.entries() if not entry.problem}


def _telling(search: _Search, moment: Moment, history: list[Errors]) -> dict:
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
