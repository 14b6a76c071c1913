"""The Explore tab: one face, a slider for each number behind it, and more faces to take over."""

from __future__ import annotations

import base64
import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np

from gan.config import PRESETS, GANConfig
from gan.run import RunError
from gan.sampling import MAX_SEED
from gan.ui import frames
from gan.ui.bases import OWN, SLIDERS, bases, choose, value
from gan.ui.drawing import draw, draw_seeds, png
from gan.ui.library import Library
from gan.ui.state import (
    MAX_OFFSET,
    MAX_TEXT,
    MAX_TRUNCATION,
    Face,
    FaceError,
    OwnDirection,
    clean_name,
    first_seed,
    number,
    short,
)
from gan.ui.tab import detail, function, static

GRID_FACES = 24  # fills 12, 8, 6 or 4 columns
GRID_LAST = MAX_SEED + 1 - GRID_FACES  # the last seed that a grid can begin with
DOWNLOAD_SIZE = 512  # pixels, at least
SLIDER_SEEDS = 1_000_000  # in reach of the seed's slider and of the random button: short enough to read out
# A plain POST; while one is answered, only the newest waits. The sliders have a still faster way: static/stage.js.
FAST = dict(queue=False, trigger_mode="always_last", show_progress="hidden", api_visibility="private")
# What a radio shows may name a choice that another answer, still under way, has taken from it. Gradio would refuse
# that; the tab's methods fall back on the first one.
TOLERANT = FAST | dict(preprocess=False)


