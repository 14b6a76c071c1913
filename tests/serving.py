"""The page on a free port, over two small models and a broken one, for the tests of the page."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np
from tiny_runs import once

from gan.config import GANConfig
from gan.data_record import BUILT_IN, DataRecord
from gan.training.loop import train
from gan.ui.library import Library
from gan.ui.state import Face

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOST_SHIFT = 0.05  # of a page's layout
WATCH_SHIFT = """window.shift = 0;
new PerformanceObserver((list) => { for (const { value } of list.getEntries()) shift += value; })
  .observe({ type: "layout-shift", buffered: true });"""
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


_CUT_OFF = """() => [...document.querySelectorAll(".gradio-container *")].filter((part) => {
  const { right, width, height } = part.getBoundingClientRect();
  if (!width || !height || right <= innerWidth + 1) return false;
  for (let around = part; !around.matches(".gradio-container"); around = around.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(around).overflowX) &&
        around.getBoundingClientRect().right <= innerWidth + 1) return false;
  return true;
}).map((part) => part.outerHTML.slice(0, 100))"""


@dataclass(frozen=True)
class Site:
    """A page that is being served.

    Attributes:
        url: without a slash at its end.
        page: what is served.
        library: its models: "small" (20 numbers), "runs/tiny" (8 numbers, with snapshots), "runs/broken".
    """

    url: str
    library: Library
    page: gr.Blocks


def make_models(root: Path, config: GANConfig, pictures: np.ndarray, run: Path) -> Library:
    """Fill `root` with weights/small (trained once, beside `run`), runs/tiny (a copy of `run`) and runs/broken."""
    options = dict(data=DataRecord((BUILT_IN["drawn"],)), device="cpu", precision="fp32", progress=False)
    small = once(
        run.with_name("small"), lambda out: train(config.replace(z_dim=20, epochs=8), pictures, out, **options)
    )
    shutil.copytree(small, root / "weights" / "small")
    shutil.copytree(run, root / "runs" / "tiny")
    broken = Path(shutil.copytree(run, root / "runs" / "broken"))
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    return Library([root / "weights", root / "runs"])


@contextlib.contextmanager
def serve(library: Library, *more: object) -> Iterator[Site]:
    """The page of `library`, and what else `app.build` takes, closed at the end."""
    import app

    os.environ.setdefault("GAN_BROWSER", "off")  # its files take a minute to make; who tests them says "on"
    page = app.build(library, *more)
    url = app.launch(page, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        yield Site(url.rstrip("/"), library, page)
    finally:
        page.close(verbose=False)


def chromium() -> str | None:
    """The path of a Chromium, None where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def show(page, face: Face) -> None:
    """Go on with a face in Explore, as other tabs and a file do: a tenth of the work of opening its link."""
    shown = "document.querySelector('#stage .picture:has(img[src], canvas)')?.dataset.query"
    if page.evaluate(shown) != face.to_query():
        page.evaluate(
            "(face) => document.dispatchEvent(new CustomEvent('face-wanted', { detail: face }))", face.to_json()
        )
        page.wait_for_function(f"(query) => {shown} === query", arg=face.to_query())
        page.evaluate("new Promise(requestAnimationFrame)")  # the sliders follow


def cut_off(page) -> list[str]:
    """What reaches beyond the page's right edge, which Gradio's container cuts off; not what can be scrolled there."""
    return page.evaluate(_CUT_OFF)
