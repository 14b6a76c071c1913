"""What the Train tab's browser side may ask of the server, each answer as plain JSON.

Every argument comes from a stranger's browser: recipes and pictures are looked up by name, numbers are bounded, and no
path is taken from it. What cannot be done is raised as a `GanError`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan import run
from gan.config import GANConfig
from gan.data.images import first_images
from gan.data.sources import DataError, absolute, record_of
from gan.data.splits import TRAINED_ON
from gan.data_record import KINDS, UNKNOWN, is_built_in
from gan.errors import GanError
from gan.files import atomic_path
from gan.history import read_history
from gan.presets import PRESET_DATA, PRESETS
from gan.titles import title_of
from gan.ui import temporary
from gan.ui.drawing import data_uri, to_image
from gan.ui.library import Library
from gan.ui.places import breathe, price
from gan.ui.trainings import (
    AT_WORK,
    DIED,
    FINISHED,
    STOPPED,
    WAITING,
    Training,
    Trainings,
    TrainingsError,
)
from gan.ui.values import number, short, whole

PREVIEWED = 25  # pictures, in rows of 5, as the exercise's show_n_images shows them
# What a visitor may change of a recipe: the field, its name, the least and the most.
FIELDS = {
    "batch_size": ("Batch", 2, 256),
    "epochs": ("Epochs", 1, 1000),
    "base_channels": ("Width", 4, 128),
    "g_lr": ("Learning rate, generator", 1e-6, 1e-1),
    "d_lr": ("Learning rate, critic", 1e-6, 1e-1),
}
MINUTES = (0.1, 24 * 60.0)
_PREVIEW_MILLISECONDS, _LOOK_MILLISECONDS, _ZIP_MILLISECONDS = 400.0, 20.0, 3000.0
_PIECE = 3 * 2**20  # bytes of a download in one answer
_RATE_ROWS = 12  # of the history, of which the speed is told
_STEP_SECONDS = 20.0  # after which a stop takes longer than it should


class TrainServer:
    """Answers of the Train tab; safe to use from many threads.

    Args:
        library: where runs are found again.
        trainings: of one of its folders.
        sources: words after --data that visitors may choose from, beside what is built in.
        data_root: where mnist and celeba are.
    """

    def __init__(self, library: Library, trainings: Trainings, sources: Sequence[str], data_root: str = "data") -> None:
        self._library, self._trainings = library, trainings
        self._data_root = os.path.abspath(Path(data_root).expanduser())
        words = [absolute(word) for word in dict.fromkeys([*sources, "drawn", "mnist"])]
        self._sources = {_called(word): word for word in words}

    def train_open(self, asked: dict) -> dict:
        """What the tab offers, and what `train_look` answers."""
        presets = [
            {
                "name": name,
                "title": title_of(name, config),
                "source": config.source,
                "data": record_of(PRESET_DATA[name]).name if name in PRESET_DATA else next(iter(self._sources)),
                "values": {field: getattr(config, field) for field in FIELDS},
            }
            for name, config in PRESETS.items()
        ]
        sources = [{"name": name, "known": is_built_in(word)} for name, word in self._sources.items()]
        fields = [
            {"key": key, "label": label, "least": low, "most": high} for key, (label, low, high) in FIELDS.items()
        ]
        offered = {"presets": presets, "sources": sources, "fields": fields, "minutes": MINUTES}
        return offered | self.train_look(asked)

    def train_look(self, asked: dict) -> dict:
        """All trainings as they are now.

        Returns:
            {"trainings": [what `_described` says], "used", "most": bytes on the disk}.
        """
        price(_LOOK_MILLISECONDS)
        names = {os.path.realpath(entry.folder): entry.name for entry in self._library.entries()}
        there = self._trainings.all()
        line = sorted((t.queued, t.name) for t, _ in there if t.queued is not None)
        places = {name: place for place, (_, name) in enumerate(line, 1)}
        described = [self._described(training, state, names, places) for training, state in there]
        return {"trainings": described, "used": self._trainings.used_bytes(), "most": self._trainings.most_bytes}

    def train_preview(self, asked: dict) -> dict:
        """The first pictures, exactly as the critic will see them.

        Args:
            asked: {"preset", "source": its name, or "upload": an id}.

        Returns:
            {"pictures": data URIs, "size": pixels, "about"}.
        """
        config, source = self._config(asked), self._source(asked)[0]
        price(_PREVIEW_MILLISECONDS)
        try:
            pictures = first_images(
                [source], PREVIEWED, image_size=config.image_size, channels=config.channels, wanted=TRAINED_ON,
                data_root=self._data_root,
            )  # fmt: skip
        except DataError as error:
            raise TrainingsError(self._without_places(str(error))) from error
        kind = "in colour" if config.channels == 3 else "in grey"
        about = f"The first {len(pictures)} pictures, {config.image_size} × {config.image_size} pixels {kind}"
        return {"pictures": [_uri(one) for one in pictures], "size": config.image_size, "about": about}

    def train_begin(self, asked: dict) -> dict:
        """Put a training into the line.

        Args:
            asked: as of `train_preview`, with "minutes", "kind" of pictures that do not say themselves, "values" of
                `FIELDS`, and "detached": whether it outlives the page.

        Returns:
            {"name"} and what `train_look` answers.
        """
        config = self._config(asked)
        source, words, upload = self._source(asked)
        arguments = [f"--preset={asked['preset']}", f"--data={source}", f"--data-root={self._data_root}"]
        for field, (_, low, high) in FIELDS.items():
            value = _value(asked, field, low, high, type(getattr(config, field)))
            if value is not None and value != getattr(config, field):
                config = config.replace(**{field: value})
                arguments.append(f"--set={field}={value}")
        kind = asked.get("kind", UNKNOWN)
        if not is_built_in(source) and kind in KINDS and kind != UNKNOWN:
            arguments.append(f"--kind={kind}")
        arguments += [f"--max-minutes={number('minutes', asked.get('minutes'), *MINUTES):g}", "--save-minutes=1"]
        stem = f"{asked['preset']}-{re.sub(r'[^a-z0-9]+', '-', words.lower()).strip('-')[:30] or 'pictures'}"
        name = self._trainings.begin(
            stem, arguments, about=f"{title_of(config.preset, config)}, on {words}",
            uploads=[upload] if upload else [], detached=asked.get("detached") is True,
        )  # fmt: skip
        return {"name": name} | self.train_look(asked)

    def train_act(self, asked: dict) -> dict:
        """Do something with a training.

        Args:
            asked: {"name", "act": "stop", "force", "continue" (for "minutes"), "keep", "let_go" or "remove"}.

        Returns:
            What `train_look` answers.
        """
        training, act = self._trainings.get(asked.get("name")), asked.get("act")
        if act == "continue":
            minutes = number("minutes", asked.get("minutes"), *MINUTES)
            more = [f"--max-minutes={minutes:g}"]
            if self._trainings.state(training) == FINISHED:
                more.append(f"--epochs={2 * run.read_info(self._folder(training)).config.epochs}")
            self._trainings.go_on(training.name, more)
        elif act in ("stop", "force"):
            self._trainings.stop(training.name, force=act == "force")
        elif act in ("keep", "let_go"):
            self._trainings.keep(training.name, act == "keep")
        elif act == "remove":
            self._trainings.remove(training.name)
        else:
            raise TrainingsError(f"act {short(act)}: expected stop, force, continue, keep, let_go or remove")
        return self.train_look(asked)

    def train_upload(self, asked: dict) -> dict:
        """A piece of a zip, see `gan.ui.uploads.Uploads.take`."""
        return self._trainings.uploads.take(asked, {u for t, _ in self._trainings.all() for u in t.uploads})

    def train_download(self, asked: dict) -> dict:
        """A piece of a zip of a training's model folder, without its checkpoint.

        Args:
            asked: {"name", "offset"}: 0 for the first piece, which makes the zip.

        Returns:
            {"name" of the file, "content" in base64, "size" of all}.
        """
        training, offset = self._trainings.get(asked.get("name")), asked.get("offset")
        if type(offset) is not int or offset < 0:
            raise TrainingsError(f"offset {short(offset)}: expected where the next piece begins")
        if not run.is_run(self._folder(training)):
            raise TrainingsError(f"{training.name} has made nothing yet that could be kept.")
        price(_ZIP_MILLISECONDS)
        packed = Path(temporary.FOLDER, f"{training.name}.zip")
        if offset == 0 or not packed.exists():
            _pack(self._folder(training), packed)
        with open(packed, "rb") as file:
            size = file.seek(0, 2)
            file.seek(offset)
            content = file.read(_PIECE)
        if offset + len(content) >= size:
            packed.unlink(missing_ok=True)
        return {"name": packed.name, "content": base64.b64encode(content).decode(), "size": size}

    # ---- of one training --------------------------------------------------------------------------------------------

    def _described(self, training: Training, state: str, names: dict[str, str], places: dict[str, int]) -> dict:
        folder = self._folder(training)
        told = {
            "name": training.name,
            "about": training.about,
            "state": state,
            "run": names.get(os.path.realpath(folder)),  # as Explore and Replay call it; None before it has drawn
            "created": training.created,
            "kept": training.kept,
            "detached": training.detached,
            "resumes": self._trainings.can_go_on(training),
            "late": training.stopping is not None and time.time() - training.stopping > _STEP_SECONDS,
            "place": places.get(training.name),
        }
        if state in (DIED, STOPPED):
            told["why"] = _why(training, state)
        if state == DIED:
            told["log"] = self._trainings.last_words(training)
        if state != WAITING:
            told |= _progress(folder, training, state)
        return told

    def _folder(self, training: Training) -> Path:
        return self._trainings.runs / training.name

    def _config(self, asked: dict) -> GANConfig:
        preset = asked.get("preset")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise TrainingsError(f"recipe {short(preset)}: expected one of {', '.join(PRESETS)}")
        return PRESETS[preset]

    def _source(self, asked: dict) -> tuple[str, str, str]:
        """The word after --data, what people call it, and the upload's id, "" for none."""
        if asked.get("upload"):
            path = self._trainings.uploads.path(asked["upload"])
            return str(path), path.name, asked["upload"]
        name = asked.get("source")
        if not isinstance(name, str) or name not in self._sources:
            raise TrainingsError(f"pictures {short(name)}: expected one of {', '.join(self._sources)}")
        return self._sources[name], name, ""

    def _without_places(self, sentence: str) -> str:
        for place in (*self._sources.values(), str(self._trainings.runs), self._data_root):
            if os.sep in place:
                sentence = sentence.replace(place, Path(place).name)
        return sentence


