"""The power spectrum of pictures, as features: a grid that a generator leaves is a peak in it, blur a lack."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

_LOWEST = 4  # waves over the picture: what is slower is the face, not how it is drawn
_ACROSS = 2  # waves the other way that still count as rows or columns
_ROUNDING = 1 / 12  # variance of a pixel's rounding to one of 256 values: power below that is not seen


def power_spectrum(images: Tensor) -> Tensor:
    """Logarithms of the power along rows, along columns and in all directions (Durall et al. 2020, arXiv:2003.01826).

    Args:
        images: (N, C, H, H) in [-1, 1], H at least 16.

    Returns:
        (N, 3 K), differentiable; K frequencies of `_LOWEST` to H // 2 waves over the picture.
    """
    size = images.shape[-1]
    window, radius = _grid(size)
    window, radius = window.to(images.device), radius.to(images.device)
    grey = images.mean(dim=1) * 127.5
    power = torch.fft.rfft2((grey - grey.mean(dim=(1, 2), keepdim=True)) * window).abs().square()
    power = power / window.square().sum() + _ROUNDING
    rows = torch.cat([power[:, : _ACROSS + 1], power[:, -_ACROSS:]], dim=1).mean(dim=1)
    columns = power[:, : size // 2 + 1, : _ACROSS + 1].mean(dim=2)
    rings = torch.zeros(len(power), int(radius.max()) + 1, device=images.device)
    rings = rings.index_add(1, radius, power.flatten(1)) / torch.bincount(radius).clamp_min(1)
    wanted = slice(_LOWEST, size // 2 + 1)
    return torch.cat([rows[:, wanted], columns[:, wanted], rings[:, wanted]], dim=1).log()


@functools.cache
def _grid(size: int) -> tuple[Tensor, Tensor]:
    """Hann's window (size, size), which hides that a picture ends; and each frequency's distance from 0, flat."""
    window = torch.hann_window(size, periodic=False)
    down, right = (frequencies(size) * size for frequencies in (torch.fft.fftfreq, torch.fft.rfftfreq))
    radius = (down[:, None].square() + right[None].square()).sqrt().round().long()
    return window[:, None] * window[None], radius.flatten()
