"""The pad: two sliders as a plane, and the faces that lie in it; in the browser gan/web/explore/plane.js."""

from __future__ import annotations

from dataclasses import replace

from gan.ui.state import MAX_DIRECTION, MAX_OFFSET, MAX_TRUNCATION, Face

SIDE = 5  # faces in a row of thumbnails


def plane(face: Face) -> list[Face]:
    """Faces at even distances in the plane of a face whose pad is open: `SIDE` rows of as many, the top one first."""
    across, up = face.pad
    return [_moved(_moved(face, up, y), across, x) for y in reversed(_values(up)) for x in _values(across)]


def _values(key: str) -> list[float]:
    """From one end of a slider to the other."""
    least, most = 0.0, MAX_TRUNCATION
    if key != "truncation":
        most = MAX_OFFSET if key.startswith("z:") else MAX_DIRECTION
        least = -most
    return [least + (most - least) * step / (SIDE - 1) for step in range(SIDE)]


def _moved(face: Face, key: str, value: float) -> Face:
    """The face with one slider at a value; keys are those of `Face.pad`."""
    kind, _, name = key.partition(":")
    if kind == "truncation":
        return replace(face, truncation=value)
    if kind == "z":
        return replace(face, offsets={**dict(face.offsets), int(name): value})
    return replace(face, directions={**dict(face.directions), name: value})
