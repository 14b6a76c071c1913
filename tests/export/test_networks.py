"""Networks as the browser asks them: the same numbers as Python's own ways, whatever kind of model it is."""

from __future__ import annotations

import math

import pytest
import torch
from test_truncation import make
from tiny_classifiers import tiny_classifier
from torch import nn

from gan.config import GANConfig
from gan.export.networks import Critic, FirstGuess, Picture, Recognition, Search
from gan.latent.encoder import Encoder
from gan.latent.projection import descend
from gan.models import Discriminator, Generator, fold, initialise
from gan.sampling import latents, to_uint8, truncation_of

PLAIN = GANConfig(
    image_size=32, z_dim=6, base_channels=4, g_multipliers=(3, 2, 1), g_strides=(2, 2, 2),
    d_multipliers=(1, 2, 3), d_strides=(2, 2, 2),
)  # fmt: skip
KINDS = {
    "shortcuts": PLAIN.replace(g_residual=True),
    "modulated, grown": PLAIN.replace(g_residual=True, g_modulated=True).grown(),
    "odd sizes": PLAIN.replace(image_size=28, kernel_size=5, g_residual=True, g_modulated=True),
    "uniform, leaky, no norm": PLAIN.replace(
        z_distribution="uniform", g_leaky_slope=0.2, g_stem_norm=False, g_bias=True, g_normalize_z=True
    ),
    "grey, one upsampling": PLAIN.replace(
        image_size=8, channels=1, g_multipliers=(2,), g_strides=(2,), d_multipliers=(1,), d_strides=(2,)
    ),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def generator(request) -> Generator:
    return make(request.param)


def test_pictures_of_any_truncation_go_in_one_batch(generator):
    z, psi = latents(generator.config, range(8)), torch.tensor([0, 0.1, 0.25, 0.6, 0.99, 1, 1.3, 1.5])
    picture = Picture(generator)
    drawn = picture(z, psi)
    torch.testing.assert_close(drawn, truncation_of(generator)(z, psi), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(drawn[6:7], picture(z[6:7], psi[6:7]), rtol=1e-4, atol=1e-4)


def test_1_is_exactly_the_plain_picture(generator):
    z = latents(generator.config, range(3))
    assert torch.equal(Picture(generator)(z, torch.ones(3)), fold(generator)(z))


def test_the_gradient_is_autograd_s_and_the_loss_the_projection_s(generator):
    config = generator.config
    classifier = tiny_classifier(channels=config.channels)
    search = Search(generator, classifier)
    z, target = latents(config, range(3)), generator(latents(config, range(3, 6)))
    features = classifier.features(target)
    traced = search.traced()
    found = dict(zip(Search.OUTPUTS, traced(z, target, features), strict=True))
    for whole, alone in zip(found.values(), traced(z[2:], target[2:], features[2:]), strict=True):
        torch.testing.assert_close(whole[2:], alone, rtol=1e-3, atol=1e-5)

    encoder = Encoder(config).eval().requires_grad_(False)
    encoder.forward = lambda images: z
    here, *_ = descend(generator, target, encoder=encoder, classifier=classifier, steps=0)
    torch.testing.assert_close(found["picture"], here.images, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found["loss"], here.loss, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found["feature_distance"], here.feature_distance, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(10 * torch.log10(4 / found["error"]), here.psnr, rtol=1e-3, atol=1e-3)

    z.requires_grad_(True)
    drawn = generator(z)
    squared = (classifier.features(drawn) - features).square().sum(dim=1) / features.square().sum(dim=1)
    loss = (drawn - target).square().mean(dim=(1, 2, 3)) + 0.05 * squared
    if config.z_distribution == "normal":
        loss = loss + 0.002 * z.square().mean(dim=1)
    loss.sum().backward()
    torch.testing.assert_close(found["gradient"], z.grad, rtol=1e-3, atol=1e-3 * float(z.grad.abs().max()))


@pytest.mark.parametrize("changes", [{}, {"d_norm": "spectral"}, {"d_minibatch_stddev": True, "d_norm": "none"}])
def test_the_critic_judges_each_picture_by_itself_as_it_is_shown(changes):
    torch.manual_seed(0)
    config = PLAIN.replace(**changes)
    critic = Discriminator(config)
    initialise(critic)
    for module in critic.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not hasattr(module, "parametrizations"):
            nn.init.normal_(module.weight, 0, 1 / math.sqrt(module.weight[0].numel()))
    for _ in range(10):  # batch norm and spectral norm find their statistics
        critic(torch.rand(8, 3, 32, 32) * 2 - 1)
    critic.eval().requires_grad_(False)
    pictures = torch.rand(5, 3, 32, 32) * 2 - 1
    shown = torch.from_numpy(to_uint8(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
    alone = torch.cat([torch.sigmoid(critic(one[None])) for one in shown])
    torch.testing.assert_close(Critic(critic)(pictures), alone, rtol=1e-4, atol=1e-5)
    assert alone.std() > 1e-4  # else any network would do


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("size", [8, 16, 28, 64])
def test_the_classifier_sees_pictures_of_any_size_as_it_does_in_python(size, exclusive):
    classifier = tiny_classifier(exclusive)
    pictures = torch.rand(3, 3, size, size) * 2 - 1
    features, probabilities = Recognition(classifier, size)(pictures)
    torch.testing.assert_close(features, classifier.features(pictures), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(probabilities, classifier.probabilities(pictures), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("distribution", "largest"), [("normal", 4), ("uniform", 1)])
def test_a_guess_is_a_z_that_the_search_may_begin_with(distribution, largest):
    encoder = Encoder(PLAIN.replace(z_distribution=distribution)).eval()
    with torch.no_grad():
        encoder.layers[-1].weight *= 1000
        guess = FirstGuess(encoder)(torch.rand(3, 3, 32, 32))
    assert guess.abs().max() == largest
