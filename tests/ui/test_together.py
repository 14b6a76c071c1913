"""What waits in the quick line for the same is done in one call."""

from __future__ import annotations

import asyncio
import threading

import pytest
from coroutines import finished

from gan.ui import places
from gan.ui.places import Visitor, run, together

SECONDS = 10  # that anything here may take


def stays() -> bool:
    return False


@pytest.fixture
def crowd(monkeypatch):
    """Lets several visitors ask while the quick place's only thread is held: (work, alike) each -> their answers."""
    monkeypatch.setattr(places, "_QUICK", places._Line(1, of_one=1, waiting=40))

    async def ask(works):
        begun, end = threading.Event(), threading.Event()
        first = asyncio.create_task(run(Visitor("2", "first"), stays, lambda: begun.set() or end.wait(SECONDS)))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        asked = [
            asyncio.create_task(run(Visitor("1", str(number)), stays, work, alike))
            for number, (work, alike) in enumerate(works)
        ]
        await asyncio.sleep(0)  # all are in line now
        end.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    return lambda works: finished(asyncio.wait_for(ask(works), SECONDS))


def doubled(calls, fails=()):
    """Work that doubles its item together with others' of its kind, and the calls that it takes."""

    def many(items):
        calls.append(items)
        return [2 * item if item not in fails else 1 // 0 for item in items]

    return lambda kind, item: lambda: ("told", together(kind, item, many))


def test_what_waits_for_the_same_is_done_together(crowd):
    calls = []
    work = doubled(calls)
    answers = crowd([(work("kind", item), "draw") for item in range(6)])
    assert answers == [("told", 2 * item) for item in range(6)]
    assert calls == [[0, 1, 2, 3], [4, 5]]


def test_only_what_is_alike_and_of_one_kind_is_done_together(crowd):
    calls = []
    work = doubled(calls)
    answers = crowd([(work("a", 0), "draw"), (work("b", 1), "draw"), (work("a", 2), "grid"), (work("a", 3), "draw")])
    assert answers == [("told", 2 * item) for item in range(4)]
    assert sorted(calls) == [[0, 3], [1], [2]]


def test_one_that_fails_takes_nobody_along(crowd):
    calls = []
    work = doubled(calls, fails=[0])

    def other():
        raise LookupError

    answers = crowd([(work("kind", 0), "draw"), (other, "draw"), (work("kind", 2), "draw")])
    assert [type(answer) for answer in answers] == [ZeroDivisionError, LookupError, tuple] and answers[2] == ("told", 4)


def test_what_nobody_waits_for_is_not_done_with_others(monkeypatch):
    line = places._Line(1, of_one=1, waiting=40)
    line._begun = 1  # none is started
    calls = []
    work = doubled(calls)
    jobs = [places._Job(Visitor("1", str(number)), work("kind", number), stays, alike="draw") for number in range(3)]
    jobs[1].gone = lambda: True
    for job in jobs:
        line.enter(job)
    monkeypatch.setattr(places, "_QUICK", line)
    places._do(line._begin(line._next()))
    assert calls == [[0, 2]]


def test_each_thread_keeps_others_to_do():
    line = places._Line(2, of_one=2, waiting=40)
    line._begun = 2  # none is started
    for number in range(4):
        line.enter(places._Job(Visitor("1", str(number)), lambda: None, stays, alike="draw"))
    leading = line._begin(line._next())
    assert len(line.join(leading)) == 1 and len(line._waiting) == 2


def test_outside_of_both_places_it_is_done_alone():
    assert together("kind", 1, lambda items: [len(items)]) == 1
