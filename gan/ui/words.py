"""A face in words, as gan/web/shared/words.js says it."""

from __future__ import annotations

from gan.ui.state import OWN_MARK, Face

_MOST = 6  # moved sliders that are named


def describe(face: Face, title: str) -> str:
    """The alternative text of a face's picture; `title` is what its model is called."""
    parts = [f"{name.removeprefix(OWN_MARK)} {_signed(value)}" for name, value in face.directions]
    parts += [f"z {dimension} {_signed(value)}" for dimension, value in face.offsets]
    if face.truncation != 1:
        parts.insert(0, f"truncation {face.truncation:g}")
    more = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    moved = f": {', '.join(parts[:_MOST])}{more}" if parts else ""
    return f"Picture drawn by {title}{',' if ',' in title else ''} from {face.origin}{moved}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{abs(value):g}"