def build(library: Library, page: gr.Blocks) -> gr.HTML:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        page: when it loads, the state in its link is restored.

    Returns:
        The hidden component that holds the current `Face` as JSON, "" while there is none.
    """
    tab = Explore(library)

    with gr.Row(elem_id="explore", equal_height=False):
        with gr.Column(elem_id="stage-column"):
            stage = gr.HTML(
                frames.WAITING, elem_id="stage", js_on_load=static("asking.js", "remembering.js", "stage.js"),
                apply_default_css=False, server_functions=[function(tab.move)],
            )  # fmt: skip
            with gr.Row(elem_id="main-buttons"):
                random_button = gr.Button("Random face", variant="primary", elem_id="random")
                reset_button = gr.Button("Reset", elem_id="reset")
                pixels = gr.Checkbox(label="Pixels", elem_id="pixels", container=False, min_width=80)
            tools = gr.HTML(
                frames.TOOLS, elem_id="tools", js_on_load=static("asking.js", "files.js", "tools.js"),
                apply_default_css=False, server_functions=[function(tab.download)],
            )  # fmt: skip
        with gr.Column(elem_id="controls"):
            with gr.Row(elem_id="choose"):
                model = gr.Dropdown([], label="Model", elem_id="model", filterable=False, min_width=160)
                seed = gr.Slider(
                    0, SLIDER_SEEDS - 1, 0, step=1, precision=0, label="Seed", info="Another face for each",
                    elem_id="seed", buttons=[], min_width=160, interactive=True,
                )  # fmt: skip
                truncation = gr.Slider(
                    0, MAX_TRUNCATION, 1.0, step=0.01, label="Truncation", info="From typical to strange",
                    elem_id="truncation", buttons=["reset"], min_width=160,
                )  # fmt: skip
            with gr.Column(elem_id="shape"):
                gr.HTML(frames.SHAPE_HEAD, apply_default_css=False)
                switches = dict(container=False, interactive=True, elem_classes="switches")
                basis = gr.Radio([], label="Kind of sliders", elem_id="basis", **switches)
                span = gr.Radio([], label="Page of sliders", elem_id="span", **switches)
                making = static("remembering.js", "maker.js")
                maker = gr.HTML(elem_id="maker", js_on_load=making, apply_default_css=False)
                with gr.Row(elem_id="sliders"):
                    sliders = [
                        gr.Slider(
                            -MAX_OFFSET, MAX_OFFSET, 0, step=0.05, precision=3, label=f"z {i}", buttons=[],
                            min_width=120, elem_classes="offset", interactive=True,
                        )
                        for i in range(SLIDERS)
                    ]  # fmt: skip
    grid = gr.HTML(elem_id="grid", js_on_load=static("grid.js"), apply_default_css=False)
    face = gr.HTML("", html_template="", js_on_load=static("face.js"), visible="hidden")
    start = gr.Number(0, precision=0, visible=False)  # the grid's first seed; kept by the browser, over any restart

    shown = [face, model, seed, truncation, basis, span, *sliders, maker, stage]
    look = [basis, span, pixels]  # how the state is shown, and no part of it
    basis.input(tab.turn_sliders, [face, basis], [span, *sliders], **TOLERANT)
    span.input(tab.turn_sliders, [face, basis, span], [span, *sliders], **TOLERANT)
    maker.make(tab.make, [face, *look], shown, **TOLERANT)
    maker.remove(tab.remove, [face, *look], shown, **TOLERANT)
    model.focus(tab.list_models, None, model, **FAST)
    random_button.click(tab.random, [face, *look], shown, **TOLERANT)
    grid.pick(tab.pick, [face, *look], shown, **TOLERANT)
    grid.turn(tab.turn_grid, [face, truncation], [grid, start], **FAST)
    for event in (
        page.load(tab.open, pixels, [*shown, start], **FAST),
        model.input(tab.choose, [face, *look, model], shown, **TOLERANT),
        reset_button.click(tab.reset, [face, *look], shown, **TOLERANT),
        tools.restore(tab.restore, [face, *look], shown, **TOLERANT),
    ):
        event.then(tab.draw_grid, [face, truncation, start], grid, **FAST)
    truncation.release(tab.draw_grid, [face, truncation, start], grid, **FAST)
    return face


class Explore:
    """What the tab's events do: components' values in, components' values out.

    `text` is always the current `Face` as JSON, "" while there is none; `basis` and `span` are labels of
    `gan.ui.bases.bases`; `pixels` whether the large picture shows them. No `FaceError` or `RunError` is raised: what
    is wrong is said in the picture's place.
    """

    def __init__(self, library: Library) -> None:
        self.library = library

    def move(self, wanted: dict) -> dict:
        """The large picture for a moved control.

        Args:
            wanted: "face" as `Face.to_json` writes it, "pixels".

        Returns:
            {"html": what is shown in the picture's place}.
        """
        face = None
        try:
            face = Face.from_json(wanted.get("face"))
            return {"html": self._frame(face, wanted.get("pixels") is True)}
        except (FaceError, RunError) as error:
            return {"html": frames.notice(str(error), face)}

    def open(self, pixels: bool, request: gr.Request) -> list:
        """The page loads: the state of its link, and where the grid begins."""
        note = ""
        try:
            face = default = self._default()
            try:
                face = Face.from_query(dict(request.query_params), default)
                self.library.entry(face.model)
            except (FaceError, RunError) as error:
                face, note = default, f"This link cannot be followed: {error}."
        except RunError as error:
            return [*self._failed(error), 0]
        start = min(face.seed // GRID_FACES * GRID_FACES, GRID_LAST)
        return [*self._shown(lambda: face, None, None, pixels, note), start]

    def choose(self, text: str, basis: str | None, span: str | None, pixels: bool, model: str) -> list:
        """Another model, the rest kept."""
        return self._shown(lambda: replace(self._current(text), model=model), basis, span, pixels)

    def random(self, text: str, basis: str | None, span: str | None, pixels: bool) -> list:
        """A random seed, without the changes."""
        seed = random.randrange(SLIDER_SEEDS)
        return self._shown(lambda: self._of_seed(text, seed), basis, span, pixels)

    def pick(self, text: str, basis: str | None, span: str | None, pixels: bool, event: gr.EventData) -> list:
        """A face of the grid, without the changes."""
        return self._shown(lambda: self._of_seed(text, detail(event, "seed")), basis, span, pixels)

    def reset(self, text: str, basis: str | None, span: str | None, pixels: bool) -> list:
        """The face as its seed or its own latent made it."""
        return self._shown(
            lambda: replace(self._current(text), truncation=1.0, offsets=(), directions=()), basis, span, pixels
        )

    def restore(self, text: str, basis: str | None, span: str | None, pixels: bool, event: gr.EventData) -> list:
        """The state that a PNG carried."""
        return self._shown(lambda: Face.from_json(detail(event, "state")), None, None, pixels)

    def make(self, text: str, basis: str | None, span: str | None, pixels: bool, event: gr.EventData) -> list:
        """A new direction out of marked faces: `name`, seeds that have it, seeds that lack it."""
        face = note = None
        try:
            face = self._current(text)
            direction = OwnDirection(detail(event, "name"), face.model, detail(event, "has"), detail(event, "lacks"))
            face, basis = replace(face, own=(*face.own, direction)), OWN
        except FaceError as error:
            note = f"No slider was made: {error}."
        except RunError as error:
            return self._failed(error)
        return self._shown(lambda: face or self._current(text), basis, span, pixels, note or "")

    def remove(self, text: str, basis: str | None, span: str | None, pixels: bool, event: gr.EventData) -> list:
        """One of the visitor's directions less, and what it changed."""

        def without() -> Face:
            face, name = self._current(text), clean_name(detail(event, "name"))
            own = tuple(d for d in face.own if (d.model, d.name) != (face.model, name))
            gone = {d.key for d in face.own if d not in own}
            return replace(face, own=own, directions=tuple(pair for pair in face.directions if pair[0] not in gone))

        return self._shown(without, basis, span, pixels)

    def list_models(self) -> dict:
        """The models that are there now."""
        return gr.update(choices=self._choices())

    def turn_sliders(self, text: str, basis: str | None, span: str | None = None) -> list:
        """Other sliders."""
        try:
            face = self._current(text)
            return self._sliders(face, basis, span)[1:]
        except (FaceError, RunError):
            return [gr.skip()] * (1 + SLIDERS)

    def draw_grid(self, text: str, truncation: float, start: int) -> str:
        """Faces of the seeds from `start` on, as the current model draws them."""
        try:
            start = first_seed(start or 0, GRID_FACES)
            seeds = range(start, start + GRID_FACES)
            images = draw_seeds(
                self.library, self._current(text).model, seeds, number("truncation", truncation, 0, MAX_TRUNCATION)
            )
            return frames.faces(images, seeds, GRID_LAST)
        except (FaceError, RunError):  # said in the picture's place
            return ""

    def turn_grid(self, text: str, truncation: float, event: gr.EventData) -> tuple:
        """Other seeds in the grid."""
        try:
            start = first_seed(detail(event, "start"), GRID_FACES)
        except FaceError:  # none of the grid's own
            start = 0
        return self.draw_grid(text, truncation, start), start

    def download(self, wanted: dict) -> dict:
        """A PNG to keep.

        Args:
            wanted: "query" as `Face.to_query` writes it, "smooth" whether to enlarge without visible pixels.

        Returns:
            "name" and "png" (base64) of the file, or "problem".
        """
        try:
            face = Face.from_query(_parameters(wanted.get("query")), self._default())
            drawn = draw(self.library, face)
        except (FaceError, RunError) as error:
            return {"problem": str(error)}
        content = png(drawn.pixels, face, least_size=DOWNLOAD_SIZE, smooth=bool(wanted.get("smooth")))
        name = f"{face.model.replace('/', '-')}-{'latent' if face.latent else f'seed{face.seed}'}.png"
        return {"name": name, "png": base64.b64encode(content).decode()}

    def warm_up(self) -> None:
        """Load and draw what the first visitor will see; does nothing where there is no model."""
        with contextlib.suppress(RunError):
            face = self._default()
            self.move({"face": face.to_json()})
            self.draw_grid(face.to_json(), 1.0, 0)
            for truncation in np.linspace(0, MAX_TRUNCATION, 7):  # what a drag through all of them has to measure
                draw(self.library, replace(face, truncation=float(truncation)))

    def _default(self) -> Face:
        """The first face of our own recipe's model, else of the largest, in the first folder that has any.

        Raises:
            RunError: there is no usable model.
        """
        usable = [entry for entry in self.library.entries() if not entry.problem]
        if not usable:
            raise RunError(frames.NO_MODEL)
        shipped = [entry for entry in usable if entry.folder.parent == usable[0].folder.parent]
        best = max(shipped, key=lambda entry: _rank(entry.info.config))
        return Face(best.name)

    def _of_seed(self, text: str, seed: int) -> Face:
        return replace(self._current(text), seed=seed, latent="", offsets=(), directions=())

    def _current(self, text: str) -> Face:
        return Face.from_json(text) if text else self._default()

    def _frame(self, face: Face, pixels: bool, note: str = "") -> str:
        return frames.frame(self.library.entry(face.model), face, draw(self.library, face), not pixels, note)

    def _choices(self) -> list[tuple[str, str]]:
        return [(entry.label, entry.name) for entry in self.library.entries()]

    def _sliders(self, face: Face, basis: str | None, span: str | None) -> list[dict]:
        """Updates of the basis, its page, and the sliders."""
        directions = self.library.directions(face.model).values()
        available = bases(face, self.library.entry(face.model).info.config.z_dim, directions)
        basis, span = choose(available, face, basis, span)
        labels = available[basis][span]
        return [
            gr.update(choices=list(available), value=basis),
            gr.update(choices=list(available[basis]), value=span, visible=len(available[basis]) > 1),
            *[gr.update(label=label, value=value(face, label), visible=True) for label in labels],
            *[gr.update(value=0, visible=False)] * (SLIDERS - len(labels)),
        ]

    def _shown(
        self, make: Callable[[], Face], basis: str | None, span: str | None, pixels: bool, note: str = ""
    ) -> list:
        """Values of all components for the face that `make` gives."""
        try:
            face = make()
        except (FaceError, RunError) as error:
            return self._failed(error)
        try:
            face = face.fitted(self.library.entry(face.model).info.config, self.library.directions(face.model))
            sliders = self._sliders(face, basis, span)
            picture = self._frame(face, pixels, note)
        except RunError as error:  # kept as it is: the model may be mended while the page is open
            return self._failed(error, face)
        model = gr.update(choices=self._choices(), value=face.model)
        return [
            face.to_json(), model, seed_slider(face.seed), face.truncation, *sliders, frames.maker(face), picture
        ]  # fmt: skip

    def _failed(self, error: Exception, face: Face | None = None) -> list:
        text = face.to_json() if face else gr.skip()
        model = gr.update(choices=self._choices(), value=face.model) if face else gr.skip()
        return [text, model, *[gr.skip()] * (5 + SLIDERS), frames.notice(str(error), face)]


def _rank(config: GANConfig) -> tuple:
    """The higher, the sooner a visitor should see it."""
    return config.preset == next(iter(PRESETS)), config.channels, config.image_size


def _parameters(query: object) -> dict[str, str]:
    if not isinstance(query, str):
        raise FaceError(f"query {short(query)}: expected the part of a link after its '?'")
    return dict(parse_qsl(query[:MAX_TEXT]))


def seed_slider(seed: int) -> dict:
    """An update that puts the seed's slider on `seed`; a link may name one beyond its usual end."""
    return gr.update(value=seed, maximum=SLIDER_SEEDS - 1 if seed < SLIDER_SEEDS else MAX_SEED)
