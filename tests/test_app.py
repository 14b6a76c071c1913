"""The page as scripts see it: its endpoints, its options, and its start without any model."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from serving import free_port, make_models, serve

import app
from gan import load_generator, sample
from gan.latent.attributes import Effect
from gan.latent.directions import Direction, save_directions
from gan.run import DIRECTIONS_FILE
from gan.sampling import latents
from gan.ui.state import Face
from gan.ui.values import encode_latent

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory, tiny_config, pictures, tiny_run):
    library = make_models(tmp_path_factory.mktemp("site"), tiny_config, pictures, tiny_run)
    with serve(library) as served:
        yield served


@pytest.fixture(scope="module")
def client(site):
    return Client(site.url, verbose=False)


def test_only_named_endpoints_are_public_and_each_explains_itself(client):
    endpoints = client.view_api(return_format="dict", print_info=False)
    names = ["/generate", "/grid", "/models", "/directions", "/morph", "/arithmetic", "/project", "/replay"]
    assert list(endpoints["named_endpoints"]) == names
    assert not endpoints["unnamed_endpoints"]
    generate = {p["parameter_name"]: p for p in endpoints["named_endpoints"]["/generate"]["parameters"]}
    assert list(generate) == ["model", "seed", "truncation", "offsets", "scale", "directions", "latent"]
    assert generate["seed"]["type"]["type"] == "integer"
    assert generate["truncation"]["parameter_default"] == 1.0
    offsets = generate["offsets"]["type"]
    assert (offsets["type"], offsets["additionalProperties"]) == ("object", {"type": "number"})
    schema = urllib.request.urlopen(f"{client.src}gradio_api/info").read().decode()
    assert "same arguments always give the same picture" in schema


def test_a_radio_may_name_a_choice_that_has_just_been_taken_away(site):
    config = json.load(urllib.request.urlopen(f"{site.url}/config"))
    ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    event = next(d for d in config["dependencies"] if [ids["stage"], "restore"] in [list(t) for t in d["targets"]])
    state = Face("small", 3).to_json()
    body = {"fn_index": event["id"], "data": [state, "Nonsense", "992–1007", False], "session_hash": "x"}
    body["event_data"] = {"state": state}
    request = urllib.request.Request(
        f"{site.url}/gradio_api/run/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    shown = json.load(urllib.request.urlopen(request))["data"]
    assert Face.from_json(shown[0]).model == "small" and shown[-1]["picture"]


def test_generate_draws_what_the_package_draws(client, site):
    path = client.predict(model="small", seed=7, truncation=0.8, api_name="/generate")
    drawn = np.asarray(Image.open(path))
    expected = sample(load_generator(site.library.entry("small").folder), seed=7, n=1, truncation=0.8)[0]
    assert np.abs(drawn.astype(int) - expected).max() <= 1  # folding batch norm rounds differently


def test_generate_carries_its_state_and_scales_by_whole_pixels(client):
    arguments = dict(model="small", seed=1, offsets={"3": 2, "17": -1.5})
    once = Image.open(client.predict(**arguments, api_name="/generate"))
    large = Image.open(client.predict(**arguments, scale=3, api_name="/generate"))
    assert Face.from_json(large.text["gan-faces"]) == Face("small", 1, 1.0, {3: 2, 17: -1.5})
    assert np.array_equal(np.asarray(large), np.asarray(once).repeat(3, 0).repeat(3, 1))
    plain = Image.open(client.predict(model="small", seed=1, api_name="/generate"))
    assert not np.array_equal(np.asarray(once), np.asarray(plain))


def test_directions_are_listed_and_move_the_picture(client, site):
    folder = site.library.entry("small").folder
    assert client.predict(model="small", api_name="/directions") == []
    effect = Effect(0.1, 0.5, 0.9, "Male", -0.2, 30)
    made = [Direction("Smile", "attribute", torch.ones(20), effect), Direction("SeFa 1", "sefa", torch.ones(20))]
    save_directions(folder, made, None)
    try:
        smile, sefa = client.predict(model="small", api_name="/directions")
        assert smile == {"name": "Smile", "kind": "attribute"} | dataclasses.asdict(effect)
        assert sefa == {"name": "SeFa 1", "kind": "sefa"}
        arguments = dict(model="small", seed=1, directions={"Smile": 2, "SeFa 1": -0.5})
        moved = Image.open(client.predict(**arguments, api_name="/generate"))
        z = latents(site.library.generator("small").config, [1]) + 1.5
        assert Face.from_json(moved.text["gan-faces"]) == Face("small", 1, directions={"Smile": 2, "SeFa 1": -0.5})
        same = Image.open(client.predict(model="small", latent=encode_latent(z), api_name="/generate"))
        assert np.abs(np.asarray(moved).astype(int) - np.asarray(same)).max() <= 1
    finally:
        (folder / DIRECTIONS_FILE).unlink()


def test_grid_draws_seeds_row_by_row(client):
    grid = np.asarray(Image.open(client.predict(model="small", seed=4, count=5, columns=3, api_name="/grid")))
    assert grid.shape == (32, 48, 3)
    for i in range(5):
        row, column = divmod(i, 3)
        one = np.asarray(Image.open(client.predict(model="small", seed=4 + i, api_name="/generate")))
        cell = grid[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert np.abs(cell.astype(int) - one).max() <= 1
    assert not grid[16:, 32:].any()


def test_models_lists_usable_and_broken_ones(client):
    models = {model["name"]: model for model in client.predict(api_name="/models")}
    assert list(models) == ["small", "runs/broken", "runs/tiny"]
    assert models["small"]["image_size"] == 16 and models["small"]["z_dim"] == 20
    assert models["small"]["problem"] is None
    assert "model.safetensors cannot be read" in models["runs/broken"]["problem"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (dict(model="nobody"), "no model 'nobody': there are: small, runs/tiny"),
        (dict(model="runs/broken"), "cannot be read"),
        (dict(model="small", seed=-1), "seed -1: expected a whole number from 0 to 4294967295"),
        (dict(model="small", seed=2**32), "seed 4294967296: expected a whole number"),
        (dict(model="small", truncation=9), "truncation 9: expected a number from 0 to 1.5"),
        (dict(model="small", scale=500), "scale 500: expected a whole number from 1 to 16"),
        (dict(model="small", offsets={"20": 1}), "small has 20 dimensions, numbered 0 to 19"),
        (dict(model="small", offsets={"3": 99}), "offset 99: expected a number from -3 to 3"),
        (dict(model="small", offsets={"x": 1}), "dimension 'x': expected a whole number"),
        (dict(model="small", offsets=[1, 2]), "offsets: expected dimensions and values"),
        (dict(model="small", directions={"Smile": 1}), "small has no direction 'Smile': it has none"),
        (dict(model="small", directions={"Smile": 4}), "direction Smile: 4: expected a number from -3 to 3"),
        (dict(model="small", directions=[1]), "directions: expected names and values"),
        (dict(model="small", latent="AAAA"), "latent"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name="/generate")


def test_no_picture_is_larger_than_may_be_sent(client, monkeypatch):
    monkeypatch.setattr("gan.ui.api.MAX_PIXELS", 33 * 33)
    assert Image.open(client.predict(model="small", scale=2, api_name="/generate")).size == (32, 32)
    with pytest.raises(AppError, match="would have 2,304 pixels, and at most 1,089 are sent: ask for a smaller scale"):
        client.predict(model="small", scale=3, api_name="/generate")
    with pytest.raises(AppError, match=r"would have 1,280 pixels.*fewer pictures or columns"):
        client.predict(model="small", count=1, columns=5, api_name="/grid")


def test_grid_is_bounded(client):
    with pytest.raises(AppError, match="count 65: expected a whole number from 1 to 64"):
        client.predict(model="small", count=65, api_name="/grid")
    with pytest.raises(AppError, match="expected at most 4294967280 for 16 pictures"):
        client.predict(model="small", seed=2**32 - 1, api_name="/grid")


def test_options_come_from_the_environment_and_the_command_line(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7999")
    monkeypatch.setenv("GAN_RUNS", "elsewhere")
    options = app.parse(["--host", "0.0.0.0"])
    assert (options.host, options.port, options.weights, options.runs) == (
        "0.0.0.0", 7999, app.ROOT / "weights", Path("elsewhere")
    )  # fmt: skip
    assert app.parse(["--port", "80", "--runs", "x"]).port == 80


def test_the_models_are_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAN_WEIGHTS", raising=False)
    assert (app.parse([]).weights / "faces64" / "config.json").is_file()


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [("127.0.0.1", None, "in use"), ("203.0.113.9", 7861, "203.0.113.9"), ("127.0.0.1", 99999, "port 99999")],
)
def test_a_port_that_cannot_be_had_is_a_sentence(host, port, reason):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit, match=f"{reason}.*choose another with --port"):
            app.free_port(host, port or taken.getsockname()[1])


def test_without_a_port_the_first_free_one_is_taken(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        monkeypatch.setattr(app, "PORTS", range(first, first + 50))
        assert first < app.free_port("127.0.0.1", None) < first + 50


@pytest.mark.skipif(os.name == "nt", reason="standard streams are closed by a POSIX shell")
def test_it_serves_without_a_home_without_output_and_beside_another_users_temporary_files(tmp_path):
    theirs = tmp_path / "tmp" / "gradio"
    theirs.mkdir(parents=True)
    theirs.chmod(0)
    port = free_port()
    command = f"exec '{sys.executable}' '{ROOT / 'app.py'}' --port {port} --weights weights <&- >&- 2>&-"
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "GRADIO_TEMP_DIR")}
    environment |= {"TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(command, shell=True, cwd=tmp_path, env=environment) as page:
        try:
            wait_for(f"http://127.0.0.1:{port}/", page)
            client = Client(f"http://127.0.0.1:{port}", verbose=False)
            assert client.predict(api_name="/models") == []
            assert [path.name[:10] for path in theirs.parent.iterdir() if path != theirs] == ["gan-faces-"]
        finally:
            page.send_signal(2)
            page.wait(20)
    theirs.chmod(0o700)


PAGE = """
import sys, torch, app
from gradio.utils import MatplotlibBackendMananger
app.import_the_rest()
known = set(sys.modules)
with MatplotlibBackendMananger():  # as Gradio does it round every event
    latents = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([latents])
    latents.square().sum().backward()
    optimizer.step()
print("imported:", *sorted(sys.modules.keys() - known), flush=True)
app.main()
"""


def test_no_visitors_event_or_search_imports_and_without_any_model_it_starts_and_stops_at_ctrl_c(tmp_path):
    """What would be imported, others would wait for. One process for both: it takes ten seconds of a core to begin."""
    port = free_port()
    command = [sys.executable, "-c", PAGE, "--port", str(port), "--runs", "runs", "--weights", "weights"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as page:
        try:
            wait_for(f"http://127.0.0.1:{port}/", page)
            client = Client(f"http://127.0.0.1:{port}", verbose=False)
            assert client.predict(api_name="/models") == []
            with pytest.raises(AppError, match=r"there is none yet; train\.py makes one"):
                client.predict(model="faces64", api_name="/generate")
        finally:
            page.send_signal(2)
            output = page.communicate(timeout=20)[0].decode()
    assert "Traceback" not in output
    [imported] = re.findall("^imported:(.*)", output, re.MULTILINE)
    assert len(imported.split()) < 20, imported  # a thousand without


def wait_for(url: str, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer")
