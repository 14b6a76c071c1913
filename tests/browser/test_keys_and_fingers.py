"""The page without a mouse: keys, a screen reader's ears, fingers on a small screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from serving import show

from gan.ui.state import Face

PICTURE = "#stage .picture img"
FOCUSED = "document.activeElement"


@pytest.fixture
def page(staying_phone, site):
    """A phone that has a keyboard; its page is shared, and at its first face."""
    if not staying_phone.url.startswith(site.url):
        staying_phone.goto(f"{site.url}/?model=small")
        staying_phone.wait_for_selector(PICTURE)
        staying_phone.locator("#grid").scroll_into_view_if_needed()
        staying_phone.wait_for_selector("#grid img")
        staying_phone.evaluate("scrollTo(0, 0)")
    show(staying_phone, Face("small"))
    return staying_phone


def slider(page, label: str):
    return page.get_by_label(f"range slider for {label}", exact=True)


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def query_ends(page, text: str) -> None:
    page.wait_for_function(
        "end => document.querySelector('#stage [data-query]').dataset.query.endsWith(end)", arg=text, timeout=15_000
    )


def stops(page, group: str) -> list[str]:
    """What the Tab key stops at in a group: `data-seed` or the text."""
    return page.eval_on_selector_all(
        f"{group} button",
        "all => all.filter(e => e.tabIndex === 0 && !e.disabled).map(e => e.dataset.seed ?? e.textContent.trim())",
    )


def test_shift_makes_a_fine_step_and_page_keys_a_coarse_one(page):
    slider(page, "z 1").focus()
    assert slider(page, "z 1").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    press(page, "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    query_ends(page, "&z=1:0.07")
    press(page, "PageUp", "Shift+ArrowDown")
    query_ends(page, "&z=1:0.56")
    press(page, "PageDown", *["PageDown"] * 7)
    query_ends(page, "&z=1:-3")  # no further
    slider(page, "Seed").focus()
    press(page, "PageUp", "ArrowRight", "Shift+ArrowLeft")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '10'")


def test_what_has_changed_is_told_once_the_slider_rests(page):
    told = page.locator(".aloud[role=status]")
    slider(page, "Seed").press("PageUp")
    expect(told).to_contain_text("seed 10")
    slider(page, "z 4").focus()
    page.evaluate("""() => {
        window.heard = [];
        const place = document.querySelector(".aloud");
        new MutationObserver(() => window.heard.push(place.textContent)).observe(place, {childList: true});
    }""")
    press(page, *["ArrowRight"] * 5)
    expect(told).to_have_text("z 4 +0.25")
    assert page.evaluate("window.heard") == ["z 4 +0.25"]
    assert "z 4 +0.25" in page.get_attribute(PICTURE, "alt")


def test_a_grid_is_one_stop_and_arrow_keys_walk_it(page):
    page.click("#grid [data-seed='9']")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '9'")
    assert stops(page, "#grid .faces") == ["9"]
    columns = page.eval_on_selector("#grid .faces", "e => getComputedStyle(e).gridTemplateColumns.split(' ').length")
    press(page, "ArrowRight", "ArrowDown")
    assert page.evaluate(f"{FOCUSED}.dataset.seed") == str(10 + columns)
    press(page, "ArrowUp", "ArrowLeft", "ArrowLeft")
    assert page.evaluate(f"{FOCUSED}.dataset.seed") == "8" and stops(page, "#grid .faces") == ["8"]
    press(page, "End", "ArrowRight", "ArrowDown")
    assert page.evaluate(f"{FOCUSED}.dataset.seed") == "23"
    page.click("#grid [aria-label='Faces after these']")
    page.wait_for_selector("#grid [data-seed='24']")
    assert stops(page, "#grid .faces") == ["24"]
    page.get_by_test_id("Yours-radio-label").click()
    page.locator("#grid [data-mark]").first.wait_for()
    places = page.evaluate(
        "[...document.querySelectorAll('#grid .cell')].flatMap((cell) => [...cell.querySelectorAll('button')]"
        ".map((button) => button.getBoundingClientRect()).map(({ top, bottom, width }) => [top, bottom, width]))"
    )
    # A miss takes no face over.
    faces, marks = places[::3], places[1::3] + places[2::3]
    assert all(min(bottom - top, width) >= 44 for top, bottom, width in marks)
    assert all(
        top >= face[1] for face, (top, *_) in zip(faces + faces, marks, strict=True)
    )  # a miss takes no face over
    page.locator("#grid [data-seed='30']").focus()
    press(page, "-")
    expect(page.locator("#maker .marked >> nth=1").get_by_role("button")).to_have_count(1)
    press(page, "-")
    expect(page.locator("#maker .marked >> nth=1").get_by_role("button")).to_have_count(0)
    page.locator("#basis label >> nth=0").click()
    slider(page, "z 4").wait_for()
    assert len(stops(page, "#tools")) == 1


def test_lists_of_the_other_tabs_are_one_stop_each(page):
    page.get_by_role("tab", name="Morph").click()
    page.wait_for_selector("#morph-viewer .strip button >> nth=3")
    page.wait_for_selector("#morph-viewer .equation button >> nth=10")
    for group in (".faces", ".strip", ".equation", ".choices", ".ways"):
        assert len(stops(page, f"#morph-viewer {group}")) == 1, group
    first, last = (page.locator(f"#morph-viewer .faces .picture >> nth={at}") for at in (0, -1))
    name = last.get_attribute("aria-label").split(",")[0]
    last.focus()
    press(page, "ArrowRight")
    assert page.evaluate(FOCUSED + ".getAttribute('aria-label')").startswith("Move earlier")
    press(page, "Enter", "Home")  # the list is made anew, and goes on being walked
    assert page.evaluate(FOCUSED + ".getAttribute('aria-label')") == first.get_attribute("aria-label")
    assert name not in last.get_attribute("aria-label") and len(stops(page, "#morph-viewer .faces")) == 1
    page.get_by_role("tab", name="Explore").click()


def test_a_finger_that_scrolls_moves_no_slider_and_one_that_slides_or_taps_does(page):
    slider(page, "z 6").evaluate("e => e.scrollIntoView({block: 'center'})")
    box = slider(page, "z 6").bounding_box()
    middle, line = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    device = page.context.new_cdp_session(page)

    def touch(*places: tuple[float, float]) -> None:
        for at, (x, y) in enumerate(places):
            kind = "touchMove" if at else "touchStart"
            device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    top = page.evaluate(
        "window.ended = new Promise((done) => document.addEventListener('scrollend', done, {once: true})), scrollY"
    )
    right = middle + box["width"] / 4
    touch(*((right, line - 15 * step) for step in range(8)))
    page.wait_for_function("top => scrollY > top + 30", arg=top)
    assert slider(page, "z 6").input_value() == "0"
    # A finger's scrolling goes on for a moment, whatever the page is scrolled to meanwhile.
    page.evaluate("top => window.ended.then(() => scrollTo(0, top))", top)
    touch(*((middle + 6 * step, line + step / 2) for step in range(8)))
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.match(/[=,]6:/)")
    assert 0 < float(slider(page, "z 6").input_value()) < 2
    touch((right, line))
    page.wait_for_function("[...document.querySelectorAll('#sliders input[type=range]')][6].value > 1.2")
    shown = page.evaluate("document.querySelector('#stage [data-query]').dataset.query")
    page.wait_for_timeout(200)
    assert f"6:{slider(page, 'z 6').input_value()}" in page.get_attribute("#stage [data-query]", "data-query"), shown


def test_a_field_that_is_left_shows_what_is_drawn(page):
    field, seed = (page.get_by_label(f"number input for {label}", exact=True) for label in ("z 2", "Seed"))
    field.fill("-1.234")
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.includes('2:-1.234')")
    field.fill("")
    seed.fill("3.7")
    expect(field).to_have_value("-1.234")
    field.focus()
    expect(seed).to_have_value("4")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '4'")
    assert "2:-1.234" in page.get_attribute("#stage [data-query]", "data-query")
