"""The Models tab: all models in the order of their story, and two of them side by side on one seed.

The server sends what there is to know of them once; gan/web/models shows it.
"""

from __future__ import annotations

from gan.ui.explore_server import ExploreServer
from gan.ui.library import Library
from gan.ui.models_server import server_of
from gan.ui.viewer import build_viewer


def build(library: Library) -> None:
    """Lay out the tab.

    Args:
        library: where the models come from.
    """
    server = server_of(library)
    build_viewer("models", [], [server.models_list, server.models_page, ExploreServer(library).draw])
