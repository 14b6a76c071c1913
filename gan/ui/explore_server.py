"""What the Explore tab's server answers: dict in, dict out, of data alone. How they look is the browser's business.

Of what is `asked`, all may come from a stranger. Where an answer needs to know what the page shows, that holds "face"
(the current `Face` as JSON, "" while there is none), "basis" and "page" (which sliders; None for those that suit the
face) and "pixels" (whether the large picture shows its own). No `FaceError` or `RunError` is raised: what is wrong is a
"notice", a sentence in the picture's place, in which backquotes mark code.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import torch

from gan.metrics.classifier import ClassifierError, task_of
from gan.run import RunError
from gan.sampling import MAX_SEED
from gan.titles import rank, title_of
from gan.ui.drawing import draw, draw_many, draw_seeds, latent, picture_uri, png, see, thumbnail_uri
from gan.ui.explore_sliders import OWN, bases, choose
from gan.ui.library import NO_MODEL, Library
from gan.ui.pad import plane
from gan.ui.state import MAX_OWN, MAX_TEXT, MAX_TRUNCATION, Face, OwnDirection
from gan.ui.values import FaceError, clean_name, decode_latent, first_seed, short

GRID_FACES = 24  # fills 12, 8, 6 or 4 columns
GRID_LAST = MAX_SEED + 1 - GRID_FACES  # the last seed that a grid can begin with
DOWNLOAD_SIZE = 512  # pixels, at least


class ExploreServer:
    """The tab's answers.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self.library = library

    # ---- one picture ------------------------------------------------------------------------------------------------

    def draw(self, asked: dict) -> dict:
        """The large picture of "face".

        Returns:
            "picture" (a data URI), "score" (0 to 1, None without a critic), "milliseconds", and "about" its model:
            "size" in pixels, "numbers" in z and their "distribution", "training" or not, and whether a classifier knows
            such pictures ("seen").
        """
        try:
            return self._drawn(Face.from_json(asked.get("face")), asked)
        except (FaceError, RunError) as error:
            return {"notice": str(error)}

    def see(self, asked: dict) -> dict:
        """What the classifier of such pictures sees in that of "face".

        Returns:
            "labels" and the "probabilities" of each, and whether they are "exclusive", as digits are; {} where nothing
            can be seen, or no classifier knows such pictures.
        """
        try:
            face = Face.from_json(asked.get("face"))
            found = see(self.library, face)
        except (FaceError, RunError, ClassifierError):
            return {}
        if found is None:
            return {}
        classifier, probabilities = found
        shares = [round(share, 4) for share in probabilities.tolist()]
        return {"labels": list(classifier.labels), "probabilities": shares, "exclusive": classifier.exclusive}

    def download(self, asked: dict) -> dict:
        """A PNG to keep of the "query", as `Face.to_query` writes it; "smooth": enlarged without visible pixels.

        Returns:
            "name" and "png" (base64) of the file, or "problem".
        """
        try:
            face = Face.from_query(_parameters(asked.get("query")), self.default_face())
            drawn = draw(self.library, face)
        except (FaceError, RunError) as error:
            return {"problem": str(error)}
        content = png(drawn.pixels, face, least_size=DOWNLOAD_SIZE, smooth=bool(asked.get("smooth")))
        name = f"{face.model.replace('/', '-')}-{'latent' if face.latent else f'seed{face.seed}'}.png"
        return {"name": name, "png": base64.b64encode(content).decode()}

    # ---- another face: what the whole tab shows then ----------------------------------------------------------------

    def open(self, asked: dict) -> dict:
        """The page loads: the state of its link, whose parameters are "query"."""
        note = ""
        try:
            try:
                face = self.linked(asked["query"])
            except (FaceError, RunError) as error:
                face, note = self.default_face(), f"This link cannot be followed: {error}."
        except RunError as error:
            return _failed(error)
        return self._shown(lambda: face, asked, note)

    def linked(self, query: Mapping[str, str]) -> Face:
        """The face of a link's parameters; raises `FaceError` or `RunError` where it cannot be followed."""
        face = Face.from_query(query, self.default_face())
        self.library.entry(face.model)
        return face

    def choose(self, asked: dict) -> dict:
        """Another "model", the rest kept."""
        return self._shown(lambda: replace(self._current(asked), model=asked.get("model")), asked)

    def restore(self, asked: dict) -> dict:
        """Any face's "state"; "" stands for the one to begin with."""
        state = asked.get("state")
        return self._shown(lambda: self.default_face() if state == "" else Face.from_json(state), asked)

    def make(self, asked: dict) -> dict:
        """A direction out of marked faces: its "name", seeds that have it ("has"), and that lack it ("lacks")."""
        face, note = None, ""
        try:
            face = self._current(asked)
            direction = OwnDirection(asked.get("name"), face.model, asked.get("has"), asked.get("lacks"))
            face, asked = replace(face, own=(*face.own, direction)), asked | {"basis": OWN}
        except FaceError as error:
            note = f"No slider was made: {error}."
        except RunError as error:
            return _failed(error)
        return self._shown(lambda: face or self._current(asked), asked, note)

    def remove(self, asked: dict) -> dict:
        """One of the visitor's directions less, by its "name", and what it changed."""

        def without() -> Face:
            face, name = self._current(asked), clean_name(asked.get("name"))
            own = tuple(d for d in face.own if (d.model, d.name) != (face.model, name))
            gone = {d.key for d in face.own if d not in own}
            return replace(face, own=own, directions=tuple(pair for pair in face.directions if pair[0] not in gone))

        return self._shown(without, asked)

    # ---- a part of the tab ------------------------------------------------------------------------------------------

    def models(self) -> list[tuple[str, str]]:
        """What to call each model that is there now, and its name."""
        return [(entry.label, entry.name) for entry in self.library.entries()]

    def sliders(self, asked: dict) -> dict:
        """Other sliders of the same face; those among which the one with a "key" is, where one is given.

        Returns:
            "bases" and "pages" there are, the "basis" and "page" shown, and of each of its "sliders" the "key",
            "label" and "value"; {} where the face cannot be shown.
        """
        try:
            return self._sliders(self._current(asked), asked)
        except (FaceError, RunError):
            return {}

    def grid(self, asked: dict) -> dict:
        """Faces of the seeds from "start" on, as a "model" draws them at a "truncation".

        Returns:
            "start", the "last" that there can be, and "pictures" (data URIs) of "size" pixels; {} for a model that
            cannot be used, which is said in the picture's place.
        """
        try:
            face = Face(asked.get("model"), truncation=asked.get("truncation"))
            start = first_seed(asked.get("start") or 0, GRID_FACES)
            images = draw_seeds(self.library, face.model, range(start, start + GRID_FACES), face.truncation)
        except (FaceError, RunError):
            return {}
        pictures = [thumbnail_uri(pixels) for pixels in images]
        return {"start": start, "last": GRID_LAST, "size": images.shape[1], "pictures": pictures}

    def pad(self, asked: dict) -> dict:
        """What lies behind the pad of a "face" that has it open.

        Returns:
            "sliders": of each basis, the "key" and "label" of all that the pad can have beside the truncation; and
            "pictures" (data URIs) of `plane`, of "size" pixels; {} where it has none, or cannot be drawn.
        """
        try:
            face = Face.from_json(asked.get("face"))
            config, directions = self.library.entry(face.model).info.config, self.library.directions(face.model)
            face = face.fitted(config, directions)
            if not face.pad:
                return {}
            faces = plane(face)
            z = torch.cat([latent(self.library, one) for one in faces])
            psi = torch.tensor([one.truncation for one in faces])
            images = draw_many(self.library.generator(face.model), z, psi)
        except (FaceError, RunError):
            return {}
        available = bases(face, config.z_dim, directions.values())
        return {
            "sliders": {
                basis: [vars(slider) for slider in itertools.chain(*pages.values())]
                for basis, pages in available.items()
            },
            "size": config.image_size,
            "pictures": [thumbnail_uri(pixels) for pixels in images],
        }

    def warm_up(self) -> None:
        """Load and draw what the first visitor will see; does nothing where there is no model."""
        with contextlib.suppress(RunError):
            face = self.default_face()
            self.draw({"face": face.to_json()})
            self.grid({"model": face.model, "truncation": 1.0})
            for truncation in np.linspace(0, MAX_TRUNCATION, 7):  # what a drag through all of them has to measure
                draw(self.library, replace(face, truncation=float(truncation)))

    def default_face(self) -> Face:
        """The first face of our own recipe's model, else of the largest, in the first folder that has any.

        Raises:
            RunError: there is no usable model.
        """
        usable = [entry for entry in self.library.entries() if not entry.problem]
        if not usable:
            raise RunError(NO_MODEL)
        shipped = [entry for entry in usable if entry.folder.parent == usable[0].folder.parent]
        best = max(shipped, key=lambda entry: rank(entry.info.config))
        return Face(best.name)

    def _current(self, asked: dict) -> Face:
        return Face.from_json(asked["face"]) if asked.get("face") else self.default_face()

    def _drawn(self, face: Face, asked: dict) -> dict:
        entry = self.library.entry(face.model)
        drawn, config = draw(self.library, face), entry.info.config
        return {
            "picture": picture_uri(drawn.pixels, smooth=asked.get("pixels") is not True),
            "score": drawn.score,
            "milliseconds": drawn.milliseconds,
            "about": {
                "size": config.image_size,
                "numbers": config.z_dim,
                "training": entry.in_training,
                "distribution": config.z_distribution,
                "seen": task_of(entry.info.data.kind) is not None,
            },
        }

    def _sliders(self, face: Face, asked: dict) -> dict:
        directions = self.library.directions(face.model).values()
        available = bases(face, self.library.entry(face.model).info.config.z_dim, directions)
        basis, page = choose(available, face, asked.get("basis"), asked.get("page"), asked.get("key"))
        return {
            "bases": list(available),
            "basis": basis,
            "pages": list(available[basis]),
            "page": page,
            "sliders": [
                {"key": slider.key, "label": slider.label, "value": slider.value(face)}
                for slider in available[basis][page]
            ],
        }

    def _shown(self, make: Callable[[], Face], asked: dict, note: str = "") -> dict:
        """All that the tab shows of the face that `make` gives.

        Returns:
            "face" as JSON, its "model", the "title" and "marks" (`Library.marks`) of that, and all "models", "seed",
            "truncation", what `sliders` and `draw` return, a "note" beside the picture, and "own": the visitor's
            directions. Where the model cannot be used, "notice" and of the rest "face", "model" and "models", if the
            face is known.
        """
        try:
            face = make()
        except (FaceError, RunError) as error:
            return _failed(error)
        named = {"model": face.model, "models": self.models()}
        try:
            config = self.library.entry(face.model).info.config
            before, title = face, title_of(face.model, config)
            face = before.fitted(config, self.library.directions(face.model))
            if before.latent and not face.latent:
                numbers = len(decode_latent(before.latent))
                note = (
                    f"This face was {numbers} numbers of its own, and {title} draws from {config.z_dim}: "
                    f"seed {face.seed} is shown instead."
                )
            return (
                {"face": face.to_json(), "seed": face.seed, "truncation": face.truncation, "note": note}
                | {"own": _own(face), "stamp": time.time_ns(), "title": title}
                | {"marks": self.library.marks(face.model)}
                | named
                | self._sliders(face, asked)
                | self._drawn(face, asked)
            )
        except RunError as error:  # the face is kept as it is: the model may be mended while the page is open
            return _failed(error) | {"face": face.to_json()} | named


def _own(face: Face) -> dict:
    """The visitor's directions: those "made" for the face's "model", how many "elsewhere", whether they are "full"."""
    made = [direction for direction in face.own if direction.model == face.model]
    return {
        "model": face.model,
        "made": [{"name": d.name, "has": len(d.has), "lacks": len(d.lacks)} for d in made],
        "elsewhere": len(face.own) - len(made),
        "full": len(face.own) >= MAX_OWN,
        "most": MAX_OWN,
    }


def _failed(error: Exception) -> dict:
    return {"notice": str(error), "stamp": time.time_ns()}


def _parameters(query: object) -> dict[str, str]:
    if not isinstance(query, str):
        raise FaceError(f"query {short(query)}: expected the part of a link after its '?'")
    return dict(parse_qsl(query[:MAX_TEXT]))