def _called(word: str) -> str:
    """What a visitor chooses a source by."""
    number = word.removeprefix("drawn:")
    return record_of(word).name + (f" ({number})" if number != word else "")


def _why(training: Training, state: str) -> str:
    if state == DIED:
        if training.status is None or training.status < 0 or training.status > 128:
            return "Its process was ended from outside, or the machine was."
        return "It ended with an error."
    if training.forced:
        return "It was ended at once; what was saved last is there."
    if training.stopping is None and training.status is None:
        return "It was stopped with the page that had started it, and saved."
    return "It was stopped, and saved." if training.stopping is not None else "Its time was up; it is saved."


def _progress(folder: Path, training: Training, state: str) -> dict:
    """How far it is: "seen" of "total" images, "rate" a second, "left" seconds."""
    with contextlib.suppress(GanError):
        info = run.read_info(folder)
        rows = read_history(folder)
        config = info.config
        told = {"total": config.epochs * (info.data.images // config.batch_size) * config.batch_size}
        told["seen"] = rows[-1]["images_seen"] if rows else 0
        recent = [row for row in rows[-_RATE_ROWS:] if row.get("seconds") is not None]
        seconds = recent[-1]["seconds"] - recent[0]["seconds"] if len(recent) > 1 else 0
        if state in AT_WORK and seconds > 0:
            told["rate"] = (recent[-1]["images_seen"] - recent[0]["images_seen"]) / seconds
            told["left"] = (told["total"] - told["seen"]) / told["rate"] if told["rate"] > 0 else None
            limits = [word.partition("=")[2] for word in training.next if word.startswith("--max-minutes=")]
            if limits and training.began is not None and told["left"] is not None:
                of_time = float(limits[-1]) * 60 - (time.time() - training.began)
                told["left"] = max(0.0, min(told["left"], of_time))
        return told
    return {}


def _value(asked: dict, field: str, low: float, high: float, kind: type) -> float | int | None:
    """A changed field; None where nothing is sent for it."""
    sent = asked.get("values")
    value = sent.get(field) if isinstance(sent, dict) else None
    if value is None:
        return None
    if kind is int:
        return whole(FIELDS[field][0], value, int(low), int(high))
    number(FIELDS[field][0], value, low, high)  # which rounds to what a link keeps
    return float(value)


def _uri(pixels: np.ndarray) -> str:
    return data_uri(to_image(pixels), "png", compress_level=1)


def _pack(folder: Path, packed: Path) -> None:
    """Zip a model folder, without checkpoint and temporary files."""
    with atomic_path(packed) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # nothing would pack
        for file in sorted(folder.rglob("*")):
            parts = file.relative_to(folder).parts
            left_out = parts[0] in ("checkpoint", run.STATE_FILE) or any(part.startswith(".") for part in parts)
            if not left_out and file.is_file() and not file.is_symlink():
                with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
                    archive.write(file, "/".join((folder.name, *parts)))
                breathe()
