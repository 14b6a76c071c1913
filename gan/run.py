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
    metrics.json               figures by a fixed protocol (`gan.metrics.judge`)
    README.md                  model card

The columns `sample` and `snapshot` of the history say at how many images each was made.

A folder may be damaged, or a stranger's. Its files are read as `gan.files` does it: nothing in them is run, no link is
followed out of the folder (but those of the Hugging Face Hub's cache), and what cannot be used is a `RunError`.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import functools
import hashlib
import io
import json
import math
import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout  # comes with torch
from PIL import Image
from torch import Tensor, nn

from gan.config import ConfigError, GANConfig
from gan.data_record import DataRecord, SourceRecord
from gan.files import (
    MOST_JSON_BYTES,
    MOST_TENSOR_BYTES,
    atomic_path,
    is_leftover,
    parse_json,
    read_facts,
    read_inside,
    read_tensors,
    read_text,
    reason,
    remove_leftovers,
    save_tensors,
    write_text,
)
from gan.machine import is_alive, this_process
from gan.models import Discriminator, Generator
from gan.sampling import image_grid

FORMAT_VERSION = 1
MODEL_FILE, BEST_FILE, CRITIC_FILE = "model.safetensors", "best.safetensors", "discriminator.safetensors"
LOCAL_FOLDERS = (".", "..", "weights", "runs")  # where models are; never a user of the Hugging Face Hub
STATE_FILE, LOCK_FILE = "state.json", "checkpoint/lock"
HISTORY_FILE, METRICS_FILE, PROJECTION_FILE = "history.csv", "metrics.json", "projection.json"
DIRECTIONS_FILE, ENCODER_FILE = "directions.safetensors", "encoder.safetensors"
CARD_FILE, STRIP_FILE = "README.md", "strip.webp"
# All files of the format but config.json, which makes a folder a model's, and notes.md, which is its owner's.
_OWN_FILES = (
    MODEL_FILE, BEST_FILE, CRITIC_FILE, STATE_FILE, HISTORY_FILE, METRICS_FILE, PROJECTION_FILE, DIRECTIONS_FILE,
    ENCODER_FILE, CARD_FILE, STRIP_FILE,
)  # fmt: skip
_OWN_NUMBERED = {"samples": (".webp",), "snapshots": (".safetensors",), "checkpoint": (".pt", ".json")}
TRAINING, STOPPED, FINISHED = "training", "stopped", "finished"
SAMPLE_COLUMNS = 8
SAMPLE_SEEDS = range(SAMPLE_COLUMNS**2)  # of every sample sheet, so that each of its faces can be opened by seed
MOST_SHEET_BYTES = 16 * 2**20
MOST_SHEET_SIDE = SAMPLE_COLUMNS * 1024  # pixels: of the largest pictures that a model may draw
MOST_HISTORY_BYTES = 64 * 2**20
MOST_ROWS = 20_000  # of a history that are read: 32 million images at 50 steps of 32 from row to row
_MOST_NUMBERED = 20_000  # files of one kind that are looked at
_MOST_IMAGES, _MOST_MEASURED = 10**12, 1e30  # beyond these a number of the history is damage
_DECIDE_PICTURES = (
    "image_size", "channels", "z_dim", "z_distribution", "base_channels", "kernel_size", "grown_channels",
    "g_multipliers", "g_strides", "g_stem_norm", "g_bias", "g_residual", "g_normalize_z", "g_modulated",
    "g_leaky_slope", "d_multipliers", "d_strides", "d_norm", "d_bias", "d_leaky_slope", "d_minibatch_stddev",
)  # fmt: skip
_MOST_WORDS = 10_000  # characters of a text in config.json
HISTORY_COLUMNS = (
    "images_seen",  # real pictures shown to the discriminator
    "epoch",  # passes over the data, with fraction
    "seconds",  # of training, over all sessions
    "loss_g",  # losses and scores: means over the steps since the row before
    "loss_d",  # without gradient penalties
    "d_real",  # mean sigmoid(D(x))
    "d_fake",  # mean sigmoid(D(G(z)))
    "penalty",  # R1 and R2, weighted
    "grad_norm_g",  # of this row's step
    "grad_norm_d",
    "diversity",  # mean pairwise distance of this step's generated batch / that of its real batch
    "frechet_distance",  # the generator that is shown against training pictures, now and then (gan.metrics.monitor)
    "sliced_wasserstein",
    "sure_share",
    "sample",  # number of the sample sheet made here
    "snapshot",  # number of the generator snapshot made here
    "event",  # what the run noticed about itself, in words
)


class RunError(ValueError):
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

    @property
    def all_parts(self) -> tuple[SourceRecord, ...]:
        """Every source behind the weights, the first one first: the terms of all of them hold."""
        records = [*([self.start.data] if self.start else []), *(part.data for part in self.earlier), self.data]
        return tuple(dict.fromkeys(part for record in records for part in record.parts))


def is_run(folder: Path) -> bool:
    """Whether the folder holds a model, finished or in training."""
    return os.path.isfile(Path(folder) / "config.json")


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
    folder: Path, config: GANConfig, data: DataRecord, device: str = "cpu", start: Start | None = None
) -> None:
    """Write config.json."""
    content = {
        "format_version": FORMAT_VERSION,
        "config": config.to_dict(),
        "data": data.to_dict(),
        "machine": _describe(torch.device(device)),
        "libraries": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": version("torchvision"),  # not imported: that takes a second, also of the page's start
        },
    }
    if start is not None:
        content["start"] = dataclasses.asdict(start) | {"data": start.data.to_dict()}
    _write_json(Path(folder) / "config.json", content)


