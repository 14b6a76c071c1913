"""The Photo tab: a visitor's picture -> the nearest face that a model can draw -> Explore.

The tab itself lives in the visitor's browser (gan/web/photo): the picture is opened and cropped there, and only the
square that was chosen is sent. The server finds its latent vector and tells how far it got.
"""

from __future__ import annotations

import gradio as gr

from gan.data.photo import LEAST_SIDE, MAX_BYTES, MAX_PIXELS
from gan.ui.library import Library
from gan.ui.photo_server import PhotoServer
from gan.ui.viewer import PRIVATE, build_viewer, card, choice, on_open, on_work

EVENTS = "opened", "find", "give_up"  # that the viewer triggers


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server = PhotoServer(library)
    with gr.Row(elem_id="photo-head"):
        model = choice("Model", "photo-model")
        card(library, model)
    viewer = build_viewer(
        "photo", EVENTS, [server.photo_open], bytes=MAX_BYTES, pixels=MAX_PIXELS, least=LEAST_SIDE
    )  # fmt: skip
    on_open(viewer, server.open, ["chosen"], face, [model])
    on_work(viewer, viewer.find, server.find_face, "search")
    model.input(lambda model: server.about({"model": model}) | {"chosen": True}, model, viewer, **PRIVATE)
