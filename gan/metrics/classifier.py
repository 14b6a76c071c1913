"""The project's own classifiers: CelebA's 40 attributes, MNIST's ten digits; and the features that metrics compare in.

    python -m gan classifier celeba --data img_align_celeba.zip
    python -m gan classifier mnist --judge

trains one again (`gan.metrics.classifier_training`) and overwrites the shipped file in weights/classifiers/. There are
two for each kind of pictures, of different shapes and seeds: what the first one chose (the best of a training, the
sliders, a photo's latent) is reported on by the second, the judge. Figures that are measured in a classifier's features
can be compared only where its hash is the same.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gan.config import MOST_LAYERS, GANConfig
from gan.data_record import DIGITS, FACES
from gan.errors import GanError
from gan.files import MOST_TENSOR_BYTES, read_inside, read_tensors, reason

FOLDER = Path(__file__).resolve().parents[2] / "weights" / "classifiers"
TASKS = ("celeba", "mnist")
FORMAT_VERSION = 1
FACTS = "classifier"  # key of the file's metadata
SURE = 0.9  # a digit that gets a higher probability than this counts as recognised


class ClassifierError(GanError, ValueError):
    """A classifier's file that cannot be used; the message says what is wrong with it, and what to do."""


class Classifier(nn.Module):
    """Convolution - ReLU layers -> mean over the picture (the features) -> linear -> logits.

    Attributes:
        labels: K names, of attributes that a picture has or not, or of classes of which it has one.
        image_size, channels: of the pictures that it was trained on.
        exclusive: whether the labels exclude each other (digits).
        n_features: F, the number of features.
        figures: what was measured on held-out pictures when it was trained.
        hash: first 12 hexadecimal digits of its file's SHA-256; "" before it is saved.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        image_size: int,
        channels: int,
        *,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        exclusive: bool,
        batch_norm: bool = False,  # in training only: it is folded into the convolutions before the file is written
    ) -> None:
        super().__init__()
        self.labels, self.image_size, self.channels = labels, image_size, channels
        self.widths, self.strides, self.exclusive = widths, strides, exclusive
        self.n_features = widths[-1]
        self.figures: dict = {}
        self.hash = ""
        layers: list[nn.Module] = []
        for before, width, stride in zip((channels, *widths), widths, strides, strict=False):
            layers.append(nn.Conv2d(before, width, 3, stride, 1, bias=not batch_norm))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(self.n_features, len(labels))

    def features(self, images: Tensor) -> Tensor:
        """What the last layer sees: differentiable, in the images' device and float32.

        Args:
            images: (N, C, H, W) in [-1, 1], H = W of any size: resized (bilinear, antialiased) to `image_size`.

        Returns:
            (N, F), each 0 or more.

        Raises:
            ValueError: another number of channels, or pictures that are not square.
        """
        if images.ndim != 4 or images.shape[1] != self.channels or images.shape[2] != images.shape[3]:
            raise ValueError(f"images of shape {tuple(images.shape)}: expected (N, {self.channels}, H, H)")
        size = (self.image_size, self.image_size)
        if images.shape[2:] != size:
            images = interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        images = images.contiguous(memory_format=torch.channels_last)
        return self.layers(images).float().mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """images: as for `features` -> logits: (N, K)."""
        return self.head(self.features(images))

    def probabilities(self, images: Tensor) -> Tensor:
        """images: as for `features` -> (N, K): of each attribute by itself, or of the digits, adding up to 1."""
        return self.to_probabilities(self(images))

    def to_probabilities(self, logits: Tensor) -> Tensor:
        """logits: (N, K) -> (N, K) in 0..1."""
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()


def load_classifier(task: str) -> Classifier:
    """The shipped classifier for "celeba" or "mnist": eval mode, no gradients of weights; one per process and task.

    Raises:
        ClassifierError: its file is missing or damaged, or no such task.
    """
    return _load_once(file_of(task))


def load_judge(task: str) -> Classifier:
    """The second one, which chose nothing; as `load_classifier`."""
    return _load_once(file_of(task, judge=True))


def file_of(task: str, *, judge: bool = False) -> Path:
    """Where a shipped classifier lies; raises `ClassifierError` for no such task."""
    if task not in TASKS:
        raise ClassifierError(f"there is no classifier for {task!r}: expected one of {', '.join(TASKS)}")
    return FOLDER / f"{task}{'-judge' * judge}.safetensors"


def task_of(kind: str) -> str | None:
    """The classifier that knows pictures of a kind (`gan.data_record`): "celeba", "mnist", or None."""
    return {FACES: "celeba", DIGITS: "mnist"}.get(kind)


def classifier_for(config: GANConfig) -> Classifier:
    """The classifier that knows pictures like a model's: digits where they are grey, else faces."""
    return load_classifier(_task_for(config))


def judge_for(config: GANConfig) -> Classifier:
    """The judge that knows pictures like a model's."""
    return load_judge(_task_for(config))


def _task_for(config: GANConfig) -> str:
    return "mnist" if config.channels == 1 else "celeba"


def read_classifier(path: str | Path) -> Classifier:
    """Read a classifier's file, as `gan.metrics.classifier_training` writes it; raises `ClassifierError`."""
    path = Path(path)

    def made(facts: dict) -> Classifier:
        if facts["format_version"] > FORMAT_VERSION:
            raise ClassifierError(f"{path} has format {facts['format_version']}: update the code to read it")
        if len(facts["widths"]) > MOST_LAYERS:
            raise ClassifierError(f"{path} describes more than {MOST_LAYERS} layers: copy it again, or train it again")
        with torch.device("meta"):
            return Classifier(
                tuple(facts["labels"]),
                facts["image_size"],
                facts["channels"],
                widths=tuple(facts["widths"]),
                strides=tuple(facts["strides"]),
                exclusive=facts["exclusive"],
            )

    def shapes(facts: dict) -> list[dict[str, torch.Size]]:
        return [{name: tensor.shape for name, tensor in made(facts).state_dict().items()}]

    try:
        weights, facts = read_tensors(path.parent, path.name, shapes, key=FACTS)
        classifier = made(facts)
        classifier.figures = facts["figures"]
        classifier.hash = hashlib.sha256(read_inside(path.parent, path.name, MOST_TENSOR_BYTES)).hexdigest()[:12]
    except FileNotFoundError:
        raise ClassifierError(
            f"{path} is missing: copy it there from weights/classifiers/ of the project's repository, or train it: "
            "python -m gan classifier --help says how"
        ) from None
    except ClassifierError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise ClassifierError(f"{path} cannot be loaded ({reason(error)}): copy it again, or train it again") from error
    classifier.load_state_dict(weights, assign=True)
    classifier.to(memory_format=torch.channels_last)
    return classifier.eval().requires_grad_(False)


@functools.cache
def _load_once(path: Path) -> Classifier:
    return read_classifier(path)
