"""Requests that fail, in a real Chromium: by the network, by a gateway, by a server that goes away and comes back."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright
from serving import BROWSER_OPTIONS, chromium, free_port

from tests.faults import Row

FAULT = "requests that fail (offline, 500, 502, restart), in every tab, in mid-use"
MUST_BE = "picture kept, told, goes on by itself"
TRIES = 40

KINDS = ("offline", "500", "502", "aborted", "restart")
TOLD_WITHIN = 15.0  # seconds
GOES_ON_WITHIN = 90.0  # seconds: a photo's search anew, on a machine that has other things to do
SILENT = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
ROOT = Path(__file__).resolve().parents[2]
API = re.compile(r"/gradio_api/(run|component_server|queue)\b")
MOVE = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }"
SAID = re.compile(r"The server (does not answer|fails to answer|did not)")


class Wrong(Exception):
    """What did not come out as it must."""


@dataclass
class Visit:
    """One visitor's page, and what can be done to its server.

    Attributes:
        page: open in the browser.
        restart: kills the server and returns a function that starts it again; None where it cannot be done.
        chance: decides where there is a choice.
        problems: what the page threw.
    """

    page: Page
    restart: Callable[[], Callable[[], None]] | None
    chance: random.Random
    problems: list[str] = field(default_factory=list)

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    @contextlib.contextmanager
    def broken(self, kind: str) -> Iterator[None]:
        """Inside, requests fail in this way."""
        page = self.page
        if kind == "offline":
            page.context.set_offline(True)
            mend = functools.partial(page.context.set_offline, False)
        elif kind == "restart":
            mend = self.restart()
        else:
            page.route(API, lambda route: route.abort() if kind == "aborted" else route.fulfill(status=int(kind)))
            mend = functools.partial(page.unroute, API)
        try:
            yield
        finally:
            mend()

    def until(self, what: str, seconds: float, holds: Callable[[], object]) -> None:
        """Wait until something holds; raises `Wrong`."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Error):  # the page is being loaded again
                if holds():
                    return
            if time.monotonic() > end:
                raise Wrong(f"not within {seconds:.0f} s: {what}")
            self.page.wait_for_timeout(100)

    def picture(self, selector: str) -> str:
        """What a picture or a canvas shows; raises `Wrong` where it is not in sight."""
        element = self.page.locator(selector)
        if not element.is_visible():
            raise Wrong(f"{selector} is gone")
        return element.evaluate("e => e.tagName === 'CANVAS' ? e.toDataURL() : e.currentSrc")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()


@dataclass(frozen=True)
class Use:
    """Something that a visitor does in a tab.

    Attributes:
        tab: its name.
        what: in a word.
        picture: selector of what must stay while nothing is answered.
        prepare: brings the tab to where it can be done.
        act: does it; returns what holds when it was done.
        begins: whether the fault comes after `act`, in the middle of its work.
    """

    tab: str
    what: str
    picture: str
    prepare: Callable[[Visit], object]
    act: Callable[[Visit], Callable[[], object]]
    begins: bool = False


def nothing(visit: Visit) -> None:
    """There is nothing to prepare."""


def changed(visit: Visit, selector: str) -> Callable[[], object]:
    before = visit.picture(selector)
    return lambda: visit.page.locator(selector).is_visible() and visit.picture(selector) != before


FACE = "#stage .picture img"


def slide(visit: Visit) -> Callable[[], object]:
    done = changed(visit, FACE)
    slider = visit.page.locator("#sliders input[type=range]:visible").first
    for value in sorted(visit.chance.uniform(-3, 3) for _ in range(3)):  # the last of them counts
        slider.evaluate(MOVE, round(value, 2))
        visit.page.wait_for_timeout(50)
    return done


def choose_at_random(visit: Visit) -> Callable[[], object]:
    done = changed(visit, FACE)
    visit.page.click("#random")
    return done


