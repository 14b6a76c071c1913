"""Coroutines in tests that are none themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gan.ui.tab import function, telling

T = TypeVar("T")


def answered(method: Callable[[dict], dict], asked: object) -> dict:
    """What a browser gets that asks a tab's server."""
    return finished(function(method)(asked))


def told(method: Callable[[dict, Callable[[dict], None]], dict], asked: object) -> list[dict]:
    """All that a browser is told of dear work, but for its waiting."""

    async def listen() -> list[dict]:
        return [item async for item in telling(method)(asked) if "waiting" not in item]

    return finished(listen())


def finished(coroutine: Coroutine[object, object, T]) -> T:
    """What a coroutine returns or raises, run in its own thread: Playwright keeps a loop running in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()  # noqa: TID251
