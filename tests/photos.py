"""Picture files as somebody may bring them, made by the tests themselves."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

from gan import load_generator, sample


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as a file's content."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


WEIGHTS = Path(__file__).parents[1] / "weights"
FACE = (520, 180, 240)  # left, top and side of what `with_a_face` shows


def with_a_face() -> Image.Image:
    """A face that nobody has, as a shipped model draws it, at `FACE` on a larger picture of a gradient."""
    drawn = sample(load_generator(WEIGHTS / "faces128"), seed=3, n=1, truncation=0.6)[0]
    left, top, side = FACE
    picture = Image.linear_gradient("L").resize((900, 600)).convert("RGB")
    picture.paste(Image.fromarray(drawn).resize((side, side), Image.Resampling.LANCZOS), (left, top))
    return picture


KEPT_SQUARE = """() => {
    window.dispatchEvent(new Event("pagehide")); // writes what is to outlast a reload
    return JSON.parse(sessionStorage.getItem("gan-faces search")).crop;
}"""


def near_face(square: dict) -> bool:
    """Whether a square of the browser's frames the face of `with_a_face`."""
    left, top, side = FACE
    x, y = square["x"] - left - side / 2, square["y"] - top - side / 2
    return max(abs(x), abs(y)) < 0.06 * side and 0.85 < square["side"] / side < 1.15 and abs(square["tilt"]) < 10


def blank_png(width: int, height: int) -> bytes:
    """A whole PNG of zeros, one bit a pixel: a small file whatever its size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
