"""Between faces: films through several latent vectors, and sums of them (A - B + C).

Both stay where the generator has learned to draw: at the length that its latent vectors have. Halfway along the
straight line between two of them the length is only 0.7 of that, and the picture there is dull; on the sphere it
keeps its contrast. That holds for uniform latents too, although some of the numbers then leave (-1, 1): they are not
clamped, since the first layer is linear, and the critic finds nothing odd about those pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.sampling import seeds_to_z, slerp

NEIGHBOUR_NOISE = 0.25  # half the width of the uniform noise around a result (Radford et al. 2016, figure 7)
_PIECES = 128  # of a leg, in which its length is measured


def interpolate(zs: Tensor, frames: int, *, loop: bool = True, back_and_forth: bool = False) -> Tensor:
    """Latent vectors of a film through `zs`, in order, on the sphere and at constant speed.

    Each of `zs` is itself a frame. Between two of them all steps are equally long, and the frames are shared out so
    that the longest step of the film is as short as it can be.

    Args:
        zs: (N, z_dim), N at least 2.
        frames: at least one per leg: N in a loop, 2 * (N - 1) back and forth, N otherwise.
        loop: go on from the last of `zs` to the first; played over and over there is no seam, since the last frame
            is one step before the first.
        back_and_forth: return the way it came instead, also without a seam; `loop` then makes no difference.

    Returns:
        (frames, z_dim): begins with `zs[0]`, and ends with `zs[-1]` if it neither loops nor returns.

    Raises:
        ValueError: zs of another shape, or too few frames.
    """
    if zs.ndim != 2 or len(zs) < 2:
        raise ValueError(f"zs of shape {tuple(zs.shape)}: expected (N, z_dim) with N at least 2")
    stops = torch.cat([zs, zs[:-1].flip(0)] if back_and_forth else [zs, zs[:1]] if loop else [zs])
    seamless = loop or back_and_forth  # then the last stop is the first frame again
    legs = len(stops) - 1
    steps = frames if seamless else frames - 1
    if steps < legs:
        least = legs if seamless else legs + 1
        raise ValueError(f"frames={frames}: expected at least {least} for a film through {len(zs)} latent vectors")
    travelled = [_travelled(a, b) for a, b in itertools.pairwise(stops)]
    film = []
    for leg, count in enumerate(_share_out([float(distance[-1]) for distance in travelled], steps)):
        a, b, distance = stops[leg], stops[leg + 1], travelled[leg]
        wanted = distance[-1] * np.arange(1, count) / count
        t = np.interp(wanted, distance, np.linspace(0, 1, _PIECES + 1))
        film += [a[None], slerp(a[None], b[None], torch.tensor(t, dtype=zs.dtype, device=zs.device)[:, None])]
    return torch.cat(film if seamless else [*film, stops[-1:]])


def _travelled(a: Tensor, b: Tensor) -> np.ndarray:
    """(_PIECES + 1,) how far it is along the arc from a to each of its points, 0 first."""
    t = torch.linspace(0, 1, _PIECES + 1, dtype=a.dtype, device=a.device)[:, None]
    pieces = slerp(a[None], b[None], t).diff(dim=0).norm(dim=1)
    return np.concatenate([[0.0], pieces.cpu().double().cumsum(0).numpy()])


def _share_out(lengths: list[float], steps: int) -> list[int]:
    """Steps per leg, at least one each, so that the longest step is as short as possible."""
    counts = [1] * len(lengths)
    for _ in range(steps - len(lengths)):
        # Where several are equally long, the one with the fewest steps: legs without any length share alike too.
        longest = max(range(len(lengths)), key=lambda leg: (lengths[leg] / counts[leg], -counts[leg]))
        counts[longest] += 1
    return counts


def arithmetic(a: Tensor, b: Tensor, c: Tensor, distribution: str = "normal") -> Tensor:
    """A - B + C, each the average of a few latent vectors (Radford et al. 2016, arXiv:1511.06434, figure 7).

    Args:
        a, b, c: (N, z_dim) each, N at least 1, 3 in the paper.
        distribution: of the generator's z (`config.z_distribution`), "normal" or "uniform".

    Returns:
        (1, z_dim), of `typical_length`.

    Raises:
        ValueError: other shapes, or a sum without any direction.
    """
    a, b, c = (average(zs, distribution) for zs in (a, b, c))
    if not a.shape == b.shape == c.shape:
        raise ValueError(f"latent vectors of {a.shape[1]}, {b.shape[1]} and {c.shape[1]} numbers: expected one z_dim")
    return _on_sphere(a - b + c, distribution)


def average(zs: Tensor, distribution: str = "normal") -> Tensor:
    """What a few latent vectors have in common: one face as an example would bring its accidents along.

    Their plain mean is shorter, by 0.6 for three, and its picture is dull and dark.

    Args:
        zs: (N, z_dim), N at least 1.
        distribution: as for `arithmetic`.

    Returns:
        (1, z_dim), of `typical_length`.

    Raises:
        ValueError: another shape, or latent vectors that cancel each other.
    """
    if zs.ndim != 2 or not len(zs):
        raise ValueError(f"latent vectors of shape {tuple(zs.shape)}: expected (N, z_dim) with N at least 1")
    return _on_sphere(zs.mean(dim=0, keepdim=True), distribution)


def typical_length(z_dim: int, distribution: str = "normal") -> float:
    """How long a generator's latent vectors are, nearly all of them: sqrt(z_dim), or sqrt(z_dim / 3) if uniform."""
    return (z_dim / 3 if distribution == "uniform" else z_dim) ** 0.5


def _on_sphere(z: Tensor, distribution: str) -> Tensor:
    length = float(z.norm())
    if length < 1e-6:
        raise ValueError("these latent vectors add up to zero, which has no direction: choose other faces")
    return z * (typical_length(z.shape[1], distribution) / length)


def neighbours(z: Tensor, n: int = 8) -> Tensor:
    """Latent vectors around one: uniform noise of `NEIGHBOUR_NOISE` to both sides added, always the same.

    Args:
        z: (1, z_dim).
        n: how many.

    Returns:
        (n, z_dim).
    """
    noise = seeds_to_z(range(n), z.shape[1], "uniform")
    return z + NEIGHBOUR_NOISE * torch.from_numpy(noise).to(z)


def enlarged(images: np.ndarray, side: int) -> Iterator[Image.Image]:
    """Pictures at `side` x `side` pixels, by Lanczos' filter, one after another.

    Args:
        images: (N, H, W, C) uint8, C 1 or 3.
        side: pixels.
    """
    for pixels in images:
        picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
        yield picture.resize((side, side), Image.Resampling.LANCZOS)
