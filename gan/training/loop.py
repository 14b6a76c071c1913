"""train(): from pictures to a model folder, resumable at any step."""

from __future__ import annotations

import dataclasses
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from gan import run
from gan.config import GANConfig
from gan.data.batches import epoch_order, make_batch
from gan.data.downloads import DataError
from gan.data_record import DataRecord, SourceRecord, identity_of
from gan.history import read_history
from gan.machine import pick_bf16, pick_device
from gan.terminal import stop_signals
from gan.training.checks import TrainingError, check_out, steps_in_epoch
from gan.training.distributed import any_rank, from_rank_zero
from gan.training.matching import FeatureMatching
from gan.training.recorder import Measures, Recorder
from gan.training.step import Trainer
from gan.weights import load_weights

log = logging.getLogger(__name__)

MAX_ROLLBACKS = 3  # a training that diverges more often needs another recipe, not another try


@dataclass(frozen=True)
class Limits:
    """When a training stops; whichever comes first."""

    epochs: int
    max_images: int | None = None  # real pictures seen, over all sessions; not those of a run begun with
    max_minutes: float | None = None  # of this session


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    images_seen: int
    seconds: float  # of training, over all sessions
    reason: str  # "finished", "time limit" or "interrupted"


def train(
    config: GANConfig,
    images: np.ndarray,
    out: str | Path,
    *,
    data: DataRecord | str,  # what the pictures are; words alone where nothing else is known of them
    limits: Limits | None = None,  # config.epochs where not given
    device: str = "auto",  # "auto" takes cuda, then mps, then cpu
    precision: str = "auto",  # "fp32" or "bf16"; "auto" is bf16 where the processor computes in it
    resume: bool = False,  # go on from the checkpoint in `out`
    new_data: bool = False,  # where these pictures are not those that `out` was trained on, go on with them
    start_from: str | Path | None = None,  # a model folder whose weights to begin with, fine-tuning it
    overwrite: bool = False,  # start over where `out` already holds a model
    sample_every: int | None = None,  # steps between sample sheets, beside the log-spaced ones
    save_minutes: float = 5.0,  # between periodic checkpoints: the most that `kill -9` costs
    monitor: Measures | None = None,  # measures every config.metric_interval images; of one rank, the others wait
    matching: FeatureMatching | None = None,  # where the config weighs it; a resumed one has its aim in the checkpoint
    meta: dict | None = None,  # JSON-ready facts to keep beside each checkpoint
    rank: int = 0,
    world_size: int = 1,
    progress: bool = True,  # show a progress bar
) -> Outcome:
    """Train until a limit, or a signal that asks for the end; leaves a model folder (`gan.run`) in `out`.

    What the disk refuses meanwhile is told and tried again at the next checkpoint.

    Args:
        images: (N, image_size, image_size, channels) uint8, from `gan.data.images.load_images`.

    Raises:
        TrainingError: `out` is taken; pictures, or weights to begin with, that do not fit the config, or a resumed
            run; weights that became NaN more than `MAX_ROLLBACKS` times; a last checkpoint that could not be written.
        gan.machine.MachineError: a device or precision that cannot be had.
        gan.run.RunError: another process writes into `out`.
        OSError: the first checkpoint could not be written.
        gan.training.checkpoint.CheckpointError: nothing whole to resume from.
    """
    out = Path(out)
    data = _recorded(data, images)
    limits = limits or Limits(config.epochs)
    steps_per_epoch = steps_in_epoch(config, images, world_size)
    torch_device = pick_device(device)
    bf16 = pick_bf16(precision, torch_device)
    writes = rank == 0
    if writes and not resume:
        check_out(out, overwrite)
    if config.matches_features and (matching is None or not (matching.has_aim or resume)):
        raise TrainingError("features have a weight, and there are no real features to come near: give `matching`")
    trainer = Trainer(config, torch_device, bf16=bf16, rank=rank, world_size=world_size, matching=matching)
    recorder = Recorder(
        config, out, steps_per_epoch=steps_per_epoch, sample_every=sample_every, meta=meta,
        monitor=monitor if config.metric_interval else None, writes=writes,
    )  # fmt: skip
    start = load_start(trainer, start_from, out, data) if start_from and not resume else None
    with ExitStack() as stack:
        if writes:
            stack.enter_context(run.at_work(out))
            if not resume:
                _claim(out, overwrite)
                run.write_config(out, config, data, str(torch_device), start, matching.data if matching else None)
            stack.enter_context(_told(out, recorder, lambda: _total_steps(config, limits, recorder)))
        if resume:
            _resume(recorder, trainer, data, new_data)
        elif start and start.continued:
            recorder.write_story(start_from, trainer)
        else:
            recorder.write_first(trainer)
        total_steps = _total_steps(config, limits, recorder)
        if recorder.step >= total_steps:
            log.warning(
                "%s has already seen %s pictures: give more --epochs or --max-images to go on",
                out, f"{recorder.images_seen:,}",
            )  # fmt: skip
            return Outcome(recorder.images_seen, recorder.seconds, "finished")
        if resume and writes:
            run.write_epochs(out, limits.epochs)  # or the next --resume would end, and lower its rates, by the old one
        bar = tqdm(
            desc=f"{config.preset} ({torch_device.type}, {'bf16' if bf16 else 'fp32'})",
            total=total_steps * config.batch_size,
            initial=recorder.step * config.batch_size,
            unit="img",
            unit_scale=True,
            mininterval=0.1 if sys.stderr.isatty() else 30,  # seconds; a log file needs no animation
            disable=not progress or rank > 0,
        )
        with bar, logging_redirect_tqdm(), stop_signals() as stop:
            reason = _steps(trainer, recorder, images, limits, total_steps, save_minutes, bar, stop)
        return Outcome(recorder.images_seen, recorder.seconds, reason)


