"""Who comes in next, where requests of several addresses wait at the door."""

from __future__ import annotations

import asyncio
import types
from collections import Counter

import pytest
from coroutines import finished

from gan.ui import gate
from gan.ui.gate import Gate


@pytest.fixture
def unhurried(monkeypatch):
    monkeypatch.setattr(gate, "HELD", 60.0)  # nobody makes room before it is done


@pytest.fixture
def clock(monkeypatch):
    """The gate's own, in seconds, which moves when a test says so."""
    now = [0.0]
    monkeypatch.setattr(gate, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    return now


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def enter(door: Gate, address: str, came: list[str]):
    leave = await door.enter(address)
    came.append(address)
    return leave


def test_an_address_alone_has_all_places_and_shares_them_with_whoever_comes(unhurried):
    async def visit() -> list[str]:
        door, came = Gate(), []
        greedy = [asyncio.create_task(enter(door, "greedy", came)) for _ in range(50)]
        await settled()
        assert len(came) == gate.AT_ONCE
        other = asyncio.create_task(enter(door, "other", came))
        await settled()
        assert "other" not in came  # all places are taken
        for task in greedy[: gate.AT_ONCE]:
            task.result()()
            await settled()
        for task in [*greedy, other]:
            task.cancel()
        return came

    came = finished(visit())
    assert came[gate.AT_ONCE] == "other"  # he has had the least
    assert Counter(came)["greedy"] == gate.AT_ONCE + 1  # one at a time since others came


def test_who_has_had_less_is_next(unhurried, clock, monkeypatch):
    monkeypatch.setattr(gate, "AT_ONCE", 1)

    async def visit() -> list[str]:
        door, came = Gate(), []
        long = await door.enter("long")
        clock[0] += 0.05
        long()
        holder = await door.enter("holder")
        tasks = [asyncio.create_task(enter(door, name, came)) for name in ("long", "long", "fresh")]
        await settled()
        holder()
        while len(came) < 3:
            await settled()
            for task in tasks:
                if task.done():
                    task.result()()
        return came

    assert finished(visit()) == ["fresh", "long", "long"]


def test_a_request_that_takes_long_makes_room_by_itself(monkeypatch):
    monkeypatch.setattr(gate, "HELD", 0.01)
    monkeypatch.setattr(gate, "AT_ONCE", 1)

    async def visit() -> None:
        door = Gate()
        leave = await door.enter("dear")
        async with asyncio.timeout(10):
            after = await door.enter("next")
        leave()  # when it is done at last: its place is not given twice
        waiting = asyncio.create_task(door.enter("third"))
        await settled()
        assert not waiting.done()
        after()
        await waiting

    finished(visit())


def test_too_many_waiting_requests_of_one_address_are_refused_and_those_who_left_are_not_counted(unhurried):
    async def visit() -> None:
        door, came = Gate(), []
        inside = [await door.enter("greedy") for _ in range(gate.AT_ONCE)]
        waiting = [asyncio.create_task(enter(door, "greedy", came)) for _ in range(gate.MOST_WAITING)]
        await settled()
        assert await door.enter("greedy") is None
        other = asyncio.create_task(enter(door, "other", came))
        for task in waiting:
            task.cancel()
        await settled()
        inside[0]()
        await settled()
        assert came == ["other"] and other.done()
        for leave in (*inside[1:], other.result()):
            leave()
        assert (await door.enter("greedy")) is not None

    finished(visit())


def test_one_who_leaves_just_when_it_is_his_turn_takes_no_place_with_him(unhurried, monkeypatch):
    monkeypatch.setattr(gate, "AT_ONCE", 1)

    async def visit() -> None:
        door = Gate()
        leave = await door.enter("first")
        second = asyncio.create_task(door.enter("second"))
        await settled()
        leave()
        second.cancel()  # let in, and gone before he could be told
        with pytest.raises(asyncio.CancelledError):
            await second
        async with asyncio.timeout(10):
            await door.enter("third")

    finished(visit())


def test_the_more_others_come_the_less_of_the_time_an_address_has_though_nobody_waits(unhurried, clock, monkeypatch):
    monkeypatch.setattr(gate, "_LATELY", 0.05)

    async def visit() -> None:
        door, came = Gate(), []
        for name in ("one", "two", "three"):
            (await door.enter(name))()
        leave = await door.enter("greedy")
        clock[0] += 0.2  # all that it may have, and more
        leave()
        waiting = asyncio.create_task(enter(door, "greedy", came))
        await settled()
        assert not came
        (await door.enter("one"))()  # finds the server free
        clock[0] += 0.5
        async with asyncio.timeout(10):
            (await waiting)()
        assert came == ["greedy"]  # after a while, though nobody left whom it had waited for

    finished(visit())


def test_an_address_alone_has_all_of_the_time(unhurried, clock):
    async def visit() -> None:
        door = Gate()
        leave = await door.enter("alone")
        clock[0] += 60
        leave()
        again = asyncio.create_task(door.enter("alone"))
        await settled()
        assert again.done()

    finished(visit())
