"""From a slider's input event to new pixels on the page, in headless Chromium, beside the usual way.

    python tests/benchmarks/latency.py --moves 200

Three pages of one server process, which draw and judge with the same code: this project's, in one tab with a slider of
z and in another with the first slider that it opens with (a named attribute, where the model has any); the usual way
(`gr.Image`, `.change`, the queue) with the picture as it is; and the usual way with the picture enlarged to 512
pixels, since 64 are too small to look at. The tabs take turns, ten moves each. A move ends when a picture whose pixels
differ is decoded ("decoded"), and when the browser then prepares the frame that shows it ("shown", up to a 60th of
a second later).
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from server import faces64, free_port, percentiles, process

TURN = 10  # moves of one tab before the next one's turn
WARM_UP = 10  # moves that are not counted
SLIDERS = 16
Z = '[aria-label="range slider for z 0"]'
FIRST = "#sliders input[type=range]"

# Watches every picture of the page: at a change it compares the pixels, scaled to 16x16, with those before.
MEASURE = """
async ({slider, values}) => {
  const input = document.querySelector(slider);
  const canvas = Object.assign(document.createElement("canvas"), {width: 16, height: 16});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const picture = () => document.querySelector("#stage .picture img, #usual img");
  const pixels = () => {
    context.drawImage(picture(), 0, 0, 16, 16);
    return context.getImageData(0, 0, 16, 16).data.join();
  };
  const times = [];
  for (const value of values) {
    const before = pixels();
    times.push(await new Promise((moved, failed) => {
      const started = performance.now();
      const observer = new MutationObserver(check);
      const timer = setTimeout(() => { finish(); failed(new Error("no new picture within 10 s")); }, 10000);
      let busy = false;
      function finish() {
        observer.disconnect();
        document.removeEventListener("load", check, true);
        clearTimeout(timer);
      }
      async function check() {
        const image = picture();
        if (busy || !image) return;
        busy = true;
        try { await image.decode(); } catch { busy = false; return; }  // replaced while it was decoded
        busy = false;
        if (pixels() === before) return;
        const decoded = performance.now() - started;
        finish();
        requestAnimationFrame(() => moved([decoded, performance.now() - started]));
      }
      observer.observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ["src"]});
      document.addEventListener("load", check, true);
      input.value = value;
      input.dispatchEvent(new Event("input", {bubbles: true}));
    }));
    await new Promise((rest) => setTimeout(rest, 60));
  }
  return times;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=200, help="of each page")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve[0]), [int(port) for port in options.serve[1:]])
        return
    names = ("this page, z", "this page, first", "usual, 64 px", "usual, 512 px")
    ours, *others = [free_port() for _ in names[1:]]
    ports = [ours, ours, *others]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        url = f"http://127.0.0.1:{ports[-1]}/"
        with process(__file__, "--serve", faces64(Path(scratch)), ours, *others, url=url):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            times = measure([browser.new_page() for _ in ports], ports, options.moves)
            browser.close()
    for kind, column in (("decoded", 0), ("shown", 1)):
        for name, measured in zip(names, times, strict=True):
            print(f"{kind:8} {name:16} {percentiles([pair[column] for pair in measured])}")
        medians = [statistics.median(pair[column] for pair in measured) for measured in times]
        for name, median in zip(names[2:], medians[2:], strict=True):
            print(f"{kind:8} {name} / this page, z: ratio {median / medians[0]:.2f} (wanted: at least 2)")
    print("wanted of this page: p50 at most 25 ms, p95 at most 50 ms")


def measure(pages: list[Page], ports: list[int], moves: int) -> list[list[tuple[float, float]]]:
    """(decoded, shown) milliseconds of every move of each page, in turns."""
    for page, port in zip(pages, ports, strict=True):
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#stage .picture img, #usual img")
        page.wait_for_timeout(1500)
    pages[0].locator("#basis label", has_text=re.compile(r"^\s*z\s*$")).click()
    pages[0].wait_for_selector(Z)
    sliders = [Z, FIRST, Z, Z]
    for page, slider in zip(pages, sliders, strict=True):
        page.evaluate(MEASURE, {"slider": slider, "values": positions(0, WARM_UP)})
    times: list[list[tuple[float, float]]] = [[] for _ in pages]
    for turn in range(0, moves, TURN):
        for page, slider, measured in zip(pages, sliders, times, strict=True):
            page.bring_to_front()
            values = positions(WARM_UP + turn, min(TURN, moves - turn))
            measured += [tuple(pair) for pair in page.evaluate(MEASURE, {"slider": slider, "values": values})]
    return times


def positions(first: int, n: int) -> list[float]:
    """Slider positions, each far enough from the one before for other pixels."""
    return [round(-2.9 + 0.7 * ((first + i) % 9), 2) for i in range(n)]


def serve(weights: Path, ports: list[int]) -> None:
    """The three pages, one port each."""
    import app
    from gan.ui.drawing import serve_on_one_thread
    from gan.ui.library import Library

    serve_on_one_thread()
    library = Library([weights])
    options = dict(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    page = app.build(library)
    app.launch(page, server_port=ports[0], **options)
    for size, port in ((64, ports[1]), (512, ports[2])):
        usual_page(library, size).launch(server_port=port, **options)
    page.block_thread()


def usual_page(library, size: int):
    """What most demos do."""
    import gradio as gr
    from PIL import Image

    from gan.ui.drawing import draw
    from gan.ui.state import Face

    def draw_usually(*offsets: float):
        pixels = draw(library, Face("faces64", offsets=dict(enumerate(offsets)))).pixels
        return pixels if size == 64 else Image.fromarray(pixels).resize((size, size))

    with gr.Blocks(analytics_enabled=False) as page:
        sliders = [gr.Slider(-3, 3, 0, step=0.05, label=f"z {i}") for i in range(SLIDERS)]
        picture = gr.Image(elem_id="usual", height=512)
        for slider in sliders:
            slider.change(draw_usually, sliders, picture)
        page.load(draw_usually, sliders, picture)
    return page


if __name__ == "__main__":
    sys.exit(main())
