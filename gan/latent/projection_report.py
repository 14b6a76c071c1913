"""How near photographs come in a model's latent space: `python -m gan.projection FOLDER --data SOURCE`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan import run
from gan.data.images import describe_sources, make_batch
from gan.data.sources import DataError
from gan.files import MOST_JSON_BYTES, parse_json, read_inside, write_text
from gan.latent.encoder import Encoder, load_encoder
from gan.latent.projection import MAX_STEPS, STEPS, Moment, descend
from gan.machine import steady_output
from gan.metrics.classifier import Classifier, ClassifierError, classifier_for
from gan.metrics.held_out import features_of, load_split
from gan.models import Generator
from gan.sampling import generate, image_grid, latents, to_uint8
from gan.weights import load_hashed, weights_hash

FILE = run.PROJECTION_FILE
FORMAT_VERSION = 1
IMAGES = 100  # of each kind
WANTED_BETTER = 0.95  # share of the photographs that the steps bring nearer in both ways
WANTED_PSNR = 25.0  # dB, of generated pictures fed back
WANTED_RECOVERED = 0.90  # share of these that pass it
WANTED_SECONDS = 3.0  # of a projection, on 2 cores
_BATCH = 10  # pictures at a time, which takes less time than one by one
_TIMED = 7  # projections of one picture
_SHOWN = 16  # pictures on the sheet
_FIRST_SEED = 10_000_000  # of the generated pictures, apart from those that an encoder is judged by


@dataclass(frozen=True)
class Descents:
    """N pictures before the steps (the encoder's guess) and after them; tensors are (N,), images (N, H, W, C) uint8."""

    psnr_before: Tensor
    psnr: Tensor
    feature_distance_before: Tensor
    feature_distance: Tensor
    images_before: np.ndarray
    images: np.ndarray


def descend_all(
    generator: Generator, images: np.ndarray, encoder: Encoder | None, classifier: Classifier | None, steps: int = STEPS
) -> Descents:
    """Project many pictures, several at a time; images: (N, H, W, C) uint8 at the generator's size."""
    ends: list[tuple[Moment, Moment]] = []
    for start in range(0, len(images), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(images)))
        batch = make_batch(images, rows, device="cpu", flip=False)
        moments = descend(generator, batch, encoder=encoder, classifier=classifier, steps=steps)
        first = last = next(moments)
        for last in moments:  # noqa: B007
            pass
        ends.append((first, last))
    before, after = zip(*ends, strict=True)
    return Descents(
        torch.cat([moment.psnr for moment in before]),
        torch.cat([moment.psnr for moment in after]),
        torch.cat([moment.feature_distance for moment in before]),
        torch.cat([moment.feature_distance for moment in after]),
        np.concatenate([to_uint8(moment.images) for moment in before]),
        np.concatenate([to_uint8(moment.images) for moment in after]),
    )


def measure(
    generator: Generator, real: np.ndarray, encoder: Encoder | None, classifier: Classifier, steps: int = STEPS
) -> tuple[dict, np.ndarray]:
    """Project held-out pictures, and as many generated ones.

    Args:
        generator, encoder, classifier, steps: as for `gan.latent.projection.descend`.
        real: (N, H, W, C) uint8 at the generator's size, N at least 2.

    Returns:
        Figures, JSON-ready; and a sheet of the first pictures in three rows: pictures, guesses, results.
    """
    found = descend_all(generator, real, encoder, classifier, steps)
    seeds = range(_FIRST_SEED, _FIRST_SEED + len(real))
    again = descend_all(generator, generate(generator, latents(generator.config, seeds)), encoder, classifier, steps)
    features = features_of(classifier, real)
    others = (features.roll(1, dims=0) - features).norm(dim=1) / features.norm(dim=1).clamp_min(1e-6)
    better_psnr = found.psnr > found.psnr_before
    better_features = found.feature_distance < found.feature_distance_before
    figures = {
        "images": len(real),
        "steps": steps,
        "photographs": _means(found)
        | {
            "feature_distance_of_another": _mean(others),
            "better_psnr": _mean(better_psnr),
            "better_features": _mean(better_features),
            "better_both": _mean(better_psnr & better_features),
        },
        "fed_back": _means(again)
        | {"recovered_before": _mean(again.psnr_before > WANTED_PSNR), "recovered": _mean(again.psnr > WANTED_PSNR)},
        "seconds": round(_seconds(generator, real, encoder, classifier, steps), 3),
        "threads": torch.get_num_threads(),
    }
    rows = [part[:_SHOWN] for part in (real, found.images_before, found.images)]
    return figures, image_grid(np.concatenate(rows), len(rows[0]))


