"""The static edition on a plain static server, at a path of its own: what a visitor does in all five tabs.

Long because the site, which takes seconds to write and to open, is one for all of them.
"""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import re
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from exports import CLASSIFIER, brought
from photos import KEPT_SQUARE, near_face, packed, with_a_face
from PIL import Image
from playwright.sync_api import expect
from serving import MOST_SHIFT, WATCH_SHIFT, show

from gan import load_generator, sample
from gan.data.drawn import draw_faces
from gan.export import site as exporting
from gan.export.packages import DETECTOR, RUNTIME
from gan.report.brief import brief
from gan.run import read_info
from gan.ui.drawing import METADATA_KEY
from gan.ui.state import Face
from gan.ui.values import encode_latent

pytestmark = pytest.mark.timeout(300)  # two models are exported first
SHOWN = "#stage .picture[data-face]"


@dataclass(frozen=True)
class Static:
    """A site that is being served: its address, its folder, and the paths that were asked for."""

    url: str
    folder: Path
    asked: list[str]


@pytest.fixture(scope="module")
def static(exports, tmp_path_factory) -> Iterator[Static]:
    """Models like those of `site`, without a server but for files, at /some/faces/."""
    brought(RUNTIME)
    host = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "export", lambda model, out: _of_faces(exports.files / model.name, out / model.name))
        folder = exporting.build(host / "some" / "faces", [exports.small, exports.tiny])
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(host))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Static(f"http://127.0.0.1:{server.server_port}/some/faces/", folder, asked)
        server.shutdown()


def _of_faces(files: Path, out: Path) -> Path:
    """A model's files, whose pictures are said to be faces: then a classifier knows them."""
    shutil.copytree(files, out)
    facts = json.loads((out / "model.json").read_text(encoding="utf-8"))
    facts["data"]["kind"] = "faces"
    (out / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    return out


@pytest.fixture
def page(staying, static, site):
    """That asks no other host, and nothing outside of the site's own path; open already, see `visit`."""
    asked = []

    def hear(request) -> None:
        asked.append(request.url)

    staying.on("request", hear)
    yield staying
    staying.remove_listener("request", hear)
    allowed = (static.url, f"{site.url}/", "data:", "blob:")
    assert not [url for url in asked if not url.startswith(allowed)]
    assert all(path.startswith("/some/faces/") for path in static.asked), static.asked


def visit(page, static: Static, query: str) -> None:
    """Open the page by a link, or show its face on the page that is there."""
    if page.url.startswith(static.url) and page.locator("#grid img").count():
        page.get_by_role("tab", name="Explore").click()
        show(page, Face.from_query(dict(urllib.parse.parse_qsl(query)), Face("small")))
        return
    page.goto(f"{static.url}?{query}")
    page.wait_for_selector(SHOWN)
    page.wait_for_selector("#grid img")


def face(page) -> dict:
    return json.loads(page.get_attribute(SHOWN, "data-face"))


def pixels(page, canvas: str = "#stage canvas", before: str = "") -> np.ndarray:
    """(height, width, 4): what a canvas shows, right after a script. As a PNG: a list of numbers comes in seconds."""
    url = page.evaluate(f"() => {{ {before}; return document.querySelector('{canvas}').toDataURL(); }}")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"), np.int16)


def shown(page, condition: str) -> dict:
    """The face, once `condition` is true of it."""
    page.wait_for_function(
        f"() => (({{directions, offsets, seed, truncation, model, own}}) => {condition})"
        f"(JSON.parse(document.querySelector('{SHOWN}').dataset.face))"
    )
    return face(page)


def slide(page, label: str, value: float) -> None:
    page.get_by_label(f"range slider for {label}", exact=True).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )


def saved(page, button: str) -> bytes:
    with page.expect_download() as download:
        page.locator(button).click()
    return Path(download.value.path()).read_bytes()


