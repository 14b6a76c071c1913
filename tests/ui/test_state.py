"""The page's state: what it draws, and that it survives links and files but no nonsense."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
import torch

from gan.sampling import latents
from gan.ui.state import Face, OwnDirection
from gan.ui.values import MAX_DIMENSIONS, MAX_LATENT, MAX_NAME, FaceError, clean_name, decode_latent, encode_latent

LATENT = encode_latent(torch.linspace(-4, 4, 8))
FULL_OWN = tuple(
    OwnDirection(
        "x" * (MAX_NAME - 1) + str(i), "runs/ä;:,b" * (i % 2) or "m", tuple(range(2**32 - 40, 2**32 - 8)),
        tuple(range(2**31, 2**31 + 32)),
    )
    for i in range(4)
)  # fmt: skip
FACES = [
    Face("faces64"),
    Face("m", 3, 0.9, {1: 1}, LATENT, {"Smile": -1.25, "SeFa 12": 3, "~été": 0.001}, FULL_OWN[:2]),
    Face(
        "m",
        3,
        latent=encode_latent(torch.randn(MAX_DIMENSIONS)),
        own=FULL_OWN,
        directions={f"Woman / man ({i})": -2.755 for i in range(64)},
        offsets=dict.fromkeys(range(MAX_DIMENSIONS), -1.755),
    ),
    Face("runs/a b&c=d?e#f/é", 2**32 - 1, 0.0, {0: -3, 1023: 3}),
    Face("m", 7, 1.234, {3: 0.001, 17: -1.25}, pad=("truncation", "z:1023")),
    Face("m", pad=("move:~été (b)/c'-", "move:SeFa 12")),
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


def test_links_and_pictures_from_before_directions_still_restore():
    old = Face("m", 3, 0.5, {1: 1})
    assert Face.from_json('{"model": "m", "seed": 3, "truncation": 0.5, "offsets": {"1": 1.0}}') == old
    assert Face.from_query({"model": "m", "seed": "3", "truncation": "0.5", "z": "1:1"}, Face("other")) == old


def test_a_link_with_directions_reads_well():
    own = (OwnDirection("Hat", "faces64", (17, 3), (5,)), OwnDirection("Hat", "runs/a", (1,), (2,)))
    assert Face("faces64", 7, directions={"Smile": 1.5, "~Hat": -2}, own=own).to_query() == (
        "model=faces64&seed=7&truncation=1&move=Smile:1.5,~Hat:-2&own=Hat:3.17:5,Hat:1:2:runs%252Fa"
    )


def test_z_is_the_seeds_moved_whatever_the_truncation(tiny_config):
    plain = latents(tiny_config, [4])
    z = Face("m", 4, 0.5, {2: 1.5}).z(tiny_config)
    assert z.shape == (1, 8) and z.dtype == torch.float32
    expected = plain.clone()
    expected[0, 2] += 1.5
    assert torch.equal(z, expected)
    assert torch.equal(Face("m", 4).z(tiny_config), plain)


def test_an_own_latent_takes_the_seeds_place(tiny_config):
    plain = decode_latent(LATENT)
    assert torch.equal(Face("m", 4, latent=LATENT).z(tiny_config), plain[None])
    with pytest.raises(FaceError, match="latent of 8 numbers: m has 9"):
        Face("m", latent=LATENT).z(tiny_config.replace(z_dim=9))
    assert Face("m", latent=LATENT).fitted(tiny_config.replace(z_dim=9)) == Face("m")


def test_a_latent_as_text_is_portable_and_has_one_form():
    assert encode_latent(torch.tensor([[0.0, 1.0, -2.0, 0.1]])) == "AAAAPADAZi4"  # little-endian float16
    assert decode_latent("AAAAPADAZi4").tolist() == pytest.approx([0, 1, -2, 0.1], abs=1e-4)
    assert Face("m", latent="AAAAPADAZi4=") == Face("m", latent="AAAAPADAZi4")
    most = torch.full((MAX_DIMENSIONS,), MAX_LATENT)
    assert torch.equal(decode_latent(encode_latent(most)), most)


def test_directions_move_z(tiny_config):
    vectors = {"Smile": torch.arange(8.0), "~Mine": torch.ones(8)}
    face = Face("m", 4, 0.5, {2: 1.0}, directions={"Smile": 2, "~Mine": -1})
    expected = latents(tiny_config, [4]) + 2 * torch.arange(8.0) - 1
    expected[0, 2] += 1
    assert torch.allclose(face.z(tiny_config, vectors), expected, atol=1e-6)
    with pytest.raises(FaceError, match="m has no direction '~Mine': it has Smile"):
        face.z(tiny_config, {"Smile": torch.ones(8)})
    with pytest.raises(FaceError, match="no direction 'Smile': it has none"):
        face.z(tiny_config)


def test_fitted_keeps_directions_that_the_model_has_and_all_own_ones(tiny_config):
    own = (OwnDirection("A", "m", (1,), (2,)), OwnDirection("B", "other", (1,), (2,)))
    face = Face("m", directions={"Smile": 1, "Hat": 1, "~A": 1, "~B": 1}, own=own)
    assert face.fitted(tiny_config, ["Hat"]) == Face("m", directions={"Hat": 1, "~A": 1}, own=own)
    for pad, kept in ((("move:Hat", "z:7"), True), (("move:~A", "truncation"), True), (("z:0", "move:~B"), False),
                      (("z:0", "move:Smile"), False), (("z:0", "z:8"), False)):  # fmt: skip
        assert replace(face, pad=pad).fitted(tiny_config, ["Hat"]).pad == (pad if kept else ())


@pytest.mark.parametrize(
    "given, kept",
    [
        ("  Big \n  hat ", "Big hat"), ("<b>x</b>", "b x /b"), ("a:b,c;d~e", "a b c d e"), ("e\u0301té", "été"),
        ("मुस्कान", "मुस्कान"), ("x" * 500, "x" * MAX_NAME),
    ],
)  # fmt: skip
def test_names_are_reduced_to_what_a_link_and_a_label_can_take(given, kept):
    assert clean_name(given) == clean_name(kept) == kept
    assert OwnDirection(given, "m", (2, 1, 1), [3]) == OwnDirection(kept, "m", (1, 2), (3,))


@pytest.mark.parametrize(
    "values, message",
    [
        (dict(name=" ' "), 'name ".*": expected letters or digits'),
        (dict(name=7), "name 7: expected text"),
        (dict(model=""), "model '': expected the name"),
        (dict(has=()), "faces with the property: expected 1 to 32 seeds"),
        (dict(lacks=tuple(range(33))), "faces without the property: expected 1 to 32 seeds"),
        (dict(has=(2**32,)), "seed 4294967296: expected"),
        (dict(has=(1, 3), lacks=(2, 3)), "seed 3 is marked both ways"),
    ],
)
def test_own_directions_that_make_no_sense_are_refused(values, message):
    with pytest.raises(FaceError, match=message):
        OwnDirection(**dict(name="A", model="m", has=(1,), lacks=(2,)) | values)


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
        (dict(model=""), "model '': expected the name"),
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
        (dict(latent="#"), "latent '#': expected float16 numbers"),
        (dict(latent="AA"), "expected float16 numbers"),  # half a number over
        (dict(latent="AHw"), "each from -10 to 10"),  # infinity
        (dict(latent="AH4"), "each from -10 to 10"),  # not a number
        (dict(latent="A" * 10_000), "at most 1024"),
        (dict(latent=None), "latent None"),
        (dict(directions={"Smile": 3.1}), "direction Smile: 3.1: expected a number from -3 to 3"),
        (dict(directions={"<b>": 1}), "direction '<b>': expected its name"),
        (dict(directions={"~~a": 1}), "expected its name"),
        (dict(directions={3: 1}), "direction 3: expected its name"),
        (dict(directions={str(i): 1 for i in range(65)}), "65 directions: expected at most 64"),
        (dict(directions=5), "directions: expected names and values"),
        (dict(own=[OwnDirection(str(i), "m", (1,), (2,)) for i in range(5)]), "5 own directions: expected at most 4"),
        (dict(own=[OwnDirection("a", "m", (1,), (i,)) for i in (2, 3)]), "two own directions of one name"),
        (dict(pad=("z:1",)), "pad .*: expected two sliders, like move:Smile and z:3"),
        (dict(pad=("z:1", "z:1")), "expected two sliders"),
        (dict(pad=("z:01", "z:2")), "expected two sliders"),
        (dict(pad=("z:1024", "z:2")), "expected two sliders"),
        (dict(pad=("seed", "z:2")), "expected two sliders"),
        (dict(pad=("move:<b>", "z:2")), "expected two sliders"),
        (dict(pad=("truncation", 2)), "expected two sliders"),
        (dict(pad="z"), "expected two sliders"),
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
        ({"move": "Smile"}, "expected name:value pairs"),
        ({"move": "Smile:x"}, "direction 'x': expected a number"),
        ({"move": "Smile:nan"}, "direction Smile: nan"),
        ({"own": "Hat:3"}, "expected name:seeds:seeds"),
        ({"own": "Hat:3:x"}, "seed 'x'"),
        ({"own": "Hat:3:"}, "seed ''"),
        ({"latent": "()"}, "latent"),
        ({"pad": "z:1,z:2,z:3"}, "expected two sliders"),
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
        '{"model": "m", "seed": 0, "truncation": 1, "own": [7]}',
        '{"model": "m", "seed": 0, "truncation": 1, "own": 7}',
        '{"model": "m", "seed": 0, "truncation": 1, "own": [{"name": "a"}]}',
        '{"model": "m", "seed": 0, "truncation": NaN}', "[" * 30_000, " " * 50_000,
    ],
)  # fmt: skip
def test_files_that_carry_something_else_are_refused(text):
    with pytest.raises(FaceError):
        Face.from_json(text)
