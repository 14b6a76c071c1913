"""The Explore tab in a real browser: what a visitor does, and what the picture does then.

Long because all its tests go on with one open page: opening another takes ten times the work.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from serving import cut_off, show

from gan.ui.state import Face

PICTURE = "#stage .picture img"
SEED = "Seed"


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page; see `visit`."""
    return staying


def visit(page, site, query: str = "") -> None:
    """Open the page by a link; without one, show the first face as it is drawn, on the page that is there."""
    if not query and page.url.startswith(site.url):
        show(page, Face("small"))
        page.get_by_text("0–15").click()
        return
    page.goto(f"{site.url}/{query}")
    page.wait_for_selector(PICTURE)
    page.wait_for_selector("#grid img")
    page.wait_for_selector("#model-card p")  # nothing more is asked for


def picture(page) -> str:
    """What is drawn, as its bytes."""
    return page.get_attribute(PICTURE, "src")


def shown_state(page) -> str:
    return page.get_attribute("#stage [data-query]", "data-query")


def slider(page, label: str):
    return page.get_by_label(f"range slider for {label}", exact=True)


def move(page, label: str, value: float) -> str:
    """Set a slider like a key does, and wait for the picture that belongs to it."""
    before = picture(page)
    slider(page, label).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    return wait_for_other(page, before)


def wait_for_other(page, before: str) -> str:
    page.wait_for_function("([css, before]) => document.querySelector(css)?.src !== before", arg=[PICTURE, before])
    return picture(page)


def type_seed(page, seed: int) -> str:
    before = picture(page)
    page.get_by_label(f"number input for {SEED}").fill(str(seed))
    page.wait_for_function("seed => document.querySelector('#stage [data-seed]')?.dataset.seed === seed", arg=str(seed))
    assert picture(page) != before
    return picture(page)


def test_a_face_is_there_at_once_and_says_what_it_is(page, site):
    visit(page, site)
    expect(page).to_have_title("GAN Faces")
    expect(page.locator("h1")).to_have_text("GAN Faces")
    assert "small" in page.get_attribute(PICTURE, "alt")
    expect(page.locator("#stage .critic")).to_contain_text(re.compile(r"\d+ % sure that it is a real picture"))
    expect(page.locator("#stage .no-critic")).to_be_hidden()
    expect(page.locator("#stage .speed")).to_contain_text(
        re.compile(r"16 × 16 pixels from 20 numbers\s+[\d.]+ ms a frame"), use_inner_text=True
    )
    natural = page.evaluate(f"document.querySelector('{PICTURE}').naturalWidth")
    assert natural == 32  # 16, doubled by a better filter than the browser's


def test_the_seed_decides_the_picture(page, site):
    visit(page, site)
    zero = picture(page)
    assert type_seed(page, 7) != zero
    assert type_seed(page, 0) == zero


def test_the_seeds_slider_runs_through_faces_and_reaches_the_seed_of_any_link(page, site):
    visit(page, site)
    zero = picture(page)
    assert move(page, SEED, 123_456) != zero
    assert shown_state(page) == "model=small&seed=123456&truncation=1"
    assert move(page, SEED, 0) == zero
    visit(page, site, f"?model=small&seed={2**32 - 1}")
    assert shown_state(page) == f"model=small&seed={2**32 - 1}&truncation=1"
    expect(page.get_by_label(f"number input for {SEED}")).to_have_value(str(2**32 - 1))
    assert type_seed(page, 0) == zero


def test_a_slider_changes_the_picture_and_reset_brings_it_back(page, site):
    visit(page, site)
    before = picture(page)
    assert move(page, "z 3", 2) != before
    assert "z=3:2" in shown_state(page)
    moved = picture(page)
    page.click("#reset")
    assert wait_for_other(page, moved) == before
    expect(slider(page, "z 3")).to_have_value("0")


def test_a_slider_is_moved_by_keys(page, site):
    visit(page, site)
    before = picture(page)
    slider(page, "z 1").focus()
    page.keyboard.press("ArrowRight")
    wait_for_other(page, before)
    assert "z=1:0.05" in shown_state(page)


def test_truncation_changes_picture_and_grid_and_has_its_own_reset(page, site):
    visit(page, site, "?model=small")  # whose grid begins with its first face
    first_of_grid = page.locator("#grid [data-seed='1'] img")
    before, grid = picture(page), first_of_grid.get_attribute("src")
    slider(page, "Truncation").focus()
    page.keyboard.press("Home")
    wait_for_other(page, before)
    assert "truncation=0" in shown_state(page)
    mean = picture(page)
    slider(page, "Truncation").dispatch_event("pointerup")
    expect(first_of_grid).not_to_have_attribute("src", grid)
    page.locator("#truncation").get_by_test_id("reset-button").click()
    assert wait_for_other(page, mean) == before
    expect(first_of_grid).to_have_attribute("src", grid)


