"""A model folder: config, weights, history, samples and snapshots. Training writes it, the app reads it.

    config.json                the GANConfig, library versions, what the pictures are, the model begun with
    model.safetensors          the generator that is shown (averaged where the preset averages), float16
    discriminator.safetensors  for the critic's score, float16
    best.safetensors           the generator that measured best in training, where it is measured, float16
    history.csv                one row per log interval and replay step
    samples/NNNN.webp          pictures of seeds 0 to 63 at replay step NNNN (0000 = before training)
    snapshots/NNNN.safetensors the generator at some of these steps, float16
    checkpoint/                full training state (`gan.training.checkpoint`) and the lock of the writer; never shipped
    state.json                 whether it is in training, stopped or finished, and which process said so
    directions.safetensors     what its sliders add to z (`gan.latent.directions`)
    encoder.safetensors        guesses the z of a picture (`gan.latent.encoder`)
    metrics.json               figures by a fixed protocol (`gan.metrics.judge`)
    projection.json            how near photographs come (`gan.latent.projection_report`)
    README.md, figures.md      model card of one page, and all figures in full; strip.webp: samples for the tables;
                               progress.webp: samples from beginning, middle and end of the training, for the card
    notes.md                   what its owner writes: the lines above its first heading stand on the card

`gan.weights` reads and writes its networks, `gan.history` what is written on the way.

A folder may be damaged, or a stranger's. Its files are read as `gan.files` does it: nothing in them is run, no link is
followed out of the folder (but those of the Hugging Face Hub's cache), and what cannot be used is a `RunError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from filelock import FileLock, Timeout  # comes with torch

from gan.config import ConfigError, GANConfig
from gan.data_record import DataRecord, SourceRecord
from gan.errors import GanError
from gan.files import (
    MOST_JSON_BYTES,
    is_leftover,
    parse_json,
    read_inside,
    read_text,
    reason,
    remove_leftovers,
    write_text,
)
from gan.machine import describe, is_alive, this_process

FORMAT_VERSION = 1
CONFIG_FILE, NOTES_FILE = "config.json", "notes.md"
MODEL_FILE, BEST_FILE, CRITIC_FILE = "model.safetensors", "best.safetensors", "discriminator.safetensors"
STATE_FILE, LOCK_FILE = "state.json", "checkpoint/lock"
HISTORY_FILE, METRICS_FILE, PROJECTION_FILE = "history.csv", "metrics.json", "projection.json"
DIRECTIONS_FILE, ENCODER_FILE = "directions.safetensors", "encoder.safetensors"
CARD_FILE, DETAILS_FILE, STRIP_FILE = "README.md", "figures.md", "strip.webp"
PROGRESS_FILE = "progress.webp"
# All files of the format but `CONFIG_FILE`, which makes a folder a model's, and `NOTES_FILE`, which is its owner's.
_OWN_FILES = (
    MODEL_FILE, BEST_FILE, CRITIC_FILE, STATE_FILE, HISTORY_FILE, METRICS_FILE, PROJECTION_FILE, DIRECTIONS_FILE,
    ENCODER_FILE, CARD_FILE, DETAILS_FILE, STRIP_FILE, PROGRESS_FILE,
)  # fmt: skip
_OWN_NUMBERED = {"samples": (".webp",), "snapshots": (".safetensors",), "checkpoint": (".pt", ".json")}
TRAINING, STOPPED, FINISHED = "training", "stopped", "finished"
MOST_IMAGES, MOST_MEASURED = 10**12, 1e30  # beyond these a number of the history is damage
_MOST_WORDS = 10_000  # characters of a text in config.json


class RunError(GanError, ValueError):
    """A model folder that cannot be used; the message says what is wrong with which file, and what to do."""


@dataclass(frozen=True)
class Start:
    """The model that a training began with, in place of random weights."""

    model: str  # its folder's name
    data: DataRecord  # every source that it was trained on, from its own start on
    images_seen: int  # real pictures that it had seen
    epoch: float  # passes over its data
    continued: bool  # whether the history, its images and epochs, goes on from there; else it begins at 0


@dataclass(frozen=True)
class Earlier:
    """Pictures that a run was trained on before it went on with others."""

    data: DataRecord
    images_seen: int  # real pictures seen when the others came


@dataclass(frozen=True)
class RunInfo:
    """What config.json says beside the config itself."""

    config: GANConfig
    data: DataRecord  # the pictures that it is trained on
    libraries: dict[str, str]
    machine: str  # what it was trained on
    start: Start | None = None
    earlier: tuple[Earlier, ...] = ()  # pictures that were given up for others, in order
    matched: DataRecord | None = None  # whose features G's are brought near, where they are not those of `data`

    @property
    def all_parts(self) -> tuple[SourceRecord, ...]:
        """Every source behind the weights, the first one first: the terms of all of them hold."""
        records = [*([self.start.data] if self.start else []), *(part.data for part in self.earlier), self.data]
        records += [self.matched] if self.matched else []
        return tuple(dict.fromkeys(part for record in records for part in record.parts))


def is_run(folder: Path) -> bool:
    """Whether the folder holds a model, finished or in training."""
    return os.path.isfile(Path(folder) / CONFIG_FILE)


def is_begun_only(folder: Path) -> bool:
    """Whether a folder holds nothing but what a training leaves that was killed before it wrote its config.json."""
    own = (Path(LOCK_FILE), Path(STATE_FILE))
    files = [path for path in Path(folder).rglob("*") if not path.is_dir()]
    return all(path.relative_to(folder) in own or is_leftover(path) for path in files)


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Be the only process that writes into a model folder; a process that dies lets go of it.

    Makes the folder where there is none.

    Raises:
        RunError: another process is at work there.
        OSError: the folder cannot be written to.
    """
    folder = Path(folder)
    path = folder / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            raise RunError(f"{folder} is being written by another process{_whose(folder)}: wait until it has ended, "
                           "or stop it (Ctrl-C, it saves)") from None  # fmt: skip
        except NotImplementedError:
            pass  # a file system without locks
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        yield


