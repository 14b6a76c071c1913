"""The Photo tab in a real browser: any file becomes the right picture or the right sentence, and is kept nowhere."""

from __future__ import annotations

import base64
import io
import json
import re
import time

import numpy as np
import pytest
from photos import blank_png, packed
from PIL import Image
from playwright.sync_api import Page, expect
from serving import Site, cut_off

from gan.ui import photo_server
from gan.ui.state import Face

TAB = "#photo-viewer"
STEPS = re.compile(r"step \d+ of 100")


@pytest.fixture
def page(staying):
    """Open already, where a test before it has left the page: whoever brings a picture begins anew."""
    return staying


def visit(page: Page, site: Site, query: str = "") -> None:
    if query or not page.url.startswith(site.url):
        page.goto(f"{site.url}/{query}")
    page.get_by_role("tab", name="Photo").click()
    expect(page.get_by_label("Model", exact=True).locator("visible=true")).not_to_have_value("")


def bring(page: Page, content: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    page.evaluate(f"() => {{ const crop = document.querySelector('{TAB} .crop'); crop.width = crop.width; }}")  # blank
    page.set_input_files(f"{TAB} .file", {"name": name, "mimeType": kind, "buffer": content})


def seen(page: Page) -> np.ndarray:
    """What the square shows, once there is a picture in it: (512, 512, 3)."""
    expect(page.locator(f"{TAB} .crop")).to_be_visible()
    page.wait_for_function(f"document.querySelector('{TAB} .crop').getContext('2d').getImageData(9, 9, 1, 1).data[3]")
    uri = page.evaluate(f"document.querySelector('{TAB} .crop').toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB")).astype(int)


def quarters(side: int = 80, mode: str = "RGB") -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (side, side), "white")
    half = side // 2
    for colour, box in {"red": (0, 0), "lime": (half, 0), "blue": (0, half)}.items():
        image.paste(colour, (*box, box[0] + half, box[1] + half))
    return image.convert(mode)


def colours(page: Page) -> list[tuple[int, ...]]:
    """In the middle of the four quarters, to the nearest of all and nothing."""
    picture = seen(page)
    return [tuple((picture[y, x] > 127) * 255) for y in (128, 384) for x in (128, 384)]


RED, LIME, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    return packed(quarters(), "JPEG", exif=exif, quality=95)


def transparent() -> bytes:
    image = quarters(mode="RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 40, 40))
    return packed(image)


def animated() -> bytes:
    return packed(quarters(), "GIF", save_all=True, append_images=[Image.new("RGB", (80, 80), "black")], duration=20)


def in_parts() -> bytes:
    """Of three scans, with another JPEG in its head, and a film at its end, as phones put there."""
    thumbnail = packed(quarters(), "JPEG")
    head = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = packed(quarters(), "JPEG", quality=95, progressive=True)
    return whole[:2] + head + whole[2:] + b"\0\0\0\x18ftypmp42\xff\xda\0\x08" + bytes(500)


HALF = packed(Image.effect_noise((300, 300), 60), "JPEG")
HALF = HALF[: len(HALF) // 2]


def test_there_is_nothing_to_crop_before_a_picture(page, site):
    visit(page, site, "?model=small")
    bring(page, b"This is a letter, not a picture.")
    expect(page.locator(f"{TAB} .message")).to_be_visible()
    expect(page.locator(f"{TAB} .work")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (packed(quarters()), "image/png", [RED, LIME, BLUE, WHITE]),
        (packed(quarters(mode="CMYK"), "JPEG", quality=95), "image/jpeg", [RED, LIME, BLUE, WHITE]),
        (animated(), "image/gif", [RED, LIME, BLUE, WHITE]),
        (turned(), "image/jpeg", [BLUE, RED, WHITE, LIME]),
        (in_parts(), "image/jpeg", [RED, LIME, BLUE, WHITE]),
        (transparent(), "image/png", [WHITE, LIME, BLUE, WHITE]),
        (packed(quarters(), "TIFF"), "image/tiff", [RED, LIME, BLUE, WHITE]),  # which only the server can open
        (packed(Image.new("I;16", (80, 80), 50_000)), "image/png", [WHITE] * 4),
    ],
    ids=["plain", "CMYK", "animated", "EXIF-rotated", "in parts", "alpha", "TIFF", "16 bits"],
)
def test_any_picture_is_shown_as_it_is_meant(page, site, content, kind, expected):
    visit(page, site)
    bring(page, content, kind=kind)
    assert colours(page) == expected
    expect(page.locator(f"{TAB} .message")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"This is a letter, not a picture.", "not a picture that can be read"),
        (b"", "not a picture that can be read"),
        (packed(Image.new("RGB", (1, 1))), "1 x 1 pixels: expected at least 16"),
        (blank_png(20_000, 20_000), re.compile("(20,000 x 20,000|178 million) pixels: expected at most 50 million")),
        (packed(Image.effect_noise((300, 300), 60), "JPEG")[:300], re.compile("damaged|not a picture")),
        (HALF, "This JPEG is cut short"),
    ],
    ids=["letter", "empty", "1x1", "20,000x20,000", "cut short", "half"],
)
def test_a_bad_file_is_told_in_one_sentence_and_the_next_one_works(page, site, content, said):
    visit(page, site)
    bring(page, content)
    message = page.locator(f"{TAB} .message")
    expect(message).to_contain_text(said)
    assert len(message.text_content()) < 160
    bring(page, packed(quarters()))
    assert colours(page) == [RED, LIME, BLUE, WHITE]
    expect(message).to_be_hidden()