def test_explore_draws_all_that_its_controls_say(page, static):
    visit(page, static, "seed=5")
    assert face(page)["seed"] == 5 and face(page)["model"] == "small"
    expect(page.locator("#stage .critic")).to_contain_text(re.compile(r"\d+ % sure that it is a real picture"))
    first = pixels(page)
    assert first.shape == (32, 32, 4)  # 16, doubled

    page.locator("#basis label", has_text="z").click()
    slide(page, "z 3", 2.5)
    shown(page, "offsets[3] === 2.5")
    assert np.abs(pixels(page) - first).max() > 2
    page.get_by_label("number input for z 4").fill("1")
    shown(page, "offsets[4] === 1")
    slide(page, "Truncation", 0.5)
    shown(page, "truncation === 0.5")
    page.locator("#truncation [data-testid=reset-button]").click()
    shown(page, "truncation === 1")
    page.locator("#span label").nth(1).click()
    expect(page.get_by_label("range slider for z 16", exact=True)).to_be_visible()
    page.locator("#reset").click()
    shown(page, "!Object.keys(offsets).length")
    assert np.array_equal(pixels(page), first)

    page.locator("#grid [data-seed='9']").click()
    shown(page, "seed === 9")
    page.locator("#grid [data-start='24']").click()
    page.wait_for_selector("#grid [data-seed='24']")
    page.locator("#basis label", has_text="Yours").click()
    page.locator("#grid [data-mark='+']").first.click()
    page.locator("#grid [data-mark='−']").nth(1).click()
    page.get_by_placeholder("What they have").fill("Größe")
    page.locator("#maker form > button").click()
    shown(page, "own.length === 1")
    before = pixels(page)
    slide(page, "Größe (yours)", 2)
    shown(page, "directions['~Größe'] === 2")
    assert np.abs(pixels(page) - before).max() > 2
    page.locator("#maker [data-remove]").click()
    shown(page, "!own.length && !Object.keys(directions).length")

    page.locator("#pad .toggle").click()
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    page.get_by_label("Across", exact=True).select_option("truncation")
    page.get_by_label("Up", exact=True).select_option("z:17")
    page.locator("#pad .plane").press("PageUp")
    shown(page, "offsets[17] === 0.5")
    page.wait_for_function("() => location.search.endsWith('&pad=truncation,z:17')")
    page.goto(page.url)
    expect(page.locator("#pad .stands")).to_have_text("Truncation 1 · z 17 +0.5")
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    page.locator("#pad .toggle").click()

    page.locator("#random").click()
    shown(page, "seed !== 9")
    page.get_by_label("Model", exact=True).locator("visible=true").select_option("tiny")
    shown(page, "model === 'tiny'")
    page.wait_for_function("() => location.search.includes('model=tiny')")
    link = urllib.parse.urlencode({"seed": 3, "latent": encode_latent(torch.full((2,), 0.5))})
    page.goto(f"{static.url}?{link}")
    expect(page.locator("#stage .note")).to_contain_text("This face was 2 numbers of its own, and")
    page.goto(static.url + "?seed=hat")
    expect(page.locator("#stage .note")).to_contain_text("This link cannot be followed: seed 'hat'")


def test_the_critic_comes_after_the_first_face(browser, static):
    held = []
    with browser.new_context(service_workers="block") as fresh:
        page = fresh.new_page()
        page.route("**/critic-*.onnx", lambda route: held.append(route))
        page.goto(f"{static.url}?model=tiny&seed=4")
        expect(page.locator("#stage .percent")).to_have_text("… %")
        slide(page, "Truncation", 0.7)
        shown(page, "truncation === 0.7")
        while not held:
            page.wait_for_timeout(50)
        held[0].continue_()
        expect(page.locator("#stage .percent")).to_have_text(re.compile(r"^\d+ %$"))
        assert len(held) == 1


def test_a_face_wanders_here_too(page, static):
    visit(page, static, "model=tiny&seed=4&z=3:1")
    page.locator("#stage .wander").click()
    page.wait_for_function(f"() => JSON.parse(document.querySelector('{SHOWN}').dataset.face).latent")
    page.keyboard.press("x")
    expect(page.locator("#stage .wander")).to_have_attribute("aria-pressed", "false")
    page.wait_for_function("() => location.search.includes('latent=') && location.search.endsWith('z=3:1')")