def _steps(
    trainer: Trainer,
    recorder: Recorder,
    images: np.ndarray,
    limits: Limits,
    total_steps: int,
    save_minutes: float,
    bar: tqdm,
    stop: threading.Event,
) -> str:
    """The steps from where the recorder is until a limit or a stop, and the last checkpoint; `Outcome`'s reason."""
    config, device, steps_per_epoch = trainer.config, trainer.device, recorder.steps_per_epoch
    order, order_epoch, rollbacks, gone = None, None, 0, 0
    started = saved = time.monotonic()
    reason = "finished"
    while recorder.step < total_steps:
        step = recorder.step
        epoch, batch = divmod(step, steps_per_epoch)
        if epoch != order_epoch:
            order_epoch, order = epoch, epoch_order(
                len(images), batch_size=config.batch_size, seed=config.seed, epoch=epoch, rank=trainer.rank,
                world_size=trainer.world_size,
            )  # fmt: skip

        trainer.begin_step(step)
        try:
            real = make_batch(images, order[batch], device=device, flip=config.flip)
        except DataError as error:
            saved_too = recorder.save(trainer)
            raise TrainingError(f"{error}{'; all is saved until there' * saved_too}: go on with --resume") from error
        stats, fake = trainer.step(real, step, progress=step / total_steps)
        recorder.count(stats)
        bar.update(config.batch_size)

        minutes = (time.monotonic() - started) / 60
        interrupted = any_rank(stop.is_set(), device)
        out_of_time = any_rank(limits.max_minutes is not None and minutes >= limits.max_minutes, device)
        last = out_of_time or recorder.step == total_steps

        if (recorder.row_due() or last or interrupted) and not trainer.is_finite():
            rollbacks += 1
            _roll_back(trainer, recorder, rollbacks)
            bar.n = recorder.step * config.batch_size
            continue
        if recorder.row_due() or last:
            row = recorder.write_row(trainer, real, fake, replay=last, save_snapshot=last)
            bar.set_postfix(loss_g=f"{row['loss_g']:.2f}", loss_d=f"{row['loss_d']:.2f}", refresh=False)
            if "event" in row:
                log.warning("at %s images: %s", f"{recorder.images_seen:,}", row["event"])
        if recorder.step < total_steps and (interrupted or out_of_time):
            reason = "interrupted" if interrupted else "time limit"
            break
        if time.monotonic() - saved >= save_minutes * 60 and trainer.is_finite():
            gone = 0 if recorder.save(trainer) or run.is_ours(recorder.folder) else gone + 1
            if gone > 1:  # it was told at the first, and not brought back
                break
            saved = time.monotonic()

    if gone > 1 or not recorder.save(trainer):
        raise TrainingError(
            f"what was trained up to {recorder.images_seen:,} images cannot be saved ({recorder.problem}): "
            f"the last checkpoint that was written is whole; put right what is wrong, and go on from it with --resume"
        )
    return reason


@contextmanager
def _told(out: Path, recorder: Recorder, total_steps: Callable[[], int]) -> Iterator[None]:
    """Let state.json say that `out` is in training, and afterwards whether it has got to its end."""
    run.write_state(out, run.TRAINING)
    state = run.STOPPED
    try:
        yield
        state = run.FINISHED if recorder.step >= total_steps() else state
    finally:
        if run.is_ours(out):
            with suppress(OSError):  # this process will be gone soon, which says as much
                run.write_state(out, state)


