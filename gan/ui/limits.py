"""What one visitor may send, and how much the page keeps of anybody: little, and not for long.

All that touches Gradio from inside is here. It is written for the version that requirements.txt names;
tests/ui/test_limits.py fails where another one behaves differently.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ipaddress
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gan.data.photo import MAX_BYTES
from gan.ui import web
from gan.ui.gate import Gate
from gan.ui.places import Visitor

SESSIONS = 300  # remembered at a time; a page whose session was forgotten goes on
SESSION_SECONDS = 1800  # that a session is remembered after its last call
FILE_SECONDS = 300  # that a result or an upload is kept
FILES_BYTES = 256 * 2**20  # of all files together; the oldest go first
UNHEARD_SECONDS = 15.0  # that an answer is worked on and kept for which nobody asks
LEFT_SECONDS = 2.0  # the same where somebody had asked, and left
EVENTS = 256  # of Gradio's queue at a time; most of them wait for a place of ours

_API = "/gradio_api"
_UPLOAD = f"{_API}/upload"
# Largest body of a request. A photo comes in base64, as data or as one file of a form.
_BODY = {f"{_API}/component_server": MAX_BYTES * 4 // 3 + 2**16, _UPLOAD: MAX_BYTES + 2**16}
_OTHER_BODY = 2**20  # a state has 40 kB, a cropped photo 256 x 256 pixels
_LARGE = 2**20  # bytes; of larger bodies, which must say their length, only so many are read at a time
_LARGE_AT_ONCE, _LARGE_OF_ONE = 4, 2
_PASSED_OVER = 2**26  # bytes of a body that is too large; above, its sender sees the connection end
_BODY_SECONDS = 60.0  # in which a body must have come
_BODY_PAUSE = 0.004  # seconds after each piece of a large one, that others are let by
_FILES_OF_ONE = 8  # in one form
_FILES = 500  # kept at a time, before the next upload is refused
_PAGES = ("/", "/config", f"{_API}/info", f"{_API}/openapi.json")  # written anew for each who asks
_PAGES_AT_ONCE = 2
# Parts of Gradio that this page does not use: some write files, some show what others have sent.
_OFF = (
    "/monitoring", "/login", "/logout", f"{_API}/custom_component", f"{_API}/dev", f"{_API}/file/", f"{_API}/file=http",
    f"{_API}/monitoring", f"{_API}/process_recording", f"{_API}/proxy=", f"{_API}/run-history", f"{_API}/runs",
    f"{_API}/stream/", f"{_API}/upload_progress", f"{_API}/vibe",
)  # fmt: skip
_BEGINNINGS = (f"{_API}/call/", f"{_API}/queue/join")  # of work that goes on after their answer
_TIDY_SECONDS = 2.0
_CALLER = "gan.caller"  # in the scope of a request


def options() -> dict:
    """Of `gr.Blocks.launch`."""
    return dict(
        app_kwargs={
            "middleware": [Middleware(_Limits)],
            "routes": [web.route()],
            "lifespan": _kept_small,
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
    return visitor, _Hearing(known.presence, {session, event_id}).ended


# ---- requests -------------------------------------------------------------------------------------------------------


class _Presence:
    """Who listens for answers just now: sessions, and single events."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """While it is entered, `key` is heard."""
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    def __contains__(self, key: object) -> bool:
        return key in self._open


class _Hearing:
    """Whether one answer is still waited for."""

    def __init__(self, presence: _Presence, keys: set[str]) -> None:
        self._presence, self._keys = presence, keys
        self._until = time.monotonic() + UNHEARD_SECONDS

    def ended(self) -> bool:
        """True from some seconds after the last moment at which somebody listened."""
        now = time.monotonic()
        if any(key in self._presence for key in self._keys):
            self._until = now + LEFT_SECONDS
        return now > self._until


class _Caller:
    """Where a request comes from, and whether whoever made it is gone."""

    def __init__(self, address: str, presence: _Presence) -> None:
        self.address, self.presence, self.left = address, presence, False


class _Limits:
    """ASGI middleware: sizes of requests, parts of Gradio that are off, and who listens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._presence = _Presence()
        self._gate = Gate()
        self._pages = asyncio.Semaphore(_PAGES_AT_ONCE)
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
                await _busy("Too many requests come from you just now: try again in a moment.")(scope, receive, send)
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
                answer = self._app
                if path in _PAGES:
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
            await _pass_over(receive)
            return _too_large(most), receive
        if path == _UPLOAD:
            scope["query_string"] = b""  # an upload's progress would be remembered for whoever never asks for it
            if len(_files(scope["app"].uploaded_file_dir)) >= _FILES:
                return _busy("Too many files were sent just now: try again in some minutes."), receive
        if length is not None and length > _LARGE:
            if self._large_of[known.address] >= _LARGE_OF_ONE:
                return _busy("Other large files are coming from you just now: try again in a moment."), receive
            self._large_of.update([known.address])
            stack.callback(lambda: self._large_of.subtract([known.address]))
            await stack.enter_async_context(self._large)
        body = _Body(receive, min(most, _LARGE) if length is None else most, files=path == _UPLOAD)
        if path != _UPLOAD:
            watching = asyncio.create_task(body.watch(known))
            stack.callback(watching.cancel)
        return _Checked(self._app, body, most), body.receive