HAND_OVER = """async ([event, content]) => {
    const bytes = await (await fetch("data:;base64," + content)).arrayBuffer();
    const data = new DataTransfer();
    data.items.add(new File([bytes], "photo.png", { type: "image/png" }));
    const options = { dataTransfer: data, clipboardData: data, bubbles: true, cancelable: true };
    document.body.dispatchEvent(event === "drop" ? new DragEvent(event, options) : new ClipboardEvent(event, options));
}"""


def test_a_photo_is_dropped_or_pasted(page, site):
    visit(page, site)
    for event, image in (("drop", quarters()), ("paste", quarters().rotate(180))):
        page.evaluate(HAND_OVER, [event, base64.b64encode(packed(image)).decode()])
        expect(page.locator(f"{TAB} .message")).to_be_hidden()
        page.wait_for_timeout(200)
        assert colours(page) == ([RED, LIME, BLUE, WHITE] if event == "drop" else [WHITE, BLUE, LIME, RED])


def test_a_file_that_is_too_heavy_is_not_even_read(page, site):
    visit(page, site)
    file = "new File([new ArrayBuffer(20 * 2 ** 20 + 1)], 'x.png')"
    page.evaluate(
        f"const d = new DataTransfer(); d.items.add({file}); "
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: d, bubbles: true, cancelable: true }))"
    )
    expect(page.locator(f"{TAB} .message")).to_contain_text("20 MB: expected a picture of at most 20 MB")


def test_the_square_is_moved_by_mouse_keys_and_sliders(page, site):
    visit(page, site)
    bring(page, packed(quarters()))
    colours(page)
    square = page.locator(f"{TAB} .crop")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + box["width"] / 2, middle[1] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert tuple((seen(page)[384, 384] > 127) * 255) == RED  # its upper left corner is in the middle now
    assert abs(seen(page)[384, 384] - RED).max() < 3
    square.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    assert colours(page) == [RED, LIME, BLUE, WHITE]
    before = seen(page)
    page.keyboard.press("+")
    page.keyboard.press("-")
    assert np.abs(seen(page) - before).mean() < 1
    for _ in range(20):
        page.keyboard.press("+")
    zoomed = seen(page)
    assert np.abs(zoomed - before).mean() > 0.2
    page.locator(f"{TAB} .tilt").evaluate("e => { e.value = 45; e.dispatchEvent(new Event('input')); }")
    tilted = seen(page)
    assert [tuple((tilted[y, x] > 127) * 255) for y, x in ((128, 256), (256, 384), (384, 256), (256, 128))] == [
        RED, LIME, WHITE, BLUE,
    ]  # fmt: skip


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(photo_server, "STEPS", 10)