def _whose(folder: Path) -> str:
    state = read_state(folder)
    return f" ({state['pid']} on {state['host']})" if state and state["state"] == TRAINING else ""


def write_state(folder: Path, state: str) -> None:
    """Write state.json: `state` is `TRAINING`, `STOPPED` or `FINISHED`, and this process says so."""
    _write_json(Path(folder) / STATE_FILE, {"state": state, **this_process()})


def read_state(folder: Path) -> dict | None:
    """What state.json says: "state", and of the process "host", "pid", "start"; None where there is none or damaged."""
    try:
        content = parse_json(read_inside(folder, STATE_FILE, MOST_JSON_BYTES))
        kinds = {"state": str, "host": str, "pid": int, "start": (int, float)}
        return content if all(isinstance(content[name], kind) for name, kind in kinds.items()) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_training(folder: Path) -> bool | None:
    """Whether a living process trains there; None where the folder does not say: old ones, other machines'."""
    state = read_state(folder)
    if state is None:
        return None
    return state["state"] == TRAINING and is_alive(state)


def is_ours(folder: Path) -> bool:
    """Whether the model folder is still the one that this process trains: not moved away, not begun by another."""
    state = read_state(folder)
    return is_run(folder) and state is not None and (state["host"], state["pid"]) == (platform.node(), os.getpid())


def write_config(
    folder: Path,
    config: GANConfig,
    data: DataRecord,
    device: str = "cpu",
    start: Start | None = None,
    matched: DataRecord | None = None,
) -> None:
    """Write config.json."""
    content = {
        "format_version": FORMAT_VERSION,
        "config": config.to_dict(),
        "data": data.to_dict(),
        "machine": describe(torch.device(device)),
        "libraries": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": version("torchvision"),  # not imported: that takes a second, also of the page's start
        },
    }
    if start is not None:
        content["start"] = dataclasses.asdict(start) | {"data": start.data.to_dict()}
    if matched is not None:
        content["matched"] = matched.to_dict()
    _write_json(Path(folder) / CONFIG_FILE, content)


def write_epochs(folder: Path, epochs: int) -> None:
    """Write another number of epochs into a config.json that `read_info` can read; the rest stays as it is."""
    path = Path(folder) / CONFIG_FILE
    content = json.loads(read_text(path))
    if content["config"]["epochs"] != epochs:
        content["config"]["epochs"] = epochs
        _write_json(path, content)