def load_start(trainer: Trainer, folder: str | Path, out: Path, data: DataRecord) -> run.Start:
    """Fill a trainer's networks from a model folder: both generators with the one it shows, and the critic.

    Adam's averages are not in the folder and begin anew. The history goes on where the pictures are the same ones;
    on others it is another story, whose first steps would be lost among the images of the old one.

    Args:
        out, data: of the new training: its folder, and what its pictures are.

    Raises:
        TrainingError: `folder` is `out`, lacks the critic or a history, or has other networks than the trainer.
        gan.run.RunError: no model folder.
    """
    folder = Path(folder)
    if folder.resolve() == out.resolve():
        raise TrainingError(f"{folder} cannot be both what training starts from and where it goes: give another --out")
    info = run.read_info(folder)
    history = read_history(folder)
    if not history or not (folder / run.CRITIC_FILE).is_file():
        missing = run.CRITIC_FILE if history else run.HISTORY_FILE
        raise TrainingError(f"{folder} has no {missing}, which a training needs to start from it: give another folder")
    networks = {run.MODEL_FILE: {trainer.generator, trainer.ema}, run.CRITIC_FILE: {trainer.discriminator}}
    try:
        for file, filled in networks.items():
            for network in filled:
                load_weights(folder, file, network)
    except run.RunError as error:
        raise TrainingError(
            f"{folder} cannot be started from with this config ({error}): leave out --preset, and --set of what "
            "decides a network's shape"
        ) from error
    return run.Start(
        folder.resolve().name,
        DataRecord(info.all_parts),
        history[-1]["images_seen"],
        history[-1]["epoch"],
        continued=info.data.is_same(data) and info.config.image_size == trainer.config.image_size,
    )


def _recorded(data: DataRecord | str, images: np.ndarray) -> DataRecord:
    """The record of the pictures with their number and identity."""
    if isinstance(data, str):
        data = DataRecord((SourceRecord(data),))
    return dataclasses.replace(data, images=len(images), identity=data.identity or identity_of(images))


def _resume(recorder: Recorder, trainer: Trainer, data: DataRecord, new_data: bool) -> None:
    """Go back to the newest checkpoint, on the same pictures, or on others where that is wanted; all ranks call it.

    Raises:
        TrainingError: other pictures, and not wanted.
        gan.training.checkpoint.CheckpointError: nothing whole to resume from.
    """
    out, info, problem = recorder.folder, None, None
    if recorder.writes:
        info = run.read_info(out)
        known = info.data
        same = known.is_same(data) if known.identity else known.images == data.images
        if not same and not new_data:
            problem = (
                f"{out} was trained on other pictures: {known.words} ({known.images:,}) and not these of {data.words} "
                f"({data.images:,}): give the --data that it was trained on, or --new-data to go on with these"
            )
    if problem := from_rank_zero({"problem": problem}, trainer.device)["problem"]:
        raise TrainingError(problem)
    recorder.restore(trainer)
    changes = None
    if recorder.writes:
        if same:
            run.write_data(out, known.told_by(data))
        else:
            run.write_data(out, data, run.Earlier(known, recorder.images_seen))
        info = run.read_info(out)
        records = [*(part.data for part in info.earlier), info.data]
        changes = [(record.words, record.images) for record in records]
    recorder.change_pictures(trainer, from_rank_zero({"changes": changes}, trainer.device)["changes"])


def _total_steps(config: GANConfig, limits: Limits, recorder: Recorder) -> int:
    steps = round((limits.epochs - recorder.epoch_shift) * recorder.steps_per_epoch)
    if limits.max_images is not None:
        steps = min(steps, math.ceil(limits.max_images / config.batch_size))
    return steps


def _claim(out: Path, overwrite: bool) -> None:
    """Make `out` ours, which holds its lock already; removes an old model's own files only, and only when told."""
    check_out(out, overwrite)
    run.clear(out)  # but for config.json: a process that is killed now would else leave what looks like other files


def _roll_back(trainer: Trainer, recorder: Recorder, rollbacks: int) -> None:
    diverged_at = recorder.images_seen
    if rollbacks > MAX_ROLLBACKS:
        raise TrainingError(
            f"the weights became NaN or infinite {rollbacks} times, last at {diverged_at:,} images; the last good "
            "checkpoint is kept: resume it, or start anew with lower learning rates (--set g_lr=1e-4 --set d_lr=1e-4) "
            "or --precision fp32"
        )
    recorder.restore(trainer)
    trainer.rollbacks += rollbacks  # other latents from here on: the same ones would diverge again
    event = f"diverged at {diverged_at:,} images: back to {recorder.images_seen:,}"
    log.warning(event)
    recorder.note(event)
