"""The Replay tab in a real browser: one timeline, played and scrubbed without asking the server.

Long because all its tests look at the same runs, served once.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from serving import Site, cut_off, serve, show

from gan import run
from gan.films.replay import _spread, load_replay, warp
from gan.history import append_history, read_history, save_sample, snapshots
from gan.sampling import generate, latents
from gan.ui.library import Library
from gan.ui.state import Face
from gan.weights import load_generator

EVENT = "<img src=x onerror='document.title = `stolen`'> collapse: all alike"


@pytest.fixture(scope="module")
def runs(tiny_run, tmp_path_factory) -> Path:
    """tiny with an event and two rows of a name that is HTML; short, which ended earlier; broken; void."""
    root = tmp_path_factory.mktemp("replays")
    for name in ("tiny", "short", "broken", "<b>bold<"):
        shutil.copytree(tiny_run, root / name)
    append_history(root / "tiny", {"images_seen": 600, "event": EVENT})
    (root / "tiny" / "README.md").touch()  # finished: its card is newer than its history
    kept = [row for row in read_history(root / "short") if row["images_seen"] <= 1000]
    (root / "short" / "history.csv").unlink()
    for row in kept:
        append_history(root / "short", {key: value for key, value in row.items() if value is not None})
    (root / "short" / "README.md").touch()
    shutil.rmtree(root / "short" / "snapshots")
    (root / "broken" / "samples" / "0003.webp").write_bytes(b"half")
    (root / "broken" / "model.safetensors").write_bytes(b"half")
    (root / "void").mkdir()
    (root / "void" / "config.json").write_text("{", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def replays(runs) -> Iterator[Site]:
    with serve(Library([runs])) as served:
        yield served


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page; see `visit`."""
    return staying


def visit(page: Page, site: Site, name: str = "tiny", second: str = "no other run", face: Face | None = None) -> None:
    """Open the tab at a run's end, on the page that is there or on a new one, with Explore's face."""
    if not page.url.startswith(site.url):
        page.goto(site.url)
        page.wait_for_selector("#stage .picture img[src]")
    show(page, face or Face("tiny"))
    page.get_by_role("tab", name="Replay").click()
    shown = page.locator(".sheet .name")
    expect(shown.first).not_to_be_empty()
    if shown.first.inner_text() != name:
        choose(page, "Run", name)
    if (shown.nth(1).inner_text() if shown.nth(1).is_visible() else "no other run") != second:
        choose(page, "Compare with", second)
    expect(page.locator(".replay")).to_have_attribute("aria-busy", "false")
    for key in ("End", "Escape"):  # which lets go of a kept face
        page.locator(".lanes").press(key)


def choose(page: Page, label: str, name: str) -> None:
    place = 0 if label == "Run" else 1
    dropdown = page.locator(("#replay-run", "#replay-second")[place])
    dropdown.get_by_label(label).click()
    dropdown.get_by_role("option", name=re.compile(rf"^\W*{re.escape(name)}( · |$)")).click()
    if name == "no other run":
        expect(page.locator(".sheet").nth(1)).to_be_hidden()
    else:
        expect(page.locator(".sheet .name").nth(place)).to_have_text(name)
    expect(page.locator(".replay")).to_have_attribute("aria-busy", "false")  # all sheets are here


def sheet(page: Page, place: int = 0) -> int:
    return int(page.locator(".sheet").nth(place).get_attribute("data-sheet"))


def pixels(page: Page, place: int = 0) -> np.ndarray:
    """(64, 64, 3): what the sheet's canvas shows."""
    url = page.locator(".sheet canvas").nth(place).evaluate("(canvas) => canvas.toDataURL()")
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    return np.asarray(picture.convert("RGB").resize((64, 64), Image.Resampling.BOX))


def moment(page: Page) -> int:
    return int(page.get_by_role("slider", name="Moment of the training").get_attribute("aria-valuenow"))


@pytest.fixture
def lanes(page):
    return page.get_by_role("slider", name="Moment of the training")


