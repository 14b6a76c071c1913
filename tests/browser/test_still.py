"""The first bytes: a still of the opening face, which the live picture replaces without a jump."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from serving import MOST_SHIFT, WATCH_SHIFT

COUNT_FRAMES = """window.framesAsked = 0;
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (work) => { framesAsked++; return request(work); };"""
SIZES = (((390, 844), (844, 390)), ((1280, 900), (834, 1112)))  # the first of each as the page is opened, and others


@pytest.fixture(scope="module")
def first(browser, site):
    """A function: opens the page as one of a size and a scheme, its scripts held; returns it, and lets them go."""
    opened = []

    def visit(query: str, size: tuple[int, int], scheme: str = "light"):
        context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme)
        opened.append(context)
        page, held = context.new_page(), []
        page.add_init_script(WATCH_SHIFT)
        page.add_init_script(COUNT_FRAMES)
        page.route(re.compile(r"/assets/index-[^/]*\.js$"), lambda request: held.append(request))
        page.goto(site.url + query, wait_until="commit")
        page.wait_for_selector("#still")

        def go_on() -> None:
            for request in held:
                request.continue_()
            page.unroute_all()
            expect(page.locator("#still")).to_have_count(0, timeout=60_000)

        return page, go_on

    yield visit
    for context in opened:
        context.close()


def place(page, selector: str) -> list[float]:
    return page.locator(selector).evaluate("(part) => { const { x, y, width } = part.getBoundingClientRect(); "
                                           "return [x, y, width]; }")  # fmt: skip


@pytest.mark.parametrize("sizes", SIZES)
def test_the_live_picture_lies_where_its_still_was_and_nothing_jumps(first, site, sizes):
    def places(selector: str) -> list[list[float]]:
        """At each of the sizes, at last the first of them."""
        found = []
        for width, height in (*sizes[1:], sizes[0]):
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise(requestAnimationFrame)")
            found.append(place(page, selector))
        return found

    site.page.still.draw()
    page, go_on = first("/?__theme=dark", sizes[0])
    picture = page.locator("#still .first img")
    picture.evaluate("(image) => image.decode()")
    still = places("#still .first")
    assert picture.get_attribute("alt") and page.evaluate("document.fonts.size") == 0  # no font is waited for
    assert page.locator("#still").evaluate("(still) => getComputedStyle(still).backgroundColor") == "rgb(18, 17, 16)"
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    page.evaluate("shift = 0")  # what was moved by another size
    go_on()
    assert page.locator("#random").is_visible()
    assert place(page, "#stage .picture") == pytest.approx(still[-1], abs=1)
    page.wait_for_selector("#basis input", state="attached")
    assert page.evaluate("shift") <= MOST_SHIFT
    for found, wanted in zip(places("#stage .picture"), still, strict=True):
        assert found == pytest.approx(wanted, abs=1)


def test_a_link_shows_its_own_face_at_once_and_a_reload_nothing_of_it(first, site, monkeypatch):
    monkeypatch.setattr(site.page.still, "patience", 60)  # on a machine that is busy with other tests
    page, go_on = first("/?model=small&seed=7&z=3:1.5&truncation=0.5", (1280, 900))
    still = page.locator("#still .first img").get_attribute("alt")
    assert "seed 7" in still and "z 3 +1.5" in still and "truncation 0.5" in still
    lies = place(page, "#still .first")
    go_on()
    assert '"seed":7' in page.locator("#stage .picture").get_attribute("data-face")
    assert page.locator("#stage .picture [alt]").get_attribute("alt") == still
    assert place(page, "#stage .picture") == pytest.approx(lies, abs=1)
    page.reload(wait_until="commit")
    page.wait_for_selector("gradio-app", state="attached")
    assert page.locator("#still").count() == 0
    expect(page.locator("#random")).to_be_visible(timeout=60_000)
    assert page.evaluate("framesAsked") and rests(page)


def rests(page) -> bool:
    """Whether the page comes to ask for no frames any more."""
    for _ in range(40):
        before = page.evaluate("framesAsked")
        page.wait_for_timeout(500)
        if page.evaluate("framesAsked") == before:
            return True
    return False
