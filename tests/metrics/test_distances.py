"""Fréchet and kernel distance, precision and recall, MS-SSIM: against closed forms, other formulas and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gan.data.drawn import draw_faces
from gan.metrics.distances import frechet_distance, frechet_from_moments, kernel_distance, nearest, precision_recall
from gan.metrics.diversity import ms_ssim, pair_similarity, scales


def normal(n, f, seed, mean=0.0, scale=1.0):
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed)) * scale + mean


def test_a_set_is_at_no_distance_from_itself():
    x = normal(300, 20, 0, scale=50)
    x[:, 7] = x[:, 3]  # a covariance that has no inverse
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-7)
    assert frechet_distance(x, x.flip(0)) == pytest.approx(0, abs=1e-7)


def test_frechet_distance_of_known_normal_distributions():
    """Commuting covariances: |m1 - m2|^2 + sum (s1 - s2)^2 along common axes."""
    random = torch.Generator().manual_seed(1)
    axes = torch.linalg.qr(torch.randn(6, 6, generator=random, dtype=torch.float64)).Q
    s1, s2 = (torch.rand(6, generator=random, dtype=torch.float64) * 3 for _ in range(2))
    m1, m2 = (torch.randn(6, generator=random, dtype=torch.float64) for _ in range(2))
    a, b = ((m, axes * s**2 @ axes.T) for m, s in ((m1, s1), (m2, s2)))
    expected = (m1 - m2).square().sum() + (s1 - s2).square().sum()
    assert frechet_from_moments(a, b) == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_distance_where_covariances_do_not_commute():
    """The trace of (AB)^1/2 is the sum of the roots of AB's eigenvalues."""
    a, b = normal(500, 4, 2) @ normal(4, 4, 3), normal(400, 4, 4) @ normal(4, 4, 5) + 1
    ca, cb = np.cov(a.double().numpy().T), np.cov(b.double().numpy().T)
    mean = ((a.double().mean(0) - b.double().mean(0)) ** 2).sum().item()
    expected = mean + np.trace(ca + cb) - 2 * np.sqrt(np.linalg.eigvals(ca @ cb)).real.sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_needs_two_pictures():
    with pytest.raises(ValueError, match="N at least 2"):
        frechet_distance(normal(1, 3, 0), normal(5, 3, 0))


def test_kernel_distance_is_unbiased():
    """Over many small pairs of sets of one distribution its mean is 0: no bias of the order 1 / n."""
    values = torch.tensor(
        [kernel_distance(normal(12, 3, 2 * i), normal(12, 3, 2 * i + 1), subsets=1)[0] for i in range(400)]
    )
    error = values.std().item() / 20
    assert abs(values.mean().item()) < 3 * error
    assert values.min() < 0
    biased = (3 * (1 / 3 * 3 + 1) ** 3) / 12  # what the diagonals would add, at least
    assert error < biased / 6  # so the line above could not have passed with it


def test_kernel_distance_by_hand_and_by_subsets():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [3.0, 0.0]])

    def kernel(x, y):
        return (float(x @ y) / 2 + 1) ** 3

    within = kernel(a[0], a[1]) + kernel(b[0], b[1])
    between = sum(kernel(x, y) for x in a for y in b) / 4
    mean, deviation = kernel_distance(a, b)
    assert mean == pytest.approx(within - 2 * between) and deviation == pytest.approx(0, abs=1e-9)
    x, y = normal(60, 3, 0), normal(60, 3, 1, mean=0.5)
    first = kernel_distance(x, y, subset_size=20, subsets=10)
    assert first == kernel_distance(x, y, subset_size=20, subsets=10) != kernel_distance(x, y, seed=1, subset_size=20)
    assert first[1] > 0


def test_precision_and_recall_of_disjoint_and_equal_sets():
    real, far = normal(50, 4, 0), normal(50, 4, 1, mean=100)
    assert precision_recall(real, far) == (0, 0)
    assert precision_recall(real, real) == (1, 1)


