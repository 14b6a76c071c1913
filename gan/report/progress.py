"""A strip of samples from the beginning, the middle and the end of a training, for its card."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from gan import run
from gan.files import atomic_path
from gan.history import SAMPLE_COLUMNS, read_history, read_sheet, samples

_HEIGHT = 64  # pixels of a picture, at least


def write_progress(folder: Path) -> tuple[int, int, int] | None:
    """Write the strip, a row of the same seeds for each of three moments.

    Returns:
        How many real pictures the model had seen at each of them; None where it has fewer sheets, and so no strip.

    Raises:
        gan.run.RunError: a sheet that cannot be read.
    """
    moments, sheets = moments_of(folder), samples(folder)
    if moments is None:
        (folder / run.PROGRESS_FILE).unlink(missing_ok=True)
        return None
    rows = []
    for sheet in moments:
        picture = np.asarray(Image.open(io.BytesIO(read_sheet(sheets[sheet]))).convert("RGB"))
        rows.append(picture[: picture.shape[1] // SAMPLE_COLUMNS])
    strip = np.concatenate(rows)
    factor = max(1, _HEIGHT // rows[0].shape[0])
    picture = Image.fromarray(np.repeat(np.repeat(strip, factor, axis=0), factor, axis=1))
    with atomic_path(folder / run.PROGRESS_FILE) as path:
        picture.save(path, quality=85, method=6)
    return tuple(moments.values())


def moments_of(folder: Path) -> dict[int, int] | None:
    """Three sheets, of the beginning, the middle and the end, with how many real pictures the model had seen.

    Returns:
        Images seen by the sheet's number; None where there are fewer sheets.
    """
    sheets = samples(folder)
    seen = {row["sample"]: row["images_seen"] for row in read_history(folder) if row.get("sample") in sheets}
    if len(seen) < 3:
        return None
    first, *between, last = sorted(seen)
    middle = min(between, key=lambda sheet: abs(seen[sheet] - seen[last] / 2))
    return {sheet: seen[sheet] for sheet in (first, middle, last)}
