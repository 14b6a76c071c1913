"""Requests that no browser sends, to every endpoint, event and server function of a page, and for files."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import httpx
from asking import Visitor, dumped
from examples import ENDPOINTS, EVENTS, SERVER_FUNCTIONS, Model, drawn_photo
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as some
from serving import Site, serve

from gan.ui import sessions, temporary
from gan.ui.library import Library
from tests.faults import Row

FAULT = "odd requests to every endpoint, event and server function; uploads, traversal, foreign sessions"
MUST_BE = "a sentence; no failure of ours, no `error: null`, no traceback, none above 10 s, no file left"
TRIES = 2000
SECONDS = 10.0

SCALARS = (
    some.none() | some.booleans() | some.integers(-(10**25), 10**25) | some.floats() | some.text(max_size=60)
    | some.sampled_from([10**400, "../../etc/passwd", "\ud800", "<img src=x>", "x" * 5000, -1, 2**32, "NaN"])
)  # fmt: skip
FILE = some.fixed_dictionaries(
    {"path": some.sampled_from(["/etc/passwd", "../app.py", "", "http://127.0.0.1:1/x.png"]) | some.text(max_size=20)},
    optional={"meta": some.just({"_type": "gradio.FileData"}), "url": SCALARS},
)
ODD = some.recursive(
    SCALARS | FILE,
    lambda inner: some.lists(inner, max_size=6) | some.dictionaries(some.text(max_size=12), inner, max_size=6),
    max_leaves=12,
)
PATHS = (
    "file=/etc/passwd", "file=../../../../etc/passwd", "file=weights/../../etc/passwd", "file/etc/passwd",
    "file=%2e%2e%2f%2e%2e%2fetc%2fpasswd", "file=/proc/self/environ", "file=C:\\windows\\win.ini",
    "static/../../app.py",
)  # fmt: skip


def run(tries: int, seed: int, folder: Path | None = None) -> Row:
    """Make the requests; `folder` is a model's, the smallest shipped one by default."""
    row = Row(FAULT, MUST_BE)
    folder = folder or Path(__file__).parents[2] / "weights" / "nadim-celeba32"
    with (
        mock.patch.object(sessions, "FILE_SECONDS", 2.0),
        tempfile.TemporaryDirectory() as place,
        logged() as log,
        serve(Library([folder])) as site,
    ):
        _attack(row, tries, seed, site, Model(folder, drawn_photo(Path(place) / "me.jpg")), log)
    return row


