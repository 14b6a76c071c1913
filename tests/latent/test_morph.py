"""Films through latent vectors and sums of them: where they pass, how fast, and how long they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from gan.latent.morph import NEIGHBOUR_NOISE, arithmetic, average, enlarged, interpolate, neighbours, typical_length
from gan.sampling import seed_to_z, slerp


def normal(*seeds: int, z_dim: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.stack([seed_to_z(seed, z_dim) for seed in seeds]))


def steps(film: torch.Tensor) -> torch.Tensor:
    return film.diff(dim=0).norm(dim=1)


def places(film: torch.Tensor, zs: torch.Tensor) -> list[int]:
    """Which frame each of zs is, exactly."""
    return [int((film == z).all(dim=1).nonzero()[0]) for z in zs]


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("n", [2, 4, 8])
def test_a_film_meets_every_latent_vector_in_order(n, loop):
    zs = normal(*range(n))
    film = interpolate(zs, 60, loop=loop)
    assert film.shape == (60, 64) and film.dtype == torch.float32
    met = places(film, zs)
    assert met == sorted(met) and met[0] == 0
    assert torch.equal(film[-1], zs[-1]) == (not loop)


def test_a_loop_has_no_seam():
    zs = normal(1, 2, 3)
    film = interpolate(zs, 30)
    around = torch.cat([film, film[:1]])
    assert steps(around).min() > 0.5 * steps(around).max()  # neither a frame twice nor a jump
    last = places(film, zs)[2]
    way_home = interpolate(zs[[2, 0]], 31 - last, loop=False)
    torch.testing.assert_close(film[last:], way_home[:-1], atol=1e-5, rtol=0)


def test_back_and_forth_returns_the_way_it_came_and_shows_the_turning_points_once():
    zs = normal(1, 2, 3)
    film = interpolate(zs, 40, back_and_forth=True)
    assert torch.equal(film[20], zs[2])
    torch.testing.assert_close(film[21:], film[1:20].flip(0), atol=1e-5, rtol=0)
    assert torch.equal(film, interpolate(zs, 40, loop=False, back_and_forth=True))


def test_the_speed_is_constant_also_where_the_length_changes():
    zs = torch.stack([normal(1)[0], 4 * normal(2)[0]])
    there = steps(interpolate(zs, 21, loop=False))
    assert there.max() / there.min() < 1.01
    plain = steps(slerp(zs[:1], zs[1:], torch.linspace(0, 1, 21)[:, None]))
    assert plain.max() / plain.min() > 1.5  # which is what the test would see without


def test_frames_are_shared_out_by_how_far_it_is():
    near, far = normal(1), normal(2)
    close = slerp(near, far, 0.2)
    film = interpolate(torch.cat([near, close, far]), 51, loop=False)
    assert places(film, torch.cat([near, close, far])) == [0, 10, 50]


@pytest.mark.parametrize("lengths", [(1, 1, 1), (5, 1, 0.1), (3, 2, 0)])
def test_no_other_sharing_has_a_shorter_longest_step(lengths):
    a, b = normal(1), normal(2)
    ends = torch.cat([a, a, b, b])
    ends[1:] = a + torch.cumsum(torch.tensor(lengths, dtype=torch.float32), 0)[:, None] * (b / b.norm())
    film = interpolate(ends, 10, loop=False)
    legs = [float(interpolate(ends[i : i + 2], 200, loop=False).diff(dim=0).norm(dim=1).sum()) for i in range(3)]
    shares = [c for c in itertools.product(range(1, 8), repeat=3) if sum(c) == 9]
    best = min(max(leg / count for leg, count in zip(legs, share, strict=True)) for share in shares)
    assert float(steps(film).max()) == pytest.approx(best, rel=0.01, abs=1e-6)


def test_a_film_stays_on_the_sphere():
    zs = normal(1, 2, 3)
    zs = zs / zs.norm(dim=1, keepdim=True) * 8
    torch.testing.assert_close(interpolate(zs, 33).norm(dim=1), torch.full((33,), 8.0))


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_parallel_and_opposite_and_equal_vectors_make_a_film_too(factor):
    a = normal(1)
    film = interpolate(torch.cat([a, factor * a]), 12, loop=False)
    assert film.isfinite().all()
    expected = a * torch.linspace(1, factor, 12)[:, None]
    torch.testing.assert_close(film, expected, atol=1e-4, rtol=0)


def test_equal_faces_share_the_frames_alike():
    film = interpolate(normal(1).expand(3, -1), 9)
    assert film.shape == (9, 64)
    assert len(interpolate(torch.cat([normal(1), normal(1), normal(2)]), 20)) == 20


@pytest.mark.parametrize(
    ("shape", "frames", "options", "sentence"),
    [
        ((1, 8), 10, {}, "zs of shape .1, 8.: expected .N, z_dim. with N at least 2"),
        ((8,), 10, {}, "zs of shape"),
        ((3, 8), 2, {}, "frames=2: expected at least 3 for a film through 3"),
        ((3, 8), 2, {"loop": False}, "frames=2: expected at least 3"),
        ((3, 8), 3, {"back_and_forth": True}, "frames=3: expected at least 4"),
    ],
)
def test_a_film_that_cannot_be_is_refused_in_words(shape, frames, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        interpolate(torch.randn(shape), frames, **options)


def test_the_fewest_frames_are_the_faces_themselves():
    zs = normal(1, 2, 3)
    assert torch.equal(interpolate(zs, 3), zs)
    assert torch.equal(interpolate(zs, 3, loop=False), zs)
    assert torch.equal(interpolate(zs, 4, back_and_forth=True), zs[[0, 1, 2, 1]])


# ---- arithmetic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_arithmetic_is_the_sum_of_averages_at_the_length_of_latent_vectors(distribution):
    z_dim = 100
    zs = [torch.from_numpy(np.stack([seed_to_z(s, z_dim, distribution) for s in range(k, k + 3)])) for k in (0, 3, 6)]
    length = np.mean([np.linalg.norm(seed_to_z(s, z_dim, distribution).astype(np.float64)) for s in range(200)])
    assert typical_length(z_dim, distribution) == pytest.approx(length, rel=0.02)

    def on_sphere(vector: np.ndarray) -> np.ndarray:
        return vector / np.linalg.norm(vector) * typical_length(z_dim, distribution)

    a, b, c = (on_sphere(z.double().numpy().mean(axis=0)) for z in zs)
    result = arithmetic(*zs, distribution)
    assert result.shape == (1, z_dim)
    np.testing.assert_allclose(result[0].numpy(), on_sphere(a - b + c), atol=1e-5)
    np.testing.assert_allclose(average(zs[1], distribution)[0].numpy(), b, atol=1e-5)


def test_taking_away_what_was_put_in_leaves_the_rest():
    a, b = normal(1, 2, 3), normal(4, 5, 6)
    torch.testing.assert_close(arithmetic(a, b, b), average(a))
    torch.testing.assert_close(arithmetic(a, a, b), average(b))


def test_sums_that_cannot_be_are_refused_in_words():
    a = normal(1)
    with pytest.raises(ValueError, match="add up to zero, which has no direction: choose other faces"):
        average(torch.cat([a, -a]))
    with pytest.raises(ValueError, match=r"expected \(N, z_dim\) with N at least 1"):
        arithmetic(a, a[:0], a)
    with pytest.raises(ValueError, match="latent vectors of 64, 64 and 8 numbers: expected one z_dim"):
        arithmetic(a, a, normal(1, z_dim=8))


def test_neighbours_are_uniform_noise_around_and_always_the_same():
    z = normal(1, z_dim=512)
    near = neighbours(z)
    noise = (near - z).numpy()
    assert near.shape == (8, 512) and torch.equal(near, neighbours(z))
    assert np.abs(noise).max() <= NEIGHBOUR_NOISE and noise.std() == pytest.approx(NEIGHBOUR_NOISE / 3**0.5, rel=0.05)
    assert np.abs(np.corrcoef(noise) - np.eye(8)).max() < 0.2


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_enlarging_is_lanczos_and_lazy(channels, mode):
    images = np.random.default_rng(0).integers(0, 256, (3, 7, 7, channels), np.uint8)
    pictures = enlarged(images, 20)
    first = next(pictures)
    assert first.mode == mode and first.size == (20, 20)
    expected = Image.fromarray(images[0].squeeze()).resize((20, 20), Image.Resampling.LANCZOS)
    assert first.tobytes() == expected.tobytes()
    assert len(list(pictures)) == 2
