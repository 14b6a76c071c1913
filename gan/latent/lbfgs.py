"""Limited-memory BFGS with a preconditioner (Liu & Nocedal 1989, https://doi.org/10.1007/BF01589116).

It asks for one loss and one gradient a step, without a line search, and walks in many problems at a time, none of which
depends on another. gan/web/latent/lbfgs.js is the same for one problem.
"""

from __future__ import annotations

import torch
from torch import Tensor

MEMORY = 50  # steps that are remembered
LONGEST = 2.0  # step
SHORTEST = 0.05  # share of a step that is left, however often the loss did not fall


class LBFGS:
    """Walks downhill: `asked` is where it looks next, `tell` says what is there.

    Where the loss has not fallen it goes back, and half as far the next time.

    Args:
        start: (N, D), N points of as many problems.
        preconditioner: (D, D), symmetric and positive definite: about the inverse Hessian, for the curvature that is
            not remembered.
        bound: what no number of a point passes, either way.

    Attributes:
        asked: (N, D).
    """

    def __init__(self, start: Tensor, preconditioner: Tensor, bound: float) -> None:
        self.preconditioner, self.bound = preconditioner, bound
        self.asked = start.clamp(-bound, bound)
        self._at = self.asked  # the best point, with what is there
        self._loss = torch.full_like(start[:, 0], torch.nan)
        self._gradient = torch.zeros_like(start)
        self._share = torch.ones_like(start[:, :1])
        self._memory: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def tell(self, loss: Tensor, gradient: Tensor) -> None:
        """What is at `asked`: (N,) and (N, D), without gradients of their own. NaN is worse than any loss."""
        begins = self._loss.isnan()
        falls = ((loss < self._loss) | begins)[:, None]
        self._remember(self.asked - self._at, gradient - self._gradient, falls & ~begins[:, None])
        self._at = torch.where(falls, self.asked, self._at)
        self._loss = torch.where(falls[:, 0], loss, self._loss)
        self._gradient = torch.where(falls, gradient, self._gradient)
        self._share = torch.where(falls, 1.0, (self._share / 2).clamp_min(SHORTEST))
        step = self._step()
        step = step * (LONGEST / step.norm(dim=1, keepdim=True).clamp_min(LONGEST))
        self.asked = (self._at + self._share * step).clamp(-self.bound, self.bound)

    def _remember(self, step: Tensor, change: Tensor, usable: Tensor) -> None:
        """A step and the gradient's change along it, where that says that the slope grows."""
        product = _dot(step, change)
        usable = usable & (product > 0) & change.isfinite().all(dim=1, keepdim=True)
        if not usable.any():
            return
        step, change = torch.where(usable, step, 0), torch.where(usable, change, 0)
        scale = torch.where(usable, 1 / product, 0)
        self._memory = [*self._memory, (step, change, change @ self.preconditioner, scale)][-MEMORY:]

    def _step(self) -> Tensor:
        """(N, D): against the gradient, turned by what is remembered of the curvature (the two-loop recursion)."""
        free = (self._at.abs() < self.bound) | (self._at * self._gradient > 0)  # the others would pass the bound
        rest, turned = self._gradient * free, (self._gradient @ self.preconditioner) * free
        gain, shares = torch.ones_like(self._share), []
        for _, change, preconditioned, scale in self._memory:
            gain = torch.where(scale > 0, 1 / (scale * _dot(change, preconditioned)), gain)  # the newest step's
        for step, change, preconditioned, scale in reversed(self._memory):
            share = scale * _dot(step, rest)
            rest, turned = rest - share * change, turned - share * preconditioned
            shares.append(share)
        turned = gain * turned
        for (step, change, _, scale), share in zip(self._memory, reversed(shares), strict=True):
            turned = turned + step * (share - scale * _dot(change, turned))
        return -turned * free


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=1, keepdim=True)
