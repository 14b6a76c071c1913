"""The door to the server: requests come in by turns of the addresses that they are from.

A request costs some milliseconds of the interpreter before any work of ours begins, also one that is refused: whoever
sends hundreds of them would take the time of all others. So only some are let in at a time, of one address only one
while others come too, and the next is always of the address that has had the least lately. The more others come, the
smaller is the part of the time that one address may have, even where nobody waits just then: whoever comes next shall
find the server free.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable

AT_ONCE = 4  # requests
HELD = 0.05  # seconds after which a request makes room for the next: it waits for dear work, or for its listener
MOST_WAITING = 200  # requests of one address; a page that is opened sends half of them
_LATELY = 2.0  # seconds after which half of what an address has had is forgotten
_ALONE = 1.0  # seconds without requests of others, after which an address need not make room for them
_ROOM = 0.25  # of the time that is kept free for each other address that comes
_LEAST = 0.25  # of the time that an address may have, however many others come


class Gate:
    """Who comes in next; for the one event loop of a server."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future]] = {}
        self._had: dict[str, tuple[float, float]] = {}  # seconds inside, and when they were counted last
        self._seen: dict[str, float] = {}  # when each address asked last
        self._look: asyncio.TimerHandle | None = None  # when an address that has had its part may come again

    async def enter(self, address: str) -> Callable[[], None] | None:
        """Waits until a request of an address may come in; None where too many of its own wait already.

        Returns:
            What to call when it is done; after `HELD` seconds it makes room by itself.
        """
        now = time.monotonic()
        self._seen[address] = now
        if address in self._waiting or not self._may(address, now):
            line = self._waiting.setdefault(address, deque())
            if len(line) >= MOST_WAITING:
                return None
            turn = asyncio.get_running_loop().create_future()
            line.append(turn)
            self._admit()  # it may be the only one who has to wait no longer
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # it was just let in
                    self._leave(address, time.monotonic())
                raise
        else:
            self._inside[address] += 1
        began, left = time.monotonic(), False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                late.cancel()
                self._leave(address, began)

        late = asyncio.get_running_loop().call_later(HELD, leave)
        return leave

    def _leave(self, address: str, began: float) -> None:
        now = time.monotonic()
        self._had[address] = (self._lately(address, now) + now - began, now)
        self._inside -= Counter([address])  # drops what is 0
        self._admit()
        if len(self._seen) > 1000:
            self._forget(now)

    def _admit(self) -> None:
        now = time.monotonic()
        if self._look:
            self._look.cancel()
            self._look = None
        while may := [address for address in self._waiting if self._may(address, now)]:
            address = min(may, key=lambda address: self._lately(address, now))
            line = self._waiting[address]
            turn = line.popleft()
            if not line:
                del self._waiting[address]
            if not turn.done():
                self._inside[address] += 1
                turn.set_result(None)
        waits = [self._too_soon(address, now) for address in self._waiting if not self._inside[address]]
        if waits and self._inside.total() < AT_ONCE:
            self._look = asyncio.get_running_loop().call_later(max(min(waits), 0.001), self._admit)

    def _may(self, address: str, now: float) -> bool:
        if self._inside.total() >= AT_ONCE:
            return False
        return not self._others(address, now) or not (self._inside[address] or self._too_soon(address, now) > 0)

    def _others(self, address: str, now: float) -> int:
        """How many other addresses come too."""
        return sum(other != address and now - seen < _ALONE for other, seen in self._seen.items())

    def _too_soon(self, address: str, now: float) -> float:
        """Seconds until an address has had no more than its part of the time."""
        part = max(_LEAST, 1 - _ROOM * self._others(address, now))
        lately = self._lately(address, now)
        return _LATELY * math.log2(max(lately, 1e-9) / (part * _LATELY / math.log(2)))

    def _lately(self, address: str, now: float) -> float:
        had, when = self._had.get(address, (0.0, now))
        return had * 0.5 ** ((now - when) / _LATELY)

    def _forget(self, now: float) -> None:
        for address in [a for a, seen in self._seen.items() if now - seen > 10 * _LATELY and not self._inside[a]]:
            self._seen.pop(address)
            self._had.pop(address, None)
