"""What a browser sends to the page, and what comes back, without a browser."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

SECONDS = 60.0  # that an answer may take before it counts as none


@dataclass
class Visitor:
    """One session of the page at `url`."""

    url: str
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url}/gradio_api", timeout=SECONDS)
        self.config = httpx.get(f"{self.url}/config", timeout=SECONDS).json()

    def ask(self, component: int, function: str, asked: object) -> httpx.Response:
        """Call a server function of a component, as its JavaScript does."""
        body = {"session_hash": self.session, "component_id": component, "fn_name": function, "data": asked}
        return self.http.post("/component_server", content=dumped(body), headers=JSON)

    def trigger(self, event: int, data: list, event_data: object = None) -> list[dict]:
        """Fire an event of the page through its queue; returns its messages, of which the last is the end.

        Of each message "output" holds "data", or "error" where it was refused; an answer other than 200 is one message
        {"status", "text"}.
        """
        body = {"fn_index": event, "data": data, "event_data": event_data, "session_hash": self.session}
        joined = self.http.post("/queue/join", content=dumped(body), headers=JSON)
        if joined.status_code != 200:
            return [{"status": joined.status_code, "text": joined.text}]
        wanted, told = joined.json()["event_id"], []
        with self.http.stream("GET", "/queue/data", params={"session_hash": self.session}) as stream:
            for line in _lines(stream):
                message = json.loads(line.removeprefix(b"data:")) if line.startswith(b"data:") else {}
                if message.get("event_id") == wanted:
                    told.append(message)
                    if message["msg"] == "process_completed":
                        break
        return told

    def close(self) -> None:
        """The tab is closed."""
        self.http.close()


def _lines(stream: httpx.Response) -> Iterator[bytes]:
    """Parted by line feeds alone; httpx takes more characters for the ends of lines."""
    rest = b""
    for content in stream.iter_bytes():
        *lines, rest = (rest + content).split(b"\n")
        yield from lines


JSON = {"Content-Type": "application/json"}


def dumped(body: object) -> bytes:
    """As JSON, and what JSON does not know (NaN, halves of characters) as Python writes it."""
    return json.dumps(body).encode()