def write_epochs(folder: Path, epochs: int) -> None:
    """Write another number of epochs into a config.json that `read_info` can read; the rest stays as it is."""
    path = Path(folder) / "config.json"
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
    path = Path(folder) / "config.json"
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
    path = Path(folder) / "config.json"
    try:
        content = parse_json(read_inside(folder, "config.json", MOST_JSON_BYTES))
        written = _typed(content["format_version"], int, "format_version")
        if written > FORMAT_VERSION:
            raise RunError(f"{path} has format {written}, this version reads up to {FORMAT_VERSION}: update the code")
        config = GANConfig.from_dict(content["config"])
        libraries = _typed(content["libraries"], dict, "libraries")
        return RunInfo(
            config,
            _data(content["data"]),
            {name: _typed(library, str, f"libraries.{name[:80]}") for name, library in libraries.items()},
            _typed(content.get("machine", "a machine not recorded"), str, "machine"),  # by older versions
            _start(content["start"]) if "start" in content else None,
            tuple(map(_earlier, _typed(content.get("earlier", []), list, "earlier"))),
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
    record = DataRecord.from_words(_typed(data, str, "start.data")) if isinstance(data, str) else _data(data)
    kinds = {"model": str, "images_seen": int, "epoch": float, "continued": bool}
    facts = {name: _typed(value, kinds.get(name, str), f"start.{name}") for name, value in content.items()
             if name != "data"}  # fmt: skip
    return Start(data=record, **facts)


def _earlier(content: dict) -> Earlier:
    return Earlier(_data(content["data"]), _typed(content["images_seen"], int, "earlier.images_seen"))


def _data(content: dict) -> DataRecord:
    record = DataRecord.from_dict(content)
    _typed(record.images, int, "data.images")
    for text in (record.words, record.identity, *(text for part in record.parts for text in dataclasses.astuple(part))):
        _typed(text, str, "data")
    return record


def _typed(value: object, kind: type, name: str) -> object:
    """A value of config.json, when it is of the right type and no larger than one can be; else raises `TypeError`."""
    fits = type(value) is kind or (kind is float and type(value) is int)
    if kind is int:
        fits = fits and 0 <= value <= _MOST_IMAGES
    elif kind is float:
        fits = fits and abs(value) < _MOST_MEASURED
    elif kind is str:
        fits = fits and len(value) <= _MOST_WORDS
    if not fits:
        raise TypeError(f"{name} is no {kind.__name__}, or one out of range")
    return value


def save_weights(path: Path, network: Generator | Discriminator) -> None:
    """Write a network's weights and buffers as safetensors, floating-point numbers in float16."""
    save_tensors(path, packed_weights(network), {"network": _shape_hash(network.config)})


def _shape_hash(config: GANConfig) -> str:
    """Stands for all that decides what weights draw: with a damaged digit of it they may still draw something."""
    decides = {name: value for name, value in config.to_dict().items() if name in _DECIDE_PICTURES}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]