def _attack(row: Row, tries: int, number: int, site: Site, model: Model, log: list[str]) -> None:
    visitor = Visitor(site.url)
    names = {part["id"]: part["props"].get("server_fns", ()) for part in visitor.config["components"]}
    functions = [(component, name) for component, found in names.items() for name in found]
    events = [event for event in visitor.config["dependencies"] if event["backend_fn"]]
    elements = {part["id"]: part["props"].get("elem_id") for part in visitor.config["components"]}
    usual = {}
    for event in events:
        if event["api_visibility"] == "public":
            example = ENDPOINTS[f"/{event['api_name']}"](model)
            usual[event["id"]] = (list(example.values()), None)
        else:
            (target, kind), *_ = event["targets"]
            name = f"{elements[target]}.{kind}" if elements.get(target) else event["api_name"].rstrip("_0123456789")
            usual[event["id"]] = EVENTS[name](model)

    @some.composite
    def request(draw: some.DrawFn) -> tuple:
        way = draw(some.sampled_from(["function", "event", "event", "upload", "path", "foreign"]))
        if way == "function":
            component, name = draw(some.sampled_from(functions))
            question = draw(some.sampled_from(SERVER_FUNCTIONS[name](model)))
            return way, component, name, draw(ODD | changed(question))
        if way == "event":
            event = draw(some.sampled_from(events))
            data, event_data = usual[event["id"]]
            length = len(event["inputs"])
            values = (data + [None] * length)[:length]
            for place in (
                draw(some.lists(some.integers(0, max(0, length - 1)), min_size=1, max_size=3)) if values else ()
            ):
                values[place] = draw(ODD)
            values = draw(some.sampled_from([values, values, values, values[:-1], [*values, 1]]))
            return way, event["id"], values, draw(ODD | changed(event_data) if event_data else some.none())
        if way == "path":
            return way, draw(some.sampled_from(PATHS))
        if way == "upload":
            return way, draw(some.text(max_size=30)), draw(some.binary(max_size=200))
        return way, draw(SCALARS), draw(some.sampled_from(events))["id"]

    @seed(number)
    @settings(max_examples=tries, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(request())
    def attempt(wanted: tuple) -> None:
        lines, started = len(log), time.monotonic()
        outcome, wrong = _send(visitor, wanted)
        took = time.monotonic() - started
        if took > SECONDS:
            wrong = f"{took:.0f} s"
        if any("Traceback" in line or "Unforeseen" in line for line in log[lines:]):
            wrong = " ".join(log[lines:])[-1500:]
        row.fail(f"seed {number}: {str(wanted)[:600]}: {wrong}") if wrong else row.note(outcome)

    attempt()
    visitor.close()
    until = time.monotonic() + SECONDS
    while (left := _files()) and time.monotonic() < until:  # the page sweeps them every two seconds
        time.sleep(0.2)
    if left:
        row.fail(f"left {sorted(left)}")


def changed(example: dict) -> some.SearchStrategy:
    """A good question with one or two of its answers odd, or left out."""
    odd = some.dictionaries(some.sampled_from(sorted(example)), ODD, min_size=1, max_size=2)
    left_out = some.sampled_from(sorted(example)).map(lambda key: {k: v for k, v in example.items() if k != key})
    return odd.map(lambda values: example | values) | left_out


def _send(visitor: Visitor, wanted: tuple) -> tuple[str, str]:
    """How a request came out, and what is wrong with that, "" for nothing."""
    way, *what = wanted
    try:
        if way == "function":
            return _answered(visitor.ask(*what))
        if way == "event":
            return _ended(visitor.trigger(*what))
        if way == "path":
            response = visitor.http.get(f"/{what[0]}")
            return "refused", "" if response.status_code in (
                403,
                404,
            ) else f"{response.status_code}: {response.text[:200]}"
        if way == "upload":
            return _uploaded(visitor, *what)
        body = {"fn_index": what[1], "data": [], "session_hash": what[0]}
        return _answered(
            visitor.http.post("/queue/join", content=dumped(body), headers={"Content-Type": "application/json"})
        )
    except httpx.HTTPError as error:
        return "refused", f"{type(error).__name__}: {error}"


def _answered(response: httpx.Response) -> tuple[str, str]:
    if response.status_code >= 500:
        return "refused", f"{response.status_code}: {response.text[:300]}"
    problem = response.status_code != 200 or '"problem":"' in response.text.replace('"problem":""', "")
    return ("refused" if problem else "answered"), ""


def _ended(told: list[dict]) -> tuple[str, str]:
    end = told[-1] if told else {"status": 500, "text": "no answer"}
    if "status" in end:
        return "refused", "" if end["status"] < 500 else end["text"]
    if end["success"]:
        return "answered", ""
    error = end["output"].get("error")
    return "refused", "" if isinstance(error, str) and " " in error and "reference" not in error else f"error: {error}"


def _uploaded(visitor: Visitor, name: str, content: bytes) -> tuple[str, str]:
    """A file that is no picture, under an odd name, and what /project says to it; nothing of it may stay."""
    response = visitor.http.post("/upload", files={"files": (name or "x", content)})
    if response.status_code != 200:
        return "refused", "" if response.status_code < 500 else f"{response.status_code}: {response.text[:300]}"
    [path] = response.json()
    [event] = [d["id"] for d in visitor.config["dependencies"] if d["api_name"] == "project"]
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    outcome, wrong = _ended(visitor.trigger(event, ["nobody", photo, 1]))
    return outcome, wrong or ("the photo is still there" if Path(path).exists() else "")


def _files() -> set[str]:
    """All that lies where Gradio keeps files."""
    return {str(Path(folder) / name) for folder, _, names in os.walk(temporary.FOLDER) for name in names}


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """What is written to the log and to stderr meanwhile."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    class Errors(io.StringIO):
        def write(self, text: str) -> int:
            lines.append(text)
            return len(text)

    handler = Lines()
    logging.getLogger().addHandler(handler)
    with contextlib.redirect_stderr(Errors()):
        try:
            yield lines
        finally:
            logging.getLogger().removeHandler(handler)
