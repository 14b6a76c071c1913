"""Explore where the visitor's own browser draws: the same pictures as the server's, and the server when it cannot."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from exports import brought
from photos import KEPT_SQUARE, near_face, packed, with_a_face
from playwright.sync_api import expect
from serving import serve, show

from gan.export.packages import DETECTOR, RUNTIME
from gan.sampling import generate, latents
from gan.ui.browser_models import BrowserModels
from gan.ui.drawing import draw, picture_uri
from gan.ui.state import Face
from gan.weights import load_generator

pytestmark = pytest.mark.timeout(300)  # two models are exported first
DRAG = """([label, steps, pause]) => {
    const input = document.querySelector(`[aria-label="${label}"]`);
    for (let i = 1; i <= steps; i++) setTimeout(() => {
        input.value = (2 * i / steps).toFixed(2);
        input.dispatchEvent(new Event("input", {bubbles: true}));
    }, i * pause);
}"""
ORDER = """(value) => {
    const order = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message) { order.push("worker"); return post.call(this, message); };
    const input = document.querySelector("#sliders input[type=range]");
    input.addEventListener("input", () => order.push("slider"), { once: true });
    document.addEventListener("face-moved", () => order.push("page"), { once: true });
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    Worker.prototype.postMessage = post;
    return order;
}"""
NEW_NODES = """async (value) => {
    const found = [];
    const watcher = new MutationObserver((changes) => {
        const ours = changes.filter(({ target }) => target.closest("#stage, #moved, #pad, #sliders"));
        found.push(...ours.map(({ target }) => target.outerHTML));
    });
    watcher.observe(document, { subtree: true, childList: true });
    const query = () => document.querySelector("#stage .picture").dataset.query;
    const before = query();
    const input = document.querySelector("[aria-label='range slider for z 3']");
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (query() === before) await new Promise(requestAnimationFrame);
    return found;
}"""
PIXELS = """() => {
    const canvas = document.querySelector("#stage canvas");
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return { width, data: [...data], hidden: canvas.hidden,
        face: document.querySelector("#stage .picture").dataset.face };
}"""


@pytest.fixture(scope="module")
def drawing(site, exports):
    """The page of `site`'s models, of which browsers draw "small" by themselves."""
    brought(RUNTIME)
    with pytest.MonkeyPatch.context() as patch:
        made = exports.files / "small"
        patch.setattr(BrowserModels, "find", lambda self, name: (made if name == "small" else None, False))
        patch.setenv("GAN_BROWSER", "on")
        with serve(site.library) as served:
            yield served


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page; see `visit`."""
    return staying


def visit(page, site, query: str = "model=small") -> None:
    """Open the page by a link; or show its face on the page that is there, if the browser still draws."""
    drawer = page.locator("#stage .drawer span")
    if page.url.startswith(site.url) and drawer.is_visible() and drawer.inner_text() == "Your browser draws":
        page.get_by_role("tab", name="Explore").click()
        show(page, Face.from_query(dict(urllib.parse.parse_qsl(query)), Face("small")))
        return
    page.goto(f"{site.url}/?{query}")
    page.wait_for_selector("#grid img")
    page.wait_for_selector("#model-card p")  # nothing more is asked for
    expect(page.locator("#stage .drawer span")).to_have_text("Your browser draws", timeout=60_000)


def move(page, label: str, value: float, wanted: str) -> None:
    slider = page.get_by_label(f"range slider for {label}", exact=True)
    script = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }"
    slider.evaluate(script, value)
    shows(page, wanted)


def shows(page, wanted: str) -> None:
    page.wait_for_function(
        "wanted => document.querySelector('#stage [data-query]').dataset.query === wanted", arg=wanted
    )


def close_worker(page) -> None:
    """End what draws, not one of its threads."""
    [worker] = (worker for worker in page.workers if worker.url.endswith("/worker.js"))
    worker.evaluate("self.close()")


def test_the_browser_draws_what_the_server_draws_without_asking_it(page, drawing):
    visit(page, drawing, "model=small&seed=7")
    asked = []
    page.on("request", lambda request: "component_server" in request.url and asked.append(request.post_data))
    page.get_by_label("Pixels").check()
    move(page, "z 3", 2, "model=small&seed=7&truncation=1&z=3:2")
    move(page, "Truncation", 0.55, "model=small&seed=7&truncation=0.55&z=3:2")
    shown = page.evaluate(PIXELS)
    wanted = draw(drawing.library, Face("small", 7, 0.55, {3: 2}))
    assert Face.from_json(shown["face"]) == Face("small", 7, 0.55, {3: 2}) and not shown["hidden"]
    found = np.reshape(shown["data"], (16, 16, 4))[..., :3]
    assert np.abs(found - wanted.pixels.astype(int)).max() <= 2
    expect(page.locator("#stage .percent")).to_have_text(f"{100 * wanted.score:.0f} %")
    page.get_by_label("Pixels").uncheck()
    page.wait_for_function("document.querySelector('#stage canvas').width === 32")
    page.click("#pad .toggle")
    expect(page.locator("#pad .thumbnails img")).to_have_count(25)
    assert not asked
    expect(page.locator("#stage canvas")).to_have_attribute("aria-label", re.compile("small"))
    assert page.evaluate(ORDER, 1) == ["worker", "page", "slider"]  # nothing delays the picture


def test_a_face_is_found_in_a_photo_without_the_server(page, drawing):
    brought(DETECTOR)
    visit(page, drawing, "model=small&seed=7")
    page.get_by_role("tab", name="Photo").click()
    expect(page.locator(".photo .stays")).to_be_visible()
    asked = []
    page.on("request", lambda request: len(request.post_data or "") > 5000 and asked.append(request.url))
    file = {"name": "photo.png", "mimeType": "image/png", "buffer": packed(with_a_face())}
    page.set_input_files("#photo-viewer .file", file)
    expect(page.locator(".photo .spotted")).to_have_text("A face was found; drag or size the square.")
    assert near_face(page.evaluate(KEPT_SQUARE))
    assert not asked


def test_faces_are_chosen_without_the_server(page, drawing):
    visit(page, drawing, "model=small&seed=7&z=3:2")
    asked = []
    page.on("request", lambda request: "gradio_api" in request.url and asked.append(request.url))
    z3 = page.get_by_label("range slider for z 3", exact=True)
    assert page.evaluate(NEW_NODES, 2.5) == []  # after which the browser would lay out the whole page
    page.get_by_label("Faces after these").click()
    page.locator("#grid [data-seed='30']").click()
    shows(page, "model=small&seed=30&truncation=1&z=3:2.5")  # sliders stay
    expect(page.locator("#grid [data-seed='30']")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("number input for Seed")).to_have_value("30")
    expect(z3).to_have_value("2.5")
    move(page, "z 3", 1, "model=small&seed=30&truncation=1&z=3:1")
    first = page.locator("#grid [data-seed='24'] img")
    before = first.get_attribute("src")
    move(page, "Truncation", 0.55, "model=small&seed=30&truncation=0.55&z=3:1")
    expect(first).not_to_have_attribute("src", before)
    page.click("#reset")
    shows(page, "model=small&seed=30&truncation=1")
    expect(first).to_have_attribute("src", before)
    expect(page.get_by_label("number input for Truncation")).to_have_value("1")
    expect(z3).to_have_value("0")
    page.click("#random")
    page.wait_for_function("document.querySelector('#stage [data-seed]').dataset.seed !== '30'")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    shows(page, "model=small&seed=30&truncation=0.55&z=3:1")
    expect(z3).to_have_value("1")
    expect(page.get_by_label("number input for Seed")).to_have_value("30")
    assert not asked
    close_worker(page)
    page.locator("#grid [data-seed='26']").click()
    shows(page, "model=small&seed=26&truncation=0.55&z=3:1")
    expect(page.locator("#stage .picture img")).to_be_visible()
    expect(z3).to_have_value("1")


def test_the_switch_is_a_key_away_and_remembered(page, drawing):
    visit(page, drawing)
    switch = page.get_by_role("switch", name="Draw in this browser")
    expect(switch).to_have_attribute("aria-checked", "true")
    try:
        switch.focus()
        page.keyboard.press("Space")
        expect(switch).to_have_attribute("aria-checked", "false")
        move(page, "z 1", 1, "model=small&seed=0&truncation=1&z=1:1")
        expect(page.locator("#stage .picture img")).to_be_visible()
        page.reload()
        expect(switch).to_have_attribute("aria-checked", "false")
        expect(page.locator("#stage .drawer span")).to_have_text("The server draws")
        switch.click()
        expect(page.locator("#stage .drawer span")).to_have_text("Your browser draws", timeout=60_000)
    finally:
        page.evaluate("localStorage.clear()")


def test_a_worker_that_dies_in_the_middle_of_a_drag_loses_no_move(page, drawing):
    visit(page, drawing)
    page.evaluate(DRAG, ["range slider for z 6", 80, 40])
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.includes('z=6:0.')")
    expect(page.locator("#stage canvas")).to_be_visible()
    close_worker(page)  # as silently as where memory ran out
    page.wait_for_function("document.querySelector('#stage [data-query]').dataset.query.endsWith('z=6:2')")
    expect(page.locator("#stage .picture img")).to_be_visible()
    wanted = draw(drawing.library, Face("small", 0, 1.0, {6: 2}))
    assert page.get_attribute("#stage .picture img", "src") == picture_uri(wanted.pixels, smooth=True)
    expect(page.locator("#stage .drawer span")).to_have_text("It could not: the server draws")
    machine = page.context.new_cdp_session(page)
    machine.send("Emulation.setHardwareConcurrencyOverride", {"hardwareConcurrency": 4})
    page.get_by_role("switch").click()
    expect(page.locator("#stage .drawer span")).to_have_text("Your browser draws", timeout=60_000)
    machine.detach()
    assert len(page.workers) == 2  # threads, of which worker.js is one


def test_there_is_no_switch_for_a_model_that_only_the_server_can_draw(page, drawing):
    with page.expect_response(re.compile(r"/browser/models/runs%2Ftiny/model\.json")) as answer:
        page.goto(f"{drawing.url}/?model=runs/tiny")
    assert answer.value.status == 204
    page.wait_for_selector("#grid img")
    expect(page.locator("#stage .drawer")).to_be_hidden()
    visit(page, drawing, "model=small")
    expect(page.locator("#stage .drawer")).to_be_visible()


def test_it_can_be_turned_off(page, site):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.url)
    page.wait_for_selector("#grid img")
    expect(page.locator("#stage .drawer")).to_be_hidden()
    assert not [url for url in asked if "/browser/" in url]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{site.url}/browser/runtime.json")


@pytest.mark.parametrize(
    "path",
    [
        "models/small/..%2f..%2fconfig.json",
        "models/small/config.json",
        "models/none/x.onnx",
        "runtime/1.0.0/ort.wasm.bundle.min.mjs",
        f"runtime/{RUNTIME.version}/..%2fx",
        f"detector/{RUNTIME.version}/{DETECTOR.files['network'].name}",
        f"detector/{DETECTOR.version}/ort.wasm.bundle.min.mjs",
    ],
)
def test_nothing_else_is_served(drawing, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{drawing.url}/browser/{path}")


def isolation(url: str, wanted_as: str = "") -> list[str | None]:
    """What an answer says of other sites' pages; wanted_as: as browsers tell it, "" as other clients do not."""
    asked = urllib.request.Request(url, headers={"Sec-Fetch-Dest": wanted_as} if wanted_as else {})
    with urllib.request.urlopen(asked) as answer:
        return [answer.headers[f"cross-origin-{part}-policy"] for part in ("opener", "embedder", "resource")]


