"""The order of an epoch and the batches that networks take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.data.batches import epoch_order, make_batch
from gan.data.images import DataError


def test_an_epoch_shows_each_picture_at_most_once():
    order = epoch_order(103, batch_size=10, seed=3, epoch=0)
    assert order.shape == (10, 10) and order.dtype == np.int64
    assert len(set(order.flat)) == 100 and order.min() >= 0 and order.max() < 103
    assert set(epoch_order(100, batch_size=10, seed=3, epoch=0).flat) == set(range(100))


def test_the_order_depends_on_seed_and_epoch_only():
    order = epoch_order(64, batch_size=8, seed=1, epoch=2)
    assert np.array_equal(order, epoch_order(64, batch_size=8, seed=1, epoch=2))
    assert np.array_equal(order.ravel(), epoch_order(64, batch_size=16, seed=1, epoch=2).ravel())
    for seed, epoch in ((1, 3), (2, 2), (2, 1)):
        assert not np.array_equal(order, epoch_order(64, batch_size=8, seed=seed, epoch=epoch))


def test_the_order_is_the_same_on_every_machine():
    """An exact resume on another machine needs it; a change here breaks runs that are under way."""
    assert epoch_order(12, batch_size=4, seed=0, epoch=1).tolist() == [[0, 10, 7, 6], [5, 9, 4, 8], [11, 2, 1, 3]]


def test_the_share_of_pictures_left_out_changes_with_the_epoch():
    seen = [set(epoch_order(10, batch_size=8, seed=0, epoch=epoch).flat) for epoch in range(5)]
    assert len({frozenset(pictures) for pictures in seen}) > 1


@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_share_out_the_batch_of_a_single_process(world_size):
    whole = epoch_order(50, batch_size=8, seed=0, epoch=0)
    shares = [
        epoch_order(50, batch_size=8, seed=0, epoch=0, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert all(share.shape == (6, 8 // world_size) for share in shares)
    assert np.array_equal(np.concatenate(shares, axis=1), whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_images": 7}, "7 pictures do not fill one batch of 8"),
        ({"world_size": 3}, "batch_size 8 does not divide over 3 processes"),
        ({"world_size": 2, "rank": 2}, "rank 2 is not one of 2 processes"),
    ],
)
def test_impossible_orders(options, message):
    with pytest.raises(DataError, match=message):
        epoch_order(**{"n_images": 20, "batch_size": 8, "seed": 0, "epoch": 0} | options)


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """(256, 6, 6, 3) uint8: picture i has the value i on its left half, and 0 on its right."""
    images = np.zeros((256, 6, 6, 3), np.uint8)
    images[:, :, :3] = np.arange(256, dtype=np.uint8)[:, None, None, None]
    images.setflags(write=False)
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_what_networks_take(ramp, channels):
    batch = make_batch(ramp[..., :channels], np.array([0, 255, 128, 0]), device="cpu", flip=False)
    assert batch.shape == (4, channels, 6, 6) and batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch[:, 0, 0, 0].tolist() == [-1.0, 1.0, pytest.approx(128 / 127.5 - 1, abs=1e-6), -1.0]
    assert batch.min() == -1 and batch.max() == 1


def test_a_batch_keeps_rows_columns_and_channels_apart():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    batch = make_batch(images, np.array([3, 1]), device="cpu", flip=False)
    expected = images[[3, 1]].transpose(0, 3, 1, 2) / 127.5 - 1
    assert np.allclose(batch.numpy(), expected, atol=1e-6)


def test_flipping_mirrors_half_of_the_pictures_whole(ramp):
    generator = torch.Generator().manual_seed(0)
    indices = np.full(1000, 200)
    batch = make_batch(ramp, indices, device="cpu", flip=True, generator=generator)
    plain_one = make_batch(ramp, indices[:1], device="cpu", flip=False)[0]
    mirrored = torch.tensor([torch.equal(picture, plain_one.flip(2)) for picture in batch])
    untouched = torch.tensor([torch.equal(picture, plain_one) for picture in batch])
    assert (mirrored ^ untouched).all()
    assert 420 < mirrored.sum() < 580


def test_flipping_mirrors_pixels_not_channels():
    images = np.random.default_rng(0).integers(0, 256, (64, 5, 7, 3), dtype=np.uint8)
    indices = np.arange(64)
    flipped = make_batch(images, indices, device="cpu", flip=True, generator=torch.Generator().manual_seed(1))
    same = make_batch(images, indices, device="cpu", flip=False)
    mirrored = [i for i in range(64) if torch.equal(flipped[i], same[i].flip(2))]
    assert 10 < len(mirrored) < 54
    assert all(torch.equal(flipped[i], same[i]) for i in set(range(64)) - set(mirrored))


def test_flips_follow_the_generator(ramp):
    def flips(generator: torch.Generator | None) -> torch.Tensor:
        return make_batch(ramp, np.full(64, 9), device="cpu", flip=True, generator=generator)

    assert torch.equal(flips(torch.Generator().manual_seed(5)), flips(torch.Generator().manual_seed(5)))
    torch.manual_seed(5)
    first = flips(None)
    torch.manual_seed(5)
    assert torch.equal(flips(None), first)
    state = torch.get_rng_state()
    flips(torch.Generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_no_flip_takes_no_random_numbers(ramp):
    state = torch.get_rng_state()
    make_batch(ramp, np.arange(8), device="cpu", flip=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_leave_the_pictures_alone(ramp):
    before = ramp.copy()
    make_batch(ramp, np.arange(64), device="cpu", flip=True)
    assert np.array_equal(ramp, before)
