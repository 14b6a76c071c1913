"""What the browser answers in the server's place where it draws: films, sums and a face through the epochs."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from model_facts import WEIGHTS, facts, rgba

from gan.films.replay import film_strip, load_replay
from gan.sampling import MAX_SEED, generate
from gan.titles import title_of
from gan.ui.arithmetic_server import ArithmeticServer, Sum, solve
from gan.ui.drawing import draw_many, draw_seeds, latent
from gan.ui.library import Library
from gan.ui.morph_server import WAYS, Film, MorphServer
from gan.ui.replay_server import ReplayServer
from gan.ui.state import Face, OwnDirection
from gan.weights import load_generator

MODEL, OTHER, OF_FEW, GONE_ON = "nadim-celeba32", "dlnd-celeba28", "faces64", "andreipop-celeba32"
FACES = (
    Face(MODEL, 3),
    Face(MODEL, 8, 0.5, {2: 1}, "", {"~Hat": 1.5}, (OwnDirection("Hat", MODEL, (1, 30), (2,)),)),
    Face(MODEL, 20, 1.3),
)
# An engine as gan/web/engine/local.js makes one, whose pictures Python draws.
ENGINE = """
    const { readModel } = await import("/latent/model.js");
    const models = Object.fromEntries(facts.map((one) => [one.name, readModel(one)]));
    const bytes = (text) => Uint8ClampedArray.from(atob(text), (byte) => byte.charCodeAt(0));
    const drawn = (name, points, snapshot = null) =>
        drawnByPython(name, points.map(({ z, psi }) => [[...z], psi]), snapshot);
    const engine = {
        open: async (name) => models[name],
        pictures: async (name, points, snapshot) => {
            const { size, pictures } = await drawn(name, points, snapshot);
            return { size, pixels: bytes(pictures) };
        },
        thumbnails: (name, points) => Promise.all(points.map(async (one) => (await drawn(name, [one])).pictures)),
    };
    const painted = (picture) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [picture.width, picture.height];
        const context = canvas.getContext("2d");
        context.drawImage(picture, 0, 0);
        const text = [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        return { width: canvas.width, height: canvas.height, pixels: btoa(String.fromCharCode(...text)) };
    };
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return Library([WEIGHTS])


@pytest.fixture(scope="module")
def answer(run, modules, library):
    """`answer("morph", "(m) => m.answers.morph_film(engine, asked)", asked)`: of gan/web/NAME/answers.js."""

    def draw(name: str, points: list, snapshot: int | None) -> dict:
        generator = library.generator(name) if snapshot is None else load_generator(WEIGHTS / name, snapshot=snapshot)
        z, psi = torch.tensor([point[0] for point in points]), torch.tensor([float(point[1]) for point in points])
        pixels = generate(generator, z, truncation=psi)
        return {"size": pixels.shape[1], "pictures": base64.b64encode(rgba(pixels)).decode()}

    modules.expose_function("drawnByPython", draw)

    def ask(name: str, function: str, asked: object) -> dict:
        told = [facts(model) for model in (MODEL, OTHER, OF_FEW, GONE_ON)]
        script = f"async (m, [facts, asked]) => {{ {ENGINE} return ({function})(m); }}"
        return run(f"{name}/answers.js", script, [told, asked])

    return ask


def pixels_of(painted: dict) -> np.ndarray:
    """(H, W, 3)."""
    content = np.frombuffer(base64.b64decode(painted["pixels"]), np.uint8)
    return content.reshape(painted["height"], painted["width"], 4)[..., :3].astype(int)


def apart(text: str, wanted: np.ndarray) -> int:
    """The greatest difference of a picture, RGBA in base64, from (H, W, C)."""
    found = np.frombuffer(base64.b64decode(text), np.uint8).reshape(*wanted.shape[:2], 4)[..., :3]
    return int(np.abs(found.astype(int) - wanted).max())


@pytest.mark.parametrize("way", WAYS)
def test_a_film_is_the_server_s(answer, library, way):
    asked = {"faces": [face.to_json() for face in FACES], "frames": 12, "fps": 20, "way": way}
    film = """async (m) => {
        const made = await m.answers.morph_film(engine, asked);
        return { ...made, picture: painted(made.picture) };
    }"""
    found, wanted = answer("morph", film, asked), MorphServer(library).morph_film(asked)
    for key in ("columns", "frames", "stops", "side"):
        assert found[key] == wanted[key], key
    z, psi, _ = Film(FACES, 12, way=way).path(library)
    sheet, side = pixels_of(found["picture"]), found["cell"]
    for frame, pixels in enumerate(draw_many(library.generator(MODEL), z, psi)):
        y, x = (side * place for place in divmod(frame, found["columns"]))
        assert np.abs(sheet[y : y + side, x : x + side] - pixels).max() <= 2, frame


