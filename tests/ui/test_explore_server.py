"""The Explore tab's answers, and what its components are given of them."""

from __future__ import annotations

import base64
import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from serving import make_models
from tiny_classifiers import install, tiny_classifier

from gan import load_generator, sample
from gan.metrics.classifier import _load_once, load_classifier
from gan.ui import explore
from gan.ui.drawing import draw, draw_seeds, enlarge, png, to_image
from gan.ui.explore_server import GRID_FACES, ExploreServer
from gan.ui.library import NO_MODEL, Library
from gan.ui.state import Face
from gan.ui.values import encode_latent
from gan.weights import load_discriminator


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_config, pictures, tiny_run) -> Library:
    return make_models(tmp_path_factory.mktemp("models"), tiny_config, pictures, tiny_run)


@pytest.fixture(scope="module")
def tab(library) -> ExploreServer:
    return ExploreServer(library)


def opened(tab: ExploreServer, **query: str) -> dict:
    return tab.open({"query": query})


def picture_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def test_opening_shows_the_first_model_or_the_links(tab):
    shown = opened(tab)
    assert Face.from_json(shown["face"]) == Face("small") and shown["model"] == "small"
    assert shown["models"] == [
        ("small", "small"), ("runs/broken · unusable", "runs/broken"), ("runs/tiny", "runs/tiny")
    ]  # fmt: skip
    assert shown["pages"] == ["0–15", "16–19"]
    shown = opened(tab, model="runs/tiny", seed="50", truncation="0.5", z="7:1")
    assert Face.from_json(shown["face"]) == Face("runs/tiny", 50, 0.5, {7: 1})


def test_our_own_recipe_opens_the_page_whatever_the_folders_names(tmp_path, tiny_run):
    for name, preset in (("a", "dcgan64"), ("b", "faces64"), ("c", "custom")):
        shutil.copytree(tiny_run, tmp_path / name)
        path = tmp_path / name / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["config"]["preset"] = preset
        path.write_text(json.dumps(content), encoding="utf-8")
    assert opened(ExploreServer(Library([tmp_path])))["model"] == "b"


@pytest.mark.parametrize("query, words", [({"model": "nobody"}, "no model"), ({"seed": "x"}, "seed")])
def test_a_link_that_cannot_be_followed_says_so_beside_the_default_face(tab, query, words):
    shown = opened(tab, **query)
    assert Face.from_json(shown["face"]) == Face("small") and shown["picture"]
    assert shown["note"].startswith("This link cannot be followed: ") and words in shown["note"]


def test_a_latent_that_another_model_cannot_draw_is_not_lost_in_silence(tab):
    face = Face("small", 3, latent=encode_latent(torch.full((20,), 0.5)))
    assert tab.restore({"state": face.to_json()})["note"] == ""
    other = tab.choose({"face": face.to_json(), "model": "runs/tiny"})
    assert Face.from_json(other["face"]) == Face("runs/tiny", 3)
    assert other["note"] == (
        "This face was 20 numbers of its own, and runs/tiny draws from 8: seed 3 is shown instead."
    )


def drawn(tab: ExploreServer, face: Face, pixels: bool = False) -> dict:
    return tab.draw({"face": face.to_json(), "pixels": pixels})


def test_drawing_gives_what_the_package_draws_and_what_is_known_of_the_model(tab, library):
    answer = drawn(tab, Face("small", 7, 0.25), pixels=True)
    picture = picture_of(answer["picture"]).astype(int)
    plain, expected = (sample(load_generator(library.entry("small").folder), 7, 1, psi)[0] for psi in (1, 0.25))
    assert np.abs(picture - expected).max() <= 1 < np.abs(plain.astype(int) - expected).max()
    assert answer["about"] == {"size": 16, "numbers": 20, "training": False, "distribution": "normal", "seen": False}
    assert 0 <= answer["score"] <= 1 and answer["milliseconds"] > 0
    json.dumps(answer, allow_nan=False)


def test_what_is_seen_is_what_the_classifier_of_such_pictures_says(tmp_path, library, monkeypatch):
    classifier, digits = tiny_classifier(), tiny_classifier(exclusive=True, channels=1)
    classifier.head.weight *= 100  # an untrained one tells hardly any difference
    install(monkeypatch, tmp_path, celeba=classifier, mnist=digits)
    for name, kind in (("small", "faces"), ("tiny", "digits")):
        shutil.copytree(library.roots[name != "small"] / name, tmp_path / "models" / name)
        path = tmp_path / "models" / name / "config.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["data"]["parts"] = [{**content["data"]["parts"][0], "kind": kind}]
        path.write_text(json.dumps(content), encoding="utf-8")
    server = ExploreServer(Library([tmp_path / "models"]))
    face = Face("small", 7, 0)
    picture = torch.from_numpy(draw(server.library, face).pixels).permute(2, 0, 1)[None]
    wanted = load_classifier("celeba").probabilities(picture.float() / 127.5 - 1)[0]
    seen = server.see({"face": face.to_json()})
    assert seen["labels"] == ["Bald", "Smiling", "Wearing_Hat"] and seen["exclusive"] is False
    assert seen["probabilities"] == pytest.approx(wanted.tolist(), abs=1e-4)
    assert drawn(server, Face("small"))["about"]["seen"] is True
    for face in (Face("tiny").to_json(), Face("nobody").to_json(), "{", None):  # in colour, and no digits
        assert server.see({"face": face}) == {}
    (tmp_path / "celeba.safetensors").unlink()
    _load_once.cache_clear()
    assert server.see({"face": Face("small").to_json()}) == {}


