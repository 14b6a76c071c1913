"""What the classifier sees, under Explore's picture, once the sliders rest; here the server looks."""

from __future__ import annotations

import json
import re

import pytest
import torch
from playwright.sync_api import expect
from serving import make_models, serve

from gan.latent.directions import Direction, save_directions
from gan.ui.explore_server import ExploreServer
from gan.ui.state import Face

SEES, MOVES = "#seen .sees", "#seen .moves"


@pytest.fixture(scope="module")
def faces(tmp_path_factory, tiny_config, pictures, tiny_run):
    """The page over "small", whose pictures are said to be faces; and "runs/tiny", of nobody knows what."""
    library = make_models(tmp_path_factory.mktemp("faces"), tiny_config, pictures, tiny_run)
    folder = library.entry("small").folder
    save_directions(folder, [Direction("Smile", "attribute", 3 * torch.ones(20))], None)
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    content["data"]["parts"][0]["kind"] = "faces"
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with serve(library) as served:
        yield served


def test_what_is_seen_is_told_at_rest_in_its_kept_place_and_in_the_pictures_own_words(page, faces):
    page.goto(f"{faces.url}/?model=small&seed=7")
    image, tools = page.locator("#stage .picture img"), page.locator("#tools")
    page.wait_for_selector("#grid img")
    place = tools.bounding_box()
    expect(page.locator(SEES)).to_have_text(re.compile("^The classifier sees an? .*%"))
    expect(page.locator(MOVES)).to_have_text("Move a slider, and here stands what else it moves.")
    words = re.match("The classifier sees (.*):", page.inner_text(SEES))[1]
    expect(image).to_have_attribute("alt", f"{words[0].upper()}{words[1:]}, drawn by small from seed 7")

    slider = page.get_by_label("range slider for Smile", exact=True)
    script = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }"
    slider.evaluate(script, 2)
    told = r"^Smile \+2 (also moved [A-Z].* \d+ → \d+\s%|moved nothing else)"
    expect(page.locator(MOVES)).to_have_text(re.compile(told))
    expect(image).to_have_attribute("alt", re.compile(r"^An? .*, drawn by small from seed 7: Smile \+2$"))
    assert tools.bounding_box() == place
    now = ExploreServer(faces.library).see({"face": Face("small", 7, directions={"Smile": 2}).to_json()})
    shares = dict(zip(now["labels"], now["probabilities"], strict=True))
    woman = re.search(r"(Man|Woman) (\d+)\s%", page.inner_text(SEES))
    assert woman and int(woman[2]) == pytest.approx(100 * max(shares["Male"], 1 - shares["Male"]), abs=0.6)

    asked = []
    page.on("request", lambda request: '"see"' in (request.post_data or "") and asked.append(request.url))
    page.goto(f"{faces.url}/?model=runs/tiny")
    expect(page.locator(SEES)).to_have_text("No classifier here knows such pictures.")
    expect(page.locator(MOVES)).to_be_empty()
    assert not asked
