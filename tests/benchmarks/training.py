"""Our training loop against the plain PyTorch loop that everybody copies, side by side in one run.

    python tests/benchmarks/training.py

Same network (preset dcgan64), batch and losses. The plain side: float32, contiguous tensors, unfused Adam, a
folder of JPEGs (drawn faces, 178x218 like CelebA's) through ImageFolder and DataLoader with two workers. Our
side: `gan.training.loop.train` as train.py calls it. Both take turns as processes of their own, so that neither
leaves the other its caches or threads, and a drifting machine slows both alike; ratios are taken pair by pair.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

CELEBA_SIZE = (178, 218)
WARM_UP = 3  # steps, for allocators and kernel caches
SHORT_RUN_IMAGES = 100_000  # a longer run makes hardly more sample sheets


def main() -> None:
    """Print images per second of both sides and their ratio, the loop's overhead, and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12, help="timed steps per turn (default: 12)")
    parser.add_argument("--turns", type=int, default=3, help="turns of each side (default: 3)")
    parser.add_argument("--pictures", type=int, default=2048, help="JPEGs to draw (default: 2048)")
    parser.add_argument("--side", choices=("plain", "ours"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps({"plain": run_plain, "ours": run_ours}[options.side](options.folder, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        draw_jpegs(Path(folder) / "jpegs" / "faces", options.pictures)
        turns = [[measure(side, folder, options.steps) for side in ("plain", "ours")] for _ in range(options.turns)]
    for i, (plain, ours) in enumerate(turns):
        print(
            f"turn {i + 1}: plain {plain['images_per_second']:6.1f} images/s, ours {ours['images_per_second']:6.1f} "
            f"({ours['precision']}), ratio {ours['images_per_second'] / plain['images_per_second']:.2f}"
        )
    ratios = [ours["images_per_second"] / plain["images_per_second"] for plain, ours in turns]
    print(f"images per second, ours / plain: median {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}")
    overheads = [ours["overhead"] for _, ours in turns]
    print(
        "overhead of the loop (data, flips, logging, averaging), share of its time: "
        f"median {statistics.median(overheads):.1%}, highest {max(overheads):.1%}"
    )
    sheets = [ours["sheets"] for _, ours in turns]
    print(f"sample sheets and saved weights, share of a run of {SHORT_RUN_IMAGES:,} images: at most {max(sheets):.1%}")
    peak, array = max(ours["peak_bytes"] for _, ours in turns), turns[0][1]["array_bytes"]
    print(f"peak memory, ours: {peak / 2**30:.2f} GiB, of which the uint8 array {array / 2**30:.2f} GiB")


def measure(side: str, folder: str, steps: int) -> dict:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", folder, "--steps", str(steps)]
    return json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8").stdout.splitlines()[-1]
    )


def draw_jpegs(folder: Path, n: int) -> None:
    """Drawn faces as 178x218 JPEGs."""
    from PIL import Image

    from gan.data.drawn import draw_faces

    folder.mkdir(parents=True)
    width, height = CELEBA_SIZE
    left = (height - width) // 2
    for i, face in enumerate(draw_faces(n, height, 3)[0]):
        Image.fromarray(face[:, left : left + width]).save(folder / f"{i:06d}.jpg", quality=90)


def run_plain(folder: Path, steps: int) -> dict:
    """The loop of the PyTorch DCGAN tutorial, on the CPU."""
    import torch
    import torchvision
    from torch import nn
    from torchvision import transforms

    from gan.models import Discriminator, Generator, initialise
    from gan.presets import get_preset

    config = get_preset("dcgan64")
    torch.manual_seed(config.seed)
    transform = transforms.Compose(
        [
            transforms.Resize(config.image_size),
            transforms.CenterCrop(config.image_size),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ]
    )
    dataset = torchvision.datasets.ImageFolder(str(folder / "jpegs"), transform)
    loader = torch.utils.data.DataLoader(dataset, config.batch_size, shuffle=True, num_workers=2, drop_last=True)
    generator, discriminator = Generator(config), Discriminator(config)
    initialise(generator)
    initialise(discriminator)
    criterion = nn.BCEWithLogitsLoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), config.g_lr, betas=(config.beta1, config.beta2))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), config.d_lr, betas=(config.beta1, config.beta2))
    step, started = 0, 0.0
    while True:
        for real, _ in loader:
            if step == WARM_UP:
                started = time.perf_counter()
            discriminator.zero_grad()
            criterion(discriminator(real), torch.ones(len(real))).backward()
            fake = generator(torch.randn(len(real), config.z_dim))
            criterion(discriminator(fake.detach()), torch.zeros(len(real))).backward()
            d_optimizer.step()
            generator.zero_grad()
            criterion(discriminator(fake), torch.ones(len(real))).backward()
            g_optimizer.step()
            step += 1
            if step == WARM_UP + steps:
                seconds = time.perf_counter() - started
                return {"images_per_second": steps * config.batch_size / seconds}


