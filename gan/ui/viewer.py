"""What Morph, Photo and Replay share: a viewer that lives in the visitor's browser, and choices of models above it,
each with a card, as Explore's has.

    with gr.Row(elem_id="morph-head"):
        model = choice("Model", "morph-model")
        card(library, model)
    viewer = build_viewer("morph", ["opened", "make", "give_up"], [server.morph_film], most=8)
    on_open(viewer, server.open, ["chosen"], face, [model])
    on_work(viewer, viewer.make, server.make_film, "film")

The viewer's value is a small message to its script, and the events that the script triggers bring what it sends along.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import gradio as gr

from gan.ui.library import Library
from gan.ui.models_server import server_of
from gan.ui.tab import detail, function, telling
from gan.ui.web import module, text

# Of an event that is the page's own: a plain POST, its values as the browser sent them. Gradio's own check of them
# knows a dropdown's choices from the session, and after a restart of the server every session is a new one.
PRIVATE = dict(queue=False, preprocess=False, show_progress="hidden", api_visibility="private")


def choice(label: str, elem_id: str) -> gr.Dropdown:
    """A choice among what is there when the tab is opened; empty until then."""
    return gr.Dropdown([], label=label, elem_id=elem_id, filterable=False, interactive=True)


def card(library: Library, choice: gr.Dropdown) -> None:
    """What the chosen model is, in a picture and a line; follows whatever sets the choice.

    Args:
        library: where the models come from.
    """
    server = [function(server_of(library).models_brief)]
    shown = gr.HTML(
        elem_id=f"{choice.elem_id}-card", html_template=text("shared/brief.html"),
        js_on_load=module("shared/brief.js"), apply_default_css=False, server_functions=server,
    )  # fmt: skip
    choice.change(None, choice, shown, js="(model) => model", **PRIVATE)


def build_viewer(
    name: str,
    events: Sequence[str],
    methods: Sequence[Callable[[dict], dict]],
    *,
    markup: str = "",
    styles: Sequence[str] = (),
    **facts: object,
) -> gr.HTML:
    """The viewer of a tab.

    Args:
        name: of the tab, of its folder in gan/web and of the module, HTML and styles in there.
        events: that the module triggers.
        methods: what the script may ask the server, see `gan.ui.tab.function`.
        markup: in place of the HTML.
        styles: of other tabs, whose parts this one has too.
        facts: for the placeholders of the HTML.
    """
    return gr.HTML(
        elem_id=f"{name}-viewer",
        html_template=markup or text(f"{name}/{name}.html"),
        css_template=text("shared/viewers.css", *styles, f"{name}/{name}.css"),
        js_on_load=module(f"{name}/{name}.js", *events),
        apply_default_css=False,
        server_functions=[function(method) for method in methods],
        **facts,
    )


def on_open(
    viewer: gr.HTML,
    method: Callable[[dict], dict],
    told: Sequence[str],
    face: gr.Component,
    choices: Sequence[gr.Dropdown],
) -> None:
    """When the tab comes into view, its choices are filled and its script is told.

    Args:
        method: is given {"explored": Explore's `Face` as JSON, and what is `told`}; returns {"choices": for each of
            `choices` what `gr.Dropdown` takes, "message": for the script}.
        told: names of what the script sends along.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """

    def opened(explored: str, event: gr.EventData) -> list:
        answer = method({"explored": explored} | {name: detail(event, name) for name in told})
        return [*(gr.Dropdown(**filled) for filled in answer["choices"]), answer["message"]]

    viewer.opened(opened, face, [*choices, viewer], trigger_mode="multiple", **PRIVATE)  # as SENDING of explore.py


def on_work(
    viewer: gr.HTML, event: Callable, method: Callable[[dict, Callable[[dict], None]], dict], name: str
) -> None:
    """An event of the viewer begins dear work, of which its script is told, until it triggers `give_up` or leaves.

    Args:
        event: of `viewer`; its script sends {"asked", "number"} along.
        method: see `gan.ui.tab.telling`.
        name: under which the viewer's value holds what is told, with the number under which the script asked.
    """

    async def work(event: gr.EventData) -> AsyncIterator[dict]:
        number = detail(event, "number")
        async for told in telling(method)(detail(event, "asked")):
            yield {name: told | {"number": number if isinstance(number, int) else 0}}

    begun = event(work, None, viewer, **(PRIVATE | {"queue": True}))
    tell_failure(begun, viewer)
    viewer.give_up(None, cancels=[begun], **PRIVATE)


def tell_failure(event: gr.events.Dependency, viewer: gr.HTML) -> None:
    """Let a viewer know, as its value's `failed`, that an event ended with an error: nothing more will come of it."""
    event.failure(None, None, viewer, js="() => ({failed: Date.now()})", **PRIVATE)
