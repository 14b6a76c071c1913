"""The still: the opening face in the page's own HTML, for the seconds that a slow line takes to bring the live page.

It is the first model's, drawn once, or that of the link, drawn while the page's HTML is made. It lies where the live
picture will; gan/web/still/still.js takes it away then.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.errors import GanError
from gan.run import RunError
from gan.titles import title_of
from gan.ui import places
from gan.ui.drawing import data_uri, draw_alone, enlarge, to_image
from gan.ui.explore_server import ExploreServer
from gan.ui.library import Library
from gan.ui.state import PARAMETERS, Face
from gan.ui.theme import ACCENT, PAPER, theme
from gan.ui.web import text
from gan.ui.words import describe

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
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Shown:
    """What the still shows of a face: HTML; `picture` is empty where none could be drawn in time."""

    told: str = "The page is loading."
    picture: str = ""


class Still:
    """What the page's HTML begins with: its top and, once that is drawn, its first face or its link's.

    Args:
        library: where the models come from.

    Attributes:
        patience: seconds after which the page goes without its link's face.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._server = ExploreServer(library)
        light, dark = (";".join(f"--{name}:{pair[i]}" for name, pair in _COLOURS.items()) for i in (0, 1))
        font = f"#still{{font-family:{theme().font}}}"
        self._style = f"<style>{text('still/still.css')}#still{{{light}}}#still.dark{{{dark}}}{font}</style>"
        self._first = _Shown()
        self.patience = 0.5

    def draw(self) -> None:
        """Draw the first face; does nothing where there is no model, which the page itself says."""
        with contextlib.suppress(RunError):
            face = self._server.default_face()
            self._first = _Shown("The page is loading. This is its first face.", self._drawn(face))

    async def shown(self, query: Mapping[str, str], visitor: places.Visitor) -> _Shown:
        """For a visitor's link: its face, or no picture where it cannot be followed or drawn in time."""
        if not any(name in query for name in PARAMETERS):
            return self._first
        try:
            async with asyncio.timeout(self.patience):
                picture = await places.run(visitor, lambda: False, lambda: self._drawn(self._server.linked(query)))
        except (GanError, TimeoutError):  # the live page says what is wrong
            return _Shown()
        except Exception:
            _log.exception("The still of a link was not drawn")
            return _Shown()
        return _Shown("The page is loading. This is the link's face.", picture)

    def within(self, page: bytes) -> tuple[bytes, Callable[[_Shown], bytes]]:
        """The page's HTML up to the still, and from it on; as it was, where it is not as Gradio writes it."""
        body = _BODY.search(page)
        if not (body and _LOOK.search(page)):
            return page, lambda _: b""
        before, after = (_LOOK.sub(_LATER, part) for part in (page[: body.end()], page[body.end() :]))
        return before, lambda shown: self._markup(shown).encode() + after

    def _markup(self, shown: _Shown) -> str:
        parts = {"{header}": text("shared/header.html"), "{told}": shown.told, "{picture}": shown.picture}
        markup = text("still/still.html")
        for place, part in parts.items():
            markup = markup.replace(place, part)
        return f"{self._style}{markup}<script>{text('still/frames.js', 'still/still.js')}</script>"

    def _drawn(self, face: Face) -> str:
        config = self._library.entry(face.model).info.config
        face = face.fitted(config, self._library.directions(face.model))
        pixels = draw_alone(self._library, face)
        picture = data_uri(enlarge(to_image(pixels), -(-_LEAST_SIZE // len(pixels)), True), "webp", quality=85)
        return f'<img src="{picture}" alt="{html.escape(describe(face, title_of(face.model, config)))}">'


class BeginningWith:
    """ASGI middleware: a page, its HTML begun with a still.

    Args:
        turns: how many pages are made at a time; a still that is waited for keeps nobody from a turn.
        visitor_of: who makes the request of a scope.
    """

    def __init__(
        self, still: Still, app: ASGIApp, turns: asyncio.Semaphore, visitor_of: Callable[[Scope], places.Visitor]
    ) -> None:
        self._still, self._app, self._turns, self._visitor_of = still, app, turns, visitor_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, content = None, b""

        async def keep(message: Message) -> None:
            nonlocal start, content
            if message["type"] == "http.response.start":
                start = message
            else:
                content += message.get("body", b"")

        query = QueryParams(scope["query_string"] if scope["method"] == "GET" else b"")
        drawing = asyncio.create_task(self._still.shown(query, self._visitor_of(scope)))
        try:
            async with self._turns:
                await self._app(scope, receive, keep)
            headers = MutableHeaders(raw=start["headers"])
            if not (headers.get("content-type", "").startswith("text/html") and content):
                await send(start)
                await send({"type": "http.response.body", "body": content})
                return
            # What comes before the still is on its way while that is drawn.
            before, rest = self._still.within(content)
            del headers["content-length"]
            headers["cache-control"] = "private, no-cache"  # a link's face is whose link it is, and models change
            await send(start)
            await send({"type": "http.response.body", "body": before, "more_body": True})
            await send({"type": "http.response.body", "body": rest(await drawing)})
        finally:
            drawing.cancel()
