"""The array of pictures -> batches for training."""

from __future__ import annotations

import numpy as np
import torch

from gan.data.downloads import DataError


def epoch_order(
    n_images: int, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world_size: int = 1
) -> np.ndarray:
    """The batches of one epoch, as image numbers: one permutation that depends on (seed, epoch) only.

    An incomplete last batch is dropped; the next epoch's permutation drops other pictures.

    Args:
        n_images: pictures in the data set.
        batch_size: pictures per step over all ranks together.
        seed, epoch: >= 0.
        rank, world_size: which share of every batch is wanted. The shares of all ranks side by side are the
            batch that a single process would see.

    Returns:
        (n_images // batch_size, batch_size // world_size) int64.

    Raises:
        DataError: fewer pictures than one batch, or a batch that does not divide over the ranks.
    """
    if n_images < batch_size:
        raise DataError(f"{n_images} pictures do not fill one batch of {batch_size}: add pictures or lower batch_size")
    if batch_size % world_size:
        raise DataError(f"batch_size {batch_size} does not divide over {world_size} processes; choose a multiple")
    if not 0 <= rank < world_size:
        raise DataError(f"rank {rank} is not one of {world_size} processes (0..{world_size - 1})")
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(epoch,))))
    n_batches = n_images // batch_size
    batches = random.permutation(n_images)[: n_batches * batch_size].reshape(n_batches, world_size, -1)
    return np.ascontiguousarray(batches[:, rank], dtype=np.int64)


def make_batch(
    images: np.ndarray,
    indices: np.ndarray,
    *,
    device: torch.device | str,
    flip: bool,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The chosen pictures as a tensor on the device, in the order of `indices`.

    Args:
        images: (M, H, W, C) uint8, as `load_images` gives.
        indices: (N,) integers.
        flip: mirror each picture left to right with probability 1/2.
        generator: CPU generator that decides the mirroring; default torch's global one.

    Returns:
        (N, C, H, W) float32 in [-1, 1], channels_last.

    Raises:
        DataError: as `pick_images`.
    """
    pixels = pick_images(images, indices)
    if flip:
        mirror = (torch.rand(len(pixels), generator=generator) < 0.5).numpy()
        whole = pixels.view(f"V{pixels.shape[-1]}")[..., 0]  # a pixel's bytes move as one: 20 times as quick
        whole[mirror] = whole[mirror, :, ::-1]
    batch = torch.from_numpy(pixels)
    cuda = torch.device(device).type == "cuda"
    if cuda:  # from pinned memory the copy does not wait for the steps that the GPU still has to do
        batch = batch.pin_memory()
    # bytes travel to the device, a quarter of the floats; (N, H, W, C) in memory is what channels_last means
    batch = batch.to(device, non_blocking=cuda).permute(0, 3, 1, 2)
    # dividing by 127.5 gives exactly -1 and 1 at the ends, which multiplying by its rounded inverse would not
    return batch.to(torch.float32).div_(127.5).sub_(1.0)


def pick_images(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """A copy of the chosen pictures: (N, H, W, C) uint8, in the order of `indices`.

    Raises:
        DataError: the file of a memory map was cut short meanwhile; reading on would end the process without a word.
    """
    if isinstance(images, np.memmap) and images._mmap.size() < images.offset + images.nbytes:  # size(): of the file
        raise DataError(f"the cached pictures in {images.filename} were cut short while they were in use: "
                        "they are decoded again when they are asked for next")  # fmt: skip
    return np.ascontiguousarray(np.asarray(images)[indices])
