"""The Train tab: begin a training, watch it learn, stop it, go on with it.

The processes are `gan.ui.trainings`'s; what is drawn of a run is what the Replay tab draws, newest sheet first.
"""

from __future__ import annotations

from collections.abc import Sequence

from gan.ui.library import Library
from gan.ui.replay_server import ReplayServer
from gan.ui.train_server import TrainServer
from gan.ui.trainings import Trainings
from gan.ui.viewer import build_viewer
from gan.ui.web import text

_BEGIN, _END = "<!-- stage: of the Train tab too -->", "<!-- end of the stage -->"


def build(library: Library, trainings: Trainings, sources: Sequence[str] = (), data_root: str = "data") -> None:
    """Lay out the tab.

    Args:
        library, trainings, sources, data_root: as of `gan.ui.train_server.TrainServer`.
    """
    server, replay = TrainServer(library, trainings, sources, data_root), ReplayServer(library)
    asked = [
        server.train_open, server.train_look, server.train_preview, server.train_begin, server.train_act,
        server.train_upload, server.train_download, replay.replay_run, replay.replay_sheets,
    ]  # fmt: skip
    stage = text("replay/replay.html").partition(_BEGIN)[2].partition(_END)[0]
    build_viewer(
        "train", [], asked, markup=text("train/train.html").replace("<!-- stage -->", stage),
        styles=["replay/replay.css"],
    )  # fmt: skip
