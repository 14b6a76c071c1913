"""The Morph tab in a real browser: a film that plays without asking the server, its files, and arithmetic."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from serving import cut_off

from gan import load_generator
from gan.latent.example import PLAIN
from gan.latent.morph import arithmetic, interpolate
from gan.sampling import generate, latents
from gan.ui.drawing import png
from gan.ui.state import Face

FACES = "#morph-viewer .faces li"
MOVE = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }"


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page; see `visit`."""
    return staying


def visit(page: Page, site, query: str = "") -> None:
    """Open the page by a link; without one, undo all that was done on the page that is there."""
    if not query and page.url.startswith(site.url):
        open_tab(page, "Morph")
        undo = page.locator(".morph [data-step=undo]")
        while undo.is_enabled():
            undo.click()
        expect_faces(page, "seed 0", "seed 1", "seed 2", "seed 3")
        expect_film(page, 60)
        return
    page.goto(f"{site.url}/{query}")
    page.wait_for_selector("#stage .picture img")
    open_tab(page, "Morph")
    page.wait_for_selector(".strip button")
    page.wait_for_selector(".results img")


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def expect_faces(page: Page, *names: str) -> None:
    expect(page.locator(f"{FACES} .name")).to_have_text(list(names))


def expect_film(page: Page, frames: int) -> None:
    """Wait until the film that is shown has so many frames."""
    expect(page.locator(".where")).to_contain_text(re.compile(rf"of {frames} "))


def set_slider(page: Page, label: str, value: int) -> None:
    page.get_by_label(label, exact=True).evaluate(MOVE, value)


def scrub(page: Page, frame: int) -> np.ndarray:
    """(16, 16, 3): what the canvas shows at a frame."""
    set_slider(page, "Frame of the morph", frame)
    url = page.evaluate("document.querySelector('canvas.film').toDataURL()")
    content = base64.b64decode(url.split(",")[1])
    shown = Image.open(io.BytesIO(content)).convert("RGB").resize((16, 16), Image.Resampling.BOX)
    return np.asarray(shown, np.int16)


def bring(page: Page, path: Path, way: str) -> None:
    """Choose a file, or drop it."""
    if way == "chosen":
        page.set_input_files("#morph-viewer .file", path)
        return
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "face.png", {type: "image/png"}));
            const at = document.querySelector("#morph-viewer canvas");
            for (const name of ["dragover", "drop"])
                at.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        list(path.read_bytes()),
    )


@pytest.fixture(scope="session")
def generator(site):
    return load_generator(site.library.entry("small").folder)


def test_a_film_from_explores_face_plays_at_once_and_every_frame_is_the_morphs(page, site, generator):
    visit(page, site, "?seed=7&z=3:2")
    expect_faces(page, "seed 7, changed", "seed 0", "seed 1", "seed 2")
    before = page.locator(".where").inner_text()
    expect(page.locator(".where")).not_to_have_text(before)  # it moves
    page.get_by_role("button", name="Pause").click()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    first = Face("small", 7, 1.0, {3: 2}).z(generator.config)
    drawn = generate(generator, interpolate(torch.cat([first, latents(generator.config, [0, 1, 2])]), 60))
    for frame in (0, 1, 22, 59):
        assert np.abs(scrub(page, frame) - drawn[frame]).mean() < 8
    expect(page.locator(".where")).to_have_text("Frame 60 of 60 · 3.0 s")
    tile = page.locator(".strip button").nth(3)
    tile.click()
    expect(tile).to_have_attribute("aria-current", "true")
    expect(page.locator(FACES).nth(1)).to_have_class("current")
    assert [url for url in asked if "heartbeat" not in url and not url.startswith("data:")] == []


def test_the_film_follows_its_faces_their_order_and_its_settings(page, site, generator):
    visit(page, site, "?model=small")  # anew: the film before began with another face
    expect_faces(page, "seed 0", "seed 1", "seed 2", "seed 3")
    page.get_by_label("Remove: seed 1").click()
    expect(page.get_by_label("Move earlier: seed 2")).to_be_focused()  # the keyboard stays where it was
    page.get_by_label("Move later: seed 0").click()
    page.get_by_label("Seed of a face to add").fill("4000000000")
    page.get_by_label("Seed of a face to add").press("Enter")
    expect_faces(page, "seed 2", "seed 0", "seed 3", "seed 4000000000")
    page.locator(FACES).nth(3).drag_to(page.locator(FACES).nth(1))
    expect_faces(page, "seed 2", "seed 4000000000", "seed 0", "seed 3")
    page.get_by_role("button", name="Back and forth").click()
    set_slider(page, "Frames", 16)
    set_slider(page, "Frames a second", 8)
    expect_film(page, 16)
    expect(page.locator(".where")).to_contain_text("2.0 s")
    z = latents(generator.config, [2, 4000000000, 0, 3])
    drawn = generate(generator, interpolate(z, 16, back_and_forth=True))
    for frame in (0, 8, 15):
        assert np.abs(scrub(page, frame) - drawn[frame]).mean() < 8