def test_precision_is_not_recall():
    """Generated pictures of one of two kinds: all believable, half of what there is."""
    real = torch.cat([normal(100, 2, 0), normal(100, 2, 1, mean=50)])
    fake = normal(100, 2, 0) * 0.9
    precision, recall = precision_recall(real, fake)
    assert precision > 0.95 and 0.3 < recall <= 0.5
    assert precision_recall(fake, real) == (recall, precision)


def test_precision_reaches_to_the_third_neighbour():
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])  # reach 3, 2, 2, 3
    fake = torch.tensor([[-2.9], [-3.1], [6.0], [6.1]])
    assert precision_recall(real, fake)[0] == 0.5
    with pytest.raises(ValueError, match="more than k = 3"):
        precision_recall(real, fake[:3])


def test_nearest_over_the_blocks():
    others = torch.arange(5000.0)[:, None]
    distances, rows = nearest(torch.tensor([[4999.25], [0.0], [2048.4]]), others)
    assert rows.tolist() == [4999, 0, 2048]
    assert distances.tolist() == pytest.approx([0.25, 0, 0.4], abs=1e-3)


# ------------------------------------------------------------------------------------------------ MS-SSIM


def test_equal_pictures_are_similar_and_noise_is_not():
    x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.allclose(ms_ssim(x, x), torch.ones(4), atol=1e-5)
    y = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert (ms_ssim(x, y) < 0.3).all()
    assert torch.allclose(ms_ssim(x, y), ms_ssim(y, x), atol=1e-6)


def test_one_scale_is_ssim_worked_out_by_hand():
    """11 pixels: one window, and with one scale MS-SSIM is SSIM."""
    assert [scales(size) for size in (10, 11, 21, 22, 28, 32, 64, 1024)] == [0, 1, 1, 2, 2, 2, 3, 5]
    random = np.random.default_rng(0)
    a, b = random.random((2, 11, 11))
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    ma, mb = (window * a).sum(), (window * b).sum()
    va, vb, cov = (window * a * a).sum() - ma**2, (window * b * b).sum() - mb**2, (window * a * b).sum() - ma * mb
    c1, c2 = 1e-4, 9e-4
    expected = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1) * (2 * cov + c2) / (va + vb + c2)
    b = b if expected > 0 else a
    pair = [torch.from_numpy(p * 2 - 1).float()[None, None] for p in (a, b)]
    assert ms_ssim(*pair).item() == pytest.approx(max(expected, 0) if expected > 0 else 1, abs=1e-4)


def test_brightness_counts_at_the_coarsest_scale_only():
    """Weights of two scales: 0.0448 and 0.2856 over their sum."""
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.5 - 0.9
    value = ms_ssim(x, x + 0.8).item()
    coarse = torch.nn.functional.avg_pool2d(x, 2) / 2 + 0.5
    mean = coarse.mean().item()
    luminance = (2 * mean * (mean + 0.4) + 1e-4) / (mean**2 + (mean + 0.4) ** 2 + 1e-4)
    assert value == pytest.approx(luminance ** (0.2856 / (0.0448 + 0.2856)), abs=0.01)


def test_ms_ssim_refuses_what_it_cannot_compare():
    with pytest.raises(ValueError, match="11 px or more"):
        ms_ssim(torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10))
    with pytest.raises(ValueError, match="expected equal"):
        ms_ssim(torch.zeros(1, 1, 16, 16), torch.zeros(2, 1, 16, 16))


def test_a_generator_that_repeats_itself_is_less_varied():
    faces = draw_faces(60, 32, 3)[0]
    varied = pair_similarity(faces)
    assert varied < 0.9 < pair_similarity(faces[:1].repeat(60, 0)) + 1e-6
    assert pair_similarity(np.concatenate([faces[:6]] * 10)) > varied
    assert pair_similarity(faces) == varied and pair_similarity(faces, seed=1) != varied
    assert math.isclose(pair_similarity(faces[:2]), pair_similarity(faces[:3][:2]))
    with pytest.raises(ValueError, match="at least 2"):
        pair_similarity(faces[:1])
