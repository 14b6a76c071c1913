"""The power spectrum: waves are found where they are, in the units of the pictures' noise; lattices stand out."""

from __future__ import annotations

import pytest
import torch

from gan.training.spectrum import colour_lattices, lattices, power_spectrum

SIZE = 64
FREQUENCIES = range(4, SIZE // 2 + 1)
WAVES = [place for k in (32, 16, 8) for place in ((0, k), (k, 0), (k, k), (k, -k)) if place != (32, -32)]


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


def wave(down, right):
    """(SIZE, SIZE): cosine of so many waves over the picture, in both directions."""
    steps = torch.arange(SIZE) / SIZE
    return torch.cos(2 * torch.pi * (down * steps[:, None] + right * steps))


@pytest.mark.parametrize("number", range(11))
def test_a_lattice_stands_out_in_its_period_and_direction_alone(number):
    """Of 2, 4 and 8 pixels: rows, columns, one diagonal and the other, which at 2 pixels are one."""
    torch.manual_seed(0)
    noise = torch.randn(50, 3, SIZE, SIZE) * 0.05
    before = lattices(noise).mean(dim=0)
    raised = lattices(noise + 0.02 * wave(*WAVES[number])).mean(dim=0) - before
    assert before.shape == (11,) and before.abs().max() < 0.2
    assert raised.argmax() == number and raised[number] > 1
    assert raised[torch.arange(11) != number].abs().max() < 0.1


@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("plane", [0, 1])
def test_a_lattice_of_colours_stands_out_where_grey_has_none(number, plane):
    """Red against green, then blue against both, each in all periods and directions."""
    torch.manual_seed(0)
    colour = torch.tensor([[1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]])[plane].view(3, 1, 1)
    noise = torch.randn(50, 3, SIZE, SIZE) * 0.05
    coloured = noise + 0.02 * colour * wave(*WAVES[number])
    before, place = colour_lattices(noise).mean(dim=0), 11 * plane + number
    raised = colour_lattices(coloured).mean(dim=0) - before
    assert before.shape == (22,) and before.abs().max() < 0.5
    assert raised.argmax() == place and raised[place] > 1
    assert raised[torch.arange(22) != place].abs().max() < 0.1
    assert (lattices(coloured) - lattices(noise)).abs().max() < 0.1


def test_a_lattice_on_smooth_skin_is_seen_beside_hair():
    """It is a thousandth of the hair's power, and as much as the skin's own grain."""
    torch.manual_seed(0)
    pictures = torch.randn(100, 3, SIZE, SIZE) * 0.01
    pictures[..., SIZE // 2 :] *= 50
    with_lattice = pictures + 0.01 * wave(0, 16)
    raised = (lattices(with_lattice) - lattices(pictures)).mean(dim=0)[3]
    in_the_spectrum = (parts(with_lattice)[0] - parts(pictures)[0]).mean(dim=0)[16 - FREQUENCIES[0]]
    assert raised > 1 > 4 * in_the_spectrum


def test_a_flat_picture_has_no_lattice_and_no_gradient_of_infinity():
    images = torch.full((2, 3, 16, 16), 0.3, requires_grad=True)
    for kind in (lattices, colour_lattices):
        images.grad = None
        found = kind(images)
        assert found.detach().numpy() == pytest.approx(0, abs=1e-4)
        found.sum().backward()
        assert images.grad.isfinite().all()
