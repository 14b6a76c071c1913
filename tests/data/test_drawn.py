"""The built-in drawn faces: the same for ever, and showing the factors that they state."""

from __future__ import annotations

import numpy as np
import pytest

from gan.data.drawn import EYE_COLOURS, HAIR_COLOURS, HAIR_STYLES, draw_face, draw_faces, render, sample_factors

PLAIN = {**sample_factors(0), "skin": 0.1, "smile": 0.0, "glasses": 0, "hair_style": HAIR_STYLES.index("bald")}


def picture(**changes: float) -> np.ndarray:
    """(64, 64, 3) int of one fixed face with some factors changed."""
    return np.asarray(render({**PLAIN, **changes}, 256).reduce(4)).astype(int)


@pytest.mark.parametrize(("image_size", "channels"), [(64, 3), (28, 1), (7, 3)])
def test_shapes_and_factors(image_size, channels):
    images, factors = draw_faces(5, image_size, channels)
    assert images.shape == (5, image_size, image_size, channels) and images.dtype == np.uint8
    assert all(values.shape == (5,) for values in factors.values())
    assert {"skin", "hair_colour", "hair_style", "eye_colour", "smile", "glasses", "background"} <= set(factors)


def test_a_face_depends_on_seed_and_index_only():
    images, factors = draw_faces(6, 32, 3, seed=1)
    fewer, _ = draw_faces(3, 32, 3, seed=1)
    assert np.array_equal(images[:3], fewer)
    alone, alone_factors = draw_face(4, 32, 3, seed=1)
    assert np.array_equal(images[4], alone)
    assert {name: values[4] for name, values in factors.items()} == alone_factors
    others, _ = draw_faces(6, 32, 3, seed=2)
    assert not any(np.array_equal(a, b) for a, b in zip(images, others, strict=True))
    assert len({image.tobytes() for image in images}) == 6


def test_no_faces_at_all():
    images, factors = draw_faces(0, 16, 3)
    assert images.shape == (0, 16, 16, 3) and len(factors["smile"]) == 0


def test_grey_is_the_luminance_of_the_colour():
    colour, grey = draw_face(3, 32, 3)[0].astype(float), draw_face(3, 32, 1)[0][..., 0]
    assert np.abs(colour @ [0.299, 0.587, 0.114] - grey).max() <= 1


def test_factors_fill_their_ranges():
    rows = [sample_factors(i) for i in range(600)]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, choices in (("hair_colour", HAIR_COLOURS), ("hair_style", HAIR_STYLES), ("eye_colour", EYE_COLOURS)):
        assert set(values[name]) == set(range(len(choices)))
    assert 0.25 < values["glasses"].mean() < 0.42
    assert -1 <= values["smile"].min() < -0.95 and 0.95 < values["smile"].max() <= 1
    assert 0 <= values["skin"].min() < 0.05 and 0.95 < values["skin"].max() < 1


def test_every_factor_changes_the_picture():
    for name, value in PLAIN.items():
        other = {"hair_colour": 4, "hair_style": 3, "eye_colour": 1, "glasses": 1}.get(name, value + 0.4)
        assert other != value
        # the colour of hair shows on a head with hair
        hair = {"hair_style": 1} if name == "hair_colour" else {}
        assert np.abs(picture(**hair, **{name: other}) - picture(**hair)).max() > 20, name


@pytest.mark.parametrize("skin", [0.0, 0.5, 0.75, 1.0])
def test_a_smile_lifts_the_corners_of_the_mouth(skin):
    def corner_below_middle(smile: float) -> int:
        face = picture(skin=skin, smile=smile, turn=0.0, tilt=0.0)
        lips = 42 + (face[..., 0] - face[..., 1])[42:54].argmax(axis=0)  # the reddest row of every column
        return lips[26] - lips[32]

    assert corner_below_middle(0.5) < 0 < corner_below_middle(-0.5)


def test_hair_and_eyes_have_the_stated_colour():
    for number, colour in enumerate(HAIR_COLOURS.values()):
        top = picture(hair_style=HAIR_STYLES.index("short"), hair_colour=number)[11, 32]
        assert np.abs(top - list(bytes.fromhex(colour[1:]))).max() <= 2
    eyes = [picture(eye_colour=number) for number in range(len(EYE_COLOURS))]
    changed = np.argwhere((eyes[0] != eyes[1]).any(axis=2))
    assert changed[:, 0].min() >= 25 and changed[:, 0].max() <= 37  # only around the eyes


@pytest.mark.parametrize(("image_size", "channels"), [(0, 3), (64, 2)])
def test_impossible_pictures_are_refused(image_size, channels):
    with pytest.raises(ValueError, match="expected a size"):
        draw_face(0, image_size, channels)
