"""Directions in z that mean something: what a slider adds to the numbers behind a picture.

    python -m gan directions weights/faces64

finds a model's directions, writes them to its directions.safetensors and prints what each of them does. Principal
directions need no labels: SeFa and GANSpace. Named ones (gan/latent/attributes.py) need two classifiers that know such
pictures: one finds, the other confirms. A direction is the vector that value 1 of its slider adds to z; sliders go to
`REACH` both ways.

>>> from gan import load_generator
>>> from gan.latent.directions import load_directions
>>> from gan.sampling import generate, latents
>>> generator, found = load_generator("weights/faces64"), load_directions("weights/faces64")
>>> picture = generate(generator, latents(generator.config, [7]) + 2 * found["Smile"].vector)
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gan import run
from gan.blocks import Residual
from gan.files import read_tensors, reason, save_tensors
from gan.hub import local_folder
from gan.latent.attributes import Effect, find_attributes
from gan.metrics.classifier import Classifier, load_classifier, load_judge, task_of
from gan.models import Generator, fold
from gan.sampling import generate, latents
from gan.terminal import shell_command
from gan.weights import load_hashed, weights_hash

log = logging.getLogger(__name__)

REACH = 3.0  # a slider's end, either way
FORMAT_VERSION = 1
PRINCIPAL = 16  # of each kind
ATTRIBUTE = "attribute"
PRINCIPAL_KINDS = {"sefa": "SeFa", "ganspace": "GANSpace"}  # and what people call them
KINDS = (ATTRIBUTE, *PRINCIPAL_KINDS)
_FACTS = "directions"  # key of the file's metadata
_MOST = 256  # directions in a file
_MOST_NAME = 60  # characters
_SEEN = 2048  # pictures whose activations GANSpace looks at
_JUDGED = 24  # seeds that a slider's strength is measured on
_ROUNDS = 3  # of correcting a slider's strength


@dataclass(frozen=True)
class Direction:
    """One slider.

    Attributes:
        name: unique in its model, like "Smile" or "SeFa 3".
        kind: one of `KINDS`.
        vector: (z_dim,) float32 that value 1 adds to z.
        effect: what was measured, of an attribute.
    """

    name: str
    kind: str
    vector: Tensor
    effect: Effect | None = None


def load_directions(folder_or_hub_id: str | Path) -> dict[str, Direction]:
    """A model's directions by name: attributes first, then principal ones, each kind by its effect.

    Args:
        folder_or_hub_id: as for `gan.load_generator`.

    Raises:
        gan.run.RunError: no such folder, no directions in it, a damaged file, or directions of the weights that the
            folder held before.
    """
    folder = local_folder(folder_or_hub_id)
    z_dim = run.read_info(folder).config.z_dim
    path, command = folder / run.DIRECTIONS_FILE, shell_command("python", "-m", "gan", "directions", folder)
    again = f"run `{command}` again"

    def shapes(facts: dict) -> list[dict[str, torch.Size]]:
        if (version := facts["format_version"]) > FORMAT_VERSION:
            raise run.RunError(f"{path} has format {version}, this version reads up to {FORMAT_VERSION}: update it")
        return [{"vectors": torch.Size((len(facts["directions"]), z_dim))}]

    try:
        tensors, facts = read_tensors(folder, run.DIRECTIONS_FILE, shapes, key=_FACTS)
        found = [_direction(*pair) for pair in zip(facts["directions"][:_MOST], tensors["vectors"], strict=False)]
        generator = facts["generator"]
    except FileNotFoundError:
        raise run.RunError(f"{path} is missing: `{command}` finds the directions") from None
    except run.RunError:
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise run.RunError(f"{path} cannot be loaded ({reason(error)}): {again}") from error
    if generator != weights_hash(folder):
        raise run.RunError(f"{path} belongs to other weights than the folder now holds: {again}")
    return {direction.name: direction for direction in found}


def _direction(known: dict, vector: Tensor) -> Direction:
    """What a file says of a direction; raises KeyError, TypeError or ValueError where that makes no sense."""
    name, kind, effect = known["name"], known["kind"], known["effect"]
    if not isinstance(name, str) or not 1 <= len(name) <= _MOST_NAME or not name.isprintable() or kind not in KINDS:
        raise ValueError("a direction without a name or kind of ours")
    if effect is None:
        return Direction(name, kind, vector)
    effect = Effect(**effect)
    numbers = (effect.low, effect.middle, effect.high, effect.side_change, effect.faces)
    if not all(type(number) in (int, float) and abs(number) < 1e9 for number in numbers):
        raise ValueError(f"{name} has measurements that are no numbers")
    if not isinstance(effect.side, str) or len(effect.side) > _MOST_NAME:
        raise ValueError(f"{name} has a side effect without a name")
    return Direction(name, kind, vector, effect)


def save_directions(
    folder: Path,
    directions: Sequence[Direction],
    classifier: Classifier | None,
    judge: Classifier | None = None,
    weights: str | None = None,
) -> None:
    """Write a model's directions, vectors in float16, with what was measured and of which weights, in the metadata.

    Args:
        weights: hash of those that they were found for; default those that the folder holds.
    """
    folder = Path(folder)
    facts = {
        "format_version": FORMAT_VERSION,
        "generator": weights or weights_hash(folder),
        "classifier": classifier.hash if classifier else "",
        "judge": judge.hash if judge else "",
        "directions": [
            {"name": d.name, "kind": d.kind, "effect": d.effect and dataclasses.asdict(d.effect)} for d in directions
        ],
    }
    vectors = torch.stack([direction.vector for direction in directions]).half().contiguous()
    save_tensors(folder / run.DIRECTIONS_FILE, {"vectors": vectors}, facts, key=_FACTS)


def find_directions(
    generator: Generator, classifier: Classifier | None = None, judge: Classifier | None = None
) -> list[Direction]:
    """All directions of a generator; the same generator and classifiers give the same directions.

    Args:
        generator: in eval mode, on the CPU.
        classifier, judge: as for `find_attributes`; without them there are no attributes.
    """
    named = []
    if classifier and judge:
        found = find_attributes(fold(generator), classifier, judge)
        named = [Direction(a.name, ATTRIBUTE, a.step / REACH, a.effect) for a in found]
    return [*named, *sefa(generator), *ganspace(generator)]


def sefa(generator: Generator, n: int = PRINCIPAL) -> list[Direction]:
    """Closed-form directions (Shen and Zhou 2021, "SeFa", arXiv:2007.06600): what the first layer amplifies most.

    The eigenvectors of W^T W with the largest eigenvalues, W the first layer's weight, with its batch norm folded in
    where no shortcut goes past it and z does not modulate it.

    Args:
        generator: in eval mode, on the CPU.
        n: how many; no more than z_dim.
    """
    folded = fold(generator)
    weight = folded.stem.weight.double()
    _, vectors = torch.linalg.eigh(weight.T @ weight)  # in ascending order
    return _principal(folded, vectors.flip(1).T[:n], "sefa")


@torch.inference_mode()
def ganspace(generator: Generator, n: int = PRINCIPAL) -> list[Direction]:
    """Directions of the largest variance in an early layer (Härkönen et al. 2020, "GANSpace", arXiv:2004.02546).

    Principal components of the activations after the first transposed convolution or residual block, each brought
    back to z by linear regression over the same pictures. (One layer earlier they are SeFa's directions again: cosine
    above 0.9.)

    Args:
        generator: in eval mode, on the CPU.
        n: how many; no more than z_dim.
    """
    folded = fold(generator)
    upsampling = (nn.ConvTranspose2d, Residual)
    first = next(i for i, layer in enumerate(folded.layers) if isinstance(layer, upsampling))
    # A convolution with its activation, where it has one, which a modulated batch norm precedes.
    until = first + (1 if isinstance(folded.layers[first], Residual) else 2 + folded.config.g_modulated)
    z = latents(folded.config, range(_SEEN))
    activations = torch.cat([folded.layers[:until](folded.stem(part), part).flatten(1) for part in z.split(64)])
    n = min(n, folded.config.z_dim)
    with torch.random.fork_rng(devices=[]):  # the decomposition begins with random vectors
        torch.manual_seed(0)
        scores, sizes, _ = torch.pca_lowrank(activations, q=min(2 * n, *activations.shape), niter=4)
    wanted = (scores * sizes)[:, :n]
    vectors = torch.linalg.lstsq(z - z.mean(dim=0), wanted).solution.T
    return _principal(folded, vectors, "ganspace")


def equal_strength(generator: Generator, vector: Tensor, seeds: int = _JUDGED) -> Tensor:
    """The length at which a slider feels like the others: end to end it changes a picture as much as another seed does.

    "As much" is the mean absolute difference of pixels. No slider moves z by more than the length that z itself has.

    Args:
        generator: in eval mode.
        vector: (z_dim,), not all 0; its length does not matter.
        seeds: how many pictures to judge by.

    Returns:
        (z_dim,): the displacement at value 1.
    """
    z = latents(generator.config, range(seeds))
    usual = z.norm(dim=1).mean().item()
    here = generate(generator, z).astype(np.float32)
    wanted = np.mean([np.abs(here - np.roll(here, shift, axis=0)).mean() for shift in range(1, seeds // 2)])
    unit = (vector / vector.norm()).float()
    length = usual / 4
    for _ in range(_ROUNDS):
        change = _change(generator, z, length * unit)
        length = min(usual, length * float(np.clip(wanted / max(change, 1e-3), 0.4, 2.5)))
    return unit * length / REACH


def find_for_run(folder: Path) -> list[Direction]:
    """Find and write the directions of a model folder; attributes only where its data are what a classifier knows.

    Raises:
        gan.run.RunError: the folder cannot be used.
        gan.metrics.classifier.ClassifierError: one of its classifiers is missing or damaged.
    """
    folder = Path(folder)
    generator, weights = load_hashed(folder)
    task = task_of(run.read_info(folder).data.kind)
    classifier, judge = (load_classifier(task), load_judge(task)) if task else (None, None)
    if classifier and classifier.channels != generator.config.channels:  # CelebA in grey
        classifier = judge = None
    directions = find_directions(generator, classifier, judge)
    save_directions(folder, directions, classifier, judge, weights)
    return directions


def _principal(generator: Generator, vectors: Tensor, kind: str) -> list[Direction]:
    """vectors: (n, z_dim) -> sliders of equal strength, + makes pictures lighter; first those that need least of z.

    A vector of no length is left out: a generator that always draws the same picture has such.
    """
    z = latents(generator.config, range(_JUDGED))
    steps = [equal_strength(generator, vector) for vector in vectors if 0 < vector.norm() < math.inf]
    steps.sort(key=lambda step: float(step.norm()))
    lighter = [_mean(generator, z + step) >= _mean(generator, z - step) for step in steps]
    return [
        Direction(f"{PRINCIPAL_KINDS[kind]} {number}", kind, step if up else -step)
        for number, (step, up) in enumerate(zip(steps, lighter, strict=True), 1)
    ]


def _change(generator: Generator, z: Tensor, step: Tensor) -> float:
    """Mean absolute difference of pixels between z - step and z + step, grey levels."""
    low, high = (generate(generator, z + sign * step).astype(np.float32) for sign in (-1, 1))
    return float(np.abs(high - low).mean())


def _mean(generator: Generator, z: Tensor) -> float:
    return float(generate(generator, z).mean())