def test_a_run_is_there_at_its_end_with_its_numbers(page, replays, lanes):
    visit(page, replays)
    expect(lanes).to_have_attribute("aria-valuenow", "2000")
    expect(lanes).to_have_attribute("aria-valuemax", "2000")
    expect(page.locator(".sheet .when").first).to_contain_text("2,000 images · epoch 50.00")
    assert page.locator(".plot path.curve").count() == 4
    expect(page.locator(".legend.loss")).to_contain_text(
        re.compile(r"Loss\s*generator\s*\d\.\d\d\s*discriminator\s*\d")
    )
    expect(page.locator(".replay .note")).to_contain_text("history row")
    canvas = page.locator(".sheet canvas").first
    expect(canvas).to_have_attribute("aria-label", "Pictures of the seeds 0 to 63 by tiny after 2,000 images")


def test_scrubbing_shows_every_sheet_without_asking_the_server(page, replays, runs, lanes):
    visit(page, replays)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    made = load_replay(runs / "tiny").sheets
    box = lanes.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 150)
    page.mouse.down()
    for each in reversed(made):
        page.mouse.move(box["x"] + 38.4 + warp(each.images_seen) / warp(2000) * (box["width"] - 50), box["y"] + 150)
        assert sheet(page) == each.index
        assert abs(moment(page) - each.images_seen) < 0.01 * each.images_seen + 3
    page.mouse.up()
    page.mouse.move(box["x"] + 300, box["y"] + 150)  # let go: it follows no longer
    assert moment(page) < 3 and sheet(page) == 0
    assert [url for url in asked if "heartbeat" not in url] == []


def test_the_sheet_that_is_shown_is_the_file_of_that_moment(page, replays, runs, lanes):
    visit(page, replays)
    lanes.focus()
    for key, at in (("Home", 0), ("End", -1)):
        page.keyboard.press(key)
        made = load_replay(runs / "tiny").sheets[at]
        expect(page.locator(".sheet").first).to_have_attribute("data-sheet", str(made.index))
        with Image.open(made.path) as picture:
            expected = np.asarray(picture.convert("RGB").resize((64, 64), Image.Resampling.BOX))
        assert np.abs(pixels(page).astype(int) - expected).mean() < 3


def test_the_keys_step_through_the_sheets(page, replays, runs, lanes):
    visit(page, replays)
    moments = [made.images_seen for made in load_replay(runs / "tiny").sheets]
    lanes.focus()
    page.keyboard.press("ArrowLeft")
    assert moment(page) == moments[-2]
    page.keyboard.press("Shift+ArrowLeft")
    assert moment(page) == moments[-7]
    page.keyboard.press("ArrowRight")
    assert moment(page) == moments[-6]
    page.keyboard.press("Home")
    assert moment(page) == 0
    page.get_by_label("Next sheet").click()
    assert moment(page) == moments[1]
    page.keyboard.press("ArrowLeft")  # also while a button has the focus
    assert moment(page) == 0
    page.get_by_role("button", name="Log", exact=True).press("ArrowRight")  # which walk in a group of their own
    assert moment(page) == 0
    expect(page.get_by_role("button", name="Linear")).to_be_focused()
    page.get_by_role("button", name="Linear").press("ArrowLeft")
    stops = page.locator(".axis button").evaluate_all("(all) => all.filter(({ tabIndex }) => tabIndex === 0).length")
    assert moment(page) == 0 and stops == 1


def test_play_advances_pause_stops_and_the_end_ends(page, replays, lanes):
    visit(page, replays)
    page.get_by_label("Speed").select_option("4")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("+document.querySelector('.lanes').getAttribute('aria-valuenow') > 50")
    page.get_by_role("button", name="Pause").click()
    stopped = moment(page)
    page.wait_for_timeout(250)
    assert moment(page) == stopped < 2000
    lanes.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # by itself, at the end
    assert moment(page) == 2000


