"""A training step with small maps laid in strips (`gan.convolution`) and without, taking turns in one process.

OMP_NUM_THREADS=1 python tests/benchmarks/convolution.py --presets faces64 dcgan64
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import convolution
from gan.machine import multiplies_tiles
from gan.presets import PRESETS, get_preset
from gan.training.step import Trainer

WARM_UP = 2  # steps of each kind


def main() -> None:
    """Print both times of each preset and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), choices=PRESETS, metavar="P")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each kind (default: 10)")
    options = parser.parse_args()
    if not multiplies_tiles(torch.device("cpu")):
        sys.exit("this processor has no AMX: no strips are laid on it")
    for preset in options.presets:
        plain, laid = (statistics.median(times) for times in step_seconds(preset, options.steps))
        print(f"{preset:20} plain {1000 * plain:7.1f} ms, strips {1000 * laid:7.1f} ms, ratio {plain / laid:.2f}")


def step_seconds(preset: str, steps: int) -> tuple[list[float], list[float]]:
    """The seconds of each step, without and with strips."""
    config = get_preset(preset)
    trainer = Trainer(config, torch.device("cpu"), bf16=True)
    real = torch.rand(config.batch_size, config.channels, config.image_size, config.image_size) * 2 - 1
    real = real.contiguous(memory_format=torch.channels_last)
    times: tuple[list[float], list[float]] = [], []
    widths = (0, convolution.WIDTH)
    for step in range(2 * (WARM_UP + steps)):
        convolution.WIDTH = widths[step % 2]
        started = time.perf_counter()
        trainer.step(real, step, progress=0.0)
        if step >= 2 * WARM_UP:
            times[step % 2].append(time.perf_counter() - started)
    return times


if __name__ == "__main__":
    main()
