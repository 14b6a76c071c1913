"""A picture and its critic's mark with weights laid out once (`gan.packing`) and anew for each, taking turns.

    python tests/benchmarks/packing.py --models faces64 faces128 --batches 1 2 4

As the page draws: one thread, batch norm folded, channels_last.
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import load_generator
from gan.models import fold
from gan.packing import pack
from gan.sampling import latents
from gan.weights import load_discriminator

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
WARM_UP = 3  # rounds


def main() -> None:
    """Print both times of each model and batch size, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["faces64", "faces128"], metavar="M")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4], metavar="N")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for model in options.models:
            folder = WEIGHTS / model
            generator, critic = (
                fold(load(folder)).to(memory_format=torch.channels_last)
                for load in (load_generator, load_discriminator)
            )
            for n in options.batches:
                z = latents(generator.config, range(n))
                for name, network, given in (("picture", generator, z), ("mark", critic, generator(z))):
                    packed = pack(copy.deepcopy(network), given[:1])
                    plain, laid = milliseconds(
                        [functools.partial(network, given), functools.partial(packed, given)], options.rounds
                    )
                    print(
                        f"{model} {name}, {n} at once: {plain:.2f} ms, packed {laid:.2f} ms, ratio {plain / laid:.2f}"
                    )


def milliseconds(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """The median of each."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(WARM_UP + rounds):
        for work, mine in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            if number >= WARM_UP:
                mine.append(1000 * (time.perf_counter() - began))
    return [statistics.median(mine) for mine in times]


if __name__ == "__main__":
    main()