def test_a_loop_starts_again(page, replays, lanes):
    visit(page, replays)
    page.get_by_label("Speed").select_option("4")
    page.get_by_role("button", name="Loop").click()
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")
    lanes.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("+document.querySelector('.lanes').getAttribute('aria-valuenow') > 1000")
    page.wait_for_function("+document.querySelector('.lanes').getAttribute('aria-valuenow') < 500")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Loop").click()


def test_the_axis_can_be_linear(page, replays, lanes):
    visit(page, replays)

    def cursor_at(images: int) -> float:
        lanes.focus()
        page.keyboard.press("Home")
        while moment(page) < images:
            page.keyboard.press("ArrowRight")
        box, line = lanes.bounding_box(), page.locator(".cursor").bounding_box()
        return (line["x"] + 1 - box["x"] - 38) / (box["width"] - 50)

    logarithmic = cursor_at(900)
    page.get_by_role("button", name="Linear", exact=True).click()
    linear, share = cursor_at(900), moment(page) / 2000
    assert abs(linear - share) < 0.02 < logarithmic - share
    log = page.get_by_role("button", name="Log", exact=True)
    expect(log).to_have_attribute("aria-pressed", "false")
    log.click()


def test_events_are_marked_told_as_text_and_lead_to_their_moment(page, replays):
    visit(page, replays)
    assert page.locator(".event-mark").count() == 1
    told = page.get_by_role("button", name="collapse: all alike")
    expect(told).to_contain_text("600 images")
    expect(told).to_contain_text(EVENT)  # as text
    told.click()
    assert moment(page) == 600
    assert page.title() == "GAN Faces" and page.locator(".events img, .plot img").count() == 0
    choose(page, "Run", "<b>bold<")
    assert page.locator(".replay b:not(.legend b, .seed, .what b)").count() == 0
    expect(page.locator(".sheet canvas").first).to_have_attribute("aria-label", re.compile("by <b>bold< after"))


def test_a_second_run_stands_beside_aligned_by_images(page, replays, runs, lanes):
    visit(page, replays, "tiny", "short")
    assert page.locator(".plot path.curve").count() == 8
    expect(page.locator(".sheet .when").nth(1)).to_contain_text("(its end)")
    lanes.focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    at = moment(page)
    for place, name in enumerate(("tiny", "short")):
        assert sheet(page, place) == load_replay(runs / name).sheet_at(at).index
    with page.expect_download() as download:
        page.get_by_role("button", name="History, CSV").click()
    assert download.value.suggested_filename == "tiny-short-history.csv"
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8").splitlines()))
    for name in ("tiny", "short"):
        kept = [{**row} for row in rows if row["run"] == name]
        lines = (runs / name / "history.csv").read_text(encoding="utf-8").splitlines()
        assert [{key: row[key] for key in row if key != "run"} for row in kept] == list(csv.DictReader(lines))
    expect(page.locator(".limit")).to_have_text("")
    room = page.locator(".replay").get_attribute("data-gif")
    page.locator(".replay").evaluate("(viewer) => { viewer.dataset.gif = '5 3'; }")
    choose(page, "Run", "tiny")
    choose(page, "Compare with", "no other run")
    expect(page.locator(".limit")).to_contain_text(re.compile(r"A GIF has room for 5 of these \d+ moments.* WebP"))
    assert page.locator(".plot path.curve.run1").count() == 0
    page.locator(".replay").evaluate("(viewer, room) => { viewer.dataset.gif = room; }", room)


def test_a_face_of_the_sheet_tells_its_seed_and_leads_to_explore(page, replays):
    visit(page, replays)
    canvas = page.locator(".sheet canvas").first
    size = canvas.bounding_box()["width"] / 8
    canvas.hover(position={"x": 2.5 * size, "y": 1.5 * size})
    expect(page.locator(".loupe .seed")).to_have_text("seed 10")
    expect(page.locator(".loupe a")).to_be_hidden()
    canvas.click(position={"x": 2.5 * size, "y": 1.5 * size})
    canvas.hover(position={"x": 6.5 * size, "y": 6.5 * size})
    expect(page.locator(".loupe .seed")).to_have_text("seed 10")  # kept
    canvas.press("Escape")
    for key in ["ArrowUp", "ArrowLeft"] * 8:  # to the first
        canvas.press(key)
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        canvas.press(key)
    expect(canvas).to_have_attribute("aria-valuetext", "seed 10, kept")
    assert moment(page) == 2000  # the keys walk over the sheet, and time stays
    page.locator(".loupe a").click()
    page.wait_for_selector("#stage [data-seed='10']")
    assert "model=tiny" in page.get_attribute("#stage [data-query]", "data-query")