def test_smooth_and_pixels_show_the_same_picture_enlarged_differently(tab):
    smooth, pixels = (picture_of(drawn(tab, Face("small", 3), choice)["picture"]) for choice in (False, True))
    assert smooth.shape == (32, 32, 3) and pixels.shape == (16, 16, 3)
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(smooth.astype(int) - expected).mean() < 4  # it is a JPEG


def test_the_same_answer_twice_is_news_twice(tab):
    """A browser that has moved a slider meanwhile must notice that it is reset."""
    asked = {"state": Face("small", 5).to_json()}
    assert tab.restore(asked)["stamp"] != tab.restore(asked)["stamp"]


def test_another_model_keeps_what_fits(tab):
    face = Face("small", 5, 0.5, {3: 1, 17: 1}).to_json()
    shown = tab.choose({"face": face, "basis": "z", "page": "16–19", "model": "runs/tiny"})
    assert Face.from_json(shown["face"]) == Face("runs/tiny", 5, 0.5, {3: 1})
    assert shown["page"] == "0–7"  # it has no page 16–19
    assert shown["sliders"][3] == {"key": "z:3", "label": "z 3", "value": 1.0}


def test_components_are_given_what_was_answered(tab):
    shown = tab.restore({"state": Face("runs/tiny", 2**32 - 1, 0.5, {3: 1}).to_json(), "basis": "z"})
    face, model, seed, truncation, basis, page, *sliders, own, stage = explore._values(shown)
    assert (face, seed, truncation, own) == (shown["face"], 2**32 - 1, 0.5, shown["own"])
    assert model["value"] == "runs/tiny" and model["choices"] == shown["models"]
    assert (basis["value"], page["value"], page["visible"]) == ("z", "0–7", False)
    assert [(s["elem_id"], s["label"], s["value"]) for s in sliders[2:4]] == [
        ("slider-z:2", "z 2", 0), ("slider-z:3", "z 3", 1)
    ]  # fmt: skip
    assert [s["visible"] for s in sliders] == [True] * 8 + [False] * 8
    assert stage["picture"] == shown["picture"] and not stage.keys() & {"sliders", "models", "own"}
    failed = explore._values(tab.restore({"state": "{"}))
    assert "no state of this page" in failed[-1]["notice"] and len(failed) == len(explore._values(shown))


def test_a_broken_model_is_said_in_the_pictures_place_until_it_is_mended(tmp_path, tiny_run):
    folder = shutil.copytree(tiny_run, tmp_path / "runs" / "mine")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    tab = ExploreServer(Library([tmp_path / "weights", tmp_path / "runs"]))
    weights.write_bytes(whole[:50])
    shown = tab.choose({"face": Face("runs/mine").to_json(), "model": "runs/mine"})
    assert "cannot be read" in shown["notice"] and "picture" not in shown
    assert Face.from_json(shown["face"]) == Face("runs/mine") and shown["model"] == "runs/mine"
    assert "cannot be read" in drawn(tab, Face("runs/mine"))["notice"]
    assert tab.grid({"model": "runs/mine", "truncation": 1.0, "start": 0}) == {}
    weights.write_bytes(whole)
    assert drawn(tab, Face("runs/mine"))["picture"]


def test_without_a_model_every_event_says_what_to_do(tmp_path):
    tab = ExploreServer(Library([tmp_path / "weights", tmp_path / "runs"]))
    tab.warm_up()
    for shown in (opened(tab), tab.restore({"state": ""}), tab.make({"face": ""})):
        assert shown["notice"] == NO_MODEL and "face" not in shown
    assert tab.grid({"model": "", "truncation": 1.0, "start": 0}) == {}
    assert tab.download({"query": "model=x", "smooth": True})["problem"] == NO_MODEL


@pytest.mark.parametrize("text", ["{", '{"model": "small", "seed": -1, "truncation": 1}', "x" * 10**5, None, 7])
def test_a_state_that_was_tampered_with_is_refused_in_words(tab, text):
    assert "expected" in tab.restore({"state": text})["notice"]
    assert "expected" in tab.draw({"face": text, "pixels": False})["notice"]


