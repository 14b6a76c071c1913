"""Train a GAN: `python train.py --preset smooth-mnist28 --data mnist`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before the imports, which would fail less clearly
    sys.exit(f"GAN Faces needs Python 3.11 or later, and this is {sys.version.split()[0]}: {sys.executable}")

import signal

if __name__ == "__main__":  # Ctrl-C while torch is imported, which takes seconds
    signal.signal(signal.SIGINT, lambda *_: sys.exit("train.py: stopped"))

import argparse
import copy
import functools
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gan import errors, run
from gan.config import GANConfig, parse_assignment
from gan.data.images import first_images, load_data
from gan.data.sources import absolute
from gan.data.splits import ALL, TRAINED_ON
from gan.data_record import UNKNOWN, DataRecord, is_built_in
from gan.files import atomic_path, remove_leftovers
from gan.hub import local_folder
from gan.latent import directions
from gan.machine import pick_device
from gan.metrics.classifier import load_classifier, task_of
from gan.metrics.monitor import Monitor
from gan.presets import PRESET_DATA, PRESETS, before_refining, get_preset
from gan.report.card import write_card
from gan.sampling import image_grid
from gan.terminal import end_with_input, shell_command, steady_output, stoppable
from gan.training.checkpoint import has_checkpoint, load_meta
from gan.training.checks import TrainingError, check_out, check_size
from gan.training.distributed import process_group
from gan.training.loop import Limits, Outcome, train
from gan.training.matching import FeatureMatching, View, full_size_views
from gan.training.options import parse, preset_table

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0; 1, an error of ours; 2, one to be put right; 128 + signal."""
    with steady_output(), stoppable() as ending:
        options = parse(arguments)
        logging.basicConfig(format="%(message)s", level=logging.INFO)
        if options.list_presets:
            print(preset_table())
            return 0
        if options.until_input_ends:
            end_with_input()
        try:
            if options.preview:
                return preview(options)
            return command(options)
        except (Exception, KeyboardInterrupt) as error:
            if options.debug:
                raise
            ending.set()
            sentence, status = explain(error, options)
            print(f"train.py: {sentence}", file=sys.stderr)
            return status


def command(options: argparse.Namespace) -> int:
    """Train, and make what a trained folder has beside its weights; returns the exit status."""
    with process_group(as_begun(options, begun(options))["device"]) as (rank, world_size):
        if rank > 0:
            logging.disable(logging.WARNING)  # rank 0 says it
        outcome, out = start(options, rank, world_size)
        if rank > 0:
            return 0
        if outcome.reason != "interrupted":
            finish(out)
    print(
        f"{outcome.reason}: {outcome.images_seen:,} images seen in {outcome.seconds / 60:.1f} minutes; "
        f"the model is in {out}"
    )
    if outcome.reason != "finished":
        print(f"go on with: {resume_command(out)}")
    return 0


def preview(options: argparse.Namespace) -> int:
    """Write a sheet of the first pictures, as the critic will see them; returns the exit status."""
    config = configure(options, local_folder(options.start_from) if options.start_from else None)
    sources = [absolute(str(source)) for source in options.data or default_data(options.preset)]
    pictures = first_images(
        sources, options.preview, image_size=config.image_size, channels=config.channels,
        wanted=ALL if options.all_splits else TRAINED_ON, data_root=options.data_root or "data",
    )  # fmt: skip
    grid = image_grid(pictures, math.isqrt(len(pictures) - 1) + 1)
    path = Path(options.out or ".") / "preview.png"
    with atomic_path(path) as temporary:
        Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid).save(temporary)
    print(f"{len(pictures)} pictures of {config.image_size}x{config.image_size}, as the critic will see them: {path}")
    return 0


def explain(error: BaseException, options: argparse.Namespace) -> tuple[str, int]:
    """`gan.errors.explain`, with how to go on."""
    sentence, status = errors.explain(error)
    if isinstance(error, KeyboardInterrupt):
        out = out_of(options)
        go_on = f"go on with: {resume_command(out)}" if out and has_checkpoint(out) else "nothing was trained yet"
        return f"{sentence}; {go_on}", status
    if errors.out_of_memory(error):
        smaller = "begin anew" if options.resume else "try again"
        return (
            f"out of memory ({errors.line(error)}): end other programs, or {smaller} with a lower --batch-size, "
            "or a lower --set base_channels"
        ), status
    return sentence, status


