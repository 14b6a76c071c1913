"""The full state of a training: atomic write, the newest good one wins, nothing is unpickled.

    checkpoint/NNNNNNNNN.pt    tensors, at that many steps
    checkpoint/NNNNNNNNN.json  human-readable: step, where the data came from, SHA-256 of the tensors

The JSON is written last: a checkpoint without one was never finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
from pathlib import Path

import torch

from gan.errors import GanError
from gan.files import atomic_path, read_text, write_text

log = logging.getLogger(__name__)

KEEP = 2  # the newest, and one before it in case the newest is damaged


class CheckpointError(GanError, ValueError):
    """No usable checkpoint; the message says which files were tried and what to do."""


def save_checkpoint(folder: Path, step: int, state: dict, meta: dict) -> None:
    """Write a checkpoint and remove all but the newest `KEEP`.

    Args:
        folder: the run's folder.
        step: optimisation steps taken.
        state: nested dicts and lists of tensors, numbers and strings.
        meta: JSON-ready facts that a person, or a resume, wants to read without loading tensors.
    """
    directory = Path(folder) / "checkpoint"
    tensors = directory / f"{step:09d}.pt"
    content = io.BytesIO()  # torch itself says of a full disk no more than "unexpected pos"
    torch.save(state, content)
    with atomic_path(tensors) as path:
        path.write_bytes(content.getbuffer())
    digest = hashlib.sha256(content.getbuffer()).hexdigest()
    write_text(tensors.with_suffix(".json"), json.dumps({"step": step, "sha256": digest, **meta}, indent=2) + "\n")
    for old in sorted(directory.glob("*.json"))[:-KEEP]:
        old.unlink()
    kept = {path.stem for path in directory.glob("*.json")}
    for orphan in directory.glob("*.pt"):
        if orphan.stem not in kept:
            orphan.unlink()


def load_checkpoint(folder: Path) -> tuple[dict, dict]:
    """The newest checkpoint that is whole; damaged ones are named in a warning.

    Returns:
        state (tensors on the CPU) and meta, as given to `save_checkpoint`.

    Raises:
        CheckpointError: there is none, or none that is whole.
    """
    directory = Path(folder) / "checkpoint"
    found = sorted(directory.glob("*.json"), reverse=True)
    if not found:
        raise CheckpointError(_none_there(folder))
    for path in found:
        try:
            meta = json.loads(read_text(path))
            tensors = path.with_suffix(".pt")
            if _sha256(tensors) != meta["sha256"]:
                raise ValueError("its tensors are not those that were written")
            return torch.load(tensors, map_location="cpu", weights_only=True), meta
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            log.warning("checkpoint %s is damaged (%s): trying the one before it", path.with_suffix(""), error)
    names = ", ".join(path.stem for path in found)
    raise CheckpointError(f"none of the checkpoints in {directory} is whole ({names}): start over with --overwrite")


def load_meta(folder: Path) -> dict:
    """What the newest readable checkpoint says about itself, without its tensors; raises `CheckpointError`."""
    for path in sorted((Path(folder) / "checkpoint").glob("*.json"), reverse=True):
        try:
            meta = json.loads(read_text(path))
            return {**meta}  # raises for JSON that is no object
        except (OSError, ValueError, TypeError):  # TypeError: JSON, but no object
            log.warning("%s is damaged: trying the one before it", path)
    raise CheckpointError(_none_there(folder))


def has_checkpoint(folder: Path) -> bool:
    """Whether there is one to try; it may turn out to be damaged."""
    return any((Path(folder) / "checkpoint").glob("*.json"))


def _none_there(folder: Path) -> str:
    return (
        f"{folder} has no checkpoint to resume from, as a run that was stopped before its first one and a model that "
        "was given away have none: begin it again with --overwrite in the place of --resume, "
        "or go on from its weights with --start-from"
    )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