def report(figures: dict) -> str:
    """The figures beside what is wanted of them, as a Markdown table."""
    photographs, fed_back, n = figures["photographs"], figures["fed_back"], figures["images"]
    rows = [
        ("Held-out pictures: PSNR, dB", photographs, "psnr", ".1f", ""),
        ("... distance in the classifier's features", photographs, "feature_distance", ".2f", ""),
        ("Generated pictures: PSNR, dB", fed_back, "psnr", ".1f", ""),
    ]
    lines = [
        f"| {n} pictures each | encoder alone | after {figures['steps']} steps | wanted |",
        "|---|---|---|---|",
        *(
            f"| {name} | {part[key + '_before']:{form}} | {part[key]:{form}} | {wanted} |"
            for name, part, key, form, wanted in rows
        ),
        f"| ... share above {WANTED_PSNR:g} dB | {fed_back['recovered_before']:.0%} | {fed_back['recovered']:.0%} | "
        f"{WANTED_RECOVERED:.0%} |",
        f"| Held-out pictures that the steps improve in both | | {photographs['better_both']:.0%} | "
        f"{WANTED_BETTER:.0%} |",
        f"| Seconds of a projection, {figures['threads']} thread{'s' * (figures['threads'] != 1)} | | "
        f"{figures['seconds']:.2f} | {WANTED_SECONDS:g} |",
    ]
    return "\n".join(lines) + (
        f"\n\nTwo different pictures are {photographs['feature_distance_of_another']:.2f} apart in these features."
    )


def table(folder: Path) -> str:
    """`report` of what was measured and saved in a folder; "" where nothing was, or of other weights."""
    try:
        figures = parse_json(read_inside(folder, FILE, MOST_JSON_BYTES))
        return report(figures) if figures["generator"] == weights_hash(folder) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@steady_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gan.projection",
        description="Measure how near held-out pictures, and generated ones fed back, come in a model's latent space.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a model folder, like weights/faces64")
    parser.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help="pictures, as for train.py")
    parser.add_argument("--data-root", default="data", metavar="DIR", help="where mnist and celeba are (default: data)")
    parser.add_argument("--partition", metavar="FILE", help="list_eval_partition.txt (default: beside the pictures)")
    parser.add_argument("--images", type=int, default=IMAGES, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="gradient steps (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    parser.add_argument("--save", action="store_true", help=f"write them to the folder's {FILE} too")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a picture: pictures, guesses, results")
    options = parser.parse_args(arguments)
    if options.images < 2 or not 0 <= options.steps <= MAX_STEPS:
        parser.error(f"--images: expected 2 or more; --steps: 0 to {MAX_STEPS}")
    try:
        generator, fingerprint = load_hashed(options.folder)
        encoder = load_encoder(options.folder)
        config, classifier = generator.config, classifier_for(generator.config)
        split = load_split(
            options.data, size=config.image_size, channels=config.channels, data_root=options.data_root,
            partition=options.partition,
        )  # fmt: skip
        real, _ = split.draw(options.images, seed=0)
        figures, sheet = measure(generator, real, encoder, classifier, options.steps)
    except (run.RunError, ClassifierError, DataError) as error:
        print(f"gan.projection: {error}", file=sys.stderr)
        return 2
    figures = {
        "format_version": FORMAT_VERSION,
        "generator": fingerprint,
        "classifier": classifier.hash,
        "encoder": encoder.facts,
        "data": f"{describe_sources(options.data)}, {split.words}",
        **figures,
    }
    print(json.dumps(figures, indent=2) if options.json else report(figures))
    if options.save:
        write_text(options.folder / FILE, json.dumps(figures, indent=2) + "\n")
    if options.sheet:
        Image.fromarray(sheet.squeeze(2) if sheet.shape[2] == 1 else sheet).save(options.sheet)
    return 0


def _means(descents: Descents) -> dict[str, float]:
    names = ("psnr_before", "psnr", "feature_distance_before", "feature_distance")
    return {name: _mean(getattr(descents, name)) for name in names}


def _mean(values: Tensor) -> float:
    return round(values.cpu().double().mean().item(), 4)


def _seconds(
    generator: Generator, real: np.ndarray, encoder: Encoder | None, classifier: Classifier, steps: int
) -> float:
    """Median time of the projection of one picture, seconds."""
    batch = make_batch(real, np.arange(1), device="cpu", flip=False)
    times = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        for _moment in descend(generator, batch, encoder=encoder, classifier=classifier, steps=steps):
            pass
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]
