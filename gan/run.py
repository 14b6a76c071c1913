"""A model folder: config, weights, history, samples and snapshots. Training writes it, the app reads it.

    config.json                the GANConfig, library versions, data source, format version, the model begun with
    model.safetensors          the generator that is shown (averaged where the preset averages), float16
    discriminator.safetensors  for the critic's score, float16
    best.safetensors           the generator that measured best in training, where it is measured, float16
    history.csv                one row per log interval and replay step
    samples/NNNN.webp          pictures of seeds 0 to 63 at replay step NNNN (0000 = before training)
    snapshots/NNNN.safetensors the generator at some of these steps, float16
    checkpoint/                full training state (gan/checkpoint.py), and the lock of who writes it; never shipped
    state.json                 whether it is in training, stopped or finished, and which process said so
    metrics.json               figures by a fixed protocol (gan.metrics)
    README.md                  model card

The columns `sample` and `snapshot` of the history say at how many images each was made.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import hashlib
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout  # comes with torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from gan.config import ConfigError, GANConfig
from gan.files import atomic_path, is_leftover, read_text, remove_leftovers, write_text
from gan.machine import is_alive, this_process
from gan.models import Discriminator, Generator
from gan.sampling import image_grid

FORMAT_VERSION = 1
MODEL_FILE, BEST_FILE, CRITIC_FILE = "model.safetensors", "best.safetensors", "discriminator.safetensors"
LOCAL_FOLDERS = (".", "..", "weights", "runs")  # where models are; never a user of the Hugging Face Hub
STATE_FILE, LOCK_FILE = "state.json", "checkpoint/lock"
TRAINING, STOPPED, FINISHED = "training", "stopped", "finished"
SAMPLE_COLUMNS = 8
SAMPLE_SEEDS = range(SAMPLE_COLUMNS**2)  # of every sample sheet, so that each of its faces can be opened by seed
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
    data: str  # what it was trained on, from its own start on, in words
    images_seen: int  # real pictures that it had seen
    epoch: float  # passes over its data
    continued: bool  # whether the history, its images and epochs, goes on from there; else it begins at 0


@dataclass(frozen=True)
class RunInfo:
    """What config.json says beside the config itself."""

    config: GANConfig
    data: str  # the sources in words
    images: int  # pictures in them
    libraries: dict[str, str]
    machine: str  # what it was trained on
    start: Start | None = None


def is_run(folder: Path) -> bool:
    """Whether the folder holds a model, finished or in training."""
    return (Path(folder) / "config.json").is_file()


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
        content = json.loads(read_text(Path(folder) / STATE_FILE))
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
    folder: Path, config: GANConfig, data: str, images: int, device: str = "cpu", start: Start | None = None
) -> None:
    """Write config.json; `data` are the sources in words, `images` how many pictures they hold."""
    content = {
        "format_version": FORMAT_VERSION,
        "config": config.to_dict(),
        "data": {"sources": data, "images": images},
        "machine": _describe(torch.device(device)),
        "libraries": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": version("torchvision"),  # not imported: that takes a second, also of the page's start
        },
    }
    if start is not None:
        content["start"] = dataclasses.asdict(start)
    _write_json(Path(folder) / "config.json", content)


def write_epochs(folder: Path, epochs: int) -> None:
    """Write another number of epochs into a config.json that `read_info` can read; the rest stays as it is."""
    path = Path(folder) / "config.json"
    content = json.loads(read_text(path))
    if content["config"]["epochs"] != epochs:
        content["config"]["epochs"] = epochs
        _write_json(path, content)


def _write_json(path: Path, content: dict) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_info(folder: Path) -> RunInfo:
    """Read config.json; raises `RunError` where it is missing, damaged or of a newer format."""
    path = Path(folder) / "config.json"
    try:
        content = json.loads(read_text(path))
        written = content["format_version"]
        if written > FORMAT_VERSION:
            raise RunError(f"{path} has format {written}, this version reads up to {FORMAT_VERSION}: update the code")
        return RunInfo(
            GANConfig.from_dict(content["config"]),
            content["data"]["sources"],
            content["data"]["images"],
            content["libraries"],
            content.get("machine", "a machine not recorded"),  # by older versions
            Start(**content["start"]) if "start" in content else None,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is no model folder: it has no config.json; train.py writes one") from None
    except ConfigError as error:
        raise RunError(f"{path} cannot be used: {error}") from error
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}: {error}): restore it or train again") from error


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's weights and buffers as safetensors, floating-point numbers in float16."""
    save_tensors(path, packed_weights(network))


def packed_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a network's weights and buffers on the CPU, floating-point numbers in float16."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().clone().contiguous()
        for name, tensor in network.state_dict().items()
    }


