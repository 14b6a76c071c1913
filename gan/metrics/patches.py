"""Sliced Wasserstein distance on Laplacian pyramid levels (Karras et al. 2018, "Progressive Growing of GANs").

For each level the distance between the distributions of small patches: the coarse level sees the shape of a face,
the fine ones its texture. It needs no network, so it judges pictures of any kind. Lower is better.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

PATCH = 7  # pixels
PATCHES_PER_IMAGE = 64
PROJECTIONS = 512
COARSEST = 16  # pixels: where the pyramid ends
_ROUNDING = 1e-6  # deviation, of values in [-1, 1]; one grey level of one pixel in 1,000 pictures makes more


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Sliced Wasserstein distance of two sets of pictures, per pyramid level and on average.

    Args:
        real, fake: (N, H, W, C) uint8, equally many and equally large; more pictures, less noise.
        seed: decides patches and projections.

    Returns:
        {"64": ..., "32": ..., "16": ..., "mean": ...} by level size in pixels, times 1000 as in the paper; finite.

    Raises:
        ValueError: sets of different shapes.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real {real.shape} and generated {fake.shape} pictures: expected equal shapes")
    distances = {}
    for level_real, level_fake in zip(_laplacian_pyramid(real), _laplacian_pyramid(fake), strict=True):
        random = torch.Generator().manual_seed(seed)
        positions = _patch_positions(level_real, random)
        directions = torch.randn(PROJECTIONS, level_real.shape[1] * PATCH**2, generator=random)
        directions /= directions.norm(dim=1, keepdim=True)
        one, other = (_sorted_projections(level, positions, directions) for level in (level_real, level_fake))
        distances[str(level_real.shape[-1])] = float(np.abs(one - other).mean()) * 1000
    distances["mean"] = float(np.mean(list(distances.values())))
    return distances


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
    """(N * PATCHES_PER_IMAGE, C * PATCH * PATCH), each channel with mean 0 and deviation 1 over all of them.

    A channel that is the same everywhere has no deviation: it is 0.
    """
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # a view: (N, C, rows, columns, PATCH, PATCH)
    image = torch.arange(len(level))[:, None].expand_as(positions[0])
    patches = windows[image, :, positions[0], positions[1]].flatten(0, 1)  # (N * patches, C, PATCH, PATCH)
    mean, deviation = (f(patches, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    return torch.where(deviation > _ROUNDING, (patches - mean) / deviation, 0.0).flatten(1)


def _sorted_projections(level: Tensor, positions: Tensor, directions: Tensor) -> np.ndarray:
    """(PROJECTIONS, N * PATCHES_PER_IMAGE), each row in order."""
    # numpy sorts 5 times as fast as torch, and rows 20 times as fast as columns
    return np.sort((directions @ _descriptors(level, positions).T).numpy(), axis=1)