def test_the_square_and_nothing_else_is_sent(page, site, few_steps):
    visit(page, site)
    sent = []  # whatever could hold a picture
    page.on("request", lambda request: len(request.post_data or "") > 5000 and sent.append(request.post_data))
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    bring(page, packed(noise))
    wanted = seen(page)
    page.wait_for_timeout(300)
    assert not sent
    page.get_by_role("button", name="Find this face").click()
    expect(page.locator(f"{TAB} .found")).to_be_visible()
    (asked,) = [json.loads(text)["event_data"]["asked"] for text in sent]
    page.get_by_role("button", name="Edit in Explore").wait_for()  # or the search would break off with the page
    assert set(asked) == {"model", "content"}
    square = np.asarray(Image.open(io.BytesIO(base64.b64decode(asked["content"]))).convert("RGB")).astype(int)
    assert square.shape == (256, 256, 3)
    reduced = wanted.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(square - reduced).mean() < 25 < np.abs(square[::-1] - reduced).mean()


def test_a_face_is_found_and_taken_to_explore(page, site):
    visit(page, site, "?model=runs/tiny")
    picture = page.locator(f"{TAB} .found")
    expect(page.get_by_label("Model", exact=True).locator("visible=true")).to_have_value("runs/tiny")  # Explore's
    bring(page, packed(quarters()))
    expect(page.get_by_role("button", name="Edit in Explore")).to_be_hidden()
    page.get_by_role("button", name="Find this face").click()
    expect(picture).to_be_visible()
    take = page.get_by_role("button", name="Edit in Explore")
    take.wait_for()
    expect(page.locator(f"{TAB} .step")).to_have_text("step 100 of 100")
    expect(page.locator(f"{TAB} .facts")).to_contain_text(re.compile(r"Found: \d+\.\d dB PSNR, .*first guess"))
    assert page.locator(f"{TAB} .curve .line").get_attribute("points").count(",") == 101
    expect(picture).to_have_attribute("alt", re.compile(r"^The nearest picture that .* was found to draw: \d+\.\d dB$"))
    assert page.locator(f"{TAB} .target").get_attribute("alt")
    found = picture.get_attribute("src")
    take.click()
    stage = page.locator("#stage [data-query*='latent=']")
    stage.wait_for()
    face = Face.from_json(stage.get_attribute("data-face"))
    assert face.model == "runs/tiny" and face.latent
    shown = [Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB") for uri in (
        found, stage.locator("img").get_attribute("src"))]  # fmt: skip
    assert np.abs(np.asarray(shown[0]).astype(int) - np.asarray(shown[1])).max() < 8
    expect(page.locator("#explore")).to_be_visible()


@pytest.fixture
def slow(monkeypatch):
    descend = photo_server.descend

    def slower(*arguments, **options):
        for moment in descend(*arguments, **options):
            time.sleep(0.05)
            yield moment

    monkeypatch.setattr(photo_server, "descend", slower)


def test_a_search_is_shown_live_and_stopped(page, site, slow):
    visit(page, site)
    bring(page, packed(quarters()))
    step = page.locator(f"{TAB} .step")
    for _ in range(3):  # a place that were not given back would be missing
        page.locator(f"{TAB} .go").click()
        expect(step).to_have_text(STEPS)
        first = step.text_content()
        expect(step).not_to_have_text(first)
        expect(page.locator(f"{TAB} .go")).to_be_disabled()
        page.get_by_role("button", name="Stop").click()
        stopped = step.text_content()
        expect(page.locator(f"{TAB} .facts")).to_contain_text("Stopped after")
        page.wait_for_timeout(400)
        assert step.text_content() == stopped
        expect(page.get_by_role("button", name="Edit in Explore")).to_be_visible()
    bring(page, packed(quarters(100)))
    expect(page.get_by_role("button", name="Edit in Explore")).to_be_hidden()
    expect(page.locator(f"{TAB} .found")).to_be_hidden()


def test_a_phone_shows_it_all(phone, site, few_steps):
    visit(phone, site)
    bring(phone, packed(quarters()))
    phone.get_by_role("button", name="Find this face").tap()
    phone.get_by_role("button", name="Edit in Explore").wait_for()
    for scheme in ("light", "dark"):
        phone.emulate_media(color_scheme=scheme)
        assert not cut_off(phone), scheme
        for button in phone.locator(f"{TAB} button:visible").all():
            box = button.bounding_box()
            assert box["height"] >= 36 and box["x"] >= 0 and box["x"] + box["width"] <= 390
    for control in phone.locator(f"{TAB} :is(input:visible, canvas, .file)").all():
        assert control.evaluate("e => e.ariaLabel || e.labels.length > 0")