def test_a_link_and_a_png_mean_the_same_face_in_both_editions(page, static, site, tmp_path):
    query = "?model=small&seed=7&truncation=0.8&move=~H%C3%BCt:1.5&z=3:0.5,17:-1.25&own=H%C3%BCt:3.17:5.9&pad=z:3,z:4"
    drawn = {}
    for url, image in ((static.url, "canvas"), (f"{site.url}/", "img, #stage canvas")):
        page.goto(url + query)
        page.wait_for_selector(f"#stage .picture[data-face] {image}")
        page.wait_for_selector("#grid img")
        page.locator("#pixels input").check()
        page.wait_for_selector("#stage .picture.pixels")
        drawn[url] = page.get_attribute(SHOWN, "data-query"), saved(page, "[data-do=save]")
    (query_here, here), (query_there, there) = drawn.values()
    assert query_here == query_there
    states = [Face.from_json(Image.open(io.BytesIO(file)).text[METADATA_KEY]) for file in (here, there)]
    assert states[0] == states[1] and states[0].own[0].name == "Hüt"
    arrays = [np.asarray(Image.open(io.BytesIO(file)).convert("RGB"), np.int16) for file in (here, there)]
    assert arrays[0].shape == arrays[1].shape == (512, 512, 3)
    assert np.abs(arrays[0] - arrays[1]).max() <= 2
    for url, file in ((static.url, there), (f"{site.url}/", here)):  # each opens the other's
        page.goto(url)
        page.wait_for_selector("#grid img")
        path = tmp_path / "face.png"
        path.write_bytes(file)
        page.locator("#tools input[type=file]").set_input_files(path)
        shown(page, "seed === 7")
        assert page.get_attribute(SHOWN, "data-query") == query_here
        expect(page.locator("#pad .stands")).to_have_text("z 3 +0.5 · z 4 0")


@pytest.mark.parametrize("width", [390, 834])
def test_nothing_jumps_on_a_first_visit(browser, static, width):
    with browser.new_context(viewport={"width": width, "height": 844}) as context:  # whose cache holds nothing
        page = context.new_page()
        page.add_init_script(WATCH_SHIFT)
        page.goto(static.url)
        page.wait_for_selector(f"{SHOWN} canvas")
        page.evaluate("document.fonts.ready")
        assert page.evaluate("shift") <= MOST_SHIFT


def test_morph_photo_and_replay_need_no_server(page, static):
    visit(page, static, "model=tiny&seed=3")
    page.get_by_role("tab", name="Morph").click()
    page.wait_for_selector(".morph .strip canvas")
    page.wait_for_selector(".equation .results img")
    first = page.locator(".equation .small button").first
    example = first.get_attribute("aria-label")
    page.fill(".pick-seed input", "123456")
    page.click(".pick-seed button")
    expect(first).to_have_attribute("aria-label", "Face 1 of A, seed 123456: replace it")
    page.click(".example")
    expect(first).to_have_attribute("aria-label", example)
    film = saved(page, "[data-format=gif]")
    with Image.open(io.BytesIO(film)) as gif:
        assert gif.n_frames == 60 and gif.size == (256, 256)
        gif.seek(0)
        first = np.asarray(gif.convert("RGB"), np.int16)
    shown_first = pixels(page, ".film", "document.querySelector('.morph .strip button').click()")
    assert shown_first.shape == (512, 512, 4)
    wanted = shown_first[::2, ::2, :3]  # the film's first frame as the page plays it
    assert np.abs(first - wanted).mean() < 8  # 256 colours, and enlarged another way
    assert saved(page, "[data-format=webm]")[:4] == b"\x1a\x45\xdf\xa3"
    with Image.open(io.BytesIO(saved(page, ".sum-save"))) as equation:
        assert Face.from_json(equation.text[METADATA_KEY]).model == "tiny"

    page.get_by_role("tab", name="Replay").click()
    expect(page.locator(".sheet .when").first).to_contain_text("images")
    page.locator(".through .draw").click()
    expect(page.locator("#through-about")).to_have_text("Seed 3, truncation 1")
    expect(page.locator(".replay")).to_have_attribute("aria-busy", "false")
    run = json.loads((static.folder / "replay" / "tiny" / "run.json").read_text(encoding="utf-8"))
    whole = [f"The face after {images:,} images" for _, images, *_ in run["sheets"]]
    assert page.locator(".replay .tiles button").evaluate_all("(all) => all.map((tile) => tile.ariaLabel)") == whole
    assert saved(page, "[data-kind=csv]").startswith(b"images_seen,") and saved(page, "[data-kind=png]")[1:4] == b"PNG"

    page.get_by_role("tab", name="Photo").click()
    expect(page.locator(".photo .stays")).to_be_visible()
    expect(page.locator(".photo")).not_to_contain_text("server", use_inner_text=True)
    bring(page, Image.fromarray(draw_faces(1, 64, 3)[0][0]))
    page.locator(".photo .go").click()
    expect(page.locator(".photo .facts")).to_contain_text("Found:", timeout=60_000)
    page.locator(".photo .take").click()
    page.wait_for_function(f"() => JSON.parse(document.querySelector('{SHOWN}').dataset.face).latent")


