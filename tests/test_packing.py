"""Weights laid out once: the same pictures and marks, also of copies, and gradients as before."""

from __future__ import annotations

import copy
import platform
import types

import pytest
import torch
from torch import nn

from gan import packing
from gan.models import Discriminator, Generator, fold
from gan.packing import PackedConv2d, PackedConvTranspose2d, pack
from gan.presets import PRESETS
from gan.sampling import generate, latents

needs_operations = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available(),
    reason="only x86 processors pack",
)


def networks(name: str) -> tuple[Generator, Discriminator, torch.Tensor]:
    """A preset's networks an eighth as wide, folded, and five latents."""
    config = PRESETS[name].replace(base_channels=max(1, PRESETS[name].base_channels // 8))
    torch.manual_seed(0)
    generator, critic = Generator(config).eval(), Discriminator(config).eval()
    return fold(generator), fold(critic), latents(config, range(5))


def convolutions(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]


def is_packed(network: nn.Module) -> bool:
    return all(isinstance(layer, (PackedConv2d, PackedConvTranspose2d)) for layer in convolutions(network))


@needs_operations
@pytest.mark.parametrize("name", PRESETS)
def test_packed_networks_give_the_same(name):
    generator, critic, z = networks(name)
    with torch.inference_mode():
        pictures = generator(z)
        marks = critic(pictures)
        for network, given in ((generator, z), (critic, pictures)):
            assert pack(network, given[:1]) is network and is_packed(network)
        for few in (1, 2, 5):  # the layout was chosen for one
            torch.testing.assert_close(generator(z[:few]), pictures[:few], rtol=1e-4, atol=1e-5)
            if not critic.minibatch_stddev:
                torch.testing.assert_close(critic(pictures[:few]), marks[:few], rtol=1e-4, atol=1e-5)


@needs_operations
def test_a_packed_layer_uses_what_was_laid_out():
    generator, _, z = networks("faces64")
    pack(generator, z[:1])
    wanted = generate(generator, z)
    for layer in convolutions(generator):
        layer.weight.zero_()
    assert (generate(generator, z) == wanted).all()


@needs_operations
def test_gradients_go_through_as_before():
    generator, _, z = networks("faces64")
    z.requires_grad_()
    wanted = torch.autograd.grad(generator(z).sum(), z)[0]
    pack(generator, z[:1].detach())
    torch.testing.assert_close(torch.autograd.grad(generator(z).sum(), z)[0], wanted)


@needs_operations
def test_a_copy_lays_out_its_own():
    generator, _, z = networks("faces128")
    wanted = generate(generator, z)
    another = fold(pack(generator, z[:1]))
    with torch.no_grad():
        for layer in convolutions(generator):
            layer.weight.zero_()
    assert abs(generate(another, z).astype(int) - wanted).max() <= 1


@needs_operations
def test_truncated_pictures_are_the_same():
    generator, _, z = networks("dcgan64")
    packed = pack(copy.deepcopy(generator), z[:1])
    assert abs(generate(packed, z, truncation=0.5).astype(int) - generate(generator, z, truncation=0.5)).max() <= 1


def _others(x, *rest):
    return torch.zeros(len(x), 48, 32, 32)


def _none(*rest):
    raise NotImplementedError("no such operation")


@pytest.mark.parametrize("operation", [_others, _none])
def test_without_these_operations_or_with_others_nothing_changes(monkeypatch, operation):
    generator, _, z = networks("faces64")
    wanted, kinds = generate(generator, z), [type(layer) for layer in convolutions(generator)]
    monkeypatch.setattr(packing, "torch", types.SimpleNamespace(**vars(torch) | {"ops": _Operations(operation)}))
    pack(generator, z[:1])
    assert [type(layer) for layer in convolutions(generator)] == kinds
    assert (generate(generator, z) == wanted).all()


class _Operations:
    """torch.ops where all are one."""

    def __init__(self, operation):
        self.mkldnn = types.SimpleNamespace(
            _reorder_convolution_weight=lambda weight, *_: weight,
            _reorder_convolution_transpose_weight=lambda weight, *_: weight,
            _convolution_pointwise=operation,
            _convolution_transpose_pointwise=operation,
        )
