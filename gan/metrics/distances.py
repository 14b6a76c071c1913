"""Distances between two sets of pictures in a classifier's features; maths on (N, F) arrays, nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from gan.covariance import square_root

KERNEL_SUBSETS, KERNEL_SUBSET_SIZE = 50, 1000
NEIGHBOUR = 3  # k of precision and recall, the paper's
_ROWS = 2048  # of a distance matrix at a time


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of the normal distributions fitted to two sets.

    Heusel et al. 2017 take Inception's features and call it FID; these are other features, so it is another figure.
    |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2); biased upwards at small N, so compare only
    figures of the same N.

    Args:
        a, b: (N, F) and (M, F), at least two rows each.

    Returns:
        0 or more.
    """
    return frechet_from_moments(moments(a), moments(b))


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F) in float64; features: (N, F), N at least 2."""
    features = features.double()
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features of shape {tuple(features.shape)}: expected (N, F), N at least 2")
    return features.mean(dim=0), torch.atleast_2d(torch.cov(features.T))


def frechet_from_moments(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """`frechet_distance` of sets of which only `moments` are known."""
    (mean_a, covariance_a), (mean_b, covariance_b) = a, b
    # tr (A^1/2 B A^1/2)^1/2 is the sum of the singular values of A^1/2 B^1/2, which squares no rounding error.
    cross = torch.linalg.svdvals(square_root(covariance_a) @ square_root(covariance_b)).sum()
    distance = (mean_a - mean_b).square().sum() + covariance_a.trace() + covariance_b.trace() - 2 * cross
    return max(0.0, distance.item())


def kernel_distance(
    a: Tensor, b: Tensor, *, seed: int = 0, subsets: int = KERNEL_SUBSETS, subset_size: int = KERNEL_SUBSET_SIZE
) -> tuple[float, float]:
    """Squared maximum mean discrepancy, kernel (x.y / F + 1)^3, unbiased (KID: Binkowski et al. 2018).

    Args:
        a, b: (N, F) and (M, F), at least two rows each.
        seed: decides the subsets.
        subsets: how often a subset of each set is drawn, without replacement within one.
        subset_size: rows of a subset, at most those there are.

    Returns:
        Mean and standard deviation over the subsets; around 0, also below, for sets of one distribution.
    """
    a, b = a.double(), b.double()
    size = min(subset_size, len(a), len(b))
    if size < 2:
        raise ValueError(f"sets of {len(a)} and {len(b)}: expected at least 2 rows each")
    random = torch.Generator().manual_seed(seed)

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    values = []
    for _ in range(subsets):
        x = a[torch.randperm(len(a), generator=random)[:size]]
        y = b[torch.randperm(len(b), generator=random)[:size]]
        within = kernel(x, x).fill_diagonal_(0).sum() + kernel(y, y).fill_diagonal_(0).sum()
        values.append(within / (size * (size - 1)) - 2 * kernel(x, y).mean())
    values = torch.stack(values)
    return values.mean().item(), values.std(unbiased=False).item()


def precision_recall(real: Tensor, fake: Tensor, k: int = NEIGHBOUR) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991).

    Precision is the share of generated pictures within the reach of some real one, recall the share of real ones
    within the reach of some generated one; a picture reaches to its k-th nearest neighbour of its own set.

    Args:
        real, fake: (N, F) and (M, F), more than k rows each.

    Returns:
        Precision and recall, 0 to 1.
    """
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"sets of {len(real)} and {len(fake)}: expected more than k = {k} rows each")
    real, fake = real.double(), fake.double()
    return _covered(fake, real, k), _covered(real, fake, k)


def nearest(queries: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest of `others` to each query.

    Args:
        queries, others: (N, F) and (M, F).

    Returns:
        Euclidean distances (N,) and row numbers (N,) in `others`.
    """
    queries, others = queries.double(), others.double()  # cdist takes differences of squares
    best = [torch.cdist(queries, part).min(dim=1) for part in others.split(_ROWS)]
    distances = torch.stack([part.values for part in best])
    part = distances.argmin(dim=0)
    rows = torch.stack([part.indices for part in best])
    columns = torch.arange(len(queries))
    return distances[part, columns], rows[part, columns] + part * _ROWS


def _covered(queries: Tensor, centres: Tensor, k: int) -> float:
    """Share of the queries that lie within the k-th neighbour's distance of any centre."""
    # k + 1: the nearest of its own set is the centre itself.
    reach = torch.cat([torch.cdist(part, centres).kthvalue(k + 1, dim=1).values for part in centres.split(_ROWS)])
    inside = [(torch.cdist(part, centres) <= reach).any(dim=1) for part in queries.split(_ROWS)]
    return torch.cat(inside).double().mean().item()
