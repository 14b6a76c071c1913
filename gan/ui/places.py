"""Where work is done, so that nobody pays for another visitor.

There are two places. In the quick one, which sliders always find free, nothing takes longer than `QUICK` milliseconds;
whatever is dearer is done in the slow one. There only one job computes at any moment, by turns with the others, the
visitor first who has had the least, and while sliders are moved it computes for no more than `_SHARE` of the time. Both
have a line with a limited number of places for each visitor, and visitors take turns in it.

    shown = await run(visitor, gone, work)                     quick; anew in the slow place if it turns out to be dear
    async for told in run_telling(visitor, gone, work, ...)    dear work that tells how far it is

Work says what it will cost before it starts (`price`), lets others by between its pieces (`breathe`), and does
what is cheaper for several at once together with what waits in the quick line (`together`). Outside of both places, in
a script or a test, the first two do nothing, and the third does what it is asked alone.

Long because a line, its threads and the turns of the slow place are one mechanism, and know each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from gan.errors import GanError

S = TypeVar("S")
T = TypeVar("T")

QUICK = 100.0  # milliseconds: the dearest work of the quick place
MOST = 60_000.0  # milliseconds that one request may cost
_SHARE = 0.25  # of the time that dear work computes while sliders wait
_PIECE = 0.02  # seconds after which dear work lets others by
_LOOK = 0.004  # seconds between two looks at whether sliders have paused
_NOTICE = 0.25  # seconds between two looks at whether somebody still waits for what has no turn
_WAITS = 0.5  # seconds without a beginning, after which the visitor is told so
_AT_ONCE = 4  # jobs that are done together, at most
_LATE = 2.0  # seconds after which what somebody has had counts half
_SHARES = 2.0  # times what half of all have had: whoever has had no more is like everybody
_FORGOTTEN = 0.001  # seconds of it that count no more


class Busy(GanError, RuntimeError):
    """There is no place for this work; the message says why, and what to do."""


class GivenUp(BaseException):
    """Nobody waits for this work any more: ends it wherever it is."""


class _Dear(BaseException):
    """This work is too dear for the quick place."""


class _Wishes(BaseException):
    """What a job that was begun only to be asked wants to be done together with others' wishes."""

    def __init__(self, kind: object, item: object) -> None:
        super().__init__()
        self.kind, self.item = kind, item


@dataclass(frozen=True)
class Visitor:
    """Who asks. The same address may be a whole school's, and a session anybody's invention: turns go by both."""

    address: str = ""
    session: str = ""


NOBODY = Visitor()


@dataclass(eq=False)
class _Job:
    visitor: Visitor
    work: Callable[[], object]
    gone: Callable[[], bool]  # whether nobody waits for it any more
    slow: bool = False
    alike: object = None  # what jobs have in common that may be done together
    price: float = 0.0  # milliseconds, of all that it has said up to now
    begun: bool = False
    given_up: bool = False
    asked: bool = False  # it is begun only to learn what it wishes
    done: tuple[_Wishes, object] | None = None  # its wish, and what came of that
    joined: list[_Job] = field(default_factory=list)  # what was begun beside it
    future: Future = field(default_factory=Future)

    def check(self) -> None:
        """Raises `GivenUp` where nobody waits for it."""
        if self.given_up or self.gone():
            raise GivenUp


_current: ContextVar[_Job | None] = ContextVar("job", default=None)


def price(milliseconds: float) -> None:
    """What the work that starts now will take, about, drawn alone on one core.

    Raises:
        Busy: all that this request asks for is more than one may.
    """
    job = _current.get()
    if job is None:
        return
    job.price += milliseconds
    if not job.slow and job.price > QUICK:
        raise _Dear
    if job.price > MOST:
        raise Busy(
            f"This would keep the server busy for more than {MOST / 1000:.0f} s, the most that one request may: "
            "ask for fewer pictures, or for smaller ones."
        )


def breathe() -> None:
    """Between two pieces of dear work: let sliders and other visitors by; raises `GivenUp` where nobody waits."""
    job = _current.get()
    if job is not None and job.slow:
        job.check()
        _turn.pass_on(job)


