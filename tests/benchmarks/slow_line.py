"""A first visit over a slow line, in headless Chromium: when something, a face and the live picture are on the page.

    python tests/benchmarks/slow_line.py                     both lines, at 1280 and 390 px
    python tests/benchmarks/slow_line.py --lines 400 --app /another/checkout/app.py

Bandwidth and latency are Chromium's own: so much is added to each answer of the network, none to the opening of a
connection. "face" is the first picture, the still of the page's own HTML where there is one; "live" is the page's own,
which follows the sliders. Layout shift counts all that moved by itself until ten seconds after that.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from server import ROOT, faces64, free_port, process

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

LINES = {1500: 150, 400: 400}  # kbit/s -> milliseconds of latency
WIDTHS = {1280: 900, 390: 844}
AFTER = 10_000  # milliseconds that what is mounted late has

# Milliseconds since the visit began of each first sight, and all unexpected layout shift.
WATCH = """
window.seen = { shift: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
const look = () => {
  if (document.querySelector("#still img, #stage .picture[data-query]")) seen.face ??= performance.now();
  if (document.querySelector("#stage .picture[data-query]")) seen.live ??= performance.now();
  if (!seen.live) requestAnimationFrame(look); // after the frame that shows it
};
requestAnimationFrame(look);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, nargs="+", choices=LINES, default=list(LINES), help="kbit/s")
    parser.add_argument("--widths", type=int, nargs="+", choices=WIDTHS, default=list(WIDTHS), help="pixels")
    parser.add_argument("--visits", type=int, default=3, help="of each kind, each in a profile of its own")
    parser.add_argument("--app", type=Path, default=ROOT / "app.py", help="of the page that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        port = free_port()
        command = (options.app, "--weights", faces64(Path(scratch)), "--runs", scratch, "--port", port)
        url = f"http://127.0.0.1:{port}/"
        with (
            process(*command, url=url),
            playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS) as browser,
        ):
            visit(browser, url, 100_000, 0, 1280)  # the server draws its first picture
            for line in options.lines:
                for width in options.widths:
                    visits = [visit(browser, url, line, LINES[line], width) for _ in range(options.visits)]
                    print(f"{line} kbit/s + {LINES[line]} ms, {width} px: {summary(visits)}", flush=True)


def visit(browser: Browser, url: str, kilobits: int, latency: int, width: int) -> dict[str, float]:
    """The first visit of one who has nothing of the page yet."""
    with browser.new_context(viewport={"width": width, "height": WIDTHS[width]}) as profile:
        profile.add_init_script(WATCH)
        page = profile.new_page()
        network = profile.new_cdp_session(page)
        network.send("Network.enable")
        speed = kilobits * 1000 / 8
        rates = {"latency": latency, "downloadThroughput": speed, "uploadThroughput": speed}
        network.send("Network.emulateNetworkConditions", {"offline": False, **rates})
        received = []
        network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        page.goto(url, wait_until="commit", timeout=120_000)
        page.wait_for_function("window.seen?.live", timeout=120_000)
        until_live = {"kB": sum(received) / 1000, "requests": len(received)}
        page.wait_for_timeout(AFTER)
        seen = page.evaluate("seen")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        seconds = {"paint": paint / 1000, "face": seen["face"] / 1000, "live": seen["live"] / 1000}
        return {**seconds, **until_live, "shift": seen["shift"]}


def summary(visits: list[dict[str, float]]) -> str:
    """Medians."""
    middle = {name: statistics.median(one[name] for one in visits) for name in visits[0]}
    first, face, live = (f"{name} {middle[name]:.1f} s" for name in ("paint", "face", "live"))
    sizes = f"{middle['kB']:.0f} kB, {middle['requests']:.0f} requests"
    return f"{first}, {face}, {live}; {sizes}; shift {middle['shift']:.3f}"


if __name__ == "__main__":
    main()
