"""The Morph tab: a film through several faces, and arithmetic with them.

The tab itself lives in the visitor's browser (static/morph/): Python draws one sheet of all frames whenever the film
changes, makes the files to keep, and solves equations. The viewer's value is a small message to it.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from gan.films.encode import formats
from gan.ui import arithmetic, frames
from gan.ui.arguments import EXAMPLE, NAME, NUMBER, WHOLE, argument, endpoint
from gan.ui.arithmetic import Sum
from gan.ui.drawing import METADATA_KEY
from gan.ui.library import Library
from gan.ui.morph_view import MOST_FACES, MOST_FPS, MOST_FRAMES, SIDES, WAYS, Film, MorphServer, film_name
from gan.ui.state import MAX_TRUNCATION, Face, FaceError, short
from gan.ui.tab import PRIVATE, detail, function, number_of, static, tell_failure, telling

# One script in this order.
SCRIPTS = (
    "asking.js", "remembering.js", "opening.js", "files.js", "playing.js", "morph/film.js", "morph/sum.js",
)  # fmt: skip


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server = MorphServer(library)
    with gr.Row(elem_id="morph-head"):
        model = gr.Dropdown([], label="Model", elem_id="morph-model", filterable=False, interactive=True)
    viewer = gr.HTML(
        elem_id="morph-viewer",
        html_template=static("morph/morph.html"),
        css_template=static("viewers.css", "morph/morph.css"),
        js_on_load=static(*SCRIPTS),
        apply_default_css=False,
        formats=" ".join(formats()),
        most=MOST_FACES,
        frames=MOST_FRAMES,
        server_functions=[
            function(method)
            for method in (
                server.morph_faces,
                server.morph_film,
                server.arithmetic_example,
                server.arithmetic_grid,
                server.arithmetic_solve,
                server.arithmetic_save,
            )
        ],
    )

    def opened(face: str, event: gr.EventData):
        """The tab is shown: the model that Explore shows, unless one was `chosen` here."""
        names = [entry.name for entry in library.entries() if not entry.problem]
        explored, model = _model_of(face), detail(event, "chosen")
        if model not in names:
            model = explored if explored in names else next(iter(names), None)
        message = {"model": model or "", "start": face if explored == model else ""}
        if not names:
            message["problem"] = frames.NO_MODEL.replace("`", "")
        return gr.Dropdown(names, value=model), message

    async def make(event: gr.EventData) -> AsyncIterator[dict]:
        """A film as a file, its progress first; ends early when the visitor gives up or leaves."""
        async for told in telling(server.make_film)(detail(event, "asked")):
            yield {"film": told | {"number": number_of(event)}}

    viewer.opened(opened, face, [model, viewer], trigger_mode="always_last", **PRIVATE)
    model.input(None, model, viewer, js="(model) => ({model: model, chosen: true})", **PRIVATE)
    viewer.explored(
        lambda face: {"explored": face if isinstance(face, str) else "", "stamp": time.time_ns()},
        face, viewer, trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip
    making = viewer.make(make, None, viewer, show_progress="hidden", api_visibility="private")
    tell_failure(making, viewer)
    viewer.give_up(None, cancels=[making], **PRIVATE)
    _endpoints(server)


def _endpoints(server: MorphServer) -> None:
    """The public /morph and /arithmetic."""
    with gr.Column(visible=False):
        film_arguments = [
            argument(NAME, EXAMPLE),
            argument(_seeds_schema(2, MOST_FACES), [7, 12, 3]),
            argument(WHOLE | {"minimum": 2, "maximum": MOST_FRAMES}, 60),
            argument(WHOLE | {"minimum": 1, "maximum": MOST_FPS}, 20),
            argument(NAME | {"enum": list(WAYS)}, "loop"),
            argument(NAME | {"enum": list(formats())}, "webp"),
            argument(WHOLE, SIDES[0]),
            argument(NUMBER | {"minimum": 0, "maximum": MAX_TRUNCATION}, 1.0),
        ]
        term = _seeds_schema(1, arithmetic.FACES)
        sum_arguments = [
            argument(NAME, EXAMPLE), argument(term, [0, 1, 2]), argument(term, [3, 4, 5]), argument(term, [6, 7, 8])
        ]  # fmt: skip
        file = gr.File(label="file")
        picture = gr.Image(format="png", type="pil", label="picture")
        state = gr.JSON(label="state")

    def morph(
        model: str,
        seeds: list[int],
        frames: int = 60,
        fps: int = 20,
        way: str = "loop",
        format: str = "webp",
        size: int = 256,
        truncation: float = 1.0,
    ) -> str:
        """Make a film that passes through several faces at constant speed; the same arguments give the same film.

        Args:
            model: name of a model, as /models lists them.
            seeds: 2 to 8 whole numbers of 0 to 4294967295, in order, for example [7, 12, 3].
            frames: 2 to 120, at least as many as seeds ("back": 2 * (seeds - 1)).
            fps: frames per second, 1 to 30.
            way: "loop" goes on from the last face to the first, "back" returns the way it came, "once" ends there.
            format: "webp", "gif" or "mp4".
            size: of a side in pixels, 256 or 512.
            truncation: 0 to 1.5; 1 changes nothing, less gives more typical pictures, 0 the typical one.

        Returns:
            The file.
        """
        faces = tuple(Face(model, seed, truncation) for seed in _seeds(seeds))
        film = Film(faces, frames, fps, way)
        content = server.write_film(film, format, size)
        return save_bytes_to_cache(content, film_name(film, format), file.GRADIO_CACHE)  # which delete_cache clears

    def add(model: str, a: list[int], b: list[int], c: list[int]) -> tuple[Image.Image, dict]:
        """A - B + C with one to three faces averaged in each, as in figure 7 of the DCGAN paper.

        Args:
            model: name of a model, as /models lists them.
            a: seeds of 0 to 4294967295, for example three smiling women.
            b: seeds to take away, for example three women who do not smile.
            c: seeds to add, for example three men who do not smile.

        Returns:
            The picture equation as a PNG whose metadata holds the result (dropped into the page, it is shown there),
            and the result's state: its model and its latent vector.
        """
        sum_ = Sum(model, (_seeds(a), _seeds(b), _seeds(c)))
        image = Image.open(io.BytesIO(server.equation(sum_)))
        return image, json.loads(image.text[METADATA_KEY])

    endpoint(morph, film_arguments, file, "morph")
    endpoint(add, sum_arguments, [picture, state], "arithmetic")


def _seeds_schema(least: int, most: int) -> dict:
    return {"type": "array", "items": WHOLE, "minItems": least, "maxItems": most}


def _seeds(given: object) -> tuple:
    if not isinstance(given, list):
        raise FaceError(f"seeds {short(given)}: expected a list of whole numbers, like [7, 12, 3]")
    return tuple(given)


def _model_of(face: str) -> str:
    try:
        return Face.from_json(face).model
    except FaceError:
        return ""
