"""Sources, decoding, the cache, and batches. Every picture here is drawn by the test that reads it."""

from __future__ import annotations

import gzip
import io
import logging
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from gan import data, drawn, sources
from gan.data import DataError, describe_sources, epoch_order, load_images, make_batch
from gan.drawn import draw_faces

REAL_DATA = os.environ.get("GAN_TEST_DATA", "")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="set GAN_TEST_DATA to a folder with MNIST and CelebA")


@pytest.fixture
def load(tmp_path):
    """`load_images` with a cache of the test's own."""

    def load(*sources, image_size=8, channels=3, **options) -> np.ndarray:
        options = {"cache_dir": tmp_path / "cache", "data_root": tmp_path / "root", "progress": False} | options
        return load_images(list(map(str, sources)), image_size=image_size, channels=channels, **options)

    return load


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    return made


def plain(value: int | tuple[int, ...], size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    if mode == "RGB" and isinstance(value, int):
        value = (value, value, value)
    return Image.new(mode, size, value)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def make_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)  # ZipInfo keeps the name exactly as it is
    return path


def values(images: np.ndarray) -> list[int]:
    """The value of each plain picture."""
    assert all((image == image[0, 0, 0]).all() for image in images)
    return images[:, 0, 0, 0].tolist()


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares its size and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# sources


def test_a_folder_is_read_recursively_in_order_of_names(folder, load):
    (folder / "b" / "deep").mkdir(parents=True)
    plain(30).save(folder / "c.png")
    plain(20).save(folder / "b" / "deep" / "x.webp", lossless=True)
    plain(10).save(folder / "a.bmp")
    (folder / "notes.txt").write_text("not a picture")
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
        DataError, match=r"unknown data source '/nowhere/xyzzy': .*mnist, mnist-test, celeba, drawn or drawn:N"
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
    assert describe_sources(["/secret/place/a.zip", "b/c"], 59893) == "a.zip + c (59,893 images)"
    assert describe_sources(["mnist", "celeba", "drawn:5"]) == "MNIST + CelebA + drawn faces"
    assert describe_sources(["."]) == tmp_path.name


# from file to pixels


def test_celeba_originals_are_cropped_around_the_face(folder, load):
    """Each pixel of the picture states its own place: red is x, green is y."""
    places = np.zeros((218, 178, 3), np.uint8)
    places[..., 0], places[..., 1] = np.arange(178), np.arange(218)[:, None]
    Image.fromarray(places).save(folder / "a.png")
    cropped = load(folder, image_size=128)[0]
    assert cropped[0, 0].tolist() == [25, 57, 0] and cropped[-1, -1].tolist() == [152, 184, 0]
    half = load(folder, image_size=64)[0].astype(int)
    assert abs(half[0, 0] - [25, 57, 0]).max() <= 1 and abs(half[-1, -1] - [152, 184, 0]).max() <= 1


@pytest.mark.parametrize(("size", "corner"), [((178, 217), (0, 19)), ((218, 178), (20, 0)), ((177, 218), (0, 20))])
def test_all_else_is_cropped_to_the_centre(folder, load, size, corner):
    width, height = size
    places = np.zeros((height, width, 3), np.uint8)
    places[..., 0], places[..., 1] = np.arange(width), np.arange(height)[:, None]
    Image.fromarray(places).save(folder / "a.png")
    assert load(folder, image_size=min(size))[0, 0, 0, :2].tolist() == list(corner)


def test_a_large_jpeg_is_not_taken_for_celeba_when_decoded_at_half_its_size(folder, load):
    half_red = plain(0, (356, 436))
    half_red.paste((255, 0, 0), (0, 0, 356, 60))  # above the centre square, but for its rows 40..60
    half_red.save(folder / "a.jpg", quality=95)
    column = load(folder, image_size=60)[0, :, 30, 0]  # decoded at 178x218
    assert column[0] > 200 and column[8] < 50


