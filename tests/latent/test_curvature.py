"""The preconditioner: the inverse of what the search's loss curves, and never so steep that it leads astray."""

from __future__ import annotations

import pytest
import torch
from tiny_classifiers import tiny_classifier

from gan.latent.curvature import MOST_CONDITION, preconditioner
from gan.latent.projection import loss_of
from gan.models import Generator, fold
from gan.sampling import latents


@pytest.mark.parametrize("with_features", [True, False])
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_it_is_the_inverse_hessian_where_the_picture_is_found(tiny_config, distribution, with_features):
    torch.manual_seed(0)
    config = tiny_config.replace(z_distribution=distribution)
    generator = Generator(config).eval().requires_grad_(False)
    generator.stem.weight *= 30  # what it draws changes with z as a trained one's pictures do
    classifier = tiny_classifier() if with_features else None
    seeds = range(3, 5)
    hessians = []
    for z in latents(config, seeds).split(1):
        target = fold(generator)(z)

        def loss(moved, z=z, target=target):
            drawn = fold(generator)(moved)
            features = (classifier.features(drawn), classifier.features(target)) if classifier else None
            return loss_of(moved, drawn, target, features, config.z_distribution == "normal")[0].sum()

        hessians.append(torch.autograd.functional.hessian(loss, z).reshape(8, 8))
    wanted = torch.stack(hessians).mean(dim=0)
    found = preconditioner(generator, classifier, seeds)
    wanted += torch.linalg.eigvalsh(wanted)[-1] / (MOST_CONDITION - 1) * torch.eye(8)
    assert torch.allclose(found @ wanted, torch.eye(8), atol=0.02)
    assert torch.allclose(found, found.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steep", [0.01, 1, 30])
def test_numbers_that_change_nothing_leave_it_within_bounds(tiny_config, steep):
    """Also after float16 it is positive definite."""
    torch.manual_seed(0)
    generator = Generator(tiny_config.replace(z_distribution="uniform", z_dim=100)).eval().requires_grad_(False)
    generator.stem.weight[:, :60] = 0
    generator.stem.weight *= steep
    steepness = torch.linalg.eigvalsh(preconditioner(generator, None, range(2)).half().float())
    assert 0 < steepness[-1] <= 1.1 * MOST_CONDITION * steepness[0]
