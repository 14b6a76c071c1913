"""What brings generated pictures' features near those of real ones, as a part of G's loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from gan.config import GANConfig
from gan.data.batches import make_batch
from gan.data_record import DataRecord
from gan.imagenet import STRIDE, load_imagenet_layers
from gan.training.frechet import FrechetLoss
from gan.training.manifold import ManifoldLoss
from gan.training.spectrum import colour_lattices, lattices, power_spectrum

FIRST_IMAGES = 4096  # generated for the first moments
_BATCH = 64  # real pictures
_AT_FULL_SIZE = 16_000  # real pictures, at most: moments of 256 features need no more


@dataclass(frozen=True)
class View:
    """How pictures are looked at.

    Attributes:
        features: pictures (N, C, size, size) in [-1, 1] -> features, (N, F) or (N, P, F), as many kinds as it likes;
            differentiable.
        size: height and width that larger pictures are reduced to, as the real ones were: Lanczos.
        shift: pixels at `size`, the most that pictures are moved each way before they are looked at.
        most: real pictures that are looked at, drawn once; None for all.
    """

    features: Callable[[Tensor], tuple[Tensor, ...]]
    size: int
    shift: int = 2
    most: int | None = None


@dataclass(frozen=True)
class _Part:
    """One loss: which features of which view it gets, what it weighs, and from which share of the run on."""

    view: str
    number: int
    loss: FrechetLoss | ManifoldLoss
    weight: float
    start: float = 0.0


class FeatureMatching:
    """Generated pictures against real ones in networks' features: their distribution, and each by itself.

    Call it with each generated batch of G's step; all ranks must.

    Args:
        config: says how much each part weighs, and from when on.
        classifier: the view of `gan.metrics.classifier`, (N, F); where the config weighs it.
        imagenet, spectrum: the views of `gan.imagenet` and `gan.training.spectrum`; likewise.
        data: what the classifier's real pictures are, where they are not those of the training.
    """

    def __init__(
        self,
        config: GANConfig,
        *,
        classifier: View | None = None,
        imagenet: View | None = None,
        spectrum: View | None = None,
        data: DataRecord | None = None,
    ) -> None:
        self.data = data
        self._views = {"classifier": classifier, "imagenet": imagenet, "spectrum": spectrum}
        in_colours = config.spectrum_weight if config.channels == 3 else 0.0
        parts = {
            "frechet": _Part("classifier", 0, FrechetLoss(), config.frechet_weight),
            "manifold": _Part("classifier", 0, ManifoldLoss(), config.manifold_weight, config.manifold_start),
            "imagenet": _Part("imagenet", 0, FrechetLoss(standardised=True), config.imagenet_weight),
            "imagenet places": _Part("imagenet", 1, FrechetLoss(standardised=True), config.imagenet_weight),
            "spectrum": _Part("spectrum", 0, FrechetLoss(standardised=True), config.spectrum_weight),
            "lattice": _Part("spectrum", 1, FrechetLoss(standardised=True), config.spectrum_weight),
            "colour lattice": _Part("spectrum", 2, FrechetLoss(standardised=True), in_colours),
        }
        self._parts = {name: part for name, part in parts.items() if part.weight}
        self._used = [view for view in self._views if any(part.view == view for part in self._parts.values())]

    @property
    def has_aim(self) -> bool:
        """Whether the real pictures are known, by `aim_at` or from a checkpoint."""
        return all(part.loss.has_aim for part in self._parts.values())

    @property
    def has_begun(self) -> bool:
        """Whether generated pictures are known as far as they have to be, by `begin` or from a checkpoint."""
        return all(loss.has_begun for loss in self._frechet().values())

    @torch.no_grad()
    def aim_at(self, view: str, images: np.ndarray, device: torch.device | str = "cpu") -> None:
        """Come near these real pictures in one view, by its name: (N, H, H, C) uint8, H the view's size."""
        random, rows = torch.Generator().manual_seed(0), np.arange(len(images))
        if (most := self._views[view].most) is not None:
            rows = np.sort(torch.randperm(len(images), generator=random)[:most].numpy())
        parts = np.array_split(rows, math.ceil(len(rows) / _BATCH))
        batches = (make_batch(images, part, device=device, flip=False) for part in parts)
        kinds = zip(*(self._of(view, batch, random) for batch in batches), strict=True)
        real = [torch.cat(kind) for kind in kinds]
        for part in self._parts.values():
            if part.view == view:
                part.loss.aim_at(real[part.number])

    @torch.no_grad()
    def begin(self, batches: Iterable[Tensor]) -> None:
        """Know the first generated pictures, `FIRST_IMAGES` of all ranks together: batches (N, C, H, W)."""
        seen = [{view: self._of(view, images) for view in self._used} for images in batches]
        for name, loss in self._frechet().items():
            part = self._parts[name]
            loss.begin(torch.cat([features[part.view][part.number] for features in seen]))

    def __call__(self, images: Tensor, progress: float) -> Tensor:
        """A scalar to minimise for one more generated batch (N, C, H, W); only its gradient has a meaning.

        Args:
            progress: share of the whole run done, 0 to 1.
        """
        features = {view: self._of(view, images) for view in self._used}
        total = torch.zeros((), device=images.device)
        for part in self._parts.values():
            if progress >= part.start:
                total = total + part.weight * part.loss(features[part.view][part.number])
        return total

    def state(self) -> dict:
        """Everything that decides the next batch's gradient, for a checkpoint."""
        return {name: part.loss.state() for name, part in self._parts.items()}

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real pictures are known already, they stay the aim.

        A run that began before there was one of the parts goes on without it.
        """
        self._parts = {name: part for name, part in self._parts.items() if name in state}
        for name, part in self._parts.items():
            part.loss.load_state(state[name])

    def _frechet(self) -> dict[str, FrechetLoss]:
        return {name: part.loss for name, part in self._parts.items() if isinstance(part.loss, FrechetLoss)}

    def _of(self, view: str, images: Tensor, random: torch.Generator | None = None) -> tuple[Tensor, ...]:
        seen = self._views[view]
        images = images.float()  # whatever G draws in: the real ones' features are float32's
        with torch.autocast(images.device.type, enabled=False):
            return seen.features(_moved(reduced(images, seen.size), seen.shift, random))


def full_size_views(config: GANConfig, device: torch.device | str = "cpu") -> dict[str, View]:
    """The views of pictures at full size that the config weighs, by their names.

    Raises:
        gan.imagenet.ImageNetError: a network's file is missing or damaged.
    """
    views, size = {}, config.image_size
    if config.imagenet_weight:  # moved by half of what is from one of its places to the next
        views["imagenet"] = View(load_imagenet_layers().to(device), size, STRIDE // 2, _AT_FULL_SIZE)
    if config.spectrum_weight:
        kinds = (power_spectrum, lattices, colour_lattices)[: 3 if config.channels == 3 else 2]
        views["spectrum"] = View(lambda images: tuple(kind(images) for kind in kinds), size, 0, _AT_FULL_SIZE)
    return views


def reduced(images: Tensor, size: int) -> Tensor:
    """Pictures as Pillow's Lanczos filter reduces them, differentiable; those that are not larger stay.

    Args:
        images: (N, C, H, H) in [-1, 1].

    Returns:
        (N, C, size, size) in [-1, 1].
    """
    if images.shape[-1] <= size:
        return images
    weights = _lanczos(images.shape[-1], size).to(images.device)
    return torch.einsum("ph,nchw,qw->ncpq", weights, images, weights).clamp(-1, 1)


@functools.cache
def _lanczos(before: int, after: int) -> Tensor:
    """(after, before) float32: what each pixel of a row of `before` adds to each of `after`."""
    row = Image.fromarray(np.eye(before, dtype=np.float32))
    return torch.from_numpy(np.array(row.resize((after, before), Image.LANCZOS))).T.contiguous()


def _moved(images: Tensor, shift: int, random: torch.Generator | None) -> Tensor:
    """All pictures of a batch moved alike: G learns faces, not what one grid of pixels makes of them."""
    down, right = torch.randint(0, 2 * shift + 1, (2,), generator=random).tolist()
    size = images.shape[-1]
    return pad(images, (shift,) * 4, mode="replicate")[:, :, down : down + size, right : right + size]
