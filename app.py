"""The page: every model of weights/ and every run of runs/, live in the browser.

    python app.py                                then open http://127.0.0.1:7860
    python app.py --host 0.0.0.0 --port 8000 --runs elsewhere

It may be started from any folder: the models are those beside this file, the runs those of the working folder.
Options may also come from the environment: GRADIO_SERVER_NAME, GRADIO_SERVER_PORT, GRADIO_SHARE, GAN_WEIGHTS,
GAN_RUNS, GAN_TRAIN. On a Hugging Face Space this file is the app_file and needs no options.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports, which would fail less clearly
    sys.exit(f"GAN Faces needs Python 3.11 or later, and this is {sys.version.split()[0]}: {sys.executable}")

import argparse
import contextlib
import importlib.util
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan.machine import keep_what_is_here
from gan.run import RunError
from gan.terminal import steady_output
from gan.ui import stubs, temporary  # noqa: F401 before Gradio, which is told by them what not to write, and where

# isort: split
import gradio as gr
import torch

from gan.ui import api, explore, limits, models, morph, photo, replay, train, zero
from gan.ui.arguments import Page
from gan.ui.browser_files import BrowserFiles
from gan.ui.drawing import serve_on_one_thread
from gan.ui.explore_server import ExploreServer
from gan.ui.library import Library
from gan.ui.places import later
from gan.ui.still import Still
from gan.ui.tab import guard
from gan.ui.theme import theme
from gan.ui.training_process import PROGRAM
from gan.ui.trainings import Trainings, TrainingsError
from gan.ui.web import WEB, head, module, route, text

ROOT = Path(__file__).resolve().parent
PORTS = range(7860, 7960)  # of which the first free one is taken where none is named


def build(
    library: Library, trainings: Trainings | None = None, sources: Sequence[str] = (), data_root: str = "data"
) -> gr.Blocks:
    """The whole page: one line per part.

    Args:
        library: its models.
        trainings, sources, data_root: of the Train tab, which is there where visitors may train.
    """
    with Page(title="GAN Faces", analytics_enabled=False) as page:
        whole = module("shared/page.js")
        gr.HTML(text("shared/header.html"), elem_id="header", js_on_load=whole, apply_default_css=False)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):  # all in sight; page.css keeps them on one line
            with gr.Tab("Explore", id="explore"):
                face = explore.build(library, page)
            with gr.Tab("Morph", id="morph"):
                morph.build(library, face)
            with gr.Tab("Photo", id="photo"):
                photo.build(library, face)
            with gr.Tab("Replay", id="replay"):
                replay.build(library, face)
            with gr.Tab("Models", id="models"):
                models.build(library)
            if trainings is not None:
                with gr.Tab("Train", id="train"):
                    train.build(library, trainings, sources, data_root)
        api.build(library)
    guard(page)
    limits.queue(page)
    page.browser = BrowserFiles(library)
    page.still = Still(library)
    return page


def launch(page: gr.Blocks, **options: object) -> str:
    """Serve the page; returns its address.

    Args:
        options: of `gr.Blocks.launch`, beside those that make up the look.
    """
    _, address, _ = page.launch(
        theme=theme(),
        head=head(),
        favicon_path=WEB / "favicon.svg",
        footer_links=["api", "settings"],
        run_history=False,  # it would keep every frame of every drag in the visitor's browser
        **limits.options(route(), *page.browser.routes(), still=page.still),
        mcp_server=importlib.util.find_spec("mcp") is not None,
        **options,
    )
    later(page.still.draw)
    return address


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line; their defaults come from the environment."""
    parser = argparse.ArgumentParser(description="Serve the page of GAN Faces.")
    env = os.environ.get
    parser.add_argument("--host", default=env("GRADIO_SERVER_NAME", "127.0.0.1"), help="address (%(default)s)")
    port = f"the first free one from {PORTS[0]} on"
    parser.add_argument("--port", type=int, default=env("GRADIO_SERVER_PORT"), help=port)
    parser.add_argument(
        "--weights", type=Path, default=env("GAN_WEIGHTS", ROOT / "weights"), help="models (%(default)s)"
    )
    parser.add_argument("--runs", type=Path, default=env("GAN_RUNS", "runs"), help="trainings (%(default)s)")
    parser.add_argument(
        "--train", action=argparse.BooleanOptionalAction, default=_yes(env("GAN_TRAIN")),
        help="whether visitors may train here (default: where nobody else can be one: at an address of this machine's "
        "own, and not on a Space)",
    )  # fmt: skip
    parser.add_argument("--data", nargs="+", default=[], metavar="SOURCE", help="pictures to train on, as of train.py")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (%(default)s)")
    parser.add_argument("--share", action="store_true", help="make a public link too, through Gradio's servers")
    return parser.parse_args(arguments)


def _yes(text: str | None) -> bool | None:
    """What an environment variable says; None where it says nothing."""
    return None if not text else text.lower() not in ("0", "no", "off", "false")


def may_train(options: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Whether the page lets its visitors train: as it is told, and else where they are whoever started it."""
    if options.train is not None:
        return options.train and PROGRAM.is_file()
    alone = options.host in ("127.0.0.1", "localhost", "::1") and not (options.share or environment.get("GRADIO_SHARE"))
    return alone and "SPACE_ID" not in environment and PROGRAM.is_file()


def free_port(host: str, port: int | None) -> int:
    """The port to serve at; ends the program with a sentence where it cannot be had."""
    for candidate in PORTS if port is None else [port]:
        try:
            family, kind, _, _, (name, _, *more) = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((name, candidate, *more))
            return candidate
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
    place = f"port {port}" if port is not None else f"any port from {PORTS[0]} to {PORTS[-1]}"
    sys.exit(
        f"The page cannot be served at {place} of {host} ({reason}): choose another with --port, or leave it out for "
        f"the first free one; --host takes an address of this machine."
    )


def import_the_rest() -> None:
    """What a first event, search or look at data would import: for seconds, and others' sliders would stand still."""
    importlib.import_module("matplotlib.pyplot")  # by Gradio, round every event
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # torch._dynamo and all of sympy, by the first optimizer
    importlib.import_module("torchvision")  # by the first look at MNIST or CelebA


@steady_output()
def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    options = parse(arguments)
    port = free_port(options.host, options.port)
    zero.announce()
    serve_on_one_thread()
    library = Library([options.weights, options.runs])
    try:
        trainings = Trainings(options.runs) if may_train(options, os.environ) else None
    except TrainingsError as error:
        sys.exit(f"app.py: {error}")
    page = build(library, trainings, options.data, options.data_root)
    launch(
        page,
        server_name=options.host,
        server_port=port,
        share=options.share or None,  # None leaves it to GRADIO_SHARE
        prevent_thread_lock=True,
    )
    explorer = ExploreServer(library)
    later(explorer.warm_up)  # what the first visitor will see is loaded and used while nobody waits
    with contextlib.suppress(RunError):  # there is no model yet
        page.browser.prepare(explorer.default_face().model)
    later(import_the_rest)
    later(keep_what_is_here)
    page.block_thread()


if __name__ == "__main__":
    main()
