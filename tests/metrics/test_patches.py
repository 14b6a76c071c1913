"""gan.metrics.patches: the sliced Wasserstein distance tells close sets of pictures from distant ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.data.drawn import draw_faces
from gan.metrics import patches
from gan.metrics.patches import sliced_wasserstein


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_faces(128, 32, 3)[0]


def test_equal_sets_are_at_distance_zero(faces):
    distances = sliced_wasserstein(faces[:64], faces[:64])
    assert set(distances) == {"32", "16", "mean"}
    assert all(value == 0 for value in distances.values())


def test_more_damage_is_further_away(faces):
    one, other = faces[:64], faces[64:]
    noise = np.random.default_rng(0).normal(size=other.shape)

    def damaged(sigma):
        return (other + sigma * noise).clip(0, 255).astype(np.uint8)

    means = [sliced_wasserstein(one, damaged(sigma))["mean"] for sigma in (0, 20, 80)]
    assert 1.2 * means[0] < means[1] and 1.2 * means[1] < means[2]


def test_each_level_sees_its_own_scale(faces):
    one, other = faces[:64], faces[64:]
    before = sliced_wasserstein(one, other)
    checkers = 12 * (np.indices((32, 32)).sum(axis=0) % 2 * 2 - 1)[:, :, None]
    fine = sliced_wasserstein(one, (other + checkers).clip(0, 255).astype(np.uint8))
    assert fine["32"] > 2 * before["32"]  # a checkerboard is texture ...
    assert fine["16"] < 1.5 * before["16"]  # ... and not shape


def test_one_projection_worked_out_by_hand(monkeypatch):
    """Two sets of constant pictures of level 16: descriptors are normalised, so the distance is of shapes only."""
    ramp = np.linspace(0, 255, 16).astype(np.uint8)
    down = np.tile(ramp[:, None, None], (1, 16, 1))[None].repeat(64, 0)
    up = down[:, ::-1].copy()
    monkeypatch.setattr(patches, "PROJECTIONS", 64)
    positions = patches._patch_positions(torch.zeros(64, 1, 16, 16), torch.Generator().manual_seed(0))
    level = patches._laplacian_pyramid(down)[-1]
    descriptors = patches._descriptors(level, positions)
    assert descriptors.shape == (64 * patches.PATCHES_PER_IMAGE, 49)
    assert abs(float(descriptors.mean())) < 1e-5 and abs(float(descriptors.std()) - 1) < 1e-3
    row, column = positions[0, 5, 3], positions[1, 5, 3]
    patch = level[5, 0, row : row + 7, column : column + 7].flatten()
    stacked = torch.stack(
        [
            level[i, 0, r : r + 7, c : c + 7].flatten()
            for i in range(64)
            for r, c in zip(positions[0, i], positions[1, i], strict=True)
        ]
    )
    expected = (patch - stacked.mean()) / stacked.std()
    assert torch.allclose(descriptors[5 * patches.PATCHES_PER_IMAGE + 3], expected, atol=1e-5)
    assert sliced_wasserstein(down, up)["mean"] > 100  # edges of the other sign


def test_pictures_that_are_all_the_same_are_far_away_and_not_nowhere(faces):
    """A generator that collapsed draws one colour: a number, larger than any other failure's."""
    faces = faces[:32]
    grey, white = (np.full_like(faces, level) for level in (127, 255))
    assert set(sliced_wasserstein(grey, white).values()) == {0.0}  # neither has any patch that tells
    noise = np.random.default_rng(0).integers(0, 256, faces.shape, dtype=np.uint8)
    for level in ("32", "16", "mean"):
        constant = sliced_wasserstein(faces, grey)[level]
        assert np.isfinite(constant) and constant > sliced_wasserstein(faces, noise)[level]
        assert constant == pytest.approx(sliced_wasserstein(grey, faces)[level])


def test_the_faintest_detail_is_still_detail(faces):
    """One grey level in one corner of one picture in 128."""
    grey = np.full_like(faces, 127)
    speck = grey.copy()
    speck[5, 10:20, 10:20] += 1
    assert sliced_wasserstein(grey, speck)["32"] > 0


def test_different_shapes_are_refused(faces):
    with pytest.raises(ValueError, match="expected equal shapes"):
        sliced_wasserstein(faces[:10], faces[:12])