def packed_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's weights and buffers on the CPU, floating-point numbers in float16."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().clone().contiguous()
        for name, tensor in network.state_dict().items()
    }


def best_facts(folder: Path) -> dict | None:
    """What best.safetensors says of itself: "images_seen", "metric", "value"; None where there is no such file."""
    path = Path(folder) / BEST_FILE
    try:
        facts = read_facts(folder, BEST_FILE)
        return {
            "images_seen": _typed(facts["images_seen"], int, "images_seen"),
            "metric": _typed(facts["metric"], str, "metric"),
            "value": _typed(facts["value"], float, "value"),
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({reason(error)}): delete it, training writes it again") from error


def images_seen(folder: Path, *, best: bool = False) -> int | None:
    """Real pictures seen by model.safetensors, or by best.safetensors; None where the folder does not say."""
    if best:
        facts = best_facts(folder)
        return facts["images_seen"] if facts else None
    history = read_history(folder)
    return history[-1]["images_seen"] if history else None


def weights_hash(folder: Path, *, best: bool = False) -> str:
    """First 12 hexadecimal digits of the SHA-256 of model.safetensors, or of best.safetensors; raises `RunError`."""
    file = BEST_FILE if best else MODEL_FILE
    try:
        return hashlib.sha256(read_inside(folder, file, MOST_TENSOR_BYTES)).hexdigest()[:12]
    except OSError as error:
        raise _unreadable(Path(folder) / file, error) from error


def read_weights(folder: Path, file: str, kind: type[Generator] | type[Discriminator]) -> dict[str, Tensor]:
    """The weights and buffers that `save_weights` wrote to a file of a model folder, as the folder's config has them.

    Args:
        file: like `MODEL_FILE`.
        kind: of network.

    Returns:
        Its state, numbers in float32, all of them finite.

    Raises:
        RunError: missing, damaged, or of another config than the folder's.
    """
    return _read_weights(folder, file, kind, read_info(folder).config)


def load_weights(folder: Path, file: str, network: Generator | Discriminator) -> None:
    """Fill a network from a file of a model folder; raises `RunError` as `read_weights`, and where it does not fit."""
    weights = read_weights(folder, file, type(network))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"{Path(folder) / file} does not fit this network ({reason(error)}): give a config of the same shape"
        ) from error


def _read_weights(folder: Path, file: str, kind: Callable[[GANConfig], nn.Module], config: GANConfig) -> dict:
    may_hold = [shapes_of(kind, config)]
    if config.g_modulated:  # a run that was begun with a plain model has that one's snapshots
        may_hold.append(shapes_of(kind, config.replace(g_modulated=False)))
    try:
        weights, facts = read_tensors(folder, file, lambda _: may_hold)
        # Snapshots may be of the run that this one is the sequel of, and older versions did not say.
        if file in (MODEL_FILE, CRITIC_FILE) and facts.get("network", _shape_hash(config)) != _shape_hash(config):
            raise ValueError("it belongs to a network of another config")
    except (OSError, ValueError) as error:
        raise _unreadable(Path(folder) / file, error) from error
    return weights


