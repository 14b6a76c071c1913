"""Every model of some folders: found again on each look, loaded once, ready to draw.

Long because each kind of file that a model has is remembered in the same way until it is another.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gan.config import GANConfig
from gan.latent.directions import Direction, load_directions
from gan.latent.encoder import Encoder, load_encoder
from gan.machine import computes_bf16
from gan.metrics.marks import known_marks
from gan.models import Discriminator, Generator, fold
from gan.packing import pack
from gan.run import (
    CONFIG_FILE,
    CRITIC_FILE,
    DIRECTIONS_FILE,
    ENCODER_FILE,
    HISTORY_FILE,
    METRICS_FILE,
    MODEL_FILE,
    RunError,
    RunInfo,
    is_training,
    read_info,
    snapshot_file,
)
from gan.sampling import latents
from gan.titles import place_of, title_of
from gan.ui.places import breathe, locked, price
from gan.ui.values import short, without_place
from gan.weights import load_discriminator, load_generator, read_weights

log = logging.getLogger(__name__)

NO_MODEL = (  # backquotes mark code
    "There is no model here yet. `python train.py --preset smooth-mnist28 --data mnist` makes one that draws digits, "
    "in minutes on a laptop, and it shows up on this page while it still learns."
)
IN_TRAINING_SECONDS = 600  # a run that has not written its history for longer has stopped, or is stuck
CACHE_BYTES = 512 * 2**20  # of loaded weights; the least recently used go first
_FASTER = torch.channels_last  # by a fifth, for one picture at a time on a CPU
_MOST_ENCODERS = 16  # remembered; 2 MB each, about
_OPEN_MILLISECONDS, _MEGABYTE_MILLISECONDS = 20.0, 30.0  # of loading a network: for each, and for its size
_LOOK_SECONDS = 1.0  # a model that was there this recently is not looked for again: a slider asks 30 times a second
MOST_MULTIPLICATIONS = 5e9  # for one picture or one judgement: about a second
MOST_MAP = 2**22  # numbers of one picture in one layer: averages for the truncation take 64 pictures at a time
_MARKS = (CONFIG_FILE, MODEL_FILE, HISTORY_FILE)  # any of them makes a folder a model's, whole or not


@dataclass(frozen=True)
class Entry:
    """One model folder as the page lists it."""

    name: str  # unique: "faces64", or "runs/mine" for a folder of a root that is not the first
    folder: Path
    problem: str | None  # one sentence when it cannot be used: broken, or not yet written
    in_training: bool
    info: RunInfo | None  # None when config.json cannot be read

    @property
    def label(self) -> str:
        """What a choice shows."""
        called = title_of(self.name, self.info and self.info.config)
        return called + (" · unusable" if self.problem else " · training" if self.in_training else "")


class Library:
    """The models of `roots`: folders of model folders, or model folders themselves.

    Safe to use from many threads. Loaded networks are shared: they are in eval mode and must not be changed. A folder
    may be damaged or hostile: `gan.run` reads it, and what it costs is bounded. Folders, and `roots`, may be links;
    files in them that lead out of them are not followed.

    Args:
        roots: the first one's models go by their own name, the others' by `root/name`. A root need not exist.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [Path(root) for root in roots]
        self._lock = threading.RLock()
        self._loading: dict[Path, threading.Lock] = {}  # of each file: eight visitors do not load it eight times
        self._looking = threading.Lock()
        self._listed: list[Entry] | None = None
        self._checked: dict[Path, tuple[tuple, RunInfo | None, str | None]] = {}
        self._usable: dict[str, Entry] = {}
        self._looked = -_LOOK_SECONDS  # time.monotonic() of the last look
        self._loaded: OrderedDict[tuple, nn.Module] = OrderedDict()
        self._refused: dict[Path, tuple[tuple, str]] = {}  # files that cannot be used: not read again for each frame
        self._directions: dict[Path, tuple[tuple, dict[str, Direction]]] = {}
        self._marks: dict[Path, tuple[tuple, dict[str, list[float]]]] = {}
        self._encoders: dict[Path, tuple[tuple, Encoder | RunError]] = {}

    def entries(self) -> list[Entry]:
        """All models, root by root, in the order of `gan.titles`; unchanged files are not read again.

        While one thread looks, at a slow disk perhaps, the others get what was found before.
        """
        if not self._looking.acquire(blocking=self._listed is None):
            return list(self._listed)
        try:
            found: dict[str, Entry] = {}
            for number, root in enumerate(self.roots):
                for folder in _model_folders(root):
                    name = folder.name if number == 0 or folder == root else f"{root.name}/{folder.name}"
                    name = os.fsencode(name).decode("utf-8", "replace")  # a name may be no text
                    while name in found:  # two roots of one name
                        name += "'"
                    info, problem = self._check(folder)
                    found[name] = Entry(name, folder, problem, problem is None and _in_training(folder), info)
            self._listed = list(found.values())
            self._usable = {name: entry for name, entry in found.items() if not entry.problem}
            self._looked = time.monotonic()
            return list(self._listed)
        finally:
            self._looking.release()

    def entry(self, name: str) -> Entry:
        """The usable model of that name; raises `RunError` for an unknown or a broken one, and for what is no name."""
        if not isinstance(name, str):
            raise RunError(f"model {short(name)}: expected the name of a model, as text")
        if time.monotonic() - self._looked < _LOOK_SECONDS and (known := self._usable.get(name)):
            return known
        entries = {entry.name: entry for entry in self.entries()}
        if name not in entries:
            usable = [entry.name for entry in entries.values() if not entry.problem]
            there = f"there are: {', '.join(usable)}" if usable else "there is none yet; train.py makes one"
            raise RunError(f"no model {name[:80]!r}: {there}")
        if entries[name].problem:
            raise RunError(entries[name].problem)
        return entries[name]

    def generator(self, name: str, snapshot: int | None = None) -> Generator:
        """The generator of a model, or of one of its snapshots (`gan.history.snapshots`), ready to draw.

        Batch norm folded, float32, warmed up; loaded again when training has written a new one.

        Raises:
            RunError: no such model or snapshot, or a damaged file.
        """
        folder = self.entry(name).folder
        file = MODEL_FILE if snapshot is None else snapshot_file(snapshot)

        def load() -> Generator:
            generator = load_generator(folder, snapshot=snapshot)
            breathe()
            generator = fold(generator)
            breathe()
            generator.to(memory_format=_FASTER)
            z = latents(generator.config, [0])
            with torch.inference_mode():
                picture = generator(z)  # the first call allocates and picks kernels
            return pack(_sound(generator, picture, folder / file), z)

        return self._load(folder, file, load)

    def discriminator(self, name: str) -> Discriminator:
        """The critic of a model, folded; raises `RunError`, also where the folder has none.

        In bfloat16 where the processor computes in it: a third quicker, and its opinion is shown in whole percent.
        """
        folder = self.entry(name).folder
        dtype = torch.bfloat16 if computes_bf16(torch.device("cpu")) else torch.float32

        def load() -> Discriminator:
            config = read_info(folder).config
            _affordable(config, critic=True)
            critic = fold(load_discriminator(folder)).to(dtype=dtype, memory_format=_FASTER)
            with torch.inference_mode():
                grey = torch.zeros(1, config.channels, config.image_size, config.image_size, dtype=dtype)
                return pack(_sound(critic, critic(grey), folder / CRITIC_FILE), grey)

        return self._load(folder, CRITIC_FILE, load)

    def directions(self, name: str) -> dict[str, Direction]:
        """The directions of a model, by name; none where they are not found yet, their file is damaged, or the
        weights are others by now.

        Raises:
            RunError: no such model.
        """
        folder = self.entry(name).folder
        path = folder / DIRECTIONS_FILE
        key = (stamp_of(path), stamp_of(folder / CONFIG_FILE), stamp_of(folder / MODEL_FILE))
        known = self._directions.get(path)
        if known is None or known[0] != key:
            try:
                known = key, load_directions(folder) if key[0] else {}
            except RunError as error:
                log.warning("%s", error)
                known = key, {}
            self._directions[path] = known
        return known[1]

    def marks(self, name: str) -> dict[str, list[float]]:
        """`known_marks` of a model, read anew when one of its files is another; raises `RunError`: no such model."""
        folder = self.entry(name).folder
        key = tuple(stamp_of(folder / file) for file in (METRICS_FILE, CONFIG_FILE, MODEL_FILE))
        known = self._marks.get(folder)
        if known is None or known[0] != key:
            known = self._marks[folder] = key, known_marks(folder)
        return known[1]

    def encoder(self, name: str) -> Encoder:
        """The encoder of a model; raises `RunError`, also where there is none, or one of other weights."""
        folder = self.entry(name).folder
        # Whether it fits is a question of both files.
        key = (stamp_of(folder / ENCODER_FILE), stamp_of(folder / MODEL_FILE))
        known = self._encoders.get(folder)
        if known is None or known[0] != key:
            price(_load_milliseconds(folder / ENCODER_FILE))
            breathe()
            try:
                known = key, load_encoder(folder)
            except RunError as error:
                known = key, RunError(without_place(str(error), folder))
            self._encoders[folder] = known
            while len(self._encoders) > _MOST_ENCODERS:
                self._encoders.pop(next(iter(self._encoders)), None)
        if isinstance(known[1], RunError):
            raise known[1]
        return known[1]

    def _check(self, folder: Path) -> tuple[RunInfo | None, str | None]:
        stamp = (stamp_of(folder / CONFIG_FILE), stamp_of(folder / MODEL_FILE))
        if folder not in self._checked or self._checked[folder][0] != stamp:
            info, problem = _examine(folder)
            self._checked[folder] = (stamp, info, problem and without_place(problem, folder))
        return self._checked[folder][1:]

    def _load(self, folder: Path, file: str, load: Callable[[], nn.Module]) -> nn.Module:
        path = folder / file
        key = (path, stamp_of(path), stamp_of(folder / CONFIG_FILE))
        if network := self._known(key):
            return network
        known, said = self._refused.get(path, (None, ""))
        if known == key:
            raise RunError(said)
        price(_load_milliseconds(path))
        with self._lock:
            loading = self._loading.setdefault(path, threading.Lock())
        with locked(loading):
            if network := self._known(key):  # another visitor wanted it too
                return network
            try:
                network = load()
            except RunError as error:
                self._refused[path] = key, without_place(str(error), folder)
                raise RunError(self._refused[path][1]) from error
            with self._lock:
                for old in [k for k in self._loaded if k[0] == path]:
                    del self._loaded[old]
                self._loaded[key] = network
                while len(self._loaded) > 1 and sum(map(_bytes, self._loaded.values())) > CACHE_BYTES:
                    self._loaded.popitem(last=False)
            return network

    def _known(self, key: tuple) -> nn.Module | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)


