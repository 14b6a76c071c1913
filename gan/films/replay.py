"""A run's training as something to watch: its sample sheets, curves and events on one axis, images seen.

Reads what `gan.run` describes, also while a training is writing it, and never fails on a part that is
missing or damaged: what is there is shown, and `Replay.problem` says in one sentence what is not.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gan.data_record import UNKNOWN
from gan.history import FIRST_SAMPLE_IMAGES, read_history, samples, snapshots
from gan.run import RunError, RunInfo, read_info
from gan.sampling import generate, truncation_of
from gan.weights import load_generator

LOSSES = ("loss_g", "loss_d")
SCORES = ("d_real", "d_fake")
CURVES = LOSSES + SCORES
COLUMNS = (*CURVES, "diversity")  # of the history, that a viewer shows
MAX_SHEETS = 96  # of a replay: more than a viewer can tell apart, and 512x512 each in a browser's memory
MAX_ROWS = 1200  # about one per pixel of a wide screen
MAX_SNAPSHOTS = 48  # of a film strip
MAX_EVENTS = 200  # of a replay
_MAX_EVENT = 300  # characters of an event's text


@dataclass(frozen=True)
class Sheet:
    """One sample sheet: the pictures of `gan.history.SAMPLE_SEEDS` at one moment of training."""

    index: int
    path: Path
    images_seen: int
    epoch: float | None
    seconds: float | None  # of training


@dataclass(frozen=True)
class Event:
    """What a run noticed about itself."""

    images_seen: int
    text: str


@dataclass(frozen=True)
class Replay:
    """What there is to show of a run.

    Attributes:
        name: as the page calls the run.
        sheets: by images seen, at most `MAX_SHEETS`, the first and the last always among them.
        rows: history rows with at least one of `CURVES`, keys of `gan.history.HISTORY_COLUMNS`, by images seen.
        events: by images seen.
        snapshots: (number, images seen) of the kept generators, at most `MAX_SNAPSHOTS`.
        problem: one sentence about what is missing, or None.
        info: what config.json says; None where it cannot be read.
    """

    name: str
    sheets: tuple[Sheet, ...]
    rows: tuple[dict, ...]
    events: tuple[Event, ...]
    snapshots: tuple[tuple[int, int], ...]
    problem: str | None = None
    info: RunInfo | None = None

    @property
    def weights_at(self) -> int:
        """Images seen of the weights that are shown: a training writes them with each sheet."""
        return self.sheets[-1].images_seen if self.sheets else self.images_seen

    @property
    def images_seen(self) -> int:
        """Where the run ends, or has come to."""
        last = [self.sheets[-1].images_seen] if self.sheets else []
        last += [self.rows[-1]["images_seen"]] if self.rows else []
        return max(last, default=0)

    def sheet_at(self, images_seen: float) -> Sheet | None:
        """The newest sheet that was made by then; before the first one, the first."""
        at = bisect.bisect_right([sheet.images_seen for sheet in self.sheets], images_seen)
        return self.sheets[max(0, at - 1)] if self.sheets else None

    def row_at(self, images_seen: float) -> dict | None:
        """The newest history row by then; before the first one, None."""
        at = bisect.bisect_right([row["images_seen"] for row in self.rows], images_seen)
        return self.rows[at - 1] if at else None

    def nearest_sheet(self, step: float) -> Sheet | None:
        """The sheet nearest to a moment of the run.

        Args:
            step: 0 to 1 is a share of the run's images seen, above 1 a number of images seen.
        """
        wanted = step * self.images_seen if step <= 1 else step
        return min(self.sheets, key=lambda sheet: abs(sheet.images_seen - wanted), default=None)

    def curve(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """One column of the history: (images_seen, values), both (N,) float64, NaN where not measured."""
        values = [row.get(column) for row in self.rows]
        images = np.array([row["images_seen"] for row in self.rows], np.float64)
        return images, np.array([math.nan if value is None else value for value in values], np.float64)


def load_replay(folder: Path, name: str = "") -> Replay:
    """Read a model folder's replay; what cannot be read is left out and named in `problem`.

    Args:
        folder: of a run, finished, in training, broken or empty.
        name: what to call it; the folder's name by default.
    """
    folder = Path(folder)
    try:
        history, problem = [_without_nan(row) for row in read_history(folder)], None
    except RunError as error:
        history, problem = [], str(error)
    history.sort(key=lambda row: row["images_seen"])
    files = samples(folder)
    sheets = _sheets(history, files)
    if problem is None and not history:
        problem = "This run has no history yet: training writes history.csv with its first sample sheet."
    if problem is None and not sheets:
        missing = "no sample sheet yet" if not files else "sample sheets, but its history names none of them"
        problem = f"This run has {missing}: only its curves can be shown."
    rows = [row for row in history if any(row.get(column) is not None for column in CURVES)]
    kept = snapshots(folder)
    drawers = [(row["snapshot"], row["images_seen"]) for row in history if row.get("snapshot") in kept]
    events = [Event(row["images_seen"], row["event"][:_MAX_EVENT]) for row in history if row.get("event")]
    return Replay(
        name or folder.name,
        tuple(_spread(sheets, [sheet.images_seen for sheet in sheets], MAX_SHEETS)),
        tuple(rows),
        tuple(_spread(events, [event.images_seen for event in events], MAX_EVENTS)),
        tuple(_spread(drawers, [images for _, images in drawers], MAX_SNAPSHOTS)),
        problem,
        _info(folder),
    )


def described(replay: Replay, version: Callable[[Path], str]) -> dict:
    """What gan/web/replay draws of a run, for JSON.

    Args:
        version: of a sheet's file; changes with it.
    """
    kept = thin_rows(replay.rows)
    window = smoothing_window(len(replay.rows))
    curves, smoothed = {}, {}
    for column in COLUMNS:
        _, values = replay.curve(column)
        curves[column] = _numbers(values[kept])
        smoothed[column] = _numbers(smooth(values, window)[kept])
    config = replay.info and replay.info.config
    return {
        "kind": replay.info.data.kind if replay.info else UNKNOWN,
        "latent": f"{config.z_dim} {config.z_distribution}" if config else "",  # whose seeds are the same numbers
        "images_seen": replay.images_seen,
        "sheets": [[s.index, s.images_seen, version(s.path), s.epoch, s.seconds] for s in replay.sheets],
        "images": [replay.rows[index]["images_seen"] for index in kept],
        "curves": curves,
        "smoothed": smoothed,
        "window": window,
        "events": [[event.images_seen, event.text] for event in replay.events],
        "snapshots": len(replay.snapshots),
    }


def thin_rows(rows: Sequence[dict], most: int = MAX_ROWS) -> list[int]:
    """Indices of at most `most` rows, spread over both kinds of axis: half by count, half by `warp`."""
    if len(rows) <= most:
        return list(range(len(rows)))
    even = np.linspace(0, len(rows) - 1, most // 2).round().astype(int)
    early = _spread(range(len(rows)), [row["images_seen"] for row in rows], most // 2)
    return sorted({*even.tolist(), *early})


def warp(images_seen: float | np.ndarray) -> float | np.ndarray:
    """The logarithmic time axis, which also has a place for 0: asinh(images / `FIRST_SAMPLE_IMAGES`)."""
    return np.arcsinh(np.asarray(images_seen) / FIRST_SAMPLE_IMAGES)


def smoothing_window(rows: int) -> int:
    """Rows over which a curve of so many rows is averaged for display: odd, 1 for a short one."""
    return max(1, rows // 25) | 1


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the `window` values around each one, fewer at the ends; NaN is left out.

    Args:
        values: (N,) float64.
        window: odd.

    Returns:
        (N,) float64; NaN where the window holds nothing else.
    """
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    half = window // 2
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    n = counts[high] - counts[low]
    return np.where(n > 0, (sums[high] - sums[low]) / np.maximum(n, 1), math.nan)


