"""From a seed to a latent vector to a picture: portable seeds, truncation, interpolation, grids.

A seed names the same z everywhere: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3") counts blocks of four 32-bit words, and Box-Muller in float64 turns them into normal
numbers. It is a few lines in any language and asks nothing of a framework's generator.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gan.config import GANConfig
from gan.models import Generator
from gan.truncation import MOST, Truncation

MAX_SEED = 2**32 - 1
_AVERAGED = 64  # latents behind the typical picture: more take longer, and change it little
_truncations: weakref.WeakKeyDictionary[Generator, Truncation] = weakref.WeakKeyDictionary()


def philox4x32(key: tuple[int | np.ndarray, int], blocks: int) -> np.ndarray:
    """Philox4x32-10 for the counters (0, 0, 0, 0), (1, 0, 0, 0), ...

    Args:
        key: two 32-bit words; the first may be (N,) uint64, of N keys.
        blocks: how many counters, of each key.

    Returns:
        (blocks, 4) uint32, one key after the other.
    """
    low = np.uint64(0xFFFFFFFF)
    first = np.repeat(np.atleast_1d(np.asarray(key[0], np.uint64)), blocks)
    counter = np.zeros((4, len(first)), dtype=np.uint64)
    counter[0] = np.arange(len(first)) % blocks
    return _philox_rounds(counter, (first, key[1]), low).T.astype(np.uint32)


def _philox_rounds(counter: np.ndarray, key: tuple[int | np.ndarray, int], low: np.uint64) -> np.ndarray:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = c0 * np.uint64(0xD2511F53)
        product1 = c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            product1 & low,
            (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            product0 & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def seed_to_z(seed: int, z_dim: int, distribution: str = "normal") -> np.ndarray:
    """(z_dim,) float32: the latent vector that a seed names, see `seeds_to_z`."""
    return seeds_to_z([seed], z_dim, distribution)[0]


def seeds_to_z(seeds: Sequence[int], z_dim: int, distribution: str = "normal") -> np.ndarray:
    """The latent vectors that seeds name, on every machine, torch version and language.

    Word w becomes u = (w + 0.5) / 2^32. "uniform": 2u - 1, in order. "normal": each pair (u1, u2)
    becomes sqrt(-2 ln u1) cos(2 pi u2), sqrt(-2 ln u1) sin(2 pi u2).

    Args:
        seeds: 0 to 2^32 - 1, each a first key word (the second is 0).
        z_dim: length of a vector; a shorter one is the beginning of a longer one.
        distribution: "normal" N(0, 1) or "uniform" on (-1, 1).

    Returns:
        (len(seeds), z_dim) float32.

    Raises:
        ValueError: a seed out of range.
    """
    for seed in seeds:
        if not 0 <= int(seed) <= MAX_SEED:
            raise ValueError(f"seed {seed}: expected a whole number from 0 to {MAX_SEED}")
    keys = np.array([int(seed) for seed in seeds], np.uint64)
    u = (philox4x32((keys, 0), -(-z_dim // 4)).astype(np.float64).ravel() + 0.5) / 2.0**32
    if distribution == "uniform":
        z = 2 * u - 1
    else:
        radius, angle = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
        z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return z.reshape(len(keys), -1)[:, :z_dim].astype(np.float32)


def latents(config: GANConfig, seeds: Sequence[int]) -> Tensor:
    """z: (len(seeds), z_dim) float32, one row per seed, as `config` distributes them."""
    return torch.from_numpy(seeds_to_z(seeds, config.z_dim, config.z_distribution))


def even_latents(config: GANConfig, n: int) -> Tensor:
    """Latents for averages over the distribution, which they cover more evenly than chance: scrambled Sobol points.

    Averages over n of them are as close as over many times as many random ones (quasi-Monte Carlo: Owen 1998).

    Args:
        config: of z_dim and distribution.
        n: how many; powers of 2 are the most even, and so are blocks of them in a row.

    Returns:
        z: (n, z_dim) float32, always the same ones.
    """
    points = torch.quasirandom.SobolEngine(config.z_dim, scramble=True, seed=0).draw(n, dtype=torch.float64)
    points += 2.0**-31  # they are multiples of 2^-30 and 0 is among them, which is no normal number
    return (2 * points - 1 if config.z_distribution == "uniform" else torch.special.ndtri(points)).float()


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical interpolation (White 2016, arXiv:1609.04468): directions on the arc, lengths linearly.

    Parallel and opposite vectors, where the arc is empty or not defined, are interpolated linearly.

    Args:
        a, b: (..., z_dim).
        t: 0 gives a, 1 gives b; a tensor must broadcast against (..., 1).

    Returns:
        (..., z_dim).
    """
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    unit_a, unit_b = a / length_a.clamp_min(1e-12), b / length_b.clamp_min(1e-12)
    angle = torch.acos((unit_a * unit_b).sum(dim=-1, keepdim=True).clamp(-1, 1))
    sine = angle.sin()
    arc = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / sine.clamp_min(1e-12)
    on_sphere = arc * ((1 - t) * length_a + t * length_b)
    # In float32 the rounding of the product above alone makes angles of up to 1e-3 out of none.
    return torch.where(sine > 3e-3, on_sphere, (1 - t) * a + t * b)


