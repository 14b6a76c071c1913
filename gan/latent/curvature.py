"""How steeply what a search minimises curves, on average over latents: which numbers of z change a picture much."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jvp

from gan.latent.projection import FEATURE_WEIGHT, PRIOR_WEIGHT
from gan.metrics.classifier import Classifier
from gan.models import Generator, fold
from gan.sampling import latents

SEEDS = range(2**32 - 264, 2**32 - 256)  # of the latents; far from those that anybody looks at
MOST_CONDITION = 128.0  # number, of the preconditioner: also what float16 rounds away leaves it positive definite
_FLATTEST = 1e-4  # least that is added to the eigenvalues: the preconditioner's numbers fit float16
_AT_A_TIME = 16  # derivatives


@torch.no_grad()
def preconditioner(generator: Generator, classifier: Classifier | None, seeds: range = SEEDS) -> Tensor:
    """About the inverse Hessian of `gan.latent.projection.loss_of` near its minima: the Gauss-Newton matrix, twice the
    mean of J^T J, where J is the derivative by z of all whose squares the loss adds up.

    Args:
        generator: in eval mode.
        classifier: as for `gan.latent.projection.descend`.
        seeds: whose latents to average over.

    Returns:
        (z_dim, z_dim) float32, symmetric, positive definite, of a condition number of at most `MOST_CONDITION`.
    """
    folded, config = fold(generator), generator.config
    hessian = torch.zeros(config.z_dim, config.z_dim, dtype=torch.float64)
    for z in latents(config, seeds).split(1):
        hessian += 2 / len(seeds) * _gauss_newton(folded, classifier, z)
    if config.z_distribution == "normal":
        hessian += 2 * PRIOR_WEIGHT / config.z_dim * torch.eye(config.z_dim)
    eigenvalues, eigenvectors = torch.linalg.eigh(hessian)
    eigenvalues = eigenvalues.clamp_min(0) + (eigenvalues[-1] / (MOST_CONDITION - 1)).clamp_min(_FLATTEST)
    return ((eigenvectors / eigenvalues) @ eigenvectors.T).float()


def _gauss_newton(generator: Generator, classifier: Classifier | None, z: Tensor) -> Tensor:
    """(z_dim, z_dim) float64: J^T J at one latent, (1, z_dim), of pixels and features as the loss weighs them."""

    def residuals(z: Tensor) -> tuple[Tensor, Tensor]:
        drawn = generator(z)
        return drawn, classifier.features(drawn) if classifier else drawn[:, 0, 0, :0]

    tangents = torch.eye(z.shape[1]).split(_AT_A_TIME)
    pixels, features = zip(*(jvp(residuals, (z.repeat(len(some), 1),), (some,))[1] for some in tangents), strict=True)
    pixels, features = (torch.cat(parts).flatten(1).double() for parts in (pixels, features))
    squared = pixels @ pixels.T / pixels.shape[1]
    if classifier:
        length = classifier.features(generator(z)).norm().clamp_min(1e-6)
        squared += FEATURE_WEIGHT * features @ features.T / length.square()
    return squared
