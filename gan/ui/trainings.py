"""Trainings that the page starts: `train.py` as a process of its own, and what the disk knows of each.

    trainings = Trainings(Path("runs"))
    name = trainings.begin("faces64-drawn", arguments, about="...")    waits for its turn, one trains at a time
    trainings.stop(name)                                               as Ctrl-C: it saves
    trainings.go_on(name, ...)                                         --resume

Each has a file runs/.trainings/NAME.json beside its log. What state it is in is not written there but found anew by
each look: of the process (known by its start too, not by its number alone) and of the run folder's own state.json.
So a reload, a second page, and a page or machine that was started anew see the same. A process ends with the page that
started it, which holds its standard input open (`train.py --until-input-ends`), unless it was begun `detached`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from gan import run
from gan.errors import GanError
from gan.files import MOST_JSON_BYTES, parse_json, read_inside, write_text
from gan.machine import is_alive
from gan.ui import training_process
from gan.ui.uploads import Uploads

log = logging.getLogger(__name__)

FOLDER = ".trainings"  # in the folder of runs, whose hidden folders are no models
WAITING, STARTING, RUNNING, FINISHING, STOPPING = "waiting", "starting", "running", "finishing", "stopping"
STOPPED, FINISHED, DIED = "stopped", "finished", "died"
AT_WORK = (STARTING, RUNNING, FINISHING, STOPPING)
MOST_TRAININGS = 200
MOST_GB = 5.0  # of all runs and uploads; GAN_TRAIN_GB
_LOOK_SECONDS = 0.5


class TrainingsError(GanError, RuntimeError):
    """Something that cannot be done with a training; the message says why, and what to do."""


@dataclass
class Training:
    """What the page keeps of one; JSON-ready."""

    name: str  # of its run folder
    about: str  # in words
    arguments: list[str]  # of train.py, when it was begun
    uploads: list[str]  # names of uploads that it is trained on
    created: float  # seconds since 1970, as all moments here
    detached: bool = False  # whether it outlives the page
    kept: bool = False  # never removed to make room
    next: list[str] = field(default_factory=list)  # of train.py, when it is started next
    queued: float | None = None  # since when it waits for its turn
    began: float | None = None
    process: dict | None = None  # as `gan.machine.this_process`
    stopping: float | None = None  # since when it was asked to stop
    forced: bool = False
    status: int | None = None  # that the process ended with, where the page saw it


class Trainings:
    """The trainings of a folder of runs; safe to use from many threads, and beside other pages.

    Args:
        runs: where their folders go.

    Attributes:
        most_bytes: that they and the uploads may have together.
        uploads: what visitors have sent to train on.

    Raises:
        TrainingsError: `GAN_TRAIN_GB` is no number.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = Path(os.path.abspath(runs))
        self.folder = self.runs / FOLDER
        self.most_bytes = _most_bytes()
        self.uploads = Uploads(self.folder / "uploads")
        self._processes: dict[str, subprocess.Popen] = {}  # those that this page has started
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._file = FileLock(self.folder / "lock", is_singleton=False, thread_local=False)  # `_lock` is for threads
        if any(t.queued or (t.process and t.status is None) for t in self._read()):
            self._watch()

    # ---- looking ----------------------------------------------------------------------------------------------------

    def all(self) -> list[tuple[Training, str]]:
        """Every training and its state, the newest first."""
        found = [(training, self.state(training)) for training in self._read()]
        return sorted(found, key=lambda pair: -pair[0].created)

    def get(self, name: object) -> Training:
        """The training of that name; raises `TrainingsError`."""
        found = next((training for training in self._read() if training.name == name), None)
        if found is None:
            raise TrainingsError("There is no such training any more: it was removed, here or in another window.")
        return found

    def state(self, training: Training) -> str:
        """One of this module's words, as it is now."""
        if training.queued is not None:
            return WAITING
        told = run.read_state(self.runs / training.name)
        theirs = told is not None and training.process is not None and told["pid"] == training.process["pid"]
        if training.process is not None and training.status is None and is_alive(training.process):
            if training.stopping is not None:
                return STOPPING
            return FINISHING if theirs and told["state"] != run.TRAINING else RUNNING if theirs else STARTING
        if told is not None and told["state"] == run.TRAINING and is_alive(told):
            return RUNNING  # somebody went on with it elsewhere
        if theirs and told["state"] == run.FINISHED and training.status in (0, None):
            return FINISHED
        asked = training.stopping is not None
        saved = theirs and told["state"] == run.STOPPED and training.status in (0, None)
        return STOPPED if asked or saved or training.began is None else DIED

    def can_go_on(self, training: Training) -> bool:
        """Whether there is a checkpoint to go on from; else it would begin anew."""
        return any((self.runs / training.name / "checkpoint").glob("*.json"))

    def last_words(self, training: Training) -> str:
        """The last lines of its log, without folders of this machine."""
        return training_process.last_words(self._path(training.name, ".log"), [self.runs])

    def used_bytes(self) -> int:
        """What the trainings and their uploads have on the disk."""
        return sum(_size(self.runs / t.name) for t in self._read()) + _size(self.folder)

    # ---- acting -----------------------------------------------------------------------------------------------------

    def begin(
        self, stem: str, arguments: Sequence[str], *, about: str, uploads: Sequence[str] = (), detached: bool = False
    ) -> str:
        """Put a new training into the line.

        Args:
            stem: of the name that it gets.
            arguments: of train.py, without --out.
            about, uploads, detached: see `Training`.

        Returns:
            Its name.

        Raises:
            TrainingsError: there is no room, or there are too many.
            OSError: the disk refuses.
        """
        with self._locked():
            there = self._read()
            if len(there) >= MOST_TRAININGS:
                raise TrainingsError(f"There are {len(there)} trainings here already: remove some first.")
            self._make_room()
            taken = {training.name for training in there}
            names = (f"{stem}-{number}" for number in range(1, 10**6))
            name = next(n for n in names if n not in taken and not os.path.lexists(self.runs / n))
            begun, now = [*arguments, f"--out={self.runs / name}"], time.time()
            self._write(Training(name, about, begun, list(uploads), now, detached, next=begun, queued=now))
        self._watch()
        return name

    def go_on(self, name: str, arguments: Sequence[str] = ()) -> None:
        """Let a training that has ended wait for its turn to go on, or where it saved nothing to begin anew.

        Args:
            arguments: of train.py beside --resume.
        """
        with self._locked():
            training = self.get(name)
            if self.state(training) in (WAITING, *AT_WORK):
                raise TrainingsError(f"{name} is at work, or waits for its turn, already.")
            if self.can_go_on(training):
                begun = [f"--resume={self.runs / name}", *arguments]
            else:
                begun = training.arguments + ["--overwrite"] * run.is_run(self.runs / name)
            ended = {"process": None, "stopping": None, "forced": False, "status": None}
            self._write(dataclasses.replace(training, next=begun, queued=time.time(), **ended))
        self._watch()

    def stop(self, name: str, *, force: bool = False) -> None:
        """Ask a training to end, which finishes its step and saves; one that waits leaves the line.

        Args:
            force: end its process group at once; what was saved last stays.
        """
        with self._locked():
            training = self.get(name)
            state = self.state(training)
            if state == WAITING:
                self._write(dataclasses.replace(training, queued=None, stopping=time.time()))
            elif state in AT_WORK and training.process is not None and is_alive(training.process):
                self._write(dataclasses.replace(training, stopping=training.stopping or time.time(), forced=force))
                act = training_process.end if force else training_process.ask_to_end
                act(training.process["pid"])
            elif state in AT_WORK:
                raise TrainingsError(f"{name} was started elsewhere, not by this page: stop it there.")

    def keep(self, name: str, kept: bool) -> None:
        """Never remove a training to make room, or do."""
        with self._locked():
            self._write(dataclasses.replace(self.get(name), kept=kept))

    def remove(self, name: str) -> None:
        """Delete a training that is not at work: its run folder, and what the page keeps of it."""
        with self._locked():
            training = self.get(name)
            if self.state(training) in AT_WORK:
                raise TrainingsError(f"{name} is at work: stop it first.")
            self._delete(training)

    # ---- the line ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Let a thread see to the line while there is anything to see to."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._see, name="trainings", daemon=True)
                self._thread.start()

    def _see(self) -> None:
        while True:
            try:
                with self._lock:
                    if not self._step():
                        self._thread = None
                        return
            except OSError as error:
                log.warning("the trainings' line waits: %s", error)
            time.sleep(_LOOK_SECONDS)

    def _step(self) -> bool:
        """Note who has ended, start who is next; whether there is anything left to see to."""
        with self._locked():
            there = self._read()
            for training in there:
                process = self._processes.get(training.name)
                if process is not None and process.poll() is not None:
                    training.status = process.returncode
                    self._write(training)
                    self._drop(training.name)
            at_work = [t for t in there if self.state(t) in AT_WORK]
            waiting = sorted((t for t in there if t.queued is not None), key=lambda t: t.queued)
            if waiting and not at_work:
                self._start(waiting[0])
            return bool(at_work or waiting)

    def _start(self, training: Training) -> None:
        training = dataclasses.replace(training, queued=None, began=time.time(), stopping=None, status=None)
        said = self._path(training.name, ".log")
        try:
            process, known = training_process.start(training.next, said, detached=training.detached)
        except OSError as error:
            with contextlib.suppress(OSError):
                said.write_text(f"train.py could not be started: {error}\n", encoding="utf-8")
            self._write(dataclasses.replace(training, status=1))
            return
        self._processes[training.name] = process
        self._write(dataclasses.replace(training, process=known))

    # ---- the disk ---------------------------------------------------------------------------------------------------

    def _read(self) -> list[Training]:
        found = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):  # gone, or nothing of ours
                training = Training(**parse_json(read_inside(self.folder, path.name, MOST_JSON_BYTES)))
                if training.name == path.stem:
                    found.append(training)
        return found

    def _write(self, training: Training) -> None:
        write_text(self._path(training.name, ".json"), json.dumps(dataclasses.asdict(training), indent=2) + "\n")

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name}{suffix}"

    def _delete(self, training: Training) -> None:
        folder = self.runs / training.name
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
        for suffix in (".log", ".json"):
            self._path(training.name, suffix).unlink(missing_ok=True)
        others = {upload for other in self._read() for upload in other.uploads}
        for upload in set(training.uploads) - others:
            self.uploads.remove(upload)
        self._drop(training.name)

    def _drop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None and process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _make_room(self) -> None:
        """Remove the oldest that nobody kept, unfinished ones first, until there is room for another."""
        gone = [(t, state) for t, state in self.all() if not t.kept and state in (STOPPED, DIED, FINISHED)]
        gone.sort(key=lambda pair: (pair[1] == FINISHED, pair[0].created))
        while self.used_bytes() > self.most_bytes:
            if not gone:
                raise TrainingsError(
                    f"The trainings here hold {self.used_bytes() / 1e9:.1f} GB, more than the "
                    f"{self.most_bytes / 1e9:.1f} GB that they may, and all are kept or at work: remove one first."
                )
            self._delete(gone.pop(0)[0])

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among threads and pages."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock, contextlib.ExitStack() as stack:
            with contextlib.suppress(NotImplementedError):  # a file system without locks
                stack.enter_context(self._file)
            yield


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _most_bytes() -> float:
    text = os.environ.get("GAN_TRAIN_GB") or str(MOST_GB)
    most = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else math.nan
    if not most > 0:
        raise TrainingsError(
            f"GAN_TRAIN_GB={text[:40]}: expected how many GB trainings may hold, for example {MOST_GB:g}"
        )
    return most * 1e9
