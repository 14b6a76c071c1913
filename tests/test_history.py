"""What a run wrote on its way: rows, sheets and snapshots are read again, and damage costs what is damaged."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from gan import history
from gan.history import (
    HISTORY_COLUMNS,
    MOST_HISTORY_BYTES,
    SAMPLE_SEEDS,
    append_history,
    read_history,
    read_sheet,
    rewind,
    samples,
    save_sample,
    save_snapshot,
    snapshots,
)
from gan.models import Generator
from gan.run import RunError

ROW = {"images_seen": 64, "epoch": 0.5, "seconds": 1.25, "loss_g": 0.6931472, "loss_d": float("nan"), "sample": 0}


def test_history_round_trip(tmp_path):
    assert read_history(tmp_path) == []
    append_history(tmp_path, ROW)
    append_history(tmp_path, {"images_seen": 128, "event": 'collapse: "5 %", they say'})
    first, second = read_history(tmp_path)
    assert set(first) == set(HISTORY_COLUMNS)
    assert (first["images_seen"], first["sample"], first["snapshot"], first["event"]) == (64, 0, None, None)
    assert isinstance(first["images_seen"], int) and isinstance(first["sample"], int)
    assert first["loss_g"] == pytest.approx(0.6931472, rel=1e-6)
    assert np.isnan(first["loss_d"])
    assert second["event"] == 'collapse: "5 %", they say'
    assert (tmp_path / "history.csv").read_text(encoding="utf-8").count("images_seen") == 1  # one header


def test_a_history_column_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="los_g"):
        append_history(tmp_path, {"images_seen": 1, "los_g": 2})


def test_a_last_row_cut_short_is_left_out(tmp_path):
    for images_seen in (64, 128):
        append_history(tmp_path, ROW | {"images_seen": images_seen})
    path = tmp_path / "history.csv"
    whole = path.read_text(encoding="utf-8")
    last_line = whole.splitlines()[-1]
    for length in range(len(last_line) - last_line[::-1].index(",") - 1):  # anything that lacks a comma
        path.write_text(whole[: len(whole) - 1 - len(last_line) + length], encoding="utf-8")
        assert [row["images_seen"] for row in read_history(tmp_path)] == [64], length
    path.write_text(whole[:10], encoding="utf-8")  # killed within the header
    assert read_history(tmp_path) == []
    path.write_bytes(whole.encode() + b"\xff\x00\x80")
    assert [row["images_seen"] for row in read_history(tmp_path)] == [64, 128]


def test_a_long_history_is_thinned_and_keeps_what_it_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "MOST_ROWS", 100)
    for number in range(1001):
        told = {"sample": number // 100} if number % 100 == 0 else {}
        append_history(tmp_path, {"images_seen": number, "loss_g": 1.0} | told)
    rows = read_history(tmp_path)
    assert len(rows) <= 102
    assert [row["sample"] for row in rows if row["sample"] is not None] == list(range(11))
    assert (rows[0]["images_seen"], rows[-1]["images_seen"]) == (0, 1000)
    assert np.diff([row["images_seen"] for row in rows]).max() <= 25


def test_numbers_of_a_history_that_none_can_be_are_left_out(tmp_path):
    for cell in ("1e31", "-1e300", "9" * 5000):
        append_history(tmp_path, {"images_seen": 1, "loss_g": cell})
    for row in ({"images_seen": 10**30}, {"images_seen": -1}, {"images_seen": 1, "sample": "²"}, {"loss_g": 1.0}):
        append_history(tmp_path, row)
    append_history(tmp_path, {"images_seen": 2, "event": "two\nlines"})
    rows = read_history(tmp_path)
    assert [row["images_seen"] for row in rows] == [1, 1, 1, 2]
    assert all(np.isnan(row["loss_g"]) for row in rows[:3]) and rows[3]["event"] == "two lines"


def test_a_history_that_leads_out_of_the_folder_or_is_too_large_is_a_sentence(tmp_path):
    (tmp_path / "secret").write_text("images_seen\n1\n", encoding="utf-8")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "history.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(RunError, match=r"history.csv of model cannot be read \(it is a link that leads out"):
        read_history(tmp_path / "model")
    (tmp_path / "model" / "history.csv").unlink()
    (tmp_path / "model" / "history.csv").touch()
    os.truncate(tmp_path / "model" / "history.csv", MOST_HISTORY_BYTES + 1)
    with pytest.raises(RunError, match="bytes long, where at most"):
        read_history(tmp_path / "model")


@pytest.mark.parametrize("name", ["²", "٣", "12", "00012", "-001", "x"])
def test_files_that_are_not_named_by_a_number_of_ours_are_none(tmp_path, name):
    save_sample(tmp_path, 1, np.zeros((64, 8, 8, 3), np.uint8))
    (tmp_path / "samples" / f"{name}.webp").touch()
    assert list(samples(tmp_path)) == [1]


@pytest.mark.parametrize("harm", ["cut", "large", "png", "link"])
def test_a_sheet_that_is_none_is_a_sentence(tmp_path, harm):
    folder = tmp_path / "model"
    save_sample(folder, 0, np.zeros((64, 8, 8, 3), np.uint8))
    path = samples(folder)[0]
    assert read_sheet(path) == path.read_bytes()
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "link":
        (tmp_path / "other.webp").write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(tmp_path / "other.webp")
    else:
        Image.new("L", (13_000, 8) if harm == "large" else (64, 64)).save(path, "webp" if harm == "large" else "png")
    with pytest.raises(RunError, match=r"0000.webp cannot be read \("):
        read_sheet(path)


def test_samples_and_snapshots_by_number(tmp_path, tiny_config):
    assert samples(tmp_path) == {} and snapshots(tmp_path) == {}
    generator = Generator(tiny_config).eval()
    for index in (0, 1, 12, 10_000):
        save_sample(tmp_path, index, np.full((64, 16, 16, 3), index % 256, np.uint8))
        save_snapshot(tmp_path, index, generator)
    (tmp_path / "samples" / ".0002-x.part.webp").write_bytes(b"left by a killed process")
    (tmp_path / "samples" / "mine.webp").write_bytes(b"not ours")
    assert list(samples(tmp_path)) == [0, 1, 12, 10_000]
    assert samples(tmp_path)[12].name == "0012.webp"
    assert list(snapshots(tmp_path)) == [0, 1, 12, 10_000]


def test_sample_sheet_is_eight_by_eight_in_seed_order(tmp_path):
    images = np.repeat(np.arange(0, 256, 4, dtype=np.uint8), 16 * 16 * 3).reshape(64, 16, 16, 3)
    save_sample(tmp_path, 3, images)
    with Image.open(tmp_path / "samples" / "0003.webp") as picture:
        sheet = np.asarray(picture.convert("L")).astype(int)
    assert sheet.shape == (128, 128)
    for seed in SAMPLE_SEEDS:
        row, column = divmod(seed, 8)
        assert abs(sheet[row * 16 + 8, column * 16 + 8] - 4 * seed) <= 6  # WebP is lossy


def test_grey_sample_sheet(tmp_path):
    save_sample(tmp_path, 0, np.full((64, 16, 16, 1), 200, np.uint8))
    with Image.open(tmp_path / "samples" / "0000.webp") as picture:
        assert picture.size == (128, 128)
        assert abs(np.asarray(picture.convert("L")).astype(int) - 200).max() <= 4


def test_rewind_keeps_the_rows_and_files_of_the_checkpoint(tmp_path, tiny_config):
    generator = Generator(tiny_config)
    for i in range(5):
        append_history(tmp_path, ROW | {"images_seen": i})
        save_sample(tmp_path, i, np.zeros((64, 16, 16, 3), np.uint8))
        save_snapshot(tmp_path, i, generator)
    with open(tmp_path / "history.csv", "a", encoding="utf-8") as file:
        file.write("5,0.5,1.2")  # cut short
    leftover = tmp_path / "samples" / ".0005-abc.part.webp"
    leftover.write_bytes(b"half")
    rewind(tmp_path, history_rows=3, n_samples=2, n_snapshots=4)
    assert [row["images_seen"] for row in read_history(tmp_path)] == [0, 1, 2]
    assert list(samples(tmp_path)) == [0, 1]
    assert list(snapshots(tmp_path)) == [0, 1, 2, 3]
    assert not leftover.exists()
    append_history(tmp_path, ROW | {"images_seen": 3})
    assert [row["images_seen"] for row in read_history(tmp_path)] == [0, 1, 2, 3]
    rewind(tmp_path / "nothing here", 1, 1, 1)


def test_a_row_that_the_disk_does_not_take_whole_is_taken_back(tmp_path):
    append_history(tmp_path, {"images_seen": 8})
    before = (tmp_path / "history.csv").read_bytes()
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 3, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_history(tmp_path, {"images_seen": 16, "event": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "history.csv").read_bytes() == before
