"""Whatever is raised behind the page: the visitor gets one sentence, and the log the traceback that it names."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import threading
import time

import gradio as gr
import pytest
from coroutines import finished

import app
from gan.run import RunError
from gan.ui.library import Library
from gan.ui.tab import function, guard, telling

REFERENCE = re.compile(r"with the reference ([0-9a-f]{6})\.$")
NOT_DICTS = (None, [], "x", 7, True)


def broken(asked):
    raise KeyError("inner detail")


def refused(asked):
    raise RunError("there is no model 'x'")


def broken_later(asked, tell):
    tell({"share": 0.5})
    raise ZeroDivisionError("inner detail")


def answered(function_, asked):
    return finished(function_(asked))


def told(function_, asked) -> list[dict]:
    """All that a function of `telling` tells, but for its waiting."""

    async def listen():
        return [item async for item in function_(asked) if "waiting" not in item]

    return finished(listen())


def told_of(sentence: str, caplog) -> str:
    """The log's text about the reference that a sentence names; nothing of the error itself may be in the sentence."""
    assert "inner detail" not in sentence
    [reference] = REFERENCE.findall(sentence)
    return next(record.exc_text or "" for record in caplog.records if reference in record.getMessage())


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.handler.setFormatter(logging.Formatter())  # which keeps a traceback's text
    return caplog


def test_a_browser_is_told_one_sentence_and_the_log_a_traceback(caplog):
    log = told_of(answered(function(broken), {})["problem"], caplog)
    assert "Traceback" in log and "KeyError: 'inner detail'" in log and "in broken" in log
    share, end = told(telling(broken_later), {})
    assert share == {"share": 0.5}
    assert "ZeroDivisionError" in told_of(end["problem"], caplog)


def test_our_own_errors_stay_as_they_are(caplog):
    assert answered(function(refused), {}) == {"problem": "there is no model 'x'"}
    assert not caplog.records


@pytest.mark.parametrize("given", NOT_DICTS)
def test_what_is_no_dict_is_an_empty_one(given):
    assert answered(function(lambda asked: {"given": asked}), given) == {"given": {}}
    assert told(telling(lambda asked, tell: {"given": asked}), given) == [{"given": {}}]


def test_who_gives_up_ends_the_work():
    ended = threading.Event()

    def work(asked, tell):
        try:
            while True:
                tell({})
                time.sleep(0.001)
        finally:
            ended.set()

    async def leave():
        async with contextlib.aclosing(telling(work)({})) as told:
            async for item in told:
                if "waiting" not in item:
                    break

    finished(leave())
    assert ended.wait(5)


def test_events_and_endpoints_raise_sentences_only(caplog):
    async def later(asked):
        async for item in telling(broken_later)(asked):
            yield item
        raise KeyError("inner detail")

    with gr.Blocks() as page:
        button = gr.Button()
        for handler in (broken, refused, later):
            button.click(handler, button)
    guard(page)
    one, two, three = (event.fn for event in page.fns.values())
    with pytest.raises(gr.Error) as error:
        answered(one, None)
    assert "KeyError" in told_of(error.value.message, caplog)
    with pytest.raises(gr.Error) as error:
        answered(two, None)
    assert error.value.message == "there is no model 'x'"
    assert inspect.isasyncgenfunction(three)  # as Gradio asks
    with pytest.raises(gr.Error) as error:
        told(three, None)
    assert "KeyError" in told_of(error.value.message, caplog)


def test_no_function_of_the_page_lets_anything_else_out(monkeypatch, tmp_path, caplog):
    page = app.build(Library([tmp_path]))

    def entries(self):
        raise KeyError("inner detail")

    monkeypatch.setattr(Library, "entries", entries)
    functions = [function for block in page.blocks.values() for function in getattr(block, "server_fns", [])]
    assert {"draw", "morph_film", "photo_open", "replay_run"} <= {function.__name__ for function in functions}
    for asked in ({}, *NOT_DICTS):
        for function_ in functions:
            assert isinstance(answered(function_, asked), dict)
    for event in page.fns.values():
        if not event.fn:
            continue
        arguments = [None] * len(inspect.signature(event.fn).parameters)
        try:
            if inspect.isasyncgenfunction(event.fn):
                told(event.fn, *arguments)
            else:
                finished(event.fn(*arguments))
        except gr.Error as error:
            assert "inner detail" not in error.message
    assert any("KeyError" in (record.exc_text or "") for record in caplog.records)
