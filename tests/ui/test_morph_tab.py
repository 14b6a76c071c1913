"""The Morph tab's server side: what a browser may ask, what it gets, and the public /morph and /arithmetic.

Long because films and sums are asked for in the same words, and answered from the same few models.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from coroutines import answered, told
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image, ImageSequence
from serving import make_models

from gan import load_generator
from gan.films import encode
from gan.latent.example import PLAIN
from gan.latent.morph import arithmetic, average, interpolate
from gan.sampling import MAX_SEED, generate, latents
from gan.ui import api, arithmetic_server, morph_server
from gan.ui.arithmetic_server import CENTRE, GRID_FACES, ArithmeticServer, Sum, picture_equation, solve
from gan.ui.drawing import METADATA_KEY, thumbnail_uri
from gan.ui.library import Library
from gan.ui.morph_server import MOST_FACES, MOST_FRAMES, Film, MorphServer
from gan.ui.places import GivenUp
from gan.ui.state import Face
from gan.ui.tab import guard
from gan.ui.values import encode_latent

TERMS = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_config, pictures, tiny_run) -> Library:
    return make_models(tmp_path_factory.mktemp("models"), tiny_config, pictures, tiny_run)


@pytest.fixture(scope="module")
def server(library) -> MorphServer:
    return MorphServer(library)


@pytest.fixture(scope="module")
def sums(library) -> ArithmeticServer:
    return ArithmeticServer(library)


@pytest.fixture(scope="module")
def generator(library):
    return load_generator(library.entry("small").folder)


def states(*seeds: int, model: str = "small") -> list[str]:
    return [Face(model, seed).to_json() for seed in seeds]


def film(*seeds: int, **more) -> dict:
    return {"faces": states(*seeds), "frames": 10, "fps": 10, "way": "loop", "format": "webp", "side": 256} | more


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), np.int16)


def plain(answer: object) -> dict:
    """As the browser gets it."""
    return json.loads(json.dumps(answer, allow_nan=False))


# ---- faces ----------------------------------------------------------------------------------------------------------


def test_a_face_comes_with_its_picture_and_its_name(server, library, generator):
    own = encode_latent(latents(generator.config, [5]))
    faces = [Face("small", 3), Face("small", 3, 0.25), Face("small", 3, 1.0, {2: 1.0}), Face("small", latent=own)]
    answer = plain(answered(server.morph_faces, {"model": "small", "faces": [face.to_json() for face in faces]}))
    assert answer["problem"] == ""
    assert [Face.from_json(face["face"]) for face in answer["faces"]] == faces
    names = [face["name"] for face in answer["faces"]]
    assert names == ["seed 3", "seed 3, changed", "seed 3, changed", "a latent of its own"]
    for face, expected in zip(answer["faces"], faces, strict=True):
        drawn = generate(generator, expected.z(generator.config), truncation=expected.truncation)[0]
        assert face["picture"] == thumbnail_uri(drawn)


@pytest.mark.parametrize(
    "way, expected",
    [
        ("loop", [1, 0.8, 0.6, 0.7, 0.8, 0.9]), ("back", [1, 0.8, 0.6, 0.6, 0.6, 0.8]),
        ("once", [1, 0.8667, 0.7333, 0.6, 0.6, 0.6]),
    ],
)  # fmt: skip
def test_a_film_goes_evenly_from_one_faces_truncation_to_the_next(library, monkeypatch, way, expected):
    faces = tuple(Face("small", seed, truncation) for seed, truncation in ((1, 1.0), (2, 0.6), (3, 0.6)))
    if way == "loop":
        faces = (*faces[:2], Face("small", 3, 0.8))
    z, truncation, stops = Film(faces, 6, 10, way).path(library)
    assert len(z) == 6 and [round(float(truncation[stop]), 6) for stop in stops] == [f.truncation for f in faces]
    assert truncation.tolist() == pytest.approx(expected, abs=1e-3)


def test_a_face_of_another_model_gets_one_clear_sentence_beside_the_others(server):
    answer = answered(server.morph_faces, {"model": "small", "faces": [*states(1), *states(2, model="runs/tiny")]})
    assert len(answer["faces"]) == 1
    assert (
        answer["problem"] == "This face is one of runs/tiny, and the morph is of small: choose runs/tiny as its model"
    )


@pytest.mark.parametrize("face", ["{", None, 7, '{"model": "small", "seed": -1, "truncation": 1}', "x" * 10**5])
def test_strange_faces_are_refused_in_words(server, face):
    answer = plain(answered(server.morph_faces, {"model": "small", "faces": [face]}))
    assert answer["faces"] == [] and "expected" in answer["problem"]


def test_only_so_many_faces_are_drawn(server):
    assert len(answered(server.morph_faces, {"model": "small", "faces": states(*range(50))})["faces"]) == MOST_FACES
    assert answered(server.morph_faces, {"model": "small", "faces": "abc"}) == {"faces": [], "problem": ""}


# ---- films ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["loop", "back", "once"])
def test_the_sheet_holds_every_frame(server, generator, way):
    answer = plain(answered(server.morph_film, film(1, 2, 3, way=way)))
    z = latents(generator.config, [1, 2, 3])
    path = interpolate(z, 10, loop=way == "loop", back_and_forth=way == "back")
    expected = generate(generator, path)
    sheet, cell, side = picture(answer["sheet"]), answer["cell"], answer["side"]
    assert (answer["frames"], side) == (10, 16) and cell % 8 == 0
    for i in range(10):
        row, column = divmod(i, answer["columns"])
        frame = sheet[row * cell : row * cell + side, column * cell : column * cell + side]
        assert np.abs(frame - expected[i]).mean() < 6
    assert torch.equal(path[answer["stops"]], z)


def test_at_truncation_0_every_frame_is_the_typical_picture(server):
    faces = [Face("small", seed, 0.0).to_json() for seed in (1, 2)]
    answer = answered(server.morph_film, film(faces=faces, frames=4))
    assert len(np.unique(picture(answer["sheet"]).reshape(2, 16, 2, 16, 3).swapaxes(1, 2).reshape(4, -1), axis=0)) == 1
    *_, last = told(server.make_film, film(faces=faces, frames=4, format="gif"))
    with Image.open(io.BytesIO(base64.b64decode(last["content"]))) as animation:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    assert all(np.array_equal(frame, frames[0]) for frame in frames)


def test_frames_begin_on_a_jpegs_blocks_and_two_equal_faces_have_a_frame_each(server, monkeypatch):
    monkeypatch.setattr(morph_server, "_BLOCK", 12)
    answer = answered(server.morph_film, film(1, 1, 2))
    assert answer["cell"] == 24 and picture(answer["sheet"]).shape == (72, 96, 3)
    assert answer["stops"] == sorted(set(answer["stops"])) and len(answer["stops"]) == 3


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"faces": []}, "0 faces: a morph takes 2 to 8"),
        ({"faces": states(*range(9))}, "9 faces: a morph takes 2 to 8"),
        ({"faces": None}, "0 faces"),
        ({"frames": MOST_FRAMES + 1}, "frames 121: expected a whole number from 3 to 120"),
        ({"frames": 2}, "frames 2: expected a whole number from 3 to 120"),
        ({"frames": 3, "way": "back"}, "frames 3: expected a whole number from 4 to 120"),
        ({"frames": "9" * 99}, "frames '999999999999999999999999999999999999...: expected a whole number"),
        ({"frames": True}, "frames True"),
        ({"fps": 0}, "frames per second 0: expected a whole number from 1 to 30"),
        ({"way": "around"}, "way 'around': expected one of loop, back, once"),
        ({"way": ["loop"]}, "expected one of loop"),
        ({"faces": [*states(1), *states(2, model="runs/tiny")]}, "This face is one of runs/tiny"),
        ({"faces": states(1, 2, model="nobody")}, "no model 'nobody'"),
        ({"faces": states(1, 2, model="runs/broken")}, "cannot be read"),
    ],
)
def test_what_cannot_be_a_film_is_a_sentence(server, asked, sentence):
    assert sentence in plain(answered(server.morph_film, film(1, 2, 3, **asked)))["problem"]
    (end,) = told(server.make_film, film(1, 2, 3, **asked))
    assert sentence in end["problem"]


@pytest.mark.parametrize("format", encode.formats())
def test_a_film_is_made_with_its_progress_told(server, generator, format, monkeypatch):
    monkeypatch.setattr(morph_server, "_TOLD", 0)
    *shares, last = told(server.make_film, film(1, 2, frames=20, format=format, side=512))
    assert [item["share"] for item in shares] == pytest.approx([i / 20 for i in range(20)])
    assert (last["name"], last["type"]) == (f"small-morph.{format}", encode.MEDIA_TYPES[format])
    content = base64.b64decode(last["content"])
    assert len(content) > 1000
    if format == "webp":
        shown = []  # every 0.1 s; frames that hardly differ are stored once, for longer
        for frame in ImageSequence.Iterator(Image.open(io.BytesIO(content))):
            assert frame.size == (512, 512)
            small = frame.convert("RGB").resize((16, 16), Image.Resampling.BOX)
            shown += [np.asarray(small, np.int16)] * round(frame.info["duration"] / 100)
        expected = generate(generator, interpolate(latents(generator.config, [1, 2]), 20))
        assert len(shown) == 20
        assert max(np.abs(a - b).mean() for a, b in zip(shown, expected, strict=True)) < 12


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"format": "avi"}, "format 'avi'"),
        ({"side": 4096}, "size 4096: expected 256 or 512"),
        ({"side": "x" * 99}, "size"),
    ],
)
def test_other_formats_and_sizes_are_refused_in_words(server, asked, sentence):
    *_, last = told(server.make_film, film(1, 2, **asked))
    assert sentence in last["problem"] and len(last["problem"]) < 100


def test_a_film_that_is_given_up_ends_its_work(server, monkeypatch):
    monkeypatch.setattr(morph_server, "_TOLD", 0)
    monkeypatch.setattr(morph_server, "_DRAWN", 1)
    drawn = []
    draw_many = morph_server.draw_many

    def slow(generator, z, truncation):
        drawn.append(len(z))
        return draw_many(generator, z, truncation)

    monkeypatch.setattr(morph_server, "draw_many", slow)
    heard = []

    def tell(item):
        heard.append(item)
        if len(heard) == 3:
            raise GivenUp

    with pytest.raises(GivenUp):
        server.make_film(film(1, 2, frames=120), tell)
    assert len(drawn) == 3


def test_progress_is_told_now_and_then(server, monkeypatch):
    monkeypatch.setattr(morph_server, "_TOLD", 1e9)
    *shares, last = told(server.make_film, film(1, 2, frames=50))
    assert shares == [{"share": 0.0}] and last["content"]


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def test_an_equation_is_drawn_from_what_its_states_hold(library, generator):
    solved = solve(library, Sum("small", TERMS))
    z = [latents(generator.config, seeds) for seeds in TERMS]
    for drawn, term in zip(solved.terms, z, strict=True):
        assert np.abs(drawn.astype(int) - generate(generator, term)).max() <= 1
    averages = torch.cat([average(term) for term in z])
    assert np.abs(solved.averages.astype(int) - generate(generator, averages)).max() <= 1
    middle = solved.faces[CENTRE].z(generator.config)
    torch.testing.assert_close(middle, arithmetic(*z), atol=4e-3, rtol=0)  # as float16
    around = torch.cat([face.z(generator.config) for face in solved.faces])
    assert len(around) == 9 and 0 < (around - middle).abs().max() < 0.26
    assert np.abs(solved.results.astype(int) - generate(generator, around)).max() <= 1


def test_solving_answers_with_pictures_and_states(server, sums):
    answer = plain(answered(sums.arithmetic_solve, {"model": "small", "terms": [[0], [3, 4], [6, 7, 8]]}))
    assert [len(term) for term in answer["terms"]] == [1, 2, 3] and len(answer["averages"]) == 3
    faces = [Face.from_json(result["face"]) for result in answer["results"]]
    assert len({face.latent for face in faces}) == 9 and faces[0].model == "small"
    drawn = answered(server.morph_faces, {"model": "small", "faces": [faces[2].to_json()]})["faces"][0]
    assert drawn["picture"] == answer["results"][2]["picture"]


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (None, "expected three terms"),
        ([[1], [2]], "expected three terms"),
        ([[1], [], [2]], "B: expected 1 to 3 seeds"),
        ([[1], [2], [1, 2, 3, 4]], "C: expected 1 to 3 seeds"),
        ([[1], [2], "345"], "C: expected 1 to 3 seeds"),
        ([[-1], [2], [3]], "seed -1: expected a whole number"),
        ([[{}], [2], [3]], "expected a whole number"),
    ],
)
def test_what_cannot_be_a_sum_is_a_sentence(sums, terms, sentence):
    for name in ("arithmetic_solve", "arithmetic_save"):
        assert sentence in plain(answered(getattr(sums, name), {"model": "small", "terms": terms}))["problem"]


def test_a_sum_of_nothing_is_a_sentence(sums, monkeypatch):
    monkeypatch.setattr(arithmetic_server, "latents", lambda config, seeds: torch.zeros(len(seeds), config.z_dim))
    assert "add up to zero" in answered(sums.arithmetic_solve, {"model": "small", "terms": TERMS})["problem"]


def test_the_saved_equation_shows_all_its_pictures_and_carries_its_result(sums, library):
    solved = solve(library, Sum("small", TERMS))
    names = ["one", "two", "three", "<b>" * 50]
    answer = plain(answered(sums.arithmetic_save, {"model": "small", "terms": TERMS, "names": names}))
    image = Image.open(io.BytesIO(base64.b64decode(answer["content"])))
    assert answer["name"] == "small-arithmetic.png"
    assert Face.from_json(image.text[METADATA_KEY]) == solved.faces[CENTRE]
    pixels = np.asarray(image).astype(int)
    average_ = np.asarray(Image.fromarray(solved.averages[1]).resize((256, 256), Image.Resampling.LANCZOS))
    assert np.array_equal(pixels[120:376, 32 + 328 : 32 + 328 + 256], average_)
    for place in (1, 5, 6):  # row by row
        top, left = 32 + place // 3 * 116, 1016 + place % 3 * 116
        result = Image.fromarray(solved.results[place]).resize((112, 112), Image.Resampling.LANCZOS)
        assert np.array_equal(pixels[top : top + 112, left : left + 112], np.asarray(result))
    without = picture_equation(solved, ())
    assert without.shape[0] < pixels.shape[0] and np.array_equal(without[:376], pixels[:376])
    assert (pixels[376:] < 128).any()  # the names


def test_the_choices_end_at_the_last_seed(sums, generator):
    answer = plain(answered(sums.arithmetic_grid, {"model": "small", "start": 24}))
    assert answer["start"] == 24 and len(answer["faces"]) == GRID_FACES
    drawn = generate(generator, latents(generator.config, [26]))[0]
    assert np.abs(picture(answer["faces"][2]) - drawn).mean() < 6
    assert answered(sums.arithmetic_grid, {"model": "small", "start": 10**12})["start"] == MAX_SEED + 1 - GRID_FACES
    assert "start 'x': expected a whole" in answered(sums.arithmetic_grid, {"model": "small", "start": "x"})["problem"]
    assert "no model" in answered(sums.arithmetic_grid, {"model": "nobody"})["problem"]


def test_without_a_classifier_for_its_pictures_the_example_is_plain_seeds(sums):
    assert plain(answered(sums.arithmetic_example, {"model": "small"})) == {
        "terms": [list(t) for t in PLAIN.terms],
        "names": [],
    }
    assert "no model" in answered(sums.arithmetic_example, {"model": "nobody"})["problem"]


# ---- the API --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(library):
    with gr.Blocks() as blocks:
        api.build(library)
    guard(blocks)
    blocks.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def client(page) -> Client:
    return Client(page.local_url, verbose=False)


def test_the_endpoints_are_typed_bounded_and_explained(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    taken = {p["parameter_name"]: p for p in endpoints["/morph"]["parameters"]}
    assert list(taken) == ["model", "seeds", "frames", "fps", "way", "format", "size", "truncation"]
    assert taken["seeds"]["type"]["items"] == {"type": "integer"} and taken["seeds"]["type"]["maxItems"] == 8
    assert taken["way"]["type"]["enum"] == ["loop", "back", "once"] and taken["frames"]["parameter_default"] == 60
    assert [p["parameter_name"] for p in endpoints["/arithmetic"]["parameters"]] == ["model", "a", "b", "c"]
    assert "figure 7" in endpoints["/arithmetic"]["description"]


def test_a_script_gets_the_film_and_the_server_keeps_it_where_it_will_be_deleted(client, server, page):
    arguments = dict(frames=12, fps=10, way="back", format="gif", truncation=0.5)
    path = client.predict("small", [1, 2, 3], **arguments, api_name="/morph")
    faces = [Face("small", seed, 0.5).to_json() for seed in (1, 2, 3)]
    *_, last = told(server.make_film, film(faces=faces, frames=12, way="back", format="gif"))
    assert Path(path).read_bytes() == base64.b64decode(last["content"])
    (kept,) = [Path(file) for files in page.temp_file_sets for file in files if file.endswith("small-morph.gif")]
    assert kept.read_bytes() == Path(path).read_bytes()


def test_a_script_gets_the_equation_and_its_result(client, library):
    path, state = client.predict("small", [0, 1, 2], [3, 4, 5], [6, 7, 8], api_name="/arithmetic")
    solved = solve(library, Sum("small", TERMS))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), picture_equation(solved, ()))
        assert json.loads(image.text[METADATA_KEY]) == state
    assert Face.from_json(json.dumps(state)) == solved.faces[CENTRE]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("small", [1]), "1 faces: a morph takes 2 to 8"),
        (("small", {"1": 2}), "expected a list of whole numbers"),
        (("small", [1, 2.5]), "seed 2.5: expected a whole number"),
        (("nobody", [1, 2]), "no model 'nobody'"),
        (("small", [1, 2], 500), "frames 500: expected a whole number from 2 to 120"),
        (("small", [1, 2], 10, 10, "around"), "way 'around': expected one of loop, back, once"),
        (("small", [1, 2], 10, 10, "loop", "avi"), "format 'avi': expected one of webp"),
        (("small", [1, 2], 10, 10, "loop", "gif", 999), "size 999: expected 256 or 512"),
    ],
)
def test_what_a_script_should_not_ask_is_refused_in_words(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name="/morph")
