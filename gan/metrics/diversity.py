"""How alike the pictures of one set are: multi-scale structural similarity between pairs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

WINDOW, SIGMA = 11, 1.5  # pixels: Wang et al. 2003
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first, theirs
PAIRS = 1000


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Multi-scale structural similarity (Wang et al. 2003) of pairs of pictures, averaged over the channels.

    As many of the five scales as fit the window (three at 64 pixels, two at 28 and 32), their weights scaled to
    add up to 1: comparable only at one size.

    Args:
        a, b: (N, C, H, W) in [-1, 1], H and W at least 11.

    Returns:
        (N,) up to 1, which only equal pictures have.
    """
    if a.shape != b.shape or min(a.shape[2:]) < WINDOW:
        raise ValueError(f"pictures of shapes {tuple(a.shape)}, {tuple(b.shape)}: expected equal, {WINDOW} px or more")
    weights = torch.tensor(WEIGHTS[: scales(min(a.shape[2:]))])
    weights /= weights.sum()
    a, b = (images.float() * 0.5 + 0.5 for images in (a, b))
    result = torch.ones(a.shape[:2])
    for i, weight in enumerate(weights):
        last = i == len(weights) - 1
        luminance, contrast = _similarity(a, b)
        # A negative correlation has no real power: it counts as no similarity.
        level = (luminance * contrast if last else contrast).mean(dim=(2, 3)).clamp_min(0)
        result = result * level**weight
        a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
    return result.mean(dim=1)


def scales(size: int) -> int:
    """How many scales fit pictures of `size` pixels."""
    fit = [i for i in range(len(WEIGHTS)) if size // 2**i >= WINDOW]
    return len(fit)


def pair_similarity(images: np.ndarray, *, seed: int = 0, pairs: int = PAIRS) -> float:
    """Mean MS-SSIM between random pairs of different pictures (Odena et al. 2017); lower is more varied.

    Args:
        images: (N, H, W, C) uint8, N at least 2.
        seed: decides the pairs.
        pairs: how many, at most N // 2: no picture is in two of them.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    pairs = min(pairs, len(images) // 2)
    if not pairs:
        raise ValueError(f"{len(images)} pictures: expected at least 2 to make a pair")
    first, second = (
        torch.from_numpy(images[order[part]]).permute(0, 3, 1, 2).float() / 127.5 - 1
        for part in (slice(0, pairs), slice(pairs, 2 * pairs))
    )
    values = [ms_ssim(x, y) for x, y in zip(first.split(250), second.split(250), strict=True)]
    return torch.cat(values).double().mean().item()


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's luminance and contrast-structure terms at each position: two (N, C, H - 10, W - 10)."""
    c1, c2 = 0.01**2, 0.03**2
    stack = torch.cat([a, b, a * a, b * b, a * b])
    mean_a, mean_b, square_a, square_b, product = _window(stack).chunk(5)
    variance = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * covariance + c2) / (variance + c2)


def _window(images: Tensor) -> Tensor:
    line = torch.exp(-((torch.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    line /= line.sum()
    channels = images.shape[1]
    rows = line.view(1, 1, WINDOW, 1).expand(channels, 1, WINDOW, 1)
    columns = line.view(1, 1, 1, WINDOW).expand(channels, 1, 1, WINDOW)
    return conv2d(conv2d(images, rows, groups=channels), columns, groups=channels)
