"""Pictures that somebody brings: each kind becomes the right picture or the right sentence."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from photos import blank_png, packed
from PIL import Image

from gan.data.photo import MAX_SIDE, PhotoError, fitted, open_photo


def colour(image, x=0, y=0):
    assert image.mode == "RGB"
    return image.getpixel((x, y))


def near(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 3


def test_transparency_becomes_white():
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    half.paste((0, 0, 255, 255), (20, 0, 40, 40))
    opened = open_photo(packed(half))
    assert colour(opened) == (255, 255, 255) and colour(opened, 39) == (0, 0, 255)
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([9, 9, 9, 200, 100, 0])
    assert colour(open_photo(packed(palette, "GIF", transparency=1))) == (255, 255, 255)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("CMYK", (40, 40), (0, 255, 255, 0)), (254, 0, 0)),
        (Image.new("L", (40, 40), 80), (80, 80, 80)),
        (Image.fromarray(np.full((40, 40), 40_000, np.uint16)), (156, 156, 156)),
        (Image.new("1", (40, 40), 1), (255, 255, 255)),
    ],
    ids=["CMYK", "grey", "16 bits", "1 bit"],
)
def test_any_mode_becomes_rgb(image, expected):
    kind = "JPEG" if image.mode == "CMYK" else "PNG"
    assert near(colour(open_photo(packed(image, kind))), expected)


def test_an_animation_is_its_first_picture():
    red, blue = (Image.new("RGB", (40, 40), name) for name in ("red", "blue"))
    for kind in ("GIF", "WEBP", "PNG"):
        assert near(colour(open_photo(packed(red, kind, save_all=True, append_images=[blue]))), (255, 0, 0)), kind


def test_a_photo_is_turned_as_its_camera_says():
    left_blue = Image.new("RGB", (60, 30), "red")
    left_blue.paste("blue", (0, 0, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: its left side comes up
    opened = open_photo(packed(left_blue, "JPEG", exif=exif, quality=95))
    assert opened.size == (30, 60)
    assert near(colour(opened, 15, 5), (0, 0, 254)) and near(colour(opened, 15, 55), (254, 0, 0))


def test_a_large_photo_is_reduced():
    for kind in ("JPEG", "PNG"):
        assert open_photo(packed(Image.new("RGB", (3000, 1500), "red"), kind)).size == (MAX_SIDE, MAX_SIDE // 2)


@pytest.mark.parametrize(("side", "said"), [(20_000, "more than 178 million"), (9_000, "9,000 x 9,000")])
def test_too_many_pixels_are_refused_before_they_are_decoded(side, said):
    content = blank_png(side, side)
    tracemalloc.start()
    try:
        with pytest.raises(PhotoError, match=f"{said} pixels: expected at most 50 million"):
            open_photo(content)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a picture"),
        (b"%PDF-1.4 and so on", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a picture"),  # Pillow would start Ghostscript
        (packed(Image.new("RGB", (1, 1))), "1 x 1 pixels: expected at least 16"),
        (packed(Image.new("RGB", (300, 15))), "300 x 15 pixels: expected at least 16"),
        (packed(Image.effect_noise((300, 300), 60), "JPEG")[:5000], "damaged or cut short"),
        (bytes(20 * 2**20 + 1), "20 MB: expected a picture of at most 20 MB"),
    ],
    ids=["empty", "pdf", "eps", "1x1", "flat", "cut", "heavy"],
)
def test_what_cannot_be_used_is_said_in_one_sentence(content, said):
    with pytest.raises(PhotoError, match=said) as refused:
        open_photo(content)
    assert str(refused.value).count("\n") == 0 and len(str(refused.value)) < 160


def test_a_phones_photo_is_named_where_it_cannot_be_read(monkeypatch):
    monkeypatch.setattr("gan.data.photo.FORMATS", ("JPEG", "PNG"))
    with pytest.raises(PhotoError, match=r"This is a HEIC photo, .* share it as JPEG"):
        open_photo(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000))


def test_a_picture_is_brought_to_the_models_size(tiny_config):
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))  # its middle square
    tensor = fitted(wide, tiny_config)
    assert tensor.shape == (1, 3, 16, 16) and tensor.dtype == torch.float32
    assert (tensor[0, 2] == 1).all() and (tensor[0, :2] == -1).all()
    grey = fitted(wide, tiny_config.replace(channels=1))
    assert grey.shape == (1, 1, 16, 16) and abs(float(grey.mean()) - (29 / 127.5 - 1)) < 1e-5  # blue's luminance


def test_a_picture_of_the_right_size_keeps_its_pixels(tiny_config, pictures):
    pixels = torch.from_numpy(pictures[0].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    assert torch.allclose(fitted(pictures[0], tiny_config), pixels, atol=1e-6)
    assert torch.allclose(fitted(Image.fromarray(pictures[0]), tiny_config), pixels, atol=1e-6)


@pytest.mark.parametrize("array", [np.zeros((40, 40, 5), np.uint8), np.zeros((40, 40, 3), np.float32)])
def test_an_array_that_is_no_picture_is_refused(tiny_config, array):
    with pytest.raises(PhotoError, match="expected"):
        fitted(array, tiny_config)
