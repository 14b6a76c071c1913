"""Films as files: every frame in its place and for its time, in colours that neither band nor crawl."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageSequence

import gan.films.encode
from gan.films.encode import ExportError, encode, formats

SIDE = 32


def colours(n: int, mode: str = "RGB") -> list[Image.Image]:
    """Pictures that no compression can confuse."""
    shades = np.random.default_rng(0).integers(0, 256, (n, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    return [Image.fromarray(picture).convert(mode) for picture in shades]


def read(content: bytes, format: str) -> tuple[list[Image.Image], list[float]]:
    """The frames, RGB, and how long each is shown in seconds."""
    if format == "mp4":
        av = pytest.importorskip("av", reason="PyAV, the optional MP4 encoder, is not installed")
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            frames = [frame.to_image() for frame in container.decode(stream)]
            return frames, [float(1 / stream.average_rate)] * len(frames)
    frames, seconds = [], []
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.info["loop"] == 0  # for ever
        for frame in ImageSequence.Iterator(picture):
            frames.append(frame.convert("RGB"))
            seconds.append(frame.info["duration"] / 1000)
    return frames, seconds


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a.convert("RGB"), np.int16) - np.asarray(b.convert("RGB"), np.int16)).mean())


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("format", formats())
def test_a_film_shows_its_frames_in_order(format, mode):
    pictures = colours(6, mode)
    frames, _ = read(encode(iter(pictures), 6, format, 0.1), format)
    assert len(frames) == 6 and frames[0].size == (SIDE, SIDE)
    for i, frame in enumerate(frames):
        differences = [difference(frame, picture) for picture in pictures]
        assert differences.index(min(differences)) == i and min(differences) < 30
        assert mode == "RGB" or np.ptp(np.asarray(frame.convert("RGB")), axis=2).max() < 12  # still grey


@pytest.mark.parametrize("format", formats())
@pytest.mark.parametrize("fps", [7, 15, 30])
def test_it_lasts_as_long_as_asked_whatever_the_format_counts_in(format, fps):
    frames, seconds = read(encode(colours(fps), fps, format, 1 / fps), format)
    assert len(frames) == fps
    assert sum(seconds) == pytest.approx(1, abs=0.011)
    assert max(seconds) - min(seconds) < 0.0101


@pytest.mark.parametrize("format", formats())
def test_the_last_frame_can_stay_longer(format):
    frames, seconds = read(encode(colours(3), 3, format, 0.2, last_seconds=1.0), format)
    assert sum(seconds) == pytest.approx(1.4)
    if format != "mp4":
        assert seconds == pytest.approx([0.2, 0.2, 1.0])
    assert difference(frames[-1], colours(3)[-1]) < 30


def test_one_frame_is_a_film_too():
    for format in formats():
        content = encode(colours(1), 1, format, 0.5)
        with Image.open(io.BytesIO(content)) if format != "mp4" else colours(1)[0] as picture:
            assert difference(picture, colours(1)[0]) < 30


@pytest.mark.parametrize("format", formats())
def test_frames_are_taken_one_at_a_time_and_what_their_maker_raises_ends_it(format):
    made = []

    def frames() -> Iterator[Image.Image]:
        for picture in colours(6):
            made.append(picture)
            yield picture
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(frames(), 1000, format, 0.1)
    assert len(made) == 6


def test_a_webp_film_does_not_hold_all_its_frames(monkeypatch):
    alive = []
    new = gan.films.encode._Film.seek

    def seek(film, frame):
        new(film, frame)
        alive.append(frame)

    monkeypatch.setattr(gan.films.encode._Film, "seek", seek)
    taken = []
    encode((taken.append(len(alive)) or picture for picture in colours(5)), 5, "webp", 0.1)
    assert taken == [0, 2, 3, 4, 5]  # the first one is asked for twice: when it is opened and when it is written


def gradient() -> Image.Image:
    x = np.linspace(60, 120, 256)
    planes = np.broadcast_to(x, (256, 256)), np.full((256, 256), 90), x[:, None].repeat(256, axis=1)
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def smoothed(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB").filter(ImageFilter.GaussianBlur(2)), np.float64)


def test_a_gif_has_no_bands_and_its_pattern_stands_still():
    frames, _ = read(encode([gradient(), gradient().rotate(180), gradient()], 3, "gif", 0.1), "gif")
    plain, _ = read(encode([gradient(), gradient().rotate(180)], 2, "gif", 0.1, dither=False), "gif")
    errors = [np.abs(smoothed(frame) - smoothed(gradient())).mean() for frame in (frames[0], plain[0])]
    assert errors[0] < 0.8 * errors[1]
    assert difference(frames[0], frames[2]) == 0
    assert difference(frames[0], gradient()) < 6


def test_without_dithering_an_even_area_stays_even():
    picture = Image.new("RGB", (64, 64), (128, 128, 128))
    picture.paste(gradient().resize((32, 64)), (0, 0))
    for dither in (False, True):
        frames, _ = read(encode([picture, picture.rotate(180)], 2, "gif", 0.1, dither=dither), "gif")
        even = np.asarray(frames[0])[:, 40:]
        assert (len(np.unique(even.reshape(-1, 3), axis=0)) == 1) == (not dither)


def test_what_cannot_be_written_is_refused_in_words(monkeypatch):
    with pytest.raises(ExportError, match="format 'avi': this machine can write webp, gif"):
        encode(colours(2), 2, "avi", 0.1)
    monkeypatch.setattr(gan.films.encode, "MAX_BYTES", 100)
    with pytest.raises(ExportError, match="at most 0 are sent: choose MP4 or WebP, or make it shorter or smaller"):
        encode(colours(2), 2, "gif", 0.1)
    monkeypatch.setattr(gan.films.encode.importlib.util, "find_spec", lambda name: None)
    assert formats() == ("webp", "gif")
    with pytest.raises(ExportError, match=r"format 'mp4'.* `pip install av` adds mp4"):
        encode(colours(2), 2, "mp4", 0.1)
