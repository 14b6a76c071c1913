"""What all tabs share: how the server answers a browser or a client, whatever happens.

A `GanError` is told as it is: it is a sentence for the visitor. Anything else that is raised goes into
the log as a traceback under a short reference, and the visitor is told one sentence with that reference.

    server_functions=[function(server.replay_run)]            what the browser's scripts may ask: dict in, dict out
    async for told in telling(server.find_face)(asked): ...   work that tells how far it is: dict in, dicts out
    guard(page)                                               once, at the end: all events and endpoints of a page

All of it is done in one of the two places of `gan.ui.places`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import gradio as gr
from gradio.context import LocalContext

from gan.errors import GanError
from gan.ui import limits, places

WAITING = "The server works for others just now: yours is next in a moment."
_GONE = "Nobody waited for this answer any more."
_log = logging.getLogger(__name__)


def sentence(error: Exception) -> str:
    """What a visitor is told of an error; of one that is no `GanError` the traceback is logged."""
    if isinstance(error, GanError):
        return str(error)
    reference = secrets.token_hex(3)
    _log.error("Unforeseen, reference %s", reference, exc_info=error)
    return f"Something unforeseen went wrong on the server: try again, or report it with the reference {reference}."


def function(method: Callable[[dict], dict]) -> Callable[[object], Awaitable[dict]]:
    """A coroutine function that a browser may call, and that always answers.

    Gradio marks such functions, and a bound method cannot be marked.

    Args:
        method: is given a dict, {} where the browser sent something else; returns a dict.

    Returns:
        A function whose coroutine returns what `method` does, or {"problem": a sentence} in the place of what it
        raises. It is done in one of the two places.
    """

    @functools.wraps(method)
    async def answer(asked: object) -> dict:
        try:
            return await places.run(*_caller(), lambda: method(_dict(asked)), alike=method)
        except places.GivenUp:
            return {"problem": _GONE}
        except Exception as error:
            return {"problem": sentence(error)}

    return answer


def telling(method: Callable[[dict, Callable[[dict], None]], dict]) -> Callable[[object], AsyncIterator[dict]]:
    """As `function`, for dear work that tells how far it is.

    Args:
        method: is given a dict and whom to tell dicts; returns the last.

    Returns:
        A function whose asynchronous iterator yields {"waiting": a sentence} until the work begins, then what it
        tells, and at last what it returns, or {"problem": a sentence} where it raises. Closing it ends the work.
    """

    @functools.wraps(method)
    async def tell(asked: object) -> AsyncIterator[dict]:
        visitor, gone = _caller()
        try:
            told = places.run_telling(visitor, gone, functools.partial(method, _dict(asked)), {"waiting": WAITING})
            async with contextlib.aclosing(told):
                async for item in told:
                    yield item
        except places.GivenUp:
            return
        except Exception as error:
            yield {"problem": sentence(error)}

    return tell


def detail(event: gr.EventData, name: str) -> object:
    """What the browser's script sent along with an event under a name, None for nothing."""
    try:
        return getattr(event, name, None)
    except TypeError:  # nothing was sent along
        return None


def guard(page: gr.Blocks) -> None:
    """Let every event and endpoint of a page be done in one of the two places, and raise nothing but `gr.Error`."""
    for event in page.fns.values():
        if event.fn:
            event.fn = _guarded(event.fn)


def _guarded(handler: Callable) -> Callable:
    if inspect.isasyncgenfunction(handler):  # which asks for its place itself

        @functools.wraps(handler)
        async def tell(*arguments: object, **named: object) -> AsyncIterator:
            with _sentences():
                async for item in handler(*arguments, **named):
                    yield item

        return tell

    @functools.wraps(handler)
    async def answer(*arguments: object, **named: object) -> object:
        with _sentences():
            return await places.run(*_caller(), functools.partial(handler, *arguments, **named), alike=handler)

    return answer


def _caller() -> tuple[places.Visitor, Callable[[], bool]]:
    """Who asks, and whether nobody waits for the answer any more."""
    return limits.caller(
        LocalContext.request.get(None), LocalContext.blocks_config.get(None), LocalContext.event_id.get(None)
    )


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """What is raised inside, as Gradio tells it to a browser and to a client."""
    try:
        yield
    except gr.Error:
        raise
    except places.GivenUp:
        raise gr.Error(_GONE, print_exception=False) from None
    except Exception as error:
        raise gr.Error(sentence(error), print_exception=False) from error


def _dict(asked: object) -> dict:
    return asked if isinstance(asked, dict) else {}
