"""How close the generated pictures are to real ones, without a downloaded network.

    python -m gan.metrics runs/faces64 --data celeba

Sliced Wasserstein distance on Laplacian pyramid levels (Karras et al. 2018, "Progressive Growing of
GANs", section 5): for each level the distance between the distributions of small patches. The coarse
level sees the shape of a face, the fine ones its texture. Lower is better; the distance between two
halves of the real pictures, printed beside it, is what a perfect generator would get.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from gan import run
from gan.config import ConfigError
from gan.data import DataError, load_images
from gan.sampling import sample

PATCH = 7  # pixels
PATCHES_PER_IMAGE = 64
PROJECTIONS = 512
COARSEST = 16  # pixels: where the pyramid ends


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Sliced Wasserstein distance of two sets of pictures, per pyramid level and on average.

    Args:
        real, fake: (N, H, W, C) uint8, equally many and equally large; more pictures, less noise.
        seed: decides patches and projections.

    Returns:
        {"64": ..., "32": ..., "16": ..., "mean": ...} by level size in pixels, times 1000 as in the paper.

    Raises:
        ValueError: sets of different shapes.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real {real.shape} and generated {fake.shape} pictures: expected equal shapes")
    distances = {}
    for level_real, level_fake in zip(_laplacian_pyramid(real), _laplacian_pyramid(fake), strict=True):
        random = torch.Generator().manual_seed(seed)
        positions = _patch_positions(level_real, random)
        directions = torch.randn(level_real.shape[1] * PATCH**2, PROJECTIONS, generator=random)
        directions /= directions.norm(dim=0)
        a, b = ((_descriptors(level, positions) @ directions).sort(dim=0).values for level in (level_real, level_fake))
        distances[str(level_real.shape[-1])] = float((a - b).abs().mean()) * 1000
    distances["mean"] = float(np.mean(list(distances.values())))
    return distances


def evaluate(folder: str | Path, images: np.ndarray, *, n: int = 2048, seed: int = 0) -> dict:
    """Judge a model folder against real pictures.

    Args:
        folder: a model folder.
        images: (M, H, W, C) uint8 real pictures at the model's size, M at least 2 n.
        n: pictures on each side.
        seed: the first seed generated, and what decides the real pictures and the projections.

    Returns:
        The protocol, the distance, and that of real pictures against other real ones.

    Raises:
        ValueError: too few real pictures.
        gan.run.RunError: the folder cannot be used.
    """
    if len(images) < 2 * n:
        raise ValueError(
            f"{len(images)} real pictures: expected at least {2 * n}, twice those compared; lower --images"
        )
    picked = np.random.default_rng(seed).permutation(len(images))[: 2 * n]
    one, other = images[np.sort(picked[:n])], images[np.sort(picked[n:])]
    fake = sample(run.load_generator(folder), seed=seed, n=n)
    return {
        "model": Path(folder).name,
        "metric": "sliced Wasserstein distance x 1000",
        "images": n,
        "seed": seed,
        "fake": sliced_wasserstein(one, fake, seed=seed),
        "real": sliced_wasserstein(one, other, seed=seed),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m gan.metrics", description="Judge model folders by real pictures.")
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="model folders")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help="real pictures, as for train.py")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (default: data)")
    parser.add_argument("--images", type=int, default=2048, help="pictures on each side (default: 2048)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a table")
    options = parser.parse_args(arguments)
    try:
        for i, folder in enumerate(options.folders):
            config = run.read_info(folder).config
            images = load_images(
                options.data, image_size=config.image_size, channels=config.channels, data_root=options.data_root
            )
            result = evaluate(folder, images, n=options.images, seed=options.seed)
            print(json.dumps(result) if options.json else _table(result, header=i == 0))
    except (ConfigError, DataError, run.RunError, ValueError) as error:
        print(f"gan.metrics: {error}", file=sys.stderr)
        return 2
    return 0


def _table(result: dict, header: bool) -> str:
    lines = []
    if header:
        lines.append(f"{result['metric']}, {result['images']} pictures on each side, seed {result['seed']}")
    for kind in ("fake", "real"):
        levels = "  ".join(f"{name}: {value:7.2f}" for name, value in result[kind].items())
        lines.append(f"{result['model'] if kind == 'fake' else '  real against real':<28} {levels}")
    return "\n".join(lines)


def _laplacian_pyramid(images: np.ndarray) -> list[Tensor]:
    """Finest first; each (N, C, size, size) float32, the last the low-pass remainder."""
    level = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    levels = []
    while level.shape[-1] >= 2 * COARSEST and level.shape[-1] % 2 == 0:
        smaller = _blur(level)[:, :, ::2, ::2]
        levels.append(level - interpolate(smaller, scale_factor=2, mode="bilinear", align_corners=False))
        level = smaller
    return [*levels, level]


def _blur(images: Tensor) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # Burt & Adelson 1983
    channels = images.shape[1]
    kernel = (line[:, None] * line[None, :]).expand(channels, 1, 5, 5)
    return conv2d(pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)


def _patch_positions(level: Tensor, random: torch.Generator) -> Tensor:
    """(2, N, PATCHES_PER_IMAGE): rows and columns of the patches' corners."""
    most = level.shape[-1] - PATCH + 1
    return torch.randint(most, (2, len(level), PATCHES_PER_IMAGE), generator=random)


def _descriptors(level: Tensor, positions: Tensor) -> Tensor:
    """(N * PATCHES_PER_IMAGE, C * PATCH * PATCH), each channel with mean 0 and deviation 1 over all of them."""
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # a view: (N, C, rows, columns, PATCH, PATCH)
    image = torch.arange(len(level))[:, None].expand_as(positions[0])
    patches = windows[image, :, positions[0], positions[1]].flatten(0, 1)  # (N * patches, C, PATCH, PATCH)
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    return ((patches - mean) / patches.std(dim=(0, 2, 3), keepdim=True)).flatten(1)


if __name__ == "__main__":
    sys.exit(main())
