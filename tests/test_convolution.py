"""Convolutions as strips against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan import convolution
from gan.machine import multiplies_tiles
from gan.models import Discriminator, Generator
from gan.presets import PRESETS, get_preset


def layers_and_inputs(preset, batch):
    """Each convolution of both networks with an input of the size that it gets."""
    config = get_preset(preset).replace(base_channels=2, d_norm="none")
    found = []

    def remember(layer, inputs):
        found.append((layer, inputs[0].detach()))

    networks = (Generator(config), Discriminator(config))
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, (convolution.Conv2d, convolution.ConvTranspose2d)):
                layer.register_forward_pre_hook(remember)
    generator, discriminator = (network.double().eval() for network in networks)
    with torch.no_grad():
        discriminator(generator(torch.randn(batch, config.z_dim, dtype=torch.float64)))
    return list(found)  # a copy: the hooks go on


def run(layer, x, way, monkeypatch):
    """The output and the gradients for the input, the weights and the bias, one way or the other."""
    monkeypatch.setattr(convolution, "_pays", lambda layer, x, width: way == "strip" and width <= 16)
    layer.train().zero_grad()
    x = x.clone().requires_grad_()
    out = layer(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_strip_gives_what_the_plain_convolution_gives(preset, monkeypatch):
    torch.manual_seed(0)
    found = layers_and_inputs(preset, batch=3)
    assert len(found) == len(get_preset(preset).g_strides) + len(get_preset(preset).d_strides)
    for layer, x in found:
        plain, strip = (run(layer, x, way, monkeypatch) for way in ("plain", "strip"))
        for wanted, given in zip(plain, strip, strict=True):
            torch.testing.assert_close(given, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kernel, stride, padding, extra", [(3, 1, 1, 0), (3, 2, 1, 1), (4, 2, 0, 0), (5, 2, 1, 0)])
@pytest.mark.parametrize("height, width", [(4, 4), (5, 7), (8, 6)])
def test_other_kernels_and_maps_that_are_not_square(kernel, stride, padding, extra, height, width, monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(3, 2, height, width, dtype=torch.float64)
    for layer in (
        convolution.Conv2d(2, 4, kernel, stride, padding, dtype=torch.float64),
        convolution.ConvTranspose2d(2, 4, kernel, stride, padding, output_padding=extra, dtype=torch.float64),
    ):
        plain, strip = (run(layer, x, way, monkeypatch) for way in ("plain", "strip"))
        for wanted, given in zip(plain, strip, strict=True):
            torch.testing.assert_close(given, wanted, rtol=1e-9, atol=1e-9)


def test_the_second_derivative_is_the_plain_one(monkeypatch):
    torch.manual_seed(0)
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    layer = convolution.Conv2d(2, 4, 4, 2, 1, dtype=torch.float64)
    gradients = []
    for way in ("plain", "strip"):
        monkeypatch.setattr(convolution, "_pays", lambda *_, way=way: way == "strip")
        layer.zero_grad()
        images = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(images).square().sum(), images, create_graph=True)
        slope.square().sum().backward()
        gradients.append(layer.weight.grad.clone())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-9)


def test_strips_are_laid_only_where_they_pay(monkeypatch):
    laid = []
    monkeypatch.setattr(convolution, "multiplies_tiles", lambda device: True)
    monkeypatch.setattr(
        convolution, "_to_strip", lambda x, *a, to_strip=convolution._to_strip: laid.append(1) or to_strip(x, *a)
    )

    def count(x, bf16, training=True):
        laid.clear()
        channels = x.shape[1]
        layer = nn.Sequential(
            convolution.Conv2d(channels, 64, 4, 2, 1), convolution.ConvTranspose2d(64, channels, 4, 2, 1)
        ).train(training)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            layer(x)
        return len(laid)

    small, wide = torch.randn(2, 64, 8, 8), torch.randn(2, 64, 32, 32)
    assert count(small, bf16=True) == 2
    assert count(small, bf16=False) == 0  # in float32 it is no faster
    assert count(small, bf16=True, training=False) == 0  # what is drawn or exported is the plain network
    assert count(wide, bf16=True) == 0
    assert count(small[:, :32], bf16=True) == 0
    assert count(small[:1], bf16=True) == 0  # nothing to lay beside it
    monkeypatch.setattr(convolution, "multiplies_tiles", lambda device: False)
    assert count(small, bf16=True) == 0


def test_the_output_is_channels_last_as_the_plain_one_is(monkeypatch):
    monkeypatch.setattr(convolution, "_pays", lambda *_: True)
    layer = nn.Sequential(convolution.Conv2d(2, 4, 4, 2, 1), convolution.ConvTranspose2d(4, 2, 4, 2, 1))
    layer.to(memory_format=torch.channels_last)
    x = torch.randn(3, 2, 8, 8).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer[0](x).is_contiguous(memory_format=torch.channels_last)
        assert layer(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not multiplies_tiles(torch.device("cpu")), reason="this processor has no AMX: no strips are laid")
@pytest.mark.parametrize("batch", [16, 32])
def test_gradients_are_numbers_whatever_lay_in_memory_before(batch):
    """oneDNN's weight gradient reads one column beyond a strip whose width does not fit the kernel and the stride."""
    for layer, size in ((convolution.Conv2d(128, 256, 5, 2, 2), 7), (convolution.Conv2d(64, 128, 5, 2, 2), 14)):
        layer.to(memory_format=torch.channels_last)
        for _ in range(6):
            x = torch.randn(batch, layer.in_channels, size, size).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                out = layer(x)
            for power in range(6, 23):  # leave NaN behind in freed memory of every size
                torch.full((2**power,), torch.nan, dtype=torch.bfloat16)
                torch.full((3 * 2**power // 2,), torch.nan, dtype=torch.bfloat16)
            layer.zero_grad()
            out.float().sum().backward()
            assert layer.weight.grad.isfinite().all()
