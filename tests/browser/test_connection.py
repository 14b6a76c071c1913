"""Requests that fail, in every tab: the fast part of tests/faults/connection.py, without restarts; and reloads."""

from __future__ import annotations

import json
import random
import re
import urllib.request

from photos import packed
from PIL import Image
from playwright.sync_api import expect
from serving import show

from gan.ui import photo_server
from gan.ui.state import Face
from tests.faults import Row, connection

LINE = ".connection"


def visit(page, site) -> None:
    """Open the page, where it is not open already, with its first face."""
    if not page.url.startswith(site.url):
        page.goto(site.url)
        page.wait_for_selector("#grid img")
    show(page, Face("small"))
    page.get_by_role("tab", name="Explore").click()


def test_a_failed_request_ends_nothing(failing, site):
    failing.goto(site.url)
    row = Row(connection.FAULT, connection.MUST_BE)
    kinds = tuple(kind for kind in connection.KINDS if kind != "restart")
    connection.attempts(row, connection.Visit(failing, None, random.Random(0)), kinds, tries=4)
    row.check()


def test_what_was_there_outlasts_a_reload_and_no_link(page, site, monkeypatch):
    monkeypatch.setattr(photo_server, "STEPS", 10)
    page.goto(site.url)
    page.wait_for_selector("#grid img")
    page.locator("#basis").get_by_text("Yours").click()
    page.locator("#grid .cell").nth(3).get_by_text("+").click()
    page.locator("#grid .cell").nth(5).get_by_text("−").click()
    page.get_by_role("tab", name="Photo").click()
    photo = packed(Image.radial_gradient("L").convert("RGB"))
    page.set_input_files("#photo-viewer .file", {"name": "a.png", "mimeType": "image/png", "buffer": photo})
    page.click("#photo-viewer .go")
    expect(page.locator("#photo-viewer .facts")).to_contain_text("Found:", timeout=30_000)
    page.locator("#photo-viewer .zoom").evaluate(connection.MOVE, 40)
    facts, found = page.inner_text("#photo-viewer .facts"), page.get_attribute("#photo-viewer .found", "src")
    page.get_by_role("tab", name="Morph").click()
    page.wait_for_selector("#morph-viewer .results img")
    page.fill("#morph-viewer .by-seed input", "77")
    page.click("#morph-viewer .by-seed button")
    page.get_by_role("button", name="Back and forth").click()
    names = page.locator("#morph-viewer .faces .name")
    expect(names).to_have_text(["seed 0", "seed 1", "seed 2", "seed 3", "seed 77"])

    page.reload()
    expect(page.get_by_role("tab", name="Morph")).to_have_attribute("aria-selected", "true")
    expect(names).to_have_text(["seed 0", "seed 1", "seed 2", "seed 3", "seed 77"])
    expect(page.get_by_role("button", name="Back and forth")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name="Photo").click()
    expect(page.locator("#photo-viewer .crop")).to_be_visible()
    expect(page.locator("#photo-viewer .facts")).to_have_text(facts)
    assert page.get_attribute("#photo-viewer .found", "src") == found
    assert page.input_value("#photo-viewer .zoom") == "40"
    page.get_by_role("tab", name="Explore").click()
    expect(page.locator("#maker .marked button")).to_have_count(2)
    expect(page.get_by_label("Name of the new slider")).to_be_visible()

    page.goto(f"{site.url}/?seed=5")
    page.wait_for_selector("#grid img")
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#maker .marked button")).to_have_count(0)
    page.get_by_role("tab", name="Morph").click()
    expect(names).to_have_text(["seed 5", "seed 0", "seed 1", "seed 2"])


def test_what_was_moved_while_nothing_answered_outlasts_a_reload(failing, site):
    visit(failing, site)
    failing.route(connection.API, lambda route: route.abort())
    failing.locator("#sliders input[type=range]").nth(2).evaluate(connection.MOVE, 1.5)
    expect(failing.locator(LINE)).to_contain_text("The server does not answer")
    failing.unroute(connection.API)
    failing.evaluate("location.reload()")
    failing.wait_for_function("document.querySelector('#stage [data-query]')?.dataset.query.includes('z=2:1.5')")
    expect(failing.locator("#sliders input[type=range]").nth(2)).to_have_value("1.5")


