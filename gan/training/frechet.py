"""The Fréchet distance between generated and real pictures in a classifier's features, as a part of G's loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from gan.data.batches import make_batch
from gan.data_record import DataRecord
from gan.training.distributed import mean_over_ranks

FIRST_IMAGES = 4096  # generated for the first moments
_AVERAGED_IMAGES = 2500  # that the moments of the generated pictures are a mean of: fewer are noise, more are late
_RENEWED_EVERY = 8  # steps from one optimal transport to the next: it changes little in between
_SHIFT = 2  # pixels at `size`, the most that pictures are moved each way before they are looked at
_BATCH = 64  # real pictures
_LEAST_VARIANCE = 1e-6  # of the largest: directions that hardly vary, where the transport is noise


class FrechetLoss:
    """What moves generated pictures' features towards the distribution of real ones (Mathiasen & Hvilshøj 2020).

    One batch says little about a distribution. So the moments of the generated pictures are running means over the
    last few thousand, and each batch gets the distance's gradient at these: between normal distributions the optimal
    transport of features f is `real mean + A (f - mean)`, and the distance's gradient is twice the way there.

    Call it with each generated batch of G's step; all ranks must.

    Args:
        features: pictures (N, C, size, size) in [-1, 1] -> (N, F), differentiable.
        size: height and width that larger pictures are reduced to, as the real ones were: Lanczos.
        data: what the real pictures are, where they are not those of the training.
    """

    def __init__(self, features: Callable[[Tensor], Tensor], size: int, data: DataRecord | None = None) -> None:
        self._features, self._size, self.data = features, size, data
        self._real: tuple[Tensor, Tensor] | None = None  # mean and covariance, float64 on the CPU as all of these
        self._mean = self._square = None  # of generated features: their mean, and the mean of f f^T
        self._batches = 0
        self._pull = None  # of the last renewal: mean, real mean's difference to it, and I - A; float32

    @property
    def has_aim(self) -> bool:
        """Whether the moments of real pictures are known, by `aim_at` or from a checkpoint."""
        return self._real is not None

    @property
    def has_begun(self) -> bool:
        """Whether the moments of generated pictures are known, by `begin` or from a checkpoint."""
        return self._mean is not None

    @torch.no_grad()
    def aim_at(self, images: np.ndarray, device: torch.device | str = "cpu") -> None:
        """Take the moments of real pictures: (N, H, H, C) uint8, measured where the features are."""
        random = torch.Generator().manual_seed(0)
        rows = np.array_split(np.arange(len(images)), math.ceil(len(images) / _BATCH))
        batches = (make_batch(images, part, device=device, flip=False) for part in rows)
        mean, square = self._moments(torch.cat([self._of(batch, random) for batch in batches]))
        self._aim(mean, square - mean.outer(mean))

    @torch.no_grad()
    def begin(self, batches: Iterable[Tensor]) -> None:
        """Take the moments of the first generated pictures, `FIRST_IMAGES` of all ranks: batches (N, C, H, W)."""
        self._mean, self._square = self._moments(torch.cat([self._of(images) for images in batches]))

    def __call__(self, images: Tensor) -> Tensor:
        """A scalar with the distance's gradient, but not its value, for one more generated batch (N, C, H, W)."""
        features = self._of(images)
        self._count(features.detach())
        if self._pull is None or self._batches % _RENEWED_EVERY == 0:
            self._renew()
        self._batches += 1
        mean, towards, rest = (part.to(features.device) for part in self._pull)
        centred = features - mean
        return (2 * centred @ towards + (centred @ rest * centred).sum(dim=1)).mean()

    def state(self) -> dict:
        """Everything that decides the next batch's gradient, for a checkpoint."""
        return {"real": list(self._real), "mean": self._mean, "square": self._square, "pull": self._pull,
                "batches": self._batches}  # fmt: skip

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real pictures are known already, they stay the aim."""
        if not self.has_aim:
            self._aim(*state["real"])
        self._mean, self._square, self._batches = state["mean"], state["square"], state["batches"]
        self._pull = state["pull"]

    def _aim(self, mean: Tensor, covariance: Tensor) -> None:
        self._real, self._root, self._pull = (mean, covariance), _root(covariance), None

    def _of(self, images: Tensor, random: torch.Generator | None = None) -> Tensor:
        images = images.float()  # whatever G draws in: the real ones' features are float32's
        with torch.autocast(images.device.type, enabled=False):
            return self._features(_moved(reduced(images, self._size), random))

    def _moments(self, features: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([features.mean(dim=0, keepdim=True), features.T @ features / len(features)])
        both = mean_over_ranks(both).cpu().double()
        return both[0], both[1:]

    def _count(self, features: Tensor) -> None:
        mean, square = self._moments(features)
        ranks = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        new = 1 - math.exp(-ranks * len(features) / _AVERAGED_IMAGES)
        self._mean = torch.lerp(self._mean, mean, new)
        self._square = torch.lerp(self._square, square, new)

    def _renew(self) -> None:
        """Solve for the optimal transport: A = R (R C R)^-1/2 R with R the root of the real covariance, C the other."""
        covariance = self._square - self._mean.outer(self._mean)
        values, vectors = torch.linalg.eigh(self._root @ covariance @ self._root)
        values = values.clamp_min(_LEAST_VARIANCE * values[-1].clamp_min(1e-12))
        transport = self._root @ (vectors * values.rsqrt()) @ vectors.T @ self._root
        towards = self._mean - self._real[0]
        parts = self._mean, towards, torch.eye(len(transport), dtype=torch.float64) - transport
        self._pull = tuple(part.float() for part in parts)


def _moved(images: Tensor, random: torch.Generator | None) -> Tensor:
    """All pictures of a batch moved alike: G learns faces, not what one grid of pixels makes of them."""
    down, right = torch.randint(0, 2 * _SHIFT + 1, (2,), generator=random).tolist()
    size = images.shape[-1]
    return pad(images, (_SHIFT,) * 4, mode="replicate")[:, :, down : down + size, right : right + size]


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


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
