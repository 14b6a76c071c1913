"""Small models and their files for the browser, written once for all processes of a test run."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from serving import make_models
from tiny_classifiers import install, tiny_classifier
from tiny_runs import once

from gan.config import GANConfig
from gan.export import onnx
from gan.export.networks import Critic
from gan.export.packages import Package, PackageMissing
from gan.latent.attributes import Effect
from gan.latent.directions import ATTRIBUTE, Direction, save_directions
from gan.latent.encoder import Encoder, save_encoder
from gan.sampling import latents
from gan.weights import load_discriminator, load_generator, weights_hash

CLASSIFIER = tiny_classifier()
SEEDS = {"SEEDS": 12, "SNAPSHOT_SEEDS": 3}  # that an export compares: few of them


@dataclass(frozen=True)
class Exports:
    """Only to be read.

    Attributes:
        tiny: a model folder with everything that a model may have.
        small: another, of 20 numbers; of its networks only generator and critic are exported.
        files: holds the files of either, in a folder of its name.
    """

    tiny: Path
    small: Path
    files: Path


def brought(package: Package) -> Path:
    """The folder of a package; skips where it cannot be had, and fails where CI promises that npm brings it."""
    try:
        return package.obtained()
    except (PackageMissing, OSError) as error:
        if os.environ.get("CI") and shutil.which("npm"):
            raise
        pytest.skip(str(error))


def exported(place: Path, config: GANConfig, pictures: np.ndarray, run: Path) -> Exports:
    """What lies at `place`, made if nobody has made it yet."""
    found = Exports(place / "models" / "runs" / "tiny", place / "models" / "weights" / "small", place / "files")

    def make(place: Path) -> None:
        make_models(place / "models", config, pictures, run)
        _complete(found.tiny)
        _export(found, place / "classifiers")

    once(place, make)
    return found


def keep_operators(patch: pytest.MonkeyPatch) -> None:
    """The converter makes its table of operators anew for each network, which takes longer than all the rest."""
    with contextlib.suppress(ImportError, AttributeError):  # of another version
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))


def _complete(folder: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder(load_generator(folder).config).eval()
    encoder.facts = {"generator": weights_hash(folder)}
    save_encoder(folder, encoder)
    effect = Effect(0.1, 0.4, 0.9, "Bald", -0.05, 128)
    smiling = Direction("Smiling", ATTRIBUTE, torch.randn(8), effect)
    save_directions(folder, [smiling, Direction("SeFa 1", "sefa", torch.randn(8))], CLASSIFIER)


def _export(found: Exports, classifiers: Path) -> None:
    def drawing(folder, generator):
        z = latents(generator.config, range(4))
        shown = generator(z)
        critic = onnx._critic(Critic(load_discriminator(folder)), shown)
        return {"generator": onnx._generator(generator, z, shown), "critic": critic}

    with pytest.MonkeyPatch.context() as patch:
        classifiers.mkdir()
        install(patch, classifiers, celeba=CLASSIFIER)
        keep_operators(patch)
        for name, number in SEEDS.items():
            patch.setattr(onnx, name, number)
        onnx.export(found.tiny, found.files)
        patch.setattr(onnx, "_parts", drawing)
        onnx.export(found.small, found.files)