def test_changes_on_another_page_of_dimensions_are_kept(page, site):
    visit(page, site)
    move(page, "z 3", 2)
    page.get_by_text("16–19").click()
    expect(slider(page, "z 19")).to_be_visible()
    expect(slider(page, "z 4")).to_have_count(0)
    move(page, "z 17", -1)
    assert "z=3:2,17:-1" in shown_state(page)
    page.get_by_text("0–15").click()
    expect(slider(page, "z 3")).to_have_value("2")


def test_the_link_restores_the_state_in_a_new_page(page, site):
    visit(page, site)
    type_seed(page, 12)
    made = move(page, "z 5", 1.5)
    page.click("text=Copy link")
    expect(page.locator(".said")).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    visit(page, site, link.removeprefix(f"{site.url}/"))
    assert picture(page) == made
    expect(slider(page, "z 5")).to_have_value("1.5")
    expect(page.get_by_label(f"number input for {SEED}")).to_have_value("12")


def test_the_address_follows_so_that_reloading_keeps_the_face(page, site):
    visit(page, site, "?__theme=dark")
    made = move(page, "z 2", -2)
    page.wait_for_function("location.search.includes('z=2:-2')")
    assert "__theme=dark" in page.url
    page.reload()
    page.wait_for_selector(PICTURE)
    assert picture(page) == made


def test_a_link_that_cannot_be_followed_says_so_and_shows_a_face(page, site):
    visit(page, site, "?model=small&seed=-3")
    expect(page.locator("#stage .note")).to_contain_text("expected a whole number")


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_saved_png_restores_its_face(page, site, tmp_path, way):
    visit(page, site)
    type_seed(page, 5)
    made = move(page, "z 5", 1.5)
    with page.expect_download() as download:
        page.click("text=Save PNG")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "small-seed5.png"
    page.click("#random")
    wait_for_other(page, made)
    if way == "chosen":
        page.set_input_files("#tools input[type=file]", path)
    else:
        page.evaluate(
            """bytes => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], "face.png", {type: "image/png"}));
                const at = document.querySelector("#stage .picture");
                for (const name of ["dragover", "drop"])
                    at.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
            }""",
            list(path.read_bytes()),
        )
    page.wait_for_function("([css, src]) => document.querySelector(css)?.src === src", arg=[PICTURE, made])
    expect(slider(page, "z 5")).to_have_value("1.5")


def test_a_file_without_a_face_is_refused_in_words(page, site, tmp_path):
    visit(page, site)
    other = tmp_path / "other.png"
    other.write_bytes(b"not a picture")
    page.set_input_files("#tools input[type=file]", other)
    expect(page.locator(".said")).to_contain_text("carries no face")


def test_a_face_of_the_grid_is_taken_over(page, site):
    visit(page, site)
    before = move(page, "z 3", 2)
    page.click("#grid [data-seed='9']")
    wait_for_other(page, before)
    assert shown_state(page) == "model=small&seed=9&truncation=1&z=3:2"  # sliders stay where they are
    expect(page.locator("#grid [data-seed='9']")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label(f"number input for {SEED}")).to_have_value("9")
    page.get_by_label("Faces after these").click()
    page.locator("#grid [data-seed='30']").click()
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '30'")
    page.get_by_label("Faces before these").click()
    page.wait_for_selector("#grid [data-seed='9']")


def test_pixels_shows_the_pictures_own_pixels(page, site):
    visit(page, site)
    smooth = picture(page)
    page.get_by_label("Pixels").check()
    wait_for_other(page, smooth)
    assert page.evaluate(f"document.querySelector('{PICTURE}').naturalWidth") == 16
    assert page.evaluate(f"getComputedStyle(document.querySelector('{PICTURE}')).imageRendering") == "pixelated"
    page.get_by_label("Pixels").uncheck()
    page.wait_for_function("([css, src]) => document.querySelector(css)?.src === src", arg=[PICTURE, smooth])


def test_a_broken_run_shows_its_message_and_another_model_still_draws(page, site):
    visit(page, site)
    page.get_by_label("Model").click()
    page.get_by_role("option", name="runs/broken · unusable").click()
    expect(page.locator("#stage [role=alert]")).to_contain_text("cannot be read")
    page.get_by_label("Model").click()
    page.get_by_role("option", name="runs/tiny").click()
    expect(page.locator("#stage .speed")).to_contain_text("from 8 numbers")
    expect(slider(page, "z 8")).to_have_count(0)