def _unreadable(path: Path, error: Exception) -> RunError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RunError(f"{path} is missing: a run in training writes it with its first sample sheet")
    return RunError(f"{path} cannot be read ({reason(error)}): copy it again, or train again")


@functools.lru_cache(maxsize=64)
def shapes_of(kind: Callable[[GANConfig], nn.Module], config: GANConfig) -> dict[str, torch.Size]:
    """Names and shapes of a network's weights and buffers, without making any of them."""
    spectral = kind is Discriminator and config.d_norm == "spectral"
    with torch.device("meta"):  # where spectral norm would load all of PyTorch's compiler
        network = kind(config.replace(d_norm="none") if spectral else config)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if not spectral:
        return shapes
    plain = {name: shape for name, shape in shapes.items() if not name.endswith(".weight")}
    for name in shapes.keys() - plain.keys():
        at, shape = f"{name.removesuffix('weight')}parametrizations.weight", shapes[name]
        plain[f"{at}.original"] = shape
        plain[f"{at}.0._u"], plain[f"{at}.0._v"] = shape[:1], torch.Size([shape[1:].numel()])
    return plain


def _load(folder: Path, file: str, kind: Callable[[GANConfig], nn.Module]) -> nn.Module:
    """A network out of a model folder, in eval mode, without gradients."""
    config = read_info(folder).config
    weights = _read_weights(folder, file, kind, config)  # before a network of that config takes any memory
    network = kind(config)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def load_generator(
    folder_or_hub_id: str | Path, *, snapshot: int | None = None, best: bool = False, device: str = "cpu"
) -> Generator:
    """A trained generator, ready to draw.

    Args:
        folder_or_hub_id: a model folder; or a text `user/repo` or `user/repo/subfolder`, the id of a model on the
            Hugging Face Hub, which is asked where no folder `user` is here.
        snapshot: number of a snapshot (`snapshots`) instead of the final weights.
        best: the generator that measured best in training instead of the final weights.
        device: where it goes.

    Returns:
        In eval mode, without gradients; `.config` is its `GANConfig`.

    Raises:
        RunError: no such folder or repository, or a damaged file.
    """
    folder = local_folder(folder_or_hub_id)
    if best and not os.path.lexists(folder / BEST_FILE):
        raise RunError(f"{folder / BEST_FILE} is missing: only a run whose config sets metric_interval writes it")
    file = BEST_FILE if best else MODEL_FILE if snapshot is None else snapshot_file(snapshot)
    return _load(folder, file, Generator).to(device)


def load_hashed(folder: str | Path, *, best: bool = False, device: str = "cpu") -> tuple[Generator, str]:
    """`load_generator`, with the `weights_hash` of what was loaded, also while a training writes the next weights."""
    folder, before = local_folder(folder), None
    while True:
        generator = load_generator(folder, best=best, device=device)
        after = weights_hash(folder, best=best)
        if before == after:  # the file was the same before and after it was loaded
            return generator, after
        before = after


def load_discriminator(folder: str | Path, *, device: str = "cpu") -> Discriminator:
    """The critic of a model folder, in eval mode, without gradients; raises `RunError`."""
    return _load(Path(folder), CRITIC_FILE, Discriminator).to(device)


def save_sample(folder: Path, index: int, images: np.ndarray) -> None:
    """Write sample sheet `index`: images (N, H, W, C) uint8 of `SAMPLE_SEEDS`, in that order."""
    grid = image_grid(images, SAMPLE_COLUMNS)
    picture = Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid)
    with atomic_path(Path(folder) / "samples" / f"{index:04d}.webp") as path:
        picture.save(path, quality=90, method=4)


def save_snapshot(folder: Path, index: int, generator: Generator) -> None:
    """Write generator snapshot `index`."""
    save_weights(Path(folder) / snapshot_file(index), generator)


def snapshot_file(index: int) -> str:
    """Name of a generator snapshot's file in its folder."""
    return f"snapshots/{index:04d}.safetensors"


