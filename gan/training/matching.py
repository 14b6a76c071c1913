"""What brings generated pictures' features near those of real ones, as a part of G's loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from gan.config import GANConfig
from gan.data.batches import make_batch
from gan.data_record import DataRecord
from gan.training.frechet import FrechetLoss
from gan.training.manifold import ManifoldLoss

FIRST_IMAGES = 4096  # generated for the first moments
_SHIFT = 2  # pixels at `size`, the most that pictures are moved each way before they are looked at
_BATCH = 64  # real pictures


class FeatureMatching:
    """Generated pictures against real ones in a classifier's features: their distribution, and each by itself.

    Call it with each generated batch of G's step; all ranks must.

    Args:
        features: pictures (N, C, size, size) in [-1, 1] -> (N, F), differentiable.
        size: height and width that larger pictures are reduced to, as the real ones were: Lanczos.
        config: says how much `gan.training.frechet` and `gan.training.manifold` weigh, and from when on.
        data: what the real pictures are, where they are not those of the training.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        size: int,
        config: GANConfig,
        data: DataRecord | None = None,
    ) -> None:
        self._features, self._size, self.data = features, size, data
        self._weights, self._manifold_start = {}, config.manifold_start
        self._losses: dict[str, FrechetLoss | ManifoldLoss] = {}
        for name, weight, loss in (
            ("frechet", config.frechet_weight, FrechetLoss), ("manifold", config.manifold_weight, ManifoldLoss),
        ):  # fmt: skip
            if weight:
                self._weights[name], self._losses[name] = weight, loss()

    @property
    def has_aim(self) -> bool:
        """Whether the real pictures are known, by `aim_at` or from a checkpoint."""
        return all(loss.has_aim for loss in self._losses.values())

    @property
    def has_begun(self) -> bool:
        """Whether generated pictures are known as far as they have to be, by `begin` or from a checkpoint."""
        return "frechet" not in self._losses or self._losses["frechet"].has_begun

    @torch.no_grad()
    def aim_at(self, images: np.ndarray, device: torch.device | str = "cpu") -> None:
        """Come near these real pictures: (N, H, H, C) uint8, measured where the features are."""
        random = torch.Generator().manual_seed(0)
        rows = np.array_split(np.arange(len(images)), math.ceil(len(images) / _BATCH))
        batches = (make_batch(images, part, device=device, flip=False) for part in rows)
        real = torch.cat([self._of(batch, random) for batch in batches])
        for loss in self._losses.values():
            loss.aim_at(real)

    @torch.no_grad()
    def begin(self, batches: Iterable[Tensor]) -> None:
        """Know the first generated pictures, `FIRST_IMAGES` of all ranks together: batches (N, C, H, W)."""
        self._losses["frechet"].begin(torch.cat([self._of(images) for images in batches]))

    def __call__(self, images: Tensor, progress: float) -> Tensor:
        """A scalar to minimise for one more generated batch (N, C, H, W); only its gradient has a meaning.

        Args:
            progress: share of the whole run done, 0 to 1.
        """
        features = self._of(images)
        total = torch.zeros((), device=features.device)
        for name, loss in self._losses.items():
            if name != "manifold" or progress >= self._manifold_start:
                total = total + self._weights[name] * loss(features)
        return total

    def state(self) -> dict:
        """Everything that decides the next batch's gradient, for a checkpoint."""
        return {name: loss.state() for name, loss in self._losses.items()}

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real pictures are known already, they stay the aim."""
        for name, loss in self._losses.items():
            loss.load_state(state[name])

    def _of(self, images: Tensor, random: torch.Generator | None = None) -> Tensor:
        images = images.float()  # whatever G draws in: the real ones' features are float32's
        with torch.autocast(images.device.type, enabled=False):
            return self._features(_moved(reduced(images, self._size), random))


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


def _moved(images: Tensor, random: torch.Generator | None) -> Tensor:
    """All pictures of a batch moved alike: G learns faces, not what one grid of pixels makes of them."""
    down, right = torch.randint(0, 2 * _SHIFT + 1, (2,), generator=random).tolist()
    size = images.shape[-1]
    return pad(images, (_SHIFT,) * 4, mode="replicate")[:, :, down : down + size, right : right + size]
