"""What a choice shows of a model beside its name: a small picture of what it draws, and a line of what it is.

Folders may be anybody's, and at work: what is damaged, or not there yet, is left out.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from gan.data_record import UNKNOWN
from gan.errors import GanError
from gan.history import SAMPLE_COLUMNS, read_history, read_sheet, samples
from gan.presets import PRESETS
from gan.report.facts import duration
from gan.run import RunInfo
from gan.titles import origin_of

_SIDE = 80  # pixels of a picture, at most
_MOST_SHEET = SAMPLE_COLUMNS * 256  # pixels a side, of a sheet that is opened for the sake of one picture


def brief(name: str, folder: Path, info: RunInfo) -> dict:
    """A model's card, ready for JSON.

    Args:
        name: that the page knows the model by.

    Returns:
        "line": its recipe, its pictures and its training time, as far as they are known; "picture": the first of its
        newest sample sheet, a data URI; "" for none.
    """
    config, data = info.config, info.data
    recipe = origin_of(name) or (f"recipe {config.preset}" if config.preset in PRESETS else "")
    pictures = f"{config.image_size}\u00a0px {'pictures' if data.kind == UNKNOWN else data.kind}"
    line = ", ".join(filter(None, (recipe, pictures, _trained(folder))))
    return {"line": line[0].upper() + line[1:], "picture": _picture(folder)}


def _trained(folder: Path) -> str:
    try:
        history = read_history(folder)
    except GanError:
        return ""
    seconds = history[-1].get("seconds") if history else None
    return f"trained {duration(seconds)}" if seconds else ""


def _picture(folder: Path) -> str:
    sheets = samples(folder)
    try:
        content = read_sheet(sheets[max(sheets)]) if sheets else b""
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as sheet:
            side = sheet.width // SAMPLE_COLUMNS
            if not side or max(sheet.size) > _MOST_SHEET:
                return ""
            first = sheet.convert("RGB").crop((0, 0, side, side))
    except (GanError, OSError, ValueError):
        return ""
    first.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    first.save(written, "webp", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(written.getvalue()).decode()}"
