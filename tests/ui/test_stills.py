"""The face in the page's own HTML: the first one, or that of the link."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import re
import threading
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from coroutines import finished
from PIL import Image
from starlette.responses import HTMLResponse, PlainTextResponse

from gan.ui import places
from gan.ui.drawing import draw, enlarge, to_image
from gan.ui.library import Library
from gan.ui.state import Face, OwnDirection
from gan.ui.still import BeginningWith, Still
from gan.ui.values import encode_latent
from gan.ui.words import describe

PAGE = HTMLResponse('<head><link rel="stylesheet" href="./assets/page.css"></head><body class="x">the rest</body>')
FIRST = Face("tiny", 0)
OWN = OwnDirection("Hat", "tiny", (1, 2), (3,))
FACES = (
    Face("tiny", 7),
    Face("tiny", 7, 0.5, {3: 1.5}),
    Face("tiny", 0, latent=encode_latent(torch.linspace(-2, 2, 8))),
    Face("tiny", 4, 0, directions={"~Hat": 2}, own=(OWN,)),
)


@pytest.fixture(scope="module")
def library(tiny_run) -> Library:
    return Library([tiny_run])


@pytest.fixture
def still(library) -> Still:
    still = Still(library)
    still.patience = 60  # on a machine that is busy with other tests
    still.draw()
    return still


async def answer(page: BeginningWith, query: str = "", method: str = "GET") -> tuple[dict, bytes]:
    """Headers and body."""
    sent = []

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/", "query_string": query.encode(), "headers": []}
    await page(scope, None, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return headers, b"".join(message["body"] for message in sent[1:])


def beginning(still: Still, app: object = PAGE, at_once: int = 2) -> BeginningWith:
    return BeginningWith(still, app, asyncio.Semaphore(at_once), lambda scope: places.Visitor("somebody"))


def ask(still: Still, query: str = "") -> str:
    return finished(answer(beginning(still), query))[1].decode()


def picture(page: str) -> tuple[np.ndarray, str]:
    """The still's pixels, and its alternative text."""
    [(kind, content, words)] = re.findall(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]*)">', page)
    assert kind == "webp"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(float), html.unescape(words)


def shows(library: Library, face: Face, page: str) -> bool:
    pixels, words = picture(page)
    size = len(draw(library, face).pixels)
    whole = np.asarray(enlarge(to_image(draw(library, face).pixels), 128 // size, True)).astype(float)
    return words == describe(face, "tiny") and np.abs(pixels - whole).mean() < 8  # of 255: a lossy picture


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.origin)
def test_the_face_of_a_link_is_in_the_pages_first_bytes(library, still, face):
    page = ask(still, face.to_query())
    assert shows(library, face, page) and "This is the link's face." in page
    assert not shows(library, FIRST, page) and page.endswith("the rest</body>")


@pytest.mark.parametrize("query", ["", "__theme=dark", "utm_source=mail"])
def test_without_a_face_in_its_link_it_is_the_first(library, still, query):
    page = ask(still, query)
    assert shows(library, FIRST, page) and "This is its first face." in page


def test_what_a_link_moves_on_another_model_is_left_out_as_in_the_live_page(library, still):
    page = ask(still, urlencode({"model": "tiny", "seed": 7, "move": "Beard:1", "z": "900:1"}))
    assert shows(library, Face("tiny", 7), page)


@pytest.mark.parametrize("query", ["model=another", "seed=many", "z=1", "latent=%21", "truncation=9", "model=%3Cb%3E"])
def test_a_link_that_cannot_be_followed_shows_no_face(still, query):
    page = ask(still, query)
    assert "<img" not in page and ">The page is loading.<" in page and "<b>" not in page.replace("<b>Move", "")


def test_what_is_too_dear_for_the_time_that_a_page_takes_is_left_to_the_live_page(library, still, monkeypatch):
    monkeypatch.setattr(places, "QUICK", 0.0)
    assert shows(library, FACES[0], ask(still, FACES[0].to_query()))  # drawn in the slow place
    still.patience = 0
    assert "<img" not in ask(still, FACES[0].to_query())


def test_a_fault_of_ours_is_logged_and_costs_the_page_nothing_but_its_still(still, monkeypatch, caplog):
    monkeypatch.setattr("gan.ui.still.draw_alone", lambda *_: 1 / 0)
    assert "<img" not in ask(still, "seed=7") and "ZeroDivisionError" in caplog.text


def test_a_still_that_is_waited_for_keeps_nobody_from_the_page(still, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr("gan.ui.still.draw_alone", lambda *_: go_on.wait() and np.zeros((8, 8, 3), np.uint8))

    async def visits() -> str:
        page = beginning(still, at_once=1)
        waiting = asyncio.create_task(answer(page, "seed=7"))
        plain = await asyncio.wait_for(answer(page), 30)
        assert not waiting.done()
        go_on.set()
        return plain[1].decode(), (await waiting)[1].decode()

    try:
        plain, linked = finished(visits())
    finally:
        go_on.set()
    assert "first face" in plain and "link's face" in linked


def test_the_page_is_asked_for_anew_each_time_and_what_is_no_page_stays_as_it_is(still):
    headers, page = finished(answer(beginning(still), "seed=7"))
    assert headers["cache-control"] == "private, no-cache" and "content-length" not in headers
    assert b'media="print" onload' in page
    refused = PlainTextResponse("<body> busy", 503)
    assert finished(answer(beginning(still, refused))) == (
        {"content-length": "11", "content-type": "text/plain; charset=utf-8"}, b"<body> busy",
    )  # fmt: skip
    other = HTMLResponse("<body>of another Gradio")
    assert finished(answer(beginning(still, other)))[1] == b"<body>of another Gradio"
