"""Judges a model folder by a fixed protocol, which stands beside the figures; the same for real pictures."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan import run
from gan.config import GANConfig
from gan.data.images import describe_sources
from gan.data.sources import record_of
from gan.data_record import UNKNOWN, kind_of
from gan.history import images_seen
from gan.metrics import inception
from gan.metrics.classifier import SURE, Classifier, load_judge, task_of
from gan.metrics.distances import (
    KERNEL_SUBSET_SIZE,
    KERNEL_SUBSETS,
    NEIGHBOUR,
    frechet_distance,
    kernel_distance,
    nearest,
    precision_recall,
)
from gan.metrics.diversity import PAIRS, WINDOW, pair_similarity, scales
from gan.metrics.figures import FINEST
from gan.metrics.held_out import Split, cached_features, features_of, load_split, reduced, saw_held_out
from gan.metrics.marks import marks
from gan.metrics.patches import sliced_wasserstein
from gan.metrics.results import MetricError
from gan.models import fold
from gan.sampling import image_grid, sample
from gan.weights import load_discriminator, load_generator, load_hashed

IMAGES = 5000  # on each side
LEAST_IMAGES = 8
PATCH_IMAGES = 2048  # of these, for the sliced Wasserstein distance, which is slow
NEIGHBOUR_SEEDS = range(20)
CROP = "aligned 178x218 pictures: the 128x128 around x=89, y=121; others: the centre square; Lanczos"


@dataclass(frozen=True)
class _Real:
    """The real side of a protocol, measured once and used for every model of that size."""

    split: Split
    reference: np.ndarray  # (n, H, W, C) uint8, held out
    features: Tensor | None  # theirs
    figures: dict  # other real pictures judged as if they were generated


def known_classifier(sources: Sequence[str], folders: Sequence[str | Path]) -> str:
    """The classifier for pictures from these sources: "celeba", "mnist" or "none".

    A zip or folder does not say what its pictures show; the models that are to be judged by them do.

    Raises:
        gan.run.RunError: a folder that cannot be used.
    """
    kind = kind_of(map(record_of, sources))
    if kind == UNKNOWN:
        kind = kind_of(part for folder in folders for part in run.read_info(folder).data.parts)
    return task_of(kind) or "none"


class Judge:
    """Judges model folders against the same real pictures.

    Args:
        sources, data_root: as for `gan.data.images.load_images`.
        partition: CelebA's list_eval_partition.txt; default the one beside the pictures, if there is one.
        images: pictures on each side; default `IMAGES`, or as many as are held out.
        seed: the first seed generated, and what decides the real pictures, subsets, pairs and projections.
        classifier: "celeba", "mnist", or "none"; "auto" takes the one that knows what the sources are.
        device: a torch device.

    Raises:
        gan.metrics.classifier.ClassifierError: the classifier cannot be loaded.
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        data_root: str | os.PathLike = "data",
        partition: str | os.PathLike | None = None,
        images: int | None = None,
        seed: int = 0,
        classifier: str = "auto",
        device: torch.device | str = "cpu",
    ) -> None:
        self.sources, self.data_root, self.partition = list(map(str, sources)), data_root, partition
        self.images, self.seed, self.device = images, seed, device
        self.task = task_of(kind_of(map(record_of, self.sources))) if classifier == "auto" else classifier
        self.classifier: Classifier | None = None
        if self.task not in (None, "none"):
            self.classifier = copy.deepcopy(load_judge(self.task)).to(device)
        self._real: dict[tuple[int, int], _Real] = {}

    def own_size(self, config: GANConfig) -> int:
        """Where a model is judged unless told otherwise: its own size, as far as the classifier sees pixels."""
        return config.image_size if self.classifier is None else min(config.image_size, self.classifier.image_size)

    def check(self, folder: str | Path, size: int | None = None) -> run.RunInfo:
        """What a model folder says of itself; raises what `judge` would for its size or channels, without measuring."""
        info = run.read_info(folder)
        config = info.config
        size = size or self.own_size(config)
        if not WINDOW <= size <= config.image_size:
            raise MetricError(
                f"size {size}: {Path(folder).name} draws {config.image_size} pixels and is judged at {WINDOW} to "
                f"{config.image_size}; give another --size"
            )
        if self.classifier is not None and self.classifier.channels != config.channels:
            raise MetricError(
                f"{Path(folder).name} draws {config.channels} channels and the {self.task} classifier knows "
                f"{self.classifier.channels}: give the --data that the model was trained on, or --classifier none"
            )
        return info

    def judge(self, folder: str | Path, *, size: int | None = None, best: bool = False, fid: bool = False) -> dict:
        """Measure a model.

        Args:
            folder: a model folder.
            size: pixels that both sides are reduced to first; default `own_size`. Beyond what the classifier sees
                there are no figures in its features, only those of patches and variety.
            best: judge best.safetensors instead of model.safetensors.
            fid: measure the Inception FID too, where torchmetrics and its weights are at hand.

        Returns:
            JSON-ready: "model", "images_seen", "weights" (hash), "protocol", "generated" and "real" (figures of the
            same names), "attributes" (shares) where CelebA's classifier judges, "marks" (see `gan.metrics.marks`) at
            the model's own size where it has its critic.

        Raises:
            MetricError: too few pictures, a size or classifier that does not fit the model.
            gan.run.RunError, gan.data.sources.DataError: a folder or pictures that cannot be used.
        """
        info = self.check(folder, size)
        config = info.config
        size = size or self.own_size(config)
        real = self._real_side(size, config.channels)
        n = len(real.reference)
        # Both before the work: a training may go on meanwhile.
        generator, weights = load_hashed(folder, best=best, device=self.device)
        seen = images_seen(folder, best=best)
        # With its batch norm folded it draws the same pictures, faster.
        pictures = reduced(sample(fold(generator), seed=self.seed, n=n), size)
        features = self._features(pictures)
        result = {
            "model": Path(folder).name,
            "images_seen": seen,
            "weights": weights,
            "protocol": self._protocol(real, size, info),
            "generated": self._compare(real.reference, real.features, pictures, features),
            "real": dict(real.figures),
        }
        if features is not None and not self.classifier.exclusive:
            shares = [self._shares(part) for part in (features, real.features)]
            result["attributes"] = {
                name: {"generated": a, "real": b} for name, a, b in zip(self.classifier.labels, *shares, strict=True)
            }
        if size == config.image_size and not best and (Path(folder) / run.CRITIC_FILE).exists():
            critic = fold(load_discriminator(folder, device=self.device))
            sides = {"generated": pictures, "real": real.reference}
            result["marks"] = {side: marks(critic, shown) for side, shown in sides.items()}
        if fid:
            result["inception_fid"] = inception.measure(real.reference, pictures)
        return result

    def neighbours(self, folder: str | Path, *, size: int | None = None, best: bool = False) -> tuple[dict, np.ndarray]:
        """The nearest training pictures of `NEIGHBOUR_SEEDS` in the classifier's features: is anything memorised?

        Those held out are searched too, where the model was trained on them. For comparison: how near held-out pictures
        lie to training pictures.

        Returns:
            JSON-ready distances; and the pictures as a sheet (H, W, C) uint8, ten samples a row, each above its
            nearest training picture.

        Raises:
            MetricError: no classifier for such pictures.
        """
        if self.classifier is None:
            raise MetricError("nearest pictures need a classifier's features: give --classifier celeba or mnist")
        info = self.check(folder, size)
        size = size or self.own_size(info.config)
        real = self._real_side(size, info.config.channels)
        split = real.split
        known = training = cached_features(self.classifier, split.training)
        if more := split.official and saw_held_out(info, split):
            known = torch.cat([training, cached_features(self.classifier, split.held_out)])
        seeds = list(NEIGHBOUR_SEEDS)
        pictures = sample(load_generator(folder, best=best, device=self.device), seed=seeds[0], n=len(seeds))
        pictures = reduced(pictures, size)
        distances, rows = nearest(features_of(self.classifier, pictures), known)
        held_out, _ = nearest(features_of(self.classifier, real.reference), training[split.training_rows])
        facts = {
            "searched": len(known),
            "seeds": seeds,
            "distances": [round(d, 4) for d in distances.tolist()],
            "held_out": {f"p{q}": round(held_out.quantile(q / 100).item(), 4) for q in (1, 5, 50, 95)},
        }
        arrays = [split.training, *([split.held_out] if more else [])]
        originals = np.stack([_row(arrays, row) for row in rows.tolist()])
        halves = [np.concatenate([pictures[i : i + 10], originals[i : i + 10]]) for i in range(0, len(seeds), 10)]
        return facts, image_grid(np.concatenate(halves), 10)

    def _real_side(self, size: int, channels: int) -> _Real:
        if (size, channels) not in self._real:
            split = load_split(
                self.sources,
                size=size,
                channels=channels,
                data_root=self.data_root,
                partition=self.partition,
                seed=self.seed,
            )
            n = self.images or min(IMAGES, split.pairs)
            if not LEAST_IMAGES <= n <= split.pairs:
                raise MetricError(
                    f"{n} pictures on each side: there are {split.pairs:,} held out for each; expected "
                    f"{LEAST_IMAGES} to that many: give more --data or another --images"
                )
            reference, others = split.draw(n, self.seed)
            features, other_features = self._features(reference), self._features(others)
            figures = self._compare(reference, features, others, other_features)
            self._real[size, channels] = _Real(split, reference, features, figures)
        return self._real[size, channels]

    def _features(self, images: np.ndarray) -> Tensor | None:
        """None where no classifier knows such pictures, or not at such a size."""
        seen = self.classifier is not None and images.shape[1] <= self.classifier.image_size
        return features_of(self.classifier, images) if seen else None

    def _compare(
        self, reference: np.ndarray, reference_features: Tensor | None, images: np.ndarray, features: Tensor | None
    ) -> dict:
        patches = sliced_wasserstein(reference[:PATCH_IMAGES], images[:PATCH_IMAGES], seed=self.seed)
        figures = {"sliced_wasserstein": patches.pop("mean"), "sliced_wasserstein_levels": patches}
        figures[FINEST.key] = patches[str(images.shape[1])]  # what a smaller picture does not have
        figures["ms_ssim"] = pair_similarity(images, seed=self.seed)
        if features is None:
            return figures
        figures["frechet_distance"] = frechet_distance(reference_features, features)
        kernel, deviation = kernel_distance(reference_features, features, seed=self.seed)
        figures["kernel_distance"], figures["kernel_distance_deviation"] = kernel, deviation
        figures["precision"], figures["recall"] = precision_recall(reference_features, features)
        if self.classifier.exclusive:
            figures |= digit_figures(self._probabilities(features))
        return figures

    @torch.inference_mode()
    def _probabilities(self, features: Tensor) -> Tensor:
        return self.classifier.to_probabilities(self.classifier.head(features.to(self.device))).cpu()

    def _shares(self, features: Tensor) -> list[float]:
        """How common each attribute is: the mean probability, which sees rare ones that seldom pass one half."""
        return self._probabilities(features).double().mean(dim=0).tolist()

    def _protocol(self, real: _Real, size: int, info: run.RunInfo) -> dict:
        split, n = real.split, len(real.reference)
        facts = {
            "images": n,
            "seed": self.seed,
            "seeds": f"{self.seed} to {self.seed + n - 1}",
            "truncation": 1.0,
            "size": size,
            "model_size": info.config.image_size,
            "data": describe_sources(self.sources),
            "sources": [record_of(source).source for source in self.sources],
            "held_out": f"{split.words} ({len(split.held_out_rows):,} pictures)",
            "held_out_seen_by_model": saw_held_out(info, split),
            "real": "other pictures of the same split" if split.official else "the other half",
            "crop": CROP,
            "sliced_wasserstein": f"{min(n, PATCH_IMAGES)} pictures, x 1000",
            "ms_ssim": f"{min(n // 2, PAIRS)} pairs, {scales(size)} scales, window {WINDOW}",
        }
        if real.features is not None:
            facts["extractor"] = {
                "task": self.task,
                "hash": self.classifier.hash,
                "features": self.classifier.n_features,
                "image_size": self.classifier.image_size,
            }
            facts["kernel_distance"] = f"{KERNEL_SUBSETS} subsets of {min(n, KERNEL_SUBSET_SIZE)}"
            facts["precision_recall"] = f"k = {NEIGHBOUR}"
        return facts


def _row(arrays: Sequence[np.ndarray], row: int) -> np.ndarray:
    """A picture of several arrays, counted through."""
    for array in arrays:
        if row < len(array):
            return array[row]
        row -= len(array)
    raise IndexError(row)


def digit_figures(probabilities: Tensor) -> dict:
    """How sure the classifier is of digits, and how evenly they come.

    Args:
        probabilities: (N, 10), rows that add up to 1.

    Returns:
        "sure_share": share of pictures with a probability above `SURE`; "digits": how many of each, by the most
        probable one; "digit_entropy": of that distribution in bits, at most log2(10) = 3.32.
    """
    best, digit = probabilities.max(dim=1)
    counts = torch.bincount(digit, minlength=probabilities.shape[1])
    shares = [count / len(digit) for count in counts.tolist() if count]
    return {
        "sure_share": (best > SURE).double().mean().item(),
        "digits": counts.tolist(),
        "digit_entropy": -sum(share * math.log2(share) for share in shares),
    }
