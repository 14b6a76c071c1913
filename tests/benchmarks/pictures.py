"""The page's pictures in README.md, of the page as it is.

    python tests/benchmarks/pictures.py docs

Each tab on a desktop, 1280 x 800 pixels; --all shows them on a phone and in the dark too, to be looked at.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright
from server import ROOT, free_port, process

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

from gan import load_generator, sample

MODEL, SEED = "faces128", 12
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SHEETS = 5  # that a training has drawn before it is shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--tabs", nargs="+", choices=TABS, default=list(TABS))
    parser.add_argument("--all", action="store_true", help="on a phone and in the dark too")
    options = parser.parse_args()
    looks = [("", "light", DESKTOP)]
    if options.all:
        looks += [("-dark", "dark", DESKTOP), ("-phone", "light", PHONE), ("-phone-dark", "dark", PHONE)]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        url = f"http://127.0.0.1:{free_port()}"
        command = ("app.py", "--runs", Path(scratch) / "runs", "--port", urlsplit(url).port, "--train")
        with process(*command, url=url):
            browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
            for tab in options.tabs:
                for name, theme, size in looks:
                    page = browser.new_page(viewport=size, color_scheme=theme)
                    page.set_default_timeout(600_000)
                    page.goto(f"{url}/?__theme={theme}&model={MODEL}&seed={SEED}&truncation=0.8")
                    page.wait_for_selector("#grid img")
                    if tab != "explore":
                        page.get_by_role("tab", name=tab.capitalize()).click()
                    TABS[tab](page)
                    page.wait_for_timeout(1000)  # what moves has come to rest
                    save(page, options.out / f"{tab}{name}.webp")
                    page.close()
            browser.close()


def explore(page: Page) -> None:
    page.locator("#stage .drawer span", has_text="Your browser draws").wait_for()
    page.locator("#seen .moves", has_text="Move a slider").wait_for()
    for value in (*[0.1 * step for step in range(15)], 1.5):  # a frame takes longer while all is new
        put(page.get_by_label("range slider for Smile", exact=True), value)
        page.wait_for_timeout(100)
    page.locator("#seen .moves", has_text="Smile +").wait_for()


def morph(page: Page) -> None:
    viewer = page.locator("#morph-viewer")
    viewer.locator(".faces li:nth-child(4) img").wait_for()
    for seed in (4, 28):  # who are told apart at a glance
        viewer.locator(".faces li:nth-child(3)").get_by_text("×").click()
        viewer.get_by_label("Seed of a face to add").fill(str(seed))
        viewer.get_by_role("button", name="Add", exact=True).click()
        viewer.locator(".faces li", has_text=f"seed {seed}").wait_for()
    viewer.locator(".strip button:nth-child(8)").wait_for()
    page.wait_for_timeout(3000)
    if viewer.locator(".playing").count():
        viewer.locator(".play").click()
    put(viewer.locator(".scrub"), 9)


def photo(page: Page) -> None:
    """A photo of nobody: what another model draws."""
    pixels = sample(load_generator(ROOT / "weights" / "faces64"), seed=21, n=1)[0]
    picture = Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "png")
    page.locator("#photo-viewer input.file").set_input_files(
        {"name": "nobody.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    page.locator("#photo-viewer .go").click()
    page.locator("#photo-viewer .facts", has_text="Found:").wait_for()


def replay(page: Page) -> None:
    page.get_by_role("tab", name="Models").click()
    page.locator("[data-replay=faces64]").click()
    page.locator("#replay-viewer .name", has_text="faces64").first.wait_for()
    lanes = page.locator("#replay-viewer .lanes")
    page.wait_for_timeout(2000)
    page.locator('#replay-viewer .replay[aria-busy="false"]').wait_for()  # all sheets are here
    lanes.click(position={"x": 0.5 * lanes.bounding_box()["width"], "y": 120})


def models(page: Page) -> None:
    page.wait_for_selector("#models-viewer .drawn :is(img[src], canvas:not([hidden]))")
    put(page.get_by_label("Seed of both pictures"), 21)
    page.locator("#models-viewer .chapter").first.evaluate("(part) => part.scrollIntoView()")


def train(page: Page) -> None:
    """Drawn faces, learned for a while; the first look begins the training, the others show it too."""
    page.wait_for_selector(".train .pictures img")
    if not page.locator(".train li").count():
        page.locator(".train [name=preset]").select_option("dlnd-celeba28")
        page.locator(".train [name=minutes]").fill("30")
        page.get_by_role("button", name="Start training").click()
    page.wait_for_function(f"+document.querySelector('.train .sheet')?.dataset.sheet >= {SHEETS}")


TABS: dict[str, Callable[[Page], None]] = {
    "explore": explore,
    "morph": morph,
    "photo": photo,
    "replay": replay,
    "models": models,
    "train": train,
}


def put(slider: Locator, value: float) -> None:
    """Move a slider as a visitor does."""
    script = "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); }"
    slider.evaluate(script, value)


def save(page: Page, path: Path) -> None:
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(path, quality=80, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
