"""The Replay tab's server side: what a browser may ask, what it gets, and the public /replay."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from coroutines import answered
from gradio_client import Client
from PIL import Image

from gan.films.replay import load_replay
from gan.history import append_history, read_history, samples, save_sample, snapshots
from gan.run import RunError
from gan.sampling import generate
from gan.ui import api, replay_server
from gan.ui.drawing import thumbnail_uri
from gan.ui.library import Library
from gan.ui.replay_server import ReplayServer
from gan.ui.state import Face
from gan.ui.tab import guard
from gan.weights import load_generator

EVENT = "<img src=x onerror=alert(1)> collapse"


@pytest.fixture
def library(tiny_run, tmp_path) -> Library:
    """tiny and twin, whole; bare, without history and samples; torn, with damaged weights; void, an empty config."""
    for name in ("tiny", "twin", "bare", "torn"):
        shutil.copytree(tiny_run, tmp_path / name)
    (tmp_path / "bare" / "history.csv").unlink()
    shutil.rmtree(tmp_path / "bare" / "samples")
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"half")
    (tmp_path / "void").mkdir()
    (tmp_path / "void" / "config.json").write_text("{", encoding="utf-8")
    append_history(tmp_path / "tiny", {"images_seen": 1000, "loss_g": float("nan"), "event": EVENT})
    (tmp_path / "tiny" / "README.md").touch()  # finished: its card is newer than its history
    return Library([tmp_path])


@pytest.fixture
def server(library) -> ReplayServer:
    return ReplayServer(library)


def folder(library: Library, name: str) -> Path:
    return library.entry(name).folder


def test_a_run_comes_with_all_its_numbers_as_plain_json(server, library):
    answer = json.loads(json.dumps(answered(server.replay_run, {"name": "tiny"}), allow_nan=False))
    history = read_history(folder(library, "tiny"))
    measured = [row for row in history if row["loss_g"] is not None and row["loss_d"] is not None]
    assert answer["images"] == [row["images_seen"] for row in measured]
    np.testing.assert_allclose(answer["curves"]["loss_g"], [row["loss_g"] for row in measured], rtol=1e-4)
    assert set(answer["curves"]) == set(answer["smoothed"]) == {"loss_g", "loss_d", "d_real", "d_fake", "diversity"}
    assert [sheet[0] for sheet in answer["sheets"]] == sorted(samples(folder(library, "tiny")))
    assert answer["events"] == [[1000, EVENT]]
    assert (answer["images_seen"], answer["training"], answer["problem"]) == (2000, False, "")
    assert answer["snapshots"] == len(snapshots(folder(library, "tiny")))


def test_a_run_is_sent_again_only_when_it_has_grown(server, library):
    stamp = answered(server.replay_run, {"name": "tiny"})["stamp"]
    assert answered(server.replay_run, {"name": "tiny", "stamp": stamp}) == {"stamp": stamp, "unchanged": True}
    append_history(folder(library, "tiny"), {"images_seen": 2100, "loss_g": 1.5, "sample": 99})
    grown = answered(server.replay_run, {"name": "tiny", "stamp": stamp})
    assert grown["images_seen"] == 2100 and grown["stamp"] != stamp
    save_sample(folder(library, "tiny"), 99, np.zeros((64, 16, 16, 3), np.uint8))
    again = answered(server.replay_run, {"name": "tiny", "stamp": grown["stamp"]})
    assert again["sheets"][-1][:2] == [99, 2100]


def test_a_sheet_that_resuming_wrote_again_has_another_version(server, library):
    before = answered(server.replay_run, {"name": "tiny"})["sheets"][-1]
    save_sample(folder(library, "tiny"), before[0], np.zeros((64, 16, 16, 3), np.uint8))
    after = answered(server.replay_run, {"name": "tiny"})["sheets"][-1]
    assert after[0] == before[0] and after[2] != before[2]
    assert answered(server.replay_sheets, {"name": "tiny", "sheets": [after[0]]})["sheets"][0][1] == after[2]


def test_sheets_are_sent_as_they_are_in_the_order_that_was_asked(server, library):
    answer = answered(server.replay_sheets, {"name": "tiny", "sheets": [3, 0, 3, 12345, -1, "1", None, 1.0]})["sheets"]
    files = samples(folder(library, "tiny"))
    assert [sheet[0] for sheet in answer] == [3, 0]
    assert [base64.b64decode(sheet[2]) for sheet in answer] == [files[3].read_bytes(), files[0].read_bytes()]


def test_an_answer_holds_only_so_many_bytes_but_always_one_sheet(server, library, monkeypatch):
    monkeypatch.setattr(replay_server, "MAX_ANSWER_BYTES", 1)
    (sheet,) = answered(server.replay_sheets, {"name": "tiny", "sheets": [2, 1, 0]})["sheets"]
    assert sheet[0] == 2
    monkeypatch.setattr(replay_server, "MAX_FILE_BYTES", 1)
    (number, _, content), *_ = answered(server.replay_sheets, {"name": "tiny", "sheets": [2]})["sheets"]
    assert number == 2 and content is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("void", "config.json is damaged"),
        ("torn", "model.safetensors cannot be read"),
        ("bare", "no history yet"),
        ("nowhere", "no model 'nowhere': there are: bare, tiny, twin"),
        (None, "model None: expected the name of a model"),
        (["tiny"], "model ['tiny']: expected the name of a model"),
        ("../tiny", "no model"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(server, name, sentence):
    answer = json.loads(json.dumps(answered(server.replay_run, {"name": name}), allow_nan=False))
    assert sentence in answer["problem"]
    assert ("sheets" in answer) == (name in ("void", "torn", "bare"))  # what there is of a broken run is shown
    assert "sheets" not in answer or answer["latent"] == ("" if name == "void" else "8 normal")


def test_of_a_broken_run_the_past_can_still_be_watched(server):
    answer = answered(server.replay_run, {"name": "torn"})
    assert len(answer["sheets"]) > 5 and answer["images_seen"] == 2000
    assert answered(server.replay_sheets, {"name": "torn", "sheets": [0]})["sheets"][0][2]


@pytest.mark.parametrize("asked", [None, [], "tiny", {}, {"name": {}, "sheets": {}}])
def test_a_question_for_no_run_is_a_sentence(server, asked):
    assert "expected the name of a model" in answered(server.replay_sheets, asked)["problem"]


def test_a_question_for_no_sheets_gets_none(server):
    assert server.replay_sheets({"name": "tiny", "sheets": "abc"}) == {"sheets": []}


# ---- downloads ------------------------------------------------------------------------------------------------------


def downloaded(server: ReplayServer, kind: str, *runs: str, **more) -> tuple[dict, bytes]:
    answer = answered(server.replay_download, {"runs": list(runs), "kind": kind, **more})
    assert "problem" not in answer, answer
    return answer, base64.b64decode(answer["content"])


def test_the_history_is_the_file_itself(server, library):
    answer, content = downloaded(server, "csv", "tiny")
    assert (answer["name"], answer["type"]) == ("tiny-history.csv", "text/csv")
    assert content == (folder(library, "tiny") / "history.csv").read_bytes()


def test_a_run_comes_with_what_people_call_it_and_sentences_say_that_too(library, server):
    shutil.copytree(folder(library, "tiny"), folder(library, "tiny").parent / "dlnd-mnist28")
    config = library.entry("dlnd-mnist28").info.config
    title = f"Face-Generator-GANs, digits, {config.image_size} px"
    assert server.replay_run({"name": "dlnd-mnist28"})["title"] == title
    shown = server.replay_run({"name": "tiny"})
    assert (shown["title"], shown["latent"]) == ("tiny", "8 normal")
    answer = server.strip({"face": Face("dlnd-mnist28", 3).to_json(), "run": "tiny"})
    assert f"what {title} draws in Explore is here what tiny made" in answer["about"]


def test_a_gif_shows_so_many_moments_that_it_can_be_sent(server, library, monkeypatch):
    monkeypatch.setattr("gan.films.replay_film.GIF_FRAMES", (3, 2))
    for runs, frames in ((("tiny",), 3), (("tiny", "twin"), 2)):
        with Image.open(io.BytesIO(downloaded(server, "gif", *runs)[1])) as picture:
            assert picture.n_frames == frames
    with Image.open(io.BytesIO(downloaded(server, "webp", "tiny")[1])) as picture:
        assert picture.n_frames > 3


def test_curves_and_film_are_pictures(server):
    answer, content = downloaded(server, "png", "tiny", "twin")
    assert answer["name"] == "tiny-twin-curves.png"
    assert Image.open(io.BytesIO(content)).size == (1600, 960)
    linear = downloaded(server, "png", "tiny", "twin", logarithmic=False)[1]
    assert linear != content
    answer, content = downloaded(server, "gif", "tiny")
    assert (answer["name"], answer["type"]) == ("tiny-replay.gif", "image/gif")
    assert Image.open(io.BytesIO(content)).is_animated


def test_a_film_is_made_once_for_all_until_the_run_grows(server, library, monkeypatch):
    from gan.films import replay_film

    made = []
    monkeypatch.setattr(replay_film, "film", lambda *args, **kwargs: made.append(1) or b"film")
    replay_server._export.cache_clear()
    for _ in range(3):
        assert downloaded(server, "gif", "tiny")[1] == b"film"
    assert len(made) == 1
    append_history(folder(library, "tiny"), {"images_seen": 2200, "loss_g": 1.0})
    downloaded(server, "gif", "tiny")
    assert len(made) == 2
    replay_server._export.cache_clear()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"runs": ["tiny"], "kind": "exe"}, "a kind out of gif, webp, mp4, png, csv"),
        ({"runs": ["tiny"], "kind": ["gif"]}, "a kind out of"),
        ({"runs": [], "kind": "gif"}, "one or two runs"),
        ({"runs": ["tiny"] * 3, "kind": "gif"}, "one or two runs"),
        ({"runs": "tiny", "kind": "gif"}, "one or two runs"),
        ({"runs": ["nowhere"], "kind": "gif"}, "no model 'nowhere'"),
        ({"runs": ["bare"], "kind": "gif"}, "no sample sheet"),
        ({"runs": ["bare"], "kind": "csv"}, "bare has no history.csv"),
        ({"runs": ["tiny", "twin"], "kind": "csv"}, "a history is one run's"),
        (None, "one or two runs"),
    ],
)
def test_downloads_that_cannot_be_made_are_refused_in_words(server, asked, sentence):
    assert sentence in answered(server.replay_download, asked)["problem"]


# ---- this face through the epochs -----------------------------------------------------------------------------------


def test_the_strip_is_explores_face_by_every_snapshot(server, library):
    face = Face("tiny", 7, 0.8, {2: 1.5})
    answer = server.strip({"face": face.to_json(), "run": "tiny"})
    assert answer["run"] == "tiny" and answer["about"] == "Seed 7, 1 of its sliders moved, truncation 0.8"
    where, drawn = folder(library, "tiny"), []
    for number in snapshots(where):
        generator = load_generator(where, snapshot=number)
        drawn.append(generate(generator, face.z(generator.config), truncation=0.8)[0])
    assert len(answer["images"]) == len(drawn) and answer["film"] == thumbnail_uri(np.concatenate(drawn, axis=1))


def test_the_strip_ends_with_the_weights_as_they_are(server, library):
    where, face = folder(library, "tiny"), Face("tiny", 7, 0.8, {2: 1.5})
    *kept, (_, end) = load_replay(where).snapshots
    assert end == load_replay(where).weights_at
    whole = server.strip({"face": face.to_json(), "run": "tiny"})
    assert whole["images"] == [*(images for _, images in kept), end]  # whose snapshot is there already
    snapshots(where).popitem()[1].unlink()
    assert server.strip({"face": face.to_json(), "run": "tiny"}) == whole

    generator = load_generator(where)
    own = thumbnail_uri(generate(generator, face.z(generator.config), truncation=0.8)[0])
    last = server.strip({"face": face.to_json(), "run": "tiny", "last": True})
    assert last == whole | {"last": True, "images": [end], "film": own}
    for path in snapshots(where).values():
        path.write_bytes(b"half")
    assert server.strip({"face": face.to_json(), "run": "tiny"}) == last | {"last": False}


def test_another_runs_face_is_drawn_with_the_same_numbers_where_they_fit(server):
    answer = server.strip({"face": Face("twin", 7).to_json(), "run": "tiny"})
    assert "what twin draws in Explore is here what tiny made of the same numbers" in answer["about"]
    assert answer["film"] == server.strip({"face": Face("tiny", 7).to_json(), "run": "tiny"})["film"]


def test_a_face_of_another_latent_space_is_a_sentence(server, library):
    config = json.loads((folder(library, "twin") / "config.json").read_text(encoding="utf-8"))
    config["config"]["z_distribution"] = "uniform"
    (folder(library, "twin") / "config.json").write_text(json.dumps(config), encoding="utf-8")
    problem = server.strip({"face": Face("twin", 7).to_json(), "run": "tiny"})["problem"]
    assert "The face in Explore is 8 uniform numbers of twin, and tiny draws from 8 normal ones" in problem


@pytest.mark.parametrize(
    ("face", "name", "sentence"),
    [
        ("", "tiny", "There is no face yet"),
        ("{}", "tiny", "no state of this page"),
        (Face("tiny", 1, 1.0, {9: 1.0}).to_json(), "tiny", "dimension 9"),
        (Face("tiny").to_json(), "torn", "cannot be read"),
        (Face("tiny").to_json(), "", "no model ''"),
    ],
)
def test_a_strip_that_cannot_be_drawn_is_a_sentence(server, face, name, sentence):
    answer = server.strip({"face": face, "run": name})
    assert sentence in answer["problem"] and answer["run"] == name


# ---- the tab and its endpoint ---------------------------------------------------------------------------------------


def test_a_moment_is_its_sheet_and_its_numbers(server, library):
    picture, numbers = server.moment("tiny", 0.0)
    assert picture.size == (128, 128) and picture.mode == "RGB"
    assert (numbers["images_seen"], numbers["loss_g"], numbers["sheet"]) == (0, None, 0)
    _, end = server.moment("tiny", 1.0)
    last = read_history(folder(library, "twin"))[-1]
    assert (end["images_seen"], end["run_images_seen"]) == (2000, 2000)
    assert end["loss_g"] == last["loss_g"] and end["d_fake"] == last["d_fake"]
    assert server.moment("tiny", 2000)[1] == end
    with pytest.raises(RunError, match="bare: This run has no history yet"):
        server.moment("bare", 1.0)


@pytest.fixture
def client(library):
    with gr.Blocks() as page:
        api.build(library)
    guard(page)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield Client(url, verbose=False)
    page.close(verbose=False)


def test_the_endpoint_is_public_described_and_bounded(client, library):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    described = endpoints["/replay"]
    assert described["description"].startswith("What a run could draw at a moment of its training")
    parameters = {p["parameter_name"]: p for p in described["parameters"]}
    assert list(parameters) == ["model", "step"]
    assert parameters["step"]["parameter_default"] == 1.0

    picture, numbers = client.predict("tiny", 0.5, api_name="/replay")
    with Image.open(picture) as sheet:
        assert sheet.size == (128, 128)
        file = samples(folder(library, "tiny"))[numbers["sheet"]]
        np.testing.assert_array_equal(np.asarray(sheet.convert("RGB")), np.asarray(Image.open(file).convert("RGB")))
    assert client.predict("tiny", api_name="/replay")[1]["images_seen"] == 2000
    for arguments, sentence in [
        (("nowhere", 1), "no model 'nowhere'"),
        (("void", 1), "history"),
        (("tiny", -1), "step -1: expected a number from 0"),
        (("tiny", 1e13), "step 1.*: expected a number from 0 to 1e"),
    ]:
        with pytest.raises(Exception, match=sentence):
            client.predict(*arguments, api_name="/replay")


def test_a_visitor_first_sees_the_run_of_their_face(library):
    entries = library.entries()
    first = replay_server._first
    assert first(entries, Face("twin").to_json()) == "twin"
    assert first(entries, "") == first(entries, Face("gone").to_json()) == "bare"
    assert first([entry for entry in entries if entry.problem], "") == "torn"
    assert first([], "") is None


def test_the_tab_opens_with_the_runs_that_it_showed(server):
    def opened(**asked):
        answer = server.open({"explored": Face("twin").to_json()} | asked)
        assert [choice["value"] for choice in answer["choices"]] == list(answer["message"].values())
        return answer

    runs, others = opened()["choices"]
    assert {("tiny", "tiny"), ("void · unusable", "void")} <= set(runs["choices"])
    assert others["choices"] == [("no other run", ""), *runs["choices"]]
    assert opened()["message"] == {"run": "twin", "second": ""}
    assert opened(run="tiny", second="void")["message"] == {"run": "tiny", "second": "void"}
    assert opened(run=["tiny"], second={})["message"] == {"run": "twin", "second": ""}
