"""Visitors who all slide at once: how long each move takes, and whether the server's memory stays flat.

    python tests/benchmarks/visitors.py --visitors 8 --rate 10 --seconds 60
    python tests/benchmarks/visitors.py --seconds 5 --sessions 10000       memory, while so many new visitors come by

Each visitor moves a slider at fixed moments and posts what the page posts, on a connection of its own. As in the page,
one move is asked at a time, and of those that fall due meanwhile only the newest is asked next; the others count as
superseded. A move's time counts from when it was due.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
from server import ROOT, faces64, free_port, percentiles, process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--rate", type=float, default=10, help="moves a second of each")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=0, help="new visitors afterwards, each with one move")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ("app.py", "--weights", faces64(Path(scratch)), "--runs", ROOT / "runs", "--port", port)
        with process(*command, url=url) as server:
            stage = find_stage(url)
            slide(url, stage, options.visitors, options.rate, min(5, options.seconds))  # caches and pools fill
            before = resident_megabytes(server.pid)
            times, superseded, errors = slide(url, stage, options.visitors, options.rate, options.seconds)
            after = resident_megabytes(server.pid)
            if options.sessions:
                meet(url, stage, options.sessions, server.pid)
    print(f"{options.visitors} visitors, {options.rate:g} moves a second each, {options.seconds:g} s")
    print(f"{len(times)} moves answered, {superseded} superseded")
    print(f"{percentiles(times)} (wanted: p95 at most 200 ms)")
    print(f"errors: {len(errors)} (wanted: 0) {errors[:3] or ''}")
    print(f"server's memory: {before:.0f} MB before, {after:.0f} MB after, ratio {after / before:.3f} (wanted: flat)")


def find_stage(url: str) -> int:
    """Number of the component whose server function answers the sliders."""
    components = httpx.get(f"{url}/config").json()["components"]
    return next(component["id"] for component in components if component["props"].get("elem_id") == "stage")


def slide(url: str, stage: int, visitors: int, rate: float, seconds: float) -> tuple[list[float], int, list[str]]:
    """All visitors at once; milliseconds of every answered move, how many were superseded, and what went wrong."""
    times: list[float] = []
    errors: list[str] = []
    moves = round(seconds * rate)  # of each
    ready = threading.Barrier(visitors)

    def visit(number: int) -> None:
        session = uuid.uuid4().hex[:12]
        with httpx.Client(timeout=30, headers=from_address(number), verify=False) as client:
            ready.wait()  # making a client takes longer than a move
            started = time.perf_counter() + number / visitors / rate  # not all at the same moment
            i = 0
            while i < moves:
                due = started + i / rate
                time.sleep(max(0, due - time.perf_counter()))
                offsets = {"7": round(3 * math.sin(i / 10 + number), 2)}
                face = json.dumps({"model": "faces64", "seed": number, "truncation": 1, "offsets": offsets})
                body = {"component_id": stage, "fn_name": "draw", "session_hash": session}
                body["data"] = {"face": face, "pixels": False}
                try:
                    answer = client.post(f"{url}/gradio_api/component_server", json=body)
                    if answer.status_code != 200 or not answer.json().get("picture"):
                        errors.append(answer.text[:200])
                except httpx.HTTPError as error:
                    errors.append(repr(error))
                now = time.perf_counter()
                times.append((now - due) * 1000)
                i = max(i + 1, min(moves - 1, int((now - started) * rate)))  # the last position is always asked

    threads = [threading.Thread(target=visit, args=[number]) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, visitors * moves - len(times), errors


def from_address(number: int) -> dict[str, str]:
    """Headers by which a request comes from an address of the visitor's own, as a proxy tells it."""
    return {"x-forwarded-for": f"198.51.100.{number}"}


def meet(url: str, stage: int, sessions: int, pid: int) -> None:
    """New visitors, one after the other, each with one move; the server's memory is printed ten times on the way."""
    with httpx.Client(timeout=60) as client:
        for number in range(sessions + 1):
            if number % max(1, sessions // 10) == 0:
                print(f"{number} sessions: {resident_megabytes(pid):.0f} MB", flush=True)
            face = json.dumps({"model": "faces64", "seed": number, "truncation": 1})
            body = {"component_id": stage, "fn_name": "draw", "session_hash": uuid.uuid4().hex[:12]}
            body["data"] = {"face": face, "pixels": False}
            client.post(f"{url}/gradio_api/component_server", json=body).raise_for_status()


def resident_megabytes(pid: int) -> float:
    """Memory of a process that is in RAM (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
