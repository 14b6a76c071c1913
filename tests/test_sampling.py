"""Seeds that name the same latent everywhere, interpolation on the sphere, and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gan.config import ConfigError, GANConfig
from gan.models import Generator
from gan.sampling import (
    _philox_rounds,
    even_latents,
    generate,
    image_grid,
    latents,
    philox4x32,
    sample,
    seed_to_z,
    slerp,
    to_uint8,
)

VECTORS = json.loads((Path(__file__).parent / "seed_vectors.json").read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Random123's own known-answer vectors; the third is the digits of pi
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    counters = np.array([[word] for word in counter], dtype=np.uint64)
    assert tuple(_philox_rounds(counters, key, np.uint64(0xFFFFFFFF))[:, 0]) == expected


def test_philox_counts_in_its_first_word():
    blocks = philox4x32((0, 0), 3)
    assert blocks.shape == (3, 4) and blocks.dtype == np.uint32
    assert tuple(blocks[0]) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    for i in range(3):
        counter = np.array([[i], [0], [0], [0]], dtype=np.uint64)
        assert np.array_equal(blocks[i], _philox_rounds(counter, (0, 0), np.uint64(0xFFFFFFFF))[:, 0])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"seed{v['seed']}")
def test_committed_seed_vectors(vector):
    assert philox4x32((vector["seed"], 0), 1)[0].tolist() == vector["words"]
    for distribution in ("uniform", "normal"):
        z = seed_to_z(vector["seed"], 6, distribution)
        assert z.dtype == np.float32
        np.testing.assert_array_max_ulp(z, np.array(vector[distribution], np.float32), maxulp=1)


def test_a_shorter_latent_is_the_beginning_of_a_longer_one():
    for distribution in ("uniform", "normal"):
        long = seed_to_z(3, 101, distribution)
        assert len(long) == 101
        for length in (1, 2, 3, 4, 5, 64, 100):
            assert np.array_equal(seed_to_z(3, length, distribution), long[:length])


def test_normal_latents_are_standard_normal():
    z = np.concatenate([seed_to_z(seed, 128) for seed in range(1000)]).astype(np.float64)
    n = len(z)
    assert abs(z.mean()) < 4 / n**0.5
    assert abs(z.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5  # kurtosis
    for limit, share in ((1, 0.6826895), (2, 0.9544997)):
        assert abs((abs(z) < limit).mean() - share) < 4 * (share * (1 - share) / n) ** 0.5
    pairs = z.reshape(1000, 64, 2)  # both halves of Box-Muller, and neighbouring seeds, are independent
    for product in (pairs[..., 0] * pairs[..., 1], pairs[1:] * pairs[:-1]):
        assert abs(product.mean()) < 4 / product.size**0.5


def test_uniform_latents_fill_the_interval():
    z = np.concatenate([seed_to_z(seed, 128, "uniform") for seed in range(1000)]).astype(np.float64)
    assert z.min() >= -1 and z.max() <= 1
    counts = np.histogram(z, bins=16, range=(-1, 1))[0]
    chi2 = ((counts - len(z) / 16) ** 2 / (len(z) / 16)).sum()
    assert chi2 < 37.7  # 15 degrees of freedom: one run in a thousand


def test_seeds_out_of_range_are_refused():
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=rf"seed {seed}: expected a whole number from 0 to 4294967295"):
            seed_to_z(seed, 4)
    assert np.isfinite(seed_to_z(2**32 - 1, 1000)).all()


def test_latents_follow_the_config(tiny_config):
    for distribution in ("normal", "uniform"):
        z = latents(tiny_config.replace(z_distribution=distribution), [5, 0])
        assert z.shape == (2, 8) and z.dtype == torch.float32
        assert np.array_equal(z[0].numpy(), seed_to_z(5, 8, distribution))
        assert np.array_equal(z[1].numpy(), seed_to_z(0, 8, distribution))


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_even_latents_have_one_in_each_of_as_many_equal_shares(distribution):
    config = GANConfig(z_dim=7, z_distribution=distribution)
    torch.manual_seed(5)
    z = even_latents(config, 512)
    assert z.shape == (512, 7) and z.dtype == torch.float32
    shares = (z + 1) / 2 if distribution == "uniform" else torch.special.ndtr(z.double())
    counts = [torch.bincount((column * 512).long(), minlength=512) for column in shares.T]
    assert all((count == 1).all() for count in counts)
    close = torch.corrcoef(z.T) - torch.eye(7)
    assert close.abs().max() < 0.04  # of random ones 0.04 is the standard deviation
    assert z.isfinite().all() and torch.equal(z, even_latents(config, 512))
    assert torch.equal(
        torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(5))
    )  # nothing drawn from it


def test_even_latents_of_the_longest_z_are_finite():
    longest = GANConfig(z_dim=21_201)
    assert even_latents(longest, 2).isfinite().all()
    with pytest.raises(ConfigError, match=r"z_dim=21202: expected at most 21201"):
        longest.replace(z_dim=21_202)


def test_even_latents_of_the_point_0_are_finite(monkeypatch):
    """Scrambling puts it anywhere, once in 2^30 points."""
    draw = lambda self, n, dtype: torch.zeros(n, self.dimension, dtype=dtype)  # noqa: E731
    monkeypatch.setattr(torch.quasirandom.SobolEngine, "draw", draw)
    assert even_latents(GANConfig(z_dim=3), 2).isfinite().all()


def test_slerp_on_the_quarter_circle():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0])
    torch.testing.assert_close(slerp(a, b, 0), a)
    torch.testing.assert_close(slerp(a, b, 1), b)
    torch.testing.assert_close(slerp(a, b, 0.5), torch.tensor([3.0, 3.0]) / 2**0.5)  # 45 degrees, mean length
    third = slerp(a, b, 1 / 3)
    torch.testing.assert_close(third, (2 + 2 / 3) * torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))


def test_slerp_stays_on_the_sphere_where_a_straight_line_cuts_through():
    torch.manual_seed(0)
    a, b = (v / v.norm(dim=-1, keepdim=True) * 10 for v in torch.randn(2, 32, 100))
    t = torch.linspace(0, 1, 32).unsqueeze(1)
    points = slerp(a, b, t)
    torch.testing.assert_close(points.norm(dim=-1), torch.full((32,), 10.0))
    assert torch.lerp(a, b, t).norm(dim=-1).min() < 8
    one_path = slerp(a[:1], b[:1], t)  # in equal steps of angle
    steps = (one_path[1:] - one_path[:-1]).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1].expand(31), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, -2.0])
@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 1.0])
def test_slerp_between_parallel_and_opposite_vectors_is_a_line(factor, t):
    torch.manual_seed(0)
    a = torch.randn(64, 100)  # many, so that the rounding of their angle falls on either side
    b = factor * a
    torch.testing.assert_close(slerp(a, b, t), (1 - t) * a + t * b, rtol=1e-4, atol=1e-3)


def test_slerp_from_and_to_nothing():
    zero, b = torch.zeros(4), torch.tensor([0.0, 3.0, 0.0, 4.0])
    for t in (0.0, 0.5, 1.0):
        assert slerp(zero, b, t).isfinite().all()
        assert not slerp(zero, zero, t).any()
    assert not slerp(zero, b, 0).any()
    torch.testing.assert_close(slerp(zero, b, 1), b)
    torch.testing.assert_close(slerp(b, zero, 0), b)


@pytest.fixture(scope="module")
def generator(tiny_config):
    torch.manual_seed(0)
    return Generator(tiny_config).eval()


def test_sample_gives_uint8_pictures(generator):
    images = sample(generator, seed=7, n=5)
    assert images.shape == (5, 16, 16, 3) and images.dtype == np.uint8
    assert np.array_equal(images, sample(generator, seed=7, n=5))
    assert not np.array_equal(images[0], images[1])


def test_grey_pictures_keep_their_channel(tiny_config):
    grey = Generator(tiny_config.replace(channels=1)).eval()
    assert sample(grey, n=2).shape == (2, 16, 16, 1)


def test_a_seed_draws_the_same_picture_in_any_company(generator):
    together = sample(generator, seed=40, n=70)  # more than one internal batch
    for k in (0, 1, 63, 64, 69):
        alone = sample(generator, seed=40 + k, n=1)[0]
        assert abs(together[k].astype(int) - alone.astype(int)).max() <= 1


def test_sample_truncation_reaches_the_typical_face(generator):
    typical = sample(generator, seed=1, n=3, truncation=0.0)
    assert np.array_equal(typical[0], typical[1]) and np.array_equal(typical[0], typical[2])
    drawn = generate(generator, latents(generator.config, [1, 2, 3]), truncation=0.5)
    assert np.array_equal(sample(generator, seed=1, n=3, truncation=0.5), drawn)
    assert not np.array_equal(sample(generator, seed=1, n=3), drawn)


def test_sample_says_what_is_out_of_range(generator):
    with pytest.raises(ValueError, match="n=0: expected at least 1"):
        sample(generator, n=0)
    with pytest.raises(ValueError, match="seed 4294967296"):
        sample(generator, seed=2**32 - 1, n=2)
    with pytest.raises(ValueError, match="truncation 3"):
        sample(generator, truncation=3)
    with pytest.raises(ValueError, match=r"z of shape \(2, 9\): this generator expects \(N, 8\)"):
        generate(generator, torch.zeros(2, 9))
    with pytest.raises(ValueError, match=r"z of shape \(8,\)"):
        generate(generator, torch.zeros(8))


def test_to_uint8_maps_both_ends_and_the_middle():
    values = torch.tensor([-1.0, 1.0, 0.0, -2.0, 2.0, 1 / 127.5 - 1]).view(6, 1, 1, 1)
    assert to_uint8(values).ravel().tolist() == [0, 255, 128, 0, 255, 1]
    channels_first = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 3, 4)
    assert to_uint8(channels_first).shape == (1, 3, 4, 2)
    assert to_uint8(channels_first)[0, 2, 3].tolist() == [0, 255]


def test_image_grid_goes_row_by_row():
    images = np.stack([np.full((2, 3, 1), i + 1, np.uint8) for i in range(5)])
    grid = image_grid(images, columns=3)
    assert grid.shape == (4, 9, 1)
    expected = np.kron([[1, 2, 3], [4, 5, 0]], np.ones((2, 3)))  # the missing cell is black
    assert np.array_equal(grid[..., 0], expected)


def test_image_grid_keeps_each_picture_upright():
    images = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    grid = image_grid(images, columns=1)
    assert np.array_equal(grid, np.concatenate([images[0], images[1]], axis=0))


def test_config_and_sampling_agree_on_the_largest_seed():
    assert GANConfig(seed=2**32 - 1).seed == 2**32 - 1
    assert seed_to_z(2**32 - 1, 4).shape == (4,)