def together(kind: object, item: S, many: Callable[[list[S]], list[T]]) -> T:
    """`many([item])[0]`, in the quick place for several jobs at once where others wait for the same: dynamic batching.

    Those others, of the same function of the page, are begun to learn their items, and when `many` has answered all
    of them, each begins anew and finds its own answer here. So work up to here must be cheap and change nothing.

    Args:
        kind: what `many` depends on beside the items; items of equal kinds may come into one call.
        many: one answer for each item, in their order.
    """
    job = _current.get()
    if job is None or job.slow:
        return many([item])[0]
    if job.asked:
        raise _Wishes(kind, item)
    if job.done is not None and job.done[0].kind == kind:
        return job.done[1]
    wishes = [(other, _wish(other)) for other in _QUICK.join(job)]
    same = [(other, wish) for other, wish in wishes if wish is not None and wish.kind == kind]
    answer, *others = many([item, *(wish.item for _, wish in same)])
    for (other, wish), result in zip(same, others, strict=True):
        other.done = wish, result
    return answer


def _wish(job: _Job) -> _Wishes | None:
    """What a job would do together with others; None where it ends, in whichever way, before it comes to that."""
    job.asked = True
    try:
        job.check()
        copy_context().run(_in_place, job)
    except _Wishes as wish:
        return wish
    except BaseException:  # is raised again when it is done
        return None
    finally:
        job.asked = False
    return None


@contextlib.contextmanager
def locked(lock: threading.Lock) -> Iterator[None]:
    """Holds a lock; waits for it outside of the turn, so that who holds it can go on."""
    job = _current.get()
    if job is None or not job.slow:
        lock.acquire()
    else:
        while not lock.acquire(blocking=False):
            job.check()
            _turn.pass_on(job, at_once=True)
    try:
        yield
    finally:
        lock.release()


def at_turns(work: Iterator[T]) -> Iterator[T]:
    """The same items, with a breath before each of them; closing it closes `work`."""
    try:
        while True:
            breathe()
            try:
                item = next(work)
            except StopIteration:
                return
            yield item
    finally:
        work.close()


async def run(visitor: Visitor, gone: Callable[[], bool], work: Callable[[], T], alike: object = None) -> T:
    """What `work` returns or raises: done in the quick place, or anew in the slow one where its price is too high.

    Args:
        gone: whether nobody waits for the result any more.
        work: must have changed nothing before it has said its price.
        alike: what works have in common that are likely to ask `together` for the same; None for one that does not.

    Raises:
        Busy: the line is full, or the work too dear.
        GivenUp: nobody waits.
    """
    try:
        return await _done(_QUICK, _Job(visitor, work, gone, alike=alike))
    except _Dear:
        return await _done(_SLOW, _Job(visitor, work, gone, slow=True))


async def run_telling(
    visitor: Visitor, gone: Callable[[], bool], work: Callable[[Callable[[T], None]], T], waiting: T
) -> AsyncIterator[T]:
    """What dear work tells, as it comes, and at last what it returns; closing the iterator ends the work.

    Args:
        gone: as of `run`, which raises the same.
        work: is given whom to tell.
        waiting: is told now and then until the work begins.
    """
    loop, items, end = asyncio.get_running_loop(), asyncio.Queue(), object()

    def tell(item: object) -> None:
        breathe()
        with contextlib.suppress(RuntimeError):  # the server was stopped
            loop.call_soon_threadsafe(items.put_nowait, item)

    job = _Job(visitor, lambda: tell(work(tell)), gone, slow=True)
    _SLOW.enter(job)
    job.future.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(items.put_nowait, end))
    try:
        while True:
            try:
                item = await asyncio.wait_for(items.get(), None if job.begun else _WAITS)
            except TimeoutError:
                if not job.begun:
                    yield waiting
                continue
            if item is end:
                job.future.result()
                return
            yield item
    finally:
        job.given_up = True
        job.future.cancel()


def later(work: Callable[[], object]) -> Future:
    """Dear work that no visitor asks for, done when nobody else needs the slow place."""
    job = _Job(NOBODY, work, lambda: False, slow=True)
    _SLOW.enter(job)
    return job.future


