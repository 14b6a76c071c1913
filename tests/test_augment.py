"""What the critic sees: each picture changed by its own amounts, within the ranges of the paper, and differentiably."""

from __future__ import annotations

import pytest
import torch

from gan.augment import AUGMENTATIONS, augment


@pytest.fixture
def pictures() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(200, 3, 16, 24) * 1.8 - 0.9  # no pixel is 0, the colour of what comes in


def test_without_a_policy_nothing_changes(pictures):
    assert augment(pictures, "") is pictures


@pytest.mark.parametrize("policy", [*AUGMENTATIONS, ",".join(AUGMENTATIONS)])
def test_each_picture_is_changed_by_its_own_amount_and_gradients_pass(pictures, policy):
    same = pictures[:1].repeat(50, 1, 1, 1).requires_grad_()
    changed = augment(same, policy)
    assert changed.shape == same.shape
    assert len(torch.unique(changed.detach().flatten(1), dim=0)) > 15
    changed.sum().backward()
    assert same.grad.isfinite().all() and same.grad.abs().sum() > 0


def test_translation_moves_by_whole_pixels_up_to_an_eighth(pictures):
    moved = augment(pictures, "translation")
    seen = set()
    for before, after in zip(pictures, moved, strict=True):
        fits = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-3, 4)
            if torch.equal(after, shifted(before, down, right))
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert {down for down, _ in seen} == set(range(-2, 3)) and {right for _, right in seen} == set(range(-3, 4))


def shifted(picture: torch.Tensor, down: int, right: int) -> torch.Tensor:
    rolled = picture.roll((down, right), dims=(1, 2))
    if down:
        rolled[:, slice(0, down) if down > 0 else slice(down, None)] = 0
    if right:
        rolled[:, :, slice(0, right) if right > 0 else slice(right, None)] = 0
    return rolled


def test_cutout_takes_one_square_of_half_a_side_and_nothing_else(pictures):
    cut = augment(pictures, "cutout")
    gone = cut == 0
    assert torch.equal(cut[~gone], pictures[~gone])
    whole = 0
    for hole in gone:
        assert torch.equal(hole, hole[:1].expand_as(hole))
        rows, columns = hole[0].any(1), hole[0].any(0)
        assert torch.equal(hole[0], rows[:, None] & columns)
        assert 4 <= rows.sum() <= 8 and 6 <= columns.sum() <= 12
        whole += int(rows.sum() == 8 and columns.sum() == 12)
    assert 0 < whole < len(gone)


def test_color_keeps_what_it_promises(pictures):
    changed = augment(pictures, "color")
    shift = (changed - pictures).mean(dim=(1, 2, 3))
    assert -0.51 < shift.min() < -0.4 and 0.4 < shift.max() < 0.51  # brightness alone moves the mean
    spread = changed.mean(1).std(dim=(1, 2)) / pictures.mean(1).std(dim=(1, 2))
    assert 0.49 < spread.min() < 0.6 and 1.4 < spread.max() < 1.51  # contrast alone the spread of the greys
    tint = (changed - changed.mean(1, keepdim=True)).std(dim=(1, 2, 3))
    tint = tint / (pictures - pictures.mean(1, keepdim=True)).std(dim=(1, 2, 3)) / spread
    assert tint.min() < 0.1 and 1.9 < tint.max() < 2.01