def test_a_page_in_its_own_tab_may_share_memory_with_threads(page, drawing, site):
    visit(page, drawing)
    assert page.evaluate("crossOriginIsolated")
    assert isolation(drawing.url, "document") == ["same-origin", "credentialless", None]
    assert isolation(drawing.url, "iframe") == isolation(drawing.url) == [None, None, None]
    assert isolation(f"{drawing.url}/config") == [None, None, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_BROWSER", "off")
        assert isolation(site.url, "document") == [None, None, None]


def test_what_is_served_is_packed_and_kept_for_good(drawing):
    wasm = json.load(urllib.request.urlopen(f"{drawing.url}/browser/runtime.json"))["wasm"]
    asked = urllib.request.Request(f"{drawing.url}/browser/{wasm['address']}", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked) as answer:
        assert "immutable" in answer.headers["cache-control"] and answer.headers["content-encoding"] == "gzip"
        assert len(answer.read()) < wasm["bytes"] / 3


@pytest.mark.parametrize("difference, alike", [(2, True), (3, False)])
def test_pictures_that_differ_from_the_servers_are_noticed(site, run, difference, alike):
    folder = site.library.entry("small").folder
    generator = load_generator(folder)
    [pixels] = generate(generator, latents(generator.config, [1]))
    other = np.where(pixels > 127, pixels - difference, pixels + difference)
    rgba = np.concatenate([other, np.full_like(pixels[..., :1], 255)], axis=-1)
    script = """(m, [facts, picture, pixels]) => m.drawsAlike(
        "small",
        { open: async () => facts, pictures: async () => ({ pixels: Uint8ClampedArray.from(pixels) }) },
        { draw: async () => ({ picture }) },
    )"""
    facts = {"z_dim": 20, "z_distribution": "normal", "image_size": 16}
    asked = [facts, picture_uri(pixels, smooth=False), rgba.ravel().tolist()]
    assert run("engine/parity.js", script, asked) is alike
