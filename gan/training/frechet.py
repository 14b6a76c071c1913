"""The Fréchet distance between the features of generated and of real pictures, as a loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan.covariance import square_root
from gan.training.distributed import mean_over_ranks

_AVERAGED_IMAGES = 2500  # that the moments of the generated pictures are a mean of: fewer are noise, more are late
_RENEWED_EVERY = 8  # batches from one optimal transport to the next: it changes little in between
_LEAST_VARIANCE = 1e-6  # of the largest: directions that hardly vary, where the transport is noise


class FrechetLoss:
    """What moves features towards the distribution of real ones (Mathiasen & Hvilshøj 2020, arXiv:2009.14075).

    One batch says little about a distribution. So the moments of the generated features are running means over the
    last few thousand, and each batch gets the distance's gradient at these: between normal distributions the optimal
    transport of features f is `real mean + A (f - mean)`, and the distance's gradient is twice the way back from there.
    """

    def __init__(self) -> None:
        self._real: tuple[Tensor, Tensor] | None = None  # mean and covariance, float64 on the CPU as all of these
        self._mean = self._square = None  # of generated features: their mean, and the mean of f f^T
        self._batches = 0
        self._pull = None  # of the last renewal: mean, its difference from the real mean, and I - A; float32

    @property
    def has_aim(self) -> bool:
        return self._real is not None

    @property
    def has_begun(self) -> bool:
        return self._mean is not None

    def aim_at(self, real: Tensor) -> None:
        """Take the moments of real features, (N, F): on every rank the same ones."""
        mean, square = _moments(real)
        self._aim(mean, square - mean.outer(mean))

    def begin(self, features: Tensor) -> None:
        """Take the moments of this rank's first generated features, (N, F), and of the others'."""
        self._mean, self._square = _moments(features)

    def __call__(self, features: Tensor) -> Tensor:
        """A scalar with the distance's gradient, but not its value, for one more batch of generated features (N, F)."""
        self._count(features.detach())
        if self._pull is None or self._batches % _RENEWED_EVERY == 0:
            self._renew()
        self._batches += 1
        mean, towards, rest = (part.to(features.device) for part in self._pull)
        centred = features - mean
        return (2 * centred @ towards + (centred @ rest * centred).sum(dim=1)).mean()

    def state(self) -> dict:
        return {"real": list(self._real), "mean": self._mean, "square": self._square, "pull": self._pull,
                "batches": self._batches}  # fmt: skip

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real features are known already, they stay the aim."""
        if not self.has_aim:
            self._aim(*state["real"])
        self._mean, self._square, self._batches = state["mean"], state["square"], state["batches"]
        self._pull = state["pull"]

    def _aim(self, mean: Tensor, covariance: Tensor) -> None:
        self._real, self._root = (mean, covariance), square_root(covariance)

    def _count(self, features: Tensor) -> None:
        mean, square = _moments(features)
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
        parts = self._mean, self._mean - self._real[0], torch.eye(len(transport), dtype=torch.float64) - transport
        self._pull = tuple(part.float() for part in parts)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of f and of f f^T over all ranks, float64 on the CPU; all ranks must call it."""
    both = torch.cat([features.mean(dim=0, keepdim=True), features.T @ features / len(features)])
    both = mean_over_ranks(both).cpu().double()
    return both[0], both[1:]
