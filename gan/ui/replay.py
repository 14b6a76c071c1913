"""The Replay tab: a run's sheets and curves on one timeline, in the visitor's browser.

Python sends what a run holds, once, and then only what is new; static/replay/viewer.js draws, plays and scrubs
it without asking again. The viewer's value is a small message to it: which runs to show, or a film strip.
"""

from __future__ import annotations

import time

import gradio as gr
from PIL import Image

from gan.films.encode import formats
from gan.ui.arguments import EXAMPLE, NAME, NUMBER, argument, endpoint
from gan.ui.library import Entry, Library
from gan.ui.replay_view import ReplayServer
from gan.ui.state import Face, FaceError
from gan.ui.tab import PRIVATE, detail, function, static, tell_failure

# One script in this order.
SCRIPTS = (
    "asking.js", "remembering.js", "opening.js", "files.js", "playing.js",
    "replay/plot.js", "replay/viewer.js", "replay/face.js",
)  # fmt: skip
_NONE = ""
_NOTHING = ("no other run", _NONE)


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the runs come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server = ReplayServer(library)
    with gr.Row(elem_id="replay-runs"):
        run = gr.Dropdown([], label="Run", elem_id="replay-run", filterable=False, interactive=True)
        second = gr.Dropdown(
            [_NOTHING], value=_NONE, label="Compare with", elem_id="replay-second", filterable=False,
            interactive=True,
        )  # fmt: skip
    viewer = gr.HTML(
        elem_id="replay-viewer",
        html_template=static("replay/viewer.html"),
        css_template=static("viewers.css", "replay/viewer.css"),
        js_on_load=static(*SCRIPTS),
        apply_default_css=False,
        films=" ".join(formats()),
        server_functions=[
            function(server.replay_run),
            function(server.replay_sheets),
            function(server.replay_download),
        ],
    )

    def opened(face: str, event: gr.EventData):
        """The tab is shown: the runs that it showed, or where there are none the one that drew Explore's face."""
        run, second = detail(event, "run"), detail(event, "second")
        entries = library.entries()
        names = [entry.name for entry in entries]
        run = run if run in names else _first(entries, face)
        second = second if second in names else _NONE
        choices = [(_label(entry), entry.name) for entry in entries]
        return (
            gr.Dropdown(choices, value=run),
            gr.Dropdown([_NOTHING, *choices], value=second),
            {"run": run, "second": second},
        )

    def draw(face: str, event: gr.EventData) -> dict:
        """Explore's face by every snapshot of a run."""
        return {"strip": server.strip(face, detail(event, "run")), "stamp": time.time_ns()}

    choose = "(run, second) => ({run: run, second: second})"
    viewer.opened(opened, face, [run, second, viewer], trigger_mode="always_last", **PRIVATE)
    gr.on([run.input, second.input], None, [run, second], viewer, js=choose, **PRIVATE)
    drawing = viewer.face(draw, face, viewer, trigger_mode="always_last", **PRIVATE)
    tell_failure(drawing, viewer)
    _endpoint(server)


def _endpoint(server: ReplayServer) -> None:
    """The public /replay."""
    with gr.Row(visible=False):
        arguments = [argument(NAME, EXAMPLE), argument(NUMBER, 0.5)]
        sheet = gr.Image(label="sheet", format="png")
        numbers = gr.JSON(label="numbers")

    def replay(model: str, step: float = 1.0) -> tuple[Image.Image, dict]:
        """What a run could draw at a moment of its training: the sample sheet nearest to it, and its numbers.

        Args:
            model: name of a model or run, as /models lists them.
            step: 0 to 1 is a share of the run's images seen (1 is the end), above 1 a number of images seen.

        Returns:
            The sheet, 8 x 8 pictures of the seeds 0 to 63 row by row, and the numbers at that moment: images_seen,
            epoch, seconds, losses, D(x), D(G(z)), diversity (null where not measured); the sheet's number, how many
            there are, and how many images the run has seen.
        """
        return server.moment(model, step)

    endpoint(replay, arguments, [sheet, numbers], "replay")


def _first(entries: list[Entry], face: str) -> str | None:
    """For a visitor who has chosen nothing: what draws the face in Explore, else the first whole run, else any."""
    try:
        named = [entry.name for entry in entries if entry.name == Face.from_json(face).model]
    except FaceError:
        named = []
    whole = [entry.name for entry in entries if entry.problem is None]
    return next(iter(named + whole + [entry.name for entry in entries]), None)


def _label(entry: Entry) -> str:
    state = " · unusable" if entry.problem else " · training" if entry.in_training else ""
    return f"{entry.name}{state}"
