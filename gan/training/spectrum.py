"""The power spectrum of pictures, as features: a grid that a generator leaves is a peak in it, blur a lack."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

_LOWEST = 4  # waves over the picture: what is slower is the face, not how it is drawn
_ACROSS = 2  # waves the other way that still count as rows or columns
_ROUNDING = 1 / 12  # variance of a pixel's rounding to one of 256 values: power below that is not seen
_PERIODS = (2, 4, 8)  # pixels, of the lattices that a layer of stride 2 and the two below it may leave
_CONTRAST = 10  # grey levels that contrast is made alike to
_SLOWEST_LATTICE = 8  # waves over the picture: near slower ones lies the face


def power_spectrum(images: Tensor) -> Tensor:
    """Logarithms of the power along rows, along columns and in all directions (Durall et al. 2020, arXiv:2003.01826).

    Args:
        images: (N, C, H, H) in [-1, 1], H at least 16.

    Returns:
        (N, 3 K), differentiable; K frequencies of `_LOWEST` to H // 2 waves over the picture.
    """
    size = images.shape[-1]
    radius, power = _radius(size).to(images.device), _power(_grey(images))
    rows = torch.cat([power[:, : _ACROSS + 1], power[:, -_ACROSS:]], dim=1).mean(dim=1)
    columns = power[:, : size // 2 + 1, : _ACROSS + 1].mean(dim=2)
    rings = torch.zeros(len(power), int(radius.max()) + 1, device=images.device)
    rings = rings.index_add(1, radius, power.flatten(1)) / torch.bincount(radius).clamp_min(1)
    wanted = slice(_LOWEST, size // 2 + 1)
    return torch.cat([rows[:, wanted], columns[:, wanted], rings[:, wanted]], dim=1).log()


def lattices(images: Tensor) -> Tensor:
    """How far checkerboard artefacts stand out, by their periods (Odena et al. 2016, doi:10.23915/distill.00003).

    Contrast is made alike everywhere first, since on smooth skin a lattice is seen that hair would hide.

    Args:
        images: (N, C, H, H) in [-1, 1], H at least 16.

    Returns:
        (N, L), differentiable: for each of `_PERIODS` and direction (rows, columns, two diagonals) the logarithm of the
        power of its waves, over that of the waves around.
    """
    return _lattices(_grey(images))


def colour_lattices(images: Tensor) -> Tensor:
    """`lattices` of red against green, then of blue against both: grey is where these cancel out.

    Args:
        images: (N, 3, H, H) in [-1, 1], H at least 16.

    Returns:
        (N, 2 L), differentiable.
    """
    red, green, blue = images.unbind(1)
    return torch.cat([_lattices(plane * 127.5) for plane in (red - green, blue - (red + green) / 2)], dim=1)


def _lattices(plane: Tensor) -> Tensor:
    """(N, H, H) in grey levels -> (N, L)."""
    fine = plane - _blurred(plane, 5)
    fine = fine * (_blurred(fine.square(), 9) + 1).rsqrt()  # 1: a grey level, below which contrast stays low
    peaks, around = (places.to(plane.device) for places in _lattice_places(plane.shape[-1]))
    power = _power(fine * _CONTRAST).flatten(1)
    return power[:, peaks].mean(dim=2).log() - power[:, around].mean(dim=2).log()


def _grey(images: Tensor) -> Tensor:
    """(N, H, H) of 0 on average, in grey levels of 256."""
    grey = images.mean(dim=1) * 127.5
    return grey - grey.mean(dim=(1, 2), keepdim=True)


def _power(grey: Tensor) -> Tensor:
    """(N, H, H) -> (N, H, H // 2 + 1), by `torch.fft.rfft2`'s frequencies."""
    window = torch.hann_window(grey.shape[-1], periodic=False, device=grey.device)  # hides that a picture ends
    window = window[:, None] * window
    return torch.fft.rfft2(grey * window).abs().square() / window.square().sum() + _ROUNDING


def _blurred(grey: Tensor, width: int) -> Tensor:
    """Means over a tent of 2 `width` - 1 pixels each way."""
    for _ in range(2):
        grey = avg_pool2d(pad(grey, (width // 2,) * 4, mode="replicate"), width, stride=1)
    return grey


@functools.cache
def _radius(size: int) -> Tensor:
    """Each frequency's distance from 0, flat."""
    down, right = (frequencies(size) * size for frequencies in (torch.fft.fftfreq, torch.fft.rfftfreq))
    return (down[:, None].square() + right[None].square()).sqrt().round().long().flatten()


@functools.cache
def _lattice_places(size: int) -> tuple[Tensor, Tensor]:
    """Where the lattices are in a flat spectrum, (L, 9), and the waves around each, (L, 56)."""
    waves = [waves for period in _PERIODS if (waves := size // period) >= _SLOWEST_LATTICE]
    directions = [place for k in waves for place in ((0, k), (k, 0), (k, k), (k, -k))]
    lattices = {_place(*place, size): place for place in directions}.values()  # at H / 2 the diagonals are one

    def places(least: int, most: int) -> Tensor:
        near = [(i, j) for i in range(-most, most + 1) for j in range(-most, most + 1)]
        offsets = [offset for offset in near if max(map(abs, offset)) >= least]
        return torch.tensor([[_place(k + i, m + j, size) for i, j in offsets] for k, m in lattices])

    return places(0, 1), places(3, 4)


def _place(down: int, right: int, size: int) -> int:
    """Where a wave is in a flat spectrum: with it the one that runs the other way, of the same power."""
    down, right = down % size, right % size
    if right > size // 2:
        down, right = -down % size, size - right
    return down * (size // 2 + 1) + right
