"""A model folder -> a folder of files for the browser: its networks as ONNX, and what a page has to know of it.

    python -m gan export weights/faces64 --out site/models

writes site/models/faces64/model.json and the files that it names. Each file's name holds a digest of its content, so
that a browser may keep it for good; model.json is written last, and what an earlier one named is removed after it.

Weights are stored in float16 and computed with in float32, where that changes no pixel by more than a grey level. What
is written has been compared with PyTorch: model.json says how far they are apart.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan import run
from gan.export.conversion import (
    MOST,
    Part,
    check_libraries,
    greatest,
    grey_levels,
    in_parts,
    in_words,
    session_of,
    written,
)
from gan.export.networks import Critic, FirstGuess, Picture, Recognition, Search
from gan.export.snapshots import kept, numbers, patched, places
from gan.files import atomic_path, remove_leftovers, write_text
from gan.hub import local_folder
from gan.latent import lbfgs, projection
from gan.latent.directions import KINDS, REACH, load_directions
from gan.latent.encoder import load_encoder
from gan.latent.example import example_for
from gan.metrics.classifier import Classifier, classifier_for
from gan.models import Generator
from gan.sampling import latents, truncation_of
from gan.weights import load_discriminator, load_generator, load_hashed

log = logging.getLogger(__name__)

FILE = "model.json"
FORMAT_VERSION = 2
MOST_PSI = 1.5  # of the truncations that are compared: beyond it every generator leaves what it was trained on
SEEDS = 100  # that are compared
SNAPSHOT_SEEDS = 20  # likewise, of each snapshot
_SCORE = "sigmoid of the critic's logit for the picture rounded to 8 bits, in the graph"
_OWN_FILE = re.compile(
    r"((generator|critic|encoder|classifier|search)-[0-9a-f]{12}\.onnx|snapshot-\d+-[0-9a-f]{12}\.bin)"
)


def export(folder: str | Path, out: Path) -> Path:
    """Write a model for the browser.

    Args:
        folder: of the model, or its name on the Hugging Face Hub, as for `gan.load_generator`.
        out: a folder, made where there is none; the model gets a folder of its name in it.

    Returns:
        The model's folder.

    Raises:
        gan.export.conversion.ExportError: what writes ONNX is not installed, or what came out does not draw the same.
        gan.run.RunError: the model folder cannot be used.
        gan.metrics.classifier.ClassifierError: the classifier of such pictures is missing or damaged.
        OSError: `out` cannot be written to.
    """
    check_libraries()
    folder = local_folder(folder)
    generator, weights = load_hashed(folder)
    facts = facts_of(folder, weights)
    name = facts["name"]
    facts["example"] = dataclasses.asdict(example_for(generator, facts["data"]["kind"]))  # of arithmetic with faces
    contents: dict[str, bytes] = {}
    for kind, part in _parts(folder, generator).items():
        content, weights, apart = written(f"{name}'s {kind}", part)
        told = _told(f"{kind}-{{}}.onnx", content, apart)
        contents[told["file"]] = content
        facts["networks"][kind] = {
            **told,
            "inputs": list(part.inputs),
            "outputs": list(part.outputs),
            "weights": weights,
            **part.note,
        }
        log.info("%s: %s, %s; from PyTorch %s", name, told["file"], weights, in_words(apart))
        if kind == "generator":
            facts["snapshots"], others = _snapshots(folder, content, part.network)
            contents |= others
    return _save(out / name, facts, contents)


def _told(file: str, content: bytes, apart: dict[str, float]) -> dict:
    """What model.json says of any file; its digest goes into the name."""
    digest = hashlib.sha256(content)
    return {
        "file": file.format(digest.hexdigest()[:12]),
        "bytes": len(content),
        "integrity": "sha256-" + base64.b64encode(digest.digest()).decode(),
        "differences": {what: float(f"{difference:.3g}") for what, difference in apart.items()},
    }


def _snapshots(folder: Path, content: bytes, network: Picture) -> tuple[dict, dict[str, bytes]]:
    """What model.json says of a run's snapshots, and their files; damaged ones are left out.

    Args:
        content: the generator's file.
        network: that it was written of.
    """
    where, told, contents = places(content, network), [], {}
    for number, images_seen in kept(folder):
        try:
            generator = load_generator(folder, snapshot=number)
        except run.RunError as error:
            log.warning("left out: %s", error)
            continue
        z = latents(generator.config, range(SNAPSHOT_SEEDS))
        part = _generator(generator, z, in_parts(generator, z)[0])
        own = numbers(part.network, where)
        apart = part.apart(session_of(patched(content, where, own)))
        if apart["grey_levels"] <= MOST["grey_levels"]:  # NaN is not
            file = _told(f"snapshot-{number:04}-{{}}.bin", own, apart)
            told.append({"number": number, "images_seen": images_seen, **file})
            contents[file["file"]] = own
        else:
            log.warning("snapshot %d is left out: %s from PyTorch", number, in_words(apart))
    return {"places": [[place.at, place.bytes] for place in where] if told else [], "files": told}, contents


def facts_of(folder: Path, weights: str) -> dict:
    """What model.json says of a model, but for its files.

    Args:
        weights: their hash.
    """
    info = run.read_info(folder)
    config = info.config
    directions = list(load_directions(folder).values()) if (folder / run.DIRECTIONS_FILE).exists() else []
    vectors = np.stack([d.vector.numpy() for d in directions]) if directions else np.zeros((0, config.z_dim))
    return {
        "format_version": FORMAT_VERSION,
        "name": folder.resolve().name,
        "weights": weights,
        "preset": config.preset,
        "image_size": config.image_size,
        "channels": config.channels,
        "z_dim": config.z_dim,
        "z_distribution": config.z_distribution,
        "data": {
            "kind": info.data.kind,
            "words": info.data.words,
            "terms": [{"name": part.name, "terms": part.terms} for part in info.all_parts],
        },
        "truncation": {"plain": 1.0, "most": MOST_PSI},
        "directions": {
            "reach": REACH,
            "kinds": list(KINDS),
            "names": [{"name": d.name, "kind": d.kind, "effect": d.effect and dataclasses.asdict(d.effect)}
                      for d in directions],
            "vectors": base64.b64encode(vectors.astype("<f4").tobytes()).decode(),  # (names, z_dim) float32
        },
        "search": {
            "steps": projection.STEPS,
            "memory": lbfgs.MEMORY,
            "longest": lbfgs.LONGEST,
            "shortest": lbfgs.SHORTEST,
            "largest_z": projection.largest_z(config),
            "candidates": projection.CANDIDATES,  # seeds, of which the nearest is where it begins without an encoder
        },
        "networks": {},
        "snapshots": {"places": [], "files": []},  # see gan.export.snapshots
    }  # fmt: skip


def _parts(folder: Path, generator: Generator) -> dict[str, Part]:
    """The networks by name; those that the folder lacks are left out."""
    classifier = classifier_for(generator.config)
    z = latents(generator.config, range(SEEDS))
    pictures = in_parts(generator, z)[0]
    parts = {"generator": _generator(generator, z, pictures)}
    if (folder / run.CRITIC_FILE).exists():
        parts["critic"] = _critic(Critic(load_discriminator(folder)), pictures)
    encoder = load_encoder(folder) if (folder / run.ENCODER_FILE).exists() else None
    if encoder:
        parts["encoder"] = _encoder(FirstGuess(encoder), generator, pictures)
    parts["classifier"] = _classifier(classifier, pictures)
    parts["search"] = _search(Search(generator, classifier, encoder), classifier, z, pictures)
    return parts


def _generator(generator: Generator, z: Tensor, pictures: Tensor) -> Part:
    """Compared at psi = 1, and each seed at three others that cover all from 0 to `MOST_PSI` together."""
    all_psi = torch.linspace(0, MOST_PSI, len(z))
    tries = [(torch.ones(len(z)), pictures)]
    for shift in (0, len(z) // 3, 2 * len(z) // 3):
        psi = all_psi.roll(shift)
        tries.append((psi, in_parts(truncation_of(generator), z, psi)[0]))

    def apart(session: Callable[..., list[Tensor]]) -> dict[str, float]:
        return {"grey_levels": max(grey_levels(session(z, psi)[0], wanted) for psi, wanted in tries)}

    return Part(Picture(generator), ("z", "psi"), ("picture",), (z[:2], torch.ones(2)), apart)


def _critic(network: Critic, pictures: Tensor) -> Part:
    wanted = in_parts(network, pictures)[0]

    def apart(session: Callable[..., list[Tensor]]) -> dict[str, float]:
        return {"score": greatest(session(pictures)[0] - wanted)}

    return Part(network, ("picture",), ("score",), (pictures[:2],), apart, {"score": _SCORE})


def _encoder(network: FirstGuess, generator: Generator, pictures: Tensor) -> Part:
    """Compared by the pictures that are drawn of its guesses."""
    wanted = in_parts(lambda part: generator(network(part)), pictures)[0]

    def apart(session: Callable[..., list[Tensor]]) -> dict[str, float]:
        return {"grey_levels": grey_levels(in_parts(generator, *session(pictures))[0], wanted)}

    return Part(network, ("picture",), ("z",), (pictures[:2],), apart)


def _classifier(classifier: Classifier, pictures: Tensor) -> Part:
    wanted = in_parts(classifier.probabilities, pictures)[0]

    def apart(session: Callable[..., list[Tensor]]) -> dict[str, float]:
        return {"probability": greatest(session(pictures)[1] - wanted)}

    note = {"labels": list(classifier.labels), "exclusive": classifier.exclusive, "hash": classifier.hash}
    network = Recognition(classifier, pictures.shape[-1])
    return Part(network, ("picture",), ("features", "probabilities"), (pictures[:2],), apart, note)


def _search(network: Search, classifier: Classifier, z: Tensor, pictures: Tensor) -> Part:
    """Compared with autograd, each seed on its way to the next one's picture."""
    targets = pictures.roll(1, dims=0)
    features = in_parts(classifier.features, targets)[0]
    gradients = in_parts(network, z, targets, features)[-2:]

    def apart(session: Callable[..., list[Tensor]]) -> dict[str, float]:
        picture, *_, gradient, preconditioned = session(z, targets, features)
        shares = [
            (found - wanted).norm(dim=1) / wanted.norm(dim=1).clamp_min(1e-12)
            for found, wanted in zip((gradient, preconditioned), gradients, strict=True)
        ]
        return {"grey_levels": grey_levels(picture, pictures), "gradient": greatest(torch.cat(shares))}

    names = ("z", "target", "target_features")
    return Part(network.traced(), names, Search.OUTPUTS, network.example, apart)


def _save(folder: Path, facts: dict, contents: dict[str, bytes]) -> Path:
    """Write the networks, then model.json, which makes them the model's; then remove those that it does not name."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes(content)
    write_text(folder / FILE, json.dumps(facts, indent=1) + "\n")
    remove_leftovers(folder)
    for path in folder.iterdir():
        if path.name not in contents and _OWN_FILE.fullmatch(path.name):
            path.unlink()
    return folder
