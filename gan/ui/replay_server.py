"""What the Replay tab's browser side may ask of the server, each answer as plain JSON.

Every argument comes from a stranger's browser: names are looked up in the library, numbers are bounded, and what takes
long is done once for all and one at a time. What cannot be is raised as a `GanError`.
"""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan.files import read_inside, reason
from gan.films.replay import COLUMNS, MAX_SHEETS, described, film_strip, load_replay
from gan.history import read_sheet, samples, snapshots
from gan.run import HISTORY_FILE, RunError
from gan.titles import title_of
from gan.ui.drawing import draw_many, file_answer, latent, thumbnail_uri
from gan.ui.library import Entry, Library
from gan.ui.places import breathe, locked, price
from gan.ui.state import Face, model_of
from gan.ui.values import FaceError, number

MAX_ANSWER_BYTES = 4 * 2**20  # of sheets in one answer; the browser asks again for the rest
MAX_FILE_BYTES = 16 * 2**20  # of one file that is sent on as it is
# What they take, about: a film, a picture of the curves, reading a run, and of a strip each snapshot, as it is and
# truncated, for which a snapshot draws many pictures.
_FILM_MILLISECONDS, _PNG_MILLISECONDS, _RUN_MILLISECONDS = 8000.0, 1500.0, 120.0
_SNAPSHOT_MILLISECONDS = 100.0, 1200.0
_making = threading.Lock()  # what another visitor has made already is not made again
MAX_STEP = 1e12  # images seen, of a moment; no run comes near
_TYPES = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4", "png": "image/png", "csv": "text/csv"}


