"""gan/web/latent: a picture as a model is shown it, and the search for its latent vector, step by step as in Python."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_classifiers import tiny_classifier

from gan.data.photo import fitted
from gan.export.networks import FirstGuess, Search
from gan.latent import lbfgs
from gan.latent.curvature import preconditioner
from gan.latent.encoder import Encoder
from gan.latent.projection import descend, largest_z
from gan.models import Generator
from gan.sampling import latents

STEPS, CANDIDATES = 12, 11
CLASSIFIER = tiny_classifier()


@pytest.mark.parametrize(("side", "size", "channels"), [(256, 64, 3), (256, 28, 1), (64, 64, 3), (40, 64, 3)])
def test_a_picture_is_fitted_as_pillow_does_it(run, tiny_config, side, size, channels):
    random = np.random.default_rng(side)
    smooth = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((side, side))
    grain = random.integers(-40, 40, (side, side, 3))
    pixels = np.clip(np.asarray(smooth).astype(int) + grain, 0, 255).astype(np.uint8)
    wanted = fitted(pixels, tiny_config.replace(image_size=size, channels=channels, z_dim=4))[0]
    rgba = np.dstack([pixels, np.full((side, side), 255, np.uint8)])
    found = run(
        "latent/fitting.js",
        """(m, [text, side, model]) => {
            const pixels = Uint8ClampedArray.from(atob(text), (byte) => byte.charCodeAt(0));
            return [...m.fitted(pixels, side, model)];
        }""",
        [base64.b64encode(rgba.tobytes()).decode(), side, {"image_size": size, "channels": channels}],
    )
    levels = np.abs(np.array(found).reshape(wanted.shape) - wanted.numpy()) * 127.5
    assert levels.max() < 1.01 and levels.mean() < 0.01


@pytest.fixture(scope="module")
def answer(modules):
    """The networks that `python(name, inputs)` runs for the page, with their inputs' shapes and outputs' names."""
    networks: dict[str, tuple[torch.nn.Module, dict[str, tuple[int, ...]], tuple[str, ...]]] = {}

    def run(name: str, inputs: dict[str, list[float]]) -> dict[str, list[float]]:
        network, shapes, outputs = networks[name]
        tensors = [torch.tensor(inputs[key]).reshape(-1, *shape) for key, shape in shapes.items()]
        found = network(*tensors)
        found = found if isinstance(found, tuple) else (found,)
        return {key: output.flatten().tolist() for key, output in zip(outputs, found, strict=True)}

    modules.expose_function("python", run)
    return networks


@pytest.mark.parametrize(
    ("distribution", "guessed"), [("normal", True), ("normal", False), ("uniform", False)], ids=str
)
def test_the_search_goes_the_way_that_python_goes(run, answer, tiny_config, distribution, guessed, monkeypatch):
    monkeypatch.setattr("gan.latent.projection.CANDIDATES", CANDIDATES)
    monkeypatch.setattr("gan.latent.lbfgs.MEMORY", 5)
    torch.manual_seed(3)
    config = tiny_config.replace(z_distribution=distribution)
    generator, encoder = (kind(config).eval().requires_grad_(False) for kind in (Generator, Encoder))
    for parameter in encoder.parameters():
        parameter *= 3  # so that it passes what a z may have
    encoder.preconditioner = preconditioner(generator, CLASSIFIER)
    target = generator(2 * latents(config, [500]))
    picture = {"picture": tuple(target.shape[1:])}
    features = {"target_features": (CLASSIFIER.n_features,)}
    answer["encoder"] = FirstGuess(encoder), picture, ("z",)
    answer["classifier"] = CLASSIFIER.features, picture, ("features",)
    search = Search(generator, CLASSIFIER, encoder if guessed else None)
    answer["search"] = search, {"z": (config.z_dim,), "target": picture["picture"], **features}, Search.OUTPUTS
    facts = {
        "z_dim": config.z_dim,
        "z_distribution": distribution,
        "networks": {"encoder": {}} if guessed else {},
        "search": {
            "steps": STEPS,
            **{"memory": lbfgs.MEMORY, "longest": lbfgs.LONGEST, "shortest": lbfgs.SHORTEST},
            "largest_z": largest_z(config),
            "candidates": CANDIDATES,
        },
    }
    found = run(
        "latent/search.js",
        """async (m, [model, target]) => {
            const run = async (name, inputs) => {
                const plain = Object.entries(inputs).map(([key, numbers]) => [key, [...numbers]]);
                const outputs = Object.entries(await python(name, Object.fromEntries(plain)));
                return Object.fromEntries(outputs.map(([key, numbers]) => [key, Float32Array.from(numbers)]));
            };
            const moments = [];
            for await (const { z, picture, ...numbers } of m.descend(model, Float32Array.from(target), run))
                moments.push({ ...numbers, z: [...z], picture: [...picture] });
            return moments;
        }""",
        [facts, target.flatten().tolist()],
    )
    wanted = list(descend(generator, target, encoder=encoder if guessed else None, classifier=CLASSIFIER, steps=STEPS))
    assert [moment["step"] for moment in found] == list(range(STEPS + 1))
    assert wanted[-1].loss < 0.8 * wanted[0].loss
    for moment, python in zip(found, wanted, strict=True):
        for key, value in {"loss": python.loss, "psnr": python.psnr, "distance": python.feature_distance}.items():
            assert moment[key] == pytest.approx(float(value[0]), rel=2e-3), (moment["step"], key)
        assert np.abs(np.array(moment["z"]) - python.z[0].numpy()).max() < 2e-3
        assert np.abs(np.array(moment["picture"]) - python.images.flatten().numpy()).max() < 2e-3