def test_a_celeba_jpeg_is_cropped_before_it_is_made_small(folder, load):
    face = plain(0, (178, 218))
    face.paste((255, 255, 255), data.CELEBA_BOX)
    face.save(folder / "a.jpg", quality=100)
    assert load(folder, image_size=8).min() > 235


def test_resizing_is_antialiased(folder, load):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(folder / "a.png")
    assert np.abs(load(folder, image_size=8, channels=1).astype(int) - 127).max() <= 12


def test_a_fitting_picture_is_not_touched(folder, load):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    assert np.array_equal(load(folder, image_size=16)[0], noise)


def test_jpeg_at_reduced_scale_looks_like_the_whole(folder, load):
    face = Image.fromarray(draw_faces(1, 512, 3)[0][0])
    face.save(folder / "a.jpg", quality=98)
    expected = np.asarray(face.resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(load(folder, image_size=32)[0] - expected).mean() < 2


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(folder, load, kind, orientation):
    upright = plain(0, (16, 16))
    upright.paste((255, 255, 255), (0, 0, 8, 4))  # one corner, longer than high: tells all 8 orientations apart
    turned = {  # how a camera stores a picture that the tag then turns back
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(turned[orientation]) if orientation in turned else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(folder / f"a.{kind}", exif=exif, **({"quality": 100} if kind == "jpg" else {}))
    assert np.abs(load(folder, image_size=16)[0].astype(int) - np.asarray(upright)).mean() < 3


def test_cmyk(folder, load):
    plain((0, 255, 255, 0), mode="CMYK").save(folder / "a.jpg", quality=100)
    assert np.abs(load(folder)[0, 4, 4].astype(int) - [255, 0, 0]).max() < 12


def test_transparent_is_white(folder, load):
    plain((10, 20, 30, 0), mode="RGBA").save(folder / "1.png")
    plain((0, 0, 0, 128), mode="RGBA").save(folder / "2.webp", lossless=True)
    plain((0, 0), mode="LA").save(folder / "3.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.save(folder / "4.png", transparency=1)
    palette.save(folder / "5.png")
    corners = load(folder)[:, 0, 0].tolist()
    assert corners == [[255] * 3, [127] * 3, [255] * 3, [255] * 3, [200, 100, 50]]


def test_16_bit_grey_keeps_its_range(folder, load):
    Image.fromarray(np.full((8, 8), 51400, np.uint16)).save(folder / "a.png")
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save(folder / "b.tif")
    assert values(load(folder, channels=1)) == [200, 1]
    assert values(load(folder, channels=3)) == [200, 1]


def test_float_grey_is_clipped(folder, load, caplog):
    caplog.set_level(logging.INFO)
    Image.fromarray(np.full((8, 8), 77, np.float32)).save(folder / "a.tif")
    Image.fromarray(np.full((8, 8), 300, np.float32)).save(folder / "b.tif")
    assert values(load(folder)) == [77, 255]
    assert "2 grey pictures" in caplog.text


def test_black_and_white(folder, load):
    Image.new("1", (8, 8), 1).save(folder / "a.png")
    assert values(load(folder)) == [255]


@pytest.mark.parametrize(("kind", "options"), [("gif", {}), ("webp", {"lossless": True}), ("png", {})])
def test_of_an_animation_the_first_frame(folder, load, kind, options):
    frames = [plain(v) for v in (20, 120, 220)]
    frames[0].save(folder / f"a.{kind}", save_all=True, append_images=frames[1:], **options)
    assert values(load(folder)) == [20]


def test_grey_for_a_colour_model_is_repeated_and_said(folder, load, caplog):
    caplog.set_level(logging.INFO)
    plain(77, mode="L").save(folder / "a.png")
    plain(5).save(folder / "b.png")
    assert load(folder)[0, 0, 0].tolist() == [77, 77, 77]
    assert "1 grey pictures were repeated to RGB" in caplog.text


def test_colour_for_a_grey_model_becomes_luminance_and_that_is_said(folder, load, caplog):
    caplog.set_level(logging.INFO)
    plain((255, 0, 0)).save(folder / "a.png")
    plain(5, mode="L").save(folder / "b.png")
    assert values(load(folder, channels=1)) == [76, 5]
    assert "1 colour pictures became their luminance" in caplog.text


# what cannot be read


def test_an_unreadable_picture_is_left_out_and_named(folder, load, caplog):
    for i in range(3):
        plain(i).save(folder / f"{i}.png")
    (folder / "1a.png").write_bytes(b"this is no picture")
    (folder / "2a.jpg").write_bytes(encoded(plain(1, (64, 64)), "JPEG")[:200])
    (folder / "2b.png").touch()
    assert values(load(folder)) == [0, 1, 2]
    assert "3 of 6 pictures could not be read and are left out: pictures/1a.png" in caplog.text
    assert "pictures/2a.jpg" in caplog.text and "pictures/2b.png" in caplog.text
    assert len(caplog.records) == 1


def test_only_the_first_unreadable_ones_are_named(folder, load, caplog):
    plain(0).save(folder / "z.png")
    for i in range(5):
        (folder / f"{i}.png").write_bytes(b"no picture")
    load(folder)
    assert "2.png" in caplog.text and "3.png" not in caplog.text and "and 2 more" in caplog.text


def test_a_file_that_only_calls_itself_a_picture_reaches_no_other_decoder(folder, load):
    """Pillow would hand this one to Ghostscript."""
    (folder / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(DataError, match=r"none of the 1 pictures.*cannot identify"):
        load(folder)


def test_none_readable(folder, load, tmp_path):
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "b.png").write_bytes(b"no picture either")
    with pytest.raises(DataError, match=r"none of the 2 pictures could be read, for example pictures/a\.png"):
        load(folder)
    assert not list((tmp_path / "cache").glob("*.npy")) and not list((tmp_path / "cache").glob("*.partial"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns at the first, and refuses the second itself
def test_decompression_bombs_are_refused(folder, load, caplog, side):
    plain(4).save(folder / "a.png")
    (folder / "bomb.png").write_bytes(png_header(side, side))
    assert values(load(folder)) == [4]
    assert "pictures/bomb.png (DecompressionBombError" in caplog.text


def test_a_zip_member_that_declares_an_absurd_size_is_not_unpacked(load, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sources, "MAX_ZIP_MEMBER_BYTES", 10_000)
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(4)), "huge.bmp": bytes(10_001)})
    opened = []
    original = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, m, *a, **k: opened.append(m.filename) or original(self, m, *a, **k)
    )
    assert values(load(path)) == [4]
    assert opened == ["a.png"]
    assert "x.zip/huge.bmp (ValueError: 10,001 bytes" in caplog.text


def test_a_zip_member_is_never_unpacked_beyond_what_it_declares(load, tmp_path, caplog):
    """The member's stated size is a lie: 1,000 bytes that unpack to ten million."""
    content = bytes(10_000_000)
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(4)), "liar.bmp": content})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 1000)))
    tracemalloc.start()
    try:
        assert values(load(path)) == [4]
        assert tracemalloc.get_traced_memory()[1] < len(content) / 2
    finally:
        tracemalloc.stop()
    assert "x.zip/liar.bmp (" in caplog.text


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_whose_output_cannot_be_limited_are_refused(load, tmp_path, compression):
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(4))}, compression)
    with pytest.raises(DataError, match=r"none of the 1 pictures.*neither stored nor deflated"):
        load(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_usual_compressions_are_read(load, tmp_path, compression):
    assert values(load(make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(4))}, compression))) == [4]


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "/etc/a.png", "..\\a.png", "C:\\a.png", "\\\\host\\share\\a.png", "C:a.png"]
)
def test_zip_members_that_climb_out_are_refused(load, tmp_path, caplog, name):
    path = make_zip(tmp_path / "x.zip", {"good.png": encoded(plain(4)), name: encoded(plain(9))})
    assert values(load(path)) == [4]
    assert "1 of 2 pictures" in caplog.text and "climbs out of the zip" in caplog.text


