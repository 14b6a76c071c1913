"""Further convolutions in a trained generator: they begin at nothing, learn, and are read with what came before."""

from __future__ import annotations

import pytest
import torch
from test_truncation import make
from tiny_runs import go
from torch.nn import functional

import train as command
from gan import load_generator, run, sample
from gan.blocks import ResidualConvolution
from gan.config import ConfigError, GANConfig
from gan.history import snapshots
from gan.models import Generator, count_parameters, fold, initialise
from gan.training.loop import Limits


@pytest.fixture(scope="module", params=["plain", "modulated, grown"])
def shallow(request, tiny_config) -> GANConfig:
    config = tiny_config.replace(g_residual=True)
    return config if request.param == "plain" else config.replace(g_modulated=True, g_leaky_slope=0.2).grown()


@pytest.fixture(scope="module")
def shallow_run(tiny_config, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "shallow"
    go(tiny_config.replace(g_residual=True, epochs=2), pictures, out)
    return out


def further(generator):
    return [module for module in generator.modules() if isinstance(module, ResidualConvolution)]


def test_a_deeper_model_draws_what_it_drew(shallow):
    before = make(shallow)
    z = torch.randn(3, shallow.z_dim)
    for number in (1, 2):
        config = shallow.replace(g_extra_convolutions=number)
        random, begun = Generator(config).eval(), Generator(config).eval()
        initialise(begun)
        for after in (random, begun):
            after.load_state_dict(before.state_dict())
            assert torch.equal(after(z), before(z))
        upsamplings = len(shallow.g_strides) - 1 + len(shallow.grown_channels)
        assert len(further(begun)) == number * upsamplings


def test_one_worked_out_by_hand(shallow):
    """At the size and width of what it follows; what comes in is added to what it makes of it."""
    generator = make(shallow.replace(g_extra_convolutions=1))
    for module in further(generator):
        norm, *_, convolution = module.block
        x, z = torch.randn(2, convolution.in_channels, 5, 5), torch.randn(2, shallow.z_dim)
        active = functional.leaky_relu(norm(x, z) if shallow.g_modulated else norm(x), shallow.g_leaky_slope)
        expected = x + functional.conv2d(active, convolution.weight, padding=1)
        torch.testing.assert_close(module(x, z), expected)
        assert (expected - x).abs().mean() > 0.1


def test_every_one_matters_and_folding_keeps_the_pictures(shallow):
    config = shallow.replace(g_extra_convolutions=2)
    generator, z = make(config), torch.randn(3, config.z_dim)
    drawn, folded = generator(z), fold(generator)
    torch.testing.assert_close(folded(z), drawn, rtol=1e-4, atol=1e-4)
    for module in further(generator):
        weight = module.block[-1].weight.clone()
        module.begin()
        assert not torch.allclose(generator(z), drawn, atol=1e-4)
        module.block[-1].weight.copy_(weight)
    assert count_parameters(generator) > count_parameters(Generator(shallow))


def test_the_command_deepens_a_model_that_learns_on(shallow_run, tmp_path):
    """All its own: what it draws at first, further layers that learn, snapshots of before, weights that are read."""
    out = tmp_path / "deeper"
    arguments = [f"--start-from={shallow_run}", "--data=drawn:64", "--set=g_extra_convolutions=1", f"--out={out}"]
    assert command.main([*arguments, "--epochs=1", "--device=cpu"]) == 0
    config = run.read_info(out).config
    assert config.g_extra_convolutions == 1
    learned = further(load_generator(out))
    assert learned and all((module.block[-1].weight != 0).any() for module in learned)
    first = min(snapshots(out))
    old, new = (sample(load_generator(folder, snapshot=first), seed=0, n=4) for folder in (shallow_run, out))
    assert abs(old.astype(int) - new).max() <= 1


def test_the_first_step_changes_little(shallow_run, pictures, tmp_path):
    config = run.read_info(shallow_run).config.replace(g_extra_convolutions=1, g_lr=1e-6, d_lr=1e-6)
    go(config, pictures, tmp_path / "more", start_from=shallow_run, limits=Limits(1))
    before, after = (
        sample(load_generator(folder), seed=0, n=8).astype(int) for folder in (shallow_run, tmp_path / "more")
    )
    assert abs(before - after).mean() < 2


def test_what_it_needs_is_said(tiny_config):
    with pytest.raises(ConfigError, match="g_extra_convolutions=1: expected 0 without g_residual"):
        tiny_config.replace(g_extra_convolutions=1)
    with pytest.raises(ConfigError, match="g_extra_convolutions=9: expected 0 to 8"):
        tiny_config.replace(g_residual=True, g_extra_convolutions=9)
