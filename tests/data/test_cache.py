"""Pictures are decoded once: the cache, its keys, and several that ask at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from picture_files import encoded, make_zip, plain, values

from gan.data import drawn, images
from gan.data.images import DataError


def forbid_decoding(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the cache should have been used")

    monkeypatch.setattr(images, "_decode_to", fail)


def test_the_second_call_decodes_nothing(folder, load, monkeypatch):
    plain(1).save(folder / "a.png")
    first = load(folder)
    forbid_decoding(monkeypatch)
    assert np.array_equal(load(folder), first)
    with pytest.raises(AssertionError):
        load(folder, image_size=9)
    with pytest.raises(AssertionError):
        load(folder, channels=1)


def test_a_folder_that_moved_keeps_its_cache(folder, load, monkeypatch):
    plain(1).save(folder / "a.png")
    load(folder)
    moved = folder.rename(folder.with_name("moved"))
    forbid_decoding(monkeypatch)
    assert values(load(moved)) == [1]


@pytest.mark.parametrize("change", ["content", "name", "more", "fewer", "time"])
def test_a_changed_folder_is_decoded_again(folder, load, change, monkeypatch):
    plain(1).save(folder / "a.png")
    plain(2).save(folder / "b.png")
    load(folder)
    if change == "content":
        plain(3, (9, 9)).save(folder / "a.png")
    elif change == "name":
        (folder / "a.png").rename(folder / "c.png")
    elif change == "more":
        plain(3).save(folder / "c.png")
    elif change == "fewer":
        (folder / "a.png").unlink()
    else:
        os.utime(folder / "a.png", ns=(0, 10**18))
    expected = {"content": [3, 2], "name": [2, 1], "more": [1, 2, 3], "fewer": [2], "time": [1, 2]}
    assert values(load(folder)) == expected[change]
    forbid_decoding(monkeypatch)
    load(folder)


def test_a_changed_zip_is_decoded_again(load, tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(1))})
    load(path)
    make_zip(path, {"a.png": encoded(plain(2))})
    os.utime(path, ns=(0, 10**18))
    assert values(load(path)) == [2]


def test_more_drawn_faces_are_other_pictures(load):
    assert len(load("drawn:2")) == 2 and len(load("drawn:3")) == 3


def test_a_new_version_of_the_drawing_or_the_crop_is_decoded_again(load, monkeypatch):
    load("drawn:1")
    forbid_decoding(monkeypatch)
    for module, name in ((drawn, "VERSION"), (images, "CACHE_VERSION")):
        with monkeypatch.context() as patch, pytest.raises(AssertionError):
            patch.setattr(module, name, -1)
            load("drawn:1")


@pytest.mark.parametrize("damage", ["short", "empty", "text", "shape", "no pictures"])
def test_a_damaged_cache_is_made_again(folder, load, tmp_path, damage, caplog):
    plain(1).save(folder / "a.png")
    plain(2).save(folder / "b.png")
    load(folder)
    (path,) = (tmp_path / "cache").glob("*.npy")
    if damage == "shape":
        np.save(path, np.zeros((2, 4, 4, 3), np.uint8))
    elif damage == "no pictures":
        np.save(path, np.zeros((0, 8, 8, 3), np.uint8))
    else:
        whole = path.read_bytes()
        path.write_bytes({"short": whole[:-1], "empty": b"", "text": b"hello" * 99}[damage])
    assert values(load(folder)) == [1, 2]
    assert "is made again" in caplog.text


def test_the_cache_folder_comes_from_the_environment(folder, load, tmp_path, monkeypatch):
    plain(1).save(folder / "a.png")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "elsewhere"))
    load(folder, cache_dir=None)
    assert list((tmp_path / "elsewhere").glob("8x8x3-*.npy"))


def test_a_cache_that_cannot_be_written_is_one_sentence(folder, load, tmp_path):
    plain(1).save(folder / "a.png")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cache in .* could not be used .*GAN_CACHE"):
        load(folder, cache_dir=tmp_path / "file" / "sub")


def test_an_interrupted_decoding_leaves_nothing_behind(folder, load, tmp_path, monkeypatch):
    plain(1).save(folder / "a.png")
    with monkeypatch.context() as patch:
        patch.setattr(images.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load(folder)
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".lock"}
    assert values(load(folder)) == [1]


def test_many_threads_that_ask_at_once_get_the_same_and_decode_once(folder, load, monkeypatch):
    for i in range(40):
        plain(i, (32, 32)).save(folder / f"{i:02}.png")
    calls, original = [], images._decode_to
    monkeypatch.setattr(images, "_decode_to", lambda *args: calls.append(args) or original(*args))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: load(folder), range(4)))
    assert all(values(images) == list(range(40)) for images in results)
    assert len(calls) == 1


def test_two_processes_that_ask_at_once_get_the_same(folder, load, tmp_path):
    """This one, and another."""
    for i in range(40):
        plain(i, (32, 32)).save(folder / f"{i:02}.png")
    script = (
        "import sys; from gan.data.images import load_images\n"
        "print(input('ready\\n'))\n"
        "images = load_images([sys.argv[1]], image_size=8, channels=1, cache_dir=sys.argv[2], progress=False)\n"
        "print(images[:, 3, 3, 0].tolist())"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    root = Path(__file__).resolve().parents[2]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    with subprocess.Popen(command, cwd=root, **pipes) as other:
        assert other.stdout.readline() == "ready\n"  # it has imported torch
        print("go", file=other.stdin, flush=True)
        assert values(load(folder, channels=1)) == list(range(40))
        assert other.communicate()[0].splitlines() == ["go", str(list(range(40)))]


def test_the_result_does_not_depend_on_the_number_of_threads(folder, load, tmp_path):
    for i in range(70):
        plain(i).save(folder / f"{i:02}.png")
    (folder / "05a.png").touch()
    for workers in (1, 5):
        assert values(load(folder, workers=workers, cache_dir=tmp_path / str(workers))) == list(range(70))
