"""What a visitor may send and what the page keeps; fails where another version of Gradio does it otherwise."""

from __future__ import annotations

import gzip
import inspect
import json
import os
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from coroutines import finished
from gradio import component_meta
from gradio.state_holder import SessionState, StateHolder
from serving import make_models, serve

from gan.ui import limits, sessions
from gan.ui.state import Face

FILM = ["small", [1, 2], 8, 10, "loop", "webp", 256, 1.0]
SECRET = "a secret that is nobody's business"


@pytest.fixture(scope="module")
def site(tmp_path_factory, tiny_config, pictures, tiny_run):
    with serve(make_models(tmp_path_factory.mktemp("site"), tiny_config, pictures, tiny_run)) as served:
        yield served


@pytest.fixture(scope="module")
def config(site):
    return json.loads(ask(f"{site.url}/config")[1])


def ask(url: str, body: object = None, headers: dict | None = None) -> tuple[int, bytes]:
    """Status and content of an answer; a dict is sent as JSON."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_gradio_writes_no_stubs_of_its_components_and_parses_nothing_for_them():
    assert component_meta.create_or_modify_pyi.__module__ == "gan.ui.stubs"
    program = (Path(__file__).parents[2] / "app.py").read_text(encoding="utf-8")
    assert program.index("from gan.ui import stubs") < program.index("import gradio")


def draw(site, config, session: str) -> dict:
    stage = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "stage")
    data = {"face": Face("small", 1).to_json(), "pixels": False}
    body = {"component_id": stage, "fn_name": "draw", "session_hash": session, "data": data}
    return json.loads(ask(f"{site.url}/gradio_api/component_server", body)[1])


def event(config, name: str) -> int:
    return next(event["id"] for event in config["dependencies"] if event["api_name"] == name)


def form(*files: bytes) -> tuple[bytes, dict]:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="%d.txt"\r\n\r\n%b\r\n' % (number, content)
        for number, content in enumerate(files)
    ]
    return b"".join([*parts, b"--x--\r\n"]), {"Content-Type": "multipart/form-data; boundary=x"}


def files_of_the_page() -> list[Path]:
    return [path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()]


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_queue_that_holds_nothing_rests_between_two_looks(site):
    queue = site.page._queue
    rests = {"start_processing": "sleep_when_free", "start_progress_updates": "progress_update_sleep_when_free"}
    for loop, rest in rests.items():
        assert set(re.findall(r"sleep\((.*?)\)", inspect.getsource(getattr(queue, loop)))) == {f"self.{rest}"}
        assert getattr(queue, rest) >= 0.02  # seconds


def test_sessions_are_those_that_gradio_would_make_but_for_what_was_sent(site):
    app = site.page.app
    ours, theirs = app.state_holder["a session"], SessionState(site.page)
    assert type(app.state_holder) is sessions._Sessions and type(ours) is sessions._Session
    assert vars(ours).keys() == vars(theirs).keys()
    assert ours.blocks_config.blocks == theirs.blocks_config.blocks and not ours.config_values
    overridden = ("__setitem__", "_update_config", "_update_value_in_config")
    assert all(callable(getattr(SessionState, name)) for name in overridden)
    source = inspect.getsource(SessionState)
    assert source.count("self.config_values") == 8, "Gradio keeps something else of a session now: read it again"
    assert {"session_data", "time_last_used", "capacity"} <= vars(StateHolder()).keys()


def test_nothing_of_what_was_sent_is_kept_or_shown(site, config):
    data = [SECRET, 0, 1.0, None, 1, None, ""]
    body = {"data": data, "fn_index": event(config, "generate"), "session_hash": "secretive"}
    assert ask(f"{site.url}/gradio_api/queue/join", body)[0] == 200
    with urllib.request.urlopen(f"{site.url}/gradio_api/queue/data?session_hash=secretive", timeout=30) as answers:
        told = answers.read().decode()
    assert SECRET in told and "process_completed" in told
    before = files_of_the_page()
    assert ask(f"{site.url}/gradio_api/deep_link?session_hash=secretive") == (200, b'""')
    assert files_of_the_page() == before
    session = site.page.app.state_holder.session_data["secretive"]
    assert SECRET not in repr([vars(session), {k: vars(v) for k, v in session.blocks_config.blocks.items()}])


def test_few_sessions_are_kept_and_a_page_whose_session_is_gone_goes_on(site, config, monkeypatch):
    holder = site.page.app.state_holder
    assert holder.capacity == sessions.SESSIONS
    monkeypatch.setattr(holder, "capacity", 5)
    for number in range(12):
        assert draw(site, config, f"visitor {number}")["picture"]
    assert len(holder.session_data) == len(holder.time_last_used) == 5
    assert draw(site, config, "visitor 0")["picture"]
    holder.forget(0)
    assert not holder.session_data and not holder.time_last_used


def test_answers_that_nobody_fetches_go(site, config, monkeypatch):
    pending, unheard = site.page._queue, {}
    data = {"data": FILM}
    assert ask(f"{site.url}/gradio_api/call/morph", data)[0] == 200
    assert pending.pending_messages_per_session and pending.pending_event_ids_session
    monkeypatch.setattr(sessions, "UNHEARD_SECONDS", -1.0)
    finished(sessions._drop_unheard(pending, sessions.Presence(), unheard))
    assert not pending.pending_messages_per_session and not pending.pending_event_ids_session
    finished(sessions._drop_unheard(pending, sessions.Presence(), unheard))
    assert not unheard


def test_work_ends_some_time_after_its_listener_left(monkeypatch):
    presence = sessions.Presence()
    hearing = sessions.Hearing(presence, {"session", "event"})
    assert not hearing.ended()
    monkeypatch.setattr(sessions, "LEFT_SECONDS", 0.02)
    with presence.of("event"):
        hearing._until = 0
        assert not hearing.ended()
    assert not hearing.ended()
    time.sleep(0.05)
    assert hearing.ended()


# ---- requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["run/predict", "queue/join", "call/generate", "component_server", "upload"])
def test_large_bodies_are_refused_in_a_sentence(site, path):
    status, answer = ask(f"{site.url}/gradio_api/{path}", b"x" * (29 * 2**20))
    assert status == 413 and "larger than" in json.loads(answer)["detail"]


def test_a_body_of_unsaid_length_is_refused_when_it_becomes_too_large(site):
    status, answer = ask(
        f"{site.url}/gradio_api/run/predict", iter([b"x" * 2**16] * 20), {"Transfer-Encoding": "chunked"}
    )
    assert status == 413 and "larger than" in json.loads(answer)["detail"]


def test_uploads_are_few_and_small(site, monkeypatch):
    before = files_of_the_page()
    body, headers = form(*[b"x"] * 50)
    status, answer = ask(f"{site.url}/gradio_api/upload?upload_id=y", body, headers)
    assert status == 413 and "too many files" in json.loads(answer)["detail"]
    body, headers = form(b"one", b"two")
    status, answer = ask(f"{site.url}/gradio_api/upload", body, headers)
    assert status == 200 and len(json.loads(answer)) == 2
    monkeypatch.setattr(limits, "_FILES", 0)
    status, answer = ask(f"{site.url}/gradio_api/upload", body, headers)
    assert status == 503 and "try again in some minutes" in json.loads(answer)["detail"]
    monkeypatch.setattr(sessions, "FILE_SECONDS", -1.0)  # what is left of the refused ones too
    sessions._sweep(os.environ["GRADIO_TEMP_DIR"])
    assert not files_of_the_page() or files_of_the_page() < before


def test_an_upload_that_is_given_up_is_swept_away_and_no_fault_of_the_page(site, caplog, monkeypatch):
    monkeypatch.setattr(sessions, "FILE_SECONDS", 0.5)
    content, headers = form(bytes(2**20))
    address = urllib.parse.urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        lines = ["POST /gradio_api/upload HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + content[: len(content) // 2])
        time.sleep(0.5)  # half of it has come, and been written
    until = time.monotonic() + 20
    while files_of_the_page() and time.monotonic() < until:
        time.sleep(0.1)
    assert not files_of_the_page() and "Exception" not in caplog.text


def test_the_oldest_files_go_where_they_are_too_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "FILES_BYTES", 250)
    for number in range(4):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "file").write_bytes(bytes(100))
        time.sleep(0.02)
    sessions._sweep(str(tmp_path))
    assert sorted(path.parent.name for path in tmp_path.rglob("file")) == ["2", "3"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "path",
    [
        "monitoring/summary", "gradio_api/process_recording", "gradio_api/vibe-edit", "gradio_api/runs",
        "gradio_api/proxy=https://example.org", "gradio_api/file=https://example.org", "gradio_api/stream/a/b/1/x.ts",
    ],
)  # fmt: skip
def test_parts_of_gradio_that_the_page_does_not_use_are_off(site, path):
    assert ask(f"{site.url}/{path}")[0] == 404


def test_the_visitors_address_is_what_the_nearest_proxy_says():
    def address(peer, forwarded=None):
        headers = [(b"x-forwarded-for", forwarded)] if forwarded else []
        return limits._address({"client": (peer, 1), "headers": headers})

    assert address("127.0.0.1") == "127.0.0.1"
    assert address("10.0.0.9", b"6.6.6.6, 9.9.9.9") == "9.9.9.9"  # what comes before it, anybody may write
    assert address("8.8.8.8", b"9.9.9.9") == "8.8.8.8"  # no proxy of ours
    assert address("127.0.0.1", b"<script>") == "127.0.0.1"


def test_one_visitors_many_films_are_refused_in_words_and_others_are_served(site, config):
    answers = [ask(f"{site.url}/gradio_api/call/morph", {"data": FILM}) for _ in range(65)]
    assert {status for status, _ in answers} == {200}
    _, answer = ask(f"{site.url}/gradio_api/call/morph", {"data": FILM, "session_hash": "another"})
    number = json.loads(answer)["event_id"]
    with urllib.request.urlopen(f"{site.url}/gradio_api/call/morph/{number}", timeout=20) as told:
        assert "event: complete" in told.read().decode()
    assert draw(site, config, "a third")["picture"]


def test_the_page_and_our_own_files_come_compressed_to_whoever_takes_that(site):
    page = ask(site.url)[1]
    [script] = set(re.findall(rb'href="(web/[^"]+/explore/stage.js)"', page.replace(b"\\", b"")))
    for path in ("/", "/config", f"/{script.decode()}"):
        plain, small = ask(site.url + path)[1], ask(site.url + path, headers={"Accept-Encoding": "gzip"})[1]
        assert len(small) < len(plain) * 0.6 and len(gzip.decompress(small)) == len(plain), path