def resume_command(out: Path) -> str:
    """What to type to go on with a run."""
    return shell_command("python", "train.py", "--resume", f"./{out}" if str(out).startswith("-") else out)


def finish(out: Path) -> None:
    """Make what a trained folder lacks: sliders, where a classifier knows such pictures, and then the card.

    May be called again, and does nothing twice: sliders of these weights stay, and the same folder gives the same card.

    Raises:
        gan.run.RunError: a folder that cannot be used, or that another process writes into.
        gan.metrics.results.MetricError: a damaged metrics.json.
        OSError: the card cannot be written.
    """
    task = task_of(run.read_info(out).data.kind)
    with run.at_work(out):
        remove_leftovers(out)
        _find_sliders(out, task)
        write_card(out)


def _find_sliders(out: Path, task: str | None) -> None:
    """Directions for the page; whatever happens, the model is whole without."""
    try:
        directions.load_directions(out)
        return
    except run.RunError:
        pass  # none, or of other weights
    if task is None:
        log.info("%s finds sliders for the page", shell_command("python", "-m", "gan", "directions", out))
        return
    log.info("finding the sliders of %s: a minute or two", out)
    try:
        directions.find_for_run(out)
    except Exception as error:
        log.warning("%s has no sliders but z: %s: %s", out, type(error).__name__, error)


def start(options: argparse.Namespace, rank: int, world_size: int) -> tuple[Outcome, Path]:
    """Turn the options into a config, pictures and a folder, and train."""
    meta, start_from, out = begun(options), None, out_of(options)
    if options.resume:
        config = run.read_info(out).config
        sources = options.data or meta.get("sources")
        if not sources:
            raise TrainingError(f"{out} was not begun by train.py and does not say where its pictures are: give --data")
    else:
        start_from = local_folder(options.start_from) if options.start_from else None
        config = configure(options, start_from)
        out = out or Path("runs") / config.preset
        options.out = str(out)  # for what is said at the end
        check_out(out, options.overwrite)
        sources = options.data or default_data(options.preset, start_from)
    chosen = as_begun(options, meta)
    check_size(config, pick_device(chosen["device"]))
    sources = [absolute(str(source)) for source in sources]
    if (options.kind or options.terms) and all(map(is_built_in, sources)):
        raise TrainingError(f"{' '.join(sources)}: what this is, is known: leave out --kind and --terms")
    images, data = load_data(
        sources, kind=chosen["kind"], terms=chosen["terms"], image_size=config.image_size, channels=config.channels,
        wanted=ALL if chosen["all_splits"] else TRAINED_ON, data_root=chosen["data_root"],
    )  # fmt: skip
    outcome = train(
        config,
        images,
        out,
        data=data,
        limits=Limits(options.epochs or config.epochs, chosen["max_images"], options.max_minutes),
        device=chosen["device"],
        precision=chosen["precision"],
        resume=bool(options.resume),
        new_data=options.new_data,
        start_from=start_from,
        overwrite=options.overwrite,
        sample_every=chosen["sample_every"],
        save_minutes=chosen["save_minutes"],
        monitor=Monitor(images, data.kind) if config.metric_interval and rank == 0 else None,
        matching=feature_matching(options, config, images, data, sources, chosen),
        meta={"sources": sources, **chosen},
        rank=rank,
        world_size=world_size,
    )
    return outcome, out


def feature_matching(
    options: argparse.Namespace,
    config: GANConfig,
    images: np.ndarray,
    data: DataRecord,
    sources: list[str],
    chosen: dict,
) -> FeatureMatching | None:
    """What brings features near those of real pictures; None where the config gives it no weight.

    A run that is resumed has its aims in its checkpoint, and gets others where other pictures take its own ones' place.

    Args:
        images: of the training, (N, H, H, C) uint8.

    Raises:
        TrainingError: no classifier knows such pictures, or --match-data without a weight.
        gan.data.sources.DataError: pictures that cannot be had or used.
        gan.imagenet.ImageNetError: the network's file is missing or damaged.
    """
    if options.match_data and not config.matches_classifier:
        raise TrainingError("--match-data is for matching features: give --refine too, or --set frechet_weight=1")
    if not config.matches_features:
        return None
    device = pick_device(chosen["device"])
    views = full_size_views(config, device)
    classifier = classifier_view(options, config, data, device) if config.matches_classifier else None
    make = functools.partial(FeatureMatching, config, classifier=classifier, **views)
    if options.resume and not options.new_data:
        return make()
    if classifier and not (options.resume and run.read_info(out_of(options)).matched):
        other = [absolute(str(source)) for source in options.match_data or ()]
        real, record = load_data(
            other or sources, kind=chosen["kind"], terms=chosen["terms"], image_size=classifier.size,
            channels=config.channels, wanted=ALL if chosen["all_splits"] else TRAINED_ON, data_root=chosen["data_root"],
        )  # fmt: skip
        log.info("measuring the features of %s real pictures", f"{len(real):,}")
        matching = make(data=record if other else None)
        matching.aim_at("classifier", real, device)
    else:
        matching = make()
    for view in views:
        matching.aim_at(view, images, device)
    return matching


