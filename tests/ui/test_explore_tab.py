"""The Explore tab's events without a browser: values in, values out."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from serving import make_models

from gan import load_generator, sample
from gan.ui import frames
from gan.ui.drawing import draw, draw_seeds, enlarge, png, to_image
from gan.ui.explore import GRID_FACES, Explore
from gan.ui.library import Library
from gan.ui.state import Face
from gan.weights import load_discriminator

FACE, MODEL, SEED, TRUNCATION, BASIS, SPAN = range(6)  # places in what an event gives
STAGE = -1


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_config, pictures, tiny_run) -> Library:
    return make_models(tmp_path_factory.mktemp("models"), tiny_config, pictures, tiny_run)


@pytest.fixture(scope="module")
def tab(library) -> Explore:
    return Explore(library)


def event(**data) -> SimpleNamespace:
    return SimpleNamespace(**data)


def opened(tab: Explore, **query: str) -> list:
    return tab.open(False, event(query_params=query))


def picture_of(text: str) -> np.ndarray:
    content = base64.b64decode(re.search(r'src="data:image/\w+;base64,([^"]+)"', text)[1])
    return np.asarray(Image.open(io.BytesIO(content)))


def test_opening_shows_the_first_model_and_begins_the_grid_at_the_links_seed(tab):
    shown = opened(tab)
    assert Face.from_json(shown[FACE]) == Face("small")
    assert shown[MODEL]["choices"] == [
        ("small", "small"), ("runs/broken · unusable", "runs/broken"), ("runs/tiny", "runs/tiny")
    ]  # fmt: skip
    assert shown[SPAN]["choices"] == ["0–15", "16–19"]
    assert shown[-1] == 0
    shown = opened(tab, model="runs/tiny", seed="50", truncation="0.5", z="7:1")
    assert Face.from_json(shown[FACE]) == Face("runs/tiny", 50, 0.5, {7: 1})
    assert shown[-1] == 48
    assert opened(tab, seed=str(2**32 - 1))[-1] + GRID_FACES == 2**32


def test_our_own_recipe_opens_the_page_whatever_the_folders_names(tmp_path, tiny_run):
    for name, preset in (("a", "dcgan64"), ("b", "faces64"), ("c", "custom")):
        shutil.copytree(tiny_run, tmp_path / name)
        path = tmp_path / name / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["config"]["preset"] = preset
        path.write_text(json.dumps(content), encoding="utf-8")
    assert opened(Explore(Library([tmp_path])))[MODEL]["value"] == "b"


@pytest.mark.parametrize(
    "query, words",
    [
        ({"model": "nobody"}, "no model"),
        ({"seed": "x"}, "seed"),
        ({"model": "<script>alert(1)</script>"}, "&lt;script&gt;"),
    ],
)
def test_a_link_that_cannot_be_followed_says_so_beside_the_default_face(tab, query, words):
    shown = opened(tab, **query)
    stage = shown[-2]
    assert Face.from_json(shown[FACE]) == Face("small")
    assert "This link cannot be followed" in stage and words in stage and "<script" not in stage
    assert "<img" in stage


def move(tab: Explore, face: Face, pixels: bool = False) -> str:
    return tab.move({"face": face.to_json(), "pixels": pixels})["html"]


def state_of(stage: str) -> Face:
    return Face.from_json(html.unescape(re.search(r'data-face="([^"]*)"', stage)[1]))


def test_moving_draws_what_the_package_draws(tab, library):
    stage = move(tab, Face("small", 7, 0.25), pixels=True)
    assert state_of(stage) == Face("small", 7, 0.25)
    plain, expected = (sample(load_generator(library.entry("small").folder), 7, 1, psi)[0] for psi in (1, 0.25))
    assert np.abs(picture_of(stage).astype(int) - expected).max() <= 1 < np.abs(plain.astype(int) - expected).max()
    assert re.search(r"<b>\d+ %</b> sure", stage)


def test_smooth_and_pixels_show_the_same_picture_enlarged_differently(tab):
    smooth, pixels = (picture_of(move(tab, Face("small", 3), choice)) for choice in (False, True))
    assert smooth.shape == (32, 32, 3) and pixels.shape == (16, 16, 3)
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(smooth.astype(int) - expected).mean() < 4  # it is a JPEG


def test_random_and_pick_and_reset_leave_the_changes_behind(tab):
    before = Face("small", 5, 0.5, {3: 1}).to_json()
    assert Face.from_json(tab.pick(before, None, None, False, event(seed=9))[FACE]) == Face("small", 9, 0.5)
    assert Face.from_json(tab.reset(before, None, None, False)[FACE]) == Face("small", 5)
    seeds = {Face.from_json(tab.random(before, None, None, False)[FACE]).seed for _ in range(5)}
    assert len(seeds) > 1


def test_another_model_keeps_what_fits(tab):
    before = Face("small", 5, 0.5, {3: 1, 17: 1})
    shown = tab.choose(before.to_json(), "z", "16–19", False, "runs/tiny")
    assert Face.from_json(shown[FACE]) == Face("runs/tiny", 5, 0.5, {3: 1})
    assert shown[SPAN]["value"] == "0–7"  # it has no page 16–19
    assert shown[SPAN + 1 + 3]["value"] == 1.0


def test_a_broken_model_is_said_in_the_pictures_place_until_it_is_mended(tmp_path, tiny_run):
    folder = shutil.copytree(tiny_run, tmp_path / "runs" / "mine")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    tab = Explore(Library([tmp_path / "weights", tmp_path / "runs"]))
    weights.write_bytes(whole[:50])
    shown = tab.choose(Face("runs/mine").to_json(), None, None, False, "runs/mine")
    assert 'role="alert"' in shown[STAGE] and "cannot be read" in shown[STAGE]
    assert state_of(shown[STAGE]) == Face("runs/mine")
    assert "cannot be read" in move(tab, Face("runs/mine"))
    assert tab.draw_grid(shown[FACE], 1.0, 0) == ""
    weights.write_bytes(whole)
    assert "<img" in move(tab, Face("runs/mine"))


def test_without_a_model_every_event_says_what_to_do(tmp_path):
    tab = Explore(Library([tmp_path / "weights", tmp_path / "runs"]))
    tab.warm_up()
    shown = opened(tab)
    assert "There is no model here yet. <code>python train.py --preset smooth-mnist28 --data mnist</code>" in shown[-2]
    for stage in (
        tab.random("", None, None, False)[STAGE],
        tab.reset("", None, None, False)[STAGE],
        tab.pick("", None, None, False, event(seed=3))[STAGE],
    ):
        assert stage == shown[-2]
    assert tab.draw_grid("", 1.0, 0) == ""
    assert tab.download({"query": "model=x", "smooth": True})["problem"] == frames.NO_MODEL


@pytest.mark.parametrize("text", ["{", '{"model": "small", "seed": -1, "truncation": 1}', "x" * 10**5, None, 7])
def test_a_state_that_was_tampered_with_is_refused_in_words(tab, text):
    assert 'role="alert"' in tab.restore("", None, None, False, event(state=text))[STAGE]
    assert 'role="alert"' in tab.move({"face": text, "pixels": False})["html"]
    assert 'role="alert"' in tab.pick(Face("small").to_json(), None, None, False, event(seed="<b>"))[STAGE]


def test_the_download_carries_its_state_and_restores_it(tab):
    face = Face("small", 5, 0.7, {3: 1.5})
    for smooth in (True, False):
        file = tab.download({"query": face.to_query(), "smooth": smooth})
        image = Image.open(io.BytesIO(base64.b64decode(file["png"])))
        assert image.size == (512, 512)
        assert file["name"] == "small-seed5.png"
        shown = tab.restore("", None, None, False, event(state=image.text["gan-faces"]))
        assert Face.from_json(shown[FACE]) == face
    assert "no model" in tab.download({"query": "model=nobody", "smooth": True})["problem"]
    assert "seed" in tab.download({"query": "model=small&seed=x"})["problem"]


def test_the_grid_shows_consecutive_seeds(tab, library):
    grid = tab.draw_grid(Face("small").to_json(), 0.5, 24)
    assert [int(seed) for seed in re.findall(r'data-seed="(\d+)"', grid)] == list(range(24, 48))
    first = picture_of(grid)
    expected = draw_seeds(library, "small", [24], 0.5)[0]
    assert np.abs(first.astype(int) - expected).mean() < 6  # it is a JPEG
    assert 'data-start="0"' in grid and 'data-start="48"' in grid


def test_the_grid_ends_at_the_last_seed(tab):
    text = Face("small").to_json()
    grid, start = tab.turn_grid(text, 1.0, event(start=2**40))
    assert start == 2**32 - GRID_FACES and f'data-seed="{2**32 - 1}"' in grid
    assert re.search(r'data-start="\d+" disabled aria-label="Faces after', grid)
    assert re.search(r'disabled aria-label="Faces before', tab.turn_grid(text, 1.0, event(start=-5))[0])


def test_names_of_folders_are_escaped(tmp_path, tiny_run):
    name = '"><img src=x onerror=alert(1)>'
    shutil.copytree(tiny_run, tmp_path / name)
    stage = opened(Explore(Library([tmp_path])))[-2]
    assert "onerror=alert(1)>" not in stage and "&lt;img" in stage


def test_the_critics_score_is_the_discriminators_opinion_of_what_is_shown(tab, library):
    drawn = draw(library, Face("small", 7))
    picture = torch.from_numpy(drawn.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    logit = load_discriminator(library.entry("small").folder)(picture)
    assert drawn.score == pytest.approx(torch.sigmoid(logit).item(), abs=0.01)


def test_a_model_without_its_critic_is_drawn_without_a_score(tmp_path, tiny_run):
    folder = shutil.copytree(tiny_run, tmp_path / "mine")
    (folder / "discriminator.safetensors").unlink()
    library = Library([tmp_path])
    assert draw(library, Face("mine")).score is None
    assert "no critic that could judge" in opened(Explore(library))[-2]


def test_enlarging_repeats_or_smooths(library):
    pixels = draw(library, Face("small")).pixels
    big = np.asarray(Image.open(io.BytesIO(png(pixels, Face("small"), least_size=50))))
    assert np.array_equal(big, pixels.repeat(4, 0).repeat(4, 1))
    assert enlarge(to_image(pixels), 1, True).size == (16, 16)
    assert enlarge(to_image(pixels[:, :, :1]), 2, True).mode == "L"


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_a_critic_that_is_no_number_takes_no_face_away(tab, monkeypatch, answer):
    monkeypatch.setattr(torch, "sigmoid", lambda x: torch.full_like(x, answer))
    stage = move(tab, Face("small", 8))
    assert "<img" in stage and "no critic that could judge" in stage
