"""What drawing in the visitor's own browser brings, in headless Chromium, each time beside the server's way in one run.

    python tests/benchmarks/browser.py moves      a slider's input event to the new picture, without and with latency
    python tests/benchmarks/browser.py drag       frames a second while a slider is dragged, and what blocks the page
    python tests/benchmarks/browser.py first      the static edition's first face, and its bytes, packed
    python tests/benchmarks/browser.py photo      the search for a photo's face: seconds and likeness
    python tests/benchmarks/browser.py visitors   what eight visitors who slide at once cost the server
    python tests/benchmarks/browser.py parity     of every model: how far a pixel is from Python's at most
    python tests/benchmarks/browser.py            all of them; --model and --weights measure another model

Latency is Chromium's own: so much is added to each answer of the network. "drawn" is when the new picture is on the
page, "shown" when the browser then prepares the frame that shows it, up to a 60th of a second later. The model's files
for the browser are made first, which takes a minute where the cache folder does not have them.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import http.server
import io
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
from parity import parity
from playwright.sync_api import Browser, Page, Request, sync_playwright
from server import ROOT, faces64, free_port, percentiles, process

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

SIDES = ("browser", "server")
LATENCIES = (0, 150)  # milliseconds
TURN = 10  # moves of one side before the other's turn
WARM_UP = 10  # moves that are not counted
PHOTOS = 3
PACKED = {".js", ".mjs", ".css", ".html", ".svg", ".json", ".wasm", ".onnx", ".bin"}  # as static hosts do it

# Moves a slider from one value to the next: [drawn, shown] milliseconds of each.
MOVES = """
async (values) => {
  const input = document.querySelector("#sliders input[type=range]");
  const picture = document.querySelector("#stage .picture");
  const times = [];
  for (const value of values) {
    times.push(await new Promise((moved, failed) => {
      const timer = setTimeout(() => failed(new Error("no new picture within 10 s")), 10000);
      const observer = new MutationObserver(async () => {
        observer.disconnect();
        clearTimeout(timer);
        const image = picture.querySelector("img");
        if (!image.hidden) await image.decode();
        const drawn = performance.now() - started;
        requestAnimationFrame(() => moved([drawn, performance.now() - started]));
      });
      observer.observe(picture, { attributes: true, attributeFilter: ["data-query"] });
      const started = performance.now();
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }));
    await new Promise((rest) => setTimeout(rest, 60));
  }
  return times;
}
"""

# Drags a slider, to another place in each frame: frames with a new picture, all frames, and what blocked the page.
DRAG = """
async (seconds) => {
  const input = document.querySelector("#sliders input[type=range]");
  const picture = document.querySelector("#stage .picture");
  const tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)));
  observer.observe({ type: "longtask" }); // 50 ms and more
  const frame = () => new Promise(requestAnimationFrame);
  let [frames, fresh, before, gap] = [0, 0, picture.dataset.query, 0];
  const began = await frame();
  for (let now = began, last = began; now - began < 1000 * seconds; last = now) {
    input.value = (0.1 * (Math.abs((frames % 116) - 58) - 29)).toFixed(2); // a step is 0.05
    input.dispatchEvent(new Event("input", { bubbles: true }));
    now = await frame();
    frames++;
    gap = Math.max(gap, now - last);
    fresh += picture.dataset.query !== before;
    before = picture.dataset.query;
  }
  await new Promise((rest) => setTimeout(rest, 100));
  observer.disconnect();
  return { fresh: fresh / seconds, frames: frames / seconds, gap, longest: Math.max(0, ...tasks) };
}
"""

# Slides until it is stopped, so many moves a second.
SLIDE = """
([rate, number]) => {
  const input = document.querySelector("#sliders input[type=range]");
  let at = 0;
  window.sliding = setInterval(() => {
    input.value = (2.9 * Math.sin(++at / 10 + number)).toFixed(2);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, 1000 / rate);
}
"""


class Bench:
    """A page of our own server, and a browser.

    Args:
        browser: in which tabs are opened.
        url: of the page.
        model: that is measured.
    """

    def __init__(self, browser: Browser, url: str, model: str) -> None:
        self.browser, self.url, self.model = browser, url, model

    @contextlib.contextmanager
    def tab(self, side: str) -> Iterator[Page]:
        """Explore, drawn by the "browser" or by the "server"; in a profile of its own."""
        with self.browser.new_context() as profile:
            profile.add_init_script(f"localStorage.setItem('gan-faces engine', '{side}')")
            profile.set_default_timeout(120_000)
            page = profile.new_page()
            page.goto(f"{self.url}/?model={self.model}")
            page.wait_for_selector("#stage .picture[data-query]")
            said = {"browser": "Your browser draws", "server": "The server draws"}[side]
            page.locator("#stage .drawer span", has_text=said).wait_for(timeout=900_000)
            page.wait_for_selector("#grid img")
            page.wait_for_timeout(1500)
            yield page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *MEASURES], help="one or some of them, else all")
    parser.add_argument("--moves", type=int, default=100, help="of each side at each latency")
    parser.add_argument("--seconds", type=float, default=10, help="of a drag, and of all visitors sliding")
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--model", default="faces64")
    parser.add_argument("--weights", type=Path, help="holds the model's folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        weights = options.weights or faces64(Path(scratch))
        url = f"http://127.0.0.1:{free_port()}"
        command = ("app.py", "--weights", weights, "--runs", scratch, "--port", urlsplit(url).port)
        with process(*command, url=url) as server:
            browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
            bench = Bench(browser, url, options.model)
            for what in options.what or MEASURES:
                print(f"-- {what}", flush=True)
                MEASURES[what](bench, options, psutil.Process(server.pid), weights / options.model)
            browser.close()


def moves(bench: Bench, options: argparse.Namespace, *_: object) -> None:
    with bench.tab("browser") as here, bench.tab("server") as there:
        networks = [page.context.new_cdp_session(page) for page in (here, there)]
        medians = {}
        for latency in LATENCIES:
            times: list[list[list[float]]] = [[], []]
            for network in networks:
                network.send("Network.enable")
                limits = {"latency": latency, "downloadThroughput": -1, "uploadThroughput": -1}
                network.send("Network.emulateNetworkConditions", {"offline": False, **limits})
            for turn in range(-WARM_UP, options.moves, TURN):
                for page, measured in zip((here, there), times, strict=True):
                    page.bring_to_front()
                    values = [round(-2.9 + 0.7 * ((turn + i) % 9), 2) for i in range(TURN)]
                    found = page.evaluate(MOVES, values)
                    measured += found if turn >= 0 else []
            for at, kind in enumerate(("drawn", "shown")):
                for side, measured in zip(SIDES, times, strict=True):
                    print(f"{latency:3} ms latency, {kind}, {side:7} {percentiles([pair[at] for pair in measured])}")
                medians[latency, kind] = [statistics.median(pair[at] for pair in measured) for measured in times]
                one, other = medians[latency, kind]
                print(f"{latency:3} ms latency, {kind}, server / browser: ratio {other / one:.1f}")
    ratio = medians[150, "drawn"][0] / medians[0, "drawn"][0]
    print(f"browser, drawn, 150 ms latency / none: ratio {ratio:.2f} (wanted: 0.8 to 1.2)")
    print("wanted of faces64 in the browser: drawn p50 12 ms, p95 20 ms, shown p50 25 ms; 7 times as fast at 150 ms")


def drag(bench: Bench, options: argparse.Namespace, *_: object) -> None:
    rates = []
    for side in SIDES:
        with bench.tab(side) as page:
            page.evaluate(DRAG, 1)
            found = page.evaluate(DRAG, options.seconds)
            longest = f"{found['longest']:.0f} ms" if found["longest"] else "none of 50 ms"
            print(f"{side:7} {found['fresh']:.1f} new pictures in {found['frames']:.1f} frames a second, "
                  f"longest task {longest}, longest frame {found['gap']:.0f} ms")  # fmt: skip
            rates.append(found["fresh"])
    print(f"browser / server: ratio {rates[0] / rates[1]:.2f} (wanted in the browser: 55, and no task above 50 ms)")


def first(bench: Bench, options: argparse.Namespace, _: object, model: Path) -> None:
    from gan.export.site import build

    seconds: dict[str, list[float]] = {"static": [], "server": []}
    with tempfile.TemporaryDirectory() as scratch, static(build(Path(scratch) / "site", [model])) as (url, sent):
        for _ in range(3):
            for kind, address in (("static", url), ("server", f"{bench.url}/?model={options.model}")):
                sent.clear()
                with bench.browser.new_context() as profile:
                    page = profile.new_page()
                    began = time.perf_counter()
                    page.goto(address, wait_until="commit")
                    page.wait_for_selector("#stage .picture[data-query]")
                    seconds[kind].append(time.perf_counter() - began)
                    if kind == "static":
                        packed, plain = (sum(column) for column in zip(*sent.values(), strict=True))
                    page.wait_for_selector("#grid img")
    for kind, times in seconds.items():
        print(f"{kind}: first face after {statistics.median(times):.2f} s (of 3, in new profiles)")
    one, other = (statistics.median(times) for times in seconds.values())
    print(f"static / server: ratio {one / other:.2f} (wanted of static: at most 2 s)")
    print(f"{packed / 1e6:.2f} MB were sent for it, packed, of {plain / 1e6:.2f}: ratio {packed / plain:.2f} "
          "(wanted: at most 12 MB)")  # fmt: skip


@contextlib.contextmanager
def static(folder: Path) -> Iterator[tuple[str, dict[str, tuple[int, int]]]]:
    """A static host: its address, and the bytes of each file that it began to send, packed and plain."""
    sent: dict[str, tuple[int, int]] = {}
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    packed = {
        name: gzip.compress(content, 6) if Path(name).suffix in PACKED else content for name, content in files.items()
    }

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
            content = packed.get(name)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Content-Type", self.guess_type(name))
            if Path(name).suffix in PACKED and content is not None:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            if content is not None:
                sent[name] = len(content), len(files[name])
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", sent
        server.shutdown()


def photo(bench: Bench, *_: object) -> None:
    contents = photos()
    seconds, likeness = ({side: [] for side in SIDES} for _ in range(2))
    with bench.tab("browser") as here, bench.tab("server") as there:
        for page in (here, there):
            page.route("**/detector.json", lambda route: route.abort())  # which would crop for the browser alone
            page.get_by_role("tab", name="Photo").click()
        for at in (0, *range(len(contents))):  # the first once more: what it finds first is made ready
            for side, page in zip(SIDES, (here, there), strict=True):
                page.bring_to_front()
                file = {"name": "photo.png", "mimeType": "image/png", "buffer": contents[at]}
                page.locator(".photo input.file").set_input_files(file)
                page.locator(".photo .go").wait_for()
                page.wait_for_timeout(500)
                began = time.perf_counter()
                page.locator(".photo .go").click()
                page.locator(".photo .facts", has_text="Found:").wait_for(timeout=120_000)
                seconds[side].append(time.perf_counter() - began)
                said = page.locator(".photo .facts").inner_text()
                likeness[side].append(float(re.search(r"Found: ([\d.]+) dB", said)[1]))
                page.locator(".photo .outcome .choose").wait_for()
    for side in SIDES:
        print(f"{side:7} {statistics.median(seconds[side][1:]):.2f} s, the first time {seconds[side][0]:.2f} s; "
              f"{statistics.mean(likeness[side][1:]):.1f} dB on average of {PHOTOS} pictures")  # fmt: skip
    one, other = (statistics.median(seconds[side][1:]) for side in SIDES)
    apart = max(abs(a - b) for a, b in zip(*likeness.values(), strict=True))
    print(f"browser / server: ratio {one / other:.2f} (wanted in the browser: at most 4 s)")
    print(f"likeness at most {apart:.1f} dB apart (wanted: 0.3)")


def photos() -> list[bytes]:
    """Faces that another model draws, as PNGs."""
    from PIL import Image

    from gan import load_generator, sample

    pictures = []
    for pixels in sample(load_generator(ROOT / "weights" / "dcgan64"), seed=0, n=PHOTOS):
        content = io.BytesIO()
        Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS).save(content, "PNG")
        pictures.append(content.getvalue())
    return pictures


def visitors(bench: Bench, options: argparse.Namespace, server: psutil.Process, *_: object) -> None:
    costs = []
    for side in SIDES:
        with contextlib.ExitStack() as stack:
            pages = [stack.enter_context(bench.tab(side)) for _ in range(options.visitors)]
            asked: list[str] = []
            for page in pages:
                page.on("request", functools.partial(_note, asked))
            before = processor_seconds(server)
            for number, page in enumerate(pages):
                page.evaluate(SLIDE, [10, number])
            pages[0].wait_for_timeout(1000 * options.seconds)
            for page in pages:
                page.evaluate("clearInterval(window.sliding)")
            cost = (processor_seconds(server) - before) / options.seconds
        ours = [url for url in asked if not re.search(r"/(heartbeat|queue/data)", url)]
        print(f"{side:7} {options.visitors} visitors, 10 moves a second each: {len(ours)} requests, "
              f"{100 * cost:.1f} % of a core on the server")  # fmt: skip
        costs.append(cost)
    print(f"server / browser: ratio {costs[1] / max(costs[0], 1e-3):.0f} (wanted: no request where browsers draw)")


def _note(asked: list[str], request: Request) -> None:
    asked.append(request.url)


def processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


MEASURES = {"moves": moves, "drag": drag, "first": first, "photo": photo, "visitors": visitors, "parity": parity}


if __name__ == "__main__":
    sys.exit(main())
