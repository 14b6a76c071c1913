"""The Photo tab where the browser draws: the search runs in there, and the photo goes nowhere. Its runtime is a small
stand-in, which knows networks by what their files say."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re

import numpy as np
import pytest
from photos import KEPT_SQUARE, packed
from PIL import Image
from playwright.sync_api import expect

from gan.data.photo import fitted
from gan.latent import lbfgs
from gan.latent.projection import STEPS
from gan.ui.state import Face
from gan.ui.values import decode_latent
from gan.ui.web import text

SIZE = 16
NUMBERS = 3 * SIZE * SIZE  # of z, which is the picture
RUNTIME = """
export const env = { wasm: {} };
export class Tensor {
    constructor(type, data, dims) { Object.assign(this, { type, data, dims }); }
}
const tensor = (data, ...dims) => ({ data: Float32Array.from(data), dims });
const networks = {
    generator: ({ z }) => ({ picture: tensor(z.data, z.dims[0], 3, 16, 16) }),
    encoder: ({ picture }) => ({ z: tensor(picture.data.map((level) => 0.5 * level), 1, 768) }),
    classifier: () => ({ features: tensor([1, 1], 1, 2), probabilities: tensor([1], 1, 1) }),
    search: ({ z, target }) => {
        const away = z.data.map((number, at) => number - target.data[at]);
        const error = away.reduce((sum, one) => sum + one * one / away.length, 0);
        return { picture: tensor(z.data, 1, 3, 16, 16), loss: tensor([error], 1), error: tensor([error], 1),
            feature_distance: tensor([error], 1), ...Object.fromEntries(
                ["gradient", "preconditioned"].map((name) => [name, tensor(away, 1, 768)])) };
    },
    detector: () => {
        const numbers = (count, fill = 0) => tensor(new Float32Array(count).fill(fill), count);
        const outputs = { "Identity:0": numbers(512, -9), "Identity_1:0": numbers(384, -9),
            "Identity_2:0": numbers(16 * 512), "Identity_3:0": numbers(16 * 384) };
        const at = 6 * (8 * 4 + 4); // of the cell below and right of the middle
        outputs["Identity_1:0"].data[at] = 9;
        // A box of a third of the picture in its middle, so that what is seen closer is the same; and marks of a face
        // whose square has two fifths of its side, in the upper left corner.
        const place = (share) => 256 * share - 256 * (4.5 / 8);
        const face = [[0.348, 0.439], [0.652, 0.439], [0.5, 0.6], [0.5, 0.772]];
        const marks = face.flat().map((share) => place(0.4 * share));
        outputs["Identity_3:0"].data.set([place(0.5), place(0.5), 256 / 3, 256 / 3, ...marks], 16 * at);
        return outputs;
    },
};
let left = BEFORE_IT_FAILS;
export const InferenceSession = { create: async (bytes) => ({
    run: async (inputs) => {
        await new Promise((done) => setTimeout(done, 5));
        if (left-- === 0) throw new Error("out of memory");
        return networks[new TextDecoder().decode(bytes)](inputs);
    },
    release: async () => {},
}) };
"""


DETECTOR, FILE = b"detector", "**/base/detector.onnx"


@pytest.fixture(params=[-1, 60], ids=["whole", "failing"])
def tab(bare, request):
    """The Photo tab of one model, by itself."""
    runtime = {"module": RUNTIME.replace("BEFORE_IT_FAILS", str(request.param)).encode(), "wasm": b"wasm"}
    networks = {name: name.encode() for name in ("generator", "encoder", "classifier", "search")}
    files = {f"base/{name}": content for name, content in runtime.items()}
    files |= {f"base/models/tiny/{name}": content for name, content in networks.items()}
    walk = {"memory": lbfgs.MEMORY, "longest": lbfgs.LONGEST, "shortest": lbfgs.SHORTEST}
    search = {"steps": STEPS, "largest_z": 4.0, **walk}
    facts = {
        "format_version": 2, "image_size": SIZE, "channels": 3, "z_dim": NUMBERS, "z_distribution": "normal",
        "directions": {"names": [], "vectors": "", "reach": 3}, "snapshots": {"places": [], "files": []},
        "search": search, "networks": {name: told(name, content) for name, content in networks.items()},
    }  # fmt: skip
    files["base/models/tiny/model.json"] = json.dumps(facts).encode()
    files["base/runtime.json"] = json.dumps({name: told(name, content) for name, content in runtime.items()}).encode()
    files["base/detector.json"] = json.dumps({"network": told("detector.onnx", DETECTOR)}).encode()
    page = bare(files)
    page.route(FILE, lambda route: route.fulfill(status=404))
    page.evaluate(
        """async (html) => {
            const main = document.querySelector("main");
            main.innerHTML = html;
            window.triggered = [];
            const { mount } = await import("/photo/photo.js");
            const { draws, offer, prepare } = await import("/engine/choosing.js");
            const props = { value: { about: { model: "tiny", size: 16, faces: true } } };
            mount({ element: main, props, trigger: (...event) => triggered.push(event), server: {}, watch() {} });
            window.prepare = async () => {
                offer("/base/", async () => true);
                prepare("tiny");
                while (!draws("tiny")) await new Promise((done) => setTimeout(done, 10));
            };
        }""",
        re.sub(r"\$\{\w+\}", "16000000", text("photo/photo.html").replace("${least}", "16")),
    )
    yield page
    page.close()


def told(name: str, content: bytes) -> dict:
    integrity = "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"file": name, "address": name, "bytes": len(content), "packed": len(content), "integrity": integrity}


def triggered(page) -> list:
    """Events of the tab that Python is told of, but for its opening."""
    return [event for event in page.evaluate("triggered") if event[0] != "opened"]


def found(page) -> Face:
    """That Edit in Explore takes over."""
    page.evaluate("document.addEventListener('face-wanted', (event) => { window.wanted = event.detail; })")
    page.get_by_role("button", name="Edit in Explore").click()
    return Face.from_json(page.evaluate("wanted"))


def test_a_face_is_looked_for_in_the_browser_and_the_photo_stays_there(tab, tiny_config, request):
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(30, 220, (SIZE, SIZE, 3), dtype=np.uint8)).resize((64, 64), Image.NEAREST)
    where = [tab.locator(".private .sent"), tab.locator(".private .stays")]
    expect(where[0]).to_be_visible()
    expect(where[1]).to_be_hidden()
    tab.evaluate("prepare()")
    expect(where[0]).to_be_hidden()
    expect(where[1]).to_contain_text("does not leave this device")
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.set_input_files(".file", {"name": "photo.png", "mimeType": "image/png", "buffer": packed(photo)})
    tab.get_by_role("button", name="Find this face").click()
    if "failing" in request.node.name:  # then nothing is sent without another click
        expect(tab.locator(".message")).to_contain_text("Press again, and the server does it")
        expect(where[0]).to_be_visible()
        expect(where[1]).to_be_hidden()
        assert triggered(tab) == []
        tab.locator(".go").click()
        [[event, sent]] = triggered(tab)
        assert event == "find" and sent["asked"]["model"] == "tiny" and sent["asked"]["content"]
        return
    expect(tab.locator(".step")).to_contain_text(re.compile(r"step [1-9]\d* of 100"))
    tab.get_by_role("button", name="Stop").click()
    expect(tab.locator(".facts")).to_contain_text("Stopped after")
    stopped = tab.locator(".step").text_content()
    tab.get_by_role("button", name="Find it again").click()
    expect(tab.locator(".step")).to_have_text("step 100 of 100")
    assert stopped != "step 100 of 100"
    expect(tab.locator(".facts")).to_contain_text("Found:")
    target = fitted(photo, tiny_config)
    face = found(tab)
    assert np.abs(decode_latent(face.latent).numpy() - target.flatten().numpy()).max() < 0.05
    shown = tab.locator(".result img").get_attribute("src")
    assert Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))).size == (2 * SIZE, 2 * SIZE)
    sent = [url for url in requests if not re.search("/base/|^data:|^blob:", url)]
    assert triggered(tab) == [] and sent == []


def bring(page) -> None:
    photo = Image.new("RGB", (64, 64), "gray")
    page.set_input_files(".file", {"name": "photo.png", "mimeType": "image/png", "buffer": packed(photo)})


@pytest.mark.parametrize("tab", [-1], indirect=True)
@pytest.mark.parametrize("moved", [False, True])
def test_the_square_goes_round_a_face_unless_it_was_moved(tab, moved):
    asked = []
    tab.route(FILE, lambda route: asked.append(route))
    tab.evaluate("prepare()")
    assert not asked
    bring(tab)
    spotted = tab.locator(".spotted")
    expect(spotted).to_have_text("Looking for a face…")
    if moved:
        tab.locator(".crop").press("ArrowUp")
    before = tab.evaluate(KEPT_SQUARE)
    while not asked:
        tab.wait_for_timeout(50)
    [route] = asked
    route.fulfill(body=DETECTOR)
    expect(spotted).to_have_text("" if moved else "A face was found; drag or size the square.")
    square = tab.evaluate(KEPT_SQUARE)
    assert square == before if moved else square == pytest.approx({"x": 12.8, "y": 12.8, "side": 25.6, "tilt": 0})


@pytest.mark.parametrize("tab", [-1], indirect=True)
@pytest.mark.parametrize("answer", [{"status": 404}, {"body": b"anything"}])
def test_without_the_detector_all_is_as_it_was(tab, answer):
    tab.route(FILE, lambda route: route.fulfill(**answer))
    tab.evaluate("prepare()")
    with tab.expect_console_message(lambda message: message.text.startswith("No face was looked for")):
        bring(tab)
    expect(tab.locator(".private .stays")).to_be_visible()  # this browser draws as before
    expect(tab.locator(".go")).to_be_enabled()
    expect(tab.locator(".spotted")).to_have_text("")
    expect(tab.locator(".message")).to_be_hidden()
    assert tab.evaluate(KEPT_SQUARE) == {"x": 32, "y": 32, "side": 64, "tilt": 0}
