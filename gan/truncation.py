"""The truncation trick for a generator without a mapping network: pictures nearer to the typical one, or farther.

StyleGAN pulls its w towards the mean of all w, in the coarse layers (Karras et al. 2019, arXiv:1812.04948, appendix B).
Here z feeds the first layer as it is, and a shorter z is none that training has shown: pictures fade, and z = 0 is no
face. But the activations after the first upsamplings are laid out like a picture, and so is their mean over z: they
are what is pulled. Later layers would find them paler than any that they know. As BigGAN measures batch norm's
statistics anew for each truncation (Brock et al. 2019, arXiv:1809.11096, appendix B), each channel is brought back to
the mean and spread that it has without truncation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.blocks import GrownPicture, Layers, Residual
from gan.models import Generator

MOST = 2.0  # psi
_COARSE = 16  # pixels: the side of the largest activations that are pulled; the mean of finer ones is a blur
STEP = 0.25  # of psi, between those that are measured; what lies between them is interpolated
_GAIN = 4.0  # at most, up or down: a channel that hardly varies in the typical picture would become noise


class Truncation:
    """Draws a generator's pictures at any truncation.

    Each truncation that is measured takes as long as drawing `z` does, the first time that it is needed; so does the
    very first measurement, of what there is without truncation.

    Args:
        generator: in eval mode, folded or not; it must not change afterwards.
        z: (n, z_dim) latents to average over, on the generator's device.
    """

    def __init__(self, generator: Generator, z: Tensor) -> None:
        self._stem, self._z = generator.stem, z
        self._first, *self._others = parts_of(generator)
        self._means: list[Tensor] = []  # after each part but the last, per pixel
        self._moments: list[tuple[Tensor, Tensor]] = []  # there, per channel
        self._corrections: dict[int, list[tuple[Tensor, Tensor]]] = {}

    @property
    def averaged(self) -> int:
        """n, the latents that are drawn for each measurement."""
        return len(self._z)

    def unmeasured(self, psi: Tensor) -> int:
        """How many times `z` has to be drawn before pictures at psi (N,) can be."""
        return (not self._means) + len(_levels(psi) - self._corrections.keys())

    def measure(self, psi: Tensor) -> Iterator[None]:
        """Measure what is not yet, a layer at a time, so that whoever waits may do something else between them.

        Args:
            psi: as of `__call__`, which measures whatever was not before.
        """
        if not self._means:
            yield from self._measure_plain()
        for level in sorted(_levels(psi) - self._corrections.keys()):
            yield from self._measure(level)

    @torch.inference_mode()
    def __call__(self, z: Tensor, psi: Tensor) -> Tensor:
        """Draw.

        Args:
            z: (N, z_dim).
            psi: (N,), 0 (the typical picture, whatever z is) to `MOST`; 1 changes nothing.

        Returns:
            images: (N, C, H, W) in [-1, 1].
        """
        for _ in self.measure(psi):
            pass
        below = (psi / STEP).floor().long()
        share = _wide(psi / STEP - below)
        x = self._first(self._stem(z), z)
        for site, part in enumerate(self._others):
            ends = [[self._corrections[level][site] for level in (below + up).tolist()] for up in (0, 1)]
            gain, shift = (
                torch.lerp(*(torch.stack([pair[kind] for pair in end]) for end in ends), share) for kind in (0, 1)
            )
            x = part(self._pulled(x, site, _wide(psi)) * gain + shift, z * psi[:, None])
        return x

    def constants(self) -> list[tuple[Tensor | None, Tensor, Tensor]]:
        """All that drawing at any psi takes, for each place between two of `parts_of` the generator.

        Returns:
            The mean (C, H, W) that activations are pulled towards, None where they are not, and the gain and the shift
            (levels, C) at psi = 0, `STEP`, 2 `STEP`, ... `MOST`; between two levels they are interpolated.
        """
        levels = range(round(MOST / STEP) + 1)
        for _ in self.measure(STEP * torch.tensor(levels[:-1])):
            pass
        found = []
        for site, mean in enumerate(self._means):
            gain, shift = (
                torch.stack([self._corrections[level][site][kind].flatten() for level in levels]) for kind in (0, 1)
            )
            found.append((mean if self._is_pulled(site) else None, gain, shift))
        return found

    def _pulled(self, x: Tensor, site: int, psi: Tensor | float) -> Tensor:
        mean = self._means[site]
        return mean + psi * (x - mean) if self._is_pulled(site) else x

    def _is_pulled(self, site: int) -> bool:
        return site == 0 or self._means[site].shape[-1] <= _COARSE

    def _measure_plain(self) -> Iterator[None]:
        """Means and moments of all sites without truncation."""
        means, moments = [], []
        with torch.inference_mode():
            x = self._stem(self._z)
        for part in (self._first, *self._others[:-1]):
            x = yield from _by_layers(part, x, self._z)
            with torch.inference_mode():
                means.append(x.mean(dim=0))
                moments.append(_moments(x))
        self._moments, self._means = moments, means

    def _measure(self, level: int) -> Iterator[None]:
        """For each site the gain and shift (C, 1, 1) that bring its channels back, at psi = level * `STEP`."""
        psi, found = level * STEP, []
        with torch.inference_mode():
            x = self._stem(self._z)
        x = yield from _by_layers(self._first, x, self._z)
        for site, part in enumerate(self._others):
            with torch.inference_mode():
                x = self._pulled(x, site, psi)
                (mean, spread), (own_mean, own_spread) = self._moments[site], _moments(x)
                gain = (spread / own_spread.clamp_min(1e-12)).clamp(1 / _GAIN, _GAIN)
                found.append((gain, mean - own_mean * gain))
                x = x * gain + found[-1][1]
            if site + 1 < len(self._others):
                x = yield from _by_layers(part, x, self._z * psi)
        self._corrections[level] = found


def _levels(psi: Tensor) -> set[int]:
    """Of the measured truncations those that each psi lies between."""
    below = (psi / STEP).floor().long().tolist()
    return {*below, *(level + 1 for level in below)}


def _by_layers(part: Layers, x: Tensor, z: Tensor) -> Iterator[None]:
    """Yields after each layer; returns what the last one gives."""
    for i in range(len(part)):
        with torch.inference_mode():  # not over the yield: who waits there may be doing something else
            x = part[i : i + 1](x, z)
        yield
    return x


def parts_of(generator: Generator) -> list[Layers]:
    """Its layers, cut after each upsampling but the last one, whose output is the picture; at least two parts."""
    layers = generator.layers
    kinds = (nn.ConvTranspose2d, Residual, GrownPicture)
    upsampling = [i for i, layer in enumerate(layers) if isinstance(layer, kinds)]
    cuts = [0, *(i + 1 for i in upsampling[:-1] or [0]), len(layers)]  # of a single one: after the stem's unflattening
    return [layers[a:b] for a, b in itertools.pairwise(cuts)]


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """x: (N, C, H, W) -> mean and standard deviation of each channel, (C, 1, 1)."""
    variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    return mean[:, None, None], variance.sqrt()[:, None, None]


def _wide(x: Tensor) -> Tensor:
    return x[:, None, None, None]