def test_a_job_that_ends_in_an_error_is_waited_for_by_nobody(failing, site):
    visit(failing, site)
    failing.get_by_role("tab", name="Morph").click()
    failing.wait_for_selector("#morph-viewer .strip button")
    full = json.dumps({"detail": "Queue is full."})
    failing.route("**/queue/join*", lambda route: route.fulfill(status=422, content_type="application/json", body=full))
    failing.click("#morph-viewer [data-format=gif]")
    expect(failing.locator("#morph-viewer .kept")).to_have_text(
        "The server did not make this film: try again in a moment."
    )
    expect(failing.locator("#morph-viewer .progress")).to_be_hidden()


def test_a_new_session_may_say_what_the_one_before_was_shown(site):
    """After a restart the browser goes on with choices of dropdowns that the server has never sent it."""
    config = json.load(urllib.request.urlopen(f"{site.url}/config"))
    ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
    asked = [
        ("photo-model", "input", ["runs/tiny"]),
        ("photo-viewer", "opened", [""]),
        ("morph-viewer", "opened", [""]),
        ("replay-viewer", "opened", [""]),
        ("replay-viewer", "face", ['{"model": "small"}']),
        ("model", "input", ["", "z", "0–15", False, "runs/tiny"]),
    ]
    for name, event, data in asked:
        [found] = [d for d in config["dependencies"] if [ids[name], event] in [list(target) for target in d["targets"]]]
        body = {"fn_index": found["id"], "data": data, "session_hash": "new", "event_data": {"chosen": "runs/tiny"}}
        request = urllib.request.Request(
            f"{site.url}/gradio_api/run/predict", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        assert "runs/tiny" in urllib.request.urlopen(request).read().decode() or event == "face", name


def test_a_refusal_says_why(failing, site):
    visit(failing, site)
    path, full = "**/component_server/", json.dumps({"detail": "Too much at once.", "error": "Too much at once."})
    failing.route(path, lambda route: route.fulfill(status=503, content_type="application/json", body=full))
    before = failing.get_attribute(connection.FACE, "src")
    failing.locator("#sliders input[type=range]").first.evaluate(connection.MOVE, 2)
    expect(failing.locator("#tools .said")).to_contain_text("Too much at once.")
    assert failing.get_attribute(connection.FACE, "src") == before
    failing.unroute(path)
    failing.locator("#sliders input[type=range]").first.evaluate(connection.MOVE, 1)
    expect(failing.locator(connection.FACE)).not_to_have_attribute("src", before)
    expect(failing.locator("#tools .said")).to_have_text("")


def test_a_server_that_only_fails_is_told_and_asked_again(failing, site):
    """After a while a request is given up; what waits for it says so, and the newest state is drawn all the same."""
    page = failing
    page.goto("about:blank")
    page.goto(site.url, wait_until="commit")
    page.evaluate(  # short pauses are shorter
        "const wait = window.setTimeout; window.setTimeout = (f, ms, ...a) => wait(f, ms > 3000 ? ms : ms / 20, ...a);"
    )
    page.wait_for_selector("#grid img")
    before = page.get_attribute(connection.FACE, "src")
    page.route(connection.API, lambda route: route.fulfill(status=500, body="Internal Server Error"))
    with page.expect_event("requestfinished", lambda request: "component_server" in request.url):
        page.locator("#sliders input[type=range]").first.evaluate(connection.MOVE, 2)
    expect(page.locator("#tools .said")).to_contain_text("The server does not answer: the next move tries again.")
    page.get_by_role("button", name="Save PNG").click()
    assert page.get_attribute(connection.FACE, "src") == before
    page.get_by_role("button", name="Random face").click()
    expect(page.get_by_text(re.compile("The server fails to answer")).first).to_be_visible()
    page.unroute(connection.API)
    expect(page.locator(connection.FACE)).not_to_have_attribute("src", before)
    expect(page.locator(LINE)).to_be_empty()
    page.goto("about:blank")
