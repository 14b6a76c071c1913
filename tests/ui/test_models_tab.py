"""The Models tab's answers: what is there, read again when it changes."""

from __future__ import annotations

import gradio as gr
import pytest
from coroutines import finished
from serving import make_models

from gan.run import RunError
from gan.ui import models_server
from gan.ui.models_server import ModelsServer
from gan.ui.viewer import card


def test_rows_follow_the_folders_and_are_read_once(tmp_path, tiny_config, pictures, tiny_run, monkeypatch):
    library = make_models(tmp_path, tiny_config, pictures, tiny_run)
    server, read = ModelsServer(library), []
    real = models_server.row
    monkeypatch.setattr(models_server, "row", lambda name, *rest: read.append(name) or real(name, *rest))
    rows = server.models_list({})["models"]
    assert [(row["name"], row["title"]) for row in rows] == [("runs/tiny", "runs/tiny"), ("small", "small")]
    assert {row["chapter"] for row in rows} == {"Other models here"}  # the broken one is not among them
    notes = tmp_path / "runs" / "tiny" / "notes.md"
    notes.write_text("Came out well.", encoding="utf-8")
    assert server.models_list({})["models"][0]["lead"] == "Came out well."
    assert server.models_list({})["models"] and read == ["runs/tiny", "small", "runs/tiny"]

    assert server.models_page({"name": "runs/tiny", "page": "notes.md"}) == {"text": "Came out well.", "pictures": {}}
    assert "progress.webp" in server.models_page({"name": "runs/tiny", "page": "README.md"})["pictures"]
    for asked in ({}, {"name": "nobody", "page": "README.md"}, {"name": "small", "page": "../tiny/notes.md"}):
        with pytest.raises(RunError):
            server.models_page(asked)


def test_cards_beside_choices_follow_the_folders_too_and_are_read_once(
    tmp_path, tiny_config, pictures, tiny_run, monkeypatch
):
    library = make_models(tmp_path, tiny_config, pictures, tiny_run)
    server, read = ModelsServer(library), []
    real = models_server.brief
    monkeypatch.setattr(models_server, "brief", lambda name, *rest: read.append(name) or real(name, *rest))
    briefs = server.models_brief({})["briefs"]
    assert list(briefs) == read == ["small", "runs/broken", "runs/tiny"]  # a choice has the broken one too
    history = tmp_path / "runs" / "tiny" / "history.csv"
    first, *_, last = history.read_text(encoding="utf-8").splitlines()
    images, epoch, _, *rest = last.split(",")
    history.write_text("\n".join([first, ",".join([images, epoch, "36000", *rest]), ""]), encoding="utf-8")
    again = server.models_brief({})["briefs"]
    assert again["runs/tiny"]["line"].endswith(", trained 10.0 hours") and read[3:] == ["runs/tiny"]
    assert again["small"] == briefs["small"]


def test_all_cards_of_a_page_have_what_one_of_them_was_told(tmp_path, tiny_config, pictures, tiny_run, monkeypatch):
    library, read = make_models(tmp_path, tiny_config, pictures, tiny_run), []
    monkeypatch.setattr(models_server, "brief", lambda name, *_: read.append(name) or {"line": name, "picture": ""})
    with gr.Blocks() as page:
        for name in ("one", "other"):
            card(library, gr.Dropdown([], elem_id=name))
    asked = [function for block in page.blocks.values() for function in getattr(block, "server_fns", [])]
    answers = [finished(function({})) for function in asked]
    assert len(answers) == 2 and answers[0] == answers[1] and answers[0]["briefs"]
    assert len(read) == 3  # models