def test_faces_of_a_morph_are_the_server_s(answer, library):
    odd = [Face(OTHER, 1).to_json(), "{", Face(MODEL, directions={"Wings": 1}).to_json()]
    asked = {"model": MODEL, "faces": [face.to_json() for face in FACES] + odd}
    found = answer("morph", "(m) => m.answers.morph_faces(engine, asked)", asked)
    wanted = MorphServer(library).morph_faces(asked)
    assert found["problem"] == wanted["problem"]
    for here, there, face in zip(found["faces"], wanted["faces"], FACES, strict=True):
        assert (Face.from_json(here["face"]), here["name"]) == (Face.from_json(there["face"]), there["name"])
        pixels = draw_many(library.generator(MODEL), latent(library, face), face.truncation)[0]
        assert apart(here["picture"], pixels) <= 2


def test_a_sum_and_the_faces_to_choose_from_are_the_server_s(answer, library):
    asked = {"model": MODEL, "terms": [[0, 1, 2], [3, 4], [5]]}
    found = answer("morph", "(m) => m.answers.arithmetic_solve(engine, asked)", asked)
    solved = solve(library, Sum(asked["model"], asked["terms"]))
    for here, there in zip(found["terms"], solved.terms, strict=True):
        assert all(apart(text, pixels) <= 1 for text, pixels in zip(here, there, strict=True))
    assert len(found["averages"]) == 3 and all(text.startswith("data:image/jpeg;") for text in found["averages"])
    for here, face, pixels in zip(found["results"], solved.faces, solved.results, strict=True):
        config = library.generator(MODEL).config
        assert (Face.from_json(here["face"]).z(config) - face.z(config)).abs().max() < 3e-3  # float16
        assert apart(here["picture"], pixels) <= 3
    start = MAX_SEED - 5
    grid = answer("morph", "(m) => m.answers.arithmetic_grid(engine, asked)", {"model": MODEL, "start": start})
    wanted = ArithmeticServer(library).arithmetic_grid({"model": MODEL, "start": start})
    assert grid["start"] == wanted["start"] and len(grid["faces"]) == len(wanted["faces"])
    for text, pixels in zip(
        grid["faces"], draw_seeds(library, MODEL, range(grid["start"], MAX_SEED + 1), 1), strict=True
    ):
        assert apart(text, pixels) <= 1


@pytest.mark.parametrize(
    ("face", "drawer", "count"),
    [
        (FACES[1], MODEL, 4),
        (Face(OTHER, 4, 0.7, {}, "", {"SeFa 1": 2}), MODEL, 4),
        (Face(OF_FEW, 4), MODEL, 0),
        (Face(GONE_ON, 4, 0.7), GONE_ON, 5),  # whose last snapshot is not the last of it
    ],
    ids=["own", "other", "misfit", "gone on"],
)
@pytest.mark.parametrize("is_last", [False, True], ids=["all", "last"])
def test_a_face_through_the_epochs_is_the_server_s(answer, library, face, drawer, count, is_last):
    strip = """async (m) => {
        const told = [], { titles } = asked;
        const made = await m.stripOf(engine, asked, (...news) => told.push(news), (name) => titles[name]);
        return { ...made, told, picture: made.picture && painted(made.picture) };
    }"""
    replay = load_replay(WEIGHTS / drawer)
    asked = {"face": face.to_json(), "run": drawer, "end": replay.weights_at, "last": is_last}
    titles = {entry.name: title_of(entry.name, entry.info.config) for entry in library.entries()}
    found, wanted = answer("replay", strip, asked | {"titles": titles}), ReplayServer(library).strip(asked)
    for key in ("run", "last", "about", "images", "problem"):
        assert found.get(key) == wanted.get(key), key
    if count:
        z = latent(library, face)
        pixels, moments = film_strip(WEIGHTS / drawer, replay, z, face.truncation)
        if moments[-1] < replay.weights_at:
            pixels += [*draw_many(library.generator(drawer), z, face.truncation)]
        pixels = pixels[-1:] if is_last else pixels
        assert np.abs(pixels_of(found["picture"]) - np.concatenate(pixels, axis=1)).max() <= 2
        assert found["told"] == [[at, len(pixels)] for at in range(1 if is_last else count)]
