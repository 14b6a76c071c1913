"""The real pictures that a model is judged by: those held out, and those of the training split."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.data.batches import make_batch
from gan.data.images import load_data
from gan.data.splits import ALL, HELD_OUT, TRAINED_ON
from gan.data_record import CELEBA, DataRecord
from gan.files import atomic_path
from gan.metrics.classifier import Classifier
from gan.run import RunInfo

_BATCH = 128


@dataclass(frozen=True)
class Split:
    """Real pictures in two disjoint parts, as rows of two arrays that may be one and the same.

    Attributes:
        held_out, training: (N, H, W, C) uint8.
        held_out_rows, training_rows: the pictures of each part.
        words: what the held-out part is.
        official: whether the data set itself says which pictures are held out.
        data: the record of the held-out pictures, of all where they are two halves.
    """

    held_out: np.ndarray
    held_out_rows: np.ndarray
    training: np.ndarray
    training_rows: np.ndarray
    words: str
    official: bool
    data: DataRecord

    @property
    def pairs(self) -> int:
        """The most pictures that `draw` can give of each kind."""
        return len(self.held_out_rows) // 2 if self.official else min(len(self.held_out_rows), len(self.training_rows))

    def draw(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """n held-out pictures and n others to compare with them, each (n, H, W, C) uint8, in an order of `seed`.

        The others are held out as well, so that nobody was trained on either, neither a model nor a classifier; where
        there is no official split, they are of the other half.
        """
        random = np.random.default_rng(seed)
        rows = random.permutation(self.held_out_rows)
        others = rows[n : 2 * n] if self.official else random.permutation(self.training_rows)[:n]
        return np.asarray(self.held_out[rows[:n]]), np.asarray(
            (self.held_out if self.official else self.training)[others]
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

    def load(names: Sequence[str], wanted: str = ALL) -> tuple[np.ndarray, DataRecord]:
        return load_data(
            names, image_size=size, channels=channels, data_root=data_root, wanted=wanted, partition=partition
        )

    if list(sources) == ["mnist"]:
        (test, record), (images, _) = load(["mnist-test"]), load(sources)
        return Split(test, np.arange(len(test)), images, np.arange(len(images)), "MNIST's test set", True, record)
    held_out, record = load(sources, HELD_OUT)
    splits = [name for name in ("validation", "test") if any(name in part.split for part in record.parts)]
    if splits:
        training, _ = load(sources, TRAINED_ON)
        words = f"the {' and '.join(splits)} split{'s' * (len(splits) > 1)}"
        rows = np.arange(len(held_out)), np.arange(len(training))
        return Split(held_out, rows[0], training, rows[1], words, True, record)
    halves = np.random.default_rng(seed).permutation(len(held_out))
    middle = len(held_out) // 2
    return Split(held_out, halves[:middle], held_out, halves[middle:], "a random half", False, record)


def saw_held_out(info: RunInfo, split: Split) -> bool:
    """Whether a model was trained on the pictures that are held out, it or the one that it began with."""
    if not split.official:  # all of them or others
        at_its_size = split.training.shape[1] == info.config.image_size
        known = info.data if at_its_size else dataclasses.replace(info.data, identity="")
        return known.is_same(split.data) or (not known.identity and known.images == split.data.images)
    names = {part.name for part in split.data.parts}
    celeba = any(part.split for part in split.data.parts)  # its partition file says so, whatever its pictures lie in
    return any(part.split != TRAINED_ON and (part.name in names or (celeba and part.terms == CELEBA))
               for part in info.all_parts)  # fmt: skip


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