def classifier_view(options: argparse.Namespace, config: GANConfig, data: DataRecord, device: torch.device) -> View:
    """The features of the classifier that knows such pictures; raises `TrainingError` where there is none."""
    task = task_of(data.kind)
    classifier = copy.deepcopy(load_classifier(task)) if task else None
    if classifier is None or classifier.channels != config.channels:
        raise TrainingError(
            "frechet_weight and manifold_weight look at a classifier's features, and none knows "
            f"{config.channels}-channel pictures of {data.words}: give --kind faces or --kind digits where they are"
            + ("" if options.resume else ", or --set frechet_weight=0 --set manifold_weight=0")
        )
    classifier.to(device)
    return View(lambda images: (classifier.features(images),), min(config.image_size, classifier.image_size))


def out_of(options: argparse.Namespace) -> Path | None:
    """The folder that the options name; None where the preset decides it."""
    named = options.resume or options.out
    return Path(named) if named else None


def configure(options: argparse.Namespace, start_from: Path | None = None) -> GANConfig:
    """The preset, or else the config of the model to start from, with the changes that the command line asks for.

    Raises:
        ConfigError: no such preset or field, or a bad value.
        gan.run.RunError: no model folder to start from.
    """
    changes = dict(parse_assignment(text) for text in options.set)
    for name in ("epochs", "batch_size", "seed"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    config = PRESETS["faces64"] if start_from is None else before_refining(run.read_info(start_from).config)
    if options.preset is not None:
        config = get_preset(options.preset)
    if options.grow:
        config = config.grown()
    if options.refine:
        config = config.refined()
    return config.replace(**changes)


def begun(options: argparse.Namespace) -> dict:
    """What a run that is resumed says of its beginning; {} for a new one.

    Raises:
        gan.run.RunError, gan.training.checkpoint.CheckpointError: no run that can be resumed.
    """
    if not options.resume:
        return {}
    run.read_info(out_of(options))
    return load_meta(out_of(options))


def as_begun(options: argparse.Namespace, meta: dict) -> dict:
    """The options, and for a resumed run those that it began with (`meta` of its checkpoint) where none are given."""
    usual = {
        "data_root": "data", "kind": UNKNOWN, "terms": "", "device": "auto", "precision": "auto", "max_images": None,
        "sample_every": None, "save_minutes": 5.0,
        "all_splits": bool(options.resume),  # a run of before there was a choice
    }  # fmt: skip
    given = {name: getattr(options, name) for name in usual if getattr(options, name) is not None}
    if options.epochs is not None:
        meta = meta | {"max_images": None}  # another limit takes the place of the old ones
    if options.new_data:
        meta = meta | {"kind": UNKNOWN, "terms": "", "all_splits": False}  # these were of the pictures before
    chosen = usual | {name: meta[name] for name in usual if name in meta} | given
    return chosen | {"data_root": os.path.abspath(Path(chosen["data_root"]).expanduser())}


def default_data(preset: str | None, start_from: Path | None = None) -> list[str]:
    """What is trained on when --data is not given: what the model to start from was, or else what the preset's were.

    Raises:
        TrainingError: the model to start from was trained on pictures of which only its owner knows where they are.
    """
    if preset is None and start_from is not None:
        data = run.read_info(start_from).data
        if not all(part.is_built_in for part in data.parts):
            raise TrainingError(f"{start_from} was trained on {data.words}: give --data, these pictures or others")
        return [part.source for part in data.parts]
    return [PRESET_DATA.get(preset, "celeba")]


if __name__ == "__main__":
    sys.exit(main())