def bring(page, image: Image.Image) -> None:
    file = {"name": "me.png", "mimeType": "image/png", "buffer": packed(image)}
    page.locator(".photo input.file").set_input_files(file)


def test_the_square_goes_round_a_face_that_is_found(page, static):
    brought(DETECTOR)
    visit(page, static, "model=tiny&seed=3")
    page.get_by_role("tab", name="Photo").click()
    expect(page.locator(".photo .stays")).to_be_visible()
    bring(page, with_a_face())
    spotted = page.locator(".photo .spotted")
    expect(spotted).to_have_text("A face was found; drag or size the square.", timeout=60_000)
    assert near_face(page.evaluate(KEPT_SQUARE))
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    bring(page, Image.fromarray(noise))
    expect(spotted).to_have_text("No face was found in this picture: put the square round one yourself.")
    assert page.evaluate(KEPT_SQUARE)["side"] == pytest.approx(216)


def test_the_card_beside_a_choice_follows_it_here_too(page, static, exports):
    told = {folder.name: brief(folder.name, folder, read_info(folder)) for folder in (exports.small, exports.tiny)}

    def shows(choice: str, model: str) -> None:
        card = page.locator(f"#{choice}-card .brief")
        expect(card).to_have_text(told[model]["line"])
        assert card.locator("img").get_attribute("src") == told[model]["picture"]

    visit(page, static, "model=tiny")
    shows("model", "tiny")
    page.locator("#model select").select_option("small")
    shows("model", "small")
    page.locator("#tools [data-step=undo]").click()
    shows("model", "tiny")
    for tab, choice in (("Morph", "morph-model"), ("Photo", "photo-model"), ("Replay", "replay-run")):
        page.get_by_role("tab", name=tab).click()
        shows(choice, "tiny")
        page.locator(f"#{choice} select").select_option("small")
        shows(choice, "small")
    expect(page.locator("#replay-second-card .brief")).to_be_empty()


def test_it_works_without_a_network_once_it_says_so(page, static, exports):
    visit(page, static, "model=small")
    expect(page.locator("#offline")).to_contain_text("this page and small")
    page.locator("#keep").click()
    expect(page.locator("#offline")).to_contain_text("All of it is kept in this browser")
    page.context.set_offline(True)
    try:
        page.goto("about:blank")
        visit(page, static, "model=tiny&seed=4")
        assert page.evaluate("crossOriginIsolated")  # from the second visit on: several threads draw
        expect(page.locator("#model-card .brief")).to_contain_text("16 px")
        slide(page, "Truncation", 0.7)
        shown(page, "truncation === 0.7")
        expect(page.locator("#seen .sees")).to_have_text(re.compile("^The classifier sees a "))
        expect(page.locator("#stage canvas")).to_have_attribute(
            "aria-label", re.compile(r"^A .*person.*, drawn by tiny")
        )
        picture = sample(load_generator(exports.tiny), 4, 1, 0.7)
        wanted = CLASSIFIER.probabilities(torch.from_numpy(picture).permute(0, 3, 1, 2) / 127.5 - 1)[0]
        told = re.findall(r"(\d+)\s%", page.inner_text("#seen .sees"))
        assert len(told) == sum(wanted > 0.5) and max(map(int, told)) == pytest.approx(100 * wanted.max().item(), abs=1)
        page.get_by_role("tab", name="Models").click()
        pair = page.locator("#models-viewer .pair canvas")
        expect(pair.last).to_have_attribute("aria-label", "Seed 0, drawn by tiny")  # of the first and the last
        expect(pair.first).to_have_attribute("aria-label", "Seed 0, drawn by small")
        page.locator("#models-viewer li[data-model='tiny'] summary").first.click()
        expect(page.locator("#models-viewer .card img").first).to_have_js_property("complete", True)
        page.locator("#models-viewer li[data-model='tiny'] [data-replay]").click()
        expect(page.locator(".sheet .when").first).to_contain_text("images")
    finally:
        page.context.set_offline(False)
