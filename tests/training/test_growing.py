"""A model grown to twice the size: what it draws and judges at first, how it learns, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import assert_same_run, go, signal_on_step
from torch.nn import functional

from gan import load_generator, run, sample
from gan.blocks import GrownInput, GrownPicture
from gan.config import ConfigError, GANConfig
from gan.data.drawn import draw_faces
from gan.history import read_history, samples
from gan.models import Discriminator, Generator, fold, grown_parameters, initialise
from gan.presets import PRESETS
from gan.sampling import generate, latents
from gan.training.loop import Limits, load_start
from gan.training.step import Trainer


@pytest.fixture(scope="module", params=["plain", "all options"])
def small(request, tiny_config) -> GANConfig:
    """What is grown: plain, or with everything that stands around the grown levels."""
    if request.param == "plain":
        return tiny_config
    return tiny_config.replace(
        g_residual=True, g_modulated=True, g_bias=True, g_dropout=0.2, d_norm="spectral", d_bias=True, d_dropout=0.2
    )


@pytest.fixture(scope="module")
def large_pictures() -> np.ndarray:
    """(44, 32, 32, 3) uint8."""
    return draw_faces(44, 32, 3)[0]


@pytest.fixture(scope="module")
def grown_config(tiny_run) -> GANConfig:
    return run.read_info(tiny_run).config.grown().replace(epochs=4, d_lead_steps=3, lr_decay_start=0.5)


@pytest.fixture(scope="module")
def grown_run(tiny_run, grown_config, large_pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "grown"
    assert go(grown_config, large_pictures, out, start_from=tiny_run, sample_every=3).reason == "finished"
    return out


def begun(network, seed=0):
    """The network with random weights, in eval mode, its batch norms with statistics of their own."""
    torch.manual_seed(seed)
    initialise(network)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def enlarged(images):
    """What a grown generator draws at first: the picture before tanh, twice the size."""
    return functional.interpolate(images.double().atanh(), scale_factor=2, mode="bilinear").tanh().float()


@pytest.mark.parametrize("times", [1, 2])
def test_it_draws_what_it_drew_enlarged(small, times):
    before, config = begun(Generator(small)), small
    z = torch.randn(3, small.z_dim)
    expected = before(z)
    for _ in range(times):
        config, expected = config.grown(), enlarged(expected)
    after = begun(Generator(config), seed=1)
    after.load_state_dict(before.state_dict())
    assert (config.image_size, len(config.grown_channels)) == (small.image_size * 2**times, times)
    assert after(z).shape == (3, 3, config.image_size, config.image_size)
    torch.testing.assert_close(after(z), expected, rtol=0, atol=1e-4)


def test_a_grown_one_is_grown_again_with_what_it_has_learned(small):
    once, twice = begun(Generator(small.grown())), begun(Generator(small.grown().grown()), seed=1)
    torch.nn.init.normal_(once.layers[-2].levels[0].picture[-1].weight)
    twice.load_state_dict(once.state_dict())
    z = torch.randn(3, small.z_dim)
    torch.testing.assert_close(twice(z), enlarged(once(z)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("times", [1, 2])
def test_the_critic_judges_the_reduced_picture_and_what_the_levels_add(small, times):
    before, config = begun(Discriminator(small)), small
    for _ in range(times):
        config = config.grown()
    after = begun(Discriminator(config), seed=1)
    after.load_state_dict(before.state_dict())
    images = torch.rand(4, 3, config.image_size, config.image_size) * 2 - 1
    reduced = functional.avg_pool2d(images, 2**times)
    entrance = after.layers[0]
    assert isinstance(entrance, GrownInput) and all((level.gain == 0.05).all() for level in entrance.levels)
    assert not torch.equal(after(images), before(reduced))  # it does look at what only they see
    for level in entrance.levels:
        torch.nn.init.zeros_(level.gain)
    torch.testing.assert_close(after(images), before(reduced))


def test_levels_worked_out_by_hand(small):
    """Both of `GrownInput`'s: the finer one adds to what the coarser one sees."""
    entrance = begun(Discriminator(small.grown().grown())).layers[0]
    coarse, fine = entrance.levels
    x = torch.rand(2, 3, 64, 64)
    act = lambda x: functional.leaky_relu(x, small.d_leaky_slope)  # noqa: E731
    seen = coarse.see(functional.avg_pool2d(x, 2)) + 0.05 * fine.add(act(fine.see(x)))
    torch.testing.assert_close(entrance(x), entrance.base(functional.avg_pool2d(x, 4)) + 0.05 * coarse.add(act(seen)))


