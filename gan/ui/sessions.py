"""What the page keeps of anybody: little, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import gradio as gr
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache

from gan.machine import give_memory_back

SESSIONS = 300  # remembered at a time; a page whose session was forgotten goes on
SESSION_SECONDS = 1800  # that a session is remembered after its last call
FILE_SECONDS = 300  # that a result or an upload is kept
FILES_BYTES = 256 * 2**20  # of all files together; the oldest go first
UNHEARD_SECONDS = 15.0  # that an answer is worked on and kept for which nobody asks
LEFT_SECONDS = 2.0  # the same where somebody had asked, and left
_TIDY_SECONDS = 2.0
_MEMORY_ROUNDS = 5  # of tidying, after which freed memory is given back: films and large bodies leave much


# ---- who listens ----------------------------------------------------------------------------------------------------


class Presence:
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


class Hearing:
    """Whether one answer is still waited for."""

    def __init__(self, presence: Presence, keys: set[str]) -> None:
        self._presence, self._keys = presence, keys
        self._until = time.monotonic() + UNHEARD_SECONDS

    def ended(self) -> bool:
        """True from some seconds after the last moment at which somebody listened."""
        now = time.monotonic()
        if any(key in self._presence for key in self._keys):
            self._until = now + LEFT_SECONDS
        return now > self._until


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
async def kept_small(app: gr.routes.App) -> AsyncIterator[None]:
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
    for round_number in itertools.count(1):
        await asyncio.sleep(_TIDY_SECONDS)
        app.state_holder.forget(SESSION_SECONDS)
        await _drop_unheard(app.get_blocks()._queue, app.state.presence, unheard)
        await anyio.to_thread.run_sync(_sweep, app.uploaded_file_dir)
        for known in app.get_blocks().temp_file_sets:  # names of files
            known.difference_update([path for path in list(known) if not os.path.exists(path)])
        if round_number % _MEMORY_ROUNDS == 0:
            await anyio.to_thread.run_sync(give_memory_back)


async def _drop_unheard(pending: gr.queueing.Queue, presence: Presence, unheard: dict[str, float]) -> None:
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
    for age, size, path in sorted((now - stat.st_ctime, stat.st_size, path) for path, stat in files_in(folder)):
        total += size
        if age > FILE_SECONDS or total > FILES_BYTES:
            with contextlib.suppress(OSError):
                path.unlink()
    for path, _, _ in os.walk(folder, topdown=False):
        if path != folder:
            with contextlib.suppress(OSError):  # it is not empty
                Path(path).rmdir()


def files_in(folder: str) -> list[tuple[Path, os.stat_result]]:
    """All files below a folder that are there still."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                found.append((path, path.lstat()))
    return found
