"""How far generated pictures' features lie outside the manifold of the real ones, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

_NEIGHBOUR = 3  # whose distance is a real picture's reach: k of precision and recall
_REAL_IMAGES = 6000  # at most, drawn once: more make reaches shorter, and each batch is held against all of them
_ROWS = 1024  # of a distance matrix at a time


class ManifoldLoss:
    """What pulls features that no real picture reaches to the one that nearly does.

    Real features with balls around them, each as wide as its k-th neighbour is far, stand for the manifold of real
    pictures (Kynkäänniemi et al. 2019, arXiv:1904.06991), and a generated picture inside of one counts as precise. The
    loss is the squared distance to a ball's centre beyond its squared radius, 0 inside, in units of the mean squared
    radius; of all balls that which asks for least.
    """

    def __init__(self) -> None:
        self._real: tuple[Tensor, Tensor] | None = None  # features (N, F), squared radii (N,); float32

    @property
    def has_aim(self) -> bool:
        return self._real is not None

    def aim_at(self, real: Tensor) -> None:
        """Take the real features, (N, F)."""
        chosen = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:_REAL_IMAGES]
        centres = real[chosen.to(real.device)].cpu()
        k = min(_NEIGHBOUR + 1, len(centres))  # the nearest is the centre itself
        parts = [torch.cdist(part, centres).kthvalue(k, dim=1).values for part in centres.split(_ROWS)]
        self._real = centres, torch.cat(parts).square()

    def __call__(self, features: Tensor) -> Tensor:
        """A scalar for a batch of generated features (N, F)."""
        centres, radii = self._real = tuple(part.to(features.device) for part in self._real)
        with torch.no_grad():
            beyond = torch.cdist(features, centres).square() - radii
            nearest = beyond.argmin(dim=1)
        beyond = (features - centres[nearest]).square().sum(dim=1) - radii[nearest]
        return relu(beyond).mean() / radii.mean().clamp_min(1e-12)

    def state(self) -> dict:
        return {"real": [part.cpu() for part in self._real]}

    def load_state(self, state: dict) -> None:
        """The reverse of `state`; where real features are known already, they stay."""
        if not self.has_aim:
            self._real = tuple(state["real"])