def _model_folders(root: Path) -> list[Path]:
    if any(os.path.isfile(root / mark) for mark in _MARKS):
        return [root]
    try:
        there = [path for path in root.iterdir() if os.path.isdir(path) and not path.name.startswith(".")]
    except OSError:  # not there, or not ours to read
        return []
    folders = sorted(there, key=lambda path: place_of(path.name))
    return [folder for folder in folders if any(os.path.lexists(folder / mark) for mark in _MARKS)]


def _examine(folder: Path) -> tuple[RunInfo | None, str | None]:
    """What config.json says, and what is wrong with the folder."""
    info = None
    try:
        info = read_info(folder)
        _affordable(info.config)
        read_weights(folder, MODEL_FILE, Generator)
    except RunError as error:
        return info, str(error)
    return info, None


def _affordable(config: GANConfig, *, critic: bool = False) -> None:
    """Raises `RunError` for a network that would take a processor too long, whatever its file's size."""
    kernel, colours, base = config.kernel_size**2, config.channels, config.base_size
    grown = [(width, max(1, width // 2), base << level) for level, width in enumerate(config.grown_channels)]
    if critic:
        widths = [colours, *(config.base_channels * m for m in config.d_multipliers)]
        sizes, total = config.d_sizes, sum(16 * (colours * width + width**2) * side**2 for width, _, side in grown)
        convolved, maps = sizes[1:], [width * side**2 for width, _, side in grown]
    else:
        widths = [*(config.base_channels * m for m in config.g_multipliers), colours]
        sizes, total = config.sizes, config.z_dim * widths[0] * config.sizes[0] ** 2
        total += sum(9 * (width**2 + 4 * finest * (finest + colours)) * side**2 for width, finest, side in grown)
        convolved, maps = sizes[:-1], [max(width, 4 * finest) * side**2 for width, finest, side in grown]
    layers = zip(itertools.pairwise(widths), convolved, strict=True)
    total += sum(before * after * kernel * size**2 for (before, after), size in layers)
    maps += [width * size**2 for width, size in zip(widths, sizes, strict=True)]
    if total > MOST_MULTIPLICATIONS or max(maps) > MOST_MAP:
        raise RunError(
            f"This model is too large for the page: a picture takes it {total:.1e} multiplications and up to "
            f"{max(maps):.1e} numbers a layer, and the page takes on {MOST_MULTIPLICATIONS:.1e} and {MOST_MAP:.1e}"
        )


def _sound(network: nn.Module, drawn: torch.Tensor, path: Path) -> nn.Module:
    """The network, when what it made of a first input is numbers; raises `RunError`."""
    if not drawn.isfinite().all():
        raise RunError(f"{path} cannot be used: its numbers overflow when it draws or judges; train again")
    return network


def _in_training(folder: Path) -> bool:
    """Whether a training is at work there.

    Where the folder does not say which process trains it, as those of older versions: whether it has a checkpoint, and
    a history that was written a short while ago, and no card after it.
    """
    if (told := is_training(folder)) is not None:
        return told
    written = stamp_of(folder / HISTORY_FILE)
    if written is None or not os.path.isdir(folder / "checkpoint"):  # shipped models have no checkpoint
        return False
    card = stamp_of(folder / "README.md")
    return (card is None or card[0] < written[0]) and time.time() - written[0] / 1e9 < IN_TRAINING_SECONDS


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Changes with the file, the time of its last change in nanoseconds first; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _load_milliseconds(path: Path) -> float:
    """What loading a file of weights takes, about."""
    with contextlib.suppress(OSError):
        return _OPEN_MILLISECONDS + _MEGABYTE_MILLISECONDS * path.stat().st_size / 1e6
    return 0.0


def _bytes(network: nn.Module) -> int:
    return 2 * sum(tensor.nbytes for tensor in network.state_dict().values())  # convolutions' lie there packed too
