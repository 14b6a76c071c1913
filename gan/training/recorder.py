"""What a run writes while it trains: history rows, sample sheets, snapshots, checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from gan import run
from gan.config import GANConfig
from gan.files import save_tensors
from gan.history import (
    FIRST_SAMPLE_IMAGES,
    HISTORY_COLUMNS,
    SAMPLE_SEEDS,
    append_history,
    copy_replay,
    read_history,
    rewind,
    save_sample,
    save_snapshot,
)
from gan.models import Generator
from gan.sampling import generate, latents
from gan.training.alarms import Watch, pairwise_distance
from gan.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from gan.training.distributed import from_rank_zero, mean_over_ranks
from gan.training.step import Trainer
from gan.weights import packed_weights, save_weights

log = logging.getLogger(__name__)

FIRST_SNAPSHOT_IMAGES = 1024  # before that every snapshot is noise


class Measures(Protocol):
    """What measures a generator now and then, like `gan.metrics.monitor.Monitor`.

    Attributes:
        metric: the figure that tells the best generator: the lower, the better.
    """

    metric: str

    def measure(self, generator: Generator, *, bf16: bool) -> dict[str, float]:
        """Figures of a generator in eval mode, keys of `gan.history.HISTORY_COLUMNS`."""


class Recorder:
    """Counts steps and writes the model folder of one training.

    All ranks make the same calls; only the one with `writes` touches files. What the disk refuses while training goes
    on is told, and written with the next checkpoint; a sample sheet is left out.

    Attributes:
        step: optimisation steps taken.
        problem: what the disk said when it last refused something; "" since all that was to be written is written.
        seconds: of training, over all sessions.
        epoch_shift: what a change of pictures adds to steps / steps_per_epoch.
    """

    def __init__(
        self,
        config: GANConfig,
        folder: Path,
        *,
        steps_per_epoch: int,
        sample_every: int | None = None,
        meta: dict | None = None,
        monitor: Measures | None = None,
        writes: bool = True,
    ) -> None:
        self.config, self.folder, self.writes = config, Path(folder), writes
        self.steps_per_epoch, self.sample_every, self.meta = steps_per_epoch, sample_every, meta or {}
        self.step = 0
        self._monitor, self._next_metric = monitor, config.metric_interval
        self._best: dict | None = None  # metric, value, images_seen and weights of best.safetensors
        self._best_written = True
        self._waiting: list[dict] = []  # rows that the disk did not take yet
        self.problem = ""
        self._watch = Watch(config)
        self._rows = self._samples = self._snapshots = 0
        self._next_sample, self._next_snapshot = FIRST_SAMPLE_IMAGES, FIRST_SNAPSHOT_IMAGES
        self._sums, self._counted = torch.zeros(5), 0
        self._images_before, self._epochs_before = 0, 0.0  # of the run that this one began with
        self._changes = 0  # how often the pictures were changed for others
        self.epoch_shift = 0.0  # epochs seen of the pictures before, less those that as many steps of these would be
        self._seconds_before, self._started = 0.0, time.monotonic()

    @property
    def images_seen(self) -> int:
        """Real pictures, with those of the run that this one began with."""
        return self._images_before + self.step * self.config.batch_size

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def count(self, stats: Tensor) -> None:
        """Count one step; stats: (5,) of `Trainer.step`."""
        self.step += 1
        # Over the ranks now and not with the row: the checkpoint of one rank then holds what all of them counted.
        self._sums = self._sums.to(stats.device) + mean_over_ranks(stats)
        self._counted += 1

    def row_due(self) -> bool:
        """Whether this step ends a log interval or is a replay step."""
        return self.step % self.config.log_interval == 0 or self._replay_due()

    def write_row(
        self, trainer: Trainer, real: Tensor, fake: Tensor, *, replay: bool = False, save_snapshot: bool = False
    ) -> dict:
        """Append a history row over the steps since the last one, with a sample sheet when one is due.

        Args:
            real, fake: this step's batches, (N, C, H, W), for the diversity.
            replay: make a sample sheet even if none is due.
            save_snapshot: make a snapshot even if none is due.

        Returns:
            The row, keys of `gan.history.HISTORY_COLUMNS`.
        """
        means = (self._sums / max(1, self._counted)).tolist()
        self._sums, self._counted = torch.zeros_like(self._sums), 0
        row = self._position() | dict(zip(("loss_g", "loss_d", "d_real", "d_fake", "penalty"), means, strict=True))
        row["grad_norm_g"], row["grad_norm_d"] = trainer.gradient_norms()
        row["diversity"] = pairwise_distance(fake) / max(pairwise_distance(real), 1e-9)
        events = self._watch.check(row)
        if events:
            row["event"] = "; ".join(events)
        if replay or self._replay_due():
            row |= self._replay_step(trainer, save_snapshot)
        if self._monitor is not None and (replay or self.images_seen >= self._next_metric):
            row |= self._measure(trainer)
        self._append(row)
        return row

    def write_first(self, trainer: Trainer) -> None:
        """Row, sample sheet and checkpoint 0: before training."""
        self._append(self._position() | self._replay_step(trainer, save_snapshot=False))
        self._save_first(trainer)

    def write_story(self, folder: Path, trainer: Trainer) -> None:
        """In place of `write_first`: what the run in `folder` left for the replay, of which this one is the sequel."""
        story = read_history(folder)
        if self.writes:
            copy_replay(folder, self.folder)
        for row in story:
            self._append({column: row[column] for column in HISTORY_COLUMNS if row.get(column) is not None})
        last = story[-1]
        self._images_before, self._epochs_before = last["images_seen"], last["epoch"]
        self._seconds_before, self._started = last["seconds"], time.monotonic()
        self._samples, self._snapshots = (
            1 + max((row[column] for row in story if row.get(column) is not None), default=-1)
            for column in ("sample", "snapshot")
        )
        self._plan_replay()
        self._plan_metric()
        self.note(f"went on from the weights of {Path(folder).name}")
        self._save_first(trainer)

    def note(self, event: str) -> None:
        """Append a row that only tells an event."""
        self._append(self._position() | {"event": event})

    def save(self, trainer: Trainer) -> bool:
        """Write the model's weights and a checkpoint; whether the disk took all of it, else `problem` says why not."""
        if not self.writes:
            return True
        saved = self._try("the checkpoint", lambda: self._save(trainer))
        if saved:
            self.problem = ""
        return saved

    def _save_first(self, trainer: Trainer) -> None:
        if not self.save(trainer):
            raise OSError(self.problem)

    def _save(self, trainer: Trainer) -> None:
        self._write_waiting()
        if not self._best_written:
            self._write_best()
        self._save_weights(trainer)
        state = {
            "trainer": trainer.state(),
            "watch": self._watch.state(),
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "sums": self._sums,
            "seconds": self.seconds,
            "best": self._best,
        }
        meta = {"images_seen": self.images_seen, "seconds": round(self.seconds, 1), **self.meta}
        save_checkpoint(self.folder, self.step, state, meta)

    def restore(self, trainer: Trainer) -> None:
        """Go back to the newest whole checkpoint, and the folder with it; raises `CheckpointError`."""
        state, problem = None, None
        if self.writes:
            try:
                state, _ = load_checkpoint(self.folder)
            except CheckpointError as error:
                problem = str(error)
        state, problem = from_rank_zero({"state": state, "problem": problem}, trainer.device).values()
        if problem:
            raise CheckpointError(problem)
        self._waiting, self._best_written = [], True  # as the checkpoint says, which was written with all of it
        trainer.load_state(state["trainer"])
        self._watch.load_state(state["watch"])
        for name in _COUNTERS:
            setattr(self, name, state["counters"].get(name, getattr(self, name)))
        self._sums, self._best = state["sums"], state.get("best")  # older checkpoints have measured nothing
        self._seconds_before, self._started = state["seconds"], time.monotonic()
        if self.writes:
            rewind(self.folder, self._rows, self._samples, self._snapshots)
            self._save_weights(trainer)  # what the page shows is what training goes on from
        self._write_best()

    def change_pictures(self, trainer: Trainer, pictures: Sequence[tuple[str, int]]) -> None:
        """Note each change to other pictures that the restored state does not know of yet.

        Args:
            pictures: what the run was trained on, one after the other, in words, and how many they were.
        """
        for (before, n_before), (after, n_after) in list(pairwise(pictures))[self._changes :]:
            steps_before, steps_after = (n // self.config.batch_size for n in (n_before, n_after))
            self.epoch_shift += self.step / steps_before - self.step / steps_after
            self._changes += 1
            self._best = None  # measured against the pictures before
            self._write_best()
            self.note(f"other pictures from here on: {after} ({n_after:,}), no longer {before} ({n_before:,})")
            self.save(trainer)

    def _position(self) -> dict:
        return {
            "images_seen": self.images_seen,
            "epoch": self._epochs_before + self.epoch_shift + self.step / self.steps_per_epoch,
            "seconds": round(self.seconds, 2),
        }

    def _replay_due(self) -> bool:
        every_n = self.sample_every is not None and self.step % self.sample_every == 0
        return every_n or self.images_seen >= self._next_sample

    def _replay_step(self, trainer: Trainer, save_snapshot: bool) -> dict:
        columns = {"sample": self._samples}
        snapshot_due = save_snapshot or self.images_seen >= self._next_snapshot
        written = not self.writes or self._try("a sample sheet", lambda: self._write_replay(trainer, snapshot_due))
        if not written:
            self._plan_replay()
            return {}
        if snapshot_due:
            columns["snapshot"] = self._snapshots
            self._snapshots += 1
        self._samples += 1
        self._plan_replay()
        return columns

    def _write_replay(self, trainer: Trainer, with_snapshot: bool) -> None:
        generator = self._save_weights(trainer)
        pictures = generate(generator, latents(self.config, SAMPLE_SEEDS))
        save_sample(self.folder, self._samples, pictures)
        if with_snapshot:
            save_snapshot(self.folder, self._snapshots, generator)

    def _plan_replay(self) -> None:
        while self.images_seen >= self._next_sample:
            self._next_sample *= self.config.sample_growth
        while self.images_seen >= self._next_snapshot:
            self._next_snapshot *= self.config.snapshot_growth

    def _plan_metric(self) -> None:
        while self.config.metric_interval and self.images_seen >= self._next_metric:
            self._next_metric += self.config.metric_interval

    def _save_weights(self, trainer: Trainer) -> Generator:
        generator = trainer.generator_to_show(self.images_seen)
        save_weights(self.folder / run.MODEL_FILE, generator)
        save_weights(self.folder / run.CRITIC_FILE, trainer.discriminator)
        return generator

    def _measure(self, trainer: Trainer) -> dict:
        self._plan_metric()
        generator = trainer.generator_to_show(self.images_seen)
        figures = self._monitor.measure(generator, bf16=trainer.bf16)
        metric, value = self._monitor.metric, figures[self._monitor.metric]
        if math.isfinite(value) and value < self._value_to_beat(metric):
            facts = {"metric": metric, "value": value, "images_seen": self.images_seen}
            self._best = facts | {"weights": packed_weights(generator)}
            self._best_written = self._try(run.BEST_FILE, self._write_best)
        return figures

    def _value_to_beat(self, metric: str) -> float:
        """Infinity where nothing comparable was measured; older versions took a NaN for the best."""
        if self._best is None or self._best["metric"] != metric or not math.isfinite(self._best["value"]):
            return math.inf
        return self._best["value"]

    def _write_best(self) -> None:
        """Write best.safetensors as the state says, which each checkpoint holds: going back brings it back."""
        if not self.writes:
            return
        path = self.folder / run.BEST_FILE
        if self._best is None:
            path.unlink(missing_ok=True)
        else:
            facts = {key: value for key, value in self._best.items() if key != "weights"}
            save_tensors(path, self._best["weights"], facts)

    def _append(self, row: dict) -> None:
        self._rows += 1
        if self.writes:
            self._waiting.append(row)
            self._try("a row of history.csv", self._write_waiting)

    def _write_waiting(self) -> None:
        while self._waiting:
            append_history(self.folder, self._waiting[0])
            del self._waiting[0]

    def _try(self, what: str, write: Callable[[], None]) -> bool:
        """Write, where the folder is still this training's; whether that went well, else it is told, once in a row."""
        try:
            if not run.is_ours(self.folder):
                raise OSError(f"{self.folder} was renamed or removed, or another training began there")
            write()
            return True
        except OSError as error:
            problem = error.strerror or str(error)
            if problem != self.problem:
                log.warning("at %s images %s could not be written: %s", f"{self.images_seen:,}", what, problem)
            self.problem = problem
            return False


_COUNTERS = (
    "step", "_rows", "_samples", "_snapshots", "_next_sample", "_next_snapshot", "_next_metric", "_counted",
    "_images_before", "_epochs_before", "_changes", "epoch_shift",
)  # fmt: skip
