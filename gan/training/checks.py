"""What is looked at before a training begins: its folder, its pictures, the memory that it needs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from gan import run
from gan.config import GANConfig
from gan.errors import GanError
from gan.history import read_history
from gan.machine import memory_bytes
from gan.models import parameter_counts
from gan.terminal import shell_command
from gan.training.checkpoint import has_checkpoint


class TrainingError(GanError, RuntimeError):
    """A training that cannot begin or go on; the message says why and what to do."""


def check_out(out: Path, overwrite: bool) -> None:
    """Make sure, before anything is made, that a new training may write to `out`; raises `TrainingError`."""
    if out.exists() and not out.is_dir():
        raise TrainingError(f"{out} is a file: choose another --out")
    try:
        with tempfile.TemporaryFile(dir=next(place for place in (out, *out.parents) if place.exists())):
            pass
    except OSError as error:
        raise TrainingError(f"{out} cannot be written to ({error.strerror}): choose another --out") from error
    if not run.is_run(out):
        if out.exists() and not run.is_begun_only(out):
            raise TrainingError(f"{out} holds other files and no model: choose another --out")
        return
    if run.is_training(out):
        raise TrainingError(f"{out} is in training: choose another --out, or stop that one first (Ctrl-C, it saves)")
    if overwrite:
        return
    if not has_checkpoint(out) and not read_history(out):
        raise TrainingError(
            f"{out} holds a run that was stopped before its first checkpoint: start over with --overwrite, "
            "or choose another --out"
        )
    history = read_history(out)
    seen = f"{history[-1]['images_seen']:,} images seen" if history else "nothing trained yet"
    go_on = f"go on with {shell_command('--resume', out)}, " if has_checkpoint(out) else ""
    raise TrainingError(
        f"{out} already holds a model ({seen}): {go_on}start over with --overwrite, or choose another --out"
    )


def check_size(config: GANConfig, device: torch.device) -> None:
    """Make sure, before anything is made, that a device's memory could hold such a training; raises `TrainingError`.

    What is counted is the least: weights, gradients, Adam's averages, and the pictures of a batch.
    """
    try:
        counts = parameter_counts(config)
    except (RuntimeError, OverflowError, TypeError) as error:  # sizes that torch cannot count
        raise TrainingError(
            f"no network of base_channels {config.base_channels:,}, z_dim {config.z_dim:,} and these multipliers can "
            "be made: lower --set base_channels"
        ) from error
    pictures = config.batch_size * (1 + config.fakes_per_real) * config.image_size**2 * config.channels
    needed = 4 * (4 * sum(counts) + pictures)
    if needed > (there := memory_bytes(device)):
        raise TrainingError(
            f"{counts[0]:,} and {counts[1]:,} parameters with batches of "
            f"{config.batch_size:,} need at least {needed / 1e9:,.0f} GB of memory, and {device} has "
            f"{there / 1e9:,.0f}: lower --batch-size or --set base_channels"
        )


def steps_in_epoch(config: GANConfig, images: np.ndarray, world_size: int) -> int:
    """How many steps see each picture once; raises `TrainingError` for pictures that the config cannot train on."""
    shape = (config.image_size, config.image_size, config.channels)
    if images.shape[1:] != shape:
        raise TrainingError(f"pictures of shape {images.shape[1:]}: {config.preset} trains on {shape}")
    if len(images) < config.batch_size:
        raise TrainingError(
            f"{len(images)} pictures are fewer than one batch of {config.batch_size}: "
            f"give more pictures, or --batch-size {len(images)} or less"
        )
    if config.batch_size % world_size:
        raise TrainingError(
            f"a batch of {config.batch_size} does not divide over {world_size} processes: give --batch-size a multiple"
        )
    return len(images) // config.batch_size
