"""A page that browsers keep apart from other sites' pages: only there they lend memory to threads, which draw sooner.

It is so where it has a window or tab of its own. In a frame of another site's page nothing changes: whether threads may
be had there is up to that page. A browser that does not know the words passes over them.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.ui.browser_files import is_on

# What other hosts send a page is asked for without the visitor's cookies, and so asks for no consent of theirs. The
# scripts of its workers have to say the same.
EMBEDDER = {"Cross-Origin-Embedder-Policy": "credentialless"}
_ALONE = EMBEDDER | {"Cross-Origin-Opener-Policy": "same-origin"}


class Isolated:
    """ASGI middleware: a page, with the headers that isolate it, where visitors' browsers may draw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def isolate(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_ALONE)
            await send(message)

        in_tab = Headers(scope=scope).get("sec-fetch-dest") == "document"
        await self._app(scope, receive, isolate if in_tab and is_on() else send)
