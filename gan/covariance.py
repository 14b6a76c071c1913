"""The square root of a covariance, of which the Fréchet distance is made, as a figure and as a loss."""

from __future__ import annotations

import torch
from torch import Tensor


def square_root(covariance: Tensor) -> Tensor:
    """The symmetric R with R R = covariance, (..., F, F); eigenvalues that rounding made negative count as 0."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT
