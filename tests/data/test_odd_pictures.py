"""Odd pictures are used, or counted and named; deep grey keeps its range; downloads and the Hub say what is wrong."""

from __future__ import annotations

import logging
import os
import socket
import sys
import urllib.error

import numpy as np
import pytest
import torchvision
from picture_files import encoded, plain, values
from PIL import Image

from gan.data import cache, images
from gan.data.images import DataError, load_data
from tests.faults import pictures


def test_odd_pictures():
    pictures.run(tries=len(pictures.GOOD) + len(pictures.BAD), seed=1).check()


def test_what_is_passed_over_is_told_each_time(folder, load, caplog):
    plain(1).save(folder / "a.png")
    for name in ("IMG_1.MOV", "IMG_2.MOV", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (folder / ".DS_Store").touch()
    for _ in range(2):  # decoded, and from the cache
        caplog.clear()
        assert values(load(folder)) == [1]
        assert "pictures: 3 files were passed over" in caplog.text
        assert "2 .mov (IMG_1.MOV, ...), 1 .txt (notes.txt)" in caplog.text and "DS_Store" not in caplog.text


def test_heic_without_its_library_says_what_reads_it(folder, load, monkeypatch, caplog):
    monkeypatch.setattr("gan.data.sources.SUFFIXES", (".png",))
    plain(1).save(folder / "a.png")
    (folder / "b.HEIC").write_bytes(b"x")
    load(folder)
    assert "1 .heic (b.HEIC; pip install pillow-heif reads them)" in caplog.text


def test_heic_is_read_where_its_library_is(folder, load):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(plain(77, (64, 64))).save(folder / "a.heic", quality=95)
    assert abs(int(load(folder).mean()) - 77) < 3


def test_deep_grey_is_scaled_alike_and_said(folder, load, caplog):
    caplog.set_level(logging.INFO)
    for name, value in (("dark", 16), ("light", 4095), ("mean", 2048)):  # 16 alone would be white
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(folder / f"{name}.png")
    assert values(load(folder, channels=1)) == [1, 255, 128]
    assert "grey pictures were scaled to 8 bits by their depth: 3 of 12 bits" in caplog.text


def test_floats_of_one_are_not_black(folder, load):
    for name, value in (("a", 0.5), ("b", 1.0)):
        Image.fromarray(np.full((8, 8), value, np.float32)).save(folder / f"{name}.tif")
    assert values(load(folder, channels=1)) == [128, 255]


# ------------------------------------------------------------------------------------------------ cache


def test_equal_names_sizes_and_times_are_not_equal_pictures(folder, load, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for place, value in ((folder, 10), (other, 20)):
        plain(value).save(place / "a.bmp")
        os.utime(place / "a.bmp", ns=(0, 10**18))
    assert values(load(folder)) == [10] and values(load(other)) == [20]
    (folder / "a.bmp").write_bytes((other / "a.bmp").read_bytes())  # in the place of the first, as old as it
    os.utime(folder / "a.bmp", ns=(0, 10**18))
    assert values(load(folder)) == [20]


def test_what_was_not_touched_is_not_read_again(folder, load, monkeypatch):
    plain(1).save(folder / "a.png")
    monkeypatch.setattr("gan.data.digests._FRESH", -1)
    load(folder)
    monkeypatch.setattr("gan.data.digests._content", lambda path: pytest.fail("read again"))
    load(folder)


def test_the_cache_is_bounded_and_the_least_recently_used_go_first(load, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE_GB", "1.3e-6")  # 1,300 bytes, with what stands beside each array of 8x8x3

    def cached():
        return sorted((tmp_path / "cache").glob("8x8x3-*.npy"))

    load("drawn:1")
    (first,) = cached()
    load("drawn:2")
    second = next(path for path in cached() if path != first)
    os.utime(second.with_suffix(".json"), (0, 0))
    assert first in cached()
    load("drawn:3")
    assert first in cached() and second not in cached() and not second.with_suffix(".json").exists()
    monkeypatch.setenv("GAN_CACHE_GB", "much")
    with pytest.raises(DataError, match="GAN_CACHE_GB=much: expected how many GB"):
        load("drawn:4")


def test_a_read_only_cache_is_read(folder, load, monkeypatch):
    plain(1).save(folder / "a.png")
    load(folder)

    def refuse(*_, **__):
        raise PermissionError(13, "read-only")

    for name in ("gan.data.images.FileLock", "gan.data.cache.os.utime", "gan.data.digests.write_text"):
        monkeypatch.setattr(name, refuse)
    assert values(load(folder)) == [1]
    with pytest.raises(DataError, match=r"could not be used .*GAN_CACHE"):
        load(folder, image_size=9)


def test_the_help_tells_of_the_cache(capsys):
    import train as command

    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = capsys.readouterr().out
    assert "GAN_CACHE_GB" in text and f"{cache.MOST_GB:g} GB" in text and "hf:OWNER/NAME" in text


# -------------------------------------------------------------------------------------------- downloads


class FileURLRetrievalError(Exception):
    """As gdown names it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileURLRetrievalError("Cannot retrieve the public link"), "over quota for now"),
        (RuntimeError("Too many users have viewed or downloaded this file"), "over quota for now"),
        (urllib.error.URLError(socket.gaierror(-2, "Name or service not known")), "the network or the server"),
        (TimeoutError("timed out"), "the network or the server"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (RuntimeError("'gdown' is required"), "a library is missing"),
        (RuntimeError("File not found or corrupted."), "refused or sent something else"),
    ],
)
def test_errors_of_downloads_are_told_apart(load, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torchvision.datasets, "CelebA", fail)
    with pytest.raises(DataError, match=said):
        load("celeba")


def test_what_celeba_is_downloaded_with_is_installed():
    pytest.importorskip("gdown")  # in requirements.txt


# ---------------------------------------------------------------------------------------------- the Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A local data set of the form that the Hub's have: parquet files per split, pictures among other columns."""
    datasets = pytest.importorskip("datasets", reason="the datasets library is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "faces"
    (folder / "data").mkdir(parents=True)
    features = datasets.Features(
        {"label": datasets.Value("int64"), "photo": datasets.Image(), "text": datasets.Value("string")}
    )
    for split, greys in (("train", (10, 20, 30)), ("test", (40,))):
        rows = {
            "label": list(greys),
            "photo": [{"bytes": encoded(plain(grey)), "path": f"{grey}.png"} for grey in greys],
            "text": ["x"] * len(greys),
        }
        table = datasets.Dataset.from_dict(rows, features=features)
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def test_a_data_set_of_the_hub_s_form_is_read_as_a_stream(hub, load, tmp_path):
    assert values(load(f"hf:{hub}")) == [10, 20, 30]
    assert values(load(f"hf:{hub}:test")) == [40]
    options = dict(image_size=8, channels=3, cache_dir=tmp_path / "cache", progress=False)
    _, record = load_data([f"hf:{hub}:test"], kind="faces", **options)
    assert [(part.name, part.kind, part.terms) for part in record.parts] == [("faces", "faces", "")]
    with pytest.raises(DataError, match="no split 'dev': expected one of train, test"):
        load(f"hf:{hub}:dev")


def test_a_stream_is_held_in_parts_only(hub, load, monkeypatch):
    monkeypatch.setattr(images, "_AT_ONCE", 2)
    assert values(load(f"hf:{hub}")) == [10, 20, 30]


def test_a_data_set_without_pictures_and_one_that_is_not_there(tmp_path, load, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the datasets library is not installed")
    (tmp_path / "words").mkdir()
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "words" / "train.parquet")
    with pytest.raises(DataError, match=r"has no column of pictures; it has text \(Value\)"):
        load(f"hf:{tmp_path / 'words'}")

    class RepositoryNotFoundError(Exception):
        pass

    class Api:
        def dataset_info(self, name):
            raise {"no/such": RepositoryNotFoundError(), "no/net": ConnectionError("off")}[name]

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    with pytest.raises(DataError, match="no/such cannot be read: there is no such data set"):
        load("hf:no/such")
    with pytest.raises(DataError, match="no/net cannot be read: the network"):
        load("hf:no/net:train")


def test_the_licence_of_the_page_is_recorded(hub, load, tmp_path, monkeypatch):
    class Api:
        def dataset_info(self, name):
            return type("Info", (), {"sha": "abc", "card_data": {"license": "cc-by-4.0"}})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    greys = [lambda: encoded(plain(5)), lambda: encoded(plain(6))]
    monkeypatch.setattr("gan.data.sources.hub_pictures", lambda source, revision: iter(greys))
    options = dict(image_size=8, channels=3, cache_dir=tmp_path / "cache", progress=False)
    images, record = load_data(["hf:someone/faces:train"], **options)
    assert values(images) == [5, 6]
    assert record.parts[0].terms == "its page on the Hugging Face Hub gives its licence as cc-by-4.0."
    assert record.parts[0].source == "hf:someone/faces:train"


def test_a_missing_library_is_one_sentence(tmp_path, load, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="pip install datasets"):
        load(f"hf:{tmp_path / 'set'}")