async def _done(line: _Line, job: _Job) -> object:
    line.enter(job)
    try:
        return await asyncio.wrap_future(job.future)
    finally:
        job.given_up = True


# ---- a line -----------------------------------------------------------------------------------------------------


class _Line:
    """Threads, and who waits for them.

    The next is a job of the address that keeps the fewest threads busy; of several, of the one that has had the least
    of late beyond its share; of several, of the visitor with the fewest and the least; of several, of the one who has
    waited longest for a turn. So nobody who moves one slider waits for long because others have had still less.

    Args:
        threads: jobs at a time.
        of_one: of these, of one visitor.
        waiting: jobs that wait, of one visitor; six times as many of one address, twelve times as many in all.
    """

    def __init__(self, threads: int, of_one: int, waiting: int) -> None:
        self._threads, self._of_one, self._most = threads, of_one, waiting
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Visitor, deque[_Job]] = OrderedDict()
        self._running: Counter[Visitor | str] = Counter()
        self._had: dict[Visitor | str, float] = {}  # seconds of work, halved every `_LATE` seconds
        self._halved = time.monotonic()
        self._begun = 0  # threads that were started

    @property
    def busy(self) -> bool:
        """Whether anything is done or waits here."""
        return bool(self._running or self._waiting)

    def enter(self, job: _Job) -> None:
        """Raises `Busy` where the line is full."""
        visitor = job.visitor
        with self._changed:
            own = len(self._waiting.get(visitor, ()))
            at_address = sum(len(jobs) for other, jobs in self._waiting.items() if other.address == visitor.address)
            if own >= self._most:
                raise Busy(f"{own} of your requests wait here already: wait for one of them, then ask again.")
            if at_address >= 6 * self._most or sum(map(len, self._waiting.values())) >= 12 * self._most:
                raise Busy("The server has as much to do as it can: try again in a moment.")
            self._waiting.setdefault(visitor, deque()).append(job)
            if self._begun < self._threads:
                self._begun += 1
                threading.Thread(target=self._serve, daemon=True, name="place").start()
            self._changed.notify()

    def join(self, job: _Job) -> list[_Job]:
        """The jobs that are begun beside one that is done here, and are done after it by the same thread.

        They are alike, and would have had the next turns; as many more stay for each of the other threads.
        """
        with self._changed:
            alike = len(self._may(job.alike)) if job.alike is not None else 0
            joined = [self._begin(self._next(job.alike)) for _ in range(min(_AT_ONCE - 1, alike // self._threads))]
        job.joined = joined
        return joined

    def _serve(self) -> None:
        while True:
            with self._changed:
                while (visitor := self._next()) is None:
                    self._changed.wait()
                jobs = deque([self._begin(visitor)])
            while jobs:
                job, began = jobs.popleft(), time.monotonic()
                try:
                    _do(job)
                finally:
                    jobs.extend(job.joined)
                    with self._changed:
                        self._running -= Counter((job.visitor, job.visitor.address))  # drops what is 0
                        self._count([job, *job.joined], time.monotonic() - began)
                        self._changed.notify_all()
            del job

    def _count(self, jobs: list[_Job], seconds: float) -> None:
        """Puts down what was done together to those whom it was done for, in equal parts."""
        halvings = int((time.monotonic() - self._halved) / _LATE)
        if halvings:
            self._halved += halvings * _LATE
            left = 0.5**halvings  # 0 after a long rest
            self._had = {key: had for key, before in self._had.items() if (had := before * left) > _FORGOTTEN}
        for job in jobs:
            for key in (job.visitor, job.visitor.address):
                self._had[key] = self._had.get(key, 0.0) + seconds / len(jobs)

    def _begin(self, visitor: Visitor) -> _Job:
        """The next job of a visitor, which is done now."""
        jobs = self._waiting.pop(visitor)
        job = jobs.popleft()
        if jobs:
            self._waiting[visitor] = jobs  # at the end now
        self._running.update((visitor, visitor.address))
        return job

    def _next(self, alike: object = None) -> Visitor | None:
        """Whose turn it is; of those whose next job is alike, where that is given."""
        shares = self._share(str), self._share(Visitor)
        return min(self._may(alike), key=lambda visitor: self._rank(visitor, shares), default=None)

    def _share(self, kind: type) -> float:
        """Seconds of late that an address, or a visitor, may have had and is still like everybody."""
        had = [seconds for key, seconds in self._had.items() if isinstance(key, kind)]
        return _SHARES * statistics.median_low(had) if had else 0.0

    def _rank(self, visitor: Visitor, shares: tuple[float, float]) -> tuple[float, ...]:
        keys = zip((visitor.address, visitor), shares, strict=True)
        return tuple(n for key, share in keys for n in (self._running[key], max(0.0, self._had.get(key, 0.0) - share)))

    def _may(self, alike: object = None) -> list[Visitor]:
        return [
            visitor
            for visitor, jobs in self._waiting.items()
            if self._running[visitor] < self._of_one and alike in (None, jobs[0].alike)
        ]


def _do(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        job.check()
        result = copy_context().run(_in_place, job)
    except BaseException as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)


def _in_place(job: _Job) -> object:
    _current.set(job)
    job.price = 0.0
    if not job.slow:
        return job.work()
    with _turn.of(job):
        job.begun = True
        return job.work()


# ---- the turn of the slow place -------------------------------------------------------------------------------------


class _Turn:
    """Which of the begun jobs of the slow place computes just now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: _Job | None = None
        self._since = 0.0  # time.monotonic() when it began
        self._due = 0.0  # when the next may compute even though sliders are moved
        self._waiting: list[_Job] = []  # in the order in which they came
        self._jobs: Counter[Visitor | str] = Counter()
        self._spent: dict[Visitor | str, float] = {}  # seconds computed, of those with a job here

    @contextlib.contextmanager
    def of(self, job: _Job) -> Iterator[None]:
        """Takes turns for a job; what is inside computes."""
        keys = (job.visitor, job.visitor.address)
        with self._changed:
            for key in keys:
                if not self._jobs[key]:  # whoever comes anew has had no less than the others
                    self._spent[key] = min((s for k, s in self._spent.items() if type(k) is type(key)), default=0.0)
                self._jobs[key] += 1
        try:
            self._take(job)
            try:
                yield
            finally:
                if self._holder is job:
                    self._give(job)
        finally:
            with self._changed:
                for key in keys:
                    self._jobs[key] -= 1
                    if not self._jobs[key]:
                        del self._jobs[key], self._spent[key]

    def pass_on(self, job: _Job, at_once: bool = False) -> None:
        """Ends the turn of the job that holds it, where it has lasted long enough, and waits for the next."""
        if at_once or time.monotonic() - self._since >= _PIECE:
            self._give(job)
            if at_once:
                time.sleep(_LOOK)  # the lock that is waited for must be let go first
            self._take(job)

    def _take(self, job: _Job) -> None:
        with self._changed:
            self._waiting.append(job)
            try:
                while True:
                    mine = self._holder is None and min(self._waiting, key=self._rank) is job
                    if mine and not (_QUICK.busy and time.monotonic() < self._due):
                        break
                    self._changed.wait(_LOOK if mine else _NOTICE)
                    job.check()
                self._holder, self._since = job, time.monotonic()
            finally:
                self._waiting.remove(job)
                self._changed.notify_all()  # where it was given up, the next must look

    def _give(self, job: _Job) -> None:
        with self._changed:
            now = time.monotonic()
            for key in (job.visitor, job.visitor.address):
                self._spent[key] += now - self._since
            self._due = now + (now - self._since) * (1 / _SHARE - 1)
            self._holder = None
            self._changed.notify_all()

    def _rank(self, job: _Job) -> tuple[bool, float, float]:
        return job.visitor == NOBODY, self._spent[job.visitor.address], self._spent[job.visitor]


_CORES = os.cpu_count() or 2
_QUICK = _Line(threads=_CORES, of_one=_CORES, waiting=16)
_SLOW = _Line(threads=6, of_one=2, waiting=16)  # each thread that computes keeps memory of its own
_turn = _Turn()
