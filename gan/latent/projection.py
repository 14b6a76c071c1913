"""From a picture to the latent vector whose picture comes nearest: an encoder's guess, then gradient steps.

    python -m gan projection weights/faces64 --data img_align_celeba.zip

measures how near that is, on held-out pictures and on generated ones (`gan.latent.projection_report`).

>>> from PIL import Image
>>> from gan import load_generator
>>> from gan.latent.encoder import load_encoder
>>> from gan.latent.projection import project
>>> generator, encoder = load_generator("weights/faces64"), load_encoder("weights/faces64")
>>> found = project(generator, Image.open("me.jpg"), encoder=encoder)  # found.z, found.image, found.psnr
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.config import GANConfig
from gan.data.photo import fitted
from gan.latent.encoder import Encoder
from gan.latent.lbfgs import LBFGS
from gan.metrics.classifier import Classifier, classifier_for
from gan.models import Generator, fold
from gan.sampling import latents, to_uint8

STEPS = 100
MAX_STEPS = 1000
LARGEST_Z = 4.0  # of one number of a normal z, which passes it once in 16,000
FEATURE_WEIGHT = 0.05  # of the squared feature distance, against the pixels' mean squared error (range 4)
PRIOR_WEIGHT = 0.002  # of z's mean square where z is normal: an unlikely z draws no face any more
CANDIDATES = 64  # seeds to begin from where there is no encoder: the nearest of them


@dataclass(frozen=True)
class Moment:
    """Where the descent stands: the best that was found up to now, for each of N pictures.

    Attributes:
        step: 0 is the beginning, before any step.
        z: (N, z_dim) float32.
        images: (N, C, H, W) in [-1, 1], that the generator draws of z.
        loss: (N,), what the descent minimises.
        psnr: (N,) peak signal-to-noise ratio against the pictures, dB; higher is nearer.
        feature_distance: (N,) distance in the classifier's features over the length of the picture's own: 0 is the
            same; NaN without a classifier.
    """

    step: int
    z: Tensor
    images: Tensor
    loss: Tensor
    psnr: Tensor
    feature_distance: Tensor


@dataclass(frozen=True)
class Errors:
    """How far one picture is from what was looked for, see `Moment`."""

    step: int
    psnr: float
    feature_distance: float


@dataclass(frozen=True)
class Projection:
    """What `project` found.

    Attributes:
        z: (1, z_dim) float32, for `gan.sampling.generate`.
        image: (H, W, C) uint8, its picture.
        target: (H, W, C) uint8, the picture that was looked for, at the generator's size.
        history: errors at the beginning (the encoder's guess) and after each step, of the best up to there.
    """

    z: Tensor
    image: np.ndarray
    target: np.ndarray
    history: tuple[Errors, ...]

    @property
    def psnr(self) -> float:
        """Of the result, dB."""
        return self.history[-1].psnr

    @property
    def feature_distance(self) -> float:
        """Of the result; NaN without a classifier."""
        return self.history[-1].feature_distance


def project(
    generator: Generator,
    image: Image.Image | np.ndarray,
    encoder: Encoder | None = None,
    classifier: Classifier | str | None = "auto",
    steps: int = STEPS,
) -> Projection:
    """Find the latent vector whose picture comes nearest to an image; about 10 ms a step at 64x64 on one core.

    Args:
        generator: in eval mode.
        image: a Pillow image, or (H, W) or (H, W, C) uint8, best cropped as the generator's training pictures were;
            what is not square loses its sides.
        encoder: the generator's own; without one the nearest of some seeds is where it begins.
        classifier: whose features are compared beside the pixels; "auto" is the shipped one for such pictures, None
            compares pixels alone.
        steps: 0 to `MAX_STEPS`; 0 is the encoder's guess.

    Raises:
        ValueError: an argument out of range, or an encoder of another kind of generator.
        gan.data.photo.PhotoError: a picture that cannot be used.
        gan.metrics.classifier.ClassifierError: the classifier cannot be loaded.
    """
    target = fitted(image, generator.config)
    if classifier == "auto":
        classifier = classifier_for(generator.config)
    history = []
    for moment in descend(generator, target, encoder=encoder, classifier=classifier, steps=steps):
        history.append(errors(moment))
    return Projection(moment.z, to_uint8(moment.images)[0], to_uint8(target)[0], tuple(history))


def errors(moment: Moment, picture: int = 0) -> Errors:
    """Of one picture of a descent."""
    return Errors(moment.step, moment.psnr[picture].item(), moment.feature_distance[picture].item())


def descend(
    generator: Generator,
    images: Tensor,
    *,
    encoder: Encoder | None = None,
    classifier: Classifier | None = None,
    steps: int = STEPS,
) -> Iterator[Moment]:
    """The descent step by step, for as many pictures at a time as are given; they do not influence each other.

    L-BFGS on pixels, features and how likely z is, with the encoder's preconditioner; uniform latents are kept within
    (-1, 1). Closing the iterator ends it.

    Args:
        generator: in eval mode.
        images: (N, C, H, W) in [-1, 1], at the generator's size.
        encoder, classifier, steps: as for `project`, without "auto".

    Yields:
        steps + 1 times: the beginning, and after each step.

    Raises:
        ValueError: an argument out of range.
    """
    config = generator.config
    shape = (config.channels, config.image_size, config.image_size)
    if images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(
            f"images of shape {tuple(images.shape)}: this generator expects (N, {', '.join(map(str, shape))})"
        )
    if not 0 <= steps <= MAX_STEPS:
        raise ValueError(f"steps={steps}: expected 0 to {MAX_STEPS}")
    if encoder is not None and (encoder.config.z_dim, encoder.config.channels, encoder.config.image_size) != (
        config.z_dim,
        config.channels,
        config.image_size,
    ):
        raise ValueError("encoder: expected the generator's own, from its folder, and this one is of another shape")
    device = next(generator.parameters()).device
    folded = fold(generator).to(memory_format=torch.channels_last)
    images = images.to(device)
    judge = _Judge(config, images, classifier)
    with torch.no_grad():
        z = _guess(encoder, images) if encoder else _nearest_seeds(folded, judge)
    preconditioner = encoder.preconditioner.to(z) if encoder else torch.eye(config.z_dim, device=device)
    walk = LBFGS(z, preconditioner, largest_z(config))
    best: Moment | None = None
    for step in range(steps + 1):
        z = walk.asked.clone().requires_grad_(True)
        with torch.enable_grad():
            now = judge(step, z, folded(z))
            if step < steps:  # the last picture is only looked at
                (gradient,) = torch.autograd.grad(now.loss.sum(), z)
        best = _best(best, now)
        yield best
        if step < steps:
            walk.tell(now.loss.detach(), gradient)


class _Judge:
    """How far pictures are from some others, which it keeps in mind with their features."""

    def __init__(self, config: GANConfig, images: Tensor, classifier: Classifier | None) -> None:
        self.normal = config.z_distribution == "normal"
        self.images = images
        self.classifier = classifier
        if classifier:
            if next(classifier.parameters()).device != images.device:
                classifier = copy.deepcopy(classifier).to(images.device)  # others use it where it is
            self.classifier = classifier
            with torch.no_grad():
                self.features = classifier.features(images)

    def __call__(self, step: int, z: Tensor, drawn: Tensor) -> Moment:
        features = (self.classifier.features(drawn), self.features) if self.classifier else None
        loss, pixels, squared = loss_of(z, drawn, self.images, features, self.normal)
        distance = torch.full_like(pixels, math.nan) if squared is None else squared.sqrt()
        psnr = 10 * torch.log10(4 / pixels.clamp_min(1e-10))
        return Moment(step, z.detach().clone(), drawn.detach(), loss, psnr.detach(), distance.detach())


def loss_of(
    z: Tensor, drawn: Tensor, images: Tensor, features: tuple[Tensor, Tensor] | None, normal: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What the descent minimises, for each of N pictures.

    Args:
        z: (N, z_dim).
        drawn: (N, C, H, W), what the generator draws of it.
        images: (N, C, H, W), what is looked for.
        features: (N, F) of both; None compares pixels alone.
        normal: whether z should be likely under a normal distribution.

    Returns:
        (N,) the loss; (N,) the mean squared error of pixels; (N,) the squared distance of features over the squared
        length of those that are looked for, None without features.
    """
    pixels = (drawn - images).square().mean(dim=(1, 2, 3))
    loss, squared = pixels, None
    if features:
        seen, wanted = features
        # Its root has no finite slope at 0, where the search would best end.
        squared = (seen - wanted).square().sum(dim=1) / wanted.norm(dim=1).clamp_min(1e-6).square()
        loss = loss + FEATURE_WEIGHT * squared
    if normal:
        loss = loss + PRIOR_WEIGHT * z.square().mean(dim=1)
    return loss, pixels, squared


def _best(best: Moment | None, now: Moment) -> Moment:
    """Picture by picture the one with the lower loss; NaN is worse than any."""
    loss = now.loss.detach()
    if best is None:
        return Moment(now.step, now.z, now.images, loss, now.psnr, now.feature_distance)
    better = (loss < best.loss) | best.loss.isnan()

    def choose(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (new.ndim - 1)), new, old)

    return Moment(
        now.step,
        choose(now.z, best.z),
        choose(now.images, best.images),
        choose(loss, best.loss),
        choose(now.psnr, best.psnr),
        choose(now.feature_distance, best.feature_distance),
    )


def _guess(encoder: Encoder, images: Tensor) -> Tensor:
    """The encoder's z: (N, z_dim) float32, on the pictures' device, wherever the encoder is."""
    return encoder(images.to(next(encoder.parameters()).device)).float().to(images.device)


def _nearest_seeds(generator: Generator, judge: _Judge) -> Tensor:
    """z: (N, z_dim), of seeds, each picture's nearest by its loss."""
    z = latents(generator.config, range(CANDIDATES)).to(judge.images.device)
    losses = []
    for one, drawn in zip(z, generator(z), strict=True):
        losses.append(judge(0, one[None], drawn[None]).loss)
    return z[torch.stack(losses).argmin(dim=0)]


def largest_z(config: GANConfig) -> float:
    """What no number of a z that is searched for passes, either way."""
    return 1.0 if config.z_distribution == "uniform" else LARGEST_Z