def test_a_morph_takes_two_to_eight_faces_and_says_so(page, site):
    visit(page, site)
    remove = page.locator(f"{FACES} .order button:last-child").first
    for left in (3, 2, 1):
        remove.click()
        expect(page.locator(FACES)).to_have_count(left)
    expect(page.locator(".where")).to_have_text("A morph needs two faces.")
    expect(page.locator("[data-format=webp]")).to_be_disabled()
    for n in range(2, 9):
        page.locator("#morph-viewer .random").click()
        expect(page.locator(FACES)).to_have_count(n)
    page.locator("#morph-viewer .random").click()
    expect(page.locator("#morph-viewer .told")).to_have_text("A morph takes at most 8 faces: remove one first.")
    remove.click()
    expect(page.locator("#morph-viewer .told")).to_have_text("")


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_saved_faces_and_explores_join_and_one_of_another_model_gets_a_sentence(page, site, tmp_path, way):
    visit(page, site)
    told = page.locator("#morph-viewer .told")
    path = tmp_path / "face.png"
    path.write_bytes(png(np.zeros((4, 4, 3), np.uint8), Face("small", 9, 0.5, {2: 1.0})))
    bring(page, path, way)
    expect_faces(page, "seed 0", "seed 1", "seed 2", "seed 3", "seed 9, changed")
    path.write_bytes(png(np.zeros((4, 4, 3), np.uint8), Face("runs/tiny", 9)))
    bring(page, path, way)
    expect(told).to_contain_text("This face is one of runs/tiny, and the morph is of small")
    path.write_bytes(b"not a picture")
    bring(page, path, way)
    expect(told).to_contain_text("carries no face")
    open_tab(page, "Explore")
    page.click("#grid [data-seed='5']")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '5'")
    open_tab(page, "Morph")
    page.get_by_role("button", name="From Explore").click()
    expect_faces(page, "seed 0", "seed 1", "seed 2", "seed 3", "seed 9, changed", "seed 5")


def test_the_model_is_explores_until_another_is_chosen_and_the_seeds_stay(page, site):
    visit(page, site)
    before = page.locator(f"{FACES} img").first.get_attribute("src")
    open_tab(page, "Explore")
    page.locator("#model").get_by_label("Model").click()
    page.get_by_role("option", name="runs/tiny").click()
    expect(page.locator("#stage .speed")).to_contain_text("from 8 numbers")
    open_tab(page, "Morph")
    expect(page.locator("#morph-model input")).to_have_value("runs/tiny")
    expect_faces(page, "seed 0", "seed 1", "seed 2", "seed 3")
    expect(page.locator(f"{FACES} img").first).not_to_have_attribute("src", before)
    page.locator("#morph-model").get_by_label("Model").click()
    page.locator("#morph-model").get_by_role("option", name="small").click()
    expect(page.locator(f"{FACES} img").first).to_have_attribute("src", before)
    open_tab(page, "Explore")
    with page.expect_response(re.compile("/run/|/queue/|/call/")):
        open_tab(page, "Morph")
    page.wait_for_timeout(200)
    expect(page.locator("#morph-model input")).to_have_value("small")


def test_a_film_is_downloaded_and_another_given_up_while_it_is_made(page, site, tmp_path):
    visit(page, site, "?model=small")  # anew: there may be another model to go back to
    set_slider(page, "Frames", 120)
    expect_film(page, 120)
    page.get_by_role("button", name="512 px").click()
    page.locator("[data-format=gif]").click()
    bar = page.get_by_role("progressbar", name="Film being made")
    expect(bar).to_be_visible()
    expect(page.locator("[data-format=webp]")).to_be_disabled()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.wait_for_function(  # and clicks at once: the film may be made before another request comes
        """() => {
            const begun = Number(document.querySelector("#morph-viewer .bar").getAttribute("aria-valuenow")) > 0;
            if (begun) document.querySelector("#morph-viewer .cancel").click();
            return begun;
        }"""
    )
    expect(page.locator(".kept")).to_have_text("Given up.")
    expect(bar).to_be_hidden()
    set_slider(page, "Frames", 8)
    expect_film(page, 8)
    with page.expect_download() as download:
        page.locator("[data-format=webp]").click()  # the one that was given up is not in its way
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "small-morph.webp"
    with Image.open(path) as image:
        assert image.size == (512, 512) and image.is_animated
    expect(page.locator(".kept")).to_have_text(re.compile(r"Saved small-morph\.webp, \d+ kB"))
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="256 px").click()
    expect(page.locator(".kept")).to_have_text("")  # it was of another film


def test_arithmetic_is_redone_with_chosen_faces_and_its_result_can_be_kept_and_edited(page, site, generator, tmp_path):
    visit(page, site)
    page.get_by_label("Face 2 of B, seed 4: replace it").click()
    page.get_by_label("Put seed 20 in this place").click()
    expect(page.locator(".picking")).to_have_text("Face 3 of B is seed 5. Choose another:")
    page.get_by_label("Seed to put in this place").fill("77")
    page.get_by_label("Seed to put in this place").press("Enter")
    expect(page.get_by_label("Face 3 of B, seed 77: replace it")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "small-arithmetic.png"
    expected = arithmetic(
        *(latents(generator.config, seeds) for seeds in (PLAIN.terms[0], (3, 20, 77), PLAIN.terms[2]))
    )
    with Image.open(path) as image:
        saved = Face.from_json(image.text["gan-faces"])
    torch.testing.assert_close(saved.z(generator.config), expected, atol=4e-3, rtol=0)
    page.get_by_role("button", name="Add it to the morph").click()
    expect(page.locator(".sum-said")).to_have_text("Added: it is the last face of the morph.")
    expect(page.locator(FACES)).to_have_count(5)
    page.get_by_role("button", name="Take the result to Explore").click()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    page.wait_for_function(
        "latent => JSON.parse(document.querySelector('#stage [data-face]').dataset.face).latent === latent",
        arg=saved.latent,
    )


def test_a_phone_shows_everything_without_scrolling_sideways(phone, site):
    visit(phone, site)
    assert not cut_off(phone)
    remove = phone.get_by_label("Remove: seed 3").bounding_box()
    assert remove["width"] >= 20 and remove["x"] + remove["width"] <= 390
    assert phone.locator(".results").bounding_box()["width"] > 250
