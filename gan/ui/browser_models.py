"""Models' files for browsers that draw by themselves: made where they are not there yet, one after the other.

They lie in the cache folder (`GAN_CACHE`), under what the model folder contains; other pages on this machine use the
same. `python -m gan export` makes them, in a process of its own that takes only what time others leave. It needs the
libraries of requirements-dev.txt that write ONNX; without them there is nothing but what is there already.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

import gan
from gan.data.cache import cache_folder
from gan.export import conversion, networks, onnx, snapshots
from gan.export.conversion import ExportError, check_libraries
from gan.export.onnx import FILE
from gan.latent import lbfgs, projection
from gan.run import CONFIG_FILE, CRITIC_FILE, DIRECTIONS_FILE, ENCODER_FILE, MODEL_FILE, snapshot_file
from gan.ui.library import Entry, Library

log = logging.getLogger(__name__)

_FILES = (CONFIG_FILE, MODEL_FILE, CRITIC_FILE, ENCODER_FILE, DIRECTIONS_FILE)  # of a model, that matter
_SECONDS = 1800  # for one model
_MOST = 40  # models' files that are kept; those that nobody asked for longest go first
_ABANDONED = 3600  # seconds after which what a killed process was making is removed
# That makes them: what else is in gan.export may change without their being made anew.
_CODE = b"".join(
    Path(part.__file__).read_bytes() for part in (conversion, networks, onnx, snapshots, lbfgs, projection)
)


class BrowserModels:
    """The files of a library's models. Safe to use from many threads.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self._lock = threading.Lock()
        self._keys: dict[Path, tuple[tuple, str]] = {}
        self._asked: set[str] = set()  # keys that wait, are being made, or could not be
        self._failed: set[str] = set()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen | None = None
        atexit.register(self._stop)

    def find(self, name: str) -> tuple[Path | None, bool]:
        """Where a model's files are.

        Returns:
            Their folder, None where they are not there; and whether they will be, since they are being made.

        Raises:
            gan.run.RunError: no such model, or a broken one.
        """
        entry = self.library.entry(name)
        if entry.in_training:  # its weights are others every few minutes
            return None, False
        key = self._key(entry)
        folder = _home() / key
        if (folder / FILE).exists():
            with contextlib.suppress(OSError):
                os.utime(folder)
            return folder, False
        with self._lock:
            if key not in self._asked:
                self._asked.add(key)
                try:
                    check_libraries()
                except ExportError as error:
                    log.info("browsers do not draw %s by themselves: %s", name, error)
                    self._failed.add(key)
                else:
                    self.later(lambda: self._make(key, entry))
            return None, key not in self._failed

    def later(self, work: Callable[[], None]) -> None:
        """Something that takes long, after all others of its kind."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="browser models", daemon=True)
            self._thread.start()
        self._work.put(work)

    def _run(self) -> None:
        while True:
            try:
                self._work.get()()
            except Exception:
                log.exception("Unforeseen, while something was made for browsers")

    def _make(self, key: str, entry: Entry) -> None:
        folder = _home() / key
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock", timeout=_SECONDS):
                if not (folder / FILE).exists():
                    self._export(entry.folder, folder)
            _prune(keep=folder)
        except (OSError, Timeout, subprocess.SubprocessError, ExportError) as error:
            log.warning("browsers do not draw %s by themselves: %s", entry.name, error)
            with self._lock:
                self._failed.add(key)

    def _export(self, model: Path, folder: Path) -> None:
        """Let another process write a model's files; they are all there, or none."""
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as place:
            paths = [str(Path(gan.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
            command = [sys.executable, "-m", "gan", "export", str(model.resolve()), "--out", place]
            with tempfile.TemporaryFile() as said:
                self._process = subprocess.Popen(
                    [*command, "--until-input-ends"],
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT,
                )  # fmt: skip
                with contextlib.suppress(psutil.Error, OSError):
                    psutil.Process(self._process.pid).nice(psutil.IDLE_PRIORITY_CLASS if os.name == "nt" else 19)
                try:
                    self._process.wait(timeout=_SECONDS)
                finally:
                    self._stop()
                if self._process.returncode:
                    said.seek(0)
                    lines = said.read().decode("utf-8", "replace").strip().splitlines()
                    raise ExportError(lines[-1] if lines else f"it ended with status {self._process.returncode}")
            (written,) = Path(place).iterdir()
            written.rename(folder)

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _key(self, entry: Entry) -> str:
        """Names what its folder contains."""
        folder = entry.folder
        paths = [path for path in [*map(folder.joinpath, _FILES), *_snapshots(folder)] if path.is_file()]
        stamps = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
        with self._lock:
            known = self._keys.get(folder)
        if known is None or known[0] != stamps:
            digest = hashlib.sha256(_CODE + os.fsencode(folder.resolve().name))
            for path in paths:
                digest.update(path.name.encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            known = stamps, digest.hexdigest()[:20]
            with self._lock:
                self._keys[folder] = known
        return known[1]


def _home() -> Path:
    return cache_folder() / "browser"


def _snapshots(folder: Path) -> list[Path]:
    return sorted((folder / snapshot_file(0)).parent.glob("*.safetensors"))


def _prune(keep: Path) -> None:
    """Remove the models' files that nobody asked for longest, and what killed processes left."""
    found = sorted((path for path in _home().iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    whole = [path for path in found if not path.name.startswith(".")]
    gone = [path for path in whole[: max(0, len(whole) - _MOST)] if path != keep]
    gone += [path for path in found if path not in whole and time.time() - path.stat().st_mtime > _ABANDONED]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
