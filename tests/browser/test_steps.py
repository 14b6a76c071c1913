"""Ways back: undo and redo, and the browser's Back, in one page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

SHOWN = "document.querySelector('#stage [data-query]').dataset.query"


@pytest.fixture
def page(staying, site):
    if not staying.url.startswith(site.url):
        staying.goto(f"{site.url}/?model=small&seed=3")
        staying.wait_for_selector("#grid img")
    return staying


def shows(page, query: str) -> None:
    page.wait_for_function(f"query => {SHOWN} === 'model=' + query", arg=query)


def move(page, label: str, *keys: str) -> None:
    page.get_by_label(f"range slider for {label}", exact=True).focus()
    for key in keys:
        page.keyboard.press(key)


def test_undo_and_redo_go_a_gesture_at_a_time(page):
    undo, redo = page.get_by_label("Undo"), page.get_by_label("Redo")
    shows(page, "small&seed=3&truncation=1")
    expect(undo).to_be_disabled()
    track = page.get_by_label("range slider for z 3", exact=True).bounding_box()
    middle, line = track["x"] + track["width"] / 2, track["y"] + track["height"] / 2
    page.mouse.move(middle, line)
    page.mouse.down()
    for way in range(1, 6):
        page.mouse.move(middle + 8 * way, line)
        page.wait_for_timeout(60)
    page.mouse.up()
    move(page, "z 4", "PageUp")
    page.wait_for_function(f"{SHOWN}.endsWith(',4:0.5')")
    both = page.evaluate(SHOWN).removeprefix("model=")
    expect(undo).to_be_enabled()
    page.keyboard.press("Control+z")
    shows(page, both.removesuffix(",4:0.5"))
    expect(page.get_by_label("range slider for z 4", exact=True)).to_have_value("0")
    undo.click()
    shows(page, "small&seed=3&truncation=1")  # the whole drag was one step
    expect(undo).to_be_disabled()
    page.locator("#stage").click()
    page.keyboard.press("Control+Shift+z")
    redo.click()  # while the first is under way
    shows(page, both)
    expect(redo).to_be_disabled()
    page.click("#reset")
    shows(page, "small&seed=3&truncation=1")
    undo.click()
    shows(page, both)  # also what a button did


def test_back_goes_to_the_face_and_the_tab_before(page):
    page.click("#reset")
    shows(page, "small&seed=3&truncation=1")
    page.click("#grid [data-seed='9']")
    page.wait_for_function("location.search.includes('seed=9')")
    move(page, "z 1", "PageUp")
    page.wait_for_function("location.search.includes('z=1:0.5')")
    page.get_by_role("tab", name="Photo").click()
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    shows(page, "small&seed=9&truncation=1&z=1:0.5")  # moved since, and kept
    page.go_back()
    page.wait_for_function(f"{SHOWN}.includes('seed=3')")
    page.wait_for_timeout(600)
    assert "seed=3" in page.url
    page.go_forward()
    page.wait_for_function(f"{SHOWN}.includes('seed=9')")


def test_a_wish_that_is_made_while_another_is_answered_is_not_lost(page):
    page.evaluate(
        """() => {
            const face = JSON.parse(document.querySelector("#stage [data-face]").dataset.face);
            const wish = (seed) => document.dispatchEvent(
                new CustomEvent("face-wanted", { detail: JSON.stringify({ ...face, seed }) }),
            );
            const again = ({detail}) => {
                if (JSON.parse(detail).seed !== 11) return;
                document.removeEventListener("face-moved", again);
                wish(12);
            };
            document.addEventListener("face-moved", again);
            wish(11);
        }"""
    )
    page.wait_for_function(f"{SHOWN}.includes('seed=12')")


def test_back_knows_the_first_face_however_soon_another_follows(page, site):
    page.goto("about:blank")
    page.goto(f"{site.url}/?model=small&seed=3", wait_until="commit")
    # From the first picture on something is moved too often for the address to follow, until a face is picked.
    page.evaluate(
        """() => {
        let turn = 0;
        const moving = setInterval(() => {
            const range = document.querySelector("#sliders input[type=range]");
            const face = document.querySelector("#grid [data-seed='9']");
            if (!document.querySelector("#stage .picture img") || !range) return;
            range.value = ++turn % 2;
            range.dispatchEvent(new Event("input", {bubbles: true}));
            if (!face || turn < 20) return;
            clearInterval(moving);
            face.click();
        }, 30);
        }"""
    )
    page.wait_for_function("location.search.includes('seed=9')")
    page.go_back()
    page.wait_for_function(f"{SHOWN}.includes('seed=3')")


def test_a_morph_and_its_sum_are_undone_a_gesture_at_a_time(page, site):
    page.goto(f"{site.url}/?model=small")
    page.wait_for_selector("#stage .picture img")
    page.get_by_role("tab", name="Morph").click()
    page.wait_for_selector(".morph .results img")
    names, undo = page.locator(".morph .faces .name"), page.locator(".morph [data-step=undo]")
    page.wait_for_timeout(600)  # what it begins with has settled
    expect(undo).to_be_disabled()
    page.get_by_label("Remove: seed 1").click()
    expect(names).to_have_text(["seed 0", "seed 2", "seed 3"])
    page.get_by_role("button", name="Once").click()
    frames = page.get_by_label("Frames", exact=True)
    frames.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    expect(page.locator(".morph .where")).to_contain_text("of 100 ")
    page.get_by_label("Put seed 20 in this place").click()
    changed = page.get_by_label("Face 1 of A, seed 20: replace it")
    expect(changed).to_be_visible()
    page.keyboard.press("Control+z")
    expect(changed).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(frames).to_have_value("60")
    expect(page.locator(".morph .where")).to_contain_text("of 60 ")
    undo.click()
    expect(page.locator("[data-way=loop]")).to_have_attribute("aria-pressed", "true")
    undo.click()
    expect(names).to_have_text(["seed 0", "seed 1", "seed 2", "seed 3"])
    expect(undo).to_be_disabled()
    page.locator("#morph-model").get_by_label("Model").click()
    page.get_by_role("option", name="runs/tiny").click()
    expect(page.locator("#morph-model input")).to_have_value("runs/tiny")
    page.wait_for_selector(".morph .results img")
    page.wait_for_timeout(600)
    undo.click()
    expect(page.locator("#morph-model input")).to_have_value("small")
    page.locator(".morph [data-step=redo]").click()
    expect(page.locator("#morph-model input")).to_have_value("runs/tiny")