def film_strip(
    folder: Path, replay: Replay, z: torch.Tensor, truncation: float = 1.0, pause: Callable[[], None] = lambda: None
) -> tuple[list[np.ndarray], list[int]]:
    """One latent vector drawn by every snapshot of a run.

    Args:
        folder: the run.
        replay: of that folder; its `snapshots` are drawn.
        z: (1, z_dim) float32.
        truncation: psi, see `gan.sampling.generate`.
        pause: is called between pieces of the work.

    Returns:
        Of each snapshot (H, W, C) uint8, and its images seen. Damaged ones are left out.
    """
    pictures, moments = [], []
    for number, images_seen in replay.snapshots:
        try:
            generator = load_generator(folder, snapshot=number)
        except RunError:
            continue
        pause()
        if truncation != 1:
            for _ in truncation_of(generator).measure(torch.tensor([truncation])):
                pause()
        pictures.append(generate(generator, z, truncation=truncation)[0])
        moments.append(images_seen)
    return pictures, moments


def _info(folder: Path) -> RunInfo | None:
    try:
        return read_info(folder)
    except RunError:
        return None


def _numbers(values: np.ndarray) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]


def _sheets(history: list[dict], files: dict[int, Path]) -> list[Sheet]:
    rows = {row["sample"]: row for row in history if row.get("sample") in files}
    sheets = [
        Sheet(index, files[index], row["images_seen"], row.get("epoch"), row.get("seconds"))
        for index, row in rows.items()
    ]
    return sorted(sheets, key=lambda sheet: (sheet.images_seen, sheet.index))


def _spread(items: Sequence, images_seen: list[int], most: int) -> list:
    """At most `most` of the items, evenly along `warp`, with the first and the last."""
    if len(items) <= most:
        return list(items)
    positions = warp(np.array(images_seen, np.float64))
    wanted = np.linspace(positions[0], positions[-1], most)[:-1]
    nearest = np.searchsorted((positions[1:] + positions[:-1]) / 2, wanted)
    return [items[index] for index in sorted({*nearest.tolist(), len(items) - 1})]


def _without_nan(row: dict) -> dict:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
