"""The pad: a mouse, keys and fingers move two sliders at once; the link and the page hold which two."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.sync_api import expect
from serving import cut_off, show

from gan.ui.state import Face

SHOWN = "document.querySelector('#stage [data-query]').dataset.query"
STANDS = "#pad .stands"
FACE = Face("small", 3, offsets=((3, 0.5), (5, 1.0)))


@pytest.fixture
def page(staying_phone, site):
    """A phone that has a mouse and a keyboard; its page is shared, and shows one face with two sliders moved."""
    staying_phone.set_viewport_size({"width": 320, "height": 844})
    if not staying_phone.url.startswith(site.url):
        staying_phone.goto(f"{site.url}/?model=small")
        staying_phone.wait_for_selector("#stage .picture img[src]")
        staying_phone.locator("#grid").scroll_into_view_if_needed()
        staying_phone.wait_for_selector("#grid img")
        staying_phone.evaluate("scrollTo(0, 0)")
    show(staying_phone, FACE)
    return staying_phone


@pytest.fixture
def opened(page):
    """With the pad open, on these two sliders."""
    show(page, dataclasses.replace(FACE, pad=("z:3", "z:5")))
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    return page


def shows(page, query: str) -> None:
    page.wait_for_function(f"query => {SHOWN} === 'model=small&seed=3&' + query", arg=query)


def place(page, x: float, y: float) -> tuple[float, float]:
    """Of the screen, for one of the plane: 0 to 1 to the right and up, between the outer thumbnails' middles."""
    page.locator("#pad .plane").evaluate("plane => plane.scrollIntoView({ block: 'end' })")
    box = page.locator("#pad .plane").bounding_box()
    return box["x"] + box["width"] * (0.1 + 0.8 * x), box["y"] + box["height"] * (0.9 - 0.8 * y)


def test_the_pad_opens_with_what_is_moved_and_goes_with_the_mouse_in_one_step(page):
    plane = page.locator("#pad .plane")
    expect(plane).to_be_hidden()
    page.click("#pad .toggle")
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    shows(page, "truncation=1&z=3:0.5,5:1&pad=z:3,z:5")
    expect(page.locator("#pad option")).to_have_count(2 * 21)
    page.mouse.move(*place(page, 0.75, 0.25))
    page.mouse.down()
    shows(page, "truncation=1&z=3:1.5,5:-1.5&pad=z:3,z:5")
    page.mouse.move(*place(page, 0.5, 0.75))
    page.mouse.move(*place(page, 2, 1), steps=4)  # beyond its edge
    shows(page, "truncation=1&z=3:3,5:3&pad=z:3,z:5")
    page.mouse.up()
    expect(page.get_by_label("range slider for z 3", exact=True)).to_have_value("3")  # sliders follow
    expect(page.locator("#moved [data-show]")).to_have_text(["z 3 +3", "z 5 +3"])
    page.keyboard.press("Control+z")
    shows(page, "truncation=1&z=3:0.5,5:1&pad=z:3,z:5")
    expect(page.locator(STANDS)).to_have_text("z 3 +0.5 · z 5 +1")


def test_it_is_one_stop_that_arrow_keys_move_both_ways_and_says_both_values(opened):
    page = opened
    plane = page.get_by_role("slider", name="z 3 across, z 5 up")
    page.get_by_label("Across", exact=True).focus()
    page.keyboard.press("Shift+Tab")
    expect(plane).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#pad .toggle")).to_be_focused()
    plane.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowLeft", "PageUp"):
        page.keyboard.press(key)
    shows(page, "truncation=1&z=3:0.54,5:1.4&pad=z:3,z:5")
    expect(plane).to_have_attribute("aria-valuetext", "z 3 +0.54, z 5 +1.4")
    expect(plane).to_have_attribute("aria-valuenow", "0.54")
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    shows(page, "truncation=1&z=3:-3,5:3&pad=z:3,z:5")
    expect(page.get_by_label("range slider for z 5", exact=True)).to_have_value("3")


def test_a_finger_on_it_moves_the_point_and_beside_it_the_page(opened):
    page = opened
    device = page.context.new_cdp_session(page)

    def touch(*places: tuple[float, float]) -> None:
        for at, (x, y) in enumerate(places):
            kind = "touchMove" if at else "touchStart"
            device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    left, middle = place(page, 0, 0.5)
    top = page.evaluate("scrollY")
    touch(*((left + 4 * step, middle - 4 * step) for step in range(1, 7)))
    moved = "truncation=1&z=3:-2.19,5:0.81&pad=z:3,z:5"
    shows(page, moved)
    assert page.evaluate("scrollY") == top
    beside = page.locator("#pad .plane").bounding_box()["x"] - 24  # a finger is wide
    assert beside > 16
    touch(*((beside, middle - 15 * step) for step in range(8)))
    page.wait_for_function("top => scrollY > top + 30", arg=top)
    shows(page, moved)
    assert not cut_off(page)


def test_thumbnails_follow_the_face_and_any_two_sliders_are_held_by_the_link_and_a_reload(opened):
    page = opened
    first = page.locator("#pad .thumbnails img").first
    before = first.get_attribute("src")
    page.get_by_label("Up", exact=True).select_option("z:3")  # which the other one has: they change places
    page.wait_for_function(f"{SHOWN}.endsWith('&pad=z:5,z:3')")
    page.get_by_label("Up", exact=True).select_option("truncation")
    page.wait_for_function(f"{SHOWN}.endsWith('&pad=z:5,truncation')")
    expect(first).not_to_have_attribute("src", before)
    before = first.get_attribute("src")
    page.get_by_label("number input for Seed").fill("4")
    expect(first).not_to_have_attribute("src", before)
    page.reload()  # sooner than the address may have it
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    page.wait_for_function(f"{SHOWN}.includes('seed=4&') && {SHOWN}.endsWith('&pad=z:5,truncation')")
    page.wait_for_function("location.search.includes('seed=4&') && location.search.endsWith('&pad=z:5,truncation')")
    expect(page.get_by_label("Up", exact=True)).to_have_value("truncation")
    page.click("#reset")
    page.wait_for_function(f"{SHOWN} === 'model=small&seed=4&truncation=1&pad=z:5,truncation'")
    page.click("#pad .toggle")
    page.wait_for_function(f"{SHOWN} === 'model=small&seed=4&truncation=1'")
    expect(page.locator("#pad .plane")).to_be_hidden()
