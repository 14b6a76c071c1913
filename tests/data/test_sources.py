"""What can be a source: folders, zips, drawn faces, MNIST and CelebA, and what is no source."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from picture_files import encoded, make_zip, plain, values
from PIL import Image

from gan.data import drawn
from gan.data.drawn import draw_faces
from gan.data.images import DataError, describe_sources

REAL_DATA = os.environ.get("GAN_TEST_DATA", "")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="set GAN_TEST_DATA to a folder with MNIST and CelebA")


def test_a_folder_is_read_recursively_in_order_of_names(folder, load):
    (folder / "b" / "deep").mkdir(parents=True)
    plain(30).save(folder / "c.png")
    plain(20).save(folder / "b" / "deep" / "x.webp", lossless=True)
    plain(10).save(folder / "a.bmp")
    (folder / "notes.txt").write_text("not a picture", encoding="utf-8")
    images = load(folder)
    assert values(images) == [10, 20, 30]
    assert images.shape == (3, 8, 8, 3) and images.dtype == np.uint8


def test_the_array_is_a_read_only_map(folder, load):
    plain(1).save(folder / "a.png")
    images = load(folder)
    assert isinstance(images, np.memmap) and not images.flags.writeable


def test_hidden_files_are_left_out(folder, load, tmp_path):
    for name in ("a.png", ".hidden.png", ".git/b.png", "__MACOSX/a.png", "sub/._a.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        plain(5).save(folder / name)
    assert len(load(folder)) == 1
    members = {name: encoded(plain(5)) for name in ("./a.png", ".b.png", "__MACOSX/a.png", "sub/._a.png")}
    assert len(load(make_zip(tmp_path / "pictures.zip", members))) == 1


def test_links_in_circles_end(folder, load):
    (folder / "sub").mkdir()
    plain(7).save(folder / "sub" / "a.png")
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "sub" / "self").symlink_to(folder / "sub", target_is_directory=True)
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    assert values(load(folder)) == [7]


def test_linked_folders_and_files_are_followed(folder, load, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plain(3).save(elsewhere / "a.png")
    (folder / "link").symlink_to(elsewhere, target_is_directory=True)
    (folder / "z.png").symlink_to(elsewhere / "a.png")
    assert values(load(folder)) == [3, 3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_left_out(folder, load):
    plain(3).save(folder / "a.png")
    os.mkfifo(folder / "b.png")  # reading it would wait for ever
    assert values(load(folder)) == [3]


def test_a_zip_of_many_formats_in_nested_folders(load, tmp_path):
    members = {
        "d/e/5.tif": encoded(plain(50), "TIFF"),
        "1.JPG": encoded(plain(10), "JPEG", quality=100),
        "a/2.webp": encoded(plain(20), "WEBP", lossless=True),
        "b/3.gif": encoded(plain(30), "GIF"),
        "c/4.ppm": encoded(plain(40), "PPM"),
        "readme.txt": b"no picture",
    }
    assert values(load(make_zip(tmp_path / "x.zip", members))) == [10, 20, 30, 40, 50]


def test_several_sources_keep_their_order(folder, load, tmp_path):
    plain(1).save(folder / "a.png")
    packed = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(2))})
    assert values(load(packed, folder)) == [2, 1]
    assert values(load(folder, packed)) == [1, 2]
    both = load(folder, "drawn:2")
    assert both[0, 0, 0, 0] == 1 and np.array_equal(both[1:], draw_faces(2, 8, 3)[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_drawn_faces_are_a_source(load, channels):
    assert np.array_equal(load("drawn:3", channels=channels), draw_faces(3, 8, channels)[0])


def test_drawn_alone_is_ten_thousand(load, monkeypatch):
    monkeypatch.setattr(drawn, "draw_face", lambda i, size, channels: (np.zeros((size, size, channels), "u1"), {}))
    assert len(load("drawn", image_size=2)) == 10_000


@pytest.mark.parametrize("source", ["drawn:", "drawn:0", "drawn:-3", "drawn:many", "drawn:²"])
def test_drawn_wants_a_number(load, source):
    with pytest.raises(DataError, match=r"how many faces.*drawn:5000"):
        load(source)


def write_idx(path: Path, digits: np.ndarray) -> None:
    path.parent.mkdir(parents=True)
    content = struct.pack(">IIII", 0x0803, *digits.shape) + digits.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_needs_no_more_than_its_image_file(load, tmp_path, suffix):
    digits = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
    write_idx(tmp_path / "root" / "MNIST" / "raw" / f"train-images-idx3-ubyte{suffix}", digits)
    assert np.array_equal(load("mnist", image_size=28, channels=1)[..., 0], digits)
    assert np.array_equal(load("mnist", image_size=28, channels=3)[..., 2], digits)
    assert load("mnist", image_size=32, channels=1).shape == (3, 32, 32, 1)


def test_the_test_set_is_another_file(load, tmp_path):
    raw = tmp_path / "root" / "MNIST" / "raw"
    write_idx(raw / "train-images-idx3-ubyte", np.zeros((3, 28, 28), np.uint8))
    (raw / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x0803, 2, 28, 28) + bytes([7]) * 2 * 28 * 28)
    assert len(load("mnist", image_size=28, channels=1)) == 3
    assert (load("mnist-test", image_size=28, channels=1) == 7).all()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_truncated_mnist_is_one_sentence(load, tmp_path, suffix):
    path = tmp_path / "root" / "MNIST" / "raw" / f"train-images-idx3-ubyte{suffix}"
    write_idx(path, np.zeros((3, 28, 28), np.uint8))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"not a whole MNIST image file.*delete it"):
        load("mnist", image_size=28, channels=1)


def test_celeba_needs_no_more_than_its_pictures(load, tmp_path):
    pictures = tmp_path / "root" / "celeba" / "img_align_celeba"
    pictures.mkdir(parents=True)
    plain(9, (178, 218)).save(pictures / "000001.jpg")
    assert len(load("celeba")) == 1


def test_celeba_is_read_from_its_zip_too(load, tmp_path):
    (tmp_path / "root" / "celeba").mkdir(parents=True)
    members = {"img_align_celeba/000001.jpg": encoded(plain(9, (178, 218)), "JPEG")}
    make_zip(tmp_path / "root" / "celeba" / "img_align_celeba.zip", members)
    assert len(load("celeba")) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("Too many users have\n viewed or downloaded this file"), OSError("off")]
)
def test_a_failed_celeba_download_names_the_other_ways(load, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torchvision.datasets, "CelebA", fail)
    with pytest.raises(DataError) as raised:
        load("celeba")
    message = str(raised.value)
    for way in ("a zip or a folder", "img_align_celeba.zip", "Hugging Face", "huggingface_hub", "hf download", "drawn"):
        assert way in message
    assert " ".join(str(error).split()) in message


def test_a_failed_mnist_download_names_the_other_ways(load, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "MNIST", lambda *_, **__: None)  # "succeeds" and leaves nothing
    with pytest.raises(DataError, match=r"(?s)left no pictures.*train-images-idx3-ubyte\.gz.*hf download.*zip"):
        load("mnist")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz"):
        load("mnist-test")


def test_a_download_is_read_at_once(load, monkeypatch):
    def download(root, **_):
        write_idx(Path(root) / "MNIST" / "raw" / "train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8))

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    assert len(load("mnist", image_size=28, channels=1)) == 2


@pytest.mark.parametrize(
    ("source", "suggestion"),
    [("celebra", "celeba"), ("MNIST", "mnist"), ("facse", "faces"), ("phots.zip", "photos.zip")],
)
def test_an_unknown_source_is_named_with_the_nearest(load, tmp_path, monkeypatch, source, suggestion):
    (tmp_path / "faces").mkdir()
    (tmp_path / "photos.zip").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"unknown data source '{source}' .did you mean '{suggestion}'"):
        load(source)


def test_an_unknown_source_like_nothing_gets_no_suggestion(load):
    with pytest.raises(
        DataError,
        match=r"unknown data source '/nowhere/xyzzy': .*mnist, mnist-test, celeba, drawn, drawn:N or hf:",
    ):
        load("/nowhere/xyzzy")


@pytest.mark.parametrize("options", [{"image_size": 0}, {"channels": 2}])
def test_impossible_sizes(load, options):
    with pytest.raises(DataError, match="expected a size >= 1 and 1 or 3 channels"):
        load("drawn:1", **options)


def test_no_source_at_all(load):
    with pytest.raises(DataError, match="no data source was given"):
        load()


def test_an_empty_folder(folder, load):
    (folder / "notes.txt").touch()
    with pytest.raises(DataError, match=r"pictures has no pictures in it; expected files that end in \.jpg"):
        load(folder)


def test_a_zip_without_pictures(load, tmp_path):
    with pytest.raises(DataError, match=r"the zip .*x\.zip has no pictures in it"):
        load(make_zip(tmp_path / "x.zip", {"notes.txt": b"none"}))


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_damaged_zip(load, tmp_path, content):
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(1))})
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    with pytest.raises(DataError, match=r"x\.zip is not a zip, or a damaged one"):
        load(path)


def test_description_has_no_folders_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe_sources(["/secret/place/a.zip", "b/c"]) == "a.zip + c"
    assert describe_sources(["mnist", "celeba", "drawn:5"]) == "MNIST + CelebA + drawn faces"
    assert describe_sources(["."]) == tmp_path.name


@needs_real_data
def test_real_mnist(load):
    digits = load("mnist", image_size=28, channels=1, data_root=REAL_DATA)
    assert digits.shape == (60_000, 28, 28, 1)
    assert 30 < digits.mean() < 36  # 33.3 of 255: mostly black


@needs_real_data
def test_real_celeba(load):
    faces = load("celeba", image_size=32, data_root=Path(REAL_DATA) / "celeba_sample")
    assert faces.shape == (1_200, 32, 32, 3)
    mean = faces.mean(axis=0)
    middle, edge = mean[8:24, 8:24], np.concatenate([mean[:4, :4], mean[:4, -4:]])
    assert middle.mean() > edge.mean() + 15  # the average face is bright in the middle, if the crop is on it


@needs_real_data
def test_prepared_celeba_is_cropped_as_the_originals_are(load):
    """The zips hold the same crop at 64x64; no picture is in both, so the average faces are compared."""
    with zipfile.ZipFile(Path(REAL_DATA) / "celeba64" / "celeba64-a.zip") as archive:
        names = sorted(archive.namelist())[:1200]
        prepared = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    faces = load("celeba", image_size=64, data_root=Path(REAL_DATA) / "celeba_sample")
    assert np.abs(faces.mean(axis=0) - np.mean(prepared, axis=0)).mean() < 5
