"""Classifiers of a few thousand weights, untrained: enough to tell one set of pictures from another."""

from __future__ import annotations

import torch

from gan.metrics import classifier as shipped
from gan.metrics.classifier import Classifier
from gan.metrics.classifier_training import save_classifier


def tiny_classifier(exclusive=False, channels=3, size=16, seed=0):
    torch.manual_seed(seed)
    labels = tuple("0123456789") if exclusive else ("Bald", "Smiling", "Wearing_Hat")
    network = Classifier(labels, size, channels, widths=(8, 12), strides=(2, 2), exclusive=exclusive)
    return network.eval().requires_grad_(False)


def install(monkeypatch, folder, **tasks):
    """Let `load_classifier` find these classifiers instead of the shipped ones, and `load_judge` others like them."""
    for task, classifier in tasks.items():
        save_classifier(classifier, folder / f"{task}.safetensors", {"accuracy": 0.5})
        judge = tiny_classifier(classifier.exclusive, classifier.channels, classifier.image_size, seed=1)
        save_classifier(judge, folder / f"{task}-judge.safetensors", {"accuracy": 0.5})
    monkeypatch.setattr(shipped, "FOLDER", folder)