class _TooLarge(Exception):
    """A body became larger than it may be, or did not come in time."""


class _Body:
    """A request's body as it comes, counted."""

    def __init__(self, receive: Receive, most: int, files: bool) -> None:
        self._receive, self._most = receive, most
        self._files = 0 if files else None  # that it brought up to now
        self._until = time.monotonic() + _BODY_SECONDS
        self._tail, self._read = b"", 0
        self._ended = asyncio.Event()
        self.refused = False

    async def receive(self) -> Message:
        """As ASGI's; raises `_TooLarge`."""
        if self._ended.is_set():
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            self._refuse()
        content = message.get("body", b"")
        self._read += len(content)
        if self._read > _LARGE:
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

    async def watch(self, known: _Caller) -> None:
        """Tell when whoever sent it is gone."""
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        known.left = True

    def _refuse(self) -> None:
        self.refused = True
        raise _TooLarge


_FILE_NAME = b'filename="'


class _Checked:
    """The page's answer to a request, or a refusal where its body turned out to be too large."""

    def __init__(self, app: ASGIApp, body: _Body, most: int) -> None:
        self._app, self._body, self._most = app, body, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if not self._body.refused:  # else it is what Gradio makes of a body that it could not read
                await send(message)

        with contextlib.suppress(_TooLarge):
            await self._app(scope, receive, answer)
        if self._body.refused:
            await _too_large(self._most)(scope, receive, send)


async def _pass_over(receive: Receive) -> None:
    """Let a body come that nobody reads: most senders look at the answer only then. Not for ever."""
    left = _PASSED_OVER
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_BODY_SECONDS):
            while left > 0 and (message := await receive()).get("more_body"):
                left -= len(message["body"])
                await asyncio.sleep(_BODY_PAUSE)


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


def _too_large(most: int) -> JSONResponse:
    size = f"{most / 2**20:.0f} MB"
    sentence = f"This request is larger than the {size} that it may have, brings too many files, or came too slowly."
    return JSONResponse({"detail": sentence, "error": sentence}, 413, {"connection": "close"})


def _busy(sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence, "error": sentence}, 503, {"connection": "close"})


async def _not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
    """Of a body that Gradio cannot read. FastAPI would send the body back, which is no JSON where it holds a NaN."""
    places = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))[:200]
    sentence = f"This request cannot be read, for its {places}: expected what gradio_client sends"
    return JSONResponse({"detail": sentence, "error": sentence}, 422)


async def _left(_: Request, error: ClientDisconnect) -> JSONResponse:
    """Of an upload whose sender went away in its middle: nothing for the log, and nobody to tell."""
    return JSONResponse({"detail": "The connection ended before all had come."}, 400)