def samples(folder: Path) -> dict[int, Path]:
    """Sample sheets by number, in order."""
    return _numbered(Path(folder) / "samples", ".webp")


def snapshots(folder: Path) -> dict[int, Path]:
    """Generator snapshots by number, in order."""
    return _numbered(Path(folder) / "snapshots", ".safetensors")


def read_sheet(path: Path, most: int = MOST_SHEET_BYTES) -> bytes:
    """The file of a sample sheet: a whole WebP of at most `MOST_SHEET_SIDE` pixels a side.

    Args:
        path: one of `samples`.
        most: bytes.

    Raises:
        RunError: it is gone, damaged, or no sheet.
    """
    path = Path(path)
    try:
        content = read_inside(path.parent.parent, f"{path.parent.name}/{path.name}", most)
        if content[:4] + content[8:12] != b"RIFFWEBP" or int.from_bytes(content[4:8], "little") + 8 > len(content):
            raise ValueError("no whole WebP")
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
            if max(picture.size) > MOST_SHEET_SIDE:
                raise ValueError(f"{picture.width} x {picture.height} pixels, more than {MOST_SHEET_SIDE} a side")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RunError(f"{path.name} cannot be read ({reason(error)}): train again, or leave it out") from error
    return content


def copy_replay(source: Path, folder: Path) -> None:
    """Copy a run's sample sheets and snapshots into another folder that has none."""
    for files in (samples(source), snapshots(source)):
        for path in files.values():
            name = f"{path.parent.name}/{path.name}"
            try:
                content = read_inside(source, name, MOST_TENSOR_BYTES)
            except OSError as error:
                raise RunError(f"{path} cannot be copied ({reason(error)}): remove it") from error
            with atomic_path(Path(folder) / name) as temporary:
                temporary.write_bytes(content)


def append_history(folder: Path, row: dict[str, float | int | str]) -> None:
    """Add one row to history.csv; keys are of `HISTORY_COLUMNS`, what is left out stays empty.

    A row that the disk does not take whole is taken back; raises OSError.
    """
    path = Path(folder) / HISTORY_FILE
    if "event" in row:
        row = row | {"event": " ".join(str(row["event"]).split())}  # a row is a line
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    size = path.stat().st_size if path.exists() else 0
    if not size:
        writer.writeheader()
    writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()})
    with open(path, "ab", buffering=0) as file:
        content = text.getvalue().encode()
        try:
            if (written := file.write(content)) < len(content):
                file.write(content[written:])  # says why
        except OSError:
            file.truncate(size)
            raise