class ReplayServer:
    """Answers of the Replay tab; safe to use from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def open(self, asked: dict) -> dict:
        """What the tab begins with: the runs that it showed, or where there are none the one that drew Explore's face.

        Args:
            asked: {"explored": Explore's state, "run", "second": what the tab showed}.

        Returns:
            {"choices": of the run and of the second one, "message": {"run", "second": "" for none}}.
        """
        run, second = asked.get("run"), asked.get("second")
        entries = self._library.entries()
        names = [entry.name for entry in entries]
        run = run if run in names else _first(entries, asked.get("explored"))
        second = second if second in names else ""
        choices = [(entry.label, entry.name) for entry in entries]
        return {
            "choices": [
                {"choices": choices, "value": run},
                {"choices": [("no other run", ""), *choices], "value": second},
            ],
            "message": {"run": run, "second": second},
        }

    def replay_run(self, asked: dict) -> dict:
        """All numbers of a run, and which sheets it has.

        Args:
            asked: {"name": of a run, "stamp": of the answer that the browser already has, if any}.

        Returns:
            {"stamp", "unchanged": True} where nothing is new, else what gan/web/replay draws.
        """
        entry = self._entry(asked.get("name"))
        parts = [_stamp(entry.folder / part) for part in (HISTORY_FILE, "samples", "snapshots")]
        stamp = f"{entry.in_training} {entry.problem} {parts}"
        if asked.get("stamp") == stamp:
            return {"stamp": stamp, "unchanged": True}
        price(_RUN_MILLISECONDS)
        replay = load_replay(entry.folder, entry.name)
        problem = " ".join(filter(None, (entry.problem, replay.problem)))
        about = {"title": _title(entry), "problem": problem, "training": entry.in_training}
        return {"stamp": stamp, **about, **described(replay, _stamp)}

    def replay_sheets(self, asked: dict) -> dict:
        """Sample sheets as they are on disk.

        Args:
            asked: {"name": of a run, "sheets": numbers of its sheets, most wanted first}.

        Returns:
            {"sheets": [number, version, WebP as base64] each}: as many as fit in one answer, in that order;
            a sheet that is gone or too large comes as None.
        """
        entry, wanted = self._entry(asked.get("name")), asked.get("sheets")
        wanted = [sheet for sheet in wanted[:MAX_SHEETS] if isinstance(sheet, int)] if isinstance(wanted, list) else []
        files, answer, size = samples(entry.folder), [], 0
        for sheet in dict.fromkeys(wanted):
            if sheet not in files:
                continue
            version = _stamp(files[sheet])
            content = _sheet(files[sheet])
            size += len(content or b"")
            if answer and size > MAX_ANSWER_BYTES:
                break
            answer.append([sheet, version, base64.b64encode(content).decode() if content else None])
        return {"sheets": answer}

    def replay_download(self, asked: dict) -> dict:
        """A file to keep.

        Args:
            asked: {"runs": one or two names, "kind": "mp4", "gif", "webp", "png" or "csv", "logarithmic": bool}; a
                "csv" is one run's, as it lies on disk, and the browser puts two together.

        Returns:
            {"name", "type", "content" in base64}.
        """
        names, kind = asked.get("runs"), asked.get("kind")
        if not isinstance(names, list) or not 1 <= len(names) <= 2 or kind not in list(_TYPES):
            raise RunError(f"a download needs one or two runs and a kind out of {', '.join(_TYPES)}")
        entries = [self._entry(name) for name in names]
        content = self._file(entries, kind, asked.get("logarithmic") is not False)
        stem = "-".join(entry.name.replace("/", "-") for entry in entries)
        what = {"png": "curves", "csv": "history"}.get(kind, "replay")
        return file_answer(f"{stem}-{what}.{kind}", _TYPES[kind], content)

    def strip(self, asked: dict) -> dict:
        """Explore's face drawn by every snapshot of a run, and last by its weights as they are.

        Args:
            asked: {"face": Explore's state, "run": name, "last": true for the last picture only}.

        Returns:
            {"run", "last", "about", "images": of each picture, "film": data URI of all in a row}, or {"run", "last",
            "problem"}: the browser must know for what it was asked.
        """
        face, name = asked.get("face"), asked.get("run")
        told = {"run": name if isinstance(name, str) else "", "last": asked.get("last") is True}
        try:
            entry = self._library.entry(name)
            shown = Face.from_json(face) if face else None
            if shown is None:
                raise RunError("There is no face yet: choose one in Explore first.")
            z, about = self._latent(shown, entry)
            price(_RUN_MILLISECONDS)
            replay = load_replay(entry.folder, entry.name)
            pictures, moments = [], []
            if not told["last"]:
                price(len(replay.snapshots) * _SNAPSHOT_MILLISECONDS[shown.truncation != 1])
                newest = tuple(_stamp(path) for path in snapshots(entry.folder).values())
                with locked(_making):
                    pictures, moments = _film_strip(
                        entry.folder, replay.name, tuple(z[0].tolist()), shown.truncation, newest
                    )
            if not moments or moments[-1] < replay.weights_at:
                pictures = [*pictures, *draw_many(self._library.generator(name), z, shown.truncation)]
                moments = [*moments, replay.weights_at]
        except (RunError, FaceError) as error:
            return told | {"problem": str(error)}
        film = thumbnail_uri(np.concatenate(pictures, axis=1))
        return told | {"about": about, "images": moments, "film": film}

    def moment(self, name: str, step: float) -> tuple[Image.Image, dict]:
        """The sample sheet nearest to a moment of a run, and the run's numbers there.

        Args:
            step: 0 to `MAX_STEP`, see `gan.films.replay.Replay.nearest_sheet`.

        Raises:
            gan.run.RunError, gan.ui.values.FaceError: no such run, one without sheets, or a step out of range.
        """
        from gan.films.replay_film import open_sheet

        number("step", step, 0, MAX_STEP)
        price(_RUN_MILLISECONDS)
        replay = load_replay(self._entry(name).folder, name)
        sheet = replay.nearest_sheet(step)
        if sheet is None:
            raise RunError(f"{name}: {replay.problem}")
        row = replay.row_at(sheet.images_seen) or {}
        numbers = {
            "model": name,
            "images_seen": sheet.images_seen,
            "epoch": sheet.epoch,
            "seconds": sheet.seconds,
            **{column: row.get(column) for column in COLUMNS},
            "sheet": sheet.index,
            "sheets": len(replay.sheets),
            "run_images_seen": replay.images_seen,
        }
        return open_sheet(sheet.path), numbers

    def _entry(self, name: object) -> Entry:
        """The run, also a broken one: what there is of it can still be looked at."""
        found = next((entry for entry in self._library.entries() if entry.name == name), None)
        return found or self._library.entry(name)

    def _latent(self, face: Face, entry: Entry):
        """Explore's latent vector for this run, and in words whose it is; raises `RunError` where it has none."""
        config = entry.info.config
        drawer = next((e for e in self._library.entries() if e.name == face.model and e.info), entry)
        own, theirs = drawer.info.config, _title(drawer)
        if (own.z_dim, own.z_distribution) != (config.z_dim, config.z_distribution):
            raise RunError(
                f"The face in Explore is {own.z_dim} {own.z_distribution} numbers of {theirs}, and {_title(entry)} "
                f"draws from {config.z_dim} {config.z_distribution} ones: choose {theirs} here, "
                f"or {_title(entry)} there."
            )
        changes = f", {face.changes} of its sliders moved" if face.changes else ""
        origin = face.origin[0].upper() + face.origin[1:]
        about = f"{origin}{changes}, truncation {face.truncation:g}"
        if face.model != entry.name:
            about += f": what {theirs} draws in Explore is here what {_title(entry)} made of the same numbers"
        return latent(self._library, face) if face.directions else face.z(own), about

    def _file(self, entries: Sequence[Entry], kind: str, logarithmic: bool) -> bytes:
        if kind == "csv":
            if len(entries) > 1:
                raise RunError("a history is one run's: ask for each of the two")
            try:
                return read_inside(entries[0].folder, HISTORY_FILE, MAX_FILE_BYTES)
            except OSError as error:
                raise RunError(f"{entries[0].name} has no history.csv to send ({reason(error)}).") from error
        runs = tuple((entry.folder, entry.name) for entry in entries)
        stamps = tuple((_stamp(folder / HISTORY_FILE), _stamp(folder / "samples")) for folder, _ in runs)
        price(_PNG_MILLISECONDS if kind == "png" else _FILM_MILLISECONDS)
        with locked(_making):
            return _export(runs, stamps, kind, logarithmic)


@functools.lru_cache(maxsize=3)
def _export(runs: tuple[tuple[Path, str], ...], stamps: tuple, kind: str, logarithmic: bool) -> bytes:
    from gan.films.replay_film import curves_png, film  # matplotlib: not while the page starts

    replays = [load_replay(folder, name) for folder, name in runs]
    if kind == "png":
        return curves_png(replays, logarithmic=logarithmic)
    return film(replays, kind, logarithmic=logarithmic, pause=breathe)


@functools.lru_cache(maxsize=16)
def _film_strip(
    folder: Path, name: str, z: tuple[float, ...], truncation: float, stamps: tuple
) -> tuple[list[np.ndarray], list[int]]:
    import torch

    return film_strip(folder, load_replay(folder, name), torch.tensor([z]), truncation, pause=breathe)


def _first(entries: list[Entry], face: object) -> str | None:
    """For a visitor who has chosen nothing: what draws the face in Explore, else the first whole run, else any."""
    named = [entry.name for entry in entries if entry.name == model_of(face)]
    whole = [entry.name for entry in entries if entry.problem is None]
    return next(iter(named + whole + [entry.name for entry in entries]), None)


def _title(entry: Entry) -> str:
    """What people call it."""
    return title_of(entry.name, entry.info and entry.info.config)


def _sheet(path: Path) -> bytes | None:
    try:
        return read_sheet(path, MAX_FILE_BYTES)
    except RunError:
        return None


def _stamp(path: Path) -> str:
    """Changes with the file; text, because a browser's numbers are too short for nanoseconds."""
    try:
        return f"{path.stat().st_mtime_ns}"
    except OSError:
        return ""
