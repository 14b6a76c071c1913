"""An equation to begin with: its faces are what a classifier takes them for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.latent.example import PLAIN, example_for, found, most_typical
from gan.latent.morph import arithmetic, average
from gan.metrics.classifier import Classifier
from gan.models import Generator
from gan.sampling import generate, latents
from gan.weights import load_generator


@pytest.fixture(scope="module")
def generator(tiny_run) -> Generator:
    return load_generator(tiny_run)


class Components(Classifier):
    """Smiling is one principal component of these pictures, a man the next."""

    def __init__(self, pictures: np.ndarray) -> None:
        super().__init__(("Male", "Smiling"), 16, 3, widths=(2,), strides=(1,), exclusive=False)
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        self.mean = images.flatten(1).mean(dim=0)
        _, strength, axes = torch.linalg.svd(images.flatten(1) - self.mean, full_matrices=False)
        self.axes = (axes[:2] / strength[:2, None]).T * len(images) ** 0.5
        self.head.weight.data, self.head.bias.data = 10 * torch.eye(2).flip(0), torch.zeros(2)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1) - self.mean) @ self.axes


def test_the_example_is_of_faces_that_the_classifier_is_sure_of(generator):
    config = generator.config
    pictures = generate(generator, latents(config, range(256)))
    classifier = Components(pictures)

    def kinds(z: torch.Tensor) -> list[tuple[bool, bool]]:
        images = torch.from_numpy(generate(generator, z)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return [(smile > 0, man > 0) for smile, man in classifier.features(images).tolist()]

    equation = found(generator, classifier, ("a", "b", "c", "d"))
    assert equation.names == ("a", "b", "c", "d")
    terms = [latents(config, seeds) for seeds in equation.terms]
    for term, kind in zip(terms, [(True, False), (False, False), (False, True)], strict=True):
        assert len(term.unique(dim=0)) == 3
        assert kinds(term) == [kind] * 3 and kinds(average(term)) == [kind]
    assert kinds(arithmetic(*terms)) == [(True, True)]
    grey = Classifier(("1",), 8, 1, widths=(2,), strides=(1,), exclusive=True)
    assert found(generator, grey, ()) is PLAIN


def test_of_one_kind_the_typical_are_chosen_among_the_sure():
    features = torch.tensor([[0.0], [1.0], [1.1], [1.2], [1.3], [0.9], [0.8], [9.0], [1.0]])
    sure = torch.tensor([0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2])
    assert sorted(most_typical(sure, features).tolist()) == [1, 2, 3, 4, 5, 6]
    unsure = torch.arange(9) / 20.0
    assert sorted(most_typical(unsure, features).tolist()) == [3, 4, 5, 6, 7, 8]


def test_without_a_classifier_that_knows_such_pictures_it_is_plain_seeds(generator):
    assert example_for(generator, "unknown") is PLAIN
