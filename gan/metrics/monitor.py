"""The cheap figures that a training writes into its history now and then, and keeps its best generator by."""

from __future__ import annotations

import copy
import logging

import numpy as np
import torch

from gan.data.batches import pick_images
from gan.metrics.classifier import ClassifierError, load_classifier, task_of
from gan.metrics.distances import frechet_from_moments, moments
from gan.metrics.held_out import features_of
from gan.metrics.judge import digit_figures
from gan.metrics.patches import sliced_wasserstein
from gan.models import Generator, fold
from gan.sampling import sample

log = logging.getLogger(__name__)

IMAGES = 2048  # generated
REAL_IMAGES = 4096  # of the training's own; their features are computed once
PATCH_IMAGES = 1024  # on each side, where no classifier knows such pictures


class Monitor:
    """Measures a generator against pictures of its own training set.

    Draws on no random generator of the training, so that a training gives the same with and without it.

    Args:
        images: (N, H, W, C) uint8, the training's pictures.
        kind: what they show; decides the classifier. Without one the sliced Wasserstein distance is measured.

    Attributes:
        metric: the column of the history that tells the best generator: the lower, the better.
    """

    def __init__(self, images: np.ndarray, kind: str) -> None:
        self.images = images
        self.classifier, self._real_moments = None, None
        task = task_of(kind)
        try:
            known = load_classifier(task) if task else None
        except ClassifierError as error:
            log.warning("the history will hold the sliced Wasserstein distance only: %s", error)
            known = None
        if known is not None and known.channels == images.shape[3]:
            self.classifier = copy.deepcopy(known)
        self.metric = "sliced_wasserstein" if self.classifier is None else "frechet_distance"

    def measure(self, generator: Generator, *, bf16: bool = False) -> dict[str, float]:
        """The figures of a generator in eval mode, drawing in bfloat16 or not; keys of HISTORY_COLUMNS."""
        device = next(generator.parameters()).device
        drawer = fold(generator).to(memory_format=torch.channels_last)
        n = IMAGES if self.classifier is not None else min(PATCH_IMAGES, len(self.images))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            pictures = sample(drawer, n=n)
        if self.classifier is None:
            return {"sliced_wasserstein": sliced_wasserstein(self._some_images(n), pictures)["mean"]}
        classifier = self.classifier.to(device)
        if self._real_moments is None:
            self._real_moments = moments(features_of(classifier, self._some_images(REAL_IMAGES)))
        features = features_of(classifier, pictures)
        figures = {"frechet_distance": frechet_from_moments(self._real_moments, moments(features))}
        if classifier.exclusive:
            with torch.inference_mode():
                logits = classifier.head(features.to(device)).cpu()
            figures["sure_share"] = digit_figures(classifier.to_probabilities(logits))["sure_share"]
        return figures

    def _some_images(self, n: int) -> np.ndarray:
        rows = np.random.default_rng(0).permutation(len(self.images))[:n]
        return pick_images(self.images, np.sort(rows))
