"""Truncation: towards the typical picture, without fading."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
import torch
from torch import nn

from gan import sampling
from gan.blocks import Residual
from gan.config import GANConfig
from gan.models import Generator, fold, initialise
from gan.presets import PRESETS
from gan.sampling import even_latents, generate, latents, sample
from gan.truncation import Truncation

WIDE = GANConfig(
    image_size=64, z_dim=6, base_channels=4, g_multipliers=(4, 3, 2, 1), g_strides=(2, 2, 2, 2),
    d_multipliers=(1, 2, 3, 4), d_strides=(2, 2, 2, 2), g_residual=True, g_modulated=True,
)  # fmt: skip


def make(config: GANConfig, seed: int = 0) -> Generator:
    """A generator whose weights and batch-norm statistics are far from where they begin."""
    torch.manual_seed(seed)
    generator = Generator(config)
    initialise(generator)
    for module in generator.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 2 / math.sqrt(module.weight[0].numel()))
    with torch.no_grad():
        generator.train()
        for module in generator.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # a plain mean over what follows
        for _ in range(2):
            generator(torch.randn(32, config.z_dim))
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make(WIDE)


@pytest.fixture(scope="module")
def averaged() -> torch.Tensor:
    return even_latents(WIDE, 64)


@pytest.fixture
def truncation(generator, averaged) -> Truncation:
    return Truncation(generator, averaged)


def same(psi: float, n: int) -> torch.Tensor:
    return torch.full((n,), psi)


def test_1_changes_nothing(generator, truncation):
    z = latents(WIDE, range(5))
    torch.testing.assert_close(truncation(z, same(1, 5)), generator(z), rtol=1e-3, atol=1e-4)


def test_at_0_all_pictures_are_the_typical_one(generator, truncation, averaged):
    z = latents(WIDE, range(5))
    typical = truncation(z, same(0, 5))
    assert (typical - typical[:1]).abs().max() < 1e-5
    assert not torch.allclose(typical[:1], generator(torch.zeros(1, 6)), atol=0.05)  # a picture, not what no z gives


def test_the_less_the_more_alike(truncation):
    z = latents(WIDE, range(32))
    spreads = [float(truncation(z, same(psi, 32)).std(dim=0).mean()) for psi in (0, 0.3, 0.6, 1)]
    assert spreads[0] < 1e-5 and spreads == sorted(spreads)


def stations(generator: Generator) -> list[int]:
    """Where a layer's output goes to the next upsampling."""
    return [i for i, layer in enumerate(generator.layers) if isinstance(layer, (nn.ConvTranspose2d, Residual))][:-1]


