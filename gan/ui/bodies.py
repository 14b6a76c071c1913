"""Bodies of requests: no larger than they may be, and none that takes its time from others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGE = 2**20  # bytes; of larger bodies, which must say their length, only so many are read at a time
_PASSED_OVER = 2**26  # bytes of a body that is too large; above, its sender sees the connection end
_BODY_SECONDS = 60.0  # in which a body must have come
_BODY_PAUSE = 0.004  # seconds after each piece of a large one, that others are let by
_FILES_OF_ONE = 8  # in one form
_FILE_NAME = b'filename="'


class TooLarge(Exception):
    """A body became larger than it may be, or did not come in time."""


class Body:
    """A request's body as it comes, counted.

    Args:
        receive: ASGI's.
        most: bytes that it may have.
        files: whether it brings files, of which there may be a few.
    """

    def __init__(self, receive: Receive, most: int, files: bool) -> None:
        self._receive, self._most = receive, most
        self._files = 0 if files else None  # that it brought up to now
        self._until = time.monotonic() + _BODY_SECONDS
        self._tail, self._read = b"", 0
        self._ended = asyncio.Event()
        self.refused = False

    async def receive(self) -> Message:
        """As ASGI's; raises `TooLarge`."""
        if self._ended.is_set():
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            self._refuse()
        content = message.get("body", b"")
        self._read += len(content)
        if self._read > LARGE:
            await asyncio.sleep(_BODY_PAUSE)
        self._most -= len(content)
        if self._files is not None:
            text = self._tail + content
            self._files += text.count(_FILE_NAME)
            self._tail = text[-len(_FILE_NAME) + 1 :]
        if self._most < 0 or (self._files or 0) > _FILES_OF_ONE:
            self._refuse()
        if not message.get("more_body"):
            self._ended.set()
        return message

    async def watch(self, left: Callable[[], None]) -> None:
        """Calls `left` when whoever sent it is gone."""
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        left()

    def _refuse(self) -> None:
        self.refused = True
        raise TooLarge


class Checked:
    """The page's answer to a request, or a refusal where its body turned out to be too large."""

    def __init__(self, app: ASGIApp, body: Body, most: int) -> None:
        self._app, self._body, self._most = app, body, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if not self._body.refused:  # else it is what Gradio makes of a body that it could not read
                await send(message)

        with contextlib.suppress(TooLarge):
            await self._app(scope, receive, answer)
        if self._body.refused:
            await too_large(self._most)(scope, receive, send)


async def pass_over(receive: Receive) -> None:
    """Let a body come that nobody reads: most senders look at the answer only then. Not for ever."""
    left = _PASSED_OVER
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message["body"])
                await asyncio.sleep(_BODY_PAUSE)


def too_large(most: int) -> JSONResponse:
    """The refusal of a body; `most` bytes are allowed."""
    size = f"{most / 2**20:.0f} MB"
    sentence = f"This request is larger than the {size} that it may have, brings too many files, or came too slowly."
    return JSONResponse({"detail": sentence, "error": sentence}, 413, {"connection": "close"})


def busy(sentence: str) -> JSONResponse:
    """The refusal of a request that may be made again."""
    return JSONResponse({"detail": sentence, "error": sentence}, 503, {"connection": "close"})