@torch.inference_mode()
def generate(
    generator: Generator, z: Tensor, batch_size: int = 64, truncation: float | Sequence[float] | Tensor = 1.0
) -> np.ndarray:
    """Pictures of latent vectors.

    Args:
        generator: in eval mode, so that one picture does not depend on the others. Truncated pictures need averages
            over it, which are measured the first time and remembered: it must not change afterwards.
        z: (N, z_dim) float32, on any device.
        batch_size: pictures drawn at a time.
        truncation: psi, of all or (N,) of each, 0 to 2: 1 changes nothing, below it trades variety for more typical
            pictures, down to the typical one at 0 (`gan.truncation`).

    Returns:
        (N, H, W, C) uint8.

    Raises:
        ValueError: z of another length than the generator's, or truncation out of range.
    """
    z_dim = generator.config.z_dim
    if z.ndim != 2 or z.shape[1] != z_dim:
        raise ValueError(f"z of shape {tuple(z.shape)}: this generator expects (N, {z_dim})")
    psi = torch.as_tensor(truncation, dtype=torch.float32)
    if not ((psi >= 0) & (psi <= MOST)).all():
        raise ValueError(f"truncation {truncation}: expected a number from 0 to {MOST:g}")
    device = next(generator.parameters()).device
    pictures = []
    for part, part_psi in zip(z.split(batch_size), psi.expand(len(z)).split(batch_size), strict=True):
        part, part_psi = part.to(device), part_psi.to(device)
        plain = bool((part_psi == 1).all())
        pictures.append(to_uint8(generator(part) if plain else truncation_of(generator)(part, part_psi)))
    return np.concatenate(pictures)


def truncation_of(generator: Generator) -> Truncation:
    """What `generate` draws a generator's truncated pictures with; what it has measured is remembered."""
    if generator not in _truncations:
        device = next(generator.parameters()).device
        _truncations[generator] = Truncation(generator, even_latents(generator.config, _AVERAGED).to(device))
    return _truncations[generator]


def sample(generator: Generator, seed: int = 0, n: int = 16, truncation: float = 1.0) -> np.ndarray:
    """Pictures of the seeds seed, seed + 1, ..., seed + n - 1: same seed, same picture.

    Args:
        generator: from `load_generator`.
        seed: the first seed; the last must not pass 2^32 - 1.
        n: how many, at least 1.
        truncation: psi, 0 to 2, see `generate`.

    Returns:
        (n, H, W, C) uint8.

    Raises:
        ValueError: an argument out of range.
    """
    if n < 1:
        raise ValueError(f"n={n}: expected at least 1 picture")
    return generate(generator, latents(generator.config, range(seed, seed + n)), truncation=truncation)


def to_uint8(images: Tensor) -> np.ndarray:
    """images: (N, C, H, W) in [-1, 1] -> (N, H, W, C) uint8."""
    pixels = images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def image_grid(images: np.ndarray, columns: int) -> np.ndarray:
    """One picture out of many, row by row, without borders; missing cells stay black.

    Args:
        images: (N, H, W, C) uint8.
        columns: pictures per row.

    Returns:
        (rows * H, columns * W, C) uint8.
    """
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = images
    cells = cells.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * height, columns * width, channels)