def watch(generator: Generator, draw) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What leaves each upsampling but the last, and what arrives at the layer after it."""
    draw()  # what has to be measured is measured now
    left, arrived, handles = {}, {}, []
    for i in stations(generator):
        layers = generator.layers
        handles.append(layers[i].register_forward_hook(lambda m, a, out, i=i: left.__setitem__(i, out.clone())))
        handles.append(layers[i + 1].register_forward_pre_hook(lambda m, a, i=i: arrived.__setitem__(i, a[0].clone())))
    draw()
    for handle in handles:
        handle.remove()
    return [(left[i], arrived[i]) for i in stations(generator)]


@pytest.mark.parametrize("psi", [0.25, 0.5, 1.5])
def test_every_channel_keeps_its_mean_and_spread(generator, truncation, averaged, psi):
    plain = watch(generator, lambda: generator(averaged))
    truncated = watch(generator, lambda: truncation(averaged, same(psi, 64)))
    assert len(plain) == 3
    for (expected, _), (_, x) in zip(plain, truncated, strict=True):
        torch.testing.assert_close(x.mean(dim=(0, 2, 3)), expected.mean(dim=(0, 2, 3)), rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(x.std(dim=(0, 2, 3)), expected.std(dim=(0, 2, 3)), rtol=1e-2, atol=1e-2)


def test_coarse_activations_are_pulled_and_fine_ones_are_not(generator, truncation, averaged):
    z = latents(WIDE, range(8))
    for left, arrived in watch(generator, lambda: truncation(z, same(0.5, 8))):
        # Gain and shift alone leave a channel in step with what it was.
        in_step = [
            float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
            for a, b in zip(left.transpose(0, 1), arrived.transpose(0, 1), strict=True)
        ]
        if left.shape[-1] <= 16:
            assert min(in_step) < 0.99, left.shape
        else:
            assert min(in_step) > 0.9999, left.shape


def test_z_modulates_as_much_as_it_is_truncated(generator, truncation):
    seen = []
    style = generator.layers[-4].style  # of the last batch norm
    handle = style.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    truncation(torch.zeros(1, 6), same(0.75, 1))  # both of what it lies between are measured now
    seen.clear()
    z = latents(WIDE, range(3))
    truncation(z, torch.tensor([0.75, 0.8, 0.9]))
    handle.remove()
    assert torch.allclose(seen[-1], z * torch.tensor([[0.75], [0.8], [0.9]]))


def test_between_the_measured_ones_nothing_jumps(truncation):
    z = latents(WIDE, range(8))
    for psi in (0.25, 0.5, 1.25):
        before, at, after = (truncation(z, same(psi + step, 8)) for step in (-1e-4, 0, 1e-4))
        assert (before - at).abs().max() < 5e-3 and (after - at).abs().max() < 5e-3
    quarter, between, half = (truncation(z, same(psi, 8)) for psi in (0.25, 0.375, 0.5))
    whole = (half - quarter).abs().mean()
    assert (between - quarter).abs().mean() < 0.75 * whole and (between - half).abs().mean() < 0.75 * whole


def test_each_row_has_its_own(truncation):
    z = latents(WIDE, range(4))
    psi = torch.tensor([0.0, 0.4, 1.0, 1.3])
    together = truncation(z, psi)
    for i in range(4):
        torch.testing.assert_close(together[i], truncation(z[i : i + 1], psi[i : i + 1])[0], rtol=1e-3, atol=1e-4)


def test_folded_networks_draw_the_same(generator, averaged, truncation):
    z = latents(WIDE, range(4))
    folded = Truncation(fold(generator), averaged)
    torch.testing.assert_close(folded(z, same(0.6, 4)), truncation(z, same(0.6, 4)), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_typical_picture(name):
    config = PRESETS[name].replace(base_channels=4)
    generator = make(config)
    pictures = generate(fold(generator), latents(config, range(3)), truncation=[0.0, 0.0, 0.5])
    assert pictures.shape[1:] == (config.image_size, config.image_size, config.channels)
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])
    assert np.ptp(pictures[0]) > 30  # not blank


def test_a_generator_without_coarse_activations_is_pulled_after_its_first_upsampling():
    config = WIDE.replace(
        image_size=80, g_multipliers=(2, 1), g_strides=(2, 2), d_multipliers=(1, 2), d_strides=(2, 2), g_residual=False
    )
    pictures = sample(make(config), n=4, truncation=0)
    assert (pictures == pictures[:1]).all() and np.ptp(pictures[0]) > 30


def test_a_generator_of_one_upsampling_is_pulled_after_its_stem(tiny_config):
    config = tiny_config.replace(
        image_size=8, g_multipliers=(2,), g_strides=(2,), d_multipliers=(1,), d_strides=(2,), g_modulated=False
    )
    pictures = sample(make(config), n=4, truncation=0)
    assert (pictures == pictures[:1]).all() and np.ptp(pictures[0]) > 30


# ---- as an argument -------------------------------------------------------------------------------------------------


def test_truncation_of_1_asks_for_no_average(generator, monkeypatch):
    monkeypatch.setattr(sampling, "Truncation", None)
    z = latents(WIDE, range(3))
    assert np.array_equal(generate(generator, z, truncation=1), generate(generator, z))


def test_averages_are_measured_once_and_go_with_their_generator(monkeypatch):
    made = []

    class Counted(Truncation):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(sampling, "Truncation", Counted)
    generator, other = make(WIDE, seed=1), make(WIDE, seed=2)
    first = sample(generator, n=2, truncation=0.5)
    assert np.array_equal(sample(generator, n=2, truncation=0.5), first) and len(made) == 1
    assert not np.array_equal(sample(other, n=2, truncation=0.5), first) and len(made) == 2
    known = len(sampling._truncations)
    del generator
    gc.collect()
    assert len(sampling._truncations) == known - 1


def test_many_pictures_are_drawn_in_parts_each_with_its_own(generator):
    psi = torch.linspace(0, 1.5, 70)
    z = latents(WIDE, range(70))
    together = generate(generator, z, truncation=psi)
    for i in (0, 63, 64, 69):
        alone = generate(generator, z[i : i + 1], truncation=float(psi[i]))
        assert np.abs(together[i].astype(int) - alone[0]).max() <= 1


@pytest.mark.parametrize("psi", [-0.1, 2.1, math.nan, [1.0, 3.0]])
def test_what_is_out_of_range_is_said(generator, psi):
    with pytest.raises(ValueError, match="expected a number from 0 to 2"):
        generate(generator, torch.zeros(2, 6), truncation=psi)
