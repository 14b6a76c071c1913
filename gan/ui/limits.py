"""The door of the page: what one visitor may send, what of Gradio is open, and who is still there for an answer.

All that touches Gradio from inside is here, in `gan.ui.bodies` and in `gan.ui.sessions`. It is written for the version
that requirements.txt names; tests/ui/test_limits.py fails where another one behaves differently.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gan.data.photo import MAX_BYTES
from gan.ui.bodies import LARGE, Body, Checked, busy, pass_over, too_large
from gan.ui.gate import Gate
from gan.ui.isolated import Isolated
from gan.ui.places import Visitor
from gan.ui.sessions import SESSIONS, Hearing, Presence, files_in, kept_small
from gan.ui.still import BeginningWith, Still

EVENTS = 256  # of Gradio's queue at a time; most of them wait for a place of ours
LOOK = 0.02  # seconds until the queue looks again whether it holds something

_API = "/gradio_api"
_UPLOAD = f"{_API}/upload"
# Largest body of a request. A photo comes in base64, as data or as one file of a form.
_BODY = {f"{_API}/component_server": MAX_BYTES * 4 // 3 + 2**16, _UPLOAD: MAX_BYTES + 2**16}
_OTHER_BODY = 2**20  # a state has 40 kB, a cropped photo 256 x 256 pixels
_LARGE_AT_ONCE, _LARGE_OF_ONE = 4, 2
_FILES = 500  # kept at a time, before the next upload is refused
_PAGES = ("/", "/config", f"{_API}/info", f"{_API}/openapi.json")  # written anew for each who asks
_PAGES_AT_ONCE = 2
_OURS = "/web/"  # our own files
_COMPRESSED = dict(minimum_size=2**10, compresslevel=6)
# Parts of Gradio that this page does not use: some write files, some show what others have sent.
_OFF = (
    "/monitoring", "/login", "/logout", f"{_API}/custom_component", f"{_API}/dev", f"{_API}/file/", f"{_API}/file=http",
    f"{_API}/monitoring", f"{_API}/process_recording", f"{_API}/proxy=", f"{_API}/run-history", f"{_API}/runs",
    f"{_API}/stream/", f"{_API}/upload_progress", f"{_API}/vibe",
)  # fmt: skip
_BEGINNINGS = (f"{_API}/call/", f"{_API}/queue/join")  # of work that goes on after their answer
_CALLER = "gan.caller"  # in the scope of a request


def options(*routes: Route, still: Still) -> dict:
    """Of `gr.Blocks.launch`.

    Args:
        routes: beside Gradio's, before which they come.
        still: that the page's HTML begins with.
    """
    return dict(
        app_kwargs={
            "middleware": [Middleware(_Limits, still=still)],
            "routes": list(routes),
            "lifespan": kept_small,
            "exception_handlers": {RequestValidationError: _not_understood, ClientDisconnect: _left},
        },
        max_file_size=MAX_BYTES,
        max_threads=EVENTS,
        state_session_capacity=SESSIONS,
        enable_monitoring=False,
    )


def queue(page: gr.Blocks) -> None:
    """Set a page's queue up: it lets all calls in, since the places of `gan.ui.places` have lines of their own."""
    # A table of past events, which nobody looks at, is made anew after so many.
    os.environ |= {"GRADIO_ANALYTICS_CACHE_FREQUENCY": f"{10**9}", "GRADIO_ANALYTICS_MAX_EVENTS": "1"}
    page.queue(max_size=2 * EVENTS, default_concurrency_limit=None)
    # By itself it looks a thousand times a second: a sixteenth of a core, day and night, for a page that nobody visits.
    page._queue.sleep_when_free = LOOK
    page._queue.progress_update_sleep_when_free = 5 * LOOK  # gr.Progress, which the page does not use


def caller(request: object, blocks_config: object, event_id: str | None) -> tuple[Visitor, Callable[[], bool]]:
    """Who makes a call, and a function that says whether nobody waits for its answer any more.

    Args:
        request, blocks_config, event_id: of `gradio.context.LocalContext`, None outside of a call.
    """
    request = getattr(request, "request", request)
    known: _Caller | None = request.scope.get(_CALLER) if request is not None else None
    if known is None:
        return Visitor(), lambda: False
    session = getattr(blocks_config, "session", "")
    visitor = Visitor(known.address, "" if session == event_id else session)  # a script's single call has none
    if event_id is None:
        return visitor, lambda: known.left
    return visitor, Hearing(known.presence, {session, event_id}).ended