def test_the_face_to_begin_with_can_be_had_later(tab):
    assert Face.from_json(tab.restore({"state": ""})["face"]) == Face("small")


def test_the_download_carries_its_state_and_restores_it(tab):
    face = Face("small", 5, 0.7, {3: 1.5})
    for smooth in (True, False):
        file = tab.download({"query": face.to_query(), "smooth": smooth})
        image = Image.open(io.BytesIO(base64.b64decode(file["png"])))
        assert image.size == (512, 512)
        assert file["name"] == "small-seed5.png"
        assert Face.from_json(tab.restore({"state": image.text["gan-faces"]})["face"]) == face
    assert "no model" in tab.download({"query": "model=nobody", "smooth": True})["problem"]
    assert "seed" in tab.download({"query": "model=small&seed=x"})["problem"]


def grid(tab: ExploreServer, start: object, truncation: object = 1.0) -> dict:
    return tab.grid({"model": "small", "truncation": truncation, "start": start})


def test_the_grid_shows_consecutive_seeds(tab, library):
    answer = grid(tab, 24, 0.5)
    assert (answer["start"], answer["size"], len(answer["pictures"])) == (24, 16, GRID_FACES)
    for place in (0, GRID_FACES - 1):
        expected = draw_seeds(library, "small", [24 + place], 0.5)[0]
        assert np.abs(picture_of(answer["pictures"][place]).astype(int) - expected).mean() < 6  # it is a JPEG


@pytest.mark.parametrize("start, begins", [(2**40, 2**32 - GRID_FACES), (-5, 0), (None, 0)])
def test_the_grid_stays_within_the_seeds(tab, start, begins):
    answer = grid(tab, start)
    assert (answer["start"], answer["last"]) == (begins, 2**32 - GRID_FACES)


@pytest.mark.parametrize("asked", [dict(start="x"), dict(start=0, truncation="x"), dict(start=0, truncation=9)])
def test_a_grid_that_makes_no_sense_is_none(tab, asked):
    assert grid(tab, **asked) == {}


def test_behind_the_pad_lie_the_faces_of_its_plane_and_what_else_it_can_have(tab, library):
    face = Face("small", 5, 0.5, {3: 1, 4: 2}, pad=("truncation", "z:3"))
    answer = tab.pad({"face": face.to_json()})
    assert (answer["size"], len(answer["pictures"])) == (16, 25)
    for place, truncation, offset in ((0, 0, 3), (4, 1.5, 3), (12, 0.75, 0), (21, 0.375, -3)):
        expected = draw(library, Face("small", 5, truncation, {3: offset, 4: 2})).pixels
        assert np.abs(picture_of(answer["pictures"][place]).astype(int) - expected).mean() < 6  # it is a JPEG
    assert list(answer["sliders"]) == ["z", "Yours"] and not answer["sliders"]["Yours"]
    assert answer["sliders"]["z"][19] == {"key": "z:19", "label": "z 19"}


@pytest.mark.parametrize(
    "text",
    [Face("small").to_json(), Face("small", pad=("z:3", "z:20")).to_json(), Face("x", pad=("z:3", "z:4")).to_json(), 7],
)
def test_without_a_pad_nothing_lies_behind_it(tab, text):
    assert tab.pad({"face": text}) == {}


def test_the_critics_score_is_the_discriminators_opinion_of_what_is_shown(tab, library):
    frame = draw(library, Face("small", 7))
    picture = torch.from_numpy(frame.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    logit = load_discriminator(library.entry("small").folder)(picture)
    assert frame.score == pytest.approx(torch.sigmoid(logit).item(), abs=0.01)
    assert drawn(tab, Face("small", 7))["score"] == frame.score


def test_a_model_without_its_critic_is_drawn_without_a_score(tmp_path, tiny_run):
    folder = shutil.copytree(tiny_run, tmp_path / "mine")
    (folder / "discriminator.safetensors").unlink()
    shown = opened(ExploreServer(Library([tmp_path])))
    assert shown["picture"] and shown["score"] is None


def test_enlarging_repeats_or_smooths(library):
    pixels = draw(library, Face("small")).pixels
    big = np.asarray(Image.open(io.BytesIO(png(pixels, Face("small"), least_size=50))))
    assert np.array_equal(big, pixels.repeat(4, 0).repeat(4, 1))
    assert enlarge(to_image(pixels), 1, True).size == (16, 16)
    assert enlarge(to_image(pixels[:, :, :1]), 2, True).mode == "L"


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_a_critic_that_is_no_number_takes_no_face_away(tab, monkeypatch, answer):
    monkeypatch.setattr(torch, "sigmoid", lambda x: torch.full_like(x, answer))
    answer = drawn(tab, Face("small", 8))
    assert answer["picture"] and answer["score"] is None
