"""A first visit with a watch, in headless Chromium: seconds and clicks, as somebody needs at least who knows the way.

    python tests/benchmarks/first_visit.py

Each task begins where the one before ended. A finger and a mouse take no time: what is told is what the page takes.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from server import ROOT, faces64, free_port, process

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

SCREENS = {"desktop": dict(viewport={"width": 1280, "height": 900}),
           "phone": dict(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)}  # fmt: skip
SHOWN = "#stage .picture[data-query]"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    expect.set_options(timeout=120_000)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
        with process("app.py", "--no-train", "--weights", faces64(Path(scratch)), "--port", port, url=url):
            for screen in SCREENS:
                visit(browser, url, screen)
        browser.close()


def visit(browser: Browser, url: str, screen: str) -> None:
    """Print a line for each task of one visitor, whose browser knows nothing."""
    context = browser.new_context(**SCREENS[screen], permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(120_000)
    for name, task in {
        "first changed face": change,
        "shared link": share,
        "kept film": keep,
        "found photo": find,
    }.items():
        started = time.perf_counter()
        clicks = task(page, url)
        print(f"{screen:8} {name:18} {time.perf_counter() - started:5.1f} s, {clicks} clicks", flush=True)
    context.close()


def change(page: Page, url: str) -> int:
    page.goto(url, wait_until="commit")
    track = page.locator("#sliders input[type=range]").first
    page.wait_for_selector(SHOWN)
    before = page.get_attribute(SHOWN, "data-query")
    box = track.bounding_box()
    track.click(position={"x": 0.8 * box["width"], "y": box["height"] / 2})
    page.wait_for_function(
        "([shown, before]) => document.querySelector(shown).dataset.query !== before", arg=[SHOWN, before]
    )
    return 1


def share(page: Page, _: str) -> int:
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#tools .said [role=status]")).not_to_be_empty()
    return 1


def keep(page: Page, _: str) -> int:
    page.get_by_role("tab", name="Morph", exact=True).click()
    with page.expect_download():
        page.locator("#morph-viewer [data-format=webp]").click()
    return 2


def find(page: Page, _: str) -> int:
    """The photo is a round shade: how long a search takes hangs little on what it is of."""
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "png")
    page.get_by_role("tab", name="Photo", exact=True).click()
    with page.expect_file_chooser() as chooser:
        page.locator("#photo-viewer .choose:visible").click()
    chooser.value.set_files({"name": "photo.png", "mimeType": "image/png", "buffer": file.getvalue()})
    page.locator("#photo-viewer .go").click()
    page.locator("#photo-viewer .take").wait_for(state="visible")
    expect(page.locator("#photo-viewer .stop")).to_be_hidden()
    return 4  # tab, choose, the file, find


if __name__ == "__main__":
    sys.exit(main())
