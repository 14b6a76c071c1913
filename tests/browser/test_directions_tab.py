"""Directions in a real browser: the bases of sliders, and a visitor's own direction."""

from __future__ import annotations

import re
import urllib.parse

import pytest
import torch
from playwright.sync_api import expect
from serving import cut_off, make_models, serve, show

from gan.latent.directions import Direction, save_directions
from gan.ui.state import Face
from gan.ui.values import encode_latent

PICTURE = "#stage .picture img"
NAMES = ("Smile", "Open mouth", "SeFa 1", "SeFa 2", "GANSpace 1")


def give_directions(library, model: str, names: tuple[str, ...]) -> None:
    entry = library.entry(model)
    random = torch.Generator().manual_seed(1)
    kinds = {"SeFa": "sefa", "GANSpace": "ganspace"}
    found = [
        Direction(name, kinds.get(name.split()[0], "attribute"), torch.randn(entry.info.config.z_dim, generator=random))
        for name in names
    ]
    save_directions(entry.folder, found, None)


@pytest.fixture(scope="module")
def named(tmp_path_factory, tiny_config, pictures, tiny_run):
    """The page over "small" with directions, and "runs/tiny" with one of the same name, and some of other things'."""
    library = make_models(tmp_path_factory.mktemp("named"), tiny_config, pictures, tiny_run)
    give_directions(library, "small", NAMES)
    give_directions(library, "runs/tiny", ("Open mouth", "z 3", "Mine (yours)"))
    with serve(library) as served:
        yield served


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page; see `visit`."""
    return staying


def visit(page, site, query: str = "model=small") -> None:
    """Open the page by a link, or show its face on the page that is there, with the first of its model's sliders."""
    if page.url.startswith(site.url):
        show(page, Face.from_query(dict(urllib.parse.parse_qsl(query)), Face("small")))
        page.locator("#basis label").first.click()
        return
    page.goto(f"{site.url}/?{query}")
    page.wait_for_selector(PICTURE)
    page.wait_for_selector("#grid img")
    page.wait_for_selector("#model-card p")  # nothing more is asked for


def slider(page, label: str):
    return page.get_by_label(f"range slider for {label}", exact=True)


def move(page, label: str, value: float) -> str:
    before = page.get_attribute(PICTURE, "src")
    slider(page, label).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    page.wait_for_function("([css, before]) => document.querySelector(css)?.src !== before", arg=[PICTURE, before])
    return page.get_attribute(PICTURE, "src")


def turn(page, basis: str, first_slider: str) -> None:
    page.locator("#basis, #span").locator("label", has_text=re.compile(rf"^\s*{basis}\s*$")).click()
    expect(slider(page, first_slider)).to_be_visible()


def state(page) -> str:
    return page.get_attribute("#stage [data-query]", "data-query")


def test_a_named_slider_moves_the_face_with_one_question_to_the_server(page, named):
    visit(page, named)
    before = page.get_attribute(PICTURE, "src")
    asked = []
    page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    assert move(page, "Smile", 1.5) != before
    assert state(page).endswith("&move=Smile:1.5")
    assert len(asked) == 1 and "component_server" in asked[0]
    page.click("#reset")
    page.wait_for_function("([css, src]) => document.querySelector(css)?.src === src", arg=[PICTURE, before])
    expect(slider(page, "Smile")).to_have_value("0")


def test_each_basis_keeps_what_the_others_changed_and_the_link_restores_all(page, named):
    visit(page, named)
    move(page, "Open mouth", -1)
    turn(page, "Principal", "SeFa 1")
    expect(slider(page, "Smile")).to_have_count(0)
    move(page, "SeFa 2", 2)
    turn(page, "GANSpace", "GANSpace 1")
    move(page, "GANSpace 1", 0.5)
    turn(page, "z", "z 0")
    made = move(page, "z 3", 1)
    assert state(page).endswith("move=GANSpace+1:0.5,Open+mouth:-1,SeFa+2:2&z=3:1")
    turn(page, "Attributes", "Smile")
    expect(slider(page, "Open mouth")).to_have_value("-1")
    link = state(page)
    page.goto("about:blank")
    visit(page, named, link)
    assert page.get_attribute(PICTURE, "src") == made
    expect(slider(page, "Open mouth")).to_have_value("-1")


