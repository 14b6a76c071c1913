"""What is moved is told, in view or not, each with its way back; and so is a face that no seed draws."""

from __future__ import annotations

import pytest
import torch
from playwright.sync_api import expect
from serving import show

from gan.ui.state import Face
from gan.ui.values import encode_latent

SHOWN = "document.querySelector('#stage [data-query]').dataset.query"


@pytest.fixture
def page(staying, site):
    if not staying.url.startswith(site.url):
        staying.goto(f"{site.url}/?model=small")
        staying.wait_for_selector("#grid img")
    return staying


def test_what_is_moved_is_found_and_taken_back_and_a_face_of_its_own_too(page):
    own = encode_latent(torch.full((20,), 0.5))
    show(page, Face("small", 3, 0.8, {3: 0.5, 17: -1.25}, own))
    chips, told = page.locator("#moved [data-show]"), page.locator("#moved .own")
    expect(chips).to_have_text(["Truncation 0.8", "z 3 +0.5", "z 17 −1.25"])
    expect(told).to_contain_text("no seed draws it")
    expect(page.get_by_label("range slider for z 17", exact=True)).to_have_count(0)
    chips.nth(2).click()
    expect(page.get_by_label("range slider for z 17", exact=True)).to_be_focused()
    expect(page.get_by_label("range slider for z 17", exact=True)).to_have_value("-1.25")
    page.get_by_label("Put z 3 back to 0").click()
    expect(chips).to_have_text(["Truncation 0.8", "z 17 −1.25"])
    page.get_by_label("Put Truncation back to 1").click()
    expect(chips).to_have_text(["z 17 −1.25"])
    page.get_by_label("range slider for Seed").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{SHOWN} === 'model=small&seed=4&truncation=1&z=17:-1.25'")
    expect(told).to_contain_text("You have left")
    told.get_by_role("button", name="Back to it").click()
    page.wait_for_function(f"own => {SHOWN} === `model=small&seed=3&truncation=1&latent=${{own}}&z=17:-1.25`", arg=own)
    expect(told).to_contain_text("no seed draws it")


def test_sliders_stay_with_every_other_face_and_a_box_says_what_it_makes_of_what_is_typed(page):
    page.get_by_text("0–15").click()
    show(page, Face("small", 3, offsets={3: 0.5}))
    page.click("#grid [data-seed='9']")
    page.wait_for_function(f"{SHOWN} === 'model=small&seed=9&truncation=1&z=3:0.5'")
    page.click("#random")
    page.wait_for_function(f"!{SHOWN}.includes('seed=9&') && {SHOWN}.endsWith('&z=3:0.5')")
    box, said = page.get_by_label("number input for Seed"), page.locator("#tools .said")
    for typed, drawn, told in (
        ("123456789", 123456789, ""),
        ("3.7", 4, "3.7 cannot be drawn: it is 4 now. Expected a whole number from 0 to 4294967295."),
        ("99999999999", 2**32 - 1, "99999999999 cannot be drawn: it is 4294967295 now."),
        ("", 2**32 - 1, "The box was empty: it is 4294967295 now."),
    ):
        box.fill(typed)
        page.wait_for_timeout(50)
        box.blur()
        page.wait_for_function(f"seed => {SHOWN} === `model=small&seed=${{seed}}&truncation=1&z=3:0.5`", arg=drawn)
        expect(box).to_have_value(str(drawn))
        expect(said).to_contain_text(told)
    page.get_by_label("range slider for z 4", exact=True).focus()
    page.keyboard.press("PageUp")
    expect(said).to_have_text("")  # it is true no longer
    page.click("#reset")
    page.wait_for_function(f"{SHOWN} === 'model=small&seed=4294967295&truncation=1'")
