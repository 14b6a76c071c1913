"""Where work is done: nobody pays for another visitor, and each gets a turn."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import types

import pytest
from coroutines import finished

from gan.models import Generator
from gan.ui import places
from gan.ui.drawing import picture_milliseconds
from gan.ui.places import Busy, GivenUp, Visitor, breathe, later, locked, price, run, run_telling

ANN, BOB, EVE = Visitor("1.1.1.1", "ann"), Visitor("1.1.1.1", "bob"), Visitor("2.2.2.2", "eve")
DEAR = places.QUICK + 1
SECONDS = 10  # that anything here may take


def stays() -> bool:
    return False


def go(coroutine):
    return finished(asyncio.wait_for(coroutine, SECONDS))


@pytest.fixture
def lines(monkeypatch):
    """Both lines and the turn, anew; and without the wish to let sliders by, unless a test has it."""
    quick, slow = places._Line(2, of_one=2, waiting=40), places._Line(6, of_one=2, waiting=4)
    monkeypatch.setattr(places, "_QUICK", quick)
    monkeypatch.setattr(places, "_SLOW", slow)
    monkeypatch.setattr(places, "_turn", places._Turn())
    monkeypatch.setattr(places, "_PIECE", 0.0)
    return quick, slow


@pytest.fixture
def held(lines):
    """A job that computes in the slow place until it is let go."""
    begun, end = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert end.wait(SECONDS)

    future = later(work)
    assert begun.wait(SECONDS)
    yield end
    end.set()
    future.result(SECONDS)


def test_cheap_work_is_done_while_dear_work_is(lines, held):
    assert go(run(ANN, stays, lambda: price(places.QUICK) or "drawn")) == "drawn"


def test_what_turns_out_to_be_dear_begins_anew_in_the_slow_place(lines):
    seen = []

    def work():
        seen.append(threading.current_thread())
        price(DEAR)
        return len(seen)

    assert go(run(ANN, stays, work)) == 2
    assert seen[0] is not seen[1]


def test_a_price_that_nobody_may_ask_is_refused_before_the_work(lines):
    done = []
    with pytest.raises(Busy, match="more than 60 s"):
        go(run(ANN, stays, lambda: price(places.MOST + 1) or done.append(1)))
    assert not done


def test_errors_arrive_from_both_places(lines):
    with pytest.raises(ZeroDivisionError):
        go(run(ANN, stays, lambda: 1 // 0))
    with pytest.raises(ZeroDivisionError):
        go(run(ANN, stays, lambda: price(DEAR) or 1 // 0))


def test_each_visitor_has_a_limited_number_of_places_in_line(lines, held):
    async def crowd():
        waiting = [asyncio.create_task(run(ANN, stays, lambda: price(DEAR) or 1)) for _ in range(40)]
        await asyncio.sleep(0.2)
        refused = [task.exception() for task in waiting if task.done()]
        other = asyncio.create_task(run(BOB, stays, lambda: price(DEAR) or "other's"))
        await asyncio.sleep(0.1)
        assert not other.done()
        held.set()
        return refused, await other, await asyncio.gather(*waiting, return_exceptions=True)

    refused, other, all_ = go(crowd())
    assert other == "other's"
    assert all(isinstance(error, Busy) and "of your requests wait" in str(error) for error in refused)
    assert 4 <= all_.count(1) <= 2 + 4 and all_.count(1) == 40 - len(refused)  # begun, and in line


@pytest.mark.parametrize("late", [BOB, EVE])
def test_a_newcomer_is_served_before_the_second_of_somebody_who_asks_for_much(lines, late):
    order = []

    def long():
        until = time.monotonic() + SECONDS / 4
        while "late" not in order and time.monotonic() < until:
            breathe()
            time.sleep(0.005)
        order.append("ann")

    async def crowd():
        many = [asyncio.create_task(run(ANN, stays, lambda: price(DEAR) or long())) for _ in range(4)]
        await asyncio.sleep(0.05)
        await run(late, stays, lambda: price(DEAR) or order.append("late"))
        await asyncio.gather(*many)

    go(crowd())
    assert order == ["late"] + 4 * ["ann"]


def test_only_one_job_of_the_slow_place_computes_at_a_time(lines):
    computing, most = [], []

    def work():
        price(DEAR)
        for _ in range(10):
            breathe()
            computing.append(1)
            most.append(len(computing))
            time.sleep(0.001)
            computing.pop()

    async def crowd():
        await asyncio.gather(*(run(Visitor("1", str(i)), stays, work) for i in range(5)))

    go(crowd())
    assert len(most) >= 50 and max(most) == 1


def test_dear_work_gives_most_of_the_time_to_sliders(lines, monkeypatch):
    now = [began := time.monotonic()]
    monkeypatch.setattr(places, "time", types.SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    busy, end = threading.Event(), threading.Event()

    def slides():
        busy.set()
        assert end.wait(SECONDS)

    def work():
        price(DEAR)
        for _ in range(20):
            now[0] += 0.01  # so long does a piece compute
            breathe()

    async def both():
        sliding = asyncio.create_task(run(ANN, stays, slides))
        await asyncio.to_thread(busy.wait, SECONDS)
        film = asyncio.create_task(run(EVE, stays, work))
        while not film.done():
            now[0] += 0.002
            await asyncio.sleep(0.001)
        end.set()
        await sliding
        return now[0] - began

    assert go(both()) > 20 * 0.01 + 19 * 0.03  # a quarter of the time, but for the last piece


def test_who_waits_for_a_lock_lets_its_holder_go_on(lines):
    lock, order = threading.Lock(), []

    def work(name):
        price(DEAR)
        with locked(lock):
            for _ in range(5):
                order.append(name)
                breathe()

    async def both():
        await asyncio.gather(run(ANN, stays, lambda: work("a")), run(EVE, stays, lambda: work("b")))

    go(both())
    assert sorted(order) in (order, order[::-1]) and len(order) == 10


def test_work_that_nobody_waits_for_ends(lines):
    gone, pieces = threading.Event(), []

    def work():
        price(DEAR)
        while True:
            pieces.append(1)
            breathe()
            time.sleep(0.001)

    async def leave():
        task = asyncio.create_task(run(ANN, gone.is_set, work))
        while not pieces:
            await asyncio.sleep(0.001)
        gone.set()
        await task

    with pytest.raises(GivenUp):
        go(leave())
    end = time.monotonic() + SECONDS
    while lines[1].busy and time.monotonic() < end:
        time.sleep(0.001)  # its thread tells first that it has ended
    assert not lines[1].busy


def test_what_nobody_waits_for_does_not_begin(lines, held):
    begun = []

    async def leave():
        task = asyncio.create_task(run(ANN, stays, lambda: price(DEAR) or begun.append(1)))
        await asyncio.sleep(0.1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        held.set()
        await run(ANN, stays, lambda: price(DEAR))

    go(leave())
    assert not begun


def test_who_must_wait_is_told_so_and_then_how_far_it_is(lines, held, monkeypatch):
    monkeypatch.setattr(places, "_WAITS", 0.02)

    async def listen():
        told = []
        async for item in run_telling(ANN, stays, lambda tell: tell(0.5) or "end", "waiting"):
            told.append(item)
            held.set()
        return told

    told = go(listen())
    assert told[0] == "waiting" and [item for item in told if item != "waiting"] == [0.5, "end"]


def test_who_has_had_much_of_late_waits_for_all_others_and_these_come_in_their_order(lines, monkeypatch):
    line = places._Line(1, of_one=1, waiting=40)
    line._begun = 1  # none is started
    other = Visitor("3.3.3.3", "other")
    line._count([places._Job(EVE, None, stays)], 5.0)
    line._count([places._Job(ANN, None, stays), places._Job(BOB, None, stays)], 0.4)  # of one address
    line._count([places._Job(other, None, stays)], 0.1)

    def order():
        for visitor in (EVE, ANN, BOB, other):
            line.enter(places._Job(visitor, None, stays))
        jobs = []
        while (visitor := line._next()) is not None:
            jobs.append(line._begin(visitor).visitor)
            line._running.clear()
        return jobs

    assert order() == [ANN, BOB, other, EVE]
    line._count([places._Job(ANN, None, stays)], 2.0)
    assert order() == [BOB, other, ANN, EVE]
    line._halved -= 40 * places._LATE  # so long ago
    line._count([places._Job(other, None, stays)], 0.01)
    assert order() == [EVE, ANN, BOB, other]
    line._halved -= 10**6 * places._LATE  # weeks of rest
    line._count([], 0.0)
    assert not line._had


def test_outside_of_both_places_nothing_is_dear():
    price(10 * places.MOST)
    breathe()
    with locked(threading.Lock()):
        pass


def test_a_picture_costs_the_same_however_busy_the_machine_is(monkeypatch, tiny_config):
    class Slow(Generator):
        def forward(self, z):
            time.sleep(0.05)  # as where others have the core
            return super().forward(z)

    assert picture_milliseconds(Slow(tiny_config).eval()) < 40
