"""A 60-frame morph as a file of 256 x 256 pixels: this project's way, and the way that comes to mind first.

    python tests/benchmarks/morph.py --turns 10

From four faces to the file's bytes, as the page and /morph make it. The usual way, in the same process and taking
turns with ours: the generator as training wrote it, one frame at a time on all of torch's threads, and each format
with its encoder's usual options (WebP method 4, a palette of its own for each GIF frame by Pillow's default, x264
"medium").
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from server import faces64, percentiles

from gan import load_generator
from gan.films.encode import formats
from gan.latent.morph import interpolate
from gan.sampling import generate, latents
from gan.ui.drawing import serve_on_one_thread
from gan.ui.library import Library
from gan.ui.morph_server import Film, MorphServer
from gan.ui.state import Face

SEEDS, FRAMES, FPS, SIDE = (0, 1, 2, 3), 60, 20, 256
WANTED_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10, help="films of each kind")
    turns = parser.parse_args().turns
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as scratch:
        weights = faces64(Path(scratch))
        server = MorphServer(Library([weights]))
        generator = load_generator(weights / "faces64")
        film = Film(tuple(Face("faces64", seed) for seed in SEEDS), FRAMES, FPS)
        for format in formats():

            def ours(format: str = format) -> bytes:
                serve_on_one_thread()
                return server.write_film(film, format, SIDE)

            def usual(format: str = format) -> bytes:
                torch.set_num_threads(threads)
                return usual_film(generator, format)

            measure(format, ours, usual, turns)


def measure(format: str, ours: Callable[[], bytes], usual: Callable[[], bytes], turns: int) -> None:
    """Print how long both take, taking turns, after one film each that does not count."""
    times: tuple[list[float], list[float]] = [], []
    for turn in range(turns + 1):
        for way, measured in zip((ours, usual), times, strict=True):
            started = time.perf_counter()
            content = way()
            if turn:
                measured.append(1000 * (time.perf_counter() - started))
            else:
                print(f"{format:4} {'ours' if way is ours else 'usual':5} {len(content) / 1000:7.0f} kB", flush=True)
    medians = [statistics.median(measured) for measured in times]
    print(f"{format:4} ours  {percentiles(times[0])} (wanted: p50 at most {1000 * WANTED_SECONDS:.0f} ms)")
    print(f"{format:4} usual {percentiles(times[1])}: ratio {medians[1] / medians[0]:.2f}", flush=True)


def usual_film(generator, format: str) -> bytes:
    """What most scripts do."""
    frames = []
    for z in interpolate(latents(generator.config, SEEDS), FRAMES):
        frames.append(Image.fromarray(generate(generator, z[None])[0]).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    content = io.BytesIO()
    if format == "mp4":
        import av

        with av.open(content, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_image(frame)))
            container.mux(stream.encode(None))
        return content.getvalue()
    if format == "gif":
        frames = [frame.quantize(256) for frame in frames]
    options = {"method": 4} if format == "webp" else {}
    frames[0].save(content, format, save_all=True, append_images=frames[1:], duration=1000 // FPS, loop=0, **options)
    return content.getvalue()


if __name__ == "__main__":
    sys.exit(main())
