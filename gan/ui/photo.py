"""The Photo tab: a visitor's picture -> the nearest face that a model can draw -> Explore.

The tab itself lives in the visitor's browser (static/photo/): the picture is opened and cropped there, and only the
square that was chosen is sent. Python finds its latent vector and tells how far it got. The viewer's value is a small
message to it.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import gradio as gr
from PIL import Image

from gan.data.photo import LEAST_SIDE, MAX_BYTES, MAX_PIXELS
from gan.latent.projection import STEPS
from gan.ui import frames
from gan.ui.arguments import EXAMPLE, NAME, WHOLE, argument, endpoint, picture_file
from gan.ui.drawing import png
from gan.ui.library import Library
from gan.ui.photo_view import MOST_STEPS, OPENING_MILLISECONDS, PhotoServer
from gan.ui.places import price
from gan.ui.state import Face, FaceError, whole
from gan.ui.tab import PRIVATE, detail, function, number_of, static, tell_failure, telling

SCRIPTS = ("asking.js", "remembering.js", "opening.js", "photo/crop.js", "photo/search.js")  # one script in this order


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server = PhotoServer(library)
    with gr.Row(elem_id="photo-head"):
        model = gr.Dropdown([], label="Model", elem_id="photo-model", filterable=False, interactive=True)
    viewer = gr.HTML(
        elem_id="photo-viewer",
        html_template=static("photo/photo.html"),
        css_template=static("viewers.css", "photo/photo.css"),
        js_on_load=static(*SCRIPTS),
        apply_default_css=False,
        bytes=MAX_BYTES,
        pixels=MAX_PIXELS,
        least=LEAST_SIDE,
        server_functions=[function(server.photo_open)],
    )

    def opened(face: str, event: gr.EventData):
        """The tab is shown: the model that Explore shows, where it draws in colour, unless one was `chosen` here."""
        usable = {entry.name: entry.info.config for entry in library.entries() if not entry.problem}
        model = detail(event, "chosen")
        if model not in list(usable):
            coloured = [name for name, config in usable.items() if config.channels == 3]
            explored = _model_of(face)
            model = explored if explored in coloured else next(iter(coloured or usable), None)
        problem = "" if usable else frames.NO_MODEL.replace("`", "")
        return gr.Dropdown(list(usable), value=model), {"about": about(model), "problem": problem}

    def about(model: str | None) -> dict:
        """What the viewer has to know of a model."""
        known = next((entry for entry in library.entries() if entry.name == model and not entry.problem), None)
        if known is None:
            return {"model": ""}
        config = known.info.config
        return {"model": model, "size": config.image_size, "faces": config.channels == 3}

    async def find(event: gr.EventData) -> AsyncIterator[dict]:
        """A search, told a few times a second; ends early when the visitor gives up or leaves."""
        async for told in telling(server.find_face)(detail(event, "asked")):
            yield {"search": told | {"number": number_of(event)}}

    viewer.opened(opened, face, [model, viewer], trigger_mode="always_last", **PRIVATE)
    model.input(lambda model: {"about": about(model), "problem": "", "chosen": True}, model, viewer, **PRIVATE)
    searching = viewer.find(find, None, viewer, **(PRIVATE | {"queue": True}))
    tell_failure(searching, viewer)
    viewer.give_up(None, cancels=[searching], **PRIVATE)
    _endpoint(server)


def _endpoint(server: PhotoServer) -> None:
    """The public /project."""
    with gr.Column(visible=False):
        arguments = [argument(NAME, EXAMPLE), picture_file(), argument(WHOLE, STEPS)]
        picture = gr.Image(format="png", type="pil", label="picture")
        found = gr.JSON(label="found")

    def project(model: str, photo: str, steps: int = STEPS) -> tuple[Image.Image, dict]:
        """Find the face of a model that comes nearest to a photo, best one that is cropped to the face.

        The file is removed from the server as soon as it is read, whatever comes of it.

        Args:
            model: name of a model, as /models lists them.
            photo: JPEG, PNG, WebP, GIF, BMP or TIFF of at most 20 MB and 50 million pixels; what is not square loses
                its sides.
            steps: gradient steps, 0 to 300; 0 is the encoder's first guess.

        Returns:
            The found face as a PNG whose metadata holds its state (dropped into the page, it is shown there), and
            {"state": its model and latent vector, "psnr": dB against the photo at the model's size, "psnr_guess": of
            the encoder's guess, "feature_distance" and "feature_distance_guess": in the classifier's features}.
        """
        price(OPENING_MILLISECONDS)  # before the file goes: what is found to be dear begins anew
        path = Path(photo) if photo else None
        try:
            content = path.read_bytes() if path else b""
        finally:
            if path:
                path.unlink(missing_ok=True)
        result = server.project(model, content, whole("steps", steps, 0, MOST_STEPS))
        image = Image.open(io.BytesIO(png(result.pixels, result.face)))
        return image, {
            "state": json.loads(result.face.to_json()),
            "psnr": round(result.end.psnr, 3),
            "psnr_guess": round(result.begin.psnr, 3),
            "feature_distance": round(result.end.feature_distance, 4),
            "feature_distance_guess": round(result.begin.feature_distance, 4),
        }

    endpoint(project, arguments, [picture, found], "project")


def _model_of(face: str) -> str:
    try:
        return Face.from_json(face).model
    except FaceError:
        return ""
