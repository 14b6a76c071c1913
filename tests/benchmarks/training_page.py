"""A training that a visitor begins by a click: what sliders feel of it, and how soon there is something to see.

    python tests/benchmarks/training_page.py --data-root data             digits, and sliders meanwhile
    python tests/benchmarks/training_page.py --data drawn --minutes 2      drawn faces, as many as that

In headless Chromium: the Train tab starts `smooth-mnist28` (drawn faces: `dlnd-celeba28`), and another tab moves a
slider of faces64, drawn by the server and by the browser. Digits count as readable when the classifier is more than
90 % sure of `READABLE` of a sheet's 64. Its processor time is told too, which others on the machine do not lengthen.
The last sheet is kept in --out, to be looked at.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import torch
from browser import MOVES, Bench
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from server import ROOT, faces64, free_port, percentiles, process

sys.path.insert(0, str(ROOT / "tests"))
from serving import BROWSER_OPTIONS, chromium

from gan.history import SAMPLE_COLUMNS, read_history, samples
from gan.metrics.classifier import SURE, load_classifier
from gan.run import read_state

READABLE = 0.75  # of a sheet; of real digits it is 98 %
PRESETS = {"mnist": "smooth-mnist28", "drawn": "dlnd-celeba28"}
PICTURES = {"mnist": "MNIST", "drawn": "drawn faces"}  # as the tab calls them
TURN = 20  # moves of a slider


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=PRESETS, default="mnist")
    parser.add_argument("--data-root", default="data", help="where mnist is (%(default)s)")
    parser.add_argument("--minutes", type=float, default=12, help="of the training, at most")
    parser.add_argument("--moves", type=int, default=100, help="of a slider, of each side; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("."), help="for the last sheet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        runs, url = Path(scratch) / "runs", f"http://127.0.0.1:{free_port()}"
        places = ("--weights", faces64(Path(scratch)), "--runs", runs, "--data-root", options.data_root)
        command = ("app.py", *places, "--port", urlsplit(url).port, "--train")
        with process(*command, url=url):
            browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_OPTIONS)
            begun = start(browser.new_page(), url, options)
            [run] = [path for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")]
            if options.moves:
                sliders(Bench(browser, url, "faces64"), options.moves)
            watch(run, begun, options)
            browser.close()


def start(page: Page, url: str, options: argparse.Namespace) -> float:
    """Click; returns when that was, in seconds of `time.monotonic`."""
    page.set_default_timeout(120_000)
    page.goto(url)
    page.get_by_role("tab", name="Train").click()
    page.wait_for_selector(".train .pictures img")
    page.locator(".train [name=preset]").select_option(PRESETS[options.data])
    page.locator(".train [name=source]").select_option(PICTURES[options.data])
    page.locator(".train .fields [name=minutes]").fill(str(options.minutes))
    page.locator(".train figcaption", has_text=re.compile("The first 25 pictures")).wait_for()
    begun = time.monotonic()
    page.get_by_role("button", name="Start training").click()
    page.locator('.train li[data-state="running"]').wait_for()
    load = psutil.getloadavg()[0]
    print(f"{time.monotonic() - begun:.0f} s until it trains, {load:.1f} processes at work here", flush=True)
    return begun


def sliders(bench: Bench, moves: int) -> None:
    """A slider's input event to the new picture on the page, while it trains."""
    for side in ("server", "browser"):
        with bench.tab(side) as page:
            page.evaluate(MOVES, [round(0.3 * i, 2) for i in range(10)])
            times = []
            for _ in range(0, moves, TURN):
                times += page.evaluate(MOVES, [round(-2.9 + 0.7 * (i % 9), 2) for i in range(TURN)])
            told = percentiles([drawn for drawn, _ in times])
            print(f"slider while it trains, drawn by the {side:7} {told}", flush=True)
    print("wanted: p95 150 ms by the server")


def watch(run: Path, begun: float, options: argparse.Namespace) -> None:
    """Tell of each new sheet until the digits are readable, or the time is over."""
    trainer, seen, last = None, 0.0, -1
    while time.monotonic() - begun < 60 * options.minutes + 60:
        time.sleep(2)
        if trainer is None:
            trainer = psutil.Process(read_state(run)["pid"])
        if not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE:
            break
        seen = sum(trainer.cpu_times()[:2])
        sheets, rows = samples(run), read_history(run)  # a sheet is there before its row
        told = [row for row in rows if row.get("sample") in sheets]
        if not told or told[-1]["sample"] == last:
            continue
        last, images = told[-1]["sample"], told[-1]["images_seen"]
        shutil.copy(sheets[last], options.out / f"{run.name}.webp")
        share = sure_share(sheets[last]) if options.data == "mnist" else None
        readable = "" if share is None else f", {share:.0%} of its digits readable"
        taken = f"{time.monotonic() - begun:.0f} s ({seen:.0f} s of a processor)"
        print(f"{taken}: {images:,} pictures{readable}", flush=True)
        if share is not None and share >= READABLE:
            break


def sure_share(sheet: Path) -> float:
    """The share of a sheet's digits that the classifier is sure of."""
    pixels = np.asarray(Image.open(sheet).convert("L"))
    side = pixels.shape[1] // SAMPLE_COLUMNS
    cells = pixels.reshape(-1, side, SAMPLE_COLUMNS, side).swapaxes(1, 2).reshape(-1, 1, side, side)
    with torch.inference_mode():
        shares = load_classifier("mnist").probabilities(torch.from_numpy(cells.copy()).float() / 127.5 - 1)
    return float((shares.max(dim=1).values > SURE).float().mean())


if __name__ == "__main__":
    main()
