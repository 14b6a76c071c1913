"""What tests of the browser's own drawing share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan.export.onnx import facts_of
from gan.history import read_history, snapshots
from gan.weights import weights_hash

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


def facts(name: str) -> dict:
    """model.json of a shipped model, without its files."""
    folder = WEIGHTS / name
    told = facts_of(folder, weights_hash(folder))
    kept = snapshots(folder)
    told["snapshots"]["files"] = [
        {"number": row["snapshot"], "images_seen": row["images_seen"]}
        for row in read_history(folder)
        if row["snapshot"] in kept
    ]
    return told


def rgba(pixels: np.ndarray) -> bytes:
    """(N, H, W, 1 or 3) uint8 as a canvas has it."""
    colour = np.broadcast_to(pixels, (*pixels.shape[:3], 3))
    return np.concatenate([colour, np.full_like(pixels[..., :1], 255)], axis=-1).tobytes()
