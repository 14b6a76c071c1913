"""How near photographs come in a model's latent space: measured, and read again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan import run
from gan.data.batches import make_batch
from gan.files import MOST_JSON_BYTES, parse_json, read_inside
from gan.latent.encoder import Encoder
from gan.latent.projection import STEPS, Moment, descend
from gan.metrics.classifier import Classifier
from gan.metrics.held_out import features_of
from gan.models import Generator
from gan.sampling import generate, image_grid, latents, to_uint8
from gan.weights import weights_hash

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
        np.concatenate([to_uint8(moment.images) for moment in before]),
        np.concatenate([to_uint8(moment.images) for moment in after]),
    )


def measure(
    generator: Generator,
    real: np.ndarray,
    encoder: Encoder | None,
    classifier: Classifier,
    judge: Classifier,
    steps: int = STEPS,
) -> tuple[dict, np.ndarray]:
    """Project held-out pictures, and as many generated ones.

    Args:
        generator, encoder, classifier, steps: as for `gan.latent.projection.descend`.
        real: (N, H, W, C) uint8 at the generator's size, N at least 2.
        judge: whose features tell how near they came; another one than the steps went by.

    Returns:
        Figures, JSON-ready; and a sheet of the first pictures in three rows: pictures, guesses, results.
    """
    found = descend_all(generator, real, encoder, classifier, steps)
    seeds = range(_FIRST_SEED, _FIRST_SEED + len(real))
    drawn = generate(generator, latents(generator.config, seeds))
    again = descend_all(generator, drawn, encoder, classifier, steps)
    features = features_of(judge, real)
    before, after = (_distances(features_of(judge, part), features) for part in (found.images_before, found.images))
    better_psnr, better_features = found.psnr > found.psnr_before, after < before
    figures = {
        "images": len(real),
        "steps": steps,
        "photographs": _means(found)
        | {
            "feature_distance_before": _mean(before),
            "feature_distance": _mean(after),
            "feature_distance_of_another": _mean(_distances(features.roll(1, dims=0), features)),
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


def read_figures(folder: Path) -> dict | None:
    """What was measured and saved in a folder; None where nothing was, or of other weights."""
    try:
        figures = parse_json(read_inside(folder, run.PROJECTION_FILE, MOST_JSON_BYTES))
        return figures if figures["generator"] == weights_hash(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _means(descents: Descents) -> dict[str, float]:
    return {"psnr_before": _mean(descents.psnr_before), "psnr": _mean(descents.psnr)}


def _distances(features: Tensor, wanted: Tensor) -> Tensor:
    """(N, F) twice -> (N,): as `gan.latent.projection.Moment` has them."""
    return (features - wanted).norm(dim=1) / wanted.norm(dim=1).clamp_min(1e-6)


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
