"""An equation to begin with, A - B + C, that works: typical faces of kinds that a classifier knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan.latent.morph import arithmetic, average
from gan.metrics.classifier import Classifier, ClassifierError, load_classifier, task_of
from gan.models import Generator
from gan.sampling import generate, latents

FACES = 3  # averaged in each of the three terms, as in the paper
LOOKED_AT = 256  # seeds among which the faces are looked for
TRIED = 24  # combinations
_TYPICAL = 6  # of each kind, the ones that look most like their kind
_SURE = 0.8
_AT_A_TIME = 32  # pictures
_WORDS = {
    "celeba": ("smiling women", "women not smiling", "men not smiling", "a smiling man"),
    "mnist": ("bold threes", "thin threes", "thin eights", "a bold eight"),
}


@dataclass(frozen=True)
class Example:
    """Faces to begin with.

    Attributes:
        terms: the seeds of A, B and C.
        names: what A, B, C and the result show, in words; empty where nobody knows.
    """

    terms: tuple[tuple[int, ...], ...]
    names: tuple[str, ...] = ()


PLAIN = Example(((0, 1, 2), (3, 4, 5), (6, 7, 8)))


def example_for(generator: Generator, kind: str, draw: Callable[[Generator, Tensor], np.ndarray] = generate) -> Example:
    """The same generator gives the same equation; `PLAIN` where no classifier knows its pictures.

    Args:
        generator: in eval mode.
        kind: of its data.
        draw: what draws its pictures.
    """
    try:
        task = task_of(kind)
        return found(generator, load_classifier(task), _WORDS[task], draw) if task else PLAIN
    except ClassifierError:
        return PLAIN


def found(
    generator: Generator,
    classifier: Classifier,
    names: Sequence[str],
    draw: Callable[[Generator, Tensor], np.ndarray] = generate,
) -> Example:
    """Typical faces of each kind, in the combination whose averages and result the classifier is surest of."""
    config = generator.config
    if classifier.channels != config.channels:
        return PLAIN
    z = latents(config, range(LOOKED_AT))
    seen, features = _look(classifier, z, lambda part: draw(generator, part))
    typical = [most_typical(seen[kind], features) for kind in range(3)]
    random = np.random.default_rng(0)
    tried = [[kind[random.permutation(len(kind))[:FACES]] for kind in typical] for _ in range(TRIED)]
    rows = []
    for terms in tried:
        vectors = [z[seeds] for seeds in terms]
        rows += [average(term, config.z_distribution) for term in vectors]
        rows.append(arithmetic(*vectors, config.z_distribution))
    sure, _ = _look(classifier, torch.cat(rows), lambda part: draw(generator, part))
    sure = sure.view(4, TRIED, 4).diagonal(dim1=0, dim2=2).prod(dim=1)  # each of the four as what it should be
    best = tried[int(sure.argmax())]
    return Example(tuple(tuple(int(seed) for seed in seeds) for seeds in best), tuple(names))


def _look(classifier: Classifier, z: Tensor, draw: Callable[[Tensor], np.ndarray]) -> tuple[Tensor, Tensor]:
    """How surely each picture is of the four kinds of `_WORDS`: (4, N), 0 to 1; and its features: (N, F)."""
    drawn, features = [], []
    with torch.inference_mode():
        for part in z.split(_AT_A_TIME):
            drawn.append(torch.from_numpy(draw(part)).permute(0, 3, 1, 2).float())
            features.append(classifier.features(drawn[-1] / 127.5 - 1))
        pictures, features = torch.cat(drawn), torch.cat(features)
        sure = classifier.to_probabilities(classifier.head(features))

    def has(label: str) -> Tensor:
        return sure[:, classifier.labels.index(label)]

    if classifier.exclusive:
        ink = pictures.mean(dim=(1, 2, 3))
        bold = torch.sigmoid(3 * (ink - ink.median()) / ink.std().clamp_min(1e-6))
        kinds = [has("3") * bold, has("3") * (1 - bold), has("8") * (1 - bold), has("8") * bold]
    else:
        smile, man = has("Smiling"), has("Male")
        kinds = [smile * (1 - man), (1 - smile) * (1 - man), (1 - smile) * man, smile * man]
    return torch.stack(kinds), features


def most_typical(sure: Tensor, features: Tensor) -> Tensor:
    """Seeds of one kind: among the sure ones those nearest to their mean, since the odd ones are often broken.

    Args:
        sure: (N,), how surely each is of that kind.
        features: (N, F).
    """
    chosen = (sure > _SURE).nonzero()[:, 0]
    if len(chosen) < _TYPICAL:
        chosen = sure.topk(_TYPICAL).indices
    scaled = features[chosen] / features.std(dim=0).clamp_min(1e-6)
    return chosen[(scaled - scaled.mean(dim=0)).norm(dim=1).argsort()[:_TYPICAL]]
