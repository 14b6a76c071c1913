"""Every model of weights/ through everything that there is: each endpoint, each tab, each command for a model folder.

What there is is found, in the page's config and in the package; what to ask of it stands in `examples`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from asking import Visitor
from examples import COMMANDS, ENDPOINTS, EVENTS, NOT_TRIED, SERVER_FUNCTIONS, Model, drawn_photo
from gradio_client import Client
from PIL import Image
from serving import serve

import gan.__main__ as gan
import train
from gan import run, sampling
from gan.films import replay, replay_film
from gan.latent import example, projection, projection_report
from gan.training import recorder, step
from gan.ui import arithmetic_server, explore_server, photo_server
from gan.ui.library import Library

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "weights"
FOLDERS = sorted(folder for folder in WEIGHTS.iterdir() if run.is_run(folder))


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return drawn_photo(tmp_path_factory.mktemp("photo") / "me.jpg")


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def model(request, photo) -> Model:
    return Model(request.param, photo)


@pytest.fixture(scope="module")
def site():
    with serve(Library([WEIGHTS])) as served:
        yield served


@pytest.fixture(scope="module")
def client(site):
    return Client(site.url, verbose=False)


@pytest.fixture
def visitor(site):
    visitor = Visitor(site.url)
    yield visitor
    visitor.close()


@pytest.fixture(autouse=True, scope="module")
def weights_stay_as_they_are():
    before = listing()
    yield
    assert listing() == before


@pytest.fixture(autouse=True)
def little_work(monkeypatch):
    """As many pictures as it takes to go through every line, and no more."""
    for module, name, value in (
        (example, "LOOKED_AT", 16), (example, "TRIED", 2), (explore_server, "GRID_FACES", 4),
        (arithmetic_server, "GRID_FACES", 4), (photo_server, "STEPS", 2), (projection, "CANDIDATES", 4),
        (projection_report, "_TIMED", 1), (replay, "MAX_SNAPSHOTS", 2), (replay_film, "MAX_FRAMES", 2),
        (sampling, "_AVERAGED", 4), (step, "_STATISTICS_LATENTS", (4, 4)), (recorder, "SAMPLE_SEEDS", range(8)),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


def test_a_model_answers_at_every_endpoint(model, client):
    for name in client.view_api(return_format="dict", print_info=False)["named_endpoints"]:
        answer = client.predict(**ENDPOINTS[name](model), api_name=name)
        for part in answer if isinstance(answer, tuple) else (answer,):
            if isinstance(part, str):
                with Image.open(part) as picture:
                    picture.load()
            else:
                assert part or name == "/directions"


def test_a_model_answers_every_server_function(model, visitor):
    for component in visitor.config["components"]:
        for name in component["props"].get("server_fns", ()):
            for asked in SERVER_FUNCTIONS[name](model):
                response = visitor.ask(component["id"], name, asked)
                assert response.status_code == 200 and response.json(), (name, asked, response.text)
                assert problems(response.json()) == [], (name, asked)


def test_a_model_answers_every_event_of_the_tabs(model, visitor):
    for name, event in events(visitor.config).items():
        data, event_data = EVENTS[name](model)
        *_, end = visitor.trigger(event, data, event_data)
        assert end["success"] and "error" not in end["output"], (name, end)
        assert problems(end["output"]["data"]) == [], name


def test_a_model_goes_through_every_command(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    copy = Path(shutil.copytree(model.folder, tmp_path / model.name))
    assert commands() == set(COMMANDS)
    starts = (model.folder / run.CRITIC_FILE).exists()  # a training needs both networks
    for name, options in COMMANDS.items():
        asked = options(model, copy, tmp_path / "out")
        status = train.main(asked) if name == "train" else gan.main([name, *asked])
        said = capsys.readouterr().err
        if name == "train" and not starts:
            assert status == 2 and f"has no {run.CRITIC_FILE}, which a training needs" in said
        elif name == "projection" and not (model.folder / run.ENCODER_FILE).exists():
            assert status == 2 and f"{run.ENCODER_FILE} is missing" in said
        else:
            assert status == 0, (name, said)
    assert not starts or run.read_info(tmp_path / "out").start.model == model.name
    assert f"# {model.name}" in (copy / "README.md").read_text(encoding="utf-8")


def events(config: dict) -> dict[str, int]:
    """The page's own events that Python answers, by their names in `EVENTS`: the number of each, or of one of them."""
    ids = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
    found = {}
    for event in config["dependencies"]:
        if event["backend_fn"] and event["api_visibility"] == "private":
            (target, kind), *_ = event["targets"]
            named = ids.get(target)
            found[f"{named}.{kind}" if named else re.sub(r"_\d+$", "", event["api_name"])] = event["id"]
    return found


def problems(answer: object) -> list[str]:
    """What an answer says to be wrong."""
    if isinstance(answer, dict):
        said = answer.get("problem")
        return [said] * bool(said) + problems([part for key, part in answer.items() if key != "problem"])
    if isinstance(answer, list):
        return [problem for part in answer for problem in problems(part)]
    if isinstance(answer, str):
        return re.findall(r'class="(?:picture notice|note)".*', answer)
    return []


def commands() -> set[str]:
    """Commands for model folders."""
    return {"train", *gan.COMMANDS} - NOT_TRIED


def listing() -> dict[str, tuple[int, int]]:
    """Size and time of every file of weights/."""
    paths = (Path(folder) / name for folder, _, names in os.walk(WEIGHTS) for name in names)
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
