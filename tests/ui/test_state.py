"""The page's state: what it draws, and that it survives links and files but no nonsense."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest
import torch

from gan.sampling import latents
from gan.ui.state import MAX_DIMENSIONS, Face, FaceError

FACES = [
    Face("faces64"),
    Face("runs/a b&c=d?e#f/é", 2**32 - 1, 0.0, {0: -3, 1023: 3}),
    Face("m", 7, 1.234, {3: 0.001, 17: -1.25}),
    Face("m", 1, 1.5, {i: (i % 61 - 30) / 10 or 0.1 for i in range(MAX_DIMENSIONS)}),
]


@pytest.mark.parametrize("face", FACES, ids=range(len(FACES)))
def test_link_and_json_restore_exactly(face):
    assert Face.from_query(dict(parse_qsl(face.to_query())), Face("other", 5)) == face
    assert Face.from_json(face.to_json()) == face
    assert face.to_json().isascii()  # so that it fits a PNG's text chunk


def test_a_link_reads_well():
    assert Face("faces64", 7, 0.8, {17: -1.25, 3: 0.5}).to_query() == (
        "model=faces64&seed=7&truncation=0.8&z=3:0.5,17:-1.25"
    )


def test_what_a_link_leaves_out_is_taken_from_the_default():
    default = Face("m", 3, 0.5, {1: 1})
    assert Face.from_query({"__theme": "dark"}, default) == default
    assert Face.from_query({"seed": "9"}, default) == Face("m", 9, 0.5)  # another face: not with the old changes


def test_z_is_truncated_then_moved(tiny_config):
    plain = latents(tiny_config, [4])
    z = Face("m", 4, 0.5, {2: 1.5}).z(tiny_config)
    assert z.shape == (1, 8) and z.dtype == torch.float32
    expected = plain * 0.5
    expected[0, 2] += 1.5
    assert torch.equal(z, expected)
    assert torch.equal(Face("m", 4).z(tiny_config), plain)


def test_offsets_are_brought_into_one_form():
    assert Face("m", offsets={"5": 1, 2: 0.5, 3: 0}).offsets == ((2, 0.5), (5, 1.0))
    assert Face("m", offsets=[(5, 1), (2, 0.5)]) == Face("m", offsets={2: 0.5, 5: 1})
    assert Face("m", seed=3.0).seed == 3  # JavaScript's only numbers


def test_fitted_drops_what_another_model_has_no_dimension_for(tiny_config):
    face = Face("m", offsets={3: 1, 8: 1})
    with pytest.raises(FaceError, match="dimension 8: m has 8 dimensions, numbered 0 to 7"):
        face.z(tiny_config)
    assert face.fitted(tiny_config).offsets == ((3, 1.0),)


@pytest.mark.parametrize(
    "values, message",
    [
        (dict(model=""), "model: expected the name"),
        (dict(model="x" * 201), "1 to 200 characters"),
        (dict(seed=-1), "seed -1: expected a whole number from 0 to 4294967295"),
        (dict(seed=2**32), "expected a whole number from 0"),
        (dict(seed=1.5), "seed 1.5: expected a whole number"),
        (dict(seed=True), "seed True"),
        (dict(seed=float("inf")), "seed inf"),
        (dict(truncation=1.51), "truncation 1.51: expected a number from 0 to 1.5"),
        (dict(truncation=float("nan")), "truncation nan"),
        (dict(truncation="1"), "truncation '1'"),
        (dict(offsets={3: 3.01}), "offset 3.01: expected a number from -3 to 3"),
        (dict(offsets={-1: 1}), "dimension -1"),
        (dict(offsets={MAX_DIMENSIONS: 1}), "dimension 1024"),
        (dict(offsets={"a": 1}), "dimension 'a'"),
        (dict(offsets=dict.fromkeys(range(MAX_DIMENSIONS + 1), 1)), "1025 offsets: expected at most 1024"),
        (dict(offsets=5), "offsets: expected dimensions and values"),
        (dict(offsets={3: None}), "offset None"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(FaceError, match=message):
        Face(**dict(model="m") | values)


@pytest.mark.parametrize(
    "query, message",
    [
        ({"seed": "-1"}, "seed '-1'"),
        ({"seed": "9" * 500}, r"seed '9+\.\.\.: expected a whole number"),
        ({"seed": "٣"}, "expected a whole number"),
        ({"truncation": "low"}, "truncation 'low': expected a number"),
        ({"truncation": "nan"}, "truncation nan"),
        ({"z": "3"}, "expected dimension:value pairs"),
        ({"z": "3:x"}, "offset 'x': expected a number"),
        ({"z": "3:inf"}, "offset inf"),
    ],
)
def test_links_that_make_no_sense_are_refused(query, message):
    with pytest.raises(FaceError, match=message):
        Face.from_query(query, Face("m"))


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "7", '{"model": "m"}', '{"model": "m", "seed": "0", "truncation": 1}',
        json.dumps({"model": "m", "seed": 0, "truncation": 1, "offsets": [[1, 2, 3]]}),
        '{"model": "m", "seed": 0, "truncation": NaN}', "[" * 30_000, " " * 50_000,
    ],
)  # fmt: skip
def test_files_that_carry_something_else_are_refused(text):
    with pytest.raises(FaceError):
        Face.from_json(text)