# ---- what is kept ---------------------------------------------------------------------------------------------------


class _Session(SessionState):
    """What Gradio needs to remember of a session: values of `gr.State`, and components that were changed.

    Not what was sent and answered last, which Gradio keeps for links that this page does not have.
    """

    def __init__(self, blocks: gr.Blocks, name: str) -> None:
        self.blocks_config = copy.copy(blocks.default_config)
        self.blocks_config.session = name  # which Gradio tells to events alone
        self.config_values: dict = {}
        self.state_data: dict = {}
        self._state_ttl: dict = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = SESSION_SECONDS

    def __setitem__(self, key: int, value: object) -> None:
        super().__setitem__(key, value)
        self.config_values.clear()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: object) -> None:
        pass


class _Sessions(StateHolder):
    """Sessions that keep little."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks, session_id)
        return super().__getitem__(session_id)

    def forget(self, seconds: float) -> None:
        """Those that were not used for so long."""
        for name, used in list(self.time_last_used.items()):
            if time.time() - used.timestamp() > seconds:
                self.session_data.pop(name, None)
                self.time_last_used.pop(name, None)


class _Messages(LRUCache):
    """Answers that wait for their sessions. For one that is gone there is nobody to tell: its answers are dropped.

    Gradio would raise, and not only for that session: whoever joins the queue next tells all in it how long they wait.
    """

    def __missing__(self, key: str) -> asyncio.Queue:
        return asyncio.Queue()


@contextlib.asynccontextmanager
async def _kept_small(app: gr.routes.App) -> AsyncIterator[None]:
    """While the server runs: forgets what nobody needs any more."""
    app.state_holder = _Sessions()
    app.state_holder.set_blocks(app.get_blocks())
    app.get_blocks()._queue.pending_messages_per_session = _Messages(max_size=2000)
    task = asyncio.create_task(_tidy(app))
    try:
        yield
    finally:
        task.cancel()


async def _tidy(app: gr.routes.App) -> None:
    unheard: dict[str, float] = {}  # sessions with answers that nobody listens for, and since when
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        app.state_holder.forget(SESSION_SECONDS)
        await _drop_unheard(app.get_blocks()._queue, app.state.presence, unheard)
        await anyio.to_thread.run_sync(_sweep, app.uploaded_file_dir)
        for known in app.get_blocks().temp_file_sets:  # names of files
            known.difference_update([path for path in list(known) if not os.path.exists(path)])


async def _drop_unheard(pending: gr.queueing.Queue, presence: _Presence, unheard: dict[str, float]) -> None:
    """Calls and answers of sessions that do not ask for them: dropped, and their work ended."""
    now = time.monotonic()
    sessions = {*pending.pending_messages_per_session, *pending.pending_event_ids_session}
    for session in sessions:
        events = pending.pending_event_ids_session.get(session, set())
        if session in presence or any(event in presence for event in events):
            unheard.pop(session, None)
        elif now - unheard.setdefault(session, now) > UNHEARD_SECONDS:
            await pending.clean_events(session_hash=session)
            pending.pending_messages_per_session.pop(session, None)
            pending.pending_event_ids_session.pop(session, None)
    for session in unheard.keys() - sessions:
        del unheard[session]


def _sweep(folder: str) -> None:
    """Files that are older than they may be, and the oldest of too many bytes; folders that are empty then."""
    total, now = 0, time.time()
    for age, size, path in sorted((now - stat.st_ctime, stat.st_size, path) for path, stat in _files(folder)):
        total += size
        if age > FILE_SECONDS or total > FILES_BYTES:
            with contextlib.suppress(OSError):
                path.unlink()
    for path, _, _ in os.walk(folder, topdown=False):
        if path != folder:
            with contextlib.suppress(OSError):  # it is not empty
                Path(path).rmdir()


def _files(folder: str) -> list[tuple[Path, os.stat_result]]:
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                found.append((path, path.lstat()))
    return found
