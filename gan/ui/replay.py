"""The Replay tab: a run's sheets and curves on one timeline, in the visitor's browser.

The server sends what a run holds, once, and then only what is new; gan/web/replay draws, plays and scrubs it without
asking again.
"""

from __future__ import annotations

import time

import gradio as gr

from gan.films.encode import GIF_FRAMES, formats
from gan.ui.library import Library
from gan.ui.replay_server import ReplayServer
from gan.ui.tab import detail
from gan.ui.viewer import PRIVATE, build_viewer, card, choice, on_open, tell_failure

EVENTS = "opened", "face"  # that the viewer triggers


def build(library: Library, face: gr.Component) -> None:
    """Lay out the tab and wire it.

    Args:
        library: where the runs come from.
        face: holds Explore's current `Face` as JSON, "" while there is none.
    """
    server = ReplayServer(library)
    with gr.Row(elem_id="replay-runs"):
        run = choice("Run", "replay-run")
        card(library, run)
        second = choice("Compare with", "replay-second")
        card(library, second)
    asked = [server.replay_run, server.replay_sheets, server.replay_download]
    viewer = build_viewer("replay", EVENTS, asked, films=" ".join(formats()), gif=" ".join(map(str, GIF_FRAMES)))

    def draw(face: str, event: gr.EventData) -> dict:
        """Explore's face by every snapshot of a run and its weights, or by these only."""
        asked = {"face": face, "run": detail(event, "run"), "last": detail(event, "last")}
        return {"strip": server.strip(asked), "stamp": time.time_ns()}

    on_open(viewer, server.open, ["run", "second"], face, [run, second])
    choose = "(run, second) => ({run: run, second: second})"
    gr.on([run.input, second.input], None, [run, second], viewer, js=choose, **PRIVATE)
    drawing = viewer.face(draw, face, viewer, trigger_mode="multiple", **PRIVATE)  # as SENDING of explore.py
    tell_failure(drawing, viewer)
