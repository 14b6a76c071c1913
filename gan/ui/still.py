"""The still: the opening face in the page's own HTML, for the seconds that a slow line takes to bring the live page.

It is drawn once, and lies where the live picture will. gan/web/still/still.js takes it away then.
"""

from __future__ import annotations

import contextlib
import html
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.run import RunError
from gan.titles import title_of
from gan.ui.drawing import data_uri, draw, enlarge, to_image
from gan.ui.explore_server import ExploreServer
from gan.ui.library import Library
from gan.ui.theme import ACCENT, PAPER, theme
from gan.ui.web import text

_BODY = re.compile(rb"<body[^>]*>")
# Gradio's look, until which nothing would be shown. It keeps its place, before ours, and holds nothing up.
_LOOK = re.compile(rb'<link rel="stylesheet"(?=[^>]*href="\./assets/)')
_LATER = b"""<link rel="stylesheet" media="print" onload="this.media='all'\""""
_LEAST_SIZE = 128  # pixels of the picture
_COLOURS = {  # in the light and in the dark
    "ground": (PAPER.c50, PAPER.c950),
    "ink": (PAPER.c800, PAPER.c100),
    "quiet": (PAPER.c500, PAPER.c400),
    "well": (PAPER.c100, PAPER.c800),
    "accent": (ACCENT.c600, ACCENT.c400),
}


class Still:
    """What the page's HTML begins with: its top and, once that is drawn, its first face.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        light, dark = (";".join(f"--{name}:{pair[i]}" for name, pair in _COLOURS.items()) for i in (0, 1))
        font = f"#still{{font-family:{theme().font}}}"
        self._style = f"<style>{text('still/still.css')}#still{{{light}}}#still.dark{{{dark}}}{font}</style>"
        self._picture = ""

    def draw(self) -> None:
        """Draw the first face; does nothing where there is no model, which the page itself says."""
        with contextlib.suppress(RunError):
            face = ExploreServer(self._library).default_face()
            pixels = draw(self._library, face).pixels
            picture = data_uri(enlarge(to_image(pixels), -(-_LEAST_SIZE // len(pixels)), True), "webp", quality=85)
            title = html.escape(title_of(face.model, self._library.entry(face.model).info.config))
            self._picture = f'<img src="{picture}" alt="Picture drawn by {title}">'

    def within(self, page: bytes) -> bytes:
        """The page's HTML with the still at its beginning; as it was, where it is not as Gradio writes it."""
        if not (_LOOK.search(page) and _BODY.search(page)):
            return page
        markup = text("still/still.html").replace("{header}", text("shared/header.html"))
        still = f"{self._style}{markup.replace('{picture}', self._picture)}<script>{text('still/still.js')}</script>"
        return _BODY.sub(lambda body: body[0] + still.encode(), _LOOK.sub(_LATER, page), count=1)


class BeginningWith:
    """ASGI middleware: a page, its HTML begun with a still."""

    def __init__(self, still: Still, app: ASGIApp) -> None:
        self._still, self._app = still, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, content = None, b""

        async def answer(message: Message) -> None:
            nonlocal start, content
            if message["type"] == "http.response.start":
                start = message
                return
            content += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = MutableHeaders(raw=start["headers"])
            if headers.get("content-type", "").startswith("text/html") and content:
                content = self._still.within(content)
                headers["content-length"] = str(len(content))
            await send(start)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, receive, answer)