def run_ours(folder: Path, steps: int) -> dict:
    """`train()` itself, its history timed from the row of step WARM_UP to the last."""
    from gan.data.images import load_images
    from gan.history import FIRST_SAMPLE_IMAGES
    from gan.presets import get_preset
    from gan.training.loop import Limits, train
    from gan.training.recorder import Recorder
    from gan.training.step import Trainer

    # Averaging and flips on, because their cost belongs to the overhead; a log row every few steps, ten times
    # the usual. Sample sheets are dense at first and rare later, so they are timed apart and spread over a run.
    config = get_preset("dcgan64").replace(
        ema_half_life_images=10_000, flip=True, log_interval=5, sample_growth=1e9, snapshot_growth=1e9
    )
    images = load_images(
        [str(folder / "jpegs")],
        image_size=config.image_size,
        channels=config.channels,
        cache_dir=folder / "cache",
        progress=False,
    )
    clock = {"update": 0.0, "averaging": 0.0, "sheet": 0.0, "loop": 0.0, "start": 0.0}

    def timed(function, name):
        def call(*args, **kwargs):
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                clock[name] += time.perf_counter() - begun

        return call

    def count(recorder, stats):
        original_count(recorder, stats)
        now = time.perf_counter()
        if recorder.step == WARM_UP:
            clock.update(update=0.0, averaging=0.0, start=now)
        if recorder.step == WARM_UP + steps:
            clock["loop"] = now - clock["start"]

    original_count = Recorder.count
    Recorder.count = count
    Trainer.step = timed(Trainer.step, "update")
    Trainer._update_ema = timed(Trainer._update_ema, "averaging")
    Recorder.write_first = timed(Recorder.write_first, "sheet")  # sheet 0, all weights and a checkpoint
    with tempfile.TemporaryDirectory() as out:
        total = (WARM_UP + steps) * config.batch_size
        limits = Limits(epochs=10**6, max_images=total)
        train(config, images, Path(out) / "run", data="drawn JPEGs", limits=limits, progress=False)
        precision = "bf16" if _uses_bf16() else "fp32"
    images_per_second = steps * config.batch_size / clock["loop"]
    default_growth = get_preset("dcgan64").sample_growth
    sheets = math.log(SHORT_RUN_IMAGES / FIRST_SAMPLE_IMAGES) / math.log(default_growth)
    return {
        "images_per_second": images_per_second,
        "overhead": 1 - (clock["update"] - clock["averaging"]) / clock["loop"],
        "sheets": sheets * clock["sheet"] / (SHORT_RUN_IMAGES / images_per_second),
        "precision": precision,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "array_bytes": images.nbytes,
    }


def _uses_bf16() -> bool:
    from gan.machine import pick_bf16, pick_device

    return pick_bf16("auto", pick_device("auto"))


if __name__ == "__main__":
    main()