def test_another_model_keeps_the_direction_that_it_has_too(page, named):
    visit(page, named, "move=Smile:1,Open+mouth:2")
    page.get_by_label("Model").click()
    page.get_by_role("option", name="runs/tiny").click()
    expect(page.locator("#stage .speed")).to_contain_text("from 8 numbers")
    assert state(page).endswith("&move=Open+mouth:2")
    expect(slider(page, "Open mouth")).to_have_value("2")
    expect(slider(page, "Smile")).to_have_count(0)


def test_a_slider_moves_what_it_stands_for_whatever_it_is_called(page, named):
    visit(page, named, "model=runs/tiny")
    move(page, "z 3", 1)
    move(page, "Mine (yours)", -1)
    assert state(page) == "model=runs/tiny&seed=0&truncation=1&move=Mine+%28yours%29:-1,z+3:1"
    page.reload()
    page.wait_for_selector(PICTURE)
    expect(slider(page, "Mine (yours)")).to_have_value("-1")
    turn(page, "z", "z 0")
    move(page, "z 3", 0.5)
    assert state(page).endswith("&move=Mine+%28yours%29:-1,z+3:1&z=3:0.5")


def test_an_own_direction_is_made_moved_kept_and_removed(page, named):
    visit(page, named)
    expect(page.locator("#maker")).to_be_hidden()
    expect(page.get_by_label("Seed 3 has it", exact=True)).to_be_hidden()
    page.locator("#basis label", has_text="Yours").click()
    page.get_by_text("Make a slider").click()
    expect(page.locator("#maker .told")).to_contain_text("Mark at least one face")
    for seed, words in ((3, "has it"), (5, "has it"), (4, "has it not"), (6, "has it"), (6, "has it")):
        page.get_by_label(f"Seed {seed} {words}", exact=True).click()  # the last one twice: taken away again
    expect(page.get_by_label("Seed 3 has it", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#maker .marked img")).to_have_count(3)
    page.get_by_label("Name of the new slider").fill("<i>Wild</i> one")
    page.keyboard.press("Enter")
    label = "i Wild /i one (yours)"
    expect(slider(page, label)).to_be_visible()
    expect(page.locator("#maker .marked img")).to_have_count(0)
    expect(page.get_by_label("Name of the new slider")).to_have_value("")
    made = move(page, label, 2)
    link = state(page)
    page.goto("about:blank")
    visit(page, named, link)
    assert page.get_attribute(PICTURE, "src") == made
    page.locator("#basis label", has_text="Yours").click()
    expect(slider(page, label)).to_have_value("2")
    page.get_by_role("button", name="Remove i Wild /i one").click()
    expect(slider(page, label)).to_have_count(0)
    assert state(page) == "model=small&seed=0&truncation=1"


def test_a_saved_png_carries_the_own_direction(page, named, tmp_path):
    page.goto("about:blank")  # a page that is opened by a link has the sliders that are moved in view
    visit(page, named, "move=~Mine:2&own=Mine:3.5:4")
    made = page.get_attribute(PICTURE, "src")
    with page.expect_download() as download:
        page.click("text=Save PNG")
    path = tmp_path / "face.png"
    download.value.save_as(path)
    page.click("#random")
    page.wait_for_function("([css, before]) => document.querySelector(css)?.src !== before", arg=[PICTURE, made])
    page.set_input_files("#tools input[type=file]", path)
    page.wait_for_function("([css, src]) => document.querySelector(css)?.src === src", arg=[PICTURE, made])
    expect(slider(page, "Mine (yours)")).to_have_value("2")


def test_the_seed_takes_an_own_latents_place(page, named):
    visit(page, named, f"latent={encode_latent(torch.ones(20))}")
    assert "latent=" in state(page)
    expect(page.locator("#grid [aria-pressed='true'][data-seed]")).to_have_count(0)
    page.get_by_label("number input for Seed").fill("7")
    page.wait_for_function("document.querySelector('#stage [data-seed]')?.dataset.seed === '7'")
    assert state(page) == "model=small&seed=7&truncation=1"


def test_every_basis_fits_a_phone(phone, named):
    phone.goto(named.url)
    phone.wait_for_selector(PICTURE)
    tops = "[...document.querySelectorAll('#basis label')].map((label) => label.getBoundingClientRect().top)"
    for basis, first in (("Attributes", "Smile"), ("Principal", "SeFa 1"), ("Yours", None)):
        phone.locator("#basis label", has_text=basis).click()
        expect(slider(phone, first) if first else phone.locator("#maker")).to_be_visible()
        assert not cut_off(phone), basis
        assert len(set(phone.evaluate(tops))) == 1  # one row of switches
