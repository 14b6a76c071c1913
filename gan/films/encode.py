"""Moving pictures as a file: animated WebP, GIF and MP4, quick enough to wait for.

MP4 needs the optional `av` (PyAV), whose wheels bring the encoder with them and work in this process; WebP and GIF
need nothing more than Pillow. Frames are taken one at a time, so whoever makes them sees how far it is and may stop
it by raising.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from PIL import Image, ImageChops

from gan.errors import GanError

MEDIA_TYPES = {"webp": "image/webp", "gif": "image/gif", "mp4": "video/mp4"}
MAX_BYTES = 16 * 2**20  # of one film, before it is refused
GIF_FRAMES = 64, 40  # of a replay of one run and of two: more would be larger than `MAX_BYTES`
_WEBP = {"quality": 80, "method": 1}  # method 4, the usual, takes twice as long for a fifth fewer bytes
_X264 = {"crf": "20", "preset": "veryfast"}  # "medium", the usual, takes twice as long for the same bytes
_DITHER = 8  # levels: half a step of a GIF's palette of 256 colours, about


class ExportError(GanError, ValueError):
    """A film that cannot be made; the message says why, and what to do."""


def formats() -> tuple[str, ...]:
    """What `encode` can write on this machine: "webp", "gif", and "mp4" where `av` is installed."""
    return tuple(name for name in MEDIA_TYPES if name != "mp4" or importlib.util.find_spec("av"))


def encode(
    frames: Iterable[Image.Image],
    count: int,
    format: str,
    seconds: float,
    *,
    last_seconds: float = 0.0,
    dither: bool = True,
) -> bytes:
    """Frames as one file that plays over and over (an MP4 where its player does so).

    Args:
        frames: all of one size, for MP4 with even sides, of mode "RGB" or "L".
        count: how many they are, at least 1.
        format: of `formats()`.
        seconds: that each frame is shown; a GIF counts in hundredths.
        last_seconds: that the last one is shown, if longer.
        dither: of a GIF, for photographs: a fixed pattern hides the steps between its 256 colours. Unlike diffused
            errors it stands still from frame to frame. Without it, areas of one colour stay even.

    Raises:
        ExportError: an unknown format, or a file above `MAX_BYTES`.
    """
    if format not in formats():
        hint = ": `pip install av` adds mp4" if format == "mp4" else ""
        raise ExportError(f"format {format!r}: this machine can write {', '.join(formats())}{hint}")
    durations = [seconds] * (count - 1) + [max(seconds, last_seconds)]
    if format == "mp4":
        content = _mp4(frames, durations)
    elif format == "gif":
        content = _gif(frames, durations, dither)
    else:
        content = _webp(_Film(frames, count), durations)
    if len(content) > MAX_BYTES:
        raise ExportError(
            f"the film takes {len(content) / 2**20:.0f} MB, and at most {MAX_BYTES / 2**20:.0f} are sent: "
            "choose MP4 or WebP, or make it shorter or smaller"
        )
    return content


class _Film(Image.Image):
    """Frames as one picture of many, as Pillow reads those: so that it takes them one at a time."""

    def __init__(self, frames: Iterable[Image.Image], count: int) -> None:
        super().__init__()
        self._frames, self._at, self.n_frames = iter(frames), -1, count
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Show the next frame; back to the first, where Pillow goes when it is done, nothing needs to be shown."""
        if frame == self._at + 1:
            picture = next(self._frames).convert("RGB")
            self.im, self._mode, self._size, self._at = picture.im, picture.mode, picture.size, frame


def _webp(film: _Film, durations: list[float]) -> bytes:
    content = io.BytesIO()
    film.save(content, "webp", save_all=True, duration=_milliseconds(durations, 1), loop=0, **_WEBP)
    return content.getvalue()


def _gif(frames: Iterable[Image.Image], durations: list[float], dither: bool) -> bytes:
    content = io.BytesIO()
    first, *others = (_with_palette(frame, dither) for frame in frames)
    durations = _milliseconds(durations, 10)
    first.save(content, "gif", save_all=True, append_images=others, duration=durations, loop=0, optimize=False)
    return content.getvalue()


def _with_palette(frame: Image.Image, dither: bool) -> Image.Image:
    """With 256 colours of its own: by octree in 1 ms at 256 pixels, a hundredth of what Pillow's default takes."""
    if frame.mode == "L":
        return frame
    if dither:
        lighter, darker = _pattern(frame.size)
        frame = ImageChops.subtract(ImageChops.add(frame, lighter), darker)
    return frame.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


@functools.lru_cache(maxsize=4)
def _pattern(size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Bayer's 8x8 matrix over a picture, scaled to +-`_DITHER` / 2: what to add and what to subtract."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    levels = ((matrix + 0.5) / matrix.size - 0.5) * _DITHER
    width, height = size
    tiled = np.tile(levels, (-(-height // 8), -(-width // 8)))[:height, :width, None].repeat(3, axis=2)
    return tuple(Image.fromarray(np.round(np.maximum(part, 0)).astype(np.uint8)) for part in (tiled, -tiled))


def _milliseconds(durations: list[float], unit: int) -> list[int]:
    """Whole units of that many milliseconds, rounded so that the whole film keeps its length."""
    ends = [unit * round(1000 * end / unit) for end in itertools.accumulate(durations)]
    return [max(unit, end - start) for start, end in zip([0, *ends], ends, strict=False)]


def _mp4(frames: Iterable[Image.Image], durations: list[float]) -> bytes:
    import av

    content = io.BytesIO()
    rate = Fraction(1 / durations[0]).limit_denominator(1000)
    with av.open(content, "w", format="mp4") as container:
        stream = None
        for frame, duration in zip(frames, durations, strict=True):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=_X264)
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
                stream.codec_context.thread_count = 1  # the other cores belong to other visitors
            for _ in range(round(duration / durations[0])):
                container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode(None))
    return content.getvalue()
