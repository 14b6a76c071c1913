"""What the Morph tab's browser side may ask of the server, each answer as plain JSON.

The page holds which faces are chosen, and sends them all each time; the server remembers nothing. Every argument
comes from a stranger's browser and is checked and bounded here; what cannot be is raised as a `GanError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.films.encode import MEDIA_TYPES, encode, formats
from gan.latent.morph import enlarged, interpolate
from gan.run import RunError
from gan.sampling import image_grid
from gan.ui.drawing import draw_many, file_answer, latent, thumbnail_uri
from gan.ui.library import NO_MODEL, Library
from gan.ui.places import breathe, price
from gan.ui.state import Face, model_of
from gan.ui.values import FaceError, short, whole

MOST_FACES = 8  # of a morph
MOST_FRAMES = 120
MOST_FPS = 30
SIDES = (256, 512)  # pixels of a film
WAYS = ("loop", "back", "once")  # round and round, back and forth, from the first face to the last
_DRAWN = 16  # frames at a time
_FRAME_MILLISECONDS = {256: 8.0, 512: 25.0}  # of enlarging and encoding one, about
_TOLD = 0.1  # seconds between two tellings
_BLOCK = 8  # pixels of a JPEG's: frames of a sheet begin on them, so that none shows in its neighbour


@dataclass(frozen=True)
class Film:
    """What a morph shows; raises `FaceError` for what a visitor should not have sent.

    Attributes:
        faces: 2 to `MOST_FACES`, all of one model.
        frames: up to `MOST_FRAMES`, and enough to meet every face.
        fps: frames per second, 1 to `MOST_FPS`.
        way: of `WAYS`.
    """

    faces: tuple[Face, ...]
    frames: int = 60
    fps: int = 20
    way: str = "loop"

    def __post_init__(self) -> None:
        if not 2 <= len(self.faces) <= MOST_FACES:
            raise FaceError(f"{len(self.faces)} faces: a morph takes 2 to {MOST_FACES}")
        for face in self.faces[1:]:
            _check_model(face, self.model)
        if self.way not in WAYS:
            raise FaceError(f"way {short(self.way)}: expected one of {', '.join(WAYS)}")
        least = 2 * (len(self.faces) - 1) if self.way == "back" else len(self.faces)
        object.__setattr__(self, "frames", whole("frames", self.frames, least, MOST_FRAMES))
        object.__setattr__(self, "fps", whole("frames per second", self.fps, 1, MOST_FPS))

    @property
    def model(self) -> str:
        """Its name."""
        return self.faces[0].model

    def path(self, library: Library) -> tuple[Tensor, Tensor, list[int]]:
        """The frames' z (frames, z_dim) and truncation (frames,), and for each face the frame that shows it.

        Raises:
            gan.run.RunError, gan.ui.values.FaceError: a face cannot be drawn.
        """
        stops = torch.cat([latent(library, face) for face in self.faces])
        z = interpolate(stops, self.frames, loop=self.way == "loop", back_and_forth=self.way == "back")
        frames = []
        for stop in stops:  # each is a frame, and they come in this order
            after = frames[-1] + 1 if frames else 0
            frames.append(after + int((z[after:] == stop).all(dim=1).nonzero()[0]))
        at, psi = list(frames), [face.truncation for face in self.faces]
        if self.way != "once":  # on to the frame after the last, which is the first again
            at += [len(z)] if self.way == "loop" else [len(z) - frame for frame in reversed(frames[:-1])]
            psi += psi[:1] if self.way == "loop" else psi[-2::-1]
        return z, torch.from_numpy(np.interp(range(len(z)), at, psi)).float(), frames


class MorphServer:
    """Answers of the Morph tab; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def open(self, asked: dict) -> dict:
        """What the tab begins with: the model that Explore shows, unless one was chosen here.

        Args:
            asked: {"explored": Explore's state, "chosen": the model chosen here}.

        Returns:
            {"choices": of the model, "message": {"model", "start": a state to begin with, "problem"}}.
        """
        explored, model = model_of(asked.get("explored")), asked.get("chosen")
        usable = [entry for entry in self._library.entries() if not entry.problem]
        names = [entry.name for entry in usable]
        if model not in names:
            model = explored if explored in names else next(iter(names), None)
        message = {"model": model or "", "start": asked["explored"] if model and explored == model else ""}
        if not names:
            message["problem"] = NO_MODEL.replace("`", "")
        return {
            "choices": [{"choices": [(entry.label, entry.name) for entry in usable], "value": model}],
            "message": message,
        }

    def morph_faces(self, asked: dict) -> dict:
        """Faces to put into a morph.

        Args:
            asked: {"model", "faces": states as `Face.to_json` writes them, at most `MOST_FACES`}.

        Returns:
            {"faces": [{"face": the state, "name", "picture": URI}], "problem": a sentence, "" if all could be drawn}.
        """
        found, problems = [], []
        for text in _list(asked.get("faces"))[:MOST_FACES]:
            try:
                face = Face.from_json(text)
                _check_model(face, asked.get("model"))
                generator = self._library.generator(face.model)
                pixels = draw_many(generator, latent(self._library, face), face.truncation)[0]
            except (FaceError, RunError) as error:
                problems.append(str(error))
            else:
                name = face.origin + (", changed" if face.changes or face.truncation != 1 else "")
                found.append({"face": face.to_json(), "name": name, "picture": thumbnail_uri(pixels)})
        return {"faces": found, "problem": next(iter(problems), "")}

    def morph_film(self, asked: dict) -> dict:
        """All frames of a morph in one sheet, for the browser to play.

        Args:
            asked: {"faces": states, "frames", "fps", "way"}, see `Film`.

        Returns:
            {"sheet": URI, "columns", "cell": pixels between frames, "side": pixels of a frame, "frames", "stops":
            which frame shows each face}.
        """
        film = _film(asked)
        z, truncation, stops = film.path(self._library)
        pictures = draw_many(self._library.generator(film.model), z, truncation)
        side = pictures.shape[1]
        cell = -(-side // _BLOCK) * _BLOCK
        columns = int(np.ceil(len(pictures) ** 0.5))
        padded = np.pad(pictures, ((0, 0), (0, cell - side), (0, cell - side), (0, 0)), mode="edge")
        return {
            "sheet": thumbnail_uri(image_grid(padded, columns)),
            "columns": columns,
            "cell": cell,
            "side": side,
            "frames": len(pictures),
            "stops": stops,
        }

    def make_film(self, asked: dict, tell: Callable[[dict], None]) -> dict:
        """A morph as a file.

        Args:
            asked: as for `morph_film`, and {"format": of `gan.films.encode.formats()`, "side": of `SIDES`}.
            tell: is told {"share": 0 to 1} now and then; what it raises ends the work.

        Returns:
            {"name", "type", "content" in base64}.
        """
        last = -_TOLD

        def share(done: float) -> None:
            nonlocal last
            if time.monotonic() - last >= _TOLD:
                tell({"share": done})
                last = time.monotonic()

        film, format, side = _film(asked), asked.get("format"), asked.get("side")
        content = self.write_film(film, format, side, share)
        return file_answer(film_name(film, format), MEDIA_TYPES[format], content)

    def write_film(
        self, film: Film, format: str, side: int, tell: Callable[[float], None] = lambda share: None
    ) -> bytes:
        """A morph's file; raises `RunError`, `FaceError` and `gan.films.encode.ExportError`.

        Args:
            tell: is told how much of it is done; what it raises ends it.
        """
        if side not in SIDES:
            raise FaceError(f"size {short(side)}: expected {' or '.join(map(str, SIDES))}")
        if format not in formats():
            raise FaceError(f"format {short(format)}: expected one of {', '.join(formats())}")
        generator = self._library.generator(film.model)
        price(film.frames * _FRAME_MILLISECONDS[side])
        z, truncation, _ = film.path(self._library)

        def frames() -> Iterator[Image.Image]:
            done = 0
            for part, psi in zip(z.split(_DRAWN), truncation.split(_DRAWN), strict=True):
                for picture in enlarged(draw_many(generator, part, psi), side):
                    tell(done / len(z))
                    breathe()
                    yield picture
                    done += 1

        return encode(frames(), len(z), format, 1 / film.fps)


def _film(asked: dict) -> Film:
    faces = tuple(Face.from_json(text) for text in _list(asked.get("faces"))[: MOST_FACES + 1])
    return Film(faces, asked.get("frames"), asked.get("fps"), asked.get("way"))


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _check_model(face: Face, model: object) -> None:
    if face.model != model:
        name = model[:200] if isinstance(model, str) else short(model)
        raise FaceError(
            f"This face is one of {face.model}, and the morph is of {name}: choose {face.model} as its model"
        )


def film_name(film: Film, format: str) -> str:
    """What its file is called."""
    return f"{film.model.replace('/', '-')}-morph.{format}"