def test_a_damaged_member_of_a_zip_is_left_out(load, tmp_path, caplog):
    noise = encoded(Image.effect_noise((32, 32), 90))
    path = make_zip(tmp_path / "x.zip", {"a.png": encoded(plain(4)), "b.png": noise})
    content = bytearray(path.read_bytes())
    content[content.index(b"b.png") + 100] ^= 0xFF
    path.write_bytes(content)
    assert values(load(path)) == [4]
    assert "x.zip/b.png" in caplog.text


# the cache


def forbid_decoding(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the cache should have been used")

    monkeypatch.setattr(data, "_decode_to", fail)


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
    for module, name in ((drawn, "VERSION"), (data, "CACHE_VERSION")):
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
        patch.setattr(data.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load(folder)
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".lock"}
    assert values(load(folder)) == [1]


def test_many_threads_that_ask_at_once_get_the_same_and_decode_once(folder, load, monkeypatch):
    for i in range(40):
        plain(i, (32, 32)).save(folder / f"{i:02}.png")
    calls, original = [], data._decode_to
    monkeypatch.setattr(data, "_decode_to", lambda *args: calls.append(args) or original(*args))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: load(folder), range(4)))
    assert all(values(images) == list(range(40)) for images in results)
    assert len(calls) == 1


def test_two_processes_that_ask_at_once_get_the_same(folder, tmp_path):
    for i in range(40):
        plain(i, (32, 32)).save(folder / f"{i:02}.png")
    script = (
        "import sys; from gan.data import load_images\n"
        "images = load_images([sys.argv[1]], image_size=8, channels=1, cache_dir=sys.argv[2], progress=False)\n"
        "print(images[:, 3, 3, 0].tolist())"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    root = Path(__file__).resolve().parent.parent
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [str(list(range(40)))] * 2


def test_the_result_does_not_depend_on_the_number_of_threads(folder, load, tmp_path):
    for i in range(70):
        plain(i).save(folder / f"{i:02}.png")
    (folder / "05a.png").touch()
    for workers in (1, 5):
        assert values(load(folder, workers=workers, cache_dir=tmp_path / str(workers))) == list(range(70))


# batches


def test_an_epoch_shows_each_picture_at_most_once():
    order = epoch_order(103, batch_size=10, seed=3, epoch=0)
    assert order.shape == (10, 10) and order.dtype == np.int64
    assert len(set(order.flat)) == 100 and order.min() >= 0 and order.max() < 103
    assert set(epoch_order(100, batch_size=10, seed=3, epoch=0).flat) == set(range(100))


def test_the_order_depends_on_seed_and_epoch_only():
    order = epoch_order(64, batch_size=8, seed=1, epoch=2)
    assert np.array_equal(order, epoch_order(64, batch_size=8, seed=1, epoch=2))
    assert np.array_equal(order.ravel(), epoch_order(64, batch_size=16, seed=1, epoch=2).ravel())
    for seed, epoch in ((1, 3), (2, 2), (2, 1)):
        assert not np.array_equal(order, epoch_order(64, batch_size=8, seed=seed, epoch=epoch))


def test_the_order_is_the_same_on_every_machine():
    """An exact resume on another machine needs it; a change here breaks runs that are under way."""
    assert epoch_order(12, batch_size=4, seed=0, epoch=1).tolist() == [[0, 10, 7, 6], [5, 9, 4, 8], [11, 2, 1, 3]]


def test_the_share_of_pictures_left_out_changes_with_the_epoch():
    seen = [set(epoch_order(10, batch_size=8, seed=0, epoch=epoch).flat) for epoch in range(5)]
    assert len({frozenset(pictures) for pictures in seen}) > 1


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_share_out_the_batch_of_a_single_process(world_size):
    whole = epoch_order(50, batch_size=8, seed=0, epoch=0)
    shares = [
        epoch_order(50, batch_size=8, seed=0, epoch=0, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert all(share.shape == (6, 8 // world_size) for share in shares)
    assert np.array_equal(np.concatenate(shares, axis=1), whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_images": 7}, "7 pictures do not fill one batch of 8"),
        ({"world_size": 3}, "batch_size 8 does not divide over 3 processes"),
        ({"world_size": 2, "rank": 2}, "rank 2 is not one of 2 processes"),
    ],
)
def test_impossible_orders(options, message):
    with pytest.raises(DataError, match=message):
        epoch_order(**{"n_images": 20, "batch_size": 8, "seed": 0, "epoch": 0} | options)


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """(256, 6, 6, 3) uint8: picture i has the value i on its left half, and 0 on its right."""
    images = np.zeros((256, 6, 6, 3), np.uint8)
    images[:, :, :3] = np.arange(256, dtype=np.uint8)[:, None, None, None]
    images.setflags(write=False)
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_what_networks_take(ramp, channels):
    batch = make_batch(ramp[..., :channels], np.array([0, 255, 128, 0]), device="cpu", flip=False)
    assert batch.shape == (4, channels, 6, 6) and batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch[:, 0, 0, 0].tolist() == [-1.0, 1.0, pytest.approx(128 / 127.5 - 1, abs=1e-6), -1.0]
    assert batch.min() == -1 and batch.max() == 1


def test_a_batch_keeps_rows_columns_and_channels_apart():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    batch = make_batch(images, np.array([3, 1]), device="cpu", flip=False)
    expected = images[[3, 1]].transpose(0, 3, 1, 2) / 127.5 - 1
    assert np.allclose(batch.numpy(), expected, atol=1e-6)


def test_flipping_mirrors_half_of_the_pictures_whole(ramp):
    generator = torch.Generator().manual_seed(0)
    indices = np.full(1000, 200)
    batch = make_batch(ramp, indices, device="cpu", flip=True, generator=generator)
    plain_one = make_batch(ramp, indices[:1], device="cpu", flip=False)[0]
    mirrored = torch.tensor([torch.equal(picture, plain_one.flip(2)) for picture in batch])
    untouched = torch.tensor([torch.equal(picture, plain_one) for picture in batch])
    assert (mirrored ^ untouched).all()
    assert 420 < mirrored.sum() < 580


def test_flipping_mirrors_pixels_not_channels():
    images = np.random.default_rng(0).integers(0, 256, (64, 5, 7, 3), dtype=np.uint8)
    indices = np.arange(64)
    flipped = make_batch(images, indices, device="cpu", flip=True, generator=torch.Generator().manual_seed(1))
    same = make_batch(images, indices, device="cpu", flip=False)
    mirrored = [i for i in range(64) if torch.equal(flipped[i], same[i].flip(2))]
    assert 10 < len(mirrored) < 54
    assert all(torch.equal(flipped[i], same[i]) for i in set(range(64)) - set(mirrored))


def test_flips_follow_the_generator(ramp):
    def flips(generator: torch.Generator | None) -> torch.Tensor:
        return make_batch(ramp, np.full(64, 9), device="cpu", flip=True, generator=generator)

    assert torch.equal(flips(torch.Generator().manual_seed(5)), flips(torch.Generator().manual_seed(5)))
    torch.manual_seed(5)
    first = flips(None)
    torch.manual_seed(5)
    assert torch.equal(flips(None), first)
    state = torch.get_rng_state()
    flips(torch.Generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_no_flip_takes_no_random_numbers(ramp):
    state = torch.get_rng_state()
    make_batch(ramp, np.arange(8), device="cpu", flip=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_leave_the_pictures_alone(ramp):
    before = ramp.copy()
    make_batch(ramp, np.arange(64), device="cpu", flip=True)
    assert np.array_equal(ramp, before)


# real data


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
