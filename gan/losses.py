"""Adversarial losses and gradient penalties: maths on logits and their gradients, nothing else.

Every adversarial loss is a pair: `discriminator(real_logits, fake_logits) -> scalar` and
`generator(real_logits, fake_logits) -> scalar`, both to be minimised; logits are (N, 1) or (N,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu, softplus


class AdversarialLoss(NamedTuple):
    """Two objectives to minimise, each a function of (real_logits, fake_logits).

    Attributes:
        guessing: the least discriminator's loss where all pictures get one score.
        perfect: the least there can be.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    guessing: float
    perfect: float
    uses_real_in_generator: bool = False  # only then the generator's step has to score real pictures


def cross_entropy(real_label: float = 1.0) -> AdversarialLoss:
    """Sigmoid cross-entropy, the generator's labels flipped to 1 (Goodfellow et al. 2014).

    Args:
        real_label: D's target for real pictures; below 1 is one-sided label smoothing
            (Salimans et al. 2016). At 1 this is the non-saturating loss, see `non_saturating`.
    """

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        on_real = binary_cross_entropy_with_logits(real, torch.full_like(real, real_label))
        return on_real + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))

    guess = real_label / 2  # of one probability for all, the best against both labels
    guessing = -real_label * math.log(guess) - (2 - real_label) * math.log1p(-guess)
    rest = 1 - real_label
    perfect = -real_label * math.log(real_label) - (rest * math.log(rest) if rest else 0.0)
    return AdversarialLoss(discriminator, lambda real, fake: softplus(-fake).mean(), guessing, perfect)


def non_saturating() -> AdversarialLoss:
    """softplus(-D(x)) + softplus(D(G(z))) against softplus(-D(G(z))) (Goodfellow et al. 2014)."""
    return cross_entropy(real_label=1.0)


def hinge() -> AdversarialLoss:
    """relu(1 - D(x)) + relu(1 + D(G(z))) against -D(G(z)) (Lim & Ye 2017, SAGAN)."""
    return AdversarialLoss(
        lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        lambda real, fake: -fake.mean(),
        guessing=2.0,
        perfect=0.0,
    )


def relativistic() -> AdversarialLoss:
    """Relativistic pairing: each fake against one real picture (Jolicoeur-Martineau 2018; R3GAN 2024)."""
    return AdversarialLoss(
        lambda real, fake: softplus(fake - real).mean(),
        lambda real, fake: softplus(real - fake).mean(),
        guessing=math.log(2),
        perfect=0.0,
        uses_real_in_generator=True,
    )


LOSSES: dict[str, Callable[..., AdversarialLoss]] = {
    "cross_entropy": cross_entropy,
    "non_saturating": non_saturating,
    "hinge": hinge,
    "relativistic": relativistic,
}


def loss_of(name: str, real_label: float = 1.0) -> AdversarialLoss:
    """A loss by its key in `LOSSES`; `real_label` is for the one that has labels."""
    return LOSSES[name](**({"real_label": real_label} if name == "cross_entropy" else {}))


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Mean over pictures of the squared norm of the gradient of all logits' sum (Mescheder et al. 2018).

    R1 on real pictures, R2 on generated ones; multiply by gamma / 2. Where D judges each picture by itself, that is
    the gradient of its own logit. With `minibatch_stddev` a picture also moves the logits of its group, and that
    counts with it, as in StyleGAN2 (Karras et al. 2020). Runs in float32 whatever the
    surrounding autocast: the second-order weight gradients of bfloat16 convolutions are silently
    50 % and more off on CPUs with AMX.

    Args:
        discriminator: (N, C, H, W) -> logits (N,) or (N, 1); no batch norm, with which a picture's gradient depends on
            all others (`GANConfig` refuses it), and its weights in float32.
        images: (N, C, H, W) in [-1, 1], any float.

    Returns:
        Scalar, differentiable with respect to the discriminator's parameters.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_(True)
        logits = discriminator(images)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