def clear(folder: Path) -> None:
    """Remove every file of the format but config.json, and no others; nobody else may be writing to the folder."""
    folder = Path(folder)
    remove_leftovers(folder)
    for name in _OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    for name, suffixes in _OWN_NUMBERED.items():
        for path in (folder / name).glob("*"):
            if path.suffix in suffixes and path.stem.isdigit():
                path.unlink()
        with contextlib.suppress(OSError):  # not there, or with files of others in it
            (folder / name).rmdir()


def write_data(folder: Path, data: DataRecord, given_up: Earlier | None = None) -> None:
    """Write into a config.json that `read_info` can read what the pictures are from now on, and those given up."""
    path = Path(folder) / CONFIG_FILE
    content = json.loads(read_text(path))
    before = json.dumps(content)
    content["data"] = data.to_dict()
    if given_up is not None:
        earlier = {"data": given_up.data.to_dict(), "images_seen": given_up.images_seen}
        content["earlier"] = [*content.get("earlier", []), earlier]
    if json.dumps(content) != before:
        _write_json(path, content)


def _write_json(path: Path, content: dict) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_info(folder: Path) -> RunInfo:
    """Read config.json; raises `RunError` where it is missing, damaged or of a newer format."""
    path = Path(folder) / CONFIG_FILE
    try:
        content = parse_json(read_inside(folder, CONFIG_FILE, MOST_JSON_BYTES))
        written = typed(content["format_version"], int, "format_version")
        if written > FORMAT_VERSION:
            raise RunError(f"{path} has format {written}, this version reads up to {FORMAT_VERSION}: update the code")
        config = GANConfig.from_dict(content["config"])
        libraries = typed(content["libraries"], dict, "libraries")
        return RunInfo(
            config,
            _data(content["data"]),
            {name: typed(library, str, f"libraries.{name[:80]}") for name, library in libraries.items()},
            typed(content.get("machine", "a machine not recorded"), str, "machine"),  # by older versions
            _start(content["start"]) if "start" in content else None,
            tuple(map(_earlier, typed(content.get("earlier", []), list, "earlier"))),
            _data(content["matched"]) if "matched" in content else None,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is no model folder: it has no config.json; train.py writes one") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read ({reason(error)}): restore it or train again") from error
    except ConfigError as error:
        raise RunError(f"{path} cannot be used: {error}") from error
    except RunError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {reason(error)}"
        raise RunError(f"{path} is damaged ({said}): restore it or train again") from error


def _start(content: dict) -> Start:
    data = content["data"]
    # a text in older versions
    record = DataRecord.from_words(typed(data, str, "start.data")) if isinstance(data, str) else _data(data)
    kinds = {"model": str, "images_seen": int, "epoch": float, "continued": bool}
    facts = {name: typed(value, kinds.get(name, str), f"start.{name}") for name, value in content.items()
             if name != "data"}  # fmt: skip
    return Start(data=record, **facts)


def _earlier(content: dict) -> Earlier:
    return Earlier(_data(content["data"]), typed(content["images_seen"], int, "earlier.images_seen"))


def _data(content: dict) -> DataRecord:
    record = DataRecord.from_dict(content)
    typed(record.images, int, "data.images")
    parts = (text for part in record.parts for text in dataclasses.astuple(part))
    for text in (record.words, record.identity, record.files, *parts):
        typed(text, str, "data")
    return record


def typed(value: object, kind: type, name: str) -> object:
    """A value of config.json, when it is of the right type and no larger than one can be; else raises `TypeError`."""
    fits = type(value) is kind or (kind is float and type(value) is int)
    if kind is int:
        fits = fits and 0 <= value <= MOST_IMAGES
    elif kind is float:
        fits = fits and abs(value) < MOST_MEASURED
    elif kind is str:
        fits = fits and len(value) <= _MOST_WORDS
    if not fits:
        raise TypeError(f"{name} is no {kind.__name__}, or one out of range")
    return value


def snapshot_file(index: int) -> str:
    """Name of a generator snapshot's file in its folder."""
    return f"snapshots/{index:04d}.safetensors"