class _Caller:
    """Where a request comes from, and whether whoever made it is gone."""

    def __init__(self, address: str, presence: Presence) -> None:
        self.address, self.presence, self.left = address, presence, False

    def leave(self) -> None:
        self.left = True


class _Limits:
    """ASGI middleware: sizes of requests, parts of Gradio that are off, and who listens."""

    def __init__(self, app: ASGIApp, still: Still) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, **_COMPRESSED)  # Gradio compresses its own files, and not the page
        self._presence = Presence()
        self._gate = Gate()
        self._pages = asyncio.Semaphore(_PAGES_AT_ONCE)
        page = BeginningWith(still, app, self._pages, lambda scope: Visitor(scope[_CALLER].address))
        self._page = GZipMiddleware(Isolated(page), **_COMPRESSED)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._large_of: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                scope["app"].state.presence = self._presence
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/") or "/"
        scope[_CALLER] = _Caller(_address(scope), self._presence)
        async with contextlib.AsyncExitStack() as stack:
            leave = await self._gate.enter(scope[_CALLER].address)
            if leave is None:
                await busy("Too many requests come from you just now: try again in a moment.")(scope, receive, send)
                return
            if not path.startswith(_BEGINNINGS):  # what these begin costs as much again
                stack.callback(leave)
            if path == f"{_API}/deep_link":
                answer = JSONResponse("")  # as Gradio says that there is nothing to link to
            elif path.startswith(_OFF):
                answer = JSONResponse({"detail": "Not found"}, 404)
            elif scope["method"] == "POST":
                answer, receive = await self._bounded(stack, scope, path, receive)
            else:
                answer = self._compressed if path in _PAGES or path.startswith(_OURS) else self._app
                if path == "/":
                    answer = self._page  # which asks for its turn itself
                elif path in _PAGES:
                    await stack.enter_async_context(self._pages)
                if key := _heard(scope, path):
                    stack.enter_context(self._presence.of(key))
            await answer(scope, receive, send)

    async def _bounded(
        self, stack: contextlib.AsyncExitStack, scope: Scope, path: str, receive: Receive
    ) -> tuple[ASGIApp, Receive]:
        """Who answers a request with a body, and how that is received; what it takes is given back by `stack`."""
        known: _Caller = scope[_CALLER]
        most = _BODY.get(path, _OTHER_BODY)
        announced = dict(scope["headers"]).get(b"content-length")
        length = int(announced) if announced and announced.isdigit() else None
        if length is not None and length > most:
            await pass_over(receive)
            return too_large(most), receive
        if path == _UPLOAD:
            scope["query_string"] = b""  # an upload's progress would be remembered for whoever never asks for it
            if len(files_in(scope["app"].uploaded_file_dir)) >= _FILES:
                return busy("Too many files were sent just now: try again in some minutes."), receive
        if length is not None and length > LARGE:
            if self._large_of[known.address] >= _LARGE_OF_ONE:
                return busy("Other large files are coming from you just now: try again in a moment."), receive
            self._large_of.update([known.address])
            stack.callback(lambda: self._large_of.subtract([known.address]))
            await stack.enter_async_context(self._large)
        body = Body(receive, min(most, LARGE) if length is None else most, files=path == _UPLOAD)
        if path != _UPLOAD:
            watching = asyncio.create_task(body.watch(known.leave))
            stack.callback(watching.cancel)
        return Checked(self._app, body, most), body.receive


def _address(scope: Scope) -> str:
    """The visitor's address. Behind a proxy, whose own is a private one, the last that it has added."""
    peer = (scope.get("client") or ("",))[0]
    with contextlib.suppress(ValueError):
        forwarded = dict(scope["headers"]).get(b"x-forwarded-for", b"").decode("latin-1")
        if forwarded and not ipaddress.ip_address(peer).is_global:
            return str(ipaddress.ip_address(forwarded.rsplit(",", 1)[-1].strip()))
    return peer


def _heard(scope: Scope, path: str) -> str:
    """Whose answers a request listens for: a session, an event, or "" for none."""
    if path == f"{_API}/queue/data":
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
    return path.rsplit("/", 1)[-1] if path.startswith(f"{_API}/call/") else ""


async def _not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
    """Of a body that Gradio cannot read. FastAPI would send the body back, which is no JSON where it holds a NaN."""
    places = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))[:200]
    sentence = f"This request cannot be read, for its {places}: expected what gradio_client sends"
    return JSONResponse({"detail": sentence, "error": sentence}, 422)


async def _left(_: Request, error: ClientDisconnect) -> JSONResponse:
    """Of an upload whose sender went away in its middle: nothing for the log, and nobody to tell."""
    return JSONResponse({"detail": "The connection ended before all had come."}, 400)
