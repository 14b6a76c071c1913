"""The Photo tab's server side: what a browser may ask, what it gets, who waits, and the public /project."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
from coroutines import answered, told
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from photos import packed
from PIL import Image
from serving import serve
from tiny_classifiers import install, tiny_classifier

from gan import run
from gan.latent.encoder_training import Recipe, encode_for_run
from gan.latent.projection import STEPS, project
from gan.models import Generator
from gan.run import RunError
from gan.sampling import generate, sample
from gan.ui import photo_server
from gan.ui.drawing import latent
from gan.ui.library import Library
from gan.ui.photo_server import PhotoServer
from gan.ui.state import Face
from gan.weights import load_generator, save_weights


@pytest.fixture(autouse=True)
def classifiers(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path / "classifiers", celeba=tiny_classifier())


@pytest.fixture(scope="module")
def library(tiny_run, tmp_path_factory) -> Library:
    """plain, without an encoder; tiny, with one; torn, with damaged weights."""
    root = tmp_path_factory.mktemp("models")
    for name in ("plain", "tiny", "torn"):
        shutil.copytree(tiny_run, root / name)
    encode_for_run(root / "tiny", Recipe(images=640), device="cpu", precision="fp32", progress=False)
    (root / "torn" / "model.safetensors").write_bytes(b"half")
    return Library([root])


@pytest.fixture
def server(library) -> PhotoServer:
    return PhotoServer(library)


def face_picture(library, seed=5000):
    return Image.fromarray(sample(load_generator(library.entry("tiny").folder), seed=seed, n=1)[0])


def asked(image, model="tiny"):
    return {"model": model, "content": base64.b64encode(packed(image)).decode()}


def shown(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_a_search_tells_its_way(server, library, monkeypatch):
    monkeypatch.setattr(photo_server, "_TOLD", 0.0)
    picture = face_picture(library)
    moments = told(server.find_face, asked(picture))
    json.dumps(moments, allow_nan=False)
    assert [message["step"] for message in moments] == list(range(STEPS + 1))
    assert [len(message["psnr"]) for message in moments] == list(range(1, STEPS + 2))
    assert moments[-1]["psnr"][-1] > moments[0]["psnr"][0] + 3
    assert moments[-1]["features"][-1] < moments[0]["features"][0]
    assert np.abs(np.asarray(shown(moments[0]["target"]).resize((16, 16))).astype(int) - np.asarray(picture)).mean() < 8
    assert moments[-1]["note"] == ""


def test_explore_gets_what_was_found(server, library):
    picture = face_picture(library)
    end = told(server.find_face, asked(picture))[-1]
    face = Face.from_json(end["state"])
    assert face.model == "tiny" and face.latent
    drawn = generate(library.generator("tiny"), latent(library, face))[0]
    difference = np.square((drawn / 255.0) - np.asarray(picture) / 255.0).mean()
    assert -10 * np.log10(difference) == pytest.approx(end["psnr"][-1], abs=1)
    assert np.abs(np.asarray(shown(end["picture"]).resize((16, 16))).astype(int) - drawn).mean() < 8


def test_a_few_tellings_a_second_are_enough(server, library, monkeypatch):
    monkeypatch.setattr(photo_server, "_TOLD", 1e9)
    assert [moment["step"] for moment in told(server.find_face, asked(face_picture(library)))] == [0, STEPS]


def test_a_model_without_an_encoder_that_fits_is_searched_too(server, library, tiny_run, monkeypatch):
    first = told(server.find_face, asked(face_picture(library), "plain"))[0]
    assert "no encoder" in first["note"]
    stale = library.entry("tiny").folder / run.MODEL_FILE
    content = stale.read_bytes()
    try:
        save_weights(stale, Generator(run.read_info(stale.parent).config))
        with pytest.raises(RunError, match="belongs to generator"):
            library.encoder("tiny")
        assert "no encoder" in told(server.find_face, asked(face_picture(library)))[0]["note"]
    finally:
        stale.write_bytes(content)
    assert library.encoder("tiny").facts["images_seen"] == 640


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"model": "nobody"}, "no model 'nobody'"),
        ({"model": "torn"}, "model.safetensors cannot be read"),
        ({"model": 7}, "model 7: expected the name of a model"),
        ({"content": "§§§"}, "no picture"),
        ({"content": 7}, "no picture"),
        ({"content": None}, "no picture"),
        ({"content": "A" * (28 * 2**20)}, "larger one than the 20 MB"),
        ({"content": base64.b64encode(b"hello").decode()}, "not a picture"),
        ({"content": base64.b64encode(packed(Image.new("RGB", (1, 1)))).decode()}, "1 x 1 pixels"),
    ],
)
def test_what_cannot_be_used_is_said(server, library, wanted, said):
    (end,) = told(server.find_face, asked(face_picture(library)) | wanted)
    assert said in end["problem"]
    assert str(library.roots[0].parent) not in end["problem"]


def test_a_file_that_the_browser_cannot_open_comes_back_as_one_that_it_can(server):
    content = base64.b64encode(packed(Image.new("CMYK", (40, 60), (0, 255, 255, 0)), "TIFF")).decode()
    opened = shown(answered(server.photo_open, {"content": content})["picture"])
    assert opened.format == "JPEG" and opened.size == (40, 60)
    assert np.abs(np.asarray(opened).astype(int) - (254, 0, 0)).max() < 6
    assert "not a picture" in answered(server.photo_open, {"content": base64.b64encode(b"nothing").decode()})["problem"]
    assert "no picture" in answered(server.photo_open, {})["problem"]


def test_the_tab_opens_with_explores_model_where_it_draws_in_colour(library, tiny_run, tmp_path):
    def opened(explored, chosen="", models=library):
        answer = PhotoServer(models).open({"explored": explored, "chosen": chosen})
        return *answer["choices"], answer["message"]

    choice, message = opened(Face("tiny").to_json())
    assert choice == {"choices": [("plain", "plain"), ("tiny", "tiny")], "value": "tiny"}
    assert message == {"about": {"model": "tiny", "size": 16, "faces": True}, "problem": ""}
    assert opened(Face("tiny").to_json(), [])[0]["value"] == "tiny"
    assert opened(Face("tiny").to_json(), "plain")[0]["value"] == "plain"
    assert opened("")[0]["value"] == "plain"  # the first
    assert opened("", "torn")[0]["value"] == "plain"
    choice, message = opened("", models=Library([tmp_path / "nothing"]))
    assert choice["value"] is None and "train.py" in message["problem"] and message["about"] == {"model": ""}


@pytest.fixture(scope="module")
def client(library):
    with serve(library) as site:
        yield Client(site.url, verbose=False)


def files_like(content):
    cache = Path(os.environ["GRADIO_TEMP_DIR"])
    files = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size == len(content)]
    return [path for path in files if path.read_bytes() == content]


def test_project_finds_a_face_for_a_script(client, library, tmp_path):
    path = tmp_path / "me.png"
    picture = face_picture(library)
    picture.save(path)
    drawn, found = client.predict("tiny", handle_file(path), 30, api_name="/project")
    folder = library.entry("tiny").folder
    expected = project(load_generator(folder), picture, encoder=library.encoder("tiny"), steps=30)
    assert found["psnr"] == pytest.approx(expected.psnr, abs=0.3)
    assert found["psnr_guess"] == pytest.approx(expected.history[0].psnr, abs=0.05)
    assert found["feature_distance"] < found["feature_distance_guess"]
    image = Image.open(drawn)
    assert np.abs(np.asarray(image).astype(int) - expected.image).max() <= 4
    assert json.loads(image.text["gan-faces"]) == found["state"]
    assert Face.from_json(json.dumps(found["state"])).model == "tiny"


def test_project_keeps_no_photo(client, library, tmp_path):
    path = tmp_path / "secret.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    uploaded = httpx.post(f"{client.src}gradio_api/upload", files={"files": path.read_bytes()}).json()
    assert [str(file) for file in files_like(path.read_bytes())] == uploaded  # a kept one would be found
    Path(uploaded[0]).unlink()
    client.predict("tiny", handle_file(path), 0, api_name="/project")
    assert not files_like(path.read_bytes())
    path.write_bytes(b"no picture, but a secret")
    with pytest.raises(AppError, match="not a picture"):
        client.predict("tiny", handle_file(path), 0, api_name="/project")
    assert not files_like(path.read_bytes())


def test_project_refuses_in_sentences(client, library, tmp_path):
    path = tmp_path / "me.png"
    face_picture(library).save(path)
    with pytest.raises(AppError, match="no model 'nobody'"):
        client.predict("nobody", handle_file(path), api_name="/project")
    with pytest.raises(AppError, match="300"):
        client.predict("tiny", handle_file(path), 301, api_name="/project")
    with pytest.raises(AppError, match="not a picture"):
        client.predict("tiny", None, api_name="/project")
