"""Picture files as somebody may bring them, made by the tests themselves."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def packed(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as a file's content."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def blank_png(width: int, height: int) -> bytes:
    """A whole PNG of zeros, one bit a pixel: a small file whatever its size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    deflate = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
