"""What the critic sees: the same kinds of change to real and generated pictures, so that few real ones last long.

The changes are differentiable, so the generator learns through them: DiffAugment (Zhao et al. 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

_SHIFT = 1 / 8  # of a side, at most
_HOLE = 1 / 2  # of a side


def augment(images: Tensor, policy: str) -> Tensor:
    """Change each picture by random amounts of its own, differentiably.

    Args:
        images: (N, C, H, W) in [-1, 1].
        policy: names of `AUGMENTATIONS` with commas, in the order in which they are done; "" is no change.

    Returns:
        (N, C, H, W); "color" may leave [-1, 1].
    """
    for kind in filter(None, policy.split(",")):
        images = AUGMENTATIONS[kind](images)
    return images


def _color(images: Tensor) -> Tensor:
    """Brightness by up to half of white, saturation by 0 to 2, contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def _translation(images: Tensor) -> Tensor:
    """By whole pixels, up to an eighth of a side; grey comes in."""
    shifts = []
    for size in images.shape[:1:-1]:  # width, height
        most = round(size * _SHIFT)
        pixels = torch.randint(-most, most + 1, (len(images),), device=images.device)
        shifts.append(pixels * (2 / size))
    moves = torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)
    moves[:, :, 2] = torch.stack(shifts, dim=1)
    places = affine_grid(moves, images.shape, align_corners=False)
    return grid_sample(images.float(), places, mode="nearest", align_corners=False)


def _cutout(images: Tensor) -> Tensor:
    """A grey square of half a side, its middle anywhere in the picture."""
    inside = []
    for size in images.shape[2:]:
        middle = torch.rand(len(images), 1, device=images.device) * size
        inside.append((torch.arange(size, device=images.device) + 0.5 - middle).abs() < size * _HOLE / 2)
    rows, columns = inside
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


AUGMENTATIONS = {"color": _color, "translation": _translation, "cutout": _cutout}
