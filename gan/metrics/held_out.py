"""The real pictures that a model is judged by: those held out, and those of the training split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.data.batches import make_batch
from gan.data.images import load_images, picture_names
from gan.data.labels import PARTITION_FILE, TRAINING, find_beside, read_partition
from gan.data.sources import DataError
from gan.files import atomic_path
from gan.metrics.classifier import Classifier

_BATCH = 128


@dataclass(frozen=True)
class Split:
    """Real pictures in two disjoint parts, as rows of two arrays that may be one and the same.

    Attributes:
        held_out, training: (N, H, W, C) uint8.
        held_out_rows, training_rows: the pictures of each part.
        words: what the held-out part is.
        official: whether the data set itself says which pictures are held out.
    """

    held_out: np.ndarray
    held_out_rows: np.ndarray
    training: np.ndarray
    training_rows: np.ndarray
    words: str
    official: bool

    def draw(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """n held-out and n training pictures, each (n, H, W, C) uint8, in an order that `seed` decides."""
        random = np.random.default_rng(seed)
        return (
            np.asarray(self.held_out[random.permutation(self.held_out_rows)[:n]]),
            np.asarray(self.training[random.permutation(self.training_rows)[:n]]),
        )


def load_split(
    sources: Sequence[str],
    *,
    size: int,
    channels: int,
    data_root: str | os.PathLike = "data",
    partition: str | os.PathLike | None = None,
    seed: int = 0,
) -> Split:
    """The real pictures, split as officially as can be.

    MNIST by its test set; CelebA by its partition file, where it is given or lies beside the pictures; others into
    two random halves.

    Args:
        sources, data_root: as for `gan.data.images.load_images`.
        size: height and width, pixels.
        partition: CelebA's list_eval_partition.txt.
        seed: decides the halves.

    Raises:
        DataError: pictures or partition that cannot be had or used.
    """

    def load(names: Sequence[str]) -> np.ndarray:
        return load_images(names, image_size=size, channels=channels, data_root=data_root)

    images = load(sources)
    if list(sources) == ["mnist"]:
        test = load(["mnist-test"])
        return Split(test, np.arange(len(test)), images, np.arange(len(images)), "MNIST's test set", True)
    partition = partition or find_beside(sources, PARTITION_FILE, data_root)
    if partition is not None:
        names = picture_names(sources, data_root=data_root)
        if len(names) != len(images):
            raise DataError(
                f"{len(names) - len(images)} of {len(names):,} pictures cannot be read, so {Path(partition).name} does "
                "not say which of the others are held out: remove them from the source"
            )
        training = read_partition(partition, names) == TRAINING
        rows = [np.flatnonzero(mask) for mask in (~training, training)]
        if not all(map(len, rows)):
            raise DataError(f"{partition} puts all of the {len(names):,} pictures into one split: expected two")
        return Split(images, rows[0], images, rows[1], "the validation split", True)
    halves = np.random.default_rng(seed).permutation(len(images))
    middle = len(images) // 2
    return Split(images, halves[:middle], images, halves[middle:], "a random half", False)


@torch.inference_mode()
def features_of(classifier: Classifier, images: np.ndarray) -> Tensor:
    """The classifier's features of pictures: (N, H, W, C) uint8 -> (N, F) float32 on the CPU."""
    device = next(classifier.parameters()).device
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = make_batch(images, np.arange(start, min(start + _BATCH, len(images))), device=device, flip=False)
        parts.append(classifier.features(batch).cpu())
    return torch.cat(parts)


def cached_features(classifier: Classifier, images: np.ndarray) -> Tensor:
    """`features_of` an array of `gan.data.images.load_images`, kept in a file beside the array's own in the cache."""
    array = Path(images.filename)
    path = array.with_name(f"features-{array.stem}-{classifier.hash}.npy")
    try:
        features = np.load(path)
        if features.shape == (len(images), classifier.n_features):
            return torch.from_numpy(features)
    except (OSError, ValueError, EOFError):
        pass  # not there yet, or cut short
    features = features_of(classifier, images)
    with atomic_path(path) as temporary:
        np.save(temporary, features.numpy())
    return features


def reduced(images: np.ndarray, size: int) -> np.ndarray:
    """Generated pictures at the size that they are judged at, by the filter that the real ones were reduced with.

    Args:
        images: (N, H, H, C) uint8, H at least `size`.

    Returns:
        (N, size, size, C) uint8.
    """
    if images.shape[1] == size:
        return images
    channels = images.shape[3]
    small = [
        np.asarray(Image.fromarray(image.squeeze(2) if channels == 1 else image).resize((size, size), Image.LANCZOS))
        for image in images
    ]
    return np.stack(small).reshape(-1, size, size, channels)
