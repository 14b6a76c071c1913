"""The power spectrum: waves are found where they are, in the units of the pictures' noise."""

from __future__ import annotations

import pytest
import torch

from gan.training.spectrum import power_spectrum

SIZE = 64
FREQUENCIES = range(4, SIZE // 2 + 1)


def parts(images):
    """Rows, columns and rings: each (N, K)."""
    return power_spectrum(images).unflatten(1, (3, len(FREQUENCIES))).unbind(1)


@pytest.mark.parametrize("frequency", [6, 16, 28])
def test_a_wave_is_a_peak_at_its_frequency(frequency):
    """Along rows, or turned by 90 degrees along columns; among the rings either way."""
    wave = 0.1 * torch.cos(2 * torch.pi * frequency * torch.arange(SIZE) / SIZE)
    across = wave.expand(1, 3, SIZE, SIZE)
    for images, (own, other) in ((across, (0, 1)), (across.mT, (1, 0))):
        found = parts(images)
        assert FREQUENCIES[found[own].argmax()] == FREQUENCIES[found[2].argmax()] == frequency
        assert found[own].max() - found[other].max() > 3


def test_noise_has_the_power_of_its_variance_everywhere():
    torch.manual_seed(0)
    for part in parts(torch.randn(400, 1, SIZE, SIZE) * 0.05):
        assert part.exp().mean(dim=0).numpy() == pytest.approx((0.05 * 127.5) ** 2, rel=0.1)


def test_a_flat_picture_has_the_power_of_rounding_and_no_gradient_of_infinity():
    images = torch.full((2, 3, 16, 16), 0.3, requires_grad=True)
    found = power_spectrum(images)
    assert found.exp().detach().numpy() == pytest.approx(1 / 12, rel=1e-3)
    found.sum().backward()
    assert images.grad.isfinite().all()
