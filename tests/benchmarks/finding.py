"""How well Photo finds a face and frames it, in headless Chromium with the network that the page has.

    python tests/benchmarks/finding.py FOLDER                of CelebA's aligned pictures, 178x218, as img_align_celeba

Each one's square of 128 pixels, which models are trained on, is the true one. It is laid into a larger picture of drawn
shapes, gradients or noise at several sizes, and found there. IoU: what the found square and the true one share, over
what they have together. "places" is where the marks lie on the mean, in shares of the true square's side, as
gan/web/photo/square.js wants them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright
from server import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

from gan.data.pixels import CELEBA_BOX
from gan.export.packages import PACKAGES
from gan.ui.drawing import data_uri
from gan.ui.web import WEB

SIDES = (60, 80, 110, 150, 220, 320, 450)  # of the true square, in pixels of the larger picture
SIZES = ((900, 600), (600, 900), (1024, 768))  # of that

BEGIN = """async () => {
  const ort = await import("/module");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: await (await fetch("/wasm")).arrayBuffer() });
  const network = await (await fetch("/network")).arrayBuffer();
  const quiet = { executionProviders: ["wasm"], logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(new Uint8Array(network), quiet);
  const { marksIn } = await import("/photo/detecting.js");
  const { around } = await import("/photo/square.js");
  window.run = async (inputs) => {
    const { data, dims } = inputs["input:0"];
    return session.run({ "input:0": new ort.Tensor("float32", data, dims) });
  };
  window.find = async (address) => {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const photo = document.createElement("canvas");
    [photo.width, photo.height] = [picture.width, picture.height];
    photo.getContext("2d").drawImage(picture, 0, 0);
    const began = performance.now();
    const marks = await marksIn(photo, run);
    return { marks, milliseconds: performance.now() - began, square: marks && around(marks) };
  };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with CelebA's aligned pictures")
    parser.add_argument("--faces", type=int, default=210, help="how many of them")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.jpg"))[: options.faces]
    random = np.random.default_rng(0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
        find = finder(browser.new_page())
        measure(paths, random, find)
        others = [backdrop(random, *SIZES[at % len(SIZES)]) for at in range(len(paths))]
        print(f"pictures without a face: {sum(find(other)['marks'] is not None for other in others)} of {len(others)}")
        browser.close()


def finder(page: Page) -> Callable[[Image.Image], dict]:
    """What the page finds in a picture: {marks, square, milliseconds}."""
    files = {}
    for package in PACKAGES.values():
        files |= {part: package.obtained() / file.name for part, file in package.files.items()}

    def answer(route) -> None:
        path = route.request.url.removeprefix("http://finding.invalid/")
        if path in files:
            route.fulfill(path=files[path], content_type="text/javascript" if path == "module" else None)
        else:
            route.fulfill(**({"path": WEB / path} if path else {"body": "", "content_type": "text/html"}))

    page.route("**/*", answer)
    page.goto("http://finding.invalid/")
    page.evaluate(BEGIN)
    return lambda picture: page.evaluate("find", data_uri(picture, "PNG"))


def measure(paths: list[Path], random: np.random.Generator, find: Callable[[Image.Image], dict]) -> None:
    found, places, times = {side: [] for side in SIDES}, [], []
    alone, larger = [], []
    for at, path in enumerate(paths):
        with Image.open(path) as opened:
            original = opened.convert("RGB")
        face = original.crop(CELEBA_BOX)
        left, top, right, _ = CELEBA_BOX
        larger.append(shared(find(original)["square"], left, top, right - left))
        alone.append(shared(find(face)["square"], 0, 0, face.width))
        side = SIDES[at % len(SIDES)]
        picture = backdrop(random, *SIZES[at % len(SIZES)])
        left, top = (int(random.integers(0, most - side)) for most in picture.size)
        picture.paste(face.resize((side, side), Image.Resampling.LANCZOS), (left, top))
        told = find(picture)
        times.append(told["milliseconds"])
        found[side].append(shared(told["square"], left, top, side))
        if told["marks"]:
            places.append((np.array(told["marks"]) - [left, top]) / side)
    for side, values in found.items():
        print(f"{side} px: {summary(values)}")
    print(f"all: {summary(np.concatenate(list(found.values())))}; median of {np.median(times):.0f} ms")
    print(f"as CelebA's aligned pictures: {summary(larger)}")
    print(f"the square alone: {summary(alone)}")
    print("places:", np.mean(places, axis=0).round(3).tolist())


def shared(square: dict | None, left: int, top: int, side: int) -> float:
    """IoU, as if no square were turned; 0 where there is none."""
    if square is None:
        return 0.0
    corner = np.array([square["x"], square["y"]]) - square["side"] / 2
    low, high = np.maximum(corner, [left, top]), np.minimum(corner + square["side"], [left + side, top + side])
    both = np.prod(np.clip(high - low, 0, None))
    return both / (square["side"] ** 2 + side**2 - both)


def summary(values: list[float]) -> str:
    values = np.array(values)
    there = values[values > 0.3]
    wrong = ((values > 0) & (values <= 0.3)).sum()
    figures = f"IoU median {np.median(there):.2f}, a tenth below {np.quantile(there, 0.1):.2f}"
    return f"{len(there)} of {len(values)} found, {wrong} elsewhere, {figures}"


def backdrop(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """A gradient, soft noise, or forty shapes."""
    kind = random.integers(3)
    if kind == 0:
        return Image.linear_gradient("L").resize((width, height)).convert("RGB")
    if kind == 1:
        noise = random.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    picture = Image.new("RGB", (width, height), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = int(random.integers(width)), int(random.integers(height))
        box = (x, y, x + int(random.integers(10, width // 3)), y + int(random.integers(10, height // 3)))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape(box, fill=tuple(random.integers(0, 256, 3).tolist()))
    return picture


if __name__ == "__main__":
    main()