def test_folding_changes_nothing(small):
    generator, discriminator = begun(Generator(small.grown())), begun(Discriminator(small.grown()))
    torch.nn.init.normal_(generator.layers[-2].levels[0].picture[-1].weight)
    z = torch.randn(3, small.z_dim)
    images = generator(z)
    torch.testing.assert_close(fold(generator)(z), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(fold(fold(generator))(z), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(fold(discriminator)(images), discriminator(images), rtol=1e-4, atol=1e-5)


def test_a_truncated_picture_is_the_enlarged_truncated_one(small):
    before, after = begun(Generator(small)), begun(Generator(small.grown()), seed=1)
    after.load_state_dict(before.state_dict())
    z = latents(small, range(4))
    for psi in (0.0, 0.7, 1.0):
        expected = enlarged(torch.from_numpy(generate(before, z, truncation=psi)).permute(0, 3, 1, 2) / 127.5 - 1)
        got = torch.from_numpy(generate(after, z, truncation=psi)).permute(0, 3, 1, 2) / 127.5 - 1
        torch.testing.assert_close(got, expected.clamp(-1, 1), rtol=0, atol=0.02)


def test_the_levels_below_learn_at_their_own_rates(tiny_config):
    config = tiny_config.grown().replace(g_lr=4e-4, g_base_lr=1e-4, d_lr=3e-4, d_base_lr=0.0, lr_decay_start=0.5)
    trainer = Trainer(config, torch.device("cpu"))
    real = torch.rand(8, 3, 32, 32)
    for progress, factor in ((0.0, 1.0), (0.75, 0.5)):
        trainer.step(real, 200, progress)
        for network, optimizer, rates in (
            (trainer.generator, trainer.g_optimizer, (4e-4, 1e-4)),
            (trainer.discriminator, trainer.d_optimizer, (3e-4, 3e-4)),  # 0 is d_lr
        ):
            levels, below = grown_parameters(network)
            assert levels and below and len(levels) + len(below) == len(list(network.parameters()))
            for group, members, rate in zip(optimizer.param_groups, (levels, below), rates, strict=True):
                assert group["lr"] == pytest.approx(rate * factor)
                assert {*map(id, group["params"])} == {*map(id, members)}


def test_at_first_the_critic_learns_alone(tiny_config):
    trainer = Trainer(tiny_config.grown().replace(d_lead_steps=2, ema_half_life_images=50), torch.device("cpu"))
    copies = lambda network: [p.clone() for p in network.parameters()]  # noqa: E731
    changed = lambda network, before: any(map(lambda p, q: not p.equal(q), network.parameters(), before))  # noqa: E731
    networks = (trainer.generator, trainer.ema, trainer.discriminator)
    for step, expected in enumerate([(False, False, True), (False, False, True), (True, True, True)]):
        before = [copies(network) for network in networks]
        stats, _ = trainer.step(torch.rand(8, 3, 32, 32), step, 0.0)
        assert stats.isfinite().all()
        assert tuple(map(changed, networks, before)) == expected


def test_a_run_begins_with_the_enlarged_pictures_and_another_story(tiny_run, grown_run):
    with Image.open(samples(grown_run)[0]) as sheet:
        first = np.asarray(sheet.convert("RGB"))[:32, :32].astype(int)
    small = torch.from_numpy(sample(load_generator(tiny_run), seed=0, n=1)).permute(0, 3, 1, 2) / 127.5 - 1
    expected = ((enlarged(small.clamp(-0.999, 0.999))[0].permute(1, 2, 0).numpy() + 1) * 127.5).round()
    assert abs(first - expected).mean() < 12  # a lossy sheet, and batch-norm statistics measured anew
    start = run.read_info(grown_run).start
    assert (start.model, start.continued) == ("tiny", False)
    assert read_history(grown_run)[0]["images_seen"] == 0


def test_the_same_pictures_in_another_size_do_not_go_on_with_its_replay(tiny_run, grown_config, tmp_path):
    info = run.read_info(tiny_run)
    start = load_start(Trainer(grown_config, torch.device("cpu")), tiny_run, tmp_path, info.data)
    assert not start.continued


def test_an_interrupted_one_goes_on_bit_for_bit(
    tiny_run, grown_config, grown_run, large_pictures, tmp_path, monkeypatch
):
    out = tmp_path / "parts"
    for stop in (1, 6):  # in the critic's lead, and after it
        signal_on_step(monkeypatch, stop)
        first = dict(start_from=tiny_run) if stop == 1 else dict(resume=True)
        assert go(grown_config, large_pictures, out, sample_every=3, **first).reason == "interrupted"
        monkeypatch.undo()
    assert go(grown_config, large_pictures, out, resume=True, sample_every=3).reason == "finished"
    assert_same_run(grown_run, out)


def test_what_it_learns_is_in_the_new_levels_too(grown_run):
    generator = load_generator(grown_run)
    level = generator.layers[-2].levels[0]
    assert isinstance(generator.layers[-2], GrownPicture) and level.picture[-1].weight.any()


def test_a_training_from_it_on_its_own_pictures_continues(grown_run, large_pictures, tmp_path):
    config = run.read_info(grown_run).config.replace(epochs=1)
    go(config, large_pictures, tmp_path / "more", start_from=grown_run, limits=Limits(1))
    assert run.read_info(tmp_path / "more").start.continued


def test_the_preset_is_faces64_grown():
    small, large = PRESETS["faces64"], PRESETS["faces128"]
    assert (large.image_size, large.base_size, large.grown_channels) == (128, 64, (24,))
    before, after = Generator(small), Generator(large)
    after.load_state_dict(before.state_dict())
    Discriminator(large).load_state_dict(Discriminator(small).state_dict())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(grown_channels=(8,), image_size=66), "kernel_size"),
        (dict(grown_channels=(8, 8, 8)), "grown levels"),
        (dict(grown_channels=(0,)), "positive whole numbers"),
        (dict(grown_channels=(1,) * 5, image_size=1024), "at most 4"),
        (dict(g_base_lr=-1.0), "g_base_lr"),
        (dict(d_lead_steps=-1), "d_lead_steps"),
    ],
)
def test_what_cannot_be_is_refused(tiny_config, changes, words):
    with pytest.raises(ConfigError, match=words):
        tiny_config.replace(**changes)