def cut(run: Path, seed: int, places: int) -> list[tuple[int, np.ndarray | None]]:
    """Images seen and a seed's picture, (16, 16, 3), None of a damaged sheet, at so many moments of a run."""
    sheets = load_replay(run).sheets
    found = []
    for made in _spread(sheets, [sheet.images_seen for sheet in sheets], places):
        with Image.open(made.path) as picture:
            side, (row, column) = picture.width // 8, divmod(seed, 8)
            box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
            found.append((made.images_seen, np.asarray(picture.convert("RGB").crop(box), np.int16)))
    return found


def tile_pixels(page: Page) -> list[np.ndarray]:
    """(16, 16, 3) of each tile of the strip."""
    urls = page.locator(".tiles canvas").evaluate_all("(all) => all.map((canvas) => canvas.toDataURL())")
    images = [Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB") for url in urls]
    return [np.asarray(image.resize((16, 16), Image.Resampling.BOX), np.int16) for image in images]


def test_an_untouched_face_of_the_sheets_is_cut_out_of_them(page, replays, runs):
    visit(page, replays, face=Face("tiny", 13))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    draw = page.locator(".through .draw")
    draw.click()
    expect(page.locator("#through-about")).to_have_text("Seed 13, truncation 1")
    wanted = cut(runs / "tiny", 13, 12)
    assert len(wanted) > len(snapshots(runs / "tiny"))
    tiles = page.locator(".tiles button")
    labels = tiles.evaluate_all("(all) => all.map((tile) => tile.ariaLabel)")
    assert labels == [f"The face after {images:,} images" for images, _ in wanted]
    for found, (_, pixels) in zip(tile_pixels(page), wanted, strict=True):
        assert np.abs(found - pixels).mean() < 3
    tiles.first.click()
    assert moment(page) == 0 and tiles.first.get_attribute("aria-current") == "true"
    assert [url for url in asked if "heartbeat" not in url] == []
    choose(page, "Compare with", "short")  # beside it, and the strip stays the first one's
    expect(tiles).to_have_count(len(wanted))
    choose(page, "Run", "short")  # wanted there too, which kept no generators
    expect(tiles).to_have_count(len(cut(runs / "short", 13, 12)))
    page.reload()
    expect(tiles).to_have_count(len(cut(runs / "short", 13, 12)))
    expect(page.locator("#through-about")).to_have_text(re.compile("^Seed 13, truncation 1"))


def test_what_the_sheets_do_not_hold_is_said_and_the_nearest_is_one_press_away(page, replays, runs, monkeypatch):
    page.goto("about:blank")  # where no strip is shown yet
    visit(page, replays, "short", face=Face("tiny", 13, 0.2))
    draw, about, tiles = page.locator(".through .draw"), page.locator("#through-about"), page.locator(".tiles button")
    moved = (
        "Seed 13 at truncation 1 instead of 0.2: the run kept its pictures of seeds 0 to 63, not its generators. "
        "Its last picture is as you set it."
    )
    expect(draw).to_have_accessible_description(moved)
    draw.click()
    expect(about).to_have_text(moved)
    wanted = cut(runs / "short", 13, 12)
    expect(tiles).to_have_count(len(wanted))
    weights = load_generator(runs / "short")
    own = generate(weights, latents(weights.config, [13]), truncation=0.2)[0].astype(np.int16)
    *before, (_, untouched) = wanted

    def last_is_own() -> bool:
        last = tile_pixels(page)[-1]
        return np.abs(last - own).mean() < np.abs(last - untouched).mean()

    late = time.monotonic() + 30  # it comes when it is drawn
    while not last_is_own() and time.monotonic() < late:
        page.wait_for_timeout(50)
    assert last_is_own()
    for found, (_, pixels) in zip(tile_pixels(page)[:-1], before, strict=True):
        assert np.abs(found - pixels).mean() < 3
    expect(about).to_have_text(moved)
    monkeypatch.setattr("gan.ui.replay_server.draw_many", Mock(side_effect=run.RunError("Its weights are gone.")))
    draw.click()
    expect(about).to_have_text("Its weights are gone.")
    expect(tiles).to_have_count(len(wanted))  # what the sheets hold is shown

    page.goto("about:blank")  # where no strip is shown yet
    visit(page, replays, "short", face=Face("tiny", 1234))
    expect(draw).to_have_text("Show seed 0")
    expect(draw).to_have_accessible_description(re.compile("Explore shows seed 1234, .* click in the sheet"))
    canvas = page.locator(".sheet canvas").first
    size = canvas.bounding_box()["width"] / 8
    canvas.click(position={"x": 2.5 * size, "y": 1.5 * size})
    expect(draw).to_have_text("Show seed 10")
    draw.click()
    wanted = cut(runs / "short", 10, 12)
    expect(tiles).to_have_count(len(wanted))
    expect(about).to_have_text(re.compile("^Seed 10. Explore shows seed 1234"))
    assert np.abs(tile_pixels(page)[-1] - wanted[-1][1]).mean() < 3
    page.reload()
    expect(draw).to_have_text("Show seed 10")
    expect(tiles).to_have_count(len(wanted))
    canvas.press("Escape")
    expect(draw).to_have_text("Show seed 0")
    expect(about).to_have_text(re.compile("^Seed 10. "))  # what is shown


def test_a_moved_face_is_drawn_by_every_kept_generator(page, replays, runs, lanes):
    visit(page, replays, face=Face("tiny", 0, 0.5))
    page.get_by_role("button", name="Draw the face from Explore").click()
    tiles = page.locator(".tiles button")
    expect(tiles).to_have_count(len(snapshots(runs / "tiny")))
    expect(page.locator(".about")).to_contain_text("Seed 0, truncation 0.5")
    expect(tiles.last).to_have_attribute("aria-current", "true")
    tiles.first.click()
    expect(tiles.first).to_have_attribute("aria-current", "true")
    first = load_replay(runs / "tiny").snapshots[0][1]
    assert moment(page) == first
    expect(page.locator(".now")).to_have_attribute("aria-label", f"The face after {first:,} images")
    tiles.first.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    assert moment(page) == first  # the key walks over the strip, and time stays

    page.evaluate("document.activeElement.blur()")
    page.emulate_media(forced_colors="active", color_scheme="dark")  # whatever is told by a colour can still be seen
    colour = "(part) => getComputedStyle(part).backgroundColor"
    swatches = {swatch.evaluate(colour) for swatch in page.locator(".legend.loss i").all()}
    behind = page.locator("body").evaluate(colour)
    assert len(swatches) == 2 and behind not in swatches
    assert page.locator(".cursor").evaluate(colour) != behind
    outlined = page.locator(".tiles button").evaluate_all(
        "(all) => all.map((tile) => getComputedStyle(tile).outlineStyle)"
    )
    assert [style for style in outlined if style != "none"] == [outlined[0]] == ["solid"]
    page.emulate_media(forced_colors="none", color_scheme="light")


def test_a_run_that_kept_nothing_says_why_nothing_can_be_drawn(page, replays):
    page.goto("about:blank")  # where no strip is shown yet
    visit(page, replays, "void")
    draw = page.get_by_role("button", name="Draw the face from Explore")
    expect(draw).to_be_disabled()
    expect(draw).to_have_accessible_description(re.compile("kept neither sheets nor generators .*: choose another run"))
    choose(page, "Run", "tiny")
    expect(draw).to_be_enabled()
    expect(page.locator("#through-about")).to_contain_text("The face you set in Explore")


def test_what_is_shown_can_be_kept(page, replays, runs, tmp_path):
    visit(page, replays)
    for button, suffix in [("Curves, PNG", "curves.png"), ("Film, GIF", "replay.gif"), ("History, CSV", "history.csv")]:
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == f"tiny-{suffix}"
        download.value.save_as(tmp_path / suffix)
        expect(page.locator(".download-message")).to_have_text(f"tiny-{suffix}")
    assert (tmp_path / "history.csv").read_bytes() == (runs / "tiny" / "history.csv").read_bytes()
    for suffix in ("curves.png", "replay.gif"):
        with Image.open(tmp_path / suffix) as picture:
            picture.load()


def test_a_broken_run_says_so_and_shows_what_is_whole(page, replays, runs, lanes):
    visit(page, replays, "broken")
    expect(page.locator(".replay .message")).to_contain_text("model.safetensors cannot be read")
    lanes.focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".sheet .none").first).to_have_text("Sheet 3 is damaged")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".sheet .none").first).to_be_hidden()
    page.locator(".through .draw").click()
    damaged = load_replay(runs / "broken").sheets[3].images_seen
    whole = page.locator(".tiles button").evaluate_all("(all) => all.map((tile) => tile.ariaLabel)")
    assert len(whole) > 3 and f"The face after {damaged:,} images" not in whole
    choose(page, "Run", "void")
    expect(page.locator(".replay .message")).to_contain_text("config.json is damaged")
    expect(page.locator(".sheet .none").first).to_have_text("No sample sheet yet")
    expect(page.get_by_role("button", name="Film, GIF")).to_be_disabled()
    choose(page, "Run", "tiny")
    expect(page.locator(".replay .message")).to_be_hidden()