def test_modules_that_come_late_lose_nothing_of_what_came_before_them(page, site):
    """Each part of the tab is mounted when its module is there; answers, news and moves may be there before."""
    late = []
    page.route(re.compile(r"/web/\w+/explore/(stage|grid|tools|face)\.js"), lambda route: late.append(route))
    with page.expect_response(re.compile("/gradio_api/run")):
        page.goto(f"{site.url}/?model=small&seed=9&z=3:1")
    expect(slider(page, "z 3")).to_have_value("1")
    page.wait_for_timeout(300)
    expect(page.locator("#stage .waiting")).to_have_count(1)
    for name in ("stage", "grid", "tools", "face"):  # what comes first tells the others nothing that they would miss
        [route] = [route for route in late if f"{name}.js" in route.request.url]
        route.continue_()
        page.wait_for_timeout(50)
    page.wait_for_selector(PICTURE)
    assert shown_state(page) == "model=small&seed=9&truncation=1&z=3:1"
    expect(page.locator("#grid [data-seed='9']")).to_have_attribute("aria-pressed", "true")
    made = move(page, "z 4", 2)
    page.get_by_label("Model").click()  # an event of Gradio's takes the state as it is now
    page.get_by_role("option", name="runs/tiny").click()
    wait_for_other(page, made)
    assert shown_state(page) == "model=runs/tiny&seed=9&truncation=1&z=3:1,4:2"


def test_a_part_that_does_not_load_says_so(context, site):
    page = context.new_page()  # whose console may tell
    page.route(re.compile(r"/web/\w+/explore/grid\.js"), lambda route: route.abort())
    page.goto(site.url)
    expect(page.locator("#grid")).to_contain_text("This part of the page did not load: reload the page.")
    page.wait_for_selector(PICTURE)
    page.close()


def test_a_rapid_drag_ends_at_the_last_position(page, site):
    visit(page, site)
    page.evaluate(
        """label => {
            const input = document.querySelector(`[aria-label="${label}"]`);
            for (let i = 0; i <= 40; i++) setTimeout(() => {
                input.value = (i / 20).toFixed(2);
                input.dispatchEvent(new Event("input", {bubbles: true}));
            }, i * 4);
        }""",
        "range slider for z 6",
    )
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.endsWith('z=6:2')")
    ended = picture(page)
    page.wait_for_timeout(300)
    assert picture(page) == ended  # nothing older comes after it
    move(page, "z 6", 1)
    assert move(page, "z 6", 2) == ended


def test_sliders_moved_before_the_first_answer_are_all_kept(page, site):
    visit(page, site)
    page.evaluate(
        """labels => labels.forEach((label) => {
            const input = document.querySelector(`[aria-label="range slider for ${label}"]`);
            input.value = 1;
            input.dispatchEvent(new Event("input", {bubbles: true}));
        })""",
        ["z 1", "z 2", "Truncation", "z 11"],
    )
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.endsWith('z=1:1,2:1,11:1')")


def test_a_late_answer_does_not_replace_a_newer_face(page, site):
    visit(page, site)
    held = []
    page.route(re.compile("component_server"), lambda route: held.append(route))
    slider(page, "z 3").press("ArrowRight")
    page.click("#grid [data-seed='9']")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed === '9'")
    newer = picture(page)
    with page.expect_response(re.compile("component_server")):
        held[0].continue_()
    page.wait_for_timeout(200)
    assert picture(page) == newer
    page.unroute(re.compile("component_server"))
    assert "seed=9" in shown_state(page) and move(page, "z 3", 1) != newer


def test_nothing_jumps_while_a_slider_moves(page, site):
    visit(page, site)
    places = (
        "[...document.querySelectorAll('#stage, #random, #sliders, #grid')].map(e => e.getBoundingClientRect().top)"
    )
    before = page.evaluate(places)
    for value in (-3, 0.5, 3):
        move(page, "z 0", value)
        assert page.evaluate(places) == before


def test_a_phone_shows_everything_without_scrolling_sideways_and_asks_for_the_grid_when_it_is_near(phone, site):
    asked = []
    phone.on("request", lambda request: asked.append(request.post_data or ""))
    phone.goto(site.url)
    phone.wait_for_selector(PICTURE)
    move(phone, "z 0", 1)  # asked for after the grid, if that is asked for
    assert not any('"grid"' in question for question in asked)
    phone.locator("#grid").scroll_into_view_if_needed()
    phone.wait_for_selector("#grid img")
    assert any('"grid"' in question for question in asked)
    phone.evaluate("scrollTo(0, 0)")
    assert not cut_off(phone)
    box = phone.locator(PICTURE).bounding_box()
    assert box["width"] > 250
    slider(phone, "z 15").scroll_into_view_if_needed()
    assert phone.locator(PICTURE).bounding_box()["y"] >= 0  # the picture stays in sight
