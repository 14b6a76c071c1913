"""L-BFGS: finds minima, problem by problem, sooner with a preconditioner, and comes back from where it went too far."""

from __future__ import annotations

import math

import pytest
import torch

from gan.latent.lbfgs import LBFGS

D = 12


def bowl(seed=0):
    """A quadratic's Hessian, of a condition of 1,000, and its minimum."""
    torch.manual_seed(seed)
    ways, _ = torch.linalg.qr(torch.randn(D, D))
    return (ways * torch.logspace(-2, 1, D)) @ ways.T, torch.randn(D)


def losses_of(walk, loss, steps):
    seen = []
    for _ in range(steps):
        point = walk.asked.clone().requires_grad_(True)
        value = loss(point)
        (gradient,) = torch.autograd.grad(value.sum(), point)
        seen.append(value.detach())
        walk.tell(value.detach(), gradient)
    return torch.stack(seen)


def quadratic(hessian, minimum):
    return lambda x: ((x - minimum) @ hessian * (x - minimum)).sum(dim=1) / 2


def test_it_finds_a_minimum():
    hessian, minimum = bowl()
    walk = LBFGS(torch.zeros(2, D), torch.eye(D), 10)
    seen = losses_of(walk, quadratic(hessian, minimum), 80)
    assert (seen.min(dim=0).values < 1e-4 * seen[0]).all()


def test_with_the_inverse_hessian_it_is_there_in_one_step():
    hessian, minimum = bowl()
    walk = LBFGS(minimum[None] + torch.full((1, D), 0.3), hessian.inverse(), 10)
    seen = losses_of(walk, quadratic(hessian, minimum), 2)
    assert seen[1] < 1e-6 * seen[0]


def test_with_about_that_it_is_there_sooner():
    hessian, minimum = bowl()
    about = (hessian + 0.1 * torch.eye(D)).inverse()
    plain, better = (
        losses_of(LBFGS(torch.zeros(1, D), start, 10), quadratic(hessian, minimum), 15)
        for start in (torch.eye(D), about)
    )
    assert better.min() < 0.1 * plain.min()


def test_a_curved_valley_is_followed_to_its_end():
    """Rosenbrock's."""
    start = torch.tensor([[-1.2, 1.0], [2.0, 2.0]])
    walk = LBFGS(start, 0.01 * torch.eye(2), 10)
    seen = losses_of(walk, lambda x: 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2, 120)
    assert (seen.min(dim=0).values < 1e-4).all()


def test_problems_do_not_influence_each_other():
    hessian, minimum = bowl()
    starts = torch.randn(3, D)
    together = LBFGS(starts, torch.eye(D), 10)
    losses_of(together, quadratic(hessian, minimum), 20)
    for at in range(3):
        alone = LBFGS(starts[at : at + 1], torch.eye(D), 10)
        losses_of(alone, quadratic(hessian, minimum), 20)
        assert torch.allclose(alone.asked[0], together.asked[at], atol=1e-3)


def test_it_stays_within_its_bound():
    hessian, minimum = bowl()
    walk = LBFGS(torch.full((1, D), 5.0), torch.eye(D), 0.5)
    assert walk.asked.max() == 0.5
    for _ in range(30):
        losses_of(walk, quadratic(hessian, minimum), 1)
        assert walk.asked.abs().max() <= 0.5


def test_the_best_point_of_the_border_is_found_where_the_minimum_lies_beyond():
    slope, minimum = torch.logspace(-1, 1, D), torch.linspace(-1, 1, D)
    walk = LBFGS(torch.zeros(1, D), torch.eye(D), 0.5)
    losses_of(walk, quadratic(torch.diag(slope), minimum), 60)
    assert torch.allclose(walk.asked[0], minimum.clamp(-0.5, 0.5), atol=1e-3)


@pytest.mark.parametrize("beyond", [math.nan, math.inf])
def test_where_there_is_nothing_it_turns_back(beyond):
    """And goes on to the minimum, which lies before that."""
    walk = LBFGS(torch.full((1, D), 0.2), 100 * torch.eye(D), 10)

    def loss(x):
        value = (x - 0.5).square().sum(dim=1)
        return torch.where((x > 0.7).any(dim=1), torch.full_like(value, beyond), value)

    seen = losses_of(walk, loss, 60)
    assert not seen.isfinite().all()
    assert seen[seen.isfinite()].min() < 1e-4 * seen[0]


def test_a_beginning_that_is_no_number_is_left_behind():
    walk = LBFGS(torch.zeros(1, 2), torch.eye(2), 1)
    walk.tell(torch.tensor([math.nan]), torch.ones(1, 2))
    wanted = walk.asked.clone()
    walk.tell(torch.tensor([5.0]), torch.zeros(1, 2))
    assert torch.equal(walk.asked, wanted)
