"""The Explore tab: one face, a slider for each number behind it, and more faces to take over.

Its answers come from `gan.ui.explore_server`; what they look like is made in the browser (gan/web/explore/). A moved
slider goes past Gradio's events, which are too slow for it: gan/web/explore/stage.js asks the server itself.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import gradio as gr

from gan.sampling import MAX_SEED
from gan.ui.browser_files import BASE, is_on
from gan.ui.explore_server import ExploreServer
from gan.ui.explore_sliders import SLIDERS
from gan.ui.library import Library
from gan.ui.state import MAX_OFFSET, MAX_TRUNCATION
from gan.ui.tab import detail, function
from gan.ui.values import MAX_NAME
from gan.ui.viewer import card
from gan.ui.web import call, module, text

# A plain POST; while one is answered, only the newest waits.
FAST = dict(queue=False, trigger_mode="always_last", show_progress="hidden", api_visibility="private")
# What a radio shows may name a choice that another answer, still under way, has taken from it. Gradio would refuse
# that; the server falls back on the first one.
TOLERANT = FAST | dict(preprocess=False)
# Of an event that has to wait for the one before, Gradio forgets what its script sends along, and runs it as that one.
SENDING = TOLERANT | dict(trigger_mode="multiple")
_OF_STAGE = ("face", "picture", "score", "milliseconds", "about", "note", "notice", "stamp", "title", "marks")


def build(library: Library, page: gr.Blocks) -> gr.HTML:
    """Lay out the tab and wire it.

    Args:
        library: where the models come from.
        page: when it loads, the state in its link is restored.

    Returns:
        The hidden component that holds the current `Face` as JSON, "" while there is none.
    """
    server = ExploreServer(library)

    with gr.Row(elem_id="explore", equal_height=False):
        with gr.Column(elem_id="stage-column"):
            browser = BASE if is_on() else ""
            draw = [function(server.draw)]
            stage = _html("stage", "restore", "put", template=True, browser=browser, server_functions=draw)
            with gr.Row(elem_id="main-buttons"):
                gr.Button("Random face", variant="primary", elem_id="random")
                gr.Button("Reset", elem_id="reset")
                pixels = gr.Checkbox(label="Pixels", elem_id="pixels", container=False, min_width=80)
            _html("seen", template=True, server_functions=[function(server.see)])
            _html("tools", template=True, server_functions=[function(server.download)])
            moved = _html("moved", "reveal", template=True)
        with gr.Column(elem_id="controls"):
            with gr.Row(elem_id="choose"):
                model = gr.Dropdown([], label="Model", elem_id="model", filterable=False, min_width=160)
                card(library, model)
                seed = gr.Slider(
                    0, MAX_SEED, 0, step=1, precision=0, label="Seed", info="Another face for each",
                    elem_id="seed", buttons=[], min_width=160, interactive=True,
                )  # fmt: skip
                truncation = gr.Slider(
                    0, MAX_TRUNCATION, 1.0, step=0.01, label="Truncation", info="From typical to strange",
                    elem_id="truncation", buttons=["reset"], min_width=160, interactive=True,
                )  # fmt: skip
            with gr.Column(elem_id="shape"):
                gr.HTML(text("explore/shape.html"), apply_default_css=False)
                switches = dict(container=False, interactive=True, elem_classes="switches")
                basis = gr.Radio([], label="Kind of sliders", elem_id="basis", **switches)
                span = gr.Radio([], label="Page of sliders", elem_id="span", **switches)
                maker = _html("maker", "make", "remove", template=True, longest=MAX_NAME)
                with gr.Row(elem_id="sliders"):
                    sliders = [
                        gr.Slider(
                            -MAX_OFFSET, MAX_OFFSET, 0, step=0.05, precision=3, label=f"z {i}", buttons=[],
                            min_width=120, elem_id=_slider_id(f"z:{i}"), elem_classes="offset", interactive=True,
                        )
                        for i in range(SLIDERS)
                    ]  # fmt: skip
            _html("pad", template=True, server_functions=[function(server.pad)])
    _html("grid", server_functions=[function(server.grid)])
    face = gr.HTML("", html_template="", js_on_load=module("explore/face.js"), visible="hidden")

    def list_models() -> dict:
        return gr.update(choices=server.models())

    def open(pixels: bool, request: gr.Request) -> list:
        return _values(server.open({"pixels": pixels, "query": dict(request.query_params)}))

    def choose(face: str, basis: str | None, page: str | None, pixels: bool, model: str) -> list:
        return _values(server.choose(_look(face, basis, page, pixels) | {"model": model}))

    def turn_sliders(face: str, basis: str | None, page: str | None = None) -> list:
        return _slider_values(server.sliders({"face": face, "basis": basis, "page": page}))[1:]

    def reveal(face: str, event: gr.EventData) -> list:
        return _slider_values(server.sliders({"face": face, "key": detail(event, "key")}))

    look = [face, basis, span, pixels]
    shown = [face, model, seed, truncation, basis, span, *sliders, maker, stage]
    basis.input(turn_sliders, [face, basis], [span, *sliders], **TOLERANT)
    span.input(turn_sliders, [face, basis, span], [span, *sliders], **TOLERANT)
    moved.reveal(reveal, face, [basis, span, *sliders], **SENDING)
    maker.make(_showing(server.make, "name", "has", "lacks"), look, shown, **SENDING)
    maker.remove(_showing(server.remove, "name"), look, shown, **SENDING)
    model.focus(list_models, None, model, **FAST)
    page.load(open, pixels, shown, **FAST)
    model.input(choose, [*look, model], shown, **TOLERANT)
    stage.restore(_showing(server.restore, "state"), look, shown, **SENDING)
    stage.put(None, face, [seed, truncation, *sliders], js=call("explore/controls.js", "standing"), **FAST)
    return face


def _html(name: str, *events: str, template: bool = False, **options: object) -> gr.HTML:
    """A part of the tab that its module in gan/web/explore makes; `template`: out of the HTML beside that."""
    markup, script = text(f"explore/{name}.html") if template else "", module(f"explore/{name}.js", *events)
    return gr.HTML(elem_id=name, html_template=markup, js_on_load=script, apply_default_css=False, **options)


def _look(face: str, basis: str | None, page: str | None, pixels: bool) -> dict:
    return {"face": face, "basis": basis, "page": page, "pixels": pixels}


def _showing(method: Callable[[dict], dict], *names: str) -> Callable[..., list]:
    """An answer of the server as an event's function; `names` of what the browser's script sends along."""

    def show(
        face: str, basis: str | None, page: str | None, pixels: bool, event: gr.EventData
    ) -> list:  # fmt: skip
        sent = {name: detail(event, name) for name in names}
        return _values(method(_look(face, basis, page, pixels) | sent))

    return show


def _values(shown: dict) -> list:
    """Values of the components for an answer about the whole tab."""
    model = gr.update(choices=shown["models"], value=shown["model"]) if "model" in shown else gr.skip()
    face = shown.get("face", gr.skip())
    if "notice" in shown:
        return [face, model, *[gr.skip()] * (5 + SLIDERS), _of_stage(shown)]
    return [face, model, shown["seed"], shown["truncation"], *_slider_values(shown), shown["own"], _of_stage(shown)]


def _of_stage(shown: dict) -> dict:
    """What gan/web/explore/stage.js shows, or "notice" in its place."""
    return {name: shown[name] for name in _OF_STAGE if name in shown}


def _slider_values(shown: dict) -> list:
    """Values of the radios of bases and pages, and of the sliders."""
    if not shown:
        return [gr.skip()] * (2 + SLIDERS)
    sliders = [
        gr.update(label=slider["label"], value=slider["value"], visible=True, elem_id=_slider_id(slider["key"]))
        for slider in shown["sliders"]
    ]
    return [
        gr.update(choices=shown["bases"], value=shown["basis"]),
        gr.update(choices=shown["pages"], value=shown["page"], visible=len(shown["pages"]) > 1),
        *sliders,
        *[gr.update(value=0, visible=False)] * (SLIDERS - len(sliders)),
    ]


def _slider_id(key: str) -> str:
    """A slider's id on the page, by which gan/web/explore/controls.js knows what it moves."""
    return f"slider-{quote(key, safe=':~')}"
