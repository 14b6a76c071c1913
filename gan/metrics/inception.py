"""The usual FID, where torchmetrics and the Inception network's weights are at hand; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity names the file
_BATCH = 64


def measure(real: np.ndarray, fake: np.ndarray) -> float | str:
    """The Inception FID of two sets of pictures.

    Args:
        real, fake: (N, H, W, C) uint8.

    Returns:
        The distance, or one sentence that says what is missing.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance
    except ImportError:
        return "not measured: it needs `pip install torchmetrics torch-fidelity`"
    weights = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not weights.is_file():
        return f"not measured: the Inception network's weights are not at hand; put {WEIGHTS} into {weights.parent}"
    try:
        fid = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    except ImportError:  # torchmetrics raises it itself, as ModuleNotFoundError
        return "not measured: torchmetrics' FID needs `pip install torch-fidelity`"
    fid.set_dtype(torch.float64)
    for images, is_real in ((real, True), (fake, False)):
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(np.asarray(images[start : start + _BATCH])).permute(0, 3, 1, 2)
            fid.update(batch.expand(-1, 3, -1, -1), real=is_real)
    return float(fid.compute())
