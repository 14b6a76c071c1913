"""Visitors who slide while one of them asks for all that he can think of: nobody else may notice.

The long version takes a quarter of an hour: five minutes without the greedy one and five with him, at the same server.
The clients that slide are those of tests/benchmarks/visitors.py.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from tests.faults import HELPERS, Row

sys.path.append(f"{HELPERS}/benchmarks")

from server import faces64, free_port, percentiles, process
from visitors import find_stage, from_address, resident_megabytes, slide

FAULT = "32 visitors who slide for five minutes, one greedy"
MUST_BE = "no error, memory flat within 5 %, p95 printed beside the one without the greedy one"
TRIES = 1
VISITORS, RATE, SECONDS = 32, 2.0, 300.0  # moves a second of each
FIRST_SECONDS = 900.0  # at most, until all models are in memory
MODELS = ("cold", "photos")  # wishes that bring them there
ADDRESS = 200  # the greedy one's, in the place of a visitor's number
ROOT = Path(HELPERS).parent


def run(tries: int, seed: int) -> Row:
    """So many times five minutes alone and five with the greedy one."""
    row = Row(FAULT, MUST_BE)
    for number in range(tries):
        with tempfile.TemporaryDirectory() as scratch:
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            with process(
                "app.py", "--weights", faces64(Path(scratch)), "--runs", scratch, "--port", port, url=url
            ) as app:
                try_once(row, url, app.pid, seed + number)
    return row


def try_once(row: Row, url: str, pid: int, seed: int, visitors: int = VISITORS, seconds: float = SECONDS) -> None:
    """One comparison, at a page that draws faces64."""
    stage = find_stage(url)
    slide(url, stage, visitors, RATE, min(10, seconds))
    began = time.monotonic()
    few = min(4, visitors)  # who leave him most of the time
    with Greedy(url, seed, MODELS) as greedy:  # what he asks for once stays
        while not greedy.has_seen_all and time.monotonic() - began < FIRST_SECONDS:
            slide(url, stage, few, RATE, min(10, seconds))
    first, has_seen_all = time.monotonic() - began, greedy.has_seen_all
    wrong = list(greedy.wrong)
    with Greedy(url, seed + 2) as greedy:
        slide(url, stage, few, RATE, min(60, seconds))
    wrong += greedy.wrong
    slide(url, stage, visitors, RATE, min(30, seconds))  # what he has left behind comes to its end
    alone, _, errors = slide(url, stage, visitors, RATE, seconds)
    before = resident_megabytes(pid)
    with Greedy(url, seed + 1) as greedy:
        beside, _, more = slide(url, stage, visitors, RATE, seconds)
        during = resident_megabytes(pid)
    _, _, last = slide(url, stage, visitors, RATE, min(30, seconds))  # the same
    after = resident_megabytes(pid)
    errors += more + last + wrong + greedy.wrong
    row.remark = (
        f"{percentiles(beside)}, {percentiles(alone)} without him; memory {before:.0f} MB once every model had drawn "
        f"and searched for him ({first:.0f} s), {during:.0f} at the end of his five minutes, {after:.0f} half a minute "
        f"after, he asked {greedy.asked:,} times and was told {greedy.refused:,} times that it is too much"
    )
    if not has_seen_all:
        errors.append(f"not every model drew and searched for him within {FIRST_SECONDS:.0f} s")
    if after > 1.05 * before:
        errors.append(f"memory grew from {before:.0f} MB to {after:.0f}")
    if errors:
        row.fail(f"seed {seed}: {len(errors)} errors: {errors[:5]}")
    else:
        row.note("without error")


class Greedy:
    """A process that asks for all that is dear, many things at a time, until it is left: a context manager.

    Attributes:
        has_seen_all: whether every model has drawn and searched for him: what that takes stays in memory.
        asked, refused: requests, and those of them that were refused in a sentence.
        wrong: answers that no visitor may get: errors of the server that say nothing.
    """

    def __init__(self, url: str, seed: int, wishes: tuple[str, ...] = ()) -> None:
        """Of a page; `wishes` are names of methods of `_Wishes`, all of them where none is given."""
        self.asked, self.refused, self.wrong = 0, 0, []
        context = multiprocessing.get_context("spawn")  # sliding clients are timed: they share no interpreter with it
        self._ready, self._seen, self._left = context.Event(), context.Event(), context.Event()
        self._told = context.SimpleQueue()
        arguments = (url, seed, wishes, self._ready, self._seen, self._left, self._told)
        self._process = context.Process(target=_ask_for_much, args=arguments, daemon=True)

    @property
    def has_seen_all(self) -> bool:
        return self._seen.is_set()

    def __enter__(self) -> Greedy:
        self._process.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self.asked, self.refused, self.wrong = self._told.get()
        self._process.join(60)


def _ask_for_much(url: str, seed: int, wishes: tuple[str, ...], ready, seen, left, told) -> None:
    asking = _Wishes(url, seed, seen, left)
    ready.set()
    asking.ask(wishes)
    told.put((asking.asked, asking.refused, asking.wrong))


class _Wishes:
    """What the greedy one asks for."""

    def __init__(self, url: str, seed: int, seen, left) -> None:
        self._api = f"{url}/gradio_api"
        self._random = random.Random(seed)
        self._seen, self._left = seen, left
        self._unseen: set[tuple[str, str]] = set()  # (wish, model)
        config = httpx.get(f"{url}/config", timeout=60).json()
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self._stage, self._morph = ids["stage"], ids["morph-viewer"]
        events = {tuple(target): event["id"] for event in config["dependencies"] for target in event["targets"]}
        self._events = {"make": events[self._morph, "make"], "find": events[ids["photo-viewer"], "find"]}
        self._models: list[str] = []
        self.asked, self.refused, self.wrong = 0, 0, []

    def ask(self, wishes: tuple[str, ...]) -> None:
        """For these, or for all, until he is left."""
        acts = (
            self.films, self.cold, self.photos, self.abandoned, self.sums, self.texts, self.uploads, self.sessions,
        )  # fmt: skip
        threads = [
            threading.Thread(target=self._go, args=[act], daemon=True)
            for act in acts
            if not wishes or act.__name__ in wishes
        ]
        with httpx.Client(timeout=60, headers=from_address(ADDRESS)) as client:
            self._models = self._names(client)
        self._unseen = {(wish, model) for wish in MODELS for model in self._models}
        for thread in threads:
            thread.start()
        for thread in threads:
            self._left.wait()
            thread.join(40)

    def _go(self, act) -> None:
        with httpx.Client(timeout=60, headers=from_address(ADDRESS)) as client:
            while not self._left.is_set():
                try:
                    for answer in act(client):
                        self._judge(act.__name__, answer)
                        if self._left.is_set():
                            return
                except httpx.HTTPError as error:
                    if not isinstance(error, (httpx.ReadTimeout, httpx.WriteError, httpx.ReadError)):
                        self.wrong.append(f"{act.__name__}: {error!r}")

    def _judge(self, name: str, answer: httpx.Response) -> None:
        self.asked += 1
        refused = _is_refusal(answer)
        self.refused += refused
        if answer.status_code >= 500 and not refused:
            self.wrong.append(f"{name}: {answer.status_code} {answer.text[:100]}")

    def _saw(self, wish: str, model: str) -> None:
        self._unseen.discard((wish, model))
        if not self._unseen:
            self._seen.set()

    def _unseen_first(self, wish: str) -> list[str]:
        """All models: a wish that was cut short begins with those that it did not come to."""
        return sorted(self._models, key=lambda model: (wish, model) not in self._unseen)

    def _names(self, client: httpx.Client) -> list[str]:
        answer = client.post(f"{self._api}/run/models", json={"data": []}).json()["data"][0]
        return [model["name"] for model in answer if not model["problem"]]

    def _face(self, own: bool = False) -> str:
        face = {"model": "faces64", "seed": self._random.randrange(10**6), "truncation": 1.0}
        if own:
            marked = [self._random.randrange(10**6) for _ in range(6)]
            directions = [
                {"name": f"D{i}", "model": "faces64", "has": marked[:3], "lacks": [*marked[3:], i]} for i in range(4)
            ]
            face |= {"own": directions, "directions": {f"~D{i}": 1.0 for i in range(4)}}
        return json.dumps(face)

    def _ask(self, client: httpx.Client, component: int, name: str, data: dict) -> httpx.Response:
        body = {"component_id": component, "fn_name": name, "session_hash": uuid.uuid4().hex[:12], "data": data}
        return client.post(f"{self._api}/component_server", json=body)

    def _follow(self, client: httpx.Client, event: str, detail: dict) -> Iterator[httpx.Response]:
        """An event of a viewer, listened to until it ends or he leaves."""
        session = uuid.uuid4().hex[:12]
        body = {"data": [], "fn_index": self._events[event], "session_hash": session, "event_data": detail}
        yield client.post(f"{self._api}/queue/join", json=body)
        with client.stream("GET", f"{self._api}/queue/data", params={"session_hash": session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed" and not message["success"]:
                    self.wrong.append(f"{event}: {message['output']['error']}")
                if message.get("msg") in ("process_completed", "close_stream") or self._left.is_set():
                    break

    def films(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Films of faces with directions of their own, which have to be measured."""
        faces = [self._face(own=True) for _ in range(8)]
        asked = {"faces": faces, "frames": 120, "fps": 20, "way": "loop", "format": "webp", "side": 512}
        yield from self._follow(client, "make", {"asked": asked, "number": 1})

    def cold(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Truncated faces of every model."""
        for model in self._unseen_first("cold"):
            for truncation in (0.1, 0.4, 0.7, 1.3):
                face = json.dumps({"model": model, "seed": 1, "truncation": truncation})
                answer = self._ask(client, self._stage, "draw", {"face": face, "pixels": False})
                if not _is_refusal(answer):
                    self._saw("cold", model)
                yield answer

    def photos(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Photos of every model's size."""
        content = io.BytesIO()
        pixels = np.random.default_rng(self._random.randrange(10**6)).integers(0, 256, (256, 256, 3), np.uint8)
        Image.fromarray(pixels).save(content, "png")
        for model in self._unseen_first("photos"):
            asked = {"model": model, "content": base64.b64encode(content.getvalue()).decode()}
            yield from self._follow(client, "find", {"asked": asked, "number": 1})
            self._saw("photos", model)

    def abandoned(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Films that he does not wait for."""
        data = ["faces64", [self._random.randrange(10**6) for _ in range(8)], 120, 20, "loop", "webp", 512, 1.0]
        for _ in range(65):
            yield client.post(f"{self._api}/call/morph", json={"data": data})
        self._left.wait(5)

    def sums(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Sheets, choices and equations."""
        terms = [[self._random.randrange(10**6) for _ in range(3)] for _ in range(3)]
        film = {"faces": [self._face() for _ in range(8)], "frames": 120, "fps": 20, "way": "loop"}
        yield self._ask(client, self._morph, "morph_film", film)
        yield self._ask(client, self._morph, "arithmetic_grid", {"model": "faces64", "start": terms[0][0]})
        yield self._ask(client, self._morph, "arithmetic_solve", {"model": "faces64", "terms": terms})

    def texts(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Twenty megabytes of text, and half a megabyte, which is allowed."""
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # the connection is closed before all is sent
            yield client.post(f"{self._api}/run/predict", json={"data": ["x" * 20 * 2**20], "fn_index": 0})
        yield self._ask(client, self._stage, "draw", {"face": "x" * 2**19})
        self._left.wait(0.5)

    def uploads(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """Many small files, one that is too large, and one that is given up."""
        small = [("files", (f"{i}.txt", b"x")) for i in range(50)]
        for files in (small, [("files", ("large.png", bytes(30 * 2**20)))], small[:3]):
            with contextlib.suppress(httpx.WriteError, httpx.ReadError):
                yield client.post(f"{self._api}/upload", files=files)
        with contextlib.suppress(httpx.HTTPError):
            client.post(f"{self._api}/upload", files=[("files", ("slow.png", bytes(8 * 2**20)))], timeout=0.01)
        self._left.wait(0.5)

    def sessions(self, client: httpx.Client) -> Iterator[httpx.Response]:
        """A new session for every step of a slider."""
        yield self._ask(client, self._stage, "draw", {"face": self._face(), "pixels": False})
        yield client.get(f"{self._api}/deep_link", params={"session_hash": uuid.uuid4().hex[:12]})


def _is_refusal(answer: httpx.Response) -> bool:
    return answer.status_code in (413, 503) or '"problem"' in answer.text[:20]
