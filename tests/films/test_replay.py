"""A run as something to watch: what is read from its folder, and what films and curves are made of it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import gan.films.encode
from gan import run
from gan.films import replay_film
from gan.films.encode import formats
from gan.films.replay import (
    MAX_SHEETS,
    MAX_SNAPSHOTS,
    Replay,
    described,
    film_strip,
    load_replay,
    smooth,
    smoothing_window,
    thin_rows,
    warp,
)
from gan.films.replay_film import LAST_SECONDS, SIDE, ExportError, curves_png, enlarge, film, open_sheet, short_count
from gan.history import append_history, read_history, samples, save_sample, snapshots
from gan.run import RunError, read_info
from gan.sampling import generate, latents
from gan.weights import load_generator


@pytest.fixture(scope="module")
def replay(tiny_run) -> Replay:
    return load_replay(tiny_run)


@pytest.fixture
def painted(tmp_path) -> Replay:
    """Four sheets that no compression can confuse."""
    folder = tmp_path / "painted"
    for number, images_seen in enumerate((0, 256, 900, 2000)):
        pictures = np.random.default_rng(number).integers(0, 256, (64, 1, 1, 3), np.uint8).repeat(8, 1).repeat(8, 2)
        save_sample(folder, number, pictures)
        write_rows(folder, {"images_seen": images_seen, "sample": number, "loss_g": 1.0 + number, "d_real": 0.5})
    return load_replay(folder)


def write_rows(folder: Path, *rows: dict) -> Path:
    for row in rows:
        append_history(folder, row)
    return folder


def add_event(folder: Path, images_seen: int, text: str) -> None:
    append_history(folder, {"images_seen": images_seen, "event": text})


# ---- reading --------------------------------------------------------------------------------------------------------


def test_every_sheet_of_a_run_is_found_with_the_moment_it_was_made(tiny_run, replay):
    made = {row["sample"]: row for row in read_history(tiny_run) if row["sample"] is not None}
    assert [sheet.index for sheet in replay.sheets] == sorted(samples(tiny_run)) == sorted(made)
    for sheet in replay.sheets:
        row = made[sheet.index]
        assert (sheet.images_seen, sheet.epoch, sheet.seconds) == (row["images_seen"], row["epoch"], row["seconds"])
    assert replay.sheets[0].images_seen == 0 and replay.images_seen == 2000
    assert [number for number, _ in replay.snapshots] == sorted(snapshots(tiny_run))
    assert replay.problem is None and replay.name == tiny_run.name
    told = described(replay, str)
    assert (told["kind"], told["latent"]) == (read_info(tiny_run).data.kind, "8 normal")


def test_the_sheet_of_a_moment_is_the_newest_one_made_by_then(replay):
    second = replay.sheets[1]
    assert replay.sheet_at(-5) is replay.sheets[0]
    assert replay.sheet_at(second.images_seen - 1) is replay.sheets[0]
    assert replay.sheet_at(second.images_seen) is second
    assert replay.sheet_at(1e12) is replay.sheets[-1]
    assert Replay("", (), (), (), ()).sheet_at(0) is None
    assert replay.row_at(0) is None  # nothing is measured before training
    assert replay.row_at(2000) == replay.rows[-1]


def test_a_step_is_a_share_of_the_run_or_a_number_of_images(replay):
    assert replay.nearest_sheet(0) is replay.sheets[0]
    assert replay.nearest_sheet(1) is replay.sheets[-1]
    half = replay.nearest_sheet(0.5)
    assert half is replay.nearest_sheet(1000)
    assert all(abs(half.images_seen - 1000) <= abs(sheet.images_seen - 1000) for sheet in replay.sheets)
    assert Replay("", (), (), (), ()).nearest_sheet(1) is None


def test_a_folder_without_history_or_sheets_says_what_is_missing(tmp_path):
    assert "no history yet" in load_replay(tmp_path).problem
    write_rows(tmp_path, {"images_seen": 64, "loss_g": 1.0})
    assert "no sample sheet yet" in load_replay(tmp_path).problem
    save_sample(tmp_path, 5, np.zeros((64, 4, 4, 3), np.uint8))
    assert "names none of them" in load_replay(tmp_path).problem
    write_rows(tmp_path, {"images_seen": 128, "sample": 5})
    replay = load_replay(tmp_path)
    assert replay.problem is None and replay.sheets[0].images_seen == 128


def test_a_history_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "history.csv").mkdir()
    assert re.search(r"history.csv of .* cannot be read \(it is no file but a folder", load_replay(tmp_path).problem)


def test_a_row_that_is_half_written_and_values_that_are_no_number_are_left_out(tmp_path):
    write_rows(
        tmp_path,
        {"images_seen": 64, "loss_g": float("nan"), "loss_d": 0.5},
        {"images_seen": 32, "loss_g": float("inf")},
    )
    with open(tmp_path / "history.csv", "a", encoding="utf-8") as file:
        file.write("128,0.1,2,0.7")
    replay = load_replay(tmp_path)
    assert [row["images_seen"] for row in replay.rows] == [64]
    images, values = replay.curve("loss_g")
    assert images.tolist() == [64] and np.isnan(values).all()
    assert replay.curve("loss_d")[1].tolist() == [0.5]


def test_events_are_told_at_their_moment_and_not_at_any_length(tmp_path):
    add_event(tmp_path, 640, "collapse: of everything")
    add_event(tmp_path, 320, "x" * 5000)
    events = load_replay(tmp_path).events
    assert [(event.images_seen, event.text[:9]) for event in events] == [(320, "xxxxxxxxx"), (640, "collapse:")]
    assert len(events[0].text) == 300


def test_of_too_many_sheets_some_are_kept_evenly_on_the_logarithmic_axis(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "snapshots").mkdir()
    for number in range(400):
        (tmp_path / "samples" / f"{number:04d}.webp").touch()
        (tmp_path / "snapshots" / f"{number:04d}.safetensors").touch()
        write_rows(tmp_path, {"images_seen": number * 256, "sample": number, "snapshot": number})
    replay = load_replay(tmp_path)
    moments = [sheet.images_seen for sheet in replay.sheets]
    assert MAX_SHEETS / 2 < len(moments) <= MAX_SHEETS
    assert (moments[0], moments[-1]) == (0, 399 * 256)
    assert moments == sorted(set(moments))
    gaps = np.diff(warp(np.array(moments)))
    late = gaps[np.array(moments[1:]) > 30_000]  # earlier there are fewer sheets than places
    assert late.max() < 3 * late.min()
    assert len(replay.snapshots) <= MAX_SNAPSHOTS and replay.snapshots[-1] == (399, 399 * 256)


def test_thinned_rows_keep_both_ends_and_the_beginning():
    rows = [{"images_seen": 64 * n} for n in range(10_000)]
    kept = thin_rows(rows, 200)
    assert len(kept) <= 200 and kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, 9999)
    assert sum(index < 1000 for index in kept) > 60  # a tenth of the rows, most of the logarithmic axis
    assert max(np.diff(kept)) <= 101  # and nowhere a hole on the linear one
    assert thin_rows(rows[:5], 200) == [0, 1, 2, 3, 4]


def test_the_axis_has_a_place_for_zero():
    assert warp(0) == 0
    assert np.all(np.diff(warp(np.arange(1000))) > 0)
    assert warp(1e6) / warp(1e3) < 6


@pytest.mark.parametrize("window", [1, 3, 7, 51])
def test_smoothing_is_the_mean_of_the_neighbours(window):
    values = np.random.default_rng(0).normal(size=40)
    values[[3, 4, 5, 6, 20]] = np.nan
    half = window // 2
    for i, mean in enumerate(smooth(values, window)):
        near = values[max(0, i - half) : i + half + 1]
        expected = np.nan if np.isnan(near).all() else np.nanmean(near)
        np.testing.assert_allclose(mean, expected, atol=1e-12)


def test_the_smoothing_window_is_odd_and_grows_with_the_run():
    windows = [smoothing_window(rows) for rows in (0, 10, 66, 500, 3000)]
    assert windows == [1, 1, 3, 21, 121]


# ---- a face through the epochs --------------------------------------------------------------------------------------


def test_the_strip_is_what_each_snapshot_draws(tiny_run, replay):
    config = run.read_info(tiny_run).config
    z = latents(config, [3])
    strip, moments = film_strip(tiny_run, replay, z)
    assert moments == [images for _, images in replay.snapshots] and len(moments) >= 2
    for picture, (number, _) in zip(strip, replay.snapshots, strict=True):
        drawn = generate(load_generator(tiny_run, snapshot=number), z)[0]
        np.testing.assert_array_equal(picture, drawn)


def test_each_snapshot_has_its_own_typical_picture(tiny_run, replay):
    z = latents(run.read_info(tiny_run).config, [3])
    strip, _ = film_strip(tiny_run, replay, z, 0.25)
    for picture, (number, _) in zip(strip, replay.snapshots, strict=True):
        drawn = generate(load_generator(tiny_run, snapshot=number), z, truncation=0.25)[0]
        np.testing.assert_array_equal(picture, drawn)


def test_the_strip_leaves_out_a_damaged_snapshot(run_copy):
    replay = load_replay(run_copy)
    first, *others = replay.snapshots
    (run_copy / "snapshots" / f"{first[0]:04d}.safetensors").write_bytes(b"half")
    strip, moments = film_strip(run_copy, replay, torch.zeros(1, 8))
    assert moments == [images for _, images in others] and len(strip) == len(others)
    for number, _ in others:
        (run_copy / "snapshots" / f"{number:04d}.safetensors").unlink()
    assert film_strip(run_copy, replay, torch.zeros(1, 8)) == ([], [])


# ---- films and curves -----------------------------------------------------------------------------------------------


def frames_of(content: bytes) -> list[Image.Image]:
    with Image.open(io.BytesIO(content)) as picture:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean())


@pytest.mark.parametrize("format", ["gif", "webp"])
def test_a_film_shows_each_sheet_in_turn(painted, format):
    content = film([painted], format)
    frames = frames_of(content)
    assert len(frames) == 4 and frames[0].width == SIDE + 32
    for frame, sheet in zip(frames, painted.sheets, strict=True):
        shown = frame.crop((16, 16, 16 + SIDE, 16 + SIDE))
        differences = [difference(shown, enlarge(open_sheet(other.path), SIDE)) for other in painted.sheets]
        assert differences[painted.sheets.index(sheet)] == min(differences) < 12
    with Image.open(io.BytesIO(content)) as picture:
        picture.seek(3)
        picture.load()
        assert picture.info["duration"] == LAST_SECONDS * 1000 and picture.info["loop"] == 0


def test_the_cursor_of_a_film_moves_along_the_curves(painted):
    frames = frames_of(film([painted]))
    first, last = (np.asarray(frame.crop((0, SIDE + 70, *frame.size))) for frame in (frames[0], frames[-1]))
    changed = np.flatnonzero((first != last).any(axis=(0, 2)))
    white = [np.flatnonzero((frame > 240).all(axis=2).sum(axis=0) > 50) for frame in (first, last)]
    assert white[0].max() < white[1].max() and white[0].min() < white[1].min()
    assert set(np.concatenate(white)) <= set(changed)


def test_two_runs_are_aligned_by_images_seen(tmp_path, painted):
    other = tmp_path / "other"
    for number, images_seen in enumerate((0, 1500)):
        save_sample(other, number, np.full((64, 16, 16, 1), 200 * number, np.uint8))
        write_rows(other, {"images_seen": images_seen, "sample": number, "loss_g": 1.0})
    frames = frames_of(film([painted, load_replay(other)], "webp"))
    assert len(frames) == 5  # 0, 256, 900, 1500 and 2000 images
    assert frames[0].width == 2 * SIDE + 48
    grey = [frame.getpixel((32 + SIDE + SIDE // 2, SIDE // 2))[0] for frame in frames]
    assert max(grey[:3]) < 10 and min(grey[3:]) > 190


@pytest.mark.parametrize(("format", "limit", "most"), [("webp", "MAX_FRAMES", 3), ("gif", "GIF_FRAMES", (3, 2))])
def test_a_long_film_is_thinned_and_keeps_its_end(painted, monkeypatch, format, limit, most):
    monkeypatch.setattr(replay_film, limit, most)
    frames = frames_of(film([painted], format))
    assert len(frames) == 3
    shown = frames[-1].crop((16, 16, 16 + SIDE, 16 + SIDE))
    assert difference(shown, enlarge(open_sheet(painted.sheets[-1].path), SIDE)) < 12


def test_a_damaged_sheet_does_not_spoil_the_film(painted):
    painted.sheets[1].path.write_bytes(b"RIFF")
    sheets = [frame.crop((16, 16, 16 + SIDE, 16 + SIDE)) for frame in frames_of(film([painted], "webp"))]
    assert difference(sheets[0], sheets[1]) < 1 < difference(sheets[1], sheets[2])
    with pytest.raises(RunError, match=r"0001.webp cannot be read"):
        open_sheet(painted.sheets[1].path)


def test_mp4_has_even_sides_and_a_frame_for_each_sheet(painted):
    av = pytest.importorskip("av", reason="PyAV, the optional MP4 encoder, is not installed")
    with av.open(io.BytesIO(film([painted], "mp4"))) as container:
        stream = container.streams.video[0]
        frames = [frame.to_image() for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
    assert len(frames) == 4 + 9  # the last one stays for two seconds at five frames a second
    assert frames[0].width % 2 == frames[0].height % 2 == 0
    shown = frames[-1].crop((16, 16, 16 + SIDE, 16 + SIDE))
    assert difference(shown, enlarge(open_sheet(painted.sheets[-1].path), SIDE)) < 12


def test_without_its_encoder_mp4_is_not_offered_and_the_error_says_how_to_get_it(replay, monkeypatch):
    monkeypatch.setattr(gan.films.encode.importlib.util, "find_spec", lambda name: None)
    assert formats() == ("webp", "gif")
    with pytest.raises(ExportError, match=r"format 'mp4'.* can write webp, gif: `pip install av` adds mp4"):
        film([replay], "mp4")


def test_films_that_cannot_be_made_are_refused_in_words(replay, monkeypatch):
    with pytest.raises(ExportError, match="format 'avi'"):
        film([replay], "avi")
    with pytest.raises(ExportError, match="no sample sheet"):
        film([Replay("empty", (), (), (), ())])
    monkeypatch.setattr(gan.films.encode, "MAX_BYTES", 1000)
    with pytest.raises(ExportError, match="at most 0 are sent"):
        film([Replay("x", replay.sheets[:2], (), (), ())])


def test_the_curves_are_a_picture_also_of_nothing_and_of_odd_names(tmp_path, replay):
    write_rows(tmp_path, {"images_seen": 64, "loss_g": -1.0, "d_real": 0.4})
    add_event(tmp_path, 64, r"collapse of $\frac{1 everything")
    odd = load_replay(tmp_path, r"a $\frac{ run _^")
    pictures = []
    for replays in ([replay], [replay, odd], [odd], [Replay("", (), (), (), ())]):
        for logarithmic in (True, False) if replays == [replay] else (True,):
            with Image.open(io.BytesIO(curves_png(replays, logarithmic=logarithmic))) as picture:
                assert picture.format == "PNG" and picture.size == (1600, 960)
                pictures.append(picture.convert("RGB"))
    assert difference(pictures[0], pictures[1]) > 0.5  # the two axes
    assert difference(pictures[0], pictures[2]) > 0.5  # one run and two


def test_enlarging_keeps_pixels_whole():
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 3).convert("RGB")
    large = np.asarray(enlarge(picture, 32))
    np.testing.assert_array_equal(large[::4, ::4], np.asarray(picture))
    np.testing.assert_array_equal(large[1::4, 3::4], np.asarray(picture))
    assert enlarge(picture, 30).size == (30, 30) and enlarge(picture.resize((64, 64)), 32).size == (32, 32)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (300, "300"), (1200, "1.2k"), (12_345, "12.3k"), (3e6, "3M")])
def test_counts_on_an_axis_are_short(value, text):
    assert short_count(value) == text
