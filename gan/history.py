"""What a run wrote on its way: history.csv, and the sample sheets and snapshots that its rows name.

The columns `sample` and `snapshot` of the history say at how many images each was made.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan.files import MOST_TENSOR_BYTES, atomic_path, read_inside, read_text, reason, remove_leftovers, write_text
from gan.models import Generator
from gan.run import HISTORY_FILE, MOST_IMAGES, MOST_MEASURED, RunError, snapshot_file
from gan.sampling import image_grid
from gan.weights import best_facts, save_weights

FIRST_SAMPLE_IMAGES = 256  # where the log-spaced sample sheets begin
SAMPLE_COLUMNS = 8
SAMPLE_SEEDS = range(SAMPLE_COLUMNS**2)  # of every sample sheet, so that each of its faces can be opened by seed
MOST_SHEET_BYTES = 16 * 2**20
MOST_SHEET_SIDE = SAMPLE_COLUMNS * 1024  # pixels: of the largest pictures that a model may draw
MOST_HISTORY_BYTES = 64 * 2**20
MOST_ROWS = 20_000  # of a history that are read: 32 million images at 50 steps of 32 from row to row
_MOST_NUMBERED = 20_000  # files of one kind that are looked at
HISTORY_COLUMNS = (
    "images_seen",  # real pictures shown to the discriminator
    "epoch",  # passes over the data, with fraction
    "seconds",  # of training, over all sessions
    "loss_g",  # losses and scores: means over the steps since the row before
    "loss_d",  # without gradient penalties
    "d_real",  # mean sigmoid(D(x))
    "d_fake",  # mean sigmoid(D(G(z)))
    "penalty",  # R1 and R2, weighted
    "grad_norm_g",  # of this row's step
    "grad_norm_d",
    "diversity",  # mean pairwise distance of this step's generated batch / that of its real batch
    "frechet_distance",  # the generator that is shown against training pictures, now and then (gan.metrics.monitor)
    "sliced_wasserstein",
    "sure_share",
    "sample",  # number of the sample sheet made here
    "snapshot",  # number of the generator snapshot made here
    "event",  # what the run noticed about itself, in words
)


def append_history(folder: Path, row: dict[str, float | int | str]) -> None:
    """Add one row to history.csv; keys are of `HISTORY_COLUMNS`, what is left out stays empty.

    A row that the disk does not take whole is taken back; raises OSError.
    """
    path = Path(folder) / HISTORY_FILE
    if "event" in row:
        row = row | {"event": " ".join(str(row["event"]).split())}  # a row is a line
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    size = path.stat().st_size if path.exists() else 0
    if not size:
        writer.writeheader()
    writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()})
    with open(path, "ab", buffering=0) as file:
        content = text.getvalue().encode()
        try:
            if (written := file.write(content)) < len(content):
                file.write(content[written:])  # says why
        except OSError:
            file.truncate(size)
            raise


def read_history(folder: Path) -> list[dict[str, float | int | str | None]]:
    """The rows of history.csv: numbers as float, `images_seen`, `sample`, `snapshot` as int, empty as None.

    A row that is damaged, or that a crash cut short, is left out; no file is an empty history. Of one with more than
    `MOST_ROWS` rows, so many are read: evenly chosen ones of those with a sheet, a snapshot or an event, as many of
    the others, and the last.

    Raises:
        RunError: it is no regular file of the folder, or has more than `MOST_HISTORY_BYTES`.
    """
    try:
        text = read_inside(folder, HISTORY_FILE, MOST_HISTORY_BYTES).decode("utf-8-sig", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(
            f"history.csv of {Path(folder).name} cannot be read ({reason(error)}): restore it, or delete it"
        ) from error
    head, *lines = text.replace("\r", "").split("\n")
    columns = head.split(",")
    rows = (_parse_row(columns, line) for line in _thinned(lines))
    return [row for row in rows if row is not None]


def images_seen(folder: Path, *, best: bool = False) -> int | None:
    """Real pictures seen by model.safetensors, or by best.safetensors; None where the folder does not say."""
    if best:
        facts = best_facts(folder)
        return facts["images_seen"] if facts else None
    history = read_history(folder)
    return history[-1]["images_seen"] if history else None


def rewind(folder: Path, history_rows: int, n_samples: int, n_snapshots: int) -> None:
    """Drop what a run wrote after its last checkpoint, so that resuming writes it again, once.

    Args:
        history_rows: rows of history.csv to keep, without the header.
        n_samples, n_snapshots: numbered files to keep.
    """
    folder = Path(folder)
    remove_leftovers(folder)
    path = folder / HISTORY_FILE
    if path.exists():
        lines = read_text(path).splitlines(keepends=True)[: history_rows + 1]
        if lines and lines[0].rstrip("\n") != ",".join(HISTORY_COLUMNS):  # of a version with other columns
            lines = _with_all_columns(lines)
        write_text(path, "".join(lines))
    for files, keep in ((samples(folder), n_samples), (snapshots(folder), n_snapshots)):
        for index, file in files.items():
            if index >= keep:
                file.unlink()


def save_sample(folder: Path, index: int, images: np.ndarray) -> None:
    """Write sample sheet `index`: images (N, H, W, C) uint8 of `SAMPLE_SEEDS`, in that order."""
    grid = image_grid(images, SAMPLE_COLUMNS)
    picture = Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid)
    with atomic_path(Path(folder) / "samples" / f"{index:04d}.webp") as path:
        picture.save(path, quality=90, method=4)


def save_snapshot(folder: Path, index: int, generator: Generator) -> None:
    """Write generator snapshot `index`."""
    save_weights(Path(folder) / snapshot_file(index), generator)


def samples(folder: Path) -> dict[int, Path]:
    """Sample sheets by number, in order."""
    return _numbered(Path(folder) / "samples", ".webp")


def snapshots(folder: Path) -> dict[int, Path]:
    """Generator snapshots by number, in order."""
    return _numbered(Path(folder) / "snapshots", ".safetensors")


def read_sheet(path: Path, most: int = MOST_SHEET_BYTES) -> bytes:
    """The file of a sample sheet: a whole WebP of at most `MOST_SHEET_SIDE` pixels a side.

    Args:
        path: one of `samples`.
        most: bytes.

    Raises:
        RunError: it is gone, damaged, or no sheet.
    """
    path = Path(path)
    try:
        content = read_inside(path.parent.parent, f"{path.parent.name}/{path.name}", most)
        if content[:4] + content[8:12] != b"RIFFWEBP" or int.from_bytes(content[4:8], "little") + 8 > len(content):
            raise ValueError("no whole WebP")
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
            if max(picture.size) > MOST_SHEET_SIDE:
                raise ValueError(f"{picture.width} x {picture.height} pixels, more than {MOST_SHEET_SIDE} a side")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{path.name} cannot be read ({reason(error)}): train again, or leave it out") from error
    return content


def copy_replay(source: Path, folder: Path) -> None:
    """Copy a run's sample sheets and snapshots into another folder that has none."""
    for files in (samples(source), snapshots(source)):
        for path in files.values():
            name = f"{path.parent.name}/{path.name}"
            try:
                content = read_inside(source, name, MOST_TENSOR_BYTES)
            except OSError as error:
                raise RunError(f"{path} cannot be copied ({reason(error)}): remove it") from error
            with atomic_path(Path(folder) / name) as temporary:
                temporary.write_bytes(content)