def turn_grid(visit: Visit) -> Callable[[], object]:
    before = visit.text("#grid .grid-head p")
    visit.page.click("#grid [aria-label='Faces after these']")
    return lambda: visit.text("#grid .grid-head p") != before


FILM = "#morph-viewer canvas.film"
FACES = "#morph-viewer .faces li"


def prepare_morph(visit: Visit) -> None:
    visit.until("a film", GOES_ON_WITHIN, visit.page.locator("#morph-viewer .strip button").first.is_visible)
    if visit.page.locator("#morph-viewer .play.playing").count():
        visit.page.click("#morph-viewer .play")
    while visit.page.locator(FACES).count() > 6:
        visit.page.locator(f"{FACES} .order button:last-child").first.click()
    visit.page.wait_for_timeout(300)


def add_face(visit: Visit) -> Callable[[], object]:
    number = visit.page.locator(FACES).count()
    strip = visit.page.locator("#morph-viewer .strip canvas").last
    before = strip.evaluate("e => e.toDataURL()")
    visit.page.click("#morph-viewer .random")
    last = f"document.querySelectorAll('{FACES}').length"
    return lambda: visit.page.evaluate(last) == number + 1 and strip.evaluate("e => e.toDataURL()") != before


def set_frames(visit: Visit) -> Callable[[], object]:
    frames = visit.chance.randrange(20, 100)
    visit.page.get_by_label("Frames", exact=True).evaluate(MOVE, frames)
    return lambda: f"of {frames} " in visit.text("#morph-viewer .where")


def make_film(visit: Visit) -> Callable[[], object]:
    """A connection that breaks in the middle reloads the page: then the faces are there, and nothing waits."""
    names = visit.page.locator(f"{FACES} .name").all_inner_texts()
    visit.page.click("#morph-viewer [data-format=gif]")

    def done() -> bool:
        there = visit.page.locator(f"{FACES} .name").all_inner_texts() == names
        return (
            there and visit.page.locator(FILM).is_visible() and not visit.page.locator(".morph .progress").is_visible()
        )

    return done


SQUARE = "#photo-viewer .crop"


def prepare_photo(visit: Visit) -> None:
    image = Image.effect_noise((96, 96), 60).convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    photo = {"name": "noise.png", "mimeType": "image/png", "buffer": file.getvalue()}
    visit.page.set_input_files("#photo-viewer .file", photo)
    visit.until("a model to look in", GOES_ON_WITHIN, visit.page.locator("#photo-viewer .go").is_enabled)
    visit.page.wait_for_timeout(300)


def find_face(visit: Visit) -> Callable[[], object]:
    visit.page.click("#photo-viewer .go")
    return lambda: "Found:" in visit.text("#photo-viewer .facts")


SHEET = "#replay-viewer .sheet canvas"


def prepare_replay(visit: Visit) -> None:
    shown = "#replay-viewer .sheet[data-sheet] .name"
    visit.until("a sheet", GOES_ON_WITHIN, lambda: visit.text(shown) and "busy" not in visit.text(shown))
    visit.until("all sheets", GOES_ON_WITHIN, lambda: not visit.page.locator(".replay[aria-busy=true]").count())


def keep_history(visit: Visit) -> Callable[[], object]:
    visit.page.click("#replay-viewer [data-kind=csv]")
    return lambda: visit.text("#replay-viewer .download-message").endswith(".csv")


def compare(visit: Visit) -> Callable[[], object]:
    """Another run beside the first, chosen before and after: its numbers have to come."""
    visit.page.get_by_label("Compare with").locator("visible=true").click()
    options = visit.page.get_by_role("option").locator("visible=true")
    visit.chance.choice(options.all()).click()
    name = visit.page.get_by_label("Compare with").locator("visible=true").input_value()
    second = visit.page.locator("#replay-viewer .sheet").nth(1)
    return lambda: second.is_hidden() if name == "no other run" else name in second.locator(".name").inner_text()


