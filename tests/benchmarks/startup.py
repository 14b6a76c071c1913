"""From `python app.py` to an answering page, beside importing torch and gradio alone, in pairs.

python tests/benchmarks/startup.py --pairs 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import ROOT, faces64, free_port, process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    pages, imports = [], []
    with tempfile.TemporaryDirectory() as scratch:
        weights = faces64(Path(scratch))
        page_seconds(weights), import_seconds()  # files into the system's cache
        for pair in range(options.pairs):
            pages.append(page_seconds(weights))
            imports.append(import_seconds())
            print(f"pair {pair}: page {pages[-1]:.2f} s, imports {imports[-1]:.2f} s, {pages[-1] / imports[-1]:.2f}x")
    ratio = statistics.median(page / alone for page, alone in zip(pages, imports, strict=True))
    print(f"median: page {statistics.median(pages):.2f} s, imports {statistics.median(imports):.2f} s")
    print(f"ratio {ratio:.2f} (wanted: at most 1.3)")


def page_seconds(weights: Path) -> float:
    """Seconds until the page's HTML arrives."""
    port = free_port()
    started = time.perf_counter()
    command = ("app.py", "--weights", weights, "--runs", ROOT / "runs", "--port", port)
    with process(*command, url=f"http://127.0.0.1:{port}/"):
        return time.perf_counter() - started


def import_seconds() -> float:
    """Seconds until both are imported; what the interpreter does at its end is not counted."""
    code = "import torch, gradio; print('done', flush=True)"
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as alone:
        alone.stdout.readline()
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