def _thinned(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= MOST_ROWS + 1:  # the last one is what follows the last line's end
        return lines
    kept = {len(lines) - 2, len(lines) - 1}
    parts: tuple[list[int], list[int]] = [], []
    for number, line in enumerate(lines):  # sample, snapshot and event are a row's last columns
        parts[line.endswith(",,,")].append(number)
    for part in parts:
        kept.update(part[:: -(-len(part) * 2 // MOST_ROWS) or 1])
    return [lines[number] for number in sorted(kept)]


def _parse_row(columns: Sequence[str], line: str) -> dict[str, float | int | str | None] | None:
    """A line of history.csv, for the columns that are known today; None where it is no whole row."""
    try:
        cells = next(csv.reader([line]), []) if '"' in line else line.split(",")
        if len(cells) != len(columns):
            return None
        row = {
            name: _parse_cell(name, text) for name, text in zip(columns, cells, strict=True) if name in HISTORY_COLUMNS
        }
    except (ValueError, csv.Error):
        return None
    return row if row.get("images_seen") is not None else None


def _parse_cell(column: str, text: str) -> float | int | str | None:
    if text == "":
        return None
    if column == "event":
        return text
    if column in ("images_seen", "sample", "snapshot"):
        if not 0 <= (number := int(text)) <= MOST_IMAGES:
            raise ValueError(f"{column} out of range")
        return number
    return value if abs(value := float(text)) < MOST_MEASURED else math.nan


def _with_all_columns(lines: list[str]) -> list[str]:
    """The lines of a history.csv under today's header: columns that it does not have stay empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(csv.DictReader(lines))
    return file.getvalue().splitlines(keepends=True)


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    """Files whose names are numbers as we write them: four ASCII digits or more."""
    try:
        with os.scandir(folder) as found:
            names = {entry.name for entry, _ in zip(found, range(_MOST_NUMBERED), strict=False)}
    except OSError:  # none there, or no folder
        return {}
    numbers = sorted(int(name[: -len(suffix)]) for name in names if re.fullmatch(rf"[0-9]{{4,9}}{suffix}", name))
    files = {number: f"{number:04d}{suffix}" for number in numbers}
    return {number: folder / name for number, name in files.items() if name in names}