def read_history(folder: Path) -> list[dict[str, float | int | str | None]]:
    """The rows of history.csv: numbers as float, `images_seen`, `sample`, `snapshot` as int, empty as None.

    A row that is damaged, or that a crash cut short, is left out; no file is an empty history. Of one with more than
    `MOST_ROWS` rows, so many are read: evenly chosen ones of those with a sheet, a snapshot or an event, as many of
    the others, and the last.

    Raises:
        RunError: it is no regular file of the folder, or has more than `MOST_HISTORY_BYTES`.
    """
    try:
        text = read_inside(folder, HISTORY_FILE, MOST_HISTORY_BYTES).decode("utf-8-sig", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RunError(
            f"history.csv of {Path(folder).name} cannot be read ({reason(error)}): restore it, or delete it"
        ) from error
    head, *lines = text.replace("\r", "").split("\n")
    columns = head.split(",")
    rows = (_parse_row(columns, line) for line in _thinned(lines))
    return [row for row in rows if row is not None]


def _thinned(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= MOST_ROWS + 1:  # the last one is what follows the last line's end
        return lines
    kept = {len(lines) - 2, len(lines) - 1}
    parts: tuple[list[int], list[int]] = [], []
    for number, line in enumerate(lines):  # sample, snapshot and event are a row's last columns
        parts[line.endswith(",,,")].append(number)
    for part in parts:
        kept.update(part[:: -(-len(part) * 2 // MOST_ROWS) or 1])
    return [lines[number] for number in sorted(kept)]


def _parse_row(columns: Sequence[str], line: str) -> dict[str, float | int | str | None] | None:
    """A line of history.csv, for the columns that are known today; None where it is no whole row."""
    try:
        cells = next(csv.reader([line]), []) if '"' in line else line.split(",")
        if len(cells) != len(columns):
            return None
        row = {
            name: _parse_cell(name, text) for name, text in zip(columns, cells, strict=True) if name in HISTORY_COLUMNS
        }
    except (ValueError, csv.Error):
        return None
    return row if row.get("images_seen") is not None else None


def rewind(folder: Path, history_rows: int, n_samples: int, n_snapshots: int) -> None:
    """Drop what a run wrote after its last checkpoint, so that resuming writes it again, once.

    Args:
        history_rows: rows of history.csv to keep, without the header.
        n_samples, n_snapshots: numbered files to keep.
    """
    folder = Path(folder)
    remove_leftovers(folder)
    path = folder / HISTORY_FILE
    if path.exists():
        lines = read_text(path).splitlines(keepends=True)[: history_rows + 1]
        if lines and lines[0].rstrip("\n") != ",".join(HISTORY_COLUMNS):  # of a version with other columns
            lines = _with_all_columns(lines)
        write_text(path, "".join(lines))
    for files, keep in ((samples(folder), n_samples), (snapshots(folder), n_snapshots)):
        for index, file in files.items():
            if index >= keep:
                file.unlink()


def _with_all_columns(lines: list[str]) -> list[str]:
    """The lines of a history.csv under today's header: columns that it does not have stay empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(csv.DictReader(lines))
    return file.getvalue().splitlines(keepends=True)


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type} ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{threads} CPU core{'s' * (threads != 1)} ({platform.machine()})"


def _parse_cell(column: str, text: str) -> float | int | str | None:
    if text == "":
        return None
    if column == "event":
        return text
    if column in ("images_seen", "sample", "snapshot"):
        if not 0 <= (number := int(text)) <= _MOST_IMAGES:
            raise ValueError(f"{column} out of range")
        return number
    return value if abs(value := float(text)) < _MOST_MEASURED else math.nan


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    """Files whose names are numbers as we write them: four ASCII digits or more."""
    try:
        with os.scandir(folder) as found:
            names = {entry.name for entry, _ in zip(found, range(_MOST_NUMBERED), strict=False)}
    except OSError:  # none there, or no folder
        return {}
    numbers = sorted(int(name[: -len(suffix)]) for name in names if re.fullmatch(rf"[0-9]{{4,9}}{suffix}", name))
    files = {number: f"{number:04d}{suffix}" for number in numbers}
    return {number: folder / name for number, name in files.items() if name in names}


def local_folder(folder_or_hub_id: str | Path) -> Path:
    """The model folder, downloaded where it is a Hub id; raises `RunError`.

    What begins with a folder that is here, or with one of `LOCAL_FOLDERS`, is a path, if it is there or not.
    """
    folder = Path(folder_or_hub_id).expanduser()
    parts = folder_or_hub_id.split("/") if isinstance(folder_or_hub_id, str) else []
    if not 2 <= len(parts) <= 3 or not all(parts) or parts[0] in LOCAL_FOLDERS or Path(parts[0]).expanduser().exists():
        return folder
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise RunError(
            f"{folder_or_hub_id} is no folder here, and reading it from the Hub needs `pip install huggingface_hub`"
        ) from None
    inside = "/".join(parts[2:])
    try:
        root = snapshot_download(
            "/".join(parts[:2]), allow_patterns=[f"{inside}/*" if inside else "*"], ignore_patterns=["*checkpoint/*"]
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RunError(
            f"{folder_or_hub_id} is neither a model folder here nor readable on the Hugging Face Hub "
            f"({type(error).__name__}): check the name, and the network"
        ) from error
    return Path(root) / inside
