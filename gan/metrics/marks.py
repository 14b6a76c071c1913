"""Where a picture's mark by the critic lies: among those of real pictures, and of the model's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan import run
from gan.data.batches import make_batch
from gan.errors import GanError
from gan.metrics.results import read_metrics
from gan.models import Discriminator
from gan.weights import weights_hash

STEPS = 20  # between the least mark and the highest, each for as many pictures
_BATCH = 128


@torch.inference_mode()
def marks(critic: Discriminator, pictures: np.ndarray) -> list[float]:
    """The marks sigmoid(D(x)) of pictures (N, H, W, C) uint8 at each of `STEPS` + 1 quantiles, least first."""
    device = next(critic.parameters()).device
    parts = []
    for start in range(0, len(pictures), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(pictures)))
        parts.append(torch.sigmoid(critic(make_batch(pictures, rows, device=device, flip=False))).flatten())
    steps = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    return [round(mark, 4) for mark in torch.cat(parts).double().cpu().quantile(steps).tolist()]


def known_marks(folder: Path) -> dict[str, list[float]]:
    """The quantiles of "generated" and "real" pictures' marks in metrics.json; {} where they are not known.

    They are where `python -m gan metrics FOLDER --save` measured them, on the weights that the folder holds.
    """
    try:
        result = read_metrics(folder)[str(run.read_info(folder).config.image_size)]
        found = {kind: [float(mark) for mark in result["marks"][kind]] for kind in ("generated", "real")}
        fits = all(len(quantiles) == STEPS + 1 and quantiles == sorted(quantiles) for quantiles in found.values())
        fits = fits and all(0 <= mark <= 1 for quantiles in found.values() for mark in quantiles)  # NaN is not
        return found if fits and result["weights"] == weights_hash(folder) else {}
    except (GanError, KeyError, TypeError, ValueError, OSError):
        return {}