def save_tensors(
    path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, float | int | str] | None = None
) -> None:
    """Write tensors as safetensors, with facts about them in the file's metadata."""
    # One entry: the order of several changes from file to file. Written by Python, whose errors say what the disk said.
    content = save(tensors, {"facts": json.dumps(facts)} if facts else None)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def best_facts(folder: Path) -> dict | None:
    """What best.safetensors says of itself: "images_seen", "metric", "value"; None where there is no such file."""
    path = Path(folder) / BEST_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["facts"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}): delete it, training writes it again") from error


def images_seen(folder: Path, *, best: bool = False) -> int | None:
    """Real pictures seen by model.safetensors, or by best.safetensors; None where the folder does not say."""
    if best:
        facts = best_facts(folder)
        return facts["images_seen"] if facts else None
    history = read_history(folder)
    return history[-1]["images_seen"] if history else None


def weights_hash(folder: Path, *, best: bool = False) -> str:
    """The SHA-256 of model.safetensors, or of best.safetensors: its first 12 hexadecimal digits; raises `RunError`."""
    path = Path(folder) / (BEST_FILE if best else MODEL_FILE)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}): copy it again, or train again") from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill a network from `save_weights`' file; raises `RunError` where it is missing, damaged or does not fit."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path} is missing: a run in training writes it with its first sample sheet")
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path} cannot be loaded ({reason}): is it whole, and of this folder's config?") from error


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
    generator = Generator(read_info(folder).config)
    file = BEST_FILE if best else MODEL_FILE if snapshot is None else f"snapshots/{snapshot:04d}.safetensors"
    if best and not (folder / file).is_file():
        raise RunError(f"{folder / file} is missing: only a run whose config sets metric_interval writes it")
    load_weights(folder / file, generator)
    return generator.eval().requires_grad_(False).to(device)


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
    discriminator = Discriminator(read_info(Path(folder)).config)
    load_weights(Path(folder) / CRITIC_FILE, discriminator)
    return discriminator.eval().requires_grad_(False).to(device)


def save_sample(folder: Path, index: int, images: np.ndarray) -> None:
    """Write sample sheet `index`: images (N, H, W, C) uint8 of `SAMPLE_SEEDS`, in that order."""
    grid = image_grid(images, SAMPLE_COLUMNS)
    picture = Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid)
    with atomic_path(Path(folder) / "samples" / f"{index:04d}.webp") as path:
        picture.save(path, quality=90, method=4)


def save_snapshot(folder: Path, index: int, generator: Generator) -> None:
    """Write generator snapshot `index`."""
    save_weights(Path(folder) / "snapshots" / f"{index:04d}.safetensors", generator)


def samples(folder: Path) -> dict[int, Path]:
    """Sample sheets by number, in order."""
    return _numbered(Path(folder) / "samples", ".webp")


def snapshots(folder: Path) -> dict[int, Path]:
    """Generator snapshots by number, in order."""
    return _numbered(Path(folder) / "snapshots", ".safetensors")


def copy_replay(source: Path, folder: Path) -> None:
    """Copy a run's sample sheets and snapshots into another folder that has none."""
    for kind in ("samples", "snapshots"):
        if (Path(source) / kind).is_dir():
            shutil.copytree(Path(source) / kind, Path(folder) / kind)


def append_history(folder: Path, row: dict[str, float | int | str]) -> None:
    """Add one row to history.csv; keys are of `HISTORY_COLUMNS`, what is left out stays empty.

    A row that the disk does not take whole is taken back; raises OSError.
    """
    path = Path(folder) / "history.csv"
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

    A last row that a crash cut short is left out; no file is an empty history.
    """
    path = Path(folder) / "history.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8-sig", newline="", errors="replace") as file:
        rows = list(csv.DictReader(file))
    parsed = []
    for row in rows:
        try:
            parsed.append({key: _parse_cell(key, row[key]) for key in row if key is not None})
        except (ValueError, KeyError, TypeError):
            continue
    return parsed


def rewind(folder: Path, history_rows: int, n_samples: int, n_snapshots: int) -> None:
    """Drop what a run wrote after its last checkpoint, so that resuming writes it again, once.

    Args:
        history_rows: rows of history.csv to keep, without the header.
        n_samples, n_snapshots: numbered files to keep.
    """
    folder = Path(folder)
    remove_leftovers(folder)
    path = folder / "history.csv"
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


def _parse_cell(column: str, text: str | None) -> float | int | str | None:
    if text is None:
        raise ValueError("a row cut short")
    if text == "":
        return None
    if column == "event":
        return text
    return int(text) if column in ("images_seen", "sample", "snapshot") else float(text)


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    return {int(path.stem): path for path in sorted(folder.glob(f"*{suffix}")) if path.stem.isdigit()}


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
