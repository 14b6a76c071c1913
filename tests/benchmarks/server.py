"""What the page's benchmarks share: a 64x64 model, and servers as processes of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def faces64(scratch: Path) -> Path:
    """A folder of model folders that holds a 64x64 one: weights/ where faces64 is there, else a random one.

    Random weights take the same time as trained ones. Batch norm's statistics are made to fit them, without which
    every picture would be the same grey.
    """
    if (ROOT / "weights" / "faces64" / "config.json").exists():
        return ROOT / "weights"
    import torch

    from gan import run
    from gan.data_record import DataRecord, SourceRecord
    from gan.models import Discriminator, Generator, initialise
    from gan.presets import get_preset
    from gan.weights import save_weights

    torch.manual_seed(0)
    config = get_preset("faces64")
    folder = scratch / "weights" / "faces64"
    run.write_config(folder, config, DataRecord((SourceRecord("random weights"),), 1))
    generator, discriminator = Generator(config), Discriminator(config)
    for network in (generator, discriminator):
        initialise(network)
    for layer in generator.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    generator(torch.randn(64, config.z_dim))
    save_weights(folder / "model.safetensors", generator)
    save_weights(folder / "discriminator.safetensors", discriminator)
    return scratch / "weights"


@contextlib.contextmanager
def process(*command: object, url: str) -> Iterator[subprocess.Popen]:
    """A server in the background that answers at `url`; stopped at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment) as server:
        try:
            wait_until_it_answers(url, server)
            yield server
        finally:
            server.terminate()


def wait_until_it_answers(url: str, server: subprocess.Popen, seconds: float = 120) -> None:
    """Ask every 10 ms; raises RuntimeError when the server ends or takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer within {seconds} s: see the server's output above")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def percentiles(milliseconds: list[float]) -> str:
    """'p50 12.3 ms, p95 45.6 ms'."""
    ordered = sorted(milliseconds)
    return f"p50 {ordered[len(ordered) // 2]:6.1f} ms, p95 {ordered[int(0.95 * (len(ordered) - 1))]:6.1f} ms"
