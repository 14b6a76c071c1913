"""The Morph tab: a film through several faces, and arithmetic with them.

The tab itself lives in the visitor's browser (gan/web/morph): the server draws one sheet of all frames whenever the
film changes, makes the files to keep, and solves equations.
"""

from __future__ import annotations

import time

import gradio as gr

from gan.films.encode import formats
from gan.ui.arithmetic_server import ArithmeticServer
from gan.ui.library import Library
from gan.ui.morph_server import MOST_FACES, MOST_FRAMES, MorphServer
from gan.ui.viewer import PRIVATE, build_viewer, card, choice, on_open, on_work

EVENTS = "opened", "explored", "make", "give_up"  # that the viewer triggers


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server, sums = MorphServer(library), ArithmeticServer(library)
    with gr.Row(elem_id="morph-head"):
        model = choice("Model", "morph-model")
        card(library, model)
    asked = [
        server.morph_faces, server.morph_film,
        sums.arithmetic_example, sums.arithmetic_grid, sums.arithmetic_solve, sums.arithmetic_save,
    ]  # fmt: skip
    viewer = build_viewer(
        "morph", EVENTS, asked, formats=" ".join(formats()), most=MOST_FACES, frames=MOST_FRAMES
    )  # fmt: skip
    on_open(viewer, server.open, ["chosen"], face, [model])
    on_work(viewer, viewer.make, server.make_film, "film")
    model.input(None, model, viewer, js="(model) => ({model: model, chosen: true})", **PRIVATE)
    viewer.explored(
        lambda face: {"explored": face if isinstance(face, str) else "", "stamp": time.time_ns()},
        face, viewer, trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip
