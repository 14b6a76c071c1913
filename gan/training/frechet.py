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

    Features are (N, F), or (N, P, F) of P places in each picture: then each place has a distribution of its own, and
    the loss is the mean over places.

    Args:
        standardised: whether features are scaled first, so that each of the F varies alike in real pictures, and all
            together by 1.
    """

    def __init__(self, *, standardised: bool = False) -> None:
        self._standardised = standardised
        self._scale: Tensor | None = None  # (F,) float32 on the CPU: what features are multiplied by
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
        """Take the moments of real features: on every rank the same ones."""
        if self._standardised:
            variance = real.var(dim=0, correction=0).reshape(-1, real.shape[-1]).mean(dim=0)
            self._scale = (variance.clamp_min(1e-12) * real.shape[-1]).rsqrt().cpu()
        mean, square = _moments(self._scaled(real))
        self._aim(mean, square - _outer(mean))

    def begin(self, features: Tensor) -> None:
        """Take the moments of this rank's first generated features, and of the others'."""
        self._mean, self._square = _moments(self._scaled(features))

    def __call__(self, features: Tensor) -> Tensor:
        """A scalar with the distance's gradient, but not its value, for one more batch of generated features."""
        features = self._scaled(features)
        self._count(features.detach())
        if self._pull is None or self._batches % _RENEWED_EVERY == 0:
            self._renew()
        self._batches += 1
        mean, towards, rest = (part.to(features.device) for part in self._pull)
        centred = features - mean
        turned = torch.einsum("n...i,...ij->n...j", centred, rest)
        return (centred * (2 * towards + turned)).sum(dim=-1).mean()

    def state(self) -> dict:
        return {"real": list(self._real), "mean": self._mean, "square": self._square, "pull": self._pull,
                "batches": self._batches, "scale": self._scale}  # fmt: skip

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real features are known already, they stay the aim."""
        if not self.has_aim:
            self._scale = state.get("scale")  # checkpoints of before there were scales have none
            self._aim(*state["real"])
        self._mean, self._square, self._batches = state["mean"], state["square"], state["batches"]
        self._pull = state["pull"]

    def _scaled(self, features: Tensor) -> Tensor:
        return features if self._scale is None else features * self._scale.to(features.device)

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
        covariance = self._square - _outer(self._mean)
        values, vectors = torch.linalg.eigh(self._root @ covariance @ self._root)
        values = torch.maximum(values, _LEAST_VARIANCE * values[..., -1:].clamp_min(1e-12))
        transport = self._root @ (vectors * values.rsqrt().unsqueeze(-2)) @ vectors.mT @ self._root
        identity = torch.eye(transport.shape[-1], dtype=torch.float64)
        parts = self._mean, self._mean - self._real[0], identity - transport
        self._pull = tuple(part.float() for part in parts)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of f and of f f^T over all ranks, float64 on the CPU; all ranks must call it."""
    square = torch.einsum("n...i,n...j->...ij", features, features) / len(features)
    both = torch.cat([features.mean(dim=0).unsqueeze(-2), square], dim=-2)
    both = mean_over_ranks(both).cpu().double()
    return both[..., 0, :], both[..., 1:, :]


def _outer(mean: Tensor) -> Tensor:
    return mean.unsqueeze(-1) * mean.unsqueeze(-2)