def test_what_a_training_adds_arrives_by_itself(page, replays, runs):
    live = Path(shutil.copytree(runs / "short", runs / "live"))
    run.write_state(live, run.TRAINING)  # by this process
    try:
        page.goto("about:blank")  # what is opened next looks at what there is
        visit(page, replays, "live")
        expect(page.locator(".replay .live")).to_be_visible()
        expect(page.locator(".replay .live")).to_contain_text("in training")
        assert moment(page) <= 1000
        page.locator(".through .draw").click()
        save_sample(live, 50, np.full((64, 16, 16, 3), 250, np.uint8))
        append_history(live, {"images_seen": 1600, "epoch": 40.0, "loss_g": 1.0, "sample": 50})
        expect(page.locator(".sheet .when").first).to_contain_text("1,600 images · epoch 40.00")
        expect(page.locator(".sheet").first).to_have_attribute("data-sheet", "50")
        page.wait_for_timeout(200)
        assert pixels(page).mean() > 240
        expect(page.locator(".tiles button").last).to_have_attribute("aria-label", "The face after 1,600 images")
        assert tile_pixels(page)[-1].mean() > 240
        choose(page, "Run", "tiny")
    finally:
        shutil.rmtree(live)


def test_nothing_jumps_while_it_plays(page, replays, lanes):
    visit(page, replays)
    parts = ".frame, .lanes, .transport, .through, .downloads"
    places = f"[...document.querySelectorAll('{parts}')].map(e => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(places)
    lanes.focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(places) == before


def test_a_phone_shows_it_all_and_scrubs_by_touch(phone, replays):
    visit(phone, replays, "tiny", "short")
    assert not cut_off(phone)
    fits = "[...document.querySelectorAll('.legend')].every((row) => row.scrollWidth <= row.clientWidth + 1)"
    assert phone.evaluate(fits)
    lanes = phone.locator(".lanes")
    lanes.scroll_into_view_if_needed()
    box = lanes.bounding_box()
    phone.touchscreen.tap(box["x"] + 45, box["y"] + 120)
    assert moment(phone) < 100
    for name in ("Play", "Next sheet", "Loop", "Log", "Linear"):
        button = phone.get_by_role("button", name=name, exact=True).bounding_box()
        assert button["height"] >= 36 and button["x"] + button["width"] <= 390, name
