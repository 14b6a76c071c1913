"""From files to pixels, and what cannot be read. Every picture here is drawn by the test that reads it."""

from __future__ import annotations

import logging
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from picture_files import encoded, make_zip, plain, png_header, values
from PIL import Image

from gan.data import pixels, sources
from gan.data.drawn import draw_faces
from gan.data.images import DataError


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
    face.paste((255, 255, 255), pixels.CELEBA_BOX)
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
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 10_000)
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