USES = (
    Use("Explore", "a slider", FACE, nothing, slide),
    Use("Morph", "one face more", FILM, prepare_morph, add_face),
    Use("Photo", "a search", SQUARE, prepare_photo, find_face),
    Use("Replay", "a file", f"{SHEET} >> nth=0", prepare_replay, keep_history),
    Use("Explore", "a random face", FACE, nothing, choose_at_random),
    Use("Morph", "other frames", FILM, prepare_morph, set_frames),
    Use("Photo", "a search, in its middle", SQUARE, prepare_photo, find_face, begins=True),
    Use("Replay", "another run", f"{SHEET} >> nth=0", prepare_replay, compare),
    Use("Explore", "other faces", FACE, nothing, turn_grid),
    Use("Morph", "a film's file, in its middle", FILM, prepare_morph, make_film, begins=True),
)


def attempt(visit: Visit, use: Use, kind: str, seconds: float) -> None:
    """Use a tab while requests fail for so long; raises `Wrong`."""
    page = visit.page
    visit.tab(use.tab)
    use.prepare(visit)
    before = visit.picture(use.picture)
    if use.begins:
        done = use.act(visit)
        page.wait_for_timeout(400)
    with visit.broken(kind):
        if not use.begins:
            done = use.act(visit)
        visit.until("told", TOLD_WITHIN, lambda: SAID.search(page.inner_text("body")) or (use.begins and done()))
        if visit.picture(use.picture) != before:
            raise Wrong("the picture did not stay")
        page.wait_for_timeout(1000 * seconds)
        if visit.picture(use.picture) != before:
            raise Wrong("the picture did not stay for long")
    visit.until("goes on by itself", GOES_ON_WITHIN, done)
    visit.until("the line goes", TOLD_WITHIN, lambda: not SAID.search(page.inner_text("body")))
    if use.begins:  # Gradio may load the page anew now
        page.wait_for_timeout(4000)
    visit.until("all is there again", GOES_ON_WITHIN, lambda: page.locator(use.picture).is_visible() and done())
    if visit.problems:
        raise Wrong(f"the page threw {visit.problems}")


def attempts(row: Row, visit: Visit, kinds: tuple[str, ...], tries: int) -> None:
    """So many tries on one page, each with the next use and the next kind of failure."""
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.until("a face", GOES_ON_WITHIN, visit.page.locator(FACE).is_visible)
    for number in range(tries):
        use = USES[number % len(USES)]
        kind = kinds[(number + number // len(USES)) % len(kinds)]
        seconds = visit.chance.choice((0.2, 1, 3))
        try:
            attempt(visit, use, kind, seconds)
            row.note(MUST_BE)
        except (Wrong, Error) as error:
            row.fail(f"try {number}, {use.tab}, {use.what}, {kind} for {seconds} s: {error}")
            visit.problems.clear()
            visit.page.goto(visit.page.url)
            visit.until("a face", GOES_ON_WITHIN, visit.page.locator(FACE).is_visible)


@contextlib.contextmanager
def server(port: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """The page over the shipped models as a process of its own; yields what kills it, see `Visit`."""
    command = [sys.executable, "app.py", "--port", str(port), "--runs", "no-runs"]
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    running: list[subprocess.Popen] = []

    def start() -> None:
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, **SILENT))
        end = time.monotonic() + 180
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=5).close()
                return
            time.sleep(0.5)
        raise TimeoutError("the page did not start within three minutes")

    def kill() -> Callable[[], None]:
        running[-1].kill()
        running[-1].wait()
        return start

    start()
    try:
        yield kill
    finally:
        kill()


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)
    return page


def run(tries: int, seed: int) -> Row:
    """The long version: with restarts of a real process."""
    row, port = Row(FAULT, MUST_BE), free_port()
    with server(port) as restart, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
        page = new_page(browser)
        page.goto(f"http://127.0.0.1:{port}/")
        attempts(row, Visit(page, restart, random.Random(seed)), KINDS, tries)
        browser.close()
    return row
